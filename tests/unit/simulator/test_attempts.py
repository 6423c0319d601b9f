"""Attempts and jobs: how long they wait, how often they are tried, why they fail, what is lost."""

import math
from collections import Counter
from typing import Any

import pytest

from airbyte_exporter.simulator import GENERATIONS, Failure, SimulatedJob, World
from tests.unit.simulator.asking import NOW, SPECIFIED, Config
from tests.unit.simulator.openapi import config_api

FUTURE = Failure("data_plane", "quota_exceeded", "The quota of this region is used up.", "QuotaExceeded")
LOST = Failure("destination", "system_error", "No space left on device.", "java.io.IOException")
VANISHED = Failure("airbyte_platform", "transient_error", "Sync process exited.", "Heartbeat timed out")


@pytest.fixture(scope="module")
def company() -> World:
    """A company with a long past."""
    return World(seed=3, connections=40, now=NOW)


@pytest.fixture
def world() -> World:
    """A company in which nothing happens unless a test makes it happen."""
    world = World(seed=1, connections=3, now=NOW, history_jobs=0)
    world.freeze()
    return world


def newest(world: World) -> SimulatedJob:
    """Return the first connection's newest job as it really is."""
    return world.jobs(world.connections()[0].id)[-1]


def newest_row(world: World, generation: str = "2.0") -> dict[str, Any]:
    """Return the same as an API lists it."""
    config = Config(world, generation)
    return config.jobs(configId=world.connections()[0].id, pagination={"pageSize": 1})[0]


# What goes on in a company


def test_some_jobs_wait_noticeably_and_some_are_given_up(company: World) -> None:
    intervals = {one.id: one.interval for one in company.connections()}
    waits = [(job.queue_seconds, intervals[job.connection_id]) for job in company.jobs() if job.attempts]
    long = [wait for wait, interval in waits if wait is not None and wait > 0.1 * min(interval, 60)]
    assert 0.05 < len(long) / len(waits) < 0.3
    given_up = [job for job in company.jobs() if job.is_final and not job.attempts]
    assert {job.status for job in given_up} == {"cancelled"}
    assert all(job.updated_at >= job.created_at for job in given_up)
    assert {(job.started_at, job.queue_seconds, job.duration_seconds) for job in given_up} == {
        (None, None, None)
    }


def test_retries_end_in_every_way_and_for_different_reasons(company: World) -> None:
    retried = [job for job in company.jobs() if len(job.attempts) > 1 and job.is_final]
    assert {job.status for job in retried} == {"succeeded", "failed", "cancelled"}
    reasons = [{attempt.failures[0] for attempt in job.attempts if attempt.failures} for job in retried]
    assert any(len({failure.message for failure in each}) > 1 for each in reasons)


def test_failures_of_every_documented_kind_happen_and_only_documented_ones(company: World) -> None:
    failures = [one for job in company.jobs() for attempt in job.attempts for one in attempt.failures]
    origins, types = Counter(one.origin for one in failures), Counter(one.type for one in failures)
    documented = config_api("2.0")
    assert {*origins} - {None} == documented.choices("FailureOrigin")
    assert {*types} - {None} == documented.choices("FailureType")
    assert 0 < origins[None] < len(failures) / 10
    assert 0 < types[None] < len(failures) / 10


def test_several_failures_are_in_the_order_of_their_times(company: World) -> None:
    attempts = [attempt for job in company.jobs() for attempt in job.attempts if attempt.failures]
    several = [attempt for attempt in attempts if len(attempt.failures) > 1]
    assert 0.1 < len(several) / len(attempts) < 0.5
    for attempt in several:
        times = [failure.at_milliseconds for failure in attempt.failures]
        assert times == sorted(times)
        assert attempt.started_at * 1000 <= times[0]
        assert times[-1] // 1000 == attempt.ended_at


def test_what_failed_has_committed_a_part_or_not_or_it_is_not_known(company: World) -> None:
    failed = [job for job in company.jobs() if job.status in {"failed", "cancelled"}]
    assert {job.partial_success for job in failed} == {True, False, None}
    assert {job.partial_success for job in company.jobs() if job.status == "succeeded"} == {None}
    for job in failed:
        if job.partial_success is False:
            assert job.records_committed == 0


def test_records_are_rejected_now_and_then(company: World) -> None:
    rejected = [job for job in company.jobs() if job.records_rejected]
    assert {job.status for job in rejected} >= {"succeeded", "failed"}
    assert all((job.records_committed or 0) < (job.records_emitted or 0) for job in rejected)


def test_jobs_that_no_schedule_asked_for_are_told_apart(company: World) -> None:
    by_type = Counter((job.config_type, job.scheduled) for job in company.jobs())
    assert {*by_type} == {("sync", True), ("reset_connection", False), ("refresh", False)}


# What a test orders


def test_a_job_can_be_made_to_wait_and_to_need_several_attempts(world: World) -> None:
    world.run_now(world.connections()[0].id, queued=20, attempts=3, duration=30, records=100)
    assert (newest(world).status, newest(world).attempts) == ("pending", ())
    world.advance(NOW + 25)
    assert newest(world).status == "running"
    world.advance(NOW + 29.5)
    assert newest(world).status == "incomplete"
    world.advance(NOW + 50)
    job = newest(world)
    assert [attempt.status for attempt in job.attempts] == ["failed", "failed", "succeeded"]
    assert (job.queue_seconds, job.duration_seconds, job.updated_at) == (20, 30, NOW + 50)
    assert [attempt.records_emitted for attempt in job.attempts] == [50, 50, 100]
    assert 100 < (job.records_emitted or 0) <= 200, "an attempt is lost where a stream cannot go on"
    assert job.partial_success is None


def test_a_job_can_be_cancelled_before_any_attempt(world: World) -> None:
    connection_id = world.connections()[0].id
    world.run_now(connection_id, "cancelled", attempts=0, duration=5)
    world.advance(NOW + 5)
    assert (newest(world).status, newest(world).attempts, newest(world).partial_success) == (
        "cancelled", (), None,
    )  # fmt: skip
    row = newest_row(world)
    assert row["attempts"] == []
    assert set(row["job"]["aggregatedStats"].values()) == {0}
    waiting = world.run_now(connection_id, queued=math.inf)
    world.finish(waiting, "cancelled", now=NOW + 60)
    assert (newest(world).status, newest(world).attempts) == ("cancelled", ())
    with pytest.raises(ValueError, match="0 attempts"):
        world.run_now(connection_id, attempts=0)


@pytest.mark.parametrize("generation", SPECIFIED)
def test_the_reasons_are_told_in_their_order_with_what_had_been_committed(
    world: World, generation: str
) -> None:
    world.run_now(world.connections()[0].id, "failed", failures=(LOST, FUTURE), records=9, rejected=2)
    row = newest_row(world, generation)
    summary = row["attempts"][-1]["failureSummary"]
    assert [failure["failureOrigin"] for failure in summary["failures"]] == ["destination", "data_plane"]
    known = GENERATIONS[generation].failure_types
    assert [failure["failureType"] for failure in summary["failures"]] == [
        "system_error",
        "quota_exceeded" if known is None else "system_error",
    ]
    assert summary["partialSuccess"] is newest(world).partial_success is True


def test_of_a_process_that_vanished_nobody_knows_what_it_had_committed(world: World) -> None:
    world.run_now(world.connections()[0].id, "failed", failures=(VANISHED, LOST))
    attempt = newest_row(world)["attempts"][-1]
    assert "partialSuccess" not in attempt["failureSummary"]
    assert "recordsSynced" not in attempt
    assert attempt["totalStats"]["recordsCommitted"] == 1000
    assert newest(world).partial_success is None


@pytest.mark.parametrize("generation", SPECIFIED)
def test_rejected_records_are_told_where_the_generation_counts_them(world: World, generation: str) -> None:
    job_id = world.run_now(world.connections()[0].id, records=50, volume=5000, rejected=4)
    job, told = newest(world), GENERATIONS[generation].newest_details
    assert (job.records_emitted, job.records_committed, job.bytes_committed, job.records_rejected) == (
        50, 46, 4600, 4,
    )  # fmt: skip
    config = Config(world, generation)
    row = newest_row(world, generation)
    expected = 4 if told else None
    assert row["attempts"][0]["totalStats"].get("recordsRejected") == expected
    assert row["job"].get("aggregatedStats", {}).get("recordsRejected") == expected
    single = config.read("jobs/get_without_logs", id=job_id)
    assert "recordsRejected" not in single["attempts"][0]["attempt"]["totalStats"]
    assert single["job"].get("aggregatedStats", {}).get("recordsRejected") == expected
