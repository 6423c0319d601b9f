"""What docs/upgrading.md says of the state is so."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from airbyte_exporter import store as package
from airbyte_exporter.store import Store
from tests.contract.store.builders import EPOCH, connection, inventory, job
from tests.contract.store.conftest import State
from tests.contract.store.test_upgrading import path_of
from tests.requirements import ROOT, require_program

GUIDE = (ROOT / "docs" / "upgrading.md").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def blocks(part: str) -> list[str]:
    """The commands that a part of the guide shows."""
    text = GUIDE.partition(f"## {part}")[2].partition("\n## ")[0]
    return [
        re.sub(r"^    ", "", it, flags=re.MULTILINE)
        for it in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    ]


def shell(commands: str, state: Path) -> None:
    """Run commands of the guide in the folder of a state that stands for the one which they name."""
    here = commands.replace("/var/lib/airbyte-exporter", str(state.parent)).replace("state.db", state.name)
    done = subprocess.run(["sh", "-ec", here], cwd=state.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("where", ["on a machine", "in a container"])
def test_a_backup_can_be_made_while_the_daemon_writes_and_be_restored(
    state: State, store: Store, where: str
) -> None:
    require_program("sqlite3")
    path = path_of(state)
    store.record_inventory(inventory(connection()))
    store.record_jobs([job(1)])
    before = store.facts()
    on_a_machine, in_a_container, restore = blocks("Backups")
    if where == "on a machine":
        shell(on_a_machine, path)
    else:
        # The image's Python has it as a program, the one of the tests perhaps not.
        (image,) = set(re.findall(r"^FROM python:3\.(\d+)", DOCKERFILE, re.MULTILINE))
        assert int(image) >= 12
        shell(in_a_container.replace("python -m sqlite3", "sqlite3"), path)
    store.record_jobs([job(2, created=EPOCH + 500)])
    state.close()

    (backup,) = path.parent.glob("backup-*.db")
    assert stat.S_IMODE(backup.stat().st_mode) & 0o077 == 0 or where == "in a container"
    daemon = os.geteuid() or 65532
    for file in path.parent.glob(f"{path.name}*"):
        os.chown(file, daemon, -1)  # the folder is root's, as that of a volume is
    shell(re.sub(r"backup-\d{4}-\d\d-\d\d\.db", backup.name, restore), path)
    assert path.stat().st_uid == daemon
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
