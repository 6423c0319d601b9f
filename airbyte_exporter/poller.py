"""Read Airbyte, record what it says, publish one complete view of it.

Three things run side by side, each one function of ``now``: the *jobs* poll (what changed, and what is
live), the *inventory* poll (what exists) and the *background* (the look-back after the first start, the
newest success of connections without a known one, the hourly second look at the last day, retention).
Each page is recorded by itself; a view is published only when a whole poll has worked, so a failed one
changes nothing but ``airbyte_up``.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict, Field

from airbyte_exporter.airbyte import (
    AirbyteClient,
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    JobsPage,
)
from airbyte_exporter.durations import PositiveDuration
from airbyte_exporter.model import CompletedKey, ConnectionFacts, Inventory, Job, JobKey, Latest, Snapshot
from airbyte_exporter.store import Progress, Store, StoreError
from airbyte_exporter.telemetry import Telemetry

__all__ = ["OVERLAP_SECONDS", "PollConfig", "Poller"]

log = structlog.get_logger(__name__)

OVERLAP_SECONDS: Final = 120
"""How far behind the newest change each poll reads again: Airbyte stamps rows before it commits them."""

FIRST_WINDOW_SECONDS: Final = 2 * 3600
"""How much job history is read before the first view is published."""

BACKFILL_WINDOW_SECONDS: Final = 6 * 3600
REREAD_INTERVAL_SECONDS: Final = 3600
REREAD_WINDOW_SECONDS: Final = 24 * 3600
LIVE_WINDOW_SECONDS: Final = 30 * 86400
PRUNE_INTERVAL_SECONDS: Final = 3600
SUCCESS_LOOKUPS_PER_RUN: Final = 20
BACKGROUND_RETRY_SECONDS: Final = 60


class PollConfig(BaseModel):
    """How often Airbyte is read, and for how long facts stay when it cannot be."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    jobs_interval: PositiveDuration = Field(30.0, description="Time between two polls of jobs.")
    inventory_interval: PositiveDuration = Field(
        300.0, description="Time between two polls of workspaces and connections."
    )
    lookback: PositiveDuration = Field(
        7 * 86400.0,
        description="Job history read in the background after the first start, newest first.",
    )
    jobs_max_staleness: PositiveDuration = Field(
        600.0,
        description="Without a good poll of jobs for this long, facts about jobs leave `/metrics`; "
        "at least three intervals and a timeout.",
    )
    inventory_max_staleness: PositiveDuration = Field(
        1800.0,
        description="Without a good poll of the inventory for this long, facts about connections leave "
        "`/metrics`; at least three intervals and a timeout.",
    )


class Poller:
    """The loops that read Airbyte.

    Args:
        client: Where the facts come from.
        store: Where they are kept.
        snapshot: Where each new view is published.
        render: Called with a view whose facts differ from the one before, after it was published.
        config: Intervals and limits, in seconds.
        telemetry: Counts polls and failures.
        url: The normalised address of Airbyte, part of what the state belongs to.
        adopt_state: Take over a state that belongs to another Airbyte.
        every_workspace: Whether the inventory holds everything that jobs can belong to. Otherwise jobs of
            connections that it never held are other people's, and left out.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(
        self,
        *,
        client: AirbyteClient,
        store: Store,
        snapshot: Latest[Snapshot | None],
        render: Callable[[Snapshot], None],
        config: PollConfig,
        telemetry: Telemetry,
        url: str,
        adopt_state: bool = False,
        every_workspace: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._store = store
        self._snapshot = snapshot
        self._render = render
        self._config = config
        self._telemetry = telemetry
        self._url = url
        self._adopt_state = adopt_state
        self._every_workspace = every_workspace
        self._monotonic = monotonic
        self._progress = store.progress()
        self._progress_lock = threading.Lock()
        self._inventory_lock = threading.RLock()
        self._publish_lock = threading.RLock()
        self._inventory: Inventory | None = None
        self._known: frozenset[str] = frozenset()
        self._changed: set[str] = set()
        self._asked_for: set[str] = set()
        self._failing: dict[str, str] = {}
        self._jobs_good_at: float | None = None
        self._inventory_good_at: float | None = None
        self._pruned_at: float | None = None
        self._complete = False
        self._resting_until: dict[str, float] = {}

    # What others ask

    @property
    def is_ready(self) -> bool:
        """Whether a complete poll has worked since the start."""
        return self._complete

    @property
    def failures(self) -> Mapping[str, str]:
        """Why each loop that is failing right now does, by loop."""
        return MappingProxyType(dict(self._failing))

    # The loops

    def restore(self, now: float) -> None:
        """Publish what the state knows, so that a restart is no gap, if it belongs to this address.

        Facts older than their maximum staleness are marked so. Evaluation goes no further than the last
        complete poll did.
        """
        identity = self._store.identity()
        if identity is None or identity.url != self._url:
            return
        progress = self._progress
        read_at = self._store.inventory_read_at()
        instance = self._store.instance()
        if progress.jobs_as_of is None or read_at is None or instance is None:
            return
        self._jobs_good_at = min(now, float(progress.jobs_as_of))
        self._inventory_good_at = min(now, float(read_at))
        snapshot = Snapshot(
            instance=instance,
            epoch=self._store.epoch,
            workspaces=self._store.workspaces(),
            connections=MappingProxyType(self._store.facts()),
            completed=MappingProxyType(self._store.completed()),
            jobs_as_of=progress.jobs_as_of,
            inventory_as_of=read_at,
            jobs_stale=now - self._jobs_good_at > self._config.jobs_max_staleness,
            inventory_stale=now - self._inventory_good_at > self._config.inventory_max_staleness,
            sequence=progress.published_sequence or 0,
        )
        self._snapshot.publish(snapshot)
        self._render(snapshot)

    def poll_inventory(self, now: float) -> bool:
        """Read what exists; return whether that worked."""
        return self._run("inventory", now, lambda: self._read_inventory(now))

    def _poll_inventory_within(self, now: float) -> None:
        """Read what exists because a poll of jobs needs it; its failure is that poll's too."""
        self._measured("inventory", now, lambda: self._read_inventory(now))

    def poll_jobs(self, now: float) -> bool:
        """Read what changed since the last poll and what is live, publish; return whether that worked."""
        worked = False
        try:
            worked = self._run("jobs", now, lambda: self._read_jobs(now))
        finally:
            self._telemetry.set_up(worked)
        return worked

    def run_background(self, now: float) -> bool:
        """Do one piece of the work that can wait; return whether there was any.

        Nothing is done before the first complete poll, or while polls fail. What fails waits a minute, or
        until polls work again, and the rest goes on without it.
        """
        if not self._complete or "jobs" in self._failing:
            return False
        monotonic = self._monotonic()
        pieces: dict[str, Callable[[], bool]] = {
            "second look": self._reread,
            "look-back": self._backfill,
            "newest successes": self._look_up_successes,
            "retention": lambda: self._prune(now),
        }
        for name, work in pieces.items():
            if monotonic < self._resting_until.get(name, monotonic):
                continue
            try:
                if work():
                    return True
            except (ApiError, StoreError) as error:
                if isinstance(error, StoreError) and error.is_fatal:
                    raise
                self._resting_until[name] = self._monotonic() + BACKGROUND_RETRY_SECONDS
                if not (isinstance(error, ApiError) and error.reason == "stopped"):
                    log.warning("work in the background failed", work=name, error=str(error))
        return False

    def expire(self, now: float) -> None:
        """Mark facts stale once their loop has not worked for its maximum staleness."""
        with self._publish_lock:
            snapshot = self._snapshot.get()
            if snapshot is None:
                return
            # Where our clock was set back, the time since then is counted from now on.
            self._jobs_good_at = None if self._jobs_good_at is None else min(self._jobs_good_at, now)
            self._inventory_good_at = (
                None if self._inventory_good_at is None else min(self._inventory_good_at, now)
            )
            jobs_stale = self._is_stale(self._jobs_good_at, self._config.jobs_max_staleness, now)
            inventory_stale = self._is_stale(
                self._inventory_good_at, self._config.inventory_max_staleness, now
            )
            if (jobs_stale, inventory_stale) == (snapshot.jobs_stale, snapshot.inventory_stale):
                return
            if jobs_stale or inventory_stale:
                log.warning(
                    "facts too old to show leave the metrics", jobs=jobs_stale, inventory=inventory_stale
                )
            snapshot = replace(snapshot, jobs_stale=jobs_stale, inventory_stale=inventory_stale)
            self._snapshot.publish(snapshot)
            self._render(snapshot)

    @staticmethod
    def _is_stale(good_at: float | None, limit: float, now: float) -> bool:
        return good_at is not None and now - good_at > limit

    def _run(self, loop: str, now: float, poll: Callable[[], None]) -> bool:
        """Run one poll; return whether it worked. Only what cannot get better by itself is raised."""
        try:
            self._measured(loop, now, poll)
        except ApiError:
            return False
        except StoreError as error:
            if error.is_fatal:
                raise
            return False
        return True

    def _measured(self, loop: str, now: float, poll: Callable[[], None]) -> None:
        """Run one poll: measure it, count a failure by reason, log when it begins to fail and recovers."""
        started = self._monotonic()
        try:
            poll()
        except (ApiError, StoreError) as error:
            reason = error.reason if isinstance(error, ApiError) else "state"
            self._telemetry.poll_failed(loop, reason, self._monotonic() - started)
            if reason != "stopped" and str(error) not in self._failing.values():
                log.warning("poll failing", loop=loop, error=str(error))
            self._failing[loop] = str(error)
            raise
        except Exception:
            self._telemetry.poll_failed(loop, "internal", self._monotonic() - started)
            self._failing[loop] = "an error inside the exporter, see its log"
            raise
        self._telemetry.poll_succeeded(loop, self._monotonic() - started, now)
        if self._failing.pop(loop, None) is not None:
            log.info("poll recovered", loop=loop)
            self._resting_until = {}

    # Inventory

    def _read_inventory(self, now: float) -> None:
        with self._inventory_lock:
            inventory = self._client.inventory()
            self._bind(inventory)
            changed = self._store.record_inventory(inventory)
            self._inventory = inventory
            self._known = frozenset(connection.id for connection in inventory.connections)
            self._inventory_good_at = now
            self._publish_inventory(inventory, changed)

    def _bind(self, inventory: Inventory) -> None:
        """Tie the state to this Airbyte. Counting begins at its own time, when the state is new."""
        self._store.bind(
            url=self._url,
            deployment_id=inventory.instance.deployment_id,
            epoch=inventory.read_at,
            adopt=self._adopt_state,
        )
        self._adopt_state = False

    def _refresh_inventory_for(self, jobs: Iterable[Job], now: float) -> None:
        """Read the inventory again when jobs name connections it does not hold, once for each."""
        unknown = {job.connection_id for job in jobs} - self._known - self._asked_for
        if unknown:
            self._poll_inventory_within(now)
            self._asked_for |= unknown

    def _watched(self, jobs: tuple[Job, ...]) -> tuple[Job, ...]:
        """Leave out the jobs of workspaces that are not watched."""
        unknown = {job.connection_id for job in jobs} - self._known
        if self._every_workspace or not unknown:
            return jobs
        foreign = unknown - self._store.ever_known(unknown)
        return tuple(job for job in jobs if job.connection_id not in foreign)

    # Jobs

    def _read_jobs(self, now: float) -> None:
        if self._inventory is None:
            self._poll_inventory_within(now)
        is_first = self._progress.jobs_as_of is None
        as_of = self._read_changes(now)
        if is_first or self._store.live_keys():
            self._read_live(now, as_of)
        self._publish_jobs(now, as_of)
        if not self._complete:
            self._complete = True
            snapshot = self._snapshot.get()
            log.info("first complete poll", connections=len(snapshot.connections) if snapshot else 0)

    def _read_changes(self, now: float) -> int:
        """Record every job that changed since the watermark; return the Airbyte time this began at."""
        since = self._changes_since(self._progress)
        as_of: int | None = None
        for page in self._client.jobs(updated_since=since):
            if as_of is None:
                as_of = page.served_at
            self._record(page, now, advance=True)
        return self._airbyte_time(as_of)

    def _changes_since(self, progress: Progress) -> int:
        """Return from where on to read changes.

        That is the newest one seen, but no later than Airbyte's own time at the last poll: where its clock
        was set back, newer changes have older times. And never further back than the first poll read.
        """
        first = self._store.epoch - FIRST_WINDOW_SECONDS
        if progress.watermark is None:
            return first
        newest = min(progress.watermark, progress.jobs_as_of or progress.watermark)
        return max(first, newest - OVERLAP_SECONDS)

    def _record(self, page: JobsPage, now: float, *, advance: bool = False, counting: bool = True) -> None:
        self._refresh_inventory_for(page.jobs, now)
        watched = self._watched(page.jobs)
        with self._progress_lock:
            progress = self._progress
            if advance and page.jobs:
                # One row dated in the future must not hide what follows: never past Airbyte's own clock.
                newest = max(job.updated_at for job in page.jobs)
                newest = newest if page.served_at is None else min(newest, page.served_at)
                progress = replace(progress, watermark=max(newest, progress.watermark or 0))
            recorded = self._store.record_jobs(watched, progress=progress, counting=counting)
            self._progress = progress
            self._changed |= recorded.changed

    def _read_live(self, now: float, as_of: int) -> None:
        """Record the live jobs, whose numbers move without ``updatedAt``, and find out what vanished."""
        before = set(self._store.live_keys())
        oldest = min((key.created_at for key in before), default=as_of)
        seen: set[JobKey] = set()
        for page in self._client.jobs(live=True, created_since=min(oldest, as_of - LIVE_WINDOW_SECONDS)):
            seen.update(job.key for job in page.jobs)
            self._record(page, now)
        for key in sorted(before - seen):
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
        for page in self._client.jobs(
            connection_id=key.connection_id, created_since=key.created_at, created_until=key.created_at
        ):
            found = found or any(job.key == key for job in page.jobs)
            self._record(page, now)
        if not found:
            log.info("a live job is gone from Airbyte", connection_id=key.connection_id, job_id=key.id)
            self._changed |= self._store.forget_live(key).changed

    # Publication

    def _publish_jobs(self, now: float, as_of: int) -> None:
        """Publish everything recorded so far as one complete view."""
        inventory = self._inventory
        if inventory is None:
            return
        with self._publish_lock:
            changed = self._complete_poll(as_of)
            old = self._snapshot.get() if self._complete else None
            try:
                connections, completed = self._facts_since(old, changed)
            except StoreError:
                self._changed |= changed
                raise
            self._jobs_good_at = now
            stale = self._is_stale(self._inventory_good_at, self._config.inventory_max_staleness, now)
            snapshot = Snapshot(
                instance=inventory.instance,
                epoch=self._store.epoch,
                workspaces=inventory.workspaces,
                connections=MappingProxyType(connections),
                completed=MappingProxyType(completed),
                jobs_as_of=as_of,
                inventory_as_of=inventory.read_at,
                inventory_stale=stale,
                sequence=self._progress.published_sequence or 0,
            )
            differs = old is None or bool(changed) or old.jobs_stale or old.inventory_stale != stale
            self._publish(snapshot, differs=differs)

    def _facts_since(
        self, old: Snapshot | None, changed: set[str]
    ) -> tuple[dict[str, ConnectionFacts], dict[CompletedKey, int]]:
        """Return the facts of all connections: those that changed from the state, the others as they were."""
        if old is None:
            return self._store.facts(), self._store.completed()
        connections = {id_: facts for id_, facts in old.connections.items() if id_ not in changed}
        connections |= self._store.facts(changed)
        return connections, self._store.completed() if changed else dict(old.completed)

    def _complete_poll(self, as_of: int) -> set[str]:
        """Keep that a poll was complete as of `as_of`; return the connections that changed since the last."""
        with self._progress_lock:
            progress = replace(self._progress, jobs_as_of=as_of, published_sequence=self._store.sequence())
            self._store.save_progress(progress)
            self._progress = progress
            changed, self._changed = self._changed, set()
        return changed

    def _publish_inventory(self, inventory: Inventory, changed: set[str]) -> None:
        """Put a new inventory into the view, with what is known of jobs as the last complete poll had it."""
        with self._publish_lock:
            old = self._snapshot.get()
            if old is None or not self._complete:
                with self._progress_lock:
                    self._changed |= changed
                return
            fresh = self._store.facts(changed)
            connections: dict[str, ConnectionFacts] = {
                id_: facts for id_, facts in old.connections.items() if id_ not in changed
            }
            for id_, facts in fresh.items():
                known = old.connections.get(id_)
                connections[id_] = facts if known is None else replace(known, connection=facts.connection)
            self._publish(
                replace(
                    old,
                    instance=inventory.instance,
                    workspaces=inventory.workspaces,
                    connections=MappingProxyType(connections),
                    inventory_as_of=inventory.read_at,
                    inventory_stale=False,
                ),
                differs=bool(changed)
                or old.inventory_stale
                or (old.instance, old.workspaces) != (inventory.instance, inventory.workspaces),
            )

    def _publish(self, snapshot: Snapshot, *, differs: bool) -> None:
        self._snapshot.publish(snapshot)
        if differs:
            self._render(snapshot)

    def _airbyte_time(self, served_at: int | None) -> int:
        """Airbyte's time of an answer; without a Date header, the newest that it has told otherwise."""
        if served_at is not None:
            return served_at
        return max(self._progress.jobs_as_of or 0, self._progress.watermark or 0, self._store.epoch)

    # Background

    def _backfill(self) -> bool:
        """Read one more window of the look-back, newest first. What it finds is never counted."""
        if self._progress.backfill_done:
            return False
        epoch = self._store.epoch
        until = self._progress.backfilled_to or epoch - FIRST_WINDOW_SECONDS
        end = epoch - int(self._config.lookback)
        since = max(end, until - BACKFILL_WINDOW_SECONDS)
        if since < until:
            self._read_history(since, until, counting=False)
        done = since <= end
        self._advance(replace(self._progress, backfilled_to=since, backfill_done=done))
        if done:
            log.info("job history read", days=round(self._config.lookback / 86400, 1))
        return True

    def _read_history(self, since: int, until: int | None, *, counting: bool) -> None:
        for page in self._client.jobs(updated_since=since, updated_until=until):
            watched = self._watched(page.jobs)
            with self._progress_lock:
                recorded = self._store.record_jobs(watched, counting=counting)
                self._changed |= recorded.changed

    def _look_up_successes(self) -> bool:
        """Ask once for the newest success of connections whose history holds none."""
        ids = self._store.without_known_success(SUCCESS_LOOKUPS_PER_RUN)
        failed: ApiError | None = None
        for connection_id in ids:
            try:
                job = self._client.newest_success(connection_id)
            except (ApiRejected, ApiNotFound, ApiForbidden, ApiMalformed) as error:
                # It would be answered the same the next time; what is not known stays absent.
                log.info("no newest success to be had", connection_id=connection_id, error=str(error))
                job = None
            except ApiError as error:
                if error.reason != "server_error":
                    raise
                failed = error  # about this connection; the others can be asked all the same
                continue
            with self._progress_lock:
                if job is not None:
                    self._changed |= self._store.record_jobs([job], counting=False).changed
                self._store.success_looked_up(connection_id)
        if failed is not None:
            raise failed
        return bool(ids)

    def _reread(self) -> bool:
        """Once an hour, read the last day again: a row may have been committed long after its time."""
        as_of = self._progress.jobs_as_of
        if as_of is None:
            return False
        if abs(as_of - (self._progress.reread_at or self._store.epoch)) < REREAD_INTERVAL_SECONDS:
            return False
        self._read_history(as_of - REREAD_WINDOW_SECONDS, None, counting=True)
        self._advance(replace(self._progress, reread_at=as_of))
        return True

    def _prune(self, now: float) -> bool:
        if self._pruned_at is not None and now - self._pruned_at < PRUNE_INTERVAL_SECONDS:
            return False
        self._pruned_at = now
        progress, epoch = self._progress, self._store.epoch
        removed = self._store.prune(
            now, keep_after=min(progress.watermark or epoch, progress.jobs_as_of or epoch)
        )
        if removed:
            log.debug("old jobs removed from the state", jobs=removed)
        return True

    def _advance(self, progress: Progress) -> None:
        with self._progress_lock:
            # The jobs poll may have moved its own marks since `progress` was made.
            progress = replace(
                self._progress,
                backfilled_to=progress.backfilled_to,
                backfill_done=progress.backfill_done,
                reread_at=progress.reread_at,
            )
            self._store.save_progress(progress)
            self._progress = progress
