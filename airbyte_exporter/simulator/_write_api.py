"""The writing half of the simulated Configuration API, and what connectors are asked to do for it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

from ._answers import Answer, Body, not_found, refused
from ._catalogue import Connector
from ._generations import Generation
from ._jobs import Job, Stream
from ._planning import Actor, Connection
from ._schemas import breaks, catalogue_id, difference, discovered, shown
from ._wire import ConfigWire
from ._writes import Writes
from .world import World

__all__ = ["WriteApi", "catalogue_found", "deletion", "synchronous_job"]

Json = dict[str, Any]
Handler = Callable[[Body], object]

_REFRESH_MODES = frozenset({"Truncate", "Merge"})


class WriteApi:
    """What changes the world or makes a connector work.

    Args:
        world: what there is.
        generation: which Airbyte to speak as.
        wire: how objects are written.
        users_of: returns the connections that a source or destination has.
        job_info: writes a job as ``jobs/get`` does.
    """

    def __init__(
        self,
        world: World,
        generation: Generation,
        wire: ConfigWire,
        *,
        users_of: Callable[[Actor], list[Connection]],
        job_info: Callable[[Job], Json],
    ) -> None:
        self._world = world
        self._generation = generation
        self._wire = wire
        self._users_of = users_of
        self._job_info = job_info
        self._writes = Writes(world, generation)

    def handlers(self) -> dict[str, Handler]:
        """Return what answers which path below ``/api/v1/``."""
        kinds: dict[str, Handler] = {}
        for kind in ("source", "destination"):
            kinds |= self._of_actors(kind)
        return kinds | {
            "sources/discover_schema": self._discover,
            "connections/create": lambda body: self._wire.connection(self._writes.create_connection(body)),
            "connections/update": lambda body: self._wire.connection(self._writes.update_connection(body)),
            "connections/delete": deletion(self._writes.delete_connection),
            "connections/sync": lambda body: self._job_info(self._writes.start(body, "sync")),
            "connections/reset": lambda body: self._job_info(self._writes.start(body, "reset_connection")),
            # A clear is stored as a reset.
            "connections/clear": lambda body: self._job_info(self._writes.start(body, "reset_connection")),
            "connections/refresh": self._refresh,
            "jobs/cancel": lambda body: self._job_info(self._writes.cancel(body)),
        }

    def _of_actors(self, kind: str) -> dict[str, Handler]:
        writes = self._writes
        return {
            f"{kind}s/create": lambda body: self._written(writes.create_actor(body, kind)),
            f"{kind}s/update": lambda body: self._written(writes.update_actor(body, kind)),
            f"{kind}s/delete": deletion(lambda body: writes.delete_actor(body, kind)),
            f"{kind}s/check_connection": lambda body: self._check(body, kind),
        }

    def definition(self, kind: str) -> Handler:
        """Return what answers ``…_definitions/get``."""
        return lambda body: self._wire.definition(self._writes.definition(body, kind))

    def _written(self, actor: Actor) -> Json:
        write = self._wire.source if actor.connector.kind == "source" else self._wire.destination
        return write(actor, self._users_of(actor))

    def _check(self, body: Body, kind: str) -> Json:
        actor, trouble = self._writes.check(body, kind)
        job = synchronous_job(
            self._world, self._generation, f"check_connection_{kind}", actor.connector, actor.id
        )
        if trouble is None:
            return {"status": "succeeded", "jobInfo": job}
        # The check has done its work: it is the connection that failed.
        return {"status": "failed", "message": trouble, "jobInfo": job}

    def _discover(self, body: Body) -> Json:
        actor, trouble = self._writes.check(body, "source")
        connection_id = body.uuid("connectionId")
        connection = None
        if connection_id is not None:
            connection = self._world.company.connections.get(connection_id)
            if connection is None or connection.status == "deprecated":
                raise not_found("STANDARD_SYNC", connection_id)
        job = synchronous_job(
            self._world, self._generation, "discover_schema", actor.connector, actor.id, trouble
        )
        if trouble is not None:
            return {"jobInfo": job}
        found = discovered(actor, self._users_of(actor))
        answer: Json = {"catalog": catalogue_found(found, self._generation), "jobInfo": job}
        answer["catalogId"] = catalogue_id(actor, found)
        if connection is not None:
            transforms = difference(connection, found, self._generation)
            answer["catalogDiff"] = {"transforms": transforms}
            answer["breakingChange"] = breaks(transforms)
            answer["connectionStatus"] = connection.status
        return answer

    def _refresh(self, body: Body) -> Json:
        mode = body.required_choice("refreshMode", _REFRESH_MODES)
        connection = self._writes.connection(body)
        streams = _streams_named(connection, body.bodies("streams"))
        job = self._writes.start(body, "refresh", streams)
        job.refresh_mode = mode
        return {"job": self._wire.job(job, stats=False)}


def _streams_named(connection: Connection, named: list[Body] | None) -> tuple[Stream, ...] | None:
    """Return the streams of a connection that are named; ``None``: nobody named any, which means all."""
    if not named:
        return None
    wanted = {(one.required_text("streamName"), one.text("streamNamespace")) for one in named}
    chosen = [one for one in connection.streams if (one.name, one.namespace) in wanted]
    if len(chosen) < len(wanted):
        raise refused("streams: not all of them are streams of the connection")
    return tuple(stream._replace(until=(place + 1) / len(chosen)) for place, stream in enumerate(chosen))


def catalogue_found(found: list[Json], generation: Generation) -> Json:
    """Write an AirbyteCatalog."""
    return {"streams": [shown(one, generation) for one in found]}


def synchronous_job(
    world: World,
    generation: Generation,
    config_type: str,
    connector: Connector,
    actor_id: str,
    trouble: str | None = None,
) -> Json:
    """Write the SynchronousJobRead of a connector's work that is over, and did not succeed for a trouble."""
    now = int(world.now)
    job: Json = {
        "id": str(uuid5(UUID(actor_id), f"{config_type} {world.now}")),
        "configType": config_type,
        "configId": connector.definition_id,
        "createdAt": now,
        "endedAt": now,
        "succeeded": trouble is None,
        "connectorConfigurationUpdated": False,
        "logs": {"logLines": []},
    }
    if generation.details:
        job["logType"] = "formatted"
    if trouble is not None:
        job["failureReason"] = {
            "failureOrigin": connector.kind,
            "failureType": "config_error",
            "externalMessage": trouble,
            "internalMessage": trouble,
            "timestamp": int(world.now * 1000),
        }
    return job


def deletion(delete: Callable[[Body], None]) -> Handler:
    """Return what deletes something, and answers without a word."""

    def answer(body: Body) -> Answer:
        delete(body)
        return Answer(204)

    return answer
