"""What a dashboard is built from: panels that say what they show, in which unit, and why they are empty."""

from collections.abc import Iterable, Mapping
from typing import Any

OVERVIEW_UID, CONNECTION_UID, EXPORTER_UID = "airbyte-overview", "airbyte-connection", "airbyte-exporter"
Json = dict[str, Any]
Steps = tuple[tuple[float | None, str], ...]
GRID_WIDTH = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

GREEN, ORANGE, RED, GREY, BLUE = "green", "orange", "red", "#8e8e8e", "blue"
STATUS_COLOURS = {
    "succeeded": GREEN,
    "delivered": GREEN,
    "given_up": "purple",
    "failed": RED,
    "cancelled": GREY,
    "running": BLUE,
    "pending": ORANGE,
    "queued": ORANGE,
    "incomplete": "purple",
    "active": GREEN,
    "inactive": GREY,
    "locked": ORANGE,
    "deprecated": GREY,
    "unknown": "yellow",
}
NO_SCRAPE = "No data: Prometheus does not scrape the exporter, or no target matches job and instance"
NO_FACTS = (
    "No data: no connection matches, or Airbyte could not be read for longer than the maximum staleness"
)
MANY_POINTS, FEW_POINTS = 240, 50
"""Points of a panel for the whole instance, and of one that adds up over all connections."""


def target(expression: str, legend: str = "__auto", *, instant: bool = False, table: bool = False) -> Json:
    """Ask one query."""
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expression,
        "format": "table" if table else "time_series",
        "instant": instant,
        "legendFormat": legend,
        "range": not instant,
    }


def thresholds(*steps: tuple[float | None, str]) -> Json:
    """Colour by value: each step counts from its value on."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}


def value_mapping(values: Mapping[str, tuple[str, str]]) -> Json:
    """Show values as texts in colours."""
    return {
        "type": "value",
        "options": {
            value: {"index": index, "text": text, "color": colour}
            for index, (value, (text, colour)) in enumerate(values.items())
        },
    }


def override(field: str, properties: Mapping[str, Any]) -> Json:
    """Treat one field differently."""
    return {
        "matcher": {"id": "byName", "options": field},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def panel(
    kind: str,
    title: str,
    width: int,
    height: int,
    targets: Iterable[Json],
    *,
    description: str,
    no_value: str,
    unit: str = "short",
    **defaults: object,
) -> Json:
    """Build what every panel has: no panel without a description, a unit and a reason for being empty."""
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height, "x": 0, "y": 0},
        "targets": [{**each, "refId": chr(ord("A") + index)} for index, each in enumerate(targets)],
        "fieldConfig": {
            "defaults": {"unit": unit, "noValue": no_value, "color": {"mode": "palette-classic"}, **defaults},
            "overrides": [],
        },
        "options": {},
    }


def _newest(**more: object) -> Json:
    return {**more, "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}


def stat(
    title: str,
    expression: str,
    *,
    description: str,
    no_value: str = NO_FACTS,
    unit: str = "none",
    steps: Steps = ((None, BLUE),),
    width: int = 4,
    legend: str = "__auto",
    **defaults: object,
) -> Json:
    """Show one number now; with a `legend`, the text that labels make."""
    built = panel(
        "stat",
        title,
        width,
        3,
        [target(expression, legend, instant=True)],
        description=description,
        no_value=no_value,
        unit=unit,
        color={"mode": "thresholds"},
        thresholds=thresholds(*steps),
        **defaults,
    )
    built["options"] = _newest(
        colorMode="value",
        graphMode="none",
        justifyMode="auto",
        orientation="auto",
        textMode="value" if legend == "__auto" else "name",
    )
    return built


def series(
    title: str,
    targets: Iterable[Json],
    *,
    description: str,
    no_value: str,
    width: int = 12,
    unit: str = "short",
    bars: bool = False,
    interval: str | None = None,
    points: int | None = None,
    steps: Steps = (),
    step_line: bool = False,
    stacked: bool = True,
    colours: Mapping[str, str] | None = None,
) -> Json:
    """Show a course over time.

    Bars are stacked amounts per step, which have to be longer than four scrapes: ``$__rate_interval`` never
    is shorter, and would count twice. `steps` are drawn as dashed lines. `points` bounds the query's cost.
    `colours` are of lines by their names; where those are of a status, they have its own.
    """
    custom = {
        "drawStyle": "bars" if bars else "line",
        "lineInterpolation": "stepAfter" if step_line else "linear",
        "fillOpacity": (80 if stacked else 40) if bars else 10,
        "lineWidth": 1,
        "showPoints": "never" if bars or step_line else "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if bars and stacked else "none", "group": "A"},
        **({"thresholdsStyle": {"mode": "dashed"}} if steps else {}),
    }
    built = panel(
        "timeseries",
        title,
        width,
        8,
        targets,
        description=description,
        no_value=no_value,
        unit=unit,
        custom=custom,
        min=0,
        **({"thresholds": thresholds(*steps)} if steps else {}),
    )
    built["options"] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if interval or bars:
        built["interval"] = interval or "5m"
    if points:
        built["maxDataPoints"] = points
    if any(each["legendFormat"].endswith(("{{status}}", "{{outcome}}")) for each in built["targets"]):
        colours = STATUS_COLOURS
    if colours:
        built["fieldConfig"]["overrides"] = _coloured_lines(colours)
    return built


def _coloured_lines(colours: Mapping[str, str]) -> list[Json]:
    return [
        {
            "matcher": {"id": "byRegexp", "options": f"/(^| ){word}( |$)/"},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for word, colour in colours.items()
    ]


def ranking(
    title: str,
    expression: str,
    legend: str,
    *,
    description: str,
    no_value: str,
    unit: str = "none",
    width: int = 8,
) -> Json:
    """Show the largest of a kind over the dashboard's time range."""
    built = panel(
        "bargauge",
        title,
        width,
        8,
        [target(expression, legend, instant=True)],
        description=description,
        no_value=no_value,
        unit=unit,
        min=0,
        color={"mode": "thresholds"},
        thresholds=thresholds((None, BLUE)),
        **({"decimals": 0} if unit == "none" else {}),
    )
    built["options"] = _newest(
        displayMode="basic",
        orientation="horizontal",
        valueMode="text",
        showUnfilled=False,
        minVizHeight=16,
        minVizWidth=8,
        namePlacement="auto",
        sizing="auto",
    )
    return built


def timeline(
    title: str,
    rows: Iterable[tuple[str, str]],
    texts: Mapping[str, tuple[str, str]],
    *,
    description: str,
    no_value: str,
    height: int = 8,
) -> Json:
    """Show states over time: a row for each (name, query of a number), whose numbers have texts."""
    built = panel(
        "state-timeline",
        title,
        GRID_WIDTH,
        height,
        [target(expression, name) for name, expression in rows],
        description=description,
        no_value=no_value,
        unit="none",
        custom={"fillOpacity": 80, "lineWidth": 0},
        mappings=[value_mapping(texts)],
    )
    built["options"] = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.85,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return built


def lay_out(*rows: tuple[str, Iterable[Json], bool]) -> list[Json]:
    """Place panels from left to right and number them. Each row: title, panels, whether folded."""
    placed: list[Json] = []
    top, identity = 0, 0
    for title, panels, collapsed in rows:
        identity += 1
        row: Json = {
            "type": "row",
            "title": title,
            "id": identity,
            "collapsed": collapsed,
            "panels": [],
            "gridPos": {"w": GRID_WIDTH, "h": 1, "x": 0, "y": top},
        }
        placed.append(row)
        top += 1
        left = tallest = 0
        for each in panels:
            identity += 1
            position = each["gridPos"]
            if left + position["w"] > GRID_WIDTH:
                top, left, tallest = top + tallest, 0, 0
            position.update(x=left, y=top)
            left, tallest = left + position["w"], max(tallest, position["h"])
            (row["panels"] if collapsed else placed).append({"id": identity, **each})
        top += tallest
    return placed


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    variables: list[Json],
    links: list[Json],
    panels: list[Json],
    tag: str,
    hours: int = 24,
) -> Json:
    """Build a whole dashboard, one that Grafana 11 to 13 read as it is."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["airbyte", tag],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": f"now-{hours}h", "to": "now"},
        "timezone": "",
        "refresh": "1m",
        "annotations": {"list": []},
        "links": links,
        "templating": {"list": variables},
        "panels": panels,
    }
