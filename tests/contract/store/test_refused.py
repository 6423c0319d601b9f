"""A state that is refused stays byte for byte as it is, with the log that a killed process has left."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from airbyte_exporter.store import Store, StoreError, inspect_store, open_store
from airbyte_exporter.store._look import look
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
    return "state.db-wal is all that there is: put the state back beside it"


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


def test_a_log_without_its_state_is_told_and_kept(store: Store, tmp_path: Path) -> None:
    """As where somebody moved the state away, but not the log."""
    store.record_inventory(inventory(connection()))
    path = tmp_path / "left" / "state.db"
    path.parent.mkdir()
    kill(store, path)
    log = path.with_name("state.db-wal")
    before = log.read_bytes()
    content = path.read_bytes()
    path.unlink()
    for use in (inspect_store, open_store, inspect_store):
        with pytest.raises(StoreError, match="is all that there is: put the state back beside it, or move"):
            use(config_for(path))
        assert not path.exists()
        assert log.read_bytes() == before
    path.write_bytes(content)
    with open_store(config_for(path)) as put_back:
        assert set(put_back.facts()) == {"c-1"}


def test_what_is_said_of_damage_helps(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "left" / "state.db"
    path.parent.mkdir()
    assert "it is damaged" in with_damaged_pages(path, store)
    with pytest.raises(StoreError, match=r"move it away, with its -wal and -shm, .* or counting starts anew"):
        open_store(config_for(path))
    for file in path.parent.glob("state.db*"):
        if file.suffix != ".lock":
            file.rename(tmp_path / file.name)
    with open_store(config_for(path)) as anew:
        assert anew.facts() == {}


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


@pytest.mark.parametrize("fails", [False, True])
def test_a_state_that_is_written_while_it_is_looked_at_is_looked_at_again(
    state: State, store: Store, *, fails: bool
) -> None:
    """A command may write a silence at that moment; what was read before may then be half of it."""
    store.close()
    path = path_of(state)
    looks: list[int] = []

    def read(seen: sa.Connection) -> int:
        found: int = seen.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar_one()
        looks.append(found)
        if len(looks) == 1:
            with closing(sqlite3.connect(path)) as other:
                other.execute("PRAGMA user_version = 7")
                other.commit()
            if fails:
                raise StoreError("half of it")
        return found

    assert look(path, read, thorough=True, is_used=False) == 1
    assert looks == [1, 1]


CUT_OFF = """
import os, sqlite3, sys
state = sqlite3.connect(sys.argv[1], isolation_level=None)
state.execute("PRAGMA journal_mode = DELETE")
state.execute("PRAGMA cache_size = 1")
state.execute("PRAGMA cache_spill = 1")
state.execute("BEGIN")
state.execute("UPDATE connections SET name = 'changed' || hex(randomblob(2000))")
os._exit(9)
"""


def test_a_transaction_that_was_cut_off_outside_of_wal_mode_is_rolled_back(
    state: State, store: Store
) -> None:
    """As in a backup, which is in that mode, when somebody who changed it was killed."""
    store.record_inventory(inventory(*(connection(f"c-{number}") for number in range(300))))
    before = store.facts()
    state.close()
    path = path_of(state)
    done = subprocess.run([sys.executable, "-c", CUT_OFF, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (9, "")
    assert path.with_name(f"{path.name}-journal").stat().st_size > 0
    assert state.open().facts() == before


def test_a_path_that_is_no_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff %41.db"))
    open_store(config_for(path)).close()
    assert not inspect_store(config_for(path)).is_new
    assert path.exists()
