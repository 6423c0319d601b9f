"""What a dashboard is built from: PromQL that filters and joins, panels, tables and variables.

Rules of the queries:

* Names and connectors come from ``airbyte_connection_info`` by (job, instance, connection_id). The info
  side is aggregated to exactly those labels first, so that target labels (namespace, pod, service,
  endpoint, container), which differ while a pod is replaced, never make a join many-to-many.
* A series of one connection is filtered with ``and on``, which has no "one" side at all.
* A sum that may have nothing to add says 0 only where the exporter is there to say so (`or_zero`).
* Lists are cut by ``topk``: a page costs the same with ten connections and with ten thousand.
"""

from collections.abc import Iterable, Mapping
from typing import Any

UID = "airbyte-exporter"
Json = dict[str, Any]
GRID_WIDTH = 24

SCRAPED = 'job=~"$job", instance=~"$instance"'
CHOSEN = f'{SCRAPED}, connection_id=~"$connection"'
JOIN = "job, instance, connection_id"
INFO = f'airbyte_connection_info{{{CHOSEN}, workspace_id=~"$workspace"}}'
SYNC = 'job_type=~"sync|refresh"'
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

GREEN, ORANGE, RED, GREY, BLUE = "green", "orange", "red", "#8e8e8e", "blue"
STATUS_COLOURS = {
    "succeeded": GREEN,
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


def exporter(name: str, matchers: str = "") -> str:
    """Select a family about the whole instance or the exporter."""
    return f"{name}{{{SCRAPED}{', ' if matchers else ''}{matchers}}}"


def connection(name: str, matchers: str = "", window: str = "") -> str:
    """Select a family about connections, those that the variables choose."""
    selector = f"airbyte_connection_{name}{{{CHOSEN}{', ' if matchers else ''}{matchers}}}"
    return f"increase({selector}[{window}])" if window else selector


def chosen(expression: str) -> str:
    """Keep what belongs to the chosen workspaces."""
    return f"({expression} and on ({JOIN}) {INFO})"


def active(expression: str) -> str:
    """Keep what belongs to connections that are switched on."""
    switched_on = connection("status", 'status="active"')
    return f"({expression} and on ({JOIN}) ({switched_on} == 1))"


def named(expression: str, *labels: str) -> str:
    """Give per-connection series the info labels `labels`, for the chosen workspaces only."""
    names = ", ".join(labels)
    return f"{expression} * on ({JOIN}) group_left ({names}) group by ({JOIN}, {names}) ({INFO})"


def or_zero(expression: str, witness: str) -> str:
    """Say 0 when `expression` has nothing to add up although `witness` is there."""
    return f"{expression} or on () 0 * count({witness})"


def per_id(expression: str) -> str:
    """Leave the connection's id as the only label, which is what tables join by."""
    return f"max by (connection_id) ({expression})"


def age(expression: str) -> str:
    """Turn a timestamp into seconds since then."""
    return f"time() - {expression}"


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


def stat(
    title: str,
    expression: str,
    *,
    description: str,
    no_value: str = NO_FACTS,
    unit: str = "short",
    steps: tuple[tuple[float | None, str], ...] = ((None, BLUE),),
    **defaults: object,
) -> Json:
    """Show one number now."""
    built = panel(
        "stat",
        title,
        3,
        4,
        [target(expression, instant=True)],
        description=description,
        no_value=no_value,
        unit=unit,
        color={"mode": "thresholds"},
        thresholds=thresholds(*steps),
        **defaults,
    )
    built["options"] = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "value",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
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
    minimum: float | None = 0,
) -> Json:
    """Show a course over time; bars are stacked amounts per step."""
    custom = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 80 if bars else 10,
        "lineWidth": 1,
        "showPoints": "never" if bars else "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if bars else "none", "group": "A"},
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
        min=minimum,
    )
    built["options"] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if interval:
        built["interval"] = interval
    built["fieldConfig"]["overrides"] = [
        override(status, {"color": {"mode": "fixed", "fixedColor": colour}})
        for status, colour in STATUS_COLOURS.items()
        if any("by (status)" in each["expr"] for each in built["targets"])
    ]
    return built


def ranking(title: str, expression: str, legend: str, *, description: str, no_value: str, unit: str) -> Json:
    """Show the largest of a kind over the dashboard's time range."""
    built = panel(
        "bargauge",
        title,
        GRID_WIDTH // 2,
        9,
        [target(expression, legend, instant=True)],
        description=description,
        no_value=no_value,
        unit=unit,
        min=0,
        color={"mode": "thresholds"},
        thresholds=thresholds((None, BLUE)),
    )
    built["options"] = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "text",
        "showUnfilled": False,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "sizing": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return built


def override(field: str, properties: Mapping[str, Any]) -> Json:
    """Treat one field differently."""
    return {
        "matcher": {"id": "byName", "options": field},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


NAMES = {
    "connection_name": "Connection",
    "workspace_name": "Workspace",
    "source_connector": "Source",
    "destination_connector": "Destination",
}
STATUS_CELL = {
    "custom.cellOptions": {"type": "color-text"},
    "mappings": [value_mapping({status: (status, colour) for status, colour in STATUS_COLOURS.items()})],
}
FAILURES_CELL = {
    "custom.cellOptions": {"type": "color-text"},
    "color": {"mode": "thresholds"},
    "thresholds": thresholds((None, "text"), (1, ORANGE), (3, RED)),
}
Column = tuple[str, str, dict[str, Any]]


def number(title: str, family: str, unit: str, **properties: object) -> Column:
    """Make a column of a family's value."""
    return title, per_id(connection(family)), {"unit": unit, **properties}


def since(title: str, family: str) -> Column:
    """Make a column of the time since a family's timestamp."""
    return title, age(per_id(connection(f"{family}_timestamp_seconds"))), {"unit": "s", "decimals": 0}


def status(title: str, family: str) -> Column:
    """Make a column of the status that holds, with a label of its own: two columns must not collide."""
    label = title.lower().replace(" ", "_")
    holds = f'label_replace({connection(family)} == 1, "{label}", "$1", "status", "(.*)")'
    return title, f"max by (connection_id, {label}) ({holds})", STATUS_CELL


def table(
    title: str, rows: str, columns: Iterable[Column], *, description: str, no_value: str, sort: str
) -> Json:
    """List connections that `rows` picks; every column is a query, joined by the connection's id."""
    kept = list(columns)
    names = f"max by (connection_id, {', '.join(NAMES)}) ({INFO})"
    queries = [names, *(expression for _, expression, _ in kept)]
    built = panel(
        "table",
        title,
        24,
        12,
        [target(f"{query} and on (connection_id) {rows}", instant=True, table=True) for query in queries],
        description=description,
        no_value=no_value,
        custom={"align": "auto", "filterable": True, "inspect": False},
    )
    fields = dict(NAMES)
    for index, (heading, expression, _) in enumerate(kept, start=1):
        label = heading.lower().replace(" ", "_")
        fields[label if f"(connection_id, {label})" in expression else f"Value #{chr(ord('A') + index)}"] = (
            heading
        )
    fields["connection_id"] = "Connection id"
    built["transformations"] = [
        {"id": "joinByField", "options": {"byField": "connection_id", "mode": "outer"}},
        {"id": "filterFieldsByName", "options": {"include": {"names": list(fields)}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {field: index for index, field in enumerate(fields)},
                "renameByName": fields,
            },
        },
    ]
    link = {
        "title": "Only this connection",
        "url": f"/d/{UID}?${{__url_time_range}}&${{datasource:queryparam}}&${{job:queryparam}}"
        "&${instance:queryparam}&var-workspace=$__all"
        '&var-connection=${__data.fields["Connection id"]}',
    }
    built["fieldConfig"]["overrides"] = [
        override("Connection", {"links": [link], "custom.minWidth": 220}),
        *(override(heading, properties) for heading, _, properties in kept),
    ]
    built["options"] = {
        "showHeader": True,
        "cellHeight": "sm",
        "sortBy": [{"displayName": sort, "desc": True}],
        "footer": {
            "show": False,
            "reducer": ["sum"],
            "fields": "",
            "countRows": False,
            "enablePagination": True,
        },
    }
    return built


def datasource_variable(name: str, label: str, description: str) -> Json:
    """Offer the Prometheus data sources that Grafana knows, its default first."""
    return {
        "type": "datasource",
        "name": name,
        "label": label,
        "description": description,
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "skipUrlSync": False,
        "options": [],
    }


def query_variable(name: str, label: str, query: str, *, regex: str = "", description: str) -> Json:
    """Offer the values that a query finds, several at once, and all of them by one cheap pattern."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "description": description,
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "regex": regex,
        "refresh": 2,
        "sort": 5,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "hide": 0,
        "skipUrlSync": False,
        "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def custom_variable(name: str, label: str, options: Mapping[str, str], *, description: str) -> Json:
    """Offer a fixed list, the first one chosen."""
    choices = [
        {"text": text, "value": value, "selected": not index}
        for index, (text, value) in enumerate(options.items())
    ]
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "description": description,
        "multi": False,
        "includeAll": False,
        "query": ", ".join(f"{text} : {value}" for text, value in options.items()),
        "options": choices,
        "current": choices[0],
        "hide": 0,
        "skipUrlSync": False,
    }


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
