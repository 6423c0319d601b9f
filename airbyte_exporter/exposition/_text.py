"""Rendering: from a snapshot to lines of text format 0.0.4 and OpenMetrics 1.0.

Sample lines are the same in both formats; only the two comment lines above them differ. Sources: the
Prometheus exposition format 0.0.4 and the OpenMetrics 1.0 specification, "Text format".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from airbyte_exporter.exposition._families import Family
from airbyte_exporter.model import ConnectionFacts, Snapshot
from airbyte_exporter.telemetry import FamilyInfo

__all__ = ["Rendered", "render"]

# A NUL ends the input for Prometheus' lexer, and a lone surrogate is no text in UTF-8.
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
_SPECIAL = re.compile('[\\\\\n"\0\ud800-\udfff]')
_REPLACEMENT = "\ufffd"


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


class _Escaped(dict[str, str]):
    """Label values as they are written between quotes, each worked out once."""

    def __missing__(self, value: str) -> str:
        escaped = _escape_label(value) if _SPECIAL.search(value) else value
        self[value] = escaped
        return escaped


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
    snapshot = replace(snapshot, connections=dict(sorted(snapshot.connections.items())))
    capped = replace(snapshot, connections=_seen_first(snapshot.connections, max_connections))
    escaped = _Escaped()
    text: list[bytes] = []
    openmetrics: list[bytes] = []
    duplicates: list[str] = []
    series = 0
    for family in families:
        facts = capped if family.is_per_connection else snapshot
        lines = _samples(family, facts, escaped, duplicates) if family.facet.is_shown(facts) else {}
        series += len(lines)
        block = "".join([f"{name} {value}\n" for name, value in lines.items()]).encode()
        text += (_text_header(family.info), block)
        if created and family.info.type == "counter":
            series += len(lines)
            text += _created_in_text(family.info, lines, snapshot.epoch)
            block = _with_created(family.info, lines, snapshot.epoch)
        openmetrics += (_openmetrics_header(family.info), block)
    left_out = None if max_connections is None else len(snapshot.connections) - len(capped.connections)
    return Rendered(b"".join(text), b"".join(openmetrics), series, tuple(duplicates), left_out)


def _seen_first(
    connections: Mapping[str, ConnectionFacts], number: int | None
) -> Mapping[str, ConnectionFacts]:
    """Return the `number` of connections that have been known for longest, in their own order."""
    if number is None or len(connections) <= number:
        return connections
    kept = set(sorted(connections, key=lambda id_: (connections[id_].first_seen_at, id_))[:number])
    return {id_: facts for id_, facts in connections.items() if id_ in kept}


def _samples(family: Family, snapshot: Snapshot, escaped: _Escaped, duplicates: list[str]) -> dict[str, str]:
    """Return a family's series, name and labels, with their values."""
    labels = ",".join(f'{label}="%s"' for label in family.info.labels)
    template = f"{family.info.name}{{{labels}}}" if labels else family.info.name
    lines: dict[str, str] = {}
    for values, value in family.samples(snapshot):
        name = template % tuple([escaped[it] for it in values])
        if name in lines:
            duplicates.append(name)
        else:
            lines[name] = format(value, "d")  # a bool becomes 0 or 1, anything but a whole number raises
    return lines


def _with_created(info: FamilyInfo, lines: Mapping[str, str], epoch: int) -> bytes:
    # OpenMetrics keeps the samples of one label set together.
    return "".join(
        [f"{name} {value}\n{_created(info, name)} {epoch}\n" for name, value in lines.items()]
    ).encode()


def _created_in_text(info: FamilyInfo, lines: Mapping[str, str], epoch: int) -> tuple[bytes, bytes]:
    """Return header and samples: text 0.0.4 has no such samples, so that clients write another family."""
    header = _text_header(replace(info, name=_created(info, info.name), type="gauge"))
    return header, "".join([f"{_created(info, name)} {epoch}\n" for name in lines]).encode()


def _created(info: FamilyInfo, series: str) -> str:
    return f"{info.name.removesuffix('_total')}_created{series.removeprefix(info.name)}"


def _escape_label(value: str) -> str:
    value = _NOT_TEXT.sub(_REPLACEMENT, value)
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _text_header(info: FamilyInfo) -> bytes:
    text = info.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {info.name} {text}\n# TYPE {info.name} {info.type}\n".encode()


def _openmetrics_header(info: FamilyInfo) -> bytes:
    # In OpenMetrics a counter's family is named without the suffix that its samples have.
    name = info.name.removesuffix("_total") if info.type == "counter" else info.name
    return f"# HELP {name} {_escape_label(info.help)}\n# TYPE {name} {info.type}\n".encode()
