"""Fixtures of the poller's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_exporter.store import StoreConfig, open_store
from tests.unit.poller.fakes import FakeAirbyte, World


@pytest.fixture(scope="session")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state that was only just created: to copy it is quicker than to run all migrations again."""
    path = tmp_path_factory.mktemp("state") / "state.db"
    open_store(StoreConfig(url=f"sqlite:///{path}")).close()
    return path


@pytest.fixture
def world(tmp_path: Path, empty_state: Path) -> Iterator[World]:
    made = World(tmp_path, empty_state, FakeAirbyte("a", "b"))
    yield made
    made.store.close()
