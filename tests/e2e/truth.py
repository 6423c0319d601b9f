"""What the metrics and the webhook must say, worked out from the simulated world alone."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from airbyte_exporter.simulator import SimulatedConnection, SimulatedJob, World
from airbyte_exporter.simulator._catalogue import DESTINATIONS, SOURCES
from tests.e2e.harness import Scrape

JOB_TYPES = {"sync": "sync", "refresh": "refresh", "reset_connection": "reset", "clear": "clear"}
MOVES_DATA = {"sync", "refresh"}
FINISHED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Knowledge:
    """What an API can know of the world, and its reader may: everything else must be absent.

    `job_types` are those that it tells of. `summaries_only` is for an API that tells what a finished job
    committed, and nothing else of its volumes and its attempts; `aggregates` is whether it adds up the
    attempts of a job itself, as Airbyte counts them. `workspaces` are the ids of those that may be read, all
    for ``None``. `zeros` is whether it says 0 where nothing was recorded, so that no numbers and none moved
    are alike, and `slugs` whether connectors are told by these, without versions.
    """

    job_types: frozenset[str] = frozenset(JOB_TYPES)
    summaries_only: bool = False
    aggregates: bool = True
    workspaces: frozenset[str] | None = None
    schedule_types: frozenset[str] = frozenset({"basic", "cron", "manual"})
    tags: bool = True
    zeros: bool = False
    slugs: bool = False

    def connections(self, world: World) -> list[SimulatedConnection]:
        """Return those that it may know of, deleted ones too."""
        return [
            one
            for one in world.connections()
            if self.workspaces is None or one.workspace_id in self.workspaces
        ]

    def jobs(self, jobs: Iterable[SimulatedJob]) -> list[SimulatedJob]:
        """Return those that it tells of, with the numbers that follow from what it tells."""
        known = [job for job in jobs if job.config_type in self.job_types]
        known = [_with_zeros(job) for job in known] if self.zeros else known
        return known if self.aggregates else [_added_up(job) for job in known]

    def connectors(self, connection: SimulatedConnection) -> tuple[str, str]:
        """Return what it calls the connectors of the source and the destination."""
        names = connection.source_connector, connection.destination_connector
        return (_SLUGS["source", names[0]], _SLUGS["destination", names[1]]) if self.slugs else names

    def schedule_type(self, connection: SimulatedConnection) -> str:
        """Return what it calls the schedule."""
        return connection.schedule_type if connection.schedule_type in self.schedule_types else "unknown"


_SLUGS = {(each.kind, each.name): each.slug for each in (*SOURCES, *DESTINATIONS)}


def _with_zeros(job: SimulatedJob) -> SimulatedJob:
    """Return `job` with zeros where nothing was recorded."""
    return replace(
        job, records_committed=job.records_committed or 0, bytes_committed=job.bytes_committed or 0
    )


def _added_up(job: SimulatedJob) -> SimulatedJob:
    """Return `job` with the sums over its attempts, which is all that old servers let anybody know.

    An attempt that crashed did not write how many bytes it committed.
    """
    told = [attempt for attempt in job.attempts if attempt.records_emitted is not None]
    if not told:
        return job
    crashed = any(
        each.failure and each.failure.origin == "airbyte_platform" and each.records_committed for each in told
    )
    return replace(
        job,
        records_emitted=sum(each.records_emitted or 0 for each in told),
        bytes_emitted=sum(each.bytes_emitted or 0 for each in told),
        records_committed=sum(each.records_committed or 0 for each in told),
        bytes_committed=None if crashed else sum(each.bytes_committed or 0 for each in told),
    )


EVERYTHING = Knowledge()
KNOWLEDGE = {
    "reference": Knowledge(
        job_types=frozenset({"sync"}),
        summaries_only=True,
        schedule_types=frozenset({"basic"}),
        tags=False,
    ),
    "0.50": Knowledge(job_types=frozenset({"sync", "reset_connection"}), aggregates=False, tags=False),
    "1.6": EVERYTHING,
    "2.0": EVERYTHING,
}


BY_THE_PUBLIC_API = Knowledge(summaries_only=True, zeros=True, slugs=True)


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


def expected_gauges(
    world: World, into: Expected, *, visible_only: bool = True, knowledge: Knowledge = EVERYTHING
) -> None:
    """Expect what the newest jobs of each connection say."""
    for connection in knowledge.connections(world):
        if connection.status == "deprecated":
            continue
        jobs = knowledge.jobs(job for job in world.jobs(connection.id) if job.visible or not visible_only)
        syncs = finished_syncs(jobs)
        newest = syncs[-1] if syncs else None
        key = {"connection_id": connection.id}
        for status in FINISHED:
            value = None if newest is None else float(newest.status == status)
            into.put("airbyte_connection_last_sync_status", value, status=status, **key)
        _expect_newest(newest, into, key, knowledge)
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


def _expect_newest(
    newest: SimulatedJob | None, into: Expected, key: Mapping[str, str], knowledge: Knowledge
) -> None:
    start = newest.attempts[0].started_at if newest and newest.attempts else None
    has_stats: bool | None = newest is not None and newest.records_emitted is not None
    emitted = (newest.records_emitted, newest.bytes_emitted) if newest else (None, None)
    if knowledge.summaries_only:
        start, emitted, has_stats = None, (None, None), True if has_stats else None
    if knowledge.zeros and newest:
        has_stats = True if newest.records_committed or newest.bytes_committed else None
    values: dict[str, float | None] = {
        "created_timestamp_seconds": newest.created_at if newest else None,
        "start_timestamp_seconds": start,
        "end_timestamp_seconds": newest.updated_at if newest else None,
        "duration_seconds": newest.updated_at - start if newest and start is not None else None,
        "records_synced": newest.records_committed if newest else None,
        "bytes_synced": newest.bytes_committed if newest else None,
        "records_emitted": emitted[0],
        "bytes_emitted": emitted[1],
        "has_stats": float(has_stats) if newest and has_stats is not None else None,
    }
    for name, value in values.items():
        into.put(f"airbyte_connection_last_sync_{name}", value, **key)


def counted(world: World, epoch: int) -> list[SimulatedJob]:
    """Return every job that ended since the epoch, whatever became of its row."""
    return [job for job in world.jobs() if job.is_final and job.updated_at >= epoch]


def expected_counters(world: World, epoch: int, into: Expected, *, knowledge: Knowledge = EVERYTHING) -> None:
    """Expect every job that ended since the epoch to be counted exactly once."""
    by_connection: dict[str, list[SimulatedJob]] = defaultdict(list)
    for job in knowledge.jobs(counted(world, epoch)):
        by_connection[job.connection_id].append(job)
    completed: Counter[tuple[str, str, str, str, str]] = Counter()
    for connection in knowledge.connections(world):
        jobs = by_connection[connection.id]
        key = {"connection_id": connection.id}
        numbers = Counter({("sync", status): 0 for status in FINISHED})
        numbers.update((JOB_TYPES[job.config_type], job.status) for job in jobs)
        for (job_type, status), number in numbers.items():
            if connection.status != "deprecated":
                into.put("airbyte_connection_jobs_total", number, job_type=job_type, status=status, **key)
            labels = (*knowledge.connectors(connection), knowledge.schedule_type(connection))
            completed[job_type, status, *labels] += number
        if connection.status != "deprecated":
            for name, read in VOLUMES.items():
                total = sum(read(job) or 0 for job in jobs)
                is_known = not (knowledge.summaries_only and name.endswith("_emitted"))
                into.put(f"airbyte_connection_{name}_total", total if is_known else None, **key)
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
