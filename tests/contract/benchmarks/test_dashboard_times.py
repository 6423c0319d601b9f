"""The times of the dashboards' queries: measured on real servers, small, and told in the guide."""

import re

import pytest

from benchmarks.dashboards import DOCUMENT, LIMIT_SECONDS, main, measure_dashboards, times_table
from benchmarks.document import written_table
from tests.dashboards import NAMES, load, panels
from tests.requirements import require_program

TITLES = [
    panel["title"].replace("${group:text}", "workspace") for name in NAMES for panel in panels(load(name))
]


def test_every_query_is_timed_on_a_company_of_hundreds() -> None:
    programs = {"2.42": require_program("prometheus")}
    require_program("promtool")
    told: list[str] = []
    timed = measure_dashboards(200, hours=2, programs=programs, say=told.append)
    assert told
    assert list(dict.fromkeys(it.asked.panel for it in timed)) == list(
        dict.fromkeys(panel["title"] for name in NAMES for panel in panels(load(name)))
    )
    slow = {it.asked.name: it.seconds for it in timed if max(it.seconds.values()) > LIMIT_SECONDS}
    assert not slow
    of_overview = [it for it in timed if it.asked.dashboard == "overview"]
    silent = {it.asked.panel for it in of_overview if not it.series}
    assert not silent, "the company has something to tell of everything"
    assert max(it.series for it in timed) == 100, "no query answers with a series for each connection"
    assert [row.split(" | ")[0] for row in rows(times_table(timed, 200, ""))] == [f"| {it}" for it in TITLES]


def rows(table: str) -> list[str]:
    """Return the rows of single panels."""
    return [line for line in table.splitlines()[2:] if line.startswith("| ") and "**" not in line]


def test_the_guide_tells_the_time_of_every_panel_and_each_is_short() -> None:
    written = rows(written_table(DOCUMENT.read_text(encoding="utf-8")))
    assert [row.split(" | ")[0] for row in written] == [f"| {it}" for it in TITLES]
    for row in written:
        for amount, unit in re.findall(r"([\d.]+) (ms|s) \|", row):
            assert float(amount) / (1000 if unit == "ms" else 1) < LIMIT_SECONDS, row


@pytest.mark.usefixtures("capsys")
def test_a_machine_without_prometheus_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["--connections", "20", "--hours", "2"]) == 1
