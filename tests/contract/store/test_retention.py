"""What is forgotten, and that nobody can tell."""

from dataclasses import replace

import pytest

from airbyte_exporter.model import Decision, JobStatus, JobType
from airbyte_exporter.store import Queue, Store, _retention
from tests.contract.store.builders import (
    DAY,
    EPOCH,
    connection,
    decision,
    ended,
    histories,
    ids,
    incident,
    inventory,
    job,
    notification,
)
from tests.contract.store.conftest import RETENTION

FAILED, CANCELLED = JobStatus.FAILED, JobStatus.CANCELLED
HOUR = 3600
LATER = EPOCH + 30 * DAY
"""So late that everything of the first days is past its retention."""


@pytest.fixture(autouse=True)
def connections(store: Store) -> None:
    store.record_inventory(inventory(connection("c-1"), connection("c-2")))


def hourly(
    store: Store, count: int, status: JobStatus = JobStatus.SUCCEEDED, *, of: str = "c-1", first: int = 1
) -> None:
    store.record_jobs(
        [
            job(number, status, of=of, created=EPOCH + number * HOUR, updated=EPOCH + number * HOUR + 60)
            for number in range(first, first + count)
        ]
    )


def judge(store: Store) -> None:
    store.record_decisions(
        [decision(None, of=id_) for id_ in ("c-1", "c-2")], [], sequence=store.sequence(), now=0.0
    )


def prune(store: Store, now: float = LATER, keep_after: int = LATER) -> int:
    return store.prune(now, keep_after=keep_after)


def test_the_last_fifty_of_each_connection_stay(store: Store) -> None:
    hourly(store, 80)
    hourly(store, 50, of="c-2")
    judge(store)
    before = store.facts(), store.completed()
    assert prune(store) == 30
    assert (store.facts(), store.completed()) == before
    assert prune(store) == 0


def test_much_is_forgotten_in_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retention, "JOBS_AT_ONCE", 7)
    hourly(store, 80)
    hourly(store, 64, of="c-2")
    judge(store)
    before = store.facts(), store.completed()
    assert prune(store) == 44
    hourly(store, 80)
    assert (store.facts(), store.completed()) == before


def test_nothing_is_counted_again_when_airbyte_tells_of_it_again(store: Store) -> None:
    hourly(store, 80)
    judge(store)
    prune(store)
    before = store.facts(), store.completed()
    hourly(store, 80)
    assert (store.facts(), store.completed()) == before
    judge(store)
    assert prune(store) == 30


def test_what_ended_after_everything_forgotten_is_still_counted(store: Store) -> None:
    hourly(store, 80)
    judge(store)
    prune(store)
    store.record_jobs([job(999, created=EPOCH + 30 * HOUR, updated=EPOCH + 30 * HOUR + 61)])
    store.record_jobs([job(998, created=EPOCH + 30 * HOUR, updated=EPOCH + 30 * HOUR + 60)])
    assert store.facts()["c-1"].counters.jobs == {("sync", "succeeded"): 81}


def test_what_was_live_is_counted_however_long_ago_it_ended(store: Store) -> None:
    """An unknown status counts as an end when the next job comes, which for a monthly sync is long after."""
    store.record_jobs([job(1, JobStatus.UNKNOWN, of="c-2", created=EPOCH + HOUR)])
    hourly(store, 80)
    judge(store)
    assert prune(store) == 30
    store.record_jobs([job(2, of="c-2", created=LATER)])
    assert store.facts()["c-2"].counters.jobs == {("sync", "unknown"): 1, ("sync", "succeeded"): 1}
    store.record_jobs([job(1, JobStatus.UNKNOWN, of="c-2", created=EPOCH + HOUR)])
    assert store.facts()["c-2"].counters.jobs == {("sync", "unknown"): 1, ("sync", "succeeded"): 1}


@pytest.mark.parametrize(
    ("now", "keep_after", "forgotten"),
    [
        (EPOCH + RETENTION, LATER, 0),
        (EPOCH + RETENTION + 10.5 * HOUR, LATER, 10),
        (LATER, EPOCH + 2 * DAY + 5 * HOUR, 4),
        (LATER, EPOCH, 0),
    ],
    ids=["all young enough", "ten too old", "two days behind what is read", "nothing read for a month"],
)
def test_what_is_young_stays(store: Store, now: float, keep_after: int, forgotten: int) -> None:
    hourly(store, 80)
    judge(store)
    assert prune(store, now, keep_after) == forgotten


def test_what_nobody_judged_stays(store: Store) -> None:
    hourly(store, 80)
    assert prune(store) == 0
    assert len(histories(store)["c-1"].finished) == 80


def test_what_happened_since_the_last_success_stays(store: Store) -> None:
    hourly(store, 10)
    hourly(store, 90, FAILED, first=11)
    judge(store)
    before = store.facts()
    assert before["c-1"].consecutive_failures == 90
    assert prune(store) == 9
    assert store.facts() == before


def test_a_connection_that_never_succeeded_keeps_its_streak(store: Store) -> None:
    hourly(store, 90, FAILED)
    judge(store)
    before = store.facts()
    assert prune(store) == 0
    assert store.facts() == before


def test_the_newest_failure_stays_however_old(store: Store) -> None:
    hourly(store, 3, FAILED)
    hourly(store, 80, first=4)
    judge(store)
    before = store.facts()
    assert prune(store) == 32
    assert store.facts() == before
    assert before["c-1"].last_failure_at == EPOCH + 3 * HOUR + 60


def test_live_jobs_stay_however_old(store: Store) -> None:
    store.record_jobs([job(500, JobStatus.PENDING, created=EPOCH - 90 * DAY)])
    hourly(store, 80)
    judge(store)
    assert prune(store) == 30
    assert ids(store.facts()["c-1"].live_jobs) == [500]


def test_jobs_of_connections_that_nobody_lists_are_forgotten_too(store: Store) -> None:
    """An API client that may read only some workspaces is told of the jobs of all of them."""
    hourly(store, 80, of="nobody knows")
    assert prune(store) == 30


def test_jobs_of_a_connection_long_gone_are_forgotten(store: Store) -> None:
    hourly(store, 20)
    hourly(store, 20, of="c-2")
    judge(store)
    store.record_inventory(inventory(connection("c-2"), read_at=EPOCH + 2 * DAY))
    assert prune(store, EPOCH + RETENTION + 1.5 * DAY) == 0
    assert prune(store) == 20
    store.record_inventory(inventory(connection("c-1"), connection("c-2"), read_at=LATER))
    facts = store.facts()["c-1"]
    assert facts.last_sync is None
    assert facts.counters.jobs == {("sync", "succeeded"): 20}
    assert store.without_known_success(10) == ("c-1",)


def test_resets_are_forgotten_like_syncs(store: Store) -> None:
    store.record_jobs([job(n, type_=JobType.RESET, created=EPOCH + n, updated=EPOCH + n) for n in range(70)])
    assert prune(store) == 0, "without a success all of them are since it"
    hourly(store, 1, first=100)
    judge(store)
    assert prune(store) == 21


# Alerts


def test_what_was_delivered_is_forgotten_after_a_week(store: Store) -> None:
    now = float(LATER)
    made = decision(incident(), notification(1))
    store.record_decisions([made], ["webhook"], sequence=0, now=now)
    (delivery,) = store.claim(now, receiver="webhook", lease=60.0, limit=1)
    store.acknowledge(delivery, now)
    prune(store, now + 6.9 * DAY)
    assert store.record_decisions([made], ["webhook"], sequence=0, now=now) == 0
    prune(store, now + 7.1 * DAY)
    assert store.record_decisions([made], ["webhook"], sequence=0, now=now) == 1


def test_what_waits_for_a_receiver_that_is_gone_is_given_up_after_a_week(store: Store) -> None:
    now = float(LATER)
    store.record_decisions([decision(incident(), notification(1))], ["gone"], sequence=0, now=now)
    prune(store, now + 6.9 * DAY)
    assert store.queue() == Queue(1, now)
    prune(store, now + 7.1 * DAY)
    assert store.queue() == Queue(0, None)


def test_ended_incidents_stay_for_ninety_days_and_the_newest_one_for_good(store: Store) -> None:
    def keep(*decisions: Decision) -> None:
        store.record_decisions(decisions, [], sequence=0, now=0.0)

    first = ended(incident("f-1"), EPOCH + 10)
    second = ended(incident("f-2", starts_at=EPOCH + 20), EPOCH + 30)
    firing = incident("f-3", of="c-2")
    keep(decision(first), decision(firing, of="c-2"))
    keep(replace(decision(second), ended=(first,)))
    prune(store, EPOCH + 90 * DAY)
    assert store.incidents(firing_only=False) == (second, first, firing)
    prune(store, EPOCH + 900 * DAY)
    assert store.incidents(firing_only=False) == (second, firing)
