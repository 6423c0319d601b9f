"""What the recording rules would have recorded of a past that was written."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.history import create_blocks, prometheus

__all__ = ["record"]

RULES: Final = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "airbyte-rules.yaml"

Json = dict[str, Any]


def record(wanted: str, data: Path, since: float, until: float) -> None:
    """Let Prometheus record what matches `wanted`, and what that is made of, into the blocks in `data`.

    Rules that read each other's results cannot be recorded in one go: promtool asks a server, which has those
    of the round before.

    Raises:
        BenchmarkError: promtool cannot do it.
    """
    for level in _levels(wanted):
        path = data.parent / "recorded.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "recorded", "interval": "1m", "rules": level}]}))
        with prometheus(data, until) as server:
            create_blocks(
                "rules",
                f"--url={server.url}",
                f"--start={since:.0f}",
                f"--end={until:.0f}",
                f"--output-dir={data}",
                str(path),
            )


def _levels(wanted: str) -> list[list[Json]]:
    """Return the rules that are needed, those first that need no other."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules = {rule["record"]: rule for group in groups for rule in group["rules"] if "record" in rule}
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        needed = [it for it in rules if it != name and re.search(rf"{it}\b", rules[name]["expr"])]
        depths[name] = max((depth(it) + 1 for it in needed), default=0)
        return depths[name]

    for name in rules:
        if re.search(wanted, name):
            depth(name)
    return [
        [rules[name] for name, at in depths.items() if at == level]
        for level in range(max(depths.values()) + 1)
    ]
