"""Between values of the model and rows of the tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionStatus,
    Failure,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    SchemaChange,
    Volumes,
)
from airbyte_exporter.store.schema import connections, jobs, storable

__all__ = [
    "CONNECTION_COLUMNS",
    "JOB_COLUMNS",
    "VOLUMES",
    "connection_from_row",
    "connection_values",
    "job_from_json",
    "job_from_row",
    "job_to_json",
    "job_values",
]

_JOB_TYPES: Final = {member.value: member for member in JobType}
_JOB_STATUSES: Final = {member.value: member for member in JobStatus}
_ATTEMPT_STATUSES: Final = {member.value: member for member in AttemptStatus}

VOLUMES: Final = ("records_synced", "bytes_synced", "records_emitted", "bytes_emitted", "records_rejected")

JOB_COLUMNS: Final = tuple(
    jobs.c[name]
    for name in (
        "connection_id",
        "id",
        "created_at",
        "updated_at",
        "type",
        "status",
        "attempts",
        *VOLUMES,
        "has_stats",
    )
)
"""What `job_from_row` reads, in its order."""

CONNECTION_COLUMNS: Final = tuple(
    connections.c[name]
    for name in (
        "id",
        "name",
        "workspace_id",
        "status",
        "source_id",
        "source_name",
        "source_connector",
        "source_connector_version",
        "destination_id",
        "destination_name",
        "destination_connector",
        "destination_connector_version",
        "schedule_type",
        "schedule_units",
        "schedule_time_unit",
        "cron_expression",
        "cron_time_zone",
        "tags",
        "created_at",
        "schema_change",
    )
)
"""What `connection_from_row` reads, in its order."""


def job_values(job: Job) -> dict[str, Any]:
    """Return the columns that hold `job`, as they will be read back."""
    volumes = job.volumes or Volumes()
    return {
        "connection_id": storable(job.connection_id),
        "id": job.id,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "type": job.type.value,
        "status": job.status.value,
        "attempts": None if job.attempts is None else [_attempt_to_json(attempt) for attempt in job.attempts],
        "records_synced": volumes.records_synced,
        "bytes_synced": volumes.bytes_synced,
        "records_emitted": volumes.records_emitted,
        "bytes_emitted": volumes.bytes_emitted,
        "records_rejected": volumes.records_rejected,
        "has_stats": job.has_stats,
    }


def job_from_row(row: Sequence[Any]) -> Job:
    """Return the job of a row that begins with `JOB_COLUMNS`. Volumes none of which is known are ``None``."""
    connection_id, id_, created_at, updated_at, type_, status, attempts, *volumes, has_stats = row[
        : len(JOB_COLUMNS)
    ]
    return Job(
        connection_id=connection_id,
        id=id_,
        created_at=created_at,
        updated_at=updated_at,
        type=_JOB_TYPES[type_],
        status=_JOB_STATUSES[status],
        attempts=None if attempts is None else tuple(_attempt_from_json(attempt) for attempt in attempts),
        volumes=None if volumes.count(None) == len(volumes) else Volumes(*volumes),
        has_stats=has_stats,
    )


def job_to_json(job: Job) -> dict[str, Any]:
    """Return `job` as one JSON object, for a row of something else."""
    return {name: value for name, value in job_values(job).items() if value is not None}


def job_from_json(written: Mapping[str, Any]) -> Job:
    """Return the job that `job_to_json` wrote."""
    volumes = Volumes(**{name: written.get(name) for name in VOLUMES})
    attempts = written.get("attempts")
    return Job(
        connection_id=written["connection_id"],
        id=written["id"],
        created_at=written["created_at"],
        updated_at=written["updated_at"],
        type=JobType(written["type"]),
        status=JobStatus(written["status"]),
        attempts=None if attempts is None else tuple(_attempt_from_json(attempt) for attempt in attempts),
        volumes=None if volumes == Volumes() else volumes,
        has_stats=written.get("has_stats"),
    )


def _attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    written: dict[str, Any] = {
        "number": attempt.number,
        "status": attempt.status.value,
        "created_at": attempt.created_at,
    }
    if attempt.ended_at is not None:
        written["ended_at"] = attempt.ended_at
    if attempt.failure is not None:
        failure = attempt.failure
        written["failure"] = {"origin": storable(failure.origin), "type": storable(failure.type)}
        if failure.message is not None:
            written["failure"]["message"] = storable(failure.message)
    if attempt.partial_success is not None:
        written["partial_success"] = attempt.partial_success
    return written


def _attempt_from_json(written: Mapping[str, Any]) -> Attempt:
    failure = written.get("failure")
    return Attempt(
        number=written["number"],
        status=_ATTEMPT_STATUSES[written["status"]],
        created_at=written["created_at"],
        ended_at=written.get("ended_at"),
        failure=None
        if failure is None
        else Failure(failure["origin"], failure["type"], failure.get("message")),
        partial_success=written.get("partial_success"),
    )


def connection_values(connection: Connection) -> dict[str, Any]:
    """Return the columns that hold `connection`, as they will be read back."""
    source, destination, schedule = connection.source, connection.destination, connection.schedule
    values = {
        "id": connection.id,
        "name": connection.name,
        "workspace_id": connection.workspace_id,
        "status": connection.status.value,
        "source_id": source.id,
        "source_name": source.name,
        "source_connector": source.connector,
        "source_connector_version": source.connector_version,
        "destination_id": destination.id,
        "destination_name": destination.name,
        "destination_connector": destination.connector,
        "destination_connector_version": destination.connector_version,
        "schedule_type": schedule.type.value,
        "schedule_units": schedule.units,
        "schedule_time_unit": schedule.time_unit,
        "cron_expression": schedule.cron_expression,
        "cron_time_zone": schedule.cron_time_zone,
        "tags": [storable(tag) for tag in connection.tags],
        "created_at": connection.created_at,
        "schema_change": None if connection.schema_change is None else connection.schema_change.value,
    }
    return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}


def connection_from_row(row: Sequence[Any]) -> Connection:
    """Return the connection of a row that begins with `CONNECTION_COLUMNS`."""
    (
        id_,
        name,
        workspace_id,
        status,
        source_id,
        source_name,
        source_connector,
        source_version,
        destination_id,
        destination_name,
        destination_connector,
        destination_version,
        schedule_type,
        units,
        time_unit,
        cron_expression,
        cron_time_zone,
        tags,
        created_at,
        schema_change,
    ) = row[: len(CONNECTION_COLUMNS)]
    return Connection(
        id=id_,
        name=name,
        workspace_id=workspace_id,
        status=ConnectionStatus(status),
        source=Actor(source_id, source_name, source_connector, source_version),
        destination=Actor(destination_id, destination_name, destination_connector, destination_version),
        schedule=Schedule(ScheduleType(schedule_type), units, time_unit, cron_expression, cron_time_zone),
        tags=tuple(tags),
        created_at=created_at,
        schema_change=None if schema_change is None else SchemaChange(schema_change),
    )
