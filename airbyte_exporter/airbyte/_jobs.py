"""Requests of ``jobs/list``: which jobs, sorted how, from where on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from airbyte_exporter.airbyte._wire import LATEST_TIME
from airbyte_exporter.model import Job

__all__ = ["JOB_TYPES", "JobQuery"]

LONGEST_RUN_SECONDS: Final = 7 * 86400
JOB_TYPES: Final = ("sync", "reset_connection", "refresh")
"""Every type that jobs are stored as; a clear is stored as a reset."""


@dataclass(frozen=True, slots=True)
class JobQuery:
    """What a listing of jobs is narrowed to and how it is sorted.

    Times are epoch seconds, inclusive at both ends. Sorted by creation if it is narrowed by creation or to
    live jobs, else by update; the oldest first.
    """

    updated_since: int | None = None
    updated_until: int | None = None
    created_since: int | None = None
    created_until: int | None = None
    live: bool = False
    connection_id: str | None = None

    @property
    def by_created(self) -> bool:
        """Whether the listing is sorted by creation."""
        return self.live or self.created_since is not None or self.created_until is not None

    @property
    def start(self) -> int | None:
        """Where the listing starts, in its own order."""
        return self.created_since if self.by_created else self.updated_since

    @property
    def created_from(self) -> int:
        """The earliest creation of a job that this listing may hold, live ones left aside.

        A job that changed lately may have been created a while before that.
        """
        if self.live:
            return LATEST_TIME
        if self.created_since is not None:
            return self.created_since
        return 0 if self.updated_since is None else max(0, self.updated_since - LONGEST_RUN_SECONDS)

    def holds(self, job: Job) -> bool:
        """Whether `job` belongs to this listing."""
        return (
            (self.updated_since is None or job.updated_at >= self.updated_since)
            and (self.updated_until is None or job.updated_at <= self.updated_until)
            and (self.created_since is None or job.created_at >= self.created_since)
            and (self.created_until is None or job.created_at <= self.created_until)
            and not (self.live and job.status.is_final)
            and self.connection_id in {None, job.connection_id}
        )

    def starting_at(self, bound: int | None) -> "JobQuery":
        """Return the rest of this listing from `bound` on; ``None`` is all of it."""
        if bound is None:
            return self
        return replace(self, created_since=bound) if self.by_created else replace(self, updated_since=bound)

    def as_json(self, page_size: int, statuses: Sequence[str] = ()) -> dict[str, Any]:
        """Return the body of the request. Without both properties of the order Airbyte ignores both."""
        body: dict[str, Any] = {
            "configTypes": list(JOB_TYPES),
            "orderByField": "createdAt" if self.by_created else "updatedAt",
            "orderByMethod": "ASC",
            "pagination": {"pageSize": page_size, "rowOffset": 0},
        }
        if statuses:
            body["statuses"] = list(statuses)
        if self.connection_id is not None:
            body["configId"] = self.connection_id
        for name, time in (("updatedAtStart", self.updated_since), ("createdAtStart", self.created_since)):
            if time is not None:
                body[name] = f"{_date_time(time)}Z"
        for name, time in (("updatedAtEnd", self.updated_until), ("createdAtEnd", self.created_until)):
            if time is not None:
                # Airbyte keeps microseconds: the end of the second, or rows within it would be left out.
                body[name] = f"{_date_time(time)}.999999Z"
        return body


def _date_time(time: int) -> str:
    """Write a time as Airbyte reads it, or the nearest that can be written; its own begin long after 1970."""
    return datetime.fromtimestamp(min(max(time, 0), LATEST_TIME), UTC).strftime("%Y-%m-%dT%H:%M:%S")
