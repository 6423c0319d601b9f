"""``workspaces list`` and ``workspaces show``."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from airbyte_exporter.airbyte import AirbyteClient
from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._connections import print_users, user_records
from airbyte_exporter.cli._lists import run_list
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import Cell, Column, Listing, print_json, print_sheet
from airbyte_exporter.control import find_one
from airbyte_exporter.model import Connection

_COLUMNS: Final = (Column("NAME", flexible=True), Column("ID"))
_FIELDS: Final = ("id", "name")


def main(common: Common, *, output: str, watch: str | None) -> int:
    """List the workspaces that are watched, by name."""
    settings = settings_for(common)

    def read(client: AirbyteClient) -> Listing:
        place = settings.airbyte.instance_name
        listing = Listing(_COLUMNS, empty=f"{place} has no workspaces that can be seen")
        for workspace in sorted(client.workspaces(), key=lambda each: (each.name.casefold(), each.id)):
            listing.add(
                (Cell(workspace.name), Cell(workspace.id, style="dim")),
                {"id": workspace.id, "name": workspace.name},
            )
        return listing

    return run_list(common, settings, read, what="workspaces", output=output, fields=_FIELDS, watch=watch)


def show(common: Common, *, workspace: str, output: str) -> int:
    """Tell what is in one workspace."""
    settings = settings_for(common)
    with open_client(common, settings) as client, progress("Reading the workspace …"):
        found = find_one("workspace", client.workspaces(), workspace)
        connections = client.connections(found.id)
        sources, destinations = len(client.sources(found.id)), len(client.destinations(found.id))
    if output == "json":
        print_json(
            {
                "id": found.id,
                "name": found.name,
                "sources": sources,
                "destinations": destinations,
                "connections": user_records(connections),
            }
        )
        return 0
    print_sheet(
        [
            ("Workspace", Cell(found.name, style="bold")),
            ("Id", Cell(found.id)),
            ("Sources", Cell(str(sources))),
            ("Destinations", Cell(str(destinations))),
            ("Connections", Cell(_by_status(connections))),
        ]
    )
    print_users(connections, nobody="no connections yet")
    return 0


def _by_status(connections: Sequence[Connection]) -> str:
    counted = Counter(str(each.status) for each in connections)
    told = ", ".join(f"{number} {status}" for status, number in counted.most_common())
    return f"{len(connections)} ({told})" if told else "0"
