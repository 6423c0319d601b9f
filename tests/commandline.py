"""Command lines as people are told to type them, read by the real command line and never run."""

import click

from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._shared import Common


def read_command(arguments: list[str]) -> str:
    """Let click read a command line, without running it; return the name of the command that it is.

    Raises:
        click.UsageError: There is no such command or option, an argument is missing or cannot be used.
    """
    command: click.Command = command_line
    context = click.Context(command_line, info_name="airbyte-exporter", obj=Common())
    given = arguments
    while isinstance(command, click.Group):
        named, *given = given or [""]
        if named not in command.commands:
            raise click.UsageError(f"no such command: {named!r}", context)
        command = command.commands[named]
    command.make_context(command.name, given, parent=context)
    return str(command.name)
