"""``python -m benchmarks``: measure, print a table, keep the figures as JSON."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from rich.console import Console

from airbyte_exporter.logs import LogConfig, configure_logging
from benchmarks.alerting import measure_alerting
from benchmarks.comparing import compare
from benchmarks.document import COMPATIBILITY, PERFORMANCE, costs_table, requests_table, update
from benchmarks.figures import Say
from benchmarks.measuring import Plan, measure
from benchmarks.polling import WAYS, PollingResult, measure_polling
from benchmarks.processes import BenchmarkError, leave_when_told
from benchmarks.report import (
    WIDTH,
    machine,
    machine_line,
    print_alerting,
    print_goals,
    print_polling,
    print_report,
    write_json,
)
from benchmarks.results import Results
from benchmarks.rows import verdicts
from benchmarks.updating import Updates, measure_updates

RESULTS: Final = Path(__file__).resolve().parent / "results"
DOCUMENTED: Final = (10, 100, 1000)
"""The sizes whose requests docs/compatibility.md tells."""

PARTS: Final = ("scrapes", "polling", "process", "alerts")
SIZES: Final[Mapping[str, tuple[int, ...]]] = {
    "scrapes": (100, 1000, 10_000),
    "polling": (100, 1000, 10_000),
    "process": (100, 1000),
    "alerts": (1000, 10_000),
}
"""What is measured of each part unless other sizes are asked for: what docs/performance.md tells."""

_LEAST: Final = 20
_LEAST_POLLING: Final = 10
_INTERRUPTED: Final = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every part and size that was asked for; return the exit code."""
    asked = _asked(arguments)
    leave_when_told()
    configure_logging(LogConfig(level="error"), sys.stderr)
    plan = Plan(seconds=asked.seconds, starts=asked.starts, history_days=asked.history_days, seed=asked.seed)
    measured_at = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    facts = machine()
    path = asked.json or RESULTS / f"{measured_at}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        results = _measure(asked, plan)
        write_json(path, results, facts, plan, measured_at)
        _print(results, facts)
        _write(asked, results, facts)
    except (BenchmarkError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return _INTERRUPTED
    print(f"All figures: {_short(path)}")
    return 0


def _measure(asked: argparse.Namespace, plan: Plan) -> Results:
    sizes = {part: asked.connections or SIZES[part] for part in PARTS if asked.only in {None, part}}
    polling: list[PollingResult] = []
    polls: list[PollingResult] = []
    if "polling" in sizes:
        polling = [it for size in asked.polling for it in measure_polling(size, _progress(size))]
        polls = [it for it in polling if it.way == WAYS[0].name and it.connections in sizes["polling"]]
        further = [size for size in sizes["polling"] if size not in asked.polling]
        polls += [it for size in further for it in measure_polling(size, _progress(size), WAYS[:1])]
    scrapes = sizes.get("scrapes", ())
    return Results(
        polling=tuple(polling),
        polls=tuple(polls),
        alerting=tuple(
            it for size in sizes.get("alerts", ()) for it in measure_alerting(size, _progress(size))
        ),
        process=tuple(measure(size, plan, _progress(size)) for size in sizes.get("process", ())),
        comparisons=tuple(compare(size, plan.seed, _progress(size)) for size in scrapes),
        updates=measure_updates(scrapes, plan.seed, _progress(*scrapes)) if scrapes else Updates(),
    )


def _print(results: Results, facts: Mapping[str, Any]) -> None:
    console = Console(width=WIDTH)
    if results.polling:
        print_polling(console, results.polling)
    if results.alerting:
        print_alerting(console, results.alerting)
    print_report(console, results, facts)
    if judged := verdicts(results):
        print_goals(console, judged)


def _write(asked: argparse.Namespace, results: Results, facts: Mapping[str, Any]) -> None:
    """Write what was asked for into the documents: requests are exact, so they are written without asking."""
    tables = {}
    if asked.polling == DOCUMENTED and results.polling:
        tables[COMPATIBILITY] = requests_table(results.polling)
    if asked.document:
        tables[PERFORMANCE] = costs_table(results, machine_line(facts))
    for path, table in tables.items():
        if update(path, table):
            print(f"Wrote a table into {_short(path)}")


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.document and (asked.only or asked.connections or asked.polling != DOCUMENTED):
        parser.error("argument --document: only a run of all parts and sizes goes into the document")
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="benchmarks",
        description="Measure what the exporter costs, in four parts. polling: the requests of a poll in "
        "each way of polling, counted and written into docs/compatibility.md. process: the daemon as it is, "
        "against simulated Airbytes: start, polls, memory. scrapes: its server against prometheus_client's "
        "with the same series, what changes cost, memory. alerts: evaluation and "
        "delivery when all connections fail at once. All of it takes about seven minutes. It fails only "
        "when something does not work, never because it is slow or misses a goal.",
        epilog="Other work on the machine spoils the figures; compare ratios, and runs on the same machine.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--connections",
        type=_sizes,
        metavar="N,N",
        help="with how many connections, each at least 20 (default: 100,1000,10000; the process 100,1000; "
        "alerts 1000,10000)",
    )
    add(
        "--polling",
        type=_polling_sizes,
        default=DOCUMENTED,
        metavar="N,N",
        help="for how many connections requests are counted in every way of polling, each at least 10; "
        "written into the document only with the default (default: 10,100,1000)",
    )
    add("--only", choices=PARTS, help="measure one part alone")
    add(
        "--seconds",
        type=_positive,
        default=12.0,
        metavar="N",
        help="how long the process is watched in its steady state (default: 12)",
    )
    add("--starts", type=_count, default=3, metavar="N", help="how often it is started (default: 3)")
    add(
        "--history-days",
        type=_positive,
        default=7.0,
        metavar="N",
        help="days of past jobs that it reads first, as the exporter does (default: 7)",
    )
    add("--seed", type=int, default=0, metavar="N", help="what Airbytes and facts follow from (default: 0)")
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="where the figures go (default: benchmarks/results/TIME.json)",
    )
    add(
        "--document",
        action="store_true",
        help="write the table into docs/performance.md too; only with all parts and sizes",
    )
    return parser


def _sizes(text: str, least: int = _LEAST) -> tuple[int, ...]:
    sizes = tuple(_count(part) for part in text.split(","))
    if min(sizes) < least:
        raise argparse.ArgumentTypeError(f"an Airbyte has at least {least} connections")
    return sizes


def _polling_sizes(text: str) -> tuple[int, ...]:
    return _sizes(text, _LEAST_POLLING)


def _count(text: str) -> int:
    if not text.strip().isascii() or not text.strip().isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not a whole number above 0: {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"not a number above 0: {text!r}")
    return number


def _progress(*sizes: int) -> Say:
    """Tell on a terminal what is being done; elsewhere nobody waits for it."""
    of = ", ".join(f"{size:,}" for size in sizes)

    def say(what: str) -> None:
        if sys.stderr.isatty():
            print(
                f"[{time.monotonic() - _BEGAN:4.0f} s] {of} connections: {what}", file=sys.stderr, flush=True
            )

    return say


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


_BEGAN: Final = time.monotonic()

if __name__ == "__main__":
    sys.exit(main())
