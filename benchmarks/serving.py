"""The exporter's own server in a process of its own: the pages as the daemon serves them, of made-up facts.

Run as ``python -m benchmarks.serving`` this is a worker. It has loaded what the daemon loads; only Airbyte,
the state and the loops are missing.
"""

import argparse
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

# The client's own way from an answer's bytes to facts, which has no public name without a request before it.
from airbyte_exporter.airbyte._domain import jobs_of
from airbyte_exporter.airbyte._wire import WireJobs, parse
from airbyte_exporter.app import SWITCH_SECONDS
from airbyte_exporter.exposition import Exposition, MetricsConfig
from airbyte_exporter.logs import LogConfig, configure_logging
from airbyte_exporter.model import Latest, Snapshot
from airbyte_exporter.telemetry import Telemetry
from airbyte_exporter.web import WebConfig, WebServer, create_app
from benchmarks.facts import POLL_SECONDS, Company
from benchmarks.processes import reset_peak
from benchmarks.workers import obey

__all__ = ["Serving", "some_telemetry"]


class Serving:
    """A company, its page, and the server of it."""

    def __init__(self, connections: int, seed: int) -> None:
        self._company = Company(connections, seed=seed)
        self._telemetry = some_telemetry()
        self._exposition = Exposition(self._telemetry, MetricsConfig())
        self._snapshot: Latest[Snapshot | None] = Latest(None)
        app = create_app(
            exposition=self._exposition,
            snapshot=self._snapshot,
            alive=lambda: None,
            ready=lambda: None,
            failures=dict,
            incidents=Latest(None),
            instance_name="benchmark",
            ui_url=None,
            version="benchmark",
            clock=time.time,
        )
        self._server = WebServer(WebConfig(listen_address="127.0.0.1:0"), app)
        self._decoder: _Decoder | None = None

    def start(self) -> Mapping[str, object]:
        """Render the first snapshot and serve it. The most memory so far is that of this, and not of making
        up the facts.
        """
        reset_peak()
        self._publish(self._company.snapshot)
        self._server.start()
        return {"port": int(self._server.address.rpartition(":")[2])}

    def change(self, number: int) -> Mapping[str, object]:
        """Publish a snapshot in which this many connections changed; return the seconds of that alone."""
        snapshot = self._company.advance(number)
        began = time.perf_counter()
        self._publish(snapshot)
        return {"seconds": time.perf_counter() - began}

    def decode(self, page: str) -> Mapping[str, object]:
        """Begin to read the page of jobs in a file, again and again, in another thread."""
        self._decoder = _Decoder(Path(page).read_bytes())
        return {"jobs": self._decoder.jobs}

    def rest(self) -> Mapping[str, object]:
        """Stop reading that page; return how often it was read."""
        assert self._decoder is not None
        decoded = self._decoder.stop()
        self._decoder = None
        return {"decoded": decoded}

    def _publish(self, snapshot: Snapshot) -> None:
        self._exposition.publish(snapshot)
        self._snapshot.publish(snapshot)


class _Decoder:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self._stop = threading.Event()
        self._decoded = 0
        self.jobs = self._decode()
        self._thread = threading.Thread(target=self._loop, name="decoder", daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self._decoded

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._decode()
            self._decoded += 1

    def _decode(self) -> int:
        return len(jobs_of(parse(WireJobs, self._body, method="jobs/list")))


def some_telemetry(now: int = 1_790_005_700) -> Telemetry:
    """Make the exporter's own series look as after a few polls that ended `now` (epoch seconds)."""
    telemetry = Telemetry("benchmark")
    telemetry.set_up(True)
    telemetry.set_polling("jobs", "changes")
    telemetry.set_queue(0, None)
    telemetry.set_alerts({("SyncFailed", "warning"): 3, ("SyncFailing", "critical"): 1})
    for method, seconds in (("jobs/list", 0.1), ("web_backend/connections/list", 0.3)):
        for _ in range(20):
            telemetry.api_request(method, "200", seconds)
    for loop, at in (("inventory", 300), ("jobs", POLL_SECONDS), ("evaluate", 15)):
        for poll in range(20):
            telemetry.poll_succeeded(loop, 0.2, float(now - (19 - poll) * at))
    return telemetry


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    configure_logging(LogConfig(level="error"), sys.stderr)
    sys.setswitchinterval(SWITCH_SECONDS)
    serving = Serving(arguments.connections, arguments.seed)
    obey(
        {
            "start": serving.start,
            "change": serving.change,
            "decode": serving.decode,
            "rest": serving.rest,
        }
    )


if __name__ == "__main__":
    _main()
