"""The commands about alerts as processes of their own: beside a daemon, and with a receiver that listens."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from airbyte_exporter.simulator import SimulatorServer, World
from tests.contract.notify.hooks import hook, status

COMMAND = [sys.executable, "-m", "airbyte_exporter"]
SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment that holds nothing of this machine's configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRBYTE_EXPORTER_")}
    return kept | {
        "HOME": str(tmp_path),
        "TZ": "UTC",
        "AIRBYTE_EXPORTER_STATE__URL": f"sqlite:///{tmp_path / 'state.db'}",
    }


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def daemon(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A daemon that watches a simulated Airbyte and has the state."""
    world = World(connections=3, now=time.time())
    world.freeze()
    server = SimulatorServer(world)
    server.start()
    process = subprocess.Popen(
        [*COMMAND, "run", "--listen-address", "127.0.0.1:0"],
        env=environment | {"AIRBYTE_EXPORTER_AIRBYTE__URL": server.url},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while '"started"' not in process.stderr.readline():
        assert process.poll() is None
    yield process
    process.kill()
    process.communicate()
    server.stop()


def test_a_silence_is_made_and_ended_beside_the_daemon(
    daemon: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    added = run(
        "alerts", "silence", "add", "--all", "--for", "1h", "--reason", "why", "-o", "json", env=environment
    )
    assert (added.returncode, added.stderr) == (0, "")
    silence_id = json.loads(added.stdout)["id"]
    listed = run("alerts", "silence", "list", "-o", "json", env=environment)
    assert [(each["id"], each["state"]) for each in json.loads(listed.stdout)] == [(silence_id, "holds")]
    assert run("alerts", "silence", "expire", silence_id, env=environment).returncode == 0
    left = run("alerts", "silence", "list", env=environment)
    assert (left.returncode, left.stdout, left.stderr) == (0, "", "nothing is silenced\n")
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=10)
    assert daemon.returncode == 0, "it went on as if nobody had been there"


def test_a_receiver_that_listens_gets_a_signed_test(environment: dict[str, str]) -> None:
    with hook(status(204)) as served:
        told = environment | {
            "AIRBYTE_EXPORTER_ALERTS__WEBHOOK_URL": served.url,
            "AIRBYTE_EXPORTER_ALERTS__WEBHOOK_SECRET": SECRET,
        }
        done = run("alerts", "test", "webhook", env=told)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(" after ")[0] for line in done.stdout.splitlines()] == [
        "webhook took alert.firing",
        "webhook took alert.resolved",
    ]
    bodies = [
        Webhook(SECRET).verify(sent.body, {name.lower(): value for name, value in sent.headers.items()})
        for sent in served.received
    ]
    assert [(body["type"], body["data"]["rule"]) for body in bodies] == [
        ("alert.firing", "Test"),
        ("alert.resolved", "Test"),
    ]


def test_a_receiver_that_refuses_is_told_without_its_address(environment: dict[str, str]) -> None:
    with hook(status(404)) as served:
        told = environment | {"AIRBYTE_EXPORTER_ALERTS__WEBHOOK_URL": served.url}
        done = run("alerts", "test", "webhook", env=told)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(served.received) == 1, "without a beginning there is no end"
    assert done.stderr == (
        f"airbyte-exporter: webhook did not take alert.firing: 127.0.0.1:{served.port} answered HTTP 404, "
        "check the path of its address\n"
    )
