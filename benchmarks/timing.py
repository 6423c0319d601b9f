"""What the timings of dashboards and of rules have in common: their command lines, servers and documents."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from airbyte_exporter.logs import LogConfig, configure_logging
from benchmarks.document import update
from benchmarks.processes import BenchmarkError, leave_when_told

__all__ = ["LIMIT_SECONDS", "ROOT", "parser_of", "run", "say"]

ROOT: Final = Path(__file__).resolve().parent.parent
NEWER: Final = ROOT / ".cache" / "prometheus-newer" / "usr" / "bin" / "prometheus"
LIMIT_SECONDS: Final = 2.0
"""What nothing that is timed is to take."""

_CONNECTIONS: Final = 10_000


def parser_of(module: str, description: str | None, document: Path) -> argparse.ArgumentParser:
    """Return the options that every timing has."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--connections", type=int, default=_CONNECTIONS, metavar="N")
    where = document.relative_to(ROOT)
    parser.add_argument("--document", action="store_true", help=f"write the table into {where}")
    return parser


def run(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    measure: Callable[[argparse.Namespace, Mapping[str, str]], str],
    document: Path,
) -> int:
    """Measure, print the table, and write it into `document` if that is asked for; return the exit code.

    `measure` is given the options and Prometheus servers by what they are called, and returns the table.
    """
    asked = parser.parse_args(arguments)
    leave_when_told()
    configure_logging(LogConfig(level="error"), sys.stderr)
    programs = {"2.42": "prometheus"} | ({"3": str(NEWER)} if NEWER.exists() else {})
    try:
        table = measure(asked, programs)
    except (BenchmarkError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(table)
    if asked.document:
        update(document, table)
    return 0


def say(what: str) -> None:
    """Tell whoever watches what is being done."""
    if sys.stderr.isatty():
        print(what, file=sys.stderr, flush=True)
