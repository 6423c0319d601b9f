"""What docs/upgrading.md says of the state is so."""

import os
import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

from airbyte_exporter import store as package
from airbyte_exporter.store import Store
from tests.contract.store.builders import EPOCH, connection, inventory, job
from tests.contract.store.conftest import State
from tests.contract.store.test_upgrading import path_of
from tests.requirements import ROOT

GUIDE = (ROOT / "docs" / "upgrading.md").read_text("utf-8")


def test_a_backup_can_be_made_while_the_daemon_writes_and_be_restored(
    state: State, store: Store, tmp_path: Path
) -> None:
    store.record_inventory(inventory(connection()))
    store.record_jobs([job(1)])
    before = store.facts()
    (line,) = re.findall(r"^    (sqlite3 .*)$", GUIDE, re.MULTILINE)
    program, named, statement = shlex.split(line)
    assert (program, named) == ("sqlite3", "/var/lib/airbyte-exporter/state.db")
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(path_of(state))) as database:
        database.execute(statement.replace("/backup/airbyte-exporter.db", str(backup)))
    store.record_jobs([job(2, created=EPOCH + 500)])
    state.close()

    backup.replace(path_of(state))
    restored = state.open()
    assert restored.facts() == before
    restored.record_jobs([job(2, created=EPOCH + 500)])
    assert restored.facts()["c-1"].counters.jobs == {("sync", "succeeded"): 2}


def test_every_error_that_it_explains_is_one_that_is_told() -> None:
    folder = Path(str(package.__file__)).parent
    told = "\n".join(file.read_text("utf-8") for file in folder.glob("*.py"))
    told += "\n".join(os.strerror(number) for number in range(1, 200))
    rows = re.findall(
        r"^\| (`.*?) \| [^|]*\|$", GUIDE.partition("## When the state cannot be used")[2], re.MULTILINE
    )
    phrases = [phrase for row in rows for phrase in re.findall(r"`(.*?)`", row)]
    assert len(phrases) > 8
    for phrase in phrases:
        for part in re.split(r" ?\(?…\)? ?| \d+| is user 0's, this is user \d+\)", phrase):
            assert part in told, part


def test_the_files_that_it_names_are_named_so(state: State) -> None:
    path = path_of(state)
    shown = re.findall(r"state\.db[\w.-]*", GUIDE)
    assert {name for name in shown if name.startswith("state.db.0")} == {"state.db.0006"}
    assert {f"{path.name}-wal", f"{path.name}-shm", path.name} <= set(shown)
