"""How far reading has come, and which connections changed since the last view: shared by all who read."""

import threading
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import NamedTuple

from airbyte_exporter.model import Job, JobKey
from airbyte_exporter.store import Progress, Store

__all__ = ["Ledger", "Reading"]


class Reading(NamedTuple):
    """What a poll of jobs came to, in Airbyte's time: when it began, and of when its oldest answer is."""

    as_of: int
    oldest: int


class Ledger:
    """Records jobs together with how far reading has come. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._progress = store.progress()
        self._changed: set[str] = set()

    @property
    def progress(self) -> Progress:
        """How far reading has come."""
        return self._progress

    def record(
        self,
        jobs: Iterable[Job],
        *,
        read_to: int | None = None,
        counting: bool = True,
        judging: bool = True,
    ) -> None:
        """Record jobs; with `read_to`, every change up to that time is recorded by now.

        Without `counting` or `judging` they are history, for counters or for alerts.
        """
        with self._lock:
            progress = self._progress
            if read_to is not None:
                progress = replace(progress, watermark=max(read_to, progress.watermark or 0))
            recorded = self._store.record_jobs(jobs, progress=progress, counting=counting, judging=judging)
            self._progress = progress
            self._changed |= recorded.changed

    def forget_live(self, key: JobKey) -> None:
        """Forget a live job that Airbyte does not have any more."""
        with self._lock:
            self._changed |= self._store.forget_live(key).changed

    def successes_looked_up(self, ids: Collection[str], *, answered: bool = True) -> None:
        """Keep that Airbyte was asked for the newest successes of these connections, and if it answered."""
        with self._lock:
            self._changed |= self._store.successes_looked_up(ids, answered=answered)

    def add_changed(self, ids: Iterable[str]) -> None:
        """Have these connections be part of the next view."""
        with self._lock:
            self._changed.update(ids)

    def complete_poll(self, as_of: int) -> set[str]:
        """Keep that a poll was complete as of `as_of`; return the connections that changed since the last."""
        with self._lock:
            progress = replace(self._progress, jobs_as_of=as_of, published_sequence=self._store.sequence())
            self._store.save_progress(progress)
            self._progress = progress
            changed, self._changed = self._changed, set()
        return changed

    def note_background(
        self,
        *,
        backfilled_to: int | None = None,
        backfill_done: bool = False,
        reread_at: int | None = None,
    ) -> None:
        """Keep how far the work in the background has come; what is not given stays."""
        with self._lock:
            before = self._progress
            progress = replace(
                before,
                backfilled_to=before.backfilled_to if backfilled_to is None else backfilled_to,
                backfill_done=before.backfill_done or backfill_done,
                reread_at=before.reread_at if reread_at is None else reread_at,
            )
            self._store.save_progress(progress)
            self._progress = progress
