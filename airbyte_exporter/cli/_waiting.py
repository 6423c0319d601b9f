"""``jobs wait``: look at a job until it is over."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Timer
from types import TracebackType
from typing import Final, Self

import click
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from airbyte_exporter.airbyte import (
    AirbyteClient,
    ApiError,
    ApiForbidden,
    ApiRejected,
    ApiStopped,
    ApiUnauthorized,
)
from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._jobs import connection_of, explained, no_job
from airbyte_exporter.cli._settings import positive_seconds, settings_for
from airbyte_exporter.cli._shared import EXIT_INTERRUPTED, PROGRAM, Common
from airbyte_exporter.cli._signals import every_signal_interrupts
from airbyte_exporter.cli._tables import count, size, span, steady
from airbyte_exporter.cli._terminal import can_redraw, console_for
from airbyte_exporter.durations import format_duration
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.logs import visible
from airbyte_exporter.model import Job, JobStatus, Volumes

_SHORTEST_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 2.0
"""How long the last look at a job, when the time is up, may take."""
_KEPT_FREE: Final = len("⠋ ") + len(" ^C")
"""Columns of the spinner, and of what terminals show of Ctrl-C: a line that wraps cannot be taken back."""

_HOPELESS: Final = (ApiUnauthorized, ApiForbidden, ApiRejected)
"""What waiting does not make better; anything else may be over in a moment."""


def main(common: Common, *, job_id: int, timeout: str | None, interval: str) -> int:
    """Wait until a job is over; succeed if it does."""
    settings = settings_for(common)
    seconds = positive_seconds("--interval", interval, shortest=_SHORTEST_SECONDS)
    longest = None if timeout is None else positive_seconds("--timeout", timeout)
    name = f"job {job_id}"
    try:
        with every_signal_interrupts(), open_client(common, settings) as client:
            with progress("Reading the job …"):
                job = client.job(job_id)
                if job is None:
                    raise no_job(job_id)
                name = _named(client, job)
            with _Line(common, name) as line, _hanging_no_longer_than(longest, client):
                job = _wait(common, client, line, job, seconds, longest)
    except KeyboardInterrupt:
        click.echo(f"{PROGRAM}: not waiting any longer; {name} goes on in Airbyte", err=True)
        return EXIT_INTERRUPTED
    if job.status is not JobStatus.SUCCEEDED:
        raise AirbyteExporterError(f"{name} {_outcome(job)}")
    click.echo(f"{name} {_outcome(job)}")
    return 0


def _named(client: AirbyteClient, job: Job) -> str:
    try:
        connection = connection_of(client, job)
    except ApiError:
        connection = None  # only its name: not worth ending the wait for
    return f"job {job.id} of {visible(connection.name)}" if connection else f"job {job.id}"


def _wait(
    common: Common, client: AirbyteClient, line: "_Line", job: Job, interval: float, longest: float | None
) -> Job:
    """Read `job` again each `interval` until it is over, and return it.

    Raises:
        AirbyteExporterError: It was not over after `longest` seconds, or cannot be read for good.
    """
    end = None if longest is None else common.monotonic() + longest
    line.show(job)
    while not job.status.is_final:
        left = interval if end is None else min(interval, end - common.monotonic())
        if left <= 0:
            after = format_duration(longest or 0)
            known = (
                f"was {job.status} when it could be read last" if line.problem else f"is still {job.status}"
            )
            raise AirbyteExporterError(
                f"timed out after {after}: {line.name} {known}, and goes on in Airbyte"
            )
        line.pause(left)
        try:
            found = client.job(job.id)
        except ApiError as error:
            if isinstance(error, _HOPELESS):
                raise
            if not isinstance(error, ApiStopped):
                line.show_problem(" ".join(str(error).split()))
            continue
        if found is None:
            raise AirbyteExporterError(f"{line.name} does not exist any more in Airbyte")
        job = found
        line.show(job)
    return job


@contextmanager
def _hanging_no_longer_than(longest: float | None, client: AirbyteClient) -> Iterator[None]:
    """End a request that still hangs when the time is up: by itself it may take three times its time-out."""
    if longest is None:
        yield
        return
    ending = Timer(longest + _GRACE_SECONDS, client.close)
    ending.daemon = True
    ending.start()
    try:
        yield
    finally:
        ending.cancel()


class _Line:
    """How the job is: on a terminal one line that changes, elsewhere a line each time that something did."""

    def __init__(self, common: Common, name: str) -> None:
        self.name = name
        self.problem: str | None = None
        """Why the job could not be read the last time, if it could not."""
        self._common = common
        self._console = console_for(sys.stdout)
        self._spinner = Spinner("dots", style="green")
        self._live = (
            Live(self._spinner, console=self._console, transient=True) if can_redraw(sys.stdout) else None
        )
        self._job: Job | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, job: Job) -> None:
        before, self._job = self._job, job
        changed = before is None or _phase(before) != _phase(job) or self.problem is not None
        self.problem = None
        if self._live is not None:
            self._draw()
        elif changed and not job.status.is_final:
            click.echo(f"{self._time()}  {self._text()}")

    def show_problem(self, problem: str) -> None:
        """Tell once that the job cannot be read, and why, however often that is tried."""
        told, self.problem = self.problem, problem
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
        if self._live is not None:
            text = Text(steady(self._text()))
            # Not on entering: an interruption in the middle of it would leave the cursor hidden.
            self._live.start()
            text.truncate(self._console.width - _KEPT_FREE, overflow="ellipsis")
            self._spinner.update(text=text)
            self._live.refresh()

    def _text(self) -> str:
        """Put the name last: it is what can be cut off."""
        if self._job is None:
            return self.name
        _, of, name = self.name.partition(" of ")
        facts = f"job {self._job.id} {_progress(self._job, self._common.clock())}"
        return f"{facts}{of and ', '}{name}"

    def _time(self) -> str:
        return datetime.fromtimestamp(self._common.clock(), UTC).astimezone().strftime("%H:%M:%S")


def _phase(job: Job) -> tuple[JobStatus, int]:
    return job.status, len(job.attempts or ())


def _progress(job: Job, now: float) -> str:
    volumes = job.volumes or Volumes()
    since = job.created_at if job.started_at is None else job.started_at
    parts = [
        f"is {job.status}",
        f"attempt {len(job.attempts)}" if job.attempts else "",
        _amounts(volumes.records_emitted, volumes.bytes_emitted, "emitted"),
        # Airbyte's clock and ours may differ.
        span(max(0.0, now - since)),
    ]
    return ", ".join(part for part in parts if part)


def _outcome(job: Job) -> str:
    """Say how a finished job went; what is not known is left out."""
    volumes = job.volumes or Volumes()
    after = f" after {span(job.duration)}" if job.duration is not None else ""
    if job.status is JobStatus.SUCCEEDED:
        told = _amounts(volumes.records_synced, volumes.bytes_synced, "committed")
    else:
        told = explained(job.failure)
    verb = "was cancelled" if job.status is JobStatus.CANCELLED else str(job.status)
    return visible(" ".join(f"{verb}{after}{': ' if told else ''}{told}".split()))


def _amounts(records: int | None, volume: int | None, what: str) -> str:
    told = [f"{count(records).text} records"] if records is not None else []
    told += [size(volume).text] if volume is not None else []
    return f"{', '.join(told)} {what}" if told else ""
