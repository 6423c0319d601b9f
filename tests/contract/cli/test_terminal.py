"""What people see at a terminal: tables that fit, colour, and lists that are watched."""

import json
import os
import pty
import re
import select
import signal
import subprocess

import pytest
from rich.cells import cell_len

from tests.contract.cli.processes import COMMAND, run


def on_a_terminal(
    command: list[str], environment: dict[str, str], columns: int, *, until: str | None = None
) -> str:
    """Run a command with a terminal as its output, and return what it wrote there.

    With `until`, press Ctrl-C when it has written that.
    """
    parent, child = pty.openpty()
    size = environment | {"COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"}
    process = subprocess.Popen(command, env=size, stdout=child, stderr=child, stdin=child)
    os.close(child)
    written = b""
    while select.select([parent], [], [], 60)[0]:
        try:
            chunk = os.read(parent, 65536)
        except OSError:
            break
        if not chunk:
            break
        written += chunk
        if until is not None and until.encode() in written:
            process.send_signal(signal.SIGINT)
            until = None
    os.close(parent)
    assert process.wait(timeout=10) == 0
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(("columns", "no_color"), [(80, False), (140, True)])
def test_on_a_terminal_a_table_fits_and_has_colour(
    columns: int, no_color: bool, airbyte: str, environment: dict[str, str]
) -> None:
    variables = (
        environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte} | ({"NO_COLOR": "1"} if no_color else {})
    )
    written = on_a_terminal([*COMMAND, "connections", "list"], variables, columns)
    assert ("\x1b[32m" in written) is not no_color
    lines = re.sub(r"\x1b\[[0-9;]*m", "", written).splitlines()
    assert lines[0].startswith("NAME")
    assert ("WORKSPACE" in lines[0]) is (columns == 140)
    assert len(lines) == 2 + 3
    assert max(cell_len(line) for line in lines) <= columns


@pytest.mark.parametrize("what", ["workspaces", "sources", "destinations"])
def test_what_else_airbyte_has_fits_a_terminal(what: str, airbyte: str, environment: dict[str, str]) -> None:
    variables = environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte}
    lines = re.sub(r"\x1b\[[0-9;]*m", "", on_a_terminal([*COMMAND, what, "list"], variables, 80)).splitlines()
    assert lines[0].startswith("NAME")
    assert max(map(cell_len, lines)) <= 80
    records = json.loads(run(what, "list", "--output", "json", env=variables).stdout)
    assert len(lines) == 2 + len(records) > 2


def test_a_connection_and_its_newest_job_are_shown(airbyte: str, environment: dict[str, str]) -> None:
    variables = environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte}
    (first, *_) = json.loads(run("connections", "list", "-o", "json", env=variables).stdout)
    shown = json.loads(run("connections", "show", first["id"][:8], "-o", "json", env=variables).stdout)
    assert shown["name"] == first["name"]
    newest = shown["newest_jobs"][0]
    job = json.loads(run("jobs", "show", str(newest["id"]), "-o", "json", env=variables).stdout)
    assert (job["created_at"], job["attempts"]) == (newest["created_at"], newest["attempts"])
    assert len(job["attempt_list"]) == newest["attempts"]


def test_everything_that_is_listed_can_be_shown(airbyte: str, environment: dict[str, str]) -> None:
    variables = environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte}
    for what in ("workspaces", "sources", "destinations"):
        (first, *_) = json.loads(run(what, "list", "-o", "json", env=variables).stdout)
        shown = json.loads(run(what, "show", first["id"][:8], "-o", "json", env=variables).stdout)
        assert (shown["id"], shown["name"]) == (first["id"], first["name"])
    connectors = json.loads(run("definitions", "list", "-o", "json", env=variables).stdout)
    assert {each["kind"] for each in connectors} == {"source", "destination"}
    assert all(each["repository"] and each["tag"] for each in connectors)


def test_a_job_that_is_over_is_waited_for_and_shown_with_its_streams(
    airbyte: str, environment: dict[str, str]
) -> None:
    variables = environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte}
    jobs = json.loads(run("jobs", "list", "--since", "30d", "-o", "json", env=variables).stdout)
    newest = {each["status"]: each for each in reversed(jobs) if each["type"] == "sync"}
    for status, code in {"succeeded": 0, "failed": 1}.items():
        done = run("jobs", "wait", str(newest[status]["id"]), env=variables)
        assert done.returncode == code
        assert f" {status} after " in (done.stderr if code else done.stdout)
        assert (done.stderr + done.stdout).count("\n") == 1
    shown = json.loads(
        run("jobs", "show", str(newest["succeeded"]["id"]), "-o", "json", env=variables).stdout
    )
    assert sum(each["records_synced"] for each in shown["streams"]) == shown["records_synced"]


@pytest.mark.parametrize("columns", [50, 80])
def test_a_watched_list_leaves_the_terminal_as_it_was(
    columns: int, airbyte: str, environment: dict[str, str]
) -> None:
    variables = environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte}
    command = [*COMMAND, "connections", "list", "--watch", "1s"]
    written = on_a_terminal(command, variables, columns, until="NAME")
    assert written.startswith("\x1b[?1049h")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    left = re.sub(r"\x1b\[[0-9;]*m", "", written.rpartition("\x1b[?1049l")[2]).splitlines()
    assert left[0].startswith("connections of 127.0.0.1 at ")
    assert len(left) == 3 + 3
    assert max(map(cell_len, left)) <= columns


def test_a_watched_list_in_a_pipe_ends_when_its_reader_does(
    airbyte: str, environment: dict[str, str]
) -> None:
    command = " ".join([*COMMAND, "workspaces list --watch 1s | head -n 8"])
    done = subprocess.run(
        ["sh", "-c", command],
        env=environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.count("NAME") == 2
    assert done.stderr == ""
