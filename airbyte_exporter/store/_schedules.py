"""When runs are due: kept beside the connections, and moved by each new sync and each inventory."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from airbyte_exporter.model import ConnectionStatus, Schedule, ScheduleType
from airbyte_exporter.schedules import HISTORY, Runs
from airbyte_exporter.store._database import chunks
from airbyte_exporter.store.schema import connections, jobs

__all__ = ["RUNS_COLUMNS", "note_syncs", "seen_again"]

_SCHEDULE_COLUMNS: Final = (
    "schedule_type",
    "schedule_units",
    "schedule_time_unit",
    "cron_expression",
    "cron_time_zone",
)
RUNS_COLUMNS: Final = (
    "schedule_since",
    "schedule_interval",
    "active_since",
    "due_sync_at",
    "due_confirmed",
    "next_run_at",
)

Row = Mapping[str, Any] | sa.RowMapping


def seen_again(
    db: sa.Connection, listed: Mapping[str, Row], stored: Mapping[str, Row], at: int
) -> dict[str, dict[str, Any]]:
    """Return `RUNS_COLUMNS` for connections of an inventory that was read `at` this Airbyte time.

    Args:
        db: Where.
        listed: The connections to do this for, as they are now.
        stored: What was stored of all connections that were ever known.
        at: The Airbyte time of the inventory.
    """
    found: dict[str, Runs] = {}
    unseen: list[str] = []
    for id_, row in listed.items():
        schedule = _schedule_from_row(row)
        is_active = row["status"] == ConnectionStatus.ACTIVE.value
        before = stored.get(id_)
        if before is None or before["deleted_at"] is not None or before["schedule_since"] is None:
            found[id_] = Runs.first_seen(schedule, is_active=is_active, at=at)
            unseen.append(id_)
        else:
            found[id_] = _runs_from_row(before).seen(schedule, is_active=is_active, at=at)
    for id_, created in _newest_syncs(db, unseen).items():
        found[id_] = found[id_].after_history(created)
    return {id_: _runs_values(runs) for id_, runs in found.items()}


def note_syncs(db: sa.Connection, rows: Iterable[Row]) -> None:
    """Move the due times of connections that the inventory knows by their new syncs, the rows of `rows`.

    As long as it is not sure which sync was due, an older one can still tell: those that are stored are
    looked at again then.
    """
    created: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        created[row["connection_id"]].append(row["created_at"])
    table = connections.c
    scheduled = table.schedule_type.in_((ScheduleType.BASIC.value, ScheduleType.CRON.value))
    before: dict[str, Runs] = {}
    for some in chunks(created):
        query = sa.select(table.id, *(table[name] for name in (*_SCHEDULE_COLUMNS, *RUNS_COLUMNS))).where(
            table.id.in_(some), scheduled, table.schedule_since.is_not(None)
        )
        before.update((row["id"], _runs_from_row(row)) for row in db.execute(query).mappings())
    history = _newest_syncs(db, (id_ for id_, runs in before.items() if not runs.is_confirmed))
    after: dict[str, Runs] = {}
    for id_, runs in before.items():
        if id_ in history:
            after[id_] = runs.after_history(history[id_])
        else:
            after[id_] = runs.after_syncs(sorted(created[id_]))
    changed = [{"at_id": id_} | _runs_values(runs) for id_, runs in after.items() if runs != before[id_]]
    if changed:
        db.execute(sa.update(connections).where(table.id == sa.bindparam("at_id")), changed)


def _newest_syncs(db: sa.Connection, ids: Iterable[str]) -> dict[str, list[int]]:
    """Return when the newest syncs of these connections were created, the oldest of them first."""
    found: dict[str, list[int]] = defaultdict(list)
    for some in chunks(ids):
        place = sa.func.row_number().over(
            partition_by=jobs.c.connection_id, order_by=(jobs.c.created_at.desc(), jobs.c.id.desc())
        )
        ranked = (
            sa.select(jobs.c.connection_id, jobs.c.created_at, place.label("place"))
            .where(jobs.c.connection_id.in_(some), jobs.c.moves_data)
            .subquery("ranked")
        )
        newest = sa.select(ranked.c.connection_id, ranked.c.created_at).where(ranked.c.place <= HISTORY)
        for connection_id, created_at in db.execute(newest.order_by(ranked.c.place.desc())):
            found[connection_id].append(created_at)
    return found


def _schedule_from_row(row: Row) -> Schedule:
    return Schedule(ScheduleType(row["schedule_type"]), *(row[name] for name in _SCHEDULE_COLUMNS[1:]))


def _runs_from_row(row: Row) -> Runs:
    return Runs(
        _schedule_from_row(row),
        row["schedule_since"],
        row["schedule_interval"],
        row["active_since"],
        row["due_sync_at"],
        row["due_confirmed"],
    )


def _runs_values(runs: Runs) -> dict[str, Any]:
    return {
        "schedule_since": runs.schedule_since,
        "schedule_interval": runs.interval,
        "active_since": runs.active_since,
        "due_sync_at": runs.due_sync_at,
        "due_confirmed": runs.is_confirmed,
        "next_run_at": runs.next_run_at,
    }
