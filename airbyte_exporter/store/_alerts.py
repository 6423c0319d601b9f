"""What evaluation needs and what it decided: histories in; states, incidents and outbox rows out."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from airbyte_exporter.model import (
    AlertState,
    Decision,
    Incident,
    IncidentStatus,
    Job,
    JobKey,
)
from airbyte_exporter.store._codec import JOB_COLUMNS, job_from_json, job_from_row, job_to_json
from airbyte_exporter.store._database import chunks, upsert
from airbyte_exporter.store._outbox import RESOLVED, supersede
from airbyte_exporter.store.schema import (
    alert_states,
    incidents,
    jobs,
    outbox,
    storable,
)

__all__ = [
    "failing_receivers",
    "find_incidents",
    "find_recent_incidents",
    "record",
    "states",
    "unjudged",
]

FIRING: Final[sa.ColumnElement[str]] = sa.literal_column(f"'{IncidentStatus.FIRING.value}'")
"""Written out in the statement, or the index on firing incidents would not be used."""


def unjudged(db: sa.Connection, sequence: int) -> dict[str, list[Job]]:
    """Return the finished syncs recorded up to `sequence` that no decision has looked at.

    By connection, the oldest first; of connections that are gone from the inventory too, but not of those
    that it never held.
    """
    found: dict[str, list[Job]] = {}
    # Sorted here: SQLite would go through all jobs in their order rather than through the few that wait.
    waiting = db.execute(sa.select(*JOB_COLUMNS).where(jobs.c.pending, jobs.c.sequence <= sequence))
    for job in sorted(map(job_from_row, waiting), key=lambda job: (job.created_at, job.id)):
        found.setdefault(job.connection_id, []).append(job)
    return found


def states(db: sa.Connection) -> list[AlertState]:
    """Return what evaluation remembers of every connection and group of rules."""
    found = db.execute(
        sa.select(alert_states, incidents).outerjoin(
            incidents, incidents.c.fingerprint == alert_states.c.fingerprint
        )
    ).mappings()
    return [_state(row) for row in found]


def _state(row: sa.RowMapping) -> AlertState:
    table = alert_states.c
    id_: str = row[table.connection_id]
    judged_id = row[table.judged_id]
    return AlertState(
        connection_id=id_,
        group=row[table.rule_group],
        judged=None if judged_id is None else JobKey(id_, judged_id, row[table.judged_created_at]),
        streak=row[table.streak],
        incident=None if row[incidents.c.fingerprint] is None else _incident(row),
    )


def record(
    db: sa.Connection,
    decisions: Sequence[Decision],
    receivers: Sequence[str],
    *,
    judged: Iterable[str],
    sequence: int,
    now: float,
) -> int:
    """Keep decisions and what is to be sent because of them; return how many outbox rows that made.

    The finished syncs of these connections, and of those in `judged`, count as looked at, as far as they were
    recorded up to `sequence`.
    """
    _write_incidents(db, decisions)
    if decisions:
        db.execute(
            upsert(
                alert_states,
                ("connection_id", "rule_group"),
                replace=("judged_id", "judged_created_at", "streak", "fingerprint"),
            ),
            [_state_values(decision.state) for decision in decisions],
        )
    for some in chunks({storable(decision.state.connection_id) for decision in decisions}.union(judged)):
        db.execute(
            sa.update(jobs)
            .where(jobs.c.connection_id.in_(some), jobs.c.pending, jobs.c.sequence <= sequence)
            .values(pending=False)
        )
    return _write_outbox(db, decisions, receivers, now)


def find_incidents(db: sa.Connection, *, firing_only: bool) -> tuple[Incident, ...]:
    """Return incidents, the newest first, without those that are part of another one."""
    query = sa.select(incidents)
    if firing_only:
        query = query.where(incidents.c.status == FIRING)
    query = query.where(incidents.c.part_of.is_(None))
    found = db.execute(query.order_by(incidents.c.starts_at.desc(), incidents.c.fingerprint))
    return tuple(_incident(row) for row in found.mappings())


def _incident(row: sa.RowMapping) -> Incident:
    table = incidents.c
    job: Any = row[table.job]
    return Incident(
        fingerprint=row[table.fingerprint],
        group=row[table.rule_group],
        connection_id=row[table.connection_id],
        rule=row[table.rule],
        severity=row[table.severity],
        status=IncidentStatus(row[table.status]),
        starts_at=row[table.starts_at],
        adopted=row[table.adopted],
        ends_at=row[table.ends_at],
        reason=row[table.reason],
        notified_at=row[table.notified_at],
        sequence=row[table.sequence],
        job=None if job is None else job_from_json(job),
        receivers=tuple(row[table.receivers] or ()),
        told_rule=row[table.told_rule],
        part_of=row[table.part_of],
        affected=row[table.affected],
    )


_INCIDENT_CHANGES: Final = tuple(
    column.name for column in incidents.c if column.name not in {"fingerprint", "rule_group", "connection_id"}
)


def _incident_values(incident: Incident) -> dict[str, Any]:
    return {
        "fingerprint": incident.fingerprint,
        "rule_group": incident.group,
        "connection_id": incident.connection_id,
        "rule": incident.rule,
        "severity": incident.severity,
        "status": incident.status.value,
        "starts_at": incident.starts_at,
        "adopted": incident.adopted,
        "ends_at": incident.ends_at,
        "reason": incident.reason,
        "notified_at": incident.notified_at,
        "sequence": incident.sequence,
        "job": None if incident.job is None else job_to_json(incident.job),
        "receivers": list(incident.receivers),
        "told_rule": incident.told_rule,
        "part_of": incident.part_of,
        "affected": incident.affected,
    }


def _state_values(kept: AlertState) -> dict[str, Any]:
    return {
        "connection_id": kept.connection_id,
        "rule_group": kept.group,
        "judged_id": None if kept.judged is None else kept.judged.id,
        "judged_created_at": None if kept.judged is None else kept.judged.created_at,
        "streak": kept.streak,
        "fingerprint": None if kept.incident is None else kept.incident.fingerprint,
    }


def _write_incidents(db: sa.Connection, decisions: Sequence[Decision]) -> None:
    rows = [_incident_values(ended) for decision in decisions for ended in decision.ended]
    rows += [
        _incident_values(decision.state.incident)
        for decision in decisions
        if decision.state.incident is not None
    ]
    if rows:
        db.execute(upsert(incidents, ("fingerprint",), replace=_INCIDENT_CHANGES), rows)


def _write_outbox(
    db: sa.Connection, decisions: Sequence[Decision], receivers: Sequence[str], now: float
) -> int:
    """Write what `receivers` are to get, those of others are not sent from here."""
    rows: list[dict[str, Any]] = [
        {
            "notification_id": notification.id,
            "receiver": receiver,
            "connection_id": decision.state.connection_id,
            "rule_group": decision.state.group,
            "fingerprint": notification.fingerprint,
            "type": notification.type,
            "told_at": notification.created_at,
            "body": dict(notification.body),
            "created_at": now,
            "due_at": now,
            "attempts": 0,
        }
        for decision in decisions
        for notification in decision.notifications
        for receiver in receivers
        if notification.receivers is None or receiver in notification.receivers
    ]
    written = db.execute(upsert(outbox, ("notification_id", "receiver")), rows).rowcount if rows else 0
    for receiver in {row["receiver"] for row in rows if row["type"] == RESOLVED}:
        supersede(db, now, receiver=receiver)
    return written


def failing_receivers(db: sa.Connection) -> dict[str, float]:
    """Return since when receivers take nothing, by name: since the oldest that was tried in vain is there."""
    table = outbox.c
    found = db.execute(
        sa.select(table.receiver, sa.func.min(table.created_at).label("since"))
        .where(table.done_at.is_(None), table.error.is_not(None))
        .group_by(table.receiver)
    )
    return {row.receiver: row.since for row in found}


def find_recent_incidents(db: sa.Connection, *, ended_since: int) -> tuple[Incident, ...]:
    """Return the incidents that go on, and the newest of each connection and group if it ended since then."""
    newest = sa.select(alert_states.c.fingerprint).where(alert_states.c.fingerprint.is_not(None))
    ended = sa.select(incidents).where(
        incidents.c.fingerprint.in_(newest), incidents.c.ends_at >= ended_since
    )
    found = db.execute(ended.order_by(incidents.c.starts_at.desc(), incidents.c.fingerprint)).mappings()
    recent = tuple(_incident(row) for row in found if row[incidents.c.status] != IncidentStatus.FIRING)
    return (*find_incidents(db, firing_only=True), *recent)
