"""When a cron expression of the simulated world fires: Quartz's syntax.

Seconds first, a year may be last; lists, ranges, steps, names of months and week days, ``?``; the last day
of a month (``L``) or one before that (``L-2``), the week day nearest to a day (``15W``, ``LW``), its last
Friday (``6L``: Sunday is 1), its first Monday (``2#1``).
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import product
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["Cron"]

_DAYS_AHEAD: Final = 366 * 8
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_FIELDS: Final = (6, 7)
_SATURDAY, _SUNDAY = 6, 7
_LAST_DAY: Final = re.compile(r"L(-\d+)?W?|\d+W", re.ASCII)
_WEEK_DAY_OF_MONTH: Final = re.compile(r"([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])|L", re.ASCII)
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEK_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NUMBERS: Final = {
    name: str(number) for names in (_MONTHS, _WEEK_DAYS) for number, name in enumerate(names, start=1)
}


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression in a time zone."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: str
    months: tuple[int, ...]
    week_days: str
    years: tuple[int, ...]
    zone: ZoneInfo

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(expression: str, zone: str) -> "Cron":
        """Read an expression of six fields, or of seven with the year.

        Raises:
            ValueError: it is not valid.
            KeyError: there is no such time zone.
        """
        fields = expression.upper().split()
        if len(fields) not in _FIELDS:
            raise ValueError(f"{expression!r} has not six or seven fields")
        seconds, minutes, hours, days, months, week_days, *rest = fields
        if (days == "?") == (week_days == "?"):
            raise ValueError("one of the day of the month and the day of the week must be '?', and one only")
        if not _LAST_DAY.fullmatch(days):
            _values(days, 1, 31)
        if not _WEEK_DAY_OF_MONTH.fullmatch(week_days):
            _values(week_days, 1, 7)
        return Cron(
            _values(seconds, 0, 59),
            _values(minutes, 0, 59),
            _values(hours, 0, 23),
            days,
            _values(months, 1, 12),
            week_days,
            _values(rest[0] if rest else "*", _FIRST_YEAR, _LAST_YEAR),
            _time_zone(zone),
        )

    def fires_after(self, instant: float) -> Iterator[float]:
        """Yield the fire times after `instant`, in epoch seconds."""
        first = datetime.fromtimestamp(instant, UTC).astimezone(self.zone).date()
        for ahead in range(_DAYS_AHEAD):
            day = first + timedelta(days=ahead)
            fits = day.year in self.years and day.month in self.months
            if not fits or not self._is_fire_day(day):
                continue
            for hour, minute, second in product(self.hours, self.minutes, self.seconds):
                local = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=self.zone)
                if (fire := local.timestamp()) > instant:
                    yield fire

    def _is_fire_day(self, day: date) -> bool:
        last = monthrange(day.year, day.month)[1]
        if _LAST_DAY.fullmatch(self.days):
            return day.day == _named_day(self.days, day, last)
        if self.days not in {"?", "*"}:
            return day.day in _values(self.days, 1, 31)
        number = day.isoweekday() % 7 + 1
        if self.week_days == "L":
            return number == _SUNDAY
        if self.week_days.endswith("L"):
            return number == _number(self.week_days[:-1]) and day.day > last - 7
        if "#" in self.week_days:
            wanted, _, place = self.week_days.partition("#")
            return number == _number(wanted) and (day.day - 1) // 7 + 1 == int(place)
        return self.week_days in {"?", "*"} or number in _values(self.week_days, 1, 7)


def _named_day(field: str, month: date, last: int) -> int:
    """Return which day of its month is meant by ``L``, ``L-2``, ``LW`` or ``15W``; 0: none of this month."""
    digits = field.strip("LW-") or "0"
    wanted = last - int(digits) if field.startswith("L") else int(digits)
    if not 1 <= wanted <= last or not field.endswith("W"):
        return wanted if 1 <= wanted <= last else 0
    week_day = month.replace(day=wanted).isoweekday()
    if week_day == _SATURDAY:
        return wanted - 1 if wanted > 1 else wanted + 2
    if week_day == _SUNDAY:
        return wanted + 1 if wanted < last else wanted - 2
    return wanted


def _time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError):
        # Whatever is no key at all, like a path or a folder of zones.
        raise KeyError(name) from None


@lru_cache(maxsize=1024)
def _values(field: str, low: int, high: int) -> tuple[int, ...]:
    chosen: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        start, dash, end = span.partition("-")
        first = low if start in {"*", "?"} else _number(start)
        whole = slash or start in {"*", "?"}
        last = _number(end) if dash else high if whole else first
        if not (low <= first <= high and low <= last <= high):
            raise ValueError(f"{field!r} is not within {low} and {high}")
        if last < first:
            # Quartz lets a range go round: FRI-MON, 22-2.
            last += high - low + 1
        steps = range(first, last + 1, int(step) if slash else 1)
        chosen.update(one if one <= high or first > high else one - (high - low + 1) for one in steps)
    return tuple(sorted(chosen))


def _number(word: str) -> int:
    return int(_NUMBERS.get(word, word))
