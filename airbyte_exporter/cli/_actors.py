"""``sources list`` and ``destinations list``."""

from typing import Any, Final

from airbyte_exporter.cli._airbyte import find_one, open_client, progress
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import Cell, Column, Listing, print_listing
from airbyte_exporter.model import Actor, Workspace

_COLUMNS: Final = (
    Column("NAME", flexible=True),
    Column("CONNECTOR", flexible=True),
    Column("WORKSPACE", flexible=True),
    Column("ID", full_from=100),
)
_FIELDS: Final = ("id", "name", "connector", "workspace.id", "workspace.name")


def main(common: Common, *, kind: str, workspace: str | None, output: str) -> int:
    """List the sources or the destinations, as `kind` says, of every watched workspace or of one, by name."""
    settings = settings_for(common)
    with open_client(common, settings) as client, progress(f"Reading the {kind}s …"):
        read = client.sources if kind == "source" else client.destinations
        workspaces = client.workspaces()
        wanted = find_one("workspace", workspaces, workspace) if workspace else None
        found = [(actor, home) for home in ([wanted] if wanted else workspaces) for actor in read(home.id)]
    place = f"workspace {wanted.name}" if wanted else settings.airbyte.instance_name
    listing = Listing(_COLUMNS, empty=f"{place} has no {kind}s that can be seen")
    for actor, home in sorted(found, key=lambda each: (each[0].name.casefold(), each[0].id)):
        listing.add(_cells(actor, home), _record(actor, home))
    print_listing(listing, output, _FIELDS)
    return 0


def _cells(actor: Actor, home: Workspace) -> tuple[Cell, ...]:
    return (
        Cell(actor.name),
        Cell(actor.connector),
        Cell(home.name),
        Cell(actor.id, style="dim", short=actor.id[:8]),
    )


def _record(actor: Actor, home: Workspace) -> dict[str, Any]:
    return {
        "id": actor.id,
        "name": actor.name,
        "connector": actor.connector,
        "workspace": {"id": home.id, "name": home.name},
    }
