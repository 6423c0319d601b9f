"""A real Prometheus with a past that was written, not waited for."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import BenchmarkError, cpu_seconds_of, free_port, started

__all__ = ["BLOCK_SECONDS", "TARGET", "PastPrometheus", "create_blocks", "labelled", "load", "prometheus"]

BLOCK_SECONDS: Final = 7200
TARGET: Final[Mapping[str, str]] = {
    "job": "airbyte-exporter",
    "instance": "monitoring/airbyte-exporter",
    "namespace": "monitoring",
    "service": "airbyte-exporter",
}
"""What deploy/k8s/overlays/operator/service-monitor.yaml makes of a target."""

_READY_SECONDS: Final = 60.0
_WRITTEN: Final = ",".join(f'{name}="{value}"' for name, value in TARGET.items())


def labelled(page: str) -> Iterator[tuple[str, str, str]]:
    """Return name, series with the target's labels, and value of every sample of a page in text format."""
    for line in page.splitlines():
        if line and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            name, has_labels, rest = series.partition("{")
            labels = f"{_WRITTEN},{rest}" if has_labels and rest != "}" else f"{_WRITTEN}}}"
            yield name, f"{name}{{{labels}", value


def load(lines: Iterable[str], work: Path, data: Path) -> None:
    """Write samples into the data of a Prometheus that does not run. Each line: series, value, seconds.

    Raises:
        BenchmarkError: promtool cannot do it.
    """
    page = work / "history.om"
    with page.open("w", encoding="utf-8") as out:
        out.writelines(lines)
        out.write("# EOF\n")
    create_blocks("openmetrics", "-q", str(page), str(data))
    page.unlink()


def create_blocks(*arguments: str) -> None:
    """Let promtool write blocks of data.

    Raises:
        BenchmarkError: promtool cannot do it.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        raise BenchmarkError("promtool is not installed")
    command = [promtool, "tsdb", "create-blocks-from", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"promtool: {done.stderr.strip()}")


class PastPrometheus:
    """A running server, asked about a time in the past."""

    def __init__(self, url: str, now: float, pid: int) -> None:
        self.url = url
        self.now = now
        self._pid = pid

    def cpu_seconds(self) -> float | None:
        """Return the processor time of all its threads so far; ``None`` where the system does not tell."""
        return cpu_seconds_of(self._pid)

    def instant(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and values."""
        data = self._ask("query", query=expression, time=f"{self.now:.3f}")
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(row["metric"], float(row["value"][1])) for row in data["result"]]

    def range(
        self, expression: str, seconds: int, step: int
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return labels, times and values; times are aligned as Grafana has them."""
        end = self.now // step * step
        data = self._ask(
            "query_range", query=expression, start=f"{end - seconds:.3f}", end=f"{end:.3f}", step=f"{step}"
        )
        return [
            (row["metric"], [(float(at), float(value)) for at, value in row["values"]])
            for row in data["result"]
        ]

    def _ask(self, path: str, **parameters: str) -> dict[str, Any]:
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data=body, timeout=120) as answer:
                found: dict[str, Any] = json.load(answer)["data"]
                return found
        except urllib.error.HTTPError as error:
            raise BenchmarkError(f"{parameters['query']}: {error.read().decode()}") from None


@contextmanager
def prometheus(
    data: Path, now: float, *, program: str = "prometheus", config: str = ""
) -> Iterator[PastPrometheus]:
    """Run a Prometheus with the blocks in `data`; without a `config` it scrapes nothing.

    Raises:
        BenchmarkError: It is not installed, or does not become ready.
    """
    if shutil.which(program) is None:
        raise BenchmarkError("Prometheus is not installed")
    settings = data.parent / "prometheus.yml"
    settings.write_text(config)
    port = free_port()
    command = [
        program,
        f"--config.file={settings}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with started(command) as process:
        server = PastPrometheus(f"http://127.0.0.1:{port}", now, process.pid)
        until = time.monotonic() + _READY_SECONDS
        while not _is_ready(server.url):
            if time.monotonic() > until:
                raise BenchmarkError("Prometheus does not become ready")
            time.sleep(0.1)
        yield server


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
