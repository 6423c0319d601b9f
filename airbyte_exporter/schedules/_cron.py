"""Cron schedules as Quartz fires them."""

from functools import lru_cache
from itertools import pairwise
from typing import Final

from airbyte_exporter.schedules._expression import Fields, read
from airbyte_exporter.schedules._invalid import InvalidSchedule
from airbyte_exporter.schedules._search import next_fire, years_ahead
from airbyte_exporter.schedules._zone import Zone

__all__ = ["CronExpression"]

_LONGEST: Final = 1000


class CronExpression:
    """A Quartz cron expression in a time zone.

    It fires when ``org.quartz.CronExpression`` 2.3.2 does, by which Airbyte runs its cron schedules. Only the
    hundred years that Quartz looks ahead begin with the start of its process, and here with the instant.
    """

    __slots__ = ("_fields", "_zone")

    def __init__(self, fields: Fields, zone: Zone) -> None:
        self._fields = fields
        self._zone = zone

    @staticmethod
    def parse(expression: str, time_zone: str) -> "CronExpression":
        """Read `expression`, of six or seven fields, in the time zone called `time_zone`.

        What was read lately is not read again.

        Raises:
            InvalidSchedule: Quartz rejects the expression or could never evaluate it, there is no such time
                zone, or either has more than 1000 characters.
        """
        if len(expression) > _LONGEST or len(time_zone) > _LONGEST:
            raise InvalidSchedule(f"a schedule of more than {_LONGEST} characters is not read")
        parsed = _parse(expression, time_zone)
        if isinstance(parsed, str):
            raise InvalidSchedule(parsed)
        return parsed

    def next_after(self, instant: int) -> int | None:
        """Return the first fire time strictly after `instant`, both in epoch seconds.

        ``None`` if there is none within a hundred years.
        """
        return next_fire(self._fields, self._zone, instant, years_ahead(instant))

    def longest_gap(self, instant: int, fires: int = 60) -> int | None:
        """Return the longest time in seconds between two of the next `fires` fire times after `instant`.

        ``None`` if it does not fire twice in a hundred years.
        """
        times: list[int] = []
        last_year = years_ahead(instant)
        while len(times) < fires:
            fire = next_fire(self._fields, self._zone, instant, last_year)
            if fire is None:
                break
            times.append(instant := fire)
        return max((later - earlier for earlier, later in pairwise(times)), default=None)


@lru_cache(maxsize=2048)
def _parse(expression: str, time_zone: str) -> CronExpression | str:
    """Return the expression, or what is wrong with it: that is kept too."""
    try:
        return CronExpression(read(expression), Zone(time_zone))
    except InvalidSchedule as exc:
        return str(exc)
