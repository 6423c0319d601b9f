"""What tests and clients do with the jobs of the simulated world."""

from collections.abc import Callable, Iterable

from ._catalogue import CANCELLED
from ._jobs import FINAL_STATUSES, Attempt, Failure, Job, Numbers, Stream
from ._life import Life, latest_of
from ._planning import Asked, Connection
from ._truth import SimulatedJob, job_truth

__all__ = ["JobHands"]


class JobHands(Life):
    """A world whose jobs can be started, ended, deleted and hidden."""

    def run_now(
        self,
        connection_id: str,
        outcome: str = "succeeded",
        *,
        duration: float = 0.0,
        records: int = 1000,
        volume: int = 100_000,
        rejected: int = 0,
        config_type: str = "sync",
        queued: float = 0.0,
        attempts: int = 1,
        failures: Iterable[Failure] = (),
        hidden: bool = False,
        now: float | None = None,
    ) -> int:
        """Start a job by hand and return its id.

        It waits for `queued` seconds; then its `attempts` follow each other, and the last ends with `outcome`
        after `duration` seconds (``math.inf``: not before `finish`; it has read everything after a minute).
        None at all is for a job that does not succeed: it ends while it waits. The last attempt emits
        `records` of a `volume` in bytes and, unless it is cancelled, commits them but for those `rejected`;
        each one before is lost half way. Why the last one fails can be told: in the order in which things go
        wrong, with any origin and type, also such as Airbyte does not document. A `hidden` job is a row that
        is not committed before `reveal`.

        Raises:
            KeyError: there is no such connection.
            ValueError: the connection is deleted or has a live job, the outcome is not a final status, or
                there is no attempt that could succeed.
        """
        asked = _asked(outcome, duration, records, volume, rejected, queued, attempts, failures)
        with self._at(now):
            connection = self.connection(connection_id)
            if connection.status == "deprecated":
                raise ValueError(f"connection {connection_id} is deleted")
            if (live := self.live_job(connection)) is not None:
                raise ValueError(f"connection {connection_id} has a live job: {live.id}")
            job = self._planner.asked_for(connection, self._issue_id(), self._now, outcome, asked=asked)
            job.config_type, job.hidden = config_type, hidden
            job.has_stats = config_type != "reset_connection"
            self._append(connection, job)
            self._index.settle(self._now)
            return job.id

    def next_sync(
        self,
        connection_id: str,
        outcome: str = "succeeded",
        *,
        duration: float = 0.0,
        records: int = 1000,
        volume: int = 100_000,
        rejected: int = 0,
        queued: float = 0.0,
        attempts: int = 1,
        failures: Iterable[Failure] = (),
    ) -> None:
        """Decide how the next job goes that somebody asks the API for; the arguments are those of `run_now`.

        Those of several calls follow each other. Without any, such a job goes by the connection's character.

        Raises:
            KeyError: there is no such connection.
            ValueError: the outcome is not a final status, or there is no attempt that could succeed.
        """
        asked = _asked(outcome, duration, records, volume, rejected, queued, attempts, failures)
        with self._at(None):
            self.connection(connection_id).orders.append((outcome, asked))

    def request_job(
        self, connection: Connection, config_type: str = "sync", streams: tuple[Stream, ...] | None = None
    ) -> Job:
        """Start the job that somebody asks the API for; to be called under `lock`, with no live one there.

        It is about these `streams`, or about all of the connection. It goes as `next_sync` says, or as the
        connection's character has it; where one of its ends does not work, it fails.
        """
        job_id, now = self._issue_id(), self._now
        if connection.orders:
            outcome, asked = connection.orders.popleft()
            job = self._planner.asked_for(connection, job_id, now, outcome, asked=asked)
            job.config_type, job.has_stats = config_type, config_type != "reset_connection"
        else:
            job = self._planner.requested(connection, job_id, now, config_type)
            job = self._refused_if_broken(connection, job)
        if streams is not None:
            job.streams = streams
        self._append(connection, job)
        self._index.settle(now)
        return job

    def live_job(self, connection: Connection) -> Job | None:
        """Return the job of a connection that has not ended yet, seen or not; to be read under `lock`."""
        latest = latest_of(connection)
        return latest if latest is not None and latest.ended > self._now else None

    def finish(self, job_id: int, outcome: str = "succeeded", *, now: float | None = None) -> None:
        """End a live job now.

        A success keeps the numbers that were planned for its whole run, anything else those it has got to. A
        job that no attempt is running gets one where Airbyte's state machine asks for it.

        Raises:
            KeyError: there is no such job.
            ValueError: the job has ended already, or the outcome is not a final status.
        """
        _check_outcome(outcome)
        with self._at(now):
            job = self._require(job_id)
            connection = self.connection(job.connection_id)
            if job.status(self._now) in FINAL_STATUSES:
                raise ValueError(f"job {job_id} has ended")
            self._end(job, connection, outcome)
            self._index.watch(job)
            self._index.settle(self._now)
            self._plan_next(connection, free=self._now)

    def _end(self, job: Job, connection: Connection, outcome: str) -> None:
        now, succeeded = self._now, outcome == "succeeded"
        planned = job.attempts[-1].total if job.attempts else self._planner.volume(connection, now)
        job.attempts = job.tries(now)
        if succeeded and (not job.attempts or job.attempts[-1].ended <= now):
            job.attempts.append(Attempt(now, now, succeeded=True, total=planned))
        elif job.attempts and job.attempts[-1].ended > now:
            attempt = job.attempts[-1]
            attempt.total = planned if succeeded else attempt.numbers(now)
            attempt.ended, attempt.succeeded = now, succeeded
            attempt.failures = () if succeeded else (_failure(connection, outcome),)
        job.ended, job.outcome = now, outcome

    def delete_job(self, job_id: int) -> None:
        """Delete a row, as Airbyte does with those older than six months.

        Raises:
            KeyError: there is no such job.
        """
        with self._at(None):
            self._remove(self._require(job_id))

    def prune(self, predicate: Callable[[SimulatedJob], bool], *, now: float | None = None) -> int:
        """Delete the finished rows for which `predicate` holds, and return how many they were."""
        with self._at(now):
            doomed = [
                job
                for connection in self._company.connections.values()
                for job in connection.jobs
                if not job.gone and job.ended <= self._now and predicate(job_truth(job, self._now))
            ]
            for job in doomed:
                self._remove(job)
            return len(doomed)

    def reissue_id(self, job_id: int) -> None:
        """Give this old id to the next job, as after a restored database; a row that still has it goes."""
        with self._at(None):
            self._old_ids.append(job_id)

    def hide(self, job_id: int) -> None:
        """Take a row out of sight, as if its transaction were not committed yet.

        Raises:
            KeyError: there is no such job.
        """
        with self._at(None):
            job = self._require(job_id)
            self._index.remove(job)
            job.hidden = True

    def reveal(self, job_id: int, *, now: float | None = None) -> None:
        """Commit a hidden row: it appears with the times that it has had all along.

        Raises:
            KeyError: there is no such job.
        """
        with self._at(now):
            job = self._require(job_id)
            if job.hidden:
                job.hidden = False
                self._index.add(job, self._now)
                self._index.settle(self._now)


def _asked(
    outcome: str,
    duration: float,
    records: int,
    volume: int,
    rejected: int,
    queued: float,
    attempts: int,
    failures: Iterable[Failure],
) -> Asked:
    _check_outcome(outcome)
    if attempts < 1 and (attempts < 0 or outcome == "succeeded"):
        raise ValueError(f"a job with {attempts} attempts cannot have {outcome}")
    kept = 0 if outcome == "cancelled" else 1
    size = volume // records if records else 0
    numbers = Numbers(
        records, volume, (records - rejected) * kept, (volume - rejected * size) * kept, rejected
    )
    return Asked(duration, numbers, queued, attempts, tuple(failures))


def _failure(connection: Connection, outcome: str) -> Failure:
    return CANCELLED if outcome == "cancelled" else connection.source.connector.failures[0]


def _check_outcome(outcome: str) -> None:
    if outcome not in FINAL_STATUSES:
        raise ValueError(f"{outcome!r} is not one of {', '.join(sorted(FINAL_STATUSES))}")
