"""Real Prometheus servers, started by the tests on free ports."""

import json
import subprocess
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.harness import eventually, free_port, get
from tests.requirements import ROOT

NEWER = ROOT / ".cache" / "prometheus-newer" / "usr" / "bin" / "prometheus"

TARGET_LABELS = {
    "namespace": "monitoring",
    "pod": "airbyte-exporter-7c9d6f5b8-x2x4q",
    "service": "airbyte-exporter",
    "endpoint": "http",
    "container": "airbyte-exporter",
}
"""What a ServiceMonitor adds to every series: queries must hold with them."""


class Prometheus:
    """One server that scrapes one exporter every second."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and values of an instant query; fail with what Prometheus says is wrong with it."""
        status, text = get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        answer: dict[str, Any] = json.loads(text)
        assert status == 200, f"{expression}: {answer.get('error')}"
        result = answer["data"]["result"]
        if answer["data"]["resultType"] == "scalar":
            return [({}, float(result[1]))]
        return [(row["metric"], float(row["value"][1])) for row in result]

    def value(self, expression: str) -> float | None:
        """Return the only value of a query, ``None`` when it has no result."""
        rows = self.query(expression)
        assert len(rows) <= 1, f"{expression}: {rows}"
        return rows[0][1] if rows else None


@contextmanager
def running_prometheus(program: str, folder: Path, target: str) -> Iterator[Prometheus]:
    """Run `program` with its data in `folder`, scraping `target` (host:port) until the block ends."""
    labels = "\n".join(f"          {name}: {value}" for name, value in TARGET_LABELS.items())
    config = folder / "prometheus.yml"
    config.write_text(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n"
        "scrape_configs:\n  - job_name: airbyte-exporter\n    static_configs:\n"
        f"      - targets: ['{target}']\n        labels:\n{labels}\n"
    )
    port = free_port()
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Prometheus(f"http://127.0.0.1:{port}")
    try:
        eventually(lambda: get(f"{server.url}/-/ready")[0] == 200, "Prometheus is ready")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
