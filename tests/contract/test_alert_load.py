"""Ten thousand connections fail at once: few messages where one thing is wrong, and no cost that explodes."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from airbyte_exporter.store import Store
from benchmarks.alerting import Disaster, by_the_platform, each_its_own, statements

CONNECTIONS = 10_000
FEW = 100
RECEIVERS = ("oncall", "team")
QUIET_STATEMENTS = 8
"""What an evaluation reads when nothing happened, with the beginnings of its transactions."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def disaster(tmp_path: Path) -> Iterator[Disaster]:
    made = Disaster(tmp_path, CONNECTIONS, RECEIVERS)
    with made.store:
        yield made


def change(disaster: Disaster) -> list[str]:
    """Evaluate; return what that wrote."""
    with statements(disaster.store) as seen:
        disaster.evaluate()
    return [statement for statement in seen if statement.startswith(("INSERT", "UPDATE", "DELETE"))]


def test_ten_thousand_that_fail_for_one_reason_are_one_message(disaster: Disaster) -> None:
    disaster.end(by_the_platform)
    disaster.poll()
    assert disaster.evaluate() == len(RECEIVERS)
    (incident,) = disaster.incidents.get() or ()
    assert (incident.connection_id, incident.affected) == ("", CONNECTIONS)
    assert disaster.store.incidents() == (incident,)
    assert disaster.deliver() == len(RECEIVERS)
    for delivery in disaster.taken:
        data = delivery.notification.body["data"]
        assert data["connection"] is None
        assert data["affected"]["count"] == CONNECTIONS
        assert [it["id"] for it in data["affected"]["connections"]] == [f"{it:05d}" for it in range(20)]
        assert data["summary"] == "Syncs failed: 10000 connections of airbyte"
        assert data["job"]["failure"]["message"] == "the workers are gone"
    assert_a_quiet_evaluation_costs_next_to_nothing(disaster)
    disaster.restart()
    assert change(disaster) == [], "a new process has nothing to say"
    disaster.end(None)
    disaster.poll()
    assert disaster.evaluate() == len(RECEIVERS)
    assert disaster.deliver() == len(RECEIVERS)
    newest = disaster.taken[-1].notification
    assert (newest.type, newest.body["data"]["reason"]) == ("alert.resolved", "recovered")
    assert disaster.incidents.get() == ()


def test_ten_thousand_that_fail_for_reasons_of_their_own(disaster: Disaster) -> None:
    disaster.end(each_its_own)
    disaster.poll()
    assert disaster.evaluate() == CONNECTIONS * len(RECEIVERS)
    incidents = disaster.incidents.get() or ()
    assert len({incident.connection_id for incident in incidents}) == len(incidents) == CONNECTIONS
    assert_a_quiet_evaluation_costs_next_to_nothing(disaster)
    disaster.restart()
    assert change(disaster) == [], "a new process has nothing to say"
    with tempfile.TemporaryDirectory() as folder:
        few = Disaster(Path(folder), FEW, RECEIVERS)
        with few.store:
            few.end(each_its_own)
            few.poll()
            few.evaluate()
            a_few = instructions_of_a_claim(few)
    assert instructions_of_a_claim(disaster) < 2 * a_few, "a claim must not cost what waits"
    disaster.end(None)
    disaster.poll()
    assert disaster.evaluate() == CONNECTIONS * len(RECEIVERS)
    assert disaster.store.queue().length == CONNECTIONS * len(RECEIVERS), "ends take the place of what waits"
    assert instructions_of_a_claim(disaster) < 2 * a_few
    assert disaster.incidents.get() == ()


def test_the_outbox_drains_as_fast_as_it_is_taken(tmp_path: Path) -> None:
    disaster = Disaster(tmp_path, FEW, RECEIVERS)
    with disaster.store:
        disaster.end(each_its_own)
        disaster.poll()
        disaster.evaluate()
        with statements(disaster.store) as seen:
            assert disaster.deliver() == FEW * len(RECEIVERS)
        assert disaster.store.queue().length == 0
    writes = [statement for statement in seen if statement.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert len(writes) <= 3 * FEW * len(RECEIVERS) + 2 * len(RECEIVERS)


def assert_a_quiet_evaluation_costs_next_to_nothing(disaster: Disaster) -> None:
    """Nothing happened since the last one: nothing is written, and what is read does not grow."""
    for is_polled in (False, True):
        if is_polled:
            disaster.poll()
        with statements(disaster.store) as seen:
            assert disaster.evaluate() == 0
        assert len(seen) <= QUIET_STATEMENTS, seen
        assert {statement.split()[0] for statement in seen} == {"BEGIN", "SELECT"}


def instructions_of_a_claim(disaster: Disaster) -> int:
    """Return how much the database does to claim one notification, and acknowledge it."""
    with counted_instructions(disaster.store) as instructions:
        (delivery,) = disaster.store.claim(disaster.now, receiver="oncall", lease=60.0, limit=1)
        disaster.store.acknowledge(delivery, disaster.now)
    return len(instructions)


@contextmanager
def counted_instructions(store: Store) -> Iterator[list[None]]:
    """Collect one entry for every ten instructions of SQLite's own machine that writing takes meanwhile."""
    found: list[None] = []
    raws = []

    def count(connection: sa.Connection) -> None:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raws.append(raw)
        raw.set_progress_handler(lambda: found.append(None), 10)

    engine = store._database._engine
    sa.event.listen(engine, "begin", count)
    try:
        yield found
    finally:
        sa.event.remove(engine, "begin", count)
        for raw in raws:
            raw.set_progress_handler(None, 0)
