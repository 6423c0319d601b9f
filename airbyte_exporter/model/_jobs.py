"""What Airbyte did: jobs, their attempts, how much they moved, why they failed."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = [
    "Attempt",
    "AttemptStatus",
    "Failure",
    "Job",
    "JobDetails",
    "JobKey",
    "JobStatus",
    "JobType",
    "StreamVolumes",
    "Volumes",
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
    """One try at a job. `number` counts from 0.

    `partial_success` is whether it failed after it had committed something, as Airbyte says of a failed
    attempt; ``None`` where it does not say.
    """

    number: int
    status: AttemptStatus
    created_at: int
    ended_at: int | None = None
    failure: Failure | None = None
    partial_success: bool | None = None


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
    def queue_time(self) -> int | None:
        """Seconds from creation to the first attempt; ``None`` before that, or where that is not known."""
        return None if self.started_at is None else max(0, self.started_at - self.created_at)

    @property
    def partial_success(self) -> bool | None:
        """Whether a job that did not succeed had committed part of its records all the same.

        One attempt that did is enough. ``None`` for other jobs, for one without attempts, and where Airbyte
        does not say it of every failed attempt.
        """
        if self.status not in {JobStatus.FAILED, JobStatus.CANCELLED} or not self.attempts:
            return None
        told = [one.partial_success for one in self.attempts if one.status is AttemptStatus.FAILED]
        if True in told:
            return True
        return None if None in told else False

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
