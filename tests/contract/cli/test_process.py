"""The command as people and service managers run it: a process, signals, terminals."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from rich.cells import cell_len

from airbyte_exporter.simulator import SimulatorServer, World

COMMAND = [sys.executable, "-m", "airbyte_exporter"]
HEAVY = (
    "requests",
    "sqlalchemy",
    "prometheus_client",
    "pydantic_settings",
    "pydantic",
    "apscheduler",
    "rich",
)

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment that holds nothing of this machine's configuration."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("AIRBYTE_EXPORTER_") and not name.endswith("_COLOR")
    }
    return kept | {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path), "TZ": "UTC"}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start the command in the background; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start_command(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_command
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def airbyte() -> Iterator[str]:
    """A simulated Airbyte; its URL."""
    world = World(connections=3, now=time.time())
    world.freeze()
    server = SimulatorServer(world)
    server.start()
    yield server.url
    server.stop()


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["jobs", "wait", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom airbyte_exporter.cli import command_line\n"
        f"try: command_line({arguments!r})\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "[]\n"
    assert "airbyte-exporter" in done.stdout


def test_run_tells_when_it_starts_and_stops_on_sigterm(start: Start, airbyte: str) -> None:
    process = start("run", "--listen-address", "127.0.0.1:0", AIRBYTE_EXPORTER_AIRBYTE__URL=airbyte)
    assert process.stderr is not None
    events = []
    for line in process.stderr:
        events.append(json.loads(line))
        if events[-1]["event"] == "started":
            break
    assert events[-1]["listening"].startswith("http://127.0.0.1:")
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - asked < 5
    assert (process.returncode, out) == (0, "")
    assert [json.loads(line)["event"] for line in err.splitlines()][-2:] == ["stopping", "stopped"]


def test_run_goes_on_while_airbyte_is_down(start: Start) -> None:
    process = start("run", "--listen-address", "127.0.0.1:0", AIRBYTE_EXPORTER_AIRBYTE__URL="127.0.0.1:1")
    assert process.stderr is not None
    said = [json.loads(process.stderr.readline()) for _ in range(3)]
    assert [line["level"] for line in said] == ["info", "info", "warning"]
    assert "connection refused" in said[-1]["error"]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_run_that_cannot_start_says_why_in_one_line(start: Start, airbyte: str) -> None:
    first = start("run", "--listen-address", "127.0.0.1:0", AIRBYTE_EXPORTER_AIRBYTE__URL=airbyte)
    assert first.stderr is not None
    while '"started"' not in first.stderr.readline():
        pass
    second = start("run", "--listen-address", "127.0.0.1:0", AIRBYTE_EXPORTER_AIRBYTE__URL=airbyte)
    out, err = second.communicate(timeout=30)
    assert (second.returncode, out) == (1, "")
    assert err.splitlines()[-1].startswith("airbyte-exporter: the state ")


def test_a_bad_configuration_is_told_before_anything_is_opened(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = run("run", env=environment | {"AIRBYTE_EXPORTER_AIRBYTE__TOKN": "MARKER"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "airbyte-exporter: AIRBYTE_EXPORTER_AIRBYTE__TOKN: there is no such setting; "
        "did you mean AIRBYTE_EXPORTER_AIRBYTE__TOKEN?\n"
    )
    assert not (tmp_path / "state").exists()


def token(url: str, application: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    """Let a simulated Airbyte issue a token."""
    body = json.dumps({name.lower(): value for name, value in application.items()}).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(f"{url}/api/public/v1/applications/token", body, headers)
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    ("generation", "auth", "variables"),
    [
        ("1.6", "basic", {"URL", "USERNAME", "PASSWORD"}),
        ("1.6", "bearer", {"URL", "TOKEN"}),
        ("2.0", "client-credentials", {"URL", "CLIENT_ID", "CLIENT_SECRET"}),
    ],
)
def test_simulate_prints_what_a_second_shell_needs(
    generation: str, auth: str, variables: set[str], start: Start, environment: dict[str, str]
) -> None:
    arguments = (
        "--listen-address",
        "127.0.0.1:0",
        "--auth",
        auth,
        "--generation",
        generation,
        "--connections",
        "5",
        "--token-lifetime",
        "5m",
    )
    process = start("simulate", *arguments)
    assert process.stdout is not None
    printed = ""
    while "Ctrl-C" not in printed:
        printed += process.stdout.readline()
    administrator, _, reader = printed.partition("These instead may read only 2 of the 3 workspaces:")
    exports = dict(re.findall(r"export (AIRBYTE_EXPORTER_AIRBYTE__\w+)=(\S+)", administrator))
    assert {name.removeprefix("AIRBYTE_EXPORTER_AIRBYTE__") for name in exports} == variables
    jobs = run("jobs", "list", "--since", "7d", "-o", "json", env=environment | exports)
    assert (jobs.returncode, jobs.stderr) == (0, "")
    assert all(job["connection"]["name"] for job in json.loads(jobs.stdout))
    if auth == "client-credentials":
        second = dict(re.findall(r"export AIRBYTE_EXPORTER_AIRBYTE__(\w+)=(\S+)", reader))
        assert second.keys() == {"CLIENT_ID", "CLIENT_SECRET"}
        assert token(exports["AIRBYTE_EXPORTER_AIRBYTE__URL"], second)["expires_in"] == 300
    else:
        assert reader == ""
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.parametrize("auth", ["none", "basic"])
@pytest.mark.parametrize("generation", ["reference", "0.50"])
def test_simulate_speaks_older_apis_too(generation: str, auth: str, start: Start) -> None:
    arguments = ("--generation", generation, "--auth", auth, "--listen-address", "127.0.0.1:0")
    process = start("simulate", *arguments)
    assert process.stdout is not None
    printed = ""
    while "Ctrl-C" not in printed:
        printed += process.stdout.readline()
    assert "Public API" not in printed
    assert "connections list\n" in printed
    told = dict(re.findall(r"export AIRBYTE_EXPORTER_AIRBYTE__(\w+)=(\S+)", printed))
    assert told.keys() == ({"URL", "USERNAME", "PASSWORD"} if auth == "basic" else {"URL"})
    headers = {}
    if auth == "basic":
        login = f"{told['USERNAME']}:{told['PASSWORD']}".encode()
        headers["Authorization"] = f"Basic {b64encode(login).decode()}"
    request = Request(f"{told['URL']}/api/v1/workspaces/list", method="POST", headers=headers)
    with urlopen(request, timeout=30) as answer:
        assert len(json.load(answer)["workspaces"]) == 3


def test_simulate_refuses_what_makes_no_sense(environment: dict[str, str]) -> None:
    done = run("simulate", "--generation", "reference", "--auth", "bearer", env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("airbyte-exporter: generation reference knows no auth 'bearer'")


@pytest.mark.parametrize(
    ("lifetime", "code", "reason"),
    [("soon", 2, "--token-lifetime must be a number"), ("0.5", 2, "a token cannot be good for 0.5 seconds")],
)
def test_simulate_refuses_a_lifetime_that_is_none(
    lifetime: str, code: int, reason: str, environment: dict[str, str]
) -> None:
    done = run("simulate", "--token-lifetime", lifetime, env=environment)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"airbyte-exporter: {reason}")
    assert done.stderr.count("\n") == 1


def test_simulate_where_something_listens_says_so(
    start: Start, airbyte: str, environment: dict[str, str]
) -> None:
    address = airbyte.removeprefix("http://")
    done = run("simulate", "--listen-address", address, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"airbyte-exporter: cannot serve the simulated Airbyte at {address}: ")
    assert done.stderr.count("\n") == 1


def test_demo_shows_where_to_look_and_what_fails_and_leaves_nothing(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    process = start(
        "demo",
        "--listen-address",
        "127.0.0.1:0",
        "--speed",
        "600",
        TMPDIR=str(folder),
        # Meant for another Airbyte: the demo must not look at it.
        AIRBYTE_EXPORTER_AIRBYTE__URL="https://airbyte.example.com",
        AIRBYTE_EXPORTER_NONSENSE="1",
    )
    assert process.stdout is not None
    printed = ""
    while "FIRING" not in printed:
        line = process.stdout.readline()
        assert line, process.communicate()
        printed += line
    assert re.search(r"Metrics +http://127\.0\.0\.1:\d+/metrics", printed)
    assert re.search(r"^\d\d:\d\d:\d\d  FIRING    SyncFailed  \S.*  \w+ \w+", printed, re.MULTILINE)
    assert "\x1b" not in printed
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=10)
    assert time.monotonic() - asked < 5
    assert (process.returncode, err) == (0, "")
    assert rest.splitlines()[-1].startswith("Stopped. ")
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "state").exists()


def test_demo_ends_by_itself_after_its_duration(environment: dict[str, str]) -> None:
    done = run("demo", "--listen-address", "127.0.0.1:0", "--duration", "0.1", env=environment)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "Stopped. 0 alerts fired, 0 resolved. Nothing is left behind."


def test_demo_where_something_listens_says_so(airbyte: str, environment: dict[str, str]) -> None:
    done = run("demo", "--listen-address", airbyte.removeprefix("http://"), env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("airbyte-exporter: cannot serve the pages at ")
    assert "something else listens there; stop it, or choose another --listen-address" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reader_that_stops_reading_is_no_error(airbyte: str, environment: dict[str, str]) -> None:
    command = " ".join([*COMMAND, "jobs list --since 30d -o json | head -n 1"])
    done = subprocess.run(
        ["sh", "-c", command],
        env=environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("[\n", "")


@pytest.mark.parametrize(
    ("closed", "code", "said"),
    [(">&-", 0, ""), ("2>&-", 0, ""), (">/dev/full", 1, "airbyte-exporter: no space left on device in ")],
)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_output_that_cannot_be_written(
    closed: str, code: int, said: str, unbuffered: str, airbyte: str, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(COMMAND)} connections list {closed}"],
        env=environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte, "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == bool(said)


def test_what_the_terminal_cannot_write_is_escaped(airbyte: str, environment: dict[str, str]) -> None:
    variables = {"AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte, "PYTHONIOENCODING": "ascii"}
    done = run("connections", "list", env=environment | variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SOURCE \\u2192 DESTINATION" in done.stdout


def test_a_demo_that_nobody_reads_any_more_ends(start: Start) -> None:
    process = start("demo", "--listen-address", "127.0.0.1:0", "--speed", "600")
    assert process.stdout is not None
    while "Ctrl-C" not in process.stdout.readline():
        pass
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


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


def test_an_airbyte_that_is_down_is_one_line(environment: dict[str, str]) -> None:
    variables = environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": "127.0.0.1:1"}
    for command in (("definitions", "list", "--watch"), ("jobs", "wait", "1"), ("sources", "show", "x")):
        done = run(*command, env=variables)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("airbyte-exporter: ")
        assert "connection refused" in done.stderr
        assert done.stderr.count("\n") == 1


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


def test_no_secret_is_told_even_at_debug(environment: dict[str, str]) -> None:
    server = SimulatorServer(World(connections=1, now=time.time()), auth="client-credentials")
    server.start()
    try:
        secrets = {
            "AIRBYTE_EXPORTER_AIRBYTE__CLIENT_ID": "MARKER-1",
            "AIRBYTE_EXPORTER_AIRBYTE__CLIENT_SECRET": "MARKER-2",
        }
        variables = {"AIRBYTE_EXPORTER_AIRBYTE__URL": server.url, **secrets}
        done = run("connections", "list", "--log-level", "debug", env=environment | variables)
    finally:
        server.stop()
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" in done.stderr
    assert "MARKER" not in done.stderr


def test_a_later_signal_ends_the_process_at_once() -> None:
    script = """
import signal
from base64 import b64encode
from airbyte_exporter.cli._signals import StopRequest
with StopRequest() as stop:
    print("ready", flush=True)
    stop.wait()
    print("stopping", flush=True)
    while True: signal.pause()
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stopping\n"
        deadline = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.1)
        assert process.returncode == -signal.SIGINT
    finally:
        process.kill()
        process.communicate()
