"""Read Airbyte, record what it says, publish one complete view of it.

Three things run side by side, each one function of ``now``: the *jobs* poll (what changed, and what is
live), the *inventory* poll (what exists) and the *background* (the look-back after the first start, the
newest success of connections without a known one, the hourly second look at the last day, retention).
After an inventory Airbyte is asked about connections that it found disabled.
Each page is recorded by itself; a view is published only when a whole poll has worked, so a failed one
changes nothing but ``airbyte_up``.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import structlog

from airbyte_exporter.airbyte import AirbyteClient, ApiError, Capabilities, Polling
from airbyte_exporter.model import (
    CompletedKey,
    ConnectionFacts,
    DurationKey,
    Durations,
    Inventory,
    Job,
    Latest,
    Snapshot,
)
from airbyte_exporter.poller._asking import ConnectionReader
from airbyte_exporter.poller._background import Background
from airbyte_exporter.poller._changes import ChangeReader
from airbyte_exporter.poller._config import PollConfig
from airbyte_exporter.poller._disablings import Disablings
from airbyte_exporter.poller._ledger import Ledger, Reading
from airbyte_exporter.poller._schedules import ScheduleProblems
from airbyte_exporter.store import Store, StoreError
from airbyte_exporter.telemetry import Telemetry

__all__ = ["Poller"]

log = structlog.get_logger(__name__)


class _Facts(NamedTuple):
    """What a view holds of connections and their jobs."""

    connections: dict[str, ConnectionFacts]
    completed: dict[CompletedKey, int]
    durations: dict[DurationKey, Durations]


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
        alive: Called as long as a poll of jobs gets on, however long it takes.
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
        alive: Callable[[], None] = lambda: None,
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
        self._ledger = Ledger(store)
        self._inventory_lock = threading.RLock()
        self._publish_lock = threading.RLock()
        self._schedules = ScheduleProblems()
        self._disablings = Disablings(client, store)
        self._inventory: Inventory | None = None
        self._known: frozenset[str] = frozenset()
        self._asked_for: set[str] = set()
        self._failing: dict[str, str] = {}
        self._failing_lock = threading.Lock()
        self._jobs_good_at: float | None = None
        self._inventory_good_at: float | None = None
        self._complete = False
        self._polling = Polling.CHANGES
        self._told: Capabilities | None = None
        self._changes = ChangeReader(
            client, store, self._ledger, admit=self._admit, airbyte_time=self._airbyte_time, alive=alive
        )
        self._connections = ConnectionReader(
            client, store, self._ledger, lookback=config.lookback, monotonic=monotonic, alive=alive
        )
        self._background = Background(
            client, store, self._ledger, watched=self._watched, lookback=config.lookback, monotonic=monotonic
        )

    # What others ask

    @property
    def is_ready(self) -> bool:
        """Whether a complete poll has worked since the start."""
        return self._complete

    @property
    def failures(self) -> Mapping[str, str]:
        """Why each loop that is failing right now does, by loop."""
        return MappingProxyType(dict(self._failing))

    @property
    def jobs_good_at(self) -> float | None:
        """When a poll of jobs last worked, by our own clock; before the first, when the state says."""
        return self._jobs_good_at

    # The loops

    def restore(self, now: float) -> None:
        """Publish what the state knows, so that a restart is no gap, if it belongs to this address.

        Facts older than their maximum staleness are marked so. Evaluation goes no further than the last
        complete poll did.
        """
        identity = self._store.identity()
        if identity is None or identity.url != self._url:
            return
        progress = self._ledger.progress
        read_at = self._store.inventory_read_at()
        instance = self._store.instance()
        if progress.jobs_as_of is None or read_at is None or instance is None:
            return
        self._jobs_good_at = min(now, float(progress.jobs_as_of))
        self._inventory_good_at = min(now, float(read_at))
        sources, destinations = self._store.actors()
        snapshot = Snapshot(
            instance=instance,
            epoch=self._store.epoch,
            workspaces=self._store.workspaces(),
            connections=MappingProxyType(self._store.facts()),
            completed=MappingProxyType(self._store.completed()),
            durations=MappingProxyType(self._store.durations()),
            sources=sources,
            destinations=destinations,
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
        worked = self._run("inventory", now, lambda: self._read_inventory(now))
        if worked:
            self._ask_about_disabled()
        return worked

    def _ask_about_disabled(self) -> None:
        """Ask why connections are active no more: after an inventory, which waits for none of the answers."""
        inventory = self._inventory
        if inventory is None:
            return
        try:
            explained = self._disablings.ask(inventory)
        except StoreError as error:
            if error.is_fatal:
                raise
            log.warning("why connections are disabled could not be kept", error=str(error))
            return
        if explained:
            with self._inventory_lock:
                self._publish_inventory(self._inventory or inventory, set(explained))

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

        Nothing is done before the first complete poll, or while polls fail.
        """
        if not self._complete or "jobs" in self._failing:
            return False
        return self._background.run(now, self._polling)

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
            with self._failing_lock:  # the loops wait for one answer of Airbyte, and get it together
                is_known = str(error) in self._failing.values()
                self._failing[loop] = str(error)
            if reason != "stopped" and not is_known:
                log.warning("poll failing", loop=loop, error=str(error))
            raise
        except Exception:
            self._telemetry.poll_failed(loop, "internal", self._monotonic() - started)
            self._failing[loop] = "an error inside the exporter, see its log"
            raise
        self._telemetry.poll_succeeded(loop, self._monotonic() - started, now)
        if self._failing.pop(loop, None) is not None:
            log.info("poll recovered", loop=loop)
            self._background.take_up_again()

    # Inventory

    def _read_inventory(self, now: float) -> None:
        with self._inventory_lock:
            inventory = self._client.with_actors(self._client.inventory())
            self._bind(inventory)
            changed = self._store.record_inventory(inventory)
            self._schedules.tell(inventory.connections, changed)
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

    def _admit(self, jobs: tuple[Job, ...], now: float) -> tuple[Job, ...]:
        self._refresh_inventory_for(jobs, now)
        return self._watched(jobs)

    # Jobs

    def _read_jobs(self, now: float) -> None:
        if self._inventory is None:
            self._poll_inventory_within(now)
        started = self._monotonic()
        reading = self._read_jobs_as_this_airbyte_can(now)
        self._publish_jobs(now + self._monotonic() - started, reading)
        if not self._complete:
            self._complete = True
            snapshot = self._snapshot.get()
            log.info("first complete poll", connections=len(snapshot.connections) if snapshot else 0)

    def _read_jobs_as_this_airbyte_can(self, now: float) -> Reading:
        capabilities = self._client.capabilities()
        self._tell_of(capabilities)
        polling = capabilities.polling
        self._telemetry.set_polling("jobs", polling.value)
        if polling is not self._polling:
            self._connections.forget()
        self._polling = polling
        if polling is Polling.CONNECTIONS and self._inventory is not None:
            return self._connections.read(self._inventory.connections, now)
        return self._changes.read(now)

    def _tell_of(self, capabilities: Capabilities) -> None:
        """Log once what Airbyte this is, and again when it is another one or allows us something else."""
        told, self._told = self._told, replace(capabilities, workspaces=())
        if self._told == told:
            return
        self._changes.forget()
        log.info(
            "Airbyte found",
            api=capabilities.api,
            version=capabilities.version,
            edition=capabilities.edition,
            auth=capabilities.auth,
            polling=capabilities.polling.value,
            workspaces=len(capabilities.workspaces),
        )
        for loss in capabilities.losses:
            # That each connection is asked is the way of polling, and said above.
            if capabilities.polling is not Polling.CONNECTIONS or loss.method != "jobs/list":
                log.warning("not everything can be read", method=loss.method, meaning=loss.means)

    # Publication

    def _publish_jobs(self, now: float, reading: Reading) -> None:
        """Publish everything recorded so far as one complete view."""
        as_of = reading.as_of
        inventory = self._inventory
        if inventory is None:
            return
        with self._publish_lock:
            changed = self._ledger.complete_poll(as_of)
            old = self._snapshot.get() if self._complete else None
            try:
                facts = self._facts_since(old, changed)
            except StoreError:
                self._ledger.add_changed(changed)
                raise
            self._jobs_good_at = now
            stale = self._is_stale(self._inventory_good_at, self._config.inventory_max_staleness, now)
            snapshot = Snapshot(
                instance=inventory.instance,
                epoch=self._store.epoch,
                workspaces=inventory.workspaces,
                connections=MappingProxyType(facts.connections),
                completed=MappingProxyType(facts.completed),
                durations=MappingProxyType(facts.durations),
                sources=inventory.sources,
                destinations=inventory.destinations,
                jobs_as_of=as_of,
                oldest_answer_at=reading.oldest,
                inventory_as_of=inventory.read_at,
                inventory_stale=stale,
                sequence=self._ledger.progress.published_sequence or 0,
            )
            differs = old is None or bool(changed) or old.jobs_stale or old.inventory_stale != stale
            self._publish(snapshot, differs=differs)

    def _facts_since(self, old: Snapshot | None, changed: set[str]) -> _Facts:
        """Return the facts of all connections: those that changed from the state, the others as they were."""
        if old is None:
            return _Facts(self._store.facts(), self._store.completed(), self._store.durations())
        connections = {id_: facts for id_, facts in old.connections.items() if id_ not in changed}
        connections |= self._store.facts(changed)
        if not changed:
            return _Facts(connections, dict(old.completed), dict(old.durations))
        return _Facts(connections, self._store.completed(), self._store.durations())

    def _publish_inventory(self, inventory: Inventory, changed: set[str]) -> None:
        """Put a new inventory into the view, with what is known of jobs as the last complete poll had it."""
        with self._publish_lock:
            old = self._snapshot.get()
            if old is None or not self._complete:
                self._ledger.add_changed(changed)
                return
            fresh = self._store.facts(changed)
            connections: dict[str, ConnectionFacts] = {
                id_: facts for id_, facts in old.connections.items() if id_ not in changed
            }
            for id_, facts in fresh.items():
                known = old.connections.get(id_)
                connections[id_] = (
                    facts
                    if known is None
                    else replace(
                        known,
                        connection=facts.connection,
                        schedule_interval=facts.schedule_interval,
                        next_run_at=facts.next_run_at,
                        disabled=facts.disabled,
                    )
                )
            self._publish(
                replace(
                    old,
                    instance=inventory.instance,
                    workspaces=inventory.workspaces,
                    connections=MappingProxyType(connections),
                    sources=inventory.sources,
                    destinations=inventory.destinations,
                    inventory_as_of=inventory.read_at,
                    inventory_stale=False,
                ),
                differs=bool(changed)
                or old.inventory_stale
                or (old.instance, old.workspaces, old.sources, old.destinations)
                != (inventory.instance, inventory.workspaces, inventory.sources, inventory.destinations),
            )

    def _publish(self, snapshot: Snapshot, *, differs: bool) -> None:
        self._snapshot.publish(snapshot)
        if differs:
            self._render(snapshot)

    def _airbyte_time(self, served_at: int | None) -> int:
        """Airbyte's time of an answer; without a Date header, the newest that it has told otherwise."""
        if served_at is not None:
            return served_at
        progress = self._ledger.progress
        return max(progress.jobs_as_of or 0, progress.watermark or 0, self._store.epoch)
