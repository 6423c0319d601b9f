"""No secret is ever said: not in errors, not in logs, not in what is observed, not in any repr."""

import base64
import traceback
from typing import Any

import pytest
import requests
import structlog
import urllib3.exceptions as u3

from airbyte_exporter.airbyte import AirbyteClient, ApiError
from tests.unit.airbyte.fakes import WORKSPACE, Reaction, Say, Talk, talk

MARKER = 'm4rk3r/+&"secret'
ENCODED = base64.b64encode(MARKER.encode()).decode()
PROXY = "http://proxyuser:m4rk3r%25%26proxy@proxy.test:3128"
PROXY_ENCODED = base64.b64encode(b"proxyuser:m4rk3r%&proxy").decode()
TOKEN = "m4rk3r-access-token"  # one that Airbyte issues


def echoing(status: int) -> dict[str, Reaction]:
    """Answers that repeat what we sent, as debugging proxies do."""
    return {
        "message": Say(status, {"message": f"invalid: {MARKER} {TOKEN}"}),
        "header": Say(status, {"message": f"Authorization: Bearer {TOKEN} is wrong"}),
        "plain": Say(status, f"Bearer {TOKEN} {MARKER}".encode()),
        "html": Say(status, f"<html>{MARKER} {TOKEN} {PROXY}</html>".encode()),
        "page field": Say(
            status, {"jobs": [{"job": {"id": MARKER, "createdAt": TOKEN}}], "connections": [MARKER]}
        ),
        "proxy": Say(status, {"message": f"via {PROXY} and m4rk3r%25%26proxy"}),
        "encoded proxy password": Say(status, {"message": f"407: {PROXY_ENCODED} and m4rk3r%&proxy"}),
        "location": Say(status, b"", {"Location": f"https://{TOKEN}@login.test/?t={TOKEN}"}),
        "retry": Say(status, {"message": "no"}, {"Retry-After": TOKEN}),
    }


RAISED: dict[str, Exception] = {
    "invalid header": requests.exceptions.InvalidHeader(f"Bearer {TOKEN}"),
    "proxy": requests.exceptions.ProxyError(f"cannot reach {PROXY}"),
    "connect": requests.ConnectionError(u3.ProtocolError(PROXY, OSError(5, f"{MARKER} {TOKEN}"))),
    "value": ValueError(f"{MARKER} {TOKEN}"),
    "tls": requests.exceptions.SSLError(f"{MARKER} {TOKEN}"),
    "url": requests.exceptions.InvalidURL(PROXY),
}
REACTIONS: list[Any] = [
    *(
        pytest.param(say, id=f"{name} {status}")
        for status in (200, 302, 400, 403, 404, 409, 422, 429, 500)
        for name, say in echoing(status).items()
    ),
    *(pytest.param(exc, id=name) for name, exc in RAISED.items()),
]


def with_secrets(reaction: Reaction, *, to_token: bool = False) -> Talk:
    def react(method: str, body: dict[str, Any]) -> Reaction:
        if method.endswith("applications/token") and not to_token:
            return Say(body={"access_token": TOKEN})
        return reaction

    return talk(react, client_id="m4rk3r-client-id", client_secret=MARKER, proxy=PROXY)


def check(text: str) -> None:
    for secret in ("m4rk3r", ENCODED, PROXY_ENCODED):
        assert secret not in text, text


@pytest.mark.parametrize("to_token", [False, True])
@pytest.mark.parametrize("reaction", REACTIONS)
def test_no_error_and_no_log_line_tells_a_secret(reaction: Reaction, to_token: bool) -> None:
    t = with_secrets(reaction, to_token=to_token)
    with structlog.testing.capture_logs() as logs:
        for call in (lambda: t.client.connections(WORKSPACE), lambda: list(t.client.jobs(updated_since=0))):
            with pytest.raises(ApiError) as caught:
                call()
            check(str(caught.value) + repr(caught.value) + repr(vars(caught.value)))
            check("".join(traceback.format_exception(caught.value)))
    check(repr(logs) + repr(t.observed))


def test_a_static_token_is_not_told_either() -> None:
    t = talk([Say(422, {"message": "you sent m4rk3r-static"})], token="m4rk3r-static")
    with pytest.raises(ApiError) as caught:
        t.client.connections(WORKSPACE)
    check(str(caught.value))
    assert "refuses the request with 422: you sent **********;" in str(caught.value)


def test_a_password_is_not_told_either_nor_the_header_it_is_in() -> None:
    encoded = base64.b64encode(b"airbyte:m4rk3r").decode()
    t = talk([Say(422, {"message": f"you sent m4rk3r, {encoded}"})], username="airbyte", password="m4rk3r")
    with pytest.raises(ApiError) as caught:
        t.client.connections(WORKSPACE)
    check(str(caught.value))
    assert encoded not in str(caught.value)


def test_what_is_configured_stays_secret_however_many_tokens_were_issued() -> None:
    numbers = iter(range(1_000))

    def react(method: str, body: dict[str, Any]) -> Reaction:
        if method.endswith("applications/token"):
            return Say(body={"access_token": f"{TOKEN}-{next(numbers)}", "expires_in": 1})
        return Say(422, {"message": f"m4rk3r-client-id {TOKEN}-{next(numbers) - 1} m4rk3r-configured"})

    t = talk(react, client_id="m4rk3r-client-id", client_secret="m4rk3r-configured")
    for _ in range(200):
        t.time.now += 10
        with pytest.raises(ApiError) as caught:
            t.client.connections(WORKSPACE)
        check(str(caught.value))
        assert "422: **********" in str(caught.value)


def test_a_secret_that_holds_another_is_blanked_out_whole() -> None:
    def react(method: str, body: dict[str, Any]) -> Reaction:
        if method.endswith("token"):
            return Say(body={"access_token": "issued"})
        return Say(422, {"message": "m4rk3r-abc m4rk3r"})

    t = talk(react, client_id="m4rk3r", client_secret="m4rk3r-abc")
    with pytest.raises(ApiError, match=r"422: \*{10} \*{10};"):
        t.client.connections(WORKSPACE)


def test_a_proxy_user_of_one_letter_does_not_blank_out_every_such_letter() -> None:
    t = talk([Say(422, {"message": "unusual use of u"})], proxy="http://u:pw@proxy.test:3128")
    with pytest.raises(ApiError, match=r"422: unusual use of \*{10};"):
        t.client.connections(WORKSPACE)


def test_nothing_prints_a_secret() -> None:
    t = with_secrets(Say(body={"connections": []}))
    t.client.connections(WORKSPACE)
    client: AirbyteClient = t.client
    seen: set[int] = set()

    def reprs(thing: object, depth: int = 0) -> None:
        if id(thing) in seen or depth > 4 or not type(thing).__module__.startswith("airbyte_exporter"):
            return
        seen.add(id(thing))
        check(repr(thing) + str(thing))
        for part in getattr(thing, "__dict__", {}).values():
            reprs(part, depth + 1)

    reprs(client)
    assert len(seen) >= 4


def test_redirects_do_not_tell_the_path_they_point_to() -> None:
    t = talk([Say(302, b"", {"Location": "https://sso.test:99999999/m4rk3r"})])
    with pytest.raises(ApiError, match=r"redirects to https://sso\.test") as caught:
        t.client.connections(WORKSPACE)
    check(str(caught.value))
