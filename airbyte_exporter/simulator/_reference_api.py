"""The short reference API that many people know Airbyte by: POST for everything, flat jobs, no paging."""

from collections.abc import Callable, Mapping
from typing import Any

from ._answers import Answer, Body, Problem, not_found, server_error
from ._catalogue import DESTINATIONS, SOURCES, Connector
from ._generations import GENERATIONS
from ._jobs import FINAL_STATUSES, Job
from ._planning import Actor, Connection
from ._query import JobQuery
from .world import World

__all__ = ["ReferenceApi"]

Json = dict[str, Any]


class ReferenceApi:
    """Answers requests from a world as of its present time; the caller holds the world's lock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reads: dict[str, Callable[[Body], Json]] = {
            "workspaces/list": self._workspaces,
            "source_definitions/list": lambda _: {"sourceDefinitions": [_definition(one) for one in SOURCES]},
            "destination_definitions/list": lambda _: {
                "destinationDefinitions": [_definition(one) for one in DESTINATIONS]
            },
            "sources/list": self._sources,
            "destinations/list": self._destinations,
            "connections/list": self._connections,
            "connections/get": self._connection,
            "jobs/list": self._jobs,
            "jobs/get": self._job,
        }

    def answer(self, method: str, path: str, raw: bytes) -> Answer:
        """Answer a request to `path` below ``/api/v1/``."""
        try:
            if path == "health" and method in {"GET", "HEAD"}:
                return Answer(body={"available": True})
            if (read := self._reads.get(path)) is not None and method == "POST":
                return Answer(body=read(Body.parse(raw)))
        except Problem as problem:
            return problem.answer
        if path == "health" or path in self._reads:
            message = f"Method [{method}] not allowed for URI [/api/v1/{path}]."
            return Answer(405, {"message": message})
        return Answer(404, {"message": "Not Found", "path": f"/api/v1/{path}"})

    def _workspaces(self, _body: Body) -> Json:
        rows = self._world.workspaces()
        return {
            "workspaces": [
                {"workspaceId": one.id, "name": one.name, "slug": one.id.split("-", maxsplit=1)[0]}
                for one in rows
            ]
        }

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
        return {"connections": [_connection(one) for one in listed]}

    def _connection(self, body: Body) -> Json:
        connection_id = body.required_uuid("connectionId")
        connection = self._world.company.connections.get(connection_id)
        if connection is None:
            raise not_found("STANDARD_SYNC", connection_id)
        return _connection(connection)

    def _jobs(self, body: Body) -> Json:
        types = body.choices("configTypes", GENERATIONS["reference"].config_types)
        if not types:
            raise Problem(Answer(400, {"message": "configTypes: must not be empty"}))
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


def _connection(connection: Connection) -> Json:
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
