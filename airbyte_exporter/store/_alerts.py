"""What evaluation needs and what it decided: histories in; states, incidents and outbox rows out."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from airbyte_exporter.model import (
    AlertState,
    ConnectionHistory,
    Decision,
    Incident,
    IncidentStatus,
    Job,
    JobKey,
    Workspace,
)
from airbyte_exporter.store._codec import JOB_COLUMNS, job_from_json, job_from_row, job_to_json
from airbyte_exporter.store._database import chunks, upsert
from airbyte_exporter.store._facts import facts
from airbyte_exporter.store.schema import (
    alert_states,
    connections,
    incidents,
    jobs,
    outbox,
    storable,
    workspaces,
)

__all__ = ["find_incidents", "histories", "record", "to_judge"]

FIRING: Final[sa.ColumnElement[str]] = sa.literal_column(f"'{IncidentStatus.FIRING.value}'")
"""Written out in the statement, or the index on firing incidents would not be used."""


def to_judge(db: sa.Connection, sequence: int) -> tuple[str, ...]:
    """Return the connections that evaluation has to look at.

    Those with finished syncs that no decision has looked at, recorded up to `sequence`, and those with an
    incident that goes on; connections that are gone from the inventory too.
    """
    unjudged = sa.select(jobs.c.connection_id).where(jobs.c.pending, jobs.c.sequence <= sequence)
    firing = sa.select(incidents.c.connection_id).where(incidents.c.status == FIRING)
    return tuple(sorted(set(db.execute(sa.union(unjudged, firing)).scalars())))


def histories(
    db: sa.Connection, ids: Sequence[str], sequence: int, group: str
) -> Iterator[ConnectionHistory]:
    """Return what decisions about these connections in a group of rules need, ordered by connection id."""
    known = facts(db, ids, deleted_too=True)
    if not known:
        return
    deleted = set(
        db.execute(
            sa.select(connections.c.id).where(
                connections.c.id.in_(ids), connections.c.deleted_at.is_not(None)
            )
        ).scalars()
    )
    states = _states(db, ids, group)
    finished = _unjudged(db, ids, sequence)
    names = _workspace_names(db, {fact.connection.workspace_id for fact in known.values()})
    for id_, fact in sorted(known.items()):
        workspace_id = fact.connection.workspace_id
        yield ConnectionHistory(
            facts=fact,
            workspace=Workspace(workspace_id, names.get(workspace_id, "")),
            state=states.get(id_),
            finished=tuple(finished.get(id_, ())),
            deleted=id_ in deleted,
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
                replace=("judged_id", "judged_created_at", "fingerprint"),
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
    """Return incidents, the newest first."""
    query = sa.select(incidents)
    if firing_only:
        query = query.where(incidents.c.status == FIRING)
    found = db.execute(query.order_by(incidents.c.starts_at.desc(), incidents.c.fingerprint))
    return tuple(_incident(row) for row in found.mappings())


def _states(db: sa.Connection, ids: Sequence[str], group: str) -> dict[str, AlertState]:
    found = db.execute(
        sa.select(alert_states.c.judged_id, alert_states.c.judged_created_at, alert_states, incidents)
        .outerjoin(incidents, incidents.c.fingerprint == alert_states.c.fingerprint)
        .where(alert_states.c.connection_id.in_(ids), alert_states.c.rule_group == group)
    ).mappings()
    states: dict[str, AlertState] = {}
    for row in found:
        id_: str = row[alert_states.c.connection_id]
        judged_id = row[alert_states.c.judged_id]
        states[id_] = AlertState(
            connection_id=id_,
            group=group,
            judged=None
            if judged_id is None
            else JobKey(id_, judged_id, row[alert_states.c.judged_created_at]),
            incident=None if row[incidents.c.fingerprint] is None else _incident(row),
        )
    return states


def _workspace_names(db: sa.Connection, ids: set[str]) -> dict[str, str]:
    found = db.execute(sa.select(workspaces.c.id, workspaces.c.name).where(workspaces.c.id.in_(ids)))
    return {row.id: row.name for row in found}


def _unjudged(db: sa.Connection, ids: Sequence[str], sequence: int) -> dict[str, list[Job]]:
    """Return the finished syncs to look at by connection, the oldest first."""
    found: dict[str, list[Job]] = {}
    query = sa.select(*JOB_COLUMNS).where(
        jobs.c.connection_id.in_(ids), jobs.c.pending, jobs.c.sequence <= sequence
    )
    for row in db.execute(query.order_by(jobs.c.created_at, jobs.c.id)):
        job = job_from_row(row)
        found.setdefault(job.connection_id, []).append(job)
    return found


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
    }


def _state_values(kept: AlertState) -> dict[str, Any]:
    return {
        "connection_id": kept.connection_id,
        "rule_group": kept.group,
        "judged_id": None if kept.judged is None else kept.judged.id,
        "judged_created_at": None if kept.judged is None else kept.judged.created_at,
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
    written = 0
    for decision in decisions:
        for notification in decision.notifications:
            for receiver in receivers if notification.receivers is None else notification.receivers:
                written += db.execute(
                    upsert(outbox, ("notification_id", "receiver")),
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
                    },
                ).rowcount
    return written
