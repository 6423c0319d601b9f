"""Jobs: looked at and cancelled."""

from dataclasses import replace

from airbyte_exporter.airbyte import ApiError, ApiUnreachable
from airbyte_exporter.airbyte.writing import WritingClient
from airbyte_exporter.control._errors import ControlError
from airbyte_exporter.control._naming import NotOneError
from airbyte_exporter.model import Job, JobStatus

__all__ = ["Jobs"]


class Jobs:
    """The jobs of an Airbyte."""

    def __init__(self, client: WritingClient) -> None:
        self._client = client

    def get(self, job_id: int) -> Job:
        """Read one job.

        Raises:
            NotOneError: Airbyte has no such job.
        """
        job = self._client.job(job_id)
        if job is None:
            raise NotOneError(f"there is no job {job_id}; see airbyte-exporter jobs list --since 7d")
        return job

    def cancel(self, job: Job) -> Job:
        """Cancel a job; return it as it is then. One that is cancelled already stays so.

        Raises:
            ControlError: It is over, or was over before Airbyte could cancel it.
        """
        # Airbyte cancels whatever its connection is at work on: a job that is over would be the next one.
        if not job.status.is_final:
            job = self._as_it_is(job)
        if job.status is JobStatus.CANCELLED:
            return job
        if job.status.is_final:
            raise ControlError(f"job {job.id} has {job.status} already: there is nothing to cancel")
        try:
            cancelled = self._client.cancel(job)
        except ApiUnreachable as error:
            # Airbyte says 500 too of a job that has ended in between.
            ended = self._ended(job) if error.reason == "server_error" else None
            if ended is None:
                raise
            cancelled = ended
        if cancelled.status.is_final and cancelled.status is not JobStatus.CANCELLED:
            raise ControlError(f"job {job.id} has {cancelled.status} before it could be cancelled")
        return cancelled

    def _ended(self, job: Job) -> Job | None:
        """Return the job if it is over by now."""
        try:
            now = self._as_it_is(job)
        except ApiError:
            return None
        return now if now.status.is_final else None

    def _as_it_is(self, job: Job) -> Job:
        now = self._client.job(job.id)
        return job if now is None else replace(now, connection_id=job.connection_id)
