"""The benchmark's own promises: errors of one line, reports of 80 columns, documents left whole."""

import dataclasses
import inspect
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from airbyte_exporter.exposition import FAMILIES
from airbyte_exporter.telemetry import OWN_FAMILIES, Telemetry
from benchmarks import measuring
from benchmarks.__main__ import main
from benchmarks.document import COMPATIBILITY, costs_table, requests_table, update, written_table
from benchmarks.goals import JUDGED
from benchmarks.measuring import Plan
from benchmarks.polling import WAYS, PollingResult
from benchmarks.processes import BenchmarkError
from benchmarks.report import WIDTH, print_goals, print_polling, print_report, write_json
from benchmarks.results import Results
from benchmarks.rows import sections, verdicts
from benchmarks.scraping import Page
from tests.benchmarks import filled, results_of

MACHINE = {
    "cpus": 2,
    "python": "CPython 3.11.7",
    "platform": "Linux-6.1-x86_64",
    "prometheus_client": "0.26.0",
    "load_average": 0.1,
}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nope"],
        ["surplus"],
        ["--connections", "5"],
        ["--connections", "100,"],
        ["--polling", "9"],
        ["--only", "everything"],
        ["--seconds", "-1"],
        ["--document", "--only", "scrapes"],
        ["--document", "--connections", "100,1000"],
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("benchmarks: ")
    assert told.count("\n") == 1


def test_every_metric_that_is_measured_exists() -> None:
    exposed = {family.info.name for family in FAMILIES} | {info.name for info in OWN_FAMILIES}
    named = [value for _, value in inspect.getmembers(measuring) if str(value).startswith("airbyte_")]
    assert len(named) >= 6
    assert {name.removesuffix("_sum") for name in named} <= exposed


def test_a_page_is_read_by_name_and_labels() -> None:
    telemetry = Telemetry("1.0")
    telemetry.poll_succeeded("jobs", 0.5, 1000.0)
    telemetry.poll_succeeded("jobs", 0.25, 1000.0)
    telemetry.api_request("jobs/list", "200", 0.1)
    telemetry.api_request("jobs/list", "503", 0.1)
    page = Page(telemetry.render(openmetrics=False), 0.0)
    assert page.value("airbyte_exporter_polls_total", loop="jobs") == 2
    assert page.value("airbyte_exporter_poll_duration_seconds_sum", loop="jobs") == 0.75
    assert page.by("method", "airbyte_exporter_api_requests_total") == {"jobs/list": 2}
    assert page.value("airbyte_exporter_no_such_thing") == 0


def test_the_report_fits_into_80_columns_however_slow_and_large_it_gets() -> None:
    results = results_of({100: 2345.678, 1000: 0.0987654, JUDGED: 123456.5})
    lines = _printed(lambda console: print_report(console, results, MACHINE))
    assert max(map(len, lines)) <= WIDTH == 80
    assert [line for line in lines if line in {section.title for section in sections(results)}] == [
        section.title for section in sections(results)
    ] * 2
    assert not any(line.endswith("…") for line in lines)


def test_a_part_alone_is_reported_without_the_others() -> None:
    whole = results_of({100: 1.0})
    lines = _printed(lambda console: print_report(console, Results(polls=whole.polls), MACHINE))
    assert "A poll of jobs, counted" in lines
    assert not any("prometheus_client /" in line or "restart" in line for line in lines)


def test_goals_are_reported_in_80_columns_each_with_its_verdict() -> None:
    judged = verdicts(results_of({100: 0.25, JUDGED: 123456.5}))
    lines = _printed(lambda console: print_goals(console, judged))
    assert max(map(len, lines)) <= WIDTH
    assert sum(line.endswith(" met") for line in lines) == sum(it.met for it in judged) > 0
    assert sum(line.endswith(" missed") for line in lines) == sum(not it.met for it in judged) > 0


def test_the_report_about_requests_fits_into_80_columns() -> None:
    results = [
        dataclasses.replace(filled(PollingResult, 123456.5), way=way.name, connections=size)
        for size in (10, 1000, 100000)
        for way in WAYS
    ]
    lines = _printed(lambda console: print_polling(console, results))
    assert max(map(len, lines)) <= WIDTH
    assert [line for line in lines if line in {way.name for way in WAYS}] == [way.name for way in WAYS]
    assert not any(line.endswith("…") for line in lines)


def test_the_figures_are_written_with_the_goals(tmp_path: Path) -> None:
    results = results_of({100: 1.0, JUDGED: 2.0})
    path = tmp_path / "figures.json"
    write_json(path, results, MACHINE, Plan(12.0, 3, 7.0, 0), "2026-01-31T12-00-00Z")
    written = json.loads(path.read_text(encoding="utf-8"))
    assert [it["connections"] for it in written["scrapes"]] == [100, JUDGED]
    assert written["scrapes"][1]["plain"]["ratio"]["median"] == 2.0
    assert {(it["name"], it["met"]) for it in written["goals"]} >= {
        ("A scrape, plain: prometheus_client / ours", False),
        ("A scrape while jobs are read: reading / idle", True),
    }


def test_the_costs_are_told_with_goals_by_size() -> None:
    header, _, *rows = costs_table(results_of({100: 1.0, JUDGED: 2.0}), "A machine.").splitlines()
    assert header == "| connections | goal | 100 | 10,000 |"
    assert (
        "| prometheus_client / ours | ≥ 100: **missed** | 1.00x (1.00 … 1.00) | 2.00x (2.00 … 2.00) |" in rows
    )
    assert "| reading / idle | ≤ 5: met | 1.00x (1.00 … 1.00) | 2.00x (2.00 … 2.00) |" in rows
    assert rows[-2:] == ["", "A machine."]


def test_a_goal_that_was_not_measured_is_neither_met_nor_missed() -> None:
    results = results_of({100: 1.0})
    assert "| prometheus_client / ours | ≥ 100: not measured |" in costs_table(results, "")
    assert {it.name for it in verdicts(results)} == {"A poll of jobs, counted: quiet: requests"}


def test_the_table_is_put_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    text = COMPATIBILITY.read_text(encoding="utf-8")
    document.write_text(text, encoding="utf-8")
    results = [
        dataclasses.replace(filled(PollingResult, 7), way="changes: 9.9, nobody", polling="changes"),
    ]
    assert update(document, requests_table(results))
    changed = document.read_text(encoding="utf-8")
    assert "| **`changes`: 9.9, nobody** |" in changed
    assert changed.replace(written_table(changed), written_table(text)) == text
    assert not update(document, requests_table(results))


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("# Compatibility\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="lost the marks"):
        update(document, "| a table |\n")
    assert document.read_text(encoding="utf-8") == "# Compatibility\n"


def _printed(report: Callable[[Console], None]) -> list[str]:
    written = io.StringIO()
    report(Console(file=written, width=WIDTH))
    return [line.rstrip() for line in written.getvalue().splitlines()]
