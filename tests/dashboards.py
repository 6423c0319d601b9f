"""The shipped Grafana dashboard as tests see it: its panels, and its queries as Grafana would send them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.requirements import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "airbyte.json"
BUILT_IN = {"__rate_interval": "1m", "__interval": "15s", "__range": "1h", "__range_s": "3600"}
_VARIABLE = re.compile(r"\$(?:([a-zA-Z_]\w*)|\{([a-zA-Z_]\w*)\})")
_QUERY_RESULT = re.compile(r"query_result\((.*)\)", re.DOTALL)
_LABEL_VALUES = re.compile(r"label_values\((.*), \w+\)", re.DOTALL)


def load(path: Path = DASHBOARD) -> dict[str, Any]:
    """Return the dashboard's JSON."""
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every panel that shows something, those in folded rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def chosen(values: list[str]) -> str:
    """Write the chosen values of a variable with several as Grafana's Prometheus data source does."""
    escaped = [
        re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", "\\\\\\\\")) for value in values
    ]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def defaults(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Return what the variables stand for when the dashboard is opened: everything, and the first choices."""
    return {
        variable["name"]: variable["allValue"] if variable["includeAll"] else variable["current"]["value"]
        for variable in dashboard["templating"]["list"]
        if variable["type"] != "datasource"
    }


def substituted(expression: str, values: Mapping[str, str]) -> str:
    """Replace the variables in `expression`; one that nobody defines is a `KeyError`. ``$1`` stays."""
    known = {**BUILT_IN, **values}
    return _VARIABLE.sub(lambda found: known[found[1] or found[2]], expression)


def dashboard_queries(values: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return (panel title, PromQL) of every query of every panel.

    Args:
        values: What variables stand for, instead of their defaults (everything).
    """
    dashboard = load()
    known = {**defaults(dashboard), **(values or {})}
    return [
        (panel["title"], substituted(target["expr"], known))
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def variable_queries(values: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return (variable, PromQL) of every variable that Grafana fills by asking Prometheus."""
    dashboard = load()
    known = {**defaults(dashboard), **(values or {})}
    found = []
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            matched = _QUERY_RESULT.fullmatch(query) or _LABEL_VALUES.fullmatch(query)
            assert matched, query
            found.append((variable["name"], substituted(matched[1], known)))
    return found
