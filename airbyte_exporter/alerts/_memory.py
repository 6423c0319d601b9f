"""What evaluation remembers between two looks: states, what goes on, and whom to look at next."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from airbyte_exporter.alerts._config import INSTANCE_RULES
from airbyte_exporter.alerts._lifecycle import AlertContext
from airbyte_exporter.alerts._rules import RuleGroup, Situation
from airbyte_exporter.alerts._silences import Silences
from airbyte_exporter.model import (
    AlertState,
    ConnectionFacts,
    ConnectionHistory,
    ConnectionStatus,
    Decision,
    Incident,
    IncidentStatus,
    Job,
    JobStatus,
)

__all__ = ["Memory", "failures_that_begin", "waits_that_begin"]

_TOLD: Final = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED})
_AT_REST: Final = frozenset({ConnectionStatus.INACTIVE, ConnectionStatus.LOCKED, ConnectionStatus.DEPRECATED})


class Memory:
    """The alert states, as they are stored, and what was looked at with which facts.

    Args:
        states: Every state that is stored.
    """

    def __init__(self, states: Iterable[AlertState]) -> None:
        self._states: defaultdict[str, dict[str, AlertState]] = defaultdict(dict)
        self._firing: dict[tuple[str, str], Incident] = {}
        self._parts: defaultdict[str, dict[str, Incident]] = defaultdict(dict)
        self._seen: Mapping[str, ConnectionFacts] | None = None
        self._looks: dict[str, int] = {}
        self._silences = Silences()
        for state in states:
            self.keep(state)

    def keep(self, state: AlertState) -> None:
        """Remember a state in the place of the one before."""
        before = self._firing.pop((state.connection_id, state.group), None)
        if before is not None and before.part_of is not None:
            self._parts[before.part_of].pop(state.connection_id, None)
        self._states[state.connection_id][state.group] = state
        incident = state.incident
        if incident is not None and incident.status is IncidentStatus.FIRING:
            self._firing[state.connection_id, state.group] = incident
            if incident.part_of is not None:
                self._parts[incident.part_of][state.connection_id] = incident

    def state(self, connection_id: str, group: str) -> AlertState | None:
        """Return what is remembered of a connection and a group of rules."""
        return self._states[connection_id].get(group) if connection_id in self._states else None

    def firing(self) -> tuple[Incident, ...]:
        """Return what goes on, the newest first, without what is part of something else."""
        alone = (incident for incident in self._firing.values() if incident.part_of is None)
        return tuple(sorted(alone, key=lambda it: (-it.starts_at, it.fingerprint)))

    def is_firing(self, connection_id: str, group: str) -> bool:
        """Whether an incident of that group goes on."""
        return (connection_id, group) in self._firing

    def number_firing(self, group: str) -> int:
        """Return of how many connections an incident of that group goes on."""
        return sum(of == group and id_ != "" for id_, of in self._firing)

    def shared(self) -> dict[str, Incident]:
        """Return the incidents of many that go on, by their group."""
        return {
            group: incident
            for (connection_id, group), incident in self._firing.items()
            if connection_id == "" and incident.rule not in INSTANCE_RULES
        }

    def members(self, fingerprint: str, decisions: Sequence[Decision]) -> dict[str, Incident]:
        """Return what goes on as a part of an incident, `decisions` taken into account, by connection."""
        found = dict(self._parts.get(fingerprint, {}))
        for decision in decisions:
            incident = decision.state.incident
            if incident is None or incident.part_of != fingerprint:
                continue
            if incident.status is IncidentStatus.FIRING:
                found[incident.connection_id] = incident
            else:
                found.pop(incident.connection_id, None)
        return found

    def to_look_at(
        self, connections: Mapping[str, ConnectionFacts], as_of: int, silences: Silences
    ) -> set[str]:
        """Return the connections about which something else may be decided than the last time."""
        firing = {id_ for id_, _ in self._firing if id_ != ""}
        if self._seen is None:
            return firing | connections.keys()
        seen = self._seen
        ids = {id_ for id_, facts in connections.items() if seen.get(id_) is not facts}
        ids |= {id_ for id_, at in self._looks.items() if at <= as_of}
        return ids | (firing if silences != self._silences else firing - connections.keys())

    def looked(
        self,
        connections: Mapping[str, ConnectionFacts],
        looks: Mapping[str, int | None],
        undecided: Collection[str],
        silences: Silences,
    ) -> None:
        """Remember what was looked at, and when to look again; those `undecided` were not."""
        self._seen = connections
        self._silences = silences
        for id_, at in looks.items():
            if at is None:
                self._looks.pop(id_, None)
            elif id_ not in undecided:
                self._looks[id_] = at


def failures_that_begin(
    histories: Iterable[tuple[ConnectionHistory, tuple[RuleGroup, ...]]],
    memory: Memory,
    context: AlertContext,
) -> Iterator[tuple[str, Job]]:
    """Yield connections that begin to fail while we watch, with the sync that failed."""
    for history, _ in histories:
        id_ = history.facts.connection.id
        told = [job for job in history.finished if job.status in _TOLD]
        if not _is_watched(history) or not told or memory.is_firing(id_, "sync-health"):
            continue
        newest = max(told, key=lambda job: (job.created_at, job.id))
        if newest.status is JobStatus.FAILED and newest.updated_at >= context.epoch:
            yield id_, newest


def waits_that_begin(
    histories: Iterable[tuple[ConnectionHistory, tuple[RuleGroup, ...]]],
    memory: Memory,
    context: AlertContext,
) -> Iterator[tuple[str, int, Job | None]]:
    """Yield connections whose job begins to wait for too long: since when, and the job."""
    for history, groups in histories:
        id_ = history.facts.connection.id
        if not _is_watched(history) or memory.is_firing(id_, "stuck"):
            continue
        now = Situation(history.facts, context.as_of)
        for group in groups:
            rule = group.highest(now, lasting=True) if group.name == "stuck" else None
            since = None if rule is None else rule.since(now)
            if rule is not None and since is not None and since >= context.epoch:
                yield id_, since, rule.job(history.facts)


def _is_watched(history: ConnectionHistory) -> bool:
    """Whether anything can begin: nothing does of a connection that is paused, locked or deleted."""
    return not history.deleted and history.facts.connection.status not in _AT_REST
