"""What was measured, as a table for people and as JSON for comparisons."""

import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from airbyte_exporter import __version__
from benchmarks.document import POLLING_ROWS
from benchmarks.measuring import BUSY_SHARE, Plan, Polls, SizeResult, Spread
from benchmarks.polling import INTERVAL, SYNC_SECONDS, PollingResult

__all__ = ["machine", "print_polling", "print_report", "write_json"]

WIDTH: Final = 80
_SIZES_IN_A_TABLE: Final = 2
_POLLING_SIZES_IN_A_TABLE: Final = 3
_NAME_WIDTH: Final = 32

Row = tuple[str, Callable[[SizeResult], str]]


def machine() -> dict[str, Any]:
    """Return what the figures depend on beside the code."""
    cpus = os.cpu_count()
    return {
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cpus,
        "load_average": round(os.getloadavg()[0], 2),
        "platform": platform.platform(terse=True),
        "architecture": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "airbyte_exporter": __version__,
        "prometheus_client": version("prometheus_client"),
    }


def write_json(
    path: Path,
    results: Sequence[SizeResult],
    polling: Sequence[PollingResult],
    facts: Mapping[str, Any],
    plan: Plan,
    measured_at: str,
) -> None:
    """Write everything that was measured; times are in seconds, sizes in bytes."""
    document = {
        "measured_at": measured_at,
        "machine": facts,
        "plan": asdict(plan),
        "sizes": [asdict(result) for result in results],
        "polling": [asdict(result) for result in polling],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def print_report(console: Console, results: Sequence[SizeResult], facts: Mapping[str, Any]) -> None:
    """Print one table for every few sizes, then where the figures come from."""
    remaining = iter(results)
    while some := list(islice(remaining, _SIZES_IN_A_TABLE)):
        console.print(_table(some))
    console.print(
        f"Median (least … most). {facts['cpus']} CPUs, {facts['python']}, {facts['platform']}, "
        f"load {facts['load_average']} at the start.",
        style="dim",
        highlight=False,
    )


def print_polling(console: Console, results: Sequence[PollingResult]) -> None:
    """Print one table for every few sizes: the requests of a poll, in each way of polling."""
    remaining = iter(dict.fromkeys(result.connections for result in results))
    while sizes := list(islice(remaining, _POLLING_SIZES_IN_A_TABLE)):
        table = _empty_table("requests, hourly connections", sizes)
        for way in dict.fromkeys(result.way for result in results):
            of_way = [result for result in results if result.way == way and result.connections in sizes]
            table.add_row(f"[bold]{way}[/bold]")
            for name, cell in POLLING_ROWS:
                table.add_row(f"  {name}", *(cell(result) for result in of_way))
        console.print(table)
    console.print(
        f"Median (least … most), counted by a clock moved by hand: a poll every {INTERVAL} s, "
        f"syncs of about {SYNC_SECONDS // 60} minutes.",
        style="dim",
        highlight=False,
    )


def _empty_table(title: str, sizes: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(title, no_wrap=True, max_width=_NAME_WIDTH)
    for size in sizes:
        table.add_column(f"{size:,}", justify="right", no_wrap=True)
    return table


def _table(results: Sequence[SizeResult]) -> Table:
    table = _empty_table("connections", [result.connections for result in results])
    for title, rows in _sections(results):
        table.add_row(f"[bold]{title}[/bold]")
        for name, cell in rows:
            table.add_row(f"  {name}", *(cell(result) for result in results))
    return table


def _time(seconds: float) -> str:
    scale, unit, digits = _unit(seconds)
    return f"{seconds * scale:.{digits}f} {unit}"


def _times(spread: Spread) -> str:
    scale, _, digits = _unit(spread.median)
    least, most = (f"{value * scale:.{digits}f}" for value in (spread.minimum, spread.maximum))
    return f"{_time(spread.median)} [dim]({least} … {most})[/dim]"


def _unit(seconds: float) -> tuple[float, str, int]:
    """Return what to multiply with, the unit, and how many digits to show after the point."""
    if seconds >= 1:
        return 1, "s", 0 if seconds >= 100 else 2
    return 1000, "ms", 0 if seconds >= 0.1 else 1


def _ratio(spread: Spread) -> str:
    digits = 0 if spread.median >= 10 else 1
    ratio, least, most = (f"{value:,.{digits}f}" for value in (spread.median, spread.minimum, spread.maximum))
    return f"[bold]{ratio}x[/bold] [dim]({least} … {most})[/dim]"


def _size(number: int | None) -> str:
    if number is None:
        return "not known"
    mebibytes = number / 1024**2
    return f"{mebibytes:.{0 if mebibytes >= 10 else 2}f} MiB"


def _sections(results: Sequence[SizeResult]) -> Iterator[tuple[str, list[Row]]]:
    yield (
        "Start, from the process",
        [
            ("listens", lambda r: _times(r.start.listens)),
            ("is ready", lambda r: _times(r.start.ready)),
            ("first complete page", lambda r: _times(r.start.first_page)),
            ("of it the first poll", lambda r: _times(r.start.first_poll)),
            ("of that the inventory", lambda r: _times(r.start.inventory)),
            ("requests for the inventory", lambda r: str(r.start.inventory_requests)),
        ],
    )
    yield (
        "Restart, with its state",
        [
            ("complete page", lambda r: _times(r.restart.first_page)),
            ("is ready", lambda r: _times(r.restart.ready)),
            ("stops within", lambda r: _times(r.restart.stop)),
        ],
    )
    yield (
        "Page",
        [
            ("series", lambda r: f"{r.series:,}"),
            ("plain", lambda r: _size(r.page_bytes)),
            ("gzip", lambda r: _size(r.page_gzip_bytes)),
        ],
    )
    yield (
        "Scrape, over HTTP",
        [
            ("plain", lambda r: _times(r.scrapes.plain)),
            ("plain, 99th percentile", lambda r: _time(r.scrapes.plain.p99)),
            ("prometheus_client, no HTTP", lambda r: _times(r.scrapes.reference_plain)),
            ("prometheus_client / ours", lambda r: _ratio(r.scrapes.ratio_plain)),
            ("gzip", lambda r: _times(r.scrapes.compressed)),
            ("gzip, 99th percentile", lambda r: _time(r.scrapes.compressed.p99)),
            ("prometheus_client, no HTTP", lambda r: _times(r.scrapes.reference_compressed)),
            ("prometheus_client / ours", lambda r: _ratio(r.scrapes.ratio_compressed)),
            ("plain, while reading history", lambda r: _times(r.scrapes.while_reading_history)),
        ],
    )
    yield from _polls_and_memory(results)


def _polls_and_memory(results: Sequence[SizeResult]) -> Iterator[tuple[str, list[Row]]]:
    yield (
        "Poll of jobs, quiet",
        [
            ("takes", lambda r: _times(r.polls.quiet)),
            ("of it waiting for Airbyte", lambda r: _time(r.polls.quiet_waiting)),
            *_requests(results, lambda polls: polls.quiet_requests),
            ("live jobs", lambda r: f"{r.live_jobs:,}"),
            (
                "CPU, all loops included",
                lambda r: "not known" if r.polls.quiet_cpu is None else _time(r.polls.quiet_cpu),
            ),
        ],
    )
    yield (
        f"Poll of jobs, {BUSY_SHARE:.0%} just synced",
        [
            ("takes", lambda r: _times(r.polls.busy)),
            ("of it waiting for Airbyte", lambda r: _time(r.polls.busy_waiting)),
            *_requests(results, lambda polls: polls.busy_requests),
        ],
    )
    yield (
        "Memory and state",
        [
            ("resident", lambda r: _size(r.resident_bytes)),
            ("resident, at most", lambda r: _size(r.peak_bytes)),
            ("state on disk", lambda r: _size(r.state_bytes)),
        ],
    )


def _requests(results: Sequence[SizeResult], of: Callable[[Polls], Mapping[str, float]]) -> list[Row]:
    methods = sorted({method for result in results for method in of(result.polls)})

    def row(method: str) -> Row:
        return f"requests: {method}", lambda r: f"{of(r.polls).get(method, 0):.1f}"

    return [row(method) for method in methods]
