"""When runs are due, kept with everything else: over new syncs, old ones, inventories and restarts."""

from dataclasses import replace

import pytest

from airbyte_exporter.model import ConnectionStatus, JobStatus, JobType, Schedule, ScheduleType
from airbyte_exporter.store import Store
from tests.contract.store.builders import DAY, EPOCH, connection, inventory, job
from tests.contract.store.conftest import State

HOUR = 3600
HOURLY = Schedule(ScheduleType.BASIC, 1, "hours")
DAILY = Schedule(ScheduleType.BASIC, 1, "days")
BAD = Schedule(ScheduleType.CRON, cron_expression="0 0 12 * * *", cron_time_zone="UTC")


def see(
    store: Store,
    at: int,
    schedule: Schedule = HOURLY,
    status: ConnectionStatus = ConnectionStatus.ACTIVE,
) -> set[str]:
    return store.record_inventory(inventory(connection("c-1", schedule=schedule, status=status), read_at=at))


def told(store: Store) -> tuple[int | None, int | None]:
    facts = store.facts(["c-1"])["c-1"]
    return facts.schedule_interval, facts.next_run_at


def test_a_sync_that_was_due_moves_the_next_run_as_soon_as_it_is_there(store: Store) -> None:
    see(store, EPOCH)
    assert told(store) == (HOUR, EPOCH + HOUR)
    store.record_jobs([job(1, JobStatus.RUNNING, created=EPOCH + HOUR)])
    assert told(store) == (HOUR, EPOCH + 2 * HOUR)
    store.record_jobs([job(1, created=EPOCH + HOUR, updated=EPOCH + 90 * 60)])
    assert told(store) == (HOUR, EPOCH + 2 * HOUR)
    store.record_jobs([job(2, created=EPOCH + 5000)])
    assert told(store) == (HOUR, EPOCH + 2 * HOUR)


@pytest.mark.parametrize("type_", [JobType.RESET, JobType.CLEAR])
def test_what_moves_no_data_moves_no_run(store: Store, type_: JobType) -> None:
    see(store, EPOCH)
    store.record_jobs([job(1, created=EPOCH + HOUR, type_=type_)])
    assert told(store) == (HOUR, EPOCH + HOUR)


def test_history_that_comes_later_tells_which_sync_was_due(store: Store) -> None:
    """Of a daily connection only a run by hand is known at first, then the ones before."""
    see(store, EPOCH, DAILY)
    store.record_jobs([job(9, created=EPOCH - 600)])
    store.record_jobs(
        [job(3, created=EPOCH - 8 * HOUR), job(2, created=EPOCH - 8 * HOUR - DAY)], counting=False
    )
    assert told(store) == (DAY, EPOCH + DAY)
    store.record_jobs([job(10, created=EPOCH + 16 * HOUR)])
    assert told(store) == (DAY, EPOCH + 16 * HOUR + DAY)


def test_jobs_that_were_there_before_their_connection_tell_as_well(store: Store) -> None:
    store.record_jobs([job(number, created=EPOCH - number * HOUR - 1800) for number in range(3)])
    see(store, EPOCH)
    assert told(store) == (HOUR, EPOCH + HOUR)
    store.record_jobs([job(9, created=EPOCH + 1800)])
    assert told(store) == (HOUR, EPOCH + 1800 + HOUR)


def test_a_paused_connection_has_an_interval_and_no_next_run(store: Store) -> None:
    see(store, EPOCH)
    assert see(store, EPOCH + 100, status=ConnectionStatus.INACTIVE) == {"c-1"}
    assert told(store) == (HOUR, None)
    store.record_jobs([job(1, created=EPOCH + 90)])
    assert told(store) == (HOUR, None)
    assert see(store, EPOCH + DAY) == {"c-1"}
    assert told(store) == (HOUR, EPOCH + DAY + HOUR)


def test_another_schedule_counts_from_when_it_was_first_seen(store: Store) -> None:
    see(store, EPOCH)
    assert see(store, EPOCH + 60) == set()
    assert see(store, EPOCH + 100, DAILY) == {"c-1"}
    assert told(store) == (DAY, EPOCH + 100 + DAY)
    see(store, EPOCH + 200, BAD)
    assert told(store) == (None, None)
    see(store, EPOCH + 300, Schedule(ScheduleType.MANUAL))
    assert told(store) == (None, None)


def test_one_that_comes_back_after_its_deletion_is_seen_for_the_first_time(store: Store) -> None:
    see(store, EPOCH)
    store.record_inventory(inventory(connection("c-2"), read_at=EPOCH + HOUR))
    see(store, EPOCH + 10 * HOUR)
    assert told(store) == (HOUR, EPOCH + 11 * HOUR)


def test_a_restart_changes_nothing(state: State, store: Store) -> None:
    see(store, EPOCH)
    store.record_jobs([job(1, created=EPOCH + HOUR), job(2, created=EPOCH + 2 * HOUR)])
    before = told(store)
    again = state.reopen()
    assert told(again) == before == (HOUR, EPOCH + 3 * HOUR)
    again.record_jobs([job(3, created=EPOCH + 3 * HOUR)])
    assert told(again) == (HOUR, EPOCH + 4 * HOUR)


def test_how_many_sources_there_are_is_kept(state: State, store: Store) -> None:
    assert store.actors() == (None, None)
    listed = inventory(connection("c-1"))
    store.record_inventory(replace(listed, sources={"Postgres": 2}, destinations={}))
    assert state.reopen().actors() == ({"Postgres": 2}, {})
