"""Complete listings out of pages. A listing is complete or it raises; it is never half of the truth.

Jobs are read keyset-style: each request starts at the time of the last row (times are whole seconds, bounds
are inclusive), and the rows of that second are told by the request that starts there. Offsets are not used:
they skip rows when rows move meanwhile, and Airbyte's sort has no tie-breaker. Where one second holds more
rows than a page, the page grows instead, so that a second is always read by one request. Whether Airbyte's
LIMIT counts jobs or the rows of their join with attempts is not promised. Both are right here: a page counts
as the last one only if neither can have cut it off, and the rows of the last second of another page, whose
attempts may be cut off, are left to the next page.

Connections, sources and destinations are paged by cursor since Airbyte 1.8, in an order that a rename
changes; the total that comes with each page tells whether something was missed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from airbyte_exporter.airbyte._errors import ApiMalformed, ApiNotFound
from airbyte_exporter.model import Job

__all__ = ["PAGE_SIZE", "CursorPage", "JobRows", "JobsPage", "Keyset", "cursor_listing"]

PAGE_SIZE: Final = 100
LARGEST_PAGE: Final = 25_600
LISTINGS: Final = 4
_SETTLED: Final = 60


@dataclass(frozen=True, slots=True)
class JobsPage:
    """Jobs as one answer of Airbyte told them.

    `served_at` is Airbyte's own time of the answer (HTTP ``Date``), epoch seconds; ``None`` if it tells none.
    `resumable` is whether all of the listing up to its newest row has been told, so that reading may go on
    there some other time; without it that is so only at the end of the listing.
    """

    jobs: tuple[Job, ...]
    served_at: int | None
    resumable: bool = True


@dataclass(frozen=True, slots=True)
class JobRows:
    """One answer of ``jobs/list``; `joined_rows` counts the rows of the join of jobs and attempts."""

    jobs: tuple[Job, ...]
    joined_rows: int
    served_at: int | None


class FetchJobs(Protocol):
    """One request of ``jobs/list`` from `bound` on (``None``: from the start), at most `size` rows."""

    def __call__(self, bound: int | None, size: int, /) -> JobRows:
        """Send it."""


@dataclass(frozen=True, slots=True)
class Keyset:
    """How a listing of jobs is sorted: by creation or by update, the oldest first."""

    by_created: bool

    def pages(self, fetch: FetchJobs, start: int | None, *, method: str) -> Iterator[JobsPage]:
        """Read from `start` on, inclusive, to the end; every page as it arrives, at least one.

        Pages never run ahead: whoever keeps some of them and starts again at their newest row misses nothing.

        Raises:
            ApiError: `fetch` raised it.
            ApiMalformed: The rows are not in the order asked for, or one second cannot be read whole.
        """
        bound, size, ceiling = start, PAGE_SIZE, LARGEST_PAGE
        while True:
            try:
                page = fetch(bound, size)
            except ApiMalformed as exc:
                if exc.reason != "too_large" or size == 1:
                    raise
                # Well below, or many sizes would be tried one by one, each of them too large again.
                ceiling = max(1, size * 3 // 4)
                size = max(1, size // 4)
                continue
            times = [self._time(job) for job in page.jobs]
            if times != sorted(times):
                raise _malformed(method, "the jobs are not in the order asked for")
            if page.joined_rows < size:
                yield JobsPage(page.jobs, page.served_at)
                return
            restart = self._restart(times, bound, page.served_at)
            if restart is None:
                if size < ceiling:
                    size = min(size * 4, ceiling)
                    continue
                restart = times[-1]
            if bound is not None and restart <= bound:
                raise _malformed(method, f"more than {size} rows share one second and cannot be read at once")
            bound = restart
            # What lies behind comes again; told now, it would seem that all before it was read.
            whole = tuple(job for job, time in zip(page.jobs, times, strict=True) if time < bound)
            yield JobsPage(whole, page.served_at)
            size = min(PAGE_SIZE, ceiling)

    def _time(self, job: Job) -> int:
        return job.created_at if self.by_created else job.updated_at

    def _restart(self, times: Sequence[int], bound: int | None, served_at: int | None) -> int | None:
        """Return where to go on: at the last row, or earlier if that one may just have moved there.

        ``None`` if this page shows no such place behind `bound`.

        Airbyte reads the ids of a page and then its rows: a job that changes in between comes last in this
        page although others lie before it that were not read. So a row of the last minute is not trusted to
        be the end of what was read as long as `bound` is older; the next listing overlaps that minute.
        """
        if served_at is not None and not self.by_created:
            settled = served_at - _SETTLED
            if bound is None or bound < settled:
                times = [time for time in times if time <= settled]
        behind = [time for time in times if bound is None or time > bound]
        return behind[-1] if behind else None


def _malformed(method: str, what: str) -> ApiMalformed:
    return ApiMalformed(
        f"{method}: Airbyte's answer cannot be used: {what}; nothing behind it was read",
        method=method,
        reason="malformed",
    )


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CursorPage(Generic[T]):
    """One answer of a listing by cursor: items by id; `page_size` is ``None`` where Airbyte does not page.

    `rows` is how many rows the answer had, which are more than items where some came twice.
    """

    items: Mapping[str, T]
    rows: int
    page_size: int | None
    total: int | None


FetchPage = Callable[[Mapping[str, Any]], CursorPage[T]]
"""Send one request with these paging properties beside its own."""


def cursor_listing(fetch: FetchPage[T], *, paged: bool, method: str) -> tuple[dict[str, T], bool]:
    """Read a whole listing; return its items by id, and whether Airbyte pages.

    With `paged` the paging properties are sent from the start; without, only after an answer has shown that
    Airbyte knows them (since 1.8), because earlier versions may refuse properties that they do not know.
    A listing that changes while it is read (a cursor that is gone, a count that does not agree) is read
    again; two listings that agree are believed whatever the count says, if they came to their end.

    Raises:
        ApiError: `fetch` raised it.
        ApiMalformed: The listing kept changing.
    """
    before: dict[str, T] | None = None
    for _ in range(LISTINGS):
        try:
            listing = _one_listing(fetch, paged=paged)
        except _CursorGoneError:
            continue
        items, paged = listing.items, listing.paged
        if listing.total == len(items):
            return items, paged
        if listing.ended:
            if listing.total is None or (before is not None and before.keys() == items.keys()):
                return items, paged
            before = items
    raise ApiMalformed(
        f"{method}: the listing changed each of the {LISTINGS} times it was read, or repeats itself, "
        "so it may not be complete; the next poll reads it again",
        method=method,
        reason="malformed",
    )


class _CursorGoneError(Exception):
    """The item that the cursor names was deleted."""


@dataclass(frozen=True, slots=True)
class _Listing(Generic[T]):
    """What walking from page to page gave; `ended` is whether a page said that nothing comes behind it."""

    items: dict[str, T]
    total: int | None
    paged: bool
    ended: bool


def _one_listing(fetch: FetchPage[T], *, paged: bool) -> _Listing[T]:
    page = fetch({"pageSize": PAGE_SIZE} if paged else {})
    items = dict(page.items)
    while not (ended := _is_last(page, len(items))):
        try:
            page = fetch({"cursor": list(page.items)[-1], "pageSize": PAGE_SIZE})
        except ApiNotFound as exc:
            raise _CursorGoneError from exc
        if page.rows and page.items.keys() <= items.keys():
            break
        items.update(page.items)
    return _Listing(items, page.total, page.page_size is not None, ended)


def _is_last(page: CursorPage[T], found: int) -> bool:
    """Whether nothing comes behind `page`, after `found` items in all."""
    if page.page_size is None or page.rows == 0:
        return True
    return page.rows < page.page_size and (page.total is None or found >= page.total)
