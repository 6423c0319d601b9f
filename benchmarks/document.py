"""The table of requests in docs/compatibility.md, which is written by `make bench`."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from benchmarks.measuring import Spread
from benchmarks.polling import PollingResult
from benchmarks.processes import BenchmarkError

__all__ = ["COMPATIBILITY", "POLLING_ROWS", "number", "requests_table", "spread", "update", "written_table"]

COMPATIBILITY: Final = Path(__file__).resolve().parent.parent / "docs" / "compatibility.md"

_BEGIN: Final = "<!-- Written by `make bench`. Do not edit. -->\n"
_END: Final = "<!-- End of what `make bench` writes. -->"
_PART: Final = re.compile(f"(?<={re.escape(_BEGIN)}).*?(?={re.escape(_END)})", re.DOTALL)

POLLING_ROWS: Final[Sequence[tuple[str, Callable[[PollingResult], str]]]] = (
    ("first poll", lambda result: number(result.first_total)),
    ("of it lists of jobs", lambda result: number(result.first_for_jobs)),
    ("quiet poll", lambda result: spread(result.quiet)),
    ("usual poll", lambda result: spread(result.usual)),
    ("inventory, every 5 minutes", lambda result: spread(result.inventory)),
    ("a sync by hand is seen within", lambda result: f"{number(result.manual_seen.maximum)} s"),
)
"""What is told of each way of polling: its name, and the cell for one size."""


def number(value: float) -> str:
    """Return a number of requests as people write it."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def spread(values: Spread) -> str:
    """Return the median, with the least and the most where they differ."""
    if values.minimum == values.maximum:
        return number(values.median)
    return f"{number(values.median)} ({number(values.minimum)} … {number(values.maximum)})"


def requests_table(results: Sequence[PollingResult]) -> str:
    """Return the table in Markdown; `results` come size by size, the ways in the same order each time."""
    sizes = [connections for connections, _ in groupby(results, key=lambda result: result.connections)]
    ways = dict.fromkeys(result.way for result in results)
    lines = [
        f"| hourly connections | {' | '.join(number(size) for size in sizes)} |",
        f"|---|{'---:|' * len(sizes)}",
    ]
    for way in ways:
        of_way = [result for result in results if result.way == way]
        polling = of_way[0].polling
        lines.append(f"| **`{polling}`{way.removeprefix(polling)}** {'|  ' * len(sizes)}|")
        lines += [
            f"| {name} | {' | '.join(cell(result) for result in of_way)} |" for name, cell in POLLING_ROWS
        ]
    return "\n".join(lines) + "\n"


def written_table(text: str) -> str:
    """Return the table that a document holds.

    Raises:
        BenchmarkError: It has no place for one.
    """
    found = _PART.search(text)
    if found is None:
        raise BenchmarkError(f"{COMPATIBILITY.name} has lost the marks between which the table stands")
    return found[0].strip("\n") + "\n"


def update(path: Path, results: Sequence[PollingResult]) -> bool:
    """Put the table into the document at `path`; return whether that changes it.

    Raises:
        BenchmarkError: It has no place for one.
        OSError: It cannot be read or written.
    """
    text = path.read_text(encoding="utf-8")
    table = requests_table(results)
    if written_table(text) == table:
        return False
    path.write_text(_PART.sub(lambda _: f"\n{table}\n", text), encoding="utf-8")
    return True
