"""A receiver on loopback that answers as a test tells it, byte by byte, and remembers what it was sent."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import parse_headers
from typing import BinaryIO

Answer = Callable[[socket.socket], None]


@dataclass
class Received:
    line: str
    headers: Message
    body: bytes


@dataclass
class Hook:
    port: int
    answer: Answer
    received: list[Received] = field(default_factory=list)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://user-s3cret:pass-s3cret@127.0.0.1:{self.port}/hooks/path-s3cret?key=query-s3cret"


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    """Answer with a status and close, and say so: else the next request of the sender races with that."""
    lines = [f"HTTP/1.1 {code} Because", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return raw("\r\n".join([*lines, "", ""]).encode() + body)


def raw(content: bytes) -> Answer:
    def answer(line: socket.socket) -> None:
        line.sendall(content)

    return answer


def trickle(head: bytes) -> Answer:
    """Answer with `head` and then, for ever, one byte now and again."""

    def answer(line: socket.socket) -> None:
        line.sendall(head)
        for _ in range(1000):
            line.sendall(b"x")
            time.sleep(0.02)

    return answer


@contextmanager
def hook(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Hook]:
    """Serve one connection after the other until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = Hook(listener.getsockname()[1], answer, scheme="http" if tls is None else "https")

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            line.settimeout(10)
            try:
                with line if tls is None else tls.wrap_socket(line, server_side=True) as talk:
                    _serve_one(talk, served)
            except OSError:
                continue  # the client went away, which some tests are about
            finally:
                line.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _serve_one(line: socket.socket, served: Hook) -> None:
    with line.makefile("rb") as incoming:
        request = _read(incoming)
    if request is not None:
        served.received.append(request)
        served.answer(line)


def _read(incoming: BinaryIO) -> Received | None:
    first = incoming.readline()
    if not first.startswith(b"POST "):
        return None
    headers = parse_headers(incoming)
    body = incoming.read(int(headers.get("Content-Length", "0")))
    return Received(first.decode().rstrip(), headers, body)
