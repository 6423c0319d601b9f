"""Reading Airbyte for a command: a client, and a sign of life on slow answers."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Final

from rich.status import Status

from airbyte_exporter.airbyte import AirbyteClient
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._terminal import console_for
from airbyte_exporter.settings import Settings

_PATIENCE_SECONDS: Final = 2.0


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
