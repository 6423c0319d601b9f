"""What is really so in the simulated world, for tests to compare with."""

from dataclasses import dataclass

from ._jobs import FINAL_STATUSES, Job
from ._planning import Connection

__all__ = ["SimulatedAttempt", "SimulatedConnection", "SimulatedJob", "connection_truth", "job_truth"]


@dataclass(frozen=True, slots=True)
class SimulatedAttempt:
    """An attempt as it really was. The failure is ``None`` for one that succeeded or is still running.

    The numbers are ``None`` where Airbyte recorded none.
    """

    number: int
    status: str
    started_at: int
    ended_at: int | None
    failure_origin: str | None = None
    failure_type: str | None = None
    failure_message: str | None = None
    records_emitted: int | None = None
    bytes_emitted: int | None = None
    records_committed: int | None = None
    bytes_committed: int | None = None
    records_rejected: int | None = None


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """A job as it really is, whether or not the API shows it.

    Times are in whole epoch seconds, as the API tells them. `updated_at` of a finished job is its end. The
    numbers are Airbyte's aggregate over attempts; they are ``None`` where Airbyte recorded none. `visible` is
    false while the row is not committed, and for good once it was deleted.
    """

    id: int
    connection_id: str
    config_type: str
    status: str
    created_at: int
    updated_at: int
    attempts: tuple[SimulatedAttempt, ...]
    visible: bool
    records_emitted: int | None = None
    bytes_emitted: int | None = None
    records_committed: int | None = None
    bytes_committed: int | None = None
    records_rejected: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.status in FINAL_STATUSES


@dataclass(frozen=True, slots=True)
class SimulatedConnection:
    """A connection as it really is; a deleted one has the status ``deprecated``."""

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
    tags: tuple[str, ...]
    character: str


def job_truth(job: Job, now: float) -> SimulatedJob:
    """Describe `job` as of `now`."""
    attempts = []
    for number, attempt in enumerate(job.tries(now)):
        status = attempt.status(now)
        failure = attempt.failure if status == "failed" else None
        attempts.append(
            SimulatedAttempt(
                number,
                status,
                int(attempt.started),
                None if status == "running" else int(attempt.ended),
                failure.origin if failure else None,
                failure.type if failure else None,
                failure.message if failure else None,
                **(attempt.numbers(now)._asdict() if job.has_stats else {}),
            )
        )
    return SimulatedJob(
        job.id,
        job.connection_id,
        job.config_type,
        job.status(now),
        int(job.created),
        int(job.updated(now)),
        tuple(attempts),
        visible=not (job.hidden or job.gone),
        **(job.total(now)._asdict() if job.has_stats and attempts else {}),
    )


def connection_truth(
    connection: Connection, workspace_name: str, tags: tuple[str, ...]
) -> SimulatedConnection:
    """Describe `connection`."""
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
        tags,
        connection.character,
    )
