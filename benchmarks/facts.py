"""A made-up company as the exporter knows it: snapshots to render, without an Airbyte or a state.

They follow from a seed alone. A snapshot shares with the one before what did not change, as those of the
poller do.
"""

import random
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Final
from uuid import UUID

from airbyte_exporter.model import (
    DURATION_BUCKETS,
    Actor,
    Attempt,
    AttemptStatus,
    CompletedKey,
    Connection,
    ConnectionCounters,
    ConnectionFacts,
    ConnectionStatus,
    DurationKey,
    Durations,
    Failure,
    Instance,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    SchemaChange,
    Snapshot,
    Volumes,
    Workspace,
)
from airbyte_exporter.schedules import next_due

__all__ = ["POLL_SECONDS", "Company", "hourly_changes"]

POLL_SECONDS: Final = 30
NOW: Final = 1_790_000_000
_DAY: Final = 86400
_COUNTED: Final = 7 * _DAY
_CONNECTIONS_IN_A_WORKSPACE: Final = 60

_SHARE_NEVER_SYNCED: Final = 0.02
_SHARE_AT_WORK: Final = 0.05
_SHARE_INACTIVE: Final = 0.04
_SHARE_WITHOUT_STATS: Final = 0.01

_WORKSPACES: Final = ("Finance", "Growth", "Ventes & Retours", "Données", "Logistics", "Platform", "HR")
_SOURCES: Final = (
    ("Postgres", "3.6.22"),
    ("MySQL", "3.11.1"),
    ("Salesforce", "2.7.0"),
    ("HubSpot", "4.5.1"),
    ("Stripe", "5.9.2"),
    ("Google Analytics 4 (GA4)", "2.6.4"),
    ("S3", "4.13.0"),
    ("Zendesk Support", "4.6.0"),
    ("Shopify", "2.6.1"),
    ("MongoDb", "2.0.1"),
)
_DESTINATIONS: Final = (
    ("Snowflake", "3.15.2"),
    ("BigQuery", "2.10.2"),
    ("Redshift", "3.5.2"),
    ("Postgres", "2.4.5"),
    ("S3 Data Lake", "0.3.14"),
)
_OF: Final = ("production", "replica", "EU", 'the "new" shop', "archive", "billing", "staging")
_TAGS: Final = ("critical", "nightly", "pii", "sla-4h")
_TIME_ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York")
_FAILURES: Final = (
    Failure("source", "config_error", "The credentials are not valid any more."),
    Failure("source", "transient_error", "The source answered 429: too many requests."),
    Failure("destination", "system_error", "Could not commit the staged files."),
    Failure("platform", "system_error", "The pod did not start in time."),
)
_OUTCOMES: Final = {JobStatus.SUCCEEDED: 0.93, JobStatus.FAILED: 0.05, JobStatus.CANCELLED: 0.02}


def hourly_changes(connections: int) -> int:
    """Return how many of so many change from poll to poll, if each begins and ends a sync every hour."""
    return max(2, round(2 * connections * POLL_SECONDS / 3600))


class Company:
    """A number of connections, and what becomes of them from poll to poll.

    `snapshot` is the newest. Some connections never synced and never will, some are switched off, one in
    twenty is at work.
    """

    def __init__(self, connections: int, *, seed: int = 0, now: int = NOW) -> None:
        self._rng = random.Random(f"facts {seed}")
        self._now = now
        self._epoch = now - _COUNTED
        self._next_job = 1_000_000
        self._instance = Instance("2.0.0", "community", "config", "client-credentials", self._id())
        number = -(-connections // _CONNECTIONS_IN_A_WORKSPACE)
        self._workspaces = tuple(
            Workspace(self._id(), f"{_WORKSPACES[place % len(_WORKSPACES)]} {place + 1}")
            for place in range(number)
        )
        self._completed: Counter[CompletedKey] = Counter()
        self._took: dict[DurationKey, tuple[list[int], int]] = {}
        self._sources: Counter[str] = Counter()
        self._destinations: Counter[str] = Counter()
        self._at_rest: deque[str] = deque()
        self._at_work: deque[str] = deque()
        facts = {it.connection.id: it for it in self._founded(connections)}
        self.snapshot = self._snapshot(facts)

    def advance(self, changed: int) -> Snapshot:
        """Let one interval pass in which syncs of half of the `changed` connections end and of half begin.

        Where fewer are at work, more begin.

        Raises:
            ValueError: There are not that many connections that sync.
        """
        if changed > len(self._at_rest) + len(self._at_work):
            raise ValueError(f"{changed} connections cannot change")
        self._now += POLL_SECONDS
        ending = min(changed - changed // 2, len(self._at_work))
        beginning = min(changed - ending, len(self._at_rest))
        ending = changed - beginning
        ids = [
            *(self._at_work.popleft() for _ in range(ending)),
            *(self._at_rest.popleft() for _ in range(beginning)),
        ]
        known = self.snapshot.connections
        fresh = {id_: self._moved_on(known[id_]) for id_ in ids}
        unchanged = {id_: facts for id_, facts in known.items() if id_ not in fresh}
        self.snapshot = self._snapshot(unchanged | fresh)
        return self.snapshot

    def _snapshot(self, facts: dict[str, ConnectionFacts]) -> Snapshot:
        return Snapshot(
            instance=self._instance,
            epoch=self._epoch,
            workspaces=self._workspaces,
            connections=MappingProxyType(facts),
            completed=MappingProxyType(dict(self._completed)),
            durations=MappingProxyType(
                {key: Durations(tuple(numbers), seconds) for key, (numbers, seconds) in self._took.items()}
            ),
            sources=MappingProxyType(self._sources),
            destinations=MappingProxyType(self._destinations),
            jobs_as_of=self._now,
            inventory_as_of=self._now - self._now % 300,
        )

    # Connections

    def _founded(self, number: int) -> Iterator[ConnectionFacts]:
        rng = self._rng
        for place in range(number):
            connection = self._connection(place)
            first_seen_at = self._epoch if rng.random() < 0.95 else rng.randrange(self._epoch, self._now)
            self._sources[connection.source.connector] += 1
            self._destinations[connection.destination.connector] += 1
            facts = ConnectionFacts(
                connection,
                first_seen_at,
                schedule_interval=_interval(connection.schedule),
                next_run_at=_next_run(connection, self._now - rng.randrange(3600)),
            )
            if rng.random() >= _SHARE_NEVER_SYNCED:
                facts = self._with_history(facts)
                is_active = connection.status is ConnectionStatus.ACTIVE
                if is_active and rng.random() < _SHARE_AT_WORK:
                    facts = replace(facts, live_jobs=(self._live_job(connection),))
                    self._at_work.append(connection.id)
                elif is_active:
                    self._at_rest.append(connection.id)
            yield facts

    def _connection(self, place: int) -> Connection:
        rng = self._rng
        source, destination = self._actor(_SOURCES), self._actor(_DESTINATIONS)
        is_inactive = rng.random() < _SHARE_INACTIVE
        return Connection(
            id=self._id(),
            name=f"{source.name} → {destination.name} {place}",
            workspace_id=rng.choice(self._workspaces).id,
            status=ConnectionStatus.INACTIVE if is_inactive else ConnectionStatus.ACTIVE,
            source=source,
            destination=destination,
            schedule=self._schedule(),
            tags=tuple(sorted(rng.sample(_TAGS, rng.choice((0, 0, 0, 1, 2))))),
            created_at=self._now - rng.randrange(10, 500) * _DAY,
            schema_change=rng.choices(tuple(SchemaChange), (90, 8, 2))[0],
        )

    def _actor(self, connectors: tuple[tuple[str, str], ...]) -> Actor:
        connector, version = self._rng.choice(connectors)
        return Actor(self._id(), f"{connector} {self._rng.choice(_OF)}", connector, version)

    def _schedule(self) -> Schedule:
        rng = self._rng
        match rng.choices((ScheduleType.BASIC, ScheduleType.CRON, ScheduleType.MANUAL), (70, 25, 5))[0]:
            case ScheduleType.BASIC:
                return Schedule(ScheduleType.BASIC, units=rng.choice((1, 1, 2, 6, 24)), time_unit="hours")
            case ScheduleType.CRON:
                expression = f"0 {rng.randrange(60)} {rng.randrange(24)} * * ?"
                zone = rng.choice(_TIME_ZONES)
                return Schedule(ScheduleType.CRON, cron_expression=expression, cron_time_zone=zone)
            case other:
                return Schedule(other)

    # What becomes of them

    def _with_history(self, facts: ConnectionFacts) -> ConnectionFacts:
        """Let a connection have had syncs, of each outcome all alike, and perhaps one that is remembered."""
        rng = self._rng
        syncs = rng.randrange(1, 170)
        for status, share in _OUTCOMES.items():
            if times := round(syncs * share):
                facts = self._with_ended(facts, self._ended(facts.connection, status), times)
        return self._with_ended(facts, self._ended(facts.connection, self._some_end()))

    def _moved_on(self, facts: ConnectionFacts) -> ConnectionFacts:
        """Begin a sync where none is at work, else end it."""
        if not facts.live_jobs:
            self._at_work.append(facts.connection.id)
            live = self._live_job(facts.connection)
            return replace(facts, live_jobs=(live,), next_run_at=_next_run(facts.connection, live.created_at))
        self._at_rest.append(facts.connection.id)
        ended = self._ended(facts.connection, self._some_end(), facts.live_jobs[0])
        return replace(self._with_ended(facts, ended), live_jobs=())

    def _with_ended(self, facts: ConnectionFacts, job: Job, times: int = 1) -> ConnectionFacts:
        """Return what is known once `job` has ended: the only place where facts follow from one."""
        it = facts.connection
        key = CompletedKey(
            job.type.value,
            job.status.value,
            it.source.connector,
            it.destination.connector,
            it.schedule.type.value,
        )
        self._completed[key] += times
        if job.duration is not None:
            labels = DurationKey(job.type.value, job.status.value)
            numbers, seconds = self._took.get(labels, ([0] * (len(DURATION_BUCKETS) + 1), 0))
            numbers[bisect_left(DURATION_BUCKETS, job.duration)] += times
            self._took[labels] = numbers, seconds + times * job.duration
        is_failure, is_success = job.status is JobStatus.FAILED, job.status is JobStatus.SUCCEEDED
        return replace(
            facts,
            last_sync=job,
            last_success_at=job.ended_at if is_success else facts.last_success_at,
            last_failure_at=job.ended_at if is_failure else facts.last_failure_at,
            consecutive_failures=0 if is_success else facts.consecutive_failures + is_failure,
            counters=_counted(facts.counters, job, times),
        )

    # Jobs

    def _some_end(self) -> JobStatus:
        return self._rng.choices(tuple(_OUTCOMES), tuple(_OUTCOMES.values()))[0]

    def _live_job(self, of: Connection) -> Job:
        rng = self._rng
        created = self._now - rng.randrange(1, POLL_SECONDS)
        status = rng.choices((JobStatus.RUNNING, JobStatus.INCOMPLETE, JobStatus.PENDING), (90, 5, 5))[0]
        attempts: tuple[Attempt, ...] = ()
        volumes = None
        if status is not JobStatus.PENDING:
            attempts = (Attempt(0, AttemptStatus.RUNNING, created),)
            records = rng.randrange(10_000)
            volumes = Volumes(0, 0, records, records * 340, 0)
        return Job(
            connection_id=of.id,
            id=self._job_id(),
            created_at=created,
            updated_at=created,
            type=JobType.SYNC,
            status=status,
            attempts=attempts,
            volumes=volumes,
            has_stats=volumes is not None,
        )

    def _ended(self, of: Connection, status: JobStatus, live: Job | None = None) -> Job:
        rng = self._rng
        ended = self._now - rng.randrange(POLL_SECONDS if live else _DAY)
        created = min(live.created_at, ended) if live else ended - rng.randrange(60, 3600)
        attempts = self._attempts(status, created, ended)
        has_stats = rng.random() >= _SHARE_WITHOUT_STATS
        emitted = rng.randrange(2_000_000)
        synced = emitted if status is JobStatus.SUCCEEDED else rng.randrange(emitted + 1)
        bytes_each = rng.randrange(120, 900)
        return Job(
            connection_id=of.id,
            id=live.id if live else self._job_id(),
            created_at=created,
            updated_at=ended,
            type=JobType.SYNC,
            status=status,
            attempts=attempts,
            volumes=Volumes(
                records_synced=synced,
                bytes_synced=synced * bytes_each,
                records_emitted=emitted,
                bytes_emitted=emitted * bytes_each,
                records_rejected=0 if rng.random() < 0.97 else min(3, emitted - synced),
            )
            if has_stats
            else None,
            has_stats=has_stats,
        )

    def _attempts(self, status: JobStatus, created: int, ended: int) -> tuple[Attempt, ...]:
        """Make the tries of a job that has ended: each but the last of a success has failed."""
        rng = self._rng
        number = rng.choices((1, 2, 3), (90, 7, 3))[0] + (status is JobStatus.FAILED)
        begun = [created + (ended - created) * place // number for place in range(number)] + [ended]
        failure = rng.choice(_FAILURES)
        return tuple(
            Attempt(place, AttemptStatus.SUCCEEDED, begun[place], begun[place + 1])
            if status is JobStatus.SUCCEEDED and place == number - 1
            else Attempt(
                place, AttemptStatus.FAILED, begun[place], begun[place + 1], failure, rng.random() < 0.3
            )
            for place in range(number)
        )

    def _job_id(self) -> int:
        self._next_job += 1
        return self._next_job

    def _id(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128), version=4))


def _interval(schedule: Schedule) -> int | None:
    return _DAY if schedule.type is ScheduleType.CRON else schedule.interval


def _next_run(connection: Connection, after: int) -> int | None:
    is_active = connection.status is ConnectionStatus.ACTIVE
    return next_due(connection.schedule, after) if is_active else None


def _counted(before: ConnectionCounters, job: Job, times: int) -> ConnectionCounters:
    """Add a finished job, so many `times`: the only place where counters are made."""
    key = (job.type.value, job.status.value)
    moved = job.volumes or Volumes()
    attempts = Counter(attempt.status for attempt in job.attempts or ())
    failures = Counter(
        (attempt.failure.origin, attempt.failure.type) for attempt in job.attempts or () if attempt.failure
    )
    return replace(
        before,
        jobs=MappingProxyType({**before.jobs, key: before.jobs.get(key, 0) + times}),
        records_synced=before.records_synced + times * (moved.records_synced or 0),
        bytes_synced=before.bytes_synced + times * (moved.bytes_synced or 0),
        records_emitted=before.records_emitted + times * (moved.records_emitted or 0),
        bytes_emitted=before.bytes_emitted + times * (moved.bytes_emitted or 0),
        records_rejected=before.records_rejected + times * (moved.records_rejected or 0),
        attempts_succeeded=before.attempts_succeeded + times * attempts[AttemptStatus.SUCCEEDED],
        attempts_failed=before.attempts_failed + times * attempts[AttemptStatus.FAILED],
        failures=MappingProxyType(
            Counter(before.failures) + Counter({kind: times * n for kind, n in failures.items()})
        ),
    )
