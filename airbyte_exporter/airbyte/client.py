"""Airbyte in domain types: what exists, and what its jobs did. It can only read."""

import random as chance
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final, TypeVar

from requests.adapters import BaseAdapter

from airbyte_exporter.airbyte._actors import ActorCounts
from airbyte_exporter.airbyte._auth import auth_for
from airbyte_exporter.airbyte._caller import Caller
from airbyte_exporter.airbyte._capabilities import (
    Capabilities,
    InstanceAnswer,
    Polling,
    ask_instance,
    detect,
)
from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._errors import ApiError, ApiForbidden, Reason
from airbyte_exporter.airbyte._events import why_disabled
from airbyte_exporter.airbyte._found import Found
from airbyte_exporter.airbyte._job_listings import Ask, ConnectionJobs, JobListings
from airbyte_exporter.airbyte._jobs import JobQuery
from airbyte_exporter.airbyte._listings import Kind, Listings
from airbyte_exporter.airbyte._methods import READING, Methods
from airbyte_exporter.airbyte._paging import JobsPage
from airbyte_exporter.airbyte._public import (
    PublicCaller,
    PublicListings,
    ask_public,
    detect_public,
    is_closed,
)
from airbyte_exporter.airbyte._public_jobs import PublicJobListings
from airbyte_exporter.airbyte._transport import Clocks, Observe, Transport
from airbyte_exporter.airbyte._waiting import INTERVAL_SECONDS, observations
from airbyte_exporter.airbyte._workspaces import list_workspaces, make_sure_they_are_gone
from airbyte_exporter.model import (
    Actor,
    Connection,
    Definition,
    Disabling,
    Fact,
    Instance,
    Inventory,
    Job,
    JobDetails,
    Workspace,
)

__all__ = ["AirbyteClient"]

NEWEST_JOB_SECONDS: Final = 30 * 86400
NEWEST_JOB_ASKS: Final = 20
LOSSES_SECONDS: Final = 3600.0
"""How often to find out whether we may, or this Airbyte can, by now what was not so."""

FORBIDDEN_SECONDS: Final = 120.0
"""For how long it is told without asking that we may not read what is watched: it takes many requests to find
that out, and roles come back by hand."""

_IN_TROUBLE: Final[frozenset[Reason]] = frozenset(
    {"connect", "timeout", "tls", "dns", "server_error", "rate_limited", "stopped"}
)

T = TypeVar("T")


class AirbyteClient:
    """Read one Airbyte, whichever it is. Thread-safe.

    What it can do and allows us is found out at the first call, and again when something that worked is gone
    or forbidden, or another version answers. Where that ends with something forbidden, everybody is told so
    for two minutes before it is tried again.

    Every method may raise `ApiError`; nothing is ever half told: a listing is complete or it raises. `clock`
    gives epoch seconds; it only counts where Airbyte does not tell its own time. When `stop` is set, waits
    end at once with `ApiStopped`; `close` ends requests on their way too. `capabilities` is what is known of
    this Airbyte already, if anything; `read_before` are the ids of workspaces that could be read
    before this client was made.

    Raises:
        ConfigurationError: A certificate or key file cannot be used.
    """

    _methods: Methods = READING

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
        capabilities: Capabilities | None = None,
        read_before: Iterable[str] = (),
    ) -> None:
        self._config = config
        self._clocks = Clocks(wall=clock, monotonic=monotonic, random=random)
        self._transport = Transport(
            config,
            clocks=self._clocks,
            stop=stop or threading.Event(),
            observe=observe,
            adapter=adapter,
            methods=self._methods,
        )
        self._call = Caller(config, self._transport, auth_for(config, self._transport, self._clocks))
        self._public = PublicCaller(self._call, monotonic)
        self._read_before = tuple(read_before)
        self._actors = ActorCounts(monotonic)
        self._lock = threading.RLock()
        self._found: Found | None = None
        self._refusal: tuple[ApiForbidden, float] | None = None
        if capabilities is not None:
            self._found = self._made_for(capabilities)

    def close(self) -> None:
        """Close every connection; calls in other threads raise `ApiStopped` at once."""
        self._transport.close()

    # What this Airbyte is

    def capabilities(self) -> Capabilities:
        """Return what this Airbyte can do and allows us; asks only when that is not known."""
        return self._known().capabilities

    def _known(self) -> Found:
        with self._lock:
            if self._found is None or self._call.doubted:
                self._tell_refusal()
                return self._detect(self._ask())
            return self._found

    def _tell_refusal(self) -> None:
        if self._refusal is None:
            return
        error, until = self._refusal
        if self._clocks.monotonic() < until:
            raise ApiForbidden(str(error), method=error.method, reason=error.reason, status=error.status)

    def _ask(self) -> InstanceAnswer:
        if self._config.only_public:
            return ask_public(self._public)
        try:
            return ask_instance(self._call)
        except ApiError as exc:
            if not (self._may_be_public and is_closed(exc)):
                raise
            return _instead(exc, lambda _: ask_public(self._public))

    @property
    def _may_be_public(self) -> bool:
        """Whether to do with the public API what the Config API does not let us.

        Not once that has worked: then it is an error that it does not any more, not less to see.
        """
        return self._config.api == "auto" and (self._found is None or self._found.is_public)

    def _detect(self, instance: InstanceAnswer) -> Found:
        self._tell_refusal()
        if self._found is not None:
            self._read_before = tuple(each.id for each in self._found.capabilities.workspaces)
        try:
            capabilities = self._detected(instance)
        except ApiError as exc:
            self._call.doubted = True  # what is known is still not to be relied on
            if isinstance(exc, ApiForbidden) and exc.reason == "forbidden":
                self._refusal = exc, self._clocks.monotonic() + FORBIDDEN_SECONDS
            raise
        self._refusal = None
        self._found = self._made_for(capabilities, instance)
        return self._found

    def _detected(self, instance: InstanceAnswer) -> Capabilities:
        def public(because: ApiError | None = None) -> Capabilities:
            self._call.forget()
            return detect_public(
                self._public, self._config, instance, read_before=self._read_before, because=because
            )

        if self._config.only_public:
            return public()
        try:
            return detect(
                self._call,
                self._config,
                instance,
                now=int(self._clocks.wall()),
                read_before=self._read_before,
            )
        except ApiError as exc:
            if not (self._may_be_public and (self._found is not None or is_closed(exc))):
                raise
            return _instead(exc, public)

    def _made_for(self, capabilities: Capabilities, instance: InstanceAnswer | None = None) -> Found:
        asked = None if instance is None else replace(instance, date=None)
        if capabilities.api == "public":
            only = self._config.workspace_ids
            public = PublicListings(self._public, only), PublicJobListings(self._public, only)
            return Found(capabilities, asked, *public, self._clocks.monotonic())
        listings = Listings(self._call, capabilities.endpoints)

        def existing() -> frozenset[str]:
            workspaces = self._workspaces(capabilities)
            return frozenset(each.id for of in workspaces for each in listings.connections(of.id))

        jobs = JobListings(
            self._call, capabilities, existing=existing, concurrency=self._config.max_concurrency
        )
        return Found(capabilities, asked, listings, jobs, self._clocks.monotonic())

    def instance(self) -> Instance:
        """Return what kind of Airbyte this is."""
        return self.capabilities().instance

    # What exists

    def workspaces(self) -> tuple[Workspace, ...]:
        """List the configured workspaces, or else all that we may read."""
        found = self._known()
        if isinstance(found.listings, PublicListings):
            return found.listings.workspaces()
        return self._workspaces(found.capabilities)

    def _workspaces(self, capabilities: Capabilities) -> tuple[Workspace, ...]:
        listed = list_workspaces(
            self._call, capabilities.endpoints.organization_id, self._config.workspace_ids
        )
        unreadable = {workspace.id for workspace in capabilities.unreadable}
        return tuple(workspace for workspace in listed if workspace.id not in unreadable)

    def airbyte_time(self) -> int | None:
        """Ask for Airbyte's own time, epoch seconds, by listing workspaces; ``None`` if it does not tell."""
        self.workspaces()
        return self._call.date

    def connections(self, workspace_id: str) -> tuple[Connection, ...]:
        """List a workspace's connections, deleted ones excluded; without their catalogs where that works."""
        return self._known().listings.connections(workspace_id)

    def sources(self, workspace_id: str) -> tuple[Actor, ...]:
        """List a workspace's sources. Their connectors' versions are told by old servers only."""
        return self._known().listings.sources(workspace_id)

    def destinations(self, workspace_id: str) -> tuple[Actor, ...]:
        """List a workspace's destinations. Their connectors' versions are told by old servers only."""
        return self._known().listings.destinations(workspace_id)

    def definitions(self, kind: Kind) -> tuple[Definition, ...]:
        """List the connectors that this Airbyte offers, in one unpaged request; hundreds as a rule."""
        return self._known().listings.definitions(kind)

    def inventory(self) -> Inventory:
        """List everything that exists; as of the first answer, in Airbyte's time.

        A workspace that was not there before and that we may not read is left out. One that we could read
        and may not read any more is an error: its connections are not gone.
        """
        found, instance = self._look_again()
        if isinstance(found.listings, PublicListings):
            return self._public_inventory(found, found.listings, instance.date)
        workspaces = self._workspaces(found.capabilities)
        if workspaces and found.is_guess:
            with self._lock:
                found = self._detect(instance)
        if not self._config.workspace_ids:
            ids = {workspace.id for workspace in workspaces}
            missing = [each.id for each in found.capabilities.workspaces if each.id not in ids]
            make_sure_they_are_gone(self._call, found.capabilities.endpoints.organization_id, missing)
        found.listings.refresh()
        connections: dict[str, Connection] = {}
        readable: list[Workspace] = []
        for workspace in workspaces:
            listed = self._connections_if_allowed(found, workspace)
            if listed is not None:
                connections.update((connection.id, connection) for connection in listed)
                readable.append(workspace)
        with self._lock:
            if self._found is not None:
                self._found = self._found.reading(tuple(readable))
        return Inventory(
            instance=found.capabilities.instance,
            workspaces=tuple(readable),
            connections=tuple(connections.values()),
            read_at=instance.date if instance.date is not None else int(self._clocks.wall()),
        )

    def with_actors(self, inventory: Inventory) -> Inventory:
        """Return `inventory` with how many sources and destinations there are, as of the last hour."""
        return self._actors.added_to(inventory, self._known().listings)

    def _public_inventory(self, found: Found, listings: PublicListings, date: int | None) -> Inventory:
        workspaces = listings.workspaces(workspace.id for workspace in found.capabilities.workspaces)
        date = self._call.date if date is None else date
        # A connection of a workspace that came in between is told of with it, the next time.
        ids = {workspace.id for workspace in workspaces}
        connections = tuple(each for each in listings.connections() if each.workspace_id in ids)
        with self._lock:
            if self._found is not None:
                self._found = self._found.reading(workspaces)
        return Inventory(
            instance=found.capabilities.instance,
            workspaces=workspaces,
            connections=connections,
            read_at=date if date is not None else int(self._clocks.wall()),
        )

    def _look_again(self) -> tuple[Found, InstanceAnswer]:
        """Return what this Airbyte is, found out anew if it is another one, and what it says of itself.

        What we may not do is tried again from time to time.
        """
        with self._lock:
            self._tell_refusal()
        instance = self._ask()
        with self._lock:
            found = self._found
            if found is None or self._call.doubted or not found.is_of(instance):
                return self._detect(instance), instance
            age = self._clocks.monotonic() - found.since
            if found.capabilities.losses and not self._config.only_public and age >= LOSSES_SECONDS:
                return self._detect(instance), instance
            return found, instance

    def _connections_if_allowed(self, found: Found, workspace: Workspace) -> tuple[Connection, ...] | None:
        known = {known.id for known in found.capabilities.workspaces}
        for _ in range(2):  # as `detect` does: it takes two refusals to be one
            try:
                return found.listings.connections(workspace.id)
            except ApiForbidden as exc:
                if exc.reason != "forbidden" or self._config.workspace_ids or workspace.id in known:
                    raise
        with self._lock:
            if self._found is not None:
                self._found = self._found.without(workspace)
        return None

    def why_disabled(self, connection_id: str, since: int) -> Disabling | None:
        """Return how a connection that was active at `since`, in Airbyte's time, was disabled after that.

        One request. ``None`` where this Airbyte has noted nothing of it, not yet, or cannot tell.
        """
        if not self.instance().tells(Fact.DISABLINGS):
            return None
        return why_disabled(self._call, connection_id, since)

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

        Where jobs can only be read by connection, this asks every connection that the listing is about, and
        a page is what one of them says.
        """
        query = JobQuery(
            updated_since=updated_since,
            updated_until=updated_until,
            created_since=created_since,
            created_until=created_until,
            live=live,
            connection_id=connection_id,
        )
        found = self._known()
        polling = found.capabilities.polling
        workspace_ids = [workspace.id for workspace in found.capabilities.workspaces]
        if polling is Polling.WORKSPACES and not workspace_ids and connection_id is None:
            # An empty list does not mean all of them, it is refused. That Airbyte answers is to be seen
            # nevertheless, or it would seem to be up for ever.
            yield JobsPage((), self.airbyte_time())
            return
        if polling is not Polling.CONNECTIONS:
            yield from found.jobs.pages(query, workspace_ids)
            return
        ids = [connection_id] if connection_id else [each.id for each in self.inventory().connections]
        asks = [Ask(id_, query.created_from) for id_ in ids]
        for answer in self.jobs_of_connections(asks):
            if answer.error is not None:
                raise answer.error
            jobs = tuple(job for job in answer.jobs if query.holds(job))
            yield JobsPage(jobs, answer.served_at, resumable=False)
        if not asks:
            yield JobsPage((), None)

    def jobs_of_connections(self, asks: Iterable[Ask]) -> Iterator[ConnectionJobs]:
        """Ask connections for their jobs, several at the same time; answers come as they are asked, mostly.

        For where jobs can only be read by connection. A connection that is gone has no jobs; one that could
        not be answered tells its error, and the others are asked all the same.
        """
        yield from self._known().jobs.of_connections(asks)

    def job(self, job_id: int) -> Job | None:
        """Read one job; ``None`` when Airbyte itself says that there is none.

        Airbyte answers 500 for a job that does not exist, some versions without a word why; that raises
        `ApiUnreachable` at once, and only the listing of the job's connection can tell. The short reference
        API does not tell a job's connection: its id is empty then.
        """
        return self._known().jobs.job(job_id)

    def wait(
        self,
        job_id: int,
        *,
        timeout: float | None = None,
        interval: float = INTERVAL_SECONDS,
        pause: Callable[[float], object] | None = None,
    ) -> Job:
        """Wait until a job is over, however it ends, and return it as `job` does; never ends the job.

        It is read every `interval` seconds, and a last time after `timeout` seconds; ``None`` is as long as
        it takes. While Airbyte cannot be read it is asked again: where `job` raises for one that does not
        exist, that is until the time-out. `pause` lets seconds pass; by default a stop of the exporter ends
        them.

        Raises:
            WaitTimeoutError: It is not over in time; its message says how the job was.
            JobGoneError: Airbyte says that there is none.
            ApiError: We may not read it, or the exporter stops.
        """
        looks = observations(
            self.job,
            job_id,
            monotonic=self._clocks.monotonic,
            pause=pause or (lambda seconds: self._transport.pause("jobs/get", seconds)),
            timeout=timeout,
            interval=interval,
        )
        return next(seen for seen in looks if isinstance(seen, Job) and seen.status.is_final)

    def job_details(self, job_id: int) -> JobDetails | None:
        """Read one job as `job` does, in one request, and its streams' numbers with it."""
        return self._known().jobs.details(job_id)

    def newest_jobs(self, connection_id: str, limit: int) -> tuple[Job, ...]:
        """Return at most the `limit` newest jobs of a connection, of every type, the newest first.

        One request as a rule. There may be fewer than exist where jobs have had many attempts.
        """
        return self._known().jobs.newest_of(connection_id, limit)

    def newest_success(self, connection_id: str) -> Job | None:
        """Return the newest succeeded sync or refresh of a connection; one small request as a rule."""
        return self._known().jobs.newest_success_of(connection_id)

    def newest_job(self) -> Job | None:
        """Return the newest job of the last 30 days, as far as one request or a few can tell.

        Where jobs can only be read by connection, that is the newest of the first 20 connections.
        """
        found = self._known()
        since = int(self._clocks.wall()) - NEWEST_JOB_SECONDS
        if found.capabilities.polling is not Polling.CONNECTIONS:
            return found.jobs.newest([each.id for each in found.capabilities.workspaces], since=since)
        connections = self.inventory().connections[:NEWEST_JOB_ASKS]
        answers = list(self.jobs_of_connections(Ask(connection.id, since) for connection in connections))
        errors = [answer.error for answer in answers if answer.error is not None]
        if errors and len(errors) == len(answers):
            raise errors[0]
        jobs = [job for answer in answers for job in answer.jobs]
        return max(jobs, key=lambda job: (job.created_at, job.id), default=None)


def _instead(error: ApiError, ask: Callable[[ApiError], T]) -> T:
    """Ask the public API after `error` of the Config API; where that is closed too, raise `error`."""
    try:
        return ask(error)
    except ApiError as exc:
        if exc.reason in _IN_TROUBLE:
            raise
    raise error
