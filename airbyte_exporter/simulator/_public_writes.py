"""What clients write over the public API: sources, destinations, connections and jobs."""

from typing import Any, Final

from ._answers import Answer, Body, Problem, invalid, refused
from ._catalogue import Connector
from ._checks import trouble_with
from ._directory import connector_called
from ._generations import Generation
from ._jobs import Job
from ._planning import Actor, Connection
from ._public_streams import all_streams, chosen_streams
from ._schemas import catalogue_id, discovered
from ._specs import unmasked
from ._writes import Writes
from .world import World

__all__ = ["PublicWrites", "as_problem", "problem", "settings_written"]

Json = dict[str, Any]

_JOBS: Final = {"sync": "sync", "reset": "reset_connection", "clear": "reset_connection"}
_TYPES: Final = frozenset({*_JOBS, "refresh"})
_SCHEDULES: Final = frozenset({"manual", "cron"})
_STATUSES: Final = frozenset({"active", "inactive", "deprecated"})
_NAMESPACES: Final = {"source": "source", "destination": "destination", "custom_format": "customformat"}
_CHANGES: Final = {
    "ignore": "ignore",
    "disable_connection": "disable",
    "propagate_columns": "propagate_columns",
    "propagate_fully": "propagate_fully",
}
_FIELDS_WITH_YEAR: Final = 7
_CODES: Final = {
    400: "bad-request",
    404: "resource-not-found",
    409: "try-again-later-conflict",
    422: "unprocessable-entity",
}


def problem(status: int, kind: str, message: str) -> Problem:
    """Answer with an error as the public API tells it (RFC 7807)."""
    body = {
        "status": status,
        "type": f"https://reference.airbyte.com/reference/errors#{kind}",
        "title": kind,
        "detail": message,
        "data": {"message": message},
    }
    return Problem(Answer(status, body, content_type="application/problem+json"))


def settings_written(settings: Json) -> Json:
    """Write the properties of a connection that are told as they were given, in the public API's words."""
    namespaces = {stored: shown for shown, stored in _NAMESPACES.items()}
    changes = {stored: shown for shown, stored in _CHANGES.items()}
    written = {
        "namespaceDefinition": namespaces[settings["namespaceDefinition"]],
        "nonBreakingSchemaUpdatesBehavior": changes[settings["nonBreakingChangesPreference"]],
        "prefix": settings["prefix"],
    }
    if "namespaceFormat" in settings:
        written["namespaceFormat"] = settings["namespaceFormat"]
    return written


class PublicWrites:
    """Changes a world as requests to the public API say; the caller holds the world's lock.

    Every method raises the `Problem` that is the answer where something is not as it must be.
    """

    def __init__(self, world: World, generation: Generation) -> None:
        self._world = world
        self._generation = generation
        self._writes = Writes(world, generation)

    # Jobs

    def start(self, body: Body) -> Job:
        """Start a job of a connection; refreshes are not supported, as with real servers."""
        kind = body.required_choice("jobType", _TYPES)
        self._writes.connection(body)
        if kind == "refresh":
            raise invalid("Job type refresh is not supported.")
        return self._writes.start(body, _JOBS[kind])

    def cancel(self, job_id: int) -> Job:
        """Cancel a job; one that has ended stays as it is."""
        return self._writes.cancel(Body({"id": job_id}))

    # Sources and destinations

    def create_actor(self, body: Body, kind: str) -> Actor:
        """Add a source or destination of a connector that is named by its definition or by its slug."""
        slug = f"{kind}Type"
        configuration = body.required_inner("configuration").fields
        definition_id = body.uuid("definitionId")
        if definition_id is None:
            definition_id = _called(kind, configuration.get(slug)).definition_id
        sent = {
            "workspaceId": body.text("workspaceId"),
            "name": body.text("name"),
            f"{kind}DefinitionId": definition_id,
            "connectionConfiguration": _without(configuration, slug),
        }
        return self._writes.create_actor(Body(sent), kind)

    def replace_actor(self, actor_id: str, body: Body, kind: str) -> Actor:
        """Replace a configuration but for the secrets that are masked, and the name."""
        configuration = body.required_inner("configuration").fields
        sent = {
            f"{kind}Id": actor_id,
            "name": body.text("name"),
            "connectionConfiguration": _without(configuration, f"{kind}Type"),
        }
        return self._writes.update_actor(Body(sent), kind)

    def change_actor(self, actor_id: str, body: Body, kind: str) -> Actor:
        """Change the name and what is there of the configuration, inside of it too."""
        actor, name = self._writes.actor(Body({f"{kind}Id": actor_id}), kind), body.text("name")
        configuration = unmasked(body.inner("configuration").fields, actor.configuration)
        sent = {
            f"{kind}Id": actor_id,
            "name": actor.name if name is None else name,
            "connectionConfiguration": _merged(actor.configuration, _without(configuration, f"{kind}Type")),
        }
        return self._writes.update_actor(Body(sent), kind)

    def delete_actor(self, actor_id: str, kind: str) -> None:
        """Delete a source or destination with its connections."""
        self._writes.delete_actor(Body({f"{kind}Id": actor_id}), kind)

    def streams_of(self, actor: Actor) -> list[Json]:
        """Return what a source has, as it is discovered.

        Raises:
            Problem: it cannot connect.
        """
        if (trouble := trouble_with(actor)) is not None:
            what = f"Something went wrong in the connector. logs:{trouble}"
            raise problem(500, "unexpected-problem", what)
        known = self._world.company.connections.values()
        return discovered(actor, [c for c in known if c.source is actor and c.status != "deprecated"])

    # Connections

    def create_connection(self, body: Body) -> Connection:
        """Add a connection of the streams that are named, or of all that the source has."""
        source_id, destination_id = body.required_uuid("sourceId"), body.required_uuid("destinationId")
        sent = _properties(body)
        source = self._writes.actor(body, "source")
        self._writes.actor(body, "destination")
        sent |= self._streams(source, body) or self._everything(source)
        defaults = {"status": "active", "namespaceDefinition": "destination", "scheduleType": "manual"}
        ends = {"sourceId": source_id, "destinationId": destination_id}
        return self._writes.create_connection(Body(defaults | sent | ends))

    def change(self, connection_id: str, body: Body) -> Connection:
        """Change what is there of a connection's properties; its streams are replaced as a whole."""
        identity = {"connectionId": connection_id}
        connection, sent = self._writes.connection(Body(identity)), _properties(body)
        sent |= self._streams(connection.source, body)
        return self._writes.update_connection(Body(sent | identity))

    def delete_connection(self, connection_id: str) -> None:
        """Delete a connection; a live job of it is cancelled."""
        self._writes.delete_connection(Body({"connectionId": connection_id}))

    def _streams(self, source: Actor, body: Body) -> Json:
        """Read which streams are named; none at all is as if nothing were said."""
        if not (asked := body.inner("configurations").bodies("streams")):
            return {}
        found = self.streams_of(source)
        return _catalogue(source, found, chosen_streams(found, asked, self._generation))

    def _everything(self, source: Actor) -> Json:
        found = self.streams_of(source)
        return _catalogue(source, found, all_streams(found))


def _catalogue(source: Actor, found: list[Json], chosen: list[Json]) -> Json:
    return {"syncCatalog": {"streams": chosen}, "sourceCatalogId": catalogue_id(source, found)}


def _called(kind: str, slug: object) -> Connector:
    if slug is None:
        raise invalid(f"One of configuration.{kind}Type or definitionId must be provided.")
    connector = connector_called(kind, slug) if isinstance(slug, str) else None
    if connector is None:
        raise problem(400, "value-not-found", f"Submitted value could not be found: {slug}")
    return connector


def _without(configuration: Json, name: str) -> Json:
    return {key: value for key, value in configuration.items() if key != name}


def _merged(stored: Json, sent: Json) -> Json:
    changed: Json = {}
    for name, value in sent.items():
        before = stored.get(name)
        inside = isinstance(value, dict) and isinstance(before, dict)
        changed[name] = _merged(before or {}, value) if inside else value
    return stored | changed


def _properties(body: Body) -> Json:
    """Read what is there of a connection's properties, in the Configuration API's words."""
    sent: Json = {
        "name": body.text("name"),
        "status": body.choice("status", _STATUSES),
        "prefix": body.text("prefix"),
        "namespaceFormat": body.text("namespaceFormat"),
        "tags": body.fields.get("tags"),
    }
    if (namespace := body.choice("namespaceDefinition", frozenset(_NAMESPACES))) is not None:
        sent["namespaceDefinition"] = _NAMESPACES[namespace]
    name = "nonBreakingSchemaUpdatesBehavior"
    if (behaviour := body.choice(name, frozenset(_CHANGES))) is not None:
        sent["nonBreakingChangesPreference"] = _CHANGES[behaviour]
    if body.has("schedule"):
        sent |= _schedule(body.inner("schedule"))
    return {name: value for name, value in sent.items() if value is not None}


def _schedule(timing: Body) -> Json:
    kind = timing.required_choice("scheduleType", _SCHEDULES)
    if kind == "manual":
        return {"scheduleType": kind}
    given = timing.text("cronExpression")
    if given is None:
        raise refused("Missing cron expression in the schedule.")
    # The one zone that may follow it is UTC, as answers have it; there is no other.
    expression = given.removesuffix("UTC").strip()
    fields = expression.split()
    numbers = fields[:2] if len(fields) == _FIELDS_WITH_YEAR else fields[:1]
    if not all(one.isdecimal() for one in numbers):
        raise refused(
            f"The cron expression {given} is not valid or is less than the one hour minimum. "
            "The seconds and minutes values cannot be `*`."
        )
    cron = {"cronExpression": expression, "cronTimeZone": "UTC"}
    return {"scheduleType": kind, "scheduleData": {"cron": cron}}


def as_problem(refusal: Problem) -> Problem:
    """Return the answer of the Configuration API in the public API's words."""
    answer = refusal.answer
    if answer.content_type != "application/json":
        return refusal
    told = answer.body.get("message", "An unexpected problem has occurred.")
    return problem(answer.status, _CODES.get(answer.status, "unexpected-problem"), told)
