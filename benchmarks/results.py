"""Everything that a run measured, and what of it belongs to one number of connections."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.alerting import AlertingResult
from benchmarks.comparing import Comparison
from benchmarks.measuring import SizeResult
from benchmarks.polling import PollingResult
from benchmarks.updating import GROWTH_OF, Growth, Update, Updates

__all__ = ["AtSize", "Results"]


@dataclass(frozen=True, slots=True)
class AtSize:
    """What was measured with one number of connections; ``None`` is what was not."""

    connections: int
    comparison: Comparison | None
    updates: Mapping[int, Update]
    growth: Growth | None
    poll: PollingResult | None
    process: SizeResult | None


@dataclass(frozen=True, slots=True)
class Results:
    """The parts of a run.

    `polling` counts the requests in every way of polling, `polls` those of the first of them.
    """

    comparisons: tuple[Comparison, ...] = ()
    updates: Updates = field(default_factory=Updates)
    polling: tuple[PollingResult, ...] = ()
    polls: tuple[PollingResult, ...] = ()
    process: tuple[SizeResult, ...] = ()
    alerting: tuple[AlertingResult, ...] = ()

    def sizes(self) -> Iterator[AtSize]:
        """Return each number of connections that something was measured with."""
        comparisons = {result.connections: result for result in self.comparisons}
        process = {result.connections: result for result in self.process}
        polls = {result.connections: result for result in self.polls}
        for size in sorted({*comparisons, *process, *polls}):
            yield AtSize(
                connections=size,
                comparison=comparisons.get(size),
                updates={it.changed: it for it in self.updates.updates if it.connections == size},
                growth=next(
                    (it for it in self.updates.growth if (it.changed, it.larger) == (GROWTH_OF, size)), None
                ),
                poll=polls.get(size),
                process=process.get(size),
            )
