"""A state that is refused stays byte for byte as it is, with the log that a killed process has left."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from airbyte_exporter.store import Store, StoreError, inspect_store, open_store
from tests.contract.store.builders import connection, inventory
from tests.contract.store.conftest import State
from tests.contract.store.test_opening import config_for
from tests.contract.store.test_upgrading import path_of

PAGE = 4096


def of_a_newer_version(path: Path, store: Store) -> str:
    with store._database.write() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    kill(store, path)
    return "was written by a newer version"


def with_damaged_pages(path: Path, store: Store) -> str:
    kill(store, path)
    content = bytearray(path.read_bytes())
    content[PAGE:] = b"\xff" * (len(content) - PAGE)
    path.write_bytes(content)
    return "it is damaged"


def emptied(path: Path, store: Store) -> str:
    """As by a copy onto a disk that was full."""
    kill(store, path)
    path.write_bytes(b"")
    return "it is damaged"


def of_something_else(path: Path, _store: Store) -> str:
    folder = path.with_name("other")
    folder.mkdir()
    other = sqlite3.connect(folder / "other.db")
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("CREATE TABLE dashboards (id)")
    for name in ("", "-wal"):
        shutil.copy(f"{folder}/other.db{name}", f"{path}{name}")
    other.close()
    return "is a database of something else"


def of_something_else_without_a_log(path: Path, _store: Store) -> str:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE dashboards (id)")
    other.close()
    return "is a database of something else"


def kill(store: Store, path: Path) -> None:
    """Make `path` what a process leaves that is killed while it has the state of `store`."""
    for name in ("", "-wal"):
        shutil.copy(f"{store._database.path}{name}", f"{path}{name}")


@pytest.mark.parametrize(
    "ruin",
    [
        of_a_newer_version,
        with_damaged_pages,
        emptied,
        of_something_else,
        of_something_else_without_a_log,
    ],
)
def test_what_is_refused_stays_as_it_is(
    store: Store, tmp_path: Path, ruin: Callable[[Path, Store], str]
) -> None:
    store.record_inventory(inventory(*(connection(f"c-{number}") for number in range(300))))
    path = tmp_path / "left" / "state.db"
    path.parent.mkdir()
    said = ruin(path, store)
    log = path.with_name("state.db-wal")
    before = path.read_bytes(), log.exists() and log.read_bytes()
    assert before[1] or ruin is of_something_else_without_a_log
    for use in (inspect_store, open_store, inspect_store):
        with pytest.raises(StoreError, match=said):
            use(config_for(path))
        assert (path.read_bytes(), log.exists() and log.read_bytes()) == before


def test_what_a_killed_process_has_left_in_the_log_is_used(
    state: State, store: Store, tmp_path: Path
) -> None:
    store.record_inventory(inventory(connection("c-1")))
    path = tmp_path / "left" / "state.db"
    path.parent.mkdir()
    kill(store, path)
    assert path_of(state) != path
    with open_store(config_for(path)) as opened:
        assert set(opened.facts()) == {"c-1"}
