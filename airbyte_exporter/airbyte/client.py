"""Airbyte in domain types: what exists, and what its jobs did. It can only read."""

import random as chance
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import structlog
from requests.adapters import BaseAdapter

from airbyte_exporter.airbyte._auth import auth_for
from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._domain import actor_of, connection_of, job_of, jobs_of, workspace_of
from airbyte_exporter.airbyte._errors import ApiForbidden, ApiNotFound, ApiRejected, ApiUnauthorized
from airbyte_exporter.airbyte._jobs import JobQuery
from airbyte_exporter.airbyte._paging import CursorPage, JobRows, JobsPage, Keyset, cursor_listing
from airbyte_exporter.airbyte._transport import Answer, Clocks, Observe, Transport
from airbyte_exporter.airbyte._wire import (
    WireConnections,
    WireDeployment,
    WireDestinations,
    WireInstance,
    WireJobInfo,
    WireJobs,
    WireSources,
    WireWorkspace,
    WireWorkspaces,
    parse,
)
from airbyte_exporter.model import (
    Actor,
    AttemptStatus,
    Connection,
    Instance,
    Inventory,
    Job,
    Workspace,
)

__all__ = ["AirbyteClient"]

DEFAULT_ORGANIZATION: Final = "00000000-0000-0000-0000-000000000000"
"""The one organization that a self-managed community Airbyte has."""

_LIVE: Final = ("pending", "running", "incomplete")
_QUEUED: Final = "queued"
_NEWEST_WITHOUT_QUEUED: Final = (2, 0)
_BAD_REQUEST: Final = frozenset({400, 422})

T = TypeVar("T")

log = structlog.get_logger(__name__)


class AirbyteClient:
    """Read one Airbyte (self-managed, Config API 1.6 to 2.x). Thread-safe.

    Every method may raise `ApiError`; nothing is ever half told: a listing is complete or it raises. `clock`
    gives epoch seconds; it only counts where Airbyte does not tell its own time. When `stop` is set, waits
    end at once with `ApiStopped`; `close` ends requests on their way too.

    Raises:
        ConfigurationError: A certificate or key file cannot be used.
    """

    def __init__(
        self,
        config: AirbyteConfig,
        *,
        clock: Callable[[], float],
        stop: threading.Event | None = None,
        observe: Observe | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = chance.random,
        adapter: BaseAdapter | None = None,
    ) -> None:
        self._config = config
        self._clocks = Clocks(wall=clock, monotonic=monotonic, random=random)
        self._transport = Transport(
            config, clocks=self._clocks, stop=stop or threading.Event(), observe=observe, adapter=adapter
        )
        self._auth = auth_for(config, self._transport, self._clocks)
        self._organization: str | None = None
        self._version: str | None = None
        self._queued_is_known: bool | None = None
        self._paged: dict[str, bool] = {}

    def close(self) -> None:
        """Close every connection; calls in other threads raise `ApiStopped` at once."""
        self._transport.close()

    # What exists

    def instance(self) -> Instance:
        """Ask what kind of Airbyte this is; works without credentials as far as Airbyte's own answer goes."""
        return self._instance()[0]

    def _instance(self) -> tuple[Instance, int | None]:
        answer = self._anonymously("instance_configuration")
        wire = parse(WireInstance, answer.body, method="instance_configuration")
        if wire.version != self._version:
            self._version = wire.version
            self._queued_is_known = None
            self._paged = {}
        self._organization = wire.default_organization_id or DEFAULT_ORGANIZATION
        instance = Instance(
            version=wire.version,
            edition=wire.edition.lower() if wire.edition else None,
            api="config",
            auth=self._config.auth,
            deployment_id=self._deployment_id(),
        )
        return instance, answer.date

    def _anonymously(self, method: str) -> Answer:
        deadline = self._transport.deadline()
        if self._config.auth == "basic":
            return self._call(method)  # the proxy wants it for everything
        try:
            return self._transport.call(method, authorization=None, deadline=deadline)
        except (ApiUnauthorized, ApiForbidden):
            if self._config.auth == "none":
                raise
        return self._call(method)  # something in front of Airbyte wants the credentials even for this

    def _deployment_id(self) -> str | None:
        try:
            answer = self._call("deployment/metadata", {})
        except (ApiNotFound, ApiForbidden, ApiRejected) as exc:
            log.debug("Airbyte does not tell its deployment id", reason=exc.reason)
            return None
        return parse(WireDeployment, answer.body, method="deployment/metadata").id

    def workspaces(self) -> tuple[Workspace, ...]:
        """List the configured workspaces, or else all of Airbyte's default organization that we may see."""
        if self._config.workspace_ids:
            return tuple(self._workspace(workspace_id) for workspace_id in self._config.workspace_ids)
        if self._organization is None:
            self._instance()
        method = "workspaces/list_by_organization_id"
        answer = self._call(method, {"organizationId": self._organization})
        listed = parse(WireWorkspaces, answer.body, method=method).workspaces
        return tuple(
            {wire.workspace_id: workspace_of(wire) for wire in listed if not wire.tombstone}.values()
        )

    def _workspace(self, workspace_id: str) -> Workspace:
        method = "workspaces/get"
        try:
            answer = self._call(method, {"workspaceId": workspace_id})
        except ApiNotFound as exc:
            if not exc.said_by_airbyte:
                raise
        else:
            return workspace_of(parse(WireWorkspace, answer.body, method=method))
        text = f"{method}: Airbyte has no workspace {workspace_id}; correct airbyte.workspace_ids"
        raise ApiNotFound(text, method=method, said_by_airbyte=True)

    def connections(self, workspace_id: str) -> tuple[Connection, ...]:
        """List a workspace's connections, deleted ones excluded, by the light listing without catalogs."""

        def page(body: bytes, method: str) -> CursorPage[Connection]:
            wire = parse(WireConnections, body, method=method)
            items = {item.connection_id: connection_of(item, workspace_id) for item in wire.connections}
            return CursorPage(items, len(wire.connections), wire.page_size, wire.total)

        return self._by_cursor("web_backend/connections/list", workspace_id, page)

    def sources(self, workspace_id: str) -> tuple[Actor, ...]:
        """List a workspace's sources. Their connectors' versions are not told here."""

        def page(body: bytes, method: str) -> CursorPage[Actor]:
            wire = parse(WireSources, body, method=method)
            items = {item.id: actor_of(item) for item in wire.sources}
            return CursorPage(items, len(wire.sources), wire.page_size, wire.total)

        return self._by_cursor("sources/list", workspace_id, page)

    def destinations(self, workspace_id: str) -> tuple[Actor, ...]:
        """List a workspace's destinations. Their connectors' versions are not told here."""

        def page(body: bytes, method: str) -> CursorPage[Actor]:
            wire = parse(WireDestinations, body, method=method)
            items = {item.id: actor_of(item) for item in wire.destinations}
            return CursorPage(items, len(wire.destinations), wire.page_size, wire.total)

        return self._by_cursor("destinations/list", workspace_id, page)

    def _by_cursor(
        self, method: str, workspace_id: str, page: Callable[[bytes, str], CursorPage[T]]
    ) -> tuple[T, ...]:
        def fetch(paging: Mapping[str, Any]) -> CursorPage[T]:
            return page(self._call(method, {"workspaceId": workspace_id, **paging}).body, method)

        items, paged = cursor_listing(fetch, paged=self._paged.get(method, False), method=method)
        self._paged[method] = paged
        return tuple(items.values())

    def inventory(self) -> Inventory:
        """List everything that exists; as of the first answer, in Airbyte's time."""
        instance, date = self._instance()
        workspaces = self.workspaces()
        connections = {
            connection.id: connection
            for workspace in workspaces
            for connection in self.connections(workspace.id)
        }
        return Inventory(
            instance=instance,
            workspaces=workspaces,
            connections=tuple(connections.values()),
            read_at=date if date is not None else int(self._clocks.wall()),
        )

    # What jobs did

    def jobs(
        self,
        *,
        updated_since: int | None = None,
        updated_until: int | None = None,
        created_since: int | None = None,
        created_until: int | None = None,
        live: bool = False,
        connection_id: str | None = None,
    ) -> Iterator[JobsPage]:
        """List syncs, refreshes, resets and clears, page by page as they arrive, so that each can be kept.

        At least one page comes. The listing is complete when the iterator ends; else it raises. Sorted by
        update, or by creation with `created_since`, `created_until` or `live`; the oldest first. All times
        are epoch seconds and inclusive. `live` narrows to unfinished jobs.

        A job that changes while the listing is read moves to the end of one sorted by update, so with
        `updated_until` it may be missed: the next listing since now has it.
        """
        query = JobQuery(
            updated_since=updated_since,
            updated_until=updated_until,
            created_since=created_since,
            created_until=created_until,
            live=live,
            connection_id=connection_id,
        )

        def fetch(bound: int | None, size: int) -> JobRows:
            return self._job_rows(query.starting_at(bound), size)

        yield from Keyset(by_created=query.by_created).pages(fetch, query.start, method="jobs/list")

    def _job_rows(self, query: JobQuery, size: int) -> JobRows:
        if not query.live:
            return self._list_jobs(query.as_json(size))
        if self._may_ask_for_queued():
            try:
                rows = self._list_jobs(query.as_json(size, (*_LIVE, _QUEUED)))
            except ApiRejected as exc:
                if self._queued_is_known or exc.status not in _BAD_REQUEST:
                    raise
                rows = self._list_jobs(query.as_json(size, _LIVE))
                self._queued_is_known = False
                log.debug("Airbyte does not know queued jobs", version=self._version)
            else:
                self._queued_is_known = True
            return rows
        return self._list_jobs(query.as_json(size, _LIVE))

    def _may_ask_for_queued(self) -> bool:
        """Whether to ask for ``queued`` too: it came after 2.0.0, and unknown values are refused."""
        if self._queued_is_known is not None:
            return self._queued_is_known
        version = re.match(r"v?(\d{1,6})\.(\d{1,6})", self._version or "")
        return version is None or (int(version[1]), int(version[2])) > _NEWEST_WITHOUT_QUEUED

    def _list_jobs(self, body: Mapping[str, Any]) -> JobRows:
        answer = self._call("jobs/list", body)
        wire = parse(WireJobs, answer.body, method="jobs/list")
        return JobRows(jobs_of(wire), wire.joined_rows, answer.date)

    def job(self, job_id: int) -> Job | None:
        """Read one job; ``None`` when Airbyte itself says that there is none.

        Airbyte answers 500 for a job that does not exist, some versions without a word why; that raises
        `ApiUnreachable` at once, and only the listing of the job's connection can tell.
        """
        method = "jobs/get_without_logs"
        try:
            answer = self._call(method, {"id": job_id})
        except ApiNotFound as exc:
            if exc.said_by_airbyte:
                return None
            raise
        return job_of(parse(WireJobInfo, answer.body, method=method))

    def newest_jobs(self, connection_id: str, limit: int) -> tuple[Job, ...]:
        """Return at most the `limit` newest jobs of a connection, of every type, the newest first.

        One request as a rule. There may be fewer than exist where jobs have had many attempts.
        """
        # Where Airbyte's limit counts attempts, this has room for several of each job.
        size = limit * 4
        body = {
            **JobQuery(connection_id=connection_id).as_json(size),
            "orderByField": "createdAt",
            "orderByMethod": "DESC",
        }
        rows = self._list_jobs(body)
        jobs = sorted(rows.jobs, key=lambda job: (job.created_at, job.id), reverse=True)
        if 0 < len(jobs) <= limit and rows.joined_rows >= size:
            jobs[-1] = self.job(jobs[-1].id) or jobs[-1]  # some of its attempts may have been cut off
        return tuple(jobs[:limit])

    def newest_success(self, connection_id: str) -> Job | None:
        """Return the newest succeeded sync or refresh of a connection; one small request."""
        body = {
            **JobQuery(connection_id=connection_id).as_json(1, ("succeeded",)),
            "configTypes": ["sync", "refresh"],
            "orderByField": "createdAt",
            "orderByMethod": "DESC",
        }
        jobs = self._list_jobs(body).jobs
        if not jobs:
            return None
        attempts = jobs[0].attempts or ()
        if attempts and (attempts[0].number != 0 or attempts[-1].status is not AttemptStatus.SUCCEEDED):
            # One row of the join with attempts has come, not one job.
            return self.job(jobs[0].id)
        return jobs[0]

    def _call(self, method: str, body: Mapping[str, Any] | None = None) -> Answer:
        deadline = self._transport.deadline()
        header = self._auth.header(deadline)
        try:
            return self._transport.call(method, body, authorization=header, deadline=deadline)
        except ApiUnauthorized:
            if not self._auth.discard(header):
                raise
        header = self._auth.header(deadline)
        return self._transport.call(method, body, authorization=header, deadline=deadline)
