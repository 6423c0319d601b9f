"""The same rules once more, in plain Python over plain lists: slow, and easy to believe."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from airbyte_exporter.model import (
    DURATION_BUCKETS,
    AttemptStatus,
    CompletedKey,
    Connection,
    DurationKey,
    Durations,
    Failure,
    Job,
    JobKey,
    JobStatus,
)

VOLUMES = ("records_synced", "bytes_synced", "records_emitted", "bytes_emitted", "records_rejected")


def order(job: Job) -> tuple[int, int]:
    return job.created_at, job.id


@dataclass
class Ledger:
    epoch: int
    jobs: dict[JobKey, Job] = field(default_factory=dict)
    final: set[JobKey] = field(default_factory=set)
    counted: set[JobKey] = field(default_factory=set)
    pending: set[JobKey] = field(default_factory=set)
    connections: dict[str, Connection] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    by_connection: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    completed: Counter[CompletedKey] = field(default_factory=Counter)
    volumes: Counter[tuple[str, str]] = field(default_factory=Counter)
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    took: dict[DurationKey, list[int]] = field(default_factory=dict)
    pruned_through: int = -1

    def record(self, page: Iterable[Job], *, counting: bool) -> None:
        live = self.jobs.keys() - self.final
        touched = set()
        for job in page:
            touched.add(job.connection_id)
            known = self.jobs.get(job.key)
            if job.key not in self.final and (
                known is None or job.status.is_final or job.updated_at >= known.updated_at
            ):
                self.jobs[job.key] = job
                if job.status.is_final:
                    self._finish(job)
            if counting and job.key in self.final:
                self._count(self.jobs[job.key], was_live=job.key in live)
        for job in list(self.jobs.values()):
            if (
                job.connection_id in touched
                and job.status is JobStatus.UNKNOWN
                and job.key not in self.final
                and any(order(other) > order(job) for other in self.of(job.connection_id))
            ):
                self._finish(job)
                if counting:
                    self._count(job, was_live=job.key in live)

    def inventory(self, listed: Iterable[Connection]) -> None:
        by_id = {connection.id: connection for connection in listed}
        for id_ in by_id.keys() - self.connections.keys():
            self.pending |= {job.key for job in self.finished_syncs(id_)}
        self.deleted = self.connections.keys() - by_id.keys()
        self.connections |= by_id

    def judge(self, ids: Iterable[str]) -> None:
        judged = set(ids)
        self.pending = {key for key in self.pending if key.connection_id not in judged}

    def prune(self, before: int, kept: int) -> None:
        for id_ in {job.connection_id for job in self.jobs.values()}:
            finished = sorted((job for job in self.of(id_) if job.key in self.final), key=order)
            keep = set(finished[-kept:])
            successes = [job for job in self.finished_syncs(id_) if job.status is JobStatus.SUCCEEDED]
            failures = [job for job in self.finished_syncs(id_) if job.status is JobStatus.FAILED]
            keep |= {max(some, key=order) for some in (successes, failures) if some}
            newest = max(map(order, successes), default=(-1, -1))
            keep |= {job for job in finished if order(job) > newest}
            keep |= {job for job in finished if job.key in self.pending or job.updated_at >= before}
            for job in finished:
                if job not in keep:
                    del self.jobs[job.key]
                    self.final.remove(job.key)
                    self.pruned_through = max(self.pruned_through, job.updated_at)

    def of(self, id_: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.connection_id == id_]

    def finished_syncs(self, id_: str) -> list[Job]:
        return [job for job in self.of(id_) if job.key in self.final and job.type.moves_data]

    def live(self, id_: str) -> list[Job]:
        return [job for job in self.of(id_) if job.key not in self.final]

    def _finish(self, job: Job) -> None:
        self.final.add(job.key)
        if job.type.moves_data and job.connection_id in self.connections:
            self.pending.add(job.key)

    def _count(self, job: Job, *, was_live: bool) -> None:
        if job.key in self.counted or job.updated_at < self.epoch:
            return
        if job.updated_at <= self.pruned_through and not was_live:
            return
        self.counted.add(job.key)
        self.by_connection[job.connection_id, job.type.value, job.status.value] += 1
        for name in VOLUMES:
            self.volumes[job.connection_id, name] += getattr(job.volumes, name, None) or 0
        connection = self.connections.get(job.connection_id)
        labels = ("unknown", "unknown", "unknown")
        if connection is not None:
            labels = (
                connection.source.connector,
                connection.destination.connector,
                connection.schedule.type.value,
            )
        self.completed[CompletedKey(job.type.value, job.status.value, *labels)] += 1
        for attempt in (job.attempts or ()) if job.type.moves_data else ():
            if attempt.status in {AttemptStatus.SUCCEEDED, AttemptStatus.FAILED}:
                self.attempts[job.connection_id, attempt.status.value] += 1
            if attempt.status is AttemptStatus.FAILED:
                failure = attempt.failure or Failure("unknown", "unknown")
                self.failures[job.connection_id, failure.origin, failure.type] += 1
        if job.attempts:
            key = DurationKey(job.type.value, job.status.value)
            took = max(0, job.updated_at - job.attempts[0].created_at)
            self.took.setdefault(key, []).append(took)

    def durations(self) -> dict[DurationKey, Durations]:
        bounds = (*DURATION_BUCKETS, float("inf"))
        return {
            key: Durations(
                tuple(
                    sum(below < took <= bound for took in each)
                    for below, bound in pairwise((float("-inf"), *bounds))
                ),
                sum(each),
            )
            for key, each in self.took.items()
        }
