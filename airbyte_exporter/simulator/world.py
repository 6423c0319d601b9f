"""The simulated company's Airbyte: a world that goes on by itself and that tests can push around."""

import heapq
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ._catalogue import CANCELLED, DESTINATIONS, SOURCES, Connector
from ._company import Company, Tag, Workspace, build_company, new_uuid
from ._jobs import FINAL_STATUSES, NEVER, Attempt, Failure, Job, JobIndex, Numbers
from ._planning import Actor, Connection, Planner, streams_of
from ._query import JobQuery, Selection, select
from ._schedule import MANUAL, basic
from ._truth import SimulatedConnection, SimulatedJob, connection_truth, job_truth

__all__ = ["World"]

DAY: Final = 86400
_KEPT: Final = 182 * DAY
_HISTORY_BUDGET: Final = 120_000


class World:
    """A company's Airbyte, the same for the same arguments.

    It knows the time only from `advance` and from the `now` of the controls; with a `clock`, every method
    reads that first. It never goes back. Every method may be called from any thread. Job ids, names and UUIDs
    follow from `seed`. Schedules, durations and the company's day and week are divided by `speed`; what the
    API tells of schedules is divided as well.

    Args:
        seed: what everything random follows from.
        connections: how many connections there are; the first twelve show a story each.
        speed: how many times quicker than a real company it goes.
        now: epoch seconds at which the world begins; the history lies before it. Default: `clock()`.
        workspaces: how many workspaces there are.
        history_jobs: how many past jobs a scheduled connection has at most; very large worlds have fewer.
        clock: where the time comes from when a method is given none.

    Raises:
        ValueError: there is neither `now` nor `clock`, or a number is out of range.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        connections: int = 12,
        speed: float = 60.0,
        now: float | None = None,
        workspaces: int = 3,
        history_jobs: int = 60,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if now is None:
            if clock is None:
                raise ValueError("a world needs to know when it begins: give it now or clock")
            now = clock()
        if connections < 0 or workspaces < 1 or history_jobs < 0 or speed <= 0:
            raise ValueError("a world has at least one workspace, no negative numbers and a positive speed")
        self.lock = threading.RLock()
        self.seed = seed
        self._speed = speed
        self._clock = clock
        self._now = now
        self._planner = Planner(speed)
        self._rng = random.Random(f"controls {seed}")
        self._index = JobIndex()
        self._next_id = 1
        self._old_ids: list[int] = []
        self._frozen = False
        self._pruned_at = now
        affordable = _HISTORY_BUDGET // connections if connections else 0
        self._company = build_company(
            seed=seed,
            connections=connections,
            workspaces=workspaces,
            speed=speed,
            now=now,
            history_jobs=min(history_jobs, affordable),
        )
        self._agenda: list[tuple[float, int, Connection]] = []
        self._entries = 0
        for connection in self._company.connections.values():
            self._note_due(connection)
        self._founding = True
        self.advance(now)
        self._founding = False
        self._index.fill((job for c in self._company.connections.values() for job in c.jobs), now)

    # What goes on by itself

    @property
    def now(self) -> float:
        """The time that the world has got to, in epoch seconds."""
        return self._now

    def advance(self, now: float) -> None:
        """Let the world go on until `now`; an instant that has passed changes nothing."""
        with self.lock:
            self._now = max(self._now, now)
            while self._agenda and self._agenda[0][0] <= self._now:
                due, _, connection = heapq.heappop(self._agenda)
                if due == connection.due:
                    self._run_due(connection)
            self._index.settle(self._now)
            self._prune_old()

    def freeze(self) -> None:
        """Start no job any more unless told to; live ones go on to their end."""
        with self._at(None):
            self._frozen = True
            self._agenda.clear()
            for connection in self._company.connections.values():
                connection.due = NEVER

    def _run_due(self, connection: Connection) -> None:
        due, latest = connection.due, _latest(connection)
        if latest is not None and latest.ended > due:
            # One job at a time: Airbyte waits for the one that runs.
            self._plan_next(connection, free=latest.ended)
        elif connection.character == "disabled" and due >= connection.turns:
            connection.due = NEVER
        else:
            self._append(connection, self._planner.spontaneous(connection, self._issue_id(), due))
            connection.ran = due
            self._plan_next(connection, free=due)

    def _plan_next(self, connection: Connection, free: float) -> None:
        if connection.status == "active" or connection.character == "disabled":
            connection.due = connection.schedule.due(connection.ran, free) + self._latency(connection)
        self._note_due(connection)

    def _latency(self, connection: Connection) -> float:
        return 0.05 + connection.rng.random() * min(1.0, 0.02 * connection.schedule.interval)

    def _note_due(self, connection: Connection) -> None:
        if connection.due < NEVER and not self._frozen:
            self._entries += 1
            heapq.heappush(self._agenda, (connection.due, self._entries, connection))

    def _append(self, connection: Connection, job: Job) -> None:
        connection.jobs.append(job)
        if not job.hidden and not self._founding:
            self._index.add(job, self._now)

    def _issue_id(self) -> int:
        if self._old_ids:
            job_id = self._old_ids.pop(0)
            if (row := self._row(job_id)) is not None:
                self._remove(row)
            return job_id
        self._next_id += 1
        return self._next_id - 1

    def _prune_old(self) -> None:
        """Forget what Airbyte's own retention would delete, so that a long run does not grow for ever."""
        kept = max(float(DAY), _KEPT / self._speed)
        if self._now - self._pruned_at < kept / 100:
            return
        self._pruned_at = self._now
        for connection in self._company.connections.values():
            fresh = [job for job in connection.jobs if job.ended > self._now - kept]
            if len(fresh) < len(connection.jobs):
                for job in connection.jobs:
                    if job.ended <= self._now - kept:
                        self._remove(job)
                connection.jobs[:] = fresh

    # Controls for tests

    def run_now(
        self,
        connection_id: str,
        outcome: str = "succeeded",
        *,
        duration: float = 0.0,
        records: int = 1000,
        bytes: int = 100_000,  # noqa: A002 - the word that a test's author looks for
        config_type: str = "sync",
        hidden: bool = False,
        now: float | None = None,
    ) -> int:
        """Start a job by hand and return its id.

        It has one attempt that starts at once and ends with `outcome` after `duration` seconds (``math.inf``:
        not before `finish`; it has read everything after a minute). It emits and, unless it is cancelled,
        commits `records` and `bytes`. A `hidden` one is a row that is not committed before `reveal`.

        Raises:
            KeyError: there is no such connection.
            ValueError: the connection is deleted or has a live job, or the outcome is not a final status.
        """
        _check_outcome(outcome)
        with self._at(now):
            connection = self.connection(connection_id)
            latest = _latest(connection)
            if connection.status == "deprecated":
                raise ValueError(f"connection {connection_id} is deleted")
            if latest is not None and latest.ended > self._now:
                raise ValueError(f"connection {connection_id} has a live job: {latest.id}")
            kept = 0 if outcome == "cancelled" else 1
            numbers = Numbers(records, bytes, records * kept, bytes * kept)
            job = self._planner.asked_for(connection, self._issue_id(), self._now, outcome, duration, numbers)
            job.config_type, job.hidden = config_type, hidden
            job.has_stats = config_type != "reset_connection"
            self._append(connection, job)
            self._index.settle(self._now)
            return job.id

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
            attempt.failure = None if succeeded else _failure(connection, outcome)
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

    def pause(self, connection_id: str, *, now: float | None = None) -> None:
        """Disable a connection; a job that runs goes on."""
        with self._at(now):
            connection = self.connection(connection_id)
            connection.status, connection.due = "inactive", NEVER

    def enable(self, connection_id: str, *, now: float | None = None) -> None:
        """Enable a connection; its schedule starts the next job."""
        with self._at(now):
            connection = self.connection(connection_id)
            connection.status = "active"
            if connection.character == "disabled":
                connection.character = "steady"
            self._plan_next(connection, free=self._now)

    def delete_connection(self, connection_id: str, *, now: float | None = None) -> None:
        """Delete a connection: a live job is cancelled, its rows stay, no listing shows the connection."""
        with self._at(now):
            connection = self.connection(connection_id)
            latest = _latest(connection)
            if latest is not None and latest.ended > self._now:
                self.finish(latest.id, "cancelled")
            connection.status, connection.due = "deprecated", NEVER

    def rename(self, connection_id: str, name: str) -> None:
        """Give a connection another name."""
        with self._at(None):
            self.connection(connection_id).name = name

    def add_connection(
        self,
        name: str = "Added connection",
        *,
        workspace_id: str | None = None,
        source: str = "Postgres",
        destination: str = "Snowflake",
        every_hours: int | None = None,
        now: float | None = None,
    ) -> str:
        """Add a connection without history and return its id.

        It is manual, or syncs every so many hours divided by the speed. `source` and `destination` are names
        of connectors in the catalogue; it gets a source and a destination of its own.

        Raises:
            ValueError: there is no such connector.
        """
        with self._at(now):
            company = self._company
            workspace = workspace_id or next(iter(company.workspaces))
            schedule = MANUAL if every_hours is None else basic(every_hours, "hours", self._speed)
            rng = random.Random(self._rng.getrandbits(64))
            ends = []
            for known, catalogue, wanted in (
                (company.sources, SOURCES, source),
                (company.destinations, DESTINATIONS, destination),
            ):
                connector = _connector(catalogue, wanted)
                actor = Actor(new_uuid(rng), workspace, f"{wanted} for {name}", connector, self._now)
                known[actor.id] = actor
                ends.append(actor)
            connection = Connection(
                id=new_uuid(rng),
                name=name,
                workspace_id=workspace,
                source=ends[0],
                destination=ends[1],
                schedule=schedule,
                created=self._now,
                character="steady",
                rng=rng,
                streams=streams_of(ends[0].connector, rng),
                records=1000.0,
                record_bytes=200,
                duration=schedule.interval * self._speed * 0.1,
            )
            company.connections[connection.id] = connection
            connection.due = self._now if every_hours is not None else NEVER
            self._note_due(connection)
            return connection.id

    # The truth, and what the API reads

    def connections(self) -> tuple[SimulatedConnection, ...]:
        """Return all connections as they are, deleted ones included."""
        with self._at(None):
            company = self._company
            return tuple(
                connection_truth(
                    connection,
                    company.workspaces[connection.workspace_id].name,
                    tuple(tag.name for tag in self.tags_of(connection)),
                )
                for connection in company.connections.values()
            )

    def jobs(self, connection_id: str | None = None) -> tuple[SimulatedJob, ...]:
        """Return all jobs as they are, by creation: hidden and deleted rows too.

        Only what the world's own retention (six months divided by the speed, at least a day) has dropped is
        missing.
        """
        with self._at(None):
            if connection_id is not None:
                rows = list(self.connection(connection_id).jobs)
            else:
                rows = [job for c in self._company.connections.values() for job in c.jobs]
                rows.sort(key=lambda job: (job.created, job.id))
            return tuple(job_truth(job, self._now) for job in rows)

    @property
    def company(self) -> Company:
        """Everything that an inventory lists; to be read under `lock`."""
        return self._company

    def connection(self, connection_id: str) -> Connection:
        """Return a connection.

        Raises:
            KeyError: there is none with this id.
        """
        return self._company.connections[connection_id]

    def tags_of(self, connection: Connection) -> list[Tag]:
        """Return the tags of a connection."""
        return [self._company.tags[connection.workspace_id][place] for place in connection.tags]

    def workspaces(self) -> list[Workspace]:
        """Return all workspaces."""
        return list(self._company.workspaces.values())

    def job(self, job_id: int) -> Job | None:
        """Return a visible row; to be read under `lock`."""
        return self._index.get(job_id)

    def select(self, query: JobQuery) -> Selection:
        """Select visible rows; to be read under `lock`."""
        rows: list[Job] = []
        if query.connection_id is not None:
            connection = self._company.connections.get(query.connection_id)
            rows = [job for job in connection.jobs if not (job.hidden or job.gone)] if connection else []
        return select(self._index, rows, query, self._now)

    @contextmanager
    def _at(self, now: float | None) -> Iterator[None]:
        """Hold the lock and be at `now`, or where the clock is."""
        with self.lock:
            if now is None and self._clock is not None:
                now = self._clock()
            if now is not None:
                self.advance(now)
            yield

    def _row(self, job_id: int) -> Job | None:
        if (row := self._index.get(job_id)) is not None:
            return row
        hidden = (
            job
            for connection in self._company.connections.values()
            for job in connection.jobs
            if job.id == job_id and job.hidden and not job.gone
        )
        return next(hidden, None)

    def _require(self, job_id: int) -> Job:
        if (row := self._row(job_id)) is None:
            raise KeyError(job_id)
        return row

    def _remove(self, job: Job) -> None:
        self._index.remove(job)
        job.gone = True


def _latest(connection: Connection) -> Job | None:
    for job in reversed(connection.jobs):
        if not job.gone:
            return job
    return None


def _connector(catalogue: tuple[Connector, ...], name: str) -> Connector:
    for connector in catalogue:
        if connector.name == name:
            return connector
    raise ValueError(f"{name!r} is not one of {', '.join(connector.name for connector in catalogue)}")


def _failure(connection: Connection, outcome: str) -> Failure:
    return CANCELLED if outcome == "cancelled" else connection.source.connector.failures[0]


def _check_outcome(outcome: str) -> None:
    if outcome not in FINAL_STATUSES:
        raise ValueError(f"{outcome!r} is not one of {', '.join(sorted(FINAL_STATUSES))}")
