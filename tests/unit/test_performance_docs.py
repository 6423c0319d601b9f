"""The document about costs tells all that the benchmark measures, and how to measure it again."""

import re

import pytest

from benchmarks.__main__ import PARTS, SIZES, main
from benchmarks.document import PERFORMANCE, costs_table, written_table
from tests.benchmarks import METHODS, results_of

WRITTEN = PERFORMANCE.read_text(encoding="utf-8")


def rows_of(table: str) -> list[list[str]]:
    """Return the cells of a table, without rows for single API methods: which there are is measured."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    return [row for row in rows if not row[0].startswith("requests: ")]


def test_every_figure_is_in_the_table_with_its_goal() -> None:
    sizes = dict.fromkeys(SIZES["scrapes"], 1.0)
    expected, written = rows_of(costs_table(results_of(sizes), "")), rows_of(written_table(WRITTEN))
    assert written[0] == expected[0]
    assert [row[0] for row in written] == [row[0] for row in expected]
    assert [row[1].partition(":")[0] for row in written] == [row[1].partition(":")[0] for row in expected]


def test_every_goal_was_measured() -> None:
    goals = [row for row in rows_of(written_table(WRITTEN)) if row[1].startswith(("≥", "≤"))]
    assert len(goals) == 10
    assert all(re.search(r": (met|\*\*missed\*\*)$", row[1]) for row in goals)


def test_requests_are_those_of_the_methods_that_exist() -> None:
    listed = re.findall(r"^\| requests: (\S+) \|", written_table(WRITTEN), re.MULTILINE)
    assert METHODS[0] in listed


@pytest.mark.usefixtures("capsys")
def test_the_commands_that_it_shows_are_understood() -> None:
    shown = re.findall(r'make bench(?: ARGS="?([^"\n#]+?)"?)?\s*(?:#.*)?$', WRITTEN, re.MULTILINE)
    assert len(shown) >= 4
    for arguments in shown:
        with pytest.raises(SystemExit) as exit_:
            main([*arguments.split(), "--help"])
        assert exit_.value.code == 0
    assert {part for part in PARTS if any(f"--only {part}" in arguments for arguments in shown)} == set(PARTS)
