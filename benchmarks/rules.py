"""``python -m benchmarks.rules``: how long a real Prometheus takes to evaluate each of the shipped rules.

It scrapes the facts of a company of that size as the exporter tells them, and evaluates the rules as it would
anywhere, so that what they record is there for those that read it. What they read of the past is written into
its files, an hour of four days ago included: nobody has to wait for it. The times are Prometheus' own.
"""

import argparse
import json
import re
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from airbyte_exporter.exposition import Exposition
from benchmarks.facts import Company
from benchmarks.figures import Say
from benchmarks.history import TARGET, prometheus
from benchmarks.past import remember
from benchmarks.processes import BenchmarkError
from benchmarks.report import machine
from benchmarks.serving import some_telemetry
from benchmarks.timing import LIMIT_SECONDS, ROOT, parser_of, run, say
from benchmarks.wording import duration, number

__all__ = ["DOCUMENT", "LIMIT_SECONDS", "measure_rules", "times_table"]

DOCUMENT: Final = ROOT / "docs" / "prometheus-rules.md"
RULES: Final = ROOT / "deploy" / "prometheus" / "airbyte-rules.yaml"
_INTERVAL_SECONDS: Final = 10
_EVALUATIONS: Final = 6
_LONGEST_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One of the rules, and whether it is an alert."""

    name: str
    is_alert: bool


def measure_rules(connections: int, *, program: str, say: Say) -> dict[Rule, float]:
    """Have a Prometheus evaluate the rules a few times; return the least seconds of each.

    Args:
        connections: how many there are.
        program: which Prometheus.
        say: told what is being done.

    Raises:
        BenchmarkError: Prometheus is missing, does not become ready, or cannot evaluate a rule.
    """
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    page = _page(connections, str(groups))
    with tempfile.TemporaryDirectory() as folder, _served(page.encode()) as address:
        work = Path(folder)
        (work / "data").mkdir()
        remember(page, str(groups), int(time.time()), work, say)
        quick = [{**group, "interval": f"{_INTERVAL_SECONDS}s"} for group in groups]
        (work / "rules.yml").write_text(yaml.safe_dump({"groups": quick}, sort_keys=False), encoding="utf-8")
        config = {
            "global": {"scrape_interval": f"{_INTERVAL_SECONDS}s", "scrape_timeout": f"{_INTERVAL_SECONDS}s"},
            "rule_files": [str(work / "rules.yml")],
            "scrape_configs": [
                {
                    "job_name": TARGET["job"],
                    "static_configs": [{"targets": [address], "labels": dict(TARGET)}],
                }
            ],
        }
        written = yaml.safe_dump(config, sort_keys=False)
        with prometheus(work / "data", time.time(), program=program, config=written) as server:
            return _watched(server.url, say)


def _page(connections: int, rules: str) -> str:
    """Return what an exporter with so many connections tells, as far as the rules read it."""
    now = int(time.time())
    exposition = Exposition(some_telemetry(now))
    exposition.publish(Company(connections, now=now).snapshot)
    read = frozenset(re.findall(r"\b(?:airbyte|process)_\w+", rules))
    page = exposition.scrape(openmetrics=False, gzip=False).decode()
    lines = [
        line
        for line in page.splitlines()
        if line and not line.startswith("#") and re.split(r"[{ ]", line, maxsplit=1)[0] in read
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def _served(page: bytes) -> Iterator[str]:
    """Serve a page on loopback; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_request(self, *_args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _watched(url: str, say: Say) -> dict[Rule, float]:
    """Look at the rules until each has been evaluated often enough over all that was scraped."""
    took: dict[Rule, dict[str, float]] = {}
    until = time.monotonic() + _LONGEST_SECONDS
    while not took or min(map(len, took.values())) < _EVALUATIONS:
        if time.monotonic() > until:
            raise BenchmarkError("the rules were not evaluated often enough")
        time.sleep(1)
        for rule in _rules(url):
            if rule.get("lastError"):
                raise BenchmarkError(f"{rule['name']}: {rule['lastError']}")
            times = took.setdefault(Rule(rule["name"], rule["type"] == "alerting"), {})
            if not rule["lastEvaluation"].startswith("0001"):  # not yet
                times[rule["lastEvaluation"]] = float(rule["evaluationTime"])
        say(f"evaluated {min(map(len, took.values()))} times")
    # The first evaluations may be of before the first scrape.
    return {rule: min(list(times.values())[_EVALUATIONS // 2 :]) for rule, times in took.items()}


def _rules(url: str) -> Iterator[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=30) as answer:
        for group in json.load(answer)["data"]["groups"]:
            yield from group["rules"]


def times_table(took: Mapping[str, Mapping[Rule, float]], connections: int, machine_line: str) -> str:
    """Return the times in Markdown: a row for each rule, a column for each version of Prometheus."""
    versions = list(took)
    lines = [
        f"| {number(connections)} connections | {' | '.join(f'Prometheus {it}' for it in versions)} |",
        f"|---|{'---:|' * len(versions)}",
    ]
    for title, is_alert in (("Recorded", False), ("Alerts", True)):
        lines.append(f"| **{title}** |{'  |' * len(versions)}")
        for rule in took[versions[0]]:
            if rule.is_alert is is_alert:
                cells = " | ".join(duration(took[version][rule]) for version in versions)
                lines.append(f"| `{rule.name}` | {cells} |")
    return "\n".join([*lines, "", machine_line]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it into the document; return the exit code."""

    def measure(asked: argparse.Namespace, programs: Mapping[str, str]) -> str:
        took = {
            version: measure_rules(asked.connections, program=program, say=say)
            for version, program in programs.items()
        }
        line = (
            f"Prometheus' own evaluation times, the least of {_EVALUATIONS - _EVALUATIONS // 2} or more. "
            f"{machine()['cpus']} CPUs."
        )
        return times_table(took, asked.connections, line)

    return run(parser_of("benchmarks.rules", __doc__, DOCUMENT), arguments, measure, DOCUMENT)


if __name__ == "__main__":
    sys.exit(main())
