"""In every way of polling, a poll costs the documented requests, and a sync by hand is seen in time."""

import pytest

from airbyte_exporter.airbyte import Polling
from benchmarks.__main__ import DOCUMENTED
from benchmarks.document import COMPATIBILITY, requests_table, written_table
from benchmarks.polling import WAYS, PollingResult, measure_polling

SIZE = DOCUMENTED[1]


@pytest.fixture(scope="module")
def results() -> list[PollingResult]:
    """One size, in every way of polling."""
    return measure_polling(SIZE, lambda _: None)


def test_the_documented_requests_are_those_that_arrive(results: list[PollingResult]) -> None:
    place = 1 + DOCUMENTED.index(SIZE)
    documented = written_table(COMPATIBILITY.read_text(encoding="utf-8"))
    assert _column(requests_table(results), 1) == _column(documented, place), (
        "run make bench, and look whether polls have not become dearer than they should be"
    )


def test_a_poll_costs_what_changes_or_a_twentieth_of_all_connections(results: list[PollingResult]) -> None:
    for way, result in zip(WAYS, results, strict=True):
        quiet = SIZE / 20 if way.polling is Polling.CONNECTIONS else 2 if way.api == "public" else 1
        assert result.quiet.median == quiet, way
        assert result.usual.maximum < (4 if way.api == "public" else 3) * quiet + 1, way


def test_a_sync_by_hand_is_seen_within_ten_minutes(results: list[PollingResult]) -> None:
    for result in results:
        assert result.manual_seen.number >= 20
        assert result.manual_seen.maximum <= (600 if result.polling == "connections" else 30)


def _column(table: str, place: int) -> list[tuple[str, str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [(row[0], row[place]) for row in rows[2:]]
