"""The same web configuration file before Debian's Prometheus and the exporter: clients fare alike."""

import http.client
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.web import load_web_config
from tests.certificates import Certificates
from tests.contract.web.clients import USERS, basic, serving, trusting, where
from tests.e2e.harness import eventually, free_port
from tests.requirements import ROOT, require_program

EXAMPLES = ROOT / "deploy" / "web"
WEB_FILES = sorted(path.name for path in EXAMPLES.glob("web*.yml"))
NAMED = ("strict-transport-security", "x-frame-options", "x-content-type-options", "x-xss-protection")

TLS_AND_USERS = (EXAMPLES / "web.yml").read_text("utf-8").partition("basic_auth_users")[0] + USERS
SUITE = "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  max_version: TLS12\n"
MUTUAL = """\
tls_server_config:
  cert_file: tls.crt
  key_file: tls.key
  client_ca_file: client-ca.crt
  client_auth_type: {}
"""
HEADERS = """\
http_server_config:
  headers:
    Strict-Transport-Security: max-age=60
    X-Frame-Options: sameorigin
    X-Content-Type-Options: nosniff
    X-XSS-Protection: "0"
"""
FILES = {
    "users": USERS,
    "users and headers": USERS + HEADERS,
    "TLS and users": TLS_AND_USERS,
    "TLS 1.3": TLS_AND_USERS.replace("TLS12", "TLS13"),
    "TLS 1.2 with one suite": TLS_AND_USERS.replace("basic_auth_users", f"{SUITE}basic_auth_users"),
    "client certificates": MUTUAL.format("RequireAndVerifyClientCert"),
    "client certificates and users": MUTUAL.format("RequireAndVerifyClientCert") + USERS,
    "client certificates where given": MUTUAL.format("VerifyClientCertIfGiven"),
}


@dataclass(frozen=True)
class Client:
    """One who asks: over what, with which certificate, as whom."""

    version: str | None = None
    certificate: str | None = None
    suites: str | None = None
    authorization: str | None = None


RIGHT, WRONG, UNKNOWN = (basic(words) for words in (b"alice:secret", b"alice:other", b"nobody:secret"))
CLIENTS = [
    *(
        Client(None, None, None, words)
        for words in (None, RIGHT, WRONG, UNKNOWN, basic(b"alice"), "Bearer x")
    ),
    *(
        Client(version, certificate, None, words)
        for version in ("TLSv1_1", "TLSv1_2", "TLSv1_3")
        for certificate in (None, "client", "stranger")
        for words in (None, RIGHT, WRONG, UNKNOWN)
    ),
    Client("TLSv1_2", None, "ECDHE-ECDSA-AES256-GCM-SHA384", RIGHT),
    Client("TLSv1_2", None, "ECDHE-ECDSA-AES128-GCM-SHA256", RIGHT),
]


@pytest.fixture
def folder(pki: Certificates) -> Path:
    """A folder with the files that the examples name, and a page of Prometheus to serve."""
    for name, of in (("tls", "server"), ("ca", "server"), ("client-ca", "client")):
        for kind in ("crt", "key"):
            (pki.folder / f"{name}.{kind}").write_bytes((pki.folder / f"{of}.{kind}").read_bytes())
    (pki.folder / "exporter-password").write_text("secret")
    return pki.folder


@pytest.mark.parametrize("name", WEB_FILES)
def test_promtool_and_the_exporter_take_the_examples(folder: Path, name: str) -> None:
    file = folder / name
    file.write_bytes((EXAMPLES / name).read_bytes())
    said = promtool("web-config", file)
    assert said.returncode == 0, said.stderr
    assert load_web_config(file).tls is not None


def test_promtool_takes_the_scrape_configuration_of_the_examples(folder: Path) -> None:
    file = folder / "prometheus.yml"
    file.write_bytes((EXAMPLES / "prometheus.yml").read_bytes())
    said = promtool("config", file)
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize(
    "text",
    [
        "tls_server_config: {cert_file: tls.crt}\n",
        "tls_server_config: {cert_file: tls.crt, key_file: tls.key, min_version: TLS14}\n",
        "tls_server_config: {cert_file: tls.crt, key_file: no.key}\n",
        "tls_server_config: {cert_file: tls.crt, key_file: client-ca.key}\n",
        "basic_auth_users: {alice: secret}\n",
        "http_server_config: {headers: {X-Frame-Options: allow}}\n",
        "unknown: 1\n",
    ],
)  # fmt: skip
def test_what_promtool_refuses_is_refused(folder: Path, text: str) -> None:
    (folder / "web.yml").write_text(text)
    assert promtool("web-config", folder / "web.yml").returncode != 0
    with pytest.raises(ConfigurationError, match=r"web\.yml line 1: "):
        load_web_config(folder / "web.yml")


def promtool(kind: str, file: Path) -> subprocess.CompletedProcess[str]:
    command = [require_program("promtool"), "check", kind, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize("name", FILES)
def test_both_treat_clients_alike(pki: Certificates, folder: Path, name: str) -> None:
    program = require_program("prometheus")
    headers = NAMED if HEADERS in FILES[name] else ()  # those of its own each is free to choose
    with serving(folder, FILES[name]) as server, prometheus(program, folder) as port:
        ours = {client: seen(pki, *where(server), client, headers) for client in CLIENTS}
        theirs = {client: seen(pki, "127.0.0.1", port, client, headers) for client in CLIENTS}
    assert ours == theirs
    assert len({outcome[0] for outcome in ours.values()}) > 1, "some get in, some do not"


@contextmanager
def prometheus(program: str, folder: Path) -> Iterator[int]:
    """Run Prometheus behind the web configuration file in `folder`; yield its port."""
    (folder / "empty.yml").write_text("{}\n")
    port = free_port()
    options = {
        "config.file": folder / "empty.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "web.config.file": folder / "web.yml",
    }
    command = [program, *(f"--{name}={value}" for name, value in options.items())]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        eventually(
            lambda: b"Server is ready to receive web requests" in (folder / "prometheus.log").read_bytes(),
            "Prometheus is ready",
        )
        yield port
    finally:
        process.terminate()
        process.wait(10)


def seen(
    pki: Certificates, host: str, port: int, client: Client, headers: Sequence[str]
) -> tuple[int | None, Mapping[str, str | None]]:
    """Return the status that `client` gets, ``None`` without any, and `headers` of it."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    if client.version is not None:
        context = trusting(pki, client=client.certificate)
        context.set_ciphers(client.suites or "ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion[client.version]
        connection = http.client.HTTPSConnection(host, port, timeout=10, context=context)
    try:
        connection.request(
            "GET", "/metrics", headers={"Authorization": client.authorization} if client.authorization else {}
        )
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException):
        return None, {}
    finally:
        connection.close()
    if answer.status == 400:  # what Go says, in plain text, to who speaks no TLS
        return None, {}
    return answer.status, {name: answer.getheader(name) for name in headers}
