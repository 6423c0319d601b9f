"""How the simulated company's Airbyte goes on by itself, and what can be read of it."""

import heapq
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ._checks import failure_of
from ._company import Company, Tag, Workspace, build_company
from ._jobs import NEVER, Job, JobIndex
from ._planning import Connection, Planner
from ._query import JobQuery, Selection, select
from ._truth import (
    SimulatedActor,
    SimulatedConnection,
    SimulatedJob,
    actor_truth,
    connection_truth,
    job_truth,
)

__all__ = ["Life", "latest_of"]

DAY: Final = 86400
_KEPT: Final = 182 * DAY
_HISTORY_BUDGET: Final = 120_000


class Life:
    """What `World` is without anybody's hands in it."""

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

    @property
    def speed(self) -> float:
        """How many times quicker than a real company the world goes."""
        return self._speed

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
        due, latest = connection.due, latest_of(connection)
        if latest is not None and latest.ended > due:
            # One job at a time: Airbyte waits for the one that runs.
            self._plan_next(connection, free=latest.ended)
        elif connection.character == "disabled" and due >= connection.turns:
            connection.due = NEVER
        else:
            job = self._planner.spontaneous(connection, self._issue_id(), due)
            job = self._refused_if_broken(connection, job)
            self._append(connection, job)
            if job.scheduled:
                connection.ran = due
            self._plan_next(connection, free=due)

    def _refused_if_broken(self, connection: Connection, job: Job) -> Job:
        failure = None if job.config_type == "reset_connection" else failure_of(connection)
        return job if failure is None else self._planner.refused(job, failure)

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
                    self._now,
                )
                for connection in company.connections.values()
            )

    def sources(self) -> tuple[SimulatedActor, ...]:
        """Return all sources as they are, unused and deleted ones included."""
        with self._at(None):
            return tuple(actor_truth(actor) for actor in self._company.sources.values())

    def destinations(self) -> tuple[SimulatedActor, ...]:
        """Return all destinations as they are, unused and deleted ones included."""
        with self._at(None):
            return tuple(actor_truth(actor) for actor in self._company.destinations.values())

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


def latest_of(connection: Connection) -> Job | None:
    """Return the newest job of a connection, whether or not its row is visible."""
    for job in reversed(connection.jobs):
        if not job.gone:
            return job
    return None
