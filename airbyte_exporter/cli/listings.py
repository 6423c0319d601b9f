"""Commands that read what Airbyte has: workspaces, definitions, sources, destinations, connections, jobs."""

from typing import Any, Final

import click

from airbyte_exporter.cli._shared import (
    Common,
    common_options,
    output_of_list,
    output_of_one,
    perform,
)

STATUSES: Final = ("pending", "queued", "running", "incomplete", "succeeded", "failed", "cancelled")


class JobId(click.IntRange):
    """A number as Airbyte numbers jobs: 64 bits, never negative."""

    name = "job"

    def __init__(self) -> None:
        super().__init__(min=0, max=2**63 - 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read what was given, and say for people what is wrong with it."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"it must be a job's number, such as 4711, not {value!r}", param, ctx)


_watch = click.option(
    "--watch",
    metavar="[DURATION]",
    is_flag=False,
    flag_value="5s",
    help="Show the table again each time that DURATION (5s) has passed, until Ctrl-C.",
)
_workspace = click.option(
    "--workspace",
    "-w",
    metavar="WORKSPACE",
    help="Only those of this workspace: its id, the first 4 or more characters of its id, or its exact name.",
)


@click.group()
@common_options
def workspaces() -> None:
    """Look at the workspaces of an Airbyte."""


@workspaces.command("list")
@_watch
@output_of_list
@common_options
@click.pass_obj
def list_workspaces(common: Common, /, **arguments: Any) -> int:
    """List the workspaces that are watched."""
    return perform("_workspaces", common, **arguments)


@workspaces.command("show")
@click.argument("workspace")
@output_of_one
@common_options
@click.pass_obj
def show_workspace(common: Common, workspace: str, output: str) -> int:
    """Show one workspace and its connections.

    WORKSPACE is its id, the first 4 or more characters of its id, or its exact name.
    """
    return perform("_workspaces", common, function="show", workspace=workspace, output=output)


@click.group()
@common_options
def definitions() -> None:
    """Look at the connectors that an Airbyte offers."""


@definitions.command("list")
@click.option(
    "--kind", "-k", type=click.Choice(("source", "destination")), help="Only connectors of this kind."
)
@click.option(
    "--search", metavar="TEXT", help="Only connectors with this in their name or image, in any case."
)
@_watch
@output_of_list
@common_options
@click.pass_obj
def list_definitions(common: Common, /, **arguments: Any) -> int:
    """List the connectors that sources and destinations can be made of."""
    return perform("_definitions", common, **arguments)


@click.group()
@common_options
def sources() -> None:
    """Look at the sources of an Airbyte, make and change them, have them tried."""


@sources.command("list")
@_workspace
@_watch
@output_of_list
@common_options
@click.pass_obj
def list_sources(common: Common, /, **arguments: Any) -> int:
    """List the sources, as Airbyte tells of them right now."""
    return perform("_actors", common, kind="source", **arguments)


@sources.command("show")
@click.argument("source")
@output_of_one
@common_options
@click.pass_obj
def show_source(common: Common, source: str, output: str) -> int:
    """Show one source and the connections that use it.

    SOURCE is its id, the first 4 or more characters of its id, or its exact name.
    """
    return perform("_actors", common, function="show", kind="source", actor=source, output=output)


@click.group()
@common_options
def destinations() -> None:
    """Look at the destinations of an Airbyte, make and change them, have them tried."""


@destinations.command("list")
@_workspace
@_watch
@output_of_list
@common_options
@click.pass_obj
def list_destinations(common: Common, /, **arguments: Any) -> int:
    """List the destinations, as Airbyte tells of them right now."""
    return perform("_actors", common, kind="destination", **arguments)


@destinations.command("show")
@click.argument("destination")
@output_of_one
@common_options
@click.pass_obj
def show_destination(common: Common, destination: str, output: str) -> int:
    """Show one destination and the connections that use it.

    DESTINATION is its id, the first 4 or more characters of its id, or its exact name.
    """
    return perform("_actors", common, function="show", kind="destination", actor=destination, output=output)


@click.group()
@common_options
def connections() -> None:
    """Look at the connections of an Airbyte, change them, and set them to work."""


@connections.command("list")
@_workspace
@_watch
@output_of_list
@common_options
@click.pass_obj
def list_connections(common: Common, /, **arguments: Any) -> int:
    """List the connections, as Airbyte tells of them right now."""
    return perform("_connections", common, **arguments)


@connections.command("show")
@click.argument("connection")
@output_of_one
@common_options
@click.pass_obj
def show_connection(common: Common, connection: str, output: str) -> int:
    """Show one connection and its newest jobs.

    CONNECTION is its id, the first 4 or more characters of its id, or its exact name.
    """
    return perform("_connections", common, function="show", connection=connection, output=output)


@click.group()
@common_options
def jobs() -> None:
    """Look at the jobs of an Airbyte, wait for one, cancel one."""


@jobs.command("list")
@click.option(
    "--connection",
    "-c",
    metavar="CONNECTION",
    help="Only jobs of this connection: its id, the first 4 or more characters of its id, or its exact name.",
)
@_workspace
@click.option(
    "--status",
    "-s",
    "statuses",
    type=click.Choice(STATUSES),
    multiple=True,
    help="Only jobs with this status; can be given again.",
)
@click.option(
    "--since",
    metavar="DURATION",
    default="24h",
    show_default=True,
    help="Jobs that started or ended within this time (30m, 24h, 7d), and every job that is still live.",
)
@_watch
@output_of_list
@common_options
@click.pass_obj
def list_jobs(common: Common, /, **arguments: Any) -> int:
    """List jobs, newest first, as Airbyte tells of them right now."""
    return perform("_jobs", common, **arguments)


@jobs.command("show")
@click.argument("job_id", metavar="ID", type=JobId())
@output_of_one
@common_options
@click.pass_obj
def show_job(common: Common, job_id: int, output: str) -> int:
    """Show one job by its id: how it went, why it failed, and each of its attempts."""
    return perform("_jobs", common, function="show", job_id=job_id, output=output)


@jobs.command("wait")
@click.argument("job_id", metavar="ID", type=JobId())
@click.option(
    "--timeout",
    metavar="DURATION",
    help="Give up after this time (30m, 6h); else it waits as long as it takes.",
)
@click.option(
    "--interval", metavar="DURATION", default="5s", show_default=True, help="How often Airbyte is asked."
)
@output_of_one
@common_options
@click.pass_obj
def wait_for_job(common: Common, /, **arguments: Any) -> int:
    """Wait until a job is over.

    Exits with 0 when the job succeeded, and with 1 when it failed, was cancelled or took too long. Only
    looks: ending it does not end the job.
    """
    return perform("_waiting", common, **arguments)
