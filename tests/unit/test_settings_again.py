"""What was read once is read the same again: from the same places, and from what ``config show`` prints."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import certifi
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._config import _as_yaml
from airbyte_exporter.settings import Option, Settings, describe, find_option, load_settings, options

Values = Mapping[str, str]

WAYS_TO_AUTHENTICATE: Final[Mapping[str, Values]] = {
    "basic": {"airbyte.username": "etl", "airbyte.password": 'it\'s #1: "secret"'},
    "bearer": {"airbyte.token": "a-token"},
    "client credentials": {"airbyte.client_id": "an-id", "airbyte.client_secret": "a-secret"},
}

VALUES: Final[Values] = {
    "airbyte.name": "yes: #1 'Größe'",
    "airbyte.url": "https://airbyte.example.com/api/v1",
    "airbyte.api": "config",
    "airbyte.workspace_ids": "5ae6b09b-fdec-41af-aaf7-7d94cfc33ef6,9d2b6f6e-0000-4000-8000-0000000000f1",
    "airbyte.ui_url": "https://airbyte.example.com/ui",
    "airbyte.timeout": "12.5",
    "airbyte.ca_file": "tls/ca.pem",
    "airbyte.client_cert_file": "/tls/client.pem",
    "airbyte.client_key_file": "/tls/client key.pem",
    "airbyte.insecure_skip_verify": "true",
    "airbyte.proxy": "http://user:password@proxy:3128",
    "airbyte.max_concurrency": "2",
    "airbyte.requests_per_second": "0.05",
    "poll.jobs_interval": "45s",
    "poll.inventory_interval": "1234567",
    "poll.lookback": "36h",
    "poll.jobs_max_staleness": "1h",
    "poll.inventory_max_staleness": "60d",
    "state.url": "sqlite:////var/lib/state of it.db",
    "state.retention": "200000.125",
    "web.listen_address": "[::1]:9",
    "web.config_file": "web.yml",
    "metrics.exclude": "airbyte_jobs,airbyte_connection_*_emitted*",
    "metrics.max_connections": "500",
    "metrics.created": "true",
    "alerts.interval": "20",
    "alerts.notify_existing": "yes",
    "alerts.webhook_url": "https://hooks.example.com/a?b=c#d",
    "alerts.webhook_secret": "whsec_c2VjcmV0c2VjcmV0c2VjcmV0",
    "alerts.rules.SyncFailed.enabled": "false",
    "alerts.rules.SyncFailed.severity": "critical",
    "alerts.rules.SyncFailed.for": "90",
    "alerts.rules.SyncFailed.repeat": "2h",
    "alerts.rules.SyncFailed.together": "7",
    "alerts.rules.AutoDisableSoon.failures": "15",
    "alerts.rules.AutoDisableSoon.without_success": "3d",
    "alerts.rules.SyncFailing.consecutive": "4",
    "alerts.rules.NeverSucceeded.after": "2d",
    "alerts.rules.SyncOverdue.grace": "10m",
    "alerts.rules.SyncOverdue.max_age": "6h",
    "alerts.rules.JobStuckPending.after": "1h",
    "alerts.rules.JobStuckPending.many": "9",
    "alerts.rules.NotificationsFailing.after": "5m",
    **{
        f"alerts.rules.{rule}.{key}": value
        for rule, severity in (
            ("AutoDisableSoon", "warning"),
            ("SyncFailing", "warning"),
            ("NeverSucceeded", "critical"),
            ("SyncOverdue", "critical"),
            ("BreakingSchemaChange", "warning"),
            ("ConnectionDisabled", "warning"),
            ("JobStuckPending", "critical"),
            ("AirbyteUnreachable", "warning"),
            ("NotificationsFailing", "warning"),
        )
        for key, value in {"enabled": "false", "severity": severity, "for": "90", "repeat": "2h"}.items()
    },
    "alerts.receivers.oncall.type": "webhook",
    "alerts.receivers.oncall.url": "https://oncall.example.com/#1",
    "alerts.receivers.oncall.secret": "whsec_b25jYWxsb25jYWxsb25jYWxs",
    "alerts.receivers.oncall.headers.x-api-key": "it's a key: #1",
    "alerts.receivers.oncall.ca_file": certifi.where(),
    "alerts.receivers.oncall.allow_link_local": "true",
    "alerts.receivers.oncall.content_type": "text/plain; charset=utf-8",
    "alerts.receivers.oncall.template": "{{ data.summary }}\n{{ data.description }}: #1",
    "alerts.receivers.managers.type": "alertmanager",
    "alerts.receivers.managers.urls": "https://one.example:9093,http://two.example/prefix",
    "alerts.receivers.managers.username": "yes",
    "alerts.receivers.managers.password": 'it\'s #1: "secret"',
    "alerts.receivers.tokens.type": "alertmanager",
    "alerts.receivers.tokens.urls": "https://one.example:9093",
    "alerts.receivers.tokens.token": "a-token",
    "log.level": "debug",
    "log.format": "json",
}
"""A value for every option that is not its default, as a variable holds it."""

ONLY_IN_FILES: Final = {"alerts.routes", "alerts.overrides"}
ONLY_ONE_VALUE: Final = {"alerts.receivers.oncall.type"}


def environ(values: Values) -> dict[str, str]:
    return {option_called(name).variable: value for name, value in values.items()}


def option_called(name: str) -> Option:
    option = find_option(name)
    assert option is not None, name
    return option


def put_back(shown: str, secrets: Values, folder: Path) -> Path:
    """Write what was shown to a file, each secret in one of its own in the place of its mask."""
    lines: list[str] = []
    way: list[str] = []
    for line in shown.splitlines():
        if found := re.match(r"( *)([\w-]+):", line):
            way[len(found[1]) // 2 :] = [found[2]]
        if found := re.match(r"( *[\w-]+): '\*+'", line):
            name = ".".join(way)
            (folder / name).write_text(secrets[name])
            line = f"{found[1]}_file: {name}"  # noqa: PLW2901  # that line in its place
        lines.append(line)
    file = folder / "again.yaml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[[Values], str]:
    """Print the configuration that variables make, as the command does."""

    def run(values: Values) -> str:
        for variable, value in environ(values).items():
            monkeypatch.setenv(variable, value)
        result = CliRunner().invoke(command_line, ["config", "show"])
        assert (result.exit_code, result.stderr) == (0, "")
        for variable in environ(values):
            monkeypatch.delenv(variable)
        return result.stdout

    return run


def test_there_is_a_value_for_every_option() -> None:
    named = re.compile(r"(?<=receivers\.)\w+(?=\.)")
    told = {
        named.sub("<name>", name).replace("x-api-key", "<header>")
        for name in {*VALUES}.union(*WAYS_TO_AUTHENTICATE.values())
    }
    assert told | ONLY_IN_FILES == set(options()), "give the new option a value above"


@pytest.mark.parametrize("way", WAYS_TO_AUTHENTICATE)
def test_what_is_shown_is_read_again_the_same(
    way: str, show: Callable[[Values], str], tmp_path: Path
) -> None:
    values = {**VALUES, **WAYS_TO_AUTHENTICATE[way]}
    first = load_settings(config_file=None, environ=environ(values))
    defaults = load_settings(config_file=None, environ={})
    for name in values.keys() - ONLY_ONE_VALUE:
        assert value(first, name) != value(defaults, name), f"{name} is at its default"

    shown = show(values)
    again = load_settings(config_file=put_back(shown, values, tmp_path), environ={})
    for name in values:
        before = value(first, name)
        if option_called(name).is_path:  # what was relative has become absolute, and stays
            before = str(Path(str(before)).absolute())
        assert value(again, name) == before, name
    assert [it.value for it in describe(again)] == [it.value for it in describe(first)]


def value(settings: Settings, name: str) -> object:
    """Return what an option comes to, ``None`` where nothing of that name is set up."""
    found: Any = settings
    for part in name.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif found is not None:
            found = getattr(found, "for_" if part == "for" else part)
    return found


def test_routes_are_shown_so_that_they_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(
        "alerts:\n"
        "  receivers: {oncall: {url: 'http://a'}, data: {url: 'http://b'}}\n"
        "  routes:\n"
        "    - {receivers: [oncall], match: {severity: critical, connection: 'Größe *'}, continue: true}\n"
        "    - receivers: [data]\n"
    )
    first = load_settings(config_file=file, environ={})
    shown = re.sub(r"url: '\*+'", "url: 'http://c'", _as_yaml(first))
    file.write_text(shown, encoding="utf-8")
    assert load_settings(config_file=file, environ={}).alerts.routes == first.alerts.routes


def test_the_same_places_twice_are_equal(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("airbyte: {name: one, token: x}\nmetrics: {exclude: [airbyte_jobs]}\n")
    variables = environ({"log.level": "error"})
    first, second = (load_settings(config_file=file, environ=variables) for _ in range(2))
    assert first == second
    assert hash(first.metrics) == hash(second.metrics)
    assert [first.origin(name) for name in options()] == [second.origin(name) for name in options()]
    assert first != load_settings(config_file=file, environ=environ({"log.level": "info"}))
    assert first != load_settings(config_file=file, environ={}, overrides={"log.level": "error"})


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
SECONDS = st.floats(0.001, 1e9) | st.integers(1, 10**9)
DRAWN: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "airbyte.name": NAMES,
    "airbyte.requests_per_second": st.floats(0.001, 1e300),
    "airbyte.insecure_skip_verify": st.booleans(),
    "airbyte.ca_file": NAMES.map(lambda name: str(Path(f"/{name}"))),
    "airbyte.workspace_ids": st.lists(st.uuids().map(str), unique=True),
    "poll.lookback": SECONDS,
    "poll.jobs_interval": st.floats(0.001, 190),
    "state.retention": st.floats(2 * 86400, 1e9),
    "alerts.interval": SECONDS,
    "metrics.exclude": st.lists(st.sampled_from(["*", "airbyte_jobs", "python_[a-z]*"])),
    "metrics.max_connections": st.none() | st.integers(1, 10**12),
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({"airbyte.name": "\x85"})
@example({"airbyte.name": "one\ntwo\u2028three "})
@given(st.fixed_dictionaries({}, optional=dict(DRAWN)))
def test_whatever_is_set_is_shown_so_that_it_is_read_again(
    tmp_path: Path, drawn: Mapping[str, object]
) -> None:
    first = load_settings(config_file=None, environ={}, overrides=drawn)
    assert first == load_settings(config_file=None, environ={}, overrides=drawn)
    file = tmp_path / "again.yaml"
    file.write_text(_as_yaml(first), encoding="utf-8")
    again = load_settings(config_file=file, environ={})
    assert again.model_dump() == first.model_dump()
    assert [it.value for it in describe(again)] == [
        it.value if it.option.name != "state.url" else "**********" for it in describe(first)
    ]
