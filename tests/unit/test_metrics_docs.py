"""The documents about metrics are in step with the code, and their queries are right."""

import re

import pytest

from airbyte_exporter.exposition import FAMILIES
from airbyte_exporter.telemetry import OWN_FAMILIES, FamilyInfo
from docs import build
from tests.promql import known_families, mistakes, prometheus_series
from tests.requirements import ROOT

WRITTEN = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
DECLARED = {info.name: info for info in (*(family.info for family in FAMILIES), *OWN_FAMILIES)}
QUERIES = re.findall(r"```promql\n(.*?)```", WRITTEN, re.DOTALL)


def test_the_document_is_what_the_code_says() -> None:
    assert build.metrics() == WRITTEN, "run docs/build.py"


def test_every_family_is_documented_once() -> None:
    documented = re.findall(r"^\| `(\w+)` \| \w+ \|", WRITTEN, re.MULTILINE)
    assert sorted(documented) == sorted(DECLARED)


def test_no_family_is_declared_twice() -> None:
    assert len(DECLARED) == len(FAMILIES) + len(OWN_FAMILIES)


@pytest.mark.parametrize("info", DECLARED.values(), ids=lambda info: str(info.name))
def test_a_help_text_is_a_sentence(info: FamilyInfo) -> None:
    assert re.fullmatch(r"[A-Z][^\n|]*\.", info.help)
    assert info.name.endswith("_total") == (info.type == "counter")


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_families_labels_and_values_that_exist(query: str) -> None:
    assert mistakes(query) == []


@pytest.mark.parametrize(
    ("query", "mistake"),
    [
        ("airbyte_upp == 0", "there is no family airbyte_upp"),
        ('airbyte_up{status="active"}', "airbyte_up has no label status"),
        ('airbyte_jobs{status=~"running|stuck"}', "status is never stuck"),
        ("sum by (connection_id) (airbyte_jobs)", "nothing to group has the label connection_id"),
        (
            "airbyte_connection_info and on (job, status) airbyte_jobs",
            "one side of `on` has no label status",
        ),
        (
            "airbyte_connection_status * on (job, connection_id) group_left (name) airbyte_connection_info",
            "there is no label name to bring over",
        ),
    ],
)
def test_a_wrong_query_is_found_out(query: str, mistake: str) -> None:
    assert mistakes(query) == [mistake]


OTHER_NAMES = {"airbyte_exporter", "airbyte_platform", "airbyte_jobs_pending"}
"""The package, an origin of failures, and what prometheus-adapter is told to call a query."""


def test_every_metric_that_a_document_names_exists() -> None:
    """Names of others are in the guide for those who come from them, which has tests of its own."""
    known = {*known_families(), *prometheus_series(), *DECLARED}
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    named = {
        name: path.name
        for path in documents
        if path.name != "migration.md"
        for name in re.findall(r"[`( ](airbyte_\w+)", path.read_text(encoding="utf-8"))
    }
    assert len(named.keys() & known) > 50
    for name, document in named.items():
        is_beginning = name.endswith("_")
        exists = any(it.startswith(name) for it in known) if is_beginning else name in known | OTHER_NAMES
        assert exists, f"{document}: {name}"
