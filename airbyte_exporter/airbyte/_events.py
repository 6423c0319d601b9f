"""Why a connection is active no more, as its timeline tells (Airbyte 0.63.6 and newer)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Annotated, Final

from pydantic import WrapValidator

from airbyte_exporter.airbyte._caller import Caller, call_surely
from airbyte_exporter.airbyte._wire import MaybeText, Present, Time, Wire, or_none, parse
from airbyte_exporter.model import DISABLED_REASONS, Disabling

__all__ = ["why_disabled"]

EVENTS: Final = 20
"""How many events are read: of those that are asked for there are a few a year."""

_METHOD: Final = "connections/events/list"
_DISABLED: Final = "CONNECTION_DISABLED"
_ENABLED: Final = "CONNECTION_ENABLED"


class WireSummary(Wire):
    """What an event of the type ``CONNECTION_DISABLED`` says; of other types it has other properties."""

    disabled_reason: MaybeText = None


class WireEvent(Wire):
    """An event of a connection's timeline. `user` is there where somebody did it."""

    event_type: MaybeText = None
    created_at: Time
    summary: Annotated[WireSummary | None, WrapValidator(or_none)] = None
    user: Annotated[Present | None, WrapValidator(or_none)] = None


class WireEvents(Wire):
    """Answer of ``connections/events/list``, the newest first."""

    events: tuple[WireEvent, ...]


def why_disabled(call: Caller, connection_id: str, since: int) -> Disabling | None:
    """Return how a connection that was active at `since`, epoch seconds, was disabled after that.

    That Airbyte writes the same event again when somebody saves a connection that is disabled already is why
    the newest one may not be the right one: it is the first after the connection was last enabled.

    Returns:
        ``None`` where there is no such event, or not yet.

    Raises:
        ApiError: It cannot be read.
    """
    body = {
        "connectionId": connection_id,
        "eventTypes": [_DISABLED, _ENABLED],
        "createdAtStart": datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "pagination": {"pageSize": EVENTS, "rowOffset": 0},
    }
    answer = call_surely(call, _METHOD, body, about_one=True)
    event = _the_one(parse(WireEvents, answer.body, method=_METHOD).events, since)
    if event is None:
        return None
    reason = event.summary.disabled_reason if event.summary is not None else None
    if reason:
        known = reason if reason in DISABLED_REASONS else "unknown"
        return Disabling(event.created_at, known, by_person=False)
    return Disabling(event.created_at, by_person=True if event.user is not None else None)


def _the_one(events: Sequence[WireEvent], since: int) -> WireEvent | None:
    newest_first = sorted(
        (event for event in events if event.created_at >= since), key=lambda event: -event.created_at
    )
    while_off = takewhile(lambda event: event.event_type != _ENABLED, newest_first)
    disabled = [event for event in while_off if event.event_type == _DISABLED]
    return disabled[-1] if disabled else None
