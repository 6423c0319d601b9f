"""A snapshot rendered as a whole, in both formats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airbyte_exporter.exposition._table import ConnectionFamily, Context, Family
from airbyte_exporter.exposition._tallies import Tallies
from airbyte_exporter.exposition._text import ConnectionWriter, InstanceWriter
from airbyte_exporter.model import ConnectionFacts, Snapshot

__all__ = ["Rendered", "render"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A snapshot in both formats, without OpenMetrics' closing ``# EOF``.

    `duplicates` are the series that came up twice: only the first of each is on the page, because a scraper
    may refuse the whole page over one of them. `left_out` is the number of connections past the cap, ``None``
    without a cap.
    """

    text: bytes
    openmetrics: bytes
    series: int
    duplicates: tuple[str, ...]
    left_out: int | None


def render(
    families: Sequence[Family],
    snapshot: Snapshot,
    *,
    max_connections: int | None = None,
    created: bool = False,
) -> Rendered:
    """Render the families that `snapshot` has fresh facts for, connections in the order of their ids.

    A family without samples keeps its comment lines, so that the list of families is always the same.

    Args:
        families: What to render, in this order.
        snapshot: The facts.
        max_connections: Show no more connections than this one by one: those seen first, so that a new
            connection never takes the place of one that is shown.
        created: Add to every series of a counter when its counting began.
    """
    shown = _seen_first(dict(sorted(snapshot.connections.items())), max_connections)
    context = Context(snapshot.instance, {it.id: it.name for it in snapshot.workspaces})
    tallies = Tallies()
    for facts in snapshot.connections.values():
        tallies.add(facts)
    text, openmetrics = [], []
    duplicates: list[str] = []
    series = 0
    created_at = snapshot.epoch if created else None
    for family in families:
        is_shown = family.facet.is_shown(snapshot)
        if isinstance(family, ConnectionFamily):
            each = ConnectionWriter(family, created_at)
            columns, pieces = (
                each.columns,
                [each.write(each.start_of(id_), facts, context) for id_, facts in shown.items() if is_shown],
            )
        else:
            whole = InstanceWriter(family, created_at)
            columns, pieces = whole.columns, [whole.write(whole.read(snapshot, tallies))] if is_shown else []
        duplicates += [name for _, twice in pieces for name in twice]
        for index, column in enumerate(columns):
            lines = b"".join([written[index] for written, _ in pieces])
            if column.text is not None:
                text += [column.text, lines]
                series += lines.count(b"\n")
            if column.openmetrics is not None:
                openmetrics += [column.openmetrics, lines]
    left_out = None if max_connections is None else len(snapshot.connections) - len(shown)
    return Rendered(b"".join(text), b"".join(openmetrics), series, tuple(duplicates), left_out)


def _seen_first(
    connections: Mapping[str, ConnectionFacts], number: int | None
) -> Mapping[str, ConnectionFacts]:
    """Return the `number` of connections that have been known for longest, in their own order."""
    if number is None or len(connections) <= number:
        return connections
    kept = set(sorted(connections, key=lambda id_: (connections[id_].first_seen_at, id_))[:number])
    return {id_: facts for id_, facts in connections.items() if id_ in kept}
