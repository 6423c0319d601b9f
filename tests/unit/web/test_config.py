"""What may be written as the listen address."""

import pytest
from pydantic import ValidationError

from airbyte_exporter.web import WebConfig


def test_by_default_every_address_on_the_exporters_port() -> None:
    assert WebConfig().listen_address == "0.0.0.0:10980"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:10980", ":10980", "[::]:10980", "[::1]:0", "localhost:9000", "exporter.internal:65535"],
)
def test_an_address(address: str) -> None:
    assert WebConfig(listen_address=address).listen_address == address


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10980", "must be HOST:PORT"),
        ("", "must be HOST:PORT"),
        ("localhost", "must be HOST:PORT"),
        ("localhost:", "must be HOST:PORT"),
        ("localhost:http", "must be HOST:PORT"),
        ("localhost:65536", "must be HOST:PORT"),
        ("localhost:-1", "must be HOST:PORT"),
        ("localhost:١٢", "must be HOST:PORT"),
        ("::1:10980", "in brackets"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example(address: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        WebConfig(listen_address=address)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        WebConfig.model_validate({"listen_adress": ":1"})
