"""Judge the alert rules over the published view, and record what follows from them.

One function of ``now``. Rules about connections are judged as of the last complete poll: without one, or when
it is too old, nothing starts, ends or repeats. Only what is wrong with watching itself goes by our own clock.
Alert states and the notifications that follow commit in one transaction, and deciding is deterministic, so a
crash in between leads to the same notifications under the same ids.

An evaluation looks at what may come out differently: connections whose facts are others than before, those
with a sync that nobody has judged, and those for which it is time. So it costs what changed.
"""

import heapq
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import structlog

from airbyte_exporter.alerts import (
    Affected,
    AlertContext,
    Means,
    Memory,
    Route,
    Routing,
    RuleBook,
    RuleGroup,
    Shared,
    Silences,
    beginning,
    decide,
    decide_instance,
    failures_that_begin,
    highest,
    next_look,
    receiver_group,
    receiver_of,
    shared_group,
    shared_reasons,
    waits_that_begin,
)
from airbyte_exporter.model import (
    AlertState,
    ConnectionHistory,
    Decision,
    Incident,
    IncidentStatus,
    Job,
    Latest,
    Silence,
    Snapshot,
    Workspace,
)
from airbyte_exporter.store import Store, StoreError
from airbyte_exporter.telemetry import Telemetry

__all__ = ["Evaluator"]

log = structlog.get_logger(__name__)

LOOP: Final = "evaluate"

UNREACHABLE: Final = "unreachable"

NAMED: Final = 20
"""How many connections an incident of many names."""


class Evaluator:
    """The loop that turns facts into notifications. Thread-safe: runs wait for each other.

    Args:
        store: Where jobs to judge, alert states, silences and the outbox are.
        snapshot: The published view.
        incidents: Where the incidents that go on are published, ``None`` while they cannot be read.
        receivers: Names of those who can be told.
        queued: Names of those among them who are told by the outbox; by default all.
        routes: Who is told about what; without them everybody about everything.
        rules: The rules as they are configured.
        instance: The Airbyte's name in notifications.
        ui_url: Where people open that Airbyte, ``None`` when that is not known.
        notify_existing: Send what was wrong before the exporter watched.
        workspace_ids: The workspaces to watch, by id; without any, all of them.
        telemetry: Counts runs, failures and ongoing incidents.
        unreachable_after: Seconds without a good poll of jobs after which Airbyte is unreachable, and a gap
            in what is known of it.
        good_at: Tells when a poll of jobs last worked, by our own clock, ``None`` before the first.
        trouble: Tells why polls fail just now, ``None`` while they work.
        failing: Tells since when receivers that the outbox does not know of take nothing, by name.
        silences: Where the silences are published.
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
        queued: Sequence[str] | None = None,
        notify_existing: bool = False,
        workspace_ids: Sequence[str] = (),
        routes: Sequence[Route] = (),
        rules: RuleBook | None = None,
        unreachable_after: float = 600.0,
        good_at: Callable[[], float | None] = lambda: None,
        trouble: Callable[[], str | None] = lambda: None,
        failing: Callable[[], Mapping[str, float]] = lambda: MappingProxyType({}),
        silences: Latest[Sequence[Silence] | None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._incidents = incidents
        self._routing = Routing(tuple(receivers), tuple(routes))
        self._queued = tuple(receivers if queued is None else queued)
        self._rules = rules or RuleBook()
        self._instance = instance
        self._ui_url = ui_url
        self._notify_existing = notify_existing
        self._workspace_ids = tuple(workspace_ids)
        self._telemetry = telemetry
        self._unreachable_after = unreachable_after
        self._good_at = good_at
        self._trouble = trouble
        self._receivers_failing = failing
        self._silences = silences
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failing = False
        self._undecided: frozenset[str] = frozenset()
        self._began: float | None = None
        self._memory: Memory | None = None
        self._planned: dict[str, tuple[int, Job | None]] = {}
        self._watched_since: int | None = None
        self._was_unreachable = False
        self._resumed_at: int | None = None
        self._as_of: int | None = None

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
            except StoreError as error:
                self._memory = None
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
        if self._memory is None:
            self._memory = Memory(self._store.alert_states())
        memory = self._memory
        silenced = self._read_silences(now)
        written = self._watch_the_watching(memory, silenced, now)
        snapshot = self._snapshot.get()
        if snapshot is not None and snapshot.as_of is not None and not _is_old(snapshot):
            self._note_gap(snapshot.as_of)
            written += self._judge(memory, snapshot, snapshot.as_of, silenced, now)
        self._publish_incidents(memory)
        return written

    def _note_gap(self, as_of: int) -> None:
        """Note from when on Airbyte has been watched without a gap: what it did not do then, it does now."""
        has_gap = self._as_of is not None and as_of - self._as_of > self._unreachable_after
        if self._as_of is None or has_gap:
            self._watched_since = as_of
        if has_gap or (self._as_of is None and self._was_unreachable):
            self._resumed_at = as_of
        self._as_of = as_of

    def _read_silences(self, now: float) -> Silences:
        active = self._store.silences(active_at=now)
        if self._silences is not None:
            self._silences.publish(active)
        return Silences(tuple(active))

    # Connections

    def _judge(self, memory: Memory, snapshot: Snapshot, as_of: int, silenced: Silences, now: float) -> int:
        context = AlertContext(
            instance=self._instance,
            ui_url=self._ui_url,
            epoch=snapshot.epoch,
            as_of=as_of,
            watched_since=as_of if self._watched_since is None else self._watched_since,
            resumed_at=self._resumed_at,
            notify_existing=self._notify_existing,
            routing=self._routing,
            silences=silenced,
            now=now,
            workspace_ids=self._workspace_ids,
            means=Means.of(snapshot.instance, self._queued),
        )
        unjudged = self._store.unjudged(snapshot.sequence)
        histories = list(self._histories(memory, snapshot, unjudged, as_of, silenced))
        absorbed = self._absorbed(memory, histories, context)
        decisions: list[Decision] = []
        wakes: dict[str, int | None] = {}
        undecided: set[str] = set()
        for history, groups in histories:
            id_ = history.facts.connection.id
            try:
                decided, wakes[id_] = self._decide(memory, history, groups, context, absorbed.get(id_, {}))
            except Exception as error:  # noqa: BLE001  # one connection must not silence the others
                undecided.add(self._cannot_decide(id_, error))
                continue
            decisions += decided
        self._undecided = frozenset(undecided)
        decisions += self._shared(memory, decisions, snapshot, context)
        judged = [id_ for id_ in unjudged if id_ not in undecided]
        written = 0
        if decisions or judged:
            written = self._store.record_decisions(
                decisions, self._queued, sequence=snapshot.sequence, now=now, judged=judged
            )
        for decision in decisions:
            memory.keep(decision.state)
        memory.looked(snapshot.connections, wakes, undecided, silenced)
        return written

    def _histories(
        self,
        memory: Memory,
        snapshot: Snapshot,
        unjudged: Mapping[str, Sequence[Job]],
        as_of: int,
        silenced: Silences,
    ) -> Iterator[tuple[ConnectionHistory, tuple[RuleGroup, ...]]]:
        """Yield what may come out differently than the last time, by connection id."""
        ids = memory.to_look_at(snapshot.connections, as_of, silenced) | unjudged.keys() | self._undecided
        gone = self._store.last_facts(id_ for id_ in ids if id_ not in snapshot.connections)
        workspaces = {workspace.id: workspace for workspace in snapshot.workspaces}
        for id_ in sorted(ids):
            facts = snapshot.connections.get(id_) or gone.get(id_)
            if facts is None:
                continue
            workspace_id = facts.connection.workspace_id
            workspace = workspaces.get(workspace_id) or Workspace(workspace_id, "")
            history = ConnectionHistory(
                facts, workspace, None, tuple(unjudged.get(id_, ())), id_ not in snapshot.connections
            )
            yield history, self._rules.of(facts.connection, workspace)

    def _decide(
        self,
        memory: Memory,
        history: ConnectionHistory,
        groups: Sequence[RuleGroup],
        context: AlertContext,
        absorbed: Mapping[str, str],
    ) -> tuple[list[Decision], int | None]:
        """Return what was decided about a connection, and when to look at it again."""
        decisions: list[Decision] = []
        looks: list[int] = []
        for group in groups:
            id_ = history.facts.connection.id
            of_group = replace(history, state=memory.state(id_, group.name))
            decision = decide(of_group, context, group, part_of=absorbed.get(group.name))
            if decision is not None:
                decisions.append(decision)
                of_group = replace(of_group, state=decision.state, finished=())
            if not history.deleted and (look := next_look(of_group, context, group)) is not None:
                looks.append(look)
        return decisions, min(looks, default=None)

    def _cannot_decide(self, connection_id: str, error: Exception) -> str:
        if connection_id not in self._undecided:
            log.error("a connection cannot be judged", connection_id=connection_id, exc_info=error)
        return connection_id

    # What many connections share

    def _absorbed(
        self,
        memory: Memory,
        histories: Sequence[tuple[ConnectionHistory, tuple[RuleGroup, ...]]],
        context: AlertContext,
    ) -> dict[str, dict[str, str]]:
        """Return the incidents of many that connections are part of from now on, by connection and group."""
        rules, going_on = self._rules.rules, memory.shared()
        failed = dict(failures_that_begin(histories, memory, context))
        reasons = shared_reasons(failed, rules.SyncFailed.together, going_on)
        begin: defaultdict[str, dict[str, tuple[str, int, Job | None]]] = defaultdict(dict)
        for id_, (group, _) in reasons.items():
            begin[group][id_] = ("sync-health", failed[id_].updated_at, failed[id_])
        waits = list(waits_that_begin(histories, memory, context))
        stuck = shared_group("stuck")
        if stuck in going_on or len(waits) + memory.number_firing("stuck") > rules.JobStuckPending.many:
            begin[stuck] = {id_: ("stuck", since, job) for id_, since, job in waits}
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for group, members in begin.items():
            if not members:
                continue
            since, job = min(((since, job) for _, since, job in members.values()), key=lambda it: it[0])
            known = going_on.get(group)
            state = memory.state("", group) or AlertState("", group)
            name = beginning(state, context.instance, since) if known is None else known.fingerprint
            if known is None:
                self._planned[group] = (since, job)
            for id_, (of, _, _) in members.items():
                found[id_][of] = name
        return found

    def _shared(
        self, memory: Memory, decisions: Sequence[Decision], snapshot: Snapshot, context: AlertContext
    ) -> list[Decision]:
        """Decide about the incidents of many, those whose members are decided about by now."""
        planned, self._planned = self._planned, {}
        going_on = memory.shared()
        found: list[Decision] = []
        for group in {*going_on, *planned}:
            known = going_on.get(group)
            since, job = planned[group] if known is None else (known.starts_at, known.job)
            state = memory.state("", group) or AlertState("", group)
            name = beginning(state, context.instance, since) if known is None else known.fingerprint
            members = memory.members(name, decisions)
            speaking = {each.rule for each in members.values()}
            if known is not None and (not speaking or self._rules.of_instance(known.rule).enabled):
                speaking.add(known.rule)  # what a higher rule told has not ended
            rule = self._rules.of_instance(highest(speaking) or "SyncFailed")
            decision = decide_instance(
                state,
                rule,
                Shared(
                    since if members else None,
                    len(members),
                    [
                        Affected(id_, snapshot.connections[id_].connection.name)
                        for id_ in heapq.nsmallest(NAMED, members)
                        if id_ in snapshot.connections
                    ],
                    job=job,
                ),
                context,
            )
            if decision is not None:
                found.append(decision)
        return found

    # What is wrong with watching itself

    def _watch_the_watching(self, memory: Memory, silenced: Silences, now: float) -> int:
        """Judge by our own clock whether Airbyte can be read and receivers take what they are sent."""
        if self._began is None:
            self._began = now
        context = AlertContext(
            instance=self._instance,
            ui_url=self._ui_url,
            epoch=0,
            as_of=int(now),
            routing=self._routing,
            silences=silenced,
            now=now,
            means=Means(trials=self._queued),
        )
        decisions = [
            self._unreachable(memory, context, now, self._began),
            *self._deaf_receivers(memory, context, now),
        ]
        made = [decision for decision in decisions if decision is not None]
        if not made:
            return 0
        written = self._store.record_decisions(made, self._queued, sequence=0, now=now)
        for decision in made:
            memory.keep(decision.state)
        return written

    def _unreachable(
        self, memory: Memory, context: AlertContext, now: float, began: float
    ) -> Decision | None:
        """Judge whether Airbyte can be read; we ourselves must have tried for as long as that takes."""
        good = self._good_at()
        state = memory.state("", UNREACHABLE)
        since: float | None = began if good is None else good
        is_long = now - max(began, since or 0.0) > self._unreachable_after
        has_recovered = good is not None and good >= began
        goes_on = state is not None and state.incident is not None and _is_firing(state.incident)
        self._was_unreachable |= goes_on
        if not is_long and (has_recovered or not goes_on):
            since = None
        return decide_instance(
            state or AlertState("", UNREACHABLE),
            self._rules.of_instance("AirbyteUnreachable"),
            Shared(None if since is None else int(since), note=self._trouble()),
            context,
        )

    def _deaf_receivers(self, memory: Memory, context: AlertContext, now: float) -> Iterator[Decision | None]:
        """Judge whether each receiver takes notifications; the others are told."""
        since = {**self._store.failing_receivers(), **self._receivers_failing()}
        after = self._rules.rules.NotificationsFailing.after
        deaf = {name for name, at in since.items() if now - at >= after}
        rule = self._rules.of_instance("NotificationsFailing")
        told_of = {
            name
            for incident in memory.firing()
            if (name := receiver_of(incident.group)) is not None and incident.connection_id == ""
        }
        for name in (*self._routing.receivers, *sorted(told_of.difference(self._routing.receivers))):
            group = receiver_group(name)
            exists = name in self._routing.receivers
            others = tuple(other for other in self._routing.receivers if other != name)
            yield decide_instance(
                memory.state("", group) or AlertState("", group),
                rule,
                Shared(int(since[name]) if name in deaf and exists else None),
                replace(context, routing=Routing(others, self._routing.routes)),
                ending="recovered" if exists else "deleted",
            )

    def _publish_incidents(self, memory: Memory) -> None:
        firing = memory.firing()
        if firing != self._incidents.get():  # something new is a sign to those who push
            self._incidents.publish(firing)
        self._telemetry.set_alerts(Counter((incident.rule, incident.severity) for incident in firing))


def _is_old(snapshot: Snapshot) -> bool:
    return snapshot.jobs_stale or snapshot.inventory_stale


def _is_firing(incident: Incident) -> bool:
    return incident.status is IncidentStatus.FIRING
