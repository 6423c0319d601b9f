"""What it costs to publish changes, by their number and by the number of all connections."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from benchmarks.figures import Say, Spread, ratio, rounds
from benchmarks.scraping import Scraper
from benchmarks.workers import worker

__all__ = ["CHANGES", "GROWTH_OF", "Growth", "Update", "Updates", "measure_updates", "updates_of"]

CHANGES: Final = (10, 100, 1000)
GROWTH_OF: Final = 100
"""How many changes are compared over the numbers of connections."""

_SHARE: Final = 0.1
"""More than this share of all connections does not change between two polls."""


@dataclass(frozen=True, slots=True)
class Update:
    """Seconds of publishing a snapshot of `connections` in which `changed` of them differ."""

    connections: int
    changed: int
    seconds: Spread


@dataclass(frozen=True, slots=True)
class Growth:
    """How many times as long it takes with `larger` connections as with `smaller` ones."""

    changed: int
    smaller: int
    larger: int
    ratio: Spread


@dataclass(frozen=True, slots=True)
class Updates:
    """Every number of changes with every size, and how sizes that come one after the other compare."""

    updates: tuple[Update, ...] = ()
    growth: tuple[Growth, ...] = ()


def measure_updates(sizes: tuple[int, ...], seed: int, say: Say) -> Updates:
    """Publish changes of each size in turn. After each comes a scrape, so that no work is left to the next.

    Raises:
        BenchmarkError: Something does not work.
    """
    say("making up facts for updates")
    with ExitStack() as stack:
        servers = {
            size: stack.enter_context(worker("benchmarks.serving", f"--connections={size}", f"--seed={seed}"))
            for size in sorted(set(sizes))
        }
        scrapers = {
            size: stack.enter_context(Scraper.of(server.ask("start")["port"]))
            for size, server in servers.items()
        }
        say("publishing changes")
        seconds: dict[tuple[int, int], list[float]] = {}
        for _ in rounds():
            for changed in CHANGES:
                for size, server in servers.items():
                    if changed <= _SHARE * size:
                        spent = server.ask("change", number=changed)["seconds"]
                        scrapers[size].scrape()
                        seconds.setdefault((size, changed), []).append(spent)
    return updates_of(seconds)


def updates_of(seconds: Mapping[tuple[int, int], Sequence[float]]) -> Updates:
    """Sum up what was measured in turns, by number of connections and of changes."""
    updates = [Update(size, changed, Spread.of(spent)) for (size, changed), spent in seconds.items()]
    growth = [
        Growth(
            changed,
            smaller,
            larger,
            ratio(_each(seconds[larger, changed]), _each(seconds[smaller, changed])),
        )
        for changed in CHANGES
        for smaller, larger in pairwise(sorted(size for size, number in seconds if number == changed))
    ]
    return Updates(tuple(sorted(updates, key=lambda it: (it.connections, it.changed))), tuple(growth))


def _each(values: Sequence[float]) -> list[list[float]]:
    return [[value] for value in values]
