"""From one snapshot to the next: what differs between them is rendered, everything else is kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import is_not
from types import MappingProxyType
from typing import Final

from airbyte_exporter.exposition._blocks import Block, Generation
from airbyte_exporter.exposition._shards import Seen, Shards
from airbyte_exporter.exposition._table import (
    ConnectionFamily,
    Context,
    Family,
    InstanceFamily,
    InstanceSample,
)
from airbyte_exporter.exposition._tallies import Tallies
from airbyte_exporter.exposition._text import Column, ConnectionWriter, InstanceWriter, escaped, is_text
from airbyte_exporter.model import ConnectionFacts, Snapshot

__all__ = ["Rendered", "Renderer"]

_NOTHING: Final = Block((), 0)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page and what is to be told about it.

    `duplicates` are the series that came up twice: only the first of each is on the page, because a scraper
    may refuse the whole page over one of them. `left_out` is the number of connections past the cap, ``None``
    without a cap.
    """

    generation: Generation
    series: int
    duplicates: tuple[str, ...]
    left_out: int | None


class Renderer:
    """Render the families that a snapshot has fresh facts for, connections in the order of their ids.

    A family without samples keeps its comment lines, so that the list of families is always the same. The
    page follows from the snapshot alone; those before it only make it cheaper.

    Args:
        families: What to render, in this order.
        max_connections: Show no more connections than this one by one: those seen first, so that a new
            connection never takes the place of one that is shown.
        created: Add to every series of a counter when its counting began.
    """

    def __init__(self, families: Sequence[Family], *, max_connections: int | None, created: bool) -> None:
        self._families = families
        self._max_connections = max_connections
        self._created = created
        self._state: _State | None = None

    def render(self, snapshot: Snapshot) -> Rendered:
        """Return the page of `snapshot`.

        Raises:
            ValueError: A value is no whole number. Nothing is kept then, the next page is rendered anew.
        """
        created_at = snapshot.epoch if self._created else None
        # What is half changed when an error comes up must not be built upon.
        state, self._state = self._state, None
        if state is None or state.created_at != created_at:
            state = _State(self._families, self._max_connections, created_at, _context(snapshot))
        rendered = state.render(snapshot)
        self._state = state
        return rendered


class _State:
    """What is kept between two snapshots."""

    def __init__(
        self,
        families: Sequence[Family],
        max_connections: int | None,
        created_at: int | None,
        context: Context,
    ) -> None:
        self.created_at = created_at
        self._of_connections = [
            ConnectionWriter(family, created_at)
            for family in families
            if isinstance(family, ConnectionFamily)
        ]
        self._of_instance = [
            _Whole(InstanceWriter(family, created_at))
            for family in families
            if isinstance(family, InstanceFamily)
        ]
        self._families = families
        self._shards = Shards(self._of_connections)
        self._tallies = Tallies()
        self._roster = _Roster(max_connections)
        self._known: Mapping[str, ConnectionFacts] = MappingProxyType({})
        self._context = context

    def render(self, snapshot: Snapshot) -> Rendered:
        """Bring everything in step with `snapshot` and return its page."""
        known, now = self._known, snapshot.connections
        context = _context(snapshot)
        changed = list(compress(now, map(is_not, now.values(), map(known.get, now))))
        came = [id_ for id_ in changed if id_ not in known]
        went = known.keys() - now.keys() if len(known) + len(came) > len(now) else frozenset()
        self._count(changed, went, now)
        before = self._roster.shown
        if came or went or self._roster.may_differ(known, now, changed):
            self._roster.choose(now)
        self._show(changed, before, now, context)
        self._known = now
        self._context = context
        return self._rendered(snapshot)

    def _count(self, changed: Iterable[str], went: Iterable[str], now: Mapping[str, ConnectionFacts]) -> None:
        for id_ in (*changed, *went):
            if id_ in self._known:
                self._tallies.remove(self._known[id_])
        for id_ in changed:
            self._tallies.add(now[id_])

    def _show(
        self,
        changed: Iterable[str],
        before: frozenset[str],
        now: Mapping[str, ConnectionFacts],
        context: Context,
    ) -> None:
        shown = self._roster.shown
        kept = shown
        if shown is not before:
            self._shards.remove(before - shown)
            kept = before & shown
        old = self._context
        for id_ in {*kept.intersection(changed), *_concerned(kept, now, old, context)}:
            self._shards.update(id_, Seen(self._known[id_], old), Seen(now[id_], context))
        if shown is not before:
            self._shards.add({id_: now[id_] for id_ in shown - before}, context)

    def _rendered(self, snapshot: Snapshot) -> Rendered:
        text: list[tuple[bytes, Block]] = []
        openmetrics: list[tuple[bytes, Block]] = []
        of_connections = iter(zip(self._of_connections, self._shards.blocks(), strict=True))
        of_instance = iter(self._of_instance)
        twice = [*self._roster.duplicates, *self._shards.duplicates]
        for family in self._families:
            is_shown = family.facet.is_shown(snapshot)
            columns: Sequence[Column]
            blocks: Sequence[Block]
            if isinstance(family, ConnectionFamily):
                writer, blocks = next(of_connections)
                columns = writer.columns
            else:
                whole = next(of_instance)
                columns = whole.writer.columns
                blocks = whole.blocks(snapshot, self._tallies) if is_shown else ()
                twice += whole.duplicates if is_shown else ()
            for column, block in zip(
                columns, blocks if is_shown else (_NOTHING,) * len(columns), strict=True
            ):
                if column.text is not None:
                    text.append((column.text, block))
                if column.openmetrics is not None:
                    openmetrics.append((column.openmetrics, block))
        return Rendered(
            Generation(text, openmetrics),
            sum(block.series for _, block in text),
            tuple(twice),
            self._roster.left_out,
        )


class _Whole:
    """The blocks of a family of the whole instance, written again when its samples are others."""

    def __init__(self, writer: InstanceWriter) -> None:
        self.writer: Final = writer
        self.duplicates: Sequence[str] = ()
        self._samples: Sequence[InstanceSample] | None = None
        self._blocks: Sequence[Block] = ()

    def blocks(self, snapshot: Snapshot, tallies: Tallies) -> Sequence[Block]:
        samples = self.writer.read(snapshot, tallies)
        if samples != self._samples:
            written, self.duplicates = self.writer.write(samples)
            self._blocks = [Block((lines,), lines.count(b"\n")) for lines in written]
            self._samples = samples
        return self._blocks


class _Roster:
    """Which connections are shown one by one."""

    def __init__(self, max_connections: int | None) -> None:
        self._max = max_connections
        self.shown: frozenset[str] = frozenset()
        self.left_out: int | None = None if max_connections is None else 0
        self.duplicates: Sequence[str] = ()

    def may_differ(
        self, known: Mapping[str, ConnectionFacts], now: Mapping[str, ConnectionFacts], changed: Iterable[str]
    ) -> bool:
        """Whether facts changed that decide who is shown, where the same connections are there as before."""
        return self._max is not None and any(
            known[id_].first_seen_at != now[id_].first_seen_at for id_ in changed
        )

    def choose(self, connections: Mapping[str, ConnectionFacts]) -> None:
        """Choose anew: those that have been known for longest, and one of those whose ids look the same."""
        chosen = frozenset(connections)
        if self._max is not None:
            if len(chosen) > self._max:
                by_age = sorted(chosen, key=lambda id_: (connections[id_].first_seen_at, id_))
                chosen = frozenset(by_age[: self._max])
            self.left_out = len(connections) - len(chosen)
        self.duplicates = ()
        if not is_text("".join(chosen)):
            chosen = self._first_of_each(chosen)
        self.shown = chosen

    def _first_of_each(self, chosen: frozenset[str]) -> frozenset[str]:
        first: dict[str, str] = {}
        for id_ in sorted(chosen):
            first.setdefault(escaped(id_), id_)
        kept = frozenset(first.values())
        self.duplicates = [f"{ConnectionWriter.start_of(id_)}}}" for id_ in sorted(chosen - kept)]
        return kept


def _context(snapshot: Snapshot) -> Context:
    return Context(snapshot.instance, {workspace.id: workspace.name for workspace in snapshot.workspaces})


def _concerned(
    ids: Iterable[str], connections: Mapping[str, ConnectionFacts], old: Context, new: Context
) -> Iterable[str]:
    """Return the connections for which the instance around them is another one than before."""
    if old.instance != new.instance:
        return ids
    if old.workspace_names == new.workspace_names:
        return ()
    either = old.workspace_names.keys() | new.workspace_names.keys()
    renamed = {id_ for id_ in either if old.workspace_names.get(id_) != new.workspace_names.get(id_)}
    return [id_ for id_ in ids if connections[id_].connection.workspace_id in renamed]
