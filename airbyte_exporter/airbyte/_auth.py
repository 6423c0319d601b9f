"""How we authenticate: not at all, with a user's password, a static bearer token, or client credentials.

Airbyte's tokens live for minutes (15 by default since 1.6, 3 to 24 h before). The Config API's own token
endpoint does not tell how long; the token itself does (JWT). Only JSON with exactly the two credentials is
understood by every version, and wrong ones are a 400.
"""

import re
import threading
from typing import Final, Protocol

import structlog

from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._errors import (
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    ApiStopped,
    ApiUnauthorized,
    ApiUnreachable,
    Reason,
)
from airbyte_exporter.airbyte._jwt import times_of
from airbyte_exporter.airbyte._secrets import basic
from airbyte_exporter.airbyte._transport import Answer, Clocks, Transport
from airbyte_exporter.airbyte._wire import WireInstance, WireToken, WireWorkspaces, parse

__all__ = ["Auth", "auth_for", "expires_at"]

_ASSUMED_LIFETIME: Final = 150.0
_RENEW_AT: Final = 0.8
_WRONG_CREDENTIALS: Final = frozenset({400, 401, 403, 422})
_REFUSALS: Final[frozenset[Reason]] = frozenset({"rejected", "unauthorized", "forbidden"})
_CONFIG: Final = "applications/token"
_PUBLIC: Final = "public/applications/token"
_NO_ENDPOINT: Final[frozenset[Reason]] = frozenset({"not_found", "not_airbyte"})
_HEADER_SAFE: Final = re.compile(r"[\x21-\x7e]+")
_REFUSES_VALID_CREDENTIALS: Final = re.compile(r"v?1\.8\.[0-5]")
"""Versions of which installations by abctl do so (airbyte#65592, #65595)."""


log = structlog.get_logger(__name__)


class Auth(Protocol):
    """Where the ``Authorization`` header of a request comes from."""

    def header(self, deadline: float) -> tuple[str | None, float]:
        """Return the header's value, ``None`` to send none, and until when the call with it may take.

        That is `deadline`, moved on by the time that this waited for others to get one.

        Raises:
            ApiError: None could be got.
        """

    def discard(self, header: str | None) -> bool:
        """Airbyte refused `header`: return whether `header()` will give another one."""


def auth_for(config: AirbyteConfig, transport: Transport, clocks: Clocks) -> Auth:
    """Return the way to authenticate that is configured."""
    if config.client_id is not None and config.client_secret is not None:
        return _ClientCredentials(
            config.client_id.get_secret_value(),
            config.client_secret.get_secret_value(),
            transport,
            clocks,
            method=_PUBLIC if config.only_public else _CONFIG,
        )
    if config.username is not None and config.password is not None:
        return _Static(f"Basic {basic(config.username, config.password.get_secret_value())}")
    return _Static(None if config.token is None else f"Bearer {config.token.get_secret_value()}")


class _Static:
    def __init__(self, header: str | None) -> None:
        self._header = header

    def header(self, deadline: float) -> tuple[str | None, float]:
        return self._header, deadline

    def discard(self, header: str | None) -> bool:  # noqa: ARG002  (as in Auth)
        return False


class _ClientCredentials:
    """Tokens for an application, renewed at four fifths of their life. Thread-safe.

    One caller asks for a token while the others wait, and what comes of it is for all of them: a token, or
    the error, lest each of them asks an endpoint that does not answer for as long as a call may take.
    """

    def __init__(
        self, client_id: str, client_secret: str, transport: Transport, clocks: Clocks, *, method: str
    ) -> None:
        self._body = {"client_id": client_id, "client_secret": client_secret}
        self._transport = transport
        self._clocks = clocks
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._failure: ApiError | None = None
        self._method = method
        self._is_public = method == _PUBLIC
        self._token: str | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0

    def header(self, deadline: float) -> tuple[str, float]:
        failure = self._failure
        came = self._clocks.monotonic()
        with self._turn:
            now = self._clocks.monotonic()
            deadline += now - came
            is_good = self._token is not None and now < self._expires_at
            if not is_good and self._failure is not None and self._failure is not failure:
                raise self._failure
            try:
                return f"Bearer {self._current(deadline)}", deadline
            except ApiError as exc:
                self._failure = exc
                raise

    def _current(self, deadline: float) -> str:
        now = self._clocks.monotonic()
        token = self._token
        if token is None or now >= self._expires_at:
            return self._fetch(deadline)
        return token if now < self._renew_at else self._renewed(token, deadline)

    def discard(self, header: str | None) -> bool:
        with self._lock:
            if header == f"Bearer {self._token}":
                self._token = None
            return True

    def _renewed(self, token: str, deadline: float) -> str:
        """Return a new token, or `token`, which is still good, where none can be had at once.

        The call that the token is for needs most of the time itself, and the next one does not ask again.
        """
        now = self._clocks.monotonic()
        try:
            return self._fetch(now + (deadline - now) / 3)
        except (ApiUnreachable, ApiMalformed, ApiNotFound) as exc:
            now = self._clocks.monotonic()
            if now >= self._expires_at:
                raise
            self._renew_at = (now + self._expires_at) / 2
            log.debug("a token cannot be renewed yet", reason=exc.reason)
            return token

    def _fetch(self, deadline: float) -> str:
        wire, answer = self._request(deadline)
        token = wire.access_token
        if not _HEADER_SAFE.fullmatch(token):
            raise ApiMalformed(
                f"{self._method}: Airbyte's answer cannot be used: the token is not one word",
                method=self._method,
                reason="malformed",
            )
        self._transport.judge.keep_secret(token)
        now = self._clocks.monotonic()
        lifetime = self._lifetime(wire, answer)
        with self._lock:
            self._token, self._renew_at, self._expires_at = token, now + _RENEW_AT * lifetime, now + lifetime
        self._failure = None
        return token

    def _request(self, deadline: float) -> tuple[WireToken, Answer]:
        try:
            answer = self._call(deadline)
        except (ApiNotFound, ApiMalformed) as exc:
            if self._method == _PUBLIC or exc.reason not in _NO_ENDPOINT:
                raise
            # Some ingresses only let the public API's twin through.
            self._method = _PUBLIC
            try:
                answer = self._call(deadline)
            except ApiError as last:
                self._method = _CONFIG
                if last.reason in _NO_ENDPOINT and not self._expires_at:
                    self._fail_if_it_gives_no_tokens(deadline, last)
                raise
        return parse(WireToken, answer.body, method=self._method), answer

    def _call(self, deadline: float) -> Answer:
        try:
            return self._transport.call(self._method, self._body, authorization=None, deadline=deadline)
        except (ApiRejected, ApiUnauthorized, ApiForbidden) as exc:
            # A password is another's to ask for: what stands before Airbyte has not read the two.
            if isinstance(exc, ApiUnauthorized) and exc.wants_password:
                raise
            if exc.status not in _WRONG_CREDENTIALS or exc.reason not in _REFUSALS:
                raise
            error: ApiError = exc
        version = self._version(deadline)
        advice = (
            "`abctl local credentials` or the user settings in Airbyte (Applications) show the right ones"
        )
        if version is not None and _REFUSES_VALID_CREDENTIALS.fullmatch(version):
            advice = (
                f"it is {version}, and 1.8.0 to 1.8.5 installed by abctl are known to refuse valid ones "
                "(airbyte#65592, #65595): if they are those of `abctl local credentials`, upgrade Airbyte"
            )
        raise ApiUnauthorized(
            f"{self._method}: Airbyte does not accept airbyte.client_id and airbyte.client_secret; {advice}",
            method=self._method,
            reason="unauthorized",
            status=error.status,
        ) from error

    def _fail_if_it_gives_no_tokens(self, deadline: float, error: ApiError) -> None:
        """Raise if an Airbyte answers anybody here: one from before there were applications (0.64)."""
        method = "workspaces/list"
        try:
            answer = self._transport.call(method, {}, authorization=None, deadline=deadline, tries=1)
            parse(WireWorkspaces, answer.body, method=method)
        except ApiStopped:
            raise
        except ApiError:
            return
        raise ApiUnauthorized(
            f"{_CONFIG}: this Airbyte gives no tokens to applications, as none before 0.64 does, and answers "
            "without credentials; remove airbyte.client_id and airbyte.client_secret",
            method=_CONFIG,
            reason="unauthorized",
            status=error.status,
        ) from error

    def _version(self, deadline: float) -> str | None:
        """Return the version that Airbyte tells anybody, if it does so at once; the public API has none."""
        if self._is_public:
            return None
        method = "instance_configuration"
        try:
            answer = self._transport.call(method, authorization=None, deadline=deadline, tries=1)
            return parse(WireInstance, answer.body, method=method).version
        except ApiStopped:
            raise
        except ApiError:
            return None

    def _lifetime(self, wire: WireToken, answer: Answer) -> float:
        """Return how many seconds the token is good for: the shortest that anything says.

        Versions up to 1.5 say 180 beside a token of 24 hours.
        """
        told: list[float] = [wire.expires_in] if wire.expires_in else []
        times = times_of(wire.access_token)
        if times.expires_at is not None:
            now = answer.date if answer.date is not None else self._clocks.wall()
            told.append(times.expires_at - (now if times.issued_at is None else times.issued_at))
        good = [seconds for seconds in told if seconds > 0]
        return min(good) if good else _ASSUMED_LIFETIME


def expires_at(config: AirbyteConfig) -> float | None:
    """Return when the static token expires by its own words, epoch seconds; ``None`` if it tells none."""
    return None if config.token is None else times_of(config.token.get_secret_value()).expires_at
