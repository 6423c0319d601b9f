"""Schedules as people say them, checked before Airbyte gets them."""

from itertools import pairwise
from typing import Final

from airbyte_exporter.control._errors import ControlError
from airbyte_exporter.model import Schedule, ScheduleType
from airbyte_exporter.schedules import next_due, problem

__all__ = ["MANUAL", "cron", "every", "next_runs"]

MANUAL: Final = Schedule(ScheduleType.MANUAL)
"""Syncs only when somebody asks for it."""

_UNITS: Final = (("days", 86400), ("hours", 3600), ("minutes", 60))
_LONGEST_SECONDS: Final = 366 * 86400
_SHORTEST_GAP_SECONDS: Final = 60
_UNIX_FIELDS: Final = 5
_FIRES_LOOKED_AT: Final = 60


def every(seconds: float) -> Schedule:
    """Return a basic schedule, in the largest of minutes, hours and days that `seconds` are whole ones of.

    Raises:
        ControlError: They are not whole minutes, or more than a year.
    """
    if not _SHORTEST_GAP_SECONDS <= seconds <= _LONGEST_SECONDS or seconds % 60:
        raise ControlError("a connection syncs every so many whole minutes, up to a year: 30m, 6h, 1d")
    unit, length = next((unit, length) for unit, length in _UNITS if seconds % length == 0)
    return Schedule(ScheduleType.BASIC, units=int(seconds // length), time_unit=unit)


def cron(expression: str, time_zone: str = "UTC", *, now: int) -> Schedule:
    """Return a cron schedule that Airbyte accepts, which runs Quartz expressions, once a minute at most.

    Args:
        expression: Six or seven fields, seconds first.
        time_zone: Its name, such as ``Europe/Berlin``.
        now: Epoch seconds: it has to fire after that.

    Raises:
        ControlError: Quartz rejects it, there is no such time zone, it never fires again, or too often.
    """
    expression = " ".join(expression.split())
    schedule = Schedule(ScheduleType.CRON, cron_expression=expression, cron_time_zone=time_zone)
    wrong = problem(schedule)
    if wrong is not None:
        hint = ""
        if len(expression.split()) == _UNIX_FIELDS:
            hint = (
                "; it has the five fields of crontab: Airbyte's begin with the seconds and have a ? for one "
                "of the two days, such as '0 0 6 ? * MON-FRI'"
            )
        raise ControlError(f"the cron schedule cannot be used: {wrong}{hint}")
    runs = next_runs(schedule, now, _FIRES_LOOKED_AT)
    if not runs:
        raise ControlError("the cron schedule never fires again")
    if any(later - earlier < _SHORTEST_GAP_SECONDS for earlier, later in pairwise(runs)):
        raise ControlError("the cron schedule fires more than once a minute, which Airbyte does not do")
    return schedule


def next_runs(schedule: Schedule, after: int, count: int = 5) -> tuple[int, ...]:
    """Return at most `count` times after `after` when a schedule is due, all in epoch seconds.

    A basic schedule counts from `after`, which is when its last scheduled sync was created.
    """
    runs: list[int] = []
    while len(runs) < count and (due := next_due(schedule, runs[-1] if runs else after)) is not None:
        runs.append(due)
    return tuple(runs)
