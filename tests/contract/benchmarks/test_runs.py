"""Small runs of the benchmark: everything works with real processes, and what is told is complete."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.jobpage import JOBS
from benchmarks.processes import BenchmarkError
from benchmarks.verbatim import Verbatim
from benchmarks.workers import worker

CONNECTIONS = 100


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the benchmark; return the figures that it wrote."""
    path = folder / "figures.json"
    assert main([*arguments, "--json", str(path)]) == 0
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return figures


def spreads(of: object) -> Iterator[dict[str, float]]:
    """Return every spread of measurements in `of`."""
    if isinstance(of, list):
        for it in of:
            yield from spreads(it)
    if isinstance(of, dict):
        if "median" in of:
            yield of
        for it in of.values():
            yield from spreads(it)


def test_scrapes_are_compared_with_the_same_series(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    figures = run(tmp_path, "--only", "scrapes", "--connections", str(CONNECTIONS))
    (found,) = figures["scrapes"]
    assert found["connections"] == CONNECTIONS
    assert found["series"] > 20 * CONNECTIONS
    assert found["page_bytes"] > found["page_gzip_bytes"] > 0
    assert found["cycle"]["changed"] == found["cycle_compressed"]["changed"] == 2
    assert found["decoding"]["jobs"] == JOBS
    assert [(it["connections"], it["changed"]) for it in figures["updates"]] == [(CONNECTIONS, 10)]
    measured = list(spreads([found, figures["updates"]]))
    assert len(measured) == 24
    assert all(it["number"] >= 5 and 0 < it["minimum"] <= it["median"] <= it["maximum"] for it in measured)
    assert figures["sizes"] == figures["polls"] == figures["goals"] == []
    told = capfd.readouterr()
    assert told.err == ""
    assert max(map(len, told.out.splitlines())) <= 80 + len(str(tmp_path))
    assert "prometheus_client / ours" in told.out


def test_the_daemon_is_measured_against_a_simulated_airbyte(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    figures = run(
        tmp_path,
        *("--only", "process", "--connections", "20", "--starts", "1"),
        *("--seconds", "4", "--history-days", "0.1"),
    )
    (found,) = figures["sizes"]
    assert found["polls"]["quiet_requests"]["jobs/list"] >= 1
    assert found["polls"]["busy_bytes"] > 100 * found["polls"]["busy_finished"]
    assert found["polls"]["quiet_bytes"] > 0
    assert found["scrapes"]["plain"]["number"] == found["scrapes"]["compressed"]["number"] >= 5
    assert capfd.readouterr().err == ""


def test_alerts_are_measured_when_all_connections_fail_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    figures = run(tmp_path, "--only", "alerts", "--connections", "30")
    assert [(it["reason"], it["notifications"]) for it in figures["alerts"]] == [
        ("one reason of the platform", 1),
        ("each its own reason", 30),
    ]
    for found in figures["alerts"]:
        assert min(found[what] for what in ("begin", "quiet", "deliver", "restart", "end")) > 0
        assert found["peak_bytes"] > 10 * 1024**2
    told = capfd.readouterr()
    assert told.err == ""
    assert "each its own reason" in told.out


def test_a_worker_that_ends_is_an_error_that_names_it(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        worker("benchmarks.verbatim") as verbatim,
        pytest.raises(BenchmarkError, match=r"benchmarks\.verbatim ended by itself"),
    ):
        verbatim.ask("load", page="/nowhere/at/all", compressed=False)
    assert "No such file" in capfd.readouterr().err


def test_the_same_bytes_are_answered_over_a_connection_that_is_kept(tmp_path: Path) -> None:
    bodies = {"identity": b"plain\n", "gzip": b"\x1f\x8bcompressed"}
    with closing(Verbatim()) as verbatim:
        for coding, body in bodies.items():
            page = tmp_path / coding
            page.write_bytes(body)
            verbatim.load(str(page), compressed=coding == "gzip")
        verbatim.start()
        with closing(http.client.HTTPConnection("127.0.0.1", verbatim.port, timeout=10)) as connection:
            for coding in ("identity", "gzip", "identity"):
                connection.request("GET", "/metrics", headers={"accept-encoding": coding})
                answer = connection.getresponse()
                assert answer.read() == bodies[coding]
                assert answer.getheader("content-encoding", "identity") == coding
