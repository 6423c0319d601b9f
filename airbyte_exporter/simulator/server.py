"""The simulated Airbyte on a socket: routing, authentication, and faults that tests can order."""

import asyncio
import email.utils
import fnmatch
import json
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from ._answers import Answer
from ._auth import ANONYMOUS, AUTH_MODES, TOKEN_PATHS, Credentials, Gate
from ._config_api import ConfigApi
from ._generations import GENERATIONS
from ._public_api import PublicApi
from ._reference_api import ReferenceApi
from ._roles import ADMINISTRATOR, reader_of
from .world import World

__all__ = ["Fault", "ReceivedRequest", "SimulatorServer"]

_MAX_PORT: Final = 65535
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_WEB_APP: Final = (
    "<!doctype html><html><head><title>Airbyte</title></head><body><div id=root></div></body></html>"
)
_CONFIG, _PUBLIC = "/api/v1/", "/api/public/v1/"


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with the next `times` requests whose path matches.

    `path` is a pattern as in a shell, like ``*/jobs/list``. After `delay` seconds the request is answered
    with `status`, `body` and `retry_after`; with neither status nor body it is answered as if nothing were
    wrong. `drop` closes the connection: at once, or where there is a `body` in the middle of it.
    """

    path: str = "*"
    status: int | None = None
    body: str | bytes | None = None
    content_type: str = "application/json"
    delay: float = 0.0
    drop: bool = False
    times: float = 1
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request that the server has got, and the status of its answer; 0: the connection was dropped."""

    method: str
    path: str
    query: str
    body: bytes
    status: int
    at: float

    def json(self) -> object:
        """Return the body as JSON, ``None`` for an empty one."""
        return json.loads(self.body) if self.body else None


class SimulatorServer:
    """Serves a world over HTTP from a thread of its own.

    Args:
        world: what there is; it is advanced to `clock` on each request.
        listen_address: ``host:port``; port 0 takes a free one.
        generation: one of `GENERATIONS`.
        auth: ``none``, ``basic``, ``bearer`` or ``client-credentials``.
        client_id, client_secret, token, username, password: what clients must bring; what is not given
            follows from the world's seed and can be read from `credentials`.
        token_lifetime: seconds for which an issued token is good, at least one.
        reader_workspaces: how many workspaces, from the first, or the ids of those that the user of the
            second application may read; by default the first two. Only with ``client-credentials``.
        limit_counts: ``jobs`` or ``attempts``: what the page size of jobs/list counts.
        clock: epoch seconds.

    `counts` has the requests by method and path, `sent` the bytes of the bodies that answered them.

    Raises:
        ValueError: an argument is not one of those that there are; the address is none (raised by `start`).
        OSError: the address cannot be listened on (raised by `start`).
    """

    def __init__(
        self,
        world: World,
        *,
        listen_address: str = "127.0.0.1:0",
        generation: str = "2.0",
        auth: str = "none",
        client_id: str | None = None,
        client_secret: str | None = None,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        token_lifetime: float = 900.0,
        reader_workspaces: int | Iterable[str] | None = None,
        limit_counts: str = "jobs",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if generation not in GENERATIONS:
            raise ValueError(f"{generation!r} is not one of {', '.join(GENERATIONS)}")
        if limit_counts not in {"jobs", "attempts"}:
            raise ValueError(f"{limit_counts!r} is not one of jobs, attempts")
        self.generation = GENERATIONS[generation]
        if auth in AUTH_MODES and auth not in self.generation.auth_modes:
            known = " and ".join(self.generation.auth_modes)
            raise ValueError(f"generation {generation} knows no auth {auth!r}, only {known}")
        if reader_workspaces is not None and auth != "client-credentials":
            raise ValueError(f"auth {auth} knows no reader, only client-credentials")
        if limit_counts != "jobs" and (generation == "reference" or not self.generation.page_numbers):
            raise ValueError(f"generation {generation} has no pages that could count attempts")
        self.world = world
        self.credentials = Credentials.of(
            world.seed,
            client_id=client_id,
            client_secret=client_secret,
            token=token,
            username=username,
            password=password,
        )
        self.gate = Gate(auth, self.credentials, lifetime=token_lifetime, seed=world.seed)
        self._reader = reader_of(world, self.gate.reader_id, reader_workspaces)
        self.faults: list[Fault] = []
        self.requests: deque[ReceivedRequest] = deque(maxlen=20_000)
        self.counts: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self._clock = clock
        self._config = ConfigApi(
            world,
            self.generation,
            reader=self._reader,
            auth_mode="none" if auth in {"none", "basic"} else "simple",
            limit_counts=limit_counts,
        )
        self._public = PublicApi(world, self.generation)
        self._reference = ReferenceApi(world) if generation == "reference" else None
        self._listen_address = listen_address
        self._lock = threading.Lock()
        self._peers: dict[object, asyncio.Transport] = {}
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def reader_workspaces(self) -> frozenset[str]:
        """The ids of the workspaces that the reader may read."""
        return self._reader.workspace_ids or frozenset()

    @property
    def url(self) -> str:
        """Where the server is, like ``http://127.0.0.1:8001``; the APIs are below ``/api``."""
        if self._socket is None:
            raise RuntimeError("the simulator has not been started")
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Listen and serve; returns when requests are answered."""
        host, port = _host_and_port(self._listen_address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=512)
        # Or the second part of an answer waits 40 ms for the peer's delayed acknowledgement of the first.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(
            Starlette(routes=[Route("/{path:path}", self._serve, methods=_METHODS)]),
            http=self._protocol(),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="simulator", daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.002)

    def stop(self) -> None:
        """Stop serving and close the socket; a server that is not running stays as it is."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(5)
        if self._socket is not None:
            self._socket.close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _protocol(self) -> type[H11Protocol]:
        """Return uvicorn's protocol, made to tell its transports, so that a fault can break a connection."""
        peers = self._peers

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                peers[transport.get_extra_info("peername")] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                peers.pop(self.transport.get_extra_info("peername"), None)
                super().connection_lost(exc)

        return Protocol

    async def _serve(self, request: Request) -> Response:
        raw = await request.body()
        path = "/" + request.path_params["path"].strip("/")
        fault = self._take_fault(path)
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.drop:
            return await self._drop(request, path, raw, fault)
        answer = None if fault is None else _fault_answer(fault)
        if answer is None:
            answer = self._answer(request, path, raw)
        self._note(request, path, raw, answer.status)
        payload = answer.payload()
        with self._lock:
            self.sent[f"{request.method} {path}"] += len(payload)
        headers = {
            "date": email.utils.formatdate(self._clock(), usegmt=True),
            "content-type": answer.content_type,
            **answer.headers,
        }
        return Response(payload, answer.status, headers)

    def _answer(self, request: Request, path: str, raw: bytes) -> Answer:
        now, method = self._clock(), request.method
        refusal = self.gate.refusal(path, request.headers.get("authorization", ""), now)
        if refusal is not None:
            return refusal
        if not path.startswith("/api/"):
            # Whatever is not an API is the web application, which answers every path.
            return (
                Answer(text=_WEB_APP, content_type="text/html") if method in {"GET", "HEAD"} else Answer(405)
            )
        content_type = request.headers.get("content-type", "")
        if path in TOKEN_PATHS and self.generation.tokens:
            if method != "POST":
                return Answer(405, {"message": f"Method [{method}] not allowed"})
            return self.gate.issue(path, raw, content_type, now)
        with self.world.lock:
            self.world.advance(now)
            return self._api_answer(request, path, raw, content_type)

    def _api_answer(self, request: Request, path: str, raw: bytes, content_type: str) -> Answer:
        is_reader = path not in ANONYMOUS and self.gate.is_reader(request.headers.get("authorization", ""))
        caller = self._reader if is_reader else ADMINISTRATOR
        if path.startswith(_PUBLIC) and self.generation.public_api:
            query = parse_qs(request.url.query, keep_blank_values=True)
            if raw and not content_type.startswith("application/json"):
                return Answer(415, {"message": f"Content Type [{content_type}] not allowed."})
            return self._public.answer(
                request.method, path.removeprefix(_PUBLIC), query, url=self.url, caller=caller, raw=raw
            )
        if not path.startswith(_CONFIG):
            return Answer(404, {"message": "Not Found", "path": path})
        if raw and not content_type.startswith("application/json"):
            return Answer(415, {"message": f"Content Type [{content_type}] not allowed."})
        if self._reference is not None:
            return self._reference.answer(request.method, path.removeprefix(_CONFIG), raw)
        return self._config.answer(
            request.method, path.removeprefix(_CONFIG), raw, url=self.url, caller=caller
        )

    def _take_fault(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fnmatch.fnmatch(path, fault.path):
                    fault.times -= 1
                    return fault
        return None

    async def _drop(self, request: Request, path: str, raw: bytes, fault: Fault) -> Response:
        self._note(request, path, raw, 0)
        transport = self._peers.get(tuple(request.client or ()))
        if transport is not None:
            if fault.body is not None:
                start = Answer(text=fault.body).payload()
                head = f"HTTP/1.1 200 OK\r\ncontent-type: {fault.content_type}\r\n"
                transport.write(f"{head}content-length: {2 * len(start) + 1}\r\n\r\n".encode() + start)
                transport.close()
            else:
                transport.abort()
            await request.receive()
        return Response(status_code=500)

    def _note(self, request: Request, path: str, raw: bytes, status: int) -> None:
        received = ReceivedRequest(request.method, path, request.url.query, raw, status, self._clock())
        with self._lock:
            self.requests.append(received)
            self.counts[f"{request.method} {path}"] += 1


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _MAX_PORT:
        raise ValueError(f"{address!r} is not host:port with a port up to {_MAX_PORT}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _fault_answer(fault: Fault) -> Answer | None:
    headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
    if fault.body is not None:
        return Answer(fault.status or 200, text=fault.body, content_type=fault.content_type, headers=headers)
    if fault.status is not None:
        return Answer(fault.status, {"message": f"simulated fault {fault.status}"}, headers=headers)
    return None
