"""The snapshot as JSON, for scripts: ``/api/v1/status``. `docs/http.md` describes it field by field.

Times are RFC 3339 in UTC. ``null`` means *not known*, and facts too old to be shown are ``null`` too.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airbyte_exporter.alerts import Means, hints_of, receiver_of
from airbyte_exporter.model import (
    Actor,
    ConnectionCounters,
    ConnectionFacts,
    Disabling,
    Fact,
    Incident,
    Instance,
    Job,
    Silence,
    Snapshot,
    Workspace,
)
from airbyte_exporter.web._polls import Polls
from airbyte_exporter.web._silenced import Silenced

__all__ = ["status"]

JSON = dict[str, Any]


def status(
    snapshot: Snapshot,
    incidents: Sequence[Incident] | None,
    polls: Polls,
    silenced: Silenced,
    *,
    ui_url: str | None,
    means: Means,
    messages: bool,
) -> JSON:
    """Return what is known, with what people and failed jobs say only where `messages` allows it.

    `incidents` is ``None`` while they are not known, `polls` how polling goes just now, `silenced` what is
    not told just now, `means` what commands can do here.
    """
    workspaces = {workspace.id: workspace for workspace in snapshot.workspaces}
    return {
        "airbyte": {
            "up": polls.up,
            "error": polls.told,
            "version": snapshot.instance.version,
            "edition": snapshot.instance.edition,
            "api": snapshot.instance.api,
            "auth": snapshot.instance.auth,
        },
        "epoch": _time(snapshot.epoch),
        "as_of": _time(snapshot.as_of),
        "jobs_as_of": _time(snapshot.jobs_as_of),
        "jobs_stale": snapshot.jobs_stale,
        "inventory_as_of": _time(snapshot.inventory_as_of),
        "inventory_stale": snapshot.inventory_stale,
        "workspaces": [
            {"id": workspace.id, "name": workspace.name}
            for workspace in sorted(snapshot.workspaces, key=lambda workspace: workspace.id)
        ],
        "connections": [
            _connection(facts, workspaces, snapshot, ui_url, messages=messages)
            for _, facts in sorted(snapshot.connections.items())
        ],
        "completed": [
            {**key._asdict(), "jobs": number} for key, number in sorted(snapshot.completed.items())
        ],
        "incidents": None
        if incidents is None
        else [
            _incident(
                incident,
                silenced,
                _hints(incident, snapshot, ui_url, means) if messages else None,
                messages=messages,
            )
            for incident in incidents
        ],
        "silences": None
        if silenced.silences is None
        else [_silence(silence, messages=messages) for silence in silenced.silences],
    }


def _connection(
    facts: ConnectionFacts,
    workspaces: Mapping[str, Workspace],
    snapshot: Snapshot,
    ui_url: str | None,
    *,
    messages: bool,
) -> JSON:
    it = facts.connection
    workspace = workspaces.get(it.workspace_id)
    known = not snapshot.jobs_stale
    return {
        "id": it.id,
        "name": it.name,
        "url": it.page(ui_url),
        "workspace": {"id": it.workspace_id, "name": None if workspace is None else workspace.name},
        "source": _actor(it.source),
        "destination": _actor(it.destination),
        "tags": sorted(it.tags) if it.tags or snapshot.instance.tells(Fact.TAGS) else None,
        "status": None if snapshot.inventory_stale else it.status.value,
        "schedule": None
        if snapshot.inventory_stale
        else {
            "type": it.schedule.type.value,
            "units": it.schedule.units,
            "time_unit": it.schedule.time_unit,
            "cron_expression": it.schedule.cron_expression,
            "cron_time_zone": it.schedule.cron_time_zone,
            "interval_seconds": facts.schedule_interval,
        },
        "next_run_at": _time(facts.next_run_at) if known and not snapshot.inventory_stale else None,
        "schema_change": None
        if snapshot.inventory_stale or it.schema_change is None
        else it.schema_change.value,
        "disabled": None if snapshot.inventory_stale else _disabling(facts.disabled),
        "created_at": _time(it.created_at),
        "last_sync": _job(facts.last_sync, messages=messages) if known else None,
        "last_success_at": _time(facts.last_success_at) if known else None,
        "last_failure_at": _time(facts.last_failure_at) if known else None,
        "active_job": _job(facts.active_job, messages=messages) if known else None,
        "consecutive_failures": facts.consecutive_failures if known else None,
        "history_complete": facts.is_history_complete if known else None,
        "counters": _counters(facts.counters, snapshot.instance),
    }


def _counters(it: ConnectionCounters, instance: Instance) -> JSON:
    tells_emitted, tells_attempts = instance.tells(Fact.EMITTED), instance.tells(Fact.ATTEMPTS)
    return {
        "jobs": [
            {"job_type": job_type, "status": state, "jobs": number}
            for (job_type, state), number in sorted(it.jobs.items())
        ],
        "records_synced": it.records_synced,
        "bytes_synced": it.bytes_synced,
        "records_emitted": it.records_emitted if tells_emitted else None,
        "bytes_emitted": it.bytes_emitted if tells_emitted else None,
        "records_rejected": it.records_rejected if instance.tells(Fact.REJECTED) else None,
        "attempts_succeeded": it.attempts_succeeded if tells_attempts else None,
        "attempts_failed": it.attempts_failed if tells_attempts else None,
        "failures": [
            {"origin": origin, "type": type_, "attempts": number}
            for (origin, type_), number in sorted(it.failures.items())
        ]
        if tells_attempts
        else None,
    }


def _disabling(it: Disabling | None) -> JSON | None:
    return None if it is None else {"at": _time(it.at), "reason": it.reason, "by_person": it.by_person}


def _actor(actor: Actor) -> JSON:
    return {
        "id": actor.id,
        "name": actor.name,
        "connector": actor.connector,
        "connector_version": actor.connector_version,
    }


def _job(job: Job | None, *, messages: bool) -> JSON | None:
    if job is None:
        return None
    volumes = job.volumes
    return {
        "id": job.id,
        "type": job.type.value,
        "status": job.status.value,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "ended_at": _time(job.ended_at),
        "duration_seconds": job.duration,
        "queue_seconds": job.queue_time,
        "attempts": None if job.attempts is None else len(job.attempts),
        "partial_success": job.partial_success,
        "has_stats": job.has_stats,
        "records_synced": None if volumes is None else volumes.records_synced,
        "bytes_synced": None if volumes is None else volumes.bytes_synced,
        "records_emitted": None if volumes is None else volumes.records_emitted,
        "bytes_emitted": None if volumes is None else volumes.bytes_emitted,
        "records_rejected": None if volumes is None else volumes.records_rejected,
        "failure": None
        if job.failure is None
        else {
            "origin": job.failure.origin,
            "type": job.failure.type,
            "message": job.failure.message if messages else None,
        },
    }


def _hints(incident: Incident, snapshot: Snapshot, ui_url: str | None, means: Means) -> list[JSON]:
    facts = snapshot.connections.get(incident.connection_id)
    receiver = receiver_of(incident.group)
    hints = hints_of(incident, facts, receiver=receiver, ui_url=ui_url, means=means)
    return [hint.written() for hint in hints]


def _incident(incident: Incident, silenced: Silenced, hints: list[JSON] | None, *, messages: bool) -> JSON:
    silence = silenced.by(incident)
    return {
        "fingerprint": incident.fingerprint,
        "connection_id": incident.connection_id,
        "group": incident.group,
        "rule": incident.rule,
        "severity": incident.severity,
        "status": incident.status.value,
        "starts_at": _time(incident.starts_at),
        "ends_at": _time(incident.ends_at),
        "reason": incident.reason,
        "adopted": incident.adopted,
        "affected": incident.affected,
        "silenced_until": None if silence is None else _time(silence.over_at),
        "job": _job(incident.job, messages=messages),
        "hints": hints,
    }


def _silence(silence: Silence, *, messages: bool) -> JSON:
    return {
        "id": silence.id,
        "matchers": {key: list(words) for key, words in silence.matchers.items()},
        "starts_at": _time(silence.starts_at),
        "ends_at": _time(silence.ends_at),
        "author": silence.author,
        "reason": silence.reason if messages else None,
    }


def _time(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
