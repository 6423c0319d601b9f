"""A histogram of the whole instance, as the parsers of both formats read it."""

from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from airbyte_exporter.exposition import Distribution, Exposition, Facet, InstanceFamily, MetricsConfig
from airbyte_exporter.model import Snapshot
from airbyte_exporter.telemetry import FamilyInfo, Telemetry
from tests.snapshots import EPOCH, rich_snapshot

NAME = "airbyte_test_seconds"
FORMATS = pytest.mark.parametrize("openmetrics", [False, True], ids=["text 0.0.4", "OpenMetrics 1.0"])
BUCKETS = {"0.5": 0, "10.0": 2, "86400.0": 3, "+Inf": 4}


def samples(_: Snapshot, __: Any) -> Iterable[tuple[tuple[str, ...], Distribution]]:  # noqa: ANN401  # not read
    for kind in ('odd"one', "sync"):
        yield (kind,), Distribution(((0.5, 0), (10.0, 2), (86_400, 3)), count=4, sum=90_000)


def page(*, openmetrics: bool, created: bool = False) -> str:
    family = InstanceFamily(FamilyInfo(NAME, "histogram", "A test.", ("kind",)), Facet.COUNTS, samples)
    exposition = Exposition(Telemetry("test"), MetricsConfig(created=created), [family])
    exposition.publish(rich_snapshot())
    return exposition.scrape(openmetrics=openmetrics, gzip=False).decode()


def read(*, openmetrics: bool, created: bool = False) -> list[Metric]:
    text = page(openmetrics=openmetrics, created=created)
    parsed = parse_openmetrics(text) if openmetrics else parse_text(text)  # type: ignore[no-untyped-call]
    return [family for family in parsed if family.name.startswith(NAME)]


def told(family: Metric, kind: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name.removeprefix(NAME), sample.labels.get("le", "")): sample.value
        for sample in family.samples
        if sample.labels["kind"] == kind
    }


@FORMATS
def test_it_has_buckets_a_sum_and_a_count(openmetrics: bool) -> None:
    (family,) = read(openmetrics=openmetrics)
    assert family.type == "histogram"
    expected = {("_bucket", bound): number for bound, number in BUCKETS.items()}
    expected |= {("_sum", ""): 90_000, ("_count", ""): 4}
    assert told(family, "sync") == told(family, 'odd"one') == expected


def test_when_counting_began_is_its_own_sample_in_openmetrics_and_a_gauge_in_text() -> None:
    (family,) = read(openmetrics=True, created=True)
    assert told(family, "sync")["_created", ""] == EPOCH
    histogram, beside = read(openmetrics=False, created=True)
    assert ("_created", "") not in told(histogram, "sync")
    assert (beside.name, beside.type) == (f"{NAME}_created", "gauge")
    assert told(beside, "sync") == {("_created", ""): EPOCH}


@FORMATS
def test_every_line_counts_as_a_series(openmetrics: bool) -> None:
    assert f"\nairbyte_exporter_series {2.0 * (len(BUCKETS) + 2)}\n" in page(openmetrics=openmetrics)
