"""A `requests` session for one Airbyte: TLS by our own settings, nothing from the environment, interruptible.

`requests` lets ``REQUESTS_CA_BUNDLE`` beat explicit TLS settings and ``~/.netrc`` replace a bearer token
unless ``trust_env`` is off. Neither it nor urllib3 can end a request that another thread is waiting for, or
hold one to a total time: every byte that drips in begins the timeout anew, in headers too, and interim
answers and trailers may go on for ever. So the adapter here brings its own TLS context, remembers its
sockets, which `Connections.interrupt` shuts down, and reads from them only until a deadline.
"""

import contextlib
import http.client
import http.cookiejar
import io
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import ProxyManager

from airbyte_exporter import __version__
from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Connections", "open_session"]


class Connections:
    """The sockets in use: until when each thread may read from them, and an end to all of them at once."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._ended = False
        self._reading = threading.local()

    def add(self, sock: object) -> None:
        """Remember a connected socket until it is gone."""
        if isinstance(sock, socket.socket):
            with self._lock:
                self._sockets.add(sock)
                ended = self._ended
            if ended:
                _shut_down(sock)

    def interrupt(self) -> None:
        """End every connection, later ones too; whoever waits for an answer gets an error at once."""
        with self._lock:
            self._ended = True
            sockets = tuple(self._sockets)
        for sock in sockets:
            _shut_down(sock)

    @contextlib.contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Let what this thread reads from its sockets end at `deadline`, on the monotonic clock."""
        self._reading.deadline = deadline
        self._reading.is_connecting = False
        try:
            yield
        finally:
            del self._reading.deadline

    @contextlib.contextmanager
    def connecting(self) -> Iterator[None]:
        """Note that this thread makes a connection, TLS and a proxy's tunnel included, until that is done."""
        self._reading.is_connecting = True
        yield
        self._reading.is_connecting = False

    @property
    def is_connecting(self) -> bool:
        """Whether what this thread asked for last cannot have been sent: no connection came about."""
        return getattr(self._reading, "is_connecting", False)

    def limit(self, sock: socket.socket) -> None:
        """Let the next read from `sock` wait no longer than this thread may.

        Raises:
            TimeoutError: It may not read any more.
        """
        deadline: float | None = getattr(self._reading, "deadline", None)
        if deadline is None:
            return
        left = deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError("the answer is not complete in time")
        timeout = sock.gettimeout()
        if timeout is None or left < timeout:
            sock.settimeout(left)

    def pool_classes(self) -> dict[str, type[HTTPConnectionPool]]:
        """Return urllib3's pools, made to tell us of their sockets and to read as long as they may."""
        connections = self

        class Response(http.client.HTTPResponse):
            def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (as in http)
                super().__init__(sock, *args, **kwargs)
                self.fp = io.BufferedReader(_Limited(self.fp.detach(), sock, connections))

        class Plain(HTTPConnection):
            response_class = Response

            def connect(self) -> None:
                with connections.connecting():
                    super().connect()
                connections.add(self.sock)

        class Secure(HTTPSConnection):
            response_class = Response

            def connect(self) -> None:
                with connections.connecting():
                    super().connect()
                connections.add(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not SSLSocket's own shutdown, which drops the TLS state under the reader's feet.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Limited(io.RawIOBase):
    """A socket's stream whose every read waits only as long as `Connections` allows."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, connections: Connections) -> None:
        self._raw = raw
        self._sock = sock
        self._connections = connections

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        self._connections.limit(self._sock)
        return self._raw.readinto(buffer)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """See no redirect anywhere: requests reads the body of one whole, even when it is not followed."""


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext, connections: Connections, size: int) -> None:
        self._context = context
        self._pool_classes = connections.pool_classes()
        super().__init__(max_retries=0, pool_maxsize=size)

    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,
        **pool_kwargs: Any,  # noqa: ANN401  (as in requests)
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> ProxyManager:  # noqa: ANN401  (as in requests)
        manager: ProxyManager = super().proxy_manager_for(
            proxy, ssl_context=self._context, proxy_ssl_context=self._context, **proxy_kwargs
        )
        manager.pool_classes_by_scheme = self._pool_classes
        return manager

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Leave verification to the context; requests would add its own bundle of authorities."""


def open_session(config: AirbyteConfig, connections: Connections) -> requests.Session:
    """Return a session that obeys `config` and nothing else.

    Raises:
        ConfigurationError: A certificate or key file cannot be used.
    """
    session = _Session()
    session.trust_env = False
    session.verify = not config.insecure_skip_verify
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": f"airbyte-exporter/{__version__}", "Accept": "application/json"})
    if config.proxy is not None:
        proxy = config.proxy.get_secret_value()
        session.proxies = {"http": proxy, "https": proxy}
    adapter = _Adapter(_tls_context(config), connections, config.max_concurrency)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _tls_context(config: AirbyteConfig) -> ssl.SSLContext:
    context = urllib3.util.create_urllib3_context()
    if config.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    else:
        context.check_hostname = True
        context.verify_mode = ssl.CERT_REQUIRED
    if config.ca_file is None:
        if _uses_tls(config):  # it takes a fifth of a second
            context.load_default_certs()
    else:
        try:
            context.load_verify_locations(cafile=config.ca_file)
        except (OSError, ssl.SSLError) as exc:
            raise _unusable("ca_file", config.ca_file, exc) from None
    if config.client_cert_file is not None:
        try:
            # An encrypted key would make OpenSSL ask on the terminal: an empty password makes it fail.
            context.load_cert_chain(config.client_cert_file, config.client_key_file, password="")
        except (OSError, ssl.SSLError) as exc:
            key = f" with {config.client_key_file}" if config.client_key_file else ""
            raise _unusable("client_cert_file", f"{config.client_cert_file}{key}", exc) from None
    return context


def _uses_tls(config: AirbyteConfig) -> bool:
    proxy = config.proxy.get_secret_value() if config.proxy is not None else ""
    return config.url.startswith("https:") or proxy.lower().startswith("https:")


def _unusable(key: str, path: str, exc: OSError) -> ConfigurationError:
    if isinstance(exc, ssl.SSLError):
        why = "it is not an unencrypted PEM file of that kind, or certificate and key do not belong together"
        why = "it holds no PEM certificate" if key == "ca_file" else why
    else:
        why = (exc.strerror or type(exc).__name__).lower()
    return ConfigurationError(f"airbyte.{key}: cannot use {path}: {why}")
