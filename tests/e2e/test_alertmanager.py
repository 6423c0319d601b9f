"""A real Alertmanager is told of what fails and recovers, over restarts of the exporter and of its own."""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airbyte_exporter.simulator import SimulatorServer
from tests.e2e.alertmanager import running_alertmanager
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, eventually, exporter_for, running
from tests.e2e.truth import rest

SOON = "both fire before the address that never answers is given up after ten seconds"


class Paged:
    """Keeps what an Alertmanager sends to people."""

    def __init__(self) -> None:
        self.groups: list[dict[str, Any]] = []
        paged = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                paged.groups.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/page"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self, connection_id: str) -> list[str]:
        """Return what people heard about a connection, in order, without repetitions."""
        heard = [
            alert["status"]
            for group in self.groups
            for alert in group["alerts"]
            if alert["labels"]["connection_id"] == connection_id
        ]
        return [status for before, status in zip(["", *heard], heard, strict=False) if status != before]


@pytest.fixture(name="paged")
def people() -> Iterator[Paged]:
    paged = Paged()
    yield paged
    paged.server.shutdown()
    paged.server.server_close()


@pytest.fixture(name="dead_url")
def silent_address() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


def two_that_succeed(server: SimulatorServer) -> tuple[str, str]:
    """Let nothing happen by itself any more; return two connections whose newest sync succeeded."""
    rest(server.world)
    idle = [
        one.id
        for one in server.world.connections()
        if one.status == "active" and all(job.is_final for job in server.world.jobs(one.id))
    ]
    for connection_id in idle[:2]:
        server.world.run_now(connection_id, "succeeded")
    return idle[0], idle[1]


def exporter_of(folder: Path, server: SimulatorServer, *urls: str) -> Exporter:
    return exporter_for(
        folder,
        server,
        ALERTS__RECEIVERS__MANAGERS__TYPE="alertmanager",
        ALERTS__RECEIVERS__MANAGERS__URLS=",".join(urls),
        AIRBYTE__UI_URL="https://airbyte.example.com",
    )


def outbox_rows(exporter: Exporter) -> int:
    with sqlite3.connect(exporter.state) as state:
        number: int = state.execute("select count(*) from outbox").fetchone()[0]
    return number


def test_alerts_fire_group_and_resolve_over_restarts(
    alertmanager_program: str, simulate: Simulate, paged: Paged, dead_url: str, tmp_path: Path
) -> None:
    server = simulate(speed=600, connections=8)
    first, second = both = two_that_succeed(server)
    with running_alertmanager(alertmanager_program, tmp_path, paged.url) as manager:
        exporter = exporter_of(tmp_path, server, dead_url, manager.url)
        with running(exporter):
            exporter.wait_until_ready()
            for connection_id in both:
                server.world.run_now(connection_id, "failed")
            eventually(lambda: manager.firing() == set(both), SOON, timeout=9, unless=exporter.died)
            assert_is_ours(
                next(alert for alert in manager.alerts() if alert["labels"]["connection_id"] == first)
            )
            (group,) = [one for one in manager.groups() if one["labels"] == {"alertname": "SyncFailed"}]
            assert len(group["alerts"]) == 2
            eventually(lambda: paged.told(second) == ["firing"], "people hear of it")

            exporter.terminate()
            server.world.run_now(first, "succeeded")
            exporter.start()
            eventually(lambda: manager.firing() == {second}, "the first is over", unless=exporter.died)
            eventually(lambda: paged.told(first) == ["firing", "resolved"], "people hear of its end")

            manager.stop()
            server.world.run_now(second, "succeeded")
            server.world.run_now(first, "failed")
            refused = f"{manager.url.removeprefix('http://')}: cannot connect"
            eventually(lambda: refused in exporter.output, "a push fails", unless=exporter.died)
            manager.start()
            eventually(lambda: manager.firing() == {first}, "it is told anew", unless=exporter.died)
            eventually(lambda: paged.told(second) == ["firing", "resolved"], "the end was not lost")
            delivered = exporter.scrape().value(
                "airbyte_exporter_notifications_total", receiver="managers", outcome="delivered"
            )
            assert (delivered or 0) >= 3
            assert exporter.output.count(refused) == 1
        assert outbox_rows(exporter) == 0


def assert_is_ours(alert: dict[str, Any]) -> None:
    labels, annotations = alert["labels"], alert["annotations"]
    assert set(labels) == {"alertname", "severity", "instance", "connection_id", "workspace_id"}
    assert (labels["alertname"], labels["severity"]) == ("SyncFailed", "warning")
    assert annotations["connection_name"] in annotations["summary"]
    assert annotations["source_connector"]
    assert annotations["runbook_url"].endswith("/SyncFailed.md")
    assert alert["generatorURL"].endswith(f"/connections/{labels['connection_id']}")
    ends_at = datetime.fromisoformat(alert["endsAt"]).timestamp()
    assert 0 < ends_at - time.time() <= 240
