"""Prometheus' own programs read the page: its linter, and its two scrape parsers with hostile names."""

import http.client
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from airbyte_exporter.model import ConnectionFacts, Snapshot
from airbyte_exporter.telemetry import Telemetry
from airbyte_exporter.web import WebConfig, WebServer
from tests.contract.web.pages import app_of
from tests.e2e.harness import eventually
from tests.e2e.prometheus import running_prometheus
from tests.requirements import require_program
from tests.snapshots import EPOCH, NOW, connection, rich_snapshot

HOSTILE = {
    "quotes": "\"double\" 'single' `back`",
    "backslashes": "C:\\new\\table\\",
    "lines": "a\nb\r\nc\td",
    "syntax": '} 1 # {x="y"} 2 3',
    "controls": "".join(chr(code) for code in range(1, 32)) + "\x7f\x85\u2028",
    "nul": "before\0after",
    "half a pair": "before\ud800after",
    "scripts": "数据同步 Größe 🚀 \u202eright to left",
    "empty": "",
    "long": "x" * 5000,
}
SHOWN = HOSTILE | {"nul": "before\ufffdafter", "half a pair": "before\ufffdafter"}


def busy_telemetry() -> Telemetry:
    telemetry = Telemetry("0.1.0")
    telemetry.set_up(True)
    telemetry.poll_succeeded("jobs", 0.4, float(NOW))
    telemetry.poll_failed("inventory", "timeout", 30.0)
    telemetry.api_request("jobs/list", "200", 0.3)
    telemetry.set_alerts({("SyncFailed", "warning"): 2})
    telemetry.notification("webhook", "delivered")
    telemetry.set_queue(1, float(NOW))
    return telemetry


@contextmanager
def serving(snapshot: Snapshot, *, text_only: bool = False) -> Iterator[str]:
    """Serve the page of `snapshot`, in text format whatever the scraper prefers with `text_only`."""
    app = app_of(snapshot, telemetry=busy_telemetry())

    async def without_preference(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept"]
        await app({**scope, "headers": headers}, receive, send)

    server = WebServer(WebConfig(listen_address="127.0.0.1:0"), without_preference if text_only else app)
    server.start()
    try:
        yield server.address.removeprefix("http://")
    finally:
        server.stop()


def scrape(target: str) -> bytes:
    connection_ = http.client.HTTPConnection(target, timeout=10)
    try:
        connection_.request("GET", "/metrics")
        return connection_.getresponse().read()
    finally:
        connection_.close()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"connections": {}, "workspaces": (), "completed": {}},
        {"jobs_stale": True, "inventory_stale": True},
    ],
    ids=["rich", "empty", "stale"],
)
def test_promtool_has_nothing_to_say(changes: dict[str, object]) -> None:
    promtool = require_program("promtool")
    with serving(replace(rich_snapshot(), **changes)) as target:  # type: ignore[arg-type]  # names of its fields
        page = scrape(target)
    result = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False, timeout=60
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


@pytest.mark.parametrize("text_only", [False, True], ids=["OpenMetrics", "text 0.0.4"])
def test_prometheus_stores_hostile_names_as_they_are(tmp_path: Path, text_only: bool) -> None:
    program = require_program("prometheus")
    everything = [
        ConnectionFacts(connection(number, name, "Postgres"), EPOCH)
        for number, name in enumerate(HOSTILE.values())
    ]
    snapshot = replace(rich_snapshot(), connections={facts.connection.id: facts for facts in everything})
    with (
        serving(snapshot, text_only=text_only) as target,
        running_prometheus(program, tmp_path, target) as prometheus,
    ):
        eventually(lambda: prometheus.value("up") is not None, "a scrape")
        assert prometheus.value("up") == 1
        rows = prometheus.query("airbyte_connection_info")
        assert {labels.get("connection_name", "") for labels, _ in rows} == set(SHOWN.values())
        assert len(prometheus.query("airbyte_connection_bytes_synced_total")) == len(HOSTILE)
