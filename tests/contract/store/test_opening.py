"""Where the state is, who may use it, and what is said when it cannot be used."""

import fcntl
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import alembic.script
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr, ValidationError

from airbyte_exporter.model import JobStatus, Schedule, ScheduleType
from airbyte_exporter.store import (
    StateInUse,
    StateMismatch,
    StateTooNew,
    Store,
    StoreConfig,
    StoreError,
    _database,
    open_store,
    schema,
)
from tests.contract.store.builders import (
    EPOCH,
    FAILED_ATTEMPTS,
    INSTANCE,
    connection,
    decision,
    incident,
    inventory,
    job,
    notification,
)
from tests.contract.store.conftest import State
from tests.contract.store.older import take_back

HOLDER = """
import sys, time
from pydantic import SecretStr
from airbyte_exporter.store import StoreConfig, open_store
store = open_store(StoreConfig(url=SecretStr(sys.argv[1])))
print("open", flush=True)
time.sleep(60)
"""


def config_for(path: Path) -> StoreConfig:
    return StoreConfig(url=SecretStr(f"sqlite:///{path}"))


def test_a_new_state_is_created_with_its_folder_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.db"
    with open_store(config_for(path)) as store:
        assert store.identity() is None
        files = [path, *path.parent.glob("state.db-*"), path.with_name("state.db.lock")]
        assert len(files) == 4
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_was_recorded_is_there_after_reopening(state: State) -> None:
    store = state.open()
    assert store.bind(url="http://a", deployment_id=None, epoch=EPOCH) == EPOCH
    store.record_inventory(inventory(connection()))
    store.record_jobs([job()])
    before = store.facts(), store.completed(), store.sequence(), store.instance()
    store = state.reopen()
    assert (store.facts(), store.completed(), store.sequence(), store.instance()) == before
    assert store.epoch == EPOCH
    assert store.instance() == INSTANCE


def test_commits_survive_a_power_cut(store: Store) -> None:
    with store._database.read() as db:
        assert db.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert db.execute(sa.text("PRAGMA synchronous")).scalar() == 2
        assert db.execute(sa.text("PRAGMA foreign_keys")).scalar() == 1


def test_a_second_opener_in_this_process_is_refused(state: State) -> None:
    state.open()
    with pytest.raises(StateInUse, match=f"in use by process {os.getpid()}"):
        state.open()


def test_a_second_opener_by_another_name_is_refused(state: State, tmp_path: Path) -> None:
    state.open()
    link = tmp_path / "link.db"
    link.symlink_to(state.config.url.get_secret_value().removeprefix("sqlite:///"))
    with pytest.raises(StateInUse):
        open_store(config_for(link))


def test_the_state_can_be_read_beside_the_one_that_has_it(state: State, store: Store) -> None:
    store.record_inventory(inventory(connection()))
    assert set(state.open(exclusive=False).facts()) == {"c-1"}


def test_another_process_is_refused_until_the_first_is_killed(state: State) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, state.config.url.get_secret_value()], stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(StateInUse, match=rf"state\.db is in use by process {holder.pid}"):
            state.open()
        holder.send_signal(signal.SIGKILL)
    state.open()


def test_a_closed_state_says_so_and_is_not_written_any_more(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.record_jobs([job()])
    with pytest.raises(StoreError, match="is closed"):
        store.facts()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"state\.db cannot be opened: .* is a file, set state\.url"):
        open_store(config_for(tmp_path / "file" / "state.db"))


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"cannot be opened: Is a directory: name a file in it in state\.url"
    ):
        open_store(config_for(tmp_path))


def test_who_only_looks_whether_somebody_has_it_does_not_hinder_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check` and commands share the lock for an instant."""
    path = tmp_path / "state.db"
    with _database.lock_of(path).open("wb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                fcntl.flock(looking, fcntl.LOCK_UN)

        monkeypatch.setattr(_database, "_wait", wait)
        open_store(config_for(path)).close()
        assert waits == [_database.LOOK_SECONDS] * 3

        fcntl.flock(looking, fcntl.LOCK_SH)
        with pytest.raises(StateInUse):
            open_store(config_for(path))
        assert 1 <= sum(waits) < 2, "it is not waited for without an end"


def test_a_disk_too_full_for_the_lock(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(StoreError, match=r"lock .* cannot be written: .*free some space"):
            open_store(config_for(tmp_path / "state.db"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("name: value\n" * 500)
    with pytest.raises(StoreError, match="it is not a SQLite database"):
        open_store(config_for(path))
    assert path.read_text().startswith("name: value")


def test_a_database_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE dashboards (id)")
    other.close()
    with pytest.raises(StoreError, match="is a database of something else"):
        open_store(config_for(path))


def test_a_damaged_state(state: State, store: Store) -> None:
    store.record_inventory(inventory(*(connection(f"c-{number}") for number in range(300))))
    state.close()
    path = Path(state.config.url.get_secret_value().removeprefix("sqlite:///"))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="it is damaged: move it away, with its -wal"):
        state.open().facts()


def test_a_state_of_a_newer_version_is_left_alone(state: State, store: Store) -> None:
    with store._database.write() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateTooNew, match=r"newer version \(schema 9999, this one knows") as caught:
        state.reopen()
    assert caught.value.is_fatal


def test_a_failed_opening_lets_go_of_the_state(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("not a database " * 100)
    with pytest.raises(StoreError):
        open_store(config_for(path))
    path.unlink()
    open_store(config_for(path)).close()


def test_a_full_disk_is_told_and_nothing_is_half_written(store: Store) -> None:
    store.record_inventory(inventory(connection()))
    before = store.facts(), store.completed(), store.sequence()
    many = [job(number, created=EPOCH + number) for number in range(2000)]

    def fill(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 40")

    engine = store._database._engine
    sa.event.listen(engine, "checkout", fill)
    with pytest.raises(StoreError, match="the disk is full: free some space") as caught:
        store.record_jobs(many)
    assert not caught.value.is_fatal
    assert "INSERT" not in str(caught.value)
    assert (store.facts(), store.completed(), store.sequence()) == before

    sa.event.remove(engine, "checkout", fill)
    engine.dispose()
    store.record_jobs(many)
    assert store.facts()["c-1"].counters.jobs == {("sync", "succeeded"): 2000}


def test_a_number_that_no_database_holds_is_told(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        store.record_jobs([job(2**63)])


def test_threads_share_one_store(store: Store) -> None:
    names = [f"c-{number}" for number in range(4)]
    store.record_inventory(inventory(*map(connection, names)))
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(15):
                store.record_jobs([job(number, of=name, created=EPOCH + number)])
                store.facts([name])
                store.claim(1.0, receiver="webhook", lease=60.0, limit=5)
        except BaseException as error:  # noqa: BLE001 - told below, in the thread that can fail the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(store.completed().values()) == 60
    assert store.sequence() == 60


# The schema


def test_the_migrations_build_the_tables_that_the_code_uses(store: Store) -> None:
    with store._database.read() as db:
        context = MigrationContext.configure(db, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []


def test_every_index_is_partial_where_the_code_says_so(store: Store) -> None:
    """`compare_metadata` does not look at the conditions of indexes."""
    with store._database.read() as db:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        written = {row.name: row.sql for row in db.execute(sa.text(query))}
    indexes = [index for table in schema.metadata.tables.values() for index in table.indexes]
    assert {index.name for index in indexes} == set(written)
    for index in indexes:
        condition = index.dialect_options["sqlite"]["where"]
        assert written[str(index.name)].partition(" WHERE ")[2] == (
            "" if condition is None else condition.text
        )


def test_the_newest_migration_is_the_one_that_is_expected() -> None:
    folder = Path(schema.__file__).parent / "migrations"
    scripts = alembic.script.ScriptDirectory(str(folder))
    assert scripts.get_heads() == [schema.HEAD]
    assert {script.revision for script in scripts.walk_revisions()} == schema.KNOWN


def test_an_older_state_goes_on_counting_and_learns_when_runs_are_due(state: State, store: Store) -> None:
    hourly = connection("c-1", schedule=Schedule(ScheduleType.BASIC, 1, "hours"))
    store.record_inventory(inventory(hourly))
    store.record_jobs([job(1, JobStatus.FAILED, attempts=FAILED_ATTEMPTS)])
    before = store.facts()["c-1"]
    with store._database.write() as db:
        take_back(db, "0002")
    upgraded = state.reopen()
    after = upgraded.facts()["c-1"]
    assert after.counters == replace(
        before.counters, attempts_succeeded=0, attempts_failed=0, failures=MappingProxyType({})
    )
    assert (after.schedule_interval, after.next_run_at) == (None, None)
    assert upgraded.record_inventory(inventory(hourly, read_at=EPOCH + 5000)) == {"c-1"}
    after = upgraded.facts()["c-1"]
    assert (after.schedule_interval, after.next_run_at) == (3600, EPOCH + 5000 + 3600)


def test_an_older_state_asks_once_more_for_successes_that_it_does_not_know(
    state: State, store: Store
) -> None:
    store.record_inventory(inventory(connection("c-1"), connection("c-2")))
    store.record_jobs([job(1), job(2, JobStatus.FAILED, of="c-2")])
    store.successes_looked_up(["c-2"])
    with store._database.write() as db:
        take_back(db, "0004")
    upgraded = state.reopen()
    assert {id_: it.is_history_complete for id_, it in upgraded.facts().items()} == {
        "c-1": True,
        "c-2": False,
    }
    assert upgraded.without_known_success(10) == ("c-2",)
    assert {it.disabled for it in upgraded.facts().values()} == {None}


def test_an_older_state_learns_who_was_told_of_what_goes_on(state: State, store: Store) -> None:
    told, adopted = incident("f-1"), incident("f-2", of="c-2")
    store.record_decisions([decision(told, notification(1))], ["chat", "oncall"], sequence=0, now=1.0)
    store.record_decisions([decision(adopted, of="c-2")], [], sequence=0, now=1.0)
    with store._database.write() as db:
        take_back(db, "0001")
    incidents = {each.fingerprint: each for each in state.reopen().incidents()}
    assert incidents == {"f-1": replace(told, receivers=("chat", "oncall")), "f-2": adopted}


# Whose state it is


def bound(store: Store, **changes: str | int | bool | None) -> int:
    given: dict[str, Any] = {"url": "http://a/api/v1", "deployment_id": "d-1", "epoch": EPOCH + 999}
    return store.bind(**(given | changes))


def test_a_state_keeps_the_epoch_that_it_began_with(state: State) -> None:
    store = state.open()
    with pytest.raises(StoreError, match="belongs to no Airbyte yet"):
        _ = store.epoch
    assert bound(store, epoch=EPOCH) == EPOCH
    assert bound(store) == EPOCH
    assert state.reopen().epoch == EPOCH


@pytest.mark.parametrize(
    ("first", "later", "is_same"),
    [
        ({}, {}, True),
        ({}, {"url": "http://b/api/v1"}, True),
        ({}, {"deployment_id": "d-2"}, False),
        ({}, {"deployment_id": None}, True),
        ({}, {"deployment_id": None, "url": "http://b/api/v1"}, False),
        ({"deployment_id": None}, {}, True),
        ({"deployment_id": None}, {"url": "http://b/api/v1"}, False),
        ({"deployment_id": None}, {"deployment_id": None, "url": "http://b/api/v1"}, False),
    ],
    ids=[
        "again",
        "same deployment at another address",
        "another deployment at the same address",
        "same address, no id any more",
        "another address, no id any more",
        "same address, an id by now",
        "another address, an id by now",
        "another address, never an id",
    ],
)
def test_a_state_belongs_to_one_airbyte(
    state: State, first: dict[str, Any], later: dict[str, Any], is_same: bool
) -> None:
    store = state.open()
    bound(store, **({"epoch": EPOCH} | first))
    if is_same:
        assert bound(store, **later) == EPOCH
        return
    kept = store.identity()
    with pytest.raises(StateMismatch, match="--adopt-state") as caught:
        bound(store, **later)
    assert caught.value.is_fatal
    assert store.identity() == kept
    assert bound(store, **later, adopt=True) == EPOCH
    assert bound(store, **later) == EPOCH


# Its options


def test_the_default_is_in_the_users_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert StoreConfig().url.get_secret_value() == "sqlite:////var/state/airbyte-exporter/state.db"


@pytest.mark.parametrize("home", ["", "relative/path"])
def test_the_default_without_a_usable_xdg_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", home)
    monkeypatch.setenv("HOME", str(tmp_path))
    open_store(StoreConfig()).close()
    assert (tmp_path / ".local/state/airbyte-exporter/state.db").exists()


@pytest.mark.parametrize(
    "url",
    ["", "state.db", "/state.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a.db?mode=ro",
     "postgresql://user:s3cret@db/state"],
)  # fmt: skip
def test_a_url_that_names_no_file_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValidationError, match="must be sqlite:///") as caught:
        StoreConfig(url=SecretStr(url))
    assert "s3cret" not in str(caught.value)


def test_a_retention_too_short_to_be_safe_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be at least 2d"):
        StoreConfig.model_validate({"retention": "47h"})
    assert StoreConfig.model_validate({"retention": "2d"}).retention == 172800
