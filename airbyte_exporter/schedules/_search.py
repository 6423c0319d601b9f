"""The search for the next fire time, in the order in which Quartz goes about it.

Quartz sets the fields of a ``GregorianCalendar`` one after the other and reads them again in between. Where
clocks change, and for the odder day rules, that order decides what fires and what does not; it is kept here.
A calendar is a wall time (see `Zone`): fields are added up, whatever their size, and then settled.
"""

from bisect import bisect_left
from calendar import isleap
from datetime import date
from typing import Final

from airbyte_exporter.schedules._expression import LAST_YEAR, Fields, Values
from airbyte_exporter.schedules._zone import DAY, Zone

__all__ = ["next_fire", "years_ahead"]

_HOUR, _MINUTE, _MIDNIGHT = 3600, 60, 24
_YEARS_AHEAD: Final = 100
_EPOCH: Final = date(1970, 1, 1).toordinal()
_END: Final = (date(LAST_YEAR, 12, 31).toordinal() + 1) * DAY
_END_INSTANT: Final = _END - (_EPOCH + 1) * DAY
_START_INSTANT: Final = -2 * DAY
_SUNDAY, _SATURDAY = 1, 7
_LENGTHS: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def years_ahead(instant: int) -> int:
    """Return the last year to which to look from `instant`, in epoch seconds: the hundredth from there."""
    if instant >= _END_INSTANT:
        return LAST_YEAR
    return date.fromordinal(_EPOCH + max(instant, _START_INSTANT) // DAY).year + _YEARS_AHEAD


def next_fire(fields: Fields, zone: Zone, instant: int, last_year: int) -> int | None:
    """Return the first fire time after `instant`, both in epoch seconds.

    An instant before 1970 is taken for the end of 1969. ``None`` if nothing fires until the end of
    `last_year`, and where Quartz would search for ever.
    """
    if instant >= _END_INSTANT or fields.impossible:
        return None
    search = _Search(fields, zone, max(instant, _START_INSTANT) + 1, last_year)
    wall = search.start()
    seen, steps, mark = wall, 0, 1
    while True:
        wall, stands = search.clock(wall)
        if wall >= _END:
            return None
        if stands:
            moved = search.calendar(wall)
            if moved is None:
                return zone.instant(wall)
            wall = moved
        if wall == seen:
            return None  # the search goes in circles, as it does in Quartz for some days that no month has
        steps += 1
        if steps == mark:
            seen, mark = wall, 2 * mark


class _Search:
    """What stays the same while the search for the first fire time not before `earliest` goes on."""

    __slots__ = ("_earliest", "_fields", "_last_year", "_second", "_zone")

    def __init__(self, fields: Fields, zone: Zone, earliest: int, last_year: int) -> None:
        self._fields = fields
        self._zone = zone
        self._earliest = earliest
        self._last_year = last_year
        self._second = 0

    def start(self) -> int:
        """Return the wall time to begin with."""
        return self._zone.wall(self._earliest)

    def clock(self, wall: int) -> tuple[int, bool]:
        """Return the next wall time by seconds, minutes and hours, and whether that one stands."""
        fields = self._fields
        if (allowed := fields.seconds.from_[wall % _MINUTE]) is None:
            allowed = fields.seconds.first
            wall += _MINUTE
        self._second = allowed
        if allowed != wall % _MINUTE:
            wall = self._settled(wall - wall % _MINUTE + allowed)
        day, second = divmod(wall, DAY)
        hour, second = divmod(second, _HOUR)
        minute = second // _MINUTE
        allowed = fields.minutes.from_[minute]
        if allowed is None:
            return self._at(day, hour + 1, fields.minutes.first), False
        if allowed != minute:
            return self._at(day, hour, allowed), False
        allowed = fields.hours.from_[hour]
        if allowed is None:
            return self._at(day + 1, fields.hours.first, 0), False
        if allowed != hour:
            return self._at(day, allowed, 0), False
        return wall, True

    def _at(self, day: int, hour: int, minute: int) -> int:
        """Set the hour last: where it is skipped, the next one is set, whatever clocks show by then."""
        wall = self._settled(day * DAY + hour * _HOUR + minute * _MINUTE)
        shown = wall % DAY // _HOUR
        if hour in {shown, _MIDNIGHT}:
            return wall
        return self._settled(wall + (hour + 1 - shown) * _HOUR)

    def _settled(self, wall: int) -> int:
        return self._zone.settle(wall) if wall < _END else _END

    def calendar(self, wall: int) -> int | None:
        """Return where to go on if the date of a wall time does not fit, ``None`` if it does."""
        fields = self._fields
        at = date.fromordinal(wall // DAY)
        if fields.weekdays is not None:
            day, months = self._by_weekday(at, fields.weekdays)
        elif fields.nearest_weekday:
            day, months = self._by_working_day(at, wall)
        else:
            day, months = self._by_month_day(at)
        if months or day != at.day:
            return self._midnight(at.year, at.month + months, day)
        if at.year > self._last_year:
            return _END
        month = fields.months.from_[at.month]
        if month is None:
            return self._midnight(at.year + 1, fields.months.first, 1)
        if month != at.month:
            return self._midnight(at.year, month, 1)
        index = bisect_left(fields.years, at.year)
        if index == len(fields.years):
            return _END
        return None if fields.years[index] == at.year else self._midnight(fields.years[index], 1, 1)

    def _midnight(self, year: int, month: int, day: int) -> int:
        """Return the first wall time of a date whose month and day may be out of bounds."""
        return self._settled(_ordinal(year, month, day) * DAY)

    def _by_month_day(self, at: date) -> tuple[int, int]:
        """Return the day to look at next, and in how many months."""
        last = _length(at)
        days = self._fields.days
        if days is None:
            day = last - self._fields.last_offset
            return (1, 1) if day < at.day else (day, 0)
        allowed = days.from_[at.day]
        return (days.first, 1) if allowed is None or allowed > last else (allowed, 0)

    def _by_working_day(self, at: date, wall: int) -> tuple[int, int]:
        days, last = self._fields.days, _length(at)
        day = last - self._fields.last_offset if days is None else days.first
        shown = date.fromordinal(self._midnight(at.year, at.month, day) // DAY)
        weekday = _weekday(shown)
        if weekday == _SATURDAY:
            day += 2 if day == 1 else -1
        elif weekday == _SUNDAY:
            day += -2 if day == last else 1
        second = wall % DAY - wall % _MINUTE + self._second
        fires = self._settled(_ordinal(shown.year, at.month, day) * DAY + second)
        if self._zone.instant(fires) < self._earliest:
            return (1 if days is None else days.first), 1
        return day, 0

    def _by_weekday(self, at: date, weekdays: Values) -> tuple[int, int]:
        fields, today, last = self._fields, _weekday(at), _length(at)
        narrowed = fields.last_weekday or fields.nth_weekday
        wanted = weekdays.first if narrowed else (weekdays.from_[today] or weekdays.first)
        day = at.day + (wanted - today if today <= wanted else wanted + 7 - today)
        if fields.last_weekday and day <= last:
            day += (last - day) // 7 * 7
        elif fields.nth_weekday and not fields.last_weekday:
            later = fields.nth_weekday - (day + 6) // 7
            day = day + later * 7 if later >= 0 else last + 1
        return (1, 1) if day > last else (day, 0)


def _ordinal(year: int, month: int, day: int) -> int:
    """Return the ordinal of a date whose month and day may be out of bounds."""
    years, month = divmod(month - 1, 12)
    return date(min(year + years, LAST_YEAR + 1), month + 1, 1).toordinal() + day - 1


def _weekday(at: date) -> int:
    """Return the day of the week as Quartz counts it, from 1 for Sunday."""
    return at.toordinal() % 7 + 1


def _length(at: date) -> int:
    """Return the number of days of a month."""
    return _LENGTHS[at.month] + (at.month == 2 and isleap(at.year))  # noqa: PLR2004
