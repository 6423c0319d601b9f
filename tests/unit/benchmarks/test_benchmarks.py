"""The benchmark's own promises: errors of one line, a report of 80 columns, and metrics that exist."""

import dataclasses
import inspect
import io
import types
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from airbyte_exporter.exposition import FAMILIES
from airbyte_exporter.telemetry import OWN_FAMILIES, Telemetry
from benchmarks import measuring
from benchmarks.__main__ import main
from benchmarks.document import COMPATIBILITY, update, written_table
from benchmarks.measuring import SizeResult, Spread
from benchmarks.polling import WAYS, PollingResult
from benchmarks.processes import BenchmarkError
from benchmarks.report import WIDTH, print_polling, print_report
from benchmarks.scraping import Page, Reference

MACHINE = {"cpus": 2, "python": "CPython 3.11.7", "platform": "Linux", "load_average": 0.1}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nope"],
        ["surplus"],
        ["--connections", "5"],
        ["--connections", "100,"],
        ["--polling", "9"],
        ["--only", "scrapes"],
        ["--seconds", "-1"],
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


def test_prometheus_client_gets_the_same_series_to_render() -> None:
    page = Page(Telemetry("1.0").render(openmetrics=False), 0.0)
    body, plain, compressed = Reference(page).render()
    assert _samples(body) == _samples(page.body)
    assert 0 < plain < compressed


def test_the_report_fits_into_80_columns_however_slow_and_large_it_gets() -> None:
    results = [_filled(SizeResult, 2345.678), _filled(SizeResult, 0.0987654)]
    written = io.StringIO()
    print_report(Console(file=written, width=WIDTH), results, MACHINE)
    lines = [line.rstrip() for line in written.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    assert "Restart, with its state" in lines
    assert not any(line.endswith("…") for line in lines)


def test_the_report_about_requests_fits_into_80_columns() -> None:
    results = [
        dataclasses.replace(_filled(PollingResult, 123456.5), way=way.name, connections=size)
        for size in (10, 1000, 100000)
        for way in WAYS
    ]
    written = io.StringIO()
    print_polling(Console(file=written, width=WIDTH), results)
    lines = [line.rstrip() for line in written.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line in {way.name for way in WAYS}] == [way.name for way in WAYS]
    assert not any(line.endswith("…") for line in lines)


def test_the_table_is_put_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    text = COMPATIBILITY.read_text(encoding="utf-8")
    document.write_text(text, encoding="utf-8")
    results = [
        dataclasses.replace(_filled(PollingResult, 7), way="changes: 9.9, nobody", polling="changes"),
    ]
    assert update(document, results)
    changed = document.read_text(encoding="utf-8")
    assert "| **`changes`: 9.9, nobody** |" in changed
    assert changed.replace(written_table(changed), written_table(text)) == text
    assert not update(document, results)


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("# Compatibility\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="lost the marks"):
        update(document, [_filled(PollingResult, 7)])
    assert document.read_text(encoding="utf-8") == "# Compatibility\n"


def _samples(body: bytes) -> list[Any]:
    return [sample for family in text_string_to_metric_families(body.decode()) for sample in family.samples]


def _filled(kind: type[Any], number: float) -> Any:  # noqa: ANN401 - whatever `kind` is
    """Make a result in which everything is `number`."""
    if kind is Spread:
        return Spread.of([number, number, number])
    hints = get_type_hints(kind)
    return kind(**{field.name: _value(hints[field.name], number) for field in dataclasses.fields(kind)})


def _value(kind: Any, number: float) -> Any:  # noqa: ANN401 - as above
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _filled(kind, number)
    if get_origin(kind) is types.UnionType:
        return _value(get_args(kind)[0], number)
    return (
        {"jobs/list": number, "workspaces/list_by_organization_id": number}
        if get_origin(kind) is not None
        else kind(number)
    )
