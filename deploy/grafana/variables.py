"""The choices at the top of dashboards, and the links from one dashboard to another."""

from collections.abc import Mapping

from panels import CONNECTION_UID, DATASOURCE, Json
from queries import CONNECTORS, SCRAPED, exporter

TAG = "airbyte-exporter"
"""What the dashboards are found by from each other."""


def datasource_variable() -> Json:
    """Offer the Prometheus data sources that Grafana knows, its default first."""
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "description": "The Prometheus that scrapes the exporter.",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "skipUrlSync": False,
        "options": [],
    }


def query_variable(
    name: str, label: str, query: str, *, description: str, regex: str = "", several: bool = True
) -> Json:
    """Offer the values that a query finds: several at once and all by one cheap pattern, or a single one."""
    variable: Json = {
        "type": "query",
        "name": name,
        "label": label,
        "description": description,
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "regex": regex,
        "refresh": 2,
        "sort": 5,
        "multi": several,
        "includeAll": several,
        "hide": 0,
        "skipUrlSync": False,
        "options": [],
    }
    if several:
        everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
        variable |= {"allValue": ".*", "current": everything}
    return variable


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


def targets() -> list[Json]:
    """Offer what every dashboard begins with: whose data, of which exporter."""
    build = "airbyte_exporter_build_info"
    return [
        datasource_variable(),
        query_variable(
            "job", "Job", f"label_values({build}, job)", description="The scrape job of the exporter."
        ),
        query_variable(
            "instance",
            "Instance",
            f'label_values({build}{{job=~"$job"}}, instance)',
            description="The exporter; one for each Airbyte.",
        ),
    ]


def workspace_variable() -> Json:
    """Offer workspaces. Ids are the values behind names: a quote in a name breaks nothing."""
    return query_variable(
        "workspace",
        "Workspace",
        f"query_result(group by (workspace_id, workspace_name) ({exporter('airbyte_workspace_info')}))",
        regex=_pair("workspace"),
        description="Filters what is about connections.",
    )


def connector_variables() -> list[Json]:
    """Offer the connectors that connections in the chosen workspaces use."""
    info = exporter("airbyte_connection_info", 'workspace_id=~"$workspace"')
    return [
        query_variable(
            end,
            f"{end.capitalize()} connector",
            f"label_values({info}, {end}_connector)",
            description="Filters what is about connections, and what is told by connector.",
        )
        for end in ("source", "destination")
    ]


def connection_variable(*, several: bool) -> Json:
    """Offer connections by name: any number of them, or the one that a dashboard is about."""
    narrowed = f'{SCRAPED}, workspace_id=~"$workspace", {CONNECTORS}' if several else SCRAPED
    info = f"airbyte_connection_info{{{narrowed}}}"
    return query_variable(
        "connection",
        "Connection",
        f"query_result(group by (connection_id, connection_name) ({info}))",
        regex=_pair("connection"),
        description="Filters what is about connections." if several else "The connection that is shown.",
        several=several,
    )


def _pair(kind: str) -> str:
    return f'/{kind}_id="(?<value>[^"]+)",{kind}_name="(?<text>.*)"}}/'


def links() -> list[Json]:
    """Lead to the other dashboards, with what is chosen and the time range."""
    return [
        {
            "type": "dashboards",
            "title": "Airbyte",
            "tags": [TAG],
            "asDropdown": False,
            "icon": "dashboard",
            "includeVars": True,
            "keepTime": True,
            "targetBlank": False,
            "tooltip": "",
            "url": "",
        }
    ]


def link_to_connection(field: str = "Connection id") -> Json:
    """Lead from a row to the dashboard of its connection."""
    return {
        "title": "Show this connection",
        "url": f"/d/{CONNECTION_UID}?${{__url_time_range}}&${{datasource:queryparam}}&${{job:queryparam}}"
        f'&${{instance:queryparam}}&var-connection=${{__data.fields["{field}"]}}',
    }
