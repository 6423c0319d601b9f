"""When the simulated connections sync, with a cadence that Airbyte's API can tell.

The company's schedules are divided by the world's speed. What comes out is rounded to something that the
API can express, and that is what really happens as well: basic schedules have whole minutes, cron ones
(Quartz syntax) whole seconds. Only a basic schedule below a minute cannot be told: it reads *1 minute* and
is quicker.
"""

import math
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

from ._cron import Cron

__all__ = [
    "MANUAL",
    "TIME_UNITS",
    "Schedule",
    "as_told",
    "basic",
    "cron_as_told",
    "cron_calendar",
    "cron_every",
]

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400
_UNIT_SECONDS: Final = {"minutes": MINUTE, "hours": HOUR, "days": DAY, "weeks": 7 * DAY, "months": 30 * DAY}
TIME_UNITS: Final = frozenset(_UNIT_SECONDS)
_DIVISORS_OF_60: Final = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
_DIVISORS_OF_24: Final = (1, 2, 3, 4, 6, 8, 12, 24)
_FIRES_AHEAD: Final = 60


@dataclass(frozen=True, slots=True)
class Schedule:
    """A connection's schedule as the API tells it, and the cadence in seconds behind it.

    `interval` is 0 for manual schedules. `by_calendar` is for a cron schedule that has no cadence: it fires
    when its expression says, about every `interval`.
    """

    type: str
    interval: float = 0.0
    units: int | None = None
    time_unit: str | None = None
    cron_expression: str | None = None
    cron_time_zone: str | None = None
    by_calendar: bool = False

    def told_interval(self, after: float) -> float:
        """Return what the API tells of the cadence: for cron the longest gap of the next 60 fire times."""
        if self.type == "basic":
            return float((self.units or 0) * _UNIT_SECONDS[self.time_unit or "minutes"])
        if not self.by_calendar:
            return self.interval
        fires = islice(self._cron.fires_after(after), _FIRES_AHEAD)
        return max((later - earlier for earlier, later in pairwise(fires)), default=self.interval)

    @property
    def _cron(self) -> Cron:
        return Cron.parse(self.cron_expression or "", self.cron_time_zone or "UTC")

    def due(self, previous: float, free: float) -> float:
        """Return when the next job is due, the last one that was due having been created at `previous`.

        Nothing can start before `free`, the end of a live job: a basic schedule then catches up at once, a
        cron one waits for its next fire time.
        """
        if self.type == "basic":
            return max(previous + self.interval, free)
        return self.next_after(free)

    def next_after(self, instant: float) -> float:
        """Return the next due time after `instant`, which for basic schedules is the last run's creation."""
        if self.type == "manual" or instant == math.inf:
            return math.inf
        if self.type == "basic":
            return instant + self.interval
        if self.by_calendar:
            return next(self._cron.fires_after(instant), math.inf)
        return (math.floor(instant / self.interval) + 1) * self.interval


MANUAL: Final = Schedule("manual")
"""Syncs only when somebody asks for it."""


def basic(units: int, time_unit: str, speed: float) -> Schedule:
    """Return a basic schedule of `units` minutes, hours, days, weeks or months, divided by `speed`."""
    seconds = units * _UNIT_SECONDS[time_unit] / speed
    if speed == 1:
        return Schedule("basic", seconds, units, time_unit)
    minutes = max(1, round(seconds / MINUTE))
    cadence = seconds if seconds < MINUTE else float(minutes * MINUTE)
    for size, unit in ((1440, "days"), (60, "hours")):
        if minutes % size == 0:
            return Schedule("basic", cadence, minutes // size, unit)
    return Schedule("basic", cadence, minutes, "minutes")


def cron_every(seconds: float, zone: str, speed: float) -> Schedule:
    """Return a cron schedule that fires every `seconds`, at most a day, divided by `speed`.

    It fires at whole seconds, minutes or hours, so the cadence is rounded up to a divisor of the next unit.
    """
    wanted = seconds / speed
    if wanted <= MINUTE:
        every = _rounded_up(wanted, _DIVISORS_OF_60)
        expression = "0 * * * * ?" if every == MINUTE else f"0/{every} * * * * ?"
        return Schedule("cron", float(every), cron_expression=expression, cron_time_zone=zone)
    if wanted <= HOUR:
        every = _rounded_up(wanted / MINUTE, _DIVISORS_OF_60)
        expression = "0 0 * * * ?" if every == MINUTE else f"0 0/{every} * * * ?"
        return Schedule("cron", float(every * MINUTE), cron_expression=expression, cron_time_zone=zone)
    every = _rounded_up(wanted / HOUR, _DIVISORS_OF_24)
    hours = "0" if every == _DIVISORS_OF_24[-1] else f"0/{every}"
    return Schedule("cron", float(every * HOUR), cron_expression=f"0 0 {hours} * * ?", cron_time_zone="UTC")


def cron_calendar(expression: str, every: float, zone: str, speed: float) -> Schedule:
    """Return a cron schedule of days about `every` seconds apart; a quick world has one of less than that."""
    if speed != 1:
        return cron_every(min(every, DAY), zone, speed)
    return Schedule("cron", every, cron_expression=expression, cron_time_zone=zone, by_calendar=True)


def as_told(units: int, time_unit: str) -> Schedule:
    """Return a basic schedule just as it is written, whatever the world's speed."""
    return Schedule("basic", float(units * _UNIT_SECONDS[time_unit]), units, time_unit)


def cron_as_told(expression: str, zone: str, after: float) -> Schedule:
    """Return a cron schedule just as it is written, whatever the world's speed.

    Its interval is the shortest gap of its next 60 fire times after an instant, 0 where there are not two.

    Raises:
        ValueError: the expression is not valid.
        KeyError: there is no such time zone.
    """
    fires = islice(Cron.parse(expression, zone).fires_after(after), _FIRES_AHEAD)
    gap = min((later - earlier for earlier, later in pairwise(fires)), default=0.0)
    return Schedule("cron", gap, cron_expression=expression, cron_time_zone=zone, by_calendar=True)


def _rounded_up(wanted: float, choices: tuple[int, ...]) -> int:
    return next((choice for choice in choices if choice >= wanted - 1e-9), choices[-1])
