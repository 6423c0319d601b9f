"""``config show`` and ``config validate``."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

Invoke = Callable[..., Result]

MARKER = "MARKER-of-a-secret"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration with secrets in every place."""
    (tmp_path / "secret").write_text(f"{MARKER}\n")
    file = tmp_path / "config.yaml"
    file.write_text(
        f"airbyte:\n  name: 'yes'\n  client_id: {MARKER}\n  client_secret_file: secret\n"
        f"  proxy: http://user:{MARKER}@proxy:3128\nalerts: {{webhook_url: 'https://h.example/{MARKER}'}}\n"
    )
    return file


def test_show_is_yaml_with_the_origin_of_each_value_and_no_secret(
    file: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_EXPORTER_POLL__LOOKBACK", "2d")
    result = invoke("config", "show", "--config", file, "--log-level", "warning")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = yaml.safe_load(result.stdout)
    assert list(shown) == ["airbyte", "poll", "state", "web", "metrics", "alerts", "log"]
    assert shown["airbyte"]["name"] == "yes"
    assert shown["airbyte"]["client_id"] == shown["airbyte"]["client_secret"] == "**********"
    assert shown["alerts"]["webhook_url"] == shown["airbyte"]["proxy"] == "**********"
    assert shown["airbyte"]["token"] is None
    origins = {
        line.split(":")[0].strip(): line.split("  # ")[1]
        for line in result.stdout.splitlines()
        if "#" in line
    }
    assert origins["client_id"] == f"{file} line 3"
    assert origins["client_secret"] == f"file {file.parent}/secret, {file} line 4"
    assert origins["lookback"] == "AIRBYTE_EXPORTER_POLL__LOOKBACK"
    assert origins["level"] == "command line"
    assert origins["timeout"] == "default"
    assert MARKER not in result.output


def test_show_indents_what_has_a_name_and_says_where_each_part_is_from(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        f"alerts:\n  receivers:\n    oncall: {{url: 'https://h.example/{MARKER}'}}\n"
        "  rules: {SYNCFAILED: {for: 30m}}\n"
        "  routes:\n    - {match: {tag: gold}, receivers: oncall, continue: yes}\n    - receivers: []\n"
    )
    monkeypatch.setenv("AIRBYTE_EXPORTER_ALERTS__RECEIVERS__CHAT__URL", f"https://h.example/{MARKER}")
    result = invoke("config", "show", "--config", file)
    assert (result.exit_code, result.stderr) == (0, "")
    shown = yaml.safe_load(result.stdout)["alerts"]
    assert shown["rules"]["SyncFailed"] == {
        "enabled": True,
        "severity": "warning",
        "for": "30m",
        "repeat": None,
        "together": 20,
    }
    receiver = {
        "type": "webhook",
        "ca_file": None,
        "allow_link_local": False,
        "url": "**********",
        "secret": None,
        "content_type": "application/json",
        "template": None,
    }
    assert shown["receivers"] == {"oncall": receiver, "chat": receiver}
    assert shown["routes"] == [
        {"receivers": ["oncall"], "match": {"tag": ["gold"]}, "continue": True},
        {"receivers": []},
    ]
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for line in (
        f"for: 30m # {file} line 4",
        f"url: '**********' # {file} line 3",
        "url: '**********' # AIRBYTE_EXPORTER_ALERTS__RECEIVERS__CHAT__URL",
        f"routes: # {file} line 6",
        "- {receivers: []}",
    ):
        assert line in lines
    assert MARKER not in result.output


def test_show_says_the_same_twice(file: Path, invoke: Invoke) -> None:
    assert (
        invoke("config", "show", "--config", file).stdout == invoke("--config", file, "config", "show").stdout
    )


def test_what_show_prints_is_a_configuration_file(invoke: Invoke, tmp_path: Path) -> None:
    first = invoke("config", "show").stdout
    (tmp_path / "config.yaml").write_text(first)
    second = invoke("config", "show", "--config", tmp_path / "config.yaml").stdout
    assert second != first
    assert yaml.safe_load(second)["poll"] == yaml.safe_load(first)["poll"]
    assert yaml.safe_load(second)["airbyte"] == yaml.safe_load(first)["airbyte"]


def test_validate_says_that_a_file_is_fine(file: Path, invoke: Invoke) -> None:
    result = invoke("config", "validate", file)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{file}: fine\n", "")


def test_validate_tells_every_problem(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"airbyte:\n  tokn: {MARKER}\n  timeout: {MARKER}\n")
    result = invoke("config", "validate", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 2
    assert MARKER not in result.stderr


def test_validate_looks_into_the_web_configuration_too(invoke: Invoke, tmp_path: Path) -> None:
    file, web = tmp_path / "config.yaml", tmp_path / "web.yml"
    file.write_text("web: {config_file: web.yml}\n")
    web.write_text(f"basic_auth_users:\n  alice: {MARKER}\n")
    result = invoke("config", "validate", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{web} line 2: basic_auth_users.alice: must be the password's bcrypt hash" in result.stderr
    assert MARKER not in result.stderr
    web.write_text("basic_auth_users: {}\n")
    assert invoke("config", "validate", file).exit_code == 0


def test_validate_counts_the_environment_as_run_does(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("airbyte: {client_id: x}\n")
    assert invoke("config", "validate", file).exit_code == 2
    monkeypatch.setenv("AIRBYTE_EXPORTER_AIRBYTE__CLIENT_SECRET", "y")
    assert invoke("config", "validate", file).exit_code == 0
