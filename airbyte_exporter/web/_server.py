"""The HTTP server: uvicorn in a thread of this process, with limits on what a peer can hold on to."""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import ssl
import threading
from asyncio import sslproto
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.types import ASGIApp

from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.web import _limits
from airbyte_exporter.web._access import Access
from airbyte_exporter.web._limits import BoundedListener, GuardedProtocol, RequestLimits
from airbyte_exporter.web._tls import HandshakeContext
from airbyte_exporter.web._webfile import LiveWebConfig

__all__ = ["AddressTaken", "WebConfig", "WebError", "WebServer", "check_address"]

log = structlog.get_logger(__name__)

_BACKLOG: Final = 128
_START_SECONDS: Final = 10.0
_MAX_PORT: Final = 65535


class WebError(AirbyteExporterError):
    """The pages cannot be served at the address that was asked for."""


class AddressTaken(WebError):  # noqa: N818 - it says what is
    """Something else listens at the address."""


class WebConfig(BaseModel):
    """Where the pages are served."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    listen_address: str = Field(
        default="0.0.0.0:10980",  # an exporter is there to be scraped from elsewhere
        description="Address and port of the metrics, the status page and the health checks, as `HOST:PORT`. "
        "`:10980` and `0.0.0.0:10980` are every IPv4 address of the machine, `[::]:10980` IPv6 as well, "
        "`127.0.0.1:10980` only the machine itself. Port 0 takes a free one.",
    )

    config_file: str | None = Field(
        default=None,
        min_length=1,
        description="A file in Prometheus' web configuration format, with TLS and users: "
        "[HTTP](http.md#tls-and-users). Default: plain HTTP, for everybody.",
    )

    @field_validator("listen_address")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        _parse(value)
        return value


class WebServer:
    """Serve an application until told to stop, to whom and over what the web configuration file says.

    Raises:
        ConfigurationError: The web configuration file cannot be used.
    """

    def __init__(self, config: WebConfig, app: ASGIApp) -> None:
        self._listen_address = config.listen_address
        self._live = LiveWebConfig(None if config.config_file is None else Path(config.config_file))
        self._is_tls = self._live.current().tls is not None
        self._access = Access(app, self._live.current)
        self._server = _Server(
            uvicorn.Config(
                RequestLimits(self._access),
                http=GuardedProtocol,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                # The peer's address decides who sees failure messages, so no header may change it.
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_limits.KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_limits.GRACE_SECONDS,
                h11_max_incomplete_event_size=_limits.MAX_HEADER_BYTES,
                backlog=_BACKLOG,
            )
        )
        self._thread: threading.Thread | None = None
        self._address = ""

    @property
    def address(self) -> str:
        """Where this machine reaches the pages, as a URL without a path; empty before the start."""
        return self._address

    def start(self) -> None:
        """Take the address and serve in a thread; return when requests are answered.

        Raises:
            WebError: The address is taken, not ours, or not allowed.
        """
        listener = _listen(self._listen_address)
        self._address = _url(listener, "https" if self._is_tls else "http")
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="web", daemon=True)
        self._thread.start()
        if not self._server.settled.wait(_START_SECONDS) or not self._server.started:
            self.stop()
            raise WebError(
                f"web.listen_address {self._listen_address}: the server did not start; see the log"
            )

    def stop(self, timeout: float = 2.0) -> None:
        """Finish the answers that are under way, drop idle connections, and end within `timeout` seconds."""
        thread, self._thread = self._thread, None
        self._access.close()
        if thread is None:
            return
        self._server.should_exit = True
        thread.join(timeout)
        if thread.is_alive():
            log.warning("the web server is still busy; it ends with the process")

    def _serve(self, listener: socket.socket) -> None:
        try:
            with listener, asyncio.Runner(loop_factory=self._loop) as runner:
                runner.run(self._server.serve(sockets=[listener]))
        except Exception:
            log.exception("the web server ended")
        finally:
            self._server.settled.set()

    def _loop(self) -> asyncio.AbstractEventLoop:
        return _TlsLoop(self._context) if self._is_tls else asyncio.SelectorEventLoop()

    def _context(self) -> ssl.SSLContext:
        context = self._live.current().tls
        if context is None:  # pragma: no cover - TLS stays for as long as the process
            raise ssl.SSLError("no certificate")
        return context


class _TlsLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers speak TLS.

    uvicorn has no options for how long a handshake may take, nor for a context that is not made from its own.
    """

    def __init__(self, newest: Callable[[], ssl.SSLContext]) -> None:
        super().__init__()
        self._newest = newest
        # asyncio takes 256 KiB for each connection from its first moment on, a handshake that never ends
        # included. Nothing else in this process speaks TLS by asyncio.
        sslproto.SSLProtocol.max_size = _limits.TLS_BUFFER_BYTES

    async def create_server(self, *args: Any, **kwargs: Any) -> asyncio.Server:  # noqa: ANN401  # passed on as they are
        tls = {
            "ssl": HandshakeContext(self._newest),
            "ssl_handshake_timeout": _limits.FIRST_REQUEST_SECONDS,
            "ssl_shutdown_timeout": _limits.GRACE_SECONDS / 2,
        }
        return await super().create_server(*args, **{**kwargs, **tls})


class _Server(uvicorn.Server):
    """A server that says when it answers, or that it never will."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()


def check_address(config: WebConfig) -> None:
    """Take the address as a server would, without listening, and let go of it at once.

    As long as nobody listens, others can take it too: a daemon that starts at this moment is not hindered.

    Raises:
        AddressTaken: Something listens there.
        WebError: It is not ours, or not allowed.
    """
    address = config.listen_address
    with _translated(address):
        family, where, is_dual = _resolved(address)
        with socket.socket(family) as taker:
            taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                taker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not is_dual)
            taker.bind(where)


def _parse(value: str) -> tuple[str, int]:
    host, colon, port = value.strip().rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _MAX_PORT:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:10980, [::]:10980 or :10980")
    if ":" in host and not is_bracketed:
        raise ValueError("must have its IPv6 address in brackets, such as [::1]:10980")
    return host[1:-1] if is_bracketed else host, int(port)


def _resolved(address: str) -> tuple[socket.AddressFamily, tuple[str, int], bool]:
    """Return how to take an address, and whether IPv4 comes with it."""
    host, port = _parse(address)
    family, _, _, _, where = socket.getaddrinfo(
        host or "0.0.0.0",  # noqa: S104  # an empty host is how people write every address
        port,
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE,
    )[0]
    is_dual = family == socket.AF_INET6 and where[0] == "::" and socket.has_dualstack_ipv6()
    return family, (str(where[0]), int(where[1])), is_dual


@contextlib.contextmanager
def _translated(address: str) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError) as error:
        is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        kind = AddressTaken if is_taken else WebError
        raise kind(f"cannot listen on {address}: {_reason(error)}") from error


def _listen(address: str) -> socket.socket:
    with _translated(address):
        family, where, is_dual = _resolved(address)
        # Listening here and not in the server's thread: two daemons could both bind, but only one can listen.
        listener = socket.create_server(where, family=family, backlog=_BACKLOG, dualstack_ipv6=is_dual)
    # An answer goes out in two parts; without this the second one waits for the peer's delayed
    # acknowledgement of the first, 40 ms. asyncio sees to it only for sockets made with a protocol number.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return BoundedListener(listener)


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "there is no such host; set web.listen_address to an address of this machine"
    match error.errno:
        case errno.EADDRINUSE:
            return "something else listens there; stop it or set web.listen_address to another port"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address; set web.listen_address to one that it has"
        case errno.EACCES | errno.EPERM:
            return "not allowed; set web.listen_address to a port above 1023"
        case _:
            return f"{error.strerror or error}; check web.listen_address"


def _url(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1")  # every IPv4 address, and with [::] too
    return f"{scheme}://{f'[{address}]' if address.version == 6 else address}:{port}"  # noqa: PLR2004
