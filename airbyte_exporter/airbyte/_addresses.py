"""Who is at an address, asked without credentials; and where Airbyte is, when it is not at the one given.

Only for a person who looks for what is wrong: one try each, seconds at most, and no secret is ever sent.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

import requests
import urllib3.exceptions
from requests.adapters import BaseAdapter

from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._session import Connections, open_session
from airbyte_exporter.airbyte._verdicts import Reply

__all__ = ["Greeting", "find_airbyte", "greet"]

_API_ROOT: Final = "/api/v1"
_USUAL_PATHS: Final = ("", "/airbyte")
"""Where Airbyte is below a host that serves other things too: nowhere, or what most ingresses call it."""

_USUAL_PORTS: Final = (8000, 8001)
"""The web application or ingress of abctl and Docker installations, and Airbyte's server itself."""

_DEEPEST: Final = 3
_SECONDS_PER_REQUEST: Final = 2.0
_SECONDS: Final = 8.0
_LARGEST: Final = 64 * 1024
_LONGEST_WORD: Final = 60
_GOOD: Final = 200
_HEALTHY: Final = b"Successful operation"
"""All that the public API says to whoever asks for its health."""

_GUARDED: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Greeting:
    """What Airbyte tells of itself to anybody; ``None`` where it does not tell.

    `auth_mode` is ``none``, ``simple`` or ``oidc`` (told since 0.61). `is_guarded` is whether credentials are
    wanted before anything is told, so that it is not even sure that this is an Airbyte.
    """

    version: str | None = None
    edition: str | None = None
    auth_mode: str | None = None
    is_guarded: bool = False


def greet(
    config: AirbyteConfig,
    *,
    adapter: BaseAdapter | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Greeting | None:
    """Ask who is at ``airbyte.url``, without credentials; return ``None`` if that is no Airbyte.

    ``instance_configuration`` is anonymous in every version that has it; the short reference API answers
    ``workspaces/list`` to anybody where no password is wanted, and the public API ``health``. At most three
    requests, one try each.

    Raises:
        ConfigurationError: A certificate or key file cannot be used.
    """
    with closing(_Asking(config, adapter, monotonic)) as asking:
        guarded = None
        for verb, method, read in _PUBLIC_QUESTIONS if config.only_public else _QUESTIONS:
            reply = asking.ask(verb, config.address, method)
            if reply is None:
                break
            if (greeting := _read(reply, read)) is not None:
                return greeting
            if reply.status in _GUARDED and (reply.wants_password or not reply.is_web_page):
                guarded = Greeting(is_guarded=True)
        return guarded


def find_airbyte(
    config: AirbyteConfig,
    *,
    adapter: BaseAdapter | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> str | None:
    """Look for Airbyte near ``airbyte.url``; return what to write there instead, ``None`` if it is not found.

    Never another host, and never with credentials: the path's parents, the usual paths, the other of
    ``http`` and ``https``, and Airbyte's usual ports, one small request each, for eight seconds at most.
    Nothing is found that does not answer ``health`` to anybody, such as what is behind a proxy's password.

    Raises:
        ConfigurationError: A certificate or key file cannot be used.
    """
    if config.is_cloud:
        return None
    ends_at = monotonic() + _SECONDS
    for url in _candidates(config.url):
        if monotonic() >= ends_at:
            return None
        with closing(_Asking(_stranger(config, url), adapter, monotonic)) as asking:
            reply = asking.ask("GET", url, "health")
        if reply is not None and _read(reply, _health) is not None:
            return url.removesuffix(_API_ROOT)
    return None


def _stranger(config: AirbyteConfig, url: str) -> AirbyteConfig:
    """Return a configuration for a guessed address that knows no secret of the real one."""
    unknown = ["username", "password", "token", "client_id", "client_secret"]
    if urlsplit(url)[:2] != urlsplit(config.url)[:2]:
        unknown += ["client_cert_file", "client_key_file"]
    return config.model_copy(update={"url": url, **dict.fromkeys(unknown)})


def _candidates(url: str) -> Iterator[str]:
    """Yield the roots of the API to try, the likeliest first; never `url` itself, none twice."""
    parts = urlsplit(url)
    prefix = parts.path.removesuffix(_API_ROOT)
    above = [prefix.rsplit("/", depth)[0] for depth in range(1, min(prefix.count("/"), _DEEPEST) + 1)]
    paths = [*above, *_USUAL_PATHS]
    other_scheme = "http" if parts.scheme == "https" else "https"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    guesses = [
        *(_root(parts, path=path) for path in paths),
        *(_root(parts, path=path, scheme=other_scheme) for path in (prefix, "")),
        *(_root(parts, path="", scheme="http", netloc=f"{host}:{port}") for port in _USUAL_PORTS),
    ]
    yield from (guess for guess in dict.fromkeys(guesses) if guess != url)


def _root(parts: SplitResult, *, path: str, scheme: str | None = None, netloc: str | None = None) -> str:
    return urlunsplit((scheme or parts.scheme, netloc or parts.netloc, f"{path}{_API_ROOT}", "", ""))


class _Asking:
    """Single requests, without credentials, each with a short end."""

    def __init__(
        self, config: AirbyteConfig, adapter: BaseAdapter | None, monotonic: Callable[[], float]
    ) -> None:
        self._timeout = min(config.timeout, _SECONDS_PER_REQUEST)
        self._monotonic = monotonic
        self._connections = Connections(monotonic)
        self._session = open_session(config, self._connections)
        if adapter is not None:
            self._session.mount("http://", adapter)
            self._session.mount("https://", adapter)

    def close(self) -> None:
        self._session.close()

    def ask(self, verb: str, root: str, method: str) -> Reply | None:
        """Return the answer, or ``None`` if none came in time."""
        try:
            with (
                self._connections.until(self._monotonic() + 2 * self._timeout),
                self._session.request(
                    verb,
                    f"{root}/{method}",
                    json={} if verb == "POST" else None,
                    timeout=(self._timeout, self._timeout),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                body = response.raw.read(_LARGEST, decode_content=True)
            return Reply(response.status_code, response.headers, body)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError):
            return None


def _read(reply: Reply, read: Callable[[dict[str, Any]], Greeting | None]) -> Greeting | None:
    if reply.status != _GOOD or reply.is_web_page:
        return None
    if reply.body.strip() == _HEALTHY:
        return read({"available": True})
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return read(said) if isinstance(said, dict) else None


def _instance(said: dict[str, Any]) -> Greeting | None:
    auth = said.get("auth")
    found = Greeting(
        version=_word(said.get("version")),
        edition=_word(said.get("edition"), lower=True),
        auth_mode=_word(auth.get("mode"), lower=True) if isinstance(auth, dict) else None,
    )
    return found if found.edition is not None else None


def _health(said: dict[str, Any]) -> Greeting | None:
    return Greeting() if isinstance(said.get("available"), bool) else None


def _workspaces(said: dict[str, Any]) -> Greeting | None:
    return Greeting() if isinstance(said.get("workspaces"), list) else None


def _word(value: object, *, lower: bool = False) -> str | None:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST_WORD:
        return None
    return value.lower() if lower else value


_QUESTIONS: Final = (
    ("GET", "instance_configuration", _instance),
    ("GET", "health", _health),
    ("POST", "workspaces/list", _workspaces),
)
_PUBLIC_QUESTIONS: Final = (("GET", "health", _health),)
