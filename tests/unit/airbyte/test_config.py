"""Addresses as people write them, and ways to authenticate."""

from typing import Any

import pytest
from pydantic import ValidationError

from airbyte_exporter.airbyte import AirbyteConfig

MARKER = "S3CR3T-marker"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("localhost", "http://localhost/api/v1"),
        ("localhost:8001", "http://localhost:8001/api/v1"),
        ("airbyte.example.com", "https://airbyte.example.com/api/v1"),
        ("airbyte.example.com:8000", "http://airbyte.example.com:8000/api/v1"),
        ("airbyte.example.com/data", "https://airbyte.example.com/data/api/v1"),
        ("http://localhost:8001/api/v1", "http://localhost:8001/api/v1"),
        ("http://localhost:8001/api/v1/", "http://localhost:8001/api/v1"),
        ("http://localhost:8001//api//v1//", "http://localhost:8001/api/v1"),
        ("http://localhost:8001/", "http://localhost:8001/api/v1"),
        ("http://localhost:8001/api", "http://localhost:8001/api/v1"),
        ("https://a.example/api/public/v1", "https://a.example/api/v1"),
        ("https://a.example/behind/api/public/v1/", "https://a.example/behind/api/v1"),
        ("HTTPS://A.Example:443/api/v1", "https://a.example:443/api/v1"),
        ("  https://a.example  ", "https://a.example/api/v1"),
        ("http://[::1]:8001", "http://[::1]:8001/api/v1"),
        ("airbyte-server-svc:8001", "http://airbyte-server-svc:8001/api/v1"),
        ("http:8001", "http://http:8001/api/v1"),
        ("https-gateway", "http://https-gateway/api/v1"),
    ],
)
def test_an_address_becomes_the_root_of_the_config_api(written: str, url: str) -> None:
    assert AirbyteConfig(url=written).url == url


@pytest.mark.parametrize(
    "written",
    [
        "https://api.airbyte.com/v1",
        "api.airbyte.com",
        "https://api.airbyte.com/v1/applications/token",
        "http://API.airbyte.com:443/",
        "https://cloud.airbyte.com/api/v1",
        "https://cloud.airbyte.com/workspaces/11111111-1111-4111-8111-111111111111/connections",
    ],
)
@pytest.mark.parametrize("api", ["auto", "public"])
def test_airbyte_cloud_is_its_public_api_whatever_page_of_it_is_named(written: str, api: str) -> None:
    config = AirbyteConfig.model_validate({"url": written, "api": api})
    assert config.only_public
    assert {config.url, config.public_url, config.address} == {"https://api.airbyte.com/v1"}
    assert config.base_ui_url == "https://cloud.airbyte.com"


def test_the_config_api_of_airbyte_cloud_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        AirbyteConfig(url="api.airbyte.com", api="config")
    assert "api is config, but url names Airbyte Cloud: only its public API" in str(caught.value)


@pytest.mark.parametrize("written", ["https://a.example/behind", "a.example/behind/api/public/v1"])
def test_the_public_api_lies_beside_the_config_api(written: str) -> None:
    config = AirbyteConfig(url=written, api="public")
    assert config.url == "https://a.example/behind/api/v1", "the state belongs to one address"
    assert config.public_url == config.address == "https://a.example/behind/api/public/v1"
    assert config.base_ui_url == "https://a.example/behind"
    assert AirbyteConfig(url=written).address == "https://a.example/behind/api/v1"
    assert not AirbyteConfig(url=written).only_public


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (f"https://user:{MARKER}@a.example/api/v1", "user name or password; set airbyte.username and"),
        (f"https://{MARKER}@a.example", "user name or password"),
        (f"{MARKER}:x@a.example", "user name or password"),
        (f"https://a.example/api/v1?token={MARKER}", "query or a fragment"),
        (f"https://a.example/#{MARKER}", "query or a fragment"),
        ("ftp://a.example", "must start with http:// or https://"),
        ("", "names no host"),
        ("http://", "names no host"),
        ("http://a.example:99999", "host or port cannot be read"),
        ("http://a.example:x", "host or port cannot be read"),
        ("http://[::1", "host or port cannot be read"),
        ("http://a b.example", "names no host"),
        ('"http://a.example"', "has quotes around it"),
        ("'a.example", "has quotes around it"),
        ("http:/a.example:8000", "with two slashes"),
        ("HTTPS//a.example", "with two slashes"),
        ("https:a.example", "with two slashes"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_words(written: str, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AirbyteConfig(url=written)
    assert says in str(caught.value)
    assert MARKER not in str(caught.value)
    assert caught.value.errors()[0]["loc"] == ("url",)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"client_id": "a"}, "client_secret is missing"),
        ({"client_secret": MARKER}, "client_id is missing"),
        ({"client_id": "a", "client_secret": MARKER, "token": MARKER}, "set one"),
        ({"token": f"{MARKER} {MARKER}"}, "one word of printable ASCII"),
        ({"token": ""}, "one word of printable ASCII"),
        ({"token": f"{MARKER}\r\nX-Evil: 1"}, "one word of printable ASCII"),
        ({"client_id": " ", "client_secret": MARKER}, "must not be empty"),
        ({"client_key_file": "key.pem"}, "client_key_file needs client_cert_file"),
        ({"workspace_ids": ("x",)}, "must be workspace ids"),
        ({"proxy": f"{MARKER}@proxy:3128"}, "must start with http:// or https://"),
        ({"proxy": f"socks5://u:{MARKER}@proxy:1080"}, "must start with http:// or https://"),
        ({"ui_url": "airbyte.example.com"}, "must start with http:// or https://"),
        ({"timeout": 0}, "greater than 0"),
        ({"timeout": 1e300}, "less than or equal to 3600"),
        ({"requests_per_second": 1e-300}, "greater than or equal to 0.001"),
        ({"max_concurrency": 0}, "greater than or equal to 1"),
        ({"max_concurrency": 65}, "less than or equal to 64"),
        ({"api": "v1"}, "Input should be 'auto', 'config' or 'public'"),
        ({"username": "u"}, "password is missing"),
        ({"password": MARKER}, "username is missing"),
        ({"username": "a:b", "password": MARKER}, "without a colon"),
        ({"username": "", "password": MARKER}, "must be a user name"),
        (
            {"username": "u", "password": MARKER, "token": MARKER},
            "token and username with password are 2 ways to authenticate: set one",
        ),
        ({"user_name": "u"}, "Extra inputs are not permitted"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_without_its_secrets(
    keys: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        AirbyteConfig(**keys)
    assert says in str(caught.value)
    assert MARKER not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "auth"),
    [
        ({}, "none"),
        ({"username": "airbyte", "password": "p"}, "basic"),
        ({"username": "airbyte", "password": ""}, "basic"),
        ({"token": "abc"}, "bearer"),
        ({"client_id": "a", "client_secret": "b"}, "client-credentials"),
    ],
)
def test_whichever_way_to_authenticate_is_set_is_used(keys: dict[str, Any], auth: str) -> None:
    assert AirbyteConfig(**keys).auth == auth


def test_a_token_may_be_pasted_with_its_scheme_and_a_newline() -> None:
    token = AirbyteConfig.model_validate({"token": "Bearer abc.def\n"}).token
    assert token is not None
    assert token.get_secret_value() == "abc.def"


def test_names_come_from_the_address_unless_they_are_set() -> None:
    config = AirbyteConfig(url="https://airbyte.example.com:8443/data")
    assert (config.instance_name, config.base_ui_url) == (
        "airbyte.example.com",
        "https://airbyte.example.com:8443/data",
    )
    config = AirbyteConfig(name="production", ui_url="https://ui.example/airbyte/")
    assert (config.instance_name, config.base_ui_url) == ("production", "https://ui.example/airbyte")


def test_workspace_ids_are_written_one_way_and_once() -> None:
    written = ("AAAAAAAA-1111-4111-8111-111111111111", " aaaaaaaa-1111-4111-8111-111111111111 ")
    assert AirbyteConfig(workspace_ids=written).workspace_ids == ("aaaaaaaa-1111-4111-8111-111111111111",)


def test_nothing_of_the_configuration_prints_a_secret() -> None:
    config = AirbyteConfig.model_validate(
        {
            "client_id": MARKER,
            "client_secret": MARKER,
            "proxy": f"http://u:{MARKER}@proxy:3128",
        }
    )
    assert MARKER not in repr(config) + str(config) + repr(config.model_dump()) + config.model_dump_json()
    assert MARKER not in repr(AirbyteConfig.model_validate({"username": "u", "password": MARKER}))


def test_every_key_is_described() -> None:
    assert all(field.description for field in AirbyteConfig.model_fields.values())
