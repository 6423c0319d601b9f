"""``connections list`` and ``connections show``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

from airbyte_exporter.airbyte import AirbyteClient
from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._jobs import job_record, jobs_listing
from airbyte_exporter.cli._lists import run_list
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import (
    Cell,
    Column,
    Listing,
    iso_time,
    local_time,
    print_json,
    print_sheet,
    print_table,
)
from airbyte_exporter.control import find_one
from airbyte_exporter.model import (
    Actor,
    Connection,
    ConnectionStatus,
    Schedule,
    ScheduleType,
    SchemaChange,
)

_WORKSPACE: Final = Column("WORKSPACE", wide=True)
_COLUMNS: Final = (
    Column("NAME", flexible=True),
    Column("SOURCE → DESTINATION", flexible=True),
    Column("SCHEDULE"),
    Column("STATUS"),
    _WORKSPACE,
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


_NEWEST_JOBS: Final = 5
_SCHEMA_STYLES: Final = {SchemaChange.BREAKING: "bold red", SchemaChange.NON_BREAKING: "yellow"}


def main(common: Common, *, workspace: str | None, output: str, watch: str | None) -> int:
    """List the connections of every watched workspace, or of one, by name."""
    settings = settings_for(common)

    def read(client: AirbyteClient) -> Listing:
        inventory = client.inventory()
        wanted = find_one("workspace", inventory.workspaces, workspace) if workspace else None
        homes = {each.id: each.name for each in inventory.workspaces}
        place = f"workspace {wanted.name}" if wanted else settings.airbyte.instance_name
        found = [each for each in inventory.connections if wanted is None or each.workspace_id == wanted.id]
        return _listing(found, homes, empty=f"{place} has no connections that can be seen")

    return run_list(common, settings, read, what="connections", output=output, fields=_FIELDS, watch=watch)


def show(common: Common, *, connection: str, output: str) -> int:
    """Tell what is known of one connection, and of its newest jobs."""
    settings = settings_for(common)
    with open_client(common, settings) as client, progress("Reading the connection …"):
        inventory = client.inventory()
        found = find_one("connection", inventory.connections, connection)
        jobs = client.newest_jobs(found.id, _NEWEST_JOBS)
    workspaces = {each.id: each.name for each in inventory.workspaces}
    workspace = workspaces.get(found.workspace_id, "")
    page = found.page(settings.airbyte.base_ui_url)
    if output == "json":
        more = {
            "schema_change": str(found.schema_change) if found.schema_change else None,
            "page": page,
            "newest_jobs": [job_record(job, found) for job in jobs],
        }
        print_json(connection_record(found, workspace) | more)
        return 0
    print_sheet(_facts(found, workspace, page))
    click.echo()
    if jobs:
        print_table(jobs_listing([(job, found) for job in jobs], with_connection=False))
    else:
        click.echo("no jobs yet")
    return 0


def print_users(connections: Sequence[Connection], *, nobody: str) -> None:
    """Print, below the sheet of what they use, the connections that use it; `nobody` where there are none."""
    click.echo()
    if connections:
        print_table(_listing(connections, None))
    else:
        click.echo(nobody)


def user_records(connections: Sequence[Connection]) -> list[dict[str, Any]]:
    """Write for machines which connections use something, by name."""
    return [{"id": each.id, "name": each.name, "status": str(each.status)} for each in _sorted(connections)]


def _listing(
    connections: Iterable[Connection], homes: Mapping[str, str] | None, *, empty: str = ""
) -> Listing:
    """Make a listing of connections, by name.

    Args:
        connections: In any order.
        homes: Names of workspaces by their ids; ``None`` when all connections are of the same one.
        empty: What is said when there are none.
    """
    listing = Listing([each for each in _COLUMNS if homes is not None or each is not _WORKSPACE], empty=empty)
    for connection in _sorted(connections):
        home = (homes or {}).get(connection.workspace_id, "")
        cells = _cells(connection, home)
        if homes is None:
            at = _COLUMNS.index(_WORKSPACE)
            cells = (*cells[:at], *cells[at + 1 :])
        listing.add(cells, connection_record(connection, home))
    return listing


def _sorted(connections: Iterable[Connection]) -> list[Connection]:
    return sorted(connections, key=lambda each: (each.name.casefold(), each.id))


def _facts(connection: Connection, workspace: str, page: str | None) -> list[tuple[str, Cell]]:
    zone = connection.schedule.cron_time_zone
    change = connection.schema_change
    return [
        ("Connection", Cell(connection.name, style="bold")),
        ("Id", Cell(connection.id)),
        ("Status", Cell(str(connection.status), style=_STYLES[connection.status])),
        ("Schedule", Cell(f"{schedule_text(connection.schedule)} {zone or ''}".rstrip())),
        ("Source", Cell(_described(connection.source))),
        ("Destination", Cell(_described(connection.destination))),
        ("Workspace", Cell(workspace or connection.workspace_id)),
        ("Tags", Cell(", ".join(sorted(connection.tags)))),
        (
            "Schema change",
            Cell(str(change).replace("_", "-"), style=_SCHEMA_STYLES.get(change, "")) if change else Cell(),
        ),
        ("Created", local_time(connection.created_at)),
        ("Page", Cell(page or "")),
    ]


def _described(actor: Actor) -> str:
    return f"{actor.name} ({actor.connector} {actor.connector_version or ''}".rstrip() + f"), {actor.id}"


def _cells(connection: Connection, workspace: str) -> tuple[Cell, ...]:
    return (
        Cell(connection.name),
        Cell(f"{connection.source.connector} → {connection.destination.connector}"),
        Cell(schedule_text(connection.schedule)),
        Cell(str(connection.status), style=_STYLES[connection.status]),
        Cell(workspace),
        Cell(connection.id, style="dim", short=connection.id[:8]),
    )


def schedule_text(schedule: Schedule) -> str:
    """Say in a few words when a connection is meant to sync."""
    if schedule.type is ScheduleType.BASIC and schedule.units and schedule.time_unit:
        unit = schedule.time_unit.removesuffix("s")
        return f"every {unit}" if schedule.units == 1 else f"every {schedule.units} {unit}s"
    if schedule.type is ScheduleType.CRON and schedule.cron_expression:
        return schedule.cron_expression
    return str(schedule.type)


def connection_record(connection: Connection, workspace: str) -> dict[str, Any]:
    """Write a connection for machines; `workspace` is the name of its own."""
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
