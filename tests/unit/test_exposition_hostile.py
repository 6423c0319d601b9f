"""Whatever people name things in Airbyte, both parsers read back exactly the facts."""

import gzip
from collections.abc import Mapping
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.exposition import Exposition
from airbyte_exporter.model import Snapshot
from airbyte_exporter.telemetry import Telemetry
from tests.exposed import Series, exposed, facts_part, read
from tests.snapshots import rich_snapshot
from tests.strategies import snapshots

MODELLED = frozenset(name for name, _ in exposed(rich_snapshot()))


def of_connections(series: Mapping[Series, float]) -> dict[Series, float]:
    return {
        key: value
        for key, value in series.items()
        if key[0].startswith("airbyte_connection_") and key[0] in MODELLED
    }


@settings(max_examples=60, deadline=None)
@given(snapshots())
def test_both_parsers_read_the_facts_back(snapshot: Snapshot) -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(snapshot)
    text, openmetrics = (
        read(
            facts_part(exposition.scrape(openmetrics=openmetrics, gzip=False).decode()),
            openmetrics=openmetrics,
        )
        for openmetrics in (False, True)
    )
    assert text == openmetrics
    assert of_connections(text) == of_connections(exposed(snapshot))


@settings(max_examples=60, deadline=None)
@given(snapshots(), st.binary(max_size=300), st.booleans(), st.booleans())
def test_one_gzip_member_holds_exactly_the_page(
    snapshot: Snapshot, tail: bytes, openmetrics: bool, ahead: bool
) -> None:
    telemetry = Telemetry("test")
    exposition = Exposition(telemetry)
    if ahead:  # somebody asked before, so the page is compressed when it is published
        exposition.scrape(openmetrics=openmetrics, gzip=True)
    exposition.publish(snapshot)
    with mock.patch.object(telemetry, "render", return_value=tail):
        plain = exposition.scrape(openmetrics=openmetrics, gzip=False)
        packed = exposition.scrape(openmetrics=openmetrics, gzip=True)
    assert gzip.decompress(packed) == plain
    assert plain.endswith(tail)
