"""Tables of connections: which rows, which columns, each of them a query joined by the connection's id."""

from collections.abc import Iterable, Mapping
from typing import Any

from panels import ORANGE, RED, STATUS_COLOURS, Json, override, panel, target, thresholds, value_mapping
from queries import INFO, age, connection, per_id
from variables import link_to_connection

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


def coloured(*steps: tuple[float | None, str]) -> dict[str, Any]:
    """Colour a cell's text by its value."""
    return {**FAILURES_CELL, "thresholds": thresholds(*steps)}


def number(title: str, family: str, unit: str, **properties: object) -> Column:
    """Make a column of a family's value."""
    return title, per_id(connection(family)), {"unit": unit, **properties}


def since(title: str, family: str, **properties: object) -> Column:
    """Make a column of the time since a family's timestamp."""
    stamp = connection(f"{family}_timestamp_seconds")
    return title, age(per_id(stamp)), {"unit": "s", "decimals": 1, **properties}


def status(title: str, family: str) -> Column:
    """Make a column of the status that holds, with a label of its own: two columns must not collide."""
    label = _label(title)
    holds = f'label_replace({connection(family)} == 1, "{label}", "$1", "status", "(.*)")'
    return title, f"max by (connection_id, {label}) ({holds})", STATUS_CELL


def _label(title: str) -> str:
    return title.lower().replace(" ", "_")


def table(
    title: str,
    rows: str,
    columns: Iterable[Column],
    *,
    description: str,
    no_value: str,
    sort: str,
    height: int = 10,
    names: Mapping[str, str] = NAMES,
) -> Json:
    """List connections that `rows` picks; every column is a query, joined by the connection's id."""
    kept = list(columns)
    named = f"max by (connection_id, {', '.join(names)}) ({INFO})"
    queries = [named, *(expression for _, expression, _ in kept)]
    built = panel(
        "table",
        title,
        24,
        height,
        [target(f"{query} and on (connection_id) {rows}", instant=True, table=True) for query in queries],
        description=description,
        no_value=no_value,
        custom={"align": "auto", "filterable": True, "inspect": False},
    )
    fields = dict(names)
    for index, (heading, expression, _) in enumerate(kept, start=1):
        label = _label(heading)
        is_label = f"(connection_id, {label})" in expression
        fields[label if is_label else f"Value #{chr(ord('A') + index)}"] = heading
    fields["connection_id"] = "Connection id"
    built["transformations"] = [
        {"id": "joinByField", "options": {"byField": "connection_id", "mode": "outer"}},
        *_only(fields),
    ]
    built["fieldConfig"]["overrides"] = [
        override("Connection", {"links": [link_to_connection()], "custom.minWidth": 220}),
        *(override(heading, properties) for heading, _, properties in kept),
    ]
    built["options"] = _shown(sort)
    return built


def labels_table(
    title: str, query: str, fields: Mapping[str, str], *, description: str, no_value: str, **size: int
) -> Json:
    """Show labels of series as columns."""
    built = panel(
        "table",
        title,
        size.get("width", 24),
        size.get("height", 3),
        [target(query, instant=True, table=True)],
        description=description,
        no_value=no_value,
        custom={"align": "auto", "inspect": False},
    )
    built["transformations"] = _only(fields)
    built["options"] = _shown(next(iter(fields.values())), descending=False)
    return built


def _only(fields: Mapping[str, str]) -> list[Json]:
    """Keep these fields, in this order, under other names."""
    order = {field: index for index, field in enumerate(fields)}
    return [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(fields)}}},
        {
            "id": "organize",
            "options": {"excludeByName": {}, "indexByName": order, "renameByName": dict(fields)},
        },
    ]


def _shown(sort: str, *, descending: bool = True) -> Json:
    return {
        "showHeader": True,
        "cellHeight": "sm",
        "sortBy": [{"displayName": sort, "desc": descending}],
    }
