"""Tokens: got, renewed in time, replaced once when refused; and what wrong credentials say."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airbyte_exporter.airbyte import (
    ApiError,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    ApiStopped,
    ApiUnauthorized,
    ApiUnreachable,
)
from tests.unit.airbyte.fakes import NOW, WORKSPACE, Handler, Json, Reaction, Say, Talk, talk

CREDENTIALS: dict[str, Any] = {"client_id": "id-1", "client_secret": "secret-1"}
EMPTY = Say(body={"connections": []})


def jwt(**claims: Json) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.sig"


def tokens(t: Talk) -> list[str | None]:
    """What the requests other than those for tokens carried."""
    return [sent.authorization for sent in t.airbyte.sent if not sent.path.endswith("/token")]


def issuing(*issued: dict[str, Any] | Say) -> Handler:
    """An Airbyte that hands out these tokens in turn and accepts everything."""
    left = iter(issued)

    def react(method: str, body: dict[str, Any]) -> Reaction:
        if method.endswith("applications/token"):
            token = next(left)
            return token if isinstance(token, Say) else Say(body=token)
        return EMPTY

    return react


def test_without_credentials_nothing_is_sent() -> None:
    t = talk([EMPTY])
    t.client.connections(WORKSPACE)
    assert tokens(t) == [None]


def test_a_static_token_is_sent_as_it_is() -> None:
    t = talk([EMPTY], token="abc")
    t.client.connections(WORKSPACE)
    assert tokens(t) == ["Bearer abc"]


def test_a_users_password_goes_with_everything_and_is_never_left_out_first() -> None:
    told = {"edition": "community", "id": "d", "version": "0.50.38", "workspaces": []}
    t = talk(lambda *_: Say(body=told), capabilities=None, username="airbyte", password="pässword")
    assert t.client.instance().auth == "basic"
    encoded = base64.b64encode("airbyte:pässword".encode()).decode()
    assert [(sent.verb, sent.authorization) for sent in t.airbyte.sent[:2]] == [
        ("GET", f"Basic {encoded}"),
        ("POST", f"Basic {encoded}"),
    ]
    assert {*tokens(t)} == {f"Basic {encoded}"}


def test_a_refused_password_says_which_one() -> None:
    t = talk([Say(401)], username="airbyte", password="wrong")
    with pytest.raises(ApiUnauthorized, match=r"airbyte.username and airbyte.password are not accepted"):
        t.client.connections(WORKSPACE)


@pytest.mark.parametrize("keys", [{}, {"token": "abc"}], ids=["nothing", "a token"])
def test_a_proxy_that_wants_a_password_says_so(keys: dict[str, Any]) -> None:
    t = talk([Say(401, headers={"WWW-Authenticate": 'Basic realm="Restricted"'})], **keys)
    with pytest.raises(ApiUnauthorized, match=r"set airbyte.username and airbyte.password"):
        t.client.connections(WORKSPACE)


def test_a_refused_static_token_says_that_it_has_expired() -> None:
    t = talk([Say(401)], token="abc")
    with pytest.raises(ApiUnauthorized, match=r"airbyte.token is not accepted; .* expire within minutes"):
        t.client.connections(WORKSPACE)


def test_a_static_token_that_is_over_says_since_when_by_airbytes_own_time() -> None:
    token = jwt(exp=NOW - 60)
    t = talk([Say(401)], token=token)
    t.time.now = -10_000  # our own clock is late
    with pytest.raises(ApiUnauthorized) as caught:
        t.client.connections(WORKSPACE)
    assert str(caught.value) == (
        "web_backend/connections/list: Airbyte at airbyte.test:8001 says 401: airbyte.token has expired, at "
        "2026-02-02T02:39:00Z; Airbyte's tokens live for minutes, airbyte.client_id and "
        "airbyte.client_secret do not expire"
    )


def test_without_airbytes_time_ours_has_to_do() -> None:
    t = talk([Say(401, headers={"Date": "soon"})] * 2, token=jwt(exp=NOW + 60))
    with pytest.raises(ApiUnauthorized, match=r"airbyte\.token is not accepted"):
        t.client.connections(WORKSPACE)
    t.time.now = 61
    with pytest.raises(ApiUnauthorized, match=r"airbyte\.token has expired"):
        t.client.connections(WORKSPACE)


@pytest.mark.parametrize("claims", [{"exp": NOW + 600}, {}, {"exp": "then"}, {"exp": -1}, {"exp": 10**30}])
def test_a_static_token_that_is_not_over_is_not_said_to_be(claims: dict[str, Any]) -> None:
    t = talk([Say(401)], token=jwt(**claims))
    with pytest.raises(ApiUnauthorized, match=r"airbyte\.token is not accepted"):
        t.client.connections(WORKSPACE)


def test_a_token_is_asked_for_in_json_with_nothing_else_and_used_again() -> None:
    t = talk(issuing({"access_token": "t1", "expires_in": 900}), **CREDENTIALS)
    for _ in range(3):
        t.client.connections(WORKSPACE)
    assert t.airbyte.sent[0].path == "/api/v1/applications/token"
    assert t.airbyte.sent[0].body == {"client_id": "id-1", "client_secret": "secret-1"}
    assert t.airbyte.sent[0].authorization is None
    assert tokens(t) == ["Bearer t1"] * 3
    assert len(t.airbyte.sent) == 4


@pytest.mark.parametrize(
    ("answer", "lifetime"),
    [
        ({"access_token": "t", "expires_in": 900}, 900),
        ({"access_token": jwt(iat=NOW - 5, exp=NOW + 895)}, 900),
        ({"access_token": jwt(iat=NOW + 500_000, exp=NOW + 500_900)}, 900),
        ({"access_token": jwt(exp=NOW + 300)}, 300),
        ({"access_token": jwt(iat=NOW, exp=NOW + 86_400), "expires_in": 180}, 180),
        ({"access_token": jwt(iat=NOW, exp=NOW + 60), "expires_in": 900}, 60),
        ({"access_token": "opaque"}, 150),
        ({"access_token": "a.b.c"}, 150),
        ({"access_token": jwt(exp="soon")}, 150),
        ({"access_token": jwt(exp=10**400, iat=1.5)}, 150),
        ({"access_token": jwt(exp=float("inf"))}, 150),
        ({"access_token": jwt(exp=float("nan")), "expires_in": 300}, 300),
        ({"access_token": jwt(exp=NOW + 600, iat=-(10**400))}, 600),
        ({"access_token": jwt(iat=NOW, exp=NOW - 60)}, 150),
        ({"access_token": "t", "expires_in": "later"}, 150),
    ],
    ids=[
        "expires_in",
        "JWT",
        "JWT, other clock",
        "JWT without iat",
        "1.5 says 180",
        "JWT is shorter",
        "unknown",
        "not really a JWT",
        "odd claim",
        "huge claim",
        "endless claim",
        "claim that is no number",
        "huge negative claim",
        "already over",
        "odd lifetime",
    ],
)
def test_a_token_is_renewed_at_four_fifths_of_its_life(answer: dict[str, Any], lifetime: float) -> None:
    t = talk(issuing(answer, {"access_token": "t2"}), **CREDENTIALS)
    t.client.connections(WORKSPACE)
    t.time.now = 0.8 * lifetime - 1
    t.client.connections(WORKSPACE)
    t.time.now = 0.8 * lifetime + 1
    t.client.connections(WORKSPACE)
    first = f"Bearer {answer['access_token']}"
    assert tokens(t) == [first, first, "Bearer t2"]


def test_a_token_that_is_refused_is_replaced_once() -> None:
    t = talk(
        [Say(body={"access_token": "t1"}), Say(401), Say(body={"access_token": "t2"}), EMPTY], **CREDENTIALS
    )
    t.client.connections(WORKSPACE)
    assert tokens(t) == ["Bearer t1", "Bearer t2"]


def test_a_fresh_token_that_is_refused_too_is_the_end() -> None:
    t = talk(
        [Say(body={"access_token": "t1"}), Say(401), Say(body={"access_token": "t2"}), Say(401)],
        **CREDENTIALS,
    )
    with pytest.raises(ApiUnauthorized, match="even a fresh token is not accepted"):
        t.client.connections(WORKSPACE)


def refusing(refusal: Say, instance: Reaction) -> Talk:
    """An Airbyte that accepts no credentials, and what it says of itself to anybody."""
    return talk(lambda method, _: instance if method == "instance_configuration" else refusal, **CREDENTIALS)


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_wrong_credentials_say_which_keys_and_where_the_right_ones_are(status: int) -> None:
    t = refusing(Say(status, {"message": "Invalid client id or token"}), Say(404))
    with pytest.raises(ApiUnauthorized) as caught:
        t.client.connections(WORKSPACE)
    assert "does not accept airbyte.client_id and airbyte.client_secret; `abctl local credentials`" in str(
        caught.value
    )
    assert (caught.value.reason, caught.value.method) == ("unauthorized", "applications/token")


REFUSAL = Say(400, {"message": "Invalid client id or token"})


@pytest.mark.parametrize("version", ["1.8.0", "1.8.3", "1.8.5", "v1.8.5"])
def test_releases_that_are_known_to_refuse_valid_credentials_are_named(version: str) -> None:
    t = refusing(REFUSAL, Say(body={"version": version}))
    with pytest.raises(ApiUnauthorized) as caught:
        t.client.connections(WORKSPACE)
    assert str(caught.value) == (
        "applications/token: Airbyte does not accept airbyte.client_id and airbyte.client_secret; it is "
        f"{version}, and 1.8.0 to 1.8.5 installed by abctl are known to refuse valid ones (airbyte#65592, "
        "#65595): if they are those of `abctl local credentials`, upgrade Airbyte"
    )
    assert [(sent.verb, sent.authorization) for sent in t.airbyte.sent] == [("POST", None), ("GET", None)]


@pytest.mark.parametrize(
    "instance",
    [
        *[Say(body={"version": version}) for version in ("1.8.6", "1.7.0", "2.0.0", "1.8.50", "dev", "")],
        Say(body={"edition": "community"}),
        Say(body=[]),
        Say(404),
        Say(401),
        Say(503),
        Say(200, b"<html>"),
        requests.ConnectionError(),
    ],
)
def test_other_releases_are_not_to_blame_and_are_asked_once(instance: Reaction) -> None:
    t = refusing(REFUSAL, instance)
    with pytest.raises(ApiUnauthorized, match=r"\(Applications\) show the right ones"):
        t.client.connections(WORKSPACE)
    assert len(t.airbyte.sent) == 2


def test_the_version_is_only_looked_at_when_credentials_are_refused() -> None:
    t = talk([Say(503)] * 4, **CREDENTIALS)
    with pytest.raises(ApiUnreachable):
        t.client.connections(WORKSPACE)
    t = talk([Say(body={"access_token": "t"}), EMPTY], **CREDENTIALS)
    t.client.connections(WORKSPACE)
    assert not [sent for sent in t.airbyte.sent if sent.verb == "GET"]


def test_a_stop_while_looking_at_the_version_is_a_stop() -> None:
    def react(_: str, __: dict[str, Any]) -> Reaction:
        t.time.set()
        return REFUSAL

    t = talk(react, **CREDENTIALS)
    with pytest.raises(ApiStopped):
        t.client.connections(WORKSPACE)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Say(400, b"<html>The plain HTTP request was sent to HTTPS port"), "wants TLS: write https://"),
        (Say(401, b"<html>401 Authorization Required"), "something in front of Airbyte keeps us out"),
        (Say(403, b"<html>403 Forbidden"), "something in front of Airbyte keeps us out"),
    ],
)
def test_who_keeps_us_from_the_tokens_is_not_the_credentials_fault(answer: Say, says: str) -> None:
    with pytest.raises(ApiError, match=says) as caught:
        talk([answer], **CREDENTIALS).client.connections(WORKSPACE)
    assert "client_id" not in str(caught.value)


def test_a_redirected_token_request_is_no_matter_of_credentials() -> None:
    t = talk([Say(308, headers={"Location": "https://airbyte.test/"})], **CREDENTIALS)
    with pytest.raises(ApiRejected, match=r"redirects to https://airbyte\.test"):
        t.client.connections(WORKSPACE)


def test_the_public_api_gives_tokens_where_the_config_api_has_none() -> None:
    first, second = Say(body={"access_token": "t1", "expires_in": 100}), Say(body={"access_token": "t2"})
    t = talk([Say(404), first, EMPTY, second, EMPTY], **CREDENTIALS)
    t.client.connections(WORKSPACE)
    t.time.now = 90
    t.client.connections(WORKSPACE)
    paths = [sent.path for sent in t.airbyte.sent if sent.path.endswith("token")]
    assert paths == ["/api/v1/applications/token", *["/api/public/v1/applications/token"] * 2]


@pytest.mark.parametrize("anybody", [Say(404), Say(401), Say(200, b"<html>"), Say(503)])
def test_where_nobody_gives_tokens_the_address_is_wrong(anybody: Say) -> None:
    t = talk([Say(404), Say(404), anybody] * 2, **CREDENTIALS)
    for _ in range(2):
        with pytest.raises(ApiNotFound, match=r"is airbyte\.url right"):
            t.client.connections(WORKSPACE)
    assert [sent.path for sent in t.airbyte.sent][3] == "/api/v1/applications/token"


def test_an_airbyte_from_before_there_were_applications_needs_no_credentials() -> None:
    t = talk([Say(404), Say(404), Say(body={"workspaces": []})], **CREDENTIALS)
    with pytest.raises(
        ApiUnauthorized, match=r"remove airbyte\.client_id and airbyte\.client_secret"
    ) as caught:
        t.client.connections(WORKSPACE)
    assert (caught.value.reason, caught.value.method) == ("unauthorized", "applications/token")
    assert t.airbyte.sent[-1].authorization is None


def test_a_stop_while_looking_for_an_older_airbyte_is_a_stop() -> None:
    def react(method: str, _: dict[str, Any]) -> Reaction:
        if method == "workspaces/list":
            t.time.set()
            return requests.ConnectionError()
        return Say(404)

    t = talk(react, **CREDENTIALS)
    with pytest.raises(ApiStopped):
        t.client.connections(WORKSPACE)


def test_a_proxy_that_wants_a_password_has_not_read_the_credentials() -> None:
    t = talk([Say(401, b"", {"WWW-Authenticate": 'Basic realm="Airbyte"'})], **CREDENTIALS)
    with pytest.raises(ApiUnauthorized) as caught:
        t.client.connections(WORKSPACE)
    assert "set airbyte.username and airbyte.password instead of airbyte.client_id" in str(caught.value)


@pytest.mark.parametrize(
    "body", [{}, {"access_token": ""}, {"access_token": 5}, [], {"access_token": "a\r\nX: b"}]
)
def test_an_answer_without_a_usable_token_is_malformed(body: Json) -> None:
    t = talk([Say(body=body)], **CREDENTIALS)
    with pytest.raises(ApiMalformed, match="applications/token"):
        t.client.connections(WORKSPACE)


def test_a_token_that_cannot_be_renewed_is_used_to_its_end() -> None:
    down = [Say(503)] * 4
    t = talk(issuing({"access_token": "t1", "expires_in": 1000}, *down, *down), **CREDENTIALS)
    t.client.connections(WORKSPACE)
    t.time.now = 900
    t.client.connections(WORKSPACE)
    assert tokens(t) == ["Bearer t1"] * 2
    t.time.now = 1001
    with pytest.raises(ApiUnreachable, match="applications/token"):
        t.client.connections(WORKSPACE)


@pytest.mark.parametrize("trouble", [requests.ReadTimeout(), Say(200, b"<html>"), Say(404), Say(429)])
def test_a_renewal_in_trouble_leaves_the_call_its_time_and_is_not_tried_by_each_call(
    trouble: Reaction,
) -> None:
    asked: list[float] = []

    def react(method: str, body: dict[str, Any]) -> Reaction:
        if not method.endswith("applications/token"):
            return EMPTY
        asked.append(t.time.now)
        if len(asked) == 1:
            return Say(body={"access_token": "t1", "expires_in": 1000})
        if isinstance(trouble, Exception):
            t.time.now += t.airbyte.timeouts[-1][1]
        return trouble

    t = talk(react, **CREDENTIALS)
    t.client.connections(WORKSPACE)
    t.time.now = 801
    for _ in range(3):
        t.client.connections(WORKSPACE)
    assert tokens(t) == ["Bearer t1"] * 4
    assert max(asked) <= 801 + 30, "only the first call asked, and not for longer than its share"
    assert t.airbyte.timeouts[-1] == (10.0, 30.0)


def test_many_threads_share_one_new_token() -> None:
    issued = ["t0"]
    refused = threading.Barrier(8)

    def react(method: str, body: dict[str, Any]) -> Reaction:
        if method.endswith("applications/token"):
            issued.append(f"t{len(issued)}")
            return Say(body={"access_token": issued[-1]})
        if t.airbyte.here.authorization != "Bearer t1":
            return EMPTY
        refused.wait(10)  # all of them carry the token that has just been revoked
        return Say(401)

    t = talk(react, **CREDENTIALS, max_concurrency=8)
    with ThreadPoolExecutor(8) as pool:
        listings = list(pool.map(lambda _: t.client.connections(WORKSPACE), range(8)))
    assert listings == [()] * 8
    assert issued == ["t0", "t1", "t2"]


class Meeting:
    """Two calls without a token: the first asks for one, and is answered once the second waits for it too."""

    def __init__(self, token: Say, *, second: Say = EMPTY) -> None:
        self.asked = 0
        self._token = token
        self._second = second
        self._asking, self._waiting = threading.Event(), threading.Event()
        self._here = threading.local()
        self.talk = talk(self._react, **CREDENTIALS)
        self.talk.time.looked = self._looked

    def outcomes(self) -> list[Exception | None]:
        """What becomes of the first call and of the second, ``None`` for an answer."""
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(self._call, is_second=False)
            assert self._asking.wait(10)
            second = pool.submit(self._call, is_second=True)
            return [first.result(), second.result()]

    def _call(self, *, is_second: bool) -> Exception | None:
        self._here.looks = 0 if is_second else None
        try:
            self.talk.client.connections(WORKSPACE)
        except ApiError as exc:
            return exc
        return None

    def _looked(self) -> None:
        looks = getattr(self._here, "looks", None)
        if looks is not None:
            self._here.looks = looks + 1
            if looks == 1:  # the first look was for its deadline, this one is for its wait
                self._waiting.set()

    def _react(self, method: str, body: dict[str, Any]) -> Reaction:
        if not method.endswith("applications/token"):
            return EMPTY if self._here.looks is None else self._second
        self.asked += 1
        if self.asked == 1:
            self._asking.set()
            assert self._waiting.wait(10)
        return self._token


def test_who_waited_for_a_token_has_the_whole_time_for_the_call() -> None:
    meeting = Meeting(
        Say(body={"access_token": "t1"}, seconds=80), second=Say(body={"connections": []}, seconds=20)
    )
    _, second = meeting.outcomes()
    assert second is None, "90 seconds are for the call, not for the wait of 80 before it"
    assert meeting.asked == 1


def test_who_waited_for_a_token_that_cannot_be_had_is_told_so_and_does_not_ask_as_well() -> None:
    meeting = Meeting(Say(413))
    outcomes = meeting.outcomes()
    assert [type(each) for each in outcomes] == [ApiRejected, ApiRejected]
    assert meeting.asked == 1
    with pytest.raises(ApiRejected):
        meeting.talk.client.connections(WORKSPACE)
    assert meeting.asked == 2, "who comes later asks again"
