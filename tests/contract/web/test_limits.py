"""What a peer may send, how much of it, and how many may be there: on real sockets, as each sees it."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.web import WebConfig, WebServer, _limits
from tests.certificates import Certificates
from tests.contract.web.clients import TLS, is_let_go, sent_until_cut_off, serving, status, trusting, where
from tests.contract.web.pages import app_of
from tests.e2e.harness import eventually
from tests.snapshots import rich_snapshot

FEW = 5
HOST = b"\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
LONG_URL = "the URL is longer than 8192 bytes"
LONG_BODY = "the body is longer than 1048576 bytes"
TWO_LENGTHS = "a body has a length or is in chunks, not both"
INVALID = "Invalid HTTP request received."
LONG_HEADERS = "the headers are longer than 16384 bytes"


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    it = WebServer(WebConfig(listen_address="127.0.0.1:0"), app_of(rich_snapshot()))
    it.start()
    yield it
    it.stop()


def tell(server: WebServer, sent: bytes) -> bytes:
    """Send bytes and nothing more; return all that comes back until the server hangs up."""
    answer = b""
    with socket.create_connection(where(server), 10) as peer:
        try:
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)
            while got := peer.recv(100_000):
                answer += got
        except OSError:
            pass  # it hung up on what it had not read
    return answer


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1" + HOST + b"\r\n", 414, LONG_URL),
        (b"GET /?" + b"a=1&" * 3_000 + b" HTTP/1.1" + HOST + b"\r\n", 414, LONG_URL),
        (b"GET /" + b"a" * 20_000, 414, LONG_URL),
        (b"GET / HTTP/1.1" + HOST + b"X: " + b"a" * 17_000 + b"\r\n\r\n", 431, LONG_HEADERS),
        (b"GET / HTTP/1.1" + HOST + b"X: a\r\n" * 4_000 + b"\r\n", 431, LONG_HEADERS),
        (b"GET / HTTP/1.1" + HOST + b"X: " + b"a" * 20_000, 431, LONG_HEADERS),
        (b"POST / HTTP/1.1" + HOST + b"Content-Length: 1048577\r\n\r\n", 413, LONG_BODY),
        (b"GET / HTTP/1.1" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n", 413, LONG_BODY),
        (b"GET / HTTP/1.1" + HOST + b"Content-Length: 4\r\n" + CHUNKED + b"0\r\n\r\n", 400, TWO_LENGTHS),
        (b"GET / HTTP/1.1" + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400, INVALID),
        (b"GET / HTTP/1.1" + HOST + b"Content-Length: -1\r\n\r\n", 400, INVALID),
        (b"GET / HTTP/1.1" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501, INVALID),
        (b"GET / HTTP/1.1" + HOST + b"Host: y\r\n\r\n", 400, INVALID),
        (b"GET / HTTP/1.1" + HOST + b"X : smuggled\r\n\r\n", 400, INVALID),
        (b"GET / HTTP/1.1\r\n\r\n", 400, INVALID),
        (b"GET /\0 HTTP/1.1" + HOST + b"\r\n", 400, INVALID),
        (b"GET /%00%ff/../.. HTTP/1.1" + HOST + b"\r\n", 404, "Not Found"),
        (b"OPTIONS * HTTP/1.1" + HOST + b"\r\n", 404, "Not Found"),
        (b"BREW / HTTP/1.1" + HOST + b"\r\n", 405, "Method Not Allowed"),
        (b"GET http://elsewhere/-/healthy HTTP/1.1" + HOST + b"\r\n", 404, "Not Found"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_is_refused_is_told_in_one_line(
    server: WebServer, caplog: pytest.LogCaptureFixture, sent: bytes, code: int, reason: str
) -> None:
    head, _, body = tell(server, sent).partition(b"\r\n\r\n")
    assert (int(head[9:12]), body.decode()) == (code, f"{reason}\n")
    assert b"\r\nx-content-type-options: nosniff" in head.lower()
    assert_no_traceback(caplog)


def assert_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    "parts",
    [
        [b"POST / HTTP/1.1" + HOST + CHUNKED + b"no number\r\n"],
        [b"POST / HTTP/1.1" + HOST + CHUNKED, b"no number\r\n"],
        [b"GET / HTTP/1.1" + HOST + b"\r\nno request\r\n\r\n"],
    ],
    ids=["at once", "after the answer", "after a request"],
)
def test_a_body_that_is_none_ends_the_connection_and_leaves_no_traceback(
    server: WebServer, caplog: pytest.LogCaptureFixture, parts: list[bytes]
) -> None:
    with socket.create_connection(where(server), 10) as peer:
        peer.sendall(parts[0])
        if parts[1:]:
            assert peer.recv(100_000).startswith(b"HTTP/1.1 405 ")
        for part in parts[1:]:
            peer.sendall(part)
        assert is_let_go(peer)
    assert status(server, "/-/healthy") == 200
    assert_no_traceback(caplog)


def test_a_small_body_is_thrown_away_and_the_connection_goes_on(server: WebServer) -> None:
    body = b"GET /-/ready HTTP/1.1\r\n\r\n" * 4_000
    request = b"GET /-/healthy HTTP/1.1" + HOST
    answer = tell(server, request + b"Content-Length: %d\r\n\r\n" % len(body) + body + request + b"\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"healthy\n") == 2


@pytest.mark.parametrize(
    ("framing", "block"),
    [
        (b"Content-Length: 1000000000\r\n\r\n", b"x" * 0x10000),
        (CHUNKED, b"10000\r\n" + b"x" * 0x10000 + b"\r\n"),
    ],
    ids=["length", "chunks"],
)
def test_an_endless_body_is_cut_off(server: WebServer, framing: bytes, block: bytes) -> None:
    with socket.create_connection(where(server), 10) as peer:
        peer.sendall(b"POST /metrics HTTP/1.1" + HOST + framing)
        taken = sent_until_cut_off(peer, block, 1_000_000_000)
    assert taken < 16 * 1024 * 1024  # of which most is still in the sockets' buffers


def assert_healthy(peer: socket.socket) -> None:
    peer.sendall(b"GET /-/healthy HTTP/1.1" + HOST + b"\r\n")
    answer = b""
    while b"healthy\n" not in answer:
        got = peer.recv(1_000)
        assert got, "it was hung up on"
        answer += got


def test_so_many_connections_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_limits, "MAX_CONNECTIONS", FEW)
    server = WebServer(WebConfig(listen_address="127.0.0.1:0"), app_of(rich_snapshot()))
    server.start()
    with ExitStack() as stack:
        stack.callback(server.stop)
        first, *_ = [stack.enter_context(socket.create_connection(where(server), 10)) for _ in range(FEW)]
        assert_healthy(first)
        assert [tell(server, b"") for _ in range(3)] == [b""] * 3
        assert tell(server, b"GET /-/healthy HTTP/1.1" + HOST + b"\r\n") == b""
        assert_healthy(first)  # those who are there are not disturbed
        first.close()
        assert eventually(lambda: status(server, "/-/healthy") == 200, "the place is free again", timeout=10)


def test_handshakes_count_as_connections(monkeypatch: pytest.MonkeyPatch, pki: Certificates) -> None:
    monkeypatch.setattr(_limits, "MAX_CONNECTIONS", FEW)
    with serving(pki.folder, TLS % "") as server, ExitStack() as stack:
        for _ in range(FEW):
            stack.enter_context(socket.create_connection(where(server), 10)).sendall(
                b"\x16\x03\x01\x02\x00\x01"
            )
        surplus = stack.enter_context(socket.create_connection(where(server), 10))
        with pytest.raises(OSError, match=r"EOF|reset"):
            trusting(pki).wrap_socket(surplus, server_hostname="127.0.0.1")
        stack.close()
        assert eventually(
            lambda: status(server, "/-/healthy", trusting(pki)) == 200,
            "the places are free again",
            timeout=10,
        )


def test_whatever_bytes_come_nothing_breaks(server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    """Every answer is one of HTTP with a status below 500, or of what this server cannot do."""
    words = st.sampled_from(
        [b"GET ", b"HEAD ", b"POST ", b"/metrics", b"/", b" HTTP/1.1", b"\r\n", b"Host: x", b"\r\n\r\n",
         b"Content-Length: 5", CHUNKED, b"5\r\n", b"0\r\n\r\n", b"Expect: 100-continue",
         b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"%", b"\0", b":", b" "]
    )  # fmt: skip
    pieces = st.lists(words | st.binary(max_size=8), max_size=14).map(b"".join)

    @settings(max_examples=150, deadline=None)
    @given(pieces)
    def each(sent: bytes) -> None:
        answer = tell(server, sent)
        assert (
            answer == b""
            or (answer.startswith(b"HTTP/1.1 ") and answer[9:12] < b"500")
            or answer[9:12] == b"501"
        )

    each()
    assert status(server, "/-/healthy") == 200
    assert_no_traceback(caplog)
