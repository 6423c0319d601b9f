"""The simulated company's Airbyte: a world that goes on by itself and that tests can push around."""

import random
from typing import Any, Final

from ._catalogue import Connector
from ._company import new_uuid
from ._directory import connector_named
from ._job_hands import JobHands
from ._jobs import NEVER, Stream
from ._planning import Actor, Connection, streams_of
from ._schedule import MANUAL, Schedule, basic
from ._schemas import streams_of_catalogue
from ._timeline import AUTOMATIC_REASONS, ENABLED, SCHEMA_IS_BREAKING, TOO_MANY_FAILURES

__all__ = ["World"]

Json = dict[str, Any]

_SCHEMA_CHANGES: Final = ("no_change", "non_breaking", "breaking")
_NEW_RECORDS: Final = 1000.0
_NEW_SECONDS: Final = 300.0
"""How long a sync of a connection takes that was added by the API, in the company's time."""


class World(JobHands):
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
            if connection.schema_change == "breaking":
                connection.schema_change = "no_change"
            self.switch_on(connection)

    def switch_on(self, connection: Connection) -> None:
        """Enable a connection, whatever its schema; to be called under `lock`."""
        connection.status = "active"
        connection.timeline.note(ENABLED, self._now, user_id=self._company.user_id)
        if connection.character == "disabled":
            connection.character = "steady"
        self._plan_next(connection, free=self._now)

    def delete_connection(self, connection_id: str, *, now: float | None = None) -> None:
        """Delete a connection: a live job is cancelled, its rows stay, no listing shows the connection."""
        with self._at(now):
            connection = self.connection(connection_id)
            if (live := self.live_job(connection)) is not None:
                self.finish(live.id, "cancelled")
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
            identity, streams = new_uuid(rng), streams_of(ends[0].connector, rng)
            return self._set_up(identity, rng, ends, name, schedule, streams).id

    def set_up_connection(
        self, ends: tuple[Actor, Actor], name: str, schedule: Schedule, catalogue: list[Json], *, status: str
    ) -> Connection:
        """Add a connection as somebody asks the API for it; to be called under `lock`.

        It is steady and moves about a thousand records. As Airbyte has it, a basic schedule that has never
        run is due at once, a cron one at its next fire time.
        """
        rng = random.Random(self._rng.getrandbits(64))
        identity, streams = new_uuid(rng), streams_of_catalogue(catalogue, rng)
        connection = self._set_up(identity, rng, ends, name, schedule, streams, status=status)
        connection.catalogue, connection.queue_every = catalogue, 0
        connection.records = _NEW_RECORDS if catalogue else 0.0
        connection.duration = _NEW_SECONDS
        return connection

    def _set_up(
        self,
        identity: str,
        rng: random.Random,
        ends: tuple[Actor, Actor],
        name: str,
        schedule: Schedule,
        streams: tuple[Stream, ...],
        status: str = "active",
    ) -> Connection:
        connection = Connection(
            id=identity,
            name=name,
            workspace_id=ends[0].workspace_id,
            source=ends[0],
            destination=ends[1],
            schedule=schedule,
            created=self._now,
            character="steady",
            rng=rng,
            streams=streams,
            records=_NEW_RECORDS,
            record_bytes=200,
            duration=schedule.interval * self._speed * 0.1,
            status=status,
        )
        self._company.connections[connection.id] = connection
        self.reschedule(connection, schedule)
        return connection

    def reschedule(self, connection: Connection, schedule: Schedule) -> None:
        """Give a connection another schedule; to be called under `lock`.

        By Airbyte's rule a basic one counts from the last job that a schedule has started, whichever that
        was, and is due at once where there was none.
        """
        connection.schedule = schedule
        if schedule.type == "manual":
            connection.due = NEVER
            return
        if schedule.type == "cron":
            connection.ran = self._now
        else:
            never = self._now - schedule.interval
            connection.ran = max((job.created for job in connection.jobs if job.scheduled), default=never)
        connection.due = NEVER
        if connection.status == "active":
            connection.due = max(self._now, schedule.next_after(connection.ran))
        self._note_due(connection)

    def select_streams(self, connection: Connection, catalogue: list[Json]) -> None:
        """Let a connection sync these streams from its next job on; to be called under `lock`."""
        connection.catalogue = catalogue
        connection.streams = streams_of_catalogue(catalogue, connection.rng)
        if not catalogue:
            connection.records = 0.0
        elif not connection.records:
            connection.records = _NEW_RECORDS
        if connection.schema_change == "non_breaking":
            connection.schema_change = "no_change"

    def add_source(
        self,
        connector: str,
        name: str = "Added source",
        *,
        workspace_id: str | None = None,
        configuration: Json | None = None,
    ) -> str:
        """Add a source that no connection uses, and return its id.

        Without a configuration it has one that works, whatever that is.

        Raises:
            ValueError: there is no such connector.
        """
        with self._at(None):
            return self._actor(connector, name, workspace_id, configuration=configuration).id

    def add_destination(
        self,
        connector: str,
        name: str = "Added destination",
        *,
        workspace_id: str | None = None,
        configuration: Json | None = None,
    ) -> str:
        """Add a destination that no connection uses, and return its id.

        Without a configuration it has one that works, whatever that is.

        Raises:
            ValueError: there is no such connector.
        """
        with self._at(None):
            added = self._actor(connector, name, workspace_id, is_source=False, configuration=configuration)
            return added.id

    def break_actor(self, actor_id: str, message: str = "Could not connect: connection refused") -> None:
        """Let a source or destination work no more: checks fail with `message`, and so do its syncs.

        Raises:
            KeyError: there is no such source or destination.
        """
        with self._at(None):
            self._either(actor_id).broken = message

    def heal_actor(self, actor_id: str) -> None:
        """Let a source or destination work again, as far as its configuration does.

        Raises:
            KeyError: there is no such source or destination.
        """
        with self._at(None):
            self._either(actor_id).broken = None

    def _either(self, actor_id: str) -> Actor:
        source = self._company.sources.get(actor_id)
        return self._company.destinations[actor_id] if source is None else source

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

    def _actor(
        self,
        connector: str,
        name: str,
        workspace_id: str | None,
        *,
        is_source: bool = True,
        configuration: Json | None = None,
    ) -> Actor:
        named = connector_named("source" if is_source else "destination", connector)
        workspace = workspace_id or next(iter(self._company.workspaces))
        return self.set_up_actor(named, name, workspace, configuration)

    def set_up_actor(
        self, connector: Connector, name: str, workspace_id: str, configuration: Json | None
    ) -> Actor:
        """Add a source or destination, whichever its connector is for; to be called under `lock`."""
        company = self._company
        identity = new_uuid(random.Random(self._rng.getrandbits(64)))
        actor = Actor(identity, workspace_id, name, connector, self._now, given=configuration)
        (company.sources if connector.kind == "source" else company.destinations)[actor.id] = actor
        return actor

    def _delete_actor(self, actor: Actor) -> None:
        actor.deleted = True
        for connection in self._company.connections.values():
            if actor in (connection.source, connection.destination) and connection.status != "deprecated":
                self.delete_connection(connection.id)
