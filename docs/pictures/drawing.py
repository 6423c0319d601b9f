"""Panels as SVG, much as Grafana shows them: numbers, courses, bars, tables and states."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from docs.pictures.values import colour_of, mapped, written

__all__ = ["DARK", "LIGHT", "Box", "Line", "Theme", "bar_gauge", "course", "frame", "label", "number",
           "states", "table"]  # fmt: skip

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a page, and those that names in dashboards stand for."""

    page: str
    panel: str
    border: str
    text: str
    faint: str
    grid: str
    names: dict[str, str]

    def colour(self, name: str) -> str:
        """Return a colour that a dashboard names."""
        return self.names.get(name, name)


_NAMES: Final = {
    "green": "#73bf69",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "purple": "#b877d9",
    "yellow": "#fade2a",
}
DARK: Final = Theme(
    "#111217", "#181b1f", "#2c3036", "#ccccdc", "#8e8e99", "#2c3036", {**_NAMES, "text": "#ccccdc"}
)
LIGHT: Final = Theme(
    "#f4f5f5",
    "#ffffff",
    "#e2e3e6",
    "#24292e",
    "#6e7178",
    "#e8e9eb",
    {
        "green": "#37872d",
        "orange": "#e0752d",
        "red": "#c4162a",
        "blue": "#1f60c4",
        "purple": "#8f3bb8",
        "yellow": "#e0b400",
        "text": "#24292e",
    },
)
_PALETTE: Final = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0",
                   "#37872d", "#fade2a")  # fmt: skip
_WIDTH_OF_A_LETTER: Final = 0.54


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the page."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its name and its points."""

    name: str
    points: Sequence[tuple[float, float]]


def label(
    x: float, y: float, text: str, colour: str, size: float = 12, anchor: str = "start", **more: str
) -> str:
    """Write a text."""
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}" font-size="{size:g}"{place}{extra}>'
        f"{html.escape(text, quote=False)}</text>"
    )


def _cut(text: str, width: float, size: float = 12) -> str:
    most = max(3, int(width / (size * _WIDTH_OF_A_LETTER)))
    return text if len(text) <= most else text[: most - 1] + "…"


def _rect(box: Box, fill: str, **more: object) -> str:
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'fill="{fill}"{extra}/>'
    )


def frame(box: Box, title: str, theme: Theme) -> tuple[str, Box]:
    """Draw a panel's frame and title; return what is left inside."""
    drawn = _rect(box, theme.panel, stroke=theme.border, rx=3)
    drawn += label(box.x + 10, box.y + 20, _cut(title, box.width - 20, 13), theme.text, 13, font_weight="500")
    return drawn, Box(box.x + 10, box.y + 32, box.width - 20, box.height - 40)


def _empty(box: Box, text: str, theme: Theme) -> str:
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > box.width / 6.4:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    top = box.y + box.height / 2 - 8 * (len(lines) - 1)
    return "".join(
        label(box.x + box.width / 2, top + 16 * place, line, theme.faint, 12, "middle")
        for place, line in enumerate(lines)
    )


def number(box: Box, value: float | None, defaults: Json, theme: Theme) -> str:
    """Draw one number in the colour that it has."""
    if value is None:
        return _empty(box, defaults["noValue"], theme)
    shown = mapped(f"{value:g}", defaults.get("mappings", ()))
    text, colour = shown or (
        written(value, defaults["unit"], defaults.get("decimals")),
        colour_of(value, defaults["thresholds"]),
    )
    size = min(38.0, box.width / max(1, len(text)) / 0.58)
    return label(
        box.x + box.width / 2,
        box.y + box.height / 2 + size * 0.32,
        text,
        theme.colour(colour),
        round(size),
        "middle",
        font_weight="500",
    )


def _nice(most: float) -> float:
    """Return a round step, four of which are at least `most`."""
    power = 10.0 ** len(str(int(most))) / 10 if most >= 1 else 0.1
    steps = (0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 1, 1.25, 1.5, 2, 2.5)
    return next(step * power for step in steps if 4 * step * power >= most)


def _ticks(since: float, until: float, width: float) -> Iterable[float]:
    step = next(
        (it for it in (900, 1800, 3600, 10800, 21600, 43200) if (until - since) / it <= width / 70), 86400
    )
    at = -(-since // step) * step
    while at <= until:
        yield at
        at += step


def _time(at: float) -> str:
    return f"{int(at // 3600 % 24):02d}:{int(at // 60 % 60):02d}"


def _colour_of_line(line: Line, place: int, panel: Json, theme: Theme) -> str:
    for override in panel["fieldConfig"]["overrides"]:
        if re.search(override["matcher"]["options"].strip("/"), line.name):
            return theme.colour(override["properties"][0]["value"]["fixedColor"])
    return _PALETTE[place % len(_PALETTE)]


def course(
    box: Box, lines: Sequence[Line], panel: Json, span: tuple[float, float], step: int, theme: Theme
) -> str:
    """Draw lines or stacked bars over time."""
    defaults = panel["fieldConfig"]["defaults"]
    if not any(line.points for line in lines):
        return _empty(box, defaults["noValue"], theme)
    is_bars = defaults["custom"]["drawStyle"] == "bars"
    is_stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    totals: dict[float, float] = {}
    for line in lines:
        for at, value in line.points:
            totals[at] = totals.get(at, 0) + value if is_stacked else max(totals.get(at, 0), value)
    limits = [
        step_["value"] for step_ in defaults.get("thresholds", {"steps": ()})["steps"] if step_["value"]
    ]
    highest = max(totals.values())
    tick = _nice(max(highest, *(limit for limit in limits if limit < 3 * highest), 1e-3))
    top = tick * 4
    plot = Box(box.x + 52, box.y + 4, box.width - 56, box.height - 46)
    scale = _Scale(plot, span, top)
    drawn = _axes(plot, scale, tick, defaults, theme)
    drawn += "".join(
        f'<line x1="{plot.x:.0f}" x2="{plot.x + plot.width:.0f}" y1="{scale.y(limit):.1f}" '
        f'y2="{scale.y(limit):.1f}" stroke="{theme.colour("orange")}" stroke-dasharray="6 4"/>'
        for limit in limits
        if limit <= top
    )
    base: dict[float, float] = {}
    for place, line in enumerate(lines):
        colour = _colour_of_line(line, place, panel, theme)
        drawn += (
            _bars(line, base if is_stacked else {}, scale, step, colour)
            if is_bars
            else _path(line, scale, step, colour, defaults)
        )
    return drawn + _legend(box, lines, panel, theme)


@dataclass(frozen=True, slots=True)
class _Scale:
    plot: Box
    span: tuple[float, float]
    top: float

    def x(self, at: float) -> float:
        since, until = self.span
        return self.plot.x + self.plot.width * (at - since) / (until - since)

    def y(self, value: float) -> float:
        return self.plot.y + self.plot.height * (1 - min(value, self.top) / self.top)


def _axes(plot: Box, scale: _Scale, tick: float, defaults: Json, theme: Theme) -> str:
    drawn = ""
    for place in range(5):
        y = scale.y(place * tick)
        drawn += f'<path d="M{plot.x:.0f} {y:.1f}h{plot.width:.0f}" stroke="{theme.grid}"/>'
        text = written(place * tick, defaults["unit"], defaults.get("decimals"))
        drawn += label(plot.x - 6, y + 4, text, theme.faint, 10.5, "end")
    for at in _ticks(*scale.span, plot.width):
        x = scale.x(at)
        if plot.x + 12 < x < plot.x + plot.width - 8:
            drawn += label(x, plot.y + plot.height + 15, _time(at), theme.faint, 10.5, "middle")
    return drawn


def _bars(line: Line, base: dict[float, float], scale: _Scale, step: int, colour: str) -> str:
    width = max(1.0, scale.plot.width * step / (scale.span[1] - scale.span[0]) * 0.8)
    path = ""
    for at, value in line.points:
        low = base.get(at, 0.0)
        base[at] = low + value
        top, height = scale.y(low + value), scale.y(low) - scale.y(low + value)
        x = scale.x(at) - width / 2
        if height > 0.2 and x >= scale.plot.x - width / 2:
            path += f"M{x:.1f} {top:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"
    return f'<path d="{path}" fill="{colour}" fill-opacity="0.85"/>'


def _path(line: Line, scale: _Scale, step: int, colour: str, defaults: Json) -> str:
    is_stepped = defaults["custom"]["lineInterpolation"] == "stepAfter"
    path, before, height = "", float("-inf"), 0.0
    for place, (at, value) in enumerate(line.points):
        x, y = scale.x(at), scale.y(value)
        if at - before > 1.5 * step:
            path += f"M{x:.1f} {y:.1f}"
        elif is_stepped:
            is_last = place == len(line.points) - 1
            if y != height or is_last:
                path += f"H{x:.1f}" + (f"V{y:.1f}" if y != height else "")
        else:
            path += f"L{x:.1f} {y:.1f}"
        before, height = at, y
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>'


def _legend(box: Box, lines: Sequence[Line], panel: Json, theme: Theme) -> str:
    x, drawn = box.x + 6, ""
    for place, line in enumerate(lines):
        name = _cut(line.name, 170, 11)
        width = len(name) * 6 + 24
        if x + width > box.x + box.width:
            return drawn + label(x, box.y + box.height - 2, "…", theme.faint, 11)
        colour = _colour_of_line(line, place, panel, theme)
        drawn += _rect(Box(x, box.y + box.height - 8, 12, 3), colour)
        drawn += label(x + 16, box.y + box.height - 2, name, theme.text, 11)
        x += width
    return drawn


def bar_gauge(box: Box, rows: Sequence[tuple[str, float]], defaults: Json, theme: Theme) -> str:
    """Draw horizontal bars, the largest first."""
    if not rows:
        return _empty(box, defaults["noValue"], theme)
    height = min(26.0, box.height / len(rows))
    most, names = max(value for _, value in rows) or 1, min(box.width * 0.45, 240)
    drawn = ""
    for place, (name, value) in enumerate(rows):
        y = box.y + place * height
        if y + height > box.y + box.height + 1:
            break
        colour = theme.colour(colour_of(value, defaults["thresholds"]))
        text = written(value, defaults["unit"], defaults.get("decimals"))
        drawn += label(box.x, y + height / 2 + 4, _cut(name, names - 6, 11.5), theme.text, 11.5)
        width = max(2.0, (box.width - names - 76) * value / most)
        drawn += _rect(Box(box.x + names, y + 3, width, height - 6), colour, fill_opacity=0.75)
        drawn += label(box.x + names + width + 6, y + height / 2 + 4, text, colour, 11.5)
    return drawn


def table(
    box: Box, columns: Sequence[tuple[str, Json]], rows: Sequence[Sequence[object]], panel: Json, theme: Theme
) -> str:
    """Draw a table, as many rows as there is room for."""
    defaults = panel["fieldConfig"]["defaults"]
    if not rows:
        return _empty(box, defaults["noValue"], theme)
    shares = [max(len(name), 22 if name == "Connection" else 9) + 2 for name, _ in columns]
    unit, x, drawn = box.width / sum(shares), box.x, ""
    height = 25.0
    for place, ((name, properties), share) in enumerate(zip(columns, shares, strict=True)):
        width = unit * share
        drawn += label(x, box.y + 12, _cut(name, width - 8, 11.5), theme.faint, 11.5, font_weight="600")
        for line, row in enumerate(rows):
            y = box.y + 22 + line * height
            if y + height > box.y + box.height + 6:
                break
            text, colour = _cell(row[place], {**defaults, **properties})
            is_link = any("links" in key for key in properties)
            fill = theme.colour("blue") if is_link else theme.colour(colour or "text")
            drawn += label(x, y + 16, _cut(text, width - 8), fill)
            if not place:
                drawn += f'<path d="M{box.x:.0f} {y:.1f}h{box.width:.0f}" stroke="{theme.grid}"/>'
        x += width
    return drawn


def _cell(value: object, properties: Json) -> tuple[str, str]:
    if value is None:
        return "", ""
    if isinstance(value, str):
        return mapped(value, properties.get("mappings", ())) or (value, "")
    assert isinstance(value, float)
    colour = colour_of(value, properties["thresholds"]) if "thresholds" in properties else ""
    return written(value, properties.get("unit", "short"), properties.get("decimals")), colour


def states(
    box: Box, lines: Sequence[Line], defaults: Json, span: tuple[float, float], step: int, theme: Theme
) -> str:
    """Draw a row of coloured stretches for each series."""
    if not lines:
        return _empty(box, defaults["noValue"], theme)
    plot = Box(box.x + 90, box.y, box.width - 90, box.height - 20)
    height, scale = plot.height / len(lines), _Scale(plot, span, 1)
    drawn = ""
    for place, line in enumerate(lines):
        y = plot.y + place * height + height * 0.1
        drawn += label(plot.x - 8, y + height * 0.4 + 4, line.name, theme.text, 12, "end")
        for since, until, value in _stretches(line.points, step):
            text, colour = mapped(f"{value:g}", defaults["mappings"]) or (f"{value:g}", "text")
            left, right = max(scale.x(since), plot.x), min(scale.x(until), plot.x + plot.width)
            if right <= left:
                continue
            area = Box(left, y, right - left, height * 0.8)
            drawn += _rect(area, theme.colour(colour), fill_opacity=0.85)
            if area.width > len(text) * 7 + 8:
                drawn += label(left + 6, y + height * 0.4 + 4, text, "#111217", 11.5)
    for at in _ticks(*span, plot.width):
        drawn += label(scale.x(at), box.y + box.height - 4, _time(at), theme.faint, 10.5, "middle")
    return drawn


def _stretches(points: Sequence[tuple[float, float]], step: int) -> list[tuple[float, float, float]]:
    found: list[tuple[float, float, float]] = []
    for at, value in points:
        if found and found[-1][2] == value and at - found[-1][1] <= step / 2:
            found[-1] = (found[-1][0], at + step, value)
        else:
            found.append((at, at + step, value))
    return found
