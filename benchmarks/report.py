"""What was measured, as a table for people and as JSON for comparisons."""

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from airbyte_exporter import __version__
from benchmarks.alerting import AlertingResult
from benchmarks.document import POLLING_ROWS
from benchmarks.goals import Verdict
from benchmarks.measuring import Plan
from benchmarks.polling import INTERVAL, SYNC_SECONDS, PollingResult
from benchmarks.results import Results
from benchmarks.rows import sections, verdicts
from benchmarks.wording import duration, factor, number, size

__all__ = [
    "WIDTH",
    "machine",
    "machine_line",
    "print_alerting",
    "print_goals",
    "print_polling",
    "print_report",
    "write_json",
]

WIDTH: Final = 80
_SIZES_IN_A_TABLE: Final = 2
_POLLING_SIZES_IN_A_TABLE: Final = 3
_NAME_WIDTH: Final = 32


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


def machine_line(facts: Mapping[str, Any]) -> str:
    """Return where figures come from, and how they are to be read, in a line for people."""
    return (
        f"Median (least … most). {facts['cpus']} CPUs, {facts['python']}, "
        f"prometheus_client {facts['prometheus_client']}, {str(facts['platform']).partition('-')[0]}, "
        f"load {facts['load_average']} at the start."
    )


def write_json(path: Path, results: Results, facts: Mapping[str, Any], plan: Plan, measured_at: str) -> None:
    """Write everything that was measured; times are in seconds, sizes in bytes."""
    document = {
        "measured_at": measured_at,
        "machine": facts,
        "plan": asdict(plan),
        "goals": [asdict(verdict) for verdict in verdicts(results)],
        "scrapes": [asdict(result) for result in results.comparisons],
        **asdict(results.updates),
        "sizes": [asdict(result) for result in results.process],
        "polling": [asdict(result) for result in results.polling],
        "alerts": [asdict(result) for result in results.alerting],
        "polls": [asdict(result) for result in results.polls],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def print_report(console: Console, results: Results, facts: Mapping[str, Any]) -> None:
    """Print one table for every few sizes, then where the figures come from."""
    remaining = results.sizes()
    while some := list(islice(remaining, _SIZES_IN_A_TABLE)):
        table = _empty_table("connections", [it.connections for it in some])
        for section in sections(results):
            lines = [
                (row.name, [shown.text if (shown := row.read(it)) is not None else "" for it in some])
                for row in section.rows
            ]
            if any(any(cells) for _, cells in lines):
                table.add_row(f"[bold]{section.title}[/bold]")
                for name, cells in lines:
                    table.add_row(f"  {name}", *cells)
        console.print(table)
    console.print(machine_line(facts), style="dim", highlight=False)


def print_goals(console: Console, goals: Sequence[Verdict]) -> None:
    """Print each goal with what was measured, and whether it is met."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("goal, by connections")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("limit", justify="right", no_wrap=True)
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for it in goals:
        verdict = "[green]met[/green]" if it.met else "[bold red]missed[/bold red]"
        table.add_row(it.name, number(it.connections), it.goal, factor(it.measured), verdict)
    console.print(table)


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


def print_alerting(console: Console, results: Sequence[AlertingResult]) -> None:
    """Print what it costs when all connections fail at once, by why."""
    for reason in dict.fromkeys(result.reason for result in results):
        of_reason = [result for result in results if result.reason == reason]
        table = _empty_table("all fail at once", [it.connections for it in of_reason])
        table.add_row(f"[bold]{reason}[/bold]")
        for name, cell in _ALERTING_ROWS:
            table.add_row(f"  {name}", *(cell(result) for result in of_reason))
        console.print(table)


_ALERTING_ROWS: Final[tuple[tuple[str, Callable[[AlertingResult], str]], ...]] = (
    ("notifications", lambda it: f"{it.notifications:,}"),
    ("evaluation that sees it", lambda it: duration(it.begin)),
    ("the next one", lambda it: duration(it.quiet)),
    ("  its database statements", lambda it: f"{it.statements:,}"),
    ("until all are delivered", lambda it: duration(it.deliver)),
    ("first one after a restart", lambda it: duration(it.restart)),
    ("one that sees all recover", lambda it: duration(it.end)),
    ("most memory", lambda it: size(it.peak_bytes)),
)


def _empty_table(title: str, sizes: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(title, no_wrap=True, max_width=_NAME_WIDTH)
    for connections in sizes:
        table.add_column(f"{connections:,}", justify="right", no_wrap=True)
    return table
