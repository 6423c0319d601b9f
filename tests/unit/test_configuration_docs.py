"""The document about configuration is in step with the code, and its example can be used."""

import re
from pathlib import Path

import pytest
import yaml

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
    documented = re.findall(r"^\| `(\w+\.\w+)`<br>`(\w+)` \|", build.configuration(), re.MULTILINE)
    assert documented == [(option.name, option.variable) for option in options().values()]


@pytest.mark.parametrize("name", options())
def test_a_description_is_sentences(name: str) -> None:
    assert re.fullmatch(r"[A-Z`][^\n|]*[.`]", options()[name].declared.description or "")


def test_the_example_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for secret, value in {
        "client-id": "id",
        "client-secret": "secret",
        "webhook-url": "https://hooks.example.com/airbyte",
        "webhook-secret": "whsec_c2VjcmV0c2VjcmV0c2VjcmV0",
    }.items():
        (tmp_path / "secrets" / secret).write_text(f"{value}\n")
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
