"""Which words are secret, and text without them."""

import base64
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from airbyte_exporter.airbyte._config import AirbyteConfig

__all__ = ["basic", "secrets_of", "spelt", "without"]

_SHORT_SECRET: Final = 4
_BLANK: Final = "**********"


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
        for spelling in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
    )


def without(secrets: Iterable[str], text: str) -> str:
    """Blank `secrets` out, one that holds another first; very short ones only where they are whole words."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORT_SECRET:
            text = text.replace(secret, _BLANK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _BLANK, text)
    return text
