"""What is known of one Airbyte as a whole, and of each of its connections, at one time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, TypeVar

from airbyte_exporter.model._airbyte import Connection, Disabling, Instance, Workspace
from airbyte_exporter.model._jobs import Job

__all__ = [
    "DURATION_BUCKETS",
    "NO_COUNTERS",
    "CompletedKey",
    "ConnectionCounters",
    "ConnectionFacts",
    "DurationKey",
    "Durations",
    "Latest",
    "Snapshot",
]


class CompletedKey(NamedTuple):
    """Labels of the instance-wide counter of completed jobs, in the order they are exposed."""

    job_type: str
    status: str
    source_connector: str
    destination_connector: str
    schedule_type: str


@dataclass(frozen=True, slots=True)
class ConnectionCounters:
    """What a connection's jobs that ended since the state's epoch add up to.

    `jobs` is keyed by (job type, status), `failures` by (origin, type): each failed attempt by its first
    failure. The volumes are from every finished job, failed and cancelled included; attempts and failures
    are those of syncs and refreshes.
    """

    jobs: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))
    records_synced: int = 0
    bytes_synced: int = 0
    records_emitted: int = 0
    bytes_emitted: int = 0
    records_rejected: int = 0
    attempts_succeeded: int = 0
    attempts_failed: int = 0
    failures: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))


NO_COUNTERS: Final = ConnectionCounters()


class DurationKey(NamedTuple):
    """Labels of the instance-wide histogram of durations, in the order they are exposed."""

    job_type: str
    status: str


DURATION_BUCKETS: Final = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400)
"""Upper bounds of the durations of jobs, in seconds, from ten seconds to a day."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long finished jobs took since the state's epoch.

    `numbers` has how many fell into each of `DURATION_BUCKETS` and above the last, not added up; `seconds`
    is what they took together.
    """

    numbers: tuple[int, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """Everything known about one connection.

    `last_sync` is the newest finished sync; `last_success_at` and `last_failure_at` are ends of the newest
    succeeded and failed ones. `live_jobs` are those without a final status, newest first.
    `consecutive_failures` counts failed syncs since the last success, cancelled ones change nothing.
    `schedule_interval` is how many seconds may lie between two runs, `next_run_at` when the next one is due,
    or was; ``None`` where the schedule does not tell, `next_run_at` also while the connection is not active.
    `scheduled_since` is since when it is seen to be active with this schedule; ``None`` while it is not.
    `disabled` is how a connection that is inactive or locked became so, if that was while it was watched, and
    as soon as it is known what Airbyte tells of it. `is_history_complete` is whether all that Airbyte has of
    its successes is known: without it, that no success is known does not mean that there was none.
    """

    connection: Connection
    first_seen_at: int
    last_sync: Job | None = None
    last_success_at: int | None = None
    last_failure_at: int | None = None
    live_jobs: tuple[Job, ...] = ()
    consecutive_failures: int = 0
    counters: ConnectionCounters = NO_COUNTERS
    schedule_interval: int | None = None
    next_run_at: int | None = None
    scheduled_since: int | None = None
    disabled: Disabling | None = None
    is_history_complete: bool = False

    @property
    def active_job(self) -> Job | None:
        """The newest live job."""
        return self.live_jobs[0] if self.live_jobs else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One complete, consistent view of an Airbyte, published whole and never changed.

    `epoch` is when counting began. `jobs_as_of` and `inventory_as_of` are the Airbyte times of the last
    complete polls; `oldest_answer_at` is the time up to which every connection is known, where each is asked
    by itself. When a poll has been failing for longer than its maximum staleness, `jobs_stale` or
    `inventory_stale` is set and the facts that depend on it are not to be shown. `sequence` is the newest
    recorded change that belongs to this view: what was recorded later is not part of it. `sources` and
    `destinations` are how many there are of each connector, ``None`` where that is not known.
    """

    instance: Instance
    epoch: int
    workspaces: tuple[Workspace, ...] = ()
    connections: Mapping[str, ConnectionFacts] = field(default_factory=lambda: MappingProxyType({}))
    completed: Mapping[CompletedKey, int] = field(default_factory=lambda: MappingProxyType({}))
    durations: Mapping[DurationKey, Durations] = field(default_factory=lambda: MappingProxyType({}))
    sources: Mapping[str, int] | None = None
    destinations: Mapping[str, int] | None = None
    jobs_as_of: int | None = None
    oldest_answer_at: int | None = None
    inventory_as_of: int | None = None
    jobs_stale: bool = False
    inventory_stale: bool = False
    sequence: int = 0

    @property
    def as_of(self) -> int | None:
        """The older of the two complete polls: what alerts about connections are judged by."""
        if self.jobs_as_of is None or self.inventory_as_of is None:
            return None
        jobs = self.jobs_as_of if self.oldest_answer_at is None else self.oldest_answer_at
        return min(jobs, self.inventory_as_of)


T = TypeVar("T")


class Latest(Generic[T]):
    """Hold the newest published value; a reader keeps the one it took."""

    def __init__(self, value: T) -> None:
        self._value = value

    def publish(self, value: T) -> None:
        """Swap the value: one reference assignment, so no reader sees half of it."""
        self._value = value

    def get(self) -> T:
        """Return the newest value."""
        return self._value
