"""The document about configuration is in step with the code, and its example can be used."""

import re
from pathlib import Path

import pytest
import yaml

from airbyte_exporter.alerts import Match
from airbyte_exporter.settings import load_settings, options
from docs import build
from tests.requirements import ROOT

DOCS = ROOT / "docs"
EXAMPLE = DOCS / "config.example.yaml"


def test_the_document_is_what_the_code_says() -> None:
    assert build.configuration() == (DOCS / "configuration.md").read_text(encoding="utf-8"), (
        "run docs/build.py"
    )


def test_every_option_is_documented_once() -> None:
    rows = re.findall(r"^\| `(\w+\.[\w.<>]+)`(?:<br>`([\w<>]+)`)? \|", build.configuration(), re.MULTILINE)
    expected = [(option.name, "" if option.item else option.variable) for option in options().values()]
    assert sorted(row for row in rows if not row[0].startswith("match.")) == sorted(expected)


def test_every_key_of_a_route_is_documented() -> None:
    table = build.configuration().partition("### Each of `alerts.routes`")[2].partition("##")[0]
    match = (
        "workspace",
        "tag",
        "source_connector",
        "destination_connector",
        "connection",
        "severity",
        "rule",
    )
    assert re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE) == [
        "receivers", "match", *(f"match.{key}" for key in match), "continue",
    ]  # fmt: skip


@pytest.mark.parametrize("name", options())
def test_a_description_is_sentences(name: str) -> None:
    assert re.fullmatch(r"[A-Z`][^\n|]*[.`]", options()[name].declared.description or "")


def test_the_example_can_be_used_once_its_secrets_are_written_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    values = {
        "webhook-url": "https://hooks.example.com/airbyte",
        "webhook-secret": "whsec_c2VjcmV0c2VjcmV0c2VjcmV0",
    }
    for secret in re.findall(r"^#   printf .* > secrets/([\w-]+)", EXAMPLE.read_text("utf-8"), re.MULTILINE):
        (tmp_path / "secrets" / secret).write_text(values.get(secret, "secret"))
    file = tmp_path / "config.yaml"
    file.write_text(EXAMPLE.read_text(encoding="utf-8"))
    settings = load_settings(config_file=file, environ={})
    assert settings.airbyte.auth == "client-credentials"
    assert settings.alerts.webhook is not None
    # What it shows beside credentials and addresses are the defaults.
    defaults = load_settings(config_file=None, environ={})
    assert settings.poll == defaults.poll
    assert settings.state.retention == defaults.state.retention
    assert set(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))) == set(defaults.model_dump())


ALERTS = (DOCS / "alerts.md").read_text(encoding="utf-8")


def test_the_example_of_alerts_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "oncall-url").write_text("https://hooks.example.com/oncall\n")
    (tmp_path / "secrets" / "oncall-key").write_text("whsec_c2VjcmV0c2VjcmV0c2VjcmV0\n")
    example = re.findall(r"```yaml\n(.*?)```", ALERTS, re.DOTALL)[0]
    file = tmp_path / "config.yaml"
    file.write_text(example)
    variables = dict(re.findall(r"^    (AIRBYTE_EXPORTER_\w+)=(\S+)$", ALERTS, re.MULTILINE))
    assert len(variables) == 2
    from_file, from_variables = (
        load_settings(config_file=path, environ=environ).alerts
        for path, environ in ((file, {}), (None, variables))
    )
    assert list(from_file.all_receivers) == ["oncall", "chat"]
    assert [route.receivers for route in from_file.routes] == [(), ("oncall",), ("chat",)]
    assert from_variables.receivers["chat"] == from_file.receivers["chat"]
    assert from_variables.rules.SyncFailed.for_ == from_file.rules.SyncFailed.for_ == 1800


def test_the_example_of_overrides_can_be_used(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(alerts:\n  overrides:.*?)```", ALERTS, re.DOTALL)
    file = tmp_path / "config.yaml"
    file.write_text(example)
    gold, often, backfill = load_settings(config_file=file, environ={}).alerts.overrides
    assert gold.match.tag == ("gold",)
    assert set(gold.rules) == {"SyncOverdue"}
    assert often.rules["SyncFailing"] == {"consecutive": 12}
    assert set(backfill.rules) == {"SyncOverdue", "NeverSucceeded"}


def test_every_way_to_match_is_explained() -> None:
    assert [key for key in Match.model_fields if f"`{key}`" not in ALERTS] == []
