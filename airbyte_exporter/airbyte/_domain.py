"""Domain types made of Airbyte's JSON: what its fields mean."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final, TypeVar

from airbyte_exporter.airbyte._wire import (
    LARGEST_NUMBER,
    WireAttempt,
    WireBasicSchedule,
    WireConnection,
    WireDestination,
    WireDestinationDefinition,
    WireDetailedJobInfo,
    WireFullConnection,
    WireJob,
    WireJobInfo,
    WireJobs,
    WireLooseInfo,
    WireLooseJob,
    WireLooseJobs,
    WireScheduleData,
    WireSource,
    WireSourceDefinition,
    WireStats,
    WireSummary,
    WireWorkspace,
)
from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionStatus,
    Definition,
    Failure,
    Job,
    JobDetails,
    JobKey,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    SchemaChange,
    StreamVolumes,
    Volumes,
    Workspace,
)

__all__ = [
    "actor_of",
    "connection_of",
    "definition_of",
    "full_connection_of",
    "job_details_of",
    "job_of",
    "jobs_of",
    "jobs_of_connection",
    "loose_job_of_info",
    "workspace_of",
]

MESSAGE_LENGTH: Final = 1_000
FAILURE_ORIGINS: Final = frozenset(
    {
        "source",
        "destination",
        "replication",
        "persistence",
        "airbyte_platform",
        "normalization",
        "dbt",
        "unknown",
    }
)
FAILURE_TYPES: Final = frozenset(
    {
        "config_error",
        "system_error",
        "manual_cancellation",
        "refresh_schema",
        "heartbeat_timeout",
        "destination_timeout",
        "transient_error",
    }
)
_JOB_TYPES: Final = {
    "sync": JobType.SYNC,
    "refresh": JobType.REFRESH,
    "reset_connection": JobType.RESET,
    "clear": JobType.CLEAR,
}
_SCHEMA_CHANGES: Final = {
    "no_change": SchemaChange.NONE,
    "non_breaking": SchemaChange.NON_BREAKING,
    "breaking": SchemaChange.BREAKING,
}

E = TypeVar("E", bound=StrEnum)


def known(kind: type[E], value: str | None, unknown: E) -> E:
    try:
        return kind(value) if value is not None else unknown
    except ValueError:
        return unknown


def workspace_of(wire: WireWorkspace) -> Workspace:
    """Make a workspace of its wire form."""
    return Workspace(wire.workspace_id, wire.name or wire.workspace_id)


def actor_of(wire: WireSource | WireDestination, version: str | None = None) -> Actor:
    """Make a source or destination of its wire form; `version` is its connector's image tag."""
    return Actor(wire.id, wire.name or wire.id, wire.connector or "unknown", version)


def definition_of(wire: WireSourceDefinition | WireDestinationDefinition) -> Definition:
    """Make a definition of its wire form."""
    return Definition(
        wire.id,
        "source" if isinstance(wire, WireSourceDefinition) else "destination",
        wire.name or wire.id,
        wire.docker_repository,
        wire.docker_image_tag,
    )


def connection_of(wire: WireConnection, workspace_id: str) -> Connection:
    """Make a connection of its wire form. The listing does not tell when it was created."""
    source_version = wire.source_actor_definition_version
    destination_version = wire.destination_actor_definition_version
    return Connection(
        id=wire.connection_id,
        name=wire.name or wire.connection_id,
        workspace_id=workspace_id,
        status=known(ConnectionStatus, wire.status, ConnectionStatus.UNKNOWN),
        source=actor_of(wire.source, source_version.docker_image_tag if source_version else None),
        destination=actor_of(
            wire.destination,
            destination_version.docker_image_tag if destination_version else None,
        ),
        schedule=_schedule(wire.schedule_type, wire.schedule_data),
        tags=tuple(sorted({tag.name for tag in wire.tags})),
        schema_change=_SCHEMA_CHANGES.get(wire.schema_change or ""),
    )


def full_connection_of(
    wire: WireFullConnection, workspace_id: str, source: Actor, destination: Actor
) -> Connection:
    """Make a connection of an item of ``connections/list``.

    Of changes of the schema that listing only tells that one is breaking.
    """
    return Connection(
        id=wire.connection_id,
        name=wire.name or wire.connection_id,
        workspace_id=workspace_id,
        status=known(ConnectionStatus, wire.status, ConnectionStatus.UNKNOWN),
        source=source,
        destination=destination,
        schedule=_schedule(wire.schedule_type, wire.schedule_data, wire.schedule),
        tags=tuple(sorted({tag.name for tag in wire.tags})),
        created_at=wire.created_at,
        schema_change=SchemaChange.BREAKING if wire.breaking_change else None,
    )


def _schedule(
    kind: str | None, data: WireScheduleData | None, legacy: WireBasicSchedule | None = None
) -> Schedule:
    if kind is None and legacy is not None:
        return Schedule(ScheduleType.BASIC, units=legacy.units, time_unit=legacy.time_unit)
    basic = data.basic_schedule if data else None
    cron = data.cron if data else None
    match known(ScheduleType, kind, ScheduleType.UNKNOWN):
        case ScheduleType.BASIC if basic:
            return Schedule(ScheduleType.BASIC, units=basic.units, time_unit=basic.time_unit)
        case ScheduleType.CRON if cron:
            return Schedule(
                ScheduleType.CRON, cron_expression=cron.cron_expression, cron_time_zone=cron.cron_time_zone
            )
        case other:
            return Schedule(other)


def jobs_of(wire: WireJobs) -> tuple[Job, ...]:
    """Make the jobs of a page, in its order, rows of one job put together.

    Airbyte groups adjacent rows of its join, so that jobs with the same time can come back several times,
    each time with some of their attempts.
    """
    rows: dict[JobKey, tuple[WireJob, dict[int, WireAttempt]]] = {}
    for row in wire.jobs:
        key = JobKey(row.job.config_id, row.job.id, row.job.created_at)
        job, attempts = rows.pop(key, (row.job, {}))
        attempts.update((attempt.id, attempt) for attempt in row.attempts)
        rows[key] = (max(job, row.job, key=lambda version: version.updated_at), attempts)
    return tuple(_job(job, attempts.values(), job.config_id) for job, attempts in rows.values())


def jobs_of_connection(wire: WireLooseJobs, connection_id: str) -> tuple[Job, ...]:
    """Make the jobs of one connection, in the order of the answer, rows of one job put together."""
    rows: dict[JobKey, tuple[WireLooseJob, dict[int, WireAttempt] | None]] = {}
    for row in wire.jobs:
        key = JobKey(connection_id, row.job.id, row.job.created_at)
        _, attempts = rows.get(key, (row.job, None))
        if row.attempts is not None:
            attempts = {**(attempts or {}), **{attempt.id: attempt for attempt in row.attempts}}
        rows[key] = (row.job, attempts)
    return tuple(
        _job_without_attempts(job, connection_id)
        if attempts is None
        else _job(job, attempts.values(), connection_id)
        for job, attempts in rows.values()
    )


def _job_without_attempts(wire: WireLooseJob, connection_id: str) -> Job:
    """Make a job of the short reference API, which tells volumes in a ``summary`` once it is finished.

    Without one it cannot be told whether Airbyte recorded anything.
    """
    stats = _job_stats(wire)
    summary = wire.summary or WireSummary()
    records = _first(summary.records_synced, stats.records_committed if stats else None)
    bytes_ = _first(summary.bytes_synced, stats.bytes_committed if stats else None)
    told = stats is not None or records is not None or bytes_ is not None
    volumes = _volumes(stats or WireStats(), ())
    return Job(
        connection_id=connection_id,
        id=wire.id,
        created_at=wire.created_at,
        updated_at=wire.updated_at,
        type=_JOB_TYPES.get(wire.config_type or "", JobType.UNKNOWN),
        status=known(JobStatus, wire.status, JobStatus.UNKNOWN),
        attempts=None,
        volumes=replace(volumes, records_synced=records, bytes_synced=bytes_) if told else None,
        has_stats=True if told else None,
    )


def loose_job_of_info(wire: WireLooseInfo) -> Job:
    """Make the one job that was asked for; the id of its connection is empty where it is not told."""
    connection_id = wire.job.config_id or ""
    if wire.attempts is None:
        return _job_without_attempts(wire.job, connection_id)
    return _job(wire.job, [info.attempt for info in wire.attempts], connection_id)


def job_of(wire: WireJobInfo) -> Job:
    """Make the one job that was asked for of its wire form."""
    return _job(wire.job, [info.attempt for info in wire.attempts], wire.job.config_id)


def job_details_of(wire: WireDetailedJobInfo) -> JobDetails:
    """Make the one job that was asked for, with its streams, of its wire form."""
    streams = [
        StreamVolumes(
            one.stream_namespace,
            one.stream_name,
            Volumes(
                records_synced=one.records_committed,
                bytes_synced=one.bytes_committed,
                records_emitted=one.records_emitted,
                bytes_emitted=one.bytes_emitted,
                records_rejected=one.records_rejected,
            ),
        )
        for one in wire.job.stream_aggregated_stats
        if one.stream_name is not None
    ]
    return JobDetails(job_of(wire), tuple(streams) or None)


def _job(wire: WireJob | WireLooseJob, attempts: Iterable[WireAttempt], connection_id: str) -> Job:
    tries = sorted(attempts, key=lambda attempt: attempt.id)
    status = known(JobStatus, wire.status, JobStatus.UNKNOWN)
    stats = _job_stats(wire)
    has_stats = stats is not None or any(attempt.has_numbers for attempt in tries)
    return Job(
        connection_id=connection_id,
        id=wire.id,
        created_at=wire.created_at,
        updated_at=wire.updated_at,
        type=_JOB_TYPES.get(wire.config_type or "", JobType.UNKNOWN),
        status=status,
        attempts=tuple(_attempt(attempt) for attempt in tries),
        volumes=_volumes(stats or WireStats(), tries) if has_stats else None,
        has_stats=has_stats if has_stats or status.is_final else None,
    )


def _attempt(wire: WireAttempt) -> Attempt:
    return Attempt(
        number=wire.id,
        status=known(AttemptStatus, wire.status, AttemptStatus.UNKNOWN),
        created_at=wire.created_at,
        ended_at=wire.ended_at,
        failure=_failure(wire),
        partial_success=wire.failure_summary.partial_success if wire.failure_summary else None,
    )


def _failure(wire: WireAttempt) -> Failure | None:
    """Take the first failure by its time, which is the one that Airbyte itself reports."""
    failures = wire.failure_summary.failures if wire.failure_summary else ()
    if not failures:
        return None
    first = min(failures, key=lambda one: LARGEST_NUMBER if one.timestamp is None else one.timestamp)
    message = first.external_message or first.internal_message
    return Failure(
        origin=first.failure_origin if first.failure_origin in FAILURE_ORIGINS else "unknown",
        type=first.failure_type if first.failure_type in FAILURE_TYPES else "unknown",
        message=message[:MESSAGE_LENGTH] if message else None,
    )


def _job_stats(wire: WireJob | WireLooseJob) -> WireStats | None:
    """Return ``aggregatedStats`` where they mean something.

    Airbyte adds them up from the streams' rows: without any row its zeros stand for nothing recorded.
    """
    stats = wire.aggregated_stats
    return stats if stats and (wire.stream_aggregated_stats or any(stats.numbers)) else None


def _volumes(job: WireStats, tries: Sequence[WireAttempt]) -> Volumes:
    """Take what Airbyte itself reports of the job, and for what that does not tell what the attempts tell.

    Airbyte's own sums come first: they count the attempts of a full refresh right.
    """
    totals = [attempt.total_stats or WireStats() for attempt in tries]
    return Volumes(
        records_synced=_first(
            job.records_committed,
            _total(
                _first(one.records_synced, stats.records_committed)
                for one, stats in zip(tries, totals, strict=True)
            ),
        ),
        bytes_synced=_first(
            job.bytes_committed,
            _committed_bytes(tries),
        ),
        records_emitted=_first(job.records_emitted, _total(stats.records_emitted for stats in totals)),
        bytes_emitted=_first(job.bytes_emitted, _total(stats.bytes_emitted for stats in totals)),
        records_rejected=_first(job.records_rejected, _total(stats.records_rejected for stats in totals)),
    )


def _committed_bytes(tries: Sequence[WireAttempt]) -> int | None:
    """Add up what attempts committed; ``None`` if one of them committed records and does not tell how much.

    Airbyte writes an attempt's bytes at its end: one that crashed has none. Without records there are none.
    """
    sizes: list[int | None] = []
    for attempt in tries:
        stats = attempt.total_stats or WireStats()
        size = _first(attempt.bytes_synced, stats.bytes_committed)
        records = _first(attempt.records_synced, stats.records_committed)
        if size is None and records:
            return None
        sizes.append(0 if size is None and records == 0 else size)
    return _total(sizes)


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _total(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return min(sum(known), LARGEST_NUMBER) if known else None
