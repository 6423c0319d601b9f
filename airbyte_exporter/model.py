"""The facts this project is about, frozen, and what follows from them by arithmetic alone.

No I/O and no clock. Every instant is in epoch seconds as Airbyte tells it, every size in bytes. ``None``
means *not known* and is never the same as zero. The poller builds these values from Airbyte's API, the
store keeps them, and metrics, alerts, the status page and the command line all read the same ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

__all__ = [
    "NO_COUNTERS",
    "Actor",
    "AlertState",
    "Attempt",
    "AttemptStatus",
    "CompletedKey",
    "Connection",
    "ConnectionCounters",
    "ConnectionFacts",
    "ConnectionHistory",
    "ConnectionStatus",
    "Decision",
    "Definition",
    "Delivery",
    "Failure",
    "Incident",
    "IncidentStatus",
    "Instance",
    "Inventory",
    "Job",
    "JobDetails",
    "JobKey",
    "JobStatus",
    "JobType",
    "Latest",
    "Notification",
    "Schedule",
    "ScheduleType",
    "SchemaChange",
    "Snapshot",
    "StreamVolumes",
    "Volumes",
    "Workspace",
]


class JobType(StrEnum):
    """What a job does. A *sync* in metrics and alerts is a job that moves data: sync or refresh."""

    SYNC = "sync"
    REFRESH = "refresh"
    RESET = "reset"
    CLEAR = "clear"
    UNKNOWN = "unknown"

    @property
    def moves_data(self) -> bool:
        """Whether the job brings records from the source to the destination."""
        return self in {JobType.SYNC, JobType.REFRESH}


class JobStatus(StrEnum):
    """Airbyte's job status; ``UNKNOWN`` stands for any value that this version has not heard of."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    INCOMPLETE = "incomplete"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Whether Airbyte never changes a job with this status again."""
        return self in {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED}


class AttemptStatus(StrEnum):
    """Airbyte's attempt status. A cancelled job's attempt is ``FAILED`` with a manual cancellation."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class ConnectionStatus(StrEnum):
    """Airbyte's connection status; ``INACTIVE`` is disabled, ``DEPRECATED`` is deleted."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    LOCKED = "locked"
    DEPRECATED = "deprecated"
    UNKNOWN = "unknown"


class ScheduleType(StrEnum):
    """How Airbyte decides when a connection syncs."""

    BASIC = "basic"
    CRON = "cron"
    MANUAL = "manual"
    UNKNOWN = "unknown"


class SchemaChange(StrEnum):
    """What Airbyte found when it last compared the source's schema with the connection's."""

    NONE = "none"
    NON_BREAKING = "non_breaking"
    BREAKING = "breaking"


@dataclass(frozen=True, slots=True)
class Workspace:
    """An Airbyte workspace."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A source or a destination, with its connector's name as people see it (``Postgres``).

    `connector_version` is the connector's image tag, ``None`` where the API does not tell.
    """

    id: str
    name: str
    connector: str
    connector_version: str | None = None


_UNIT_SECONDS: Final = {
    "minutes": 60,
    "hours": 3600,
    "days": 86400,
    "weeks": 7 * 86400,
    "months": 30 * 86400,
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A connector that an Airbyte offers, as ``source`` or ``destination``, which is its `kind`.

    `repository` and `tag` are those of its image, ``None`` where the API does not tell. A single source or
    destination may run another tag than this one.
    """

    id: str
    kind: str
    name: str
    repository: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a connection is meant to sync.

    `units` and `time_unit` (minutes, hours, days, weeks, months) belong to basic schedules,
    `cron_expression` (Quartz syntax) and `cron_time_zone` to cron schedules.
    """

    type: ScheduleType
    units: int | None = None
    time_unit: str | None = None
    cron_expression: str | None = None
    cron_time_zone: str | None = None

    @property
    def interval(self) -> int | None:
        """Seconds between two runs of a basic schedule, by Airbyte's own rule: a month has 30 days.

        ``None`` for other schedules, and where the units are not known.
        """
        unit = _UNIT_SECONDS.get(self.time_unit or "")
        if self.type is not ScheduleType.BASIC or not self.units or unit is None:
            return None
        return self.units * unit


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as an inventory listing tells of it."""

    id: str
    name: str
    workspace_id: str
    status: ConnectionStatus
    source: Actor
    destination: Actor
    schedule: Schedule
    tags: tuple[str, ...] = ()
    created_at: int | None = None
    schema_change: SchemaChange | None = None

    def page(self, ui_url: str | None) -> str | None:
        """Return the address of the connection in Airbyte's own pages, ``None`` where those are not known."""
        if ui_url is None or not ui_url.startswith(("http://", "https://")):
            return None
        workspace, connection = quote(self.workspace_id, safe=""), quote(self.id, safe="")
        return f"{ui_url.rstrip('/')}/workspaces/{workspace}/connections/{connection}"


@dataclass(frozen=True, slots=True)
class Instance:
    """What is known about the Airbyte installation itself.

    `api` is the API family in use (``config``, ``reference`` for its short form, or ``public``), `auth` how
    we authenticate (``none``, ``basic``, ``bearer``, ``client-credentials``). `deployment_id` is Airbyte's
    own id where it tells one.
    """

    version: str | None
    edition: str | None
    api: str
    auth: str
    deployment_id: str | None = None

    @property
    def tells_emitted(self) -> bool:
        """Whether this API tells what sources emit; the short reference and the public API do not."""
        return self.api not in {"reference", "public"}

    @property
    def tells_tags(self) -> bool:
        """Whether this API tells the tags of connections; the short reference does not."""
        return self.api != "reference"


@dataclass(frozen=True, slots=True)
class Inventory:
    """One complete listing of what exists, read at `read_at` in Airbyte's time."""

    instance: Instance
    workspaces: tuple[Workspace, ...]
    connections: tuple[Connection, ...]
    read_at: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: Airbyte's first failure of that attempt.

    `origin` and `type` are Airbyte's documented values, ``unknown`` for anything else and for absent
    ones. `message` is free text: it never becomes a label.
    """

    origin: str
    type: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job. `number` counts from 0."""

    number: int
    status: AttemptStatus
    created_at: int
    ended_at: int | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Volumes:
    """How much a job moved. *Synced* is committed to the destination. Each is ``None`` when not known."""

    records_synced: int | None = None
    bytes_synced: int | None = None
    records_emitted: int | None = None
    bytes_emitted: int | None = None
    records_rejected: int | None = None


class JobKey(NamedTuple):
    """What makes a job itself: ids are issued again after Airbyte's database was restored."""

    connection_id: str
    id: int
    created_at: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a connection.

    `updated_at` is the time of the last change of status, so the end of a finished job (Airbyte writes it
    at status transitions only). `attempts` is ``None`` where the API does not tell them. `has_stats` is
    whether Airbyte recorded any numbers at all, ``None`` where that cannot be told; `volumes` is ``None``
    when there are none.
    """

    connection_id: str
    id: int
    created_at: int
    updated_at: int
    type: JobType
    status: JobStatus
    attempts: tuple[Attempt, ...] | None = None
    volumes: Volumes | None = None
    has_stats: bool | None = None

    @property
    def key(self) -> JobKey:
        """The job's identity."""
        return JobKey(self.connection_id, self.id, self.created_at)

    @property
    def started_at(self) -> int | None:
        """Creation of the first attempt (Airbyte never fills its own ``startedAt``)."""
        return self.attempts[0].created_at if self.attempts else None

    @property
    def ended_at(self) -> int | None:
        """When the job reached its final status; ``None`` while it is live."""
        return self.updated_at if self.status.is_final else None

    @property
    def duration(self) -> int | None:
        """Seconds from the first attempt to the end; ``None`` while live or where attempts are not known."""
        if self.ended_at is None or self.started_at is None:
            return None
        return max(0, self.ended_at - self.started_at)

    @property
    def failure(self) -> Failure | None:
        """Why the job failed: the failure of its last failed attempt, as Airbyte itself reports it.

        ``None`` where that is not known, and for a job that succeeded after all.
        """
        if self.status is JobStatus.SUCCEEDED:
            return None
        failures = [attempt.failure for attempt in self.attempts or () if attempt.failure]
        return failures[-1] if failures else None


@dataclass(frozen=True, slots=True)
class StreamVolumes:
    """How much a job moved of one stream, over all of its attempts. `namespace` is ``None`` without one."""

    namespace: str | None
    name: str
    volumes: Volumes


@dataclass(frozen=True, slots=True)
class JobDetails:
    """A job with its streams' numbers. `streams` is ``None`` where Airbyte tells none of them."""

    job: Job
    streams: tuple[StreamVolumes, ...] | None = None


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

    `jobs` is keyed by (job type, status); the volumes are from every finished job, failed and cancelled
    included.
    """

    jobs: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))
    records_synced: int = 0
    bytes_synced: int = 0
    records_emitted: int = 0
    bytes_emitted: int = 0
    records_rejected: int = 0


NO_COUNTERS: Final = ConnectionCounters()


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """Everything known about one connection.

    `last_sync` is the newest finished sync; `last_success_at` and `last_failure_at` are ends of the newest
    succeeded and failed ones. `live_jobs` are those without a final status, newest first.
    `consecutive_failures` counts failed syncs since the last success, cancelled ones change nothing.
    """

    connection: Connection
    first_seen_at: int
    last_sync: Job | None = None
    last_success_at: int | None = None
    last_failure_at: int | None = None
    live_jobs: tuple[Job, ...] = ()
    consecutive_failures: int = 0
    counters: ConnectionCounters = NO_COUNTERS

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
    recorded change that belongs to this view: what was recorded later is not part of it.
    """

    instance: Instance
    epoch: int
    workspaces: tuple[Workspace, ...] = ()
    connections: Mapping[str, ConnectionFacts] = field(default_factory=lambda: MappingProxyType({}))
    completed: Mapping[CompletedKey, int] = field(default_factory=lambda: MappingProxyType({}))
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


class IncidentStatus(StrEnum):
    """Whether an incident goes on."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is wrong with one connection, from its start to its end.

    `fingerprint` is the incident's own and never changes. `group` names the family of rules in which
    the highest that holds speaks. An `adopted` incident was there before the exporter watched: nothing of
    it is sent, until another sync fails in it and it is adopted no more. `notified_at` is the as-of time of
    the newest notification, ``None`` before the first; `sequence` is how many there were, `receivers` are
    the names of those who were told. `job` is the one that it is about.
    """

    fingerprint: str
    group: str
    connection_id: str
    rule: str
    severity: str
    status: IncidentStatus
    starts_at: int
    adopted: bool = False
    ends_at: int | None = None
    reason: str | None = None
    notified_at: int | None = None
    sequence: int = 0
    job: Job | None = None
    receivers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertState:
    """What the evaluator remembers of a connection and a group of rules.

    `judged` is the newest finished sync that has been looked at, `incident` the newest incident, going on
    or over.
    """

    connection_id: str
    group: str
    judged: JobKey | None = None
    incident: Incident | None = None


@dataclass(frozen=True, slots=True)
class ConnectionHistory:
    """What a decision about one connection needs.

    `finished` holds the finished syncs that no decision has looked at yet, oldest first. `deleted` is
    whether the connection is gone from the inventory.
    """

    facts: ConnectionFacts
    workspace: Workspace
    state: AlertState | None
    finished: tuple[Job, ...]
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    """One message about an incident.

    `id` is the same on every retry; `body` is ready for JSON. `receivers` are the names of those who are to
    get it, ``None`` for everybody.
    """

    id: str
    fingerprint: str
    type: str
    created_at: int
    body: Mapping[str, Any]
    receivers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What evaluation came to for one connection: the state to keep and the messages to send.

    `ended` holds incidents that are over and no longer the state's newest one, because another began in
    the same evaluation.
    """

    state: AlertState
    notifications: tuple[Notification, ...] = ()
    ended: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification on its way to one receiver, claimed for a while. `attempt` counts from 1.

    `created_at` is when it was written to the outbox, by the exporter's own clock.
    """

    id: int
    receiver: str
    notification: Notification
    attempt: int
    created_at: float


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
