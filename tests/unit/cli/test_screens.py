"""What the demo and slow listings show."""

import errno
import io
from pathlib import Path
from typing import Any

import pytest

from airbyte_exporter.cli import _airbyte
from airbyte_exporter.cli._screen import Screen, progress_line
from airbyte_exporter.cli._shared import typed_again
from tests.terminals import Terminal

FIRING: dict[str, Any] = {
    "type": "alert.firing",
    "data": {
        "rule": "SyncFailed",
        "connection": {"name": "Orders → \x1b[2JSnowflake, all the tables of the shop"},
        "instance": "demo",
        "job": {
            "failure": {"origin": "source", "type": "config_error", "message": "Invalid\nAPI key " + "x" * 80}
        },
    },
}
RESOLVED: dict[str, Any] = {
    "type": "alert.resolved",
    "data": {
        "rule": "SyncFailed",
        "connection": {"name": "売上"},
        "reason": "succeeded",
        "starts_at": "2026-01-31T12:00:00Z",
        "ends_at": "2026-01-31T12:02:05Z",
        "job": None,
    },
}


def gone() -> None:
    pytest.fail("somebody reads the output")


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *messages: dict[str, Any]) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout", stream)
    with Screen(gone) as screen:
        for message in messages:
            screen.show_message(message)
        screen.show_end()
    return stream.getvalue().splitlines()


def test_in_a_pipe_a_message_is_one_plain_line_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    firing, resolved, end = shown(monkeypatch, io.StringIO(), FIRING, RESOLVED)
    assert firing[8:] == (
        "  FIRING    SyncFailed  Orders → \\x1b[2JSnowflake, all the tables of the shop"
        "  source config_error: Invalid API key " + "x" * 80
    )
    assert resolved[8:] == "  RESOLVED  SyncFailed  売上  succeeded after 2m 5s"
    assert end == "Stopped. 1 alert fired, 1 resolved. Nothing is left behind."


def test_on_a_terminal_a_failure_stands_below_its_message_and_both_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    firing, failure, resolved, _end = map(_plain, shown(monkeypatch, Terminal(), FIRING, RESOLVED))
    assert firing[8:] == "  FIRING    SyncFailed  Orders → \\x1b[2JSnowflake, all the tables of th…"
    assert failure.startswith("          source config_error: Invalid API key x")
    assert (len(firing), len(failure), failure[-1]) == (80, 80, "…")
    assert resolved[8:] == "  RESOLVED  SyncFailed  売上  succeeded after 2m 5s"


def test_on_a_terminal_what_fires_is_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    firing, _failure, resolved, _end = shown(monkeypatch, Terminal(), FIRING, RESOLVED)
    assert "\x1b[1;31m  FIRING" in firing
    assert "\x1b[1;32m  RESOLVED" in resolved


def test_what_arrives_after_the_end_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    screen = Screen(gone)
    screen.show_end()
    screen.show_message(FIRING)
    assert stream.getvalue() == "Stopped. 0 alerts fired, 0 resolved. Nothing is left behind.\n"


def test_when_nobody_reads_any_more_the_demo_is_asked_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.EIO, "the terminal was closed")

    asked: list[bool] = []
    monkeypatch.setattr("sys.stdout", Broken())
    Screen(lambda: asked.append(True)).show_message(FIRING)
    assert asked == [True]


@pytest.mark.parametrize("width", [50, 80, 200])
def test_the_introduction_can_be_copied_into_a_shell(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr("sys.argv", [str(Path.cwd() / ".venv" / "bin" / "airbyte-exporter"), "demo"])
    Screen(gone).show_introduction("http://127.0.0.1:10980", "http://127.0.0.1:8001", 12, 60)
    lines = [_plain(line) for line in stream.getvalue().splitlines()]
    assert max(map(len, lines)) <= min(80, width)
    assert "   .venv/bin/airbyte-exporter jobs list" in [line.rstrip() for line in lines]
    without_breaks = "".join("".join(lines).split())
    assert "exportAIRBYTE_EXPORTER_AIRBYTE__URL=http://127.0.0.1:8001" in without_breaks
    assert "http://127.0.0.1:10980/metrics" in without_breaks


@pytest.mark.parametrize(
    ("called", "again"),
    [
        ("/usr/local/bin/airbyte-exporter", "airbyte-exporter"),
        ("/opt/some where/airbyte-exporter", "'/opt/some where/airbyte-exporter'"),
        ("/opt/airbyte_exporter/__main__.py", "/opt/python -m airbyte_exporter"),
        ("/usr/bin/pytest", "airbyte-exporter"),
    ],
)
def test_commands_to_copy_name_the_program_as_it_was_called(
    called: str, again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.setattr("sys.executable", "/opt/python")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/local/bin/{name}")
    assert typed_again() == again


def test_in_a_pipe_the_introduction_is_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    Screen(gone).show_introduction("http://127.0.0.1:10980", "http://127.0.0.1:8001", 1, 1)
    assert stream.getvalue().splitlines()[:3] == [
        "A simulated Airbyte with 1 connection is at work, and the exporter watches it.",
        "  Status page    http://127.0.0.1:10980/",
        "  Metrics        http://127.0.0.1:10980/metrics",
    ]


def test_on_a_terminal_the_last_line_tells_how_far_things_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        monkeypatch.setattr("sys.stdout", stream)
        with Screen(gone) as screen:
            screen.show_progress("12 connections, 2 at work; so far nothing")
            screen.show_progress("12 connections, 3 at work; so far nothing")
            screen.show_message(RESOLVED)
    assert "12 connections, 3 at work;…" in terminal.getvalue()
    assert "so far" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K"), "the cursor is back, the line is gone"
    assert "connections" not in pipe.getvalue()


def test_the_last_line_counts_syncs_and_records() -> None:
    def connection(active_job: object, records: int | None) -> dict[str, Any]:
        return {"active_job": active_job, "counters": {"records_synced": records}}

    def completed(job_type: str, status: str, jobs: int) -> dict[str, Any]:
        return {"job_type": job_type, "status": status, "jobs": jobs}

    status = {
        "connections": [connection(None, 1000), connection({"id": 1}, 234), connection(None, None)],
        "completed": [
            completed("sync", "succeeded", 4),
            completed("sync", "succeeded", 2),
            completed("sync", "failed", 1),
            completed("reset", "failed", 9),
        ],
    }
    assert progress_line(status) == ("3 connections, 1 at work; so far 7 syncs, 1 failed, 1.23k records")


def _plain(line: str) -> str:
    return "".join(
        part.partition("m")[2] if index else part for index, part in enumerate(line.split("\x1b["))
    )


@pytest.mark.parametrize(("stream", "seen"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_slow_answer_shows_on_a_terminal_that_something_goes_on(
    stream: io.StringIO, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(_airbyte, "Timer", ImmediateTimer)
    with _airbyte.progress("Reading the jobs …"):
        pass
    assert ("Reading the jobs" in stream.getvalue()) is seen


def test_a_quick_answer_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with _airbyte.progress("Reading the jobs …"):
        pass
    assert "Reading" not in stream.getvalue()


class ImmediateTimer:
    """A timer whose time is up at once."""

    daemon = False

    def __init__(self, seconds: float, function: Any) -> None:  # noqa: ANN401 - as threading.Timer
        assert seconds == 2
        self._function = function

    def start(self) -> None:
        self._function()

    def cancel(self) -> None:
        """Too late."""

    def join(self) -> None:
        """Over already."""
