"""The Configuration API over a company, in every generation."""

import pytest

from airbyte_exporter.simulator import GENERATIONS, World
from tests.unit.simulator.asking import NOW, SPECIFIED, Config


@pytest.fixture(scope="module")
def company() -> World:
    """A company that no test of this module changes."""
    return World(seed=3, connections=60, now=NOW, history_jobs=25)


@pytest.fixture(params=SPECIFIED)
def config(request: pytest.FixtureRequest, company: World) -> Config:
    """The API over that company, in every generation."""
    return Config(company, request.param)


@pytest.fixture(params=[name for name in SPECIFIED if GENERATIONS[name].any_connection])
def newer(request: pytest.FixtureRequest, company: World) -> Config:
    """The API over that company, in the generations that list the jobs of all connections at once."""
    return Config(company, request.param)


@pytest.fixture
def old(company: World) -> Config:
    """The API over that company, as Docker installations of 0.50 have it."""
    return Config(company, "0.50")
