"""A look at the state: what it is like, whoever has it, and that nothing changes by looking."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from airbyte_exporter.store import (
    Identity,
    StateInUse,
    StateTooNew,
    Store,
    StoreConfig,
    StoreError,
    inspect_store,
    open_store,
)
from tests.contract.store.builders import connection, inventory
from tests.contract.store.conftest import State
from tests.contract.store.test_opening import HOLDER, config_for

NOBODY = 65534
BOUND = Identity("http://airbyte:8001/api/v1", "d-1")


def path_of(state: State) -> Path:
    return Path(state.config.url.get_secret_value().removeprefix("sqlite:///"))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return everything in a folder but the memory that SQLite's processes share."""
    return {
        file.name: (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith("-shm")
    }


def test_a_state_that_is_not_there_yet(tmp_path: Path) -> None:
    look = inspect_store(config_for(tmp_path / "not" / "yet" / "state.db"))
    assert (look.is_new, look.used_by, look.identity) == (True, None, None)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    assert inspect_store(config_for(tmp_path / "state.db")).is_new


def test_a_state_that_nobody_has(state: State, store: Store) -> None:
    state.close()
    folder = path_of(state).parent
    before = contents(folder)
    look = inspect_store(state.config)
    assert (look.is_new, look.needs_migration, look.used_by, look.identity) == (False, False, None, BOUND)
    assert contents(folder) == before
    assert not list(folder.glob("*-shm"))


def test_a_state_that_is_in_use_is_read_all_the_same(state: State, store: Store) -> None:
    store.record_inventory(inventory(connection()))
    folder = path_of(state).parent
    before = contents(folder)
    look = inspect_store(state.config)
    assert look.used_by == f"process {os.getpid()}"
    assert look.identity == BOUND
    assert contents(folder) == before
    with pytest.raises(StateInUse):
        open_store(state.config)
    assert set(store.facts()) == {"c-1"}, "who has it goes on"


def test_a_look_does_not_keep_anybody_out(state: State) -> None:
    assert inspect_store(state.config).used_by is None
    assert state.open().facts() == {}


def test_a_state_whose_process_was_killed(state: State) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, state.config.url.get_secret_value()], stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        assert inspect_store(state.config).used_by == f"process {holder.pid}"
        holder.send_signal(signal.SIGKILL)
    folder = path_of(state).parent
    before = contents(folder)
    assert "state.db-wal" in before
    look = inspect_store(state.config)
    assert (look.is_new, look.used_by) == (False, None)
    assert contents(folder) == before
    state.open()


def test_a_state_of_a_newer_version(state: State, store: Store) -> None:
    with store._database.write() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for close in (False, True):
        if close:
            state.close()
        with pytest.raises(StateTooNew, match=r"newer version \(schema 9999, this one knows"):
            inspect_store(state.config)


def test_a_state_of_an_older_version(state: State, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_exporter.store._inspection.HEAD", "9998")
    look = inspect_store(state.config)
    assert (look.needs_migration, look.identity) == (True, BOUND)


def test_something_else_in_its_place(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE dashboards (id)")
    database.close()
    with pytest.raises(StoreError, match="is a database of something else"):
        inspect_store(config_for(other))
    text = tmp_path / "text.db"
    text.write_text("name: value\n" * 500)
    with pytest.raises(StoreError, match="it is not a SQLite database"):
        inspect_store(config_for(text))
    with pytest.raises(StoreError, match=r"Is a directory: name a file in it in state\.url"):
        inspect_store(config_for(tmp_path))
    with pytest.raises(StoreError, match=r"a folder of its path is a file, set state\.url"):
        inspect_store(config_for(text / "deeper" / "state.db"))


def test_a_path_with_signs_that_mean_something_in_addresses(state: State, tmp_path: Path) -> None:
    odd = tmp_path / "100% state #1?.db"
    shutil.copy(path_of(state), odd)
    assert not inspect_store(StoreConfig(url=SecretStr(f"sqlite:///{tmp_path / 'link.db'}"))).used_by
    (tmp_path / "link.db").symlink_to(odd)
    look = inspect_store(StoreConfig(url=SecretStr(f"sqlite:///{tmp_path / 'link.db'}")))
    assert (look.path, look.is_new) == (odd, False)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """The rights of somebody who is not root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("as_nobody")
class TestWithoutRights:
    @pytest.fixture(autouse=True)
    def _ours(self, open_folder: Path, as_nobody: None) -> Iterator[None]:
        mine = os.geteuid()
        if mine != os.getuid():
            os.seteuid(0)
            (open_folder / "state.db").touch(0o644)
            (open_folder / "open").mkdir(0o777)
            (open_folder / "open").chmod(0o777)
            (open_folder / "open" / "state.db").touch(0o644)
            os.seteuid(mine)
        else:
            (open_folder / "state.db").touch(0o444)
            (open_folder / "open").mkdir(0o777)
            (open_folder / "open" / "state.db").touch(0o444)
            open_folder.chmod(0o555)
        yield
        if mine == os.getuid():
            open_folder.chmod(0o755)

    @pytest.mark.parametrize("name", ["new.db", "deep/new.db", "state.db", "open/state.db"])
    def test_it_says_what_open_store_would(self, name: str, open_folder: Path) -> None:
        config = config_for(open_folder / name)
        with pytest.raises(StoreError, match="let this user write to it and to its folder") as looked:
            inspect_store(config)
        with pytest.raises(StoreError) as opened:
            open_store(config)
        assert str(looked.value) == str(opened.value)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can have files of somebody else")
    @pytest.mark.parametrize("name", ["new.db", "open/state.db"])
    def test_it_says_whose_the_place_is(self, name: str, open_folder: Path) -> None:
        whose = open_folder / name if name == "open/state.db" else open_folder
        with pytest.raises(StoreError) as caught:
            open_store(config_for(open_folder / name))
        assert f"Permission denied ({whose} is user 0's, this is user {NOBODY}): let this user" in str(
            caught.value
        )

    def test_a_folder_that_may_be_written(self, open_folder: Path) -> None:
        assert inspect_store(config_for(open_folder / "open" / "new.db")).is_new
