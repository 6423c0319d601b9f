"""What every command shares: the global options, and the way to what a command does."""

import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

import click

PROGRAM: Final = "airbyte-exporter"

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
"""What shells report of a program that ended by Ctrl-C."""

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("auto", "console", "json")

C = TypeVar("C", bound=Callable[..., Any])

output_of_list: Final = click.option(
    "--output",
    "-o",
    type=click.Choice(("table", "json", "csv")),
    default="table",
    show_default=True,
    help="What is printed.",
)
output_of_one: Final = click.option(
    "--output",
    "-o",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="What is printed: a sheet for people, or a JSON object.",
)
dry_run_option: Final = click.option(
    "--dry-run", is_flag=True, help="Print the request, with its secrets blanked out, and send nothing."
)
yes_option: Final = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
connector_timeout: Final = click.option(
    "--timeout",
    metavar="DURATION",
    default="15m",
    show_default=True,
    help="How long the connector may take: Airbyte has to start it first.",
)


@dataclass
class Common:
    """The global options, and what a test puts in place of the world.

    `connect` makes a client as `AirbyteClient` does, `receivers` those that settings name. `clock` tells
    epoch seconds, `monotonic` seconds that never go back, and `pause` lets some of them pass. `debug` is
    whether errors come with a traceback.
    """

    config: Path | None = None
    log_level: str | None = None
    log_format: str | None = None
    debug: bool = False
    connect: Callable[..., Any] | None = None
    receivers: Callable[..., Any] | None = None
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep


def common_options(command: C) -> C:
    """Let a command take the global options; one given after the command's name wins over one before it."""
    named = click.option(
        "--config",
        metavar="FILE",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_remember,
        help="YAML file with the configuration of this exporter.",
    )
    return named(log_options(command))


def log_options(command: C) -> C:
    """Let a command take the global options about the log, for one whose ``--config`` is something else."""
    for option in (
        click.option(
            "--log-format",
            type=click.Choice(LOG_FORMATS, case_sensitive=False),
            expose_value=False,
            callback=_remember,
            help="How the log looks: for people, one JSON object per line, or by where it goes (auto).",
        ),
        click.option(
            "--log-level",
            type=click.Choice(LOG_LEVELS, case_sensitive=False),
            expose_value=False,
            callback=_remember,
            help="The least important log lines to write.",
        ),
    ):
        command = option(command)
    return command


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is None or context.resilient_parsing:
        return
    common = context.ensure_object(Common)
    setattr(common, str(parameter.name), value)
    if parameter.name == "log_level":
        common.debug = value == "debug"


def typed_again() -> str:
    """Return how this program was called, ready to be typed into another shell in the same directory."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{_shortest(Path(sys.executable))} -m {__package__.partition('.')[0]}"
    return _shortest(called) if called.name == PROGRAM else PROGRAM


def _shortest(called: Path) -> str:
    if shutil.which(called.name) == str(called):
        return called.name
    here = Path.cwd()
    return shlex.quote(str(called.relative_to(here) if here in called.parents else called))


def perform(module: str, common: Common, /, *, function: str = "main", **arguments: object) -> int:
    """Load what a command does, a function of the module named, and do it; return the exit code."""
    act: Callable[..., int] = getattr(import_module(f"airbyte_exporter.cli.{module}"), function)
    return act(common, **arguments)
