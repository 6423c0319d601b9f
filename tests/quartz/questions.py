"""Random cron expressions, and the instants at which they go wrong."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from tests.quartz.oracle import Question

ZONES = (
    "America/New_York",
    "America/Sao_Paulo",  # changed at midnight
    "America/St_Johns",  # changed one minute past midnight
    "America/Havana",
    "America/Santiago",
    "America/Asuncion",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Monrovia",  # went on by 44 minutes and 30 seconds
    "Antarctica/Troll",  # by two hours
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Atlantic/Azores",
    "Australia/Lord_Howe",  # by half an hour
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Europe/Moscow",
    "Pacific/Apia",  # left out a day
    "Pacific/Chatham",
    "Pacific/Kwajalein",
    "UTC",
    "Etc/GMT+5",
)
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_NOISE = "0123456789*/,-?LW#ABFJMNORSTUlw +x\u0663\n\t\U0001d7d8ß"


class Questions:
    """Makes one question after the other, always the same ones from the same seed."""

    def __init__(self, seed: int, zones: tuple[str, ...] = ZONES) -> None:
        self._random = random.Random(seed)
        self._zones = zones

    def question(self) -> Question:
        zone = self._random.choice(self._zones)
        return Question(self.expression(), zone, self._instant(zone), self._random.choice((2, 4, 8)))

    def expression(self) -> str:
        """Return an expression of which most are valid."""
        fields = self._fields()
        chance = self._random.random()
        if chance < 0.1:
            fields[self._random.randrange(len(fields))] = self._noisy(self._random.choice(fields))
        elif chance < 0.15:
            self._random.shuffle(fields)
        elif chance < 0.18:
            del fields[self._random.randrange(len(fields))]
        elif chance < 0.2:
            fields += ["*", "garbage"][: self._random.randint(1, 2)]
        text = self._random.choice((" ", " ", " ", "  ", "\t")).join(fields)
        return text.lower() if self._random.random() < 0.1 else text

    def _fields(self) -> list[str]:
        seconds = self._random.choice(("0", "0", "0", "30", self._values(0, 59, 59)))
        minutes = self._random.choice(("0", "30", self._values(0, 59, 59), self._values(0, 59, 59)))
        hours = self._random.choice(("*", "1", "2", "0", self._values(0, 23, 23), self._values(0, 23, 23)))
        months = self._random.choice(("*", "*", "*", self._values(1, 12, 12, _MONTHS)))
        days, weekdays = self._days()
        fields = [seconds, minutes, hours, days, months, weekdays]
        if self._random.random() < 0.3:
            fields.append(self._years())
        return fields

    def _days(self) -> tuple[str, str]:
        chance, pick = self._random.random(), self._random.randint
        if chance < 0.04:
            return self._random.choice(("*", "?", "1")), self._random.choice(("*", "?", "MON", "2"))
        if chance < 0.55:
            special: tuple[Callable[[], str], ...] = (
                lambda: "L",
                lambda: "LW",
                lambda: f"L-{pick(0, 31)}",
                lambda: f"L-{pick(0, 27)}W",
                lambda: f"L-{pick(0, 27)}W",
                lambda: f"L-{pick(0, 31)}W" if self._random.random() < 0.1 else "LW",  # Quartz may hang
                lambda: f"{pick(1, 32)}W",
                lambda: f"{pick(1, 31)}W,{pick(1, 31)}",
            )
            plain = self._random.random() < 0.6
            return (self._values(1, 31, 31) if plain else self._random.choice(special)()), "?"
        named = self._random.choice(_WEEKDAYS)
        narrowed: tuple[Callable[[], str], ...] = (
            lambda: "L",
            lambda: f"{pick(0, 8)}L",
            lambda: f"{named}L",
            lambda: f"{pick(0, 8)}#{pick(0, 6)}",
            lambda: f"{named}#{pick(1, 5)}",
            lambda: f"{named}#{pick(1, 5)},{pick(1, 7)}",
        )
        plain = self._random.random() < 0.6
        return "?", self._values(1, 7, 7, _WEEKDAYS) if plain else self._random.choice(narrowed)()

    def _values(self, low: int, high: int, step: int, names: list[str] | None = None) -> str:
        """Return one value or several; with `names`, those of the values from `low` on."""
        count = self._random.choice((1, 1, 1, 1, 2, 3))
        return ",".join(self._value(low, high, step, names or []) for _ in range(count))

    def _value(self, low: int, high: int, step: int, names: list[str]) -> str:
        if self._random.random() < 0.01:
            return self._random.choice((str(high + 1), "99", "98", str(low - 1), "007", f"99-{high + 20}/7"))
        one, other = (self._random.randint(low, high) for _ in range(2))
        by = self._random.randint(0, step + (self._random.random() < 0.05))
        if names and self._random.random() < 0.5:
            name, until = self._random.choice(names), self._random.choice(names)
            return self._random.choice((name, name, f"{name}-{until}", f"{name}-{until}/{by}", f"{name}UARY"))
        return self._random.choice(
            (
                str(one),
                str(one),
                "*",
                f"{one}-{other}",
                f"{one}/{by}",
                f"*/{by}",
                f"/{by}",
                f"{one}-{other}/{by}",
            )
        )

    def _years(self) -> str:
        first, last = (self._random.randint(1995, 2060) for _ in range(2))
        several = f"{min(first, last)}-{max(first, last)}/{self._random.randint(1, 5)}"
        return self._random.choice(
            ("*", "*", str(first), several, f"{first}-{last}", f"{first}/{self._random.randint(0, 9)}", "*/4")
        )

    def _noisy(self, field: str) -> str:
        at = self._random.randint(0, len(field))
        return field[:at] + self._random.choice(_NOISE) + field[at + self._random.randint(0, 1) :]

    def _instant(self, zone: str) -> int:
        """Return an instant near a clock change, the end of a month, or a leap day, or any."""
        year = (
            self._random.randint(1971, 2037)
            if self._random.random() < 0.3
            else self._random.randint(2005, 2031)
        )
        near = self._random.choice((60, 3600, 6 * 3600, 86400, 3 * 86400, 30 * 86400))
        changes = _changes(zone, year)
        match self._random.randrange(5):
            case 0 | 1 if changes:
                start = self._random.choice(changes)
            case 2:
                start = datetime(year, self._random.randint(1, 12), 1, tzinfo=UTC)
            case 3:
                start = datetime(year, 3, 1, tzinfo=UTC)
            case _:
                start = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=self._random.randrange(365))
        return int(start.timestamp()) + self._random.randint(-near, near)


@cache
def _changes(zone: str, year: int) -> tuple[datetime, ...]:
    """Return the hours of a year in which clocks change."""
    info = ZoneInfo(zone)
    found = []
    at = datetime(year, 1, 1, tzinfo=UTC)
    while at.year == year:
        later = at + timedelta(days=1)
        if at.astimezone(info).utcoffset() != later.astimezone(info).utcoffset():
            hours = (at + timedelta(hours=hour) for hour in range(24))
            offset = at.astimezone(info).utcoffset()
            found.append(
                next(
                    hour
                    for hour in hours
                    if (hour + timedelta(hours=1)).astimezone(info).utcoffset() != offset
                )
            )
        at = later
    return tuple(found)
