"""`check` as people see it: a line for each step, marks that the terminal can write, and an exit code."""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from rich.cells import cell_len

from airbyte_exporter.check import Outcome, Step
from airbyte_exporter.cli import _check
from tests.commands import FakeAirbyte
from tests.terminals import Terminal

Invoke = Callable[..., Result]

FINE = (
    Step("address", Outcome.OK, "http://airbyte.test/api/v1: Airbyte 2.0.0, community"),
    Step("workspaces", Outcome.OK, "2: Données, 日本語のワークスペース"),
)
BROKEN = (
    *FINE,
    Step("permission", Outcome.WARNING, "jobs/list: " + "word " * 30 + "end", "ask an administrator"),
    Step("state", Outcome.FAILED, "the state \x1b[31m cannot be opened", "let this user write to it " * 5),
    Step("web", Outcome.SKIPPED, "not checked: the state comes first"),
)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """What is found out, to be filled by a test."""
    found: list[Step] = []

    def check(*_: object, **__: object) -> Iterator[Step]:
        yield from found

    monkeypatch.setattr(_check, "check", check)
    return found


def test_a_line_for_each_step_in_a_pipe(steps: list[Step], invoke: Invoke, airbyte: FakeAirbyte) -> None:
    steps += BROKEN
    result = invoke("check")
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "✓ address        http://airbyte.test/api/v1: Airbyte 2.0.0, community"
    assert lines[2].startswith("! permission     jobs/list: word word")
    assert lines[2].endswith("word end → ask an administrator")
    assert lines[3].startswith("✗ state          the state \\x1b[31m cannot be opened → let this user")
    assert lines[4] == "– web            not checked: the state comes first"  # noqa: RUF001 - the mark
    assert lines[5:] == ["", "`airbyte-exporter run` could not do its job: 1 of these failed."]
    assert airbyte.closed


@pytest.mark.parametrize(
    ("found", "code", "verdict"),
    [
        (FINE, 0, "can do all of its job."),
        (BROKEN[:3], 0, "can do its job."),
        (BROKEN, 1, "could not do its job: 1 of these failed."),
    ],
)
def test_the_exit_code_tells_whether_run_could_do_its_job(
    found: tuple[Step, ...], code: int, verdict: str, steps: list[Step], invoke: Invoke
) -> None:
    steps += found
    result = invoke("check")
    assert result.exit_code == code
    assert result.stdout.splitlines()[-1] == f"`airbyte-exporter run` {verdict}"
    assert invoke("check", "--output", "json").exit_code == code


def test_json_is_a_list_of_steps(steps: list[Step], invoke: Invoke) -> None:
    steps += BROKEN
    result = invoke("check", "-o", "json")
    found = json.loads(result.stdout)
    assert [each["step"] for each in found] == ["address", "workspaces", "permission", "state", "web"]
    assert [each["outcome"] for each in found] == ["ok", "ok", "warning", "failed", "skipped"]
    assert found[0] == {
        "step": "address",
        "outcome": "ok",
        "seen": "http://airbyte.test/api/v1: Airbyte 2.0.0, community",
        "advice": None,
    }
    assert found[2]["advice"] == "ask an administrator"


def on_terminal(steps: tuple[Step, ...], terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(sys, "stdout", terminal)
    paper = _check._Paper(terminal)
    for step in steps:
        paper.print(step)
    return terminal.getvalue().splitlines()


def test_lines_hang_below_what_they_belong_to_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in on_terminal(BROKEN, Terminal(), monkeypatch)]
    assert max(cell_len(line) for line in lines) <= 80
    names = [line.split()[1] for line in lines if not line.startswith(" ")]
    assert names == [step.name for step in BROKEN]
    assert all(line[:17] == " " * 17 and line[17] != " " for line in lines if line.startswith(" "))
    assert any(line.strip().startswith("→ ask an administrator") for line in lines)
    assert "\x1b" not in "".join(lines), "what comes from elsewhere moves nothing"


def test_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    lines = on_terminal(BROKEN, Terminal(), monkeypatch)
    assert "\x1b[32m✓\x1b[0m" in lines[0]
    assert any("\x1b[1;31m✗\x1b[0m" in line for line in lines)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "no-such-encoding"])
def test_an_encoding_that_lacks_the_marks(encoding: str) -> None:
    class Old(io.StringIO):
        @property
        def encoding(self) -> str:  # type: ignore[override]
            return encoding

    old = Old()
    paper = _check._Paper(old)
    for step in BROKEN:
        paper.print(step)
    lines = old.getvalue().splitlines()
    assert [line[0] for line in lines] == ["+", "+", "!", "x", "-"]
    assert lines[2].endswith("word end -> ask an administrator")


def test_a_configuration_that_cannot_be_used_is_told_as_everywhere(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRBYTE_EXPORTER_AIRBYTE__UR", "http://x")
    result = invoke("check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "AIRBYTE_EXPORTER_AIRBYTE__URL" in result.stderr
    assert result.stderr.count("\n") == 1
