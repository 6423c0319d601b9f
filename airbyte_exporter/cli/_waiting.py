"""Wait for a job: ``jobs wait``, and what every command does that waits for the job that it started."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Final, TextIO

import click

from airbyte_exporter.airbyte import AirbyteClient, ApiError, ApiStopped, observations
from airbyte_exporter.cli._airbyte import open_client, progress
from airbyte_exporter.cli._job_line import JobLine, amounts
from airbyte_exporter.cli._jobs import connection_if_told, explained, job_record, no_job
from airbyte_exporter.cli._pace import took, usual_seconds
from airbyte_exporter.cli._settings import positive_seconds, settings_for
from airbyte_exporter.cli._shared import EXIT_INTERRUPTED, PROGRAM, Common
from airbyte_exporter.cli._signals import every_signal_interrupts
from airbyte_exporter.cli._tables import count, print_json, span
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.logs import mark_after, visible
from airbyte_exporter.model import Connection, Fact, Job, JobStatus, Volumes

SHORTEST_INTERVAL: Final = 1.0
_GRACE_SECONDS: Final = 2.0
"""How long the last look at a job, when the time is up, may take."""


def main(common: Common, *, job_id: int, timeout: str | None, interval: str, output: str = "table") -> int:
    """Wait until a job is over; succeed if it does."""
    settings = settings_for(common)
    seconds = positive_seconds("--interval", interval, shortest=SHORTEST_INTERVAL)
    longest = None if timeout is None else positive_seconds("--timeout", timeout)
    try:
        with every_signal_interrupts(), open_client(common, settings) as client:
            with progress("Reading the job …"):
                job = client.job(job_id)
                if job is None:
                    raise no_job(job_id)
                connection = connection_if_told(client, job)
            return wait_for(common, client, job, connection, timeout=longest, interval=seconds, output=output)
    except KeyboardInterrupt:
        return _interrupted(f"job {job_id}", job_id)


def wait_for(
    common: Common,
    client: AirbyteClient,
    job: Job,
    connection: Connection | None,
    *,
    timeout: float | None,
    interval: float,
    output: str = "table",
) -> int:
    """Show how a job goes until it is over, and say how it went; return the exit code.

    That is 0 when it succeeded. Ctrl-C and a request to stop end the wait and not the job: that is said, and
    the exit code is 130.

    Args:
        common: The clocks, and what lets time pass.
        client: Reads the job.
        job: The job as it was read, or started, just now.
        connection: The job's, where it is known.
        timeout: For how many seconds to wait at most; ``None`` is as long as it takes.
        interval: How many seconds lie between two looks.
        output: ``table``, or ``json``: then how it went is an object on standard output, whichever way, and
            how it goes stands on standard error.

    Raises:
        AirbyteExporterError: It did not succeed, is not over in time, is gone, or may not be read.
    """
    name = title(job, connection)
    try:
        with every_signal_interrupts():
            stream = sys.stdout if output == "table" else sys.stderr
            job, usual = watch_job(
                common, client, job, connection, timeout=timeout, interval=interval, stream=stream
            )
    except KeyboardInterrupt:
        return _interrupted(name, job.id)
    if output == "json":
        print_json(job_record(job, connection))
    if job.status is not JobStatus.SUCCEEDED:
        raise AirbyteExporterError(f"{name} {_failed(job, usual)}; see {PROGRAM} jobs show {job.id}")
    if output == "table":
        click.echo(f"{title(job, connection, marked=sys.stdout.isatty())} {_succeeded(job, usual)}")
    return 0


def watch_job(
    common: Common,
    client: AirbyteClient,
    job: Job,
    connection: Connection | None,
    *,
    timeout: float | None,
    interval: float,
    stream: TextIO | None = None,
) -> tuple[Job, float | None]:
    """Show how a job goes until it is over; return it, and how many seconds such a job usually takes.

    How it ended is not said. `wait_for` does that, takes the same, and handles Ctrl-C too. `stream` is where
    it is shown, by default standard output.

    Raises:
        AirbyteExporterError: It is not over in time, is gone, or may not be read.
    """
    name = connection.name if connection else ""
    with _hanging_no_longer_than(timeout, client), JobLine(common, name, stream) as line:
        looks = observations(
            client.job,
            job.id,
            monotonic=common.monotonic,
            pause=line.pause,
            timeout=timeout,
            interval=interval,
            known=job,
            name=title(job, connection),
        )
        with progress("Reading how long such jobs take …"):
            line.usual = usual_seconds(client, job)
            line.tells_pace = _tells_pace(client)
        for seen in looks:
            if isinstance(seen, Job):
                job = seen
                line.show(job)
            elif not isinstance(seen, ApiStopped):
                line.show_problem(" ".join(str(seen).split()))
    return job, line.usual


def title(job: Job, connection: Connection | None, *, marked: bool = True) -> str:
    """Return what a job is called in a sentence: ``job 4711 of orders``.

    `marked` lets what follows a name that runs from right to left stay to its right.
    """
    name = visible(connection.name) if connection else ""
    return f"job {job.id} of {name}{mark_after(name) if marked else ''}" if name.strip() else f"job {job.id}"


def _tells_pace(client: AirbyteClient) -> bool:
    try:
        return client.instance().tells(Fact.LIVE_VOLUMES)
    except ApiError:
        return False


def _interrupted(name: str, job_id: int) -> int:
    said = (
        f"not waiting any longer; {name} goes on in Airbyte: "
        f"{PROGRAM} jobs wait {job_id} waits for it again, {PROGRAM} jobs cancel {job_id} cancels it"
    )
    click.echo(f"{PROGRAM}: {said}", err=True)
    return EXIT_INTERRUPTED


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


def _after(job: Job, usual: float | None) -> str:
    seconds = took(job)
    if seconds is None:
        return ""
    return f" after {span(seconds)}{'' if usual is None else f' (usually {span(usual)})'}"


def _succeeded(job: Job, usual: float | None) -> str:
    """Say how a job went that succeeded, and plainly if nothing came of it; what is not known is left out."""
    volumes = job.volumes or Volumes()
    said = f"succeeded{_after(job, usual)}"
    if job.has_stats is False and job.type.moves_data:
        return f"{said}, but Airbyte has no numbers of it: it may have moved nothing"
    if volumes.records_synced == 0 and volumes.records_emitted:
        return f"{said}, but committed none of the {count(volumes.records_emitted).text} records that it read"
    told = amounts(volumes.records_synced, volumes.bytes_synced, "committed")
    return f"{said}: {told}" if told else said


def _failed(job: Job, usual: float | None) -> str:
    """Say how a job went that did not succeed, and why, where that is known."""
    verb = "was cancelled" if job.status is JobStatus.CANCELLED else str(job.status)
    told = " ".join(explained(job.failure).split()).rstrip(".")
    return visible(f"{verb}{_after(job, usual)}{': ' if told else ''}{told}{mark_after(told)}")
