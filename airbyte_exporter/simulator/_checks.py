"""Whether a simulated source or destination works: what a check of its connection finds."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from ._catalogue import Connector
from ._jobs import Failure
from ._planning import Actor, Connection
from ._specs import MASK, masked, violations

__all__ = ["failure_of", "trouble_with", "trouble_with_configuration"]

Json = dict[str, Any]

_NOWHERE: Final = ".invalid"
_WRONG: Final = "wrong"
_ADDRESSES: Final = frozenset({"host", "url", "base_url", "endpoint", "s3_endpoint"})


def trouble_with(actor: Actor) -> str | None:
    """Return why a source or destination does not work; ``None``: it does."""
    if actor.broken is not None:
        return actor.broken
    # What was there from the beginning works: its configuration is nobody's.
    return None if actor.given is None else trouble_with_configuration(actor.connector, actor.given)


def trouble_with_configuration(connector: Connector, configuration: Json) -> str | None:
    """Return why nothing can be reached with this configuration; it never tells a secret.

    Names below ``.invalid`` do not exist (RFC 2606), and the password ``wrong`` is none.
    """
    if found := violations(connector, configuration):
        return f"The configuration is not valid: {', '.join(found)}"
    for name, value in _leaves(configuration):
        if name in _ADDRESSES and (host := _host(value)).endswith(_NOWHERE):
            return f"Could not connect: unknown host {host}"
    shown = _leaves(masked(connector, configuration))
    if any(
        value == _WRONG and told == MASK
        for (_, value), (_, told) in zip(_leaves(configuration), shown, strict=True)
    ):
        user = configuration.get("username")
        who = f' for user "{user}"' if isinstance(user, str) else ""
        return f"Could not connect: password authentication failed{who}"
    return None


def failure_of(connection: Connection) -> Failure | None:
    """Return how a sync fails because one of its ends does not work: Airbyte checks both before it starts."""
    for actor in (connection.source, connection.destination):
        if (message := trouble_with(actor)) is not None:
            internal = "io.airbyte.workers.exception.WorkerException: Connection check failed"
            return Failure(actor.connector.kind, "config_error", message, internal)
    return None


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    elif isinstance(value, str):
        yield name, value


def _host(address: str) -> str:
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
    except ValueError:
        return ""
    return (parts.hostname or "").rstrip(".")
