"""What recording jobs comes to: what stays, what is replaced, what is counted."""

from dataclasses import replace
from typing import cast

import pytest

from airbyte_exporter.model import (
    CompletedKey,
    ConnectionCounters,
    Failure,
    Job,
    JobKey,
    JobStatus,
    JobType,
    Volumes,
)
from airbyte_exporter.store import Progress, Store, StoreError
from tests.contract.store.builders import (
    DAY,
    EPOCH,
    FAILED_ATTEMPTS,
    connection,
    ids,
    inventory,
    job,
)
from tests.contract.store.conftest import NewState, State

RUNNING, SUCCEEDED, FAILED = JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED
CANCELLED, UNKNOWN, PENDING = JobStatus.CANCELLED, JobStatus.UNKNOWN, JobStatus.PENDING


@pytest.fixture(autouse=True)
def connections(store: Store) -> None:
    store.record_inventory(inventory(connection("c-1"), connection("c-2")))


def counters(store: Store, id_: str = "c-1") -> ConnectionCounters:
    return store.facts()[id_].counters


def counted(store: Store, id_: str = "c-1") -> dict[tuple[str, str], int]:
    return dict(counters(store, id_).jobs)


def live(store: Store, id_: str = "c-1") -> list[int]:
    return ids(store.facts()[id_].live_jobs)


def last(store: Store, id_: str = "c-1") -> Job:
    found = store.facts()[id_].last_sync
    assert found is not None
    return found


@pytest.mark.parametrize(
    "whole",
    [
        replace(job(status=FAILED), attempts=FAILED_ATTEMPTS, volumes=Volumes(1, 2, 3, 4, 5), has_stats=True),
        replace(job(), attempts=(), volumes=Volumes(records_synced=0), has_stats=False),
        replace(job(2**63 - 1, created=EPOCH + 5), volumes=Volumes(bytes_emitted=2**62)),
        job(0),
    ],
    ids=["everything known", "zeros and empty ones", "largest numbers", "nothing but the required"],
)
def test_a_job_is_read_back_as_it_was_told(store: Store, whole: Job) -> None:
    store.record_jobs([whole])
    assert last(store) == whole


def test_what_no_database_stores_is_replaced_and_does_not_change_again(store: Store) -> None:
    hostile = Failure("source", "config_error", "half \ud83d and \0 and \ud83d\ude00")
    told = replace(job(status=FAILED), attempts=(replace(FAILED_ATTEMPTS[1], failure=hostile),))
    store.record_jobs([told])
    failure = last(store).failure
    assert failure is not None
    assert failure.message == "half \ufffd and \ufffd and \N{GRINNING FACE}"
    assert store.record_jobs([told]).changed == frozenset()


# What replaces what


def test_a_repeated_page_changes_nothing(store: Store) -> None:
    page = [job(1), job(2, RUNNING, created=EPOCH + 200), job(3, of="c-2")]
    first = store.record_jobs(page)
    before = store.facts(), store.completed()
    second = store.record_jobs(page)
    assert first.changed == {"c-1", "c-2"}
    assert second.changed == frozenset()
    assert second.sequence == first.sequence == store.sequence()
    assert (store.facts(), store.completed()) == before


def test_a_live_job_becomes_final_and_is_counted_then(store: Store) -> None:
    store.record_jobs([job(status=RUNNING)])
    assert live(store) == [1]
    assert counted(store) == {}
    assert store.facts()["c-1"].last_sync is None
    store.record_jobs([job(status=SUCCEEDED, updated=EPOCH + 500)])
    assert live(store) == []
    assert counted(store) == {("sync", "succeeded"): 1}


def test_numbers_of_a_live_job_grow_at_the_same_time_of_change(store: Store) -> None:
    store.record_jobs([job(status=RUNNING, volumes=Volumes(records_emitted=1))])
    recorded = store.record_jobs([job(status=RUNNING, volumes=Volumes(records_emitted=9))])
    assert recorded.changed == {"c-1"}
    (job_now,) = store.facts()["c-1"].live_jobs
    assert job_now.volumes == Volumes(records_emitted=9)


def test_an_older_row_of_a_live_job_is_ignored(store: Store) -> None:
    store.record_jobs([job(status=RUNNING, updated=EPOCH + 300)])
    assert store.record_jobs([job(status=PENDING, updated=EPOCH + 100)]).changed == frozenset()
    assert store.facts()["c-1"].live_jobs[0].status is RUNNING


@pytest.mark.parametrize("later", [job(status=RUNNING), job(status=FAILED), job(status=UNKNOWN)])
@pytest.mark.parametrize("by", [-50, 0, 50])
def test_a_final_job_never_changes_again(store: Store, later: Job, by: int) -> None:
    store.record_jobs([job(volumes=Volumes(records_synced=5))])
    again = replace(later, updated_at=job().updated_at + by, volumes=Volumes(records_synced=7))
    assert store.record_jobs([again]).changed == frozenset()
    assert last(store) == job(volumes=Volumes(records_synced=5))
    assert counters(store).records_synced == 5


def test_an_end_dated_before_the_last_change_still_ends_the_job(store: Store) -> None:
    """The clocks of Airbyte's servers differ, and what is final stays final."""
    store.record_jobs([job(status=RUNNING, updated=EPOCH + 300)])
    store.record_jobs([job(status=SUCCEEDED, updated=EPOCH + 299)])
    assert live(store) == []
    assert counted(store) == {("sync", "succeeded"): 1}


def test_of_two_rows_of_a_job_in_one_page_the_later_counts(store: Store) -> None:
    store.record_jobs([job(status=FAILED, updated=EPOCH + 400), job(status=RUNNING, updated=EPOCH + 300)])
    store.record_jobs([job(2, RUNNING, updated=EPOCH + 300), job(2, PENDING, updated=EPOCH + 200)])
    assert counted(store) == {("sync", "failed"): 1}
    assert store.facts()["c-1"].live_jobs[0].status is RUNNING


def test_an_id_issued_again_is_another_job(store: Store) -> None:
    store.record_jobs([job(7, created=EPOCH + 100), job(7, FAILED, created=EPOCH + 900)])
    store.record_jobs([job(7, of="c-2", created=EPOCH + 100)])
    assert counted(store) == {("sync", "succeeded"): 1, ("sync", "failed"): 1}
    assert counted(store, "c-2") == {("sync", "succeeded"): 1}
    assert last(store).created_at == EPOCH + 900


def test_a_live_job_that_airbyte_lost_is_forgotten_uncounted(store: Store) -> None:
    store.record_jobs([job(status=RUNNING), job(2)])
    sequence = store.sequence()
    forgotten = store.forget_live(job(1).key)
    assert forgotten.changed == {"c-1"}
    assert forgotten.sequence == store.sequence() > sequence
    assert store.live_keys() == ()
    assert store.forget_live(job(2).key).changed == frozenset()
    assert store.forget_live(job(3).key).changed == frozenset()
    assert counted(store) == {("sync", "succeeded"): 1}


def test_live_keys_are_those_of_every_connection(store: Store) -> None:
    store.record_jobs(
        [job(1), job(2, RUNNING), job(3, UNKNOWN, of="c-2"), job(4, PENDING, of="nobody knows")]
    )
    assert set(store.live_keys()) == {
        JobKey("c-1", 2, EPOCH + 100),
        JobKey("c-2", 3, EPOCH + 100),
        JobKey("nobody knows", 4, EPOCH + 100),
    }


def test_each_change_has_a_number_of_its_own_that_survives(state: State, store: Store) -> None:
    assert store.record_jobs([job(1, RUNNING), job(2), job(3, of="c-2")]).sequence == 3
    assert store.record_jobs([job(1), job(2)]).sequence == 4
    store = state.reopen()
    assert store.sequence() == 4
    assert store.record_jobs([job(4)]).sequence == 5


# Counting


@pytest.mark.parametrize(
    ("ended_at", "count"),
    [(EPOCH - 1, {}), (EPOCH, {("sync", "failed"): 1}), (EPOCH + 1, {("sync", "failed"): 1})],
    ids=["before the epoch", "in its second", "after it"],
)
def test_what_ended_before_the_epoch_is_history(
    store: Store, ended_at: int, count: dict[tuple[str, str], int]
) -> None:
    store.record_jobs([job(status=FAILED, created=EPOCH - 500, updated=ended_at)])
    assert counted(store) == count
    assert store.facts()["c-1"].last_failure_at == ended_at


def test_every_finished_job_adds_what_is_known_of_its_volumes(store: Store) -> None:
    store.record_jobs(
        [
            job(1, volumes=Volumes(10, 20, 30, 40, 50)),
            job(2, FAILED, volumes=Volumes(records_synced=1, bytes_emitted=2)),
            job(3, CANCELLED, type_=JobType.REFRESH, volumes=Volumes(records_rejected=-5, bytes_synced=7)),
            job(4, RUNNING, volumes=Volumes(1000, 1000, 1000, 1000, 1000)),
            job(5, type_=JobType.CLEAR),
        ]
    )
    assert counters(store) == ConnectionCounters(
        jobs={
            ("sync", "succeeded"): 1,
            ("sync", "failed"): 1,
            ("refresh", "cancelled"): 1,
            ("clear", "succeeded"): 1,
        },
        records_synced=11,
        bytes_synced=27,
        records_emitted=30,
        bytes_emitted=42,
        records_rejected=50,
    )
    assert counters(store, "c-2") == ConnectionCounters()


def test_completed_jobs_are_told_by_connectors_and_survive_the_connection(store: Store) -> None:
    known = ("Postgres", "Snowflake", "cron")
    store.record_jobs([job(1), job(2), job(3, FAILED, of="c-2"), job(4, of="nobody knows")])
    store.record_inventory(inventory(connection("c-2")))
    store.record_jobs([job(5)])
    assert store.completed() == {
        CompletedKey("sync", "succeeded", *known): 3,
        CompletedKey("sync", "failed", *known): 1,
        CompletedKey("sync", "succeeded", "unknown", "unknown", "unknown"): 1,
    }


def test_nothing_can_be_counted_for_nobody(new_state: NewState) -> None:
    store = new_state().open()
    with pytest.raises(StoreError, match="belongs to no Airbyte yet"):
        store.record_jobs([job()])
    assert store.record_jobs([]).sequence == 0
    store.close()


def test_history_is_recorded_without_being_counted(store: Store) -> None:
    store.record_jobs([job(1, created=EPOCH - DAY), job(2, FAILED, created=EPOCH - DAY + 9)], counting=False)
    store.record_jobs([job(1, created=EPOCH - DAY)])
    assert counted(store) == {}
    assert last(store).id == 2


def test_a_job_of_our_time_that_was_met_while_reading_history_is_counted_later(store: Store) -> None:
    """A sync that ends between a poll and a look-up of the newest success must not be lost."""
    store.record_jobs([job(volumes=Volumes(records_synced=3))], counting=False)
    assert counted(store) == {}
    assert last(store).id == 1
    assert store.record_jobs([job(volumes=Volumes(records_synced=3))]).changed == {"c-1"}
    store.record_jobs([job()])
    assert counted(store) == {("sync", "succeeded"): 1}
    assert counters(store).records_synced == 3


# A status that this version does not know


def test_an_unknown_status_is_live_until_there_is_a_newer_job(store: Store) -> None:
    store.record_jobs([job(1, UNKNOWN, created=EPOCH + 100), job(9, of="c-2", created=EPOCH + 500)])
    assert live(store) == [1]
    assert counted(store) == {}
    recorded = store.record_jobs([job(2, PENDING, created=EPOCH + 200)])
    assert live(store) == [2]
    assert counted(store) == {("sync", "unknown"): 1}
    assert last(store) == job(1, UNKNOWN, created=EPOCH + 100)
    assert recorded.sequence == 4
    store.record_jobs([job(1, SUCCEEDED, created=EPOCH + 100, updated=EPOCH + 900)])
    assert counted(store) == {("sync", "unknown"): 1}


def test_an_unknown_status_of_an_older_job_is_final_at_once(store: Store) -> None:
    store.record_jobs([job(2, created=EPOCH + 200)])
    store.record_jobs([job(1, UNKNOWN, created=EPOCH + 100)])
    assert live(store) == []
    assert counted(store) == {("sync", "succeeded"): 1, ("sync", "unknown"): 1}
    assert last(store).id == 2


def test_an_unknown_status_that_turns_into_a_known_one_is_counted_as_that(store: Store) -> None:
    store.record_jobs([job(1, UNKNOWN)])
    store.record_jobs([job(1, FAILED), job(2, created=EPOCH + 200)])
    assert counted(store) == {("sync", "succeeded"): 1, ("sync", "failed"): 1}


# How far reading has come


def test_progress_is_kept_with_the_page_it_belongs_to(state: State, store: Store) -> None:
    assert store.progress() == Progress()
    progress = Progress(
        watermark=EPOCH, jobs_as_of=EPOCH + 1, backfilled_to=5, backfill_done=True, reread_at=6
    )
    store.record_jobs([job()], progress=progress)
    assert state.reopen().progress() == progress


@pytest.mark.parametrize(
    ("page", "progress"),
    [
        ([job(1), job(2, volumes=Volumes(records_synced=2**70))], Progress(watermark=2)),
        ([job(1)], Progress(watermark=cast("int", object()))),
    ],
    ids=["a row cannot be written", "the progress cannot be written"],
)
def test_a_page_is_kept_with_its_progress_or_not_at_all(
    store: Store, page: list[Job], progress: Progress
) -> None:
    store.save_progress(Progress(watermark=1))
    with pytest.raises(StoreError):
        store.record_jobs(page, progress=progress)
    assert store.progress() == Progress(watermark=1)
    assert store.sequence() == 0
    assert store.completed() == {}
    assert store.facts()["c-1"].last_sync is None


# Which connections Airbyte is asked about


def test_connections_without_a_success_are_asked_about_once(store: Store) -> None:
    assert store.without_known_success(10) == ("c-1", "c-2")
    assert store.without_known_success(1) == ("c-1",)
    store.successes_looked_up(["c-1"])
    assert store.without_known_success(10) == ("c-2",)
    store.record_inventory(inventory(connection("c-1"), replace(connection("c-2"), name="renamed")))
    assert store.without_known_success(10) == ("c-2",)
    store.record_jobs(
        [job(1, FAILED, of="c-2"), job(2, type_=JobType.RESET, of="c-2"), job(3, RUNNING, of="c-2")]
    )
    assert store.without_known_success(10) == ("c-2",)
    store.record_jobs([job(4, of="c-2")])
    assert store.without_known_success(10) == ()


def complete(store: Store) -> set[str]:
    return {id_ for id_, facts in store.facts().items() if facts.is_history_complete}


def test_what_airbyte_answered_or_told_of_successes_is_all_of_it(store: Store) -> None:
    assert complete(store) == set()
    assert store.successes_looked_up(["c-1", "c-2", "nobody knows"]) == {"c-1", "c-2"}
    assert store.successes_looked_up(["c-1"]) == frozenset()
    assert complete(store) == {"c-1", "c-2"}
    store.record_inventory(inventory(connection("c-2")))
    store.record_inventory(inventory(connection("c-1"), connection("c-2")))
    assert complete(store) == {"c-2"}, "nothing is known of the time while it was not watched"


def test_what_airbyte_refused_to_tell_is_not_known_and_not_asked_for_again(store: Store) -> None:
    assert store.successes_looked_up(["c-1"], answered=False) == frozenset()
    assert store.without_known_success(10) == ("c-2",)
    assert complete(store) == set()
    store.record_jobs([job(1, FAILED), job(2)])
    assert complete(store) == {"c-1"}


def test_thousands_of_answers_are_kept_at_once(store: Store) -> None:
    ids = [f"c-{number:05}" for number in range(3000)]
    store.record_inventory(inventory(*map(connection, ids)))
    assert store.successes_looked_up(ids) == set(ids)
    assert complete(store) == set(ids)
    assert store.without_known_success(10) == ()


def test_a_success_recorded_before_its_connection_was_known_is_known(store: Store) -> None:
    store.record_jobs([job(of="c-3"), job(2, FAILED, of="c-4")])
    store.record_inventory(inventory(*map(connection, ("c-1", "c-2", "c-3", "c-4"))))
    assert store.without_known_success(10) == ("c-1", "c-2", "c-4")
    store.record_inventory(inventory(*map(connection, ("c-2", "c-3"))))
    assert store.without_known_success(10) == ("c-2",)
