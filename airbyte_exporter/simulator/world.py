"""The simulated company's Airbyte: a world that goes on by itself and that tests can push around."""

import random
from collections.abc import Callable, Iterable
from typing import Final

from ._catalogue import CANCELLED, DESTINATIONS, SOURCES, Connector
from ._company import new_uuid
from ._jobs import FINAL_STATUSES, NEVER, Attempt, Failure, Job, Numbers
from ._life import Life, latest_of
from ._planning import Actor, Asked, Connection, streams_of
from ._schedule import MANUAL, basic
from ._timeline import AUTOMATIC_REASONS, ENABLED, SCHEMA_IS_BREAKING, TOO_MANY_FAILURES
from ._truth import SimulatedJob, job_truth

__all__ = ["World"]

_SCHEMA_CHANGES: Final = ("no_change", "non_breaking", "breaking")


class World(Life):
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

    def run_now(
        self,
        connection_id: str,
        outcome: str = "succeeded",
        *,
        duration: float = 0.0,
        records: int = 1000,
        bytes: int = 100_000,  # noqa: A002 - the word that a test's author looks for
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
        `records` and `bytes` and, unless it is cancelled, commits them but for those `rejected`; each one
        before is lost half way. Why the last one fails can be told: in the order in which things go wrong,
        with any origin and type, also such as Airbyte does not document. A `hidden` job is a row that is not
        committed before `reveal`.

        Raises:
            KeyError: there is no such connection.
            ValueError: the connection is deleted or has a live job, the outcome is not a final status, or
                there is no attempt that could succeed.
        """
        _check_outcome(outcome)
        if attempts < 1 and (attempts < 0 or outcome == "succeeded"):
            raise ValueError(f"a job with {attempts} attempts cannot have {outcome}")
        with self._at(now):
            connection = self.connection(connection_id)
            latest = latest_of(connection)
            if connection.status == "deprecated":
                raise ValueError(f"connection {connection_id} is deleted")
            if latest is not None and latest.ended > self._now:
                raise ValueError(f"connection {connection_id} has a live job: {latest.id}")
            kept = 0 if outcome == "cancelled" else 1
            size = bytes // records if records else 0
            numbers = Numbers(
                records, bytes, (records - rejected) * kept, (bytes - rejected * size) * kept, rejected
            )
            asked = Asked(duration, numbers, queued, attempts, tuple(failures))
            job = self._planner.asked_for(connection, self._issue_id(), self._now, outcome, asked=asked)
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

    def pause(self, connection_id: str, *, now: float | None = None) -> None:
        """Disable a connection, as a person does; a job that runs goes on.

        Airbyte notes it again for one that is disabled already.
        """
        with self._at(now):
            self._disable(self.connection(connection_id))

    def disable(
        self, connection_id: str, reason: str = TOO_MANY_FAILURES, *, now: float | None = None
    ) -> None:
        """Disable a connection, as Airbyte does by itself; a job that runs goes on.

        Raises:
            ValueError: it is none of Airbyte's reasons.
        """
        if reason not in AUTOMATIC_REASONS:
            raise ValueError(f"{reason!r} is not one of {', '.join(AUTOMATIC_REASONS)}")
        with self._at(now):
            self._disable(self.connection(connection_id), reason)

    def _disable(self, connection: Connection, reason: str | None = None) -> None:
        connection.disable(self._now, user_id=self._company.user_id, reason=reason)
        connection.due = NEVER

    def enable(self, connection_id: str, *, now: float | None = None) -> None:
        """Enable a connection, a changed schema approved; its schedule starts the next job."""
        with self._at(now):
            connection = self.connection(connection_id)
            connection.status = "active"
            connection.timeline.note(ENABLED, self._now, user_id=self._company.user_id)
            if connection.schema_change == "breaking":
                connection.schema_change = "no_change"
            if connection.character == "disabled":
                connection.character = "steady"
            self._plan_next(connection, free=self._now)

    def delete_connection(self, connection_id: str, *, now: float | None = None) -> None:
        """Delete a connection: a live job is cancelled, its rows stay, no listing shows the connection."""
        with self._at(now):
            connection = self.connection(connection_id)
            latest = latest_of(connection)
            if latest is not None and latest.ended > self._now:
                self.finish(latest.id, "cancelled")
            connection.status, connection.due = "deprecated", NEVER

    def rename(self, connection_id: str, name: str) -> None:
        """Give a connection another name."""
        with self._at(None):
            self.connection(connection_id).name = name

    def change_schema(self, connection_id: str, change: str = "non_breaking") -> None:
        """Let a connection's source have another schema than the one that it was set up with, or no more.

        A ``breaking`` change disables the connection, as Airbyte does.

        Raises:
            ValueError: it is not ``no_change``, ``non_breaking`` or ``breaking``.
        """
        if change not in _SCHEMA_CHANGES:
            raise ValueError(f"{change!r} is not one of {', '.join(_SCHEMA_CHANGES)}")
        with self._at(None):
            self.connection(connection_id).schema_change = change
            if change == "breaking":
                self._disable(self.connection(connection_id), SCHEMA_IS_BREAKING)

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
            ends = (
                self._actor(source, f"{source} for {name}", workspace),
                self._actor(destination, f"{destination} for {name}", workspace, is_source=False),
            )
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
            if every_hours is not None:
                connection.ran, connection.due = self._now - schedule.interval, self._now
            self._note_due(connection)
            return connection.id

    def add_source(
        self, connector: str, name: str = "Added source", *, workspace_id: str | None = None
    ) -> str:
        """Add a source that no connection uses, and return its id.

        Raises:
            ValueError: there is no such connector.
        """
        with self._at(None):
            return self._actor(connector, name, workspace_id).id

    def add_destination(
        self, connector: str, name: str = "Added destination", *, workspace_id: str | None = None
    ) -> str:
        """Add a destination that no connection uses, and return its id.

        Raises:
            ValueError: there is no such connector.
        """
        with self._at(None):
            return self._actor(connector, name, workspace_id, is_source=False).id

    def delete_source(self, source_id: str, *, now: float | None = None) -> None:
        """Delete a source with its connections, as Airbyte does.

        Raises:
            KeyError: there is no such source.
        """
        with self._at(now):
            self._delete_actor(self._company.sources[source_id])

    def delete_destination(self, destination_id: str, *, now: float | None = None) -> None:
        """Delete a destination with its connections, as Airbyte does.

        Raises:
            KeyError: there is no such destination.
        """
        with self._at(now):
            self._delete_actor(self._company.destinations[destination_id])

    def _actor(self, connector: str, name: str, workspace_id: str | None, *, is_source: bool = True) -> Actor:
        company, catalogue = self._company, SOURCES if is_source else DESTINATIONS
        workspace = workspace_id or next(iter(company.workspaces))
        identity = new_uuid(random.Random(self._rng.getrandbits(64)))
        actor = Actor(identity, workspace, name, _connector(catalogue, connector), self._now)
        (company.sources if is_source else company.destinations)[actor.id] = actor
        return actor

    def _delete_actor(self, actor: Actor) -> None:
        actor.deleted = True
        for connection in self._company.connections.values():
            if actor in (connection.source, connection.destination) and connection.status != "deprecated":
                self.delete_connection(connection.id)


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
