"""How a simulated connection's jobs go: how much they move, how long they take, whether and why they fail."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from ._catalogue import CANCELLED, PLATFORM_FAILURES, TRANSIENT, Connector
from ._jobs import NEVER, Attempt, Failure, Job, Numbers, Stream
from ._schedule import Schedule

__all__ = ["Actor", "Connection", "Planner", "spread", "streams_of"]

DAY: Final = 86400
_HALF_WEEK_LOW: Final = 0.45
_FLAKY_PERIOD: Final = 4
_OWN_FAILURES: Final = 0.75
_ENDLESS_READS: Final = 60.0
_RESET_EVERY, _CANCEL_EVERY, _FAIL_EVERY, _RETRY_EVERY = 41, 23, 13, 9


@dataclass(slots=True, eq=False)
class Actor:
    """A source or a destination of the company."""

    id: str
    workspace_id: str
    name: str
    connector: Connector
    created: float
    deleted: bool = False


@dataclass(slots=True, eq=False)
class Connection:
    """A connection of the company, with what is needed to go on with its story.

    `character` decides how its jobs go: steady, flaky, broken, silent (no numbers any more), stuck, waiting
    (its job stays pending), idle (never ran), disabled. It is steady until `turns`. `due` is when its
    schedule starts the next job, `ran` when it started the last one, `count` how many it has started, `jobs`
    all of its jobs by creation.
    """

    id: str
    name: str
    workspace_id: str
    source: Actor
    destination: Actor
    schedule: Schedule
    created: float
    character: str
    rng: random.Random
    streams: tuple[Stream, ...]
    records: float
    record_bytes: int
    duration: float
    status: str = "active"
    tags: tuple[int, ...] = ()
    schema_change: str = "no_change"
    turns: float = NEVER
    due: float = NEVER
    ran: float = -NEVER
    count: int = 0
    jobs: list[Job] = field(default_factory=list)


def streams_of(connector: Connector, rng: random.Random) -> tuple[Stream, ...]:
    """Return the catalogue of a connection from `connector`: its streams with their share of the volume."""
    weights = sorted((rng.paretovariate(1.1) for _ in connector.streams), reverse=True)
    total, until, streams = sum(weights), 0.0, []
    for place, (name, weight) in enumerate(zip(connector.streams, weights, strict=True)):
        last = place == len(weights) - 1
        until = 1.0 if last else until + weight / total
        streams.append(Stream(name, connector.namespace, last and place > 1, until))
    return tuple(streams)


def spread(count: int, within: float, rng: random.Random) -> list[float]:
    """Cut `within` seconds into `count` parts of different lengths."""
    if count == 1:
        return [within]
    cuts = sorted(rng.random() for _ in range(count - 1))
    return [(b - a) * within for a, b in pairwise((0.0, *cuts, 1.0))]


class Planner:
    """Plans jobs. Durations and the company's days and weeks are divided by `speed`."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._characters: dict[str, Callable[[Connection, Job], Job]] = {
            "flaky": self._flaky,
            "broken": self._failed,
            "silent": self._silent,
            "stuck": self._stuck,
            "waiting": self._waiting,
        }

    def spontaneous(self, connection: Connection, job_id: int, created: float) -> Job:
        """Plan the job that the schedule of `connection` asks for."""
        connection.count += 1
        turned = created >= connection.turns or connection.character == "flaky"
        plan = self._steady if not turned else self._characters.get(connection.character, self._steady)
        return plan(connection, self._job(connection, job_id, created))

    def asked_for(
        self,
        connection: Connection,
        job_id: int,
        created: float,
        outcome: str,
        duration: float,
        numbers: Numbers,
    ) -> Job:
        """Plan a job of one attempt that ends with `outcome` after `duration` seconds and moves `numbers`."""
        job = self._job(connection, job_id, created)
        failure = {"failed": connection.source.connector.failures[0], "cancelled": CANCELLED}.get(outcome)
        started, job.ended, job.outcome = created, created + duration, outcome
        job.attempts = [Attempt(started, job.ended, outcome == "succeeded", numbers, failure, _ENDLESS_READS)]
        return job

    def volume(self, connection: Connection, instant: float) -> Numbers:
        """Return what `connection` would move at `instant`: less at night and at weekends of its own time."""
        own = instant * self._speed
        hour, day = own % DAY / DAY, own // DAY % 7
        rhythm = (1 - 0.6 * math.cos(2 * math.pi * hour)) * (_HALF_WEEK_LOW if day in {2, 3} else 1.0)
        records = int(connection.records * rhythm * connection.rng.lognormvariate(0, 0.12))
        return _emitted(records, connection.record_bytes)

    def _job(self, connection: Connection, job_id: int, created: float) -> Job:
        return Job(
            job_id,
            connection.id,
            connection.workspace_id,
            "sync",
            created,
            NEVER,
            "succeeded",
            connection.streams,
        )

    def _steady(self, connection: Connection, job: Job) -> Job:
        turn = connection.count
        if turn % _RESET_EVERY == _RESET_EVERY - 2:
            return self._reset(connection, job)
        if turn % _RESET_EVERY == _RESET_EVERY - 1:
            job.config_type = "refresh"
            return self._attempts(connection, job, [None])
        if turn % _CANCEL_EVERY == _CANCEL_EVERY - 1:
            return self._cancelled(connection, job)
        if turn % _FAIL_EVERY == _FAIL_EVERY - 1:
            return self._failed(connection, job)
        if turn % _RETRY_EVERY == _RETRY_EVERY - 1:
            return self._attempts(connection, job, [TRANSIENT, None])
        return self._attempts(connection, job, [None])

    def _flaky(self, connection: Connection, job: Job) -> Job:
        # The run right after the world's start fails, so that a demonstration shows a failure and its end.
        runs = math.floor((job.created - connection.turns) / connection.schedule.interval)
        if runs % _FLAKY_PERIOD != 0:
            return self._attempts(connection, job, [None])
        return self._failed(connection, job)

    def _failed(self, connection: Connection, job: Job) -> Job:
        rng = connection.rng
        own = connection.source.connector.failures + connection.destination.connector.failures
        failure = rng.choice(own if rng.random() < _OWN_FAILURES else PLATFORM_FAILURES)
        if failure.type == "config_error":
            return self._attempts(connection, job, [failure])
        return self._attempts(connection, job, [failure] * rng.randint(2, 4))

    def _silent(self, connection: Connection, job: Job) -> Job:
        job.has_stats = False
        return self._attempts(connection, job, [None], moved=Numbers())

    def _stuck(self, connection: Connection, job: Job) -> Job:
        self._attempts(connection, job, [None])
        attempt = job.attempts[-1]
        attempt.expected, attempt.stalls_at = (
            attempt.ended - attempt.started,
            connection.rng.uniform(0.3, 0.8),
        )
        attempt.ended = job.ended = NEVER
        return job

    def _waiting(self, _connection: Connection, job: Job) -> Job:
        return job

    def _cancelled(self, connection: Connection, job: Job) -> Job:
        self._attempts(connection, job, [CANCELLED])
        job.outcome = "cancelled"
        return job

    def _reset(self, connection: Connection, job: Job) -> Job:
        job.config_type, job.has_stats = "reset_connection", False
        return self._attempts(connection, job, [None], moved=Numbers())

    def _attempts(
        self, connection: Connection, job: Job, fates: list[Failure | None], moved: Numbers | None = None
    ) -> Job:
        rng = connection.rng
        whole = self.volume(connection, job.created) if moved is None else moved
        took = connection.duration * rng.lognormvariate(0, 0.25) / self._speed
        start = job.created + max(0.3, rng.uniform(4, 30) / self._speed)
        for number, (fate, length) in enumerate(zip(fates, spread(len(fates), took, rng), strict=True)):
            end = start + max(0.2, length)
            total = whole if fate is None else _partial(whole, rng)
            job.attempts.append(Attempt(start, end, fate is None, total, fate))
            start = end + max(0.3, 10 * 3**number / self._speed)
        job.ended, job.outcome = job.attempts[-1].ended, "succeeded" if fates[-1] is None else "failed"
        return job


def _emitted(records: int, record_bytes: int) -> Numbers:
    rejected = records // 5000
    committed = records - rejected
    return Numbers(records, records * record_bytes, committed, committed * record_bytes, rejected)


def _partial(whole: Numbers, rng: random.Random) -> Numbers:
    read = rng.random()
    kept = rng.choice((0.0, 0.0, rng.random()))
    emitted = int(whole.records_emitted * read)
    committed = int(emitted * kept)
    size = whole.bytes_emitted // whole.records_emitted if whole.records_emitted else 0
    return Numbers(emitted, emitted * size, committed, committed * size, 0)
