"""Recording jobs, and counting each finished one exactly once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from airbyte_exporter.model import Job, JobKey, JobStatus
from airbyte_exporter.store import _counting, _schedules
from airbyte_exporter.store._codec import JOB_COLUMNS, VOLUMES, job_values
from airbyte_exporter.store._database import CHUNK, chunks
from airbyte_exporter.store._errors import StoreError
from airbyte_exporter.store._values import Recorded
from airbyte_exporter.store.schema import connections, jobs, state

__all__ = ["forget_live", "live_keys", "record"]

Values = dict[str, Any]
_CONTENT: Final = tuple(column.name for column in JOB_COLUMNS)


class _State(NamedTuple):
    epoch: int | None
    sequence: int
    pruned_through: int | None


class _Known(NamedTuple):
    """What the inventory knows of a connection that a job belongs to."""

    source_connector: str
    destination_connector: str
    schedule_type: str
    history_complete: bool

    @property
    def labels(self) -> tuple[str, str, str]:
        """What the counter of completed jobs calls it by."""
        return self.source_connector, self.destination_connector, self.schedule_type


@dataclass(slots=True)
class _Writes:
    """What one call of `record` comes to, before it is written."""

    state: _State
    counting: bool
    judging: bool
    known: Mapping[str, _Known]
    inserts: list[Values] = field(default_factory=list)
    updates: list[Values] = field(default_factory=list)
    counted: list[Values] = field(default_factory=list)

    def is_counted(self, row: Mapping[str, Any], *, was_live: bool) -> bool:
        """Whether the final `row`, not counted so far, is to be counted now.

        What ended before the epoch is history. What ended no later than something that retention removed may
        itself have been counted and removed, unless it was known as a live job until now.
        """
        epoch, pruned = self.state.epoch, self.state.pruned_through
        if not self.counting or epoch is None:
            return False
        ended: int = row["updated_at"]
        return ended >= epoch and (was_live or pruned is None or ended > pruned)

    def finish(self, row: Values, *, was_live: bool) -> None:
        """Make `row` final; `was_live` is whether it was stored as a live job before."""
        row["final"] = True
        row["pending"] = self.judging and row["moves_data"] and row["connection_id"] in self.known
        self.count(row, was_live=was_live)

    def count(self, row: Values, *, was_live: bool) -> None:
        row["counted"] = self.is_counted(row, was_live=was_live)
        if row["counted"]:
            self.counted.append(row)

    def next_sequence(self) -> int:
        return self.state.sequence + len(self.inserts) + len(self.updates)


def record(db: sa.Connection, incoming: Iterable[Job], *, counting: bool, judging: bool = True) -> Recorded:
    """Record jobs as Airbyte tells of them. Repetition, and pages in any order, change nothing.

    A final row never changes again. A live one is replaced by what Airbyte says later: by a final row always,
    since Airbyte leaves no final status (and the clocks of its servers may differ), by another live row
    unless that one is older. A status that this version does not know is live until a newer job of the
    connection exists (contract, section 4), then final.

    A final job is counted by the first write with `counting` that sees it, if it ended at the epoch or later.
    """
    rows = [_row(job) for job in incoming]
    now = db.execute(sa.select(state.c.epoch, state.c.sequence, state.c.pruned_through)).one()
    before = _State(*now)
    if counting and rows and before.epoch is None:
        raise StoreError("the state belongs to no Airbyte yet, so nothing can be counted")
    touched = {row["connection_id"] for row in rows}
    writes = _Writes(before, counting, judging, _known(db, touched))
    for row, stored in _with_stored(db, rows):
        _take(writes, row, stored)
    _write_rows(db, writes)
    _finish_unknown(db, writes, touched)
    _counting.add(db, writes.counted, {id_: known.labels for id_, known in writes.known.items()})
    _schedules.note_syncs(
        db,
        (row for row in writes.inserts if row["moves_data"] and row["connection_id"] in writes.known),
    )
    _settle_successes(db, writes)
    changed = frozenset(row["connection_id"] for row in (*writes.inserts, *writes.updates))
    sequence = writes.next_sequence()
    if sequence != before.sequence:
        db.execute(sa.update(state).values(sequence=sequence))
    return Recorded(changed, sequence)


def forget_live(db: sa.Connection, key: JobKey) -> Recorded:
    """Remove a job that is not final. It is not counted; if Airbyte tells of it again, it is new."""
    removed = db.execute(
        sa.delete(jobs).where(
            jobs.c.connection_id == key.connection_id,
            jobs.c.created_at == key.created_at,
            jobs.c.id == key.id,
            ~jobs.c.final,
        )
    ).rowcount
    if removed:
        db.execute(sa.update(state).values(sequence=state.c.sequence + 1))
    sequence = db.execute(sa.select(state.c.sequence)).scalar_one()
    return Recorded(frozenset({key.connection_id} if removed else ()), sequence)


def live_keys(db: sa.Connection) -> tuple[JobKey, ...]:
    """Return the jobs without a final status, those of unknown connections too."""
    found = db.execute(sa.select(jobs.c.connection_id, jobs.c.id, jobs.c.created_at).where(~jobs.c.final))
    return tuple(sorted(JobKey(*row) for row in found))


def _row(job: Job) -> Values:
    return job_values(job) | {
        "moves_data": job.type.moves_data,
        "final": job.status.is_final,
        "counted": False,
        "pending": False,
    }


def _key(row: Mapping[str, Any]) -> tuple[str, int, int]:
    return row["connection_id"], row["created_at"], row["id"]


def _known(db: sa.Connection, ids: Iterable[str]) -> dict[str, _Known]:
    table = connections.c
    found: dict[str, _Known] = {}
    for some in chunks(ids):
        rows = db.execute(
            sa.select(
                table.id,
                table.source_connector,
                table.destination_connector,
                table.schedule_type,
                table.history_complete,
            ).where(table.id.in_(some))
        )
        found.update({id_: _Known(*rest) for id_, *rest in rows})
    return found


def _with_stored(db: sa.Connection, rows: Sequence[Values]) -> Iterator[tuple[Values, Values | None]]:
    """Pair each row with what is stored of it; of rows with the same key only what counts most is given."""
    best: dict[tuple[str, int, int], Values] = {}
    for row in rows:
        known = best.get(_key(row))
        if known is None or _replaces(row, known):
            best[_key(row)] = row
    stored: dict[tuple[str, int, int], Values] = {}
    ids = sorted({row["id"] for row in rows})
    for start in range(0, len(ids), CHUNK):
        # By id alone, which is all but unique: SQLite would read the whole table to look for tuples.
        found = db.execute(sa.select(jobs).where(jobs.c.id.in_(ids[start : start + CHUNK]))).mappings()
        stored.update({_key(values): values for values in map(dict[str, Any], found) if _key(values) in best})
    for key, row in best.items():
        yield row, stored.get(key)


def _replaces(row: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether `row` says more than `stored` about the same job."""
    if stored["final"]:
        return False
    return bool(row["final"]) or row["updated_at"] >= stored["updated_at"]


def _take(writes: _Writes, row: Values, stored: Values | None) -> None:
    """Decide what becomes of one row."""
    if stored is not None and stored["final"]:
        if stored["counted"] or not writes.is_counted(stored, was_live=False):
            return
        row = stored
        writes.count(row, was_live=False)
    elif stored is not None:
        if not _replaces(row, stored) or all(row[name] == stored[name] for name in _CONTENT):
            return
        row["row"] = stored["row"]
        if row["final"]:
            writes.finish(row, was_live=True)
    elif row["final"]:
        writes.finish(row, was_live=False)
    row["sequence"] = writes.next_sequence() + 1
    (writes.updates if "row" in row else writes.inserts).append(row)


_UPDATED: Final = (
    "updated_at",
    "type",
    "status",
    "moves_data",
    "final",
    "counted",
    "pending",
    "sequence",
    "attempts",
    *VOLUMES,
    "has_stats",
)


def _write_rows(db: sa.Connection, writes: _Writes) -> None:
    if writes.inserts:
        db.execute(sa.insert(jobs), writes.inserts)
    _write_updates(db, writes.updates)


def _write_updates(db: sa.Connection, rows: Sequence[Values]) -> None:
    if rows:
        db.execute(
            sa.update(jobs)
            .where(jobs.c.row == sa.bindparam("at_row"))
            .values({name: sa.bindparam(f"new_{name}") for name in _UPDATED}),
            [{"at_row": row["row"]} | {f"new_{name}": row[name] for name in _UPDATED} for row in rows],
        )


_NEWER: Final = jobs.alias("newer")
_OVERTAKEN: Final = sa.select(jobs).where(
    jobs.c.connection_id.in_(sa.bindparam("ids", expanding=True)),
    ~jobs.c.final,
    jobs.c.status == JobStatus.UNKNOWN.value,
    sa.exists().where(
        _NEWER.c.connection_id == jobs.c.connection_id,
        sa.tuple_(_NEWER.c.created_at, _NEWER.c.id) > sa.tuple_(jobs.c.created_at, jobs.c.id),
    ),
)
"""Jobs with an unknown status that are not the newest ones of their connections."""


def _finish_unknown(db: sa.Connection, writes: _Writes, touched: Iterable[str]) -> None:
    """Make jobs with an unknown status final where a newer job of their connection is recorded by now."""
    finished: list[Values] = []
    for some in chunks(touched):
        finished += map(dict[str, Any], db.execute(_OVERTAKEN, {"ids": some}).mappings())
    for row in finished:
        writes.finish(row, was_live=row["sequence"] <= writes.state.sequence)
        row["sequence"] = writes.next_sequence() + 1
        writes.updates.append(row)
    _write_updates(db, finished)


def _settle_successes(db: sa.Connection, writes: _Writes) -> None:
    """Note which connections have a known success by now, so that nobody asks Airbyte for it."""
    ids = {
        row["connection_id"]
        for row in (*writes.inserts, *writes.updates)
        if row["moves_data"] and row["status"] == JobStatus.SUCCEEDED.value
    }
    for some in chunks(id_ for id_ in ids if id_ in writes.known and not writes.known[id_].history_complete):
        db.execute(
            sa.update(connections)
            .where(connections.c.id.in_(some))
            .values(success_settled=True, history_complete=True)
        )
