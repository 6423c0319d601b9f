"""The simulated company: the same for a seed, true to Airbyte's state machine, lively, and steerable."""

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from airbyte_exporter.simulator import SimulatedJob, World
from tests.unit.simulator.asking import NOW, Config

LEGAL = {
    "pending": {"running", "failed", "cancelled", "incomplete"},
    "running": {"incomplete", "succeeded", "failed", "cancelled"},
    "incomplete": {"pending", "running", "failed", "cancelled", "succeeded"},
}
FINAL = {"succeeded", "failed", "cancelled"}


@pytest.fixture
def world() -> World:
    """A company in which nothing happens unless a test makes it happen."""
    world = World(seed=1, connections=3, now=NOW, history_jobs=0)
    world.freeze()
    return world


def first(world: World) -> str:
    """Return the id of the first connection."""
    return world.connections()[0].id


def visible(world: World) -> set[int]:
    """Return the ids that the API lists."""
    return {row["job"]["id"] for row in Config(world).jobs(pagination={"pageSize": 10_000})}


# The same for the same seed


def test_the_same_seed_gives_the_same_world_however_often_it_is_looked_at() -> None:
    often, once = World(seed=7, now=NOW), World(seed=7, now=NOW)
    for tick in range(240):
        often.advance(NOW + tick / 2)
    once.advance(NOW + 119.5)
    assert often.connections() == once.connections()
    assert often.jobs() == once.jobs()


def test_another_seed_gives_another_world() -> None:
    one, other = World(seed=1, now=NOW), World(seed=2, now=NOW)
    assert {c.id for c in one.connections()}.isdisjoint({c.id for c in other.connections()})


def test_all_ids_are_uuids() -> None:
    for connection in World(seed=4, connections=40, now=NOW).connections():
        for identity in (
            connection.id,
            connection.workspace_id,
            connection.source_id,
            connection.destination_id,
        ):
            assert str(UUID(identity)) == identity


def test_time_never_goes_back() -> None:
    world = World(now=NOW)
    world.advance(NOW + 30)
    jobs = world.jobs()
    world.advance(NOW - 1000)
    assert (world.now, world.jobs()) == (NOW + 30, jobs)


def test_a_world_with_a_clock_follows_it() -> None:
    now = NOW
    world = World(clock=lambda: now)
    before = len(world.jobs())
    now += 60
    assert len(world.jobs()) > before


def test_a_world_must_know_when_it_begins() -> None:
    with pytest.raises(ValueError, match="now or clock"):
        World()


# A company


def test_a_dozen_connections_show_a_story_each() -> None:
    world = World(now=NOW)
    by_character = {c.character: c for c in world.connections()}
    jobs = {name: world.jobs(connection.id) for name, connection in by_character.items()}
    assert jobs["idle"] == ()
    assert by_character["disabled"].status == "inactive"
    assert jobs["disabled"][-1].is_final
    assert jobs["stuck"][-1].status == "running"
    assert jobs["waiting"][-1].status == "pending"
    assert {job.status for job in jobs["broken"][-9:]} == {"failed"}
    assert all(j.status == "succeeded" and j.records_committed is None for j in jobs["silent"][-5:])
    assert any(job.records_committed for job in jobs["silent"])
    assert all(world.jobs(c.id) for c in world.connections() if c.character != "idle")


def test_a_history_has_all_that_happens_in_a_company() -> None:
    jobs = World(now=NOW).jobs()
    assert {job.config_type for job in jobs} == {"sync", "reset_connection", "refresh"}
    assert {job.status for job in jobs} >= FINAL
    failed = [attempt.failures[0] for job in jobs for attempt in job.attempts if attempt.failures]
    assert len({failure.origin for failure in failed}) >= 4
    assert len({failure.type for failure in failed}) >= 4
    assert len({failure.message for failure in failed}) >= 8
    assert any(len(job.attempts) > 1 and job.status == "succeeded" for job in jobs)
    assert any(len(job.attempts) > 2 for job in jobs)
    assert any(job.status == "failed" and job.records_committed for job in jobs), "partial success"
    assert max(job.updated_at for job in jobs) <= NOW


def test_names_are_as_people_give_them() -> None:
    names = "".join(c.name + c.workspace_name for c in World(now=NOW).connections())
    assert {"م", "顧", "🎫", '"', "\\", "→"} <= set(names)
    assert "\n" not in names


def test_volumes_follow_the_hours_of_the_day() -> None:
    world = World(seed=2, connections=3, now=NOW, speed=1, history_jobs=24 * 14)
    by_hour: dict[int, list[int]] = {}
    for job in world.jobs(first(world)):
        if job.status == "succeeded" and job.records_emitted:
            by_hour.setdefault(job.created_at % 86400 // 3600, []).append(job.records_emitted)
    night, noon = sum(by_hour[0]) / len(by_hour[0]), sum(by_hour[12]) / len(by_hour[12])
    assert noon > 2 * night


def test_a_large_world_has_every_kind_also_beyond_the_first_dozen() -> None:
    connections = World(connections=1000, workspaces=5, now=NOW, history_jobs=0).connections()
    assert len({c.id for c in connections}) == 1000
    assert len({c.workspace_id for c in connections}) == 5
    assert {c.character for c in connections[12:]} == {
        "steady", "flaky", "broken", "silent", "disabled", "idle", "stuck", "waiting",
    }  # fmt: skip


def test_the_history_of_a_large_world_is_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = len(World(connections=20, now=NOW).jobs())
    monkeypatch.setattr("airbyte_exporter.simulator._life._HISTORY_BUDGET", 400)
    assert 300 < len(World(connections=20, now=NOW).jobs()) < 420 < whole


# A job's life


def test_jobs_go_through_legal_statuses_and_change_their_update_time_with_them_only() -> None:
    world = World(seed=11, connections=14, now=NOW, history_jobs=0)
    seen: dict[int, tuple[str, int, int]] = {}
    met: Counter[tuple[str, str]] = Counter()
    for tick in range(500):
        world.advance(NOW + tick / 5)
        for job in world.jobs():
            emitted = job.records_emitted or 0
            known = seen.get(job.id)
            if known is None:
                assert job.status in {"pending", "running"} or tick == 0
            elif known[0] == job.status:
                assert known[1] == job.updated_at, "nothing but a change of status touches it"
                assert job.status not in FINAL or known[2] == emitted
            else:
                met[known[0], job.status] += 1
                assert job.status in LEGAL[known[0]]
                assert job.updated_at >= known[1]
            seen[job.id] = (job.status, job.updated_at, emitted)
    assert {("pending", "running"), ("running", "succeeded"), ("running", "incomplete")} <= set(met)


def test_a_running_job_moves_more_and_more_and_a_stuck_one_stands_still() -> None:
    world = World(now=NOW, history_jobs=4)
    steady = next(c for c in world.connections() if c.character == "steady")
    stuck = next(c for c in world.connections() if c.character == "stuck")
    hanging = world.jobs(stuck.id)[-1]
    growth = []
    for tick in range(480):
        world.advance(NOW + tick / 4)
        job = world.jobs(steady.id)[-1]
        if job.status == "running":
            growth.append((job.id, job.records_emitted or 0))
    assert any(a[0] == b[0] and a[1] < b[1] for a, b in pairwise(growth))
    assert all(a[0] != b[0] or a[1] <= b[1] for a, b in pairwise(growth))
    assert world.jobs(stuck.id)[-1] == hanging
    assert hanging.records_emitted


def test_a_connection_never_has_two_live_jobs() -> None:
    world = World(seed=5, connections=20, now=NOW, history_jobs=3)
    for tick in range(100):
        world.advance(NOW + tick)
        live = Counter(job.connection_id for job in world.jobs() if not job.is_final)
        assert max(live.values()) == 1


def test_ids_rise_with_the_time_of_creation() -> None:
    world = World(connections=30, now=NOW)
    ids = [job.id for job in sorted(world.jobs(), key=lambda job: (job.created_at, job.id))]
    assert ids == sorted(ids)


# A demonstration


@pytest.mark.parametrize("seed", range(3))
def test_a_small_world_is_lively_and_fails_soon_and_recovers(seed: int) -> None:
    world = World(seed=seed, now=NOW, history_jobs=2)
    flaky = next(c for c in world.connections() if c.character == "flaky")
    assert [job.status for job in world.jobs(flaky.id) if job.is_final][-1] == "succeeded"
    changes, states = [0.0], {job.id: job.status for job in world.jobs()}
    for tick in range(1, 240):
        world.advance(NOW + tick / 4)
        present = {job.id: job.status for job in world.jobs()}
        if present != states:
            changes.append(tick / 4)
        states = present
    assert max(b - a for a, b in pairwise(changes)) <= 6
    ends = [(job.updated_at - NOW, job.status) for job in world.jobs(flaky.id) if job.updated_at > NOW]
    failures = [at for at, status in ends if status == "failed"]
    assert failures
    assert failures[0] <= 20
    assert any(at > failures[0] and status == "succeeded" for at, status in ends)


# Steering


def test_a_job_run_by_hand_ends_as_told(world: World) -> None:
    connection_id = first(world)
    job_id = world.run_now(connection_id, duration=10, records=70, volume=7000)
    running = world.jobs(connection_id)[-1]
    assert (running.id, running.status, running.created_at) == (job_id, "running", NOW)
    world.advance(NOW + 10)
    ended = world.jobs(connection_id)[-1]
    assert (ended.status, ended.updated_at) == ("succeeded", NOW + 10)
    assert (ended.records_emitted, ended.records_committed, ended.bytes_committed) == (70, 70, 7000)


@pytest.mark.parametrize(
    ("outcome", "failure_type", "committed"),
    [("succeeded", None, 1000), ("failed", "config_error", 1000), ("cancelled", "manual_cancellation", 0)],
)
def test_a_job_run_by_hand_can_end_at_once(
    world: World, outcome: str, failure_type: str | None, committed: int
) -> None:
    world.run_now(first(world), outcome, now=NOW + 5)
    job = world.jobs(first(world))[-1]
    assert (job.status, job.created_at, job.updated_at) == (outcome, NOW + 5, NOW + 5)
    assert [failure.type for failure in job.attempts[0].failures] == ([failure_type] if failure_type else [])
    assert job.records_committed == committed


def test_a_second_live_job_of_a_connection_is_refused(world: World) -> None:
    world.run_now(first(world), duration=math.inf)
    with pytest.raises(ValueError, match="live job"):
        world.run_now(first(world))
    with pytest.raises(ValueError, match="'done' is not one of"):
        world.run_now(first(world), "done")


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "cancelled"])
def test_a_live_job_can_be_ended(world: World, outcome: str) -> None:
    job_id = world.run_now(first(world), duration=math.inf, records=500)
    world.finish(job_id, outcome, now=NOW + 33)
    job = world.jobs(first(world))[-1]
    assert (job.status, job.updated_at, job.attempts[0].ended_at) == (outcome, NOW + 33, NOW + 33)
    assert (job.records_committed == 500) == (outcome == "succeeded")
    assert job.attempts[0].status == ("succeeded" if outcome == "succeeded" else "failed")
    with pytest.raises(ValueError, match="has ended"):
        world.finish(job_id)


@pytest.mark.parametrize(("outcome", "attempts"), [("succeeded", 1), ("cancelled", 0)])
def test_a_waiting_job_can_be_ended(outcome: str, attempts: int) -> None:
    world = World(now=NOW)
    waiting = next(c for c in world.connections() if c.character == "waiting")
    world.finish(world.jobs(waiting.id)[-1].id, outcome)
    job = world.jobs(waiting.id)[-1]
    assert (job.status, len(job.attempts)) == (outcome, attempts)


def test_a_basic_schedule_catches_up_at_once_when_its_stuck_job_is_ended() -> None:
    world = World(now=NOW)
    stuck = next(c for c in world.connections() if c.character == "stuck")
    hanging = world.jobs(stuck.id)[-1]
    world.advance(NOW + stuck.interval)
    world.finish(hanging.id, "cancelled")
    world.advance(NOW + stuck.interval + 2)
    assert world.jobs(stuck.id)[-1].created_at >= NOW + stuck.interval


def test_a_cron_schedule_skips_what_a_long_job_has_covered() -> None:
    world = World(connections=2, now=NOW, history_jobs=0)
    cron = world.connections()[1]
    assert (cron.schedule_type, cron.interval) == ("cron", 15)
    job_id = world.run_now(cron.id, duration=math.inf)
    world.finish(job_id, now=NOW + 42)
    world.advance(NOW + 60)
    assert [job.created_at - NOW for job in world.jobs(cron.id)] == [0, 55]


def test_a_job_run_by_hand_does_not_move_the_schedule() -> None:
    world = World(connections=1, now=NOW, history_jobs=0)
    world.run_now(first(world), now=NOW + 30)
    world.advance(NOW + 65)
    by_hand, scheduled = world.jobs()
    assert by_hand.created_at == NOW + 30
    assert NOW + 60 <= scheduled.created_at <= NOW + 62


@pytest.mark.parametrize("remove", [World.delete_job, lambda w, i: w.prune(lambda job: job.id == i)])
def test_a_deleted_row_leaves_the_api_and_stays_in_the_truth(
    world: World, remove: Callable[[World, int], object]
) -> None:
    kept, gone = world.run_now(first(world)), world.run_now(first(world))
    remove(world, gone)
    assert visible(world) == {kept}
    assert Config(world).ask("jobs/get_light", {"id": gone}).status == 500
    assert [(job.id, job.visible) for job in world.jobs()] == [(kept, True), (gone, False)]


def test_pruning_spares_live_jobs(world: World) -> None:
    live = world.run_now(first(world), duration=60)
    assert world.prune(lambda _: True) == 0
    assert visible(world) == {live}


@pytest.mark.parametrize("row_is_there", [True, False])
def test_an_old_id_is_issued_again_with_a_new_creation_time(world: World, row_is_there: bool) -> None:
    old = world.run_now(first(world), records=1)
    if not row_is_there:
        world.delete_job(old)
    world.reissue_id(old)
    assert world.run_now(first(world), records=2, now=NOW + 50) == old
    assert world.run_now(first(world), now=NOW + 51) == old + 1
    assert Config(world).read("jobs/get_light", id=old)["job"]["createdAt"] == NOW + 50
    assert [(j.created_at, j.records_committed) for j in world.jobs() if j.id == old] == [
        (NOW, 1),
        (NOW + 50, 2),
    ]


def test_a_hidden_row_appears_later_with_the_times_it_has_had_all_along(world: World) -> None:
    shown = world.run_now(first(world))
    late = world.run_now(first(world), hidden=True, now=NOW + 3)
    world.hide(shown)
    assert visible(world) == set()
    world.advance(NOW + 90)
    world.reveal(late)
    assert visible(world) == {late}
    assert Config(world).jobs()[0]["job"]["updatedAt"] == NOW + 3
    world.reveal(shown)
    assert visible(world) == {shown, late}


def test_a_job_that_ends_while_it_is_hidden_is_final_when_it_appears(world: World) -> None:
    job_id = world.run_now(first(world), duration=20)
    world.hide(job_id)
    world.advance(NOW + 60)
    world.reveal(job_id)
    assert [row["job"]["status"] for row in Config(world).jobs(statuses=["succeeded"])] == ["succeeded"]


def test_pausing_stops_a_schedule_and_enabling_starts_it_again() -> None:
    world = World(now=NOW, history_jobs=2)
    connection = next(c for c in world.connections() if c.interval == 60 and c.character == "steady")

    def started_between(start: float, end: float) -> list[SimulatedJob]:
        world.advance(end)
        return [job for job in world.jobs(connection.id) if start <= job.created_at < end]

    world.pause(connection.id)
    assert started_between(NOW + 1, NOW + 300) == []
    world.enable(connection.id)
    assert len(started_between(NOW + 300, NOW + 303)) == 1, "what was missed is made up for at once"
    assert 3 <= len(started_between(NOW + 303, NOW + 600)) <= 5


def test_a_deleted_connection_leaves_the_listing_and_its_jobs_stay(world: World) -> None:
    connection = world.connections()[0]
    finished = world.run_now(connection.id)
    live = world.run_now(connection.id, duration=math.inf)
    world.delete_connection(connection.id)
    page = Config(world).read("web_backend/connections/list", workspaceId=connection.workspace_id)
    assert connection.id not in {row["connectionId"] for row in page["connections"]}
    assert world.connections()[0].status == "deprecated"
    assert {job.id: job.status for job in world.jobs()} == {finished: "succeeded", live: "cancelled"}
    with pytest.raises(ValueError, match="deleted"):
        world.run_now(connection.id)


def test_a_connection_can_be_added_and_renamed(world: World) -> None:
    connection_id = world.add_connection("Neu", source="Stripe", destination="BigQuery")
    added = world.connections()[-1]
    assert (added.id, added.name, added.source_connector, added.schedule_type) == (
        connection_id, "Neu", "Stripe", "manual",
    )  # fmt: skip
    world.rename(connection_id, "Ganz neu")
    item: Any = Config(world).read("connections/get", connectionId=connection_id)
    assert item["name"] == "Ganz neu"
    with pytest.raises(ValueError, match="'Paper' is not one of Postgres, MySQL"):
        world.add_connection(source="Paper")


def test_an_added_connection_with_a_schedule_syncs() -> None:
    world = World(now=NOW, connections=1, history_jobs=0)
    connection_id = world.add_connection(every_hours=1)
    world.advance(NOW + 150)
    assert len(world.jobs(connection_id)) == 3


def test_a_frozen_world_starts_nothing_and_lets_live_jobs_end() -> None:
    world = World(now=NOW)
    world.freeze()
    ids = {job.id for job in world.jobs()}
    world.advance(NOW + 3600)
    assert {job.id for job in world.jobs()} == ids
    assert {job.status for job in world.jobs() if not job.is_final} == {"running", "pending"}


def test_what_airbytes_own_retention_deletes_does_not_pile_up() -> None:
    world = World(connections=0, now=NOW, speed=182)
    connection_id = world.add_connection(every_hours=24)
    for hour in range(6, 48, 6):
        world.advance(NOW + hour * 3600)
    jobs = world.jobs(connection_id)
    assert NOW + 17 * 3600 < min(job.updated_at for job in jobs) < NOW + 19 * 3600
    assert visible(world) == {job.id for job in jobs}
