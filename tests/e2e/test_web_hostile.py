"""Scrapes over TLS with a user go on while the certificate and the users change and peers mean no good."""

import math
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.contract.web.clients import basic, hashed
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, eventually, exporter_for, running
from tests.e2e.hostile import Fate, Hostile
from tests.e2e.prometheus import NEWER, Prometheus, running_prometheus
from tests.requirements import require_program

MIB = 1024 * 1024
PEERS = 50
READERS = 10
REPEATED = 10
PATIENCE = 40.0
WEB = """\
tls_server_config: {{cert_file: server.crt, key_file: server.key}}
basic_auth_users:
  prometheus: {prometheus}
  {other}: {hash}
"""
SCRAPE = """\
    scheme: https
    scrape_interval: 2s
    scrape_timeout: 2s
    tls_config: {{ca_file: {folder}/ca.crt}}
    basic_auth: {{username: prometheus, password_file: {folder}/password}}
"""


@dataclass
class Stage:
    """An exporter behind a web configuration file in `pki`'s folder, and the servers that scrape it."""

    exporter: Exporter
    pki: Certificates
    scrapers: list[Prometheus]

    def write_users(self, other: str) -> None:
        """Write the file with the scraper's hash made anew, and one user beside it."""
        text = WEB.format(prometheus=hashed("scrape", 10), other=other, hash=hashed("secret", 10))
        self.put("web.yml", text.encode())

    def put(self, name: str, content: bytes) -> None:
        """Put a file in its place at once, as careful tools do."""
        new = self.pki.folder / "new"
        new.write_bytes(content)
        new.replace(self.pki.folder / name)

    def status(self, user: str, trusted: str) -> int | None:
        """Return what `user` gets over a new connection, ``None`` when the certificate is not `trusted`."""
        context = ssl.create_default_context(cafile=self.pki.cert(trusted))
        asked = urllib.request.Request(
            f"https://127.0.0.1:{self.exporter.port}/metrics",
            headers={"Authorization": basic(f"{user}:secret".encode())},
        )
        try:
            with urllib.request.urlopen(asked, timeout=10, context=context) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                return None
            raise

    def measured(self, function: str, metric: str, since: float) -> list[float]:
        """Return what a function of PromQL makes of a metric since then, for each of the scrapers."""
        window = math.ceil(time.time() - since)
        values = [one.value(f"{function}({metric}[{window}s])") for one in self.scrapers]
        assert None not in values, f"{metric} is known"
        return [value for value in values if value is not None]

    def wait_for_scrapes(self, number: int, since: float) -> None:
        """Wait until each has tried so often since then."""
        eventually(
            lambda: min(self.measured("count_over_time", "up", since)) >= number,
            f"{number} scrapes",
            unless=self.exporter.died,
        )


@pytest.fixture
def stage(simulate: Simulate, tmp_path: Path) -> Iterator[Stage]:
    pki = Certificates(tmp_path)
    for name in ("server", "renewed"):
        pki.make(name, "IP:127.0.0.1")
    (tmp_path / "old.crt").write_bytes(pki.cert("server").read_bytes())
    (tmp_path / "ca.crt").write_bytes(pki.cert("server").read_bytes() + pki.cert("renewed").read_bytes())
    (tmp_path / "password").write_text("scrape")
    exporter = exporter_for(
        tmp_path, simulate(speed=1, connections=100), WEB__CONFIG_FILE=str(tmp_path / "web.yml")
    )
    programs = [require_program("prometheus"), *([str(NEWER)] if NEWER.exists() else [])]
    with ExitStack() as stack:
        stage = Stage(exporter, pki, [])
        stage.write_users("guest")
        stack.enter_context(running(exporter))
        for number, program in enumerate(programs):
            folder = tmp_path / f"prometheus-{number}"
            folder.mkdir()
            target, config = f"127.0.0.1:{exporter.port}", SCRAPE.format(folder=tmp_path)
            stage.scrapers.append(
                stack.enter_context(running_prometheus(program, folder, target, config=config))
            )
        eventually(
            lambda: [one.value("airbyte_up") for one in stage.scrapers] == [1] * len(programs),
            "scrapes with facts",
            unless=exporter.died,
        )
        yield stage


def test_scrapes_go_on_whatever_changes_and_whoever_comes(stage: Stage) -> None:
    quiet = time.time()
    stage.wait_for_scrapes(4, quiet)
    before = {
        name: stage.measured("max_over_time", name, quiet)
        for name in ("scrape_duration_seconds", "process_resident_memory_bytes", "process_open_fds")
    }
    began = time.time()
    hostile = Hostile(
        stage.exporter.port,
        ssl.create_default_context(cafile=stage.pki.folder / "ca.crt"),
        basic(b"prometheus:scrape"),
        PATIENCE,
    )
    waiting = [hostile.idle() for _ in range(PEERS)] + [hostile.half_a_handshake() for _ in range(PEERS)]
    slow = hostile.slow_header()
    readers = [hostile.reads_nothing(requests=20) for _ in range(READERS)]
    large = [hostile.large_header() for _ in range(REPEATED)]
    bodies = [hostile.body_with_length() for _ in range(REPEATED)]
    chunks = [hostile.body_in_chunks() for _ in range(REPEATED)]
    try:
        assert_the_certificate_and_the_users_change(stage)
        assert_let_go_without_an_answer([it.result(PATIENCE) for it in [*waiting, slow]])
        assert_refused([it.result(PATIENCE) for it in large], 431)
        assert_refused([it.result(PATIENCE) for it in bodies], 413)
        assert_refused([it.result(PATIENCE) for it in chunks], 405)
        assert not any(it.done() for it in readers), "they were there all the time"
        stage.wait_for_scrapes(10, began)
    finally:
        hostile.close()
    assert_nothing_was_felt(stage, before, began)
    assert stage.exporter.terminate() == 0
    assert "Traceback" not in stage.exporter.output


def assert_the_certificate_and_the_users_change(stage: Stage) -> None:
    """Renew the certificate, then the users, and have the scrapers trust the new certificate alone."""
    assert (stage.status("guest", "old"), stage.status("guest", "renewed")) == (200, None)
    for kind in ("crt", "key"):
        stage.put(f"server.{kind}", (stage.pki.folder / f"renewed.{kind}").read_bytes())
    assert (stage.status("guest", "old"), stage.status("guest", "renewed")) == (None, 200)
    stage.put("ca.crt", stage.pki.cert("renewed").read_bytes())
    assert (stage.status("guest", "renewed"), stage.status("person", "renewed")) == (200, 401)
    stage.write_users("person")
    assert (stage.status("guest", "renewed"), stage.status("person", "renewed")) == (401, 200)


def assert_let_go_without_an_answer(fates: list[Fate]) -> None:
    assert [it for it in fates if it.answer] == []
    assert max(it.seconds for it in fates) < 30, "20 s, and at most 5 s until that is seen"
    assert min(it.seconds for it in fates) > 15, "a slow but honest peer has its time"


def assert_refused(fates: list[Fate], status: int) -> None:
    """An answer can be lost when a server hangs up on what it has not read; that it hangs up cannot."""
    assert {it.status for it in fates} <= {status, None}
    assert max(it.sent for it in fates) < 16 * MIB
    assert max(it.seconds for it in fates) < 20


def assert_nothing_was_felt(stage: Stage, before: dict[str, list[float]], since: float) -> None:
    assert stage.measured("min_over_time", "up", since) == [1] * len(stage.scrapers)
    grown = {
        name: [
            after - was
            for after, was in zip(stage.measured("max_over_time", name, since), values, strict=True)
        ]
        for name, values in before.items()
    }
    assert max(grown["scrape_duration_seconds"]) < 1.0, grown
    assert max(grown["process_resident_memory_bytes"]) < 32 * MIB, grown
    assert max(grown["process_open_fds"]) < 2 * PEERS + READERS + 3 * REPEATED + 10, grown
    for one in stage.scrapers:
        assert one.value("airbyte_up") == 1
