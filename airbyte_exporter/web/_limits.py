"""What peers may hold on to: how many connections, for how long, and how much each may send."""

import resource
import socket
import sys
import weakref
from asyncio import BaseTransport, TimerHandle, Transport
from http import HTTPStatus
from typing import Any, Final, cast

import h11
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from airbyte_exporter.web._access import AUTHENTICATED
from airbyte_exporter.web._headers import refusal

__all__ = ["BoundedListener", "GuardedProtocol", "RequestLimits"]

MAX_CONNECTIONS: Final = 500
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_TARGET_BYTES: Final = 8 * 1024
MAX_BODY_BYTES: Final = 1024 * 1024
# Two records of TLS, more than a request may have.
TLS_BUFFER_BYTES: Final = 32 * 1024
# Longer than the usual interval between scrapes, so that Prometheus keeps its connection.
KEEP_ALIVE_SECONDS: Final = 75
FIRST_REQUEST_SECONDS: Final = 20.0
# From one answer to the end of the next, the peer's reading included.
ANSWER_SECONDS: Final = 180.0
WATCH_SECONDS: Final = 5.0
GRACE_SECONDS: Final = 1

_LONG_URL: Final = (414, f"the URL is longer than {MAX_TARGET_BYTES} bytes")
_LONG_HEADERS: Final = (431, f"the headers are longer than {MAX_HEADER_BYTES} bytes")
_PER_HEADER_BYTES: Final = len(b": \r\n")


class BoundedListener(socket.socket):
    """A listening socket that hangs up on those who come while too many are there.

    uvicorn only counts when a request is complete: peers that never send one, or never end their handshake,
    could take every file descriptor, and with them what the polls and the state need.
    """

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(fileno=listener.detach())
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft // 2)
        self._peers: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection.

        Raises:
            ConnectionAbortedError: It was one too many, and is closed. An event loop goes on after that.
        """
        peer, address = super().accept()
        if sum(it.fileno() >= 0 for it in self._peers) >= self._most:
            peer.close()
            raise ConnectionAbortedError
        self._peers.add(peer)
        return peer, address


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 that lets go of peers who hold a connection without using it, or send without an end.

    uvicorn itself only limits the time between two requests: a peer that never sends one, stops in the middle
    of one, or does not read its answer would keep its connection, and the memory of the answer, for ever.
    """

    _since = 0.0
    _patience = FIRST_REQUEST_SECONDS
    _watch: TimerHandle | None = None
    _unwanted_bytes = 0

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast("Transport", transport))
        self._since = self.loop.time()
        self._watch = self.loop.call_later(WATCH_SECONDS, self._look)
        if transport.get_extra_info("peercert"):  # empty unless it was verified
            self.app_state = {**self.app_state, AUTHENTICATED: True}

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # No page reads a body: what comes of one is thrown away, and only so much of it.
        self._unwanted_bytes = (
            self._unwanted_bytes + len(data) if self.conn.their_state is h11.SEND_BODY else 0
        )
        if self._unwanted_bytes > MAX_BODY_BYTES:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, with the status that h11 has for it, and hang up."""
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)
        if cycle is not None:
            cycle.disconnected = True  # or it would answer as well
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        status, reason = self._why(msg)
        body = f"{reason}\n".encode("ascii")
        answer = h11.Response(
            status_code=status,
            headers=[
                ("content-type", "text/plain; charset=utf-8"),
                ("content-length", str(len(body))),
                ("x-content-type-options", "nosniff"),
                ("connection", "close"),
            ],
            reason=HTTPStatus(status).phrase.encode("ascii"),
        )
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _why(self, otherwise: str) -> tuple[int, str]:
        """Return status and reason of the error that is being handled."""
        error = sys.exc_info()[1]
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if hint != HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return hint, otherwise
        begun, _ = self.conn.trailing_data
        return _LONG_HEADERS if b"\n" in begun else _LONG_URL

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        self._patience = KEEP_ALIVE_SECONDS + FIRST_REQUEST_SECONDS
        super().on_response_complete()

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(GRACE_SECONDS / 2, self.transport.abort)

    def _look(self) -> None:
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)  # none before the first request
        is_answering = cycle is not None and not cycle.response_complete
        is_busy = is_answering or self.transport.get_write_buffer_size() > 0
        if self.loop.time() - self._since >= (ANSWER_SECONDS if is_busy else self._patience):
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(WATCH_SECONDS, self._look)


class RequestLimits:
    """Refuse requests that are larger than any that this server has an answer for.

    h11 limits what it has to keep of a request that is not complete; one that arrives at once can be larger.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let `app` do it."""
        excess = _excess(scope)
        app = self._app if excess is None else refusal(*excess, {"connection": "close"})
        await app(scope, receive, send)


def _excess(scope: Scope) -> tuple[int, str] | None:
    """Return the status and the reason to refuse a request."""
    headers = Headers(scope=scope)
    target = len(scope["raw_path"]) + len(scope["query_string"])
    if target > MAX_TARGET_BYTES:
        return _LONG_URL
    size = target + sum(len(name) + len(value) + _PER_HEADER_BYTES for name, value in headers.raw)
    if size > MAX_HEADER_BYTES:
        return _LONG_HEADERS
    length = headers.get("content-length")
    if length is not None and "transfer-encoding" in headers:
        # RFC 9112, section 6.1: a proxy in between may have seen another end of the request.
        return 400, "a body has a length or is in chunks, not both"
    if length is not None and int(length) > MAX_BODY_BYTES:
        return 413, f"the body is longer than {MAX_BODY_BYTES} bytes"
    return None
