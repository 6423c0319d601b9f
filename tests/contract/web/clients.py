"""The example with a web configuration file, and clients with certificates and users."""

import base64
import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bcrypt

from airbyte_exporter.web import WebConfig, WebServer
from tests.certificates import Certificates
from tests.contract.web.pages import app_of
from tests.snapshots import rich_incidents, rich_snapshot

MESSAGE = b"password authentication failed"
STOP_LIMIT = 2.0
TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key%s}\n"
MUTUAL = TLS % ", client_ca_file: client.crt, client_auth_type: RequireAndVerifyClientCert%s"


def hashed(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


USERS = f"basic_auth_users:\n  alice: {hashed('secret')}\n  bob: {hashed('other')}\n"


@contextmanager
def serving(folder: Path, text: str) -> Iterator[WebServer]:
    """Serve the example with a web configuration file in `folder` that says `text`."""
    file = folder / "web.yml"
    file.write_text(text, encoding="utf-8")
    app = app_of(rich_snapshot(), rich_incidents())
    server = WebServer(WebConfig(listen_address="127.0.0.1:0", config_file=str(file)), app)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def where(server: WebServer) -> tuple[str, int]:
    host, _, port = server.address.partition("://")[2].rpartition(":")
    return host, int(port)


def is_let_go(peer: socket.socket) -> bool:
    """Read until the server hangs up; ``False`` when it does not within the time-out of `peer`."""
    try:
        while peer.recv(10_000):
            pass
    except TimeoutError:
        return False
    except (ConnectionResetError, ssl.SSLEOFError):
        return True
    return True


def sent_until_cut_off(peer: socket.socket, block: bytes, most: int) -> int:
    """Send `block` again and again until the server hangs up; return how many bytes were sent."""
    taken = 0
    try:
        while taken < most:
            peer.sendall(block)
            taken += len(block)
    except (ConnectionError, ssl.SSLError):
        pass
    return taken


def trusting(pki: Certificates, name: str = "server", client: str | None = None) -> ssl.SSLContext:
    """Return what a client uses that trusts the certificate `name` and shows that of `client`."""
    context = ssl.create_default_context(cafile=pki.cert(name))
    if client is not None:
        context.load_cert_chain(pki.cert(client), pki.key(client))
    return context


def connect(server: WebServer, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if context is None:
        return http.client.HTTPConnection(*where(server), timeout=10)
    return http.client.HTTPSConnection(*where(server), timeout=10, context=context)


def ask(
    server: WebServer,
    path: str = "/metrics",
    context: ssl.SSLContext | None = None,
    *,
    login: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> tuple[http.client.HTTPResponse, bytes]:
    sent = dict(headers or {})
    if login is not None:
        sent["Authorization"] = basic(":".join(login).encode())
    connection = connect(server, context)
    try:
        connection.request(method, path, headers=sent)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def basic(credentials: bytes) -> str:
    return f"Basic {base64.b64encode(credentials).decode()}"


def status(server: WebServer, *arguments: Any, **named: Any) -> int:  # noqa: ANN401  # as `ask` takes them
    return ask(server, *arguments, **named)[0].status


def refused(server: WebServer, context: ssl.SSLContext | None) -> bool:
    """Whether a client gets no answer at all. In TLS 1.3 it learns so only when it reads."""
    try:
        ask(server, context=context)
    except (OSError, http.client.HTTPException):
        return True
    return False
