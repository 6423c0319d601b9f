"""Polls where each connection is asked for its own jobs."""

import pytest

from airbyte_exporter.airbyte import Polling
from airbyte_exporter.model import JobStatus
from airbyte_exporter.poller._sweep import SWEEP_SECONDS
from tests.unit.poller.fakes import HOUR, NOW, World, connection

DAY = 24 * HOUR


@pytest.fixture
def world(world: World) -> World:
    """An Airbyte that lists jobs in no other way, with connections that nobody expects to sync."""
    world.airbyte.polling = Polling.CONNECTIONS
    return world


def asked(world: World) -> list[str]:
    ids = [ask.connection_id for ask in world.airbyte.asks]
    world.airbyte.asks.clear()
    return ids


def test_the_first_poll_asks_everything_and_counts_nothing_of_before(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, created=NOW - 700, updated=NOW - 600)

    assert world.poll()

    assert sorted(asked(world)) == ["a", "b"]
    assert world.poller.is_ready
    assert world.facts("a").last_success_at == NOW - 600
    assert world.counted("a") == {}
    page = world.telemetry.render(openmetrics=False).decode()
    assert 'airbyte_exporter_poll_info{loop="jobs",mode="connections"} 1.0' in page


def test_the_newest_success_is_found_however_old_it_is(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, created=NOW - 90 * DAY, updated=NOW - 90 * DAY + 60)
    for number in range(2, 5):
        at = NOW - (60 - number) * DAY
        world.airbyte.put(number, "a", JobStatus.FAILED, created=at, updated=at + 60)

    world.poll()
    world.settle()

    assert world.facts("a").last_success_at == NOW - 90 * DAY + 60
    assert world.facts("a").consecutive_failures == 3
    assert set(world.airbyte.calls) == {"inventory", "connection"}, "nothing else has to be asked"


def test_a_job_that_ends_is_counted_once_however_often_it_is_seen(world: World) -> None:
    world.poll()
    job = world.airbyte.put(1, "a", JobStatus.RUNNING)
    world.poll(seconds=int(SWEEP_SECONDS))
    assert world.facts("a").active_job is not None
    asked(world)

    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, created=job.created_at, records=7)
    for _ in range(4):
        world.poll()

    assert asked(world)[0] == "a", "what is live is asked in the next poll"
    assert world.counted("a") == {("sync", "succeeded"): 1}
    assert world.facts("a").counters.records_synced == 7
    assert world.facts("a").active_job is None


def test_a_manual_sync_is_seen_within_the_sweep(world: World) -> None:
    world.airbyte.connections = {f"c{n}": connection(f"c{n}") for n in range(40)}
    world.poll()
    world.poll()
    world.airbyte.put(1, "c7", JobStatus.FAILED)
    asked(world)

    for _ in range(int(SWEEP_SECONDS) // 30):
        world.poll()
        assert len(asked(world)) <= 3, "a part of them at a time"

    assert world.counted("c7") == {("sync", "failed"): 1}


def test_a_poll_that_breaks_off_publishes_nothing_and_loses_nothing(world: World) -> None:
    world.poll()
    before = world.snapshot.get()
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED)
    world.airbyte.put(2, "b", JobStatus.FAILED)
    world.airbyte.fail_on_connection = "b"

    assert not world.poll(seconds=int(SWEEP_SECONDS))
    assert world.snapshot.get() is before

    world.airbyte.fail_on_connection = None
    asked(world)
    assert world.poll()
    assert "b" in asked(world)
    assert world.counted("a") == {("sync", "succeeded"): 1}
    assert world.counted("b") == {("sync", "failed"): 1}


def test_a_live_job_that_is_not_there_any_more_is_forgotten(world: World) -> None:
    job = world.airbyte.put(1, "a", JobStatus.RUNNING)
    world.poll()
    assert world.facts("a").active_job is not None

    del world.airbyte.jobs_held[1, job.created_at]
    world.poll()

    assert world.facts("a").active_job is None
    assert world.counted("a") == {}


def test_a_live_job_older_than_the_look_back_still_ends(world: World) -> None:
    created = NOW - 20 * DAY
    world.airbyte.put(1, "a", JobStatus.RUNNING, created=created)
    world.poll()
    world.restart()

    world.airbyte.put(1, "a", JobStatus.FAILED, created=created, updated=world.airbyte.now)
    world.poll()

    assert world.counted("a") == {("sync", "failed"): 1}


def test_the_live_job_of_a_deleted_connection_is_followed_to_its_end(world: World) -> None:
    job = world.airbyte.put(1, "a", JobStatus.RUNNING)
    world.poll()
    del world.airbyte.connections["a"]
    world.poller.poll_inventory(float(world.airbyte.now))
    world.airbyte.put(1, "a", JobStatus.CANCELLED, created=job.created_at, updated=world.airbyte.now)

    world.poll()

    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert [(key.status, count) for key, count in snapshot.completed.items()] == [("cancelled", 1)]
    world.poll()
    asked(world)
    world.poll()
    assert "a" not in asked(world)


def test_a_restart_is_no_gap_and_asks_for_no_history_again(world: World) -> None:
    for number in range(1, 6):
        at = NOW - number * DAY
        world.airbyte.put(number, "a", JobStatus.SUCCEEDED, created=at, updated=at + 60)
    world.poll()
    world.restart()
    asked(world)
    world.airbyte.put(9, "a", JobStatus.FAILED, created=world.airbyte.now)

    world.poll(seconds=HOUR)

    since = {ask.connection_id: ask.since for ask in world.airbyte.asks}
    assert since["a"] > NOW - 2 * DAY
    assert world.counted("a") == {("sync", "failed"): 1}


def test_no_connections_at_all_still_means_to_have_asked_airbyte(world: World) -> None:
    world.airbyte.connections = {}
    assert world.poll()
    world.airbyte.calls.clear()
    assert world.poll()
    assert world.airbyte.calls == ["time"]

    world.airbyte.down = True
    assert not world.poll()


def test_an_airbyte_that_lists_changes_by_now_is_read_from_the_oldest_answer_on(world: World) -> None:
    """A sync that ended while the sweep was elsewhere is not passed over."""
    world.airbyte.connections = {f"c{n}": connection(f"c{n}") for n in range(40)}
    world.poll()
    last_in_the_sweep = "c9"
    failed = world.airbyte.put(1, last_in_the_sweep, JobStatus.FAILED)
    for _ in range(10):
        world.poll()
    assert world.counted(last_in_the_sweep) == {}

    world.airbyte.polling = Polling.CHANGES
    world.poll()

    assert world.counted(last_in_the_sweep) == {("sync", "failed"): 1}
    assert world.facts(last_in_the_sweep).last_failure_at == failed.updated_at


def test_everything_is_asked_when_changes_cannot_be_listed_any_more(world: World) -> None:
    world.poll()
    world.airbyte.polling = Polling.CHANGES
    world.poll()
    world.airbyte.polling = Polling.CONNECTIONS
    world.airbyte.put(1, "a", JobStatus.FAILED)
    asked(world)

    world.poll()

    assert sorted(asked(world)) == ["a", "b"]
    assert world.counted("a") == {("sync", "failed"): 1}


# What goes wrong with some of them


def many(world: World, number: int) -> None:
    world.airbyte.connections = {f"c{n:03}": connection(f"c{n:03}") for n in range(number)}


def test_one_that_cannot_be_answered_does_not_stop_the_others(world: World) -> None:
    many(world, 40)
    world.airbyte.put(1, "c007", JobStatus.SUCCEEDED, created=NOW - 500, updated=NOW - 400)
    world.poll()
    world.airbyte.unanswered = {"c007"}
    for n in range(40):
        world.airbyte.put(100 + n, f"c{n:03}", JobStatus.FAILED)

    for _ in range(2 * int(SWEEP_SECONDS) // 30):
        assert world.poll()

    assert [n for n in range(40) if not world.counted(f"c{n:03}")] == [7]
    assert world.facts("c007").last_success_at == NOW - 400, "what is known of it stays"
    world.airbyte.unanswered = set()
    for _ in range(int(SWEEP_SECONDS) // 30):
        world.poll()
    assert world.counted("c007") == {("sync", "failed"): 1}


def test_one_that_cannot_be_answered_holds_back_the_mark_but_not_the_alerts(world: World) -> None:
    many(world, 40)
    world.poll()
    world.airbyte.unanswered = {"c007"}
    failed = world.airbyte.put(1, "c007", JobStatus.FAILED)
    for _ in range(3 * int(SWEEP_SECONDS) // 30):
        world.poll()
    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert snapshot.oldest_answer_at is not None
    assert world.airbyte.now - snapshot.oldest_answer_at <= SWEEP_SECONDS

    world.airbyte.polling = Polling.CHANGES
    world.poll()

    assert world.counted("c007") == {("sync", "failed"): 1}
    assert world.facts("c007").last_failure_at == failed.updated_at


def test_too_many_that_cannot_be_answered_make_a_failed_poll(world: World) -> None:
    many(world, 40)
    world.airbyte.unanswered = {f"c{n:03}" for n in range(3)}
    assert not world.poll()
    assert not world.poller.is_ready
    world.airbyte.unanswered = {"c000"}
    assert world.poll()
    assert world.poller.is_ready


def test_the_only_one_that_is_asked_and_cannot_be_answered_says_nothing_about_airbyte(world: World) -> None:
    many(world, 3)
    world.poll()
    world.airbyte.unanswered = {"c000"}
    for _ in range(40):
        world.airbyte.calls.clear()
        assert world.poll()
        if world.airbyte.calls == ["connection", "time"]:
            break
    else:
        raise AssertionError("it was never the only one")
    world.airbyte.down = True
    assert not world.poll()


def test_a_live_job_of_a_deleted_connection_that_nobody_can_tell_of_is_given_up(world: World) -> None:
    many(world, 3)
    world.airbyte.put(1, "c000", JobStatus.RUNNING)
    world.poll()
    del world.airbyte.connections["c000"]
    world.poller.poll_inventory(float(world.airbyte.now))
    world.airbyte.unanswered = {"c000"}
    for _ in range(3):
        assert world.poll()
    asked(world)
    for _ in range(30):
        assert world.poll()
    assert "c000" not in asked(world)


def test_what_ended_just_before_its_connection_was_deleted_is_counted(world: World) -> None:
    many(world, 40)
    world.poll()
    world.airbyte.put(1, "c039", JobStatus.SUCCEEDED, records=3)
    del world.airbyte.connections["c039"]
    world.poller.poll_inventory(float(world.airbyte.now))

    world.poll()

    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert sum(snapshot.completed.values()) == 1
    asked(world)
    world.poll()
    assert "c039" not in asked(world)


# Slow servers and odd clocks


def test_a_server_that_answers_slowly_gets_fewer_questions(world: World) -> None:
    many(world, 200)
    world.airbyte.seconds_per_ask = 5
    world.poll()
    asked(world)
    sizes = []
    for _ in range(200):
        world.poll()
        sizes.append(len(asked(world)))
    assert max(sizes) <= 10, "as many as are answered in about half a minute"
    assert sum(sizes) >= 4 * 200, "and all of them come round"


def test_a_long_poll_gives_signs_of_life_and_its_facts_are_as_fresh_as_its_end(world: World) -> None:
    many(world, 200)
    world.airbyte.seconds_per_ask = 5
    started = world.airbyte.now
    world.poll()
    assert world.signs_of_life >= 200
    assert world.airbyte.now - started >= 1000
    world.poller.expire(float(world.airbyte.now))
    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert not snapshot.jobs_stale


@pytest.mark.parametrize("ahead", [2 * HOUR, 3 * DAY])
def test_a_job_dated_in_the_future_hides_nothing(world: World, ahead: int) -> None:
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, created=NOW + ahead, updated=NOW + ahead)
    world.poll()
    for number in range(2, 6):
        world.airbyte.put(number, "a", JobStatus.FAILED)
        world.poll(seconds=int(SWEEP_SECONDS))
    assert world.counted("a")["sync", "failed"] == 4


def test_airbytes_clock_set_back_hides_nothing(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED)
    world.poll()
    world.airbyte.now -= 5 * HOUR
    wall = NOW
    for number in range(2, 6):
        world.airbyte.now += 600
        wall += 600
        world.airbyte.put(number, "a", JobStatus.FAILED)
        world.poller.poll_jobs(float(wall))
    # What ended before the epoch by its own account is not counted; it is known all the same.
    assert world.facts("a").live_jobs == ()
    assert {job.connection_id for job in world.airbyte.jobs_held.values()} == {"a"}
    assert world.store.facts(["a"])["a"].last_failure_at is not None


def test_an_airbyte_that_tells_no_time_is_dated_by_our_clock(world: World) -> None:
    world.airbyte.tells_time = False
    world.poll()
    world.poll(seconds=DAY)
    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert snapshot.jobs_as_of == world.airbyte.now


# What comes into sight late


def test_the_past_of_a_connection_that_comes_into_sight_is_no_news(world: World) -> None:
    world.poll()
    world.poll(seconds=90 * DAY)
    for day in range(90):
        at = world.airbyte.now - day * DAY - 2 * HOUR
        world.airbyte.put(100 + day, "late", JobStatus.FAILED, created=at, updated=at + 60)
    world.airbyte.connections["late"] = connection("late")
    world.poller.poll_inventory(float(world.airbyte.now))

    world.poll()

    assert world.counted("late") == {("sync", "failed"): 1}, "the last day is"
    assert world.facts("late").consecutive_failures == 90
    waiting = {job.id for jobs in world.store.unjudged(10**9).values() for job in jobs}
    assert waiting == {100}


def test_what_a_new_connection_did_while_nobody_looked_is_news(world: World) -> None:
    world.poll()
    for day in range(3):
        at = world.airbyte.now + day * DAY + HOUR
        world.airbyte.put(100 + day, "new", JobStatus.FAILED, created=at, updated=at + 60)
    world.airbyte.connections["new"] = connection("new")
    world.restart()

    world.poll(seconds=4 * DAY)

    assert world.counted("new") == {("sync", "failed"): 3}
