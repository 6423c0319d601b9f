"""What the rules for Prometheus read of the past, written as if all had always been as it is now."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airbyte_exporter.durations import parse_duration
from benchmarks.figures import Say
from benchmarks.history import BLOCK_SECONDS, labelled, load

__all__ = ["remember", "windows"]

_OVER_TIME: Final = re.compile(r"([\w:]+)(?:\{([^{}]*)\})?\[(\w+)\](?: offset (\w+))?")
_FRESH: Final = "instance:airbyte_up:fresh"
_SAMPLE_SECONDS: Final = 30
_MEANWHILE_SECONDS: Final = 1800
"""The past moves on while it is written and the rules are judged: so much more of it is there."""


@dataclass(frozen=True, slots=True)
class Window:
    """What an expression reads of one family: the ages of the samples in seconds, the oldest first."""

    family: str
    matchers: tuple[str, ...]
    since: int
    until: int

    def at(self, now: int) -> range:
        """Return the times of the samples."""
        until = min(now, now - self.until + _MEANWHILE_SECONDS)
        return range((now - self.since) // _SAMPLE_SECONDS * _SAMPLE_SECONDS, until, _SAMPLE_SECONDS)

    def holds(self, family: str, series: str) -> bool:
        """Say whether a series is read; a matcher that is not an equality is one of any series."""
        return family == self.family and all(it in series for it in self.matchers)


def windows(rules: str) -> list[Window]:
    """Return what the rules read over time."""
    found = []
    for family, matchers, window, offset in _OVER_TIME.findall(rules):
        age = parse_duration(offset or "0s")
        equal = tuple(it.strip() for it in matchers.split(",") if re.search(r'\w="', it))
        found.append(Window(family, equal, int(age + parse_duration(window)), int(age)))
    return found


def remember(page: str, rules: str, now: int, work: Path, say: Say) -> None:
    """Write the past of a page in text format into the data of a Prometheus that does not run yet.

    Args:
        page: what the exporter tells now.
        rules: the expressions of the rules.
        now: epoch seconds.
        work: the folder above `data`.
        say: told what is being done.

    Raises:
        BenchmarkError: promtool cannot do it.
    """
    read = windows(rules)
    past = [
        (series, value, times)
        for family, series, value in _with_fresh(page)
        if (times := [window.at(now) for window in read if window.holds(family, series)])
    ]
    first = min(each.start for _, _, times in past for each in times)
    for begin in range(first // BLOCK_SECONDS * BLOCK_SECONDS, now, BLOCK_SECONDS):
        lines = _block(past, range(begin, min(now, begin + BLOCK_SECONDS), _SAMPLE_SECONDS))
        some = next(lines, None)
        if some is not None:
            say(f"the past, {(now - begin) // 3600} hours ago")
            load((line for part in ((some,), lines) for line in part), work, work / "data")


def _with_fresh(page: str) -> Iterator[tuple[str, str, str]]:
    """Yield family, series and value of each sample, and what the first of the rules has recorded."""
    for family, series, value in labelled(page):
        yield family, series, value
        if family == "airbyte_up":
            yield _FRESH, series.replace(family, _FRESH, 1), "1"


def _block(past: Sequence[tuple[str, str, Sequence[range]]], block: range) -> Iterator[str]:
    for series, value, times in past:
        for at in block:
            if any(at in each for each in times):
                yield f"{series} {value} {at}\n"
