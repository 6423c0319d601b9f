"""Peers that mean no good to an HTTPS server: each holds on to something, or sends without an end."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

__all__ = ["Fate", "Hostile"]

GIGABYTE: Final = 1_000_000_000
BLOCK: Final = b"x" * 0x10000
CHUNK: Final = b"10000\r\n" + BLOCK + b"\r\n"
HALF_A_HELLO: Final = b"\x16\x03\x01\x02\x00\x01\x00"


@dataclass(frozen=True)
class Fate:
    """What a peer got to see: all that came back, when the server hung up in seconds, bytes sent."""

    answer: bytes
    seconds: float
    sent: int

    @property
    def status(self) -> int | None:
        """The status of the first answer, ``None`` when there was none before the server hung up."""
        return int(self.answer[9:12]) if self.answer.startswith(b"HTTP/1.1 ") else None


class Hostile:
    """Sets peers upon the server at `port`, all at the same time; each has `patience` seconds at most.

    Args:
        port: where the server is, on this machine.
        context: what TLS peers trust.
        authorization: the header's value of a user that the server knows.
        patience: after so many seconds a peer gives up, which is a failure of the server.
    """

    def __init__(self, port: int, context: ssl.SSLContext, authorization: str, patience: float) -> None:
        self._port = port
        self._context = context
        self._head = f"Host: x\r\nAuthorization: {authorization}\r\n".encode()
        self._patience = patience
        self._pool = ThreadPoolExecutor(200, "hostile")
        self._over = threading.Event()

    def close(self) -> None:
        """Call back whoever is still there."""
        self._over.set()
        self._pool.shutdown()

    def idle(self) -> Future[Fate]:
        """Connect and say nothing."""
        return self._pool.submit(self._fate, lambda _peer: 0, tls=False)

    def half_a_handshake(self) -> Future[Fate]:
        """Begin a handshake and never go on."""
        return self._pool.submit(self._fate, lambda peer: _send(peer, HALF_A_HELLO), tls=False)

    def slow_header(self) -> Future[Fate]:
        """Send a request at a byte a second."""

        def send(peer: socket.socket) -> int:
            request = b"GET /metrics HTTP/1.1\r\n" + self._head
            for number in range(len(request)):
                peer.sendall(request[number : number + 1])
                if self._over.wait(1):
                    break
            return number

        return self._pool.submit(self._fate, send)

    def large_header(self) -> Future[Fate]:
        """Send a header of 1 MB."""
        request = b"GET /metrics HTTP/1.1\r\n" + self._head + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n"
        return self._pool.submit(self._fate, lambda peer: _send(peer, request))

    def body_with_length(self) -> Future[Fate]:
        """Send 1 GB after a header that says so, as fast as it is taken."""
        return self._pool.submit(self._fate, self._body(b"Content-Length: %d\r\n\r\n" % GIGABYTE, BLOCK))

    def body_in_chunks(self) -> Future[Fate]:
        """Send 1 GB in chunks, as fast as it is taken."""
        return self._pool.submit(self._fate, self._body(b"Transfer-Encoding: chunked\r\n\r\n", CHUNK))

    def reads_nothing(self, requests: int) -> Future[Fate]:
        """Ask for the metrics again and again and leave the answers where they are, until called back."""
        request = b"GET /metrics HTTP/1.1\r\n" + self._head + b"\r\n"

        def send(peer: socket.socket) -> int:
            peer.sendall(request * requests)
            self._over.wait(self._patience)
            return len(request) * requests

        return self._pool.submit(self._fate, send)

    def _body(self, framing: bytes, block: bytes) -> Callable[[socket.socket], int]:
        def send(peer: socket.socket) -> int:
            peer.sendall(b"POST /metrics HTTP/1.1\r\n" + self._head + framing)
            sent = 0
            while sent < GIGABYTE and _send(peer, block):
                sent += len(block)
            return sent

        return send

    def _fate(self, send: Callable[[socket.socket], int], *, tls: bool = True) -> Fate:
        began = time.monotonic()
        answer, sent = b"", 0
        with socket.create_connection(("127.0.0.1", self._port), self._patience) as plain:
            peer = self._context.wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain
            with peer:
                try:
                    sent = send(peer)
                    while not self._over.is_set() and (got := peer.recv(100_000)):
                        answer += got
                except (ConnectionError, ssl.SSLError):
                    pass  # hung up upon: what has come until then counts
        return Fate(answer, time.monotonic() - began, sent)


def _send(peer: socket.socket, data: bytes) -> int:
    """Send `data`; return how much was taken, 0 when the peer hung up."""
    try:
        peer.sendall(data)
    except (ConnectionError, ssl.SSLError):
        return 0
    return len(data)
