"""What is said to those who come from other exporters, and to those who scale by the queue, is true here."""

import re

import promql_parser
import pytest
import yaml

from airbyte_exporter.exposition import FAMILIES
from airbyte_exporter.telemetry import OWN_FAMILIES
from tests.dashboards import NAMES, load, panels
from tests.requirements import ROOT

MIGRATION = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
AUTOSCALING = (ROOT / "docs" / "autoscaling.md").read_text(encoding="utf-8")
DECLARED = {family.info.name for family in FAMILIES} | {info.name for info in OWN_FAMILIES}
SUFFIXES = ("_bucket", "_sum", "_count")


def ours() -> list[str]:
    """Return the expressions of the right columns."""
    cells = re.findall(r"^\| .* \| (.*) \|$", MIGRATION, re.MULTILINE)
    spans = [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    return sorted({span.replace("\\|", "|") for span in spans if "airbyte_" in span})


def metrics_of(expression: str) -> set[str]:
    """Return the names of the metrics in a query."""
    without_strings = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\bairbyte_\w+", without_strings))


def family_of(metric: str) -> str:
    """Return the family that a sample belongs to."""
    ending = next((suffix for suffix in SUFFIXES if metric.endswith(suffix)), "")
    return metric if metric in DECLARED else metric.removesuffix(ending)


def documents() -> list[dict[str, object]]:
    """Return the YAML of the guide to scaling."""
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", AUTOSCALING, re.DOTALL)]


def test_there_is_something_to_look_at() -> None:
    assert len(ours()) > 30
    assert len(documents()) == 3
    assert {dashboard for _, dashboard in named_panels()} == {"Airbyte overview", "Airbyte connection"}
    assert len(named_panels()) > 10


@pytest.mark.parametrize("expression", ours())
def test_what_is_named_exists_and_can_be_asked(expression: str) -> None:
    promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    assert {family_of(metric) for metric in metrics_of(expression)} <= DECLARED


def named_panels() -> list[tuple[str, str]]:
    """Return (panel, its dashboard) of the bold words of the right columns."""
    found = []
    for cell in re.findall(r"^\| .* \| (.*) \|$", MIGRATION, re.MULTILINE):
        said = re.findall(r"\*\*([^*]+)\*\*|(?<!\*)\*(Airbyte \w+)\*", cell)
        waiting: list[str] = []
        for panel, dashboard in said:
            if panel:
                waiting.append(panel)
            else:
                found.append((waiting.pop(), dashboard))
        found += [(panel, "Airbyte overview") for panel in waiting]
    return sorted(set(found))


@pytest.mark.parametrize(("panel", "dashboard"), named_panels())
def test_a_panel_that_is_named_is_on_its_dashboard(panel: str, dashboard: str) -> None:
    (built,) = (loaded for loaded in map(load, NAMES) if loaded["title"] == dashboard)
    assert panel in {it["title"] for it in panels(built)}


def test_the_queue_is_asked_for_by_metrics_that_exist() -> None:
    queries = re.findall(r"(?:query|metricsQuery): (.+)", AUTOSCALING)
    assert len(queries) == 2
    for query in queries:
        promql_parser.parse(query)
        assert metrics_of(query) <= DECLARED


@pytest.mark.parametrize(
    "rule", sorted(set(re.findall(r"`([A-Z]\w+)`", MIGRATION.partition("## Alerts")[2])))
)
def test_a_rule_that_is_named_has_its_runbook(rule: str) -> None:
    assert (ROOT / "docs" / "runbooks" / f"{rule}.md").is_file()
