"""The world changes, polls run: what is published, counted and asked for."""

from dataclasses import replace

import pytest

from airbyte_exporter.airbyte import (
    ApiError,
    ApiUnreachable,
)
from airbyte_exporter.model import JobStatus, Volumes
from airbyte_exporter.store import StateMismatch
from tests.unit.poller.fakes import HOUR, NOW, World, connection


def test_a_first_poll_shows_everything_and_counts_nothing_of_before(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, updated=NOW - 600, created=NOW - 700)

    assert world.poll()

    assert world.poller.is_ready
    page = world.telemetry.render(openmetrics=False).decode()
    assert 'airbyte_exporter_polls_total{loop="inventory"} 1.0' in page
    assert 'airbyte_exporter_polls_total{loop="jobs"} 1.0' in page
    assert world.facts("a").last_success_at == NOW - 600
    assert world.counted("a") == {}
    assert world.facts("b").last_sync is None


def test_a_job_that_ends_is_counted_once_however_often_it_is_seen(world: World) -> None:
    world.poll()
    world.airbyte.put(1, "a", JobStatus.RUNNING)
    world.poll()
    assert world.facts("a").active_job is not None

    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, created=world.airbyte.now, records=7)
    world.airbyte.jobs_held = {
        key: job for key, job in world.airbyte.jobs_held.items() if job.status.is_final
    }
    for _ in range(4):
        world.poll()

    assert world.counted("a") == {("sync", "succeeded"): 1}
    assert world.facts("a").counters.records_synced == 7
    assert world.facts("a").active_job is None


def test_a_quiet_poll_is_one_request_and_renders_nothing(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED)
    world.poll()
    world.poll()
    world.airbyte.calls.clear()
    rendered = world.rendered

    world.poll()

    assert world.airbyte.calls == ["changes"]
    assert world.rendered == rendered


def test_live_numbers_move_though_updated_at_does_not(world: World) -> None:
    job = world.airbyte.put(1, "a", JobStatus.RUNNING, records=5)
    world.poll()

    world.airbyte.jobs_held[1, job.created_at] = replace(job, volumes=Volumes(records_emitted=500))
    world.poll(seconds=300)

    active = world.facts("a").active_job
    assert active is not None
    assert active.volumes is not None
    assert active.volumes.records_emitted == 500


def test_a_poll_that_breaks_off_publishes_nothing_and_loses_nothing(world: World) -> None:
    world.poll()
    before = world.snapshot.get()
    for number in range(5):
        world.airbyte.put(number, "a", JobStatus.SUCCEEDED, created=world.airbyte.now + number)
    world.airbyte.fail_on_page = 1

    assert not world.poll()
    assert world.snapshot.get() is before
    assert "jobs" in world.poller.failures

    world.airbyte.fail_on_page = None
    assert world.poll()
    assert world.counted("a") == {("sync", "succeeded"): 5}
    assert not world.poller.failures


def test_a_row_committed_late_is_found_within_the_overlap(world: World) -> None:
    world.poll()
    world.airbyte.put(1, "a", JobStatus.FAILED)
    world.airbyte.hidden.add(1)
    world.airbyte.put(2, "b", JobStatus.SUCCEEDED, updated=world.airbyte.now + 5)
    world.poll()
    assert world.counted("a") == {}

    world.airbyte.hidden.clear()
    world.poll()

    assert world.counted("a") == {("sync", "failed"): 1}


def test_a_row_committed_hours_late_is_found_by_the_second_look(world: World) -> None:
    world.poll()
    world.airbyte.put(1, "a", JobStatus.FAILED)
    world.airbyte.hidden.add(1)
    world.poll()
    world.airbyte.put(2, "b", JobStatus.SUCCEEDED, updated=world.airbyte.now + 2 * HOUR)
    world.poll(seconds=2 * HOUR + 60)
    world.airbyte.hidden.clear()
    world.poll()
    assert world.counted("a") == {}

    world.settle()
    world.poll()

    assert world.counted("a") == {("sync", "failed"): 1}


def test_one_row_dated_in_the_future_hides_nothing(world: World) -> None:
    world.poll()
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, updated=NOW + 365 * 86400)
    world.poll()
    world.airbyte.put(2, "b", JobStatus.SUCCEEDED)
    world.poll()

    assert world.counted("b") == {("sync", "succeeded"): 1}


def test_a_live_job_that_airbyte_lost_is_not_live_and_not_counted(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.RUNNING)
    world.poll()
    assert world.facts("a").active_job is not None

    world.airbyte.jobs_held.clear()
    world.poll()

    assert world.facts("a").active_job is None
    assert world.counted("a") == {}


def test_an_id_issued_again_is_another_job(world: World) -> None:
    world.poll()
    world.airbyte.put(1, "a", JobStatus.RUNNING)
    world.poll()
    world.airbyte.jobs_held.clear()
    world.airbyte.put(1, "b", JobStatus.SUCCEEDED)
    world.poll()

    assert world.counted("a") == {}
    assert world.facts("a").active_job is None
    assert world.counted("b") == {("sync", "succeeded"): 1}


def test_history_follows_in_the_background_and_is_never_counted(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, created=NOW - 3 * 86400 - 60, updated=NOW - 3 * 86400)
    world.airbyte.put(2, "b", JobStatus.SUCCEEDED, created=NOW - 40 * 86400 - 60, updated=NOW - 40 * 86400)
    world.poll()
    assert world.facts("a").last_success_at is None

    world.settle()
    world.poll()

    assert world.facts("a").last_success_at == NOW - 3 * 86400
    assert world.facts("b").last_success_at == NOW - 40 * 86400, (
        "older than the look-back: asked for by itself"
    )
    assert world.counted("a") == world.counted("b") == {}
    world.airbyte.calls.clear()
    world.settle()
    assert world.airbyte.calls == [], "nothing is asked twice"


def test_the_look_back_goes_on_where_a_crash_left_it(world: World) -> None:
    world.poll()
    for _ in range(3):
        world.poller.run_background(float(world.airbyte.now))
    world.restart()
    world.poll()
    world.airbyte.calls.clear()
    world.settle()

    windows = 7 * 24 // 6
    assert world.airbyte.calls.count("history") == windows - 3


def test_a_restart_is_no_gap_and_the_counters_go_on(world: World) -> None:
    world.poll()
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED)
    world.poll()
    world.restart()
    world.airbyte.down = True
    world.poller.restore(float(world.airbyte.now))

    assert world.counted("a") == {("sync", "succeeded"): 1}
    assert not world.poller.is_ready
    assert not world.poll()
    assert world.counted("a") == {("sync", "succeeded"): 1}

    world.airbyte.down = False
    world.airbyte.put(2, "a", JobStatus.SUCCEEDED, created=world.airbyte.now + 1)
    assert world.poll()
    assert world.counted("a") == {("sync", "succeeded"): 2}


def test_facts_leave_when_nothing_was_heard_for_too_long_and_come_back(world: World) -> None:
    world.poll()
    world.airbyte.down = True
    world.poll(seconds=300)
    world.poller.expire(float(world.airbyte.now))
    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert not snapshot.jobs_stale

    world.poll(seconds=400)
    world.poller.expire(float(world.airbyte.now))
    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert snapshot.jobs_stale
    assert not snapshot.inventory_stale

    world.airbyte.down = False
    world.poll()
    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert not snapshot.jobs_stale


def test_a_new_connection_is_known_with_its_first_job(world: World) -> None:
    world.poll()
    world.airbyte.connections["c"] = connection("c")
    world.airbyte.put(1, "c", JobStatus.FAILED)
    world.poll()

    assert world.counted("c") == {("sync", "failed"): 1}
    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert {key.source_connector for key in snapshot.completed} == {"Postgres"}


def test_jobs_of_a_deleted_connection_ask_for_the_inventory_once(world: World) -> None:
    world.poll()
    world.airbyte.put(1, "gone", JobStatus.SUCCEEDED)
    world.poll()
    world.airbyte.calls.clear()
    world.poll()

    assert "inventory" not in world.airbyte.calls


def test_an_inventory_shows_renames_and_deletions_but_no_job_of_an_unfinished_poll(world: World) -> None:
    world.poll()
    world.airbyte.put(1, "a", JobStatus.FAILED)
    world.airbyte.put(2, "a", JobStatus.FAILED, created=world.airbyte.now + 1)
    world.airbyte.put(
        3, "a", JobStatus.SUCCEEDED, created=world.airbyte.now + 2, updated=world.airbyte.now + 2
    )
    world.airbyte.fail_on_page = 1
    world.poll()
    world.airbyte.connections["a"] = connection("a", name="renamed")
    del world.airbyte.connections["b"]

    assert world.poller.poll_inventory(float(world.airbyte.now))

    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert set(snapshot.connections) == {"a"}
    assert world.facts("a").connection.name == "renamed"
    assert world.counted("a") == {}
    world.airbyte.fail_on_page = None
    world.poll()
    assert world.counted("a") == {("sync", "failed"): 2, ("sync", "succeeded"): 1}


def test_a_state_of_another_airbyte_is_refused_unless_adopted(world: World) -> None:
    world.poll()
    world.airbyte.deployment_id = "another"
    world.restart("http://another.example/api/v1")
    with pytest.raises(StateMismatch):
        world.poll()

    world.restart("http://another.example/api/v1", adopt=True)
    assert world.poll()


def test_the_same_airbyte_at_another_address_is_the_same(world: World) -> None:
    world.poll()
    world.restart("https://airbyte.example/api/v1")

    assert world.poll()


def test_errors_of_airbyte_are_told_once_by_loop(world: World) -> None:
    world.airbyte.down = True
    assert not world.poller.poll_inventory(float(world.airbyte.now))
    assert not world.poll()

    assert set(world.poller.failures) == {"inventory", "jobs"}
    assert all(isinstance(reason, str) for reason in world.poller.failures.values())
    assert issubclass(ApiUnreachable, ApiError)
