"""From samples to lines of text format 0.0.4 and OpenMetrics 1.0.

Sample lines are the same in both formats; only the two comment lines above them differ, and what is added
about creation. Sources: the Prometheus exposition format 0.0.4 and the OpenMetrics 1.0 specification, "Text
format".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from airbyte_exporter.exposition._table import (
    ConnectionFamily,
    Context,
    Distribution,
    InstanceFamily,
    InstanceSample,
    Sample,
)
from airbyte_exporter.exposition._tallies import Tallies
from airbyte_exporter.model import ConnectionFacts, Snapshot
from airbyte_exporter.telemetry import FamilyInfo

__all__ = ["Column", "ConnectionWriter", "InstanceWriter", "escaped", "is_text"]

# A NUL ends the input for Prometheus' lexer, and a lone surrogate is no text in UTF-8.
_NOT_TEXT: Final = re.compile("[\0\ud800-\udfff]")
_SPECIAL: Final = re.compile('[\\\\\n"\0\ud800-\udfff]')
_REPLACEMENT: Final = "\ufffd"

# Statuses, kinds of jobs and causes of failures fit in; names that are different everywhere do not.
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class Column:
    """Lines that stand together on a page, and the header above them; ``None`` in a format without them."""

    text: bytes | None
    openmetrics: bytes | None


class _Writer:
    """Write a family's series as lines, once for each of its columns.

    With `created_at`, each counter and histogram says when counting began. OpenMetrics keeps the samples of
    one label set together, text 0.0.4 has no such samples, so that clients write another family: the two
    formats share no lines then.
    """

    def __init__(self, info: FamilyInfo, created_at: int | None) -> None:
        self._info = info
        self._created_at = created_at
        self._created = f"{info.name.removesuffix('_total')}_created"
        if info.type == "gauge" or created_at is None:
            self.columns: tuple[Column, ...] = (Column(_text_header(info), _openmetrics_header(info)),)
        else:
            self.columns = (
                Column(_text_header(info), None),
                Column(_text_header(replace(info, name=self._created, type="gauge")), None),
                Column(None, _openmetrics_header(info)),
            )

    def _write(self, series: Mapping[str, int | Distribution]) -> Sequence[bytes]:
        """Return the lines of each column; `series` are values by labels, as they are written."""
        name = self._info.name
        if self._info.type == "histogram":
            written = {labels: _distribution(name, labels, value) for labels, value in series.items()}
        elif len(self.columns) == 1:
            # A bool becomes 0 or 1, anything but a whole number raises.
            return ("".join([f"{name}{labels} {value:d}\n" for labels, value in series.items()]).encode(),)
        else:
            written = {labels: f"{name}{labels} {value:d}\n" for labels, value in series.items()}
        if len(self.columns) == 1:
            return ("".join(written.values()).encode(),)
        created = {labels: f"{self._created}{labels} {self._created_at}\n" for labels in series}
        together = [f"{lines}{created[labels]}" for labels, lines in written.items()]
        return tuple("".join(lines).encode() for lines in (written.values(), created.values(), together))

    def _write_first(
        self, named: Iterable[tuple[str, int | Distribution]]
    ) -> tuple[Sequence[bytes], Sequence[str]]:
        series: dict[str, int | Distribution] = {}
        twice = []
        for labels, value in named:
            if labels in series:
                twice.append(f"{self._info.name}{labels}")
            else:
                series[labels] = value
        return self._write(series), twice


class ConnectionWriter(_Writer):
    """Write what a family says of one connection."""

    def __init__(self, family: ConnectionFamily, created_at: int | None) -> None:
        super().__init__(family.info, created_at)
        self.family = family
        self._samples = family.samples
        self._is_simple = len(self.columns) == 1
        self._nothing = (b"",) * len(self.columns)
        self._rest = lru_cache(_REMEMBERED)(self._labels_after_id)

    def read(self, facts: ConnectionFacts, context: Context) -> Sequence[Sample]:
        """Return the samples of a connection. What is equal is written in the same way."""
        return self._samples(facts, context)

    def write(self, start: str, samples: Sequence[Sample]) -> tuple[Sequence[bytes], Sequence[str]]:
        """Return the lines of each column, and the series that came up twice: only the first is written.

        Args:
            start: The labels' beginning, with the connection's id, from `start_of`.
            samples: What the family says of the connection, from `read`.
        """
        if not samples:
            return self._nothing, ()
        rest = self._rest
        if self._is_simple and len(samples) == 1:  # most are, so that this is worth a line of its own
            ((values, value),) = samples
            return (f"{self._info.name}{start}{rest(values)} {value:d}\n".encode(),), ()
        series = {start + rest(values): value for values, value in samples}
        if len(series) == len(samples):
            return self._write(series), ()
        return self._write_first([(start + rest(values), value) for values, value in samples])

    def _labels_after_id(self, values: tuple[str, ...]) -> str:
        pairs = zip(self._info.labels[1:], values, strict=True)
        return "".join([f',{label}="{escaped(value)}"' for label, value in pairs]) + "}"

    @staticmethod
    def start_of(id_: str) -> str:
        """Return the beginning of the labels of every series of a connection."""
        return f'{{connection_id="{escaped(id_)}"'


class InstanceWriter(_Writer):
    """Write what a family says of the whole instance."""

    def __init__(self, family: InstanceFamily, created_at: int | None) -> None:
        super().__init__(family.info, created_at)
        self.family = family
        labels = ",".join(f'{label}="%s"' for label in family.info.labels)
        self._template = f"{{{labels}}}" if labels else ""

    def read(self, snapshot: Snapshot, tallies: Tallies) -> Sequence[InstanceSample]:
        """Return the samples of the family now."""
        return tuple(self.family.samples(snapshot, tallies))

    def write(self, samples: Sequence[InstanceSample]) -> tuple[Sequence[bytes], Sequence[str]]:
        """Return the lines of each column, and the series that came up twice: only the first is written."""
        named = [(self._template % tuple([escaped(it) for it in values]), value) for values, value in samples]
        return self._write_first(named)


def escaped(value: str) -> str:
    """Return a label's value as it is written between quotes."""
    if not _SPECIAL.search(value):
        return value
    value = _NOT_TEXT.sub(_REPLACEMENT, value)
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def is_text(value: str) -> bool:
    """Whether everything in it can be on the page as it is, or as an escape of its own."""
    return not _NOT_TEXT.search(value)


def _distribution(name: str, labels: str, value: int | Distribution) -> str:
    if not isinstance(value, Distribution):
        raise TypeError(f"{name} is a histogram, its values are distributions")
    return "".join(_distribution_lines(name, labels, value))


def _distribution_lines(name: str, labels: str, value: Distribution) -> Iterator[str]:
    before = f"{labels[:-1]}," if labels else "{"
    for bound, number in value.at_most:
        yield f'{name}_bucket{before}le="{float(bound)}"}} {number:d}\n'
    yield f'{name}_bucket{before}le="+Inf"}} {value.count:d}\n'
    yield f"{name}_sum{labels} {value.sum:d}\n"
    yield f"{name}_count{labels} {value.count:d}\n"


def _text_header(info: FamilyInfo) -> bytes:
    text = info.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {info.name} {text}\n# TYPE {info.name} {info.type}\n".encode()


def _openmetrics_header(info: FamilyInfo) -> bytes:
    # In OpenMetrics a counter's family is named without the suffix that its samples have.
    name = info.name.removesuffix("_total") if info.type == "counter" else info.name
    return f"# HELP {name} {escaped(info.help)}\n# TYPE {name} {info.type}\n".encode()
