"""What can be wrong at the start: `check` names the step and what to do, `run` says it in one line.

A marker stands for every secret. It must be in nothing that is printed, logged, served or stored.
"""

import base64
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._shared import Common
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, eventually, get, running
from tests.e2e.situations import KEY, MARKER, SITUATIONS, Place, Situation
from tests.requirements import require_program


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make certificates for names, each signed by itself, with their keys in the same file."""
    folder = tmp_path_factory.mktemp("certificates")

    def make(name: str) -> Path:
        file = folder / f"{name.replace(':', '-')}.pem"
        if not file.exists():
            openssl = require_program("openssl")
            subprocess.run(
                [
                    *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                    *("-nodes", "-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={name}"),
                    *("-keyout", str(file), "-out", str(folder / "certificate")),
                ],
                check=True,
                capture_output=True,
            )
            file.write_bytes(file.read_bytes() + (folder / "certificate").read_bytes())
        return file

    return make


@pytest.fixture
def place(simulate: Simulate, tmp_path: Path, certificate: Callable[[str], Path]) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(tmp_path, simulate, stack, certificate)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("airbyte_exporter")
    before = (root.handlers[:], root.level, own.level)
    yield
    root.handlers[:], level, own_level = before
    root.setLevel(level)
    own.setLevel(own_level)
    structlog.reset_defaults()


@dataclass(frozen=True)
class Checked:
    code: int
    steps: list[dict[str, str | None]]
    printed: str
    errors: str


def check(environment: dict[str, str], *arguments: str) -> Checked:
    """Run `check` in this process, in an environment of its own."""
    gone: dict[str, str | None] = {name: None for name in os.environ if name.startswith("AIRBYTE_EXPORTER_")}
    command = ["check", "--output", "json", *arguments]
    ended = CliRunner().invoke(command_line, command, obj=Common(), env=gone | environment)
    return Checked(
        ended.exit_code, json.loads(ended.stdout) if ended.stdout else [], ended.stdout, ended.stderr
    )


def assert_no_secret(text: str | bytes) -> None:
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    user = base64.b64encode(f"airbyte:{MARKER}".encode()).decode()
    for secret in (MARKER, KEY, user):
        assert secret not in text


def assert_step(checked: Checked, situation: Situation) -> None:
    """Exactly one step failed, with one line that says these things; nothing before it did."""
    failed = [step for step in checked.steps if step["outcome"] == "failed"]
    assert [step["step"] for step in failed] == ([situation.step] if situation.step else []), checked.steps
    assert checked.code == (1 if failed else 0)
    for step in failed:
        line = f"{step['seen']} {step['advice'] or ''}"
        assert "\n" not in line
        for word in situation.words:
            assert word in line
    outcomes = {step["step"]: step["outcome"] for step in checked.steps}
    if situation.step in {"credentials", "permission"}:
        assert outcomes["address"] == "ok"


def test_a_reader_is_told_what_is_lost(place: Place) -> None:
    server = place.airbyte(auth="client-credentials")
    reader = server.credentials
    settings = {
        "AIRBYTE__CLIENT_ID": reader.reader_client_id,
        "AIRBYTE__CLIENT_SECRET": reader.reader_client_secret,
    }
    exporter = Exporter(place.folder, server.url, **settings)
    checked = check(exporter._environment)
    lost = [step for step in checked.steps if step["step"] == "permission"]
    assert [step["outcome"] for step in lost] == ["warning", "warning"]
    assert "jobs/list" in str(lost[0]["seen"])
    assert "workspace" in str(lost[1]["seen"])
    assert checked.code == 0
    (workspaces,) = (step["seen"] for step in checked.steps if step["step"] == "workspaces")
    assert str(workspaces).startswith("2 of 3: ")
    assert reader.reader_client_secret not in checked.printed
    written = {request.path for request in server.requests if request.method == "POST"}
    assert written <= READS
    assert not exporter.state.exists()


READS = {
    f"/api/v1/{method}"
    for method in (
        "applications/token", "deployment/metadata", "workspaces/list_by_organization_id", "jobs/list",
        "jobs/list_for_workspaces", "web_backend/connections/list",
    )
}  # fmt: skip
"""All that a check asks of a new Airbyte."""


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_broken(situation: Situation, place: Place) -> None:
    quiet = place.listen()
    environment = {
        "ALERTS__WEBHOOK_URL": f"http://user:{MARKER}@127.0.0.1:{quiet}/{MARKER}",
        "ALERTS__WEBHOOK_SECRET": f"whsec_{KEY}",
    } | situation.make(place)
    if situation.run.ends_with is None:
        environment["LOG__LEVEL"] = "debug"
    exporter = Exporter(place.folder, environment.pop("AIRBYTE__URL", "http://127.0.0.1:9"), **environment)

    if situation.run.ends_with is not None:
        assert_check(situation, exporter)
        assert_ends(situation, exporter)
    else:
        with running(exporter):
            eventually(lambda: get(f"{exporter.url}/-/healthy")[0] == 200, "it serves", unless=exporter.died)
            assert_check(situation, exporter)
            assert_goes_on(situation, exporter)
            assert exporter.terminate() == 0
    assert_no_secret(exporter.output)
    for file in place.folder.glob("*.db*"):
        assert_no_secret(file.read_bytes())
    if "ALERTS__WEBHOOK_URL" in environment and str(quiet) in environment["ALERTS__WEBHOOK_URL"]:
        assert_nothing_was_sent(place.listeners[0])


def assert_check(situation: Situation, exporter: Exporter) -> None:
    files = {file: file.stat().st_size for file in exporter.state.parent.glob("made.db*")}
    checked = check(exporter._environment)
    assert_no_secret(checked.printed + checked.errors)
    if situation.run.ends_with == 2 or situation.step in {"credentials", "permission"}:
        loud = check(exporter._environment, "--log-level", "debug")
        assert_no_secret(loud.printed + loud.errors)
    if situation.run.ends_with == 2 and situation.step is None:
        assert (checked.code, checked.printed) == (2, "")
        (line,) = checked.errors.splitlines()
        for word in situation.words:
            assert word in line
    else:
        assert checked.errors == ""
        assert_step(checked, situation)
    if situation.run.ends_with is None:
        seen = {step["step"]: step["seen"] or "" for step in checked.steps}
        assert "in use by process" in seen["state"]
        assert "the running exporter" in seen["web"]
    assert {file: file.stat().st_size for file in exporter.state.parent.glob("made.db*")} == files


def assert_ends(situation: Situation, exporter: Exporter) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "airbyte_exporter", "run"],
        env=exporter._environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == situation.run.ends_with
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("airbyte-exporter: ")
    for word in situation.run.words:
        assert word in last
    assert "Traceback" not in ended.stderr
    assert_no_secret(ended.stdout + ended.stderr)


def assert_goes_on(situation: Situation, exporter: Exporter) -> None:
    """It is ready, or it tries again and again, says so once and in one line, and invents nothing."""
    reason = situation.run.keeps_trying
    if reason is None:
        exporter.wait_until_ready()
        pages = exporter.scrape().text
    else:
        scrape = exporter.wait_for(
            lambda scrape: (
                scrape.value("airbyte_up") == 0
                and (scrape.value("airbyte_exporter_poll_failures_total", loop="jobs", reason=reason) or 0)
                >= 2
            ),
            "polls fail",
        )
        failing = [line for line in exporter.output.splitlines() if "poll failing" in line]
        assert len(failing) == 1, "\n".join(failing)
        for word in situation.run.words:
            assert word in failing[0]
        assert not scrape.all("airbyte_connection_info")
        status, said = get(f"{exporter.url}/-/ready")
        assert status == 503
        assert "no complete poll since the start" in said
        assert get(f"{exporter.url}/-/healthy")[0] == 200
        pages = scrape.text + said
    for path in ("/", "/api/v1/status"):
        pages += get(f"{exporter.url}{path}")[1]
    assert_no_secret(pages)
    assert "Traceback" not in exporter.output


def assert_nothing_was_sent(listener: socket.socket) -> None:
    listener.settimeout(0)
    while True:
        try:
            line, _ = listener.accept()
        except BlockingIOError:
            return
        with line:
            line.settimeout(10)
            assert line.recv(100) == b""
