"""Selecting rows of the jobs table as Airbyte's listings do: filters, order, and how many there are."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ._jobs import LIVE_STATUSES, Job, JobIndex

__all__ = ["ALL_TYPES", "JobQuery", "Selection", "select"]

ALL_TYPES: Final = frozenset({"sync", "reset_connection", "refresh"})
"""The configuration types of the rows that exist: Airbyte stores a clear as a reset."""


@dataclass(frozen=True, slots=True)
class JobQuery:
    """What a listing asks for. All bounds are inclusive and in epoch seconds; ``None`` filters nothing."""

    config_types: frozenset[str] = ALL_TYPES
    statuses: frozenset[str] | None = None
    connection_id: str | None = None
    workspace_ids: frozenset[str] | None = None
    created_start: float = -math.inf
    created_end: float = math.inf
    updated_start: float = -math.inf
    updated_end: float = math.inf
    by_updated: bool = False
    descending: bool = True

    def matches(self, job: Job, now: float) -> bool:
        """Tell whether a row belongs to the answer."""
        return (
            job.config_type in self.config_types
            and (self.statuses is None or job.status(now) in self.statuses)
            and (self.workspace_ids is None or job.workspace_id in self.workspace_ids)
            and self.created_start <= job.created <= self.created_end
            and self.updated_start <= job.updated(now) <= self.updated_end
        )

    @property
    def bounds_updates(self) -> bool:
        """Whether the time of the last change is bounded."""
        return math.isfinite(self.updated_start) or math.isfinite(self.updated_end)

    @property
    def bounds_creation(self) -> bool:
        """Whether the time of creation is bounded."""
        return math.isfinite(self.created_start) or math.isfinite(self.created_end)

    @property
    def by_time_alone(self) -> bool:
        """Whether nothing but times is filtered, so that counting needs no look at the rows."""
        return self.statuses is None and self.workspace_ids is None and self.config_types >= ALL_TYPES


class Selection:
    """The rows that a query selects, in order; pages and count are worked out when asked for."""

    def __init__(self, rows: Callable[[], Iterator[Job]], known_total: int | None = None) -> None:
        self._rows = rows
        self._known_total = known_total

    def page(self, offset: int, size: int) -> list[Job]:
        """Return `size` rows from the row number `offset` on."""
        return list(islice(self._rows(), offset, offset + size))

    def __iter__(self) -> Iterator[Job]:
        return self._rows()

    def __len__(self) -> int:
        if self._known_total is None:
            self._known_total = sum(1 for _ in self._rows())
        return self._known_total


def select(index: JobIndex, of_connection: Iterable[Job], query: JobQuery, now: float) -> Selection:
    """Select visible rows; `of_connection` are those of the connection that the query names, if it does."""
    if query.connection_id is not None:
        return _few(of_connection, query, now)
    if query.statuses is not None and query.statuses <= LIVE_STATUSES:
        return _few(index.live(), query, now)
    if query.by_updated:
        return _by_updated(index, query, now)
    if query.bounds_updates:
        changed, _ = index.updated_between(query.updated_start, query.updated_end, now, descending=False)
        return _few(changed, query, now)
    return _by_created(index, query, now)


def _few(rows: Iterable[Job], query: JobQuery, now: float) -> Selection:
    chosen = [job for job in rows if query.matches(job, now)]
    if query.by_updated:
        chosen.sort(key=lambda job: (job.updated(now), job.id), reverse=query.descending)
    else:
        chosen.sort(key=lambda job: (job.created, job.id), reverse=query.descending)
    return Selection(lambda: iter(chosen), len(chosen))


def _by_updated(index: JobIndex, query: JobQuery, now: float) -> Selection:
    def rows() -> Iterator[Job]:
        found, _ = index.updated_between(
            query.updated_start, query.updated_end, now, descending=query.descending
        )
        return (job for job in found if query.matches(job, now))

    if query.by_time_alone and not query.bounds_creation:
        _, total = index.updated_between(query.updated_start, query.updated_end, now, descending=False)
        return Selection(rows, total)
    return Selection(rows)


def _by_created(index: JobIndex, query: JobQuery, now: float) -> Selection:
    def rows() -> Iterator[Job]:
        found, _ = index.created_between(query.created_start, query.created_end, descending=query.descending)
        return (job for job in found if query.matches(job, now))

    if query.by_time_alone:
        _, total = index.created_between(query.created_start, query.created_end, descending=False)
        return Selection(rows, total)
    return Selection(rows)
