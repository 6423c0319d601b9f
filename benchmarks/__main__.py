"""``python -m benchmarks``: measure, print a table, keep the figures as JSON."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from rich.console import Console

from airbyte_exporter.logs import LogConfig, configure_logging
from benchmarks.document import COMPATIBILITY, update
from benchmarks.measuring import Plan, Say, SizeResult, measure
from benchmarks.polling import PollingResult, measure_polling
from benchmarks.processes import BenchmarkError
from benchmarks.report import WIDTH, machine, print_polling, print_report, write_json

RESULTS: Final = Path(__file__).resolve().parent / "results"
DOCUMENTED: Final = (10, 100, 1000)
"""The sizes whose requests docs/compatibility.md tells."""

_LEAST: Final = 20
_LEAST_POLLING: Final = 10
_INTERRUPTED: Final = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every size that was asked for; return the exit code."""
    asked = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    configure_logging(LogConfig(level="warning"), sys.stderr)
    plan = Plan(seconds=asked.seconds, starts=asked.starts, history_days=asked.history_days, seed=asked.seed)
    measured_at = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    facts = machine()
    path = asked.json or RESULTS / f"{measured_at}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        polling = _polling(asked)
        results = _process(asked, plan)
    except (BenchmarkError, OSError) as error:
        return _fail(error)
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return _INTERRUPTED
    console = Console(width=WIDTH)
    if results:
        print_report(console, results, facts)
    if polling:
        print_polling(console, polling)
    try:
        write_json(path, results, polling, facts, plan, measured_at)
        if tuple(asked.polling) == DOCUMENTED and polling and update(COMPATIBILITY, polling):
            print(f"Wrote the requests into {_short(COMPATIBILITY)}")
    except (BenchmarkError, OSError) as error:
        return _fail(error)
    print(f"All figures: {_short(path)}")
    return 0


def _process(asked: argparse.Namespace, plan: Plan) -> list[SizeResult]:
    if asked.only == "polling":
        return []
    return [measure(size, plan, _progress(size)) for size in asked.connections]


def _polling(asked: argparse.Namespace) -> list[PollingResult]:
    if asked.only == "process":
        return []
    return [result for size in asked.polling for result in measure_polling(size, _progress(size))]


def _fail(error: Exception) -> int:
    print(f"benchmarks: {error}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="benchmarks",
        description="Measure the exporter as a process of its own against simulated Airbytes: start, scrape "
        "(against prometheus_client over the same series), poll, requests, memory; two sizes take less than "
        "two minutes. Before that, count the requests of a poll in each way of polling, and write them into "
        "docs/compatibility.md: less than one. It fails only when something does not work, never because it "
        "is slow.",
        epilog="Other work on the machine spoils the figures; compare ratios, and runs on the same machine.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--connections",
        type=_sizes,
        default=(100, 1000),
        metavar="N,N",
        help="how many connections the Airbytes have, each at least 20 (default: 100,1000)",
    )
    parser.add_argument(
        "--polling",
        type=_polling_sizes,
        default=DOCUMENTED,
        metavar="N,N",
        help="for how many connections the requests of polls are counted, each at least 10; written into the "
        "document only with the default (default: 10,100,1000)",
    )
    parser.add_argument(
        "--only", choices=("process", "polling"), help="measure the process, or count requests, alone"
    )
    parser.add_argument(
        "--seconds",
        type=_positive,
        default=12.0,
        metavar="N",
        help="how long each size is watched in its steady state (default: 12)",
    )
    parser.add_argument(
        "--starts", type=_count, default=3, metavar="N", help="how often it is started (default: 3)"
    )
    parser.add_argument(
        "--history-days",
        type=_positive,
        default=1.0,
        metavar="N",
        help="days of past jobs to be read first; the exporter's own default is 7 (default: 1)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="what the Airbytes follow from (default: 0)"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="where the figures go (default: benchmarks/results/TIME.json)",
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


def _progress(size: int) -> Say:
    def say(what: str) -> None:
        print(
            f"[{time.monotonic() - _BEGAN:4.0f} s] {size:,} connections: {what}", file=sys.stderr, flush=True
        )

    return say


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _leave(number: int, _frame: FrameType | None) -> None:
    # As an exception, so that every block that runs a process ends it.
    sys.exit(128 + number)


_BEGAN: Final = time.monotonic()

if __name__ == "__main__":
    sys.exit(main())
