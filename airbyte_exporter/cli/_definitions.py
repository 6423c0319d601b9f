"""``definitions list``."""

from typing import Any, Final, Literal

from airbyte_exporter.airbyte import AirbyteClient
from airbyte_exporter.cli._lists import run_list
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import Cell, Column, Listing
from airbyte_exporter.control import quoted
from airbyte_exporter.model import Definition

_COLUMNS: Final = (
    Column("NAME", flexible=True),
    Column("KIND"),
    Column("IMAGE", flexible=True),
    Column("TAG"),
    Column("ID", full_from=140),
)
_FIELDS: Final = ("id", "kind", "name", "repository", "tag")
_KINDS: Final[tuple[Literal["source", "destination"], ...]] = ("source", "destination")


def main(common: Common, *, kind: str | None, search: str | None, output: str, watch: str | None) -> int:
    """List the connectors that this Airbyte offers, by name; of one kind, or with a text in name or image."""
    settings = settings_for(common)
    wanted = (search or "").casefold()
    about = f"{kind} connectors" if kind else "connectors"
    with_text = f" with {quoted(search)} in name or image" if search else ""

    def read(client: AirbyteClient) -> Listing:
        found = [
            each
            for one in _KINDS
            if kind in {None, one}
            for each in client.definitions(one)
            if wanted in f"{each.name}\n{each.repository or ''}".casefold()
        ]
        empty = f"{settings.airbyte.instance_name} has no {about}{with_text} that can be seen"
        listing = Listing(_COLUMNS, empty=empty)
        for definition in sorted(found, key=lambda each: (each.name.casefold(), each.kind, each.id)):
            listing.add(_cells(definition), _record(definition))
        return listing

    return run_list(common, settings, read, what="connectors", output=output, fields=_FIELDS, watch=watch)


def _cells(definition: Definition) -> tuple[Cell, ...]:
    return (
        Cell(definition.name),
        Cell(definition.kind),
        Cell(definition.repository or ""),
        Cell(definition.tag or ""),
        Cell(definition.id, style="dim", short=definition.id[:8]),
    )


def _record(definition: Definition) -> dict[str, Any]:
    return {
        "id": definition.id,
        "kind": definition.kind,
        "name": definition.name,
        "repository": definition.repository,
        "tag": definition.tag,
    }
