"""``python -m benchmarks.dashboards``: how long a real Prometheus takes for each query of each dashboard.

It holds a company's facts as the exporter tells them, and a day of what queries read over time: a sample
every thirty seconds. That past is written into its files, so that nobody has to wait for it.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airbyte_exporter.exposition import Exposition
from benchmarks.facts import Company
from benchmarks.figures import Say
from benchmarks.grafana import NAMES, Asked, load, queries
from benchmarks.history import BLOCK_SECONDS, PastPrometheus, labelled, prometheus
from benchmarks.history import load as load_history
from benchmarks.report import machine
from benchmarks.serving import some_telemetry
from benchmarks.timing import LIMIT_SECONDS, ROOT, parser_of, run, say
from benchmarks.wording import duration, number

__all__ = ["DOCUMENT", "LIMIT_SECONDS", "Timed", "measure_dashboards", "times_table"]

DOCUMENT: Final = ROOT / "docs" / "dashboards.md"
END: Final = 1_790_000_000 // BLOCK_SECONDS * BLOCK_SECONDS
SCRAPE_SECONDS: Final = 30
_ROUNDS: Final = 3
_MUCH_SECONDS: Final = 0.2
"""From which on the system's count of processor time, in hundredths, is exact enough."""

_PREFIX: Final = "airbyte_connection_"
_OVER_TIME: Final = (f"{_PREFIX}records_synced_total", f"{_PREFIX}bytes_synced_total")
"""What of each connection is read over the whole time range."""

_AT_THE_BEGINNING: Final = f"{_PREFIX}failures_total"
"""What of each connection is read at the beginning of the time range too."""

_NEWEST_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Timed:
    """The least seconds that a query took, by the version of Prometheus, and how many series it found."""

    asked: Asked
    seconds: Mapping[str, float]
    series: int


def measure_dashboards(connections: int, *, hours: int, programs: Mapping[str, str], say: Say) -> list[Timed]:
    """Time every query of every dashboard, all connections chosen and a time range of so many hours.

    Args:
        connections: how many there are.
        hours: how long the past is; an even number.
        programs: Prometheus servers by what they are called.
        say: told what is being done.

    Raises:
        BenchmarkError: Prometheus or promtool is missing, or a query fails.
    """
    company = Company(connections, now=END)
    exposition = Exposition(some_telemetry())
    exposition.publish(company.snapshot)
    page = list(_with_recorded(exposition.scrape(openmetrics=False, gzip=False).decode()))
    one = next(iter(company.snapshot.connections))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = work / "data"
        for begin in range(END - hours * 3600 - BLOCK_SECONDS, END, BLOCK_SECONDS):
            say(f"the past, {(END - begin) // 3600} hours ago")
            load_history(_block(page, one, begin, hours), work, data)
        asked = [
            it
            for name in NAMES
            for it in queries(
                name,
                {"connection": one} if name == "connection" else {"group": "workspace_name"},
                seconds=hours * 3600,
                scrape=SCRAPE_SECONDS,
            )
        ]
        took: list[dict[str, float]] = [{} for _ in asked]
        series = [0] * len(asked)
        for version, program in programs.items():
            with prometheus(data, END, program=program) as server:
                for place, query in enumerate(asked):
                    say(f"Prometheus {version}: {query.name}")
                    took[place][version], series[place] = _timed(server, query, hours * 3600)
    return [Timed(*each) for each in zip(asked, took, series, strict=True)]


def _with_recorded(page: str) -> Iterator[tuple[str, str, str]]:
    """Yield every sample of a page, and of each workspace what the rules have recorded."""
    for name, series, value in labelled(page):
        yield name, series, value
        if name == "airbyte_workspace_info":
            for state in ("failing", "late", "healthy", "disabled"):
                recorded = f"workspace:airbyte_connections:{state}"
                yield recorded, series.replace(name, recorded, 1), "1"


def _block(page: Sequence[tuple[str, str, str]], one: str, begin: int, hours: int) -> Iterator[str]:
    """Write what is known of two hours: series by series, as promtool likes it best."""
    end = begin + BLOCK_SECONDS
    times = range(begin, end, SCRAPE_SECONDS)  # nothing of the next block: each is read on its own
    newest = [at for at in times if at > END - _NEWEST_SECONDS]
    earliest = [at for at in times if at < END - hours * 3600]
    for place, (name, series, value) in enumerate(page):
        is_one = f'connection_id="{one}"' in series
        if not name.startswith(_PREFIX) or is_one or name in _OVER_TIME or "_active_job_" in name:
            told: Sequence[int] = times
        elif name == _AT_THE_BEGINNING:
            told = earliest[-120:] + newest
        else:
            told = newest
        if name.endswith(("_total", "_bucket", "_count", "_sum")):
            # An hourly sync, at another minute for each connection; it ends with the page's own value.
            last, each = float(value), max(1.0, float(value) / 170)
            shift = place * 37 % 3600
            for at in told:
                left = (END - at + shift) // 3600
                yield f"{series} {max(0.0, last - left * each):.0f} {at}\n"
        else:
            for at in told:
                yield f"{series} {value} {at}\n"


def _timed(server: PastPrometheus, asked: Asked, seconds: int) -> tuple[float, int]:
    """Return the least seconds of a few rounds, or of processor time: other work is not ours."""
    took, series = [], 0
    for _ in range(_ROUNDS):
        began, worked = time.perf_counter(), server.cpu_seconds()
        found = (
            server.instant(asked.expression)
            if asked.instant
            else server.range(asked.expression, seconds, asked.step)
        )
        elapsed, done = time.perf_counter() - began, server.cpu_seconds()
        if elapsed > _MUCH_SECONDS and worked is not None and done is not None:
            elapsed = min(elapsed, done - worked)
        took.append(elapsed)
        series = len(found)
    return min(took), series


def times_table(timed: Sequence[Timed], connections: int, machine_line: str) -> str:
    """Return the times in Markdown: a row for each panel, its slowest query."""
    versions = list(timed[0].seconds)
    heads = " | ".join(f"Prometheus {it}" for it in versions)
    lines = [
        f"| {number(connections)} connections | {heads} | series |",
        f"|---|{'---:|' * (len(versions) + 1)}",
    ]
    for name, of_dashboard in itertools.groupby(timed, key=lambda it: it.asked.dashboard):
        lines.append(f"| **{load(name)['title']}** |{'  |' * (len(versions) + 1)}")
        for panel, group in itertools.groupby(of_dashboard, key=lambda it: it.asked.panel):
            rows = list(group)
            worst = [duration(max(it.seconds[version] for it in rows)) for version in versions]
            series = max(it.series for it in rows)
            title = panel.replace("${group:text}", "workspace")
            lines.append(f"| {title} | {' | '.join(worst)} | {number(series)} |")
    return "\n".join([*lines, "", machine_line]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it into the document; return the exit code."""

    def measure(asked: argparse.Namespace, programs: Mapping[str, str]) -> str:
        timed = measure_dashboards(asked.connections, hours=asked.hours, programs=programs, say=say)
        line = (
            f"The slowest query of each panel, the least of {_ROUNDS} times; a time range of {asked.hours} "
            f"hours with a sample every {SCRAPE_SECONDS} s. {machine()['cpus']} CPUs; where other work was "
            "in the way, processor time."
        )
        return times_table(timed, asked.connections, line)

    parser = parser_of("benchmarks.dashboards", __doc__, DOCUMENT)
    parser.add_argument("--hours", type=int, default=12, metavar="N", help="the past, an even number")
    return run(parser, arguments, measure, DOCUMENT)


if __name__ == "__main__":
    sys.exit(main())
