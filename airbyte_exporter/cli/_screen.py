"""What the demo shows: for people on a terminal, plain lines elsewhere."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from rich.box import HORIZONTALS
from rich.console import Group
from rich.panel import Panel
from rich.status import Status
from rich.table import Table
from rich.text import Text

from airbyte_exporter.cli._shared import PROGRAM, typed_again
from airbyte_exporter.cli._tables import count, span
from airbyte_exporter.cli._terminal import console_for
from airbyte_exporter.logs import visible

_WIDTH: Final = 80
_SPINNER_WIDTH: Final = 3
_INDENT: Final = len("12:34:56  ")
_ASK: Final = "Ask the simulated Airbyte yourself, in another shell:"
_STYLES: Final = {"firing": "bold red", "updated": "bold red", "repeated": "red", "resolved": "bold green"}


class Screen:
    """Standard output during the demo; while entered it may have a line at its end that changes.

    Args:
        on_gone: Called when nobody reads the output any more.
    """

    def __init__(self, on_gone: Callable[[], None]) -> None:
        self.is_terminal: Final = sys.stdout.isatty()
        self._on_gone = on_gone
        self._console = console_for(sys.stdout)
        self._last_line: Status | None = None
        self._seen: Counter[str] = Counter()
        self._printing = threading.Lock()
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop_last_line()

    def show_progress(self, text: str) -> None:
        """Show what is going on in the last line of a terminal."""
        if not self.is_terminal:
            return
        line = Text(text, style="dim")
        line.truncate(self._console.width - _SPINNER_WIDTH, overflow="ellipsis")
        if self._last_line is None:
            self._last_line = Status(line, console=self._console)
            self._last_line.start()
        else:
            self._last_line.update(line)

    def show_introduction(self, address: str, airbyte_url: str, connections: int, speed: float) -> None:
        """Say what is going on and where to look."""
        many = "1 connection" if connections == 1 else f"{connections} connections"
        quick = f" An hour of its time takes {span(3600 / speed)} here." if speed > 1 else ""
        intro = f"A simulated Airbyte with {many} is at work, and the exporter watches it.{quick}"
        places = (
            ("Status page", f"{address}/"),
            ("Metrics", f"{address}/metrics"),
            ("Simulated API", f"{airbyte_url}/api/v1"),
        )
        ask = (f"export AIRBYTE_EXPORTER_AIRBYTE__URL={airbyte_url}", f"{typed_again()} jobs list")
        below = "Alerts go to a webhook and appear below as they arrive. Ctrl-C ends it."
        if self.is_terminal:
            self._console.print(_introduction(intro, places, ask, below), width=_WIDTH)
            return
        lines = [intro, *(f"  {name:<13}  {place}" for name, place in places), _ASK]
        lines += [*(f"  {command}" for command in ask), below]
        self._print(Text("\n".join(lines)))

    def show_message(self, message: Mapping[str, Any]) -> None:
        """Print a webhook as one line, on a terminal with its failure below."""
        kind = str(message.get("type", "")).removeprefix("alert.")
        data = message["data"]
        name = visible((data.get("connection") or {}).get("name") or data.get("instance") or "")
        line = Text()
        line.append(datetime.now().astimezone().strftime("%H:%M:%S"), style="dim")
        line.append(f"  {kind.upper():<8}", style=_STYLES.get(kind, ""))
        line.append(f"  {data.get('rule', '')}  ")
        line.append(name, style="bold")
        if kind == "resolved":
            line.append(f"  {_end(data)}")
        elif failure := _failure(data):
            line.append(f"\n{' ' * _INDENT}{failure}" if self.is_terminal else f"  {failure}")
        with self._printing:
            if self._is_over:
                return
            self._seen[kind] += 1
            try:
                self._print(line)
            except (OSError, SystemExit):  # rich makes the one of the other
                self._on_gone()

    def show_end(self) -> None:
        """Say good-bye; whatever arrives later is not shown any more."""
        self._drop_last_line()
        with self._printing:
            self._is_over = True
            fired, resolved = self._seen["firing"], self._seen["resolved"]
            many = "1 alert" if fired == 1 else f"{fired} alerts"
            self._print(Text(f"Stopped. {many} fired, {resolved} resolved. Nothing is left behind."))

    def _print(self, text: Text) -> None:
        if self.is_terminal:
            self._console.print(text, no_wrap=True, overflow="ellipsis")
        else:
            self._console.print(text, soft_wrap=True)

    def _drop_last_line(self) -> None:
        if self._last_line is not None:
            self._last_line.stop()
            self._last_line = None


def _introduction(
    intro: str, places: Sequence[tuple[str, str]], commands: Sequence[str], below: str
) -> Panel:
    grid = Table.grid(padding=(0, 2))
    for name, place in places:
        grid.add_row(Text(name, style="dim"), Text(place, style="bold cyan", overflow="fold"))
    ask = (Text(_ASK, style="dim"), *(Text(command, overflow="fold") for command in commands))
    body = Group(Text(intro), "", grid, "", *ask, "", Text(below))
    # No lines at the sides: they would be copied along with the commands.
    return Panel(body, title=f"{PROGRAM} demo", box=HORIZONTALS, border_style="cyan", padding=(1, 2))


def progress_line(status: Mapping[str, Any]) -> str:
    """Say in a line how far things are, from what ``/api/v1/status`` tells."""
    connections = status["connections"]
    live = sum(each["active_job"] is not None for each in connections)
    records = sum(each["counters"]["records_synced"] or 0 for each in connections)
    ended = Counter[str]()
    for each in status["completed"]:
        if each["job_type"] == "sync":
            ended[each["status"]] += each["jobs"]
    return (
        f"{len(connections)} connections, {live} at work; so far {ended.total()} syncs, "
        f"{ended['failed']} failed, {count(records).short} records"
    )


def _end(data: Mapping[str, Any]) -> str:
    lasted = datetime.fromisoformat(data["ends_at"]) - datetime.fromisoformat(data["starts_at"])
    return f"{data.get('reason') or 'over'} after {span(lasted.total_seconds())}"


def _failure(data: Mapping[str, Any]) -> str:
    failure = (data.get("job") or {}).get("failure") or {}
    said = f"{failure.get('origin', '')} {failure.get('type', '')}: {failure.get('message') or ''}"
    return visible(" ".join(said.split()).strip(": "))
