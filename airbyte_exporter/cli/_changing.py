"""Changing Airbyte from a command: what is about to happen is said, asked about, or only shown."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from airbyte_exporter.cli._shared import EXIT_INTERRUPTED, PROGRAM, Common
from airbyte_exporter.cli._signals import every_signal_interrupts
from airbyte_exporter.cli._tables import as_json, print_json
from airbyte_exporter.control import Control, ControlError, Request, quoted
from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.logs import mark_after, visible
from airbyte_exporter.model import Workspace
from airbyte_exporter.settings import Settings

_LISTED: Final = 10


class _NotSentError(Exception):
    """The request is to be shown and not to be sent."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


def change(
    common: Common,
    settings: Settings,
    act: Callable[[Control], int],
    *,
    dry_run: bool,
    output: str = "table",
) -> int:
    """Do `act` with the configured Airbyte, and return its exit code.

    With `dry_run` the first request that would change something is printed instead, without its secrets, and
    nothing is sent; it is an object where `output` is ``json``. A signal ends it with a line that says
    whether something may have been changed.
    """
    asked: list[Request] = []

    def announce(request: Request) -> None:
        if dry_run:
            # Not shown here: a sign of life on standard error takes over what is written meanwhile.
            raise _NotSentError(request)
        asked.append(request)

    try:
        with every_signal_interrupts(), _open(common, settings, announce) as control:
            return act(control)
    except _NotSentError as rehearsed:
        _show(rehearsed.request, output)
        click.echo(f"{PROGRAM}: nothing was sent (--dry-run)", err=True)
        return 0
    except KeyboardInterrupt:
        told = "Airbyte may have done it all the same: look" if asked else "nothing was changed"
        click.echo(f"{PROGRAM}: interrupted; {told}", err=True)
        return EXIT_INTERRUPTED


@contextmanager
def _open(common: Common, settings: Settings, announce: Callable[[Request], None]) -> Iterator[Control]:
    more: dict[str, Any] = {} if common.connect is None else {"connect": common.connect}
    with Control.open(settings.airbyte, clock=common.clock, announce=announce, **more) as control:
        yield control


def say(text: str) -> None:
    """Tell people on standard error what was found and is about to be done; names are shown as they are."""
    click.echo(visible(text), err=True)


def named(name: str) -> str:
    """Return a name for a sentence: in quotes, and so that what follows it stays to its right."""
    return f"{quoted(name)}{mark_after(name)}"


def must_be_a_name(name: str) -> None:
    """See to it that a name is one.

    Raises:
        ConfigurationError: There is nothing in it that could be seen.
    """
    if not name.strip():
        raise ConfigurationError("--name must not be empty")


def home_of(control: Control, workspace: str | None) -> Workspace:
    """Return the workspace that ``--workspace`` names, without it the only one.

    Raises:
        ConfigurationError: There are several.
        NotOneError: There is none, or several match.
    """
    if workspace is None and len(homes := control.client.workspaces()) > 1:
        names = ", ".join(named(each.name) for each in homes[:_LISTED])
        more = f" and {len(homes) - _LISTED} more" if len(homes) > _LISTED else ""
        raise ConfigurationError(f"--workspace has to say which of {len(homes)} is meant: {names}{more}")
    return control.workspace(workspace)


def confirm(question: str, *, yes: bool, dry_run: bool) -> None:
    """Ask before something that cannot be taken back.

    Args:
        question: What would happen, without a question mark.
        yes: Whether it was answered on the command line.
        dry_run: Whether nothing will happen anyway.

    Raises:
        ConfigurationError: Nobody is there who could answer.
        ControlError: The answer is no.
    """
    if yes or dry_run:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigurationError(f"{visible(question)}? Nobody can be asked here: give --yes to do it")
    try:
        agreed = click.confirm(f"{visible(question)}?", default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        raise KeyboardInterrupt from None
    if not agreed:
        raise ControlError("nothing was changed")


def tell(text: str, record: dict[str, Any], output: str) -> None:
    """Print what has become of it on standard output: a sentence for people, or a JSON object."""
    if output == "json":
        print_json(record)
    else:
        click.echo(visible(text))


def _show(request: Request, output: str) -> None:
    if output == "json":
        print_json({"method": request.verb, "url": request.url, "body": request.body})
        return
    click.echo(f"{request.verb} {request.url}")
    click.echo("\n".join(visible(line) for line in as_json(request.body).split("\n")))
