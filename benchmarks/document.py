"""The tables that are written into documents: requests by way of polling, and what everything costs."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from benchmarks.polling import PollingResult
from benchmarks.processes import BenchmarkError
from benchmarks.results import Results
from benchmarks.rows import Row, judged, sections
from benchmarks.wording import number, spread

__all__ = [
    "COMPATIBILITY",
    "PERFORMANCE",
    "POLLING_ROWS",
    "costs_table",
    "requests_table",
    "update",
    "written_table",
]

_DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
COMPATIBILITY: Final = _DOCS / "compatibility.md"
PERFORMANCE: Final = _DOCS / "performance.md"

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


def costs_table(results: Results, machine: str) -> str:
    """Return what everything costs in Markdown, with a goal and whether it is met where there is one.

    `machine` tells below the table where it was measured.
    """
    sizes = list(results.sizes())
    lines = [
        f"| connections | goal | {' | '.join(number(it.connections) for it in sizes)} |",
        f"|---|---|{'---:|' * len(sizes)}",
    ]
    for section in sections(results):
        lines.append(f"| **{section.title}** |  {'|  ' * len(sizes)}|")
        for row in section.rows:
            cells = [shown.text if (shown := row.read(it)) is not None else "" for it in sizes]
            lines.append(f"| {row.name} | {_judged(row, results)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", machine]) + "\n"


def _judged(row: Row, results: Results) -> str:
    """Return the row's goal and whether it is met, or ``not measured`` where that is not known."""
    if row.goal is None:
        return ""
    values = [value for _, value in judged(row, row.goal, results)]
    if not values:
        return f"{row.goal}: not measured"
    return f"{row.goal}: {'met' if all(map(row.goal.is_met, values)) else '**missed**'}"


def written_table(text: str) -> str:
    """Return the table that a document holds.

    Raises:
        BenchmarkError: It has no place for one.
    """
    found = _PART.search(text)
    if found is None:
        raise BenchmarkError("the document has lost the marks between which the table stands")
    return found[0].strip("\n") + "\n"


def update(path: Path, table: str) -> bool:
    """Put `table` into the document at `path`; return whether that changes it.

    Raises:
        BenchmarkError: It has no place for one.
        OSError: It cannot be read or written.
    """
    text = path.read_text(encoding="utf-8")
    if written_table(text) == table:
        return False
    path.write_text(_PART.sub(lambda _: f"\n{table}\n", text), encoding="utf-8")
    return True
