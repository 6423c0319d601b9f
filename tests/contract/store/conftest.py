"""Every test here runs on each database that the store can live on."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from airbyte_exporter.store import Store, StoreConfig, open_store
from tests.contract.store.builders import EPOCH

RETENTION = 14 * 86400.0


@dataclass
class State:
    """A state of its own that is created, but that nobody has used."""

    config: StoreConfig
    opened: list[Store] = field(default_factory=list)

    def open(self, *, exclusive: bool = True) -> Store:
        store = open_store(self.config, exclusive=exclusive)
        self.opened.append(store)
        return store

    def reopen(self) -> Store:
        self.close()
        return self.open()

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()


NewState = Callable[[], State]


def sqlite_files(folder: Path) -> NewState:
    """Give copies of one empty state, since the migrations take most of the time of a short test."""
    template = folder / "template.db"
    open_store(StoreConfig(url=SecretStr(f"sqlite:///{template}"))).close()
    numbers = count()

    def new() -> State:
        path = folder / f"{next(numbers)}" / "state.db"
        path.parent.mkdir()
        shutil.copy(template, path)
        return State(StoreConfig(url=SecretStr(f"sqlite:///{path}"), retention=RETENTION))

    return new


IMPLEMENTATIONS = {"sqlite": sqlite_files}


@pytest.fixture(scope="session", params=IMPLEMENTATIONS)
def new_state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewState:
    make: Callable[[Path], NewState] = IMPLEMENTATIONS[request.param]
    return make(tmp_path_factory.mktemp("states"))


@pytest.fixture
def state(new_state: NewState) -> Iterator[State]:
    made = new_state()
    yield made
    made.close()


@pytest.fixture
def store(state: State) -> Store:
    """A store that belongs to an Airbyte and counts from `EPOCH` on."""
    opened = state.open()
    opened.bind(url="http://airbyte:8001/api/v1", deployment_id="d-1", epoch=EPOCH)
    return opened
