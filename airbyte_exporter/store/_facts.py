"""What is known of connections, put together from what was recorded.

Nothing here is kept twice: the newest sync, the streak of failures and the rest are looked up in the jobs
through indexes, so they cannot disagree with them.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from airbyte_exporter.model import NO_COUNTERS, ConnectionFacts, Job, JobStatus
from airbyte_exporter.store import _counting
from airbyte_exporter.store._codec import (
    CONNECTION_COLUMNS,
    JOB_COLUMNS,
    connection_from_row,
    job_from_row,
)
from airbyte_exporter.store._database import chunks
from airbyte_exporter.store._disablings import DISABLED_COLUMNS, disabling_from_row
from airbyte_exporter.store.schema import connections, jobs

__all__ = ["facts", "newest"]

Ids = list[str] | None
"""At most one statement's worth of connections, or every one."""


def facts(
    db: sa.Connection, ids: Iterable[str] | None = None, *, deleted_too: bool = False
) -> dict[str, ConnectionFacts]:
    """Return the facts of the connections with these ids, or of all; unknown ones are left out."""
    found: dict[str, ConnectionFacts] = {}
    for some in [None] if ids is None else chunks(ids):
        found |= _facts(db, some, deleted_too=deleted_too)
    return found


class _Syncs(NamedTuple):
    """What the finished syncs of a connection come to."""

    last: Job | None
    last_success_at: int | None
    last_failure_at: int | None
    consecutive_failures: int


def _facts(db: sa.Connection, ids: Ids, *, deleted_too: bool) -> dict[str, ConnectionFacts]:
    some = ids is not None
    given = {"ids": ids} if some else {}
    syncs = {
        row[0]: _Syncs(job_from_row(row), *row[len(JOB_COLUMNS) :])
        for row in db.execute(_syncs_query(some=some), given).all()
    }
    live = _live_jobs(db, ids)
    counters = _counting.of_connections(db, ids)
    nothing = _Syncs(None, None, None, 0)
    found: dict[str, ConnectionFacts] = {}
    for row in db.execute(_connections_query(some=some, deleted_too=deleted_too), given).all():
        connection = connection_from_row(row)
        first_seen_at, interval, next_run_at, since, is_complete, *disabled = row[len(CONNECTION_COLUMNS) :]
        known = syncs.get(connection.id, nothing)
        found[connection.id] = ConnectionFacts(
            connection=connection,
            first_seen_at=first_seen_at,
            last_sync=known.last,
            last_success_at=known.last_success_at,
            last_failure_at=known.last_failure_at,
            live_jobs=tuple(live.get(connection.id, ())),
            consecutive_failures=known.consecutive_failures,
            counters=counters.get(connection.id, NO_COUNTERS),
            schedule_interval=interval,
            next_run_at=next_run_at,
            scheduled_since=since,
            disabled=disabling_from_row(disabled),
            is_history_complete=is_complete,
        )
    return found


# The statements are built once: to put one together takes longer than to run it for a few connections.

_IDS: Final[sa.BindParameter[str]] = sa.bindparam("ids", expanding=True)


@cache
def _connections_query(*, some: bool, deleted_too: bool) -> sa.Select[Any]:
    table = connections.c
    query = sa.select(
        *CONNECTION_COLUMNS,
        table.first_seen_at,
        table.schedule_interval,
        table.next_run_at,
        sa.case((table.schedule_since > table.active_since, table.schedule_since), else_=table.active_since),
        table.history_complete,
        *(table[name] for name in DISABLED_COLUMNS),
    ).order_by(table.id)
    if not deleted_too:
        query = query.where(connections.c.deleted_at.is_(None))
    return query.where(connections.c.id.in_(_IDS)) if some else query


def newest(*, of: sa.ColumnElement[str], status: JobStatus | None = None) -> sa.ScalarSelect[Any]:
    """Return the row id of a connection's newest finished sync, or newest one with `status`."""
    job = jobs.alias()
    query = sa.select(job.c.row).where(job.c.connection_id == of, job.c.final, job.c.moves_data)
    if status is not None:
        query = query.where(job.c.status == status.value)
    return query.order_by(job.c.created_at.desc(), job.c.id.desc()).limit(1).scalar_subquery()


@cache
def _syncs_query(*, some: bool) -> sa.Select[Any]:
    """Each connection's newest finished sync, the ends of its newest success and failure, and its streak."""
    owner = connections.c.id
    found = sa.select(
        owner.label("id"),
        newest(of=owner).label("last"),
        newest(of=owner, status=JobStatus.SUCCEEDED).label("success"),
        newest(of=owner, status=JobStatus.FAILED).label("failure"),
    )
    if some:
        found = found.where(owner.in_(_IDS))
    rows = found.cte("newest")
    last, success, failure, failed = (
        jobs.alias("last"),
        jobs.alias("success"),
        jobs.alias("failure"),
        jobs.alias(),
    )
    streak = (
        sa.select(sa.func.count())
        .select_from(failed)
        .where(
            failed.c.connection_id == rows.c.id,
            failed.c.final,
            failed.c.moves_data,
            failed.c.status == JobStatus.FAILED.value,
            sa.tuple_(failed.c.created_at, failed.c.id)
            > sa.tuple_(sa.func.coalesce(success.c.created_at, 0), sa.func.coalesce(success.c.id, 0)),
        )
        .scalar_subquery()
    )
    columns = [last.c[column.name] for column in JOB_COLUMNS]
    return (
        sa.select(*columns, success.c.updated_at, failure.c.updated_at, streak)
        .select_from(rows)
        .join(last, last.c.row == rows.c.last)
        .outerjoin(success, success.c.row == rows.c.success)
        .outerjoin(failure, failure.c.row == rows.c.failure)
    )


def _live_jobs(db: sa.Connection, ids: Ids) -> dict[str, list[Job]]:
    query = sa.select(*JOB_COLUMNS).where(~jobs.c.final)
    if ids is not None:
        query = query.where(jobs.c.connection_id.in_(ids))
    found: dict[str, list[Job]] = {}
    for row in db.execute(query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc())):
        job = job_from_row(row)
        found.setdefault(job.connection_id, []).append(job)
    return found
