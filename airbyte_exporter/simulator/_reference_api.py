"""The short reference API that many people know Airbyte by: POST for everything, flat jobs, no paging."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ._answers import Answer, Body, Problem, not_found, refused, server_error
from ._catalogue import Connector
from ._company import Workspace
from ._directory import ALL_DESTINATIONS, ALL_SOURCES
from ._generations import GENERATIONS
from ._jobs import FINAL_STATUSES, Job
from ._planning import Actor, Connection
from ._query import JobQuery
from ._schemas import catalogue_of, discovered, shown
from ._wire import configuration, settings_of
from ._write_api import catalogue_found, deletion, synchronous_job
from ._writes import Writes
from .world import World

__all__ = ["ReferenceApi"]

Json = dict[str, Any]

_REFERENCE: Final = GENERATIONS["reference"]
_TOLD_SETTINGS: Final = ("namespaceDefinition", "namespaceFormat", "prefix")


class ReferenceApi:
    """Answers requests from a world as of its present time; the caller holds the world's lock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._writes = Writes(world, _REFERENCE)
        self._handlers: dict[str, Callable[[Body], object]] = {
            **self._of_actors("source"),
            **self._of_actors("destination"),
            "sources/discover_schema": self._discover,
            "connections/create": lambda body: _connection(self._writes.create_connection(body)),
            "connections/update": lambda body: _connection(self._writes.update_connection(body)),
            "connections/delete": deletion(self._writes.delete_connection),
            "connections/sync": lambda body: {"job": self._flat(self._writes.start(body, "sync"))},
            "connections/reset": lambda body: {
                "job": self._flat(self._writes.start(body, "reset_connection"))
            },
            "jobs/cancel": lambda body: {"job": self._flat(self._writes.cancel(body))},
            "workspaces/list": self._workspaces,
            "workspaces/get": self._workspace,
            "source_definitions/list": lambda _: {
                "sourceDefinitions": [_definition(one) for one in ALL_SOURCES]
            },
            "destination_definitions/list": lambda _: {
                "destinationDefinitions": [_definition(one) for one in ALL_DESTINATIONS]
            },
            "sources/list": self._sources,
            "destinations/list": self._destinations,
            "connections/list": self._connections,
            "connections/get": self._connection,
            "jobs/list": self._jobs,
            "jobs/get": self._job,
        }

    def _of_actors(self, kind: str) -> dict[str, Callable[[Body], object]]:
        writes = self._writes
        return {
            f"{kind}s/get": lambda body: _configured(writes.actor(body, kind)),
            f"{kind}s/create": lambda body: _configured(writes.create_actor(body, kind)),
            f"{kind}s/update": lambda body: _configured(writes.update_actor(body, kind)),
            f"{kind}s/delete": deletion(lambda body: writes.delete_actor(body, kind)),
            f"{kind}s/check_connection": lambda body: self._check(body, kind),
        }

    def answer(self, method: str, path: str, raw: bytes) -> Answer:
        """Answer a request to `path` below ``/api/v1/``."""
        try:
            if path == "health" and method in {"GET", "HEAD"}:
                return Answer(body={"available": True})
            if (handle := self._handlers.get(path)) is not None and method == "POST":
                answer = handle(Body.parse(raw))
                return answer if isinstance(answer, Answer) else Answer(body=answer)
        except Problem as problem:
            return problem.answer
        if path == "health" or path in self._handlers:
            message = f"Method [{method}] not allowed for URI [/api/v1/{path}]."
            return Answer(405, {"message": message})
        return Answer(404, {"message": "Not Found", "path": f"/api/v1/{path}"})

    def _workspaces(self, _body: Body) -> Json:
        return {"workspaces": [_workspace(one) for one in self._world.workspaces()]}

    def _workspace(self, body: Body) -> Json:
        workspace_id = body.required_uuid("workspaceId")
        if (workspace := self._world.company.workspaces.get(workspace_id)) is None:
            raise not_found("STANDARD_WORKSPACE", workspace_id)
        return _workspace(workspace)

    def _check(self, body: Body, kind: str) -> Json:
        _, trouble = self._writes.check(body, kind)
        if trouble is None:
            return {"status": "succeeded", "message": "The connection works."}
        return {"status": "failed", "message": trouble}

    def _discover(self, body: Body) -> Json:
        actor, trouble = self._writes.check(body, "source")
        if trouble is not None:
            # There is no catalogue then, and as with real servers the status is 200 all the same.
            work = (self._world, _REFERENCE, "discover_schema", actor.connector, actor.id, trouble)
            return {"jobInfo": synchronous_job(*work)}
        users = (c for c in self._world.company.connections.values() if c.source is actor)
        found = discovered(actor, [one for one in users if one.status != "deprecated"])
        return {"catalog": catalogue_found(found, _REFERENCE)}

    def _sources(self, body: Body) -> Json:
        workspace_id = body.required_uuid("workspaceId")
        return {"sources": _actors_in(workspace_id, self._world.company.sources)}

    def _destinations(self, body: Body) -> Json:
        workspace_id = body.required_uuid("workspaceId")
        return {"destinations": _actors_in(workspace_id, self._world.company.destinations)}

    def _connections(self, body: Body) -> Json:
        workspace_id = body.required_uuid("workspaceId")
        rows = self._world.company.connections.values()
        listed = [one for one in rows if one.workspace_id == workspace_id and one.status != "deprecated"]
        return {"connections": [_listed(one) for one in listed]}

    def _connection(self, body: Body) -> Json:
        connection_id = body.required_uuid("connectionId")
        connection = self._world.company.connections.get(connection_id)
        if connection is None:
            raise not_found("STANDARD_SYNC", connection_id)
        return _connection(connection)

    def _jobs(self, body: Body) -> Json:
        types = body.choices("configTypes", _REFERENCE.config_types)
        if not types:
            raise refused("configTypes: must not be empty")
        query = JobQuery(config_types=types, connection_id=body.required_uuid("configId"))
        return {"jobs": [self._flat(job) for job in self._world.select(query)]}

    def _job(self, body: Body) -> Json:
        job_id = body.required_integer("id")
        if (job := self._world.job(job_id)) is None:
            raise server_error(f"job {job_id}")
        return {"job": self._flat(job)}

    def _flat(self, job: Job) -> Json:
        now = self._world.now
        status = job.status(now)
        written: Json = {
            "id": job.id,
            "configType": job.config_type,
            "status": "running" if status == "incomplete" else status,
            "createdAt": int(job.created),
            "updatedAt": int(job.updated(now)),
        }
        if status in FINAL_STATUSES and job.has_stats and job.attempts:
            total = job.total(now)
            written["summary"] = {
                "recordsSynced": total.records_committed,
                "bytesSynced": total.bytes_committed,
            }
        return written


def _workspace(workspace: Workspace) -> Json:
    slug = workspace.id.split("-", maxsplit=1)[0]
    return {"workspaceId": workspace.id, "name": workspace.name, "slug": slug}


def _definition(connector: Connector) -> Json:
    return {
        f"{connector.kind}DefinitionId": connector.definition_id,
        "name": connector.name,
        "dockerRepository": connector.repository,
        "dockerImageTag": connector.version,
    }


def _actors_in(workspace_id: str, actors: Mapping[str, Actor]) -> list[Json]:
    return [_actor(one) for one in actors.values() if one.workspace_id == workspace_id and not one.deleted]


def _actor(actor: Actor) -> Json:
    kind = actor.connector.kind
    return {
        f"{kind}Id": actor.id,
        f"{kind}DefinitionId": actor.connector.definition_id,
        "workspaceId": actor.workspace_id,
        "name": actor.name,
        f"{kind}Name": actor.connector.name,
    }


def _configured(actor: Actor) -> Json:
    return {**_actor(actor), "connectionConfiguration": configuration(actor)}


def _listed(connection: Connection) -> Json:
    schedule = connection.schedule
    timing = {"schedule": {"units": schedule.units, "timeUnit": schedule.time_unit}}
    return {
        "connectionId": connection.id,
        "name": connection.name,
        "sourceId": connection.source.id,
        "destinationId": connection.destination.id,
        # There are no words for cron expressions here: such a connection looks as if synced by hand.
        **(timing if schedule.type == "basic" else {}),
        "status": connection.status,
    }


def _connection(connection: Connection) -> Json:
    settings = settings_of(connection, _REFERENCE)
    catalogue = [shown(one, _REFERENCE) for one in catalogue_of(connection)]
    return {
        **_listed(connection),
        "syncCatalog": {"streams": catalogue},
        **{name: settings[name] for name in _TOLD_SETTINGS if name in settings},
    }
