"""More connections than one shard holds: they come, go and change in any order."""

from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.exposition import Exposition, MetricsConfig
from airbyte_exporter.model import ConnectionFacts, Instance, Snapshot
from airbyte_exporter.telemetry import Telemetry
from tests.exposed import exposed, facts_part, read
from tests.snapshots import EPOCH, FINANCE, NOW, connection

MANY = st.builds(
    lambda first, number, step: set(range(first, first + number * step, step)),
    st.integers(0, 300),
    st.integers(0, 200),
    st.integers(1, 3),
)


def view(failures: dict[int, int]) -> Snapshot:
    """Return a snapshot of connections by number, each with so many failures."""
    facts = [
        ConnectionFacts(connection(number, f"Number {number}", "Postgres"), EPOCH, consecutive_failures=it)
        for number, it in failures.items()
    ]
    return Snapshot(
        Instance(None, None, "config", "none"),
        EPOCH,
        (FINANCE,),
        MappingProxyType({it.connection.id: it for it in facts}),
        jobs_as_of=NOW,
        inventory_as_of=NOW,
    )


def shown(exposition: Exposition) -> str:
    return facts_part(exposition.scrape(openmetrics=False, gzip=False).decode())


def rendered_at_once(snapshot: Snapshot, config: MetricsConfig) -> str:
    exposition = Exposition(Telemetry("test"), config)
    exposition.publish(snapshot)
    return shown(exposition)


@pytest.mark.parametrize("limit", [None, 90], ids=["all", "limited"])
@settings(max_examples=25, deadline=None)
@given(
    MANY,
    st.lists(st.tuples(MANY, MANY), max_size=4),
)
def test_the_page_is_that_of_the_last_snapshot_rendered_at_once(
    limit: int | None, first: set[int], steps: list[tuple[set[int], set[int]]]
) -> None:
    config = MetricsConfig(max_connections=limit)
    exposition = Exposition(Telemetry("test"), config)
    failures = dict.fromkeys(first, 9)  # the next value has another length
    exposition.publish(view(failures))
    for step, (come, go) in enumerate(steps, start=10):
        known = view(failures).connections
        failures = {number: it for number, it in failures.items() if number not in go}
        failures |= dict.fromkeys(come, step)
        new = view(failures)
        same = {id_: known[id_] if known.get(id_) == it else it for id_, it in new.connections.items()}
        exposition.publish(replace(new, connections=same))
    assert shown(exposition) == rendered_at_once(view(failures), config)


def test_a_thousand_connections_are_read_back() -> None:
    snapshot = view({number: number for number in range(1000)})
    exposition = Exposition(Telemetry("test"))
    exposition.publish(view(dict.fromkeys(range(0, 1000, 3), 1)))
    exposition.publish(snapshot)
    found = read(shown(exposition), openmetrics=False)
    expected = exposed(snapshot)
    assert {key: value for key, value in found.items() if key in expected} == expected
