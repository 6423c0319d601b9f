"""The public API (``/api/public/v1``) of the simulated Airbyte: a request in, an answer out."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from ._answers import Answer, Body, Problem, parse_instant
from ._company import Workspace
from ._generations import Generation
from ._jobs import FINAL_STATUSES, LIVE_STATUSES, Job
from ._planning import Actor, Connection
from ._public_streams import stream_properties, stream_written
from ._public_writes import PublicWrites, as_problem, problem, settings_written
from ._query import ALL_TYPES, JobQuery
from ._roles import ADMINISTRATOR, Caller
from ._schemas import catalogue_of
from ._wire import configuration, settings_of
from .world import World

__all__ = ["PublicApi"]

Json = dict[str, Any]
T = TypeVar("T")
Query = Mapping[str, Sequence[str]]
Write = Callable[[str, Body], Json | None]

_MAX_LIMIT: Final = 100
_TYPES: Final = {"sync": "sync", "refresh": "refresh", "reset": "reset_connection", "clear": "clear"}
_NAMES: Final = {stored: shown for shown, stored in _TYPES.items()}
_ORDERS: Final = {
    "createdAt|ASC": (False, False),
    "createdAt|DESC": (False, True),
    "updatedAt|ASC": (True, False),
    "updatedAt|DESC": (True, True),
}


class PublicApi:
    """Answers requests from a world as of its present time; the caller holds the world's lock."""

    def __init__(self, world: World, generation: Generation) -> None:
        self._world = world
        self._generation = generation
        self._writes = PublicWrites(world, generation)
        self._listings: dict[str, Callable[[Query, str, Caller], Json]] = {
            "jobs": self._jobs,
            "connections": self._connections,
            "workspaces": self._workspaces,
            "sources": self._sources,
            "destinations": self._destinations,
        }
        self._handled = self._handlers()
        self._singles: dict[str, Callable[[str, Caller], Json]] = {
            "jobs": self._one_job,
            "connections": self._one_connection,
            "workspaces": self._one_workspace,
            "sources": self._one_source,
            "destinations": self._one_destination,
        }

    def answer(
        self,
        method: str,
        path: str,
        query: Query,
        *,
        url: str,
        caller: Caller = ADMINISTRATOR,
        raw: bytes = b"",
    ) -> Answer:
        """Answer the request of `caller` to `path` below ``/api/public/v1/`` at `url`; `raw` is its body."""
        if path == "health":
            return Answer(text="Successful operation", content_type="text/plain")
        try:
            return self._answered(method, path, query, url, caller, raw)
        except Problem as refusal:
            return as_problem(refusal).answer

    def _answered(self, method: str, path: str, query: Query, url: str, caller: Caller, raw: bytes) -> Answer:
        kind, _, identity = path.partition("/")
        if (kind not in self._listings or "/" in identity) and path != "streams":
            raise problem(404, "resource-not-found", f"Not found: {path}")
        if (write := self._handled.get((method, kind, bool(identity)))) is not None:
            if caller.workspace_ids is not None:
                _check_role(caller, None)
            written = write(identity, Body.parse(raw))
            return Answer(204) if written is None else Answer(body=written)
        if method not in {"GET", "HEAD"}:
            raise problem(405, "method-not-allowed", f"{method} is not simulated")
        if path == "streams":
            return Answer(body=self._streams(query, caller))
        if identity:
            return Answer(body=self._singles[kind](identity, caller))
        return Answer(body=self._listings[kind](query, f"{url}/api/public/v1/{kind}", caller))

    # What is written

    def _handlers(self) -> dict[tuple[str, str, bool], Write]:
        """Return what answers which method of which kind, of all of it or of a single one."""
        writes = self._writes
        handlers: dict[tuple[str, str, bool], Write] = {
            ("POST", "jobs", False): lambda _, body: self._job(writes.start(body)),
            ("DELETE", "jobs", True): lambda identity, _: self._cancelled(identity),
            ("POST", "connections", False): lambda _, body: self._connection(writes.create_connection(body)),
            ("PATCH", "connections", True): lambda one, body: self._connection(writes.change(one, body)),
            ("DELETE", "connections", True): lambda one, _: writes.delete_connection(one),
        }
        for kind in ("source", "destination"):
            handlers |= self._of_actors(kind)
        return handlers

    def _of_actors(self, kind: str) -> dict[tuple[str, str, bool], Write]:
        writes = self._writes
        return {
            ("POST", f"{kind}s", False): lambda _, body: _actor(writes.create_actor(body, kind)),
            ("PATCH", f"{kind}s", True): lambda one, body: _actor(writes.change_actor(one, body, kind)),
            ("PUT", f"{kind}s", True): lambda one, body: _actor(writes.replace_actor(one, body, kind)),
            ("DELETE", f"{kind}s", True): lambda one, _: writes.delete_actor(one, kind),
        }

    def _cancelled(self, identity: str) -> Json:
        if not identity.isdecimal() or self._world.job(int(identity)) is None:
            raise problem(404, "resource-not-found", f"Could not find job with id: {identity}")
        return self._job(self._writes.cancel(int(identity)))

    # Jobs

    def _jobs(self, query: Query, url: str, caller: Caller) -> Json:
        connection_id = _first_uuid(query, "connectionId")
        workspaces, readable = _workspaces_of(query, caller)
        if connection_id is not None:
            connection = self._world.company.connections.get(connection_id)
            _check_role(caller, None if connection is None else connection.workspace_id)
        order = _first(query, "orderBy") or "createdAt|ASC"
        if order not in _ORDERS:
            raise problem(400, "bad-request", f"Invalid order by clause: {order}")
        by_updated, descending = _ORDERS[order]
        wanted = JobQuery(
            connection_id=connection_id,
            workspace_ids=readable,
            created_start=_instant(query, "createdAtStart", -math.inf),
            created_end=_instant(query, "createdAtEnd", math.inf),
            updated_start=_instant(query, "updatedAtStart", -math.inf),
            updated_end=_instant(query, "updatedAtEnd", math.inf),
            by_updated=by_updated,
            descending=descending,
        )
        kept: list[tuple[str, str]] = []
        if (kind := _first(query, "jobType")) is not None:
            if kind not in _TYPES:
                raise problem(400, "bad-request", f"Unexpected job type: {kind}")
            # A clear is stored as a reset, so asking for clears finds nothing.
            wanted = replace(wanted, config_types=frozenset({_TYPES[kind]}) & ALL_TYPES)
            kept.append(("jobType", kind))
        if (status := _first(query, "status")) is not None:
            if status not in LIVE_STATUSES | FINAL_STATUSES:
                raise problem(400, "bad-request", f"Unexpected status: {status}")
            wanted = replace(wanted, statuses=frozenset({status}))
        # The links drop every other filter and the order, as Airbyte's do.
        if connection_id is not None:
            kept.append(("connectionId", connection_id))
        kept += [("workspaceIds", workspace_id) for workspace_id in sorted(workspaces)]
        limit, offset = _paging(query)
        rows = self._world.select(wanted).page(offset, limit)
        return _listing([self._job(job) for job in rows], url, kept, limit, offset)

    def _one_job(self, identity: str, caller: Caller) -> Json:
        job = self._world.job(int(identity)) if identity.isdecimal() else None
        _check_role(caller, None if job is None else job.workspace_id)
        if job is None:
            raise problem(404, "resource-not-found", f"Could not find job with id: {identity}")
        return self._job(job)

    def _job(self, job: Job) -> Json:
        now = self._world.now
        status, total = job.status(now), job.total(now)
        written: Json = {
            "jobId": job.id,
            "status": status,
            "jobType": _NAMES[job.config_type],
            "startTime": _iso(job.created),
            "connectionId": job.connection_id,
            "bytesSynced": total.bytes_committed,
            "rowsSynced": total.records_committed,
        }
        if status in FINAL_STATUSES:
            written["lastUpdatedAt"] = _iso(job.ended)
        if status != "pending":
            written["duration"] = _iso_duration(int(job.updated(now)) - int(job.created))
        return written

    # Inventory

    def _connections(self, query: Query, url: str, caller: Caller) -> Json:
        workspaces, readable = _workspaces_of(query, caller)
        tags = _uuids(query, "tagIds")
        deleted = _first(query, "includeDeleted") == "true"
        rows = [
            connection
            for connection in self._world.company.connections.values()
            if (deleted or connection.status != "deprecated")
            and (readable is None or connection.workspace_id in readable)
            and (not tags or any(tag.id in tags for tag in self._world.tags_of(connection)))
        ]
        return self._page(rows, self._connection, query, url, workspaces)

    def _workspaces(self, query: Query, url: str, caller: Caller) -> Json:
        wanted, readable = _workspaces_of(query, caller)
        rows = [one for one in self._world.workspaces() if readable is None or one.id in readable]
        return self._page(rows, _workspace, query, url, wanted)

    def _sources(self, query: Query, url: str, caller: Caller) -> Json:
        return self._actors(self._world.company.sources, query, url, caller)

    def _destinations(self, query: Query, url: str, caller: Caller) -> Json:
        return self._actors(self._world.company.destinations, query, url, caller)

    def _actors(self, actors: Mapping[str, Actor], query: Query, url: str, caller: Caller) -> Json:
        wanted, readable = _workspaces_of(query, caller)
        deleted = _first(query, "includeDeleted") == "true"
        rows = [
            actor
            for actor in actors.values()
            if (deleted or not actor.deleted) and (readable is None or actor.workspace_id in readable)
        ]
        return self._page(rows, _actor, query, url, wanted)

    def _page(
        self, rows: list[T], write: Callable[[T], Json], query: Query, url: str, workspaces: frozenset[str]
    ) -> Json:
        limit, offset = _paging(query)
        kept = [("workspaceIds", workspace_id) for workspace_id in sorted(workspaces)]
        return _listing([write(row) for row in rows[offset : offset + limit]], url, kept, limit, offset)

    def _one_connection(self, identity: str, caller: Caller) -> Json:
        known = self._world.company.connections
        _check_role(caller, known[identity].workspace_id if identity in known else None)
        return self._connection(_found(known, identity, "connection"))

    def _one_workspace(self, identity: str, caller: Caller) -> Json:
        _check_role(caller, identity)
        return _workspace(_found(self._world.company.workspaces, identity, "workspace"))

    def _one_source(self, identity: str, caller: Caller) -> Json:
        return self._one_actor(self._world.company.sources, identity, "source", caller)

    def _one_destination(self, identity: str, caller: Caller) -> Json:
        return self._one_actor(self._world.company.destinations, identity, "destination", caller)

    def _one_actor(self, known: Mapping[str, Actor], identity: str, what: str, caller: Caller) -> Json:
        _check_role(caller, known[identity].workspace_id if identity in known else None)
        return _actor(_present(known, identity, what))

    def _streams(self, query: Query, caller: Caller) -> list[Json]:
        source_id, destination_id = _first_uuid(query, "sourceId"), _first_uuid(query, "destinationId")
        company = self._world.company
        ends = [company.sources.get(source_id or "")]
        if destination_id is not None:
            ends.append(company.destinations.get(destination_id))
        _check_role(caller, *(None if one is None else one.workspace_id for one in ends))
        if source_id is None:
            raise problem(400, "bad-request", "sourceId is required")
        source = _present(company.sources, source_id, "source")
        if destination_id is not None:
            _present(company.destinations, destination_id, "destination")
        found = self._writes.streams_of(source)
        return stream_properties(found, with_modes=destination_id is not None)

    def _connection(self, connection: Connection) -> Json:
        schedule = connection.schedule
        timing: Json = {"scheduleType": schedule.type}
        if schedule.type == "cron":
            timing["cronExpression"] = f"{schedule.cron_expression} {schedule.cron_time_zone}"
        elif schedule.type == "basic":
            timing["basicTiming"] = f"Every {schedule.units} {(schedule.time_unit or '').upper()}"
        written: Json = {
            "connectionId": connection.id,
            "name": connection.name,
            "sourceId": connection.source.id,
            "destinationId": connection.destination.id,
            "workspaceId": connection.workspace_id,
            "status": connection.status,
            "schedule": timing,
            **settings_written(settings_of(connection, self._generation)),
            "configurations": {"streams": [stream_written(one) for one in catalogue_of(connection)]},
            "createdAt": int(connection.created),
            "tags": [
                {"tagId": tag.id, "workspaceId": tag.workspace_id, "name": tag.name, "color": tag.color}
                for tag in self._world.tags_of(connection)
            ],
        }
        if not self._generation.newest_details:
            written["dataResidency"] = "auto"
        return written


def _workspace(workspace: Workspace) -> Json:
    return {
        "workspaceId": workspace.id,
        "name": workspace.name,
        "dataResidency": "auto",
        "notifications": {},
    }


def _actor(actor: Actor) -> Json:
    kind = actor.connector.kind
    return {
        f"{kind}Id": actor.id,
        "name": actor.name,
        f"{kind}Type": actor.connector.slug,
        "definitionId": actor.connector.definition_id,
        "workspaceId": actor.workspace_id,
        "configuration": configuration(actor),
        "createdAt": int(actor.created),
    }


def _listing(data: list[Json], url: str, kept: list[tuple[str, str]], limit: int, offset: int) -> Json:
    def link(start: int) -> str:
        return f"{url}?{urlencode([*kept, ('limit', limit), ('offset', start)])}"

    # A page that is not empty always has a next one, even when it is the last.
    following = link(offset + limit) if data else ""
    return {"previous": link(max(0, offset - limit)) if offset else "", "next": following, "data": data}


def _workspaces_of(query: Query, caller: Caller) -> tuple[frozenset[str], frozenset[str] | None]:
    """Return the workspaces that a listing is asked for, and those that it is of; ``None``: of all."""
    wanted = _uuids(query, "workspaceIds")
    _check_role(caller, *wanted)
    return wanted, wanted or caller.workspace_ids


def _check_role(caller: Caller, *workspace_ids: str | None) -> None:
    if not caller.may_read(workspace_ids):
        message = "User does not have the required permissions to access the resource(s)."
        raise problem(403, "forbidden", message)


def _found(rows: Mapping[str, T], identity: str, what: str) -> T:
    if (row := rows.get(identity)) is None:
        raise problem(404, "resource-not-found", f"Could not find {what}: {identity}")
    return row


def _present(actors: Mapping[str, Actor], identity: str, what: str) -> Actor:
    there = {key: actor for key, actor in actors.items() if key == identity and not actor.deleted}
    return _found(there, identity, what)


def _paging(query: Query) -> tuple[int, int]:
    limit, offset = _number(query, "limit", 20), _number(query, "offset", 0)
    if not 1 <= limit <= _MAX_LIMIT or offset < 0:
        raise problem(400, "bad-request", f"limit must be 1 to {_MAX_LIMIT} and offset 0 or more")
    return limit, offset


def _number(query: Query, name: str, default: int) -> int:
    value = _first(query, name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        raise problem(400, "bad-request", f"{name} must be a number") from None


def _instant(query: Query, name: str, default: float) -> float:
    value = _first(query, name)
    if value is None:
        return default
    try:
        return parse_instant(name, value)
    except Problem:
        raise problem(400, "bad-request", f"{name} must be a date-time with an offset") from None


def _first(query: Query, name: str) -> str | None:
    values = query.get(name)
    return values[0] if values else None


def _first_uuid(query: Query, name: str) -> str | None:
    return next(iter(_uuids(query, name)), None)


def _uuids(query: Query, name: str) -> frozenset[str]:
    try:
        return frozenset(str(UUID(value)) for value in query.get(name, ()))
    except ValueError:
        raise problem(400, "bad-request", f"{name} must be a UUID") from None


def _iso(seconds: float) -> str:
    """Write a time as Java's OffsetDateTime does: without seconds where they are 0."""
    instant = datetime.fromtimestamp(int(seconds), UTC)
    return instant.strftime("%Y-%m-%dT%H:%MZ" if instant.second == 0 else "%Y-%m-%dT%H:%M:%SZ")


def _iso_duration(seconds: int) -> str:
    """Write a duration as Java's Duration does."""
    hours, minutes, rest = seconds // 3600, seconds % 3600 // 60, seconds % 60
    parts = [f"{value}{unit}" for value, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if value]
    return "PT" + ("".join(parts) or "0S")
