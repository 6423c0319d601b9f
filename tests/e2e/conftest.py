"""Fixtures of the end-to-end tests."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airbyte_exporter.simulator import SimulatorServer, World
from tests.e2e.harness import WebhookReceiver
from tests.e2e.peers import Peer
from tests.e2e.prometheus import NEWER
from tests.requirements import require_program, unavailable

Simulate = Callable[..., SimulatorServer]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs real processes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Start simulated Airbytes that end with the test: `simulate(speed=…, generation=…, auth=…)`."""
    with ExitStack() as stack:

        def start(**options: Any) -> SimulatorServer:  # noqa: ANN401 - the arguments of World and server
            world_options = {
                name: options.pop(name)
                for name in ("seed", "connections", "speed", "history_jobs")
                if name in options
            }
            world = World(clock=time.time, **world_options)
            return stack.enter_context(SimulatorServer(world, **options))

        yield start


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """A webhook receiver that checks signatures."""
    made = WebhookReceiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def airbyte_api() -> Peer:
    """Airbyte's own client, which speaks the public API."""
    return Peer("airbyte-api", "1.0.1")


@pytest.fixture(scope="module")
def dagster_airbyte() -> Peer:
    """Dagster's client, which speaks both APIs and follows the links from page to page."""
    return Peer("dagster-airbyte", "0.29.27")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder that holds nothing of this machine's configuration."""
    return tmp_path


@pytest.fixture(params=["2.42", "newer"])
def prometheus_program(request: pytest.FixtureRequest) -> str:
    """Debian's Prometheus, and a newer one where it could be had."""
    if request.param == "2.42":
        return require_program("prometheus")
    if not NEWER.exists():
        unavailable("no newer Prometheus was unpacked: .ci/run does that where the mirror has one")
    return str(NEWER)


@pytest.fixture(params=["0.25", "newer"])
def alertmanager_program(request: pytest.FixtureRequest) -> str:
    """Debian's Alertmanager, and a newer one where it could be had."""
    if request.param == "0.25":
        return require_program("prometheus-alertmanager")
    newer = NEWER.with_name("prometheus-alertmanager")
    if not newer.exists():
        unavailable("no newer Alertmanager was unpacked: .ci/run does that where the mirror has one")
    return str(newer)
