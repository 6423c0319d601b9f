"""Judge the alert rules over the published view, and record what follows from them.

One function of ``now``. Rules are judged as of the last complete poll: without one, or when it is too old,
nothing starts, ends or repeats. Alert states and the notifications that follow commit in one transaction, and
deciding is deterministic, so a crash in between leads to the same notifications under the same ids.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from airbyte_exporter.alerts import SYNC_HEALTH, AlertContext, Route, Routing, RuleGroup, decide
from airbyte_exporter.model import ConnectionHistory, Decision, Incident, Latest, Snapshot
from airbyte_exporter.store import Store, StoreError
from airbyte_exporter.telemetry import Telemetry

__all__ = ["Evaluator"]

log = structlog.get_logger(__name__)

LOOP: Final = "evaluate"


class Evaluator:
    """The loop that turns facts into notifications. Thread-safe: runs wait for each other.

    Args:
        store: Where histories, alert states and the outbox are.
        snapshot: The published view.
        incidents: Where the incidents that go on are published, ``None`` while they cannot be read.
        receivers: Names of those who can be told.
        routes: Who is told about what; without them everybody about everything.
        rules: The rules as they are configured.
        instance: The Airbyte's name in notifications.
        ui_url: Where people open that Airbyte, ``None`` when that is not known.
        notify_existing: Send what was wrong before the exporter watched.
        workspace_ids: The workspaces to watch, by id; without any, all of them.
        telemetry: Counts runs, failures and ongoing incidents.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        snapshot: Latest[Snapshot | None],
        incidents: Latest[Sequence[Incident] | None],
        receivers: Sequence[str],
        instance: str,
        ui_url: str | None,
        telemetry: Telemetry,
        notify_existing: bool = False,
        workspace_ids: Sequence[str] = (),
        routes: Sequence[Route] = (),
        rules: RuleGroup = SYNC_HEALTH,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._incidents = incidents
        self._routing = Routing(tuple(receivers), tuple(routes))
        self._rules = rules
        self._instance = instance
        self._ui_url = ui_url
        self._notify_existing = notify_existing
        self._workspace_ids = tuple(workspace_ids)
        self._telemetry = telemetry
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failing = False
        self._undecided: frozenset[str] = frozenset()

    def run_once(self, now: float) -> int:
        """Judge what is new, at `now` by our own clock; return how many notifications were written.

        A failure is counted and logged once, and the next run judges the same again.

        Raises:
            StoreError: The state is lost to this process, so that going on makes no sense.
        """
        with self._lock:
            started = self._monotonic()
            try:
                written = self._evaluate(now)
                self._publish_incidents()
            except StoreError as error:
                self._incidents.publish(None)
                self._telemetry.poll_failed(LOOP, "state", self._monotonic() - started)
                if not self._failing:
                    log.error("evaluation failing", error=str(error))  # noqa: TRY400  # one line says it all
                self._failing = True
                if error.is_fatal:
                    raise
                return 0
            seconds = self._monotonic() - started
            if self._undecided:
                self._telemetry.poll_failed(LOOP, "internal", seconds)
            else:
                self._telemetry.poll_succeeded(LOOP, seconds, now)
            if self._failing:
                log.info("evaluation recovered")
            self._failing = False
            return written

    def _evaluate(self, now: float) -> int:
        snapshot = self._snapshot.get()
        if snapshot is None or snapshot.as_of is None or snapshot.jobs_stale or snapshot.inventory_stale:
            return 0
        context = AlertContext(
            instance=self._instance,
            ui_url=self._ui_url,
            epoch=snapshot.epoch,
            as_of=snapshot.as_of,
            notify_existing=self._notify_existing,
            routing=self._routing,
            workspace_ids=self._workspace_ids,
        )
        decisions: list[Decision] = []
        undecided: set[str] = set()
        for history in self._store.histories(snapshot.sequence, group=self._rules.name):
            try:
                decision = decide(history, context, self._rules)
            except Exception as error:  # noqa: BLE001  # one connection must not silence the others
                undecided.add(self._cannot_decide(history, error))
                continue
            if decision is not None:
                decisions.append(decision)
        self._undecided = frozenset(undecided)
        if not decisions:
            return 0
        return self._store.record_decisions(
            decisions, self._routing.receivers, sequence=snapshot.sequence, now=now
        )

    def _cannot_decide(self, history: ConnectionHistory, error: Exception) -> str:
        connection_id = history.facts.connection.id
        if connection_id not in self._undecided:
            log.error("a connection cannot be judged", connection_id=connection_id, exc_info=error)
        return connection_id

    def _publish_incidents(self) -> None:
        firing = self._store.incidents(firing_only=True)
        self._incidents.publish(firing)
        self._telemetry.set_alerts(Counter((incident.rule, incident.severity) for incident in firing))
