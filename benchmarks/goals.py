"""What the exporter promises about its speed.

All promises but one are ratios of two things measured in turns in the same run, so that another machine, or
other work on it, changes little.
"""

from dataclasses import dataclass
from typing import Final

__all__ = [
    "CYCLE",
    "DECODING",
    "GROWTH",
    "JUDGED",
    "MEMORY",
    "QUIET",
    "SCRAPE",
    "VERBATIM",
    "Goal",
    "Verdict",
]

JUDGED: Final = 10_000
"""The number of connections at which the promises are made."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit that a figure is to reach from above or below. A goal `at_every_size` counts at each."""

    limit: float
    at_least: bool = False
    at_every_size: bool = False

    def is_met(self, value: float) -> bool:
        """Whether `value` is within the limit."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


SCRAPE: Final = Goal(100, at_least=True)
"""prometheus_client's server / ours, of a page that was scraped before."""

CYCLE: Final = Goal(50, at_least=True)
"""The same with what an interval changes, and nothing made ready before."""

GROWTH: Final = Goal(1.5)
"""Publishing as many changes with ten times as many connections."""

VERBATIM: Final = Goal(2.5)
"""A scrape / one sendall of the same bytes."""

MEMORY: Final = Goal(0.5)
"""Our process / prometheus_client's, each at most."""

DECODING: Final = Goal(5)
"""A scrape while pages of jobs are read / one of an idle process."""

QUIET: Final = Goal(1, at_every_size=True)
"""Requests of a poll while nothing changes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A promise, what was measured with so many connections, and whether it was kept."""

    name: str
    connections: int
    goal: str
    measured: float
    met: bool
