"""Before the routes: who may ask, how often, and what the web configuration file adds to every answer."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import bcrypt
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airbyte_exporter.web._headers import refusal
from airbyte_exporter.web._webfile import RateLimit, WebFile

__all__ = ["AUTHENTICATED", "Access"]

AUTHENTICATED: Final = "authenticated"
"""In a request's state: whether who asks has proved to be known, by a password or a certificate."""

_PROBES: Final = frozenset({"/-/healthy", "/-/ready"})
_WAITING: Final = 16
# What bcrypt looks at; the library refuses more, and the tools that make hashes cut it off.
_PASSWORD_BYTES: Final = 72
_FALLBACK_COST: Final = 10


class Access:
    """Let requests through to `app` as the configuration that `current` returns says."""

    def __init__(self, app: ASGIApp, current: Callable[[], WebFile]) -> None:
        self._app = app
        self._current = current
        self._users = _Users()
        self._bucket = _Bucket()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let `app` do it."""
        config = self._current()
        send = _with_headers(send, config.headers)
        app: ASGIApp = self._app
        if scope["path"] not in _PROBES:
            if not self._bucket.take(config.limit, asyncio.get_running_loop().time()):
                app = refusal(429, "too many requests", {"retry-after": "1"})
            elif config.users:
                match await self._users.verdict(Headers(scope=scope), config.users):
                    case True:
                        scope = {**scope, "state": {**scope.get("state", {}), AUTHENTICATED: True}}
                    case False:
                        challenge = {"www-authenticate": 'Basic realm="airbyte-exporter", charset="UTF-8"'}
                        app = refusal(401, "a user name and a password are needed", challenge)
                    case None:
                        app = refusal(503, "too many passwords to check", {"retry-after": "1"})
        await app(scope, receive, send)

    def close(self) -> None:
        """End without the passwords that wait to be checked."""
        self._users.close()


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    if not headers:
        return send

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            sent = MutableHeaders(scope=message)
            for name, value in headers.items():
                if value:
                    sent[name] = value
                else:
                    del sent[name]
        await send(message)

    return send_with_headers


class _Users:
    """Checks passwords, one at a time, since each is meant to be costly.

    A password that was accepted is not checked again while its hash stays the same: a scrape every 15 s would
    else cost a tenth of a second each. Kept is only a keyed digest of it.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._accepted: dict[bytes, tuple[bytes, bytes]] = {}
        self._checking = asyncio.Lock()
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "passwords")

    async def verdict(self, headers: Headers, users: Mapping[bytes, bytes]) -> bool | None:
        """Return whether `headers` name one of `users` with its password, ``None`` when too many ask."""
        credentials = _credentials(headers)
        if credentials is None:
            return False
        user, password = credentials
        hashed = users.get(user)
        digest = hmac.digest(self._key, password, hashlib.sha256)
        if hashed is not None and self._is_accepted(user, hashed, digest):
            return True
        if self._waiting >= _WAITING:
            return None
        self._waiting += 1
        try:
            async with self._checking:
                if hashed is not None and self._is_accepted(user, hashed, digest):
                    return True
                # Somebody unknown costs as much: the time of an answer must not tell which names exist.
                against = hashed or _nobody(users)
                fits = await asyncio.get_running_loop().run_in_executor(
                    self._thread, bcrypt.checkpw, password[:_PASSWORD_BYTES], against
                )
        finally:
            self._waiting -= 1
        if hashed is None or not fits:
            return False
        self._accepted[user] = (hashed, digest)
        return True

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _is_accepted(self, user: bytes, hashed: bytes, digest: bytes) -> bool:
        known_hash, known_digest = self._accepted.get(user, (b"", b""))
        return known_hash == hashed and hmac.compare_digest(known_digest, digest)


def _credentials(headers: Headers) -> tuple[bytes, bytes] | None:
    """Return user name and password (RFC 7617), ``None`` where there are none or several."""
    given = headers.getlist("authorization")
    scheme, _, encoded = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def _nobody(users: Mapping[bytes, bytes]) -> bytes:
    """Return a hash that fits no password that anybody knows, as costly as the costliest of `users`."""
    cost = max((int(hashed[4:6]) for hashed in users.values()), default=_FALLBACK_COST)
    return bcrypt.gensalt(cost) + b"." * 31


class _Bucket:
    """A token bucket."""

    def __init__(self) -> None:
        self._limit = RateLimit()
        self._tokens = 0.0
        self._filled_at = 0.0

    def take(self, limit: RateLimit, now: float) -> bool:
        """Whether a request may pass `now`, in seconds."""
        if not limit.interval:
            return True
        if limit != self._limit:
            self._limit, self._tokens, self._filled_at = limit, float(limit.burst), now
        gained = (now - self._filled_at) / limit.interval
        self._tokens, self._filled_at = min(float(limit.burst), self._tokens + gained), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
