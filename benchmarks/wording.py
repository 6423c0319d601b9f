"""Figures as people read them."""

from benchmarks.figures import Spread

__all__ = ["duration", "durations", "factor", "number", "ratios", "size", "spread"]


def number(value: float) -> str:
    """Return a number of requests or connections."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def spread(values: Spread) -> str:
    """Return the median, with the least and the most where they differ."""
    if values.minimum == values.maximum:
        return number(values.median)
    return f"{number(values.median)} ({number(values.minimum)} … {number(values.maximum)})"


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them."""
    scale, unit, digits = _unit(seconds)
    return f"{seconds * scale:.{digits}f} {unit}"


def durations(values: Spread) -> str:
    """Return the median of seconds with the least and the most, all in the unit that suits the median."""
    scale, _, digits = _unit(values.median)
    least, most = (f"{value * scale:.{digits}f}" for value in (values.minimum, values.maximum))
    return f"{duration(values.median)} ({least} … {most})"


def _unit(seconds: float) -> tuple[float, str, int]:
    """Return what to multiply with, the unit, and how many digits to show after the point."""
    if seconds >= 1:
        return 1, "s", 0 if seconds >= 100 else 2
    return 1000, "ms", 0 if seconds >= 0.1 else 1 if seconds >= 0.001 else 2


def ratios(values: Spread) -> str:
    """Return the median of ratios with the least and the most."""
    return f"{factor(values.median)}x ({factor(values.minimum)} … {factor(values.maximum)})"


def factor(value: float) -> str:
    """Return a ratio with as many digits as say something."""
    return f"{value:,.{0 if value >= 10 else 1 if value >= 3 else 2}f}"


def size(number_of_bytes: float | None) -> str:
    """Return bytes in the unit that suits them."""
    if number_of_bytes is None:
        return "not known"
    if number_of_bytes < 1024**2:
        return f"{number_of_bytes / 1024:.1f} KiB"
    mebibytes = number_of_bytes / 1024**2
    return f"{mebibytes:.{0 if mebibytes >= 10 else 2}f} MiB"
