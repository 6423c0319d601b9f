"""The same series in prometheus_client, served by its own server in a process of its own.

Run as ``python -m benchmarks.reference`` this is a worker. Each family is a Gauge, Counter or Histogram with
a child for each label set, as in an exporter that is built on the library. It keeps no facts beside them,
which such an exporter would have to.
"""

import io
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import Metric
from prometheus_client.parser import text_fd_to_metric_families
from prometheus_client.samples import Sample

from benchmarks.processes import BenchmarkError, reset_peak
from benchmarks.workers import obey

__all__ = ["Changes", "Reference"]

_LINES_AT_ONCE: Final = 1000
_BUCKET: Final = "le"

Parent = Gauge | Counter | Histogram
Values = tuple[str, ...]


@dataclass(slots=True)
class Changes:
    """What is to become of children: gauges set, counters increased, histograms replaced, others removed.

    A histogram's values are those of its buckets, each without the ones below, and the sum.
    """

    gauges: list[tuple[Gauge, Values, float]] = field(default_factory=list)
    counters: list[tuple[Counter, Values, float]] = field(default_factory=list)
    histograms: list[tuple[Histogram, Values, list[float], float]] = field(default_factory=list)
    removed: list[tuple[Parent, Values]] = field(default_factory=list)

    def apply(self) -> None:
        """Make the children so, each looked up by its labels as in an exporter."""
        for gauge, values, value in self.gauges:
            (gauge.labels(*values) if values else gauge).set(value)
        for counter, values, increase in self.counters:
            (counter.labels(*values) if values else counter).inc(increase)
        for histogram, values, buckets, total in self.histograms:
            child = histogram.labels(*values) if values else histogram
            # There is no setter, and observing would come to another sum.
            child._sum.set(total)  # noqa: SLF001
            for bucket, number in zip(child._buckets, buckets, strict=True):  # noqa: SLF001
                bucket.set(number)
        for parent, values in self.removed:
            parent.remove(*values)


class Reference:
    """A registry with the series of a page in text format 0.0.4, given line by line.

    Raises:
        BenchmarkError: A family is of a type that there are no children of.
    """

    def __init__(self, page: Iterable[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it unannotated
        self.registry = CollectorRegistry()
        self._parents: dict[str, Parent] = {}
        for block in _blocks(page):
            self.changes("", block).apply()

    def changes(self, old: str, new: str) -> Changes:
        """Return how to get from the `old` lines to the `new` ones, comments about types included.

        Series that are in neither stay as they are. Of a histogram all lines are new.
        """
        changes = Changes()
        before = {
            _series(sample): sample.value
            for family in text_fd_to_metric_families(io.StringIO(old))
            for sample in family.samples
        }
        for family in text_fd_to_metric_families(io.StringIO(new)):
            if family.type == "histogram":
                self._replace(family, changes)
                continue
            for sample in family.samples:
                parent, known = self._parent(family, sample), before.pop(_series(sample), 0.0)
                values = tuple(sample.labels.values())
                if isinstance(parent, Counter):
                    changes.counters.append((parent, values, sample.value - known))
                elif isinstance(parent, Gauge):
                    changes.gauges.append((parent, values, sample.value))
        changes.removed += [
            (self._parents[name], tuple(value for _, value in labels)) for name, labels in before
        ]
        return changes

    def _parent(self, family: Metric, sample: Sample) -> Parent:
        known = self._parents.get(sample.name)
        if known is None:
            kinds: dict[str, type[Gauge | Counter]] = {"gauge": Gauge, "counter": Counter}
            if family.type not in kinds:
                raise BenchmarkError(f"{family.name}: a {family.type} has no children in prometheus_client")
            known = kinds[family.type](
                sample.name, family.documentation, tuple(sample.labels), registry=self.registry
            )
            self._parents[sample.name] = known
        return known

    def _replace(self, family: Metric, changes: Changes) -> None:
        children: dict[Values, list[Sample]] = {}
        for sample in family.samples:
            values = tuple(value for name, value in sample.labels.items() if name != _BUCKET)
            children.setdefault(values, []).append(sample)
        for values, samples in children.items():
            below = [sample for sample in samples if sample.name.endswith("_bucket")]
            total = next(sample.value for sample in samples if sample.name.endswith("_sum"))
            counts = [sample.value for sample in below]
            buckets = [count - less for count, less in zip(counts, [0.0, *counts], strict=False)]
            changes.histograms.append((self._histogram(family, below), values, buckets, total))

    def _histogram(self, family: Metric, buckets: list[Sample]) -> Histogram:
        known = self._parents.get(family.name)
        if not isinstance(known, Histogram):
            labels = tuple(name for name in buckets[0].labels if name != _BUCKET)
            bounds = tuple(float(sample.labels[_BUCKET]) for sample in buckets)
            known = Histogram(
                family.name, family.documentation, labels, registry=self.registry, buckets=bounds
            )
            self._parents[family.name] = known
        return known


def _series(sample: Sample) -> tuple[str, tuple[tuple[str, str], ...]]:
    return sample.name, tuple(sample.labels.items())


def _blocks(page: Iterable[str]) -> Iterator[str]:
    """Cut a page so that little of it is in memory at once: by families, long ones after many lines."""
    header: list[str] = []
    lines: list[str] = []
    is_in_header = is_histogram = False
    for line in page:
        if line.startswith("#"):
            if not is_in_header:
                yield "".join(header + lines)
                header, lines, is_in_header = [], [], True
            header.append(line)
            is_histogram = line.rstrip().endswith(" histogram")
            continue
        is_in_header = False
        lines.append(line)
        if len(lines) == _LINES_AT_ONCE and not is_histogram:
            yield "".join(header + lines)
            lines = []
    yield "".join(header + lines)


class _Served:
    """The worker: a registry behind the library's own server."""

    def __init__(self) -> None:
        self._reference = Reference(())
        self._changes = Changes()

    def load(self, page: str) -> Mapping[str, object]:
        with Path(page).open(encoding="utf-8", newline="\n") as lines:
            self._reference = Reference(lines)
        server, _ = start_http_server(0, "127.0.0.1", self._reference.registry)
        reset_peak()
        return {"port": server.server_port}

    def prepare(self, old: str, new: str) -> Mapping[str, object]:
        self._changes = self._reference.changes(old, new)
        return {}

    def change(self) -> Mapping[str, object]:
        began = time.perf_counter()
        self._changes.apply()
        return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    served = _Served()
    obey({"load": served.load, "prepare": served.prepare, "change": served.change})
