"""``check``: prints each step as it comes."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, TextIO

from rich.table import Table
from rich.text import Text

from airbyte_exporter.check import Outcome, Step, check
from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import PROGRAM, Common
from airbyte_exporter.cli._tables import print_json
from airbyte_exporter.cli._terminal import console_for, may_color
from airbyte_exporter.logs import configure_logging, visible

_MARKS: Final = {Outcome.OK: "✓", Outcome.WARNING: "!", Outcome.FAILED: "✗", Outcome.SKIPPED: "–"}  # noqa: RUF001
_PLAIN_MARKS: Final = {Outcome.OK: "+", Outcome.WARNING: "!", Outcome.FAILED: "x", Outcome.SKIPPED: "-"}
_ARROWS: Final = ("→", "->")
_STYLES: Final = {
    Outcome.OK: "green",
    Outcome.WARNING: "yellow",
    Outcome.FAILED: "bold red",
    Outcome.SKIPPED: "dim",
}
_NAME_WIDTH: Final = len("configuration")
_NARROWEST: Final = 40


def main(common: Common, *, output: str) -> int:
    """Check everything, print it, and return 1 if `run` could not do its job."""
    settings = settings_for(common)
    if common.log_level is None:
        # What the log would tell is told by the steps.
        configure_logging(
            settings.log.model_copy(update={"level": "error"}), sys.stderr, color=may_color(sys.stderr)
        )
    seen = Counter[Outcome]()
    records = []
    with open_client(common, settings) as client:
        steps = _watched(check(settings, client, now=common.clock()), settings.airbyte.host)
        paper = _Paper(sys.stdout)
        for step in steps:
            seen[step.outcome] += 1
            if output == "json":
                records.append(_record(step))
            else:
                paper.print(step)
    if output == "json":
        print_json(records)
    else:
        paper.print_verdict(seen)
    return 1 if seen[Outcome.FAILED] else 0


def _watched(steps: Iterator[Step], host: str) -> Iterator[Step]:
    """Show between the steps that something goes on."""
    while True:
        with progress(f"Checking, {visible(host)} may be slow …"):
            step = next(steps, None)
        if step is None:
            return
        yield step


def _record(step: Step) -> Mapping[str, str | None]:
    return {"step": step.name, "outcome": step.outcome.value, "seen": step.seen, "advice": step.advice}


class _Paper:
    """Where steps are printed: coloured and wrapped on a terminal, a line for each elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._console = console_for(stream)
        self._console.width = max(self._console.width, _NARROWEST)
        can_all = _can_write(stream, "".join((*_MARKS.values(), *_ARROWS)))
        self._marks = _MARKS if can_all else _PLAIN_MARKS
        self._arrow = _ARROWS[0 if can_all else 1]

    def print(self, step: Step) -> None:
        mark, seen = self._marks[step.outcome], visible(step.seen)
        advice = f"{self._arrow} {visible(step.advice)}" if step.advice else ""
        if not self._is_terminal:
            said = f"{seen} {advice}" if advice else seen
            self._stream.write(f"{mark} {step.name:<{_NAME_WIDTH}}  {said}\n")
            self._stream.flush()
            return
        style = _STYLES[step.outcome]
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_column(no_wrap=True)
        line.add_column(no_wrap=True, min_width=_NAME_WIDTH + 1)
        line.add_column(overflow="fold")
        is_skipped = step.outcome is Outcome.SKIPPED
        body = Text(seen, style="dim" if is_skipped else "", overflow="fold")
        line.add_row(Text(mark, style=style), Text(step.name, style="dim" if is_skipped else "bold"), body)
        if advice:
            line.add_row("", "", Text(advice, style="cyan", overflow="fold"))
        self._console.print(line)

    def print_verdict(self, seen: Mapping[Outcome, int]) -> None:
        failed = seen[Outcome.FAILED]
        if failed:
            outcome = Outcome.FAILED
            said = f"`{PROGRAM} run` could not do its job: {failed} of these failed."
        else:
            outcome = Outcome.WARNING if seen[Outcome.WARNING] else Outcome.OK
            what = "all of its job" if outcome is Outcome.OK else "its job"
            said = f"`{PROGRAM} run` can do {what}."
        if self._is_terminal:
            self._console.print()
            self._console.print(Text(said, style=_STYLES[outcome]))
        else:
            self._stream.write(f"\n{said}\n")


def _can_write(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeError, LookupError):
        return False
    return True
