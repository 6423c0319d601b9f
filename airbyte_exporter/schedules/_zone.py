"""A time zone as ``java.util.GregorianCalendar`` reads clocks in it.

A wall time is counted in seconds since the midnight before 0001-01-01, as a clock on the wall shows them: the
ordinal of ``datetime.date`` times 86400, plus the seconds of the day.
"""

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airbyte_exporter.errors import did_you_mean
from airbyte_exporter.schedules._invalid import InvalidSchedule, shown

__all__ = ["DAY", "Zone"]

DAY: Final = 86400
_EPOCH: Final = datetime(1970, 1, 1).toordinal() * DAY  # noqa: DTZ001 - a wall time, which has no zone
_LONGEST_NAME: Final = 64
_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)
_HOURS, _MINUTES = 24, 60


class Zone:
    """A time zone by its name: how instants are told there, and what instants its wall times are.

    A wall time that comes twice is the later instant, in standard time. One that is skipped is as far behind
    the clock change as it would have been without it: 02:30 where 02:00 becomes 03:00 is 03:30.
    """

    __slots__ = ("_info",)

    def __init__(self, name: str) -> None:
        """Take the zone called `name`: an id of the IANA database, or a fixed offset such as ``+02:00``.

        Raises:
            InvalidSchedule: there is no such zone.
        """
        info = _zone(name)
        if isinstance(info, str):
            raise InvalidSchedule(info)
        self._info = info

    def wall(self, instant: int) -> int:
        """Return the wall time at `instant`, in epoch seconds."""
        day, second = divmod(instant + _EPOCH, DAY)
        utc = datetime.fromordinal(day).replace(tzinfo=self._info) + timedelta(seconds=second)
        return _EPOCH + instant + _seconds(self._info.fromutc(utc).utcoffset())

    def instant(self, wall: int) -> int:
        """Return the epoch seconds of a wall time."""
        offset = _steady_offset(self._info, wall // DAY)
        return wall - _EPOCH - (min(_offsets(self._info, wall)) if offset is None else offset)

    def settle(self, wall: int) -> int:
        """Return what the clocks show at a wall time: another one only if it is skipped."""
        if _steady_offset(self._info, wall // DAY) is not None:
            return wall
        before, after = _offsets(self._info, wall)
        return wall + max(0, after - before)


@lru_cache(maxsize=8192)
def _steady_offset(info: tzinfo, day: int) -> int | None:
    """Return the offset from UTC that holds all through a local day, ``None`` if clocks change in it."""
    first, last = _offsets(info, day * DAY)[0], _offsets(info, (day + 1) * DAY)[1]
    return first if first == last else None


def _offsets(info: tzinfo, wall: int) -> tuple[int, int]:
    """Return the offsets from UTC before and after the clock change that skips or repeats a wall time.

    Both are the same where none does.
    """
    day, second = divmod(wall, DAY)
    local = datetime.fromordinal(day).replace(tzinfo=info) + timedelta(seconds=second)
    return _seconds(local.utcoffset()), _seconds(local.replace(fold=1).utcoffset())


def _seconds(offset: timedelta | None) -> int:
    return offset.days * DAY + offset.seconds if offset is not None else 0


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo | str:
    """Return the zone, or why there is none."""
    if name in _names():  # so nothing else becomes a path
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return f"the data of time zone {shown(name)} cannot be read"
    if (fixed := _OFFSET.fullmatch(name)) and int(fixed[2]) < _HOURS and int(fixed[3]) < _MINUTES:
        offset = timedelta(hours=int(fixed[2]), minutes=int(fixed[3]))
        return timezone(-offset if fixed[1] == "-" else offset)
    hint = did_you_mean(name, _names(), cutoff=0.8) if len(name) <= _LONGEST_NAME else ""
    return f"there is no time zone {shown(name)}{hint}"


@cache
def _names() -> frozenset[str]:
    """Return every zone of the IANA database, with the names from former times."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split())
