"""The client over TLS: authorities, certificates of both sides, and what is not TLS at all."""

import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airbyte_exporter.airbyte import (
    AirbyteClient,
    AirbyteConfig,
    ApiUnreachable,
)
from airbyte_exporter.errors import ConfigurationError
from tests.contract.airbyte.house import WORKSPACE, House, assert_close_interrupts
from tests.requirements import require_program


@dataclass(frozen=True)
class Pki:
    """A self-signed certificate for 127.0.0.1 and one for a client, each its own authority."""

    folder: Path

    def cert(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def key(self, name: str) -> str:
        return str(self.folder / f"{name}.key")

    def context(self, *, client_too: bool = False, name: str = "server") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert(name), self.key(name))
        if client_too:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.cert("client"))
        return context


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    openssl = require_program("openssl")
    pki = Pki(tmp_path_factory.mktemp("pki"))
    for name, where in (
        ("server", "IP:127.0.0.1"),
        ("client", "DNS:client"),
        ("elsewhere", "DNS:elsewhere.test"),
    ):
        command = [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={where}",
            "-keyout", pki.key(name), "-out", pki.cert(name),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    return pki


def test_tls_with_an_authority_of_ones_own(house: House, pki: Pki) -> None:
    server = house.server(context=pki.context())
    assert house.client(server, ca_file=pki.cert("server")).connections(WORKSPACE) == ()


def test_a_certificate_nobody_trusts(house: House, pki: Pki) -> None:
    server = house.server(context=pki.context())
    with pytest.raises(
        ApiUnreachable, match=r"is not trusted \(self-signed certificate\); set airbyte.ca_file"
    ) as caught:
        house.client(server).connections(WORKSPACE)
    assert caught.value.reason == "tls"
    assert server.requests == []


def test_an_authority_of_ones_own_is_the_only_one(house: House, pki: Pki) -> None:
    server = house.server(context=pki.context())
    with pytest.raises(ApiUnreachable, match="is not trusted"):
        house.client(server, ca_file=pki.cert("client")).connections(WORKSPACE)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_authorities_named_in_the_environment_add_nothing_to_ones_own(
    house: House, pki: Pki, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server = house.server(context=pki.context())
    monkeypatch.setenv(name, pki.cert("server"))
    with pytest.raises(ApiUnreachable, match="is not trusted"):
        house.client(server, ca_file=pki.cert("client")).connections(WORKSPACE)
    monkeypatch.setenv(name, pki.cert("client"))
    assert house.client(server, ca_file=pki.cert("server")).connections(WORKSPACE) == ()


def test_a_certificate_for_another_host(house: House, pki: Pki) -> None:
    server = house.server(context=pki.context(name="elsewhere"))
    with pytest.raises(ApiUnreachable, match="ip address mismatch"):
        house.client(server, ca_file=pki.cert("elsewhere")).connections(WORKSPACE)


def test_a_certificate_that_is_not_to_be_verified(house: House, pki: Pki) -> None:
    server = house.server(context=pki.context(name="elsewhere"))
    assert house.client(server, insecure_skip_verify=True).connections(WORKSPACE) == ()


def test_https_where_only_http_is_spoken(house: House) -> None:
    server = house.server()
    with pytest.raises(ApiUnreachable, match=r"is http:// meant in airbyte\.url") as caught:
        house.client(server, url=f"https://127.0.0.1:{server.server_port}").connections(WORKSPACE)
    assert caught.value.reason == "tls"


@pytest.mark.parametrize("with_certificate", [True, False])
def test_a_server_that_wants_a_client_certificate(house: House, pki: Pki, with_certificate: bool) -> None:
    server = house.server(context=pki.context(client_too=True))
    keys: dict[str, Any] = {"ca_file": pki.cert("server")}
    if with_certificate:
        keys |= {"client_cert_file": pki.cert("client"), "client_key_file": pki.key("client")}
        assert house.client(server, **keys).connections(WORKSPACE) == ()
    else:
        with pytest.raises(ApiUnreachable):
            house.client(server, **keys).connections(WORKSPACE)


def test_close_ends_a_request_over_tls_too(house: House, pki: Pki) -> None:
    assert_close_interrupts(house, pki.context(), ca_file=pki.cert("server"))


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"ca_file": "/nowhere/ca.pem"},
            "airbyte.ca_file: cannot use /nowhere/ca.pem: no such file or directory",
        ),
        ({"ca_file": "{key}"}, "holds no PEM certificate"),
        (
            {"client_cert_file": "/nowhere/c.pem"},
            "airbyte.client_cert_file: cannot use /nowhere/c.pem: no such file",
        ),
        ({"client_cert_file": "{cert}", "client_key_file": "{other}"}, "do not belong together"),
        ({"client_cert_file": "{cert}"}, "not an unencrypted PEM file"),
    ],
)
def test_files_that_cannot_be_used(pki: Pki, keys: dict[str, str], says: str) -> None:
    names = {"key": pki.key("server"), "cert": pki.cert("client"), "other": pki.key("server")}
    config = AirbyteConfig.model_validate({name: value.format(**names) for name, value in keys.items()})
    with pytest.raises(ConfigurationError) as caught:
        AirbyteClient(config, clock=time.time)
    assert says in str(caught.value)
