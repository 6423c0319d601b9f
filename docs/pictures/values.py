"""Numbers as Grafana writes them."""

from collections.abc import Sequence
from typing import Any, Final

__all__ = ["colour_of", "mapped", "written"]

Json = dict[str, Any]

_TIMES: Final = ((1.0, "s"), (60.0, "mins"), (3600.0, "hours"), (86400.0, "days"), (604800.0, "weeks"))
_SHORT: Final = ((1.0, ""), (1e3, " K"), (1e6, " Mil"), (1e9, " Bil"))
_BYTES: Final = ((1.0, " B"), (1e3, " kB"), (1e6, " MB"), (1e9, " GB"), (1e12, " TB"))
_BINARY: Final = ((1.0, " B"), (1024.0, " KiB"), (1024.0**2, " MiB"), (1024.0**3, " GiB"))


def written(value: float, unit: str, decimals: int | None = None) -> str:
    """Return a value with its unit."""
    if unit == "s":
        if 0 < abs(value) < 1:
            return f"{value * 1000:.0f} ms"
        scale, name = _scale(value, _TIMES)
        return f"{_number(value / scale, decimals)} {name}"
    if unit == "percentunit":
        return f"{_number(value * 100, decimals)}%"
    scales = {"short": _SHORT, "decbytes": _BYTES, "bytes": _BINARY}.get(unit, ((1.0, ""),))
    scale, name = _scale(value, scales)
    return f"{_number(value / scale, decimals)}{name}"


def _scale(value: float, scales: Sequence[tuple[float, str]]) -> tuple[float, str]:
    return next((found for found in reversed(scales) if abs(value) >= found[0]), scales[0])


def _number(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    digits = 0 if abs(value) >= 100 or value == round(value) else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def mapped(value: str, mappings: Sequence[Json]) -> tuple[str, str] | None:
    """Return text and colour of a value that has them."""
    for mapping in mappings:
        if found := mapping["options"].get(value):
            return found["text"], found["color"]
    return None


def colour_of(value: float, thresholds: Json) -> str:
    """Return the colour of the highest step that a value reaches."""
    colour = ""
    for step in thresholds["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return colour
