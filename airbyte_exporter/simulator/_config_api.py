"""The Configuration API (``/api/v1``) of the simulated Airbyte: a request in, an answer out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from ._answers import Answer, Body, Problem, not_found, pagination, server_error
from ._directory import ALL_DESTINATIONS, ALL_SOURCES
from ._generations import Generation
from ._jobs import FINAL_STATUSES, LIVE_STATUSES, Attempt, Job
from ._planning import Actor, Connection
from ._query import JobQuery, Selection
from ._roles import ADMINISTRATOR, Caller, forbidden, workspaces_named
from ._timeline_api import connection_events
from ._wire import ORGANIZATION_ID, ConfigWire
from ._write_api import WriteApi
from .world import World

__all__ = ["ConfigApi"]

Json = dict[str, Any]
T = TypeVar("T")

_STATUSES: Final = LIVE_STATUSES | FINAL_STATUSES
_ACTOR_SORT_KEYS: Final = frozenset({
    "actorName_asc", "actorName_desc", "actorDefinitionName_asc", "actorDefinitionName_desc",
    "lastSync_asc", "lastSync_desc",
})  # fmt: skip
_CONNECTION_SORT_KEYS: Final = frozenset({
    "connectionName_asc", "connectionName_desc", "sourceName_asc", "sourceName_desc",
    "destinationName_asc", "destinationName_desc", "lastSync_asc", "lastSync_desc",
})  # fmt: skip
_STATES: Final = frozenset({"active", "inactive"})
_ANY_USER: Final = frozenset({
    "deployment/metadata", "source_definitions/list", "destination_definitions/list",
    "source_definitions/get", "destination_definitions/get", "workspaces/list",
    "workspaces/list_by_organization_id",
})  # fmt: skip
"""What needs no role. The listings of workspaces name those that a user may not read, too."""
_DEFAULT_JOBS: Final = 200
_DEFAULT_OTHERS: Final = 20


class ConfigApi:
    """Answers requests from a world as of its present time; the caller holds the world's lock.

    Where a generation does not order listings of jobs as asked, a page is cut from the newest rows first
    whatever the order is, and an order method ``ASC`` turns round the rows of that page alone.

    Args:
        world: what there is.
        generation: which Airbyte to speak as.
        reader: the user beside the administrator, if there is one.
        auth_mode: what instance_configuration tells of authentication.
        limit_counts: whether a page of jobs/list has so many ``jobs``, or so many ``attempts`` (rows of the
            join of both, as some versions may do); the page then ends inside a job.
    """

    def __init__(
        self,
        world: World,
        generation: Generation,
        *,
        reader: Caller | None = None,
        auth_mode: str = "none",
        limit_counts: str = "jobs",
    ) -> None:
        self._world = world
        self._generation = generation
        self._reader = reader
        self._auth_mode = auth_mode
        self._limit_counts = limit_counts
        self._wire = ConfigWire(world, generation)
        writes = WriteApi(
            world, generation, self._wire, users_of=self._connections_of, job_info=self._with_logs
        )
        reads: dict[str, Callable[[Body], object]] = {
            "deployment/metadata": self._metadata,
            "workspaces/list": self._all_workspaces,
            "workspaces/list_by_organization_id": self._workspaces_of_organization,
            "workspaces/list_by_user_id": self._workspaces_of_user,
            "workspaces/get": self._workspace,
            "source_definitions/list": self._source_definitions,
            "destination_definitions/list": self._destination_definitions,
            "source_definitions/get": writes.definition("source"),
            "destination_definitions/get": writes.definition("destination"),
            "sources/list": self._sources,
            "sources/get": self._source,
            "destinations/list": self._destinations,
            "destinations/get": self._destination,
            "connections/list": self._connections,
            "connections/get": self._connection,
            "connections/events/list": lambda body: connection_events(self._world, body),
            "web_backend/connections/list": self._connection_items,
            "tags/list": self._tags,
            "jobs/list": self._jobs,
            "jobs/list_for_workspaces": self._jobs_of_workspaces,
            "jobs/get": self._job_with_logs,
            "jobs/get_without_logs": self._job_without_logs,
            "jobs/get_light": self._job_light,
            "jobs/get_last_replication_job": self._last_job,
        }
        self._reads = {path: read for path, read in reads.items() if path not in generation.lacks}
        asked = writes.handlers()
        self._writes = {path: write for path, write in asked.items() if path not in generation.lacks}
        self._gets: dict[str, Callable[[str], object]] = {
            "health": lambda _url: {"available": True},
            "instance_configuration": self._instance,
        }

    def answer(
        self, method: str, path: str, raw: bytes, *, url: str, caller: Caller = ADMINISTRATOR
    ) -> Answer:
        """Answer the request of `caller` to `path` below ``/api/v1/`` at `url`."""
        try:
            if (get := self._gets.get(path)) is not None:
                return Answer(body=get(url)) if method in {"GET", "HEAD"} else _not_allowed(method, path)
            if (handle := self._reads.get(path) or self._writes.get(path)) is not None:
                if method != "POST":
                    return _not_allowed(method, path)
                body = Body.parse(raw)
                self._check_role(path, body, caller)
                answer = handle(body)
                return answer if isinstance(answer, Answer) else Answer(body=answer)
        except Problem as problem:
            return problem.answer
        return Answer(404, {"message": "Not Found", "path": f"/api/v1/{path}"})

    def _check_role(self, path: str, body: Body, caller: Caller) -> None:
        if caller.workspace_ids is None or path in _ANY_USER:
            return
        if path in self._writes:
            allowed = False  # who may read only, may not make connectors work either
        elif path == "workspaces/list_by_user_id":
            allowed = body.identities("userId") == [caller.user_id]
        else:
            named = workspaces_named(self._world, body)
            allowed = bool(named) and caller.may_read(named)
        if not allowed:
            raise forbidden()

    # The installation

    def _instance(self, url: str) -> Json:
        company = self._world.company
        common = {
            "edition": "community",
            "initialSetupComplete": True,
            "defaultUserId": company.user_id,
            "defaultOrganizationId": ORGANIZATION_ID,
            "defaultWorkspaceId": next(iter(company.workspaces)),
        }
        if not self._generation.tells_version:
            # Its auth and licenseType are about Keycloak and a licence: a community edition has neither.
            return {"webappUrl": url, **common}
        return {
            "airbyteUrl": url,
            "version": self._generation.version,
            "licenseStatus": "pro",
            "auth": {"mode": self._auth_mode},
            "defaultOrganizationEmail": "data-team@example.com",
            "trackingStrategy": "logging",
            **common,
        }

    def _metadata(self, _body: Body) -> Json:
        return {"id": self._world.company.deployment_id, "mode": "OSS", "version": self._generation.version}

    def _all_workspaces(self, _body: Body) -> Json:
        return {"workspaces": [self._wire.workspace(one) for one in self._world.workspaces()]}

    def _workspaces_of_organization(self, body: Body) -> Json:
        known = body.required_uuid("organizationId") == ORGANIZATION_ID
        return self._some_workspaces(body) if known else {"workspaces": []}

    def _workspaces_of_user(self, body: Body) -> Json:
        user_id = body.required_uuid("userId")
        if self._reader is not None and user_id == self._reader.user_id:
            return self._some_workspaces(body, self._reader)
        known = user_id == self._world.company.user_id
        return self._some_workspaces(body) if known else {"workspaces": []}

    def _some_workspaces(self, body: Body, user: Caller = ADMINISTRATOR) -> Json:
        wanted = (body.text("nameContains") or "").lower()
        chosen = sorted(
            (
                one
                for one in self._world.workspaces()
                if wanted in one.name.lower() and user.may_read([one.id])
            ),
            key=lambda one: one.name,
        )
        size, offset = pagination(body, default=len(chosen))
        return {"workspaces": [self._wire.workspace(one) for one in chosen[offset : offset + size]]}

    def _workspace(self, body: Body) -> Json:
        workspace_id = body.required_uuid("workspaceId")
        workspace = self._world.company.workspaces.get(workspace_id)
        if workspace is None:
            raise not_found("STANDARD_WORKSPACE", workspace_id)
        return self._wire.workspace(workspace)

    def _tags(self, body: Body) -> list[Json]:
        tags = self._world.company.tags.get(body.required_uuid("workspaceId"), [])
        return [self._wire.tag(tag) for tag in tags]

    # Connectors

    def _source_definitions(self, _body: Body) -> Json:
        return {"sourceDefinitions": [self._wire.definition(connector) for connector in ALL_SOURCES]}

    def _destination_definitions(self, _body: Body) -> Json:
        return {
            "destinationDefinitions": [self._wire.definition(connector) for connector in ALL_DESTINATIONS]
        }

    def _source(self, body: Body) -> Json:
        source_id = body.required_uuid("sourceId")
        actor = self._world.company.sources.get(source_id)
        if actor is None or actor.deleted:
            raise not_found("SOURCE_CONNECTION", source_id)
        return self._wire.source(actor, self._users_of(lambda c: c.source).get(source_id, []))

    def _destination(self, body: Body) -> Json:
        destination_id = body.required_uuid("destinationId")
        actor = self._world.company.destinations.get(destination_id)
        if actor is None or actor.deleted:
            raise not_found("DESTINATION_CONNECTION", destination_id)
        return self._wire.destination(actor, self._users_of(lambda c: c.destination).get(destination_id, []))

    def _sources(self, body: Body) -> Json:
        users = self._users_of(lambda connection: connection.source)
        page, extra = self._actors(body, self._world.company.sources.values(), users)
        return {"sources": [self._wire.source(a, users.get(a.id, [])) for a in page], **extra}

    def _destinations(self, body: Body) -> Json:
        users = self._users_of(lambda connection: connection.destination)
        page, extra = self._actors(body, self._world.company.destinations.values(), users)
        return {"destinations": [self._wire.destination(a, users.get(a.id, [])) for a in page], **extra}

    def _actors(
        self, body: Body, actors: Iterable[Actor], users: dict[str, list[Connection]]
    ) -> tuple[list[Actor], Json]:
        workspace_id = body.required_uuid("workspaceId")
        chosen = [actor for actor in actors if actor.workspace_id == workspace_id and not actor.deleted]
        if not self._generation.cursors:
            return chosen, {}
        filters = body.inner("filters")
        states, term = filters.choices("states", _STATES), (filters.text("searchTerm") or "").lower()
        if states:
            chosen = [
                a for a in chosen if ("active" if _in_use(users.get(a.id, [])) else "inactive") in states
            ]
        chosen = [a for a in chosen if term in a.name.lower() or term in a.connector.name.lower()]
        key, _, order = (body.choice("sortKey", _ACTOR_SORT_KEYS) or "actorName_asc").partition("_")
        keys: dict[str, Callable[[Actor], tuple[str | float, str]]] = {
            "actorName": lambda a: (a.name.lower(), a.id),
            "actorDefinitionName": lambda a: (a.connector.name.lower(), a.id),
            "lastSync": lambda a: (max(map(self._last_sync, users.get(a.id, [])), default=0.0), a.id),
        }
        chosen.sort(key=keys[key], reverse=order == "desc")
        return self._cursor_page(body, chosen, lambda actor: actor.id)

    # Connections

    def _connections(self, body: Body) -> Json:
        listed = self._listed(body.required_uuid("workspaceId"))
        return {"connections": [self._wire.connection(connection) for connection in listed]}

    def _connection(self, body: Body) -> Json:
        connection_id = body.required_uuid("connectionId")
        connection = self._world.company.connections.get(connection_id)
        if connection is None:
            raise not_found("STANDARD_SYNC", connection_id)
        return self._wire.connection(connection)

    def _connection_items(self, body: Body) -> Json:
        listed = self._listed(body.required_uuid("workspaceId"))
        sources, destinations = body.uuids("sourceId"), body.uuids("destinationId")
        if sources:
            listed = [c for c in listed if c.source.id in sources]
        if destinations:
            listed = [c for c in listed if c.destination.id in destinations]
        extra: Json = {}
        if self._generation.cursors:
            listed = self._filtered(listed, body.inner("filters"))
            key, _, order = (body.choice("sortKey", _CONNECTION_SORT_KEYS) or "connectionName_asc").partition(
                "_"
            )
            keys: dict[str, Callable[[Connection], tuple[str | float, str]]] = {
                "connectionName": lambda c: (c.name.lower(), c.id),
                "sourceName": lambda c: (c.source.name.lower(), c.id),
                "destinationName": lambda c: (c.destination.name.lower(), c.id),
                "lastSync": lambda c: (self._last_sync(c), c.id),
            }
            listed.sort(key=keys[key], reverse=order == "desc")
            listed, extra = self._cursor_page(body, listed, lambda connection: connection.id)
        return {"connections": [self._wire.list_item(connection) for connection in listed], **extra}

    def _filtered(self, listed: list[Connection], filters: Body) -> list[Connection]:
        states, term = filters.choices("states", _STATES), (filters.text("searchTerm") or "").lower()
        statuses = filters.choices("statuses", frozenset({"healthy", "failed", "running", "paused"}))
        tags = filters.uuids("tagIds")
        sources, destinations = (
            filters.uuids("sourceDefinitionIds"),
            filters.uuids("destinationDefinitionIds"),
        )
        return [
            c
            for c in listed
            if (not states or c.status in states)
            and (not statuses or self._health(c) in statuses)
            and (not tags or any(tag.id in tags for tag in self._world.tags_of(c)))
            and (not sources or c.source.connector.definition_id in sources)
            and (not destinations or c.destination.connector.definition_id in destinations)
            and (
                not term or any(term in name.lower() for name in (c.name, c.source.name, c.destination.name))
            )
        ]

    def _health(self, connection: Connection) -> str:
        if connection.status != "active":
            return "paused"
        latest = self._wire.latest_sync(connection)
        status = "" if latest is None else latest.status(self._world.now)
        if status in {"failed", "cancelled", "incomplete"}:
            return "failed"
        return {"succeeded": "healthy", "running": "running"}.get(status, "not_synced")

    def _listed(self, workspace_id: str) -> list[Connection]:
        everything = self._world.company.connections.values()
        return [c for c in everything if c.workspace_id == workspace_id and c.status != "deprecated"]

    def _last_sync(self, connection: Connection) -> float:
        latest = self._wire.latest_sync(connection)
        return 0.0 if latest is None else latest.created

    def _users_of(self, end: Callable[[Connection], Actor]) -> dict[str, list[Connection]]:
        users: dict[str, list[Connection]] = {}
        for connection in self._world.company.connections.values():
            if connection.status != "deprecated":
                users.setdefault(end(connection).id, []).append(connection)
        return users

    def _connections_of(self, actor: Actor) -> list[Connection]:
        everything = self._world.company.connections.values()
        return [c for c in everything if actor in {c.source, c.destination} and c.status != "deprecated"]

    def _cursor_page(self, body: Body, rows: list[T], identity: Callable[[T], str]) -> tuple[list[T], Json]:
        cursor, size = body.uuid("cursor"), body.integer("pageSize") or _DEFAULT_OTHERS
        start = 0
        if cursor is not None:
            place = next((place for place, row in enumerate(rows) if identity(row) == cursor), None)
            if place is None:
                raise not_found("CURSOR", cursor)
            start = place + 1
        return rows[start : start + size], {"page_size": size, "num_connections": len(rows)}

    # Jobs

    def _jobs(self, body: Body) -> Json:
        query = self._query(body, connection_id=body.text("configId"))
        if not self._generation.any_connection:
            body.required_text("configId")
        field, method = _order(body)
        if self._generation.orders and field is not None and method is not None:
            query = replace(query, by_updated=field == "updatedAt", descending=method == "DESC")
        selection = self._world.select(query)
        size, offset = pagination(body, default=_DEFAULT_JOBS)
        if size == 0 and self._generation.page_numbers:
            raise server_error("division by zero")
        including = body.integer("includingJobId")
        if including is not None:
            rows = _up_to(selection, including, size)
        elif self._limit_counts == "attempts":
            return self._joined_page(selection, offset // size, size)
        elif self._generation.page_numbers:
            # The server computes a page number: an offset that is no multiple of the size is rounded down.
            rows = selection.page(offset // size * size, size)
        else:
            rows = self._turned(selection.page(offset, size), method)
        return {"jobs": [self._with_attempts(job) for job in rows], "totalJobCount": len(selection)}

    def _jobs_of_workspaces(self, body: Body) -> Json:
        query = self._query(body, workspace_ids=body.uuids("workspaceIds") or frozenset())
        field, method = _order(body)
        if self._generation.orders:
            query = replace(query, by_updated=field == "updatedAt", descending=method != "ASC")
        size, offset = pagination(body, default=_DEFAULT_JOBS)
        rows = self._turned(self._world.select(query).page(offset, size), method)
        source = "light" if self._generation.light_listing else "database"
        return {"jobs": [self._with_attempts(job, source) for job in rows], "totalJobCount": len(rows)}

    def _turned(self, page: list[Job], method: str | None) -> list[Job]:
        return page[::-1] if method == "ASC" and not self._generation.orders else page

    def _query(
        self,
        body: Body,
        *,
        connection_id: str | None = None,
        workspace_ids: frozenset[str] | None = None,
    ) -> JobQuery:
        types = body.choices("configTypes", self._generation.config_types)
        if not types:
            raise Problem(Answer(400, {"message": "configTypes: must not be empty"}))
        if self._generation.several_statuses:
            statuses = body.choices("statuses", _STATUSES) or None
        else:
            status = body.choice("status", _STATUSES)
            statuses = None if status is None else frozenset({status})
        infinity = float("inf")
        return JobQuery(
            config_types=types,
            statuses=statuses,
            created_start=body.instant("createdAtStart", -infinity),
            created_end=body.instant("createdAtEnd", infinity),
            updated_start=body.instant("updatedAtStart", -infinity),
            updated_end=body.instant("updatedAtEnd", infinity),
            connection_id=connection_id,
            workspace_ids=workspace_ids,
        )

    def _with_attempts(self, job: Job, source: str = "database") -> Json:
        tries = range(len(job.tries(self._world.now)))
        attempts = [self._wire.attempt(job, number, source=source) for number in tries]
        return {"job": self._wire.job(job, stats=True), "attempts": attempts}

    def _joined_page(self, selection: Selection, page: int, size: int) -> Json:
        """Cut a page out of the join of jobs and attempts, as a LIMIT on that join does."""
        now, first, seen, jobs = self._world.now, page * size, 0, []
        for job in selection:
            height = max(1, len(job.tries(now)))
            low, high = max(first - seen, 0), min(first + size - seen, height)
            if low < high:
                whole = self._with_attempts(job)
                jobs.append({**whole, "attempts": whole["attempts"][low:high]})
            seen += height
            if seen >= first + size:
                break
        return {"jobs": jobs, "totalJobCount": len(selection)}

    def _job(self, body: Body) -> Job:
        job_id = body.required_integer("id")
        if (job := self._world.job(job_id)) is None or job.config_type not in self._generation.job_types:
            # "Could not find job with id" is an unexpected exception in Airbyte, not a 404.
            raise server_error(f"job {job_id}")
        return job

    def _job_light(self, body: Body) -> Json:
        return {"job": self._wire.job(self._job(body), stats=False)}

    def _job_without_logs(self, body: Body) -> Json:
        job = self._job(body)
        return {"job": self._wire.job(job, stats=True), "attempts": self._infos(job)}

    def _job_with_logs(self, body: Body) -> Json:
        return self._with_logs(self._job(body))

    def _with_logs(self, job: Job) -> Json:
        logs: Json = {"logs": {"logLines": []}} | (
            {"logType": "formatted"} if self._generation.details else {}
        )
        infos = [{**info, **logs} for info in self._infos(job)]
        return {"job": self._wire.job(job, stats=False), "attempts": infos}

    def _infos(self, job: Job) -> list[Json]:
        tries: Sequence[Attempt] = job.tries(self._world.now)
        return [{"attempt": self._wire.attempt(job, number, source="output")} for number in range(len(tries))]

    def _last_job(self, body: Body) -> Json:
        query = JobQuery(self._generation.job_types, connection_id=body.required_uuid("connectionId"))
        jobs = (job for job in self._world.select(query) if job.status(self._world.now) != "cancelled")
        latest = next(jobs, None)
        return {} if latest is None else {"job": self._wire.job(latest, stats=False)}


def _order(body: Body) -> tuple[str | None, str | None]:
    field = body.choice("orderByField", frozenset({"createdAt", "updatedAt"}))
    return field, body.choice("orderByMethod", frozenset({"ASC", "DESC"}))


def _up_to(selection: Selection, job_id: int, size: int) -> list[Job]:
    """Return whole pages of rows up to the one that holds the job, or nothing where there is none."""
    rows = list(selection)
    place = next((place for place, job in enumerate(rows) if job.id == job_id), None)
    return [] if place is None else rows[: (place // size + 1) * size]


def _in_use(connections: list[Connection]) -> bool:
    return any(connection.status == "active" for connection in connections)


def _not_allowed(method: str, path: str) -> Answer:
    return Answer(405, {"message": f"Method [{method}] not allowed for URI [/api/v1/{path}]."})
