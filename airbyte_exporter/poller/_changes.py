"""Reading jobs where Airbyte lists those of many connections at once: what changed, and what is live."""

from collections.abc import Callable
from typing import Final

import structlog

from airbyte_exporter.airbyte import (
    AirbyteClient,
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    JobsPage,
)
from airbyte_exporter.model import Job, JobKey
from airbyte_exporter.poller._ledger import Ledger, Reading
from airbyte_exporter.store import Progress, Store

__all__ = ["FIRST_WINDOW_SECONDS", "Admit", "ChangeReader"]

log = structlog.get_logger(__name__)

OVERLAP_SECONDS: Final = 120
"""How far behind the newest change each poll reads again: Airbyte stamps rows before it commits them."""

FIRST_WINDOW_SECONDS: Final = 2 * 3600
"""How much job history is read before the first view is published."""

LIVE_WINDOW_SECONDS: Final = 30 * 86400

Admit = Callable[[tuple[Job, ...], float], tuple[Job, ...]]
"""Given jobs and the time, return those of connections that are watched, which the inventory holds then."""


class ChangeReader:
    """Reads what changed since the last poll; a quiet poll is one request.

    `admit` leaves out jobs that are other people's, `airbyte_time` makes an Airbyte time of what an answer
    tells, `alive` is called as long as pages come.
    """

    def __init__(
        self,
        client: AirbyteClient,
        store: Store,
        ledger: Ledger,
        *,
        admit: Admit,
        airbyte_time: Callable[[int | None], int],
        alive: Callable[[], None],
    ) -> None:
        self._client = client
        self._store = store
        self._ledger = ledger
        self._admit = admit
        self._airbyte_time = airbyte_time
        self._alive = alive
        self._forbidden: set[JobKey] = set()

    def forget(self) -> None:
        """Look again for what could not be read: we may be allowed something else by now."""
        self._forbidden = set()

    def read(self, now: float) -> Reading:
        """Record what changed and what is live.

        Raises:
            ApiError: Not all of it could be read.
        """
        is_first = self._ledger.progress.jobs_as_of is None
        as_of = self._read_changes(now)
        if is_first or self._store.live_keys():
            self._read_live(now, as_of)
        return Reading(as_of, as_of)

    def _read_changes(self, now: float) -> int:
        """Record every job that changed since the watermark; return the Airbyte time this began at."""
        as_of: int | None = None
        read_to: int | None = None
        resumable = True
        for page in self._client.jobs(updated_since=self._since(self._ledger.progress)):
            if as_of is None:
                as_of = page.served_at
            newest = _newest_change(page)
            if newest is not None:
                read_to = max(newest, read_to or 0)
            self._record(page, now, read_to=read_to if page.resumable else None)
            resumable = resumable and page.resumable
        if not resumable:
            self._ledger.record((), read_to=read_to)
        return self._airbyte_time(as_of)

    def _since(self, progress: Progress) -> int:
        """Return from where on to read changes.

        That is the newest one seen, but no later than Airbyte's own time at the last poll: where its clock
        was set back, newer changes have older times. And never further back than the first poll read.
        """
        first = self._store.epoch - FIRST_WINDOW_SECONDS
        if progress.watermark is None:
            return first
        newest = min(progress.watermark, progress.jobs_as_of or progress.watermark)
        return max(first, newest - OVERLAP_SECONDS)

    def _record(self, page: JobsPage, now: float, *, read_to: int | None = None) -> None:
        self._alive()
        self._ledger.record(self._admit(page.jobs, now), read_to=read_to)

    def _read_live(self, now: float, as_of: int) -> None:
        """Record the live jobs, whose numbers move without ``updatedAt``, and find out what vanished."""
        before = set(self._store.live_keys())
        oldest = min((key.created_at for key in before), default=as_of)
        seen: set[JobKey] = set()
        for page in self._client.jobs(live=True, created_since=min(oldest, as_of - LIVE_WINDOW_SECONDS)):
            seen.update(job.key for job in page.jobs)
            self._record(page, now)
        for key in sorted(before - seen - self._forbidden):
            self._look_up(key, now)

    def _look_up(self, key: JobKey, now: float) -> None:
        """Find out what became of a live job that is not in the live set any more.

        Airbyte answers 500 for a job that does not exist, and an id may have been issued again; so where the
        direct answer is not this very job, a complete listing of its second decides whether it is gone.
        """
        try:
            job = self._client.job(key.id)
        except (ApiRejected, ApiNotFound, ApiForbidden, ApiMalformed):
            job = None
        except ApiError as error:
            if error.reason != "server_error":
                raise
            job = None
        if job is not None and job.key == key:
            self._record(JobsPage((job,), None), now)
            return
        found = False
        try:
            for page in self._client.jobs(
                connection_id=key.connection_id, created_since=key.created_at, created_until=key.created_at
            ):
                found = found or any(job.key == key for job in page.jobs)
                self._record(page, now)
        except ApiForbidden as error:
            if error.reason != "forbidden":
                raise
            # It belongs to a workspace that we may not read any more: it is not known what became of it.
            self._forbidden.add(key)
            return
        if not found:
            log.info("a live job is gone from Airbyte", connection_id=key.connection_id, job_id=key.id)
            self._ledger.forget_live(key)


def _newest_change(page: JobsPage) -> int | None:
    """Return the newest change of a page; one row dated in the future must not hide what follows."""
    if not page.jobs:
        return None
    newest = max(job.updated_at for job in page.jobs)
    return newest if page.served_at is None else min(newest, page.served_at)
