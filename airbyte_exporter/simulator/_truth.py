"""What is really so in the simulated world, for tests to compare with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from ._jobs import FINAL_STATUSES, Attempt, Job
from ._planning import Actor, Connection
from ._schemas import stream_set_up

__all__ = [
    "SimulatedActor",
    "SimulatedAttempt",
    "SimulatedConnection",
    "SimulatedFailure",
    "SimulatedJob",
    "SimulatedStream",
    "actor_truth",
    "connection_truth",
    "job_truth",
]


@dataclass(frozen=True, slots=True)
class SimulatedFailure:
    """One reason for an attempt's failure; origin and type are ``None`` where Airbyte knows none."""

    origin: str | None
    type: str | None
    message: str
    at_milliseconds: int


@dataclass(frozen=True, slots=True)
class SimulatedAttempt:
    """An attempt as it really was. There are no failures for one that succeeded or is still running.

    The failures are in the order in which they happened. `partial_success` is whether it committed a part
    before it failed: ``None`` where Airbyte does not note that. The numbers are ``None`` where Airbyte
    recorded none.
    """

    number: int
    status: str
    started_at: int
    ended_at: int | None
    failures: tuple[SimulatedFailure, ...] = ()
    partial_success: bool | None = None
    records_emitted: int | None = None
    bytes_emitted: int | None = None
    records_committed: int | None = None
    bytes_committed: int | None = None
    records_rejected: int | None = None

    @property
    def failure(self) -> SimulatedFailure | None:
        """The first failure, which is the one that Airbyte reports."""
        return self.failures[0] if self.failures else None


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """A job as it really is, whether or not the API shows it.

    Times are in whole epoch seconds, as the API tells them. `updated_at` of a finished job is its end. The
    numbers are Airbyte's aggregate over attempts; they are ``None`` where Airbyte recorded none. `visible` is
    false while the row is not committed, and for good once it was deleted. `scheduled` is false for a job
    that somebody asked for. `streams` are the names of those that it is about, `refresh_mode` is what
    somebody who asked the API for a refresh wanted of it.
    """

    id: int
    connection_id: str
    config_type: str
    status: str
    created_at: int
    updated_at: int
    attempts: tuple[SimulatedAttempt, ...]
    visible: bool
    scheduled: bool
    records_emitted: int | None = None
    bytes_emitted: int | None = None
    records_committed: int | None = None
    bytes_committed: int | None = None
    records_rejected: int | None = None
    streams: tuple[str, ...] = ()
    refresh_mode: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.status in FINAL_STATUSES

    @property
    def started_at(self) -> int | None:
        """When its first attempt began."""
        return self.attempts[0].started_at if self.attempts else None

    @property
    def queue_seconds(self) -> int | None:
        """How long it waited for its first attempt."""
        return None if self.started_at is None else self.started_at - self.created_at

    @property
    def duration_seconds(self) -> int | None:
        """How long it took from its first attempt to its end."""
        return self.updated_at - self.started_at if self.is_final and self.started_at is not None else None

    @property
    def partial_success(self) -> bool | None:
        """Whether it failed or was cancelled having committed a part, by what Airbyte notes of its attempts.

        True where one attempt did. ``None`` where that is not known of all of them, where there was none,
        and for a job that succeeded or is live.
        """
        if self.status not in {"failed", "cancelled"} or not self.attempts:
            return None
        notes = [attempt.partial_success for attempt in self.attempts if attempt.status == "failed"]
        if True in notes:
            return True
        return None if None in notes else False


@dataclass(frozen=True, slots=True)
class SimulatedActor:
    """A source or a destination as it really is, used by a connection or not.

    The configuration has its secrets.
    """

    id: str
    name: str
    workspace_id: str
    connector: str
    deleted: bool
    configuration: Mapping[str, Any] = field(default_factory=dict, hash=False)


class SimulatedStream(NamedTuple):
    """A stream as a connection syncs it, in the words of Airbyte's syncCatalog."""

    name: str
    namespace: str | None
    sync_mode: str
    destination_sync_mode: str
    cursor_field: tuple[str, ...] = ()
    primary_key: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class SimulatedConnection:
    """A connection as it really is; a deleted one has the status ``deprecated``.

    `interval` is how often it really syncs, in seconds, `told_interval` what the API tells of it; both are 0
    for one that is synced by hand. `next_run_at` is when its schedule asks for the next sync, and asked
    for it where that could not start yet; ``None`` where nothing will be asked for. `disabled_at` is when one
    that is disabled became so, `disabled_by_person` whether that was somebody's doing, and `disabled_reason`
    why Airbyte did it. `streams` are those that its next job is about.
    """

    id: str
    name: str
    workspace_id: str
    workspace_name: str
    status: str
    source_id: str
    source_name: str
    source_connector: str
    destination_id: str
    destination_name: str
    destination_connector: str
    schedule_type: str
    interval: float
    told_interval: float
    next_run_at: float | None
    schema_change: str
    tags: tuple[str, ...]
    character: str
    disabled_at: int | None = None
    disabled_by_person: bool | None = None
    disabled_reason: str | None = None
    streams: tuple[SimulatedStream, ...] = ()


def job_truth(job: Job, now: float) -> SimulatedJob:
    """Describe `job` as of `now`."""
    attempts = tuple(
        _attempt_truth(job, number, attempt, now) for number, attempt in enumerate(job.tries(now))
    )
    return SimulatedJob(
        job.id,
        job.connection_id,
        job.config_type,
        job.status(now),
        int(job.created),
        int(job.updated(now)),
        attempts,
        visible=not (job.hidden or job.gone),
        scheduled=job.scheduled,
        streams=tuple(stream.name for stream in job.streams),
        refresh_mode=job.refresh_mode,
        **(job.total(now)._asdict() if job.has_stats and attempts else {}),
    )


def _attempt_truth(job: Job, number: int, attempt: Attempt, now: float) -> SimulatedAttempt:
    status = attempt.status(now)
    failed = status == "failed"
    failures = tuple(
        SimulatedFailure(failure.origin, failure.type, failure.message, int(at * 1000))
        for at, failure in (attempt.failures_at() if failed else ())
    )
    return SimulatedAttempt(
        number,
        status,
        int(attempt.started),
        None if status == "running" else int(attempt.ended),
        failures,
        attempt.partial_success if failed and job.has_stats else None,
        **(attempt.numbers(now)._asdict() if job.has_stats else {}),
    )


def actor_truth(actor: Actor) -> SimulatedActor:
    """Describe a source or a destination."""
    return SimulatedActor(
        actor.id,
        actor.name,
        actor.workspace_id,
        actor.connector.name,
        deleted=actor.deleted,
        configuration=actor.configuration,
    )


def connection_truth(
    connection: Connection, workspace_name: str, tags: tuple[str, ...], now: float
) -> SimulatedConnection:
    """Describe `connection` as of `now`."""
    disabling = connection.timeline.disabling if connection.status == "inactive" else None
    return SimulatedConnection(
        connection.id,
        connection.name,
        connection.workspace_id,
        workspace_name,
        connection.status,
        connection.source.id,
        connection.source.name,
        connection.source.connector.name,
        connection.destination.id,
        connection.destination.name,
        connection.destination.connector.name,
        connection.schedule.type,
        connection.schedule.interval,
        connection.schedule.told_interval(now),
        _next_run(connection),
        connection.schema_change,
        tags,
        connection.character,
        None if disabling is None else int(disabling.at),
        None if disabling is None else disabling.user_id is not None,
        None if disabling is None else disabling.reason,
        _streams_truth(connection),
    )


def _streams_truth(connection: Connection) -> tuple[SimulatedStream, ...]:
    if connection.catalogue is None:
        return tuple(_founders(one.name, one.namespace, one.full_refresh) for one in connection.streams)
    return tuple(map(_stream_truth, connection.catalogue))


@lru_cache(maxsize=1024)
def _founders(name: str, namespace: str | None, full_refresh: bool) -> SimulatedStream:
    return _stream_truth(stream_set_up(name, namespace, full_refresh))


def _stream_truth(configured: Mapping[str, Any]) -> SimulatedStream:
    stream, config = configured["stream"], configured["config"]
    return SimulatedStream(
        stream["name"],
        stream.get("namespace"),
        config["syncMode"],
        config["destinationSyncMode"],
        tuple(config["cursorField"]),
        tuple(tuple(path) for path in config["primaryKey"]),
    )


def _next_run(connection: Connection) -> float | None:
    if connection.status != "active" or connection.schedule.type == "manual":
        return None
    return connection.schedule.next_after(connection.ran)
