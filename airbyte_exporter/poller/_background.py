"""Work that can wait: the look-back, newest successes, a second look at the last day, retention."""

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
    Polling,
)
from airbyte_exporter.model import Job
from airbyte_exporter.poller._changes import FIRST_WINDOW_SECONDS
from airbyte_exporter.poller._ledger import Ledger
from airbyte_exporter.store import Store, StoreError

__all__ = ["Background"]

log = structlog.get_logger(__name__)

BACKFILL_WINDOW_SECONDS: Final = 6 * 3600
REREAD_INTERVAL_SECONDS: Final = 3600
REREAD_WINDOW_SECONDS: Final = 24 * 3600
PRUNE_INTERVAL_SECONDS: Final = 3600
SUCCESS_LOOKUPS_PER_RUN: Final = 20
RETRY_SECONDS: Final = 60


class Background:
    """Does one piece of work at a time. What fails waits a minute, and the rest goes on without it.

    `lookback` is how many seconds of history are read, `watched` leaves out jobs that are other people's.
    """

    def __init__(
        self,
        client: AirbyteClient,
        store: Store,
        ledger: Ledger,
        *,
        watched: Callable[[tuple[Job, ...]], tuple[Job, ...]],
        lookback: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._client = client
        self._store = store
        self._ledger = ledger
        self._watched = watched
        self._lookback = lookback
        self._monotonic = monotonic
        self._pruned_at: float | None = None
        self._resting_until: dict[str, float] = {}

    def take_up_again(self) -> None:
        """Try what has failed at once: Airbyte answers again."""
        self._resting_until = {}

    def run(self, now: float, polling: Polling) -> bool:
        """Do one piece of work; return whether there was any.

        Where each connection is asked for its jobs, their history comes with the first answer.
        """
        pieces: dict[str, Callable[[], bool]] = {}
        if polling is not Polling.CONNECTIONS:
            pieces = {
                "second look": self._reread,
                "look-back": self._backfill,
                "newest successes": self._look_up_successes,
            }
        pieces["retention"] = lambda: self._prune(now)
        monotonic = self._monotonic()
        for name, work in pieces.items():
            if monotonic < self._resting_until.get(name, monotonic):
                continue
            try:
                if work():
                    return True
            except (ApiError, StoreError) as error:
                if isinstance(error, StoreError) and error.is_fatal:
                    raise
                self._resting_until[name] = self._monotonic() + RETRY_SECONDS
                if not (isinstance(error, ApiError) and error.reason == "stopped"):
                    log.warning("work in the background failed", work=name, error=str(error))
        return False

    def _backfill(self) -> bool:
        """Read one more window of the look-back, newest first. What it finds is never counted."""
        progress = self._ledger.progress
        if progress.backfill_done:
            return False
        epoch = self._store.epoch
        until = progress.backfilled_to or epoch - FIRST_WINDOW_SECONDS
        end = epoch - int(self._lookback)
        since = max(end, until - BACKFILL_WINDOW_SECONDS)
        if since < until:
            self._read_history(since, until, counting=False)
        done = since <= end
        self._ledger.note_background(backfilled_to=since, backfill_done=done)
        if done:
            log.info("job history read", days=round(self._lookback / 86400, 1))
        return True

    def _read_history(self, since: int, until: int | None, *, counting: bool) -> None:
        for page in self._client.jobs(updated_since=since, updated_until=until):
            self._ledger.record(self._watched(page.jobs), counting=counting)

    def _look_up_successes(self) -> bool:
        """Ask once for the newest success of connections whose history holds none."""
        ids = self._store.without_known_success(SUCCESS_LOOKUPS_PER_RUN)
        failed: ApiError | None = None
        for connection_id in ids:
            answered = True
            try:
                self._read_since(connection_id, self._client.newest_success(connection_id))
            except (ApiRejected, ApiNotFound, ApiForbidden, ApiMalformed) as error:
                # It would be answered the same the next time; what is not known stays absent.
                log.info("no newest success to be had", connection_id=connection_id, error=str(error))
                answered = False
            except ApiError as error:
                if error.reason != "server_error":
                    raise
                failed = error  # about this connection; the others can be asked all the same
                continue
            self._ledger.successes_looked_up([connection_id], answered=answered)
        if failed is not None:
            raise failed
        return bool(ids)

    def _read_since(self, connection_id: str, success: Job | None) -> None:
        """Record what a connection did since its newest success: without it, failures would be unknown.

        Of one that never succeeded that is everything. It is history: it is neither counted nor told.
        """
        if success is not None:
            self._ledger.record([success], counting=False)
        since = 0 if success is None else success.created_at
        for page in self._client.jobs(connection_id=connection_id, created_since=since):
            self._ledger.record(self._watched(page.jobs), counting=False)

    def _reread(self) -> bool:
        """Once an hour, read the last day again: a row may have been committed long after its time."""
        progress = self._ledger.progress
        as_of = progress.jobs_as_of
        if as_of is None:
            return False
        if abs(as_of - (progress.reread_at or self._store.epoch)) < REREAD_INTERVAL_SECONDS:
            return False
        self._read_history(as_of - REREAD_WINDOW_SECONDS, None, counting=True)
        self._ledger.note_background(reread_at=as_of)
        return True

    def _prune(self, now: float) -> bool:
        if self._pruned_at is not None and now - self._pruned_at < PRUNE_INTERVAL_SECONDS:
            return False
        self._pruned_at = now
        progress, epoch = self._ledger.progress, self._store.epoch
        removed = self._store.prune(
            now, keep_after=min(progress.watermark or epoch, progress.jobs_as_of or epoch)
        )
        if removed:
            log.debug("old jobs removed from the state", jobs=removed)
        return True
