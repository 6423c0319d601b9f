"""What is forgotten, and when. Never something that a gauge, a counter or an alert still needs."""

from typing import Final

import sqlalchemy as sa
import structlog

from airbyte_exporter.model import IncidentStatus, JobStatus
from airbyte_exporter.store._facts import newest
from airbyte_exporter.store._outbox import BURIED
from airbyte_exporter.store.schema import alert_states, connections, incidents, jobs, outbox, silences, state

__all__ = ["JOBS_AT_ONCE", "prune_alerts", "prune_jobs"]

log = structlog.get_logger(__name__)

DAY_SECONDS: Final = 86400
KEPT_JOBS: Final = 50
"""Finished jobs of each connection that are kept however old they are."""

REREAD_SECONDS: Final = 2 * DAY_SECONDS
"""How far behind the newest change jobs are read again, with room to spare: those must still be known."""

JOBS_AT_ONCE: Final = 5000
"""How many jobs one transaction removes: nobody else writes meanwhile."""

DELIVERED_SECONDS: Final = 7 * DAY_SECONDS
INCIDENT_SECONDS: Final = 90 * DAY_SECONDS
SILENCE_SECONDS: Final = 90 * DAY_SECONDS


def prune_jobs(db: sa.Connection, now: float, *, retention: float, keep_after: int) -> int:
    """Forget up to `JOBS_AT_ONCE` old jobs, or a few more; return how many. With fewer, those were all.

    Of each connection that exists the last 50 stay, the newest success, the newest failure, all since the
    newest success, and what no alert decision has looked at. Without a success all of them are since it. The
    end of the newest removed one is noted.

    Args:
        db: Where.
        now: The exporter's own time.
        retention: Seconds for which finished jobs are kept.
        keep_after: The Airbyte time from two days before which on everything is kept.
    """
    before = int(min(now - retention, keep_after - REREAD_SECONDS))
    found: dict[int, int] = {}
    for some in (_surplus(before), _orphaned(before)):
        found.update({row.row: row.updated_at for row in db.execute(some.limit(JOBS_AT_ONCE))})
    if not found:
        return 0
    db.execute(
        sa.delete(jobs).where(jobs.c.row == sa.bindparam("at_row")), [{"at_row": row} for row in found]
    )
    newest_end = max(found.values())
    db.execute(
        sa.update(state)
        .where(sa.or_(state.c.pruned_through.is_(None), state.c.pruned_through < newest_end))
        .values(pruned_through=newest_end)
    )
    return len(found)


def _old(before: int) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.final, jobs.c.updated_at < before, ~jobs.c.pending)


def _surplus(before: int) -> sa.Select[tuple[int, int]]:
    """Select the old jobs of connections that exist, but for those that `prune_jobs` keeps: row and end."""
    # The function keeps SQLite from reading all there is in the order of connections to make them distinct.
    owners = (
        sa.select(sa.func.coalesce(jobs.c.connection_id, "").label("id"))
        .where(jobs.c.final, jobs.c.updated_at < before)
        .distinct()
        .cte("owners")
    )
    inner = jobs.alias()
    bounds = sa.select(
        owners.c.id,
        sa.select(inner.c.row)
        .where(inner.c.connection_id == owners.c.id, inner.c.final)
        .order_by(inner.c.created_at.desc(), inner.c.id.desc())
        .limit(1)
        .offset(KEPT_JOBS - 1)
        .scalar_subquery()
        .label("fiftieth"),
        newest(of=owners.c.id, status=JobStatus.SUCCEEDED).label("success"),
        newest(of=owners.c.id, status=JobStatus.FAILED).label("failure"),
    ).cte("bounds")
    fiftieth, success = jobs.alias("fiftieth"), jobs.alias("success")
    key = sa.tuple_(jobs.c.created_at, jobs.c.id)
    return (
        sa.select(jobs.c.row, jobs.c.updated_at)
        .select_from(bounds)
        .join(fiftieth, fiftieth.c.row == bounds.c.fiftieth)
        .join(success, success.c.row == bounds.c.success)
        .join(jobs, jobs.c.connection_id == bounds.c.id)
        .where(
            _old(before),
            key < sa.tuple_(fiftieth.c.created_at, fiftieth.c.id),
            key < sa.tuple_(success.c.created_at, success.c.id),
            jobs.c.row != sa.func.coalesce(bounds.c.failure, 0),
        )
    )


def _orphaned(before: int) -> sa.Select[tuple[int, int]]:
    """Select the old jobs of connections that were deleted long ago: row and end."""
    return (
        sa.select(jobs.c.row, jobs.c.updated_at)
        .join(connections, connections.c.id == jobs.c.connection_id)
        .where(_old(before), connections.c.deleted_at < before)
    )


def prune_alerts(db: sa.Connection, now: float) -> None:
    """Forget old notifications, incidents and silences; `now` is the exporter's own time."""
    _prune_outbox(db, now)
    _prune_incidents(db, int(now - INCIDENT_SECONDS))
    over = int(now - SILENCE_SECONDS)
    db.execute(sa.delete(silences).where(sa.or_(silences.c.ends_at < over, silences.c.expired_at < over)))


def _prune_outbox(db: sa.Connection, now: float) -> None:
    """Remove what is over for a week, and give up what waits that long: its receiver is gone."""
    db.execute(sa.delete(outbox).where(outbox.c.done_at < now - DELIVERED_SECONDS))
    given_up = db.execute(
        sa.update(outbox)
        .where(
            outbox.c.done_at.is_(None),
            outbox.c.created_at < now - DELIVERED_SECONDS,
            sa.func.coalesce(outbox.c.lease_until, 0) <= now,
        )
        .values(done_at=now, outcome=BURIED, lease_until=None, error="nobody asked for it")
    ).rowcount
    if given_up:
        log.warning(
            "notifications for receivers that do not exist any more were given up", notifications=given_up
        )


def _prune_incidents(db: sa.Connection, before: int) -> None:
    """Remove incidents long over, but not the newest one of a connection, which a decision may need."""
    db.execute(
        sa.delete(incidents).where(
            incidents.c.status == IncidentStatus.RESOLVED.value,
            incidents.c.ends_at < before,
            ~sa.exists().where(alert_states.c.fingerprint == incidents.c.fingerprint),
        )
    )
