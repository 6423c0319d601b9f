"""What the company has beside its jobs: sources and destinations, changing schemas, when what is due."""

import math
from itertools import pairwise
from typing import Any

import pytest

from airbyte_exporter.simulator import GENERATIONS, World
from airbyte_exporter.simulator._public_api import PublicApi
from airbyte_exporter.simulator._reference_api import ReferenceApi
from airbyte_exporter.simulator._schedule import MANUAL, Schedule, basic, cron_calendar, cron_every
from tests.unit.simulator.asking import NOW, Config

DAY = 86_400


@pytest.fixture
def world() -> World:
    """A company in which nothing happens unless a test makes it happen."""
    world = World(seed=1, connections=12, now=NOW, history_jobs=0)
    world.freeze()
    return world


def listed(world: World, kind: str) -> dict[str, set[str]]:
    """Return the ids of all sources or destinations, by the API that lists them."""
    workspaces = [workspace.id for workspace in world.workspaces()]
    config, by_config = Config(world), set[str]()
    for workspace_id in workspaces:
        page = config.read(f"{kind}s/list", workspaceId=workspace_id, pageSize=100)
        by_config.update(row[f"{kind}Id"] for row in page[f"{kind}s"])
    reference, by_reference = ReferenceApi(world), set[str]()
    for workspace_id in workspaces:
        answer: Any = reference.answer(
            "POST", f"{kind}s/list", b'{"workspaceId": "%s"}' % workspace_id.encode()
        )
        by_reference.update(row[f"{kind}Id"] for row in answer.body[f"{kind}s"])
    public: Any = PublicApi(world, GENERATIONS["2.0"]).answer("GET", f"{kind}s", {"limit": ["100"]}, url="")
    by_public = {row[f"{kind}Id"] for row in public.body["data"]}
    return {"config": by_config, "reference": by_reference, "public": by_public}


# Sources and destinations


def test_each_workspace_has_a_source_and_a_destination_that_no_connection_uses(world: World) -> None:
    connections = world.connections()
    for actors, used in (
        (world.sources(), {one.source_id for one in connections}),
        (world.destinations(), {one.destination_id for one in connections}),
    ):
        spare = [actor for actor in actors if actor.id not in used]
        assert {actor.workspace_id for actor in spare} == {one.id for one in world.workspaces()}
        assert {actor.deleted for actor in actors} == {False}


@pytest.mark.parametrize("kind", ["source", "destination"])
def test_what_is_added_is_listed_and_what_is_deleted_is_not(world: World, kind: str) -> None:
    add = world.add_source if kind == "source" else world.add_destination
    delete = world.delete_source if kind == "source" else world.delete_destination
    truth = world.sources if kind == "source" else world.destinations
    added = add("Postgres", "Neu")
    everything = {actor.id for actor in truth()}
    assert added in everything
    assert listed(world, kind) == dict.fromkeys(("config", "reference", "public"), everything)
    delete(added)
    assert listed(world, kind) == dict.fromkeys(("config", "reference", "public"), everything - {added})
    assert [actor.id for actor in truth() if actor.deleted] == [added]
    assert Config(world).ask(f"{kind}s/get", {f"{kind}Id": added}).status == 404
    public = PublicApi(world, GENERATIONS["2.0"])
    assert public.answer("GET", f"{kind}s/{added}", {}, url="").status == 404
    with_deleted: Any = public.answer(
        "GET", f"{kind}s", {"limit": ["100"], "includeDeleted": ["true"]}, url=""
    )
    assert {row[f"{kind}Id"] for row in with_deleted.body["data"]} == everything
    with pytest.raises(ValueError, match="'Paper' is not one of"):
        add("Paper")


def test_a_deleted_source_takes_its_connections_along(world: World) -> None:
    connection = world.connections()[0]
    world.run_now(connection.id, duration=math.inf)
    world.delete_source(connection.source_id)
    gone = [one for one in world.connections() if one.source_id == connection.source_id]
    assert {one.status for one in gone} == {"deprecated"}
    assert world.jobs(connection.id)[-1].status == "cancelled"


# Schemas


def test_schemas_change_and_are_followed() -> None:
    world = World(seed=3, connections=20, now=NOW, history_jobs=3)
    seen: dict[str, list[str]] = {one.id: [one.schema_change] for one in world.connections()}
    for tick in range(120):
        world.advance(NOW + 60 * tick)
        for one in world.connections():
            if seen[one.id][-1] != one.schema_change:
                seen[one.id].append(one.schema_change)
    changes = {change for states in seen.values() for change in pairwise(states)}
    assert changes == {("no_change", "non_breaking"), ("non_breaking", "no_change")}


def test_a_breaking_change_disables_its_connection_until_somebody_approves_of_it(world: World) -> None:
    connection = world.connections()[0]

    def told() -> tuple[str, str, bool]:
        config = Config(world)
        page = config.read("web_backend/connections/list", workspaceId=connection.workspace_id, pageSize=100)
        row = next(row for row in page["connections"] if row["connectionId"] == connection.id)
        single = config.read("connections/get", connectionId=connection.id)
        assert single["status"] == row["status"]
        return row["status"], row["schemaChange"], single["breakingChange"]

    world.change_schema(connection.id)
    assert told() == ("active", "non_breaking", False)
    world.change_schema(connection.id, "breaking")
    assert told() == ("inactive", "breaking", True)
    world.enable(connection.id)
    assert told() == ("active", "no_change", False)
    assert world.connections()[0].schema_change == "no_change"
    with pytest.raises(ValueError, match="'odd' is not one of"):
        world.change_schema(connection.id, "odd")


def test_only_what_is_disabled_has_a_broken_schema() -> None:
    connections = World(connections=600, now=NOW, history_jobs=0).connections()
    assert {one.schema_change for one in connections} == {"no_change", "non_breaking", "breaking"}
    assert {one.status for one in connections if one.schema_change == "breaking"} == {"inactive"}


# What is due


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (basic(24, "hours", 1), DAY),
        (basic(1, "hours", 600), 60),
        (cron_every(900, "UTC", 1), 900),
        (cron_calendar("0 0 6 ? * MON-FRI", DAY, "UTC", 1), 3 * DAY),
        (cron_calendar("0 0 3 L * ?", 30 * DAY, "UTC", 1), 31 * DAY),
        (cron_calendar("0 30 5 * * ?", DAY, "Europe/Berlin", 1), DAY + 3600),
        (cron_calendar("0 30 5 * * ?", DAY, "Asia/Tokyo", 1), DAY),
        (MANUAL, 0),
    ],
    ids=str,
)
def test_the_interval_that_is_told_is_the_longest_gap(schedule: Schedule, told: float) -> None:
    assert schedule.told_interval(NOW) == told


def test_the_next_run_is_an_interval_after_the_last_scheduled_one() -> None:
    world = World(seed=2, connections=12, now=NOW, history_jobs=4)
    kinds = set()
    for one in world.connections():
        scheduled = [job.created_at for job in world.jobs(one.id) if job.scheduled]
        if one.schedule_type == "manual" or one.status != "active":
            assert one.next_run_at is None
        else:
            assert one.next_run_at is not None
            assert 0 < one.next_run_at - scheduled[-1] <= one.interval + 1
            kinds.add(one.schedule_type)
    assert kinds == {"basic", "cron"}


def test_what_is_asked_for_by_hand_does_not_move_the_next_run() -> None:
    world = World(connections=1, now=NOW, history_jobs=0)
    connection = world.connections()[0]
    assert connection.next_run_at == NOW + 60
    world.run_now(connection.id, now=NOW + 30)
    assert world.connections()[0].next_run_at == NOW + 60
    world.run_now(connection.id, duration=math.inf, now=NOW + 40)
    world.advance(NOW + 100)
    assert world.connections()[0].next_run_at == NOW + 60, "it is overdue"
    world.pause(connection.id)
    assert world.connections()[0].next_run_at is None


def test_at_its_own_speed_a_company_syncs_by_the_calendar_too() -> None:
    world = World(seed=1, connections=300, speed=1, now=NOW, history_jobs=10)
    expressions = set()
    for connection in world.company.connections.values():
        schedule = connection.schedule
        if not schedule.by_calendar:
            continue
        expressions.add((schedule.cron_expression or "").split(maxsplit=3)[-1])
        for job in connection.jobs:
            if job.scheduled:
                fire = schedule.next_after(job.created - 2)
                assert 0 <= job.created - fire < 2
    assert expressions == {"* * ?", "? * MON-FRI", "? * SUN", "L * ?", "? * 6L", "? * 2#1"}
