"""``jobs list``."""

from typing import Any, Final

from airbyte_exporter.airbyte import AirbyteClient
from airbyte_exporter.cli._airbyte import find_connection, open_client, progress
from airbyte_exporter.cli._settings import positive_seconds, settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import (
    Cell,
    Column,
    Listing,
    count,
    iso_time,
    local_time,
    print_listing,
    size,
    span,
)
from airbyte_exporter.model import Connection, Job, JobKey, JobStatus, Volumes

_COLUMNS: Final = (
    Column("JOB", numeric=True),
    Column("CONNECTION", flexible=True),
    Column("TYPE"),
    Column("STATUS"),
    Column("CREATED"),
    Column("TOOK", numeric=True),
    Column("RECORDS", numeric=True),
    Column("SIZE", numeric=True, wide=True),
    Column("FAILURE", flexible=True, wide=True),
)
_FIELDS: Final = (
    "id",
    "connection.id",
    "connection.name",
    "workspace.id",
    "type",
    "status",
    "created_at",
    "started_at",
    "ended_at",
    "duration_seconds",
    "attempts",
    "records_synced",
    "bytes_synced",
    "records_emitted",
    "bytes_emitted",
    "records_rejected",
    "failure.origin",
    "failure.type",
    "failure.message",
)
_STYLES: Final = {
    JobStatus.PENDING: "yellow",
    JobStatus.QUEUED: "yellow",
    JobStatus.RUNNING: "cyan",
    JobStatus.INCOMPLETE: "yellow",
    JobStatus.SUCCEEDED: "green",
    JobStatus.FAILED: "bold red",
    JobStatus.CANCELLED: "dim",
    JobStatus.UNKNOWN: "yellow",
}


def main(common: Common, *, connection: str | None, status: str | None, since: str, output: str) -> int:
    """List jobs that changed lately and those that are live, newest first."""
    settings = settings_for(common)
    seconds = positive_seconds("--since", since)
    with open_client(common, settings) as client, progress("Reading the jobs …"):
        connections = {each.id: each for each in client.inventory().connections}
        wanted = find_connection(list(connections.values()), connection) if connection else None
        jobs = _read(client, since=int(common.clock() - seconds), connection=wanted)
    about = f" of {wanted.name}" if wanted else ""
    with_status = f" with status {status}" if status else ""
    within = f"{since}s" if since[-1].isdigit() else since
    listing = Listing(_COLUMNS, empty=f"no jobs{about}{with_status} in the last {within}")
    for job in jobs:
        if status is None or job.status == status:
            known = connections.get(job.connection_id)
            listing.add(_cells(job, known), _record(job, known))
    print_listing(listing, output, _FIELDS)
    return 0


def _read(client: AirbyteClient, *, since: int, connection: Connection | None) -> list[Job]:
    """Read what changed since then and what is live, each job once as it was when it was read last."""
    connection_id = connection.id if connection else None
    jobs: dict[JobKey, Job] = {}
    for live in (True, False):
        changed_since = None if live else since
        for page in client.jobs(updated_since=changed_since, live=live, connection_id=connection_id):
            jobs |= {job.key: job for job in page.jobs}
    return sorted(jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)


def _cells(job: Job, connection: Connection | None) -> tuple[Cell, ...]:
    volumes = job.volumes or Volumes()
    failure = job.failure if job.status is JobStatus.FAILED else None
    return (
        Cell(str(job.id)),
        Cell(connection.name if connection else job.connection_id),
        Cell(str(job.type)),
        Cell(str(job.status), style=_STYLES[job.status]),
        local_time(job.created_at),
        Cell(span(job.duration)),
        count(volumes.records_synced),
        size(volumes.bytes_synced),
        Cell(f"{failure.origin} {failure.type}: {failure.message or ''}".strip(": ") if failure else ""),
    )


def _record(job: Job, connection: Connection | None) -> dict[str, Any]:
    volumes = job.volumes or Volumes()
    failure = job.failure
    return {
        "id": job.id,
        "connection": {"id": job.connection_id, "name": connection.name if connection else None},
        "workspace": {"id": connection.workspace_id if connection else None},
        "type": str(job.type),
        "status": str(job.status),
        "created_at": iso_time(job.created_at),
        "started_at": iso_time(job.started_at),
        "ended_at": iso_time(job.ended_at),
        "duration_seconds": job.duration,
        "attempts": None if job.attempts is None else len(job.attempts),
        "records_synced": volumes.records_synced,
        "bytes_synced": volumes.bytes_synced,
        "records_emitted": volumes.records_emitted,
        "bytes_emitted": volumes.bytes_emitted,
        "records_rejected": volumes.records_rejected,
        "failure": {"origin": failure.origin, "type": failure.type, "message": failure.message}
        if failure
        else None,
    }
