"""What connectors say when something is wrong: their own words, which speak of passwords, and no password."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from airbyte_exporter.airbyte import AirbyteConfig, ApiError, ApiRejected
from airbyte_exporter.airbyte._masking import BLANK, masked, secrets_in
from airbyte_exporter.airbyte._secrets import scrubbed
from airbyte_exporter.airbyte.writing import WritingClient
from tests.unit.airbyte.fakes import KNOWN, WORKSPACE, FakeAirbyte, FakeTime, Reaction, Say

MARKER = "m4rk3r-secret"
LONG_REASON = "State code: 08001; " + "the server does not answer; " * 10


def client(react: Callable[[str, dict[str, Any]], Reaction]) -> WritingClient:
    time = FakeTime()
    return WritingClient(
        AirbyteConfig.model_validate({"url": "http://airbyte.test"}),
        clock=time.wall,
        stop=time,
        monotonic=time.monotonic,
        random=lambda: 1.0,
        adapter=FakeAirbyte(react, time),
        capabilities=KNOWN,
    )


def refusal(say: Say, configuration: dict[str, Any]) -> str:
    """Return what is said of a source that Airbyte refuses to create."""
    with pytest.raises(ApiError) as caught:
        client(lambda *_: say).create_actor("source", WORKSPACE, "d", "Shop", configuration)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "$.password: is missing but it is required",
        "$.credentials.password: null found, string expected",
        "/api_key: must be a string",
        "required property 'password' not found",
        'FATAL: password authentication failed for user "reader"',
        "Password is missing",
        "Basic authentication is not supported",
        "the bearer token has expired",
        "compass: north",
        "see https://docs.airbyte.com/integrations/sources/postgres?x=1",
    ],
)
def test_words_about_secrets_stay(text: str) -> None:
    assert scrubbed(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("jdbc:postgresql://u:m4rk3r@h/db?user=x&password=m4rk3r&ssl=1", f"?user=x&password={BLANK}&ssl=1"),
        ('got {"password": "m4rk3r \\" x", "host": "h"}', f'{{"password": {BLANK}, "host": "h"}}'),
        ("{'client_secret': 'm4rk3r', 'a': 1}", f"{{'client_secret': {BLANK}, 'a': 1}}"),
        ("PgConfig(host=h, password=m4rk3r)", f"PgConfig(host=h, password={BLANK})"),
        ("password: m4rk3r", f"password: {BLANK}"),
        ("secret_access_key=m4rk3r/+1; region=x", f"secret_access_key={BLANK}; region=x"),
        ('token="m4rk3r m4rk3r" x', f"token={BLANK} x"),
        ("Authorization: Bearer m4rk3r", f"Authorization: {BLANK}"),
        ("sent Bearer m4rk3r.abc to h", f"sent Bearer {BLANK} to h"),
        ("-----BEGIN PRIVATE KEY-----\nm4rk3r\n-----END PRIVATE KEY----- x", f"{BLANK} x"),
        ("-----BEGIN PRIVATE KEY-----\nm4rk3r", BLANK),
    ],
)
def test_what_looks_like_a_secret_is_blanked_out(text: str, shown: str) -> None:
    assert "m4rk3r" not in scrubbed(text)
    assert shown in scrubbed(text)


def test_a_refusal_has_the_connectors_own_words_and_no_advice_about_versions() -> None:
    said = refusal(Say(422, {"message": f"$.password: is missing; $.host: is {LONG_REASON}"}), {})
    assert said == (
        "sources/create: Airbyte at airbyte.test refuses the request with 422: $.password: is missing; "
        f"$.host: is {LONG_REASON.strip()}"
    )
    assert refusal(Say(422, {}), {}).endswith("with 422; this exporter reads Airbyte 0.50 to 2.x")


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
def test_an_answer_that_echoes_the_configuration_tells_nothing_of_it(status: int) -> None:
    key = f"-----BEGIN KEY-----\n{MARKER}-line-of-a-key\n-----END KEY-----\n"
    configuration = {
        "host": "db",
        "password": MARKER,
        "ssh": {"key": SecretStr(key), "list": [SecretStr(f"{MARKER} with blanks")]},
        "pin": 4711081,
    }
    for echo in (
        f"bad: {configuration['password']}",
        f"{{password: {MARKER}, key: {key}}}",
        f"line {MARKER}-line-of-a-key of the key",
        f"password={MARKER} with blanks, pin 4711081",
        '{"password": "' + MARKER + '"}',
    ):
        body = {"message": echo, "exceptionClassName": "x", "validationErrors": [echo]}
        said = refusal(Say(status, body), configuration)
        assert MARKER not in said
        assert "with blanks" not in said
        assert "4711081" not in said


def test_the_reason_of_a_check_is_whole_and_without_secrets() -> None:
    body = {"status": "failed", "message": f"{LONG_REASON} password={MARKER}"}
    said = client(lambda *_: Say(body=body)).check_actor("source", "s").message
    assert said == f"{LONG_REASON} password={BLANK}".replace("  ", " ")
    empty = client(lambda *_: Say(body={"status": "failed", "message": "\n"}))
    assert empty.check_actor("source", "s").message is None


def test_a_schema_that_cannot_be_read_says_why() -> None:
    why = {"succeeded": False, "failureReason": {"externalMessage": f"password={MARKER} is wrong"}}
    with pytest.raises(ApiRejected) as caught:
        client(lambda *_: Say(body={"jobInfo": why})).discover("s")
    assert str(caught.value) == (
        f"sources/discover_schema: the schema cannot be read: password={BLANK} is wrong"
    )


def test_numbers_are_shown_unless_they_are_what_secrets_are_called() -> None:
    shown = {"port": 5432, "pin": 4711, "api_token": 12.5, "keys": 3, "use_password": True, "list": [1]}
    assert masked(shown) == {**shown, "pin": BLANK, "api_token": BLANK}
    assert list(secrets_in(shown)) == ["4711", "12.5"]


def test_each_long_line_of_a_secret_is_one_too() -> None:
    assert list(secrets_in({"k": "first line\nx\r\n  second line\n"})) == [
        "first line\nx\r\n  second line\n",
        "first line",
        "second line",
    ]
    assert list(secrets_in({"k": [BLANK, SecretStr("one")]})) == ["one"]
