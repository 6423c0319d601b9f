"""``jobs cancel``."""

from airbyte_exporter.airbyte import ApiError
from airbyte_exporter.cli._airbyte import progress
from airbyte_exporter.cli._changing import change, confirm, named, say, tell
from airbyte_exporter.cli._jobs import job_record
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import span
from airbyte_exporter.control import Control, NotOneError
from airbyte_exporter.model import Connection, Job, JobStatus


def main(common: Common, *, job_id: int, yes: bool, dry_run: bool, output: str) -> int:
    """Cancel a job."""
    settings = settings_for(common)

    def act(control: Control) -> int:
        with progress("Reading the job …"):
            job = control.jobs.get(job_id)
            connection = _connection_of(control, job)
        name = f" of {named(connection.name)}" if connection else ""
        if job.status is JobStatus.CANCELLED:
            tell(f"job {job.id}{name} is cancelled already", job_record(job, connection), output)
            return 0
        since = span(max(0.0, common.clock() - job.created_at))
        say(f"job {job.id}{name}, {job.type}, {job.status}, created {since} ago")
        if not job.status.is_final:
            confirm(f"Cancel job {job.id}{name}", yes=yes, dry_run=dry_run)
        cancelled = control.jobs.cancel(job)
        verb = "is cancelled" if cancelled.status is JobStatus.CANCELLED else "is being cancelled"
        tell(f"job {job.id}{name} {verb}", job_record(cancelled, connection), output)
        return 0

    return change(common, settings, act, dry_run=dry_run, output=output)


def _connection_of(control: Control, job: Job) -> Connection | None:
    """Return the connection of a job, ``None`` where it cannot be told: only its name, and worth no error."""
    if not job.connection_id:
        return None
    try:
        return control.connections.find(job.connection_id)
    except (ApiError, NotOneError):
        return None
