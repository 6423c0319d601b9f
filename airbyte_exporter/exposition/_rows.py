"""The kinds of rows that the table of families is made of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from airbyte_exporter.exposition._table import (
    ConnectionFamily,
    Context,
    Facet,
    InstanceFamily,
    InstanceSample,
    Sample,
)
from airbyte_exporter.exposition._tallies import Tallies
from airbyte_exporter.model import ConnectionCounters, ConnectionFacts, Fact, Snapshot
from airbyte_exporter.telemetry import FamilyInfo

__all__ = ["counter", "gauge", "histogram", "number", "state", "total", "totals"]

_Labels = TypeVar("_Labels", bound=tuple[str, ...])
InstanceSamples = Callable[[Snapshot, Tallies], Iterable[InstanceSample]]


def number(
    name: str,
    text: str,
    facet: Facet,
    read: Callable[[ConnectionFacts], int | None],
    needs: Fact | None = None,
    *,
    partly: Fact | None = None,
) -> ConnectionFamily:
    """A gauge with at most one sample for each connection: none where `read` does not know."""

    def samples(facts: ConnectionFacts, _: Context) -> Sequence[Sample]:
        value = read(facts)
        return () if value is None else (((), value),)

    info = FamilyInfo(name, "gauge", text, ("connection_id",))
    return ConnectionFamily(info, facet, samples, needs=needs, partly=partly)


def state(
    name: str,
    text: str,
    facet: Facet,
    known: tuple[str, ...],
    read: Callable[[ConnectionFacts], str | None],
    label: str = "status",
    needs: Fact | None = None,
) -> ConnectionFamily:
    """A gauge with a 0/1 sample for each `known` state, and for ``unknown`` only while that is the case."""
    by_state: Mapping[str, Sequence[Sample]] = {
        current: tuple(((state,), int(state == current)) for state in known) for current in known
    }
    unknown = (*(((state,), 0) for state in known), (("unknown",), 1))

    def samples(facts: ConnectionFacts, _: Context) -> Sequence[Sample]:
        current = read(facts)
        return () if current is None else by_state.get(current, unknown)

    info = FamilyInfo(name, "gauge", text, ("connection_id", label))
    return ConnectionFamily(info, facet, samples, needs=needs)


def total(
    name: str,
    text: str,
    read: Callable[[ConnectionCounters], int],
    needs: Fact | None = None,
) -> ConnectionFamily:
    """A counter with one sample for each connection, from 0; none where the API does not tell it."""
    return _counted(name, text, (), lambda counters: (((), read(counters)),), needs)


def totals(
    name: str,
    text: str,
    labels: tuple[str, ...],
    from_zero: tuple[_Labels, ...],
    read: Callable[[ConnectionCounters], Mapping[_Labels, int]],
    needs: Fact | None = None,
) -> ConnectionFamily:
    """A counter by `labels`: some label values `from_zero`, others from their first use, in order.

    `read` returns the numbers by label values; there are none where the API does not tell them.
    """
    expected = frozenset(from_zero)

    def samples(counters: ConnectionCounters) -> Sequence[Sample]:
        counted = read(counters)
        first = [(key, counted.get(key, 0)) for key in from_zero]
        others = counted.keys() - expected
        return first if not others else first + [(key, counted[key]) for key in sorted(others)]

    return _counted(name, text, labels, samples, needs)


def _counted(
    name: str,
    text: str,
    labels: tuple[str, ...],
    count: Callable[[ConnectionCounters], Sequence[Sample]],
    needs: Fact | None,
) -> ConnectionFamily:
    def samples(facts: ConnectionFacts, context: Context) -> Sequence[Sample]:
        return count(facts.counters) if needs is None or context.instance.tells(needs) else ()

    info = FamilyInfo(name, "counter", text, ("connection_id", *labels))
    return ConnectionFamily(info, Facet.COUNTS, samples, needs is not None, needs)


def gauge(name: str, text: str, facet: Facet, samples: InstanceSamples, *labels: str) -> InstanceFamily:
    """A gauge of the whole instance."""
    return InstanceFamily(FamilyInfo(name, "gauge", text, labels), facet, samples)


def counter(name: str, text: str, samples: InstanceSamples, *labels: str) -> InstanceFamily:
    """A counter of the whole instance."""
    return InstanceFamily(FamilyInfo(name, "counter", text, labels), Facet.COUNTS, samples)


def histogram(
    name: str, text: str, samples: InstanceSamples, *labels: str, needs: Fact | None = None
) -> InstanceFamily:
    """A histogram of the whole instance, counted like the counters; its values are distributions."""
    return InstanceFamily(FamilyInfo(name, "histogram", text, labels), Facet.COUNTS, samples, needs)
