"""The Prometheus rules say what the daemon's alerts say, ask for what exists, and are tried case by case."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from airbyte_exporter.alerts import RulesConfig, runbook_url
from airbyte_exporter.alerts._config import INSTANCE_RULES
from airbyte_exporter.alerts._texts import _WRONG
from airbyte_exporter.durations import parse_duration
from tests.dashboards import dashboard_queries
from tests.promql import mistakes, prometheus_series, selectors
from tests.requirements import ROOT
from tests.rules import (
    FOLDER,
    RULES,
    VERSIONS,
    alerts,
    groups,
    newest,
    program,
    promtool,
    rules,
    unit_tests,
    written_quicker,
)

GENERATOR = FOLDER / "generate.py"
DAEMONS = RulesConfig()
OWN = "AirbyteExporter"
DOCUMENT = ROOT / "docs" / "prometheus-rules.md"
ASPECTS = {"fires and resolves", "silent", "restart", "leader change"}
SLOW = ["NeverSucceeded", "AutoDisableSoon"]

ALERTS = alerts()
RECORDED = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
EXPRESSIONS = {**RECORDED, **{name: rule["expr"] for name, rule in ALERTS.items()}}
ABOUT_CONNECTIONS = set(RulesConfig.model_fields) - INSTANCE_RULES


def unit_tests_of(name: str) -> dict[str, dict[str, Any]]:
    """The unit tests of an alert by what they are about."""
    loaded = yaml.safe_load((unit_tests() / f"{name}.yaml").read_text(encoding="utf-8"))
    return {test["name"].removeprefix(f"{name}: "): test for test in loaded["tests"]}


def table() -> dict[str, list[str]]:
    """The rows of the document's tables of alerts, by alert."""
    found = re.findall(r"^\| \[`(\w+)`\]\(\S+\) \|(.*)\|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in found}


@pytest.mark.parametrize("version", VERSIONS)
def test_promtool_takes_the_rules(version: str) -> None:
    said = promtool(version, "check", "rules", RULES)
    assert (said.returncode, said.stderr) == (0, ""), said.stdout + said.stderr
    assert f"SUCCESS: {len(EXPRESSIONS)} rules found" in said.stdout


@pytest.mark.parametrize("name", [*SLOW, *(name for name in ALERTS if name not in SLOW)])
def test_an_alert_does_what_its_cases_say(name: str) -> None:
    said = promtool(newest("promtool"), "test", "rules", unit_tests() / f"{name}.yaml")
    assert (said.returncode, said.stderr) == (0, ""), said.stdout + said.stderr


def test_every_alert_has_every_case() -> None:
    assert {path.stem for path in unit_tests().glob("*.yaml")} == ALERTS.keys()
    for name in ALERTS:
        expected = ASPECTS | ({"outage"} if name in ABOUT_CONNECTIONS else set())
        assert unit_tests_of(name).keys() >= expected, name


@pytest.mark.parametrize("name", ALERTS)
def test_its_cases_ask_for_what_they_are_called(name: str) -> None:
    cases = unit_tests_of(name)
    before, firing, after = cases["fires and resolves"]["alert_rule_test"]
    assert (before["exp_alerts"], len(firing["exp_alerts"]), after["exp_alerts"]) == ([], 1, [])
    assert cases["silent"]["promql_expr_test"][0]["exp_samples"] == []
    for aspect in ("restart", "leader change"):
        values = [one["exp_samples"][0]["value"] for one in cases[aspect]["promql_expr_test"]]
        assert values == [1, 1, 0], f"{aspect}: one alert throughout, which does not begin anew"
    assert any("stale" in row["values"] for row in cases["restart"]["input_series"]), "a gap"
    pods = {re.findall(r'pod="([^"]+)"', row["series"])[0] for row in cases["leader change"]["input_series"]}
    assert len(pods) == 2


@pytest.mark.parametrize("groups_loaded", [None, {"airbyte-workspaces"}], ids=["all", "recordings alone"])
def test_a_first_poll_that_takes_long_is_no_exporter_that_is_missing(
    groups_loaded: set[str] | None, tmp_path: Path
) -> None:
    """It is not ready, and scraped. The recordings for dashboards need no other group."""
    loaded = [each for each in groups() if groups_loaded is None or each["name"] in groups_loaded]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": loaded}), encoding="utf-8")
    target = 'job="airbyte-exporter",instance="a"'
    connection = f'{target},connection_id="c",workspace_id="w"'
    series = {
        f"up{{{target}}}": "1x60",
        f"airbyte_exporter_build_info{{{target}}}": "1x60",
        f"airbyte_up{{{target}}}": "_x60 1x60",
        f"airbyte_connection_info{{{connection}}}": "_x60 1x60",
        f"airbyte_connection_consecutive_failures{{{connection}}}": "_x60 1x60",
        f'airbyte_connection_status{{{connection},status="active"}}': "_x60 1x60",
    }
    alert = 'ALERTS{alertstate="firing"}'
    not_ready = f'{{alertname="AirbyteExporterNotReady",alertstate="firing",{target},severity="warning"}}'
    firing = [{"labels": f"ALERTS{not_ready}", "value": 1}] if groups_loaded is None else []
    failing = [{"labels": f'workspace:airbyte_connections:failing{{{target},workspace_id="w"}}', "value": 1}]
    suite = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": alert, "eval_time": "40m", "exp_samples": firing},
                    {
                        "expr": "workspace:airbyte_connections:failing",
                        "eval_time": "90m",
                        "exp_samples": failing,
                    },
                ],
            }
        ],
    }
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite), encoding="utf-8")
    said = promtool(newest("promtool"), "test", "rules", tmp_path / "suite.yaml")
    assert (said.returncode, said.stderr) == (0, ""), said.stdout + said.stderr


BROKEN = {
    "held over an outage": (
        "SyncFailed",
        'or on (job, instance, connection_id)\n          connection:ALERTS:held{alertname="SyncFailed"}\n',
        "\n",
    ),
    "silent where a higher rule speaks": ("SyncFailed", '"AutoDisableSoon|SyncFailing"', '"Nothing"'),
    "one whatever the pod": (
        "SyncFailed",
        "expr: max by (job, instance, connection_id) (airbyte_connection_consecutive_failures)",
        "expr: airbyte_connection_consecutive_failures",
    ),
    "one name at a time": ("SyncFailed", "topk by (job, instance, connection_id) (1,", "("),
    "not late at once": ("SyncOverdue", "and on (job, instance) instance:airbyte_up:settled", ""),
    "nothing begins in an outage": (
        "SyncFailed",
        "and on (job, instance) (instance:airbyte_up:fresh == 1)",
        "",
    ),
    "not kept for ever": ("SyncFailed", "[4h]", "[40h]"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_rule_that_is_broken_is_noticed(what: str, tmp_path: Path) -> None:
    name, right, wrong = BROKEN[what]
    text = RULES.read_text(encoding="utf-8")
    assert right in text
    (tmp_path / RULES.name).write_text(text.replace(right, wrong), encoding="utf-8")
    (tmp_path / "tests").mkdir()
    shutil.copy(unit_tests() / f"{name}.yaml", tmp_path / "tests")
    assert promtool("2.42", "check", "rules", tmp_path / RULES.name).returncode == 0
    assert promtool("2.42", "test", "rules", tmp_path / "tests" / f"{name}.yaml").returncode == 1


class TestGenerated:
    def run(self, folder: Path, *arguments: str) -> int:
        command = [sys.executable, str(folder / GENERATOR.name), *arguments]
        return subprocess.run(command, capture_output=True, check=False).returncode

    def test_what_is_committed_is_what_is_generated(self) -> None:
        assert self.run(FOLDER, "--check") == 0

    def test_check_tells_a_stale_file_from_a_fresh_one(self, tmp_path: Path) -> None:
        for path in FOLDER.glob("*.py"):
            shutil.copy(path, tmp_path)
        shutil.copy(RULES, tmp_path)
        assert self.run(tmp_path, "--check") == 1
        assert self.run(tmp_path) == 0
        assert self.run(tmp_path, "--check") == 0
        assert self.run(tmp_path, "--what") == 2

    def test_the_operator_gets_the_same_rules(self) -> None:
        custom = yaml.safe_load((FOLDER / "prometheus-rule.yaml").read_text(encoding="utf-8"))
        assert (custom["apiVersion"], custom["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
        assert custom["spec"] == {"groups": groups()}


class TestMeaning:
    def test_the_alerts_are_the_daemons_and_some_about_the_exporter(self) -> None:
        own = {name for name in ALERTS if name.startswith(OWN)}
        assert ALERTS.keys() - own == set(RulesConfig.model_fields)
        assert len(own) > 5

    @pytest.mark.parametrize("name", RulesConfig.model_fields)
    def test_severity_and_wait_are_the_daemons(self, name: str) -> None:
        config = getattr(DAEMONS, name)
        assert ALERTS[name]["labels"] == {"severity": config.severity}
        waits = parse_duration(ALERTS[name]["for"])
        # Two minutes more: what Prometheus compares with its clock has been polled and scraped before.
        assert waits in {config.for_, config.for_ + 120, getattr(config, "after", 0)}

    def test_thresholds_are_the_daemons(self) -> None:
        thresholds = {
            "AutoDisableSoon": (DAEMONS.AutoDisableSoon.failures, DAEMONS.AutoDisableSoon.without_success),
            "SyncFailing": (DAEMONS.SyncFailing.consecutive,),
            "SyncOverdue": (DAEMONS.SyncOverdue.grace,),
            "JobStuckPending": (DAEMONS.JobStuckPending.after,),
        }
        for name, expected in thresholds.items():
            compared = re.findall(r">=? (\d+)(?: \* (\d+))?", ALERTS[name]["expr"])
            assert {int(number) * int(unit or 1) for number, unit in compared} >= set(expected), name
        assert "offset 1d" in ALERTS["NeverSucceeded"]["expr"]
        assert parse_duration("1d") == DAEMONS.NeverSucceeded.after
        assert parse_duration(ALERTS["NotificationsFailing"]["for"]) == DAEMONS.NotificationsFailing.after

    def test_a_higher_rule_silences_every_lower_one_of_its_group(self) -> None:
        for group in (
            ["AutoDisableSoon", "SyncFailing", "SyncFailed", "NeverSucceeded", "SyncOverdue"],
            ["BreakingSchemaChange", "ConnectionDisabled"],
        ):
            for place, name in enumerate(group[1:], start=1):
                named = re.findall(
                    r'unless on \(job, instance, connection_id\)\s+ALERTS\{alertname=~?"([\w|]+)"',
                    ALERTS[name]["expr"],
                )
                assert named[-1].split("|") == group[:place], name

    @pytest.mark.parametrize("name", ALERTS)
    def test_it_says_what_is_wrong_and_what_to_do(self, name: str) -> None:
        rule = ALERTS[name]
        said = rule["annotations"]
        assert said.keys() == {"summary", "description", "runbook_url"}
        assert said["description"].endswith(".")
        assert {"for", "keep_firing_for"} <= rule.keys()
        if name in ABOUT_CONNECTIONS:
            assert said["summary"] == f"{_WRONG[name][0]}: {{{{ $labels.connection_name }}}}"
            assert f'connection:ALERTS:held{{alertname="{name}"}}' in rule["expr"]
        if not name.startswith(OWN):
            assert said["summary"].startswith(f"{_WRONG[name][0]}: ")
            assert said["runbook_url"] == runbook_url(name)
            assert (ROOT / "docs" / "runbooks" / f"{name}.md").is_file()
        else:
            base = runbook_url("x").rpartition("/runbooks/")[0]
            assert said["runbook_url"] == f"{base}/{DOCUMENT.name}#{name.lower()}"
            assert f"\n### {name}\n" in DOCUMENT.read_text("utf-8")


class TestQueries:
    @pytest.mark.parametrize("name", EXPRESSIONS)
    def test_everything_that_is_asked_for_exists(self, name: str) -> None:
        assert mistakes(EXPRESSIONS[name]) == []

    def test_every_recording_is_named_by_level_metric_and_operation_and_used(self) -> None:
        assert RECORDED
        used = [*EXPRESSIONS.values(), *(expression for _, expression in dashboard_queries())]
        for name in RECORDED:
            assert re.fullmatch(r"(instance|connection|workspace):[A-Za-z_]+:[a-z]+", name), name
            assert any(name in expression for expression in used), name

    def test_an_alert_names_only_alerts_that_exist(self) -> None:
        named = {
            alert
            for expression in EXPRESSIONS.values()
            for names in re.findall(r'alertname=~?"([^"]+)"', expression)
            for alert in names.split("|")
        }
        assert named
        assert named <= ALERTS.keys()

    def test_what_a_quicker_copy_asks_for_is_the_same_but_for_durations(self) -> None:
        copied = [rule["expr"] for group in written_quicker()["groups"] for rule in group["rules"]]
        assert not re.findall(r" \* (?:60|3600|86400)\b|\[\d+[mhd]\]", "".join(copied))
        without_numbers = [re.sub(r"[\d.]+(?: \* [\d.]+)?(?:ms|[smhd]\b)?", "0", text) for text in copied]
        assert without_numbers == [
            re.sub(r"[\d.]+(?: \* [\d.]+)?(?:ms|[smhd]\b)?", "0", rule["expr"]) for rule in rules()
        ]


def inhibitions() -> Iterator[tuple[dict[str, Any], str]]:
    config = yaml.safe_load((FOLDER / "alertmanager.yaml").read_text(encoding="utf-8"))
    for rule in config["inhibit_rules"]:
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]:
            yield rule, matcher


@pytest.mark.parametrize("version", VERSIONS)
def test_amtool_takes_the_example_for_alertmanager(version: str) -> None:
    command = [program("amtool", version), "check-config", str(FOLDER / "alertmanager.yaml")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_example_for_alertmanager_names_alerts_and_labels_that_exist() -> None:
    for rule, matcher in inhibitions():
        assert set(rule["equal"]) <= {"job", "instance", "connection_id"}
        written = re.fullmatch(r'(\w+)!?=~?"(.+)"', matcher)
        assert written, matcher
        label, value = written.groups()
        assert label in {"alertname", "connection_id"}
        if label == "alertname":
            assert all(any(re.fullmatch(name, alert) for alert in ALERTS) for name in value.split("|")), (
                matcher
            )


def test_the_document_lists_every_alert_with_its_durations_and_severity() -> None:
    listed = table()
    assert listed.keys() == ALERTS.keys()
    for name, rule in ALERTS.items():
        assert listed[name][1:4] == [
            rule["for"],
            rule["keep_firing_for"],
            f"`{rule['labels']['severity']}`",
        ], name


def test_the_document_names_what_exists() -> None:
    text = DOCUMENT.read_text("utf-8")
    for code in re.findall(r"```promql\n(.*?)```", text, re.DOTALL):
        assert mistakes(code) == []
    for link in re.findall(r"\]\(([^)#:]+)", text):
        assert (DOCUMENT.parent / link).resolve().exists(), link
    for path in re.findall(r"`(deploy/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`((?:instance|connection|workspace):[\w:]+)`", text):
        assert name in prometheus_series(), name


def test_the_document_lists_every_family_that_may_not_be_left_out() -> None:
    (listed,) = re.findall(
        r"- \*\*Nothing may be left out\*\*(.*?)\n- ", DOCUMENT.read_text("utf-8"), re.DOTALL
    )
    told = re.findall(r"`(?:airbyte_connection)?(_\w+)`", listed)
    asked = {
        name.removeprefix("airbyte_connection").removesuffix("_timestamp_seconds")
        for expression in EXPRESSIONS.values()
        for name in (selector.name for selector in selectors(promql_parser.parse(expression)))
        if name is not None and name.startswith("airbyte_connection_")
    }
    assert sorted(told) == sorted(asked)


def test_the_documents_example_of_inhibition_is_the_file() -> None:
    (shown,) = re.findall(r"```yaml\n(inhibit_rules:\n.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    whole = yaml.safe_load((FOLDER / "alertmanager.yaml").read_text(encoding="utf-8"))["inhibit_rules"]
    assert all(rule in whole for rule in yaml.safe_load(shown)["inhibit_rules"])


def test_selectors_are_those_of_the_table() -> None:
    """No expression hides a name from the checks above, as by matching `__name__`."""
    for name, expression in EXPRESSIONS.items():
        for selector in selectors(promql_parser.parse(expression)):
            assert selector.name, f"{name}: {json.dumps(expression)}"
