"""Messages that try a receiver: they look like an alert, and say that they are none."""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from airbyte_exporter.alerts._hints import Hint
from airbyte_exporter.model import IncidentStatus, Notification

__all__ = ["TRIAL_RULE", "trial"]

TRIAL_RULE: Final = "Test"
"""What stands in the place of a rule, by which receivers can tell a trial from an alert."""

_EXPLAINED_URL: Final = (
    "https://github.com/airbyte-exporter/airbyte-exporter/blob/main/docs/alerts.md#trying-a-receiver"
)

_LOOK: Final = Hint("See what really goes on", "airbyte-exporter alerts list")
"""So that people see how a command arrives."""


def trial(instance: str, at: int) -> tuple[Notification, Notification]:
    """Return a beginning and an end of nothing, about no connection, as of `at` in epoch seconds.

    They have every key that alerts have, and a fingerprint that no alert and no earlier trial has.
    """
    fingerprint = hashlib.sha256(f"trial\0{instance}\0{at}".encode("utf-8", "replace")).hexdigest()[:32]
    return (
        _message(1, fingerprint, "alert.firing", IncidentStatus.FIRING, instance, at),
        _message(2, fingerprint, "alert.resolved", IncidentStatus.RESOLVED, instance, at),
    )


def _message(
    number: int, fingerprint: str, kind: str, status: IncidentStatus, instance: str, at: int
) -> Notification:
    written = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    is_over = status is IncidentStatus.RESOLVED
    what = "End of the test alert" if is_over else "Test alert"
    body: dict[str, Any] = {
        "type": kind,
        "timestamp": written,
        "data": {
            "fingerprint": fingerprint,
            "rule": TRIAL_RULE,
            "severity": "warning",
            "status": status.value,
            "reason": "test" if is_over else None,
            "summary": f"{what}, nothing is wrong: {instance}",
            "description": f"{what} of the exporter that watches the Airbyte {instance}. Somebody tries "
            "whether alerts arrive here; nothing is wrong, and nothing has to be done.",
            "starts_at": written,
            "ends_at": written if is_over else None,
            "instance": instance,
            "connection": None,
            "workspace": None,
            "source": None,
            "destination": None,
            "job": None,
            "affected": {"count": 0, "connections": []},
            "runbook_url": _EXPLAINED_URL,
            "hints": [] if is_over else [_LOOK.written()],
        },
    }
    return Notification(
        id=f"msg_{fingerprint}_{number}", fingerprint=fingerprint, type=kind, created_at=at, body=body
    )
