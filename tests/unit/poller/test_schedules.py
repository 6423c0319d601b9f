"""Schedules on the way from Airbyte to the view: when runs are due, and which cannot be worked out."""

from dataclasses import replace

from structlog.testing import capture_logs

from airbyte_exporter.model import ConnectionStatus, JobStatus, Schedule, ScheduleType
from tests.unit.poller.fakes import HOUR, NOW, World, connection

BAD = Schedule(ScheduleType.CRON, cron_expression="0 0 12 * * *", cron_time_zone="UTC")
ODD_ZONE = Schedule(ScheduleType.CRON, cron_expression="0 0 12 * * ?", cron_time_zone="Mars/Olympus")


def due(world: World, id_: str = "a") -> tuple[int | None, int | None]:
    facts = world.facts(id_)
    return facts.schedule_interval, facts.next_run_at


def hold(world: World, schedule: Schedule, status: ConnectionStatus = ConnectionStatus.ACTIVE) -> None:
    world.airbyte.connections["a"] = connection("a", schedule=schedule, status=status)
    world.poller.poll_inventory(float(world.airbyte.now))


def test_a_view_tells_when_the_next_run_is_due(world: World) -> None:
    world.poll()
    seen = world.airbyte.now
    assert due(world) == (HOUR, seen + HOUR)
    world.airbyte.now = seen + HOUR
    world.airbyte.put(1, "a", JobStatus.RUNNING)
    world.poll(5)
    assert due(world) == (HOUR, seen + 2 * HOUR)


def test_an_inventory_alone_moves_the_next_run(world: World) -> None:
    world.poll()
    world.airbyte.now += 60
    rendered = world.rendered
    hold(world, Schedule(ScheduleType.BASIC, 2, "hours"))
    assert due(world) == (2 * HOUR, world.airbyte.now + 2 * HOUR)
    hold(world, Schedule(ScheduleType.BASIC, 2, "hours"), ConnectionStatus.INACTIVE)
    assert due(world) == (2 * HOUR, None)
    assert world.rendered == rendered + 2


def test_a_restart_shows_the_same(world: World) -> None:
    world.poll()
    before = due(world)
    world.restart()
    world.poller.restore(float(world.airbyte.now))
    assert due(world) == before


def test_a_schedule_that_cannot_be_worked_out_breaks_nothing_and_is_told_once(world: World) -> None:
    world.airbyte.connections["a"] = connection("a", schedule=BAD)
    with capture_logs() as logs:
        for _ in range(3):
            assert world.poll()
            assert world.poller.poll_inventory(float(world.airbyte.now))
        assert due(world) == (None, None)
        assert due(world, "b")[0] == HOUR
        world.airbyte.connections["a"] = connection("a", schedule=BAD, name="renamed")
        world.poller.poll_inventory(float(world.airbyte.now))
    told = [entry for entry in logs if "schedule" in entry["event"]]
    assert [entry["connection_id"] for entry in told] == ["a"]
    assert "day" in told[0]["problem"]


def test_another_bad_schedule_is_told_again_and_a_good_one_comes_back(world: World) -> None:
    world.airbyte.connections["a"] = connection("a", schedule=BAD)
    with capture_logs() as logs:
        world.poll()
        hold(world, ODD_ZONE)
        hold(world, replace(ODD_ZONE, cron_time_zone="UTC"))
        hold(world, ODD_ZONE)
    assert [entry["connection_id"] for entry in logs if "schedule" in entry["event"]] == ["a", "a", "a"]


def test_after_a_restart_it_is_told_again(world: World) -> None:
    world.airbyte.connections["a"] = connection("a", schedule=BAD)
    world.poll()
    world.restart()
    with capture_logs() as logs:
        world.poll()
    assert world.airbyte.now > NOW
    assert [entry["connection_id"] for entry in logs if "schedule" in entry["event"]] == ["a"]
