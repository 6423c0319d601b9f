"""Which silences hold just now, and which incidents they keep from being told."""

from collections.abc import Sequence
from dataclasses import dataclass

from airbyte_exporter.alerts import Silences
from airbyte_exporter.model import ConnectionHistory, Incident, Silence, Snapshot, Workspace

__all__ = ["Silenced"]


@dataclass(frozen=True, slots=True)
class Silenced:
    """What is silenced at one time.

    `silences` are those that hold then, ``None`` while they are not known.
    """

    silences: tuple[Silence, ...] | None
    _snapshot: Snapshot | None
    _at: float
    _rules: Silences

    @classmethod
    def at(cls, now: float, silences: Sequence[Silence] | None, snapshot: Snapshot | None) -> "Silenced":
        """Judge the published `silences` at `now`, the exporter's own time."""
        if silences is None:
            return cls(None, snapshot, now, Silences())
        holding = tuple(silence for silence in silences if silence.is_active(now))
        return cls(holding, snapshot, now, Silences(holding))

    def by(self, incident: Incident) -> Silence | None:
        """Return the silence that keeps an incident from being told, ``None`` if none does."""
        return self._rules.silencing(incident, self._history(incident), self._at)

    def _history(self, incident: Incident) -> ConnectionHistory | None:
        facts = None if self._snapshot is None else self._snapshot.connections.get(incident.connection_id)
        if facts is None or self._snapshot is None:
            return None
        home = facts.connection.workspace_id
        names = (workspace for workspace in self._snapshot.workspaces if workspace.id == home)
        return ConnectionHistory(facts, next(names, Workspace(home, "")), None, ())
