"""``jobs list`` and ``jobs show``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import click

from airbyte_exporter.airbyte import AirbyteClient, ApiError
from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._lists import run_list
from airbyte_exporter.cli._settings import positive_seconds, settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import (
    Cell,
    Column,
    Listing,
    count,
    iso_time,
    local_time,
    print_json,
    print_sheet,
    print_table,
    size,
    span,
)
from airbyte_exporter.control import NotOneError, find_one
from airbyte_exporter.logs import visible
from airbyte_exporter.model import (
    Attempt,
    AttemptStatus,
    Connection,
    Failure,
    Job,
    JobKey,
    JobStatus,
    StreamVolumes,
    Volumes,
    Workspace,
)

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
_WIDE_OF_FAILED: Final = frozenset({"TYPE", "STATUS", "RECORDS", "SIZE"})
"""Where all jobs have failed, why is worth more than these on a terminal that has no room for both."""

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
    "queue_seconds",
    "attempts",
    "partial_success",
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

_INVENTORY_SECONDS: Final = 60.0

_STREAM_COLUMNS: Final = (
    Column("STREAM", flexible=True),
    Column("EMITTED", numeric=True),
    Column("COMMITTED", numeric=True),
    Column("REJECTED", numeric=True),
    Column("SIZE", numeric=True),
)
_ATTEMPT_STYLES: Final = {
    AttemptStatus.RUNNING: "cyan",
    AttemptStatus.SUCCEEDED: "green",
    AttemptStatus.FAILED: "red",
    AttemptStatus.UNKNOWN: "yellow",
}


def main(
    common: Common,
    *,
    connection: str | None,
    workspace: str | None,
    statuses: Sequence[str],
    since: str,
    output: str,
    watch: str | None,
) -> int:
    """List jobs that changed lately and those that are live, newest first."""
    settings = settings_for(common)
    seconds = positive_seconds("--since", since)
    with_status = f" with status {' or '.join(statuses)}" if statuses else ""
    within = f"{since}s" if since[-1].isdigit() else since

    inventory = _Connections(common)

    def read(client: AirbyteClient) -> Listing:
        found = list(inventory.read(client).values())
        home = find_one("workspace", inventory.workspaces, workspace) if workspace else None
        place = f"workspace {home.name}" if home else ""
        if home:
            found = [each for each in found if each.workspace_id == home.id]
        wanted = find_one("connection", found, connection, where=visible(place)) if connection else None
        jobs = _read(client, since=int(common.clock() - seconds), connection=wanted)
        connections = inventory.read_for(client, jobs)
        about = f" of {wanted.name}" if wanted else f" in {place}" if place else ""
        listed = ((job, connections.get(job.connection_id)) for job in jobs)
        return jobs_listing(
            [
                (job, its)
                for job, its in listed
                if (not statuses or job.status in statuses)
                and (home is None or (its is not None and its.workspace_id == home.id))
            ],
            empty=f"no jobs{about}{with_status} in the last {within}",
            all_failed=tuple(statuses) == (JobStatus.FAILED,),
        )

    return run_list(common, settings, read, what="jobs", output=output, fields=_FIELDS, watch=watch)


def show(common: Common, *, job_id: int, output: str) -> int:
    """Tell what is known of one job: how it went, and each of its attempts."""
    settings = settings_for(common)
    with open_client(common, settings) as client, progress("Reading the job …"):
        details = client.job_details(job_id)
        if details is None:
            raise no_job(job_id)
        connection = connection_of(client, details.job)
    job, streams = details.job, details.streams
    if output == "json":
        more = {
            "attempt_list": None
            if job.attempts is None
            else [_attempt_record(each) for each in job.attempts],
            "streams": None if streams is None else [_stream_record(each) for each in streams],
        }
        print_json(job_record(job, connection) | more)
        return 0
    print_sheet(_facts(job, connection))
    if streams:
        click.echo()
        print_table(_streams_listing(streams))
    return 0


def no_job(job_id: int) -> NotOneError:
    """Return what to tell a person who asked for a job that Airbyte does not have."""
    return NotOneError(f"there is no job {job_id}; see airbyte-exporter jobs list --since 7d")


def connection_of(client: AirbyteClient, job: Job) -> Connection | None:
    """Return the connection of a job, ``None`` where Airbyte does not tell which or has it no more."""
    if not job.connection_id:
        return None
    return next((each for each in client.inventory().connections if each.id == job.connection_id), None)


def connection_if_told(client: AirbyteClient, job: Job) -> Connection | None:
    """Return what `connection_of` does, and ``None`` where that cannot be read: it is only to be named."""
    try:
        return connection_of(client, job)
    except ApiError:
        return None


def jobs_listing(
    jobs: Iterable[tuple[Job, Connection | None]],
    *,
    empty: str = "",
    with_connection: bool = True,
    all_failed: bool = False,
) -> Listing:
    """Make a listing of jobs, each with its connection where that is known.

    Args:
        jobs: In the order in which they are shown.
        empty: What is said when there are none.
        with_connection: Whether people are shown the connection; in its place they see why a job failed.
        all_failed: Whether only failed jobs are listed; then people see why on a narrow terminal too.
    """
    columns = [column for column in _COLUMNS if with_connection or column.title != "CONNECTION"]
    if all_failed:
        columns = [
            replace(column, wide=column.title in _WIDE_OF_FAILED, modest=column.title == "CONNECTION")
            for column in columns
        ]
    if not with_connection:
        columns[-1] = Column("FAILURE", flexible=True)
    listing = Listing(columns, empty=empty)
    for job, connection in jobs:
        cells = _cells(job, connection)
        listing.add(cells if with_connection else (cells[0], *cells[2:]), job_record(job, connection))
    return listing


class _Connections:
    """The connections by their ids. Jobs that are watched change all the time, what exists does not.

    `workspaces` are those that they are in, and were read together with them.
    """

    def __init__(self, common: Common) -> None:
        self.workspaces: Sequence[Workspace] = ()
        self._monotonic = common.monotonic
        self._found: Mapping[str, Connection] = {}
        self._gone: frozenset[str] = frozenset()
        self._read_at: float | None = None
        self._is_fresh = False

    def read(self, client: AirbyteClient) -> Mapping[str, Connection]:
        """Return them as they were a minute ago at most."""
        now = self._monotonic()
        self._is_fresh = False
        if self._read_at is None or now - self._read_at >= _INVENTORY_SECONDS:
            self._renew(client)
        return self._found

    def read_for(self, client: AirbyteClient, jobs: Iterable[Job]) -> Mapping[str, Connection]:
        """Return them with those of `jobs`, as far as they still exist."""
        unknown = {job.connection_id for job in jobs if job.connection_id} - self._found.keys()
        if unknown - self._gone and not self._is_fresh:
            self._renew(client)
        self._gone = frozenset(unknown - self._found.keys())
        return self._found

    def _renew(self, client: AirbyteClient) -> None:
        now = self._monotonic()
        inventory = client.inventory()
        self.workspaces = inventory.workspaces
        self._found = {each.id: each for each in inventory.connections}
        self._read_at = now
        self._is_fresh = True


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
        Cell(explained(failure)),
    )


def job_record(job: Job, connection: Connection | None) -> dict[str, Any]:
    """Write a job for machines; what is not known is ``None``."""
    return {
        "id": job.id,
        "connection": {"id": job.connection_id or None, "name": connection.name if connection else None},
        "workspace": {"id": connection.workspace_id if connection else None},
        "type": str(job.type),
        "status": str(job.status),
        "created_at": iso_time(job.created_at),
        "started_at": iso_time(job.started_at),
        "ended_at": iso_time(job.ended_at),
        "duration_seconds": job.duration,
        "queue_seconds": job.queue_time,
        "attempts": None if job.attempts is None else len(job.attempts),
        "partial_success": job.partial_success,
        **_volumes_record(job.volumes or Volumes()),
        "failure": _failure_record(job.failure),
    }


def _failure_record(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {"origin": failure.origin, "type": failure.type, "message": failure.message}


def _attempt_record(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "status": str(attempt.status),
        "created_at": iso_time(attempt.created_at),
        "ended_at": iso_time(attempt.ended_at),
        "duration_seconds": _length(attempt),
        "partial_success": attempt.partial_success,
        "failure": _failure_record(attempt.failure),
    }


def _streams_listing(streams: Iterable[StreamVolumes]) -> Listing:
    """Make a table of streams by name, without the columns of which nothing is known."""
    found = sorted(streams, key=lambda each: (each.namespace or "", each.name))
    written = [_stream_cells(each) for each in found]
    known = [index for index in range(len(_STREAM_COLUMNS)) if any(cells[index].text for cells in written)]
    listing = Listing([_STREAM_COLUMNS[index] for index in known], empty="")
    for stream, cells in zip(found, written, strict=True):
        listing.add([cells[index] for index in known], _stream_record(stream))
    return listing


def _stream_cells(stream: StreamVolumes) -> tuple[Cell, ...]:
    volumes = stream.volumes
    return (
        Cell(f"{stream.namespace}.{stream.name}" if stream.namespace else stream.name),
        count(volumes.records_emitted),
        count(volumes.records_synced),
        count(volumes.records_rejected),
        size(volumes.bytes_synced),
    )


def _stream_record(stream: StreamVolumes) -> dict[str, Any]:
    return {"namespace": stream.namespace, "name": stream.name, **_volumes_record(stream.volumes)}


def _volumes_record(volumes: Volumes) -> dict[str, Any]:
    return {
        "records_synced": volumes.records_synced,
        "bytes_synced": volumes.bytes_synced,
        "records_emitted": volumes.records_emitted,
        "bytes_emitted": volumes.bytes_emitted,
        "records_rejected": volumes.records_rejected,
    }


def _length(attempt: Attempt) -> int | None:
    return None if attempt.ended_at is None else max(0, attempt.ended_at - attempt.created_at)


def explained(failure: Failure | None) -> str:
    """Say in a line who failed, of what kind that is, and what was said about it."""
    return f"{failure.origin} {failure.type}: {failure.message or ''}".strip(": ") if failure else ""


def _facts(job: Job, connection: Connection | None) -> list[tuple[str, Cell]]:
    volumes = job.volumes or Volumes()
    records = (volumes.records_synced, volumes.records_emitted, volumes.records_rejected)
    return [
        ("Job", Cell(str(job.id), style="bold")),
        ("Connection", Cell(connection.name if connection else "")),
        ("Connection id", Cell(job.connection_id)),
        ("Type", Cell(str(job.type))),
        ("Status", Cell(str(job.status), style=_STYLES[job.status])),
        ("Failure", Cell(explained(job.failure), style="red")),
        ("Created", local_time(job.created_at)),
        ("Started", local_time(job.started_at)),
        ("Ended", local_time(job.ended_at)),
        ("Waited", Cell(span(job.queue_time))),
        ("Took", Cell(span(job.duration))),
        ("Records", _amounts(*(count(number) for number in records))),
        ("Size", _amounts(size(volumes.bytes_synced), size(volumes.bytes_emitted))),
        *(_attempt_fact(attempt, job.failure) for attempt in job.attempts or ()),
    ]


def _amounts(*cells: Cell) -> Cell:
    told = zip(cells, ("committed", "emitted", "rejected"), strict=False)
    return Cell(", ".join(f"{cell.text} {what}" for cell, what in told if cell.text))


def _attempt_fact(attempt: Attempt, told: Failure | None) -> tuple[str, Cell]:
    length = _length(attempt)
    parts = [
        f"{attempt.status}, started {local_time(attempt.created_at).text}",
        "" if length is None else f", took {span(length)}",
        ", committed part of it" if attempt.partial_success else "",
    ]
    if attempt.failure and attempt.failure != told:
        parts.append(f": {explained(attempt.failure)}")
    elif attempt.failure:
        parts.append(f": {attempt.failure.origin} {attempt.failure.type}, as above")
    # People count from 1, as Airbyte's own pages do.
    return f"Attempt {attempt.number + 1}", Cell("".join(parts), style=_ATTEMPT_STYLES[attempt.status])
