"""Costs grow with what changed: no statement of a loop reads a whole table that grows."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from airbyte_exporter.model import JobStatus
from airbyte_exporter.store import Progress, Store, Unexplained
from tests.contract.store.builders import EPOCH, connection, decision, incident, inventory, job, notification

SHORT = re.compile(
    r"SCAN (state\b|\d+ CONSTANT ROW|\(subquery|ranked\b|\w+ USING (COVERING )?INDEX "
    r"(jobs_live|jobs_pending|connections_without_success|incidents_firing|outbox_(open|line|failing|done))\b)"
)
"""One row, what a part of the statement found, and indexes of only what is live, waits or goes on."""


@contextmanager
def explained(store: Store) -> Iterator[list[str]]:
    """Collect each step of the plan of each statement that runs meanwhile."""
    steps: list[str] = []

    def explain(connection: sa.Connection, _: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            return
        raw = connection.connection.dbapi_connection
        assert raw is not None
        cursor = raw.cursor()
        parameters, _context, is_many = rest
        assert isinstance(parameters, Sequence)
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters[0] if is_many else parameters)
        steps.extend(f"{row[3]}   in: {' '.join(statement.split())[:200]}" for row in cursor.fetchall())
        cursor.close()

    engine = store._database._engine
    sa.event.listen(engine, "before_cursor_execute", explain)
    try:
        yield steps
    finally:
        sa.event.remove(engine, "before_cursor_execute", explain)


@pytest.fixture(autouse=True)
def a_little_of_everything(store: Store) -> None:
    store.record_inventory(inventory(connection("c-1"), connection("c-2")))
    store.record_jobs([job(1), job(2, JobStatus.RUNNING), job(3, JobStatus.UNKNOWN, of="c-2")])
    store.record_decisions([decision(incident(), notification(1))], ["webhook"], sequence=0, now=0.0)


def test_the_loops_read_no_whole_table(store: Store) -> None:
    with explained(store) as steps:
        store.record_jobs(
            [job(1), job(2), job(4, of="c-2", created=EPOCH + 900)], progress=Progress(watermark=1)
        )
        store.facts(["c-1", "c-2"])
        store.live_keys()
        store.sequence()
        store.without_known_success(5)
        store.successes_looked_up(["c-1"])
        store.explain({Unexplained("c-1", 1, 0): None})
        store.record_decisions(
            [decision(None, of=connection_id) for connection_id in store.unjudged(store.sequence())],
            ["webhook"],
            sequence=store.sequence(),
            now=0.0,
        )
        store.incidents()
        store.failing_receivers()
        store.silences(active_at=1.0)
        store.incidents(ended_since=EPOCH)
        (delivery,) = store.claim(1.0, receiver="webhook", lease=60.0, limit=5)
        store.defer(delivery, 2.0, "webhook: timeout")
        store.hasten(1.0, receiver="webhook")
        store.queue()
        store.acknowledge(delivery, 1.0)
        store.forget_live(job(3, of="c-2").key)
    assert len(steps) > 20
    scans = [step for step in steps if step.startswith("SCAN") and not SHORT.match(step)]
    assert scans == []
    assert not any(step.startswith("SEARCH the_end USING INDEX outbox_open (receiver=?)") for step in steps)


def test_retention_looks_at_what_is_old_only(store: Store) -> None:
    with explained(store) as steps:
        store.prune(EPOCH + 1e9, keep_after=EPOCH + 10**9)
    assert any("jobs_ended" in step for step in steps)
    assert [
        step for step in steps if re.match(r"SCAN (jobs|\w+ USING INDEX (jobs_key|sqlite_auto))", step)
    ] == []


def test_all_facts_are_found_through_indexes(store: Store) -> None:
    with explained(store) as steps:
        store.facts()
    scanned = {
        match[1] for step in steps if (match := re.match(r"SCAN (\w+)", step)) and not SHORT.match(step)
    }
    assert scanned <= {
        "connections",
        "connection_jobs",
        "connection_volumes",
        "connection_failures",
        "newest",
    }
    assert not any(step.startswith("USE TEMP B-TREE") and "newest" in step for step in steps)
