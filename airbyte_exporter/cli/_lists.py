"""How a list command runs: once, or with ``--watch`` again and again until Ctrl-C."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, NoReturn, Self

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from airbyte_exporter.airbyte import AirbyteClient
from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._settings import positive_seconds
from airbyte_exporter.cli._shared import PROGRAM, Common
from airbyte_exporter.cli._signals import every_signal_interrupts
from airbyte_exporter.cli._tables import Listing, print_listing, print_table, table_of
from airbyte_exporter.cli._terminal import can_redraw, console_for
from airbyte_exporter.durations import format_duration
from airbyte_exporter.errors import AirbyteExporterError, ConfigurationError
from airbyte_exporter.logs import visible
from airbyte_exporter.settings import Settings

_SHORTEST_SECONDS: Final = 1.0
"""Each refresh is several requests to an Airbyte that has other things to do."""

_HEAD_LINES: Final = 2
"""The titles of a table's columns, and the line below them."""

Read = Callable[[AirbyteClient], Listing]


def run_list(
    common: Common,
    settings: Settings,
    read: Read,
    *,
    what: str,
    output: str,
    fields: Sequence[str],
    watch: str | None,
) -> int:
    """Print what `read` finds; with `watch`, a duration, print it again each time that this has passed.

    Args:
        common: The global options.
        settings: Which Airbyte.
        read: Reads everything anew.
        what: What is read, for a person who waits: ``jobs``.
        output: ``table``, ``json`` or ``csv``.
        fields: The columns of CSV.
        watch: ``None`` for once.

    Raises:
        ConfigurationError: `watch` is no duration, too short, or not for that output.
        AirbyteExporterError: It could not be read, with `watch` the first time.
    """
    waiting = f"Reading the {what} …"
    if watch is None:
        with open_client(common, settings) as client, progress(waiting):
            listing = read(client)
        print_listing(listing, output, fields)
        return 0
    if output != "table":
        raise ConfigurationError(f"--watch shows a table: leave out --output {output}, or --watch")
    seconds = positive_seconds("--watch", watch, shortest=_SHORTEST_SECONDS)
    try:
        with every_signal_interrupts(), open_client(common, settings) as client:
            with progress(waiting):
                listing = read(client)
            _watch(
                common, lambda: read(client), listing, f"{what} of {settings.airbyte.instance_name}", seconds
            )
    except KeyboardInterrupt:
        return 0


def _watch(
    common: Common, read: Callable[[], Listing], listing: Listing, title: str, seconds: float
) -> NoReturn:
    view = _TerminalView(title, seconds) if can_redraw(sys.stdout) else _PlainView()
    with view:
        view.show(listing, common.clock())
        while True:
            common.pause(seconds)
            try:
                listing = read()
            except AirbyteExporterError as error:
                view.show_problem(" ".join(str(error).split()), common.clock())
            else:
                view.show(listing, common.clock())


class _PlainView:
    """One listing after the other, each under the time when it was read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Everything is told already."""

    def show(self, listing: Listing, read_at: float) -> None:
        click.echo(_time(read_at, "%Y-%m-%d %H:%M:%S"))
        if listing.rows:
            print_table(listing)
        else:
            click.echo(visible(listing.empty))
        click.echo()

    def show_problem(self, problem: str, at: float) -> None:
        click.echo(f"{PROGRAM}: {_time(at)}: {visible(problem)}", err=True)


class _TerminalView:
    """A screen of its own, drawn anew each time; it is left as it was found, and the last table stays."""

    def __init__(self, title: str, seconds: float) -> None:
        self._title = visible(title)
        self._every = format_duration(seconds)
        self._console = console_for(sys.stdout)
        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._shown: tuple[Listing, float] | None = None
        self._frame = Group()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if self._shown is not None:
            self._console.print(self._frame)

    def show(self, listing: Listing, read_at: float) -> None:
        self._shown = (listing, read_at)
        self._draw()

    def show_problem(self, problem: str, at: float) -> None:
        self._draw(Text(f"{_time(at)}: {visible(problem)}", style="bold red", overflow="fold"))

    def _draw(self, *problem: Text) -> None:
        if self._shown is None:
            return
        # Not on entering: an interruption in the middle of it would leave the terminal as it is.
        self._live.start()
        listing, read_at = self._shown
        title = f"{self._title} at {_time(read_at)}, every {self._every} until Ctrl-C"
        above = [Text(title, style="dim", no_wrap=True, overflow="ellipsis"), *problem]
        room = self._console.height - sum(len(self._console.render_lines(text)) for text in above)
        self._frame = Group(*above, *self._body(listing, max(room - _HEAD_LINES, 2)))
        self._live.update(self._frame, refresh=True)

    def _body(self, listing: Listing, room: int) -> Iterator[RenderableType]:
        """Show as many rows as there is room for, and how many there are besides."""
        if not listing.rows:
            yield Text(visible(listing.empty))
            return
        fits = len(listing.rows) <= room
        yield table_of(listing, width=self._console.width, rows=room if fits else room - 1)
        if not fits:
            yield Text(f"… and {len(listing.rows) - room + 1} more", style="dim")


def _time(seconds: float, written: str = "%H:%M:%S") -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime(written)
