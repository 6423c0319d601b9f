"""The times of the Prometheus rules: measured on a real server, small, and told in the guide."""

import re

import pytest

from benchmarks.document import written_table
from benchmarks.rules import DOCUMENT, LIMIT_SECONDS, main, measure_rules, times_table
from tests.requirements import require_program
from tests.rules import rules

NAMES = [rule.get("record") or rule["alert"] for rule in rules()]


def named(table: str) -> set[str]:
    """Return the rules of a table's rows."""
    return set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))


def test_every_rule_is_timed_on_a_company_of_hundreds() -> None:
    told: list[str] = []
    took = measure_rules(200, program=require_program("prometheus"), say=told.append)
    assert told
    assert {rule.name for rule in took} == {*NAMES}
    assert max(took.values()) < LIMIT_SECONDS
    assert named(times_table({"2.42": took}, 200, "")) == {*NAMES}


def test_the_guide_tells_the_time_of_every_rule_and_each_is_short() -> None:
    table = written_table(DOCUMENT.read_text(encoding="utf-8"))
    assert named(table) == {*NAMES}
    times = re.findall(r"([\d.]+) (µs|ms|s) \|", table)
    assert len(times) >= len(NAMES)
    assert all(unit != "s" or float(amount) < LIMIT_SECONDS for amount, unit in times)


@pytest.mark.usefixtures("capsys")
def test_a_machine_without_prometheus_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["--connections", "20"]) == 1
