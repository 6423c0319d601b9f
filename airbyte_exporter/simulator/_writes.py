"""What clients write: sources, destinations, connections and jobs, asked for by the bodies of requests.

Both APIs that take writes read them alike; what they answer is their own.
"""

from typing import Any, Final

from ._answers import Body, Problem, conflict, invalid, not_found, server_error, unexpected
from ._catalogue import Connector
from ._checks import trouble_with
from ._connection_settings import NEW_SETTINGS, name_of, read_schedule, read_settings, read_tags
from ._directory import connector_with
from ._generations import Generation
from ._jobs import FINAL_STATUSES, Job, Stream
from ._planning import Actor, Connection
from ._schemas import read_catalogue
from ._specs import unmasked, violations
from .world import World

__all__ = ["Writes"]

Json = dict[str, Any]

_STATUSES: Final = frozenset({"active", "inactive", "deprecated"})
_NAMES: Final = {"source": "SOURCE_CONNECTION", "destination": "DESTINATION_CONNECTION"}
_DEFINITIONS: Final = {
    "source": "STANDARD_SOURCE_DEFINITION",
    "destination": "STANDARD_DESTINATION_DEFINITION",
}


class Writes:
    """Changes a world as the bodies of requests say; the caller holds the world's lock.

    Every method raises the `Problem` that is the answer where something is not as it must be.
    """

    def __init__(self, world: World, generation: Generation) -> None:
        self._world = world
        self._generation = generation

    # Sources and destinations

    def definition(self, body: Body, kind: str) -> Connector:
        """Return the connector that a body names by its definition."""
        identity = body.required_uuid(f"{kind}DefinitionId")
        if (connector := connector_with(kind, identity)) is None:
            raise not_found(_DEFINITIONS[kind], identity)
        return connector

    def actor(self, body: Body, kind: str) -> Actor:
        """Return the source or destination that a body names; a deleted one is gone."""
        identity = body.required_uuid(f"{kind}Id")
        company = self._world.company
        actor = (company.sources if kind == "source" else company.destinations).get(identity)
        if actor is None or actor.deleted:
            raise not_found(_NAMES[kind], identity)
        return actor

    def create_actor(self, body: Body, kind: str) -> Actor:
        """Add a source or destination; whether it can connect is not asked."""
        workspace_id, name = body.required_uuid("workspaceId"), body.required_text("name")
        definition_id = body.required_uuid(f"{kind}DefinitionId")
        configuration = body.required_inner("connectionConfiguration").fields
        if workspace_id not in self._world.company.workspaces:
            raise not_found("STANDARD_WORKSPACE", workspace_id)
        if (connector := connector_with(kind, definition_id)) is None:
            raise not_found(_DEFINITIONS[kind], definition_id)
        _check_configuration(connector, configuration)
        return self._world.set_up_actor(connector, name, workspace_id, configuration)

    def update_actor(self, body: Body, kind: str) -> Actor:
        """Replace a configuration but for the secrets that are masked, and the name."""
        actor, name = self.actor(body, kind), body.required_text("name")
        sent = body.required_inner("connectionConfiguration").fields
        configuration = unmasked(sent, actor.configuration)
        _check_configuration(actor.connector, configuration)
        actor.given, actor.name = configuration, name
        return actor

    def delete_actor(self, body: Body, kind: str) -> None:
        """Delete a source or destination with its connections."""
        actor = self.actor(body, kind)
        if kind == "source":
            self._world.delete_source(actor.id, now=self._world.now)
        else:
            self._world.delete_destination(actor.id, now=self._world.now)

    def check(self, body: Body, kind: str) -> tuple[Actor, str | None]:
        """Return a source or destination, and why it does not work."""
        actor = self.actor(body, kind)
        return actor, trouble_with(actor)

    # Connections

    def connection(self, body: Body) -> Connection:
        """Return the connection that a body names and that something is to be done with: none deleted."""
        identity = body.required_uuid("connectionId")
        connection = self._world.company.connections.get(identity)
        if connection is None or connection.status == "deprecated":
            raise not_found("STANDARD_SYNC", identity)
        return connection

    def create_connection(self, body: Body) -> Connection:
        """Add a connection between a source and a destination of one workspace."""
        status = body.required_choice("status", _STATUSES)
        ends = self.actor(body, "source"), self.actor(body, "destination")
        if ends[0].workspace_id != ends[1].workspace_id:
            raise self._unexpected("Source and destination do not belong to the same workspace.")
        world, generation = self._world, self._generation
        catalogue = read_catalogue(body, generation) if body.has("syncCatalog") else []
        schedule = read_schedule(body, generation, world)
        settings = read_settings(body)
        tags = read_tags(body, world, ends[0].workspace_id)
        name = name_of(body, ends)
        connection = world.set_up_connection(ends, name, schedule, catalogue, status=status)
        connection.settings, connection.tags = NEW_SETTINGS | settings, tags or ()
        return connection

    def update_connection(self, body: Body) -> Connection:
        """Change what is there of a connection's properties; a catalogue is replaced as a whole."""
        connection, world = self.connection(body), self._world
        status, name = body.choice("status", _STATUSES), body.text("name")
        timed = any(body.has(one) for one in ("schedule", "scheduleType", "scheduleData"))
        if not self._generation.schedule_types:
            timed = "schedule" in body.fields  # a null is how a client says: by hand
        schedule = read_schedule(body, self._generation, world) if timed else None
        catalogue = read_catalogue(body, self._generation) if body.has("syncCatalog") else None
        settings = read_settings(body)
        tags = read_tags(body, world, connection.workspace_id)
        breaking = body.boolean("breakingChange")
        connection.settings = connection.settings | settings
        connection.name = connection.name if name is None else name
        connection.tags = connection.tags if tags is None else tags
        if schedule is not None:
            world.reschedule(connection, schedule)
        if catalogue is not None:
            world.select_streams(connection, catalogue)
        if breaking is False and connection.schema_change == "breaking":
            connection.schema_change = "no_change"
        self._set_status(connection, status)
        return connection

    def _set_status(self, connection: Connection, status: str | None) -> None:
        world = self._world
        # Airbyte writes the event whenever a status is sent, also where it is the same as before.
        match status:
            case "active":
                world.switch_on(connection)
            case "inactive":
                world.pause(connection.id, now=world.now)
            case "deprecated":
                world.delete_connection(connection.id, now=world.now)
            case _:
                pass

    def delete_connection(self, body: Body) -> None:
        """Delete a connection; a live job of it is cancelled."""
        self._world.delete_connection(self.connection(body).id, now=self._world.now)

    # Jobs

    def start(self, body: Body, config_type: str, streams: tuple[Stream, ...] | None = None) -> Job:
        """Start a job of a connection that is active and has no live one."""
        connection = self.connection(body)
        if connection.status != "active":
            raise self._unexpected("Can only sync an active connection")
        if self._world.live_job(connection) is not None:
            raise conflict(f"A sync is already running for: {connection.id}")
        return self._world.request_job(connection, config_type, streams)

    def cancel(self, body: Body) -> Job:
        """Cancel a job; one that has ended stays as it is."""
        job_id, world = body.required_integer("id"), self._world
        job = world.job(job_id)
        if job is None or job.config_type not in self._generation.job_types:
            raise server_error(f"job {job_id}")
        if job.status(world.now) not in FINAL_STATUSES:
            world.finish(job_id, "cancelled", now=world.now)
        return job

    def _unexpected(self, message: str) -> Problem:
        return server_error(message) if self._generation.error_ids else unexpected(message)


def _check_configuration(connector: Connector, configuration: Json) -> None:
    if found := violations(connector, configuration):
        what = "json schema validation failed when comparing the data to the json schema."
        raise invalid(f"{what} \nErrors: {', '.join(found)}")
