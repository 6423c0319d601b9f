"""The text of a Quartz cron expression, and what each of its fields allows.

Accepted is what ``org.quartz.CronExpression`` 2.3.2 accepts and nothing else, leniency included: most of what
follows a complete value is ignored (``JANUARY``, ``5-7x``, an eighth field), 99 stands for every value, 98 is
another ``?``, and a step of zero is one behind ``*`` and none behind a number.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from airbyte_exporter.schedules._invalid import InvalidSchedule, shown

__all__ = ["LAST_YEAR", "Fields", "Values", "read"]

LAST_YEAR: Final = 2999
"""After this year Quartz looks for nothing."""

_EVERY, _NONE = 99, 98
_INT_MAX: Final = 2**31 - 1
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_LAST: Final = re.compile(r"L(?:W|-[0-9]*W?)?")
_SIGNED: Final = re.compile(r"[+-]?\d+")
_STARTS_WITH_NUMBER: Final = re.compile(r"([0-9]+)(.*)", re.DOTALL)
_RANGE: Final = re.compile(r"-(\d[0-9]*+)(?:/(\d[0-9]*)|(?!/))")
_STEP: Final = re.compile(r"/(\d)([0-9]*)(.*)", re.DOTALL)
_BLANK: Final = "".join(map(chr, range(33)))  # what Java trims
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")


class Values:
    """The values that a field allows: the `first`, and at each index the first one that is not below it."""

    __slots__ = ("first", "from_")

    def __init__(self, values: Iterable[int], highest: int) -> None:
        """Take at least one value; `highest` is the highest index that is ever asked for."""
        ordered = sorted(values)
        self.first = ordered[0]
        self.from_: tuple[int | None, ...] = tuple(
            ordered[at] if (at := bisect_left(ordered, value)) < len(ordered) else None
            for value in range(highest + 1)
        )


@dataclass(frozen=True, slots=True)
class Fields:
    """What an expression allows.

    Days are chosen by `weekdays` (1 is Sunday), of which `last_weekday` and `nth_weekday` (0: none) take one
    in a month. Without them they are chosen by `days`, and without those too it is the last day of the month,
    or `last_offset` days before it. With `nearest_weekday` the working day next to it is meant.
    """

    seconds: Values
    minutes: Values
    hours: Values
    days: Values | None
    months: Values
    weekdays: Values | None
    years: tuple[int, ...]
    last_offset: int
    nearest_weekday: bool
    last_weekday: bool
    nth_weekday: int

    @property
    def impossible(self) -> bool:
        """Whether a weekday is asked for that no week has, which Quartz lets pass in front of ``#`` alone."""
        return self.nth_weekday > 0 and self.weekdays is not None and self.weekdays.first > _WEEKDAY.high


@dataclass(frozen=True, slots=True)
class _Field:
    """A field's name for people, its bounds, and the largest step that may be counted from one value."""

    name: str
    low: int
    high: int
    step: int = _INT_MAX
    optional: bool = False
    names: tuple[str, ...] = ()


_SECOND: Final = _Field("seconds", 0, 59, 59)
_MINUTE: Final = _Field("minutes", 0, 59, 59)
_HOUR: Final = _Field("hours", 0, 23, 23)
_DAY: Final = _Field("day of month", 1, 31, 31, optional=True)
_MONTH: Final = _Field("month", 1, 12, 12, names=_MONTHS)
_WEEKDAY: Final = _Field("day of week", 1, 7, 7, optional=True, names=_WEEKDAYS)
_YEAR: Final = _Field("year", 1970, LAST_YEAR)
_EVERY_YEAR: Final = tuple(range(_YEAR.low, _YEAR.high + 1))
_FIELDS: Final = (_SECOND, _MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY, _YEAR)


def read(expression: str) -> Fields:
    """Return what `expression` allows.

    Raises:
        InvalidSchedule: Quartz rejects it, or cannot evaluate it.
    """
    text = _ASTRAL.sub("\N{REPLACEMENT CHARACTER}" * 2, expression.upper())  # Java counts in UTF-16
    written = [field for field in re.split(r"[ \t]+", text) if field][: len(_FIELDS)]
    if len(written) < len(_FIELDS) - 1:
        raise InvalidSchedule(f"a cron expression has 6 or 7 fields, seconds first, and not {len(written)}")
    reader = _Reader()
    for field, told in zip(_FIELDS, [*written, "*"], strict=False):
        reader.field(field, told.strip(_BLANK))
    return reader.fields()


class _Reader:
    """Takes one field after the other, in order."""

    def __init__(self) -> None:
        self._values: dict[_Field, set[int]] = {field: set() for field in _FIELDS}
        self._last_day = False
        self._last_offset = 0
        self._nearest_weekday = False
        self._last_weekday = False
        self._nth_weekday = 0

    def fields(self) -> Fields:
        """Return what was read, if days are chosen in exactly one way and no field is empty."""
        by_month_day, by_weekday = (_NONE not in self._values[field] for field in (_DAY, _WEEKDAY))
        if by_month_day and by_weekday:
            raise InvalidSchedule("day of month and day of week: one of the two must be ?")
        if not by_month_day and not by_weekday:
            raise InvalidSchedule("day of month and day of week: only one of the two can be ?")
        if by_weekday and self._nth_weekday and min(self._values[_WEEKDAY]) > _WEEKDAY.high:
            self._values[_MONTH].add(_MONTH.low)  # no week has such a day, so Quartz never asks for a month
        return Fields(
            seconds=self._of(_SECOND),
            minutes=self._of(_MINUTE),
            hours=self._of(_HOUR),
            days=self._of(_DAY) if by_month_day and not self._last_day else None,
            months=self._of(_MONTH),
            weekdays=self._of(_WEEKDAY) if by_weekday else None,
            years=_years(self._values[_YEAR]),
            last_offset=self._last_offset,
            nearest_weekday=self._nearest_weekday,
            last_weekday=self._last_weekday,
            nth_weekday=self._nth_weekday,
        )

    def _of(self, field: _Field) -> Values:
        values = self._values[field]
        if not values:
            raise InvalidSchedule(f"{field.name}: no value")
        return Values(values, field.high)

    def field(self, field: _Field, text: str) -> None:
        """Take the text of a field: values with commas between them."""
        if field.optional and "L" in text and "," in text:
            raise InvalidSchedule(f"{field.name} {shown(text)}: L goes with no other value")
        if field is _WEEKDAY and text.count("#") > 1:
            raise InvalidSchedule(f"{field.name} {shown(text)}: only one # is possible")
        for part in text.split(","):
            if part:
                try:
                    self._part(field, part)
                except InvalidSchedule as exc:
                    raise InvalidSchedule(f"{field.name} {shown(part)}: {exc}") from None

    def _part(self, field: _Field, part: str) -> None:
        first = part[0]
        if "A" <= first <= "Z" and not _LAST.fullmatch(part):
            self._named(field, part)
        elif first == "?":
            self._unspecified(field, part)
        elif first in "*/":
            self._every(field, part)
        elif first == "L":
            self._last(field, part)
        elif number := _STARTS_WITH_NUMBER.fullmatch(part):
            self._numbered(field, _number(number[1]), number[2])
        else:
            raise InvalidSchedule("not the beginning of a value")

    def _named(self, field: _Field, part: str) -> None:
        value, sign = _named(field, part[:3]), part[3:4]
        if sign == "-":
            self._add(field, value, _named(field, part[4:7]), 1)
            return
        if field is _WEEKDAY and sign == "#":
            self._nth_weekday = _nth(part[4:])
        elif field is _WEEKDAY and sign == "L":
            self._last_weekday = True
        self._add(field, value)

    def _unspecified(self, field: _Field, part: str) -> None:
        if not field.optional:
            raise InvalidSchedule("? is for day of month or day of week")
        if len(part) > 2:  # noqa: PLR2004 - Quartz does not look at a single character after it
            raise InvalidSchedule("nothing can follow ?")
        self._add(field, _NONE)

    def _every(self, field: _Field, part: str) -> None:
        step = 1
        if (counted := part.removeprefix("*")).startswith("/"):
            step = _step(field, _number(counted[1:]))
        self._add(field, _EVERY, step=step)

    def _last(self, field: _Field, part: str) -> None:
        if field is _WEEKDAY:
            self._add(field, 7)
        if field is not _DAY:
            return
        self._last_day = True
        offset = part[1:].removesuffix("W")
        self._nearest_weekday = part.endswith("W")
        if part == "L-":
            raise InvalidSchedule("a number of days must follow L-")
        self._last_offset = _number(offset[1:] or "0")
        if self._last_offset > 30:  # noqa: PLR2004
            raise InvalidSchedule("at most 30 days before the last one")

    def _numbered(self, field: _Field, value: int, rest: str) -> None:
        """Take a part that starts with the number `value`, and goes on with `rest`."""
        if rest.startswith(("L", "W", "#")):
            self._one_day(field, value, rest)
        elif rest.startswith("-"):
            span = _RANGE.match(rest)
            if span is None:
                raise InvalidSchedule("a number must follow - and /")
            self._add(field, value, _number(span[1]), _number(span[2] or "1"))
        elif rest.startswith("/"):
            step = _STEP.fullmatch(rest)
            if step is None or (step[3] and not step[2]):
                raise InvalidSchedule("a number must follow /")
            self._add(field, value, step=_step(field, _number(step[1] + step[2])))
        else:
            self._add(field, value)

    def _one_day(self, field: _Field, value: int, rest: str) -> None:
        """Take a number by which, with the letter that follows, one day of the month is chosen."""
        match rest[0]:
            case "L" if field is _WEEKDAY and field.low <= value <= field.high:
                self._last_weekday = True
            case "W" if field is _DAY and value <= field.high:  # 0 too: Quartz does not check it
                self._nearest_weekday = True
            case "#" if field is _WEEKDAY:  # of any size, for the same reason
                self._nth_weekday = _nth(rest[1:])
            case _:
                raise InvalidSchedule("L and # follow a day of week, from 1 to 7, W a day of month up to 31")
        self._values[field].add(value)

    def _add(self, field: _Field, value: int, end: int | None = None, step: int = 0) -> None:
        """Allow one value, or with a `step` those from `value` to `end`, around the end of the field too."""
        every = value == _EVERY
        unchecked = every or field is _YEAR or (field.optional and value == _NONE)
        if not unchecked and not (field.low <= value <= field.high and (end is None or end <= field.high)):
            raise InvalidSchedule(f"values go from {field.low} to {field.high}")
        if step == 0 and not every:
            self._values[field].add(value)
            return
        start, stop = field.low if every else value, field.high if end is None else end
        wraps = stop < start
        if wraps and field is _YEAR:
            raise InvalidSchedule("the first year comes after the last one")
        size, step = field.high - field.low + 1, max(1, step)
        if wraps:
            around = range(start - field.low, stop - field.low + size + 1, step)
            self._values[field].update(each % size + field.low for each in around)
        else:  # what lies beyond one value that is too high is never reached
            within = range(start, min(stop, LAST_YEAR + step) + 1, step)
            self._values[field].update(within or {start})


def _years(allowed: set[int]) -> tuple[int, ...]:
    """Return them in order; most expressions share one tuple of all."""
    return _EVERY_YEAR if allowed.issuperset(_EVERY_YEAR) else tuple(sorted(allowed))


def _named(field: _Field, name: str) -> int:
    if name not in field.names:
        what = f"a name of a {field.name}" if field.names else "a number"
        raise InvalidSchedule(f"{shown(name)} is not {what}")
    return field.names.index(name) + 1


def _nth(text: str) -> int:
    nth = _number(text)
    if not 1 <= nth <= 5:  # noqa: PLR2004
        raise InvalidSchedule("a number from 1 to 5 must follow #")
    return nth


def _step(field: _Field, step: int) -> int:
    if step > field.step:
        raise InvalidSchedule(f"a step is at most {field.step}")
    return step


def _number(text: str) -> int:
    """Read a number as ``Integer.parseInt`` does: any decimal digits, of 32 bits."""
    if not _SIGNED.fullmatch(text) or not -_INT_MAX - 1 <= (number := int(text)) <= _INT_MAX:
        raise InvalidSchedule("a number is missing, or too large")
    return number
