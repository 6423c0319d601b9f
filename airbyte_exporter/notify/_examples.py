"""Notifications as they could come: what a template is tried with before it is needed."""

from collections.abc import Iterator
from typing import Any, Final

__all__ = ["examples"]

_TYPES: Final = ("alert.firing", "alert.updated", "alert.repeated", "alert.resolved")

_OF_A_CONNECTION: Final[dict[str, Any]] = {
    "connection": {
        "id": "4f9a3f6e-5d0c-4f0e-9b77-7a1f0f0c2b11",
        "name": "Orders → Warehouse",
        "url": "https://airbyte.example.com/workspaces/9924bcd0/connections/4f9a3f6e",
        "tags": ["finance", "gold"],
    },
    "workspace": {"id": "9924bcd0-99be-453d-ba47-c2c9766f7da5", "name": "Finance & Operations"},
    "source": {"id": "0d1c6a52", "name": "orders", "connector": "Postgres"},
    "destination": {"id": "c7a3e0b4", "name": "warehouse", "connector": "Snowflake"},
    "job": {
        "id": 4711,
        "type": "sync",
        "status": "failed",
        "created_at": "2026-01-31T11:40:00Z",
        "started_at": "2026-01-31T11:40:05Z",
        "ended_at": "2026-01-31T11:59:58Z",
        "attempts": 3,
        "records_synced": 1234567,
        "bytes_synced": 987654321,
        "failure": {
            "origin": "source",
            "type": "config_error",
            "message": 'password authentication failed for user "reader"\nSQLSTATE: 28P01',
        },
    },
}

_WITH_LITTLE_KNOWN: Final[dict[str, Any]] = _OF_A_CONNECTION | {
    "connection": _OF_A_CONNECTION["connection"] | {"url": None, "tags": []},
    "job": _OF_A_CONNECTION["job"]
    | dict.fromkeys(("started_at", "ended_at", "attempts", "records_synced", "bytes_synced", "failure")),
}

_OF_THE_INSTANCE: Final[dict[str, Any]] = dict.fromkeys(_OF_A_CONNECTION)

_COMMANDS: Final = (
    {"what": "Look at the job", "command": "airbyte-exporter jobs show 4711", "url": None},
    {
        "what": "Run it again",
        "command": "airbyte-exporter connections sync 4f9a3f6e-5d0c-4f0e-9b77-7a1f0f0c2b11 --wait",
        "url": None,
    },
)
_PAGE: Final = {
    "what": "Open it in Airbyte",
    "command": None,
    "url": "https://airbyte.example.com/workspaces/9924bcd0/connections/4f9a3f6e",
}

_SITUATIONS: Final = {
    "about a connection": _OF_A_CONNECTION,
    "about a job of which little is known": _WITH_LITTLE_KNOWN,
    "about a connection without a job": _OF_A_CONNECTION | {"job": None},
    "about the whole instance, without connection and job": _OF_THE_INSTANCE,
}


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a notification's body for each type and kind of subject, each with what it is, in words."""
    for type_ in _TYPES:
        for situation, subject in _SITUATIONS.items():
            yield f"{type_} {situation}", _body(type_, subject)


def _body(type_: str, subject: dict[str, Any]) -> dict[str, Any]:
    is_over = type_ == "alert.resolved"
    connection = subject["connection"]
    hints = [*_COMMANDS, _PAGE] if connection is not None and connection["url"] else [_COMMANDS[0]]
    named = [] if connection is None else [{"id": connection["id"], "name": connection["name"]}]
    return {
        "type": type_,
        "timestamp": "2026-01-31T12:00:00Z",
        "data": {
            "fingerprint": "1f0c9d8e7b6a5432",
            "rule": "AirbyteUnreachable" if connection is None else "SyncFailed",
            "severity": "critical" if connection is None else "warning",
            "status": "resolved" if is_over else "firing",
            "reason": "succeeded" if is_over else None,
            "summary": 'An example with "quotes", an & and a <tag>',
            "description": "An example with\ntwo lines, and 倉庫.",
            "starts_at": "2026-01-31T11:59:58Z",
            "ends_at": "2026-01-31T12:00:00Z" if is_over else None,
            "instance": "airbyte.example.com",
            **subject,
            "affected": {"count": len(named), "connections": named},
            "runbook_url": "https://runbooks.example.com/SyncFailed.md",
            "hints": [] if is_over else hints,
        },
    }
