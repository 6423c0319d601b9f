"""What jobs did, as the public API tells it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from airbyte_exporter.airbyte._errors import ApiNotFound, ApiRejected
from airbyte_exporter.airbyte._job_listings import WORKSPACES_AT_ONCE, Ask, ConnectionJobs
from airbyte_exporter.airbyte._jobs import JobQuery
from airbyte_exporter.airbyte._paging import JobsPage
from airbyte_exporter.airbyte._public import JOBS, PublicCaller, chunks_of
from airbyte_exporter.airbyte._public_paging import LIMIT, SECOND, JobRows, Stretch, job_pages
from airbyte_exporter.airbyte._public_wire import PublicJob, PublicJobs
from airbyte_exporter.airbyte._wire import LATEST_TIME, parse
from airbyte_exporter.model import Job, JobDetails

__all__ = ["PublicJobListings"]

FEW_ROWS: Final = 10
_LIVE: Final = ("incomplete", "pending", "queued", "running")
"""In an order in which a job that goes on meanwhile is rather seen twice than not at all."""
_QUEUED: Final = "queued"
_BAD_REQUEST: Final = frozenset({400, 422})

log = structlog.get_logger(__name__)


class PublicJobListings:
    """Reads jobs, in the workspaces with the ids `only`, or else everywhere that we may see."""

    def __init__(self, call: PublicCaller, only: tuple[str, ...]) -> None:
        self._call = call
        self._only = only
        self._queued_is_known: bool | None = None

    def pages(self, query: JobQuery, workspace_ids: Sequence[str] = ()) -> Iterator[JobsPage]:
        """List the jobs that `query` names, page by page; live ones by one listing for each status.

        With several listings no page tells how far reading has come. `workspace_ids` narrows nothing: we see
        what we may.

        Raises:
            ApiError: A listing could not be read to its end.
        """
        del workspace_ids
        chunks = [()] if query.connection_id is not None else chunks_of(self._only)
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
            yield from job_pages(fetch, query.start, until, by_created=by_created, method=JOBS)
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
        answer = self._call(JOBS, {**query, "limit": limit, "offset": offset}, about_one=about_one)
        return JobRows(parse(PublicJobs, answer.body, method=JOBS).data, answer.date)

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
            yield ConnectionJobs(ask, tuple(jobs.values()), pages[0].served_at, success_known=ask.to_success)

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

    def newest(self, workspace_ids: Sequence[str], *, since: int) -> Job | None:
        """Return the newest job created at `since` or later, in as many workspaces as fit a request.

        `workspace_ids` narrows nothing, as for `pages`.
        """
        del workspace_ids
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
