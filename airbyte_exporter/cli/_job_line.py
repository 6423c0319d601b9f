"""How a job is while somebody waits for it: a line that changes on a terminal, lines elsewhere."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self, TextIO

import click
from rich.cells import cell_len
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from airbyte_exporter.cli._pace import Pace, elapsed
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import WIDE, Cell, count, size, span, steady
from airbyte_exporter.cli._terminal import can_redraw, console_for
from airbyte_exporter.logs import visible
from airbyte_exporter.model import Job, JobStatus, Volumes

_TICK_SECONDS: Final = 1.0
_SIGN_OF_LIFE_SECONDS: Final = 60.0
_KEPT_FREE: Final = len("⠋ ") + len(" ^C")
"""Columns of the spinner, and of what terminals show of Ctrl-C: a line that wraps cannot be taken back."""
_SHORTEST_NAME: Final = 6
_SLOW: Final = 2
"""How many times as long as usual makes people look."""

_WAITING: Final = frozenset({JobStatus.PENDING, JobStatus.QUEUED})


def amounts(records: int | None, volume: int | None, what: str) -> str:
    """Say how much was moved; what is not known is left out."""
    told = [_records(count(records).text)] if records is not None else []
    told += [size(volume).text] if volume is not None else []
    return f"{', '.join(told)} {what}" if told else ""


def _records(number: str) -> str:
    return f"{number} record{'' if number == '1' else 's'}"


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is said of a job, each empty where it is not known; the first two are always said."""

    status: str
    time: Cell
    attempt: str = ""
    amounts: str = ""
    rate: str = ""

    def joined(self, *left_out: str) -> Text:
        facts = (
            (self.status, ""),
            *((getattr(self, name), "") for name in ("attempt", "amounts", "rate") if name not in left_out),
            (self.time.text, self.time.style),
        )
        return Text(", ").join(Text(text, style=style) for text, style in facts if text)


class JobLine:
    """How the job is: on a terminal one line that changes, elsewhere a line each time that something did.

    Elsewhere a minute in which nothing did has a line too.

    Args:
        common: The clocks, and what lets time pass.
        name: What the job's connection is called, empty where that is not known.
        stream: Where it is shown, by default standard output.
    """

    def __init__(self, common: Common, name: str, stream: TextIO | None = None) -> None:
        self.usual: float | None = None
        """How many seconds such a job takes as a rule, where that is known."""
        self.tells_pace = False
        """Whether this Airbyte tells how far a job at work is."""
        self._common = common
        self._name = name
        self._pace = Pace()
        self._stream = sys.stdout if stream is None else stream
        self._console = console_for(self._stream)
        self._spinner = Spinner("dots", style="green")
        self._live = (
            Live(self._spinner, console=self._console, transient=True) if can_redraw(self._stream) else None
        )
        self._job: Job | None = None
        self._problem: str | None = None
        self._told_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, job: Job) -> None:
        """Show how the job is now; when it is over that is for others to say."""
        now = self._common.monotonic()
        before, self._job = self._job, job
        changed = before is None or _phase(before) != _phase(job) or self._problem is not None
        self._problem = None
        self._pace.see(job, now)
        if job.status.is_final:
            return
        if self._live is not None:
            self._draw()
        elif changed or now - self._told_at >= _SIGN_OF_LIFE_SECONDS:
            self._told_at = now
            facts = self._facts(job, short=False).joined().plain
            line = f"{self._time()}  {', '.join(filter(None, (facts, visible(self._name))))}"
            click.echo(line, file=self._stream)

    def show_problem(self, problem: str) -> None:
        """Tell once that the job cannot be read, and why, however often that is tried."""
        told, self._problem = self._problem, problem
        if self._live is not None:
            self._draw()
        if told != problem:
            line = f"{self._time()}  {visible(problem)}; still trying"
            if self._live is None:
                click.echo(line, err=True)
            else:
                self._console.print(Text(line, style="yellow"))

    def pause(self, seconds: float) -> None:
        """Let the time pass, and on a terminal let people see it pass."""
        if self._live is None:
            self._common.pause(seconds)
            return
        while seconds > 0:
            tick = min(seconds, _TICK_SECONDS)
            self._common.pause(tick)
            seconds -= tick
            self._draw()

    def _draw(self) -> None:
        if self._live is not None and self._job is not None:
            # Not on entering: an interruption in the middle of it would leave the cursor hidden.
            self._live.start()
            self._spinner.update(text=self._fitting(self._job, self._console.width - _KEPT_FREE))
            self._live.refresh()

    def _fitting(self, job: Job, room: int) -> Text:
        """Say of the job what fits, the least important left out first; the name has what is left of it."""
        text = next((form for form in self._forms(job) if form.cell_len <= room), None)
        if text is None:
            text = self._facts(job, short=True).joined("attempt", "amounts", "rate")
        name = steady(self._name)
        if name and text.cell_len + len(", ") + min(cell_len(name), _SHORTEST_NAME) <= room:
            text.append(f", {name}")
        text.truncate(max(1, room), overflow="ellipsis")
        return text

    def _forms(self, job: Job) -> Iterator[Text]:
        if self._console.width >= WIDE:
            yield self._facts(job, short=False).joined()
        short = self._facts(job, short=True)
        yield short.joined()
        yield short.joined("rate")
        yield short.joined("rate", "amounts")

    def _facts(self, job: Job, *, short: bool) -> _Facts:
        status = f"job {job.id} {'was' if self._problem else 'is'} {job.status}"
        seconds = elapsed(job, self._common.clock())
        if job.status in _WAITING and not job.attempts:
            return _Facts(status, Cell(f"waited {span(seconds)}"))
        volumes = job.volumes or Volumes()
        moved = amounts(volumes.records_emitted, volumes.bytes_emitted, "emitted")
        if short and volumes.records_emitted is not None:
            moved = _records(count(volumes.records_emitted).short or "")
        return _Facts(
            status,
            _time_of(seconds, self.usual),
            attempt=f"attempt {len(job.attempts)}" if job.attempts else "",
            amounts=moved,
            rate=self._rate(job, short=short),
        )

    def _rate(self, job: Job, *, short: bool) -> str:
        rate = self._pace.rate(self._common.monotonic())
        if rate is None or not self.tells_pace or job.status is not JobStatus.RUNNING:
            return ""
        number = count(round(rate))
        told = "<1" if 0 < rate < 1 else number.short if short else number.text
        return f"{told}{'/s' if short else ' records/s'}"

    def _time(self) -> str:
        return datetime.fromtimestamp(self._common.clock(), UTC).astimezone().strftime("%H:%M:%S")


def _phase(job: Job) -> tuple[JobStatus, int]:
    return job.status, len(job.attempts or ())


def _time_of(seconds: float, usual: float | None) -> Cell:
    if usual is None:
        return Cell(span(seconds))
    if seconds <= usual:
        return Cell(f"{span(seconds)} of usually {span(usual)}")
    return Cell(f"{span(seconds)} (usually {span(usual)})", style="yellow" if seconds > _SLOW * usual else "")
