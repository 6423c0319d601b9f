"""Fixtures: every dialect of Airbyte that can be changed, simulated, with a shell of its own."""

import os
from collections.abc import Callable, Iterator

import pytest
import structlog

from airbyte_exporter.simulator import SimulatorServer, World
from tests.contract.operations.house import Clock, House

DIALECTS = ("reference", "0.50", "1.6", "2.0")


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., House]]:
    """Make a house; who may come in is as the simulated server has it."""
    for name in list(os.environ):
        if name.upper().startswith("AIRBYTE_EXPORTER_"):
            monkeypatch.delenv(name)
    running: list[SimulatorServer] = []

    def make(
        generation: str = "2.0",
        *,
        auth: str = "none",
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> House:
        clock = Clock()
        world = World(seed=1, history_jobs=4, clock=clock)
        world.freeze()
        server = SimulatorServer(
            world,
            generation=generation,
            clock=clock,
            auth=auth,
            client_id=client_id,
            client_secret=client_secret,
        )
        server.start()
        running.append(server)
        monkeypatch.setenv("AIRBYTE_EXPORTER_AIRBYTE__URL", server.url)
        return House(world, server, clock)

    yield make
    for server in running:
        server.stop()
    structlog.reset_defaults()


@pytest.fixture(params=DIALECTS)
def house(request: pytest.FixtureRequest, build: Callable[..., House]) -> House:
    """A house of each dialect."""
    return build(request.param)


@pytest.fixture(params=["1.6", "2.0"])
def modern(request: pytest.FixtureRequest, build: Callable[..., House]) -> House:
    """A house of each dialect that has refreshes and cron schedules."""
    return build(request.param)
