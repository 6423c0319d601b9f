"""When the next run of a connection is due: what happened to it, and what that comes to."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from airbyte_exporter.model import Schedule, ScheduleType
from airbyte_exporter.schedules import Runs

BERLIN = "Europe/Berlin"
HOURLY = Schedule(ScheduleType.BASIC, units=1, time_unit="hours")
DAILY = Schedule(ScheduleType.BASIC, units=24, time_unit="hours")
MONTHLY = Schedule(ScheduleType.BASIC, units=1, time_unit="months")
EVERY_MINUTE = Schedule(ScheduleType.BASIC, units=1, time_unit="minutes")
MANUAL = Schedule(ScheduleType.MANUAL)
UNKNOWN = Schedule(ScheduleType.UNKNOWN)


def cron(expression: str, zone: str = BERLIN) -> Schedule:
    return Schedule(ScheduleType.CRON, cron_expression=expression, cron_time_zone=zone)


def at(text: str, zone: str = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def shown(instant: int | None, zone: str = BERLIN) -> str | None:
    return None if instant is None else datetime.fromtimestamp(instant, ZoneInfo(zone)).isoformat(" ")[:-6]


@dataclass(frozen=True)
class Seen:
    """The inventory shows the connection; what is not said stays as it was."""

    when: str
    next_run: str | None
    schedule: Schedule | None = None
    active: bool = True


@dataclass(frozen=True)
class Synced:
    """A sync was created."""

    when: str
    next_run: str | None


@dataclass(frozen=True)
class Told:
    """Syncs from before it was seen become known, the oldest first."""

    whens: tuple[str, ...]
    next_run: str | None


STORIES = {
    "it runs by its schedule": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Synced("2026-03-02 13:00", "2026-03-02 14:00:00"),
        Synced("2026-03-02 14:00:02", "2026-03-02 15:00:02"),
    ),
    "a run by hand in between moves nothing": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Synced("2026-03-02 13:00", "2026-03-02 14:00:00"),
        Synced("2026-03-02 13:20", "2026-03-02 14:00:00"),
        Synced("2026-03-02 13:50", "2026-03-02 14:00:00"),
        Synced("2026-03-02 14:00", "2026-03-02 15:00:00"),
    ),
    "a run by hand in between moves no cron schedule either": (
        cron("0 0 12 * * ?"),
        Seen("2026-03-02 13:00", "2026-03-03 12:00:00"),
        Synced("2026-03-03 12:00", "2026-03-04 12:00:00"),
        Synced("2026-03-03 18:00", "2026-03-04 12:00:00"),
        Seen("2026-03-04 12:30", "2026-03-04 12:00:00"),
    ),
    "it is overdue, and stays so until it runs": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Synced("2026-03-02 13:00", "2026-03-02 14:00:00"),
        Seen("2026-03-02 17:30", "2026-03-02 14:00:00"),
        Synced("2026-03-02 17:40", "2026-03-02 18:40:00"),
    ),
    "it is paused and resumed, and Airbyte catches up at once": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Synced("2026-03-02 13:00", "2026-03-02 14:00:00"),
        Seen("2026-03-02 13:10", None, active=False),
        Seen("2026-03-09 09:00", "2026-03-09 10:00:00"),
        Synced("2026-03-09 08:58", "2026-03-09 10:00:00"),
        Synced("2026-03-09 09:58", "2026-03-09 10:58:00"),
    ),
    "it is paused and resumed, and cron waits for its time": (
        cron("0 0 12 * * ?"),
        Seen("2026-03-02 13:00", "2026-03-03 12:00:00"),
        Seen("2026-03-02 14:00", None, active=False),
        Seen("2026-03-09 13:00", "2026-03-10 12:00:00"),
        Synced("2026-03-10 12:00", "2026-03-11 12:00:00"),
    ),
    "its schedule is changed from daily to hourly, and Airbyte runs at once": (
        DAILY,
        Seen("2026-03-02 12:00", "2026-03-03 12:00:00"),
        Synced("2026-03-03 12:00", "2026-03-04 12:00:00"),
        Seen("2026-03-03 18:03", "2026-03-03 19:03:00", HOURLY),
        Synced("2026-03-03 18:03:30", "2026-03-03 19:03:30"),
        Synced("2026-03-03 19:03:30", "2026-03-03 20:03:30"),
    ),
    "its schedule is changed from hourly to daily": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Synced("2026-03-02 13:00", "2026-03-02 14:00:00"),
        Seen("2026-03-02 13:40", "2026-03-03 13:40:00", DAILY),
        Synced("2026-03-02 16:00", "2026-03-03 13:40:00"),
        Synced("2026-03-03 13:00", "2026-03-04 13:00:00"),
    ),
    "its schedule is changed to cron, to by hand, and back": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Seen("2026-03-02 12:30", "2026-03-03 06:00:00", cron("0 0 6 ? * MON-FRI")),
        Seen("2026-03-02 12:40", None, MANUAL),
        Synced("2026-03-02 12:50", None),
        Seen("2026-03-06 20:00", "2026-03-09 06:00:00", cron("0 0 6 ? * MON-FRI")),
    ),
    "it is first seen late, amid its runs": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Told(("2026-03-02 10:30", "2026-03-02 11:30"), "2026-03-02 13:00:00"),
        Synced("2026-03-02 12:30", "2026-03-02 13:30:00"),
        Synced("2026-03-02 13:30", "2026-03-02 14:30:00"),
    ),
    "it is first seen late, right after a run by hand": (
        DAILY,
        Seen("2026-03-02 10:00", "2026-03-03 10:00:00"),
        Told(("2026-03-02 09:50",), "2026-03-03 10:00:00"),
        Told(("2026-03-01 02:00", "2026-03-02 02:00", "2026-03-02 09:50"), "2026-03-03 10:00:00"),
        Synced("2026-03-03 02:00", "2026-03-04 02:00:00"),
    ),
    "it never ran": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Seen("2026-03-05 12:00", "2026-03-02 13:00:00"),
    ),
    "it never ran before its first sync, at once": (
        DAILY,
        Seen("2026-03-02 12:00", "2026-03-03 12:00:00"),
        Synced("2026-03-02 12:01", "2026-03-03 12:01:00"),
        Synced("2026-03-03 12:01", "2026-03-04 12:01:00"),
    ),
    "it runs for longer than its interval": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Synced("2026-03-02 13:00", "2026-03-02 14:00:00"),
        Synced("2026-03-02 15:25", "2026-03-02 16:25:00"),
    ),
    "it runs for longer than its interval by cron, which skips a time": (
        cron("0 0 * * * ?"),
        Seen("2026-03-02 12:10", "2026-03-02 13:00:00"),
        Synced("2026-03-02 13:00", "2026-03-02 14:00:00"),
        Synced("2026-03-02 15:25", "2026-03-02 16:00:00"),
    ),
    "the clocks are set forward over its time, which there is not that night": (
        cron("0 30 2 * * ?"),
        Seen("2026-03-28 03:00", "2026-03-30 02:30:00"),
        Synced("2026-03-30 02:30", "2026-03-31 02:30:00"),
    ),
    "the clocks are set back over its time": (
        cron("0 30 2 * * ?"),
        Seen("2026-10-24 03:00", "2026-10-25 02:30:00"),
        Synced("2026-10-25 03:00", "2026-10-26 02:30:00"),
    ),
    "the clocks are set forward, and a basic schedule does not care": (
        DAILY,
        Seen("2026-03-28 12:00", "2026-03-29 13:00:00"),
    ),
    "it runs every month of thirty days": (
        MONTHLY,
        Seen("2026-01-31 12:00", "2026-03-02 12:00:00"),
        Synced("2026-03-02 12:00", "2026-04-01 13:00:00"),
    ),
    "it runs on the last day of each month": (
        cron("0 0 0 L * ?"),
        Seen("2026-01-31 12:00", "2026-02-28 00:00:00"),
        Synced("2026-02-28 00:00", "2026-03-31 00:00:00"),
    ),
    "it runs every minute": (
        EVERY_MINUTE,
        Seen("2026-03-02 12:00", "2026-03-02 12:01:00"),
        Synced("2026-03-02 12:01", "2026-03-02 12:02:00"),
        Synced("2026-03-02 12:01:30", "2026-03-02 12:02:00"),
        Synced("2026-03-02 12:02", "2026-03-02 12:03:00"),
    ),
    "the clock of the server that creates a sync is a little slow": (
        HOURLY,
        Seen("2026-03-02 12:00", "2026-03-02 13:00:00"),
        Synced("2026-03-02 13:00", "2026-03-02 14:00:00"),
        Synced("2026-03-02 13:59:57", "2026-03-02 15:00:00"),
        Synced("2026-03-02 15:00", "2026-03-02 16:00:00"),
    ),
    "and no time is due twice for that": (
        cron("0 0 * * * ?"),
        Seen("2026-03-02 12:10", "2026-03-02 13:00:00"),
        Synced("2026-03-02 13:00", "2026-03-02 14:00:00"),
        Synced("2026-03-02 13:59:57", "2026-03-02 15:00:00"),
    ),
    "it is by hand": (MANUAL, Seen("2026-03-02 12:00", None), Synced("2026-03-02 12:10", None)),
    "its schedule is not known": (UNKNOWN, Seen("2026-03-02 12:00", None), Synced("2026-03-02 12:10", None)),
    "its schedule is nothing that Quartz takes": (
        cron("0 0 12 * * *"),
        Seen("2026-03-02 12:00", None),
        Synced("2026-03-02 12:10", None),
    ),
    "its time zone does not exist": (cron("0 0 12 * * ?", "Mars/Olympus"), Seen("2026-03-02 12:00", None)),
    "it runs once and never again": (
        cron("0 0 12 4 3 ? 2026"),
        Seen("2026-03-02 12:00", "2026-03-04 12:00:00"),
        Synced("2026-03-04 12:00", None),
    ),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_a_story(story: tuple[Schedule | Seen | Synced | Told, ...]) -> None:
    schedule, *events = story
    assert isinstance(schedule, Schedule)
    runs: Runs | None = None
    for event in events:
        if isinstance(event, Seen):
            schedule = event.schedule or schedule
            if runs is None:
                runs = Runs.first_seen(schedule, is_active=event.active, at=at(event.when))
            else:
                runs = runs.seen(schedule, is_active=event.active, at=at(event.when))
        else:
            assert runs is not None
            if isinstance(event, Told):
                runs = runs.after_history(map(at, event.whens))
            elif isinstance(event, Synced):
                runs = runs.after_syncs([at(event.when)])
        assert runs is not None
        assert isinstance(event, Seen | Synced | Told)
        assert shown(runs.next_run_at) == event.next_run, event


@pytest.mark.parametrize(
    ("schedule", "interval"),
    [
        (HOURLY, 3600),
        (MONTHLY, 30 * 86400),
        (EVERY_MINUTE, 60),
        (cron("0 0 12 * * ?"), 25 * 3600),
        (cron("0 0 6 ? * MON-FRI", "UTC"), 3 * 86400),
        (cron("0 0 0 L * ?", "UTC"), 31 * 86400),
        (cron("0 0 12 4 3 ? 2027"), None),
        (cron("0 0 12 * * *"), None),
        (MANUAL, None),
        (UNKNOWN, None),
    ],
    ids=str,
)
def test_the_interval_is_the_longest_time_between_two_runs(schedule: Schedule, interval: int | None) -> None:
    """The 60 noons from the second of September on hold the night on which the clocks are set back."""
    runs = Runs.first_seen(schedule, is_active=False, at=at("2026-09-02 00:00"))
    assert runs.interval == interval
    later = runs.seen(schedule, is_active=True, at=at("2026-11-30 00:00"))
    assert later.interval == interval
    assert later.seen(DAILY, is_active=True, at=at("2026-12-01 00:00")).interval == 86400


def test_a_sync_that_is_told_again_changes_nothing() -> None:
    runs = Runs.first_seen(HOURLY, is_active=True, at=at("2026-03-02 12:00"))
    once = runs.after_syncs([at("2026-03-02 13:00"), at("2026-03-02 14:00")])
    assert once.after_syncs([at("2026-03-02 13:00"), at("2026-03-02 14:00")]) == once
