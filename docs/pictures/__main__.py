"""``python -m docs.pictures``: draw the dashboards from what a real Prometheus answers.

There is no Grafana in this: the panels of the committed JSON, their queries as Grafana would send them, the
answers of a Prometheus that has two days of a small simulated company, and a drawing of those.
"""

import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from airbyte_exporter.logs import LogConfig, configure_logging
from benchmarks.grafana import Asked, load, queries
from benchmarks.history import BLOCK_SECONDS, PastPrometheus, labelled, prometheus
from benchmarks.history import load as load_history
from benchmarks.processes import leave_when_told
from docs.pictures.day import END, SHOWN, pages
from docs.pictures.drawing import (
    DARK,
    LIGHT,
    Box,
    Line,
    Theme,
    bar_gauge,
    course,
    frame,
    label,
    number,
    states,
    table,
)
from docs.pictures.recording import record

IMAGES: Final = Path(__file__).resolve().parent.parent / "images"
SHOWN_ROWS: Final = {
    "overview": ("How it is", "What needs somebody", "What runs and waits", "What fails", "What moves"),
    "connection": None,
    "exporter": ("How it is", "Loops", "Airbyte's API"),
}
"""What is drawn of each dashboard; that time goes faster here would show in the others."""

WIDTH: Final = 1440
_COLUMN: Final = WIDTH / 24
_CELL: Final = 38
_TOP: Final = 56
_DAY: Final = 86400
_FONT: Final = "Inter, Helvetica, Arial, sans-serif"

Json = dict[str, Any]


def main() -> int:
    """Write the pictures."""
    leave_when_told()
    configure_logging(LogConfig(level="error"), sys.stderr)
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = work / "data"
        _remember(work, data)
        record("^workspace:", data, END - _DAY, END)
        with prometheus(data, END) as server:
            ids = {
                labels["connection_name"]: labels["connection_id"]
                for labels, _ in server.instant("airbyte_connection_info")
            }
            for name in SHOWN_ROWS:
                drawing = _Drawing(name, server, {"connection": ids[SHOWN]} if name == "connection" else {})
                for theme, kind in ((LIGHT, "light"), (DARK, "dark")):
                    path = IMAGES / f"dashboard-{name}-{kind}.svg"
                    path.write_text(drawing.svg(theme), encoding="utf-8")
                    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    return 0


def _remember(work: Path, data: Path) -> None:
    """Let Prometheus have the pages of two days, a block at a time."""
    blocks: dict[int, list[str]] = defaultdict(list)
    for at, page in pages(work):
        blocks[int(at // BLOCK_SECONDS)] += [
            f"{series} {value} {at:.0f}\n" for _, series, value in labelled(page)
        ]
        for block in [it for it in blocks if it < at // BLOCK_SECONDS]:
            load_history(blocks.pop(block), work, data)
    for lines in blocks.values():
        load_history(lines, work, data)


class _Drawing:
    """A dashboard with its answers."""

    def __init__(self, name: str, server: PastPrometheus, values: Mapping[str, str]) -> None:
        self._dashboard = load(name)
        self._title = {"overview": "All", "connection": SHOWN}.get(name, "")
        self._answers: dict[str, list[tuple[Asked, Any]]] = defaultdict(list)
        rows = SHOWN_ROWS[name]
        self._panels = list(_placed(self._dashboard, rows))
        shown = {panel["title"] for panel in self._panels}
        for asked in queries(name, values, seconds=_DAY, scrape=60):
            if asked.panel in shown:
                answer = (
                    server.instant(asked.expression)
                    if asked.instant
                    else server.range(asked.expression, _DAY, asked.step)
                )
                self._answers[asked.panel].append((asked, answer))

    def svg(self, theme: Theme) -> str:
        """Return the picture."""
        bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in self._panels)
        height = _TOP + bottom * _CELL + 8
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="{_FONT}">',
            f'<rect width="100%" height="100%" fill="{theme.page}"/>',
            label(16, 30, self._dashboard["title"], theme.text, 18, font_weight="600"),
            label(WIDTH - 16, 30, "Last 24 hours", theme.faint, 13, "end"),
            self._variables(theme),
        ]
        for panel in self._panels:
            at = panel["gridPos"]
            box = Box(
                at["x"] * _COLUMN + 4, _TOP + at["y"] * _CELL, at["w"] * _COLUMN - 8, at["h"] * _CELL - 8
            )
            if panel["type"] == "row":
                title = panel["title"].replace("${connection:text}", SHOWN)
                parts.append(label(box.x + 6, box.y + 20, f"⌄  {title}", theme.text, 14, font_weight="600"))
                continue
            drawn, inside = frame(box, panel["title"].replace("${group:text}", "Source"), theme)
            parts += [drawn, self._inside(panel, inside, theme)]
        return "\n".join([*parts, "</svg>\n"])

    def _variables(self, theme: Theme) -> str:
        x, drawn = 230.0, ""
        for variable in self._dashboard["templating"]["list"]:
            if variable["name"] in {"datasource", "job"}:
                continue
            value = variable.get("current", {"text": SHOWN})["text"]
            text = f"{variable['label']}: {value if isinstance(value, str) else value[0]}"
            width = len(text) * 6.4 + 16
            drawn += (
                f'<rect x="{x:.0f}" y="14" width="{width:.0f}" height="24" rx="3" fill="{theme.panel}" '
                f'stroke="{theme.border}"/>' + label(x + 8, 30, text, theme.text, 11.5)
            )
            x += width + 8
        return drawn

    def _inside(self, panel: Json, box: Box, theme: Theme) -> str:
        answers = self._answers[panel["title"]]
        defaults = panel["fieldConfig"]["defaults"]
        match panel["type"]:
            case "stat":
                found = answers[0][1]
                return number(box, found[0][1] if found else None, defaults, theme)
            case "bargauge":
                asked, found = answers[0]
                rows = [(_name(asked.legend, labels), value) for labels, value in found]
                return bar_gauge(box, rows, defaults, theme)
            case "table":
                return table(box, *_table(panel, answers), panel, theme)
            case kind:
                lines = [
                    Line(_name(asked.legend, labels), points)
                    for asked, found in answers
                    for labels, points in found
                ]
                step = answers[0][0].step
                span = (float(END - _DAY), float(END))
                if kind == "state-timeline":
                    return states(box, lines, defaults, span, step, theme)
                return course(box, lines, panel, span, step, theme)


def _placed(dashboard: Json, rows: tuple[str, ...] | None) -> Iterator[Json]:
    """Return the panels of the rows that are drawn."""
    is_drawn = True
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            is_drawn = rows is None or panel["title"] in rows
        if is_drawn:
            yield panel


def _name(legend: str, labels: Mapping[str, str]) -> str:
    """Write a series' name as its legend has it."""
    if legend == "__auto":
        return ", ".join(labels.values()) or "value"
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend).strip()


def _table(
    panel: Json, answers: list[tuple[Asked, Any]]
) -> tuple[list[tuple[str, Json]], list[list[object]]]:
    """Join the answers by the connection as the transformations of the panel say."""
    fields: dict[str, str] = panel["transformations"][-1]["options"]["renameByName"]
    joined: dict[str, dict[str, object]] = defaultdict(dict)
    for asked, found in answers:
        for labels, value in found:
            row = joined[labels.get("connection_id", str(labels))]
            row |= labels
            row[f"Value #{chr(ord('A') + asked.number)}"] = value
    overrides = {
        override["matcher"]["options"]: {entry["id"]: entry["value"] for entry in override["properties"]}
        for override in panel["fieldConfig"]["overrides"]
    }
    columns = [
        (heading, overrides.get(heading, {})) for heading in fields.values() if heading != "Connection id"
    ]
    shown = [field for field, heading in fields.items() if heading != "Connection id"]
    (order,) = panel["options"]["sortBy"]
    key = next(field for field, heading in fields.items() if heading == order["displayName"])
    rows = sorted(joined.values(), key=lambda row: _sortable(row.get(key)), reverse=order["desc"])
    return columns, [[row.get(field) for field in shown] for row in rows]


def _sortable(value: object) -> tuple[float, str]:
    if isinstance(value, float):
        return value, ""
    return float("-inf"), str(value or "")


if __name__ == "__main__":
    sys.exit(main())
