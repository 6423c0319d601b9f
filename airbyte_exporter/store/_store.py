"""The store's verbs. Each is one transaction; what it means is told where it is done."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final, Self

import sqlalchemy as sa

from airbyte_exporter.model import (
    AlertState,
    CompletedKey,
    Connection,
    ConnectionFacts,
    Decision,
    Delivery,
    Disabling,
    DurationKey,
    Durations,
    Incident,
    Instance,
    Inventory,
    Job,
    JobKey,
    Silence,
    Workspace,
)
from airbyte_exporter.store import (
    _alerts,
    _counting,
    _disablings,
    _facts,
    _inventory,
    _jobs,
    _outbox,
    _retention,
    _silences,
)
from airbyte_exporter.store._config import StoreConfig
from airbyte_exporter.store._database import Database
from airbyte_exporter.store._errors import StoreError
from airbyte_exporter.store._inspection import inspect_store
from airbyte_exporter.store._values import Identity, Progress, Queue, Recorded, Unexplained
from airbyte_exporter.store.schema import HEAD, state

__all__ = ["Store", "join_store", "open_store"]


def open_store(config: StoreConfig, *, exclusive: bool = True) -> "Store":
    """Open the state that `config` names; create it or bring its schema up to date where needed.

    Args:
        config: Where the state is, and for how long what is in it is kept.
        exclusive: Let no other process have it until it is closed or this process ends, however it ends.
            What a process that was killed had claimed of the outbox is free again then.

    Raises:
        StateInUse: Another process has it.
        StateTooNew: A newer version wrote it.
        StoreError: It cannot be created, read or written, or is something else.
    """
    store = Store(Database.open(config, exclusive=exclusive), retention=config.retention)
    if exclusive:
        try:
            store.release_claims()
        except BaseException:
            store.close()
            raise
    return store


def join_store(config: StoreConfig) -> "Store":
    """Open the state that `config` names as it is, beside whoever has it.

    Nothing is created or migrated: an exporter that runs has to find the schema that it knows.

    Raises:
        StateTooNew: A newer version wrote it.
        StoreError: It is not there, of an older version, or cannot be read or written.
    """
    look = inspect_store(config)
    if look.is_new:
        raise StoreError(
            f"there is no state at {look.path}: `airbyte-exporter run` makes it; where it has another one, "
            "name that in state.url"
        )
    if look.needs_migration:
        if look.used_by is not None:
            what = f"in use by {look.used_by} of an older version: restart that one as this version"
        else:
            what = "of an older version: start `airbyte-exporter run` of this version once"
        raise StoreError(f"the state {look.path} is {what}, which brings it to schema {HEAD}")
    return Store(Database.open(config, exclusive=False, upkeep=False), retention=config.retention)


class Store:
    """Durable facts, alert states and the outbox. Safe to use from several threads.

    Every verb raises `StoreError` where the database fails, and has then done nothing.
    """

    def __init__(self, database: Database, *, retention: float) -> None:
        self._database = database
        self._retention = retention

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the state."""
        self._database.close()

    # Which Airbyte, and since when

    def bind(self, *, url: str, deployment_id: str | None, epoch: int, adopt: bool = False) -> int:
        """Tie the state to one Airbyte, and return when counting began, in that Airbyte's time.

        The first time that is `epoch`. Two are the same when their deployment ids are, or, where one of them
        tells none, their normalised URLs.

        Raises:
            StateMismatch: The state belongs to another Airbyte. With `adopt` it is taken over, with its
                counters.
        """
        with self._database.write() as db:
            return _inventory.bind(db, Identity(url, deployment_id), epoch=epoch, adopt=adopt)

    def identity(self) -> Identity | None:
        """Return the Airbyte that the state belongs to, ``None`` before `bind`."""
        with self._database.read() as db:
            return _inventory.identity(db)

    @property
    def epoch(self) -> int:
        """When counting began, in Airbyte's time.

        Raises:
            StoreError: The state belongs to no Airbyte yet.
        """
        found = self._value(state.c.epoch)
        if found is None:
            raise StoreError("the state belongs to no Airbyte yet, so counting has not begun")
        return found

    # What exists

    def record_inventory(self, inventory: Inventory) -> set[str]:
        """Record a complete listing; return the connections whose facts it changed, ended or began."""
        with self._database.write() as db:
            return _inventory.record(db, inventory)

    def inventory_read_at(self) -> int | None:
        """Return the Airbyte time of the last inventory."""
        return self._value(state.c.inventory_read_at)

    def instance(self) -> Instance | None:
        """Return the instance as the last inventory told of it."""
        with self._database.read() as db:
            return _inventory.instance(db)

    def actors(self) -> tuple[dict[str, int] | None, dict[str, int] | None]:
        """Return how many sources and destinations of each connector the last inventory told of."""
        with self._database.read() as db:
            return _inventory.actors(db)

    def connections(self) -> tuple[Connection, ...]:
        """Return every connection that exists or existed, by id, as it was last seen."""
        with self._database.read() as db:
            return _inventory.known_connections(db)

    def workspaces(self) -> tuple[Workspace, ...]:
        """Return the workspaces that exist, by name."""
        with self._database.read() as db:
            return _inventory.listed_workspaces(db)

    def ever_known(self, ids: Collection[str]) -> frozenset[str]:
        """Return those of `ids` that are connections which exist or existed."""
        with self._database.read() as db:
            return _inventory.ever_known(db, ids)

    def without_known_success(self, limit: int) -> tuple[str, ...]:
        """Return up to `limit` connections of which no success is known and nobody asked Airbyte for one."""
        with self._database.read() as db:
            return _inventory.without_known_success(db, limit)

    def successes_looked_up(self, ids: Collection[str], *, answered: bool = True) -> frozenset[str]:
        """Remember that Airbyte was asked for the newest successes of these connections.

        Where it `answered`, what is recorded of their successes is all that it has. Returns those of which
        that was not known before.
        """
        with self._database.write() as db:
            return _inventory.successes_looked_up(db, ids, answered=answered)

    def unexplained(self, limit: int | None = None) -> tuple[Unexplained, ...]:
        """Return connections of which Airbyte is still to be asked why they are active no more.

        Those that were seen first to be so come first, up to `limit` of them.
        """
        with self._database.read() as db:
            return _disablings.unexplained(db, limit)

    def explain(self, answers: Mapping[Unexplained, Disabling | None]) -> frozenset[str]:
        """Keep what Airbyte told of why connections are active no more, ``None`` where it tells nothing.

        What has changed again since `unexplained` is left alone. Returns the connections whose facts changed.
        """
        with self._database.write() as db:
            return _disablings.explain(db, answers)

    # Jobs

    def record_jobs(
        self,
        jobs: Iterable[Job],
        *,
        progress: Progress | None = None,
        counting: bool = True,
        judging: bool = True,
    ) -> Recorded:
        """Record jobs as Airbyte tells of them, count what ended, and keep `progress` with it.

        Repetition changes nothing. A job is (connection, id, creation time). Once final it never changes; an
        older row than the stored one is ignored, unless only it is final; a live row is replaced also by one
        of the same time, since its numbers grow. A status that this version does not know is live until a
        newer job of the connection exists.

        A final job is counted once, by the first write with `counting` that sees it, if it ended at the epoch
        or later and later than anything that retention has removed. Without `judging` no alert decision looks
        at what is new here.
        """
        with self._database.write() as db:
            recorded = _jobs.record(db, jobs, counting=counting, judging=judging)
            if progress is not None:
                _save_progress(db, progress)
            return recorded

    def forget_live(self, key: JobKey) -> Recorded:
        """Remove a live job that Airbyte does not have any more; one that is final stays."""
        with self._database.write() as db:
            return _jobs.forget_live(db, key)

    def live_keys(self) -> tuple[JobKey, ...]:
        """Return the jobs without a final status, also of connections that the inventory does not know."""
        with self._database.read() as db:
            return _jobs.live_keys(db)

    def sequence(self) -> int:
        """Return the number of the newest change to a job: each change has its own, and they only grow."""
        return self._value(state.c.sequence) or 0

    def progress(self) -> Progress:
        """Return how far reading has come."""
        with self._database.read() as db:
            return _progress(db)

    def save_progress(self, progress: Progress) -> None:
        """Remember how far reading has come."""
        with self._database.write() as db:
            _save_progress(db, progress)

    def facts(
        self, ids: Iterable[str] | None = None, *, deleted_too: bool = False
    ) -> dict[str, ConnectionFacts]:
        """Return the facts of all connections that exist, or of those among `ids` that do, or did."""
        with self._database.read() as db:
            return _facts.facts(db, ids, deleted_too=deleted_too)

    def completed(self) -> dict[CompletedKey, int]:
        """Return the instance-wide counter of completed jobs."""
        with self._database.read() as db:
            return _counting.completed(db)

    def durations(self) -> dict[DurationKey, Durations]:
        """Return the instance-wide histogram of how long finished jobs took."""
        with self._database.read() as db:
            return _counting.durations(db)

    def prune(self, now: float, *, keep_after: int) -> int:
        """Forget what is older than the retention and not needed; return how many jobs that were.

        Jobs that ended less than two days before `keep_after`, an Airbyte time, stay in any case. No gauge
        changes, and what is forgotten is not counted again if Airbyte tells of it again. Others write in
        between: unlike the other verbs this is several transactions, and one that fails undoes none before.
        """
        removed, some = 0, _retention.JOBS_AT_ONCE
        while some >= _retention.JOBS_AT_ONCE:
            with self._database.write() as db:
                some = _retention.prune_jobs(db, now, retention=self._retention, keep_after=keep_after)
            removed += some
        with self._database.write() as db:
            _retention.prune_alerts(db, now)
        return removed

    # Alerts

    def unjudged(self, sequence: int) -> dict[str, list[Job]]:
        """Return finished syncs that no decision has looked at, by connection, the oldest first.

        Jobs recorded after `sequence` are left for later. Connections gone from the inventory are included;
        those that it never held are not.
        """
        with self._database.read() as db:
            return _alerts.unjudged(db, sequence)

    def alert_states(self) -> list[AlertState]:
        """Return what evaluation remembers of every connection and group of rules."""
        with self._database.read() as db:
            return _alerts.states(db)

    def last_facts(self, ids: Iterable[str]) -> dict[str, ConnectionFacts]:
        """Return the newest facts of these connections, also of those that are gone from the inventory."""
        with self._database.read() as db:
            return _facts.facts(db, ids, deleted_too=True)

    def failing_receivers(self) -> dict[str, float]:
        """Return since when receivers take nothing of the outbox, by name, by our own clock."""
        with self._database.read() as db:
            return _alerts.failing_receivers(db)

    def record_decisions(
        self,
        decisions: Iterable[Decision],
        receivers: Sequence[str],
        *,
        sequence: int,
        now: float,
        judged: Iterable[str] = (),
    ) -> int:
        """Keep decisions together with what is to be sent because of them; return how many deliveries.

        Args:
            decisions: What evaluation came to.
            receivers: Who can get notifications from the outbox: those that a notification names, or all;
                each once for an id.
            sequence: Up to where finished jobs were looked at, as in `unjudged`.
            now: The exporter's own time.
            judged: More connections that were looked at, with nothing to keep.
        """
        with self._database.write() as db:
            return _alerts.record(db, list(decisions), receivers, judged=judged, sequence=sequence, now=now)

    def incidents(self, firing_only: bool = True, *, ended_since: int | None = None) -> tuple[Incident, ...]:
        """Return the incidents that go on, or all that are kept; the newest first.

        With `ended_since`, an Airbyte time: those that go on, and those that have ended since then and were
        not followed by another of the same connection and group.
        """
        with self._database.read() as db:
            if ended_since is not None:
                return _alerts.find_recent_incidents(db, ended_since=ended_since)
            return _alerts.find_incidents(db, firing_only=firing_only)

    # Silences

    def add_silence(self, silence: Silence) -> None:
        """Keep a new silence; `StoreError` also where there is one with its id."""
        with self._database.write() as db:
            _silences.add(db, silence)

    def silences(self, active_at: float | None = None) -> tuple[Silence, ...]:
        """Return the silences that hold at `active_at`, our own time, or all that are kept; newest first."""
        with self._database.read() as db:
            return _silences.find(db, active_at)

    def expire_silence(self, silence_id: str, now: float) -> bool:
        """End a silence at `now`, our own time; return ``False`` if there is none, or it is over already."""
        with self._database.write() as db:
            return _silences.expire(db, silence_id, now)

    # The outbox

    def claim(self, now: float, *, receiver: str, lease: float, limit: int) -> tuple[Delivery, ...]:
        """Take notifications that are due for `receiver`; nobody else gets them for `lease` seconds."""
        with self._database.write() as db:
            return _outbox.claim(db, now, receiver=receiver, lease=lease, limit=limit)

    def acknowledge(self, delivery: Delivery, now: float) -> None:
        """Remember that the receiver took it."""
        with self._database.write() as db:
            _outbox.acknowledge(db, delivery, now)

    def defer(self, delivery: Delivery, due_at: float, error: str) -> None:
        """Have it tried again at `due_at`."""
        with self._database.write() as db:
            _outbox.defer(db, delivery, due_at, error)

    def hasten(self, now: float, *, receiver: str) -> None:
        """Have everything that was put off for `receiver` tried at once, in the order of its writing."""
        with self._database.write() as db:
            _outbox.hasten(db, now, receiver=receiver)

    def bury(self, delivery: Delivery, now: float, error: str) -> None:
        """Give it up."""
        with self._database.write() as db:
            _outbox.bury(db, delivery, now, error)

    def release_claims(self) -> None:
        """End every lease: for who knows that nobody delivers any more what was claimed."""
        with self._database.write() as db:
            _outbox.release(db)

    def queue(self) -> Queue:
        """Return how many notifications wait for a receiver to take them, and since when."""
        with self._database.read() as db:
            return _outbox.queue(db)

    def _value(self, column: sa.Column[int]) -> int | None:
        with self._database.read() as db:
            return db.execute(sa.select(column)).scalar_one()


_PROGRESS_FIELDS: Final = frozenset(field.name for field in fields(Progress))


def _progress(db: sa.Connection) -> Progress:
    written: dict[str, Any] = db.execute(sa.select(state.c.progress)).scalar_one() or {}
    return Progress(**{name: value for name, value in written.items() if name in _PROGRESS_FIELDS})


def _save_progress(db: sa.Connection, progress: Progress) -> None:
    if _progress(db) != progress:
        db.execute(sa.update(state).values(progress=asdict(progress)))
