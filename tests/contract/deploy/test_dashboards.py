"""The Grafana dashboards are what their generator writes, say what they show, and ask for what exists."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from airbyte_exporter.exposition import FAMILIES
from airbyte_exporter.telemetry import OWN_FAMILIES
from tests.dashboards import (
    NAMES,
    dashboard_queries,
    every_variable_query,
    load,
    panels,
    queries,
    several,
)
from tests.promql import TARGET_LABELS, known_families, prometheus_series, selectors
from tests.requirements import ROOT

GRAFANA = ROOT / "deploy" / "grafana"
GENERATOR = GRAFANA / "build.py"
PROVISIONING = GRAFANA / "provisioning" / "airbyte.yaml"
GUIDE = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
STANDARD: dict[str, set[str]] = {
    "process_resident_memory_bytes": set(),
    "process_cpu_seconds_total": set(),
    "process_open_fds": set(),
    "process_start_time_seconds": set(),
    "python_gc_collections_total": {"generation"},
    "python_info": {"implementation", "version", "major", "minor", "patchlevel"},
}
HOSTILE = r'Stripe "EU" \ São (1+1)'
HOSTILE_ID = HOSTILE.replace('"', "")
COMMON = ["datasource", "job", "instance"]
PANEL_KINDS = {"stat", "timeseries", "bargauge", "table", "state-timeline"}


def every_panel() -> list[tuple[str, dict[str, Any]]]:
    return [(f"{name}: {panel['title']}", panel) for name in NAMES for panel in panels(load(name))]


def grouped(expression: str) -> set[str]:
    """Every label that a query groups or joins by."""
    lists = re.findall(r"\b(?:by|on|group_left|without)\s*\(([^)]*)\)", expression)
    return {label.strip() for labels in lists for label in labels.split(",") if label.strip()}


def test_the_committed_json_is_what_the_generator_writes() -> None:
    checked = subprocess.run(
        [sys.executable, str(GENERATOR), "--check"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_check_tells_a_stale_file_from_a_fresh_one(tmp_path: Path) -> None:
    for module in GRAFANA.glob("*.py"):
        (tmp_path / module.name).write_text(module.read_text(encoding="utf-8"), encoding="utf-8")

    def run(*arguments: str) -> int:
        return subprocess.run(
            [sys.executable, str(tmp_path / "build.py"), *arguments], capture_output=True, check=False
        ).returncode

    assert run("--check") == 1
    assert run() == 0
    assert run("--check") == 0
    written = tmp_path / "dashboards" / "connection.json"
    written.write_text(written.read_text(encoding="utf-8").replace("now-24h", "now-6h"), encoding="utf-8")
    assert run("--check") == 1
    assert run() == 0
    (tmp_path / "dashboards" / "left-over.json").write_text("{}", encoding="utf-8")
    assert run("--check") == 1
    assert run() == 0
    assert run("--check") == 0
    assert run("--what") == 2


def test_every_panel_says_what_it_shows_in_which_unit_and_why_it_may_be_empty() -> None:
    assert len(every_panel()) > 60
    for name, panel in every_panel():
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["type"] in PANEL_KINDS, name
        assert panel["description"].endswith((".", "?")), name
        assert len(panel["description"]) > 15, name
        assert defaults["unit"], name
        assert len(defaults["noValue"]) > 15, name


def test_thresholds_say_something() -> None:
    for name, panel in every_panel():
        if "thresholds" in panel["fieldConfig"]["defaults"]:
            steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            assert steps[0]["value"] is None, name
            values = [step["value"] for step in steps[1:]]
            assert values == sorted(set(values)), name
            assert len({step["color"] for step in steps}) == len(steps), name


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_names_no_data_source_of_a_particular_grafana(name: str) -> None:
    dashboard = load(name)
    text = json.dumps(dashboard)
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {"${datasource}", f"airbyte-{name}"}
    assert "id" not in dashboard
    assert "__inputs" not in dashboard, "an import would ask for something, provisioning fails"


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    dashboard = load(name)
    flat = [*dashboard["panels"], *(inner for row in dashboard["panels"] for inner in row.get("panels", ()))]
    ids = [panel["id"] for panel in flat]
    assert len(ids) == len(set(ids))
    titles = Counter(panel["title"] for panel in flat)
    assert max(titles.values()) == 1, titles.most_common(2)
    taken: set[tuple[int, int]] = set()
    for panel in flat:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_variables_are_those_that_people_choose_by() -> None:
    offered = {name: {it["name"]: it for it in load(name)["templating"]["list"]} for name in NAMES}
    assert list(offered["overview"]) == [
        *COMMON, "workspace", "source", "destination", "connection", "group", "rows"
    ]  # fmt: skip
    assert list(offered["connection"]) == [*COMMON, "connection"]
    assert list(offered["exporter"]) == COMMON
    for name, variables in offered.items():
        for variable in variables.values():
            assert variable["label"], name
            assert variable["description"].endswith("."), name
    for variable in offered["overview"].values():
        is_several = variable["type"] == "query"
        assert (variable["multi"], variable["includeAll"]) == (is_several, is_several), variable["name"]
    assert offered["connection"]["connection"]["multi"] is False


def test_variables_read_names_and_ids_from_an_answer() -> None:
    """Grafana matches the pattern against each series as it writes it, and takes the groups by name."""
    variables = {it["name"]: it for it in load()["templating"]["list"]}
    for kind in ("workspace", "connection"):
        pattern = variables[kind]["regex"].strip("/").replace("(?<", "(?P<")
        found = re.search(pattern, f'{{{kind}_id="1-a",{kind}_name="{HOSTILE}"}} 1 1790000000000')
        assert found
        assert found.groupdict() == {"value": "1-a", "text": HOSTILE}


def test_links_lead_to_dashboards_with_the_choices_and_the_time_range() -> None:
    for name in NAMES:
        (link,) = load(name)["links"]
        assert (link["type"], link["includeVars"], link["keepTime"]) == ("dashboards", True, True)
        assert set(link["tags"]) <= set(load(name)["tags"]), "it does not find its own kind"
    urls = {
        link["url"]
        for panel in panels(load("overview"))
        for override in panel["fieldConfig"]["overrides"]
        for entry in override["properties"]
        if entry["id"] == "links"
        for link in entry["value"]
    }
    (url,) = urls
    assert url.startswith("/d/airbyte-connection?${__url_time_range}&")
    for variable in COMMON:
        assert f"${{{variable}:queryparam}}" in url
    assert 'var-connection=${__data.fields["Connection id"]}' in url
    linked = [panel for _, panel in every_panel() if "${__url_time_range}" in json.dumps(panel)]
    assert len(linked) >= 4
    for panel in linked:
        renamed = panel["transformations"][-1]["options"]["renameByName"].values()
        assert {"Connection", "Connection id"} <= set(renamed), panel["title"]


def test_a_window_of_a_rate_is_never_a_fixed_time() -> None:
    """A course has ``$__rate_interval``, a sum has ``$__range``, and only the past is days."""
    for name, panel in every_panel():
        for target in panel["targets"]:
            for function, window in re.findall(r"(\w+)\([^()]*\[([^]]+)\]", target["expr"]):
                if function in {"rate", "increase"}:
                    assert window in {"$__rate_interval", "$__range"}, name
                    if target["instant"]:
                        assert window == "$__range", name
                else:
                    assert (function, window) in {
                        ("changes", "1h"),
                        ("last_over_time", "1h"),
                        ("avg_over_time", "7d"), ("max_over_time", "7d")
                    }, name  # fmt: skip


def test_amounts_per_step_are_not_counted_twice() -> None:
    """``$__rate_interval`` is at least four scrapes: where amounts are shown, so must a step be."""
    for name, panel in every_panel():
        if panel["type"] == "timeseries" and "increase(" in json.dumps(panel["targets"]):
            assert panel.get("interval") in {"5m", "1h"}, name


def test_a_panel_draws_a_bounded_number_of_series() -> None:
    """What is told apart by connection, workspace or connector is cut by topk."""
    many = {"connection_id", "connection_name", "workspace_name", "source_connector", "$group"}
    for name, panel in every_panel():
        if name.startswith("connection: "):
            continue
        for target in panel["targets"]:
            outermost = re.match(r"(?:sum|max|min|group) by \(([^)]*)\)", target["expr"])
            labels = set(outermost[1].split(", ")) if outermost else set()
            if labels & many:
                assert "topk(" in target["expr"], name


CHOICES = [
    {},
    {"job": several(["airbyte-exporter"]), "instance": several(["10.0.0.1:10980", "b"])},
    {"workspace": several(["w-1", "w-2"]), "connection": several([HOSTILE_ID])},
    {"source": several(["Google Analytics 4 (GA4)", "S3"]), "destination": several(["C++ $ink"])},
    {"group": "workspace_name", "rows": "25"},
]


@pytest.mark.parametrize("values", CHOICES, ids=["opened", "targets", "ids", "connectors", "others"])
def test_every_query_is_promql_whatever_is_chosen(values: dict[str, str]) -> None:
    asked = [*dashboard_queries(values), *every_variable_query(values)]
    assert len(asked) > 100
    for title, expression in asked:
        try:
            promql_parser.parse(expression)
        except ValueError as error:
            pytest.fail(f"{title}: {error}: {expression}")


@pytest.mark.parametrize("group", ["source_connector", "destination_connector", "workspace_name"])
def test_queries_ask_only_for_families_and_labels_that_exist(group: str) -> None:
    known = {**STANDARD, **known_families(), **prometheus_series()}
    every_label = set().union(*known.values()) | TARGET_LABELS
    for title, expression in [*dashboard_queries({"group": group}), *every_variable_query()]:
        used = list(selectors(promql_parser.parse(expression)))
        assert used, title
        for selector in used:
            assert selector.name in known, f"{title}: {selector.name}"
            matched = {matcher.name for matcher in selector.matchers.matchers}
            assert matched <= known[selector.name] | TARGET_LABELS, f"{title}: {expression}"
        invented = set(re.findall(r'label_replace\(.*?, "(\w+)", "\$1"', expression))
        assert grouped(expression) <= every_label | invented, f"{title}: {expression}"


def test_every_query_can_be_narrowed_to_a_target() -> None:
    for title, expression in dashboard_queries({"job": "a", "instance": "b"}):
        for selector in selectors(promql_parser.parse(expression)):
            matched = {matcher.name for matcher in selector.matchers.matchers}
            assert matched >= TARGET_LABELS, f"{title}: {expression}"


def test_every_family_is_on_a_dashboard_or_said_to_be_left_out() -> None:
    asked = " ".join(expression for _, expression in dashboard_queries())
    listed = re.search(r"## Not on a dashboard\n(.*?)(?=\n## |\Z)", GUIDE, re.DOTALL)
    assert listed
    extras = set(re.findall(r"`(airbyte_\w+)`", listed[1]))
    families = {info.name for info in (*(family.info for family in FAMILIES), *OWN_FAMILIES)}
    shown = {name for name in families if re.search(rf"\b{name}(_bucket)?\b", asked)}
    assert families - shown == extras


def test_the_guide_names_every_dashboard_and_what_is_on_it() -> None:
    for name in NAMES:
        dashboard = load(name)
        assert f"deploy/grafana/dashboards/{name}.json" in GUIDE
        for row in (panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"):
            assert f"| {row} |" in GUIDE or "$" in row, f"{name}: {row}"


def test_the_provider_for_grafana_reads_the_folder_of_the_dashboards() -> None:
    text = PROVISIONING.read_text(encoding="utf-8")
    assert "apiVersion: 1" in text
    assert "path: /etc/grafana/dashboards/airbyte" in text


def test_steps_are_those_that_grafana_chooses() -> None:
    by_panel = {asked.panel: asked for asked in queries("overview", seconds=86400)}
    assert by_panel["Finished syncs"].step == 1800
    assert "[1815s]" in by_panel["Finished syncs"].expression
    assert by_panel["How long syncs take"].step == 3600
    shorter = {asked.panel: asked for asked in queries("overview", seconds=900)}
    assert (shorter["Live jobs"].step, shorter["Finished syncs"].step) == (15, 300)
