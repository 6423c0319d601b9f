"""Durations as people write them: seconds as a number, or ``30s``, ``5m``, ``6h``, ``1d``."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

__all__ = ["Duration", "PositiveDuration", "format_duration", "parse_duration"]

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", re.ASCII)


def parse_duration(value: object) -> float:
    """Return the seconds that `value` stands for.

    Raises:
        ValueError: `value` is neither a number of seconds nor a number with one of the units s, m, h, d.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and (written := _WRITTEN.fullmatch(value)):
        number, unit = written.groups()
        return float(number) * _UNIT_SECONDS[unit or "s"]
    msg = "must be a number of seconds or a duration like 30s, 5m, 6h or 1d"
    raise ValueError(msg)


def format_duration(seconds: float) -> str:
    """Write `seconds` the shortest way that `parse_duration` reads back as the same number."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{Decimal(repr(seconds)).normalize():f}s"  # every digit, and none of them an exponent


Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0, allow_inf_nan=False)]
"""Seconds, zero or more, written as `parse_duration` reads them."""

PositiveDuration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, allow_inf_nan=False)]
"""Seconds, more than zero, written as `parse_duration` reads them."""
