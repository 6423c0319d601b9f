"""What a notification says: the body that receivers get, and the sentences in it.

The body is the public contract. Its texts explain themselves to somebody who reads nothing else.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from airbyte_exporter.model import Actor, Connection, ConnectionHistory, Failure, Incident, Job

__all__ = ["MessageContext", "body"]

RUNBOOKS_URL: Final = "https://github.com/airbyte-exporter/airbyte-exporter/blob/main/docs/runbooks"

MESSAGE_LIMIT: Final = 2000
"""Characters of a failure message that are sent on; some connectors put a whole stack trace in it."""

QUOTE_LIMIT: Final = 300
"""Characters of a failure message in the description, which people read on a phone."""


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What a message needs beside the incident.

    `at` is the time that the message speaks of, `last_success_at` the newest known success before the
    incident.
    """

    instance: str
    ui_url: str | None
    at: int
    last_success_at: int | None


def body(
    kind: str, incident: Incident, history: ConnectionHistory, context: MessageContext
) -> dict[str, Any]:
    """Return the notification's body, ready for JSON, its keys in the documented order."""
    connection = history.facts.connection
    return {
        "type": kind,
        "timestamp": _rfc3339(context.at),
        "data": {
            "fingerprint": incident.fingerprint,
            "rule": incident.rule,
            "severity": incident.severity,
            "status": str(incident.status),
            "reason": incident.reason,
            "summary": _summary(kind, incident, connection),
            "description": _description(kind, incident, history, context),
            "starts_at": _rfc3339(incident.starts_at),
            "ends_at": _optional_rfc3339(incident.ends_at),
            "instance": context.instance,
            "connection": {
                "id": connection.id,
                "name": connection.name,
                "url": connection.page(context.ui_url),
                "tags": list(connection.tags),
            },
            "workspace": {"id": history.workspace.id, "name": history.workspace.name},
            "source": _actor(connection.source),
            "destination": _actor(connection.destination),
            "job": _job(incident.job),
            "affected": {"count": 1, "connections": [{"id": connection.id, "name": connection.name}]},
            "runbook_url": f"{RUNBOOKS_URL}/{quote(incident.rule)}.md",
        },
    }


def _summary(kind: str, incident: Incident, connection: Connection) -> str:
    if kind != "alert.resolved":
        return f"Sync {'still failing' if kind == 'alert.repeated' else 'failed'}: {connection.name}"
    if incident.reason == "succeeded":
        return f"Sync recovered: {connection.name}"
    if incident.reason == "rule_disabled":
        return f"Alert ended, rule {incident.rule} disabled: {connection.name}"
    how = "not watched any more" if incident.reason == "not_watched" else incident.reason
    return f"Alert ended, connection {how}: {connection.name}"


def _description(kind: str, incident: Incident, history: ConnectionHistory, context: MessageContext) -> str:
    connection = history.facts.connection
    what = (
        f"connection “{connection.name}” ({connection.source.connector} to "
        f"{connection.destination.connector}, workspace “{history.workspace.name}”)"
    )
    if kind == "alert.resolved":
        sentences = [_ending(incident, what)]
    elif kind == "alert.repeated":
        span = _span(context.at - incident.starts_at)
        sentences = [f"Syncs of {what} have been failing for {span}, since {_readable(incident.starts_at)}."]
    else:
        sentences = [f"A sync of {what} failed."]
    if incident.job is not None:
        sentences.append(_about_job(incident.job))
    if context.last_success_at is not None:
        sentences.append(_about_last_success(context.last_success_at, incident))
    elif kind != "alert.resolved":
        sentences.append("No earlier success is known.")
    return " ".join(sentences)


def _ending(incident: Incident, what: str) -> str:
    ends_at = incident.starts_at if incident.ends_at is None else incident.ends_at
    times = (
        f"failing since {_readable(incident.starts_at)}, ended {_readable(ends_at)}, "
        f"{_span(ends_at - incident.starts_at)} later"
    )
    match incident.reason:
        case "succeeded":
            how = "a sync succeeded"
        case "paused":
            how = "the connection is disabled, no sync runs until somebody enables it"
        case "locked":
            how = "Airbyte locked the connection, no sync runs until it is unlocked"
        case "deleted":
            how = "the connection was deleted"
        case "not_watched":
            how = "the exporter does not watch its workspace any more (airbyte.workspace_ids)"
        case "rule_disabled":
            how = f"the rule {incident.rule} was disabled in the configuration of the exporter"
        case reason:
            how = reason or "it is over"
    return f"The alert about {what} has ended because {how} ({times})."


def _about_job(job: Job) -> str:
    tries = ""
    if job.attempts:
        tries = f" after {len(job.attempts)} attempt{'' if len(job.attempts) == 1 else 's'}"
    text = f"Job {job.id} failed {_readable(job.updated_at)}{tries}"
    failure = job.failure
    if failure is None:
        return f"{text}; Airbyte tells no reason."
    text += f" (origin: {failure.origin}, type: {failure.type})"
    if not failure.message:
        return f"{text}."
    quoted = _shortened(" ".join(failure.message.split()), QUOTE_LIMIT)
    return f"{text}: {quoted}" if quoted.endswith((".", "!", "?", "…")) else f"{text}: {quoted}."


def _about_last_success(at: int, incident: Incident) -> str:
    """Say how old the data is: counted to the job that was just spoken of, however long it fails by now.

    Without one, or with one that Airbyte dates before the success, to the beginning of the incident.
    """
    if incident.job is not None and incident.job.updated_at >= at:
        before, until = "that", incident.job.updated_at
    else:
        before, until = _readable(incident.starts_at), incident.starts_at
    return f"The last success before {before} was {_readable(at)}, {_span(until - at)} earlier."


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
    message = None if failure.message is None else _shortened(failure.message, MESSAGE_LIMIT)
    return {"origin": failure.origin, "type": failure.type, "message": message}


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _optional_rfc3339(seconds: int | None) -> str | None:
    return None if seconds is None else _rfc3339(seconds)


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _readable(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(seconds: int) -> str:
    """Write a span of time with its two largest units: ``1 d 2 h``, ``3 h 5 min``, ``40 s``."""
    rest = max(0, seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"
