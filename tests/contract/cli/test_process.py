"""The command as people and service managers run it: a process, signals, terminals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from airbyte_exporter.simulator import SimulatorServer, World
from tests.contract.cli.processes import COMMAND, Start, run

HEAVY = (
    "requests",
    "sqlalchemy",
    "prometheus_client",
    "pydantic_settings",
    "pydantic",
    "apscheduler",
    "rich",
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


@pytest.mark.parametrize("goes_there", [True, False], ids=["the journal", "a pipe inside of a service"])
def test_an_error_has_its_priority_where_standard_error_is_the_journal(
    environment: dict[str, str], goes_there: bool
) -> None:
    """systemd names the journal by device and inode; a child's own pipe is not it."""
    reader, writer = os.pipe()
    found = os.fstat(writer)
    journal = f"{found.st_dev}:{found.st_ino + (0 if goes_there else 1)}"
    with os.fdopen(reader, encoding="utf-8") as read:
        ended = subprocess.run(
            [*COMMAND, "run", "--log-format", "console"],
            env=environment
            | {
                "JOURNAL_STREAM": journal,
                "AIRBYTE_EXPORTER_AIRBYTE__URL": "http://127.0.0.1:1",
                "AIRBYTE_EXPORTER_STATE__URL": "sqlite:////proc/nowhere/state.db",
            },
            stderr=writer,
            timeout=60,
            check=False,
        )
        os.close(writer)
        (line,) = read.read().splitlines()
    assert ended.returncode == 1
    assert line.startswith("<3>airbyte-exporter: the state" if goes_there else "airbyte-exporter: the state")


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
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 1, "airbyte-exporter: cannot write the output: no space left on device"),
    ],
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


def test_json_is_json_whatever_the_terminal_can_write(environment: dict[str, str]) -> None:
    """Beyond the first 65,536 characters, what stands for one elsewhere is not what JSON has for it."""
    script = """
import sys
from airbyte_exporter.cli import _root, _tables
_root._prepare_output()
_tables.print_json({"name": "Zendesk \\U0001f3ab \\u2192"})
"""
    for encoding in ("ascii", "latin-1", "utf-8"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert json.loads(done.stdout.decode(encoding)) == {"name": "Zendesk \U0001f3ab \u2192"}
        assert done.stdout.isascii() is (encoding != "utf-8")


def test_a_demo_that_nobody_reads_any_more_ends(start: Start) -> None:
    process = start("demo", "--listen-address", "127.0.0.1:0", "--speed", "600")
    assert process.stdout is not None
    while "Ctrl-C" not in process.stdout.readline():
        pass
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_an_airbyte_that_is_down_is_one_line(environment: dict[str, str]) -> None:
    variables = environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": "127.0.0.1:1"}
    for command in (("definitions", "list", "--watch"), ("jobs", "wait", "1"), ("sources", "show", "x")):
        done = run(*command, env=variables)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("airbyte-exporter: ")
        assert "connection refused" in done.stderr
        assert done.stderr.count("\n") == 1


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
