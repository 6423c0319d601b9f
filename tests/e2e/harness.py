"""What the end-to-end tests share: real processes, free ports, waiting for conditions and never for times."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families
from standardwebhooks import Webhook

from airbyte_exporter.simulator import SimulatorServer

T = TypeVar("T")

WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a secret of the end-to-end tests").decode()


def free_port() -> int:
    """Return a port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(
    condition: Callable[[], T],
    what: str,
    *,
    timeout: float = 30.0,
    unless: Callable[[], str | None] | None = None,
) -> T:
    """Return the first true value of `condition`; fail with `what` was waited for once `timeout` is over."""
    deadline = time.monotonic() + timeout
    last: object = None
    while time.monotonic() < deadline:
        try:
            value = condition()
        except (OSError, AssertionError, ValueError, KeyError) as error:
            last = error
        else:
            last = value
            if value:
                return value
        if unless is not None and (trouble := unless()):
            raise AssertionError(f"{what}: {trouble}")
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout} s: {what} (last: {last!r})")


def get(url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 10.0) -> tuple[int, str]:
    """Return status and text of a page."""
    request = urllib.request.Request(url, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def canonical(labels: dict[str, str]) -> dict[str, str]:
    """Write a bucket's bound as Prometheus 3 does, whichever way it came."""
    if "le" not in labels or labels["le"] == "+Inf":
        return labels
    return labels | {"le": str(float(labels["le"]))}


class Scrape:
    """The samples of one exposition, to be asked by name and labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: Samples = {}
        self.families: dict[str, str] = {}
        self.types: dict[str, str] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = frozenset(canonical(sample.labels).items())
                self.samples[sample.name, labels] = float(sample.value)
                is_total = family.type == "counter" and sample.name == f"{family.name}_total"
                self.families[sample.name] = sample.name if is_total else family.name
                self.types[self.families[sample.name]] = family.type

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sample of exactly these labels, ``None`` where there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def all(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """Return every sample of that name."""
        return {labels: value for (sample, labels), value in self.samples.items() if sample == name}


class Exporter:
    """The real command `airbyte-exporter run` as a process of its own."""

    def __init__(self, folder: Path, airbyte_url: str, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "exporter.log"
        self.state = folder / "state.db"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AIRBYTE_EXPORTER_AIRBYTE__URL": airbyte_url,
            "AIRBYTE_EXPORTER_STATE__URL": f"sqlite:///{self.state}",
            "AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS": f"127.0.0.1:{self.port}",
            "AIRBYTE_EXPORTER_POLL__JOBS_INTERVAL": "0.3s",
            "AIRBYTE_EXPORTER_POLL__INVENTORY_INTERVAL": "1s",
            "AIRBYTE_EXPORTER_ALERTS__INTERVAL": "0.5s",
        } | {f"AIRBYTE_EXPORTER_{name}": value for name, value in settings.items()}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; its output goes on in the same log file."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airbyte_exporter", "run"],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
            )

    def kill(self) -> None:
        """End the process without any warning."""
        self._end(signal.SIGKILL)

    def outlives(self, seconds: float) -> bool:
        """Whether the process is still there after so long: it should end by a kill and by nothing else."""
        assert self.process is not None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def terminate(self, timeout: float = 10.0) -> int:
        """Ask the process to stop; return its exit code."""
        return self._end(signal.SIGTERM, timeout)

    def _end(self, number: int, timeout: float = 10.0) -> int:
        process = self.process
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(timeout)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self.process = None

    @property
    def output(self) -> str:
        """Everything the process has printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def died(self) -> str | None:
        """Return what the process said when it has ended by itself."""
        if self.process is not None and self.process.poll() is not None:
            return f"the exporter ended with {self.process.returncode}: {self.output[-2000:]}"
        return None

    def scrape(self) -> Scrape:
        """Return what `/metrics` says now."""
        status, text = get(f"{self.url}/metrics")
        assert status == 200, text
        return Scrape(text)

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Wait for the first complete poll."""
        eventually(
            lambda: get(f"{self.url}/-/ready")[0] == 200,
            "the exporter is ready",
            timeout=timeout,
            unless=self.died,
        )

    def wait_for(self, condition: Callable[[Scrape], object], what: str, *, timeout: float = 30.0) -> Scrape:
        """Scrape until `condition` holds; return that scrape."""

        def attempt() -> Scrape | None:
            scrape = self.scrape()
            return scrape if condition(scrape) else None

        found = eventually(attempt, what, timeout=timeout, unless=self.died)
        assert found is not None
        return found


@contextmanager
def running(exporter: Exporter) -> Iterator[Exporter]:
    """Run `exporter` from start to end."""
    exporter.start()
    try:
        yield exporter
    finally:
        if exporter.process is not None:
            exporter.terminate()


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a server to end, and make it end if it does not."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class WebhookReceiver:
    """A receiver that checks every signature and keeps what it took, in order."""

    def __init__(self) -> None:
        receiver = self
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.refused: list[str] = []
        self.answer: Callable[[int], int] = lambda _number: 204
        self._count = 0
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    self.close_connection = True  # who was sending it has been killed
                    return
                status = receiver.take(dict(self.headers.items()), body)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Answer one request: only a message that was taken with 2xx is kept."""
        with self._lock:
            self._count += 1
            status = self.answer(self._count)
            lower = {name.lower(): value for name, value in headers.items()}
            try:
                Webhook(WEBHOOK_SECRET).verify(body.decode(), lower)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it is a finding
                self.refused.append(repr(error))
            if 200 <= status < 300:
                self.messages.append((lower["webhook-id"], json.loads(body)))
            return status

    def of(self, connection_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Return what arrived about one connection, in order."""
        return [
            (id_, message)
            for id_, message in self.messages
            if message["data"]["connection"]["id"] == connection_id
        ]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def reader_for(folder: Path, server: SimulatorServer, **settings: str) -> Exporter:
    """Return an exporter with the credentials of the one who may read some workspaces of `server`."""
    own = server.credentials
    as_reader = {
        "AIRBYTE__CLIENT_ID": own.reader_client_id,
        "AIRBYTE__CLIENT_SECRET": own.reader_client_secret,
    }
    return Exporter(folder, server.url, **settings, **as_reader)


def exporter_for(folder: Path, server: SimulatorServer, **settings: str) -> Exporter:
    """Return an exporter with the credentials that `server` wants, an administrator's."""
    if server.gate.mode == "client-credentials":
        settings |= {
            "AIRBYTE__CLIENT_ID": server.credentials.client_id,
            "AIRBYTE__CLIENT_SECRET": server.credentials.client_secret,
        }
    elif server.gate.mode == "basic":
        settings |= {
            "AIRBYTE__USERNAME": server.credentials.username,
            "AIRBYTE__PASSWORD": server.credentials.password,
        }
    elif server.gate.mode == "bearer":
        settings["AIRBYTE__TOKEN"] = server.credentials.token
    return Exporter(folder, server.url, **settings)


def to(receiver: WebhookReceiver) -> dict[str, str]:
    """Return the settings that send notifications to `receiver`."""
    return {"ALERTS__WEBHOOK_URL": receiver.url, "ALERTS__WEBHOOK_SECRET": WEBHOOK_SECRET}
