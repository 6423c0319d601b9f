"""Whatever is asked, by whomever, is answered with a page or one line, and never with an error of ours."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from airbyte_exporter.web._access import Access
from airbyte_exporter.web._limits import RequestLimits
from airbyte_exporter.web._webfile import WebFile
from tests.asgi import Answer, request
from tests.contract.web.pages import app_of
from tests.snapshots import rich_incidents, rich_snapshot

PAGES = ("/", "/metrics", "/api/v1/status", "/-/healthy", "/-/ready")
# A header's value cannot have others: h11 refuses them before any of this.
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
HEADERS = st.dictionaries(
    st.sampled_from(["host", "accept", "accept-encoding", "authorization", "forwarded", "range", "cookie"]),
    VALUES
    | st.sampled_from(
        ["[::1", "[", "localhost:x", "a:99999999", "*/*;q=nan", "text/plain;q=", "gzip;q=1e999", "bytes=0-1"]
    ),
)
PATHS = st.sampled_from(PAGES) | st.text(max_size=30).map("/".__add__)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "TRACE", "CONNECT", "BREW"])
USERS = WebFile(users={b"alice": b"$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"})


@settings(max_examples=150, deadline=None)
@given(path=PATHS, method=METHODS, headers=HEADERS, client=st.sampled_from(["127.0.0.1", "192.0.2.1", "::1"]))
@example(path="/", method="GET", headers={"host": "[::1"}, client="127.0.0.1")
@example(path="/metrics", method="GET", headers={"authorization": "Basic YWxpY2U6AA=="}, client="::1")
def test_whatever_is_asked_is_answered(path: str, method: str, headers: dict[str, str], client: str) -> None:
    for config in (WebFile(), USERS):
        answer = answer_of(config, path, method=method, headers=headers, client=client)
        assert answer.status < 500
        assert "content-security-policy" in answer.headers
        assert answer.status == 200 or answer.text.count("\n") == 1 or method == "HEAD"


def answer_of(config: WebFile, path: str, **asked: Any) -> Answer:  # noqa: ANN401  # as `request` takes them
    access = Access(app_of(rich_snapshot(), rich_incidents()), lambda: config)
    try:
        return request(RequestLimits(access), path, **asked)
    finally:
        access.close()
