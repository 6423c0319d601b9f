"""HTTP to receivers: one POST with limits on everything, and one reading of what the answer means.

No error that leaves this module holds more of the address than its host: the path, the query and the user
part of a webhook's address are as good as a password.
"""

import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from airbyte_exporter import __version__
from airbyte_exporter.notify._receiver import DeliveryError
from airbyte_exporter.yamlfile import system_reason

__all__ = [
    "Endpoint",
    "Poster",
    "as_json",
    "check_ca_file",
    "check_url",
    "is_off_limits",
    "refusal",
    "retry_after_seconds",
]

CONNECT_TIMEOUT_SECONDS: Final = 5.0
READ_TIMEOUT_SECONDS: Final = 10.0
DEADLINE_SECONDS: Final = 30.0
"""How long one delivery may take altogether, however slowly the receiver trickles its answer."""

ANSWER_LIMIT_BYTES: Final = 64 * 1024

_NEVER: Final = frozenset({HTTPStatus.GONE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})

_REASONS: Final = (
    (requests.exceptions.SSLError, "no trusted TLS connection, check its certificate and that it speaks TLS"),
    (requests.exceptions.ConnectTimeout, "no connection in time"),
    (requests.exceptions.ReadTimeout, "no answer in time"),
)

_SUCCESS: Final = 2
_REDIRECTION: Final = 3

_HINTS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: ", check the credentials for it",
    HTTPStatus.FORBIDDEN: ", check the credentials for it",
    HTTPStatus.NOT_FOUND: ", check the path of its address",
    HTTPStatus.GONE: ", it is gone for good",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ", the notification is too large for it",
}
_REDIRECT_HINT: Final = ", redirects are not followed: configure the address that it leads to"

_METADATA_ADDRESSES: Final = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google Cloud
    )
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a receiver is, and how far it is trusted.

    `url` is as good as a password, `host` can be told to anybody. `ca_file` holds the authorities that its
    certificate is verified by instead of the well-known ones. `allow_link_local` lets its address be a
    link-local or cloud metadata one.
    """

    url: str = field(repr=False)
    ca_file: str | None = None
    allow_link_local: bool = False

    @property
    def host(self) -> str:
        """Host, and port where the address has one; never the user part."""
        return host_of(urlsplit(self.url))

    def refuses(self, address: str) -> bool:
        """Whether nothing may be sent to the IP address that the name leads to."""
        return not self.allow_link_local and is_off_limits(address)


def check_url(url: str, *, allow_link_local: bool = False) -> None:
    """Check that `url` can be the address of a receiver.

    Raises:
        ValueError: It cannot; the message does not repeat it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL: write https://host/path") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("must be an address that begins with http:// or https:// and names a host")
    if not allow_link_local and is_off_limits(host):
        raise ValueError(
            "must not be a link-local or cloud metadata address: nothing there takes notifications; if this "
            "one does, set allow_link_local"
        )


def check_ca_file(path: str) -> None:
    """Check that `path` holds certificates of authorities.

    Raises:
        ValueError: It does not.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ValueError("holds no PEM certificate") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {system_reason(error)}") from None


def as_json(value: object) -> bytes:
    """Return `value` as JSON in UTF-8; a lone surrogate, legal in JSON, becomes a question mark."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=dict)
    return text.encode("utf-8", "replace")


def refusal(status: int, headers: Mapping[str, str], now: float, host: str) -> DeliveryError | None:
    """Say what an answer's status means: ``None`` when the receiver took the notification.

    Almost every refusal is tried again until the dispatcher gives up. A 401, 404, 422 or a redirect is
    the mark of a receiver that somebody is about to set right, or that is being deployed, and an alert that
    arrives late is worth more than one that was thrown away at the first wrong answer; backing off to five
    minutes, that costs the receiver nothing. Two answers can never change for the same notification: 410,
    with which Standard Webhooks has a receiver say that it is gone for good, and 413, since the body
    will be as large the next time.
    """
    if status // 100 == _SUCCESS:
        return None
    hint = _HINTS.get(status, _REDIRECT_HINT if status // 100 == _REDIRECTION else "")
    return DeliveryError(
        f"{host} answered HTTP {status}{hint}",
        retryable=status not in _NEVER,
        retry_after=retry_after_seconds(headers, now),
    )


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long ``Retry-After`` (RFC 9110, 10.2.3) asks to wait, ``None`` without a usable one.

    A date is counted from the answer's own ``Date`` where it has one, so that clocks need not agree.
    """
    written = headers.get("Retry-After", "").strip()
    if written.isascii() and written.isdigit():
        return float(written[:9])
    until = _epoch_seconds(written)
    if until is None:
        return None
    answered = _epoch_seconds(headers.get("Date", ""))
    return max(0.0, until - (now if answered is None else answered))


class Poster:
    """Send to one address, one delivery at a time.

    Every delivery has its own connection and leaves nothing open. Environment variables, `.netrc`, cookies
    and redirects have no say in where it goes.

    Args:
        endpoint: Where the receiver is; its URL is one that `check_url` accepts.
        connect_timeout: Seconds to reach one of its addresses.
        read_timeout: Seconds of silence that are put up with.
        deadline: Seconds for the whole delivery once connected.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connect_timeout: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout: float = READ_TIMEOUT_SECONDS,
        deadline: float = DEADLINE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = endpoint.url
        self.host = endpoint.host
        self._timeout = (connect_timeout, read_timeout)
        self._line = _Line(endpoint, deadline, monotonic)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = endpoint.ca_file or True
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        self._session.headers.update(
            {
                "User-Agent": f"airbyte-exporter/{__version__}",
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
                "Content-Type": "application/json",
            }
        )
        adapter = _WatchedAdapter(self._line)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def post(self, body: bytes, headers: Mapping[str, str], now: float) -> None:
        """Send `body`, which is JSON unless `headers` say otherwise; `now` is the time by our own clock.

        Raises:
            DeliveryError: No answer came, or one that says that the receiver did not take it.
        """
        with self._line:
            try:
                answer = self._session.post(
                    self._url,
                    data=body,
                    headers=dict(headers),
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                )
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                reason = self._line.cut or _reason(error)
                raise DeliveryError(f"{self.host}: {reason}", retryable=True) from None
            with answer:
                if self._line.cut is not None:
                    # Headers that break off look complete to http.client; only a whole answer counts.
                    raise DeliveryError(f"{self.host}: {self._line.cut}", retryable=True)
                refused = refusal(answer.status_code, answer.headers, now, self.host)
                _drain(answer)
        if refused is not None:
            raise refused

    def close(self) -> None:
        """Cut the delivery that is under way, if any; every later one fails at once."""
        self._line.close()
        self._session.close()


class _Line:
    """The connection of the delivery under way, so that it can be cut from outside.

    Socket timeouts start anew with every byte that arrives; a receiver that sends one now and then would hold
    the dispatcher for ever. A timer shuts the socket down when the deadline is over, which wakes
    whoever waits for it, also in the middle of a TLS handshake.
    """

    def __init__(self, endpoint: Endpoint, deadline: float, monotonic: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._deadline = deadline
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self._ends_at = 0.0
        self._is_closed = False
        self.cut: str | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._is_closed:
                raise DeliveryError("not sent: the exporter is stopping", retryable=True)
            self.cut = None
            self._ends_at = self._monotonic() + self._deadline
            self._timer = threading.Timer(self._deadline, self._shut, (self._too_slow,))
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def admit(self, connected: socket.socket) -> socket.socket:
        """Look at who answered before a byte is sent, and keep a handle to cut the line by.

        The name was resolved just now: what the configuration's check saw may have changed since.
        """
        try:
            self._check_address(connected)
            with self._lock:
                self._check_time()
                if self._socket is not None:
                    self._socket.close()
                self._socket = connected.dup()
        except BaseException:
            connected.close()
            raise
        return connected

    def _check_address(self, connected: socket.socket) -> None:
        if self._endpoint.refuses(connected.getpeername()[0]):
            raise DeliveryError(
                "the receiver's name leads to a link-local or cloud metadata address, nothing was sent",
                retryable=True,
            )

    def _check_time(self) -> None:
        if self._monotonic() >= self._ends_at:
            self.cut = self.cut or self._too_slow
        if self.cut is not None:
            raise DeliveryError(f"not sent: {self.cut}", retryable=True)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
        self._shut("the exporter is stopping")

    @property
    def _too_slow(self) -> str:
        return f"no complete answer within {self._deadline:g} s"

    def _shut(self, reason: str) -> None:
        with self._lock:
            if self._timer is None:
                return
            self.cut = reason
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # the other side was faster


class _WatchedAdapter(HTTPAdapter):
    """requests' adapter, its connections under the eyes of a `_Line`."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # handed on as it is
        super().init_poolmanager(*args, **kwargs)
        line = self._line

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return line.admit(super()._new_conn())

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return line.admit(super()._new_conn())

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _drain(answer: requests.Response) -> None:
    """Let the receiver finish its answer within reason. Its status was the answer; the rest is ignored."""
    try:
        answer.raw.read(ANSWER_LIMIT_BYTES, decode_content=False)
    except (HTTPError, OSError, ValueError):
        return


def _reason(error: Exception) -> str:
    """Say what went wrong without the address, which the library's own texts contain."""
    causes = list(_causes(error))
    if any(isinstance(cause, NameResolutionError | socket.gaierror) for cause in causes):
        return "its name cannot be resolved"
    for kind, text in _REASONS:
        if isinstance(error, kind):
            return text
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        numbers = (cause.errno for cause in causes if isinstance(cause, OSError))
        number = next((number for number in numbers if number), None)
        return "cannot connect" if number is None else f"cannot connect: {os.strerror(number)}"
    return "the connection broke before an answer that can be read"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _epoch_seconds(date: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    # A date without a zone, or with "-0000", is in UTC as every date of HTTP is.
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def host_of(parts: SplitResult) -> str:
    """Return host and port, never the user part."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port is None else f"{host}:{parts.port}"


def is_off_limits(host: str) -> bool:
    """Whether `host` is an address that only a machine's own cloud answers on."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False  # a name: what it leads to is looked at once connected
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_link_local or address in _METADATA_ADDRESSES
