"""The server on real sockets: what it answers, whom it lets go, how it starts and ends."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from airbyte_exporter.web import (
    AddressTaken,
    WebConfig,
    WebError,
    WebServer,
    _limits,
    _server,
    check_address,
)
from tests.contract.web.clients import is_let_go
from tests.contract.web.pages import app_of
from tests.e2e.harness import eventually
from tests.snapshots import rich_snapshot

STOP_LIMIT = 2.0


def make_app() -> ASGIApp:
    return app_of(rich_snapshot())


def start(app: ASGIApp, address: str = "127.0.0.1:0") -> WebServer:
    server = WebServer(WebConfig(listen_address=address), app)
    server.start()
    return server


@pytest.fixture
def server() -> Iterator[WebServer]:
    it = start(make_app())
    yield it
    it.stop()


def where(server: WebServer) -> tuple[str, int]:
    host, _, port = server.address.removeprefix("http://").rpartition(":")
    return host.strip("[]"), int(port)


def ask(server: WebServer, method: str, path: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(*where(server), timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def stopping_takes(server: WebServer) -> float:
    started = time.monotonic()
    server.stop()
    return time.monotonic() - started


def test_metrics_over_a_socket(server: WebServer) -> None:
    response, body = ask(server, "GET", "/metrics")
    assert response.status == 200
    assert response.getheader("content-length") == str(len(body))
    assert response.getheader("server") is None
    assert b"airbyte_connection_info{" in body


def test_no_part_of_an_answer_waits_for_an_acknowledgement() -> None:
    with _server._listen("127.0.0.1:0") as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_head_has_the_headers_of_get_and_no_body(server: WebServer) -> None:
    connection = http.client.HTTPConnection(*where(server), timeout=10)
    connection.request("HEAD", "/metrics")
    response = connection.getresponse()
    assert response.status == 200
    assert response.read() == b""
    assert int(response.getheader("content-length") or 0) > 10_000
    assert response.getheader("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    connection.request("GET", "/-/healthy")  # the connection is still in step
    assert connection.getresponse().read() == b"healthy\n"
    connection.close()


def test_another_method_is_refused_though_it_brings_a_body(server: WebServer) -> None:
    connection = http.client.HTTPConnection(*where(server), timeout=10)
    connection.request("POST", "/metrics", body=b"x" * 100_000)
    response = connection.getresponse()
    assert (response.status, response.getheader("allow")) == (405, "GET, HEAD")
    connection.close()


def test_a_header_does_not_make_a_client_local_or_remote(server: WebServer) -> None:
    connection = http.client.HTTPConnection(*where(server), timeout=10)
    connection.request("GET", "/api/v1/status", headers={"X-Forwarded-For": "127.0.0.1"})
    assert b"password authentication failed" not in connection.getresponse().read()
    connection.request("GET", "/api/v1/status")
    assert b"password authentication failed" in connection.getresponse().read()
    connection.close()


def test_many_at_once_all_get_the_whole_page(server: WebServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(server, "GET", "/metrics"), range(40)))
    assert {response.status for response, _ in answers} == {200}
    assert all(len(body) == int(response.getheader("content-length") or 0) for response, body in answers)


def test_garbage_is_answered_and_harms_nobody(server: WebServer) -> None:
    with socket.create_connection(where(server), 10) as peer:
        peer.sendall(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        assert peer.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert ask(server, "GET", "/-/healthy")[0].status == 200


def test_idle_peers_do_not_stand_in_the_way(server: WebServer) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection(where(server), 10))
        assert ask(server, "GET", "/metrics")[0].status == 200


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /metrics HTT", b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\nGET /met"],
    ids=["says nothing", "stops in its first request", "stops in its second request"],
)
def test_a_peer_that_does_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(_limits, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(_limits, "FIRST_REQUEST_SECONDS", 0.1)
    monkeypatch.setattr(_limits, "KEEP_ALIVE_SECONDS", 0.1)
    monkeypatch.setattr(_limits.GuardedProtocol, "_patience", 0.1)
    server = start(make_app())
    with socket.create_connection(where(server), 10) as peer:
        peer.sendall(sent)
        assert is_let_go(peer)
    server.stop()


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(b"x" * 50_000_000)(scope, receive, send)


@pytest.mark.parametrize("requests", [1, 3], ids=["one answer", "answers to pipelined requests"])
def test_a_peer_that_does_not_read_its_answer_is_let_go(
    monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    monkeypatch.setattr(_limits, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(_limits, "ANSWER_SECONDS", 0.3)
    asked = threading.Event()

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await large(scope, receive, send)

    server = start(noted)
    with socket.create_connection(where(server), 10) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * requests)
        assert asked.wait(10)
        connections = server._server.server_state.connections
        eventually(lambda: len(connections) == 0, "it is let go", timeout=10)
        assert connections == set()
    server.stop()


def test_it_stops_at_once_with_nobody_there() -> None:
    assert stopping_takes(start(make_app())) < STOP_LIMIT


def test_it_stops_in_time_with_idle_kept_alive_and_stalled_peers() -> None:
    server = start(large)
    with ExitStack() as stack:
        idle = stack.enter_context(socket.create_connection(where(server), 10))
        half = stack.enter_context(socket.create_connection(where(server), 10))
        half.sendall(b"GET / HTTP/1.1\r\nHo")
        stalled = stack.enter_context(socket.create_connection(where(server), 10))
        stalled.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        kept = http.client.HTTPConnection(*where(server), timeout=10)
        stack.callback(kept.close)
        kept.request("HEAD", "/")
        kept.getresponse().read()
        assert stopping_takes(server) < STOP_LIMIT
        assert idle.recv(10) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where(server), 10)


def test_stopping_twice_or_before_the_start_is_fine() -> None:
    WebServer(WebConfig(), make_app()).stop()
    server = start(make_app())
    server.stop()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where(server), 10)


def test_the_address_is_free_again_at_once() -> None:
    first = start(make_app())
    host, port = where(first)
    ask(first, "GET", "/-/healthy")
    first.stop()
    second = start(make_app(), f"{host}:{port}")
    assert ask(second, "GET", "/-/healthy")[0].status == 200
    second.stop()


def test_a_taken_address_is_one_line_that_says_what_to_do(server: WebServer) -> None:
    address = "{}:{}".format(*where(server))
    with pytest.raises(WebError) as caught:
        start(make_app(), address)
    text = str(caught.value)
    assert text.startswith(f"cannot listen on {address}: something else listens there; ")
    assert "web.listen_address" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1:10980", "no such address"),
        ("no-such-host.invalid:10980", "no such host"),
        (f"{'a' * 70}.invalid:10980", "no such host"),
    ],
)
def test_an_address_that_is_not_ours_is_one_line(address: str, words: str) -> None:
    with pytest.raises(WebError, match=words):
        start(make_app(), address)


def test_an_address_is_tried_without_keeping_it(server: WebServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = f"127.0.0.1:{probe.getsockname()[1]}"
    check_address(WebConfig(listen_address=free))
    start(make_app(), free).stop()
    with pytest.raises(AddressTaken, match="something else listens there"):
        check_address(WebConfig(listen_address="{}:{}".format(*where(server))))
    with pytest.raises(WebError, match="no such address") as caught:
        check_address(WebConfig(listen_address="192.0.2.1:10980"))
    assert not isinstance(caught.value, AddressTaken)
    assert ask(server, "GET", "/-/healthy")[0].status == 200


@pytest.mark.parametrize(
    ("address", "reached_at"),
    [(":0", "http://127.0.0.1:"), ("0.0.0.0:0", "http://127.0.0.1:"), ("localhost:0", "http://")],
)
def test_it_says_where_this_machine_reaches_it(address: str, reached_at: str) -> None:
    server = start(make_app(), address)
    assert server.address.startswith(reached_at)
    assert ask(server, "GET", "/-/healthy")[0].status == 200
    server.stop()


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(
    ("address", "reached_at"), [("[::1]:0", "http://[::1]:"), ("[::]:0", "http://127.0.0.1:")]
)
def test_ipv6(address: str, reached_at: str) -> None:
    check_address(WebConfig(listen_address=address))
    server = start(make_app(), address)
    assert server.address.startswith(reached_at)
    assert ask(server, "GET", "/-/healthy")[0].status == 200
    server.stop()
