"""Commands that list what Airbyte has: ``connections list``, ``jobs list``."""

from typing import Any, Final

import click

from airbyte_exporter.cli._shared import Common, common_options, perform

OUTPUTS: Final = ("table", "json", "csv")
STATUSES: Final = ("pending", "queued", "running", "incomplete", "succeeded", "failed", "cancelled")

_output = click.option(
    "--output", "-o", type=click.Choice(OUTPUTS), default="table", show_default=True, help="What is printed."
)


@click.group()
@common_options
def connections() -> None:
    """Look at the connections of an Airbyte."""


@connections.command("list")
@_output
@common_options
@click.pass_obj
def list_connections(common: Common, output: str) -> int:
    """List the connections, as Airbyte tells of them right now."""
    return perform("_connections", common, output=output)


@click.group()
@common_options
def jobs() -> None:
    """Look at the jobs of an Airbyte."""


@jobs.command("list")
@click.option(
    "--connection",
    "-c",
    metavar="CONNECTION",
    help="Only jobs of this connection: its id, the first 4 or more characters of its id, or its exact name.",
)
@click.option("--status", "-s", type=click.Choice(STATUSES), help="Only jobs with this status.")
@click.option(
    "--since",
    metavar="DURATION",
    default="24h",
    show_default=True,
    help="Jobs that started or ended within this time (30m, 24h, 7d), and every job that is still live.",
)
@_output
@common_options
@click.pass_obj
def list_jobs(common: Common, /, **arguments: Any) -> int:  # noqa: ANN401 - the options above, as click passes them
    """List jobs, newest first, as Airbyte tells of them right now."""
    return perform("_jobs", common, **arguments)
