"""Real Prometheus servers, started by the tests on free ports."""

import json
import math
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.harness import canonical, end, eventually, free_port, get
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


@dataclass(frozen=True)
class Series:
    """What a server has stored of one series: samples by time."""

    labels: frozenset[tuple[str, str]]
    samples: tuple[tuple[float, float], ...]

    @property
    def first(self) -> tuple[float, float]:
        """Time and value of the first sample."""
        return self.samples[0]

    @property
    def last(self) -> tuple[float, float]:
        """Time and value of the last sample."""
        return self.samples[-1]


class Prometheus:
    """One server that scrapes one exporter every second."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def major_version(self) -> int:
        """The first number of its version."""
        _, text = get(f"{self.url}/api/v1/status/buildinfo")
        version: str = json.loads(text)["data"]["version"]
        return int(version.partition(".")[0])

    def series(self, name: str, *, since: float, until: float) -> list[Series]:
        """Return every sample that is stored under `name`, without the labels that the target added."""
        window = math.ceil((until - since) * 1000)
        answer = self._ask("query", query=f"{name}[{window}ms]", time=f"{until:.3f}")
        return [
            Series(
                self.own_labels(row["metric"]),
                tuple((float(at), float(value)) for at, value in row["values"]),
            )
            for row in answer["result"]
        ]

    @staticmethod
    def own_labels(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
        """Return the labels that the exporter gave a series, a bucket's bound as newer versions write it."""
        added = {"__name__", "job", "instance", *TARGET_LABELS}
        return frozenset(
            (canonical({name: value for name, value in labels.items() if name not in added})).items()
        )

    def matching(self, selector: str, *, since: float, until: float) -> list[dict[str, str]]:
        """Return the labels of every series that has ever had a sample in that time."""
        rows: list[dict[str, str]] = self._ask(
            "series", **{"match[]": selector, "start": f"{since:.3f}", "end": f"{until:.3f}"}
        )
        return rows

    def _ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON of any shape
        status, text = get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        answer: dict[str, Any] = json.loads(text)
        assert status == 200, f"{parameters}: {answer.get('error')}"
        return answer["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and values of an instant query; fail with what Prometheus says is wrong with it."""
        data = self._ask("query", query=expression)
        result = data["result"]
        if data["resultType"] == "scalar":
            return [({}, float(result[1]))]
        return [(row["metric"], float(row["value"][1])) for row in result]

    def range(
        self, expression: str, *, since: float, until: float, step: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return labels, times and values of a range query; fail with what Prometheus says is wrong."""
        answer = self._ask(
            "query_range", query=expression, start=f"{since:.3f}", end=f"{until:.3f}", step=f"{step}s"
        )
        return [
            (row["metric"], [(float(at), float(value)) for at, value in row["values"]])
            for row in answer["result"]
        ]

    def value(self, expression: str) -> float | None:
        """Return the only value of a query, ``None`` when it has no result."""
        rows = self.query(expression)
        assert len(rows) <= 1, f"{expression}: {rows}"
        return rows[0][1] if rows else None


@contextmanager
def running_prometheus(
    program: str,
    folder: Path,
    target: str,
    *options: str,
    pods: Mapping[str, Mapping[str, str]] | None = None,
    config: str = "",
) -> Iterator[Prometheus]:
    """Run `program` with its data in `folder`, scraping `target` (host:port) until the block ends.

    Args:
        program: which Prometheus.
        folder: where its data goes.
        target: what it scrapes.
        options: more of its options.
        pods: what it scrapes instead: labels, beside or instead of the usual ones, by target.
        config: what its configuration has besides: rules, and who is told of alerts.
    """
    scraped = [
        {"targets": [address], "labels": {**TARGET_LABELS, **labels}}
        for address, labels in (pods or {target: {}}).items()
    ]
    written = folder / "prometheus.yml"
    written.write_text(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n"
        "scrape_configs:\n  - job_name: airbyte-exporter\n"
        f"    static_configs: {json.dumps(scraped)}\n{config}"
    )
    port = free_port()
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={written}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                *options,
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Prometheus(f"http://127.0.0.1:{port}")
    try:
        eventually(lambda: get(f"{server.url}/-/ready")[0] == 200, "Prometheus is ready")
        yield server
    finally:
        end(process)
