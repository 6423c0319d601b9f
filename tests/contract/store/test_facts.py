"""What is known of connections."""

from dataclasses import replace
from typing import Any

import pytest

from airbyte_exporter.model import (
    Actor,
    ConnectionStatus,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    SchemaChange,
)
from airbyte_exporter.store import Store
from tests.contract.store.builders import DAY, EPOCH, OPS, SALES, connection, ids, inventory, job

RUNNING, SUCCEEDED, FAILED = JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED
CANCELLED = JobStatus.CANCELLED


def test_a_connection_that_never_ran(store: Store) -> None:
    store.record_inventory(inventory(connection()))
    (facts,) = store.facts().values()
    assert facts.connection == connection()
    assert facts.first_seen_at == EPOCH
    assert facts.last_sync is None
    assert facts.last_success_at is None
    assert facts.last_failure_at is None
    assert facts.live_jobs == ()
    assert facts.consecutive_failures == 0


@pytest.mark.parametrize(
    ("statuses", "last", "success", "failure", "streak"),
    [
        ([SUCCEEDED], 1, 1, None, 0),
        ([FAILED], 1, None, 1, 1),
        ([FAILED, FAILED, FAILED], 3, None, 3, 3),
        ([SUCCEEDED, FAILED, CANCELLED, FAILED], 4, 1, 4, 2),
        ([FAILED, SUCCEEDED, CANCELLED], 3, 2, 1, 0),
        ([FAILED, FAILED, SUCCEEDED, RUNNING], 3, 3, 2, 0),
        ([CANCELLED], 1, None, None, 0),
    ],
    ids=[
        "succeeded", "failed", "always failed", "cancelled in between", "cancelled after a success",
        "running after a success", "cancelled",
    ],
)  # fmt: skip
def test_the_newest_sync_and_the_streak(
    store: Store, statuses: list[JobStatus], last: int, success: int | None, failure: int | None, streak: int
) -> None:
    store.record_inventory(inventory(connection(), connection("c-2")))
    syncs = [
        job(number, status, created=EPOCH + number * 1000) for number, status in enumerate(statuses, start=1)
    ]
    # The order in which Airbyte tells of them does not matter, nor do other connections and other kinds.
    resets = [
        replace(job(90 + n, FAILED, created=EPOCH + n * 1000 + 5), type=JobType.RESET) for n in range(9)
    ]
    store.record_jobs([*reversed(syncs), *resets, job(5, FAILED, of="c-2", created=EPOCH + 99_000)])
    facts = store.facts()["c-1"]
    ends = {each.id: each.updated_at for each in syncs}
    assert facts.last_sync == syncs[last - 1]
    assert facts.last_success_at == (None if success is None else ends[success])
    assert facts.last_failure_at == (None if failure is None else ends[failure])
    assert facts.consecutive_failures == streak


def test_newest_means_created_last_not_ended_last(store: Store) -> None:
    store.record_inventory(inventory(connection()))
    store.record_jobs([job(1, created=EPOCH, updated=EPOCH + 9000), job(2, FAILED, created=EPOCH + 10)])
    facts = store.facts()["c-1"]
    assert facts.last_sync is not None
    assert facts.last_sync.id == 2
    assert facts.consecutive_failures == 1


def test_a_refresh_is_a_sync_and_a_clear_is_none(store: Store) -> None:
    store.record_inventory(inventory(connection()))
    store.record_jobs(
        [job(1, type_=JobType.REFRESH), job(2, FAILED, type_=JobType.CLEAR, created=EPOCH + 900)]
    )
    facts = store.facts()["c-1"]
    assert facts.last_sync is not None
    assert facts.last_sync.type is JobType.REFRESH
    assert facts.consecutive_failures == 0
    assert facts.last_failure_at is None


def test_live_jobs_of_every_kind_come_newest_first(store: Store) -> None:
    store.record_inventory(inventory(connection()))
    store.record_jobs(
        [
            job(1, RUNNING, created=EPOCH + 1),
            job(3, JobStatus.PENDING, created=EPOCH + 3),
            job(2, RUNNING, created=EPOCH + 2, type_=JobType.CLEAR),
        ]
    )
    facts = store.facts()["c-1"]
    assert ids(facts.live_jobs) == [3, 2, 1]
    assert facts.active_job is not None
    assert facts.active_job.id == 3


def test_facts_of_some_and_of_more_than_one_statement_takes(store: Store) -> None:
    names = [f"c-{number:04}" for number in range(1203)]
    store.record_inventory(inventory(*map(connection, names)))
    store.record_jobs([job(number, of=name) for number, name in enumerate(names)])
    everything = store.facts()
    assert list(everything) == names
    assert store.facts(names[5:]) == {name: everything[name] for name in names[5:]}
    assert store.facts({"c-0003", "nobody"}) == {"c-0003": everything["c-0003"]}
    assert store.facts([]) == {}


# The inventory


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Umsätze \N{RIGHTWARDS ARROW} 倉庫 \N{FACE WITH TEARS OF JOY}"},
        {"status": ConnectionStatus.INACTIVE},
        {"workspace_id": OPS.id},
        {"source": Actor("s", "Other", "MySQL", None)},
        {"destination": Actor("t", "Other", "BigQuery", "1.2.3")},
        {"schedule": Schedule(ScheduleType.MANUAL)},
        {"schedule": Schedule(ScheduleType.BASIC, 24, "hours")},
        {"tags": ()},
        {"tags": ("gold",)},
        {"created_at": None},
        {"schema_change": SchemaChange.BREAKING},
    ],
    ids=",".join,
)
def test_a_changed_connection_is_told_and_read_back(store: Store, changes: dict[str, Any]) -> None:
    unchanged = connection("c-2")
    before, after = connection(), replace(connection(), **changes)
    assert store.record_inventory(inventory(before, unchanged)) == {"c-1", "c-2"}
    assert store.record_inventory(inventory(after, unchanged, read_at=EPOCH + 300)) == {"c-1"}
    assert store.record_inventory(inventory(after, unchanged, read_at=EPOCH + 600)) == set()
    assert store.facts()["c-1"].connection == after
    assert store.facts()["c-1"].first_seen_at == EPOCH
    assert store.inventory_read_at() == EPOCH + 600


def test_a_connection_that_is_gone_leaves_and_may_come_back(store: Store) -> None:
    store.record_inventory(inventory(connection(), connection("c-2")))
    store.record_jobs([job()])
    assert store.record_inventory(inventory(connection("c-2"), read_at=EPOCH + 300)) == {"c-1"}
    assert store.record_inventory(inventory(connection("c-2"), read_at=EPOCH + 600)) == set()
    assert set(store.facts()) == {"c-2"}
    assert store.ever_known(["c-1", "c-2", "c-3"]) == {"c-1", "c-2"}
    assert store.facts(["c-1"]) == {}
    assert store.record_inventory(inventory(connection(), connection("c-2"), read_at=EPOCH + DAY)) == {"c-1"}
    facts = store.facts()["c-1"]
    assert facts.first_seen_at == EPOCH
    assert facts.last_sync == job()
    assert facts.counters.jobs == {("sync", "succeeded"): 1}


def test_a_renamed_workspace_changes_its_connections(store: Store) -> None:
    store.record_inventory(inventory(connection(), connection("c-2", workspace=OPS)))
    renamed = replace(
        inventory(connection(), connection("c-2", workspace=OPS)),
        workspaces=(replace(SALES, name="Verkauf"), OPS),
    )
    assert store.record_inventory(renamed) == {"c-1"}
    assert store.workspaces() == (OPS, replace(SALES, name="Verkauf"))


def test_a_workspace_that_is_gone_is_not_listed_until_it_is_back(store: Store) -> None:
    store.record_inventory(inventory())
    store.record_inventory(replace(inventory(), workspaces=(OPS,)))
    assert store.workspaces() == (OPS,)
    store.record_inventory(inventory())
    assert store.workspaces() == (OPS, SALES)


def test_names_that_no_database_stores_survive_in_part(store: Store) -> None:
    hostile = connection(name="a\ud800b\0c\nd\"e'f\\")
    assert store.record_inventory(inventory(hostile)) == {"c-1"}
    assert store.record_inventory(inventory(hostile)) == set()
    assert store.facts()["c-1"].connection.name == "a\ufffdb\ufffdc\nd\"e'f\\"
