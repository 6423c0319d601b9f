"""The counters: what jobs that ended add up to. They only grow, and never outgrow their columns."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from airbyte_exporter.model import (
    DURATION_BUCKETS,
    AttemptStatus,
    CompletedKey,
    ConnectionCounters,
    DurationKey,
    Durations,
)
from airbyte_exporter.store._codec import VOLUMES
from airbyte_exporter.store._database import LARGEST, upsert
from airbyte_exporter.store.schema import (
    completed_jobs,
    connection_failures,
    connection_jobs,
    connection_volumes,
    job_durations,
)

__all__ = ["add", "completed", "durations", "of_connections"]

UNKNOWN: Final = "unknown"
_ATTEMPTS: Final = {
    AttemptStatus.SUCCEEDED.value: "attempts_succeeded",
    AttemptStatus.FAILED.value: "attempts_failed",
}
_SUMS: Final = (*VOLUMES, *_ATTEMPTS.values())

Row = Mapping[str, Any]


def add(db: sa.Connection, rows: Sequence[Row], known: Mapping[str, tuple[str, str, str]]) -> None:
    """Add finished jobs, the rows of `rows`, to the counters.

    `known` has the source's and the destination's connector and the kind of schedule of those connections
    that the inventory knows.
    """
    if not rows:
        return
    _add_jobs(db, rows, known)
    _add_sums(db, rows)
    _add_failures(db, rows)
    _add_durations(db, rows)


def _add_jobs(db: sa.Connection, rows: Sequence[Row], known: Mapping[str, tuple[str, str, str]]) -> None:
    by_connection: Counter[tuple[str, str, str]] = Counter()
    by_labels: Counter[CompletedKey] = Counter()
    for row in rows:
        id_, job_type, status = row["connection_id"], row["type"], row["status"]
        by_connection[id_, job_type, status] += 1
        by_labels[CompletedKey(job_type, status, *known.get(id_, (UNKNOWN, UNKNOWN, UNKNOWN)))] += 1
    db.execute(
        upsert(connection_jobs, ("connection_id", "job_type", "status"), add=("count",)),
        [
            {"connection_id": id_, "job_type": job_type, "status": status, "count": count}
            for (id_, job_type, status), count in by_connection.items()
        ],
    )
    db.execute(
        upsert(completed_jobs, CompletedKey._fields, add=("count",)),
        [labels._asdict() | {"count": count} for labels, count in by_labels.items()],
    )


def _add_sums(db: sa.Connection, rows: Sequence[Row]) -> None:
    sums: dict[str, Counter[str]] = {}
    for row in rows:
        added = sums.setdefault(row["connection_id"], Counter())
        for name in VOLUMES:
            # A counter never goes down, whatever Airbyte says.
            added[name] = min(added[name] + max(0, row[name] or 0), LARGEST)
        for attempt in _of_sync(row):
            if attempt["status"] in _ATTEMPTS:
                added[_ATTEMPTS[attempt["status"]]] += 1
    db.execute(
        upsert(connection_volumes, ("connection_id",), add=_SUMS),
        [{"connection_id": id_} | {name: added[name] for name in _SUMS} for id_, added in sums.items()],
    )


def _add_failures(db: sa.Connection, rows: Sequence[Row]) -> None:
    failures: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        for attempt in _of_sync(row):
            if attempt["status"] == AttemptStatus.FAILED.value:
                failure = attempt.get("failure") or {"origin": UNKNOWN, "type": UNKNOWN}
                failures[row["connection_id"], failure["origin"], failure["type"]] += 1
    if failures:
        db.execute(
            upsert(connection_failures, ("connection_id", "origin", "type"), add=("count",)),
            [
                {"connection_id": id_, "origin": origin, "type": type_, "count": count}
                for (id_, origin, type_), count in failures.items()
            ],
        )


def _of_sync(row: Row) -> Sequence[Mapping[str, Any]]:
    """Return the attempts of a job that moves data; those of others are not counted (contract, section 4)."""
    return (row["attempts"] or ()) if row["moves_data"] else ()


def _add_durations(db: sa.Connection, rows: Sequence[Row]) -> None:
    numbers: Counter[tuple[str, str, int]] = Counter()
    seconds: Counter[tuple[str, str, int]] = Counter()
    for row in rows:
        if not row["attempts"]:
            continue
        took = max(0, row["updated_at"] - row["attempts"][0]["created_at"])
        key = row["type"], row["status"], bisect_left(DURATION_BUCKETS, took)
        numbers[key] += 1
        seconds[key] += took
    if numbers:
        db.execute(
            upsert(job_durations, ("job_type", "status", "bucket"), add=("count", "seconds")),
            [
                {"job_type": key[0], "status": key[1], "bucket": key[2], "count": count}
                | {"seconds": seconds[key]}
                for key, count in numbers.items()
            ],
        )


def completed(db: sa.Connection) -> dict[CompletedKey, int]:
    """Return the instance-wide counter of completed jobs."""
    table = completed_jobs.c
    found = db.execute(
        sa.select(
            table.job_type,
            table.status,
            table.source_connector,
            table.destination_connector,
            table.schedule_type,
            table["count"],
        )
    )
    return {CompletedKey(*labels): count for *labels, count in found}


def durations(db: sa.Connection) -> dict[DurationKey, Durations]:
    """Return the instance-wide histogram of durations."""
    numbers: dict[DurationKey, list[int]] = {}
    seconds: Counter[DurationKey] = Counter()
    for job_type, status, bucket, count, took in db.execute(sa.select(*job_durations.c)):
        key = DurationKey(job_type, status)
        numbers.setdefault(key, [0] * (len(DURATION_BUCKETS) + 1))[bucket] = count
        seconds[key] += took
    return {key: Durations(tuple(counts), seconds[key]) for key, counts in numbers.items()}


def of_connections(db: sa.Connection, ids: list[str] | None) -> dict[str, ConnectionCounters]:
    """Return the counters of the connections with these ids, at most one statement's worth, or of all."""

    def rows(query: sa.Select[Any], owner: sa.Column[str]) -> Sequence[Any]:
        return db.execute(query if ids is None else query.where(owner.in_(ids))).all()

    jobs, failures, sums = connection_jobs.c, connection_failures.c, connection_volumes.c
    counts: dict[str, dict[tuple[str, str], int]] = {}
    for id_, job_type, status, count in rows(
        sa.select(jobs.connection_id, jobs.job_type, jobs.status, jobs["count"]), jobs.connection_id
    ):
        counts.setdefault(id_, {})[job_type, status] = count
    failed: dict[str, dict[tuple[str, str], int]] = {}
    for id_, origin, type_, count in rows(
        sa.select(failures.connection_id, failures.origin, failures.type, failures["count"]),
        failures.connection_id,
    ):
        failed.setdefault(id_, {})[origin, type_] = count
    amounts = rows(sa.select(sums.connection_id, *(sums[name] for name in _SUMS)), sums.connection_id)
    return {
        id_: ConnectionCounters(
            MappingProxyType(counts.get(id_, {})),
            **dict(zip(_SUMS, amount, strict=True)),
            failures=MappingProxyType(failed.get(id_, {})),
        )
        for id_, *amount in amounts
    }
