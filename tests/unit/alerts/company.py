"""A small company's Airbyte through the real evaluator over a real state: events in, what people hear out.

Two clocks run beside each other, Airbyte's and our own. Polls are complete: each records the inventory and
the jobs that have changed, publishes the view and evaluates.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from airbyte_exporter.alerts import AlertsConfig, Route, RuleBook, RulesConfig
from airbyte_exporter.evaluator import Evaluator
from airbyte_exporter.model import (
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionFacts,
    ConnectionStatus,
    Decision,
    Disabling,
    Failure,
    Incident,
    Instance,
    Inventory,
    Job,
    JobStatus,
    JobType,
    Latest,
    Notification,
    Schedule,
    ScheduleType,
    Silence,
    Snapshot,
    Workspace,
)
from airbyte_exporter.store import Store, StoreError
from airbyte_exporter.telemetry import Telemetry
from tests.unit.alerts.keeping import INSTANCE, connection, open_state
from tests.unit.alerts.story import LOGIN_FAILED, MINUTE, NOON, WORKSPACE

AHEAD: Final = 130_139_200
"""How far our own clock is ahead of Airbyte's: neither is ever taken for the other."""

MANUAL: Final = Schedule(ScheduleType.MANUAL)
HOURLY: Final = Schedule(ScheduleType.BASIC, units=1, time_unit="hours")

PLATFORM_DOWN: Final = Failure("airbyte_platform", "system_error", "Could not start the process in time")


class Recorder:
    """The store, with an ear for what is written to the outbox, and a way to die before it is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.heard: list[tuple[str, Notification]] = []
        self.lost: list[tuple[str, Any]] | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the store has
        return getattr(self._store, name)

    def record_decisions(
        self,
        decisions: Sequence[Decision],
        receivers: Sequence[str],
        *,
        sequence: int,
        now: float,
        judged: Sequence[str] = (),
    ) -> int:
        sent = [told for decision in decisions for told in decision.notifications]
        if self.lost is not None and sent:
            self.lost += [(told.id, told.body) for told in sent]
            raise StoreError("killed before the commit")
        written = self._store.record_decisions(
            decisions, receivers, sequence=sequence, now=now, judged=judged
        )
        for told in sent:
            names = receivers if told.receivers is None else told.receivers
            self.heard += [(name, told) for name in receivers if name in names]
        return written


class Company:
    """Watching begins at noon; nobody has a schedule unless a story gives one."""

    def __init__(
        self,
        folder: Path,
        *names: str,
        schedule: Schedule | None = None,
        receivers: Sequence[str] = ("oncall",),
        routes: Sequence[Route] = (),
        rules: Mapping[str, Any] | None = None,
        overrides: Sequence[Mapping[str, Any]] = (),
        instance: Instance = INSTANCE,
        workspace: Workspace = WORKSPACE,
    ) -> None:
        self.now = NOON
        self.instance, self.workspace = instance, workspace
        self.receivers, self.routes = receivers, routes
        self.rules, self.overrides = rules or {}, overrides
        self.workspace_ids: tuple[str, ...] = ()
        self.failing_receivers: dict[str, float] = {}
        self.connections: dict[str, Connection] = {}
        for name in names:
            self.creates(name, schedule)
        self._live: dict[str, Job] = {}
        self._changed: list[Job] = []
        self._ids = 0
        self._good_at: float | None = None
        self._folder = folder
        self.store = open_state(folder)
        self.recorder = Recorder(self.store)
        self.store.bind(url="http://airbyte", deployment_id=None, epoch=NOON)
        self.restart()

    def forgets_looks(self, group: str) -> None:
        """The state is one of a version that did not have this group of rules."""
        with closing(sqlite3.connect(self._folder / "state.db")) as db, db:
            db.execute("DELETE FROM alert_states WHERE rule_group = ?", (group,))

    def close(self) -> None:
        self.store.close()

    # The exporter

    def restart(self, **configured: object) -> None:
        """Start the exporter again, maybe with another configuration; the state is what was committed."""
        for key, value in configured.items():
            setattr(self, key, value)
        self.incidents: Latest[Sequence[Incident] | None] = Latest(None)
        self.snapshot: Latest[Snapshot | None] = Latest(None)
        self._good_at = None
        self._facts: dict[str, ConnectionFacts] = {}
        alerts = AlertsConfig.model_validate({"overrides": list(self.overrides)})
        self.evaluator = Evaluator(
            store=self.recorder,  # type: ignore[arg-type]  # it passes everything on
            snapshot=self.snapshot,
            incidents=self.incidents,
            receivers=self.receivers,
            routes=self.routes,
            rules=RuleBook(RulesConfig.model_validate(self.rules), alerts.overrides),
            instance="airbyte.example.com",
            ui_url=None,
            workspace_ids=self.workspace_ids,
            telemetry=Telemetry("test"),
            good_at=lambda: self._good_at,
            trouble=lambda: "jobs/list: nothing answers",
            failing=lambda: self.failing_receivers,
        )

    @property
    def clock(self) -> float:
        """Our own clock."""
        return float(self.now + AHEAD)

    def poll(self) -> list[str]:
        """A poll works and is evaluated; return what people hear: kind, rule, whom about, why it ended."""
        self.reads()
        self._good_at = self.clock
        return self.evaluates()

    def reads(self) -> None:
        listed = [each for each in self.connections.values() if self._is_chosen(each)]
        self.store.record_inventory(Inventory(self.instance, (self.workspace,), tuple(listed), self.now))
        self.store.record_jobs(self._changed)
        self._changed.clear()
        self.snapshot.publish(self._view())

    def is_not_answered(self) -> list[str]:
        """A poll does not work; the view that there is becomes old."""
        held = self.snapshot.get()
        if held is not None and held.as_of is not None:
            is_old = self.now - held.as_of > 10 * MINUTE
            self.snapshot.publish(replace(held, jobs_stale=is_old))
        return self.evaluates()

    def evaluates(self) -> list[str]:
        before = len(self.recorder.heard)
        self.evaluator.run_once(self.clock)
        return [said(told, name, self.receivers) for name, told in self.recorder.heard[before:]]

    def passes(self, seconds: int, *, every: int = 10 * MINUTE, answered: bool = True) -> list[str]:
        """Time passes, with polls now and then; return what people hear in it."""
        heard: list[str] = []
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + every)
            heard += self.poll() if answered else self.is_not_answered()
        return heard

    @contextmanager
    def dies_before_it_commits(self) -> Iterator[list[tuple[str, Any]]]:
        """What would have been sent inside is lost; it is given as ids and bodies."""
        self.recorder.lost = lost = list[tuple[str, Any]]()
        yield lost
        self.recorder.lost = None

    @property
    def listed(self) -> list[str]:
        """What goes on, as the status page lists it."""
        return sorted(
            f"{it.rule} {self._name(it.connection_id)}{' (adopted)' if it.adopted else ''}"
            for it in self.incidents.get() or ()
        )

    @property
    def last_data(self) -> dict[str, Any]:
        """The data of the newest message."""
        data: dict[str, Any] = self.recorder.heard[-1][1].body["data"]
        return data

    def silences(self, seconds: int, **matchers: tuple[str, ...]) -> None:
        made = Silence(
            id=f"silence-{self.now}",
            matchers=matchers,
            reason="planned",
            author="somebody",
            created_at=int(self.clock),
            starts_at=int(self.clock),
            ends_at=int(self.clock) + seconds,
        )
        self.store.add_silence(made)

    # Airbyte

    def creates(self, name: str, schedule: Schedule | None = None, **changes: object) -> None:
        made = replace(connection(name), schedule=schedule or MANUAL, tags=())
        self.connections[name] = replace(made, **changes)  # type: ignore[arg-type]  # fields of Connection

    def changes(self, name: str, **changes: object) -> None:
        self.connections[name] = replace(self.connections[name], **changes)  # type: ignore[arg-type]  # dito

    def deletes(self, name: str) -> None:
        del self.connections[name]

    def pauses(self, name: str, *, by_person: bool | None = True, reason: str | None = None) -> None:
        """Somebody or something disables a connection; Airbyte is asked who at the next poll."""
        self.changes(name, status=ConnectionStatus.INACTIVE)
        self.reads()
        told = {
            asked: Disabling(self.now, reason, by_person)
            for asked in self.store.unexplained()
            if asked.connection_id == connection(name).id
        }
        self.store.explain(told)

    def enables(self, name: str) -> None:
        self.changes(name, status=ConnectionStatus.ACTIVE)

    def knows_history(self, *names: str) -> None:
        self.store.successes_looked_up([connection(name).id for name in names])

    def queues(self, name: str) -> None:
        """A job is created and waits."""
        self._ids += 1
        self._live[name] = job = Job(
            connection(name).id, self._ids, self.now, self.now, JobType.SYNC, JobStatus.PENDING, attempts=()
        )
        self._changed.append(job)

    def starts(self, name: str) -> None:
        if name not in self._live:
            self.queues(name)
        self._becomes(name, JobStatus.RUNNING, (Attempt(0, AttemptStatus.RUNNING, self.now),))

    def succeeds(self, name: str, *, took: int = 0) -> None:
        self._ends(name, JobStatus.SUCCEEDED, took)

    def fails(self, name: str, failure: Failure = LOGIN_FAILED, *, took: int = 0) -> None:
        self._ends(name, JobStatus.FAILED, took, failure)

    def is_cancelled(self, name: str, *, took: int = 0) -> None:
        self._ends(name, JobStatus.CANCELLED, took)

    def prunes(self, name: str) -> None:
        """Airbyte's retention removes the live job of a connection."""
        self.store.forget_live(self._live.pop(name).key)

    def _ends(self, name: str, status: JobStatus, took: int, failure: Failure | None = None) -> None:
        if name not in self._live:
            self._ids += 1
            begun = self.now - took
            self._live[name] = Job(
                connection(name).id, self._ids, begun, begun, JobType.SYNC, JobStatus.RUNNING,
                attempts=(Attempt(0, AttemptStatus.RUNNING, begun),),
            )  # fmt: skip
        live = self._live[name]
        how = AttemptStatus.SUCCEEDED if status is JobStatus.SUCCEEDED else AttemptStatus.FAILED
        tries = tuple(Attempt(0, how, it.created_at, self.now, failure) for it in live.attempts or ())
        self._becomes(name, status, tries)
        del self._live[name]

    def _becomes(self, name: str, status: JobStatus, attempts: tuple[Attempt, ...]) -> None:
        job = replace(self._live[name], status=status, updated_at=self.now, attempts=attempts)
        self._live[name] = job
        self._changed.append(job)

    def is_live(self, name: str) -> bool:
        return name in self._live

    def _is_chosen(self, it: Connection) -> bool:
        return not self.workspace_ids or it.workspace_id in self.workspace_ids

    def _view(self) -> Snapshot:
        before = self._facts
        facts = self.store.facts()
        # As the poller does: what has not changed is the same object.
        self._facts = {
            id_: before[id_] if before.get(id_) == known else known for id_, known in facts.items()
        }
        return Snapshot(
            instance=self.instance,
            epoch=NOON,
            workspaces=self.store.workspaces(),
            connections=self._facts,
            jobs_as_of=self.now,
            inventory_as_of=self.now,
            sequence=self.store.sequence(),
        )

    def _name(self, connection_id: str) -> str:
        return connection_id.removesuffix("-id") or "Airbyte"


def said(told: Notification, receiver: str, receivers: Sequence[str]) -> str:
    """Return a message in short: `firing SyncFailed orders`, who heard it where there are several."""
    data = told.body["data"]
    about = data["connection"]["name"] if data["connection"] else "Airbyte"
    why = f" ({data['reason']})" if data["reason"] else ""
    whom = f" > {receiver}" if len(receivers) > 1 else ""
    return f"{told.type.removeprefix('alert.')} {data['rule']} {about}{why}{whom}"
