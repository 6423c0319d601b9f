"""Several measurements of the same, and how those of two things that were measured in turns compare."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Say", "Spread", "ratio", "rounds"]

_MIN_ROUNDS: Final = 5
_MOST_ROUNDS: Final = 25
_ROUNDS_SECONDS: Final = 4.0

Say = Callable[[str], None]
"""Tells people what is being done now."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of the same."""

    median: float
    minimum: float
    maximum: float
    number: int
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sum up at least one measurement. With few of them the 99th percentile is the largest."""
        ordered = sorted(values)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return cls(statistics.median(ordered), ordered[0], ordered[-1], len(ordered), p99)


def ratio(above: Sequence[Sequence[float]], below: Sequence[Sequence[float]]) -> Spread:
    """Compare two things round by round: what disturbs a round disturbs both.

    Args:
        above: What each round measured of the one, at least one value a round.
        below: The same of the other, in as many rounds.
    """
    return Spread.of(
        [
            statistics.median(dividend) / statistics.median(divisor)
            for dividend, divisor in zip(above, below, strict=True)
        ]
    )


def rounds() -> Iterator[int]:
    """Count rounds of measurements in turns: five where each takes long, else more for some seconds."""
    until = time.monotonic() + _ROUNDS_SECONDS
    for number in range(_MOST_ROUNDS):
        if number >= _MIN_ROUNDS and time.monotonic() > until:
            return
        yield number
