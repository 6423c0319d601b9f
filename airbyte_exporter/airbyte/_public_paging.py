"""Complete listings out of the public API's pages, which know a limit and an offset and no cursor.

``next`` and ``previous`` are never followed: they drop every filter. Nothing but an empty page is the end of
a listing, since it is not promised what the limit counts.

Connections, sources and destinations come in no order at all, so that rows may be skipped when others are
written while they are read. If all that was told is still there at the end, and no row came twice, then
counting says that nothing was skipped. So a listing of several pages is believed only if no row came twice,
and if everything that was there before is there, or else if it says the same when it is read again: a row
that was told and deleted then would not be.

Jobs are read from time to time, not by offset: their order by update changes under the reader. A page that is
one answer is complete up to its last row, and the next request starts at that row's second. Where that is no
step forward, since one second holds more rows than a page, a stretch of time is read by itself, cut in halves
until a half fits a page; Airbyte keeps microseconds.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from airbyte_exporter.airbyte._errors import ApiMalformed
from airbyte_exporter.airbyte._paging import JobsPage
from airbyte_exporter.airbyte._public_wire import PublicJob
from airbyte_exporter.airbyte._wire import LATEST_TIME
from airbyte_exporter.model import Job

__all__ = ["LIMIT", "FetchJobs", "JobRows", "Stretch", "job_pages", "whole_listing"]

LIMIT: Final = 100
"""The most rows that a request may ask for."""

READINGS: Final = 4
REPEATS: Final = 3
"""After how many pages in a row without anything new a listing repeats itself."""

LONGEST: Final = 10_000
"""Of how many pages a listing may be."""

CROWD_READS: Final = 500
"""In how many parts a moment with many rows may be read."""

SECOND: Final = 1_000_000
"""In microseconds, as `Stretch` counts."""

T = TypeVar("T")


# In no order


@dataclass(slots=True)
class _Reading(Generic[T]):
    """A listing as it was read once; `pages` are the ids of each page."""

    items: dict[str, T] = field(default_factory=dict)
    pages: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(map(len, self.pages))

    @property
    def is_one_answer(self) -> bool:
        return len(self.pages) <= 1 and self.rows < LIMIT

    @property
    def is_clean(self) -> bool:
        """Whether no page had a row of another one: a row that moved would have."""
        return self.rows == len(self.items)

    def holds(self, before: Collection[str] | None) -> bool:
        return before is not None and self.items.keys() >= set(before)

    def holds_the_same(self, other: "_Reading[T]") -> bool:
        return self.items.keys() == other.items.keys()


def whole_listing(
    fetch: Callable[[int], Sequence[tuple[str, T]]], *, before: Collection[str] | None, method: str
) -> dict[str, T]:
    """Read a listing without an order, and return its items by id.

    Args:
        fetch: Sends one request at an offset, and returns its rows with their ids.
        before: The ids that the listing held before, ``None`` if that is not known.
        method: What is read, for the error.

    Raises:
        ApiError: `fetch` raised it.
        ApiMalformed: The listing kept changing.
    """
    last: _Reading[T] | None = None
    for _ in range(READINGS):
        one = _read(fetch, method)
        if one.is_clean and (one.is_one_answer or one.holds(before) or (last and one.holds_the_same(last))):
            return one.items
        last = one if one.is_clean else None
    raise _malformed(
        method,
        f"the listing changed each of the {READINGS} times it was read, so it may not be complete; "
        "the next poll reads it again",
    )


def _read(fetch: Callable[[int], Sequence[tuple[str, T]]], method: str) -> _Reading[T]:
    reading: _Reading[T] = _Reading()
    repeats = 0
    while page := dict(fetch(LIMIT * len(reading.pages))):
        repeats = 0 if page.keys() - reading.items.keys() else repeats + 1
        if repeats == REPEATS:
            raise _malformed(method, "its pages repeat themselves, so the listing may not be complete")
        reading.items.update(page)
        reading.pages.append(tuple(page))
        if len(reading.pages) == LONGEST:
            raise _malformed(method, f"the listing has more than {LONGEST * LIMIT} rows")
    return reading


# By time


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time, microseconds since 1970, inclusive at both ends; ``None`` is open."""

    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class JobRows:
    """One answer of ``GET /jobs``; `served_at` is Airbyte's own time of it, epoch seconds."""

    rows: tuple[PublicJob, ...]
    served_at: int | None


class FetchJobs(Protocol):
    """One request for the jobs of a stretch of time, the oldest first.

    With `across` the order is by the other of the two times, creation or update.
    """

    def __call__(self, stretch: Stretch, offset: int, /, *, across: bool = False) -> JobRows:
        """Send it."""


def job_pages(
    fetch: FetchJobs, start: int | None, end: int | None, *, by_created: bool, method: str
) -> Iterator[JobsPage]:
    """Read the jobs from `start` to `end`, epoch seconds, inclusive; every page as it arrives, at least one.

    Of a job that is pending only its creation is told, and its last change is that or later. Rows come in the
    order of the last change, so a row's time is at least that of every row before it: to start again there
    leaves nothing out. Pages never run ahead: whoever keeps some of them and starts again at their newest row
    misses nothing.

    Raises:
        ApiError: `fetch` raised it.
        ApiMalformed: The rows are not in the order asked for, or one moment cannot be read whole.
    """
    reader = _Reader(fetch, by_created=by_created, method=method)
    bound = None if start is None else min(max(start, 0), LATEST_TIME)
    until = LATEST_TIME if end is None else min(max(end, 0), LATEST_TIME)
    last = None if end is None else until * SECOND + SECOND - 1
    told, width = False, 1
    while bound is None or bound <= until:
        stretch = Stretch(None if bound is None else bound * SECOND, last)
        page = reader.read(stretch)
        if reader.is_all(stretch, page):
            yield JobsPage(_jobs(page.rows), page.served_at)
            return
        newest = max(reader.time(row.job) for row in page.rows)
        if bound is None or newest > bound:
            whole = [row for row in page.rows if reader.time(row.job) < newest]
            bound, width = newest, 1
        else:
            upto = min(bound + width, until + 1)
            whole = reader.crowd(Stretch(bound * SECOND, upto * SECOND - 1))
            bound, width = upto, width * 2
        yield JobsPage(_jobs(whole), page.served_at)
        told = True
    if not told:
        yield JobsPage((), None)


class _Reader:
    """Sends requests and checks that their answers are what was asked for."""

    def __init__(self, fetch: FetchJobs, *, by_created: bool, method: str) -> None:
        self._fetch = fetch
        self._by_created = by_created
        self._method = method
        self._left = 0

    def time(self, job: Job) -> int:
        """Return what the listing is sorted by, or the earliest that it can be."""
        return job.created_at if self._by_created else job.updated_at

    def read(self, stretch: Stretch, offset: int = 0, *, across: bool = False) -> JobRows:
        """Send one request."""
        page = self._fetch(stretch, offset, across=across)
        exact = [self.time(row.job) for row in page.rows if self._by_created or row.tells_update]
        exact = sorted(exact) if across else exact
        first = 0 if stretch.start is None else stretch.start // SECOND
        last = LATEST_TIME if stretch.end is None else stretch.end // SECOND
        if exact != sorted(exact) or (exact and not first <= exact[0] <= exact[-1] <= last):
            what = "the jobs are not those asked for, in that order; nothing behind them was read"
            raise _malformed(self._method, what)
        return page

    def is_all(self, stretch: Stretch, page: JobRows) -> bool:
        """Whether nothing comes behind `page`, the first of `stretch`."""
        return not page.rows or (len(page.rows) < LIMIT and not self._fetch(stretch, LIMIT).rows)

    def crowd(self, stretch: Stretch) -> list[PublicJob]:
        """Read a stretch of time that holds more rows than a page."""
        self._left = CROWD_READS
        return self._halves(stretch)

    def _halves(self, stretch: Stretch) -> list[PublicJob]:
        self._left -= 1
        if self._left < 0:
            raise _malformed(self._method, "more rows share one moment than can be read at once")
        page = self.read(stretch)
        if self.is_all(stretch, page):
            return list(page.rows)
        start, end = stretch.start, stretch.end
        if start is None or end is None or start >= end:
            return self._unordered(stretch)
        middle = (start + end) // 2
        return [*self._halves(Stretch(start, middle)), *self._halves(Stretch(middle + 1, end))]

    def _unordered(self, stretch: Stretch) -> list[PublicJob]:
        """Read rows of one moment, as an UPDATE of many rows makes them: only the other time orders them."""
        listed = whole_listing(
            lambda offset: [(str(row.job.key), row) for row in self.read(stretch, offset, across=True).rows],
            before=None,
            method=self._method,
        )
        return list(listed.values())


def _jobs(rows: Sequence[PublicJob]) -> tuple[Job, ...]:
    """Return the jobs, each once: Airbyte can tell one several times among others of the same moment."""
    return tuple({row.job.key: row.job for row in rows}.values())


def _malformed(method: str, what: str) -> ApiMalformed:
    return ApiMalformed(
        f"{method}: Airbyte's answer cannot be used: {what}", method=method, reason="malformed"
    )
