"""Polls in trouble: what cannot be read holds up nothing else, and nothing is lost or made up."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from airbyte_exporter.airbyte import (
    ApiForbidden,
    ApiMalformed,
    ApiUnreachable,
    JobsPage,
    Polling,
    Reason,
)
from airbyte_exporter.model import Inventory, Job, JobStatus
from airbyte_exporter.store import StoreError
from tests.unit.poller.fakes import HOUR, NOW, World, connection


def unreachable(reason: Reason = "timeout") -> ApiUnreachable:
    return ApiUnreachable("jobs/list: no answer", method="jobs/list", reason=reason)


def test_the_live_set_is_read_at_the_first_start_also_when_that_failed_at_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.airbyte.put(1, "a", JobStatus.RUNNING, created=NOW - 4 * HOUR, updated=NOW - 4 * HOUR)
    world.airbyte.put(2, "b", JobStatus.SUCCEEDED, created=NOW - 900, updated=NOW - 600)
    read = world.airbyte.jobs

    def without_live(*, live: bool = False, **query: Any) -> Iterator[JobsPage]:  # noqa: ANN401  (as FakeAirbyte.jobs)
        if live:
            raise unreachable()
        return read(**query)

    with monkeypatch.context() as patch:
        patch.setattr(world.airbyte, "jobs", without_live)
        assert not world.poll()
    assert world.poll()

    assert world.facts("a").active_job is not None


def test_an_airbyte_without_any_job_costs_one_request_a_poll(world: World) -> None:
    world.poll()
    world.airbyte.calls.clear()
    world.poll()

    assert world.airbyte.calls == ["changes"]


def test_a_full_disk_while_tidying_up_does_not_end_the_daemon(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise StoreError("the disk is full")

    world.poll()
    monkeypatch.setattr(world.store, "prune", full)
    world.settle()
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED)
    world.poll()

    assert world.counted("a") == {("sync", "succeeded"): 1}


def test_a_connection_that_cannot_be_asked_about_holds_up_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.poll()
    world.airbyte.put(1, "a", JobStatus.FAILED)
    world.airbyte.hidden.add(1)
    world.poll()
    world.airbyte.put(2, "b", JobStatus.SUCCEEDED, updated=world.airbyte.now + 2 * HOUR)
    world.poll(seconds=2 * HOUR + 60)
    world.airbyte.hidden.clear()
    asked: list[str] = []

    def broken(connection_id: str) -> Job | None:
        asked.append(connection_id)
        raise unreachable("server_error")

    monkeypatch.setattr(world.airbyte, "newest_success", broken)
    for _ in range(120):
        world.poller.run_background(float(world.airbyte.now))
    world.poll()

    assert world.counted("a") == {("sync", "failed"): 1}, "the second look was not held up"
    assert len(asked) == 1


def test_history_that_cannot_be_read_is_not_asked_for_every_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, id_ in enumerate(world.airbyte.connections):
        world.airbyte.put(number, id_, JobStatus.SUCCEEDED)
    world.poll()
    asked = 0

    def broken(**_: object) -> Iterator[JobsPage]:
        nonlocal asked
        asked += 1
        raise ApiMalformed("jobs/list: a bad row", method="jobs/list", reason="malformed")

    monkeypatch.setattr(world.airbyte, "jobs", broken)
    for _ in range(120):
        world.poller.run_background(float(world.airbyte.now))

    assert asked == 1


def test_the_look_back_goes_on_at_once_after_an_outage(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, created=NOW - 5 * HOUR, updated=NOW - 5 * HOUR)
    world.poll()
    world.airbyte.down = True
    world.poller.run_background(float(world.airbyte.now))
    world.poll()
    world.airbyte.down = False
    world.poll()
    world.settle()
    world.poll()

    assert world.facts("a").last_success_at == NOW - 5 * HOUR


def test_the_inventory_for_a_new_connection_is_asked_for_until_it_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Inventory:
        raise unreachable()

    world.poll()
    world.airbyte.connections["c"] = connection("c")
    world.airbyte.put(1, "c", JobStatus.FAILED)
    with monkeypatch.context() as patch:
        patch.setattr(world.airbyte, "inventory", broken)
        assert not world.poll()
    assert world.poll()

    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert {key.source_connector for key in snapshot.completed} == {"Postgres"}


def test_airbytes_clock_set_back_hides_nothing(world: World) -> None:
    world.poll()
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED)
    world.poll()
    world.airbyte.now -= HOUR
    world.poll()
    world.airbyte.put(2, "b", JobStatus.SUCCEEDED)
    world.poll()

    assert world.facts("b").last_success_at == world.airbyte.now - 30


def test_our_clock_set_back_does_not_keep_old_facts_for_ever(world: World) -> None:
    world.poll()
    world.airbyte.down = True
    ours = float(world.airbyte.now) - 5 * HOUR
    for _ in range(25):
        ours += 30
        world.poller.poll_jobs(ours)
        world.poller.expire(ours)

    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert snapshot.jobs_stale


def test_one_job_that_cannot_be_read_by_itself_is_found_in_its_listing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> Job | None:
        raise ApiMalformed("no status", method="jobs/get_without_logs", reason="malformed")

    job = world.airbyte.put(1, "a", JobStatus.RUNNING)
    world.poll()
    world.airbyte.jobs_held[1, job.created_at] = replace(
        job, status=JobStatus.SUCCEEDED, updated_at=job.updated_at - HOUR
    )
    monkeypatch.setattr(world.airbyte, "job", broken)

    assert world.poll()
    assert world.facts("a").active_job is None


def test_jobs_of_workspaces_that_are_not_watched_are_left_out(world: World) -> None:
    world.restart(every_workspace=False)
    world.airbyte.put(1, "foreign", JobStatus.SUCCEEDED, created=NOW - 7200, updated=NOW - 7000)
    world.poll()
    world.airbyte.put(2, "foreign", JobStatus.RUNNING)
    world.airbyte.put(3, "a", JobStatus.SUCCEEDED)
    world.poll()
    world.airbyte.calls.clear()
    world.poll()
    world.settle()

    assert world.airbyte.calls[0] == "changes"
    assert "live" not in world.airbyte.calls
    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert sum(snapshot.completed.values()) == 1
    assert not world.store.live_keys()


def test_the_last_jobs_of_a_deleted_connection_are_counted_when_workspaces_are_chosen_too(
    world: World,
) -> None:
    world.restart(every_workspace=False)
    world.poll()
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED)
    del world.airbyte.connections["a"]
    world.poller.poll_inventory(float(world.airbyte.now))
    world.poll()

    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert sum(snapshot.completed.values()) == 1


def test_a_success_that_airbyte_will_not_tell_is_asked_for_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refused(connection_id: str) -> Job | None:
        asked.append(connection_id)
        raise ApiMalformed("jobs/list: a bad row", method="jobs/list", reason="malformed")

    world.poll()
    monkeypatch.setattr(world.airbyte, "newest_success", refused)
    world.settle()

    assert sorted(asked) == ["a", "b"]


def test_what_airbyte_this_is_is_logged_once_and_again_when_it_changes(world: World) -> None:
    with capture_logs() as logs:
        world.poll()
        world.poll()
        world.airbyte.polling = Polling.WORKSPACES
        world.poll()
    found = [line["polling"] for line in logs if line["event"] == "Airbyte found"]
    assert found == ["changes", "workspaces"]


def test_failures_since_a_success_older_than_the_look_back_are_known(world: World) -> None:
    day = 24 * HOUR
    past = [(60, "succeeded"), (40, "failed"), (30, "failed"), (20, "failed")]
    for number, (age, status) in enumerate(past):
        at = NOW - age * day
        world.airbyte.put(number, "a", JobStatus(status), created=at, updated=at + 60)
        if status == "failed":
            world.airbyte.put(10 + number, "b", JobStatus(status), created=at, updated=at + 60)
    world.poll()
    world.settle()
    world.poll()

    assert world.facts("a").consecutive_failures == 3
    assert world.facts("a").last_success_at == NOW - 60 * day + 60
    assert world.facts("b").consecutive_failures == 3, "of one that never succeeded everything is known"
    assert (world.counted("a"), world.counted("b")) == ({}, {})


def test_a_page_of_a_proxy_does_not_make_a_live_job_live_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.airbyte.put(1, "a", JobStatus.RUNNING)
    world.poll()
    del world.airbyte.jobs_held[1, job.created_at]
    listing = world.airbyte.jobs

    def behind_a_proxy(**query: Any) -> Iterator[JobsPage]:  # noqa: ANN401  # as the client takes them
        if query.get("connection_id"):
            raise ApiForbidden("a page", method="jobs/list", reason="not_airbyte")
        return listing(**query)

    with monkeypatch.context() as patched:
        patched.setattr(world.airbyte, "jobs", behind_a_proxy)
        assert not world.poll()
    assert world.poll()
    assert world.facts("a").active_job is None
