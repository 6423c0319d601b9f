"""The documents about metrics are in step with the code, and their queries are right."""

import re

import promql_parser
import pytest

from airbyte_exporter.exposition import FAMILIES
from airbyte_exporter.telemetry import OWN_FAMILIES, FamilyInfo
from docs import build
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
def test_a_query_parses_and_asks_for_families_and_labels_that_exist(query: str) -> None:
    promql_parser.parse(query)
    names = {re.sub(r"_seconds_bucket$", "_seconds", name) for name in re.findall(r"\bairbyte_\w+", query)}
    assert names
    assert names <= DECLARED.keys()
    labels = {"job", "instance"} | {"le"} | {label for name in names for label in DECLARED[name].labels}
    asked = set(re.findall(r'(\w+)=~?"', query))
    for group in re.findall(r"(?:on|by|group_left)\s*\((.*?)\)", query):
        asked |= {label.strip() for label in group.split(",")}
    assert asked <= labels
