"""``docs/commands.md`` tells of the commands that there are."""

import re
from collections.abc import Iterator

import click

from airbyte_exporter.cli import command_line
from tests.requirements import ROOT

WRITTEN = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its full name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


COMMANDS = dict(commands(command_line))


def test_every_command_is_told_of() -> None:
    table = WRITTEN.partition("\n## ")[0]
    told = {re.sub(r"( [A-Z]+)+$", "", name) for name in re.findall(r"`([a-z]+(?: [\w ]+)?)`", table)}
    assert told >= set(COMMANDS)
    assert {name for name in told if " " in name} <= set(COMMANDS)


def test_every_option_exists() -> None:
    options = {
        option
        for command in COMMANDS.values()
        for parameter in command.params
        for option in (*parameter.opts, "--help")
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", WRITTEN))
    assert len(named) > 8
    assert named <= options
