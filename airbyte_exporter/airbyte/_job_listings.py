"""What jobs did, by whichever listing this Airbyte has and allows us.

``jobs/list`` tells of all connections at once, ``jobs/list_for_workspaces`` of those of some workspaces; both
are read keyset-style. Where neither can be used, each connection is asked for its own jobs: old servers page
them by offset, the newest first, and the short reference API tells all of them at once.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import structlog

from airbyte_exporter.airbyte._caller import Caller, is_not_there
from airbyte_exporter.airbyte._capabilities import Capabilities, Polling
from airbyte_exporter.airbyte._domain import (
    job_details_of,
    job_of,
    jobs_of,
    jobs_of_connection,
    loose_job_of_info,
)
from airbyte_exporter.airbyte._errors import ApiError, ApiMalformed, ApiNotFound, ApiRejected, Reason
from airbyte_exporter.airbyte._jobs import JobQuery
from airbyte_exporter.airbyte._paging import JobRows, JobsPage, Keyset
from airbyte_exporter.airbyte._wire import (
    LATEST_TIME,
    WireDetailedJobInfo,
    WireJobInfo,
    WireJobs,
    WireLooseInfo,
    WireLooseJobs,
    WireLooseRow,
    parse,
)
from airbyte_exporter.model import AttemptStatus, Job, JobDetails, JobStatus

__all__ = ["Ask", "ConnectionJobs", "JobListings"]

log = structlog.get_logger(__name__)

WORKSPACES_AT_ONCE: Final = 50
ASKS_AT_ONCE: Final = 64
FEW_ROWS: Final = 20
MANY_ROWS: Final = 100
SUCCESS_PAGES: Final = 10
"""For how many pages more than was asked for the newest success is looked for."""

MOST_PAGES: Final = 1_000
"""More of them no connection can have: Airbyte keeps jobs for half a year."""

MANY_UNANSWERED: Final = 8
"""So many connections without an answer, and fewer with one, and Airbyte is in trouble, not they."""

_ABOUT_ONE: Final[frozenset[Reason]] = frozenset(
    {"server_error", "rejected", "malformed", "too_large", "forbidden"}
)
"""What may go wrong with the jobs of one connection alone."""

RESET: Final = "reset_connection"
ONE_JOB: Final = "jobs/get_without_logs"
ONE_BARE_JOB: Final = "jobs/get"
_LIVE: Final = ("pending", "running", "incomplete")
_FINAL: Final = frozenset(status.value for status in JobStatus if status.is_final)
_QUEUED: Final = "queued"
_NEWEST_WITHOUT_QUEUED: Final = (2, 0)
_BAD_REQUEST: Final = frozenset({400, 422})


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask one connection for: its jobs created at `since` (epoch seconds) or later, and live ones.

    With `to_success` also everything back to its newest success, if that can be found in reasonable time.
    """

    connection_id: str
    since: int
    to_success: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionJobs:
    """All that one connection was asked for; `served_at` is Airbyte's own time of it, epoch seconds.

    With an `error`, this one could not be answered, although Airbyte answers others. `success_known` is
    whether, asked `to_success`, the newest one is among the jobs or there is certainly none.
    """

    ask: Ask
    jobs: tuple[Job, ...]
    served_at: int | None
    error: ApiError | None = None
    success_known: bool = False


class JobListings:
    """Read jobs of one Airbyte.

    Args:
        call: How to ask.
        capabilities: What this Airbyte can do.
        existing: Returns the ids of the connections that exist.
        concurrency: How many connections are asked at the same time.
    """

    def __init__(
        self,
        call: Caller,
        capabilities: Capabilities,
        *,
        existing: Callable[[], Collection[str]],
        concurrency: int,
    ) -> None:
        self._call = call
        self._existing = existing
        self._concurrency = concurrency
        self._version = capabilities.version
        self._endpoints = capabilities.endpoints
        self._polling = capabilities.polling
        self._queued_is_known: bool | None = None
        self._has_listed = False

    # Many connections at once

    def pages(self, query: JobQuery, workspace_ids: Sequence[str]) -> Iterator[JobsPage]:
        """List the jobs that `query` names, page by page; without any workspace nothing is asked.

        With several listings, since there are many workspaces, no page tells how far reading has come.

        Raises:
            ApiError: A listing could not be read to its end.
        """
        keyset = Keyset(by_created=query.by_created)
        if self._polling is not Polling.WORKSPACES or query.connection_id is not None:
            yield from keyset.pages(
                lambda bound, size: self._rows("jobs/list", query.starting_at(bound), size, {}),
                query.start,
                method="jobs/list",
            )
            return
        method = "jobs/list_for_workspaces"
        chunks = [
            list(workspace_ids[at : at + WORKSPACES_AT_ONCE])
            for at in range(0, len(workspace_ids), WORKSPACES_AT_ONCE)
        ]
        for chunk in chunks:
            among = {"workspaceIds": chunk}
            pages = keyset.pages(
                lambda bound, size, among=among: self._rows(method, query.starting_at(bound), size, among),
                query.start,
                method=method,
            )
            for page in pages:
                yield JobsPage(page.jobs, page.served_at, resumable=len(chunks) == 1)

    def _rows(self, method: str, query: JobQuery, size: int, among: Mapping[str, Any]) -> JobRows:
        if not query.live:
            return self._list(method, {**query.as_json(size), **among})
        if self._may_ask_for_queued():
            try:
                rows = self._list(method, {**query.as_json(size, (*_LIVE, _QUEUED)), **among})
            except ApiRejected as exc:
                if self._queued_is_known or exc.status not in _BAD_REQUEST:
                    raise
                rows = self._list(method, {**query.as_json(size, _LIVE), **among})
                self._queued_is_known = False
                log.debug("Airbyte does not know queued jobs", version=self._version)
            else:
                self._queued_is_known = True
            return rows
        return self._list(method, {**query.as_json(size, _LIVE), **among})

    def _may_ask_for_queued(self) -> bool:
        """Whether to ask for ``queued`` too: it came after 2.0.0, and unknown values are refused."""
        if self._queued_is_known is not None:
            return self._queued_is_known
        version = re.match(r"v?(\d{1,6})\.(\d{1,6})", self._version or "")
        return version is None or (int(version[1]), int(version[2])) > _NEWEST_WITHOUT_QUEUED

    def _list(self, method: str, body: Mapping[str, Any]) -> JobRows:
        is_about_one = "configId" in body
        is_plain = not is_about_one and "statuses" not in body
        try:
            answer = self._call(method, body, about_one=is_about_one)
        except ApiRejected as exc:
            if exc.status in _BAD_REQUEST and is_plain and self._has_listed:
                # It was understood before: perhaps this is another Airbyte by now.
                self._call.doubted = True
            raise
        self._has_listed = self._has_listed or is_plain
        wire = parse(WireJobs, answer.body, method=method)
        return JobRows(jobs_of(wire), wire.joined_rows, answer.date)

    def newest(self, workspace_ids: Sequence[str], *, since: int) -> Job | None:
        """Return the newest job created at `since` or later, in as many workspaces as fit a request."""
        body = {
            **JobQuery(created_since=since).as_json(1),
            "orderByField": "createdAt",
            "orderByMethod": "DESC",
        }
        if self._polling is not Polling.WORKSPACES:
            rows = self._list("jobs/list", body)
        elif workspace_ids:
            among = {"workspaceIds": list(workspace_ids[:WORKSPACES_AT_ONCE])}
            rows = self._list("jobs/list_for_workspaces", {**body, **among})
        else:
            return None
        return rows.jobs[0] if rows.jobs else None

    # One connection

    def of_connections(self, asks: Iterable[Ask]) -> Iterator[ConnectionJobs]:
        """Ask connections for their jobs, several at the same time.

        Answers come in the order of `asks`, except that those of connections that seem to be gone come last.
        One that could not be answered tells its error; the others are asked all the same. A connection that
        Airbyte does not have any more has no jobs.

        Raises:
            ApiError: Airbyte cannot be asked at all. What was answered until then has come.
        """
        waiting = iter(asks)
        missing: list[tuple[Ask, ApiError]] = []
        unanswered = answered = 0
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="ask") as pool:
            while some := list(islice(waiting, ASKS_AT_ONCE)):
                fatal: ApiError | None = None
                for ask, found in zip(some, self._each(pool, some), strict=True):
                    if isinstance(found, ConnectionJobs):
                        answered += 1
                        yield found
                    elif isinstance(found, ApiNotFound) or is_not_there(found):
                        missing.append((ask, found))
                    elif found.reason in _ABOUT_ONE:
                        unanswered += 1
                        yield ConnectionJobs(ask, (), None, error=found)
                        if unanswered >= MANY_UNANSWERED and unanswered > answered:
                            fatal = fatal or found
                    else:
                        fatal = fatal or found
                if fatal is not None:
                    raise fatal
        yield from self._missing(missing, answered=answered > 0)

    def _each(self, pool: ThreadPoolExecutor, asks: Sequence[Ask]) -> Iterator[ConnectionJobs | ApiError]:
        """Try all of `asks`; once Airbyte cannot be asked at all, the rest gets the same error unasked."""
        over: list[ApiError] = []

        def ask_one(ask: Ask) -> ConnectionJobs | ApiError:
            if over:
                return over[0]
            found = self._try(ask)
            is_of_all = isinstance(found, ApiError) and not (
                found.reason in _ABOUT_ONE or isinstance(found, ApiNotFound) or is_not_there(found)
            )
            if is_of_all and isinstance(found, ApiError):
                over.append(found)
            return found

        yield from pool.map(ask_one, asks)

    def _missing(
        self, missing: Sequence[tuple[Ask, ApiError]], *, answered: bool
    ) -> Iterator[ConnectionJobs]:
        """Tell connections that are gone from answers of something that stands before Airbyte.

        Where none has answered and one of them exists nevertheless, it is the method that is gone.
        """
        suspects = {ask.connection_id for ask, error in missing if is_not_there(error)}
        there = suspects & set(self._existing()) if suspects else set()
        for ask, error in missing:
            if ask.connection_id not in there:
                log.debug("Airbyte has no jobs of a connection", connection_id=ask.connection_id)
                yield ConnectionJobs(ask, (), None)
            elif answered:
                yield ConnectionJobs(ask, (), None, error=error)
            else:
                self._call.doubted = True
                raise error

    def _try(self, ask: Ask) -> ConnectionJobs | ApiError:
        try:
            return self._of_connection(ask)
        except ApiError as exc:
            return exc

    def _of_connection(self, ask: Ask) -> ConnectionJobs:
        rows, served_at, is_all = self._rows_of(ask)
        jobs = jobs_of_connection(WireLooseJobs.model_construct(jobs=tuple(rows)), ask.connection_id)
        since = ask.since
        success = _newest_success(jobs) if ask.to_success else None
        if success is not None:
            since = min(since, success.created_at)
        kept = tuple(job for job in jobs if job.created_at >= since or not job.status.is_final)
        success_known = ask.to_success and (is_all or success is not None)
        return ConnectionJobs(ask, kept, served_at, success_known=success_known)

    def _rows_of(self, ask: Ask) -> tuple[list[WireLooseRow], int | None, bool]:
        """Read rows, the newest first, until all that is asked for is among them; there may be more.

        The last of what is returned is whether these are all that there are.
        """
        if not self._endpoints.job_pages:
            wire, date = self._page_of(ask.connection_id, 0, offset=0)
            return list(wire.jobs), date, True
        if not ask.to_success:
            wire, date = self._page_of(ask.connection_id, FEW_ROWS, offset=0)
            if _is_last(wire, FEW_ROWS):
                return list(wire.jobs), date, True
            if _reach(wire.jobs, ask.since):
                return _without_last_job(wire.jobs), date, False
        return self._many_rows_of(ask)

    def _many_rows_of(self, ask: Ask) -> tuple[list[WireLooseRow], int | None, bool]:
        rows: list[WireLooseRow] = []
        dates: list[int | None] = []
        seen: set[tuple[object, ...]] = set()
        beyond = nothing_new = 0
        while len(dates) < MOST_PAGES:
            wire, date = self._page_of(ask.connection_id, MANY_ROWS, offset=MANY_ROWS * len(dates))
            dates.append(date)
            rows += wire.jobs
            if _is_last(wire, MANY_ROWS):
                return rows, dates[0], True
            told = {_identity(row) for row in wire.jobs}
            # Where new jobs have come meanwhile, one page may hold only rows of the page before.
            nothing_new = nothing_new + 1 if told <= seen else 0
            if nothing_new > 1:
                raise _incomplete("its pages repeat themselves")
            seen |= told
            if not _reach(rows, ask.since):
                continue
            whole = _without_last_job(rows)
            if not ask.to_success or beyond == SUCCESS_PAGES or any(map(_is_success, whole)):
                return whole, dates[0], False
            beyond += 1
        raise _incomplete(f"its pages have no end, after {MOST_PAGES} of them")

    def _page_of(self, connection_id: str, size: int, *, offset: int) -> tuple[WireLooseJobs, int | None]:
        body: dict[str, Any] = {"configTypes": list(self._endpoints.job_types), "configId": connection_id}
        if self._endpoints.job_pages:
            body["pagination"] = {"pageSize": size, "rowOffset": offset}
        answer = self._call("jobs/list", body, about_one=True)
        return parse(WireLooseJobs, answer.body, method="jobs/list"), answer.date

    def job(self, job_id: int) -> Job | None:
        """Read one job; ``None`` when Airbyte itself says that there is none.

        Airbyte answers 500 for a job that does not exist, some versions without a word why; that raises
        `ApiUnreachable` at once, and only the listing of the job's connection can tell. The short reference
        API does not tell a job's connection: its id is empty then.

        Raises:
            ApiError: It cannot be read.
        """
        body = self._one(job_id)
        if body is None:
            return None
        if self._endpoints.job_pages:
            return job_of(parse(WireJobInfo, body, method=ONE_JOB))
        return loose_job_of_info(parse(WireLooseInfo, body, method=ONE_BARE_JOB))

    def details(self, job_id: int) -> JobDetails | None:
        """Read one job as `job` does, in one request, and its streams' numbers with it."""
        body = self._one(job_id)
        if body is None:
            return None
        if self._endpoints.job_pages:
            return job_details_of(parse(WireDetailedJobInfo, body, method=ONE_JOB))
        return JobDetails(loose_job_of_info(parse(WireLooseInfo, body, method=ONE_BARE_JOB)))

    def _one(self, job_id: int) -> bytes | None:
        # On a real server jobs/get would read log files: there it is never called.
        method = ONE_JOB if self._endpoints.job_pages else ONE_BARE_JOB
        try:
            return self._call(method, {"id": job_id}, about_one=True).body
        except ApiNotFound as exc:
            # Of the short reference API any 404 says so: it has no words of its own for it.
            if exc.said_by_airbyte or not self._endpoints.job_pages:
                return None
            raise

    def newest_of(self, connection_id: str, limit: int) -> tuple[Job, ...]:
        """Return at most the `limit` newest jobs of a connection, of every type, the newest first.

        One request as a rule. There may be fewer than exist where jobs have had many attempts.
        """
        if self._polling is Polling.CONNECTIONS:
            size = max(limit * 4, FEW_ROWS)
            wire, _ = self._page_of(connection_id, size, offset=0)
            known = sorted(jobs_of_connection(wire, connection_id), key=_age, reverse=True)
            if self._endpoints.job_pages and not _is_last(wire, size) and len(known) > 1:
                known.pop()  # some of its attempts may have been cut off
            return tuple(known[:limit])
        # Where Airbyte's limit counts attempts, this has room for several of each job.
        size = limit * 4
        rows = self._list("jobs/list", self._newest_first(connection_id, size))
        jobs = tuple(sorted(rows.jobs, key=_age, reverse=True))
        if 0 < len(jobs) <= limit and rows.joined_rows >= size:
            # Some of its attempts may have been cut off.
            jobs = (*jobs[:-1], self.job(jobs[-1].id) or jobs[-1])
        return jobs[:limit]

    def newest_success_of(self, connection_id: str) -> Job | None:
        """Return the newest succeeded sync or refresh of a connection; one small request as a rule."""
        if self._polling is Polling.CONNECTIONS:
            return _newest_success(self._of_connection(Ask(connection_id, LATEST_TIME, to_success=True)).jobs)
        body = {
            **self._newest_first(connection_id, 1, ("succeeded",)),
            "configTypes": ["sync", "refresh"],
        }
        jobs = self._list("jobs/list", body).jobs
        if not jobs:
            return None
        attempts = jobs[0].attempts or ()
        if attempts and (attempts[0].number != 0 or attempts[-1].status is not AttemptStatus.SUCCEEDED):
            # One row of the join with attempts has come, not one job.
            return self.job(jobs[0].id)
        return jobs[0]

    @staticmethod
    def _newest_first(connection_id: str, size: int, statuses: Sequence[str] = ()) -> dict[str, Any]:
        return {
            **JobQuery(connection_id=connection_id).as_json(size, statuses),
            "orderByField": "createdAt",
            "orderByMethod": "DESC",
        }


def _age(job: Job) -> tuple[int, int]:
    return job.created_at, job.id


def _identity(row: WireLooseRow) -> tuple[object, ...]:
    return row.job.id, row.job.created_at, tuple(attempt.id for attempt in row.attempts or ())


def _is_last(page: WireLooseJobs, size: int) -> bool:
    """Whether no row comes behind `page`: it is not full, or the server does not know pages at all."""
    return page.joined_rows < size or len(page.jobs) > size


def _reach(rows: Sequence[WireLooseRow], since: int) -> bool:
    """Whether rows that come the newest first have got past `since` and any live job.

    In no such order nothing is sure.
    """
    times = [row.job.created_at for row in rows]
    return times == sorted(times, reverse=True) and times[-1] < since and rows[-1].job.status in _FINAL


def _without_last_job(rows: Sequence[WireLooseRow]) -> list[WireLooseRow]:
    """Leave out the job at the end of a page: some of its attempts may come on the next one."""
    last = rows[-1].job
    return [row for row in rows if (row.job.id, row.job.created_at) != (last.id, last.created_at)]


def _incomplete(what: str) -> ApiMalformed:
    return ApiMalformed(
        f"jobs/list: Airbyte's answer cannot be used: {what}, so the listing may not be complete",
        method="jobs/list",
        reason="malformed",
    )


def _is_success(row: WireLooseRow) -> bool:
    return row.job.status == JobStatus.SUCCEEDED and row.job.config_type != RESET


def _newest_success(jobs: Iterable[Job]) -> Job | None:
    succeeded = (job for job in jobs if job.status is JobStatus.SUCCEEDED and job.type.moves_data)
    return max(succeeded, key=_age, default=None)
