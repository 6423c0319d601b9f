"""The shipped Grafana dashboards as tests see them: their queries as Grafana would send them."""

from collections.abc import Mapping

from benchmarks.grafana import NAMES, defaults, load, panels, queries, several, variable_queries

__all__ = [
    "NAMES",
    "dashboard_queries",
    "defaults",
    "every_variable_query",
    "load",
    "panels",
    "queries",
    "several",
    "variable_queries",
]


def dashboard_queries(
    values: Mapping[str, str] | None = None, *, dashboard: str | None = None
) -> list[tuple[str, str]]:
    """Return (panel, PromQL) of every query of one dashboard or of all, over an hour with a scrape a minute.

    Args:
        values: what variables stand for, instead of their defaults (everything).
        dashboard: which one.
    """
    return [
        (asked.panel, asked.expression)
        for name in ([dashboard] if dashboard else NAMES)
        for asked in queries(name, values, seconds=3600, scrape=60)
    ]


def every_variable_query(values: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return (variable, PromQL) of every variable of every dashboard that Grafana fills by asking."""
    return [found for name in NAMES for found in variable_queries(name, values)]
