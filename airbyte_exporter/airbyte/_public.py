"""The public API (``/api/public/v1``, Airbyte Cloud's ``https://api.airbyte.com/v1``) as a way of reading.

Its listings are of everything that we may see, so that one of jobs covers all workspaces, an administrator or
not. It has no version and no id of the installation. Airbyte serves it with five threads and can tell clients
that ask too much to stop (429, without a ``Retry-After``): so there are never more than two requests under
way, and after such an answer none for minutes.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog

from airbyte_exporter.airbyte._caller import Caller, is_not_there
from airbyte_exporter.airbyte._capabilities import Capabilities, Endpoints, InstanceAnswer, Loss, Polling
from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._errors import (
    ApiError,
    ApiForbidden,
    ApiNotFound,
    ApiRejected,
    ApiUnreachable,
    Reason,
)
from airbyte_exporter.airbyte._job_listings import WORKSPACES_AT_ONCE, Ask, ConnectionJobs
from airbyte_exporter.airbyte._jobs import JobQuery
from airbyte_exporter.airbyte._listings import Kind
from airbyte_exporter.airbyte._paging import JobsPage
from airbyte_exporter.airbyte._public_paging import (
    LIMIT,
    SECOND,
    JobRows,
    Stretch,
    job_pages,
    whole_listing,
)
from airbyte_exporter.airbyte._public_wire import (
    UNKNOWN_CONNECTOR,
    PublicConnection,
    PublicConnections,
    PublicDefinitions,
    PublicDestinations,
    PublicJob,
    PublicJobs,
    PublicSources,
    PublicWorkspace,
    PublicWorkspaces,
)
from airbyte_exporter.airbyte._transport import Answer
from airbyte_exporter.airbyte._wire import LATEST_TIME, parse
from airbyte_exporter.model import Actor, Connection, Definition, Job, JobDetails, Workspace

__all__ = ["PublicCaller", "PublicJobListings", "PublicListings", "ask_public", "detect_public", "is_closed"]

CALLS_AT_ONCE: Final = 2
SHORTEST_REST: Final = 60.0
LONGEST_REST: Final = 300.0
LONGEST_ASKED_REST: Final = 3600.0
FEW_ROWS: Final = 10
_LIVE: Final = ("incomplete", "pending", "queued", "running")
"""In an order in which a job that goes on meanwhile is rather seen twice than not at all."""

_QUEUED: Final = "queued"
_BAD_REQUEST: Final = frozenset({400, 422})
_CLOSED: Final[Mapping[Reason, str]] = {
    "forbidden": "it is forbidden to us",
    "not_airbyte": "something else answers in its place",
}
_PROBED: Final = frozenset({"jobs/list", "web_backend/connections/list"})
_JOBS: Final = "public/jobs"
TELLS_LESS: Final = (
    "the public API tells neither attempts nor why they failed, no emitted records and bytes, no schema "
    "changes and no versions of connectors"
)

T = TypeVar("T")

log = structlog.get_logger(__name__)


class PublicCaller:
    """Calls methods of the public API: two at the same time, and none while Airbyte wants us to rest.

    `monotonic` is a clock for that, in seconds.
    """

    def __init__(self, call: Caller, monotonic: Callable[[], float]) -> None:
        self._call = call
        self._monotonic = monotonic
        self._places = threading.BoundedSemaphore(CALLS_AT_ONCE)
        self._lock = threading.Lock()
        self._refusals = 0
        self._rests_until = 0.0

    def __call__(
        self, method: str, query: Mapping[str, Any] | None = None, *, about_one: bool = False
    ) -> Answer:
        """Call `method` as `Caller` does.

        Raises:
            ApiError: It did not work, or it is not the time to ask.
        """
        return self._in_turn(method, lambda: self._call(method, query, about_one=about_one))

    def anonymously(self, method: str) -> Answer:
        """Call a method that Airbyte answers to anybody.

        Raises:
            ApiError: It did not work, or it is not the time to ask.
        """
        return self._in_turn(method, lambda: self._call.anonymously(method))

    def _in_turn(self, method: str, call: Callable[[], Answer]) -> Answer:
        with self._places:
            left = self._rests_until - self._monotonic()
            if left > 0:
                raise ApiUnreachable(
                    f"{method}: Airbyte wants fewer requests (429): it is asked again in {left:.0f} s; "
                    "raise poll.jobs_interval if that comes again",
                    method=method,
                    reason="rate_limited",
                    retryable=True,
                    retry_after=left,
                )
            try:
                answer = call()
            except ApiUnreachable as exc:
                if exc.reason == "rate_limited":
                    self._rest(exc.retry_after)
                raise
        self._refusals = 0
        return answer

    def _rest(self, asked: float | None) -> None:
        with self._lock:
            now = self._monotonic()
            if now < self._rests_until:
                return  # the other one was told as well
            own = min(LONGEST_REST, SHORTEST_REST * 2.0**self._refusals)
            self._refusals += 1
            self._rests_until = now + max(own, min(asked or 0.0, LONGEST_ASKED_REST))


# Finding out


def is_closed(error: ApiError) -> bool:
    """Whether `error` says that the Config API is not there, or that all of it is forbidden to us.

    Where its methods before these were answered, it is there.
    """
    if error.method in _PROBED and error.reason != "forbidden":
        return False
    return is_not_there(error) or error.reason in _CLOSED


def ask_public(call: PublicCaller) -> InstanceAnswer:
    """Ask whether the public API is there, and for Airbyte's time; it does not tell what Airbyte this is.

    Raises:
        ApiError: It is not, or it does not answer.
    """
    return InstanceAnswer(is_told=False, date=call.anonymously("public/health").date)


def detect_public(
    call: PublicCaller,
    config: AirbyteConfig,
    instance: InstanceAnswer,
    *,
    read_before: Iterable[str] = (),
    because: ApiError | None = None,
) -> Capabilities:
    """Find out what the public API lets us see.

    `instance` is what Airbyte tells of itself elsewhere, if anything; `read_before` are the ids of workspaces
    that we could read until now. `because` is why nothing better is used, where that is not what was wanted.

    Raises:
        ApiForbidden: We may see no workspace, or one of those that we could read is forbidden by now.
        ApiError: It cannot be read.
    """
    workspaces = PublicListings(call, config.workspace_ids).workspaces(read_before)
    if not workspaces:
        raise ApiForbidden(
            f"public/workspaces: Airbyte at {config.host} shows us none of its workspaces; "
            "use an application of a user who may read some",
            method="public/workspaces",
            reason="forbidden",
        )
    losses = [Loss(_JOBS, TELLS_LESS)]
    if because is not None:
        otherwise = "it is not there" if is_not_there(because) else "it is in trouble"
        why = _CLOSED.get(because.reason, otherwise)
        means = f"the Config API, which tells more, cannot be used here: {why}"
        losses.append(Loss(because.method, means))
    return Capabilities(
        api="public",
        version=instance.version,
        edition=instance.edition,
        auth=config.auth,
        auth_mode=instance.auth_mode,
        deployment_id=None,
        polling=Polling.CHANGES,
        workspaces=workspaces,
        losses=tuple(losses),
        endpoints=Endpoints(organization_id=None, light_listing=False, versions_listed=False),
    )


# What exists


class PublicListings:
    """Reads what exists, in the workspaces with the ids `only`, or else everywhere that we may see."""

    def __init__(self, call: PublicCaller, only: tuple[str, ...]) -> None:
        self._call = call
        self._only = only
        self._before: dict[tuple[str, tuple[str, ...]], frozenset[str]] = {}

    def refresh(self) -> None:
        """Nothing is kept from one listing to the next but which ids there were."""

    def workspaces(self, before: Iterable[str] = ()) -> tuple[Workspace, ...]:
        """List the workspaces; one whose id is in `before` and that is missing is asked for by itself.

        Raises:
            ApiNotFound: One that is configured does not exist.
            ApiForbidden: One that we could read is not gone but forbidden, or not shown any more.
            ApiError: They cannot be read.
        """
        method = "public/workspaces"

        def rows(body: bytes) -> list[tuple[str, PublicWorkspace]]:
            return [(one.workspace_id, one) for one in parse(PublicWorkspaces, body, method=method).data]

        listed = self._listing(method, self._only, rows)
        for workspace_id in self._only:
            if workspace_id not in listed:
                text = f"{method}: Airbyte shows no workspace {workspace_id}; correct airbyte.workspace_ids"
                raise ApiNotFound(text, method=method, said_by_airbyte=True)
        for workspace_id in before:
            if workspace_id not in listed and (not self._only or workspace_id in self._only):
                self._ask_for(workspace_id)
        return tuple(wire.workspace for wire in listed.values())

    def _ask_for(self, workspace_id: str) -> None:
        """Find out whether a workspace is gone: only the right to read it may be."""
        method = "public/workspaces/get"
        try:
            self._call(method, {"workspaceId": workspace_id}, about_one=True)
        except ApiForbidden as exc:
            raise ApiForbidden(
                f"{method}: Airbyte does not let us read workspace {workspace_id} any more ({exc.status}), "
                "which is watched; give the application's user a role in it, or name the others in "
                "airbyte.workspace_ids",
                method=method,
                reason=exc.reason,
                status=exc.status,
            ) from exc
        except ApiNotFound as exc:
            if not exc.said_by_airbyte:
                raise
        else:
            raise ApiForbidden(
                f"{method}: Airbyte has workspace {workspace_id}, which is watched, and does not list it to "
                "us any more; name the workspaces to watch in airbyte.workspace_ids",
                method=method,
                reason="forbidden",
            )

    def connections(self, workspace_id: str | None = None) -> tuple[Connection, ...]:
        """List the connections of a workspace, or of all, with their sources and destinations."""
        method = "public/connections"

        def rows(body: bytes) -> list[tuple[str, PublicConnection]]:
            return [(one.connection_id, one) for one in parse(PublicConnections, body, method=method).data]

        listed = self._listing(method, self._among(workspace_id), rows)
        if not listed:
            return ()
        sources = {actor.id: actor for actor in self.sources(workspace_id)}
        destinations = {actor.id: actor for actor in self.destinations(workspace_id)}
        return tuple(
            wire.connection(
                sources.get(wire.source_id) or _nameless(wire.source_id),
                destinations.get(wire.destination_id) or _nameless(wire.destination_id),
            )
            for wire in listed.values()
        )

    def sources(self, workspace_id: str | None = None) -> tuple[Actor, ...]:
        """List the sources of a workspace, or of all; without their configuration."""
        method = "public/sources"

        def rows(body: bytes) -> list[tuple[str, Actor]]:
            return [(one.id, one.actor) for one in parse(PublicSources, body, method=method).data]

        return tuple(self._listing(method, self._among(workspace_id), rows).values())

    def destinations(self, workspace_id: str | None = None) -> tuple[Actor, ...]:
        """List the destinations of a workspace, or of all; without their configuration."""
        method = "public/destinations"

        def rows(body: bytes) -> list[tuple[str, Actor]]:
            return [(one.id, one.actor) for one in parse(PublicDestinations, body, method=method).data]

        return tuple(self._listing(method, self._among(workspace_id), rows).values())

    def definitions(self, kind: Kind) -> tuple[Definition, ...]:
        """List the connectors of that kind that this Airbyte offers; servers up to 2.0 do not tell them."""
        method = "public/connector_definitions"
        try:
            answer = self._call(method, {"type": kind}, about_one=True)
        except ApiNotFound as exc:
            text = f"{method}: this Airbyte does not tell by its public API which connectors it offers"
            raise ApiNotFound(text, method=method, said_by_airbyte=True) from exc
        return parse(PublicDefinitions, answer.body, method=method).of(kind)

    def _among(self, workspace_id: str | None) -> tuple[str, ...]:
        return self._only if workspace_id is None else (workspace_id,)

    def _listing(
        self, method: str, among: tuple[str, ...], rows: Callable[[bytes], list[tuple[str, T]]]
    ) -> dict[str, T]:
        found: dict[str, T] = {}
        for chunk in _chunks(among):
            query = {"workspaceIds": list(chunk)} if chunk else {}

            def fetch(offset: int, query: Mapping[str, Any] = query) -> Sequence[tuple[str, T]]:
                return rows(self._call(method, {**query, "limit": LIMIT, "offset": offset}).body)

            listed = whole_listing(fetch, before=self._before.get((method, chunk)), method=method)
            self._before[method, chunk] = frozenset(listed)
            found.update(listed)
        return found


def _chunks(ids: Sequence[str]) -> list[tuple[str, ...]]:
    """Split workspace ids into lists that fit an address; no ids are all that we may see."""
    return [tuple(ids[at : at + WORKSPACES_AT_ONCE]) for at in range(0, len(ids), WORKSPACES_AT_ONCE)] or [()]


def _nameless(actor_id: str) -> Actor:
    return Actor(actor_id, actor_id, UNKNOWN_CONNECTOR)


# What jobs did


class PublicJobListings:
    """Reads jobs, in the workspaces with the ids `only`, or else everywhere that we may see."""

    def __init__(self, call: PublicCaller, only: tuple[str, ...]) -> None:
        self._call = call
        self._only = only
        self._queued_is_known: bool | None = None

    def pages(self, query: JobQuery, workspace_ids: Sequence[str] = ()) -> Iterator[JobsPage]:  # noqa: ARG002
        """List the jobs that `query` names, page by page; live ones by one listing for each status.

        With several listings no page tells how far reading has come. `workspace_ids` narrows nothing: we see
        what we may.

        Raises:
            ApiError: A listing could not be read to its end.
        """
        chunks = [()] if query.connection_id is not None else _chunks(self._only)
        statuses = _LIVE if query.live else (None,)
        for chunk in chunks:
            for status in statuses:
                for page in self._of_status(query, status, chunk):
                    alone = len(chunks) == len(statuses) == 1
                    yield JobsPage(page.jobs, page.served_at, resumable=alone)

    def _of_status(self, query: JobQuery, status: str | None, among: Sequence[str]) -> Iterator[JobsPage]:
        """List jobs of one status, of any for ``None``.

        ``queued`` came after 2.0.0, and a status that Airbyte does not know is refused.
        """
        if status == _QUEUED and self._queued_is_known is False:
            return
        by_created = query.by_created
        sorts = ("createdAt", "updatedAt") if by_created else ("updatedAt", "createdAt")
        asked: dict[str, Any] = {}
        if status is not None:
            asked["status"] = status
        if query.connection_id is not None:
            asked["connectionId"] = query.connection_id
        elif among:
            asked["workspaceIds"] = list(among)
        # Of the two pairs of bounds the listing is read along one; the other only narrows it.
        other = Stretch(*_microseconds(query.updated_since, query.updated_until)) if by_created else None
        if other is not None:
            asked |= _bounds("updatedAt", other)

        def fetch(stretch: Stretch, offset: int, /, *, across: bool = False) -> JobRows:
            order = {"orderBy": f"{sorts[across]}|ASC"}
            return self._rows({**asked, **_bounds(sorts[0], stretch), **order}, LIMIT, offset)

        until = query.created_until if by_created else query.updated_until
        try:
            yield from job_pages(fetch, query.start, until, by_created=by_created, method=_JOBS)
        except ApiRejected as exc:
            if status != _QUEUED or self._queued_is_known or exc.status not in _BAD_REQUEST:
                raise
            self._queued_is_known = False
            log.debug("Airbyte does not know queued jobs")
            return
        if status == _QUEUED:
            self._queued_is_known = True

    def _rows(self, query: Mapping[str, Any], limit: int, offset: int = 0) -> JobRows:
        about_one = "connectionId" in query
        answer = self._call(_JOBS, {**query, "limit": limit, "offset": offset}, about_one=about_one)
        return JobRows(parse(PublicJobs, answer.body, method=_JOBS).data, answer.date)

    def _newest_first(self, narrowed: Mapping[str, str], limit: int, offset: int = 0) -> list[Job]:
        rows = self._rows({**narrowed, "orderBy": "createdAt|DESC"}, limit, offset).rows
        return sorted((row.job for row in rows), key=_age, reverse=True)

    def of_connections(self, asks: Iterable[Ask]) -> Iterator[ConnectionJobs]:
        """Ask connections for their jobs, one after the other.

        Raises:
            ApiError: One of them could not be asked.
        """
        for ask in asks:
            since = ask.since
            if ask.to_success and (success := self.newest_success_of(ask.connection_id)) is not None:
                since = min(since, success.created_at)
            queries = (
                JobQuery(connection_id=ask.connection_id, created_since=since),
                JobQuery(connection_id=ask.connection_id, live=True),
            )
            pages = [page for query in queries for page in self.pages(query)]
            jobs = {job.key: job for page in reversed(pages) for job in page.jobs}
            yield ConnectionJobs(ask, tuple(jobs.values()), pages[0].served_at)

    def job(self, job_id: int) -> Job | None:
        """Read one job; ``None`` when Airbyte itself says that there is none.

        Raises:
            ApiError: It cannot be read.
        """
        method = "public/jobs/get"
        try:
            answer = self._call(method, {"jobId": job_id}, about_one=True)
        except ApiNotFound as exc:
            if exc.said_by_airbyte:
                return None
            raise
        return parse(PublicJob, answer.body, method=method).job

    def details(self, job_id: int) -> JobDetails | None:
        """Read one job as `job` does; its streams are not told."""
        job = self.job(job_id)
        return None if job is None else JobDetails(job)

    def newest_of(self, connection_id: str, limit: int) -> tuple[Job, ...]:
        """Return at most the `limit` newest jobs of a connection, of every type, the newest first."""
        jobs: dict[int, Job] = {}
        size = min(limit, LIMIT)
        for offset in range(0, limit, size or 1):
            page = self._newest_first({"connectionId": connection_id}, size, offset)
            if not page:
                break
            jobs.update((job.id, job) for job in page)
        return tuple(sorted(jobs.values(), key=_age, reverse=True)[:limit])

    def newest_success_of(self, connection_id: str) -> Job | None:
        """Return the newest succeeded sync or refresh of a connection; one small request as a rule."""
        asked = {"connectionId": connection_id, "status": "succeeded"}
        jobs = self._newest_first(asked, FEW_ROWS)
        if jobs and not any(job.type.moves_data for job in jobs):
            # Nothing but resets: one type can be asked for at a time.
            jobs = [
                job
                for kind in ("sync", "refresh")
                for job in self._newest_first({**asked, "jobType": kind}, 1)
            ]
        return max((job for job in jobs if job.type.moves_data), key=_age, default=None)

    def newest(self, workspace_ids: Sequence[str], *, since: int) -> Job | None:  # noqa: ARG002
        """Return the newest job created at `since` or later, in as many workspaces as fit a request."""
        query: dict[str, Any] = _bounds("createdAt", Stretch(since * SECOND, None))
        if self._only:
            query["workspaceIds"] = list(self._only[:WORKSPACES_AT_ONCE])
        rows = self._rows({**query, "orderBy": "createdAt|DESC"}, 1).rows
        return rows[0].job if rows else None


def _age(job: Job) -> tuple[int, int]:
    return job.created_at, job.id


def _microseconds(since: int | None, until: int | None) -> tuple[int | None, int | None]:
    return (
        None if since is None else since * SECOND,
        None if until is None else until * SECOND + SECOND - 1,
    )


def _bounds(name: str, stretch: Stretch) -> dict[str, str]:
    ends = {f"{name}Start": stretch.start, f"{name}End": stretch.end}
    return {bound: _date_time(time) for bound, time in ends.items() if time is not None}


def _date_time(microseconds: int) -> str:
    """Write a time as Airbyte reads it, or the nearest that can be written."""
    seconds, rest = divmod(min(max(microseconds, 0), LATEST_TIME * SECOND + SECOND - 1), SECOND)
    written = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{written}.{rest:06}Z" if rest else f"{written}Z"
