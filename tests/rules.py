"""The shipped Prometheus rules as tests see them: what they are called, and what promtool says."""

import atexit
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.requirements import ROOT, require_program, unavailable

FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "airbyte-rules.yaml"
NEWER = ROOT / ".cache" / "prometheus-newer" / "usr" / "bin"
VERSIONS = ("2.42", "newer")

_SECONDS = re.compile(r"\b(\d+) \* (60|3600|86400)\b")
_DURATION = re.compile(r"(?<=\[)\d+[smhd](?=\])|(?<=offset )\d+[smhd]\b")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def groups() -> list[dict[str, Any]]:
    """Return the groups of rules."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return found


def rules() -> Iterator[dict[str, Any]]:
    """Yield every rule."""
    for group in groups():
        yield from group["rules"]


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@cache
def unit_tests() -> Path:
    """Write promtool's unit tests of the rules; return their folder, which is there while tests run."""
    above = Path(tempfile.mkdtemp(prefix="airbyte-rules-"))
    atexit.register(shutil.rmtree, above, ignore_errors=True)
    subprocess.run([sys.executable, str(FOLDER / "generate.py"), "--tests", str(above / "tests")], check=True)
    return above / "tests"


def program(name: str, version: str) -> str:
    """Return the path of a program of Prometheus' or Alertmanager's, Debian's or a newer one."""
    if version == VERSIONS[0]:
        return require_program(name)
    newer = shutil.which(str(NEWER / name))
    return newer or unavailable(f"no newer {name} was unpacked: .ci/run does that where the mirror has one")


def newest(name: str) -> str:
    """Return which version of a program is used where one is enough: days of simulated time take a minute."""
    return VERSIONS[-1] if shutil.which(str(NEWER / name)) else VERSIONS[0]


def promtool(version: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    command = [program("promtool", version), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)


def quicker(seconds: float) -> float:
    """Return how long a duration of the rules lasts in a test: six seconds for half an hour."""
    return 8 if seconds >= _UNITS["d"] else max(seconds / 300, 3)


def written_quicker() -> dict[str, Any]:
    """Return the rules with all durations and numbers of seconds made `quicker`, judged every second."""

    def duration(text: str) -> str:
        seconds = int(text[:-1]) * _UNITS[text[-1]]
        return f"{quicker(seconds) * 1000:.0f}ms" if seconds else text

    def expression(text: str) -> str:
        text = _DURATION.sub(lambda found: duration(found[0]), text)
        return _SECONDS.sub(lambda found: f"{quicker(int(found[1]) * int(found[2])):g}", text)

    made = groups()
    for group in made:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule["expr"] = expression(rule["expr"])
            for key in {"for", "keep_firing_for"} & rule.keys():
                rule[key] = duration(rule[key])
    return {"groups": made}
