"""The client on real sockets: connections kept, TLS, proxies, the environment, and requests that hang."""

import gzip
import json
import ssl
import subprocess
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airbyte_exporter.airbyte import (
    AirbyteClient,
    AirbyteConfig,
    ApiError,
    ApiMalformed,
    ApiRejected,
    ApiStopped,
    ApiUnreachable,
    Capabilities,
    Polling,
)
from airbyte_exporter.errors import ConfigurationError
from tests.requirements import require_program

WORKSPACE = "11111111-1111-4111-8111-111111111111"
BODY = json.dumps({"connections": []}).encode()
Answer = Callable[[BaseHTTPRequestHandler], None]

KNOWN = Capabilities(
    api="config",
    version="2.0.0",
    edition="community",
    auth="none",
    auth_mode="none",
    deployment_id=None,
    polling=Polling.CHANGES,
)
"""What the clients know from the start: what travels is these tests' matter, not what is asked."""


def answer(handler: BaseHTTPRequestHandler, body: bytes = BODY, **headers: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Answers POST with `react`; remembers connections and requests."""

    daemon_threads = True

    def __init__(self, react: Answer, context: ssl.SSLContext | None = None) -> None:
        self.react = react
        self.context = context
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def finish_request(self, request: Any, client_address: object) -> None:  # noqa: ANN401  (as in socketserver)
        self.connections += 1
        if self.context is None:
            super().finish_request(request, client_address)
            return
        try:
            secure = self.context.wrap_socket(request, server_side=True)
        except OSError:
            return
        with secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients of these tests hang up in the middle."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, dict(self.headers.items())))
        self.server.react(self)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@dataclass
class House:
    """Servers and clients that are closed at the end of the test."""

    opened: list[Callable[[], None]] = field(default_factory=list)

    def server(self, react: Answer = answer, context: ssl.SSLContext | None = None) -> Server:
        server = Server(react, context)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.opened += [server.server_close, thread.join, server.shutdown]
        return server

    def client(
        self,
        server: Server | None = None,
        *,
        stop: threading.Event | None = None,
        known: Capabilities | None = KNOWN,
        **config: object,
    ) -> AirbyteClient:
        port = server.server_port if server else 1
        scheme = "https" if server and server.context else "http"
        keys: dict[str, object] = {"url": f"{scheme}://127.0.0.1:{port}", "timeout": 5, **config}
        client = AirbyteClient(
            AirbyteConfig.model_validate(keys),
            clock=time.time,
            stop=stop,
            random=lambda: 0.0,
            capabilities=known,
        )
        self.opened.append(client.close)
        return client


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    for close in reversed(house.opened):
        close()


def test_one_connection_serves_many_calls(house: House) -> None:
    server = house.server()
    client = house.client(server)
    for _ in range(5):
        client.connections(WORKSPACE)
    assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize("number", [2, 24])
def test_as_many_connections_are_kept_as_requests_are_under_way(house: House, number: int) -> None:
    together = threading.Barrier(number, timeout=10)

    def react(handler: BaseHTTPRequestHandler) -> None:
        together.wait()
        answer(handler)

    server = house.server(react)
    client = house.client(server, max_concurrency=number)
    with ThreadPoolExecutor(number) as pool:
        for _ in range(3):
            assert list(pool.map(client.connections, [WORKSPACE] * number)) == [()] * number
    assert (server.connections, len(server.requests)) == (number, 3 * number)


def test_compressed_and_chunked_answers(house: House) -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        body = gzip.compress(BODY)
        for part in (body[:10], body[10:]):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        handler.wfile.write(b"0\r\n\r\n")

    server = house.server(chunked)
    client = house.client(server)
    assert client.connections(WORKSPACE) == ()
    assert client.connections(WORKSPACE) == ()
    assert server.connections == 1


def assert_close_interrupts(
    house: House, context: ssl.SSLContext | None = None, ca_file: str | None = None
) -> None:
    waiting, done = threading.Event(), threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        waiting.set()
        done.wait(20)

    client = house.client(house.server(hang, context), timeout=30, ca_file=ca_file)
    caught: list[ApiError] = []

    def call() -> None:
        try:
            client.connections(WORKSPACE)
        except ApiError as exc:
            caught.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    assert waiting.wait(10)
    started = time.monotonic()
    client.close()
    thread.join(10)
    done.set()
    assert time.monotonic() - started < 5
    assert [type(exc) for exc in caught] == [ApiStopped]


def test_close_ends_a_request_that_waits_for_its_answer(house: House) -> None:
    assert_close_interrupts(house)


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "body": (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "header": (HEAD + b"X-Long: ", b"x"),
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "chunk size": (CHUNKED, b"0"),
    "body of a redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://x.test/\r\n\r\n", b" "),
    "body of an error": (b"HTTP/1.1 401 Unauthorized\r\n\r\n", b" "),
}


@pytest.mark.parametrize("part", sorted(ENDLESS))
def test_an_answer_that_drips_ends_at_the_deadline(house: House, part: str) -> None:
    """Each byte comes in good time, the whole never does."""
    begin, again = ENDLESS[part]
    done = threading.Event()
    house.opened.append(done.set)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin)
        while not done.wait(0.02):
            handler.wfile.write(again)

    client = house.client(house.server(drip), timeout=0.2)
    started = time.monotonic()
    with pytest.raises(ApiUnreachable) as caught:
        client.connections(WORKSPACE)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - started < 5


def test_an_endless_redirect_is_a_redirect_and_is_not_read(house: House) -> None:
    hung_up = threading.Event()

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: http://x.test/\r\n\r\n")
        try:
            for _ in range(300):
                handler.wfile.write(b" " * 1_000_000)
        except OSError:
            hung_up.set()

    with pytest.raises(ApiRejected, match=r"redirects to http://x\.test"):
        house.client(house.server(endless)).connections(WORKSPACE)
    assert hung_up.wait(10)


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate"])
def test_an_answer_that_swells_when_unpacked_is_not_unpacked(
    house: House, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airbyte_exporter.airbyte._transport.LARGEST_ANSWER", 4 << 20)
    packed = b" " * (64 << 20)
    for step in encoding.split(", "):
        packed = zlib.compress(packed, 9) if step == "deflate" else gzip.compress(packed, 9)
    server = house.server(lambda handler: answer(handler, packed, Content_Encoding=encoding))
    client = house.client(server)
    tracemalloc.start()
    try:
        with pytest.raises(ApiMalformed, match="larger than 4 MB"):
            client.connections(WORKSPACE)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_connection_made_while_closing_does_not_outlive_it(house: House) -> None:
    accepted, done = threading.Event(), threading.Event()
    house.opened.append(done.set)

    def hang(_: BaseHTTPRequestHandler) -> None:
        accepted.set()
        done.wait(20)

    client = house.client(house.server(hang), timeout=30)
    connections = client._transport._connections
    connections.interrupt()  # as `close` does, just before another thread has connected
    started = time.monotonic()
    with pytest.raises(ApiUnreachable):
        client.connections(WORKSPACE)
    assert time.monotonic() - started < 10


def test_an_answer_cut_off_is_no_answer_and_is_asked_for_again(house: House) -> None:
    def short(handler: BaseHTTPRequestHandler) -> None:
        if len(server.requests) > 1:
            answer(handler)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY) + 10))
        handler.end_headers()
        handler.wfile.write(BODY)
        handler.close_connection = True

    server = house.server(short)
    assert house.client(server).connections(WORKSPACE) == ()
    assert len(server.requests) == 2


def test_cookies_are_not_kept(house: House) -> None:
    server = house.server(lambda handler: answer(handler, Set_Cookie="session=1; Path=/"))
    client = house.client(server)
    client.connections(WORKSPACE)
    client.connections(WORKSPACE)
    assert not any("Cookie" in headers for _, headers in server.requests)


def test_the_environment_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = house.server()
    house.client(server, token="abc").connections(WORKSPACE)
    assert server.requests[0][1]["Authorization"] == "Bearer abc"


def test_a_proxy_of_ours_is_used_with_its_credentials(house: House) -> None:
    proxy = house.server()
    client = house.client(
        None, url="http://airbyte.invalid:8001", proxy=f"http://u:p@127.0.0.1:{proxy.server_port}"
    )
    client.connections(WORKSPACE)
    path, headers = proxy.requests[0]
    assert path == "http://airbyte.invalid:8001/api/v1/web_backend/connections/list"
    assert headers["Proxy-Authorization"] == "Basic dTpw"


def test_a_proxy_that_is_down_is_named_as_such(house: House) -> None:
    client = house.client(None, url="https://airbyte.invalid", proxy="http://u:s3cr3t@127.0.0.1:1")
    with pytest.raises(
        ApiUnreachable, match=r"the proxy \(airbyte.proxy\) does not take us to airbyte.invalid"
    ) as caught:
        client.connections(WORKSPACE)
    assert "s3cr3t" not in str(caught.value)


def test_nothing_listens(house: House) -> None:
    with pytest.raises(
        ApiUnreachable, match=r"cannot connect to 127\.0\.0\.1:1 \(connection refused\)"
    ) as caught:
        house.client().connections(WORKSPACE)
    assert caught.value.reason == "connect"


def test_a_host_that_does_not_exist(house: House) -> None:
    with pytest.raises(
        ApiUnreachable, match=r"the host name of airbyte\.invalid cannot be resolved"
    ) as caught:
        house.client(None, url="http://airbyte.invalid").connections(WORKSPACE)
    assert caught.value.reason == "dns"


def test_the_short_reference_api_from_a_server_of_a_few_lines(house: House) -> None:
    """Python's own server answers what nobody wrote with a page of its own: 501 to GET, and 404."""
    job = {"id": 7, "configType": "sync", "status": "succeeded", "createdAt": 10, "updatedAt": 20}
    told: dict[str, Any] = {
        "workspaces/list": {"workspaces": [{"workspaceId": "w", "name": "W", "slug": "w"}]},
        "connections/list": {
            "connections": [
                {"connectionId": "c", "name": "C", "sourceId": "s", "destinationId": "d", "status": "active"}
            ]
        },
        "sources/list": {"sources": [{"sourceId": "s", "name": "S", "sourceName": "Postgres"}]},
        "destinations/list": {"destinations": [{"destinationId": "d", "name": "D"}]},
        "jobs/list": {"jobs": [job]},
        "jobs/get": {"job": job},
    }

    def react(handler: BaseHTTPRequestHandler) -> None:
        method = handler.path.removeprefix("/api/v1/")
        if method in told:
            answer(handler, json.dumps(told[method]).encode())
        else:
            handler.send_error(404)

    client = house.client(house.server(react), known=None)
    inventory = client.inventory()
    assert (inventory.instance.api, inventory.connections[0].source.connector) == ("reference", "Postgres")
    (page,) = client.jobs(updated_since=0)
    assert [(job.id, job.connection_id) for job in page.jobs] == [(7, "c")]
    assert client.job(7) is not None


# TLS


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
