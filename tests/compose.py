"""The compose files as tests see them, and a stand-in for the engine that would run them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.harness import end
from tests.requirements import ROOT

__all__ = ["AIRBYTE", "COMPOSE", "FOLDER", "PYTHON", "merged", "mounts", "service_running"]

FOLDER = ROOT / "deploy" / "compose"
COMPOSE = FOLDER / "compose.yaml"
AIRBYTE = FOLDER / "airbyte.yaml"

Json = dict[str, Any]


def merged(*, own_airbyte: bool) -> Json:
    """Return the services as compose puts them together: mappings are merged, lists are joined."""
    services: Json = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    if own_airbyte:
        services = _merge(services, yaml.safe_load(AIRBYTE.read_text(encoding="utf-8"))["services"])
    return services


def _merge(below: Json, above: Json) -> Json:
    together = dict(below)
    for key, value in above.items():
        known = together.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            together[key] = _merge(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            together[key] = [*known, *value]
        else:
            together[key] = value
    return together


def mounts(service: Json) -> dict[str, Path]:
    """Return what is mounted from this machine, by where a container sees it."""
    found = {}
    for volume in service.get("volumes", []):
        origin, target, *_ = volume.split(":")
        if origin.startswith("."):
            found[target] = (FOLDER / origin).resolve()
    return found


@contextmanager
def service_running(
    service: Json, program: list[str], folder: Path, addresses: dict[str, str], **environment: str
) -> Iterator[None]:
    """Run what a service runs, with its command, environment and files, until the block ends.

    Args:
        service: As compose has it.
        program: What stands for the image's entry point.
        folder: What stands for the container's root: what is mounted is there, and what is written.
        addresses: What stands for the addresses of services, in the command, the environment and the files.
        environment: Variables of the image.
    """

    def here(text: str) -> str:
        for told, meant in addresses.items():
            text = re.sub(rf"(?<![\w.]){re.escape(told)}(?!\d)", meant, text)
        return re.sub(r"(?<=[=\s])/(?=etc/|prometheus$|alertmanager$)", f"{folder}/", text)

    for target, origin in mounts(service).items():
        place = folder / target.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(here(origin.read_text(encoding="utf-8")), encoding="utf-8")
    variables = {name: here(value) for name, value in service.get("environment", {}).items()}
    with (folder / f"{Path(program[0]).name}.log").open("ab") as log:
        process = subprocess.Popen(
            [*program, *(here(word) for word in service.get("command", []))],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment, **variables},
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
        assert process.poll() is None, (folder / log.name).read_text()[-2000:]
    finally:
        end(process)


PYTHON = [sys.executable, "-m", "airbyte_exporter"]
