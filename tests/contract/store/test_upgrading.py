"""A state goes forward over several schemas with everything in it, whole or not at all, and never back."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from airbyte_exporter.model import JobStatus
from airbyte_exporter.store import StateTooNew, Store, StoreError, inspect_store, schema
from tests.contract.store.builders import (
    EPOCH,
    connection,
    decision,
    ended,
    incident,
    inventory,
    job,
    notification,
)
from tests.contract.store.conftest import State
from tests.contract.store.older import take_back

OLDER = "0005"
"""Two schemas ago."""

KILLED = """
import os, signal, sys
import sqlalchemy as sa
from airbyte_exporter.store import StoreConfig, open_store

def upgrade(url, statements):
    left = [statements]
    def count(*_):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
    sa.event.listen(sa.Engine, "after_cursor_execute", count)
    open_store(StoreConfig(url=url)).close()

for number, url in enumerate(sys.argv[1:], 1):
    child = os.fork()
    if not child:
        upgrade(url, number)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr)
"""
"""Brings each state up to date in a process that is killed after one statement more than the last."""


def path_of(state: State) -> Path:
    return Path(state.config.url.get_secret_value().removeprefix("sqlite:///"))


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table, without leaving anything behind."""
    still = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    engine = sa.create_engine(f"sqlite:///file:{path}?mode=ro{still}&uri=true", poolclass=sa.NullPool)
    tables = sa.MetaData()
    with engine.connect() as db:
        tables.reflect(db)
        return {
            table.name: [tuple(row) for row in db.execute(sa.select(table))] for table in tables.sorted_tables
        }


def revision_of(path: Path) -> str:
    ((found,),) = everything(path)["alembic_version"]
    return str(found)


@pytest.fixture
def older(state: State, store: Store) -> Iterator[State]:
    """A state of two schemas ago: jobs that were counted, an incident that was told, and one that waits."""
    store.record_inventory(inventory(connection("c-1"), connection("c-2")))
    store.record_jobs([job(1), job(2, JobStatus.FAILED, created=EPOCH + 200), job(3, of="c-2")])
    told = [decision(incident(), notification(1), judged=job(2, created=EPOCH + 200))]
    store.record_decisions(told, ["webhook"], sequence=store.sequence(), now=1.0)
    (delivery,) = store.claim(2.0, receiver="webhook", lease=60.0, limit=5)
    store.acknowledge(delivery, 3.0)
    waits = [decision(ended(incident("f-2", of="c-2"), EPOCH + 300), notification(2, "f-2"), of="c-2")]
    store.record_decisions(waits, ["webhook"], sequence=store.sequence(), now=4.0)
    with store._database.write() as db:
        take_back(db, OLDER)
    state.close()
    yield state
    state.close()


def test_counters_go_on_and_nothing_is_told_again(older: State) -> None:
    assert inspect_store(older.config).needs_migration
    upgraded = older.open()
    counters = {id_: facts.counters.jobs for id_, facts in upgraded.facts().items()}
    assert counters == {
        "c-1": {("sync", "succeeded"): 1, ("sync", "failed"): 1},
        "c-2": {("sync", "succeeded"): 1},
    }
    assert [it.fingerprint for it in upgraded.incidents(firing_only=True)] == ["f-1"]
    (waiting,) = upgraded.claim(5.0, receiver="webhook", lease=60.0, limit=5)
    assert waiting.notification.fingerprint == "f-2"
    assert "c-1" not in upgraded.unjudged(upgraded.sequence())
    upgraded.record_jobs([job(2, JobStatus.FAILED, created=EPOCH + 200), job(4, created=EPOCH + 400)])
    assert upgraded.facts()["c-1"].counters.jobs[("sync", "succeeded")] == 2
    assert upgraded.facts()["c-1"].counters.jobs[("sync", "failed")] == 1


def test_what_it_was_before_is_kept_beside_it_for_its_owner_alone(older: State) -> None:
    before = everything(path_of(older))
    older.open()
    copy = path_of(older).with_name(f"state.db.{OLDER}")
    assert everything(copy) == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    older.close()
    assert {file.name for file in copy.parent.iterdir()} == {"state.db", "state.db.lock", copy.name}
    assert revision_of(path_of(older)) == schema.HEAD


def test_a_state_that_is_new_or_up_to_date_is_not_copied(state: State, store: Store) -> None:
    state.reopen()
    assert not list(path_of(state).parent.glob("state.db.0*"))


def test_a_copy_that_was_put_back_is_the_state_again(older: State) -> None:
    """Whoever went back may come again: the copy of the first time gives way to one of the second."""
    upgraded = older.open()
    upgraded.record_jobs([job(9, created=EPOCH + 900)])
    older.close()
    path = path_of(older)
    path.with_name(f"state.db.{OLDER}").replace(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE connections SET name = 'changed by the older version' WHERE id = 'c-2'")
    again = older.open()
    assert again.facts()["c-2"].connection.name == "changed by the older version"
    assert again.facts()["c-1"].counters.jobs[("sync", "succeeded")] == 1
    copied = everything(path.with_name(f"state.db.{OLDER}"))["connections"]
    assert any("changed by the older version" in row for row in copied)


def test_a_kill_at_any_moment_leaves_the_older_or_the_newer_one(older: State, tmp_path: Path) -> None:
    original = path_of(older)
    before, size = everything(original), 26
    paths = [tmp_path / f"{number}" / "state.db" for number in range(size)]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(original, path)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *(f"sqlite:///{path}" for path in paths)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    codes = [int(line) for line in done.stderr.split()]
    killed = codes.index(0)
    assert codes == [-9] * killed + [0] * (size - killed)
    assert killed > 15, "the migrations have more statements than that"
    revisions = [revision_of(path) for path in paths]
    assert revisions == sorted(revisions)
    assert set(revisions) == {OLDER, schema.HEAD}
    for path, revision in zip(paths, revisions, strict=True):
        copy = path.with_name(f"state.db.{OLDER}")
        assert everything(path if revision == OLDER else copy) == before
        older.config = older.config.model_copy(update={"url": type(older.config.url)(f"sqlite:///{path}")})
        assert len(older.reopen().facts()) == 2
        assert everything(copy) == before


def test_where_no_copy_can_be_kept_the_state_stays_as_it_is(older: State) -> None:
    path = path_of(older)
    in_the_way = path.with_name(f"state.db.{OLDER}")
    in_the_way.mkdir()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"it cannot be copied to {in_the_way} before: that is a folder"):
        older.open()
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {"state.db", "state.db.lock", in_the_way.name}


def test_a_newer_one_is_refused_and_not_touched(state: State, store: Store) -> None:
    with store._database.write() as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        db.exec_driver_sql("ALTER TABLE jobs ADD COLUMN from_the_future TEXT")
    state.close()
    path = path_of(state)
    before = path.read_bytes()
    with pytest.raises(StateTooNew, match=r"use that version again, or name another file in state\.url$"):
        state.open()
    copy = path.with_name(f"state.db.{schema.HEAD}")
    copy.touch()
    with pytest.raises(
        StateTooNew,
        match=f"use that version again, or put back {copy}, which it was before, without -wal and -shm$",
    ):
        state.open()
    assert path.read_bytes() == before
    assert not list(path.parent.glob("state.db-*"))
    assert os.listxattr(path) == []
