"""What the state knows of alerts, for commands that read it beside the exporter that has it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import click

from airbyte_exporter.alerts import Silences
from airbyte_exporter.cli._shared import PROGRAM
from airbyte_exporter.model import ConnectionHistory, Incident, Silence, Workspace
from airbyte_exporter.settings import Settings
from airbyte_exporter.store import Store, inspect_store, join_store


@contextmanager
def open_state(settings: Settings) -> Iterator[Store]:
    """Open the configured state as it is, and say so where no exporter keeps it up to date.

    Raises:
        StoreError: It is not there, of another version, or cannot be used.
    """
    with join_store(settings.state) as store:
        look = inspect_store(settings.state)
        if look.used_by is None:
            told = f"{PROGRAM}: no exporter runs with the state {look.path}: this is how the last one left it"
            click.echo(told, err=True)
        yield store


@dataclass(frozen=True, slots=True)
class Board:
    """Incidents of `instance`, what they are about, and the silences that hold at `at`, our own time.

    `histories` are those of the incidents' connections, by id: what can be known of them, deleted ones too.
    """

    incidents: tuple[Incident, ...]
    histories: Mapping[str, ConnectionHistory]
    silences: Silences
    at: float
    instance: str

    @classmethod
    def read(cls, store: Store, settings: Settings, at: float, *, firing_only: bool) -> "Board":
        """Read the incidents that go on, or all that are kept, the newest first."""
        incidents = store.incidents(firing_only=firing_only)
        names = {workspace.id: workspace.name for workspace in store.workspaces()}
        known = store.facts({it.connection_id for it in incidents if it.connection_id}, deleted_too=True)
        histories = {
            id_: ConnectionHistory(
                facts=facts,
                workspace=Workspace(
                    facts.connection.workspace_id, names.get(facts.connection.workspace_id, "")
                ),
                state=None,
                finished=(),
            )
            for id_, facts in known.items()
        }
        silences = Silences(store.silences(active_at=at))
        return cls(incidents, histories, silences, at, settings.airbyte.instance_name)

    def history_of(self, incident: Incident) -> ConnectionHistory | None:
        """Return what is known of an incident's connection, ``None`` for one that is not about one."""
        return self.histories.get(incident.connection_id)

    def silence_of(self, incident: Incident) -> Silence | None:
        """Return the silence that keeps an incident from being told."""
        return self.silences.silencing(incident, self.history_of(incident), self.at)
