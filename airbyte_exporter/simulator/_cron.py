"""When a cron expression of the simulated world fires: Quartz's syntax as far as the company uses it.

Seconds first; lists, ranges, steps, names of months and week days, ``?``; the last day of a month (``L``),
its last Friday (``6L``: Sunday is 1), its first Monday (``2#1``).
"""

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
    zone: ZoneInfo

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(expression: str, zone: str) -> "Cron":
        """Read an expression of six fields.

        Raises:
            ValueError: it is something that the company does not use.
        """
        fields = expression.upper().split()
        if len(fields) != 6:  # noqa: PLR2004 - seconds to week day
            raise ValueError(f"{expression!r} has no six fields")
        seconds, minutes, hours, days, months, week_days = fields
        return Cron(
            _values(seconds, 0, 59),
            _values(minutes, 0, 59),
            _values(hours, 0, 23),
            days,
            _values(months, 1, 12),
            week_days,
            ZoneInfo(zone),
        )

    def fires_after(self, instant: float) -> Iterator[float]:
        """Yield the fire times after `instant`, in epoch seconds."""
        first = datetime.fromtimestamp(instant, UTC).astimezone(self.zone).date()
        for ahead in range(_DAYS_AHEAD):
            day = first + timedelta(days=ahead)
            if day.month not in self.months or not self._is_fire_day(day):
                continue
            for hour, minute, second in product(self.hours, self.minutes, self.seconds):
                local = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=self.zone)
                if (fire := local.timestamp()) > instant:
                    yield fire

    def _is_fire_day(self, day: date) -> bool:
        last = monthrange(day.year, day.month)[1]
        if self.days == "L":
            return day.day == last
        if self.days not in {"?", "*"}:
            return day.day in _values(self.days, 1, 31)
        number = day.isoweekday() % 7 + 1
        if self.week_days.endswith("L") and self.week_days != "L":
            return number == _number(self.week_days[:-1]) and day.day > last - 7
        if "#" in self.week_days:
            wanted, _, place = self.week_days.partition("#")
            return number == _number(wanted) and (day.day - 1) // 7 + 1 == int(place)
        return self.week_days in {"?", "*"} or number in _values(self.week_days, 1, 7)


@lru_cache(maxsize=1024)
def _values(field: str, low: int, high: int) -> tuple[int, ...]:
    chosen: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        start, dash, end = span.partition("-")
        first = low if start in {"*", "?"} else _number(start)
        whole = slash or start in {"*", "?"}
        last = _number(end) if dash else high if whole else first
        chosen.update(range(first, last + 1, int(step) if slash else 1))
    if not chosen or min(chosen) < low or max(chosen) > high:
        raise ValueError(f"{field!r} is not within {low} and {high}")
    return tuple(sorted(chosen))


def _number(word: str) -> int:
    return int(_NUMBERS.get(word, word))
