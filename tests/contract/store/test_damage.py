"""A state that is damaged, or cannot be written: a line that says what to do, and the file as it was."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_exporter.model import JobStatus
from airbyte_exporter.store import Store, StoreConfig, StoreError, inspect_store, open_store
from tests.contract.store import builders
from tests.contract.store.builders import EPOCH, FAILED_ATTEMPTS, connection, incident, inventory, job
from tests.contract.store.conftest import State
from tests.contract.store.test_opening import config_for
from tests.contract.store.test_upgrading import path_of
from tests.sandbox import with_nothing_writable_but

PAGE = 4096
DAMAGED = "it is damaged: move it away, with its -wal and -shm, then restore a copy, or counting starts anew"
OTHER = "it is not a SQLite database: name another file in state.url"

OPENS = """
import sys
from airbyte_exporter.store import StoreConfig, StoreError, inspect_store, open_store
config = StoreConfig(url=f"sqlite:///{sys.argv[1]}")
for use in (inspect_store, open_store):
    try:
        use(config)
    except StoreError as error:
        print(error)
"""


@pytest.fixture
def filled(state: State, store: Store) -> Path:
    """A state that nobody has, with something in every place."""
    store.record_inventory(inventory(*(connection(f"c-{number}") for number in range(60))))
    store.record_jobs(
        [
            job(
                number,
                JobStatus.FAILED,
                of=f"c-{number % 60}",
                created=EPOCH + number,
                attempts=FAILED_ATTEMPTS,
            )
            for number in range(300)
        ]
    )
    told = [
        builders.decision(incident(f"f-{n}", of=f"c-{n}"), builders.notification(n, f"f-{n}"), of=f"c-{n}")
        for n in range(20)
    ]
    store.record_decisions(told, ["webhook"], sequence=0, now=1.0)
    state.close()
    return path_of(state)


def truncated(content: bytearray, _: random.Random) -> None:
    del content[len(content) // 2 :]


def torn(content: bytearray, _: random.Random) -> None:
    del content[-100:]


def another_beginning(content: bytearray, chance: random.Random) -> None:
    content[:100] = chance.randbytes(100)


def zeroed_pages(content: bytearray, _: random.Random) -> None:
    middle = len(content) // PAGE // 2 * PAGE
    content[middle : middle + 8 * PAGE] = bytes(8 * PAGE)


def garbage_in_the_middle(content: bytearray, chance: random.Random) -> None:
    middle = len(content) // PAGE // 2 * PAGE
    content[middle : middle + 8 * PAGE] = chance.randbytes(8 * PAGE)


Spoil = Callable[[bytearray, random.Random], None]
SPOILED = [
    (truncated, DAMAGED),
    (torn, DAMAGED),
    (another_beginning, OTHER),
    (zeroed_pages, DAMAGED),
    (garbage_in_the_middle, DAMAGED),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILED, ids=lambda it: getattr(it, "__name__", ""))
def test_damage_is_told_before_anything_is_written(spoil: Spoil, said: str, filled: Path) -> None:
    content = bytearray(filled.read_bytes())
    spoil(content, random.Random(1))
    filled.write_bytes(content)
    for use in (inspect_store, open_store):
        with pytest.raises(StoreError, match=said) as caught:
            use(config_for(filled))
        assert str(filled) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert filled.read_bytes() == content
    assert {file.name for file in filled.parent.iterdir()} <= {"state.db", "state.db.lock"}


def read_all(config: StoreConfig) -> None:
    """Read and write as the daemon does."""
    with open_store(config) as store:
        store.facts()
        store.completed()
        store.alert_states()
        store.incidents()
        store.instance()
        store.claim(1e9, receiver="webhook", lease=1.0, limit=20)
        store.unjudged(store.sequence())
        store.record_jobs([job(1000)])


def test_whatever_bytes_change_it_is_an_error_for_a_person(filled: Path, tmp_path: Path) -> None:
    """What the file's own structure does not give away comes to light when it is read."""
    content, chance = filled.read_bytes(), random.Random(20)
    found = set()
    for number in range(60):
        spoiled = bytearray(content)
        for _ in range(20):
            spoiled[chance.randrange(100, len(spoiled))] = chance.randrange(256)
        path = tmp_path / f"{number}.db"
        path.write_bytes(spoiled)
        try:
            read_all(config_for(path))
        except StoreError as error:
            found.add(str(error).partition("cannot be ")[2].partition(": ")[2])
    assert found == {DAMAGED}


def test_damage_under_way_is_told_and_not_fatal(state: State, filled: Path) -> None:
    """Who runs goes on with what it has: only it knows what has happened since the copy that is restored."""
    store = state.open()
    assert len(store.facts()) == 60
    content = bytearray(filled.read_bytes())
    content[PAGE:] = b"\xff" * (len(content) - PAGE)
    filled.write_bytes(content)
    store._database._engine.dispose()
    for use in (store.facts, lambda: store.record_jobs([job(1000)])):
        with pytest.raises(StoreError, match=DAMAGED) as caught:
            use()
        assert not caught.value.is_fatal


# A place that cannot be written


def test_a_volume_that_is_read_only(filled: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    before = filled.read_bytes()
    argv = with_nothing_writable_but(elsewhere, [sys.executable, "-c", OPENS, str(filled)])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    looked, opened = done.stdout.splitlines()
    assert looked == opened
    assert looked.startswith(f"the state {filled} cannot be opened: Read-only file system: mount ")
    assert filled.read_bytes() == before
