"""Who may ask: anybody, or who brings a password, a static token, or short tokens for client credentials."""

import base64
import binascii
import hashlib
import hmac
import json
import math
from dataclasses import dataclass
from typing import Any, Final

from ._answers import Answer, Body, Problem, json_bytes

__all__ = ["ANONYMOUS", "AUTH_MODES", "TOKEN_PATHS", "Credentials", "Gate"]

AUTH_MODES: Final = ("none", "basic", "bearer", "client-credentials")
ANONYMOUS: Final = frozenset({
    "/api/v1/health", "/api/v1/instance_configuration", "/api/v1/applications/token",
    "/api/public/v1/health", "/api/public/v1/applications/token",
})  # fmt: skip
"""What answers without a token, though not without the password of a basic-auth proxy."""
_PROXY_PAGE: Final = (
    "<html>\n<head><title>401 Authorization Required</title></head>\n"
    "<body>\n<center><h1>401 Authorization Required</h1></center>\n</body>\n</html>\n"
)
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
TOKEN_PATHS: Final = {"/api/v1/applications/token": False, "/api/public/v1/applications/token": True}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs to know, whichever of it the mode asks for."""

    username: str
    password: str
    token: str
    client_id: str
    client_secret: str
    reader_client_id: str
    reader_client_secret: str
    """Of the application of a user who may read some workspaces; the other is an administrator's."""

    @classmethod
    def of(cls, seed: int, **given: str | None) -> "Credentials":
        """Return what was `given`, the rest following from `seed`."""
        digest = hashlib.sha256(f"credentials {seed}".encode()).hexdigest()
        readers = hashlib.sha256(f"reader's credentials {seed}".encode()).hexdigest()
        values = {
            "username": "airbyte",
            "password": digest[:12],
            "token": digest[12:36],
            "client_id": _as_uuid(digest),
            "client_secret": digest[32:],
            "reader_client_id": _as_uuid(readers),
            "reader_client_secret": readers[32:],
        }
        return cls(**(values | {name: value for name, value in given.items() if value is not None}))


class Gate:
    """Checks requests and issues tokens: JWTs with an expiry, as Airbyte's are."""

    def __init__(self, mode: str, credentials: Credentials, *, lifetime: float, seed: int) -> None:
        if mode not in AUTH_MODES:
            raise ValueError(f"{mode!r} is not one of {', '.join(AUTH_MODES)}")
        if not 1 <= lifetime < math.inf:
            raise ValueError(f"a token cannot be good for {lifetime:g} seconds, only for 1 and more")
        self.mode = mode
        self.reader_id = _as_uuid(hashlib.sha256(f"reader {seed}".encode()).hexdigest())
        """The id of the user whose application is the reader's."""
        self._credentials = credentials
        self._lifetime = lifetime
        self._key = hashlib.sha256(f"signature {seed}".encode()).digest()
        self._revoked_before = float("-inf")

    def refusal(self, path: str, authorization: str, now: float) -> Answer | None:
        """Return the answer to a request that may not pass, ``None`` for one that may."""
        if self.mode == "none" or (
            self.mode != "basic" and (path in ANONYMOUS or not path.startswith("/api/"))
        ):
            return None
        scheme, _, value = authorization.partition(" ")
        allowed = {"basic": self._basic, "bearer": self._static, "client-credentials": self._issued}[
            self.mode
        ]
        wanted = "basic" if self.mode == "basic" else "bearer"
        if scheme.lower() == wanted and allowed(value.strip(), now):
            return None
        if self.mode == "basic":
            # The proxy answers for itself, with a page.
            headers = {"www-authenticate": 'Basic realm="Airbyte"'}
            return Answer(401, text=_PROXY_PAGE, content_type="text/html", headers=headers)
        return Answer(401, {"message": "Unauthorized"}, headers={"www-authenticate": "Bearer"})

    def issue(self, path: str, raw: bytes, content_type: str, now: float) -> Answer:
        """Answer a token request: JSON only, as real self-managed servers do."""
        if content_type.partition(";")[0].strip().lower() != "application/json":
            return Answer(401, {"message": "Unauthorized"})
        try:
            body = Body.parse(raw)
            client_id, client_secret = body.text("client_id"), body.text("client_secret")
        except Problem as problem:
            return problem.answer
        given, known = (client_id or "", client_secret or ""), self._credentials
        if _same_pair(given, (known.client_id, known.client_secret)):
            user: dict[str, Any] = {"sub": _NOBODY, "roles": ["ADMIN", "EDITOR", "READER"]}
        elif _same_pair(given, (known.reader_client_id, known.reader_client_secret)):
            user = {"sub": self.reader_id, "roles": ["READER"]}
        else:
            return Answer(400, {"message": "Invalid client id or token"})
        token: dict[str, Any] = {"access_token": self._sign(user, now)}
        if TOKEN_PATHS[path]:
            token |= {"token_type": "Bearer", "expires_in": int(self._lifetime)}
        return Answer(body=token)

    def is_reader(self, authorization: str) -> bool:
        """Tell whether a request that may pass is the reader's; whoever else may pass is an administrator."""
        if self.mode != "client-credentials":
            return False
        token = authorization.partition(" ")[2].strip()
        return bool(token) and _claims(token)["sub"] == self.reader_id

    def revoke_tokens(self, now: float) -> None:
        """Refuse every token issued before `now`, as after a change of the signing key."""
        self._revoked_before = now

    def _sign(self, user: dict[str, Any], now: float) -> str:
        claims = {"iss": "airbyte", "iat": now, "exp": int(now + self._lifetime), **user}
        signed = ".".join(_encode(json_bytes(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, signed: str) -> str:
        return _encode(hmac.digest(self._key, signed.encode(), "sha256"))

    def _issued(self, token: str, now: float) -> bool:
        signed, _, signature = token.rpartition(".")
        if not _same(signature, self._signature(signed)):
            return False
        claims = _claims(token)
        return bool(now < claims["exp"] and claims["iat"] >= self._revoked_before)

    def _static(self, token: str, _now: float) -> bool:
        return _same(token, self._credentials.token)

    def _basic(self, encoded: str, _now: float) -> bool:
        try:
            user = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return _same(user, f"{self._credentials.username}:{self._credentials.password}")


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(_decode(token.split(".")[1]))
    return claims


def _as_uuid(digest: str) -> str:
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def _same_pair(given: tuple[str, str], expected: tuple[str, str]) -> bool:
    return _same(given[0], expected[0]) and _same(given[1], expected[1])


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
