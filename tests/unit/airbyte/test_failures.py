"""Each way a call can fail: the error, its reason, its one line, how often and when it is tried again."""

import contextlib
import errno
import ssl

import pytest
import requests
import urllib3.exceptions as u3
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.airbyte import (
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    ApiUnauthorized,
    ApiUnreachable,
)
from tests.unit.airbyte.fakes import DATE, NOW, WORKSPACE, FakeTime, Say, Sent, Talk, talk

EMPTY = Say(body={"connections": []})
HTML = b"<!doctype html><html><title>Welcome</title></html>"
WEB_PAGE = Say(200, HTML, {"Content-Type": "text/html; charset=utf-8"})
RETRIED = [0.5, 1.0, 2.0]


def refused() -> requests.ConnectionError:
    reason = u3.NewConnectionError(None, "no")  # type: ignore[arg-type]  # the pool only words its message
    reason.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    return requests.ConnectionError(u3.MaxRetryError(None, "/api/v1", reason))  # type: ignore[arg-type]  # as above


def untrusted(message: str) -> requests.exceptions.SSLError:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = message
    return requests.exceptions.SSLError(u3.SSLError(cause))


def tls_error(reason: str) -> requests.exceptions.SSLError:
    cause = ssl.SSLError(1, reason)
    cause.reason = reason
    return requests.exceptions.SSLError(u3.SSLError(cause))


def unresolved() -> requests.ConnectionError:
    reason = u3.NameResolutionError("airbyte.test", None, OSError(-2, "unknown"))  # type: ignore[arg-type]  # as above
    return requests.ConnectionError(u3.MaxRetryError(None, "/", reason))  # type: ignore[arg-type]  # as above


CASES: list[tuple[str, Say | Exception, type[ApiError], str, str, list[float]]] = [
    (
        "nothing listens",
        refused(),
        ApiUnreachable,
        "connect",
        "cannot connect to airbyte.test:8001 (connection refused); is Airbyte running",
        RETRIED,
    ),
    (
        "reset",
        requests.ConnectionError(u3.ProtocolError("x", ConnectionResetError(errno.ECONNRESET, "reset"))),
        ApiUnreachable,
        "connect",
        "the connection to airbyte.test:8001 broke (connection reset by peer)",
        RETRIED,
    ),
    (
        "no such host",
        unresolved(),
        ApiUnreachable,
        "dns",
        "the host name of airbyte.test:8001 cannot be resolved",
        RETRIED,
    ),
    (
        "slow to connect",
        requests.ConnectTimeout(),
        ApiUnreachable,
        "timeout",
        "no connection to airbyte.test:8001 within 10 s; is airbyte.url right, and does a firewall let us?",
        RETRIED,
    ),
    (
        "slow to answer",
        requests.ReadTimeout(),
        ApiUnreachable,
        "timeout",
        "does not answer within 30 s",
        RETRIED,
    ),
    (
        "proxy down",
        requests.exceptions.ProxyError(OSError(errno.ECONNREFUSED, "x")),
        ApiUnreachable,
        "connect",
        "the proxy (airbyte.proxy) does not take us to airbyte.test:8001 (connection refused)",
        RETRIED,
    ),
    (
        "untrusted certificate",
        untrusted("self-signed certificate"),
        ApiUnreachable,
        "tls",
        "is not trusted (self-signed certificate); set airbyte.ca_file",
        [],
    ),
    (
        "certificate of another host",
        untrusted("Hostname mismatch, certificate is not valid for 'airbyte.test'."),
        ApiUnreachable,
        "tls",
        "for 'airbyte.test'); put the name that the certificate is for into airbyte.url",
        [],
    ),
    (
        "expired certificate",
        untrusted("certificate has expired"),
        ApiUnreachable,
        "tls",
        "is not trusted (certificate has expired); it has to be renewed",
        [],
    ),
    (
        "no client certificate",
        tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        ApiUnreachable,
        "tls",
        "airbyte.test:8001 wants a client certificate: set airbyte.client_cert_file",
        [],
    ),
    (
        "plain HTTP behind https",
        tls_error("WRONG_VERSION_NUMBER"),
        ApiUnreachable,
        "tls",
        "is http:// meant in airbyte.url?",
        [],
    ),
    (
        "TLS broke",
        tls_error("UNEXPECTED_EOF_WHILE_READING"),
        ApiUnreachable,
        "tls",
        "failed (unexpected eof while reading)",
        RETRIED,
    ),
    (
        "cannot be sent",
        requests.exceptions.InvalidHeader("Bearer secret"),
        ApiRejected,
        "rejected",
        "cannot be sent (InvalidHeader)",
        [],
    ),
    ("500", Say(500, {"errorId": "x"}), ApiUnreachable, "server_error", "is in trouble (500)", RETRIED),
    ("502 page", Say(502, HTML), ApiUnreachable, "server_error", "is in trouble (502)", RETRIED),
    (
        "database trouble",
        Say(409, {"message": "statement timeout"}),
        ApiUnreachable,
        "server_error",
        "(409: statement timeout)",
        RETRIED,
    ),
    ("request timeout", Say(408), ApiUnreachable, "server_error", "(408)", RETRIED),
    (
        "too many requests",
        Say(429, {"message": "You are being rate limited."}),
        ApiUnreachable,
        "rate_limited",
        "wants fewer requests (429: You are being rate limited.)",
        RETRIED,
    ),
    (
        "no credentials",
        Say(401),
        ApiUnauthorized,
        "unauthorized",
        "it wants authentication: set airbyte.client_id and airbyte.client_secret",
        [],
    ),
    ("not allowed", Say(403), ApiForbidden, "forbidden", "does not allow this (403)", []),
    (
        "nginx before a Docker installation",
        Say(401, HTML, {"WWW-Authenticate": 'Basic realm="Welcome to Airbyte"'}),
        ApiUnauthorized,
        "unauthorized",
        "a proxy before it wants a password: set airbyte.username and airbyte.password",
        [],
    ),
    (
        "login of a proxy",
        Say(401, HTML),
        ApiUnauthorized,
        "not_airbyte",
        "says 401 with a web page, not as Airbyte's API; something in front of Airbyte keeps us out",
        [],
    ),
    ("kept out", Say(403, HTML), ApiForbidden, "not_airbyte", "let airbyte.url lead past it", []),
    (
        "our proxy wants a password",
        Say(407),
        ApiRejected,
        "rejected",
        "does not accept us (407); put its user name and password into airbyte.proxy",
        [],
    ),
    (
        "wrong path",
        Say(404, b"404 page not found"),
        ApiNotFound,
        "not_found",
        "is airbyte.url right? It leads to http://airbyte.test:8001/api/v1",
        [],
    ),
    (
        "bad request",
        Say(422, {"message": "Unknown value:\n\tqueued"}),
        ApiRejected,
        "rejected",
        "refuses the request with 422: Unknown value: queued",
        [],
    ),
    (
        "bad request, no words",
        Say(400, {"errorId": "x"}),
        ApiRejected,
        "rejected",
        "refuses the request with 400",
        [],
    ),
    ("bad request, no JSON", Say(400, b"nope"), ApiRejected, "rejected", "refuses the request with 400", []),
    (
        "TLS port",
        Say(400, b"<html>The plain HTTP request was sent to HTTPS port"),
        ApiRejected,
        "tls",
        "wants TLS: write https:// in airbyte.url",
        [],
    ),
    (
        "no client certificate, nginx",
        Say(400, b"<html><title>400 No required SSL certificate was sent</title>"),
        ApiRejected,
        "tls",
        "wants a client certificate: set airbyte.client_cert_file",
        [],
    ),
    (
        "web page",
        WEB_PAGE,
        ApiMalformed,
        "not_airbyte",
        "answers with a web page (200), not as Airbyte's API; is airbyte.url right?",
        [],
    ),
    (
        "page without a type",
        Say(200, HTML, {"Content-Type": ""}),
        ApiMalformed,
        "not_airbyte",
        "web page (200)",
        [],
    ),
    ("page for POST", Say(405, HTML), ApiMalformed, "not_airbyte", "web page (405)", []),
    (
        "redirect",
        Say(302, b"", {"Location": "https://login.example:8443/?code=S3CR3T"}),
        ApiRejected,
        "rejected",
        "redirects to https://login.example:8443 (302); redirects are not followed",
        [],
    ),
    (
        "redirect to a page of the same host",
        Say(302, b"", {"Location": "/login?next=S3CR3T"}),
        ApiRejected,
        "rejected",
        "redirects to another page of its own (302), as a sign-in before Airbyte does",
        [],
    ),
    (
        "redirect nowhere",
        Say(301, b""),
        ApiRejected,
        "rejected",
        "redirects to http://airbyte.test:8001 (301)",
        [],
    ),
    (
        "redirect to nonsense",
        Say(302, b"", {"Location": "http://[S3CR3T"}),
        ApiRejected,
        "rejected",
        "redirects to an address that cannot be read (302)",
        [],
    ),
    ("not JSON", Say(200, b"{"), ApiMalformed, "malformed", "cannot be used: not valid JSON", []),
    ("nothing", Say(204, b""), ApiMalformed, "malformed", "not valid JSON", []),
    (
        "broken gzip",
        Say(200, b"no gzip", {"Content-Encoding": "gzip"}),
        ApiMalformed,
        "malformed",
        "compression is broken",
        [],
    ),
    (
        "field missing",
        Say(body={"connections": [{"name": "x"}]}),
        ApiMalformed,
        "malformed",
        "connections[0].connectionId: field required (and 3 more)",
        [],
    ),
]


@pytest.mark.parametrize(
    ("reaction", "kind", "reason", "says", "waits"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_failure_says_what_happened_and_is_tried_again_only_where_that_helps(
    reaction: Say | Exception, kind: type[ApiError], reason: str, says: str, waits: list[float]
) -> None:
    t = talk([reaction] * 4)
    with pytest.raises(ApiError) as caught:
        t.client.connections(WORKSPACE)
    error = caught.value
    assert (type(error), error.reason, error.method) == (kind, reason, "web_backend/connections/list")
    assert says in str(error)
    assert str(error).startswith("web_backend/connections/list: ")
    assert "\n" not in str(error)
    assert "S3CR3T" not in str(error)
    assert t.time.waits == waits
    assert len(t.airbyte.sent) == len(waits) + 1


def test_every_request_is_observed_by_method_and_status() -> None:
    t = talk([Say(503, seconds=2.0), refused(), Say(body={"connections": []}, seconds=0.25)])
    t.client.connections(WORKSPACE)
    method = "web_backend/connections/list"
    assert t.observed == [(method, "503", 2.0), (method, "error", 0.0), (method, "200", 0.25)]


HEADER = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=40) | st.sampled_from(
    [
        "http://[",
        "//",
        "http://a:b:c",
        "Mon, 02 Feb 0000 02:40:00 GMT",
        "9" * 400,
        "gzip",
        "text/html",
        "br, gzip",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    status=st.integers(200, 599),
    headers=st.dictionaries(
        st.sampled_from(
            ["Location", "Date", "Retry-After", "Content-Type", "Content-Encoding", "Set-Cookie"]
        ),
        HEADER,
    ),
    body=st.sampled_from([b"", b"{}", b'{"message": 5}', b'{"connections": []}', b"<", HTML]),
)
def test_no_headers_whatever_give_anything_but_a_result_or_an_error_of_ours(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    t = talk([Say(status, body, headers)] * 4)
    with contextlib.suppress(ApiError):
        assert t.client.connections(WORKSPACE) == ()


def test_once_airbyte_has_answered_a_404_is_no_question_of_the_address() -> None:
    t = talk([EMPTY, Say(404, b"not here")])
    t.client.connections(WORKSPACE)
    with pytest.raises(ApiNotFound, match="something in front of Airbyte may have answered") as caught:
        t.client.connections(WORKSPACE)
    assert not caught.value.said_by_airbyte


def test_jobs_of_everything_need_an_administrator() -> None:
    t = talk([Say(403)])
    with pytest.raises(ApiForbidden, match="application of an instance administrator"):
        list(t.client.jobs(updated_since=NOW))


def test_requests_go_out_as_airbyte_wants_them() -> None:
    t = talk([EMPTY])
    t.client.connections(WORKSPACE)
    assert t.airbyte.sent == [
        Sent("POST", "/api/v1/web_backend/connections/list", {"workspaceId": WORKSPACE}, None)
    ]


def test_an_address_below_a_path_is_kept() -> None:
    t = talk([EMPTY], url="http://airbyte.test/data")
    t.client.connections(WORKSPACE)
    assert t.airbyte.sent[0].path == "/data/api/v1/web_backend/connections/list"


@pytest.mark.parametrize(
    "date",
    ["Fri, 01 Jan 0150 00:00:00 GMT", "Wed, 31 Dec 1969 23:59:59 GMT", "Mon, 02 Feb 2026 02:40:00 +9999"],
)
def test_a_date_that_no_airbyte_can_have_is_none(date: str) -> None:
    t = talk([Say(body={"jobs": []}, headers={"Date": date})])
    assert [page.served_at for page in t.client.jobs(updated_since=NOW)] == [None]


def test_the_fakes_agree_on_the_time() -> None:
    assert FakeTime().wall() == NOW
    t: Talk = talk([Say(body={"jobs": []}, headers={"Date": DATE})])
    assert [page.served_at for page in t.client.jobs(updated_since=NOW)] == [NOW]
