"""What cannot be on the page: series that are there already, and values that are none."""

import re
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from airbyte_exporter.exposition import Exposition
from airbyte_exporter.model import ConnectionCounters, ConnectionFacts, Instance, Snapshot
from airbyte_exporter.telemetry import Telemetry
from tests.exposed import facts_part
from tests.snapshots import EPOCH, FINANCE, NOW, connection

FIRST, SECOND = (
    ConnectionFacts(connection(number, "Orders", "Postgres"), EPOCH, consecutive_failures=number)
    for number in (1, 2)
)
# A NUL is replaced on the page.
LOOK_ALIKE = {"odd\0": "first", "odd\ufffd": "second"}


def view(*facts: ConnectionFacts) -> Snapshot:
    return Snapshot(
        Instance(None, None, "config", "none"),
        EPOCH,
        (FINANCE,),
        {it.connection.id: it for it in facts},
        jobs_as_of=NOW,
        inventory_as_of=NOW,
    )


def shown(exposition: Exposition) -> str:
    return facts_part(exposition.scrape(openmetrics=False, gzip=False).decode())


def test_of_two_connections_whose_ids_look_the_same_the_first_is_shown_while_it_is_there() -> None:
    exposition = Exposition(Telemetry("test"))
    alike = [
        replace(FIRST, connection=replace(FIRST.connection, id=id_, name=name))
        for id_, name in LOOK_ALIKE.items()
    ]
    names = []
    with capture_logs() as logs:
        for facts in (alike, alike[1:], alike):
            exposition.publish(view(*facts))
            names += re.findall('connection_id="odd\ufffd",connection_name="(.*?)"', shown(exposition))
    assert names == ["first", "second", "first"]
    assert [entry["series"] for entry in logs] == ['{connection_id="odd\ufffd"}'] * 2


def test_a_series_that_comes_up_twice_within_a_connection_is_told_each_time_that_it_begins() -> None:
    exposition = Exposition(Telemetry("test"))
    twice = ConnectionCounters({("sync", "odd\0"): 1, ("sync", "odd\ufffd"): 2})
    odd = replace(SECOND, counters=twice)
    with capture_logs() as logs:
        for facts in (odd, replace(odd), SECOND, odd, None, odd):
            exposition.publish(view(FIRST) if facts is None else view(FIRST, facts))
    assert [entry["number"] for entry in logs] == [1, 1, 1]
    assert re.findall('status="odd\ufffd"} (.)', shown(exposition)) == ["1"]


@pytest.mark.parametrize("refused", [2.5, "2"])
def test_after_a_refused_value_the_next_page_is_right(refused: object) -> None:
    exposition = Exposition(Telemetry("test"))
    facts = [ConnectionFacts(connection(number, "Orders", "Postgres"), EPOCH) for number in range(20)]
    good = view(*facts)
    exposition.publish(good)
    page = shown(exposition)
    worse = [replace(it, consecutive_failures=8) for it in facts]
    worse[9] = replace(facts[9], consecutive_failures=refused)  # type: ignore[arg-type]  # what a test is for
    with pytest.raises(ValueError, match="format"):
        exposition.publish(view(*worse))
    assert shown(exposition) == page, "the old page stays"
    exposition.publish(good)
    assert shown(exposition) == page
    better = view(*facts[1:], replace(facts[0], consecutive_failures=9))
    exposition.publish(better)
    failures = "airbyte_connection_consecutive_failures"
    first = f'\n{failures}{{connection_id="{facts[0].connection.id}"}} '
    assert shown(exposition) == page.replace(f"{first}0", f"{first}9")
