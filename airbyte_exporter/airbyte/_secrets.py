"""Which words are secret, and text without them."""

import base64
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from airbyte_exporter.airbyte._config import AirbyteConfig

__all__ = ["basic", "scrubbed", "secrets_of", "spelt", "without"]

_SHORT_SECRET: Final = 4
_BLANK: Final = "**********"
_WORD: Final = re.compile(r"\w")
_WORDS: Final = r"[\w.-]*(?:pass(?:word|wd|phrase)|pwd|secret|token|api_?key|access_?key|private_?key)[\w-]*"
_QUOTED: Final = r"""(?:"(?:[^"\\]|\\.)*"?|'[^']*'?)"""
_GIVEN_AWAY: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"()-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|$)",
        r"(://)[^\s/@]+(?=@)",
        r"(\bauthorization[\"']?\s*[:=]\s*)[^\n]+",
        r"(\b(?:bearer|basic)\s+)(?=\S*\d)[\w+/=.~-]{8,}",
        rf"""({_WORDS}["']?\s*=\s*)(?:{_QUOTED}|[^\s&;,)\]}}]+)""",
        rf"""(["']{_WORDS}["']\s*:\s*)(?:{_QUOTED}|[^\s,)\]}}]+)""",
        rf"""((?<![\w.$/-]){_WORDS}:\s*)(?:{_QUOTED}|[^\s,)\]}}]+)""",
    )
)
"""How connectors tell secrets in their messages, after what may stay; not ``$.password: is missing``."""


def basic(username: str, password: str) -> str:
    """Return the credentials of HTTP basic authentication (RFC 7617) without its scheme."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def secrets_of(config: AirbyteConfig) -> tuple[str, ...]:
    """Return everything secret in `config`, as it may be written in answers."""
    values = [
        secret.get_secret_value()
        for secret in (config.token, config.client_id, config.client_secret, config.proxy, config.password)
        if secret is not None and secret.get_secret_value()
    ]
    if config.username is not None and config.password is not None:
        values.append(basic(config.username, config.password.get_secret_value()))
    if config.proxy is not None:
        parts = urlsplit(config.proxy.get_secret_value())
        user, password = (unquote(part or "") for part in (parts.username, parts.password))
        # As it stands in Proxy-Authorization, which a proxy may repeat.
        values.append(basic(user, password))
        values += [part for part in (parts.username, parts.password, user, password) if part]
    return spelt(values)


def spelt(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return `secrets` as they may be written in answers."""
    return tuple(
        spelling
        for secret in secrets
        for spelling in {
            secret,
            quote(secret, safe=""),
            quote(secret),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            repr(secret)[1:-1],
        }
    )


def without(secrets: Iterable[str], text: str) -> str:
    """Blank `secrets` out, one that holds another first; very short ones only where they are whole words.

    A comma is no secret, though it may be the delimiter in a configuration of which only that is known.
    """
    for secret in sorted({*secrets}, key=len, reverse=True):
        if len(secret) >= _SHORT_SECRET:
            text = text.replace(secret, _BLANK)
        elif _WORD.search(secret):
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _BLANK, text)
    return text


def scrubbed(text: str) -> str:
    """Blank out what looks like a secret in a connector's message, though nobody told us that it is one."""
    for pattern in _GIVEN_AWAY:
        text = pattern.sub(rf"\1{_BLANK}", text)
    return text
