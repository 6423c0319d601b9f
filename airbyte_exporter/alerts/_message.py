"""What a notification says: the body that receivers get, and the sentences in it.

The body is the public contract. Its texts explain themselves to somebody who reads nothing else.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from airbyte_exporter.alerts._hints import NO_MEANS, Hint, Means, hints_of, in_lines
from airbyte_exporter.alerts._texts import (
    Affected,
    MessageContext,
    description,
    last_success_before,
    receiver_of,
    shortened,
    summary,
    told_about,
)
from airbyte_exporter.model import Actor, ConnectionHistory, Failure, Incident, IncidentStatus, Job

__all__ = ["Affected", "MessageContext", "Words", "body", "in_words", "runbook_url"]

RUNBOOKS_URL: Final = "https://github.com/airbyte-exporter/airbyte-exporter/blob/main/docs/runbooks"

MESSAGE_LIMIT: Final = 2000
"""Characters of a failure message that are sent on; some connectors put a whole stack trace in it."""

NAMED_CONNECTIONS: Final = 20
"""How many of the connections that an incident stands for are named."""


def body(
    kind: str, incident: Incident, history: ConnectionHistory | None, context: MessageContext
) -> dict[str, Any]:
    """Return the notification's body, ready for JSON, its keys in the documented order.

    `history` is that of the incident's connection, ``None`` for one that is not about one connection.
    """
    connection = None if history is None else history.facts.connection
    return {
        "type": kind,
        "timestamp": _rfc3339(context.at),
        "data": {
            "fingerprint": incident.fingerprint,
            "rule": incident.rule,
            "severity": incident.severity,
            "status": str(incident.status),
            "reason": incident.reason,
            "summary": summary(kind, incident, history, context),
            "description": description(kind, incident, history, context),
            "starts_at": _rfc3339(incident.starts_at),
            "ends_at": _optional_rfc3339(incident.ends_at),
            "instance": context.instance,
            "connection": None
            if connection is None
            else {
                "id": connection.id,
                "name": connection.name,
                "url": connection.page(context.ui_url),
                "tags": list(connection.tags),
            },
            "workspace": None
            if history is None
            else {"id": history.workspace.id, "name": history.workspace.name},
            "source": None if connection is None else _actor(connection.source),
            "destination": None if connection is None else _actor(connection.destination),
            "job": _job(incident.job),
            "affected": _affected(incident, history, context.affected),
            "runbook_url": runbook_url(incident.rule),
            "hints": [hint.written() for hint in _hints(incident, history, context.ui_url, context.means)],
        },
    }


class Words(NamedTuple):
    """An incident in words: in one line, in a few sentences, and what to do about it, one thing a line."""

    summary: str
    description: str
    hint: str


def in_words(
    incident: Incident,
    history: ConnectionHistory | None,
    instance: str,
    *,
    ui_url: str | None = None,
    means: Means = NO_MEANS,
) -> Words:
    """Put an incident into words as it is now, for those who are told states and not events.

    `history` is that of the incident's connection, ``None`` for one that is not about one connection;
    `instance` is the Airbyte's name, `ui_url` where people open it, `means` what commands can do here.
    """
    over = incident.status is IncidentStatus.RESOLVED
    kind = "alert.resolved" if over else "alert.firing"
    at = incident.starts_at if incident.ends_at is None else incident.ends_at
    context = MessageContext(instance, None, at, last_success_before(told_about(incident), history))
    return Words(
        summary(kind, incident, history, context),
        description(kind, incident, history, context),
        in_lines(_hints(incident, history, ui_url, means)),
    )


def _hints(
    incident: Incident, history: ConnectionHistory | None, ui_url: str | None, means: Means
) -> tuple[Hint, ...]:
    facts = None if history is None else history.facts
    return hints_of(incident, facts, receiver=receiver_of(incident.group), ui_url=ui_url, means=means)


def runbook_url(rule: str) -> str:
    """Return where it is written what to do about a rule."""
    return f"{RUNBOOKS_URL}/{quote(rule)}.md"


def _affected(
    incident: Incident, history: ConnectionHistory | None, affected: Sequence[Affected] | None
) -> dict[str, Any]:
    if history is not None:
        affected = [Affected(history.facts.connection.id, history.facts.connection.name)]
    named = [{"id": each.id, "name": each.name} for each in (affected or ())[:NAMED_CONNECTIONS]]
    return {"count": incident.affected if history is None else 1, "connections": named}


def _actor(actor: Actor) -> dict[str, str]:
    return {"id": actor.id, "name": actor.name, "connector": actor.connector}


def _job(job: Job | None) -> dict[str, Any] | None:
    if job is None:
        return None
    return {
        "id": job.id,
        "type": str(job.type),
        "status": str(job.status),
        "created_at": _rfc3339(job.created_at),
        "started_at": _optional_rfc3339(job.started_at),
        "ended_at": _optional_rfc3339(job.ended_at),
        "attempts": None if job.attempts is None else len(job.attempts),
        "records_synced": job.volumes.records_synced if job.volumes else None,
        "bytes_synced": job.volumes.bytes_synced if job.volumes else None,
        "failure": _failure(job.failure),
    }


def _failure(failure: Failure | None) -> dict[str, str | None] | None:
    if failure is None:
        return None
    message = None if failure.message is None else shortened(failure.message, MESSAGE_LIMIT)
    return {"origin": failure.origin, "type": failure.type, "message": message}


def _optional_rfc3339(seconds: int | None) -> str | None:
    return None if seconds is None else _rfc3339(seconds)


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
