"""``connections/events/list`` of the simulated Configuration API."""

from typing import Any, Final

from ._answers import Body, not_found, pagination
from ._timeline import Event
from .world import World

__all__ = ["connection_events"]

_DEFAULT_EVENTS: Final = 20
_STEPS: Final = ("SUCCEEDED", "INCOMPLETE", "FAILED", "CANCELLED")
_TYPES: Final = frozenset(
    {
        *(f"{kind}_{step}" for kind in ("SYNC", "REFRESH", "CLEAR") for step in ("STARTED", *_STEPS)),
        *(f"CONNECTION_{change}" for change in ("SETTINGS_UPDATE", "ENABLED", "DISABLED")),
        "SCHEMA_UPDATE",
        "SCHEMA_CONFIG_UPDATE",
        "CONNECTOR_UPDATE",
        "UNKNOWN",
    }
)


def connection_events(world: World, body: Body) -> dict[str, Any]:
    """Answer with a page of a connection's timeline, the newest event first."""
    connection_id = body.required_uuid("connectionId")
    connection = world.company.connections.get(connection_id)
    if connection is None:
        raise not_found("STANDARD_SYNC", connection_id)
    types = body.choices("eventTypes", _TYPES)
    infinity = float("inf")
    start, end = body.instant("createdAtStart", -infinity), body.instant("createdAtEnd", infinity)
    size, offset = pagination(body, default=_DEFAULT_EVENTS)
    events = [
        event
        for event in reversed(connection.timeline.events)
        if (types is None or event.type in types) and start <= event.at <= end
    ]
    return {"events": [_wire(event, connection_id) for event in events[offset : offset + size]]}


def _wire(event: Event, connection_id: str) -> dict[str, Any]:
    user = {
        "id": event.user_id,
        "name": "Data Team",
        "email": "data-team@example.com",
        "isDeleted": False,
    }
    return {
        "id": event.id,
        "connectionId": connection_id,
        "eventType": event.type,
        "summary": {} if event.reason is None else {"disabledReason": event.reason},
        "createdAt": int(event.at),
        **({} if event.user_id is None else {"user": user}),
    }
