"""The families with samples for each connection, in the order in which they stand on the page.

A connection's samples follow from its own facts alone, so that a change of one renders nothing of the others.
"""

from collections.abc import Callable, Mapping
from typing import Final

from airbyte_exporter.exposition._rows import number, state, total, totals
from airbyte_exporter.exposition._table import ConnectionFamily, Context, Facet, Sample
from airbyte_exporter.model import (
    AttemptStatus,
    ConnectionCounters,
    ConnectionFacts,
    ConnectionStatus,
    Fact,
    Job,
    JobStatus,
    JobType,
    SchemaChange,
    Volumes,
)
from airbyte_exporter.telemetry import FamilyInfo

__all__ = ["CONNECTION_FAMILIES"]

_PREFIX: Final = "airbyte_connection_"

_CONNECTION_STATES: Final = tuple(s.value for s in ConnectionStatus if s is not ConnectionStatus.UNKNOWN)
_FINAL_STATES: Final = tuple(s.value for s in JobStatus if s.is_final)
_LIVE_STATES: Final = tuple(s.value for s in JobStatus if not s.is_final and s is not JobStatus.UNKNOWN)

_SCHEMA_CHANGES: Final = tuple(change.value for change in SchemaChange)

_INFO_LABELS: Final = (
    "connection_id",
    "connection_name",
    "workspace_id",
    "workspace_name",
    "source_id",
    "source_name",
    "source_connector",
    "source_connector_version",
    "destination_id",
    "destination_name",
    "destination_connector",
    "destination_connector_version",
    "schedule_type",
    "tags",
)


def _info(facts: ConnectionFacts, context: Context) -> tuple[Sample]:
    it = facts.connection
    labels = (
        it.name,
        it.workspace_id,
        context.workspace_names.get(it.workspace_id, ""),
        it.source.id,
        it.source.name,
        it.source.connector,
        it.source.connector_version or "",
        it.destination.id,
        it.destination.name,
        it.destination.connector,
        it.destination.connector_version or "",
        it.schedule.type.value,
        ",".join(sorted(it.tags)),
    )
    return ((labels, 1),)


def _last(read: Callable[[Job], int | bool | None]) -> Callable[[ConnectionFacts], int | None]:
    return lambda facts: None if facts.last_sync is None else read(facts.last_sync)


def _active(read: Callable[[Job], int | None]) -> Callable[[ConnectionFacts], int | None]:
    return lambda facts: None if facts.active_job is None else read(facts.active_job)


def _moved(read: Callable[[Volumes], int | None]) -> Callable[[Job], int | None]:
    return lambda job: None if job.volumes is None else read(job.volumes)


def _attempts(counters: ConnectionCounters) -> Mapping[tuple[str], int]:
    return {
        (AttemptStatus.SUCCEEDED.value,): counters.attempts_succeeded,
        (AttemptStatus.FAILED.value,): counters.attempts_failed,
    }


CONNECTION_FAMILIES: Final[tuple[ConnectionFamily, ...]] = (
    ConnectionFamily(
        FamilyInfo(
            f"{_PREFIX}info",
            "gauge",
            "Names, connectors and tags of a connection, as labels. Always 1. Join it to the other families "
            "on connection_id.",
            _INFO_LABELS,
        ),
        Facet.INVENTORY,
        _info,
        reads_context=True,
    ),
    state(
        f"{_PREFIX}status",
        "Status of a connection: 1 for the current one, 0 for the others. Inactive is disabled.",
        Facet.INVENTORY,
        _CONNECTION_STATES,
        lambda facts: facts.connection.status.value,
    ),
    number(
        f"{_PREFIX}created_timestamp_seconds",
        "When a connection was created, in seconds since the epoch.",
        Facet.INVENTORY,
        lambda facts: facts.connection.created_at,
        Fact.CREATION,
    ),
    number(
        f"{_PREFIX}schedule_interval_seconds",
        "How many seconds lie between two runs by the schedule; of a cron schedule, at most. Inactive "
        "connections have it too. Absent for manual schedules and invalid ones.",
        Facet.INVENTORY,
        lambda facts: facts.schedule_interval,
        partly=Fact.CRON,
    ),
    number(
        f"{_PREFIX}next_run_timestamp_seconds",
        "When the next run is due by the schedule, in seconds since the epoch; in the past while it is "
        "overdue. Absent for connections that are not active, manual schedules and invalid ones.",
        Facet.BOTH,
        lambda facts: facts.next_run_at,
        partly=Fact.CRON,
    ),
    state(
        f"{_PREFIX}schema_change",
        "What Airbyte found when it last compared the source's schema with the connection's: 1 for what it "
        "found, 0 for the others.",
        Facet.INVENTORY,
        _SCHEMA_CHANGES,
        lambda facts: (
            None if facts.connection.schema_change is None else facts.connection.schema_change.value
        ),
        "change",
        Fact.SCHEMA_CHANGES,
    ),
    state(
        f"{_PREFIX}last_sync_status",
        "How the newest finished sync of a connection ended: 1 for the status it has, 0 for the others.",
        Facet.JOBS,
        _FINAL_STATES,
        lambda facts: None if facts.last_sync is None else facts.last_sync.status.value,
    ),
    number(
        f"{_PREFIX}last_sync_created_timestamp_seconds",
        "When the newest finished sync was created, in seconds since the epoch.",
        Facet.JOBS,
        _last(lambda job: job.created_at),
    ),
    number(
        f"{_PREFIX}last_sync_start_timestamp_seconds",
        "When the first attempt of the newest finished sync was created, in seconds since the epoch.",
        Facet.JOBS,
        _last(lambda job: job.started_at),
        Fact.ATTEMPTS,
    ),
    number(
        f"{_PREFIX}last_sync_end_timestamp_seconds",
        "When the newest finished sync ended, in seconds since the epoch.",
        Facet.JOBS,
        _last(lambda job: job.ended_at),
    ),
    number(
        f"{_PREFIX}last_sync_duration_seconds",
        "How long the newest finished sync took from its first attempt to its end, in seconds.",
        Facet.JOBS,
        _last(lambda job: job.duration),
        Fact.ATTEMPTS,
    ),
    number(
        f"{_PREFIX}last_sync_queue_seconds",
        "How long the newest finished sync waited from its creation to its first attempt, in seconds. Absent "
        "when it had none.",
        Facet.JOBS,
        _last(lambda job: job.queue_time),
        Fact.ATTEMPTS,
    ),
    number(
        f"{_PREFIX}last_sync_attempts",
        "How many attempts the newest finished sync took.",
        Facet.JOBS,
        _last(lambda job: None if job.attempts is None else len(job.attempts)),
        Fact.ATTEMPTS,
    ),
    number(
        f"{_PREFIX}last_sync_partial_success",
        "Whether the newest finished sync, which failed or was cancelled, had committed part of its records "
        "all the same: 1 or 0. Absent when it succeeded, and where Airbyte does not say of every attempt.",
        Facet.JOBS,
        _last(lambda job: job.partial_success),
        Fact.ATTEMPTS,
    ),
    number(
        f"{_PREFIX}last_success_timestamp_seconds",
        "When the newest succeeded sync ended, in seconds since the epoch. Absent when none is known.",
        Facet.JOBS,
        lambda facts: facts.last_success_at,
    ),
    number(
        f"{_PREFIX}last_failure_timestamp_seconds",
        "When the newest failed sync ended, in seconds since the epoch. Absent when none is known.",
        Facet.JOBS,
        lambda facts: facts.last_failure_at,
    ),
    number(
        f"{_PREFIX}last_sync_records_synced",
        "Records that the newest finished sync committed to the destination.",
        Facet.JOBS,
        _last(_moved(lambda volumes: volumes.records_synced)),
    ),
    number(
        f"{_PREFIX}last_sync_bytes_synced",
        "Bytes that the newest finished sync committed to the destination.",
        Facet.JOBS,
        _last(_moved(lambda volumes: volumes.bytes_synced)),
    ),
    number(
        f"{_PREFIX}last_sync_records_emitted",
        "Records that the source emitted in the newest finished sync.",
        Facet.JOBS,
        _last(_moved(lambda volumes: volumes.records_emitted)),
        Fact.EMITTED,
    ),
    number(
        f"{_PREFIX}last_sync_bytes_emitted",
        "Bytes that the source emitted in the newest finished sync.",
        Facet.JOBS,
        _last(_moved(lambda volumes: volumes.bytes_emitted)),
        Fact.EMITTED,
    ),
    number(
        f"{_PREFIX}last_sync_records_rejected",
        "Records of the newest finished sync that the destination did not take.",
        Facet.JOBS,
        _last(_moved(lambda volumes: volumes.records_rejected)),
        Fact.REJECTED,
    ),
    number(
        f"{_PREFIX}last_sync_has_stats",
        "Whether Airbyte recorded any numbers for the newest finished sync: 1 or 0. At 0 its records and "
        "bytes are absent. Absent where that cannot be told.",
        Facet.JOBS,
        _last(lambda job: job.has_stats),
        partly=Fact.MISSING_STATS,
    ),
    state(
        f"{_PREFIX}active_job_status",
        "Status of the job that a connection has now: 1 for the current one, 0 for the others. Absent while "
        "there is none.",
        Facet.JOBS,
        _LIVE_STATES,
        lambda facts: None if facts.active_job is None else facts.active_job.status.value,
    ),
    number(
        f"{_PREFIX}active_job_created_timestamp_seconds",
        "When the job that a connection has now was created, in seconds since the epoch.",
        Facet.JOBS,
        _active(lambda job: job.created_at),
    ),
    number(
        f"{_PREFIX}active_job_start_timestamp_seconds",
        "When the first attempt of the job that a connection has now was created, in seconds since the "
        "epoch.",
        Facet.JOBS,
        _active(lambda job: job.started_at),
        Fact.ATTEMPTS,
    ),
    number(
        f"{_PREFIX}active_job_records_emitted",
        "Records that the source has emitted so far in the job that a connection has now.",
        Facet.JOBS,
        _active(_moved(lambda volumes: volumes.records_emitted)),
        Fact.LIVE_VOLUMES,
    ),
    number(
        f"{_PREFIX}active_job_bytes_emitted",
        "Bytes that the source has emitted so far in the job that a connection has now.",
        Facet.JOBS,
        _active(_moved(lambda volumes: volumes.bytes_emitted)),
        Fact.LIVE_VOLUMES,
    ),
    number(
        f"{_PREFIX}consecutive_failures",
        "Failed syncs since the last success; cancelled ones change nothing. 0 when never synced.",
        Facet.JOBS,
        lambda facts: facts.consecutive_failures,
    ),
    totals(
        f"{_PREFIX}jobs_total",
        "Jobs of a connection that have ended since counting began.",
        ("job_type", "status"),
        tuple((JobType.SYNC.value, status) for status in _FINAL_STATES),
        lambda counters: counters.jobs,
    ),
    total(
        f"{_PREFIX}records_synced_total",
        "Records committed to the destination by jobs that have ended since counting began, failed and "
        "cancelled ones included.",
        lambda counters: counters.records_synced,
    ),
    total(
        f"{_PREFIX}bytes_synced_total",
        "Bytes committed to the destination by jobs that have ended since counting began, failed and "
        "cancelled ones included.",
        lambda counters: counters.bytes_synced,
    ),
    total(
        f"{_PREFIX}records_emitted_total",
        "Records emitted by the source in jobs that have ended since counting began, failed and cancelled "
        "ones included.",
        lambda counters: counters.records_emitted,
        Fact.EMITTED,
    ),
    total(
        f"{_PREFIX}bytes_emitted_total",
        "Bytes emitted by the source in jobs that have ended since counting began, failed and cancelled ones "
        "included.",
        lambda counters: counters.bytes_emitted,
        Fact.EMITTED,
    ),
    total(
        f"{_PREFIX}records_rejected_total",
        "Records that the destination did not take, of jobs that have ended since counting began, failed and "
        "cancelled ones included.",
        lambda counters: counters.records_rejected,
        Fact.REJECTED,
    ),
    totals(
        f"{_PREFIX}attempts_total",
        "Attempts of syncs that have ended since counting began, by how the attempt ended.",
        ("status",),
        ((AttemptStatus.SUCCEEDED.value,), (AttemptStatus.FAILED.value,)),
        _attempts,
        Fact.ATTEMPTS,
    ),
    totals(
        f"{_PREFIX}failures_total",
        "Failed attempts of syncs that have ended since counting began, by their first failure. What Airbyte "
        "does not tell or document is unknown.",
        ("failure_origin", "failure_type"),
        (),
        lambda counters: counters.failures,
        Fact.ATTEMPTS,
    ),
)
"""Every family of single connections."""
