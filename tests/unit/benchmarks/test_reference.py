"""prometheus_client is given the very series of a page, and what becomes of them."""

import pytest
from prometheus_client import generate_latest

from airbyte_exporter.exposition import Exposition
from airbyte_exporter.telemetry import Telemetry
from benchmarks.facts import Company
from benchmarks.pages import differences, expect_same_samples
from benchmarks.processes import BenchmarkError
from benchmarks.reference import Reference
from benchmarks.serving import some_telemetry

HISTOGRAM = """\
# HELP airbyte_job_seconds Duration.
# TYPE airbyte_job_seconds histogram
airbyte_job_seconds_bucket{type="sync",le="10.0"} 2.0
airbyte_job_seconds_bucket{type="sync",le="60.0"} 2.0
airbyte_job_seconds_bucket{type="sync",le="+Inf"} 5.0
airbyte_job_seconds_count{type="sync"} 5.0
airbyte_job_seconds_sum{type="sync"} 300.25
"""


def page_of(exposition: Exposition) -> bytes:
    return exposition.scrape(openmetrics=False, gzip=False)


def lines_of(page: bytes) -> list[str]:
    return page.decode().splitlines(keepends=True)


def test_it_shows_what_the_page_shows_after_every_change_too() -> None:
    company, exposition = Company(60), Exposition(some_telemetry())
    exposition.publish(company.snapshot)
    first = page = page_of(exposition)
    reference = Reference(lines_of(first))
    expect_same_samples(first, generate_latest(reference.registry), first)
    for _ in range(3):
        exposition.publish(company.advance(20))
        before, page = page, page_of(exposition)
        old, new = differences(before, page)
        assert 0 < new.count("\n") < page.count(b"\n") / 2
        reference.changes(old, new).apply()
        expect_same_samples(page, generate_latest(reference.registry), first)


def test_a_page_that_differs_is_refused_with_an_example() -> None:
    company, exposition = Company(30), Exposition(Telemetry("1.0"))
    exposition.publish(company.snapshot)
    page = page_of(exposition)
    other = page.replace(
        b'airbyte_connection_info{connection_id="', b'airbyte_connection_info{connection_id="x', 1
    )
    with pytest.raises(BenchmarkError, match=r"differ in .*airbyte_connection_info"):
        expect_same_samples(page, other, page)
    missing = page.replace(b"airbyte_exporter_series ", b"airbyte_exporter_serious ")
    with pytest.raises(BenchmarkError, match=r"differ in .*airbyte_exporter_serious"):
        expect_same_samples(page, missing, page)


def test_a_histogram_gets_its_buckets_and_its_sum_and_is_replaced_as_a_whole() -> None:
    reference = Reference(HISTOGRAM.splitlines(keepends=True))
    expect_same_samples(HISTOGRAM.encode(), generate_latest(reference.registry), HISTOGRAM.encode())
    more = HISTOGRAM.replace("5.0", "6.0").replace("300.25", "400.5")
    reference.changes("", more).apply()
    assert reference.registry.get_sample_value("airbyte_job_seconds_sum", {"type": "sync"}) == 400.5
    bucket = {"type": "sync", "le": "+Inf"}
    assert reference.registry.get_sample_value("airbyte_job_seconds_bucket", bucket) == 6.0


def test_a_series_that_is_gone_is_removed_and_a_counter_goes_on() -> None:
    reference = Reference(
        [
            "# TYPE up gauge\n",
            'up{id="a"} 1\n',
            'up{id="b"} 0\n',
            "# TYPE jobs_total counter\n",
            'jobs_total{id="a"} 40\n',
        ]
    )
    reference.changes(
        'up{id="b"} 0\njobs_total{id="a"} 40\n', '# TYPE jobs_total counter\njobs_total{id="a"} 42\n'
    ).apply()
    assert reference.registry.get_sample_value("up", {"id": "a"}) == 1
    assert reference.registry.get_sample_value("up", {"id": "b"}) is None
    assert reference.registry.get_sample_value("jobs_total", {"id": "a"}) == 42


def test_a_family_of_another_type_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="a summary has no children"):
        Reference(["# TYPE s summary\n", 's{quantile="0.5"} 1\n'])


def test_a_long_family_is_read_in_parts() -> None:
    lines = [
        "# HELP up Up.\n",
        "# TYPE up gauge\n",
        *(f'up{{id="{number}"}} {number}\n' for number in range(2500)),
    ]
    reference = Reference(lines)
    assert reference.registry.get_sample_value("up", {"id": "2499"}) == 2499
    assert generate_latest(reference.registry).count(b"\nup{") == 2500
