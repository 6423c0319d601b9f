"""Logs: what is logged in, lines out."""

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from airbyte_exporter.logs import LogConfig, configure_logging, visible
from tests.terminals import Terminal


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    own = logging.getLogger("airbyte_exporter").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("airbyte_exporter").setLevel(own)
    logging.getLogger("urllib3").setLevel(logging.NOTSET)
    structlog.reset_defaults()


def configured(stream: io.StringIO | None = None, *, is_journal: bool = False, **options: str) -> io.StringIO:
    stream = stream if stream is not None else io.StringIO()
    configure_logging(LogConfig.model_validate(options), stream, is_journal=is_journal)
    return stream


def test_elsewhere_than_on_a_terminal_a_line_is_one_json_object() -> None:
    stream = configured()
    structlog.get_logger("airbyte_exporter.poller").warning("poll failed", loop="jobs", text='a\n"b"')
    line = stream.getvalue()
    assert line.count("\n") == 1
    record = json.loads(line)
    assert list(record) == ["timestamp", "level", "event", "logger", "loop", "text"]
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "level": "warning",
        "event": "poll failed",
        "logger": "airbyte_exporter.poller",
        "loop": "jobs",
        "text": 'a\n"b"',
    }


def test_on_a_terminal_a_line_is_for_people_and_coloured() -> None:
    stream = configured(Terminal())
    structlog.get_logger("airbyte_exporter.poller").info("poll recovered", loop="jobs")
    assert "poll recovered" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()


def test_the_format_can_be_chosen_and_console_elsewhere_has_no_colour() -> None:
    stream = configured(format="console")
    structlog.get_logger("airbyte_exporter.poller").info("poll recovered", loop="jobs")
    logging.getLogger("uvicorn.error").warning("slow peer")
    own, foreign = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[info +\] poll recovered +loop=jobs", own)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[warning +\] slow peer +\[uvicorn.error\]", foreign)
    terminal = configured(Terminal(), format="json")
    structlog.get_logger("airbyte_exporter.poller").info("poll recovered")
    assert json.loads(terminal.getvalue())["event"] == "poll recovered"


def test_libraries_speak_in_the_same_format_from_warnings_on() -> None:
    stream = configured()
    logging.getLogger("apscheduler.scheduler").info("Added job %s", "jobs")
    logging.getLogger("uvicorn.error").warning("slow %s", "peer")
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["logger"], record["level"], record["event"]) == ("uvicorn.error", "warning", "slow peer")


def test_at_debug_libraries_speak_but_never_tell_the_paths_they_call() -> None:
    stream = configured(level="debug")
    logging.getLogger("alembic.runtime").debug("context")
    logging.getLogger("urllib3.connectionpool").debug("POST /services/secret HTTP/1.1")
    assert "context" in stream.getvalue()
    assert "secret" not in stream.getvalue()


def test_the_level_holds_for_our_own_lines() -> None:
    stream = configured(level="error")
    log = structlog.get_logger("airbyte_exporter.poller")
    log.warning("quiet")
    log.error("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_is_one_line_unless_debugging(log_format: str) -> None:
    for level, lines in (("info", 1), ("debug", 2)):
        stream = configured(level=level, format=log_format)
        try:
            os.environ["A\nB"]
        except KeyError:
            structlog.get_logger("airbyte_exporter.poller").exception("loop failed")
        written = stream.getvalue()
        assert "KeyError" in written
        assert ("Traceback" in written) is (lines > 1)
        if level == "info":
            assert written.count("\n") == 1


def test_in_the_journal_a_line_for_people_has_a_priority_and_no_time_of_its_own() -> None:
    stream = configured(is_journal=True, format="console", level="debug")
    log = structlog.get_logger("airbyte_exporter.poller")
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)(f"this is {level}")
    lines = stream.getvalue().splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert [line[3:].split() for line in lines][2] == ["[warning", "]", "this", "is", "warning"]


def test_in_the_journal_an_object_keeps_its_time_for_whoever_collects_it() -> None:
    stream = configured(is_journal=True)
    structlog.get_logger("airbyte_exporter.poller").warning("poll failed", text="a\n<0>b")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("<4>")
    assert json.loads(line[3:])["timestamp"].endswith("Z")


def test_in_the_journal_every_line_of_a_traceback_has_its_priority() -> None:
    stream = configured(is_journal=True, format="console", level="debug")
    try:
        raise ValueError("no")  # noqa: TRY301 - what is logged
    except ValueError:
        structlog.get_logger("airbyte_exporter.poller").exception("loop failed")
    lines = stream.getvalue().splitlines()
    assert len(lines) > 3
    assert {line[:3] for line in lines} == {"<3>"}


def test_text_from_elsewhere_cannot_fake_a_line_on_a_terminal() -> None:
    stream = configured(format="console")
    structlog.get_logger("airbyte_exporter.poller").info(
        "job failed", message="x\n2026 [error] \x1b[2J\ud800"
    )
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert "\\ud800" in stream.getvalue()


def test_configuring_twice_does_not_write_twice() -> None:
    configured()
    stream = configured()
    structlog.get_logger("airbyte_exporter.poller").info("once")
    assert stream.getvalue().count("once") == 1


def test_what_would_move_the_cursor_turn_text_around_or_hide_is_escaped() -> None:
    assert visible("a\tb\x1b[2J\u202e\u2028\ud800") == "a\\tb\\x1b[2J\\u202e\\u2028\\ud800"


@pytest.mark.parametrize(
    "text", ["é 売上\u3000全件", "मराठी क्\u200dष", "👩\u200d💻", "Ventes\xa0: Paris", "🫨 →"]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_a_program_that_uses_the_library_is_not_talked_to() -> None:
    program = """
import logging, sys
from airbyte_exporter.airbyte import _capabilities
_capabilities.log.warning("not wanted", error="x")
logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(name)s %(message)s")
_capabilities.log.debug("not wanted")
_capabilities.log.warning("wanted", error="y")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout == "airbyte_exporter.airbyte._capabilities event='wanted' error='y'\n"
