"""Fixtures for the command as a process of its own."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_exporter.simulator import SimulatorServer, World
from tests.contract.cli.processes import COMMAND, Start


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment that holds nothing of this machine's configuration."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("AIRBYTE_EXPORTER_") and not name.endswith("_COLOR")
    }
    return kept | {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path), "TZ": "UTC"}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start the command in the background; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start_command(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_command
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def airbyte() -> Iterator[str]:
    """A simulated Airbyte; its URL."""
    world = World(connections=3, now=time.time())
    world.freeze()
    server = SimulatorServer(world)
    server.start()
    yield server.url
    server.stop()
