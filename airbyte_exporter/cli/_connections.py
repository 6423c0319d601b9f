"""``connections list``."""

from typing import Any, Final

from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import Cell, Column, Listing, iso_time, print_listing
from airbyte_exporter.model import Actor, Connection, ConnectionStatus, Schedule, ScheduleType

_COLUMNS: Final = (
    Column("NAME", flexible=True),
    Column("SOURCE → DESTINATION", flexible=True),
    Column("SCHEDULE"),
    Column("STATUS"),
    Column("WORKSPACE", wide=True),
    Column("ID", full_from=150),
)
_FIELDS: Final = (
    "id",
    "name",
    "status",
    "workspace.id",
    "workspace.name",
    "source.id",
    "source.name",
    "source.connector",
    "source.connector_version",
    "destination.id",
    "destination.name",
    "destination.connector",
    "destination.connector_version",
    "schedule.type",
    "schedule.units",
    "schedule.time_unit",
    "schedule.cron_expression",
    "schedule.cron_time_zone",
    "tags",
    "created_at",
)
_STYLES: Final = {
    ConnectionStatus.ACTIVE: "green",
    ConnectionStatus.INACTIVE: "dim",
    ConnectionStatus.LOCKED: "yellow",
    ConnectionStatus.DEPRECATED: "dim",
    ConnectionStatus.UNKNOWN: "yellow",
}


def main(common: Common, *, output: str) -> int:
    """List the connections of every watched workspace, by name."""
    settings = settings_for(common)
    with open_client(common, settings) as client, progress("Reading the connections …"):
        inventory = client.inventory()
    workspaces = {workspace.id: workspace.name for workspace in inventory.workspaces}
    listing = Listing(_COLUMNS, empty=f"{settings.airbyte.instance_name} has no connections that can be seen")
    for connection in sorted(inventory.connections, key=lambda each: (each.name.casefold(), each.id)):
        workspace = workspaces.get(connection.workspace_id, "")
        listing.add(_cells(connection, workspace), _record(connection, workspace))
    print_listing(listing, output, _FIELDS)
    return 0


def _cells(connection: Connection, workspace: str) -> tuple[Cell, ...]:
    return (
        Cell(connection.name),
        Cell(f"{connection.source.connector} → {connection.destination.connector}"),
        Cell(_schedule(connection.schedule)),
        Cell(str(connection.status), style=_STYLES[connection.status]),
        Cell(workspace),
        Cell(connection.id, style="dim", short=connection.id[:8]),
    )


def _schedule(schedule: Schedule) -> str:
    if schedule.type is ScheduleType.BASIC and schedule.units and schedule.time_unit:
        unit = schedule.time_unit.removesuffix("s")
        return f"every {unit}" if schedule.units == 1 else f"every {schedule.units} {unit}s"
    if schedule.type is ScheduleType.CRON and schedule.cron_expression:
        return schedule.cron_expression
    return str(schedule.type)


def _record(connection: Connection, workspace: str) -> dict[str, Any]:
    schedule = connection.schedule
    return {
        "id": connection.id,
        "name": connection.name,
        "status": str(connection.status),
        "workspace": {"id": connection.workspace_id, "name": workspace},
        "source": _actor(connection.source),
        "destination": _actor(connection.destination),
        "schedule": {
            "type": str(schedule.type),
            "units": schedule.units,
            "time_unit": schedule.time_unit,
            "cron_expression": schedule.cron_expression,
            "cron_time_zone": schedule.cron_time_zone,
        },
        "tags": sorted(connection.tags),
        "created_at": iso_time(connection.created_at),
    }


def _actor(actor: Actor) -> dict[str, Any]:
    return {
        "id": actor.id,
        "name": actor.name,
        "connector": actor.connector,
        "connector_version": actor.connector_version,
    }
