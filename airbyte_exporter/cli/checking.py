"""The command that says whether all is well: ``check``."""

import click

from airbyte_exporter.cli._shared import Common, common_options, perform


@click.command(short_help="Say step by step what works and what to do.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="What is printed: a line for each step, or a JSON list of them.",
)
@common_options
@click.pass_obj
def check(common: Common, output: str) -> int:
    """Say step by step what works and what to do: Airbyte, the state, the pages, the receivers.

    Changes nothing and notifies nobody; an exporter may be running meanwhile. The exit code is 1 if `run`
    could not do its job.
    """
    return perform("_check", common, output=output)
