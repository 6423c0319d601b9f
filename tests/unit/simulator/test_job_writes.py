"""Jobs that clients ask for and cancel."""

import math
from typing import Any

import pytest

from airbyte_exporter.simulator import Failure, SimulatedJob, World
from tests.unit.simulator.asking import NOW, SPECIFIED, Config
from tests.unit.simulator.writing import DATABASE, catalogue, frozen, new_connection, new_source, stream


@pytest.fixture(params=SPECIFIED)
def config(request: pytest.FixtureRequest) -> Config:
    """The API over a company that a test may change, in every generation."""
    return Config(frozen(), request.param)


@pytest.fixture
def ids(config: Config) -> dict[str, str]:
    """The body that names a new connection."""
    return {"connectionId": new_connection(config)["connectionId"]}


def latest(config: Config, ids: dict[str, str]) -> SimulatedJob:
    """Return the newest job of a connection as it really is."""
    return config.world.jobs(ids["connectionId"])[-1]


def steps(config: Config, job_id: int, until: float) -> list[tuple[str, int]]:
    """Return the statuses and records that a job has, second by second."""
    seen: list[tuple[str, int]] = []
    while config.world.now < until:
        told = config.read("jobs/get_without_logs", id=job_id)
        records = told["attempts"][-1]["attempt"].get("recordsSynced", 0) if told["attempts"] else 0
        seen.append((told["job"]["status"], records))
        config.world.advance(config.world.now + 0.5)
    return seen


def test_a_sync_is_a_job_of_the_world_that_queues_runs_and_ends(config: Config, ids: dict[str, str]) -> None:
    newest = max(job.id for job in config.world.jobs())
    told = config.specified("connections/sync", **ids)
    assert (told["job"]["id"], told["job"]["configType"]) == (newest + 1, "sync")
    assert (told["job"]["status"], told["attempts"]) == ("pending", [])
    assert told["job"]["configId"] == ids["connectionId"]
    assert [one["name"] for one in told["job"]["enabledStreams"]] == ["customers", "orders"]
    seen = steps(config, newest + 1, NOW + 30)
    assert list(dict.fromkeys(status for status, _ in seen)) == ["pending", "running", "succeeded"]
    job = latest(config, ids)
    assert not job.scheduled
    assert seen[-1] == ("succeeded", job.records_committed)
    assert 100 < (job.records_committed or 0) < 10_000


def test_the_numbers_of_a_running_sync_grow(ids: dict[str, str], config: Config) -> None:
    config.specified("connections/sync", **ids)
    emitted = set()
    for _ in range(40):
        config.world.advance(config.world.now + 0.5)
        emitted.add(latest(config, ids).records_emitted or 0)
    assert len(emitted) > 5


def test_a_slow_world_is_slow(config: Config) -> None:
    slow = Config(frozen(speed=1), config.generation)
    body = {"connectionId": new_connection(slow)["connectionId"]}
    slow.specified("connections/sync", **body)
    slow.world.advance(NOW + 60)
    assert latest(slow, body).status == "running"
    slow.world.advance(NOW + 1200)
    assert latest(slow, body).status == "succeeded"


def test_there_is_one_live_job_at_a_time(config: Config, ids: dict[str, str]) -> None:
    config.specified("connections/sync", **ids)
    asked = {"sync", "reset"} | ({"clear", "refresh"} if config.features.refreshes else set())
    for path in asked:
        answer = config.ask(f"connections/{path}", {**ids, "refreshMode": "Merge"})
        assert answer.status == 409, path
        assert answer.body["message"] == f"A sync is already running for: {ids['connectionId']}"
    assert len(config.world.jobs(ids["connectionId"])) == 1
    config.world.advance(NOW + 60)
    assert config.specified("connections/sync", **ids)["job"]["status"] == "pending"


def test_a_job_that_is_not_seen_yet_is_in_the_way_too(config: Config, ids: dict[str, str]) -> None:
    config.world.run_now(ids["connectionId"], duration=math.inf, hidden=True)
    assert config.ask("connections/sync", ids).status == 409


def test_only_an_active_connection_is_synced(config: Config, ids: dict[str, str]) -> None:
    config.specified("connections/update", status="inactive", **ids)
    asked = {"sync", "reset"} | ({"clear", "refresh"} if config.features.refreshes else set())
    for path in asked:
        answer = config.ask(f"connections/{path}", {**ids, "refreshMode": "Merge"})
        assert answer.status == 500, path
        if config.features.error_ids:
            assert answer.body.keys() == {"errorId"}
        else:
            assert answer.body["message"] == "Internal Server Error: Can only sync an active connection"
    assert config.world.jobs(ids["connectionId"]) == ()


@pytest.mark.parametrize(
    ("character", "status"),
    [
        ("steady", "succeeded"), ("idle", "succeeded"), ("silent", "succeeded"), ("broken", "failed"),
        ("stuck", "running"), ("waiting", "pending"),
    ],
)  # fmt: skip
def test_a_sync_goes_by_its_connections_character(character: str, status: str) -> None:
    world = World(seed=3, connections=40, now=NOW, history_jobs=2)
    world.freeze()
    config = Config(world)
    connection = next(one for one in world.connections() if one.character == character)
    if (live := world.live_job(world.connection(connection.id))) is not None:
        config.specified("jobs/cancel", id=live.id)
    config.specified("connections/sync", connectionId=connection.id)
    world.advance(NOW + 86_000)
    assert latest(config, {"connectionId": connection.id}).status == status


def test_a_flaky_connection_that_became_one_by_hand_fails_now_and_then() -> None:
    world = World(seed=3, connections=12, now=NOW, history_jobs=2)
    world.freeze()
    config = Config(world)
    ids = {"connectionId": next(one.id for one in world.connections() if one.character == "flaky")}
    config.specified("connections/update", scheduleType="manual", **ids)
    ended = set()
    for hour in range(1, 9):
        world.advance(NOW + hour * 60)
        if world.live_job(world.connection(ids["connectionId"])) is None:
            config.specified("connections/sync", **ids)
            world.advance(world.now + 59)
            ended.add(latest(config, ids).status)
    assert {"failed", "succeeded"} <= ended


def test_a_test_can_decide_how_the_next_syncs_go(config: Config, ids: dict[str, str]) -> None:
    refused = Failure("destination", "config_error", "No such schema.", "PSQLException")
    config.world.next_sync(ids["connectionId"], "failed", failures=[refused], records=40)
    config.world.next_sync(ids["connectionId"], duration=100, queued=5, records=77, volume=770)
    config.specified("connections/sync", **ids)
    job = latest(config, ids)
    assert (job.status, job.scheduled) == ("failed", False)
    assert [one.message for one in job.attempts[-1].failures] == ["No such schema."]
    config.specified("connections/sync", **ids)
    assert latest(config, ids).status == "pending"
    config.world.advance(NOW + 50)
    assert latest(config, ids).status == "running"
    config.world.advance(NOW + 106)
    job = latest(config, ids)
    assert (job.status, job.records_committed, job.bytes_committed) == ("succeeded", 77, 770)
    config.specified("connections/sync", **ids)
    assert latest(config, ids).status == "pending", "it goes by itself again"
    with pytest.raises(ValueError, match="'done' is not one of"):
        config.world.next_sync(ids["connectionId"], "done")
    with pytest.raises(KeyError):
        config.world.next_sync("nothing")


def test_what_is_broken_fails_its_syncs(config: Config) -> None:
    source_id = new_source(config, {**DATABASE, "host": "db.invalid"})
    body = {"connectionId": new_connection(config, sourceId=source_id)["connectionId"]}
    config.specified("connections/sync", **body)
    config.world.advance(NOW + 60)
    job = latest(config, body)
    assert (job.status, len(job.attempts), job.records_committed) == ("failed", 1, 0)
    failure = job.attempts[0].failures[0]
    assert (failure.origin, failure.type) == ("source", "config_error")
    assert failure.message == "Could not connect: unknown host db.invalid"
    config.specified("sources/update", sourceId=source_id, name="x", connectionConfiguration=DATABASE)
    config.specified("connections/sync", **body)
    config.world.advance(NOW + 120)
    assert latest(config, body).status == "succeeded"


def test_what_is_broken_fails_scheduled_syncs_too() -> None:
    world = World(seed=3, connections=1, now=NOW, history_jobs=0)
    connection = world.connections()[0]
    world.break_actor(connection.destination_id, "Disk full.")
    world.advance(NOW + 600)
    jobs = [job for job in world.jobs(connection.id) if job.created_at > NOW and job.is_final]
    assert jobs
    assert {job.status for job in jobs} == {"failed"}
    assert {job.attempts[0].failures[0].message for job in jobs} == {"Disk full."}


def test_a_sync_by_hand_does_not_move_the_schedule() -> None:
    config = Config(World(seed=3, connections=1, now=NOW, history_jobs=0))
    hourly = {"basicSchedule": {"units": 1, "timeUnit": "hours"}}
    body = {"connectionId": new_connection(config, scheduleType="basic", scheduleData=hourly)["connectionId"]}
    config.world.advance(NOW + 1800)
    config.specified("connections/sync", **body)
    config.world.advance(NOW + 3700)
    created = [(job.created_at - NOW, job.scheduled) for job in config.world.jobs(body["connectionId"])]
    assert created == [(0, True), (1800, False), (3600, True)]


# Resets and refreshes


def test_a_reset_and_a_clear_are_stored_as_resets(config: Config, ids: dict[str, str]) -> None:
    for path in ("reset", "clear"):
        if f"connections/{path}" in config.features.lacks:
            assert config.ask(f"connections/{path}", ids).status == 404
            continue
        told = config.specified(f"connections/{path}", **ids)["job"]
        assert told["configType"] == "reset_connection"
        names = [one["name"] for one in told["resetConfig"]["streamsToReset"]]
        assert names == ["customers", "orders"]
        config.world.advance(config.world.now + 60)
        assert latest(config, ids).status == "succeeded"
        assert latest(config, ids).records_committed is None


def test_a_refresh_is_of_all_streams_or_of_those_that_are_named() -> None:
    config = Config(frozen())
    body = {"connectionId": new_connection(config)["connectionId"]}
    told = config.specified("connections/refresh", refreshMode="Truncate", **body)["job"]
    assert told["configType"] == "refresh"
    assert (latest(config, body).streams, latest(config, body).refresh_mode) == (
        ("customers", "orders"), "Truncate",
    )  # fmt: skip
    config.world.advance(NOW + 60)
    assert latest(config, body).status == "succeeded"
    orders = [{"streamName": "orders", "streamNamespace": "public"}]
    told = config.specified("connections/refresh", refreshMode="merge", streams=orders, **body)["job"]
    assert told["refreshConfig"] == {"streamsToRefresh": [{"name": "orders", "namespace": "public"}]}
    assert (latest(config, body).streams, latest(config, body).refresh_mode) == (("orders",), "Merge")
    config.world.advance(NOW + 120)
    info = config.specified("jobs/get_without_logs", id=told["id"])
    (part,) = info["job"]["streamAggregatedStats"]
    assert part["recordsCommitted"] == info["job"]["aggregatedStats"]["recordsCommitted"] > 0


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({}, 400),
        ({"refreshMode": "Gently"}, 422),
        ({"refreshMode": "Merge", "streams": "orders"}, 422),
        ({"refreshMode": "Merge", "streams": [{}]}, 400),
        ({"refreshMode": "Merge", "streams": [{"streamName": "stock"}]}, 400),
    ],
)
def test_a_refresh_that_is_asked_wrongly_is_refused(wrong: dict[str, Any], status: int) -> None:
    config = Config(frozen())
    body = {"connectionId": new_connection(config)["connectionId"], **wrong}
    assert config.ask("connections/refresh", body).status == status
    assert config.world.jobs(body["connectionId"]) == ()


def test_a_job_is_about_the_streams_that_there_were_when_it_began(
    config: Config, ids: dict[str, str]
) -> None:
    config.specified("connections/sync", **ids)
    config.specified("connections/update", syncCatalog=catalogue(stream("orders")), **ids)
    assert latest(config, ids).streams == ("customers", "orders")
    config.world.advance(NOW + 60)
    config.specified("connections/sync", **ids)
    assert latest(config, ids).streams == ("orders",)


# Cancelling


@pytest.mark.parametrize("queued", [0, 30])
def test_a_live_job_is_cancelled(config: Config, ids: dict[str, str], queued: int) -> None:
    config.world.next_sync(ids["connectionId"], duration=math.inf, queued=queued, records=1000)
    job_id = config.specified("connections/sync", **ids)["job"]["id"]
    config.world.advance(NOW + 20)
    told = config.specified("jobs/cancel", id=job_id)
    assert (told["job"]["id"], told["job"]["status"]) == (job_id, "cancelled")
    assert len(told["attempts"]) == (0 if queued else 1)
    for info in told["attempts"]:
        assert info["attempt"]["status"] == "failed"
        assert info["attempt"]["failureSummary"]["failures"][0]["failureType"] == "manual_cancellation"
    assert latest(config, ids).status == "cancelled"
    assert config.specified("connections/sync", **ids)["job"]["id"] == job_id + 1


def test_a_job_that_has_ended_stays_as_it_is(config: Config, ids: dict[str, str]) -> None:
    for outcome in ("succeeded", "failed", "cancelled"):
        config.world.next_sync(ids["connectionId"], outcome)
        job_id = config.specified("connections/sync", **ids)["job"]["id"]
        before = latest(config, ids)
        assert config.specified("jobs/cancel", id=job_id)["job"]["status"] == outcome
        assert latest(config, ids) == before


def test_a_job_that_does_not_exist_cannot_be_cancelled(config: Config) -> None:
    answer = config.ask("jobs/cancel", {"id": 10**9})
    assert (answer.status, answer.body.keys()) == (500, {"errorId"})
    assert config.ask("jobs/cancel", {}).status == 400
    assert config.ask("jobs/cancel", {"id": "all"}).status == 422
