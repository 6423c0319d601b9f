"""``sources list|show`` and ``destinations list|show``."""

from collections.abc import Iterable
from typing import Any, Final

from airbyte_exporter.airbyte import AirbyteClient
from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._connections import print_users, user_records
from airbyte_exporter.cli._lists import run_list
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import Cell, Column, Listing, print_json, print_sheet
from airbyte_exporter.control import find_one
from airbyte_exporter.model import Actor, Connection, Workspace

_COLUMNS: Final = (
    Column("NAME", flexible=True),
    Column("CONNECTOR", flexible=True),
    Column("WORKSPACE", flexible=True),
    Column("ID", full_from=100),
)
_FIELDS: Final = ("id", "name", "connector", "workspace.id", "workspace.name")


def main(common: Common, *, kind: str, workspace: str | None, output: str, watch: str | None) -> int:
    """List the sources or the destinations, as `kind` says, of every watched workspace or of one, by name."""
    settings = settings_for(common)

    def read(client: AirbyteClient) -> Listing:
        workspaces = client.workspaces()
        wanted = find_one("workspace", workspaces, workspace) if workspace else None
        found = _read(client, kind, [wanted] if wanted else workspaces)
        place = f"workspace {wanted.name}" if wanted else settings.airbyte.instance_name
        listing = Listing(_COLUMNS, empty=f"{place} has no {kind}s that can be seen")
        for actor, home in sorted(found, key=lambda each: (each[0].name.casefold(), each[0].id)):
            listing.add(_cells(actor, home), actor_record(actor, home))
        return listing

    return run_list(common, settings, read, what=f"{kind}s", output=output, fields=_FIELDS, watch=watch)


def show(common: Common, *, kind: str, actor: str, output: str) -> int:
    """Tell what is known of one source or destination, and which connections use it."""
    settings = settings_for(common)
    with open_client(common, settings) as client, progress(f"Reading the {kind} …"):
        homes = {each.id: (each, home) for each, home in _read(client, kind, client.workspaces())}
        found, home = homes[find_one(kind, [each for each, _ in homes.values()], actor).id]
        # A connection, its source and its destination are always of one workspace.
        users = [each for each in client.connections(home.id) if _end(each, kind).id == found.id]
    # Only the listing of connections tells which version runs.
    version = next((_end(each, kind).connector_version for each in users), None) or found.connector_version
    if output == "json":
        more = {"connector_version": version, "connections": user_records(users)}
        print_json(actor_record(found, home) | more)
        return 0
    print_sheet(
        [
            (kind.capitalize(), Cell(found.name, style="bold")),
            ("Id", Cell(found.id)),
            ("Connector", Cell(f"{found.connector} {version or ''}".rstrip())),
            ("Workspace", Cell(home.name)),
            ("Used by", Cell(f"{len(users)} connection{'' if len(users) == 1 else 's'}")),
        ]
    )
    print_users(users, nobody=f"no connection uses this {kind}")
    return 0


def _read(client: AirbyteClient, kind: str, homes: Iterable[Workspace]) -> list[tuple[Actor, Workspace]]:
    read = client.sources if kind == "source" else client.destinations
    return [(actor, home) for home in homes for actor in read(home.id)]


def _end(connection: Connection, kind: str) -> Actor:
    return connection.source if kind == "source" else connection.destination


def _cells(actor: Actor, home: Workspace) -> tuple[Cell, ...]:
    return (
        Cell(actor.name),
        Cell(actor.connector),
        Cell(home.name),
        Cell(actor.id, style="dim", short=actor.id[:8]),
    )


def actor_record(actor: Actor, home: Workspace) -> dict[str, Any]:
    """Return a source or destination for machines, as lists have it."""
    return {
        "id": actor.id,
        "name": actor.name,
        "connector": actor.connector,
        "workspace": {"id": home.id, "name": home.name},
    }
