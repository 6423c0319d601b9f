"""Nothing secret of a connector's configuration is shown, and nothing of it is changed by that."""

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from airbyte_exporter.airbyte import ApiError
from airbyte_exporter.airbyte._masking import BLANK, masked, revealed, secrets_in
from airbyte_exporter.airbyte._secrets import without
from tests.unit.airbyte.fakes import Json, Say, writing_talk
from tests.unit.airbyte.installations import W1
from tests.unit.airbyte.writable import DEFINITION, SOURCE

MARKER = 'm4rk3r/+&"é\\secret'
UNLIKELY = st.text("abcxyz_-", min_size=1, max_size=8).map(lambda text: f"api_{text}_key")
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


def trees(leaves: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )


def shown(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


@given(trees(PLAIN | st.just(SecretStr(MARKER))))
def test_what_is_a_secret_is_shown_nowhere_and_can_be_had_back(tree: Json) -> None:
    assert "m4rk3r" not in shown(masked(tree))
    plain = revealed({"it": tree})
    assert json.loads(json.dumps(plain)) == plain
    assert ("m4rk3r" in shown(plain)) == ("SecretStr" in repr(tree))


@given(
    st.dictionaries(UNLIKELY, trees(st.just(MARKER) | PLAIN).filter(lambda tree: not isinstance(tree, dict)))
)
def test_a_text_under_a_name_that_is_not_known_to_be_harmless_is_not_shown(tree: dict[str, Json]) -> None:
    for name, value in tree.items():
        flat = value if isinstance(value, list) else [value]
        texts = [each for each in flat if isinstance(each, str)]
        assert masked({name: texts}) == {name: [BLANK] * len(texts)}
        assert {*texts} - {BLANK} <= {*secrets_in({name: texts})}


@given(trees(PLAIN))
def test_every_text_that_is_blanked_out_is_told_and_kept_from_messages(tree: Json) -> None:
    found = {*secrets_in(tree)}
    assert BLANK not in found
    assert without(found, "Airbyte is in trouble, again") or not found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("host", "db.example.com"),
        ("host", "shop-1.c9akciq32xyz.eu-west-1.rds.amazonaws.com"),
        ("endpoint", "http://minio:9000"),
        ("s3_bucket_name", "lake"),
        ("s3BucketName", "lake"),
        ("bucket-name", "lake"),
        ("Database", "shop"),
        ("schemas", ["public", "sales"]),
        ("username", "reader"),
        ("auth_type", "Client"),
        ("port", 5432),
        ("page_size", 1000),
        ("ssl", True),
        ("password", None),
        ("token", False),
        ("opinion", 12345),
    ],
)
def test_what_helps_to_recognize_a_configuration_is_shown(key: str, value: Json) -> None:
    assert masked({key: value}) == {key: value}
    assert not [*secrets_in({key: value})]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("jdbc_url_params", "sslmode=require&password=x"),
        ("connection_string", "mongodb+srv://cluster.example.com"),
        ("host", "https://user:pw@db.example.com"),
        ("endpoint", "https://api.example.com/?token=abc"),
        ("endpoint", "https://hooks.slack.com/services/T0/B0/abcdefghij1234567890abcd"),
        ("path", "-----BEGIN PRIVATE KEY-----"),
        ("name", "x" * 201),
        ("Password", "hunter2"),
        ("apiKey", "k"),
        ("api-key", "k"),
        ("username", "AKIAIOSFODNN7EXAMPLE1"),
        ("password", 123456),
        ("pin", 1234),
        ("pinCode", 1234),
        ("PIN", 1234),
        ("accessToken", 99.5),
        ("x", ""),
        ("bot_token_name", "xoxb-1"),
        ("secretMode", "hunter2"),
        ("password_database", "hunter2"),
    ],
)
def test_what_may_be_secret_is_not_shown(key: str, value: Json) -> None:
    assert masked({"credentials": [{key: value}]}) == {"credentials": [{key: BLANK}]}


def test_keys_that_are_no_text_are_no_trouble() -> None:
    tree: dict[Any, Json] = {1: "x", None: SecretStr("y")}
    assert masked(tree) == {1: BLANK, None: BLANK}
    assert [*secrets_in(tree)] == ["x", "y"]


def test_secrets_are_found_line_by_line_and_inside_json() -> None:
    pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhk\n"
    found = {*secrets_in({"service_account": json.dumps({"type": "x", "private_key": pem})})}
    assert {pem, "-----BEGIN KEY-----", "MIIEvQIBADANBgkq"} <= found
    assert "hk" not in found
    assert "x" not in found
    assert [*secrets_in({"odd": "{not json"})] == ["{not json"]
    assert [*secrets_in({"password": BLANK, "pin": 12, "code": 12345})] == ["12345"]


ECHOES = {
    "plain": MARKER,
    "JSON": json.dumps(MARKER),
    "JSON in unicode": json.dumps(MARKER, ensure_ascii=False),
    "Python": repr({"password": MARKER}),
    "URL": quote(MARKER, safe=""),
    "URL path": quote(MARKER),
    "form": quote_plus(MARKER),
}


@pytest.mark.parametrize("status", [400, 422, 409, 500])
@pytest.mark.parametrize("echo", sorted(ECHOES))
@pytest.mark.parametrize("secret", [MARKER, SecretStr(MARKER)], ids=["literal", "secret"])
def test_airbyte_may_repeat_a_configuration_and_we_do_not(secret: Json, echo: str, status: int) -> None:
    t = writing_talk([Say(status, {"message": f"bad value {ECHOES[echo]} at $.x"})] * 4)
    with pytest.raises(ApiError) as caught:
        t.client.update_actor("source", SOURCE.id, "N", {"api_key": secret})
    assert "m4rk3r" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "bad value" in str(caught.value)


def test_airbyte_may_say_that_a_password_is_missing() -> None:
    t = writing_talk([Say(422, {"message": "$.password: is missing but it is required"})])
    with pytest.raises(ApiError, match=r"with 422: \$.password: is missing but it is required"):
        t.client.create_actor("source", W1, DEFINITION, "N", {"host": "h"})


def test_what_a_connector_says_is_without_the_secrets_that_were_just_sent() -> None:
    source = {"sourceId": SOURCE.id, "name": "N"}
    t = writing_talk(
        [
            Say(body=source),
            Say(body={"status": "failed", "message": f"login with {MARKER} failed\nat line 3"}),
            Say(body={"jobInfo": {"succeeded": False, "failureReason": {"internalMessage": MARKER}}}),
        ]
    )
    t.client.create_actor("source", W1, DEFINITION, "N", {"password": SecretStr(MARKER)})
    check = t.client.check_actor("source", SOURCE.id)
    assert (check.succeeded, check.message) == (False, f"login with {BLANK} failed at line 3")
    with pytest.raises(ApiError, match="the schema cannot be read") as caught:
        t.client.discover(SOURCE.id)
    assert BLANK in str(caught.value)


def test_a_change_is_announced_without_secrets_and_sent_with_them() -> None:
    configuration = {"host": "db", "tunnel": {"key": SecretStr(MARKER)}, "token": MARKER}
    t = writing_talk([Say(body={"sourceId": SOURCE.id})])
    t.client.create_actor("source", W1, DEFINITION, "N", configuration)
    (request,) = t.announced
    assert "m4rk3r" not in repr(request)
    assert (request.verb, request.url) == ("POST", "http://airbyte.test:8001/api/v1/sources/create")
    assert request.body == {
        **t.airbyte.sent[0].body,
        "connectionConfiguration": {"host": "db", "tunnel": {"key": BLANK}, "token": BLANK},
    }
    assert t.airbyte.sent[0].body["connectionConfiguration"] == {
        "host": "db",
        "tunnel": {"key": MARKER},
        "token": MARKER,
    }


def test_who_is_told_of_a_change_may_prevent_it() -> None:
    t = writing_talk([])

    def no(_request: object) -> None:
        raise LookupError("no")

    t.client.announce = no
    with pytest.raises(LookupError):
        t.client.delete_connection("c1")
    assert not t.airbyte.sent


@pytest.mark.parametrize("secret", [",", "|", "\t", "'"])
def test_a_delimiter_does_not_garble_messages(secret: str) -> None:
    assert without([secret], "no, it's | not \t so") == "no, it's | not \t so"


def test_very_short_secrets_are_whole_words() -> None:
    assert without(["pw", "a1"], "pw a1: spawned pw1") == f"{BLANK} {BLANK}: spawned pw1"
