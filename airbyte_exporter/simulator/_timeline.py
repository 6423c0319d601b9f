"""The timelines of connections, as far as they are simulated: being enabled and disabled, by whom or why."""

from dataclasses import dataclass
from itertools import takewhile
from typing import Final
from uuid import NAMESPACE_OID, uuid5

__all__ = [
    "AUTOMATIC_REASONS",
    "DISABLED",
    "ENABLED",
    "SCHEMA_IS_BREAKING",
    "TOO_MANY_FAILURES",
    "Event",
    "Timeline",
]

DISABLED: Final = "CONNECTION_DISABLED"
ENABLED: Final = "CONNECTION_ENABLED"

TOO_MANY_FAILURES: Final = "TOO_MANY_FAILED_JOBS_WITH_NO_RECENT_SUCCESS"
SCHEMA_IS_BREAKING: Final = "SCHEMA_CHANGES_ARE_BREAKING"
AUTOMATIC_REASONS: Final = (
    TOO_MANY_FAILURES,
    SCHEMA_IS_BREAKING,
    "DISABLE_CONNECTION_IF_ANY_SCHEMA_CHANGES",
    "INVALID_CREDIT_BALANCE",
    "CONNECTOR_NOT_SUPPORTED",
    "WORKSPACE_IS_DELINQUENT",
    "INVOICE_MARKED_UNCOLLECTIBLE",
    "INVALID_PAYMENT_METHOD",
    "UNSUBSCRIBED",
    "MANUALLY_LOCKED",
)
"""Why Airbyte disables a connection by itself."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a connection; `user_id` is whose doing it was, ``None``: Airbyte's own."""

    id: str
    type: str
    at: float
    user_id: str | None = None
    reason: str | None = None


class Timeline:
    """The events of one connection, the oldest first."""

    def __init__(self, connection_id: str) -> None:
        self._connection_id = connection_id
        self.events: list[Event] = []

    def note(self, type_: str, at: float, *, user_id: str | None = None, reason: str | None = None) -> None:
        """Add an event."""
        identity = str(uuid5(NAMESPACE_OID, f"{self._connection_id} {len(self.events)}"))
        self.events.append(Event(identity, type_, at, user_id, reason))

    @property
    def disabling(self) -> Event | None:
        """What switched the connection off, ``None`` where it is on: later ones of its kind repeat it."""
        while_off = list(takewhile(lambda event: event.type == DISABLED, reversed(self.events)))
        return while_off[-1] if while_off else None
