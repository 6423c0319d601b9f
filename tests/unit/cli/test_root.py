"""The root of the command line: every error is one line and an exit code, options stand where one likes."""

import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from airbyte_exporter import __version__
from airbyte_exporter.cli import command_line
from airbyte_exporter.errors import AirbyteExporterError
from tests.commands import FakeAirbyte

Invoke = Callable[..., Result]

MARKER = "MARKER-of-a-secret"


def test_version(invoke: Invoke) -> None:
    assert invoke("--version").stdout == f"airbyte-exporter {__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("config",), ("jobs",), ("connections",)])
def test_nothing_said_shows_the_help_and_fails(arguments: tuple[str, ...], invoke: Invoke) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: airbyte-exporter")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("job",), "No such command 'job'. Did you mean 'jobs'? (see airbyte-exporter --help)"),
        (("jobs", "lst"), "No such command 'lst'."),
        (("run", "--adopt"), "No such option '--adopt'."),
        (("jobs", "list", "--status", "done"), "Invalid value for '--status'"),
        (("jobs", "list", "x"), "Got unexpected extra argument"),
        (("demo", "--connections", "0"), "Invalid value for '--connections'"),
        (("demo", "--speed", "0"), "Invalid value for '--speed'"),
        (("demo", "--duration", "soon"), "--duration must be a number of seconds"),
        (("--log-level", "loud", "run"), "Invalid value for '--log-level'"),
        (("config", "validate"), "Missing argument 'FILE'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], said: str, invoke: Invoke
) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"airbyte-exporter: {said}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_the_configuration_file_is_named_before_or_after_the_command(
    place: str, invoke: Invoke, airbyte: FakeAirbyte, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("airbyte: {url: https://from-the-file.example}\n")
    arguments = ["connections", "list"]
    arguments[{"before": 0, "between": 1, "after": 2}[place] : 0] = ["--config", str(file)]
    if place != "before":
        arguments = ["connections"] + (
            ["--config", str(file), "list"] if place == "between" else ["list", "--config", str(file)]
        )
    assert invoke(*arguments).exit_code == 0
    assert airbyte.config is not None
    assert airbyte.config.url == "https://from-the-file.example/api/v1"


def test_an_option_after_the_command_wins(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("--log-level", "error", "config", "show", "--log-level", "debug")
    assert "level: debug" in result.stdout


def test_each_problem_of_the_configuration_is_a_line_and_the_exit_code_is_2(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_EXPORTER_AIRBYTE__URLL", "x")
    result = invoke("connections", "list", "--config", tmp_path / "none.yaml")
    assert result.exit_code == 2
    first, second = result.stderr.splitlines()
    assert first.startswith(
        "airbyte-exporter: AIRBYTE_EXPORTER_AIRBYTE__URLL: there is no such setting; did you mean "
    )
    assert second.startswith(
        f"airbyte-exporter: cannot read the configuration file {tmp_path}/none.yaml: no such file"
    )


def test_what_fails_is_one_line_and_a_traceback_only_at_debug(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.error = AirbyteExporterError("Airbyte is away")
    plain = invoke("connections", "list")
    assert (plain.exit_code, plain.stderr) == (1, "airbyte-exporter: Airbyte is away\n")
    debug = invoke("connections", "list", "--log-level", "debug")
    assert debug.exit_code == 1
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith("airbyte-exporter: Airbyte is away\n")


def test_debug_can_come_from_the_configuration(
    invoke: Invoke, airbyte: FakeAirbyte, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_EXPORTER_LOG__LEVEL", "debug")
    airbyte.error = AirbyteExporterError("Airbyte is away")
    assert "Traceback" in invoke("connections", "list").stderr


def test_an_unexpected_error_is_told_without_its_text(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.error = KeyError(MARKER)
    result = invoke("connections", "list")
    assert result.exit_code == 1
    assert result.stderr.startswith("airbyte-exporter: internal error: KeyError in cli/_connections.py line ")
    assert result.stderr.endswith("; run it again with --log-level debug to see more\n")
    assert MARKER not in result.output


def test_ctrl_c_during_a_listing_is_not_a_traceback(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.error = KeyboardInterrupt()
    result = invoke("connections", "list")
    assert result.exit_code == 130
    assert result.stderr == "\nairbyte-exporter: interrupted\n"
    assert airbyte.closed


def test_within_another_program_errors_are_raised() -> None:
    with pytest.raises(click.UsageError):
        command_line.main(["nothing"], standalone_mode=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("run", "-h"),
        ("demo", "--help"),
        ("simulate", "--help"),
        ("config", "show", "--help"),
        ("config", "validate", "--help"),
        ("connections", "list", "--help"),
        ("jobs", "list", "--help"),
    ],
)
def test_every_command_explains_itself_and_takes_a_configuration_file(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(command_line, arguments)
    assert result.exit_code == 0
    assert "--config FILE" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_it_also_runs_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from airbyte_exporter.__main__ import main  # noqa: PLC0415 - the module is what is tested

    monkeypatch.setattr(sys, "argv", ["airbyte-exporter", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"airbyte-exporter {__version__}\n"
