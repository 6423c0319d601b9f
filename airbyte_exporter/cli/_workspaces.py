"""``workspaces list``."""

from typing import Final

from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import Cell, Column, Listing, print_listing

_COLUMNS: Final = (Column("NAME", flexible=True), Column("ID"))
_FIELDS: Final = ("id", "name")


def main(common: Common, *, output: str) -> int:
    """List the workspaces that are watched, by name."""
    settings = settings_for(common)
    with open_client(common, settings) as client, progress("Reading the workspaces …"):
        workspaces = client.workspaces()
    listing = Listing(_COLUMNS, empty=f"{settings.airbyte.instance_name} has no workspaces that can be seen")
    for workspace in sorted(workspaces, key=lambda each: (each.name.casefold(), each.id)):
        listing.add(
            (Cell(workspace.name), Cell(workspace.id, style="dim")),
            {"id": workspace.id, "name": workspace.name},
        )
    print_listing(listing, output, _FIELDS)
    return 0
