"""Schedules of the simulated world: divided by its speed and still true in what the API tells."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from airbyte_exporter.simulator import World
from airbyte_exporter.simulator._schedule import MANUAL, basic, cron_calendar, cron_every
from tests.unit.simulator.asking import NOW


@pytest.mark.parametrize(
    ("units", "unit", "speed", "told", "cadence"),
    [
        (1, "hours", 1, (1, "hours"), 3600),
        (24, "hours", 1, (24, "hours"), 86400),
        (1, "hours", 60, (1, "minutes"), 60),
        (6, "hours", 60, (6, "minutes"), 360),
        (24, "hours", 60, (24, "minutes"), 1440),
        (24, "hours", 12, (2, "hours"), 7200),
        (7, "days", 7, (1, "days"), 86400),
        (1, "hours", 7, (9, "minutes"), 540),
        (1, "hours", 600, (1, "minutes"), 6),
    ],
)
def test_a_basic_schedule_is_told_in_whole_minutes_and_runs_so(
    units: int, unit: str, speed: float, told: tuple[int, str], cadence: float
) -> None:
    schedule = basic(units, unit, speed)
    assert ((schedule.units, schedule.time_unit), schedule.interval) == (told, cadence)
    assert schedule.next_after(NOW) == NOW + cadence


@pytest.mark.parametrize(
    ("every", "speed", "expression", "cadence"),
    [
        (900, 1, "0 0/15 * * * ?", 900),
        (3600, 1, "0 0 * * * ?", 3600),
        (900, 60, "0/15 * * * * ?", 15),
        (3600, 60, "0 * * * * ?", 60),
        (1200, 60, "0/20 * * * * ?", 20),
        (86400, 60, "0 0/30 * * * ?", 1800),
        (86400, 10, "0 0 0/3 * * ?", 10800),
        (86400, 1.5, "0 0 0 * * ?", 86400),
        (300, 1000, "0/1 * * * * ?", 1),
    ],
)
def test_a_cron_schedule_fires_when_its_expression_says(
    every: float, speed: float, expression: str, cadence: float
) -> None:
    schedule = cron_every(every, "UTC", speed)
    assert (schedule.cron_expression, schedule.interval) == (expression, cadence)
    assert schedule.next_after(NOW) % cadence == 0
    assert NOW < schedule.next_after(NOW) <= NOW + cadence


def test_a_daily_schedule_keeps_its_local_time_over_a_change_of_clocks() -> None:
    zone = ZoneInfo("Europe/Berlin")
    schedule = cron_calendar("0 30 5 * * ?", 86400, "Europe/Berlin", 1)
    instant = datetime(2026, 3, 28, 12, tzinfo=zone).timestamp()
    fires = []
    for _ in range(2):
        instant = schedule.next_after(instant)
        fires.append(datetime.fromtimestamp(instant, zone).strftime("%d %H:%M %Z"))
    assert fires == ["29 05:30 CEST", "30 05:30 CEST"]


def test_a_manual_schedule_is_never_due() -> None:
    assert MANUAL.next_after(NOW) == float("inf")


@pytest.mark.parametrize("speed", [1, 10, 60, 600])
def test_syncs_keep_to_the_cadence_that_is_told(speed: float) -> None:
    world = World(seed=9, connections=40, speed=speed, now=NOW, history_jobs=12)
    for connection in world.connections():
        regular = connection.told_interval <= max(connection.interval, 60)
        if connection.character not in {"steady", "flaky"} or not regular:
            continue
        jobs = world.jobs(connection.id)
        by_schedule = [job.created_at for job in jobs if job.scheduled]
        gaps = [later - earlier for earlier, later in pairwise(by_schedule)]
        assert min(gaps) >= connection.interval * 0.9 - 2
        created = [job.created_at for job in jobs]
        assert max(later - earlier for earlier, later in pairwise(created)) <= connection.interval * 2.2 + 3
        assert world.now - created[-1] <= connection.interval * 2.2 + 3


def test_a_longer_gap_is_never_the_rule() -> None:
    world = World(seed=9, connections=40, now=NOW)
    for connection in world.connections():
        jobs = world.jobs(connection.id) if connection.character == "steady" else ()
        created = [job.created_at for job in jobs if job.scheduled]
        gaps = sorted(later - earlier for earlier, later in pairwise(created))
        assert not gaps or gaps[len(gaps) // 2] <= connection.interval * 1.1 + 1
