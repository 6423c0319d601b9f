"""How a simulated connection's jobs go: how much they move, how long they take, whether and why they fail."""

import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from ._catalogue import AFTERMATH, CANCELLED, PLATFORM_FAILURES, TRANSIENT, Connector
from ._jobs import NEVER, Attempt, Failure, Job, Numbers, Stream
from ._schedule import Schedule
from ._specs import example_of
from ._timeline import DISABLED, Timeline

__all__ = ["Actor", "Asked", "Connection", "Planner", "spread", "streams_of", "weighted"]

Json = dict[str, Any]

DAY: Final = 86400
_HOUR: Final = 3600
_BY_HAND: Final = 300.0
"""How long a sync takes where no schedule says how often it has to be over, in the company's time."""
_HALF_WEEK_LOW: Final = 0.45
_FLAKY_PERIOD: Final = 4
_OWN_FAILURES: Final = 0.75
_SEVERAL_FAILURES: Final = 0.35
_ENDLESS_READS: Final = 60.0
_RESET_EVERY, _CANCEL_EVERY, _FAIL_EVERY, _RETRY_EVERY = 41, 23, 13, 9
_QUEUE_EVERY, _GIVE_UP_EVERY = 7, 37
_SCHEMA_CHANGES: Final = {7: "non_breaking", 12: "no_change"}
_SCHEMA_EVERY: Final = 31


@dataclass(slots=True, eq=False)
class Actor:
    """A source or a destination of the company.

    `given` is the configuration that somebody gave it, secrets included; the company's first ones have a
    made up one. It does not work because of `broken`, whatever its configuration.
    """

    id: str
    workspace_id: str
    name: str
    connector: Connector
    created: float
    deleted: bool = False
    given: Json | None = None
    broken: str | None = None

    @property
    def configuration(self) -> Json:
        """What it is configured with, secrets included."""
        return example_of(self.connector, self.id) if self.given is None else self.given


@dataclass(slots=True, eq=False)
class Connection:
    """A connection of the company, with what is needed to go on with its story.

    `character` decides how its jobs go: steady, flaky, broken, silent (no numbers any more), stuck, waiting
    (its job stays pending), idle (never ran), disabled. It is steady until `turns`. `due` is when its
    schedule starts the next job, `ran` when it started the last one or else was set up, `count` how many
    jobs it has asked for; each `queue_every`th waits for long, none for 0. `jobs` are all by creation.

    `catalogue` are the streams that somebody selected, as the API tells them; those of the company's first
    connections follow from `streams`. `settings` are properties that the API tells as they were given, and
    `orders` how the next syncs go that somebody asks the API for.
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
    queue_every: int = _QUEUE_EVERY
    jobs: list[Job] = field(default_factory=list)
    catalogue: list[Json] | None = None
    settings: Json = field(default_factory=dict)
    orders: "deque[tuple[str, Asked]]" = field(default_factory=deque)
    timeline: Timeline = field(init=False)

    def __post_init__(self) -> None:
        self.timeline = Timeline(self.id)

    def disable(self, at: float, *, user_id: str, reason: str | None = None) -> None:
        """Switch it off: that is the doing of this user, or for a `reason` Airbyte's own."""
        self.status = "inactive"
        self.timeline.note(DISABLED, at, user_id=None if reason else user_id, reason=reason)


def streams_of(connector: Connector, rng: random.Random) -> tuple[Stream, ...]:
    """Return the catalogue of a connection from `connector`: its streams with their share of the volume."""
    last = len(connector.streams) - 1
    kinds = [
        (name, connector.namespace, place == last and place > 1)
        for place, name in enumerate(connector.streams)
    ]
    return weighted(kinds, rng)


def weighted(kinds: Sequence[tuple[str, str | None, bool]], rng: random.Random) -> tuple[Stream, ...]:
    """Give streams (name, namespace, whether it is a full refresh) their share of a connection's volume."""
    weights = sorted((rng.paretovariate(1.1) for _ in kinds), reverse=True)
    total, until, streams = sum(weights), 0.0, []
    for place, (kind, weight) in enumerate(zip(kinds, weights, strict=True)):
        until = 1.0 if place == len(weights) - 1 else until + weight / total
        streams.append(Stream(*kind, until))
    return tuple(streams)


def spread(count: int, within: float, rng: random.Random) -> list[float]:
    """Cut `within` seconds into `count` parts of different lengths."""
    if count == 1:
        return [within]
    cuts = sorted(rng.random() for _ in range(count - 1))
    return [(b - a) * within for a, b in pairwise((0.0, *cuts, 1.0))]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a job that somebody asks for is to be like; `failures` are the last attempt's."""

    duration: float
    numbers: Numbers
    queued: float = 0.0
    attempts: int = 1
    failures: tuple[Failure, ...] = ()


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
        """Plan what happens when the schedule of `connection` asks for a job: somebody may have been faster.

        Before its sync the source is looked at, which can find a changed schema.
        """
        connection.count += 1
        if connection.schema_change != "breaking":
            turn = connection.count % _SCHEMA_EVERY
            connection.schema_change = _SCHEMA_CHANGES.get(turn, connection.schema_change)
        turned = created >= connection.turns or connection.character == "flaky"
        plan = self._steady if not turned else self._characters.get(connection.character, self._steady)
        return plan(connection, self._job(connection, job_id, created))

    def asked_for(
        self, connection: Connection, job_id: int, created: float, outcome: str, *, asked: Asked
    ) -> Job:
        """Plan a job that somebody asked for and that ends with `outcome`."""
        job = self._job(connection, job_id, created)
        job.scheduled, job.outcome = False, outcome
        start, job.ended = created + asked.queued, created + asked.queued + asked.duration
        whole, failures = asked.numbers, asked.failures
        if not failures and outcome != "succeeded":
            failures = (CANCELLED if outcome == "cancelled" else connection.source.connector.failures[0],)
        length = asked.duration / asked.attempts if asked.attempts else 0.0
        for number in range(asked.attempts):
            if number == asked.attempts - 1:
                fate = (job.ended, outcome == "succeeded", whole, failures)
            else:
                fate = (start + length * 0.9, False, whole.beginning(0.5), (TRANSIENT,))
            job.attempts.append(Attempt(start, *fate, _ENDLESS_READS))
            start += length
        return job

    def requested(self, connection: Connection, job_id: int, created: float, config_type: str) -> Job:
        """Plan a job that somebody asks the API for: it goes as the connection's character has it."""
        job = self._job(connection, job_id, created)
        job.scheduled, job.config_type = False, config_type
        connection.duration = connection.duration or _BY_HAND
        if config_type == "reset_connection":
            return self._reset(connection, job)
        turned = created >= connection.turns or connection.character == "flaky"
        plan = self._characters.get(connection.character) if turned else None
        return plan(connection, job) if plan is not None else self._attempts(connection, job, [()])

    def refused(self, job: Job, failure: Failure) -> Job:
        """Let a job fail in its first attempt, soon after its start: a connector refuses to work."""
        start = job.attempts[0].started if job.attempts else job.created + max(0.3, 5 / self._speed)
        end = start + max(0.2, 10 / self._speed)
        job.attempts = [Attempt(start, end, succeeded=False, total=Numbers(), failures=(failure,))]
        job.ended, job.outcome = end, "failed"
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
        now_and_then = (
            (_RESET_EVERY, 2, self._reset),
            (_RESET_EVERY, 1, self._refresh),
            (_CANCEL_EVERY, 1, self._cancelled),
            (_FAIL_EVERY, 1, self._failed),
            (_RETRY_EVERY, 1, self._retried),
            (_GIVE_UP_EVERY, 1, self._given_up),
        )
        for every, before, plan in now_and_then:
            if connection.count % every == every - before:
                return plan(connection, job)
        return self._attempts(connection, job, [()])

    def _refresh(self, connection: Connection, job: Job) -> Job:
        job.config_type, job.scheduled = "refresh", False
        return self._attempts(connection, job, [()])

    def _retried(self, connection: Connection, job: Job) -> Job:
        lost = self._reasons(connection, last=False) if connection.count % 2 else (TRANSIENT,)
        return self._attempts(connection, job, [lost, ()])

    def _flaky(self, connection: Connection, job: Job) -> Job:
        # The run right after the world's start fails, so that a demonstration shows a failure and its end.
        # A client can have made it one that is synced by hand: it turns hour by hour then.
        every = connection.schedule.interval or _HOUR / self._speed
        runs = math.floor((job.created - connection.turns) / every)
        if runs % _FLAKY_PERIOD != 0:
            return self._attempts(connection, job, [()])
        return self._failed(connection, job)

    def _failed(self, connection: Connection, job: Job) -> Job:
        last = self._reasons(connection, last=True)
        if last[0].type == "config_error":
            return self._attempts(connection, job, [last])
        before = range(connection.rng.randint(1, 3))
        return self._attempts(
            connection, job, [*(self._reasons(connection, last=False) for _ in before), last]
        )

    def _reasons(self, connection: Connection, *, last: bool) -> tuple[Failure, ...]:
        """Draw why an attempt fails; after what has to be configured anew Airbyte does not try again."""
        rng = connection.rng
        own = connection.source.connector.failures + connection.destination.connector.failures
        retried = tuple(one for one in own if one.type != "config_error")
        choices = own if last else retried or (TRANSIENT,)
        first = rng.choice(choices if rng.random() < _OWN_FAILURES else PLATFORM_FAILURES)
        if rng.random() >= _SEVERAL_FAILURES:
            return (first,)
        return (first, *rng.sample(AFTERMATH, rng.randint(1, len(AFTERMATH))))

    def _silent(self, connection: Connection, job: Job) -> Job:
        job.has_stats = False
        return self._attempts(connection, job, [()], moved=Numbers())

    def _stuck(self, connection: Connection, job: Job) -> Job:
        self._attempts(connection, job, [()])
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
        self._attempts(
            connection, job, [(CANCELLED,)] if connection.count % 2 else [(TRANSIENT,), (CANCELLED,)]
        )
        job.outcome = "cancelled"
        return job

    def _given_up(self, connection: Connection, job: Job) -> Job:
        job.ended, job.outcome = job.created + self._wait(connection, long=True), "cancelled"
        return job

    def _reset(self, connection: Connection, job: Job) -> Job:
        job.config_type, job.has_stats, job.scheduled = "reset_connection", False, False
        return self._attempts(connection, job, [()], moved=Numbers())

    def _wait(self, connection: Connection, *, long: bool) -> float:
        """Draw how long a job waits for its first attempt."""
        if not long:
            return max(0.3, connection.rng.uniform(4, 30) / self._speed)
        most = 0.3 * connection.schedule.interval
        return max(0.3, min(most, connection.rng.uniform(180, 900) / self._speed))

    def _attempts(
        self,
        connection: Connection,
        job: Job,
        fates: list[tuple[Failure, ...]],
        moved: Numbers | None = None,
    ) -> Job:
        rng = connection.rng
        whole = self.volume(connection, job.created) if moved is None else moved
        took = connection.duration * rng.lognormvariate(0, 0.25) / self._speed
        every = connection.queue_every
        start = job.created + self._wait(connection, long=every > 0 and connection.count % every == 0)
        for number, (failures, length) in enumerate(zip(fates, spread(len(fates), took, rng), strict=True)):
            end = start + max(0.2, length)
            total = _partial(whole, rng) if failures else whole
            job.attempts.append(Attempt(start, end, not failures, total, failures))
            start = end + max(0.3, 10 * 3**number / self._speed)
        job.ended, job.outcome = job.attempts[-1].ended, "failed" if fates[-1] else "succeeded"
        return job


def _emitted(records: int, record_bytes: int) -> Numbers:
    rejected = records // 5000
    committed = records - rejected
    return Numbers(records, records * record_bytes, committed, committed * record_bytes, rejected)


def _partial(whole: Numbers, rng: random.Random) -> Numbers:
    read = rng.random()
    kept = rng.choice((0.0, 0.0, rng.random()))
    emitted = int(whole.records_emitted * read)
    rejected = int(whole.records_rejected * read * kept)
    committed = min(int(emitted * kept), emitted - rejected)
    size = whole.bytes_emitted // whole.records_emitted if whole.records_emitted else 0
    return Numbers(emitted, emitted * size, committed, committed * size, rejected)
