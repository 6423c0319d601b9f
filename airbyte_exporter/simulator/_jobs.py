"""Jobs and attempts of the simulated world: planned whole when they are created, read as of an instant.

A job's life is decided at its creation: when its attempts start and end and what they will have moved. What
Airbyte would say at a given moment follows from that plan, so nothing has to be stepped along. Statuses
follow Airbyte's state machine: pending, running, incomplete between attempts, then one of the final ones.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush, merge
from typing import Final, NamedTuple

__all__ = [
    "FINAL_STATUSES",
    "LIVE_STATUSES",
    "NEVER",
    "Attempt",
    "Failure",
    "Job",
    "JobIndex",
    "Numbers",
    "Stream",
]

NEVER: Final = math.inf
LIVE_STATUSES: Final = frozenset({"pending", "running", "incomplete"})
FINAL_STATUSES: Final = frozenset({"succeeded", "failed", "cancelled"})
_CHECKPOINTS: Final = 5


class Numbers(NamedTuple):
    """What was read from a source and what of it was committed to a destination."""

    records_emitted: int = 0
    bytes_emitted: int = 0
    records_committed: int = 0
    bytes_committed: int = 0
    records_rejected: int = 0

    def plus(self, other: "Numbers") -> "Numbers":
        """Return the sum, number by number."""
        return Numbers(
            self.records_emitted + other.records_emitted,
            self.bytes_emitted + other.bytes_emitted,
            self.records_committed + other.records_committed,
            self.bytes_committed + other.bytes_committed,
            self.records_rejected + other.records_rejected,
        )

    def minus(self, other: "Numbers") -> "Numbers":
        """Return the difference, number by number."""
        return Numbers(
            self.records_emitted - other.records_emitted,
            self.bytes_emitted - other.bytes_emitted,
            self.records_committed - other.records_committed,
            self.bytes_committed - other.bytes_committed,
            self.records_rejected - other.records_rejected,
        )

    def beginning(self, share: float) -> "Numbers":
        """Return the part of it that was read first: rejected records come first, then committed ones."""
        records, volume = round(self.records_emitted * share), round(self.bytes_emitted * share)
        rejected = min(records, self.records_rejected)
        return Numbers(
            records,
            volume,
            min(records - rejected, self.records_committed),
            min(volume, self.bytes_committed),
            rejected,
        )


class Stream(NamedTuple):
    """A stream of a connection's catalogue; `until` is the volume's share of it and all streams before it."""

    name: str
    namespace: str | None
    full_refresh: bool
    until: float


class Failure(NamedTuple):
    """Why an attempt failed, in Airbyte's terms. `origin` and `type` may be unknown to Airbyte itself."""

    origin: str | None
    type: str | None
    message: str
    internal: str


@dataclass(slots=True)
class Attempt:
    """One try: from `started` to `ended` it moves `total`, the committed part at checkpoints.

    `failures` are why it failed, in the order in which they happened. An attempt that hangs has its numbers
    stand still at `stalls_at`, a fraction of the way through `expected` seconds.
    """

    started: float
    ended: float
    succeeded: bool
    total: Numbers
    failures: tuple[Failure, ...] = ()
    expected: float = 0.0
    stalls_at: float = 1.0

    @property
    def crashed(self) -> bool:
        """Whether it was ended from outside, so that it did not write its output."""
        return bool(self.failures) and self.failures[0].origin == "airbyte_platform"

    @property
    def partial_success(self) -> bool | None:
        """Whether it committed a part, as Airbyte notes at a failure; ``None`` where it does not know.

        What a process that vanished had committed is not known, a cancellation asks for it.
        """
        if self.crashed and self.failures[0].type != "manual_cancellation":
            return None
        return self.total.records_committed > 0

    def failures_at(self) -> list[tuple[float, Failure]]:
        """Return when each failure happened: the last at the end, the others in the tenth before it."""
        apart = (self.ended - self.started) / 10 / max(1, len(self.failures))
        before = range(len(self.failures) - 1, -1, -1)
        return [
            (self.ended - apart * steps, failure)
            for steps, failure in zip(before, self.failures, strict=True)
        ]

    def status(self, now: float) -> str:
        """Return Airbyte's attempt status as of `now`."""
        if now < self.ended:
            return "running"
        return "succeeded" if self.succeeded else "failed"

    def numbers(self, now: float) -> Numbers:
        """Return what has been moved by `now`."""
        if now >= self.ended:
            return self.total
        span = self.ended - self.started if self.ended < NEVER else self.expected
        share = min(self.stalls_at, max(0.0, now - self.started) / span if span > 0 else 1.0)
        kept = math.floor(share * _CHECKPOINTS) / _CHECKPOINTS
        return Numbers(
            int(self.total.records_emitted * share),
            int(self.total.bytes_emitted * share),
            int(self.total.records_committed * kept),
            int(self.total.bytes_committed * kept),
            int(self.total.records_rejected * kept),
        )


@dataclass(slots=True, eq=False)
class Job:
    """A row of Airbyte's jobs table, with its attempts.

    `ended` is when `outcome` becomes true. `has_stats` is false for a job for which Airbyte never recorded
    numbers, `scheduled` for one that somebody asked for. `hidden` rows are written but not committed yet,
    `gone` ones were deleted: the API shows neither. `refresh_mode` is what somebody who asked for a refresh
    wanted of it, ``Truncate`` or ``Merge``.
    """

    id: int
    connection_id: str
    workspace_id: str
    config_type: str
    created: float
    ended: float
    outcome: str
    streams: tuple[Stream, ...]
    attempts: list[Attempt] = field(default_factory=list)
    has_stats: bool = True
    scheduled: bool = True
    hidden: bool = False
    gone: bool = False
    refresh_mode: str | None = None

    def status(self, now: float) -> str:
        """Return Airbyte's job status as of `now`."""
        if now >= self.ended:
            return self.outcome
        latest = next((a for a in reversed(self.attempts) if a.started <= now), None)
        if latest is None:
            return "pending"
        return "running" if now < latest.ended else "incomplete"

    def updated(self, now: float) -> float:
        """Return the time of the last change of status before `now`: Airbyte writes it at no other time."""
        if now >= self.ended:
            return self.ended
        times = (t for a in self.attempts for t in (a.started, a.ended) if t <= now)
        return max(times, default=self.created)

    def tries(self, now: float) -> list[Attempt]:
        """Return the attempts that have begun by `now`."""
        return [attempt for attempt in self.attempts if attempt.started <= now]

    def stream_numbers(self, attempt: Attempt, now: float) -> list[Numbers]:
        """Return what `attempt` has moved by `now` in each stream; the streams add up to the attempt.

        Streams are read one after the other, so what was not committed is the last ones'.
        """
        total, before, parts = attempt.numbers(now), Numbers(), []
        for stream in self.streams:
            upto = total.beginning(stream.until)
            parts.append(upto.minus(before))
            before = upto
        return parts

    def aggregated(self, now: float) -> list[Numbers]:
        """Return the job's numbers by stream, over its attempts, as Airbyte adds them up.

        An incremental stream counts every attempt, a full refresh that cannot be resumed only the last one.
        Where Airbyte never recorded numbers, or no attempt has begun, there are no streams.
        """
        if not self.has_stats:
            return []
        sums: list[Numbers] = []
        for attempt in self.tries(now):
            parts = self.stream_numbers(attempt, now)
            if sums:
                parts = [
                    part if stream.full_refresh else before.plus(part)
                    for stream, before, part in zip(self.streams, sums, parts, strict=True)
                ]
            sums = parts
        return sums

    def total(self, now: float) -> Numbers:
        """Return the job's numbers as Airbyte adds them up; zeros where it never recorded any."""
        tries = self.tries(now)
        if self.has_stats and len(tries) == 1:
            return tries[0].numbers(now)  # its streams add up to it
        total = Numbers()
        for numbers in self.aggregated(now):
            total = total.plus(numbers)
        return total


_Key = Callable[[Job], tuple[float, int]]


def _by_ended(job: Job) -> tuple[float, int]:
    return job.ended, job.id


def _by_created(job: Job) -> tuple[float, int]:
    return job.created, job.id


class JobIndex:
    """The visible rows, ordered by creation and by last change, so that a page costs what it shows."""

    def __init__(self) -> None:
        self._by_id: dict[int, Job] = {}
        self._created: list[Job] = []
        self._finished: list[Job] = []
        self._live: dict[int, Job] = {}
        self._ends: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, job_id: int) -> Job | None:
        """Return the row with this id."""
        return self._by_id.get(job_id)

    def fill(self, jobs: Iterable[Job], now: float) -> None:
        """Show many rows where there were none."""
        self._created = sorted(jobs, key=_by_created)
        self._by_id = {job.id: job for job in self._created}
        self._finished = sorted((job for job in self._created if job.ended <= now), key=_by_ended)
        for job in self._created:
            if job.ended > now:
                self._live[job.id] = job
                self.watch(job)

    def add(self, job: Job, now: float) -> None:
        """Show a row."""
        self._by_id[job.id] = job
        _insert(self._created, job, _by_created)
        if job.ended <= now:
            _insert(self._finished, job, _by_ended)
        else:
            self._live[job.id] = job
            self.watch(job)

    def watch(self, job: Job) -> None:
        """Note that a live row's end is known, or known anew."""
        if job.ended < NEVER:
            heappush(self._ends, (job.ended, job.id))

    def remove(self, job: Job) -> None:
        """Show a row no longer."""
        if self._by_id.get(job.id) is not job:
            return
        del self._by_id[job.id]
        _delete(self._created, job, _by_created)
        if self._live.pop(job.id, None) is None:
            _delete(self._finished, job, _by_ended)

    def settle(self, now: float) -> None:
        """Move the rows that have ended by `now` to the finished ones."""
        while self._ends and self._ends[0][0] <= now:
            ended, job_id = heappop(self._ends)
            job = self._live.get(job_id)
            if job is not None and job.ended == ended:
                del self._live[job_id]
                _insert(self._finished, job, _by_ended)

    def live(self) -> Iterable[Job]:
        """Return the rows without a final status."""
        return self._live.values()

    def created_between(self, start: float, end: float, *, descending: bool) -> tuple[Iterator[Job], int]:
        """Return the rows created in [start, end], in that order, and how many they are."""
        low = bisect_left(self._created, start, key=lambda job: job.created)
        high = max(low, bisect_right(self._created, end, key=lambda job: job.created))
        return _walk(self._created, low, high, descending=descending), high - low

    def updated_between(
        self, start: float, end: float, now: float, *, descending: bool
    ) -> tuple[Iterator[Job], int]:
        """Return the rows whose status last changed in [start, end], in that order, and how many they are."""
        low = bisect_left(self._finished, start, key=lambda job: job.ended)
        high = max(low, bisect_right(self._finished, end, key=lambda job: job.ended))
        live = [job for job in self._live.values() if start <= job.updated(now) <= end]
        live.sort(key=lambda job: (job.updated(now), job.id), reverse=descending)
        rows = merge(
            _walk(self._finished, low, high, descending=descending),
            live,
            key=lambda job: (job.updated(now), job.id),
            reverse=descending,
        )
        return rows, high - low + len(live)


def _walk(rows: list[Job], low: int, high: int, *, descending: bool) -> Iterator[Job]:
    places = range(high - 1, low - 1, -1) if descending else range(low, high)
    return (rows[place] for place in places)


def _insert(rows: list[Job], job: Job, key: _Key) -> None:
    if not rows or key(rows[-1]) <= key(job):
        rows.append(job)
    else:
        insort(rows, job, key=key)


def _delete(rows: list[Job], job: Job, key: _Key) -> None:
    place = bisect_left(rows, key(job), key=key)
    while rows[place] is not job:
        place += 1
    del rows[place]
