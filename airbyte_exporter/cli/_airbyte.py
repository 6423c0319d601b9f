"""Reading Airbyte for a command: a client, a sign of life on slow answers, and things by their names."""

import difflib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import Final, Protocol, TypeVar

from rich.status import Status

from airbyte_exporter.airbyte import AirbyteClient
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import mark_after
from airbyte_exporter.cli._terminal import console_for
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.logs import visible
from airbyte_exporter.settings import Settings

_PATIENCE_SECONDS: Final = 2.0
_SHORTEST_PREFIX: Final = 4
_LISTED: Final = 10


class NotOneError(AirbyteExporterError):
    """What was given names nothing that Airbyte has, or several things."""


class Named(Protocol):
    """What people name: a connection, a workspace, a source, a destination."""

    @property
    def id(self) -> str:
        """Airbyte's id."""

    @property
    def name(self) -> str:
        """What people call it; several may share it."""


N = TypeVar("N", bound=Named)


@contextmanager
def open_client(common: Common, settings: Settings) -> Iterator[AirbyteClient]:
    """Give a client of the configured Airbyte, and close it at the end."""
    connect: Callable[..., AirbyteClient] = common.connect or AirbyteClient
    client = connect(settings.airbyte, clock=common.clock)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show on a terminal that something goes on, once it has taken longer than two seconds."""
    if not sys.stderr.isatty():
        yield
        return
    status = Status(what, console=console_for(sys.stderr))
    shown = Timer(_PATIENCE_SECONDS, status.start)
    shown.daemon = True
    shown.start()
    try:
        yield
    finally:
        shown.cancel()
        shown.join()
        status.stop()


def find_one(kind: str, things: Sequence[N], name: str, *, where: str = "") -> N:
    """Return the one that `name` means: its full id, the beginning of its id, or its exact name.

    Args:
        kind: What they are, for messages: ``connection``.
        things: Where to look.
        name: What was given.
        where: What all of them are in, for messages: ``workspace Data``.

    Raises:
        NotOneError: There is none, or several match; the message lists those.
    """
    by_id = [each for each in things if each.id == name.lower()]
    if by_id:
        return by_id[0]
    found = {each.id: each for each in things if each.name == name}
    if len(name) >= _SHORTEST_PREFIX:
        found |= {each.id: each for each in things if each.id.startswith(name.lower())}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        listed = [
            f"{each.id} ({visible(each.name)}{mark_after(each.name)})"
            for each in list(found.values())[:_LISTED]
        ]
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise NotOneError(
            f"{quoted(name)} means {len(found)} {kind}s: {', '.join(listed)}{more}; give the full id of one"
        )
    close = difflib.get_close_matches(name, [each.name for each in things], n=1)
    hint = f"; did you mean {quoted(close[0])}?" if close else f"; see airbyte-exporter {kind}s list"
    place = f" in {where}" if where else ""
    raise NotOneError(f"there is no {kind} {quoted(name)}{place}{hint}")


def quoted(name: str) -> str:
    """Return `name` for a message of one line: what people write in names stays as they wrote it."""
    shown = visible(name)
    return f'"{shown}"' if "'" in shown and '"' not in shown else f"'{shown}'"
