"""Rendering: from a snapshot to lines of text format 0.0.4 and OpenMetrics 1.0.

Sample lines are the same in both formats; only the two comment lines above them differ. Sources: the
Prometheus exposition format 0.0.4 and the OpenMetrics 1.0 specification, "Text format".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from airbyte_exporter.exposition._families import Family
from airbyte_exporter.model import Snapshot
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
    may refuse the whole page over one of them.
    """

    text: bytes
    openmetrics: bytes
    series: int
    duplicates: tuple[str, ...]


class _Escaped(dict[str, str]):
    """Label values as they are written between quotes, each worked out once."""

    def __missing__(self, value: str) -> str:
        escaped = _escape_label(value) if _SPECIAL.search(value) else value
        self[value] = escaped
        return escaped


def render(families: Sequence[Family], snapshot: Snapshot) -> Rendered:
    """Render the families that `snapshot` has fresh facts for, connections in the order of their ids.

    A family without samples keeps its comment lines, so that the list of families is always the same.
    """
    snapshot = replace(snapshot, connections=dict(sorted(snapshot.connections.items())))
    escaped = _Escaped()
    text: list[bytes] = []
    openmetrics: list[bytes] = []
    duplicates: list[str] = []
    series = 0
    for family in families:
        lines = _samples(family, snapshot, escaped, duplicates) if family.facet.is_shown(snapshot) else {}
        series += len(lines)
        block = "".join([f"{name} {value}\n" for name, value in lines.items()]).encode()
        text += (_text_header(family.info), block)
        openmetrics += (_openmetrics_header(family.info), block)
    return Rendered(b"".join(text), b"".join(openmetrics), series, tuple(duplicates))


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
