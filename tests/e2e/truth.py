"""What the metrics and the webhook must say, worked out from the simulated world alone."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from airbyte_exporter.simulator import SimulatedJob, World
from tests.e2e.harness import Scrape

JOB_TYPES = {"sync": "sync", "refresh": "refresh", "reset_connection": "reset", "clear": "clear"}
MOVES_DATA = {"sync", "refresh"}
FINISHED = ("succeeded", "failed", "cancelled")


def finished_syncs(jobs: Iterable[SimulatedJob]) -> list[SimulatedJob]:
    """Return the finished jobs that move data, oldest first."""
    return sorted(
        (job for job in jobs if job.is_final and job.config_type in MOVES_DATA),
        key=lambda job: (job.created_at, job.id),
    )


def rest(world: World) -> None:
    """Let nothing happen any more, except that what is stuck stays so: live jobs that would end, end now."""
    world.freeze()
    for_ever = {one.id for one in world.connections() if one.character in {"stuck", "waiting"}}
    for job in world.jobs():
        if not job.is_final and job.connection_id not in for_ever:
            with contextlib.suppress(ValueError):  # it has ended by itself meanwhile
                world.finish(job.id)


@dataclass
class Expected:
    """Samples that must be there with these values, and samples that must not be there at all."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)
    absent: set[tuple[str, frozenset[tuple[str, str]]]] = field(default_factory=set)

    def put(self, name: str, value: float | None, **labels: str) -> None:
        """Expect `value`, or no sample at all for ``None``."""
        key = (name, frozenset(labels.items()))
        if value is None:
            self.absent.add(key)
        else:
            self.samples[key] = float(value)

    def differences(self, scrape: Scrape) -> list[str]:
        """Say what is not as it must be."""
        wrong = [
            f"{name} {dict(labels)}: {scrape.samples.get((name, labels))}, not {value}"
            for (name, labels), value in self.samples.items()
            if scrape.samples.get((name, labels)) != value
        ]
        wrong += [
            f"{name} {dict(labels)} should be absent" for name, labels in self.absent & scrape.samples.keys()
        ]
        return sorted(wrong)


def expected_gauges(world: World, into: Expected, *, visible_only: bool = True) -> None:
    """Expect what the newest jobs of each connection say."""
    for connection in world.connections():
        if connection.status == "deprecated":
            continue
        jobs = [job for job in world.jobs(connection.id) if job.visible or not visible_only]
        syncs = finished_syncs(jobs)
        newest = syncs[-1] if syncs else None
        key = {"connection_id": connection.id}
        for status in FINISHED:
            value = None if newest is None else float(newest.status == status)
            into.put("airbyte_connection_last_sync_status", value, status=status, **key)
        _expect_newest(newest, into, key)
        ends = {status: [job.updated_at for job in syncs if job.status == status] for status in FINISHED}
        into.put(
            "airbyte_connection_last_success_timestamp_seconds", max(ends["succeeded"], default=None), **key
        )
        into.put(
            "airbyte_connection_last_failure_timestamp_seconds", max(ends["failed"], default=None), **key
        )
        streak = 0
        for job in syncs:
            streak = 0 if job.status == "succeeded" else streak + (job.status == "failed")
        into.put("airbyte_connection_consecutive_failures", streak, **key)
        into.put("airbyte_connection_status", 1, status=connection.status, **key)


def _expect_newest(newest: SimulatedJob | None, into: Expected, key: Mapping[str, str]) -> None:
    start = newest.attempts[0].started_at if newest and newest.attempts else None
    has_stats = newest is not None and newest.records_emitted is not None
    values: dict[str, float | None] = {
        "created_timestamp_seconds": newest.created_at if newest else None,
        "start_timestamp_seconds": start,
        "end_timestamp_seconds": newest.updated_at if newest else None,
        "duration_seconds": newest.updated_at - start if newest and start is not None else None,
        "records_synced": newest.records_committed if newest else None,
        "bytes_synced": newest.bytes_committed if newest else None,
        "records_emitted": newest.records_emitted if newest else None,
        "bytes_emitted": newest.bytes_emitted if newest else None,
        "has_stats": float(has_stats) if newest else None,
    }
    for name, value in values.items():
        into.put(f"airbyte_connection_last_sync_{name}", value, **key)


def counted(world: World, epoch: int) -> list[SimulatedJob]:
    """Return every job that ended since the epoch, whatever became of its row."""
    return [job for job in world.jobs() if job.is_final and job.updated_at >= epoch]


def expected_counters(world: World, epoch: int, into: Expected) -> None:
    """Expect every job that ended since the epoch to be counted exactly once."""
    by_connection: dict[str, list[SimulatedJob]] = defaultdict(list)
    for job in counted(world, epoch):
        by_connection[job.connection_id].append(job)
    completed: Counter[tuple[str, str, str, str, str]] = Counter()
    for connection in world.connections():
        jobs = by_connection[connection.id]
        key = {"connection_id": connection.id}
        numbers = Counter({("sync", status): 0 for status in FINISHED})
        numbers.update((JOB_TYPES[job.config_type], job.status) for job in jobs)
        for (job_type, status), number in numbers.items():
            if connection.status != "deprecated":
                into.put("airbyte_connection_jobs_total", number, job_type=job_type, status=status, **key)
            labels = (connection.source_connector, connection.destination_connector, connection.schedule_type)
            completed[job_type, status, *labels] += number
        if connection.status != "deprecated":
            for name, read in VOLUMES.items():
                total = sum(read(job) or 0 for job in jobs)
                into.put(f"airbyte_connection_{name}_total", total, **key)
    for (job_type, status, source, destination, schedule), number in completed.items():
        if number:
            into.put(
                "airbyte_jobs_completed_total",
                number,
                job_type=job_type,
                status=status,
                source_connector=source,
                destination_connector=destination,
                schedule_type=schedule,
            )


VOLUMES: dict[str, Callable[[SimulatedJob], int | None]] = {
    "records_synced": lambda job: job.records_committed,
    "bytes_synced": lambda job: job.bytes_committed,
    "records_emitted": lambda job: job.records_emitted,
    "bytes_emitted": lambda job: job.bytes_emitted,
}


@dataclass(frozen=True)
class TrueIncident:
    """From the end of the first failed sync to the end of the next succeeded one, if there was one."""

    starts_at: int
    ends_at: int | None


def true_incidents(world: World, connection_id: str, epoch: int) -> list[TrueIncident]:
    """Return the incidents that people must be told of: those with a failure since the epoch.

    One that was going on before begins where it began.
    """
    incidents: list[TrueIncident] = []
    failed: list[SimulatedJob] = []
    for job in finished_syncs(world.jobs(connection_id)):
        if job.status == "failed":
            failed.append(job)
        elif job.status == "succeeded":
            if failed and failed[-1].updated_at >= epoch:
                incidents.append(TrueIncident(failed[0].updated_at, job.updated_at))
            failed = []
    if failed and failed[-1].updated_at >= epoch:
        incidents.append(TrueIncident(failed[0].updated_at, None))
    return incidents
