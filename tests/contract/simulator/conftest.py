"""Fixtures of the tests of a simulated Airbyte on real sockets."""

from collections.abc import Iterator
from typing import Any

import pytest

from airbyte_exporter.simulator import SimulatorServer, World
from tests.contract.simulator.serving import NOW, Clock, Serve


@pytest.fixture
def clock() -> Clock:
    """The time that the server goes by."""
    return Clock()


@pytest.fixture
def serve(clock: Clock) -> Iterator[Serve]:
    """Start servers, and stop them after the test."""
    running: list[SimulatorServer] = []

    def start(**options: Any) -> SimulatorServer:  # noqa: ANN401 - passed on
        server = SimulatorServer(World(now=NOW, history_jobs=3), clock=clock, **options)
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()
