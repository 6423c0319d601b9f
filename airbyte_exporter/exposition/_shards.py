"""The lines of single connections, kept in step with their facts at the cost of what changed.

A column's lines are kept in shards: the bytes of some dozen connections whose ids follow each other, and
where each connection's lines end in them. New lines of one connection take the place of its old ones, so the
page is the same bytes whatever happened before, and nothing is rendered but what has other facts.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from airbyte_exporter.exposition._blocks import Block
from airbyte_exporter.exposition._table import Context, Sample
from airbyte_exporter.exposition._text import ConnectionWriter
from airbyte_exporter.model import ConnectionFacts

__all__ = ["Seen", "Shards"]

# Many small shards cost memory and time to join, large ones time to change.
_SIZE: Final = 32
_MAX_SIZE: Final = 2 * _SIZE


@dataclass(frozen=True, slots=True)
class Seen:
    """What the lines of a connection follow from."""

    facts: ConnectionFacts
    context: Context


class _Column:
    """The lines of one column by shard."""

    __slots__ = ("_block", "_ends", "_lines", "_series")

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._ends: list[array[int]] = []
        self._series = 0
        self._block: Block | None = None

    def append(self, lines: Sequence[bytes]) -> None:
        """Add a shard at the end, with the lines of each of its connections."""
        joined = b"".join(lines)
        self._lines.append(joined)
        self._ends.append(array("I", accumulate(map(len, lines))))
        self._series += joined.count(b"\n")
        self._block = None

    def replace(self, shard: int, place: int, fresh: bytes) -> None:
        """Put new lines in the place of a connection's old ones."""
        ends = self._ends[shard]
        lines = self._lines[shard]
        start, end = ends[place - 1] if place else 0, ends[place]
        old = lines[start:end]
        self._lines[shard] = b"".join((lines[:start], fresh, lines[end:]))
        if longer := len(fresh) - len(old):
            for index in range(place, len(ends)):
                ends[index] += longer
        self._series += fresh.count(b"\n") - old.count(b"\n")
        self._block = None

    def insert(self, shard: int, place: int, fresh: bytes) -> None:
        """Put another connection's lines into a shard."""
        ends = self._ends[shard]
        ends.insert(place, ends[place - 1] if place else 0)
        self.replace(shard, place, fresh)

    def remove(self, shard: int, place: int) -> None:
        """Take a connection out of a shard."""
        self.replace(shard, place, b"")
        del self._ends[shard][place]

    def split(self, shard: int, place: int) -> None:
        """Let a new shard begin at a place within another."""
        lines, ends = self._lines[shard], self._ends[shard]
        at = ends[place - 1]
        self._lines[shard : shard + 1] = lines[:at], lines[at:]
        self._ends[shard : shard + 1] = ends[:place], array("I", [end - at for end in ends[place:]])

    def drop(self, shard: int) -> None:
        """Take out a shard in which no connection is left."""
        del self._lines[shard], self._ends[shard]

    def block(self) -> Block:
        """Return the column as it is now: the same block until something changes."""
        if self._block is None:
            self._block = Block(tuple(self._lines), self._series)
        return self._block


class Shards:
    """All connections that are shown, in the order of their ids."""

    def __init__(self, writers: Sequence[ConnectionWriter]) -> None:
        self._writers = tuple(enumerate(writers))
        self._columns = [tuple(_Column() for _ in writer.columns) for writer in writers]
        self._ids: list[list[str]] = []
        self._firsts: list[str] = []
        self._twice: dict[tuple[int, str], Sequence[str]] = {}

    @property
    def duplicates(self) -> Sequence[str]:
        """The series that came up twice within a connection, in the order of the page."""
        return [name for key in sorted(self._twice) for name in self._twice[key]]

    def blocks(self) -> Sequence[Sequence[Block]]:
        """Return the blocks of each writer's columns."""
        return [[column.block() for column in columns] for columns in self._columns]

    def add(self, connections: Mapping[str, ConnectionFacts], context: Context) -> None:
        """Show further connections."""
        if self._ids:
            for id_, facts in connections.items():
                self._insert(id_, facts, context)
            return
        ids = sorted(connections)
        bounds = [*range(0, len(ids), _SIZE), len(ids)]
        for first, last in pairwise(bounds):
            self._append({id_: connections[id_] for id_ in ids[first:last]}, context)

    def update(self, id_: str, old: Seen, new: Seen) -> None:
        """Render what differs between what is shown of a connection and what is to be shown."""
        shard, place = self._find(id_)
        start = ConnectionWriter.start_of(id_)
        is_same = old.facts is new.facts
        for index, writer in self._writers:
            if is_same and not writer.family.reads_context:
                continue
            samples = writer.read(new.facts, new.context)
            if samples != writer.read(old.facts, old.context):
                written = self._write(index, writer, id_, start, samples)
                for column, lines in zip(self._columns[index], written, strict=True):
                    column.replace(shard, place, lines)

    def remove(self, ids: Iterable[str]) -> None:
        """Show these connections no more."""
        for id_ in ids:
            shard, place = self._find(id_)
            for index, _ in self._writers:
                self._twice.pop((index, id_), None)
            for column in self._all_columns():
                column.remove(shard, place)
            del self._ids[shard][place]
            if not self._ids[shard]:
                del self._ids[shard], self._firsts[shard]
                for column in self._all_columns():
                    column.drop(shard)

    def _append(self, connections: Mapping[str, ConnectionFacts], context: Context) -> None:
        starts = {id_: ConnectionWriter.start_of(id_) for id_ in connections}
        for index, writer in self._writers:
            written = [
                self._write(index, writer, id_, starts[id_], writer.read(facts, context))
                for id_, facts in connections.items()
            ]
            for column, lines in zip(self._columns[index], zip(*written, strict=True), strict=True):
                column.append(lines)
        self._ids.append(list(connections))
        self._firsts.append(self._ids[-1][0])

    def _insert(self, id_: str, facts: ConnectionFacts, context: Context) -> None:
        shard, place = self._find(id_)
        ids = self._ids[shard]
        ids.insert(place, id_)
        self._firsts[shard] = ids[0]
        start = ConnectionWriter.start_of(id_)
        for index, writer in self._writers:
            written = self._write(index, writer, id_, start, writer.read(facts, context))
            for column, lines in zip(self._columns[index], written, strict=True):
                column.insert(shard, place, lines)
        if len(ids) > _MAX_SIZE:
            middle = len(ids) // 2
            self._ids[shard : shard + 1] = ids[:middle], ids[middle:]
            self._firsts.insert(shard + 1, ids[middle])
            for column in self._all_columns():
                column.split(shard, middle)

    def _find(self, id_: str) -> tuple[int, int]:
        # The first of a shard may have been removed: what follows it still belongs there.
        shard = max(0, bisect_right(self._firsts, id_) - 1)
        return shard, bisect_left(self._ids[shard], id_)

    def _write(
        self, index: int, writer: ConnectionWriter, id_: str, start: str, samples: Sequence[Sample]
    ) -> Sequence[bytes]:
        written, twice = writer.write(start, samples)
        if twice:
            self._twice[index, id_] = twice
        elif self._twice:
            self._twice.pop((index, id_), None)
        return written

    def _all_columns(self) -> Iterable[_Column]:
        return (column for columns in self._columns for column in columns)
