"""The shipped Grafana dashboards as Grafana reads them: panels, and their queries as it would send them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = [
    "DASHBOARDS",
    "NAMES",
    "Asked",
    "defaults",
    "escaped",
    "load",
    "panels",
    "queries",
    "several",
    "step_of",
    "substituted",
    "variable_queries",
]

DASHBOARDS: Final = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"
NAMES: Final = ("overview", "connection", "exporter")
SCRAPE_SECONDS: Final = 15
"""The data source's scrape interval, as Grafana has it unless somebody sets another."""

_PIXELS_IN_A_COLUMN: Final = 75
_STEPS: Final = (
    (1, (1, 2, 5, 10, 15, 20, 30)),
    (60, (1, 2, 5, 10, 15, 20, 30)),
    (3600, (1, 2, 3, 6, 12)),
    (86400, (1, 7, 30)),
)
_DURATIONS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_VARIABLE: Final = re.compile(r"\$(?:([a-zA-Z_]\w*)|\{([a-zA-Z_]\w*)(?::text)?\})")
_QUERY_RESULT: Final = re.compile(r"query_result\((.*)\)", re.DOTALL)
_LABEL_VALUES: Final = re.compile(r"label_values\((.*), (\w+)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of a panel, its variables filled in. A range query has points every `step` seconds."""

    dashboard: str
    panel: str
    number: int
    expression: str
    legend: str
    instant: bool
    step: int

    @property
    def name(self) -> str:
        """Where it stands."""
        return f"{self.dashboard}: {self.panel} #{self.number}"


def load(name: str = "overview") -> dict[str, Any]:
    """Return a dashboard's JSON; what is returned may be changed."""
    loaded: dict[str, Any] = json.loads(_text(name))
    return loaded


@cache
def _text(name: str) -> str:
    return (DASHBOARDS / f"{name}.json").read_text(encoding="utf-8")


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every panel that shows something, those in folded rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def escaped(value: str) -> str:
    """Write one of several values for a regular expression in a PromQL string, as Grafana does."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", "\\\\\\\\"))


def several(values: list[str]) -> str:
    """Write the chosen values of a variable that can have several."""
    written = [escaped(value) for value in values]
    return written[0] if len(written) == 1 else f"({'|'.join(written)})"


def defaults(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Return what the variables stand for when the dashboard is opened: everything, and the first choices.

    Where Grafana would take the first that it finds, it is one that does not exist.
    """
    found = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "datasource":
            continue
        if variable["includeAll"]:
            found[variable["name"]] = variable["allValue"]
        else:
            found[variable["name"]] = variable.get("current", {"value": "none"})["value"]
    return found


def substituted(expression: str, values: Mapping[str, str]) -> str:
    """Replace the variables in `expression`; one that nobody defines is a `KeyError`. ``$1`` stays."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], expression)


def step_of(panel: Mapping[str, Any], seconds: int, scrape: int = SCRAPE_SECONDS) -> int:
    """Return how many seconds lie between the points that Grafana asks for in so long a time range."""
    points = panel.get("maxDataPoints") or panel["gridPos"]["w"] * _PIXELS_IN_A_COLUMN
    least = panel.get("interval", f"{scrape}s")
    wanted = seconds / points
    nice = [unit * number for unit, numbers in _STEPS for number in numbers]
    rounded = min(nice, key=lambda step: abs(step - wanted))
    return max(rounded, int(least[:-1]) * _DURATIONS[least[-1]])


def queries(
    name: str,
    values: Mapping[str, str] | None = None,
    *,
    seconds: int = 86400,
    scrape: int = SCRAPE_SECONDS,
    step: int | None = None,
) -> list[Asked]:
    """Return every query of every panel of a dashboard, its time range that long.

    Args:
        name: which dashboard.
        values: what variables stand for, instead of their defaults (everything).
        seconds: the time range.
        scrape: the scrape interval that the data source is told.
        step: what lies between points, instead of what Grafana would choose.
    """
    dashboard = load(name)
    known = {**defaults(dashboard), **(values or {})}
    asked = []
    for panel in panels(dashboard):
        between = step or step_of(panel, seconds, scrape)
        built_in = {
            "__rate_interval": f"{max(between + scrape, 4 * scrape)}s",
            "__interval": f"{between}s",
            "__range": f"{seconds}s",
            "__range_s": str(seconds),
        }
        for number, target in enumerate(panel["targets"]):
            expression = substituted(target["expr"], {**built_in, **known})
            asked.append(
                Asked(
                    name,
                    panel["title"],
                    number,
                    expression,
                    target["legendFormat"],
                    target["instant"],
                    between,
                )
            )
    return asked


def variable_queries(name: str, values: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return (variable, PromQL) of every variable that Grafana fills by asking Prometheus."""
    dashboard = load(name)
    known = {**defaults(dashboard), **(values or {})}
    found = []
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            matched = _QUERY_RESULT.fullmatch(query) or _LABEL_VALUES.fullmatch(query)
            if matched is None:
                raise ValueError(f"a kind of query that this does not know: {query}")
            found.append((variable["name"], substituted(matched[1], known)))
    return found
