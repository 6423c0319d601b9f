"""Commands about the configuration: ``config show``, ``config validate``."""

from pathlib import Path

import click

from airbyte_exporter.cli._shared import Common, common_options, perform


@click.group()
@common_options
def config() -> None:
    """Show or check the configuration."""


@config.command(short_help="Show what is in force and where it comes from.")
@common_options
@click.pass_obj
def show(common: Common) -> int:
    """Show the effective configuration as YAML, each value with where it came from.

    Secrets are never shown.
    """
    return perform("_config", common)


@config.command(short_help="Check a configuration file, connecting to nothing.")
@click.argument("file", type=click.Path(path_type=Path))
@common_options
@click.pass_obj
def validate(common: Common, file: Path) -> int:
    """Check a configuration file, together with the environment, as `run` would read it.

    The web configuration file that it names is checked too. Connects to nothing.
    """
    return perform("_config", common, file=file)
