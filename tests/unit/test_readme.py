"""What the README shows is what there is."""

import json
import re
from typing import Any

import pytest

from airbyte_exporter.exposition import FAMILIES
from airbyte_exporter.settings import options
from airbyte_exporter.telemetry import OWN_FAMILIES
from tests.promql import mistakes
from tests.requirements import ROOT

WRITTEN = (ROOT / "README.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^\| [^|]* \| `(.*airbyte_.*)` \|$", WRITTEN, re.MULTILINE)
DECLARED = {family.info.name for family in FAMILIES} | {info.name for info in OWN_FAMILIES}


def block(language: str) -> str:
    """Return the one code block in that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", WRITTEN, re.DOTALL)
    return str(found)


def test_every_family_exists() -> None:
    named = set(re.findall(r"\bairbyte_\w+", WRITTEN)) - {"airbyte_exporter"}
    assert len(named) > 5
    assert named <= DECLARED


def test_every_variable_is_a_setting() -> None:
    variables = set(re.findall(r"\bAIRBYTE_EXPORTER_\w+__\w+", WRITTEN))
    assert len(variables) > 2
    assert variables <= {option.variable for option in options().values()}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", WRITTEN))))
def test_a_link_leads_somewhere(link: str) -> None:
    assert link.startswith("https://") or (ROOT / link).is_file()


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_exists(query: str) -> None:
    assert mistakes(query) == []


def test_there_are_queries() -> None:
    assert len(QUERIES) == WRITTEN.count("| `") > 3


def test_the_webhook_is_what_is_sent() -> None:
    sent = json.loads((ROOT / "tests" / "golden" / "webhook_firing.json").read_text(encoding="utf-8"))
    assert_part(json.loads(block("json")), sent)


def assert_part(shown: Any, sent: Any) -> None:  # noqa: ANN401 - JSON
    """Compare what is shown with what is sent; objects may be shortened."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            assert_part(value, sent[key])
    else:
        assert shown == sent
