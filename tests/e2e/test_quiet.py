"""What is held back or cannot be delivered, by the real process: people see it, and hear of it elsewhere."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, WebhookReceiver, eventually, exporter_for, get, running, to
from tests.e2e.test_alertmanager import two_that_succeed


def alerts(exporter: Exporter, *arguments: str) -> str:
    """Run `alerts` with the state of a running exporter; return what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRBYTE_")}
    done = subprocess.run(
        [sys.executable, "-m", "airbyte_exporter", "alerts", *arguments],
        env=environment | {"AIRBYTE_EXPORTER_STATE__URL": f"sqlite:///{exporter.state}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def incidents(exporter: Exporter) -> list[dict[str, Any]]:
    """Return the open incidents, as `/api/v1/status` lists them."""
    listed: list[dict[str, Any]] = json.loads(get(f"{exporter.url}/api/v1/status")[1])["incidents"]
    return listed


def test_what_is_silenced_is_seen_and_told_afterwards(
    simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    server = simulate(speed=600, connections=8)
    failing, _ = two_that_succeed(server)
    exporter = exporter_for(tmp_path, server, **to(receiver))
    with running(exporter):
        exporter.wait_until_ready()
        words = ("--match", "rule=SyncFailed", "--for", "1h", "--reason", "load test", "--author", "ana")
        silence = json.loads(alerts(exporter, "silence", "add", *words, "-o", "json"))
        server.world.run_now(failing, "failed")
        eventually(lambda: incidents(exporter), "the failure is known", unless=exporter.died)
        (incident,) = incidents(exporter)
        assert incident["connection_id"] == failing
        assert incident["silenced_until"] == silence["ends_at"]
        assert "load test" in get(f"{exporter.url}/")[1]
        assert receiver.messages == []

        alerts(exporter, "silence", "expire", silence["id"])
        eventually(lambda: receiver.messages, "it is told afterwards", unless=exporter.died)
        assert [message["type"] for _, message in receiver.of(failing)] == ["alert.firing"]
        assert [each["silenced_until"] for each in incidents(exporter)] == [None]


def test_an_alertmanager_that_takes_nothing_is_told_to_the_others(
    simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    server = simulate(speed=600, connections=8)
    failing, _ = two_that_succeed(server)
    exporter = exporter_for(
        tmp_path,
        server,
        **to(receiver),
        ALERTS__RECEIVERS__MANAGERS__TYPE="alertmanager",
        ALERTS__RECEIVERS__MANAGERS__URLS=closed,
        ALERTS__RULES__NOTIFICATIONSFAILING__AFTER="2s",
    )
    with running(exporter):
        exporter.wait_until_ready()
        server.world.run_now(failing, "failed")
        eventually(lambda: len(receiver.messages) == 2, "both are told", unless=exporter.died)
        (about,) = [message["data"] for _, message in receiver.messages if not message["data"]["connection"]]
        assert (about["rule"], about["severity"]) == ("NotificationsFailing", "critical")
        assert "managers" in about["summary"]
        (wide,) = [each for each in incidents(exporter) if not each["connection_id"]]
        assert (wide["rule"], wide["affected"]) == ("NotificationsFailing", 1)
        assert "managers" in get(f"{exporter.url}/")[1]
