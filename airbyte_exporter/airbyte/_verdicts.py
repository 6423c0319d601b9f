"""What an answer or an exception means, said in one line to a person who can act on it.

Airbyte's own habits decide (Config API, 0.42 to 2.x): 409 and 500 are also database trouble and worth another
try, a wrong body is 400 or 422, ``jobs/get*`` of a job that does not exist is a 500, a wrong path a 404 that
does not carry Airbyte's exception information.
"""

import json
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from airbyte_exporter.airbyte._config import AirbyteConfig, AuthKind
from airbyte_exporter.airbyte._errors import (
    SUPPORTED,
    ApiConflict,
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    ApiUnauthorized,
    ApiUnreachable,
    Reason,
)
from airbyte_exporter.airbyte._jwt import times_of
from airbyte_exporter.airbyte._methods import WRITING
from airbyte_exporter.airbyte._secrets import scrubbed, secrets_of, spelt, without
from airbyte_exporter.airbyte._tls import CLIENT_CERTIFICATE, tls_error

__all__ = ["Judge", "Reply"]

_DETAIL_LENGTH: Final = 200
_REASON_LENGTH: Final = 1_000
_TOKENS_REMEMBERED: Final = 16
_SERVER_LOG: Final = "its server's log tells more"
_DOUBTFUL: Final = frozenset({408, 409})
"""Of a 409 the database's trouble may have begun after the change was written."""
_TOO_MANY_REQUESTS: Final = 429
_SERVER_FAULT: Final = 5
_STARTING: Final = frozenset({"connections/sync", "connections/reset", "connections/refresh"})
_ALREADY_RUNNING: Final = re.compile(rb"already running", re.IGNORECASE)
_DATABASE: Final = re.compile(rb"database|statement timeout|obtain lock|deadlock", re.IGNORECASE)
_NOT_ACTIVE: Final = re.compile(rb"can only sync an active", re.IGNORECASE)
_NO_SUCH_JOB: Final = re.compile(rb"could not find job", re.IGNORECASE)
_PROBLEM: Final = re.compile(r"error:|https://reference\.airbyte\.com/")
_TELLTALE: Final = re.compile(r"authorization|bearer|\bbasic\s|secret|password", re.IGNORECASE)
_CREDENTIALS_ADVICE: Final[Mapping[AuthKind, str]] = {
    "none": "it wants authentication: set airbyte.client_id and airbyte.client_secret (or airbyte.token)",
    "basic": "airbyte.username and airbyte.password are not accepted by the proxy before Airbyte",
    "bearer": (
        "airbyte.token is not accepted; Airbyte's tokens expire within minutes, "
        "airbyte.client_id and airbyte.client_secret do not"
    ),
    "client-credentials": "even a fresh token is not accepted; does the application belong to this Airbyte?",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def date(self) -> int | None:
        """The server's own time (HTTP ``Date``), epoch seconds."""
        return _http_date(self.headers.get("Date"))

    @property
    def is_web_page(self) -> bool:
        """Whether this is HTML, which Airbyte's API never sends."""
        kind = self.headers.get("Content-Type", "").lower()
        return "html" in kind or self.body[:64].lstrip().startswith(b"<")

    @property
    def wants_password(self) -> bool:
        """Whether this asks for HTTP basic authentication: nginx before Airbyte does so with a web page."""
        return self.headers.get("WWW-Authenticate", "").strip().lower().startswith("basic")


def _http_date(value: str | None) -> int | None:
    if not value:
        return None
    try:
        parsed = parsedate_to_datetime(value)
        seconds = int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
    # Before 1970 there is no Airbyte, and before the year 1 nothing that could be asked for.
    return seconds if seconds >= 0 else None


class Judge:
    """Turn answers and exceptions into errors with a reason, a verdict on retries and no secret inside."""

    def __init__(self, config: AirbyteConfig, clock: Callable[[], float]) -> None:
        self._config = config
        self._clock = clock
        self._secrets = secrets_of(config)
        self._issued: tuple[str, ...] = ()
        self.reached = False
        """Whether Airbyte has ever answered as Airbyte: before, a 404 rather means a wrong address."""

    def keep_secret(self, value: str) -> None:
        """Take `value`, a token that was issued, out of everything that is said from now on."""
        self._issued = (*self._issued, value)[-_TOKENS_REMEMBERED:]

    def keep_secrets(self, values: Iterable[str]) -> None:
        """Take `values`, of a configuration that is sent, out of everything that is said from now on."""
        self._secrets = tuple({*self._secrets, *spelt(value for value in values if value)})

    def reply(self, method: str, reply: Reply) -> ApiError | None:
        """Return what is wrong with an answer, ``None`` if it may be read."""
        verdicts = {
            401: self._unauthorized,
            403: self._forbidden,
            404: self._not_found,
            407: self._proxy_refuses,
            408: self._later,
            409: self._conflict,
            425: self._later,
            429: self._later,
            500: self._server_error,
            501: self._refused,
        }
        families = {2: self._good, 3: self._redirect, 4: self._refused, 5: self._later}
        verdict = verdicts.get(reply.status) or families.get(reply.status // 100) or self._refused
        error = verdict(method, reply)
        if isinstance(error, ApiUnreachable):
            error.maybe_done = reply.status // 100 == _SERVER_FAULT or reply.status in _DOUBTFUL
        return error

    def _good(self, method: str, reply: Reply) -> ApiError | None:
        if reply.is_web_page:
            return self._web_page(method, reply)
        self.reached = True
        return None

    def _unauthorized(self, method: str, reply: Reply) -> ApiError:
        if reply.is_web_page and not reply.wants_password:
            return self._kept_out(ApiUnauthorized, method, reply)
        advice = self._expiry(reply) or _CREDENTIALS_ADVICE[self._config.auth]
        if reply.wants_password and self._config.auth != "basic":
            instead = {
                "client-credentials": " instead of airbyte.client_id and airbyte.client_secret",
                "bearer": " instead of airbyte.token",
            }.get(self._config.auth, "")
            advice = f"a proxy before it wants a password: set airbyte.username and airbyte.password{instead}"
        text = f"{method}: Airbyte at {self._config.host} says {reply.status}: {advice}"
        return ApiUnauthorized(
            text,
            method=method,
            reason="unauthorized",
            status=reply.status,
            wants_password=reply.wants_password,
        )

    def _expiry(self, reply: Reply) -> str | None:
        """Return what to do about a static token that has expired by Airbyte's own time."""
        token = self._config.token
        expires_at = None if token is None else times_of(token.get_secret_value()).expires_at
        if expires_at is None or expires_at > (self._clock() if reply.date is None else reply.date):
            return None
        when = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            f"airbyte.token has expired, at {when}; Airbyte's tokens live for minutes, "
            "airbyte.client_id and airbyte.client_secret do not expire"
        )

    def _kept_out(self, kind: type[ApiError], method: str, reply: Reply) -> ApiError:
        text = (
            f"{method}: {self._config.host} says {reply.status} with a web page, not as Airbyte's API; "
            "something in front of Airbyte keeps us out: let airbyte.url lead past it"
        )
        return kind(text, method=method, reason="not_airbyte", status=reply.status)

    def _proxy_refuses(self, method: str, reply: Reply) -> ApiError:
        text = (
            f"{method}: the proxy on the way to {self._config.host} does not accept us ({reply.status}); "
            "put its user name and password into airbyte.proxy"
        )
        return ApiRejected(text, method=method, reason="rejected", status=reply.status)

    def _server_error(self, method: str, reply: Reply) -> ApiError:
        if _NO_SUCH_JOB.search(reply.body):
            return ApiNotFound(f"{method}: Airbyte has no such job", method=method, said_by_airbyte=True)
        if method in _STARTING and _ALREADY_RUNNING.search(reply.body):
            return self._refused_now(method, reply)  # newer versions say 409
        if method in _STARTING and _NOT_ACTIVE.search(reply.body):
            return self._refused(method, reply)
        if method in {"jobs/get_without_logs", "jobs/get", "jobs/cancel", "public/jobs/get"}:
            text = (
                f"{method}: Airbyte at {self._config.host} has no such job, or is in trouble "
                f"({reply.status}); airbyte-exporter jobs list --since 7d, or {_SERVER_LOG}"
            )
            return ApiUnreachable(text, method=method, reason="server_error", status=reply.status)
        return self._later(method, reply)

    def _refused(self, method: str, reply: Reply) -> ApiError:
        if b"HTTPS port" in reply.body:
            text = f"{method}: {self._config.host} wants TLS: write https:// in airbyte.url"
            return ApiRejected(text, method=method, reason="tls", status=reply.status)
        if b"SSL certificate" in reply.body:
            text = f"{method}: {self._config.host} wants {CLIENT_CERTIFICATE}"
            return ApiRejected(text, method=method, reason="tls", status=reply.status)
        if reply.is_web_page:
            return self._web_page(method, reply)
        detail = self._detail(method, reply)
        more = "" if detail and method in WRITING else f"; {SUPPORTED}"
        text = (
            f"{method}: Airbyte at {self._config.host} refuses the request with {reply.status}{detail}{more}"
        )
        return ApiRejected(text, method=method, reason="rejected", status=reply.status)

    def _web_page(self, method: str, reply: Reply) -> ApiError:
        return ApiMalformed(
            f"{method}: {self._config.host} answers with a web page ({reply.status}), not as Airbyte's API; "
            f"{self._address_advice()}",
            method=method,
            reason="not_airbyte",
            status=reply.status,
        )

    def _redirect(self, method: str, reply: Reply) -> ApiError:
        where = _origin(self._config.url, reply.headers.get("Location", ""))
        if reply.headers.get("Location") and where == _origin(self._config.url, ""):
            seen = f"redirects to another page of its own ({reply.status}), as a sign-in before Airbyte does"
            advice = "redirects are not followed: let airbyte.url lead past it"
        else:
            seen = f"redirects to {self.clean(where)} ({reply.status})"
            advice = "redirects are not followed: put Airbyte's own final address into airbyte.url"
        return ApiRejected(
            f"{method}: {self._config.host} {seen}; {advice}",
            method=method,
            reason="rejected",
            status=reply.status,
        )

    def _forbidden(self, method: str, reply: Reply) -> ApiError:
        if reply.is_web_page:
            return self._kept_out(ApiForbidden, method, reply)
        advice = "use an application of a user who may read this"
        if method in WRITING:
            advice = "use an application of a user who may change this: an editor of the workspace"
        elif method == "jobs/list":
            advice = "jobs of all connections are only for an application of an instance administrator"
        return ApiForbidden(
            f"{method}: Airbyte at {self._config.host} does not allow this ({reply.status}); {advice}",
            method=method,
            reason="forbidden",
            status=reply.status,
        )

    def _not_found(self, method: str, reply: Reply) -> ApiError:
        if _is_airbytes_exception(reply.body):
            text = f"{method}: Airbyte says that this does not exist{self._detail(method, reply)}"
            return ApiNotFound(text, method=method, said_by_airbyte=True)
        advice = "something in front of Airbyte may have answered" if self.reached else self._address_advice()
        text = f"{method}: there is nothing at this address of {self._config.host} (404); {advice}"
        return ApiNotFound(text, method=method)

    def _address_advice(self) -> str:
        return (
            f"is airbyte.url right? It leads to {self._config.address}, and Airbyte is usually at "
            "http://HOST:8000/api/v1 (abctl, ingress) or http://SERVER:8001/api/v1 (its server service)"
        )

    def _later(self, method: str, reply: Reply) -> ApiError:
        limited = reply.status == _TOO_MANY_REQUESTS
        what = "wants fewer requests" if limited else "is in trouble"
        advice = "set airbyte.requests_per_second" if limited else _SERVER_LOG
        said = f"{reply.status}{self._detail(method, reply)}"
        retry_after = self._retry_after(reply)
        # The public API means "stop" where it names no time (since 2026-07).
        stop = limited and retry_after is None and method.startswith("public/")
        return ApiUnreachable(
            f"{method}: Airbyte at {self._config.host} {what} ({said}); {advice}",
            method=method,
            reason="rate_limited" if limited else "server_error",
            retryable=not stop,
            retry_after=retry_after,
            status=reply.status,
        )

    def _conflict(self, method: str, reply: Reply) -> ApiError:
        """Return what a 409 means: trouble with Airbyte's database, or that it is at work on this already."""
        if method not in _STARTING or _DATABASE.search(reply.body):
            return self._later(method, reply)
        return self._refused_now(method, reply)

    def _refused_now(self, method: str, reply: Reply) -> ApiConflict:
        text = f"{method}: Airbyte refuses this now ({reply.status}{self._detail(method, reply)})"
        return ApiConflict(text, method=method, reason="conflict", status=reply.status)

    def _retry_after(self, reply: Reply) -> float | None:
        """Return how long ``Retry-After`` asks to wait: seconds, or an HTTP date by the server's clock."""
        value = reply.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"\d{1,9}", value, re.ASCII):
            return float(value)
        at = _http_date(value)
        if at is None:
            return None
        return max(0.0, at - (reply.date if reply.date is not None else self._clock()))

    def _detail(self, method: str, reply: Reply) -> str:
        """Return what Airbyte itself says about an error, if that can be repeated."""
        try:
            said = json.loads(reply.body)
        except (ValueError, RecursionError):
            return ""
        message = said.get("message", said.get("detail")) if isinstance(said, dict) else None
        if not isinstance(message, str):
            return ""
        if method in WRITING:
            text = self.reason(message)
        else:
            text = "" if _TELLTALE.search(message) else self.clean(message)
        return f": {text}" if text else ""

    def reason(self, text: str) -> str:
        """Return a connector's reason, which may speak of passwords, in one line and without any secret."""
        return self.clean(scrubbed(without(self._secrets, text)), _REASON_LENGTH)

    def clean(self, text: str, longest: int = _DETAIL_LENGTH) -> str:
        """Return `text`, which comes from Airbyte, in one short line and without our secrets."""
        text = without((*self._secrets, *spelt(self._issued)), text)
        text = "".join(char if char.isprintable() else " " for char in text)
        text = " ".join(text.split())
        return text if len(text) <= longest else f"{text[:longest]}…"

    def exception(self, method: str, exc: BaseException, seconds: float) -> ApiError:
        """Return what an exception of the HTTP library means, never quoting it. `seconds` was the limit."""
        host = self._config.host
        chain = tuple(_chain(exc))
        for kinds, meaning in _MEANINGS:
            if _any(chain, *kinds):
                if meaning.reason == "tls":
                    error = tls_error(method, host, chain)
                    error.maybe_done = error.retryable  # the others come before anything is sent
                    return error
                said = meaning.says.format(host=host, why=_why(chain), seconds=f"{seconds:.3g}")
                kind = ApiUnreachable if meaning.retryable else ApiMalformed
                error = kind(
                    f"{method}: {said}", method=method, reason=meaning.reason, retryable=meaning.retryable
                )
                error.maybe_done = meaning.sent
                return error
        text = (
            f"{method}: the request to {host} cannot be sent ({type(exc).__name__}); are all airbyte.* right?"
        )
        return ApiRejected(text, method=method, reason="rejected")


@dataclass(frozen=True, slots=True)
class _Meaning:
    """`sent` is whether the request may have arrived."""

    reason: Reason
    says: str
    retryable: bool = True
    sent: bool = False


_MEANINGS: Final[tuple[tuple[tuple[type[BaseException], ...], _Meaning], ...]] = (
    (
        (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError),
        _Meaning(
            "connect",
            "the proxy (airbyte.proxy) does not take us to {host}{why}; does it run, and is it right?",
        ),
    ),
    (
        (requests.exceptions.SSLError, urllib3.exceptions.SSLError, ssl.SSLError),
        _Meaning("tls", ""),
    ),
    (
        (urllib3.exceptions.NameResolutionError, socket.gaierror),
        _Meaning("dns", "the host name of {host} cannot be resolved; is airbyte.url right?"),
    ),
    (
        (urllib3.exceptions.NewConnectionError, ConnectionRefusedError),
        _Meaning("connect", "cannot connect to {host}{why}; is Airbyte running, and is airbyte.url right?"),
    ),
    (
        (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError),
        _Meaning(
            "timeout",
            "no connection to {host} within {seconds} s; is airbyte.url right, and does a firewall let us?",
        ),
    ),
    (
        (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError),
        _Meaning(
            "timeout",
            "{host} does not answer within {seconds} s; is it overloaded, or airbyte.timeout too short?",
            sent=True,
        ),
    ),
    (
        (urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError),
        _Meaning(
            "malformed",
            "the answer of {host} cannot be used: its compression is broken; is a proxy before it at fault?",
            retryable=False,
            sent=True,
        ),
    ),
    (
        (requests.ConnectionError, urllib3.exceptions.ProtocolError, ConnectionError),
        _Meaning(
            "connect",
            "the connection to {host} broke{why}; its log, or that of a proxy before it, tells more",
            sent=True,
        ),
    ),
)
"""What exceptions mean, the most telling first: one of the library's often wraps several."""


def _origin(base: str, location: str) -> str:
    """Return where a ``Location`` leads, without user, path and query, which may hold secrets."""
    try:
        target = urlsplit(urljoin(base, location))
    except ValueError:
        return "an address that cannot be read"
    return f"{target.scheme}://{target.netloc.rpartition('@')[2]}" if target.netloc else "nowhere"


def _is_airbytes_exception(body: bytes) -> bool:
    """Whether a 404 is Airbyte's ``NotFoundKnownExceptionInfo``, not one of a router or a proxy.

    In the public API it is a problem (RFC 7807) of a type of Airbyte's own.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(said, dict):
        return False
    names = ("exceptionClassName", "rootCauseExceptionClassName", "errorId", "id")
    return any(name in said for name in names) or bool(_PROBLEM.match(str(said.get("type"))))


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield `exc` and everything it was made of: causes, contexts, and what urllib3 wraps as arguments."""
    waiting, seen = [exc], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        linked = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        waiting += [item for item in linked if isinstance(item, BaseException)]


def _any(chain: tuple[BaseException, ...], *kinds: type[BaseException]) -> bool:
    return any(isinstance(exc, kinds) for exc in chain)


def _why(chain: tuple[BaseException, ...]) -> str:
    """Return the operating system's word for it, in brackets."""
    for exc in chain:
        if isinstance(exc, OSError) and isinstance(exc.errno, int) and exc.errno > 0:
            return f" ({os.strerror(exc.errno).lower()})"
    return ""
