"""A real Alertmanager, started by the tests on a free port."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.harness import end, eventually, free_port, get

CONFIG = """\
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 200ms
  repeat_interval: 1h
receivers:
  - name: hook
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


class Alertmanager:
    """One server without a cluster; it can be ended and started again, its address and data stay."""

    def __init__(self, program: str, folder: Path, webhook_url: str) -> None:
        self._program = program
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "alertmanager.yml").write_text(CONFIG.format(url=webhook_url))

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "alertmanager.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder / 'alertmanager.yml'}",
                    f"--storage.path={self._folder / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(lambda: get(f"{self.url}/-/ready")[0] == 200, "Alertmanager is ready")

    def stop(self) -> None:
        """End it and wait until it has ended."""
        if self._process is None:
            return
        end(self._process)
        self._process = None

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that go on, by its API."""
        status, text = get(f"{self.url}/api/v2/alerts")
        assert status == 200, text
        found: list[dict[str, Any]] = json.loads(text)
        return found

    def groups(self) -> list[dict[str, Any]]:
        """Return its groups of alerts that go on."""
        status, text = get(f"{self.url}/api/v2/alerts/groups")
        assert status == 200, text
        found: list[dict[str, Any]] = json.loads(text)
        return found

    def firing(self) -> set[str]:
        """Return the ids of the connections that alerts go on about."""
        return {alert["labels"]["connection_id"] for alert in self.alerts()}


@contextmanager
def running_alertmanager(program: str, folder: Path, webhook_url: str) -> Iterator[Alertmanager]:
    """Run `program` until the block ends; what it sends goes to `webhook_url`."""
    server = Alertmanager(program, folder, webhook_url)
    server.start()
    try:
        yield server
    finally:
        server.stop()
