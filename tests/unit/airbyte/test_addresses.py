"""Who is at an address, and where Airbyte is instead: asked politely, briefly, and without a secret."""

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

from airbyte_exporter.airbyte import AirbyteConfig, Greeting, expires_at, find_airbyte, greet
from airbyte_exporter.airbyte._addresses import _candidates, _stranger

INSTANCE = {"edition": "COMMUNITY", "version": "2.0.0", "auth": {"mode": "simple"}}
HEALTH = {"available": True}
MARKER = "MARKER-of-a-secret"


class Web(BaseAdapter):
    """Hosts and paths: what is not in `pages` refuses the connection."""

    def __init__(self, pages: Mapping[str, object], *, seconds: float = 0.0) -> None:
        super().__init__()
        self.pages = pages
        self.seconds = seconds
        self.now = 0.0
        self.asked: list[str] = []
        self.sent: list[str] = []

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        self.now += self.seconds
        url = request.url or ""
        self.asked.append(f"{request.method} {url}")
        self.sent.append(f"{url} {dict(request.headers)} {request.body!r}")
        page = self.pages.get(url)
        if page is None:
            raise requests.ConnectionError(f"nothing at {url}")
        status, body = page if isinstance(page, tuple) else (200, page)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "text/html" if content.startswith(b"<") else "application/json"
        headers = {"Content-Type": kind}
        if b"Authorization Required" in content:
            headers["WWW-Authenticate"] = 'Basic realm="Welcome to Airbyte"'
        raw = urllib3.HTTPResponse(
            body=io.BytesIO(content), headers=headers, status=status, preload_content=False
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is open."""

    def monotonic(self) -> float:
        return self.now


def config(url: str, **more: Any) -> AirbyteConfig:  # noqa: ANN401 - options of several types
    return AirbyteConfig.model_validate({"url": url, **more})


ROOT = "http://airbyte.test:8001/api/v1"


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ({"instance_configuration": INSTANCE}, Greeting("2.0.0", "community", "simple")),
        ({"instance_configuration": {"edition": "pro"}}, Greeting(edition="pro")),
        ({"instance_configuration": (404, {"message": "no"}), "health": HEALTH}, Greeting()),
        (
            {"instance_configuration": (404, {}), "health": (404, {}), "workspaces/list": {"workspaces": []}},
            Greeting(),
        ),
        (
            {"instance_configuration": (401, {}), "health": (401, b"no"), "workspaces/list": (401, {})},
            Greeting(is_guarded=True),
        ),
        ({"instance_configuration": (401, b"<html>sign in")}, None),
        ({"instance_configuration": (401, b"<html>Authorization Required")}, Greeting(is_guarded=True)),
        ({"instance_configuration": b"<html>sign in", "health": b"<html>"}, None),
        (
            {
                "instance_configuration": {"version": "11.2", "name": "another service"},
                "health": {"status": "UP"},
            },
            None,
        ),
        ({"instance_configuration": b"[[[" * 100_000, "health": b"\xff"}, None),
        ({"instance_configuration": ["edition"], "health": (302, b"")}, None),
        ({}, None),
    ],
    ids=[
        "modern",
        "old",
        "health alone",
        "reference",
        "password first",
        "sign-in page",
        "nginx",
        "a page for everything",
        "another service",
        "no JSON",
        "a list",
        "nothing",
    ],
)
def test_who_is_there(pages: dict[str, object], expected: Greeting | None) -> None:
    web = Web({f"{ROOT}/{method}": page for method, page in pages.items()})
    assert greet(config(ROOT, token=MARKER), adapter=web) == expected
    assert len(web.asked) <= 3
    assert MARKER not in "".join(web.sent)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("http://airbyte.test:8000/some/where/api/v1", "http://airbyte.test:8000"),
        ("http://airbyte.test:8000/some/where/api/v1", "http://airbyte.test:8000/some"),
        ("https://tools.test/api/v1", "https://tools.test/airbyte"),
        ("http://tools.test:8443/api/v1", "https://tools.test:8443"),
        ("https://tools.test:8000/deep/api/v1", "http://tools.test:8000/deep"),
        ("http://airbyte.test:8001/api/v1", "http://airbyte.test:8000"),
        ("https://airbyte.test/api/v1", "http://airbyte.test:8001"),
        ("http://[::1]:9000/api/v1", "http://[::1]:8000"),
    ],
)
def test_airbyte_is_found_near_the_address(given: str, right: str) -> None:
    web = Web({f"{right}/api/v1/health": HEALTH})
    found = find_airbyte(config(given), adapter=web, monotonic=web.monotonic)
    assert found == right
    assert all(each.startswith("GET ") and each.endswith("/health") for each in web.asked)
    assert config(str(found)).url == f"{right}/api/v1", "what is found can be written into airbyte.url"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"Successful operation", Greeting()),
        (b"Something else", None),
        (b"<html>Successful operation</html>", None),
        ((503, b"Successful operation"), None),
        ((401, {"message": "no"}), Greeting(is_guarded=True)),
    ],
)
@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("http://airbyte.test:8001/api/public/v1", "http://airbyte.test:8001/api/public/v1"),
        ("cloud.airbyte.com", "https://api.airbyte.com/v1"),
    ],
)
def test_who_is_there_where_the_public_api_is_wanted(
    answer: object, expected: Greeting | None, given: str, root: str
) -> None:
    web = Web({f"{root}/health": answer})
    assert greet(config(given, api="public", token=MARKER), adapter=web) == expected
    assert web.asked == [f"GET {root}/health"]
    assert MARKER not in "".join(web.sent)


def test_airbyte_cloud_is_nowhere_else() -> None:
    web = Web({})
    assert find_airbyte(config("https://api.airbyte.com/v1"), adapter=web) is None
    assert web.asked == []


def test_the_address_itself_is_not_suggested() -> None:
    web = Web({f"{ROOT}/health": HEALTH})
    assert find_airbyte(config(ROOT), adapter=web) is None
    assert f"GET {ROOT}/health" not in web.asked


def test_only_what_answers_as_airbyte_is_found() -> None:
    pages: dict[str, object] = {
        "http://airbyte.test:8000/api/v1/health": b"<html>Airbyte</html>",
        "http://airbyte.test:8001/airbyte/api/v1/health": {"status": "ok"},
        "https://airbyte.test:8001/api/v1/health": (503, HEALTH),
    }
    assert find_airbyte(config(ROOT), adapter=Web(pages)) is None


@pytest.mark.parametrize("given", [ROOT, "https://airbyte.test/a/b/c/d/e/f/g/h/api/v1"])
def test_the_search_is_short_and_stays_at_the_host(given: str) -> None:
    web = Web({})
    assert find_airbyte(config(given), adapter=web, monotonic=web.monotonic) is None
    assert 3 <= len(web.asked) <= 9
    assert len(set(web.asked)) == len(web.asked)
    assert {each.split("/")[2].split(":")[0] for each in web.asked} == {"airbyte.test"}


def test_the_search_ends_when_answers_are_slow() -> None:
    web = Web({}, seconds=3.0)
    assert find_airbyte(config(ROOT), adapter=web, monotonic=web.monotonic) is None
    assert len(web.asked) == 3


@pytest.mark.parametrize(
    "secrets",
    [
        {"token": MARKER},
        {"client_id": MARKER, "client_secret": MARKER},
        {"username": MARKER, "password": MARKER},
    ],
    ids=["token", "client", "password"],
)
def test_no_guessed_address_gets_a_secret(secrets: dict[str, str]) -> None:
    web = Web({})
    find_airbyte(config("http://airbyte.test:9/deep/api/v1", **secrets), adapter=web)
    assert web.sent
    for sent in web.sent:
        assert MARKER not in sent
        assert base64.b64encode(f"{MARKER}:{MARKER}".encode()).decode() not in sent
        assert "authorization" not in sent.lower()


def test_a_client_certificate_is_shown_to_no_other_port() -> None:
    given = config("https://airbyte.test:9/deep/api/v1", client_cert_file="client.pem")
    kept = {url: _stranger(given, url).client_cert_file for url in _candidates(given.url)}
    assert kept["https://airbyte.test:9/api/v1"] == "client.pem"
    assert kept["http://airbyte.test:8000/api/v1"] is None
    assert kept["http://airbyte.test:9/api/v1"] is None


def test_when_a_static_token_expires() -> None:
    def token(claims: object) -> str:
        return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.sig"

    assert expires_at(config(ROOT, token=token({"exp": 1_700_000_000}))) == 1_700_000_000
    unknowns: list[object] = [{}, {"exp": "soon"}, {"exp": -1}, []]
    for unknown in unknowns:
        assert expires_at(config(ROOT, token=token(unknown))) is None
    assert expires_at(config(ROOT, token="opaque")) is None
    assert expires_at(config(ROOT)) is None
