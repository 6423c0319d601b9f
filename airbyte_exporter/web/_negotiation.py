"""What a client accepts: media types and codings with their weights (RFC 9110, sections 12.4 and 12.5)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["accepts_gzip", "prefers_openmetrics"]

_OPENMETRICS: Final = "application/openmetrics-text"
_TEXT_RANGES: Final = {"*/*": 0, "text/*": 1, "text/plain": 2}


@dataclass(frozen=True, slots=True)
class _Range:
    name: str
    parameters: Mapping[str, str]
    weight: float


def prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.0 is wanted rather than text format 0.0.4.

    OpenMetrics must be named to be chosen, so that a browser or curl gets plain text; where both weigh the
    same it wins. Nothing that a client says leads to no answer at all: text is what every scraper reads.
    """
    openmetrics = 0.0
    text, text_rank = 0.0, -1
    for it in _ranges(accept):
        version = it.parameters.get("version")
        if it.name == _OPENMETRICS and (version is None or version.startswith("1.")):
            openmetrics = max(openmetrics, it.weight)
        elif it.name in _TEXT_RANGES and version in {None, "0.0.4"}:
            rank = _TEXT_RANGES[it.name] + (version is not None)
            if rank >= text_rank:
                text, text_rank = it.weight, rank
    return openmetrics > 0 and openmetrics >= text


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the answer may be compressed with gzip and plain is not wanted more."""
    weights = {it.name: it.weight for it in _ranges(accept_encoding)}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _ranges(header: str) -> Iterator[_Range]:
    for part in header.split(","):
        name, *rest = (piece.strip() for piece in part.split(";"))
        parameters: dict[str, str] = {}
        for piece in rest:
            key, _, value = piece.partition("=")
            parameters[key.strip().lower()] = value.strip().strip('"')
        if name and (weight := _weight(parameters.pop("q", "1"))) is not None:
            yield _Range(name.lower(), parameters, weight)


def _weight(written: str) -> float | None:
    try:
        weight = float(written)
    except ValueError:
        return None
    return weight if 0 <= weight <= 1 else None
