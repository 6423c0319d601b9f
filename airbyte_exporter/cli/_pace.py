"""How long a job has taken, how long such jobs take as a rule, and how fast one is."""

import statistics
from collections import deque
from typing import Final

from airbyte_exporter.airbyte import AirbyteClient, ApiError
from airbyte_exporter.model import Job, JobStatus

_HISTORY: Final = 20
"""How many of a connection's newest jobs are read, of every type and however they ended."""
_MOST: Final = 10
_FEWEST: Final = 3
"""From how many jobs on, and by how many at most, it is said what is usual."""

_WINDOW_SECONDS: Final = 30.0
_STILL_SECONDS: Final = 90.0
"""An Airbyte writes the numbers of a job at work down once a minute: until then nothing stands still."""


def elapsed(job: Job, now: float) -> float:
    """Return for how many seconds a job has been at work; where that is not known, since it was created.

    Airbyte's clock and ours may differ, but never so much that a job has yet to begin.
    """
    since = job.created_at if job.started_at is None else job.started_at
    return max(0.0, now - since)


def took(job: Job) -> int | None:
    """Return how many seconds a finished job took, counted as `elapsed` does; ``None`` while it is live."""
    return None if job.ended_at is None else int(elapsed(job, job.ended_at))


def usual_seconds(client: AirbyteClient, job: Job) -> float | None:
    """Return how long the newest succeeded jobs took that are of the connection and the type of `job`.

    That is the median of ten at most. ``None`` where it is not known: for a job that moves no data, with
    fewer than three others, or when they cannot be read.
    """
    if not (job.connection_id and job.type.moves_data):
        return None
    try:
        jobs = client.newest_jobs(job.connection_id, _HISTORY)
    except ApiError:
        return None  # nice to know, but not what was asked for
    lengths = [
        took(each)
        for each in jobs
        if each.status is JobStatus.SUCCEEDED and each.type is job.type and each.id != job.id
    ]
    known = [seconds for seconds in lengths if seconds is not None][:_MOST]
    return statistics.median(known) if len(known) >= _FEWEST else None


class Pace:
    """How many records a second a job emits.

    Between two times at which its number was seen to move, half a minute or more apart as soon as it has been
    at work for that long: what lies before the first is not known to have come at any time.
    """

    def __init__(self) -> None:
        self._moves: deque[tuple[float, int]] = deque()
        self._records: int | None = None
        self._attempts = 0

    def see(self, job: Job, at: float) -> None:
        """Take down how a job is at this time, on a clock that never goes back."""
        records = job.volumes.records_emitted if job.volumes else None
        attempts = len(job.attempts or ())
        if records is None:
            return
        if self._records is None or attempts != self._attempts or records < self._records:
            self._moves.clear()
        elif records > self._records:
            self._moves.append((at, records))
            while len(self._moves) > 1 and self._moves[1][0] <= at - _WINDOW_SECONDS:
                self._moves.popleft()
        self._records, self._attempts = records, attempts

    def rate(self, at: float) -> float | None:
        """Return the records a second as of this time; ``None`` while that is not known."""
        if len(self._moves) <= 1:
            return None
        (began, first), (moved, last) = self._moves[0], self._moves[-1]
        if at - moved > max(_STILL_SECONDS, 2 * (moved - began)):
            return 0.0
        return (last - first) / (moved - began) if moved > began else None
