"""Wait for a job: look at it again and again until it is over.

Only looks: a wait that ends early does not end the job.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from airbyte_exporter.airbyte._errors import (
    ApiError,
    ApiForbidden,
    ApiRejected,
    ApiStopped,
    ApiUnauthorized,
)
from airbyte_exporter.durations import format_duration
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.model import Job

__all__ = ["INTERVAL_SECONDS", "JobGoneError", "WaitTimeoutError", "observations"]

INTERVAL_SECONDS: Final = 5.0
"""How often a job is looked at where nothing else is said."""

_HOPELESS: Final = (ApiUnauthorized, ApiForbidden, ApiRejected)
"""What waiting does not make better; anything else may be over in a moment."""


class JobGoneError(AirbyteExporterError):
    """Airbyte itself says that the job does not exist, or not any more."""


class WaitTimeoutError(AirbyteExporterError):
    """The job was not over in time; it goes on in Airbyte.

    `job` is the job as it was read last, ``None`` if it never could be; `problem` is why it could not be read
    at the last look, if it could not.
    """

    def __init__(self, message: str, *, job: Job | None, problem: ApiError | None) -> None:
        super().__init__(message)
        self.job = job
        self.problem = problem


def observations(
    read: Callable[[int], Job | None],
    job_id: int,
    *,
    monotonic: Callable[[], float],
    pause: Callable[[float], object],
    timeout: float | None = None,
    interval: float = INTERVAL_SECONDS,
    known: Job | None = None,
    name: str | None = None,
) -> Iterator[Job | ApiError]:
    """Look at a job until it is over; tell what was seen each time: the job, or a problem that may pass.

    The last that is told is the finished job. The time-out runs from this call on; when it is up there is one
    last look; a request that `AirbyteClient.close` ended then is a problem as any other. Where Airbyte asks
    for more patience than `interval`, it gets that.

    Args:
        read: Reads a job, as `AirbyteClient.job` does.
        job_id: Which one.
        monotonic: Seconds that never go back.
        pause: Lets some seconds pass; what it raises ends the wait.
        timeout: For how many seconds to wait; ``None`` is as long as it takes.
        interval: How many seconds lie between two looks, more than 0.
        known: The job as it was read just now; it is the first that is told, without a request.
        name: What the job is called in messages, ``job 4711`` unless said otherwise.

    Raises:
        WaitTimeoutError: The time is up.
        JobGoneError: There is no such job.
        ApiError: It cannot be read for good: our credentials are not taken, it is forbidden, the request is
            refused, or the exporter stops.
        ValueError: `interval` is not more than 0.
    """
    if interval <= 0:
        msg = "interval must be more than 0"
        raise ValueError(msg)
    end = math.inf if timeout is None else monotonic() + timeout
    looks = _Looks(read, job_id, monotonic, end, name or f"job {job_id}")
    return _each(looks, known, pause, timeout or 0.0, interval)


@dataclass(frozen=True, slots=True)
class _Looks:
    """Looks at one job, called `name`, until `end` on the monotonic clock."""

    read: Callable[[int], Job | None]
    job_id: int
    monotonic: Callable[[], float]
    end: float
    name: str

    def left(self) -> float:
        return self.end - self.monotonic()

    def look(self, before: Job | None) -> Job | ApiError:
        try:
            found = self.read(self.job_id)
        except _HOPELESS:
            raise
        except ApiStopped as error:
            if self.left() > 0:
                raise
            return error  # a request that was still on its way when the time was up
        except ApiError as error:
            return error
        if found is None:
            raise JobGoneError(f"{self.name} does not exist{' any more' if before else ''} in Airbyte")
        return found


def _each(
    looks: _Looks, known: Job | None, pause: Callable[[float], object], timeout: float, interval: float
) -> Iterator[Job | ApiError]:
    job: Job | None = None
    seen = known or looks.look(None)
    while True:
        yield seen
        wait = interval
        problem = seen if isinstance(seen, ApiError) else None
        if isinstance(seen, ApiError):
            wait = max(interval, seen.retry_after or 0.0)
        else:
            job = seen
            if job.status.is_final:
                return
        wait = min(wait, looks.left())
        if wait <= 0:
            said = _timed_out(timeout, looks.name, job, problem)
            raise WaitTimeoutError(said, job=job, problem=problem)
        pause(wait)
        seen = looks.look(job)


def _timed_out(timeout: float, name: str, job: Job | None, problem: ApiError | None) -> str:
    after = f"timed out after {format_duration(timeout)}"
    if job is None:
        return f"{after}: {name} could not be read: {' '.join(str(problem).split())}"
    known = f"is still {job.status}" if problem is None else f"was {job.status} when it could be read last"
    return f"{after}: {name} {known}, and goes on in Airbyte"
