"""What the metrics and the webhook must say, worked out from the simulated world alone."""

import contextlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from airbyte_exporter.simulator import (
    SimulatedActor,
    SimulatedConnection,
    SimulatedFailure,
    SimulatedJob,
    World,
)
from airbyte_exporter.simulator._catalogue import DESTINATIONS, SOURCES
from tests.e2e.harness import Scrape

JOB_TYPES = {"sync": "sync", "refresh": "refresh", "reset_connection": "reset", "clear": "clear"}
MOVES_DATA = {"sync", "refresh"}
HISTOGRAM_ENDS = ("_bucket", "_sum", "_count")
FINISHED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Knowledge:
    """What an API can know of the world, and its reader may: everything else must be absent.

    `job_types` are those that it tells of. `summaries_only` is for an API that tells what a finished job
    committed, and nothing else of its volumes and its attempts; `aggregates` is whether it adds up the
    attempts of a job itself, as Airbyte counts them. `workspaces` are the ids of those that may be read, all
    for ``None``. `zeros` is whether it says 0 where nothing was recorded, so that no numbers and none moved
    are alike, and `slugs` whether connectors are told by these, without versions. `rejected` is whether it
    counts records that a destination rejected, `schema_changes` whether it tells of changed schemas;
    `failure_types` are those that it tells apart, all for ``None``.
    """

    job_types: frozenset[str] = frozenset(JOB_TYPES)
    summaries_only: bool = False
    aggregates: bool = True
    workspaces: frozenset[str] | None = None
    schedule_types: frozenset[str] = frozenset({"basic", "cron", "manual"})
    tags: bool = True
    zeros: bool = False
    slugs: bool = False
    rejected: bool = False
    schema_changes: bool = True
    failure_types: frozenset[str] | None = None

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
        known = known if self.rejected else [replace(job, records_rejected=None) for job in known]
        known = [_with_zeros(job) for job in known] if self.zeros else known
        return known if self.aggregates else [_added_up(job) for job in known]

    def connectors(self, connection: SimulatedConnection) -> tuple[str, str]:
        """Return what it calls the connectors of the source and the destination."""
        names = connection.source_connector, connection.destination_connector
        return (_SLUGS["source", names[0]], _SLUGS["destination", names[1]]) if self.slugs else names

    def actors(self, actors: Iterable[SimulatedActor], kind: str) -> Counter[str]:
        """Return how many sources or destinations there are, by what it calls their connectors."""
        return Counter(
            _SLUGS[kind, one.connector] if self.slugs else one.connector
            for one in actors
            if not one.deleted and (self.workspaces is None or one.workspace_id in self.workspaces)
        )

    def reason(self, failure: SimulatedFailure | None) -> tuple[str, str]:
        """Return origin and type of a failure as a label tells them."""
        origin, kind = (failure.origin, failure.type) if failure else (None, None)
        if kind and self.failure_types is not None and kind not in self.failure_types:
            kind = "system_error"
        return (
            origin if origin in FAILURE_ORIGINS else "unknown",
            kind if kind in FAILURE_TYPES else "unknown",
        )

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


FAILURE_ORIGINS = frozenset({
    "source", "destination", "replication", "persistence", "airbyte_platform", "normalization", "dbt",
    "unknown",
})  # fmt: skip
FAILURE_TYPES = frozenset({
    "config_error", "system_error", "manual_cancellation", "refresh_schema", "heartbeat_timeout",
    "destination_timeout", "transient_error",
})  # fmt: skip

EVERYTHING = Knowledge(rejected=True)
KNOWLEDGE = {
    "reference": Knowledge(
        job_types=frozenset({"sync"}),
        summaries_only=True,
        schedule_types=frozenset({"basic"}),
        tags=False,
        schema_changes=False,
    ),
    "0.50": Knowledge(
        job_types=frozenset({"sync", "reset_connection"}),
        aggregates=False,
        tags=False,
        failure_types=FAILURE_TYPES - {"destination_timeout", "transient_error"},
    ),
    "1.6": replace(EVERYTHING, rejected=False),
    "2.0": EVERYTHING,
}


BY_THE_PUBLIC_API = Knowledge(summaries_only=True, zeros=True, slugs=True, schema_changes=False)


def _age(job: SimulatedJob) -> tuple[int, int]:
    return job.created_at, job.id


def finished_syncs(jobs: Iterable[SimulatedJob]) -> list[SimulatedJob]:
    """Return the finished jobs that move data, oldest first."""
    return sorted(
        (job for job in jobs if job.is_final and job.config_type in MOVES_DATA),
        key=_age,
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
    complete: set[str] = field(default_factory=set)

    def put(self, name: str, value: float | None, **labels: str) -> None:
        """Expect `value`, or no sample at all for ``None``."""
        key = (name, frozenset(labels.items()))
        if value is None:
            self.absent.add(key)
        else:
            self.samples[key] = float(value)

    def put_all(self, name: str, values: Mapping[tuple[str, ...], float], *labels: str) -> None:
        """Expect these values by the values of `labels`, and no other samples of that name."""
        self.complete.add(name)
        for key, value in values.items():
            self.put(name, value, **dict(zip(labels, key, strict=True)))

    def differences(self, scrape: Scrape) -> list[str]:
        """Say what is not as it must be."""
        wrong = [
            f"{name} {dict(labels)}: {scrape.samples.get((name, labels))}, not {value}"
            for (name, labels), value in self.samples.items()
            if scrape.samples.get((name, labels)) != value
        ]
        unwanted = self.absent | {
            key for key in scrape.samples if key[0] in self.complete and key not in self.samples
        }
        wrong += [
            f"{name} {dict(labels)} should be absent" for name, labels in unwanted & scrape.samples.keys()
        ]
        return sorted(wrong)


def expected_gauges(
    world: World,
    into: Expected,
    *,
    visible_only: bool = True,
    knowledge: Knowledge = EVERYTHING,
    watched_since: float = math.inf,
) -> None:
    """Expect what the inventory and the newest jobs of each connection say.

    What depends on when the exporter saw something is expected of what happened after `watched_since`.
    """
    live: list[SimulatedJob] = []
    for connection in knowledge.connections(world):
        if connection.status == "deprecated":
            continue
        jobs = knowledge.jobs(job for job in world.jobs(connection.id) if job.visible or not visible_only)
        live += [job for job in jobs if not job.is_final]
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
        _expect_schema(connection, into, key, knowledge)
        _expect_schedule(connection, jobs, into, knowledge, watched_since)
    oldest: dict[tuple[str, ...], float] = {
        (status,): min(job.created_at for job in live if job.status == status)
        for status in {job.status for job in live}
    }
    into.put_all("airbyte_jobs_oldest_created_timestamp_seconds", oldest, "status")
    for kind, actors in (("source", world.sources()), ("destination", world.destinations())):
        for connector, number in knowledge.actors(actors, kind).items():
            into.put(f"airbyte_{kind}s", number, **{f"{kind}_connector": connector})
        into.complete.add(f"airbyte_{kind}s")


def _expect_schema(
    connection: SimulatedConnection, into: Expected, key: Mapping[str, str], knowledge: Knowledge
) -> None:
    now = connection.schema_change.replace("no_change", "none")
    for change in ("none", "non_breaking", "breaking"):
        value = float(change == now) if knowledge.schema_changes else None
        into.put("airbyte_connection_schema_change", value, change=change, **key)


def _expect_schedule(
    connection: SimulatedConnection,
    jobs: list[SimulatedJob],
    into: Expected,
    knowledge: Knowledge,
    watched_since: float,
) -> None:
    """Expect the cadence, and where it follows from what could be watched the time of the next run.

    That is so after a sync that the schedule asked for, unless it is quicker than can be told.
    """
    key = {"connection_id": connection.id}
    is_told = knowledge.schedule_type(connection) not in {"manual", "unknown"}
    into.put(
        "airbyte_connection_schedule_interval_seconds", connection.told_interval if is_told else None, **key
    )
    newest = max((job for job in jobs if job.config_type in MOVES_DATA), key=_age, default=None)
    next_run, is_true = connection.next_run_at, connection.told_interval == connection.interval
    if not is_told or next_run is None:
        into.put("airbyte_connection_next_run_timestamp_seconds", None, **key)
    elif newest and newest.scheduled and is_true and newest.created_at > watched_since:
        into.put("airbyte_connection_next_run_timestamp_seconds", int(next_run), **key)


def _expect_newest(
    newest: SimulatedJob | None, into: Expected, key: Mapping[str, str], knowledge: Knowledge
) -> None:
    has_stats: bool | None = newest is not None and newest.records_emitted is not None
    if knowledge.summaries_only:
        has_stats = True if has_stats else None
    if knowledge.zeros and newest:
        has_stats = True if newest.records_committed or newest.bytes_committed else None
    values: dict[str, float | None] = {
        "created_timestamp_seconds": newest.created_at if newest else None,
        "end_timestamp_seconds": newest.updated_at if newest else None,
        "records_synced": newest.records_committed if newest else None,
        "bytes_synced": newest.bytes_committed if newest else None,
        "has_stats": float(has_stats) if newest and has_stats is not None else None,
    }
    watched = None if knowledge.summaries_only else newest
    values |= {
        "start_timestamp_seconds": watched.started_at if watched else None,
        "queue_seconds": watched.queue_seconds if watched else None,
        "duration_seconds": watched.duration_seconds if watched else None,
        "attempts": len(watched.attempts) if watched else None,
        "partial_success": watched.partial_success if watched else None,
        "records_emitted": watched.records_emitted if watched else None,
        "bytes_emitted": watched.bytes_emitted if watched else None,
        "records_rejected": watched.records_rejected if watched else None,
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
    counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in COUNTERS}
    durations: dict[tuple[str, str], list[int]] = defaultdict(list)
    for connection in knowledge.connections(world):
        jobs = by_connection[connection.id]
        labels = (*knowledge.connectors(connection), knowledge.schedule_type(connection))
        counts["airbyte_jobs_completed_total"].update(
            (JOB_TYPES[job.config_type], job.status, *labels) for job in jobs
        )
        for job in jobs:
            if job.duration_seconds is not None:
                durations[JOB_TYPES[job.config_type], job.status].append(job.duration_seconds)
        if connection.status != "deprecated":
            _count(connection.id, jobs, counts, knowledge)
    if knowledge.summaries_only:
        durations.clear()
    for name, numbers in counts.items():
        into.put_all(name, numbers, *COUNTERS[name])
    for name in HISTOGRAMS:
        _expect_histogram(name, durations, into)


def _count(
    connection_id: str,
    jobs: list[SimulatedJob],
    counts: Mapping[str, Counter[tuple[str, ...]]],
    knowledge: Knowledge,
) -> None:
    """Add what the jobs of one connection count for, from 0 where a counter starts so."""
    ended = counts["airbyte_connection_jobs_total"]
    ended.update({(connection_id, "sync", status): 0 for status in FINISHED})
    ended.update((connection_id, JOB_TYPES[job.config_type], job.status) for job in jobs)
    for name, read in VOLUMES.items():
        is_known = not (knowledge.summaries_only and name.endswith("_emitted"))
        if is_known and (knowledge.rejected or name != "records_rejected"):
            counts[f"airbyte_connection_{name}_total"][connection_id,] = sum(read(job) or 0 for job in jobs)
    if knowledge.summaries_only:
        return
    tries = [attempt for job in jobs if job.config_type in MOVES_DATA for attempt in job.attempts]
    attempts = counts["airbyte_connection_attempts_total"]
    attempts.update({(connection_id, status): 0 for status in ("succeeded", "failed")})
    attempts.update((connection_id, attempt.status) for attempt in tries)
    counts["airbyte_connection_failures_total"].update(
        (connection_id, *knowledge.reason(attempt.failure)) for attempt in tries if attempt.status == "failed"
    )


def _expect_histogram(name: str, observed: Mapping[tuple[str, str], list[int]], into: Expected) -> None:
    """Expect a histogram of durations by type and status of jobs."""
    buckets: dict[tuple[str, ...], float] = {}
    for key, seconds in observed.items():
        for bound in (*DURATION_BUCKETS, math.inf):
            le = "+Inf" if bound == math.inf else str(float(bound))
            buckets[*key, le] = sum(each <= bound for each in seconds)
    into.put_all(f"{name}_bucket", buckets, "job_type", "status", "le")
    into.put_all(f"{name}_sum", {key: sum(each) for key, each in observed.items()}, "job_type", "status")
    into.put_all(f"{name}_count", {key: len(each) for key, each in observed.items()}, "job_type", "status")


VOLUMES: dict[str, Callable[[SimulatedJob], int | None]] = {
    "records_synced": lambda job: job.records_committed,
    "bytes_synced": lambda job: job.bytes_committed,
    "records_emitted": lambda job: job.records_emitted,
    "bytes_emitted": lambda job: job.bytes_emitted,
    "records_rejected": lambda job: job.records_rejected,
}

COUNTERS: dict[str, tuple[str, ...]] = {
    "airbyte_connection_jobs_total": ("connection_id", "job_type", "status"),
    "airbyte_connection_attempts_total": ("connection_id", "status"),
    "airbyte_connection_failures_total": ("connection_id", "failure_origin", "failure_type"),
    "airbyte_jobs_completed_total": (
        "job_type",
        "status",
        "source_connector",
        "destination_connector",
        "schedule_type",
    ),
} | {f"airbyte_connection_{name}_total": ("connection_id",) for name in VOLUMES}
"""Every counter with facts about Airbyte, and its labels."""

HISTOGRAMS = ("airbyte_job_duration_seconds",)
"""Every histogram of them, by type and status of jobs."""

DURATION_BUCKETS = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400)


@dataclass(frozen=True)
class TrueIncident:
    """From the end of the first failed sync to that of the one that succeeded for good, if there was one."""

    starts_at: int
    ends_at: int | None


FLAPPING_SECONDS = 600
"""A failure so soon after a recovery goes on with the same incident."""

TAKES_OVER_AFTER = 3
"""So many failures in a row are a higher rule, which is told also of what was wrong before."""


def true_incidents(world: World, connection_id: str, epoch: int) -> list[TrueIncident]:
    """Return the incidents that people must be told of, the oldest first.

    One that was going on before the epoch begins where it began, and is told once a higher rule takes over.
    """
    incidents: list[TrueIncident] = []
    failed: list[SimulatedJob] = []

    def end(ends_at: int | None) -> None:
        took_over = len(failed) >= TAKES_OVER_AFTER and failed[TAKES_OVER_AFTER - 1].updated_at >= epoch
        if failed and (failed[0].updated_at >= epoch or took_over):
            before = incidents[-1] if incidents else None
            starts_at = failed[0].updated_at
            if before and before.ends_at and starts_at - before.ends_at <= FLAPPING_SECONDS:
                starts_at = incidents.pop().starts_at
            incidents.append(TrueIncident(starts_at, ends_at))
        failed.clear()

    for job in finished_syncs(world.jobs(connection_id)):
        if job.status == "failed":
            failed.append(job)
        elif job.status == "succeeded":
            end(job.updated_at)
    end(None)
    return incidents
