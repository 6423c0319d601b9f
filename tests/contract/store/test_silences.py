"""Silences: kept over restarts, heeded from the moment they are made, made beside whoever has the state."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from airbyte_exporter.model import JobStatus, Silence
from airbyte_exporter.store import StateTooNew, Store, StoreError, join_store
from tests.contract.store.builders import (
    DAY,
    EPOCH,
    connection,
    decision,
    incident,
    inventory,
    job,
    notification,
)
from tests.contract.store.conftest import State
from tests.contract.store.older import take_back
from tests.contract.store.test_opening import config_for

HOUR: Final = 3600

WRITER = """
import sys
from pydantic import SecretStr
from airbyte_exporter.model import Silence
from airbyte_exporter.store import StoreConfig, join_store
with join_store(StoreConfig(url=SecretStr(sys.argv[1]))) as store:
    for number in range(int(sys.argv[2])):
        store.add_silence(Silence(f"s-{number}", {"tag": ("gold",)}, 1, 2, "why", "who", 1))
        print(number, flush=True)
"""


def silence(
    id_: str = "5f3c9a1e",
    *,
    starts_at: int = EPOCH,
    ends_at: int = EPOCH + HOUR,
    expired_at: int | None = None,
) -> Silence:
    return Silence(
        id=id_,
        matchers={"connection": ("Orders*", "Kunden \N{EN DASH} 顧客"), "severity": ("warning",)},
        starts_at=starts_at,
        ends_at=ends_at,
        reason="Wartung: the warehouse is “away”",
        author="ana",
        created_at=starts_at,
        expired_at=expired_at,
    )


def ids(found: tuple[Silence, ...]) -> list[str]:
    return [each.id for each in found]


def test_a_silence_is_the_same_after_a_restart(state: State, store: Store) -> None:
    store.add_silence(silence())
    everything = replace(silence("all"), matchers={}, created_at=EPOCH + 1)
    store.add_silence(everything)
    assert state.reopen().silences() == (everything, silence())


@pytest.mark.parametrize(
    ("at", "found"),
    [
        (EPOCH - 0.1, []),
        (EPOCH, ["long", "ended", "short"]),
        (EPOCH + 99.9, ["long", "ended", "short"]),
        (EPOCH + 100, ["long", "short"]),
        (EPOCH + HOUR, ["long"]),
        (EPOCH + DAY, []),
    ],
)
def test_which_hold_at_a_time(store: Store, at: float, found: list[str]) -> None:
    store.add_silence(silence("short"))
    store.add_silence(silence("ended", expired_at=EPOCH + 100))
    store.add_silence(silence("long", ends_at=EPOCH + DAY))
    assert sorted(ids(store.silences(active_at=at))) == sorted(found)
    assert [each.id for each in store.silences() if each.is_active(at)] == ids(store.silences(active_at=at))


def test_what_text_no_database_stores_is_replaced(store: Store) -> None:
    strange = replace(silence(), reason="a\0b\udc80", author="\udce4", matchers={"tag": ("x\0", "\udce4")})
    store.add_silence(strange)
    (kept,) = store.silences()
    assert (kept.reason, kept.author) == ("a\ufffdb\ufffd", "\ufffd")
    assert kept.matchers == {"tag": ("x\ufffd", "\ufffd")}


def test_an_id_that_is_taken_changes_nothing(store: Store) -> None:
    store.add_silence(silence())
    with pytest.raises(StoreError, match="there is a silence 5f3c9a1e already: nothing was changed"):
        store.add_silence(silence(ends_at=EPOCH + DAY))
    assert store.silences() == (silence(),)


def test_ending_one_before_its_time_keeps_what_it_was(state: State, store: Store) -> None:
    store.add_silence(silence())
    store.add_silence(silence("other"))
    assert store.expire_silence("5f3c9a1e", EPOCH + 10.9)
    kept = {each.id: each for each in state.reopen().silences()}
    assert kept == {"5f3c9a1e": silence(expired_at=EPOCH + 10), "other": silence("other")}


@pytest.mark.parametrize(
    ("given", "name", "at"),
    [
        (silence(), "unknown", EPOCH + 1),
        (silence(), "5f3c9a1e", EPOCH + HOUR),
        (silence(expired_at=EPOCH + 5), "5f3c9a1e", EPOCH + 6),
    ],
    ids=["there is none", "it is over", "it was ended"],
)
def test_what_cannot_be_ended_stays_as_it_is(store: Store, given: Silence, name: str, at: int) -> None:
    store.add_silence(given)
    assert not store.expire_silence(name, at)
    assert store.silences() == (given,)


def test_silences_are_forgotten_90_days_after_their_end(store: Store) -> None:
    over = EPOCH + HOUR
    store.add_silence(silence("over"))
    store.add_silence(silence("ended", ends_at=EPOCH + 1000 * DAY, expired_at=over))
    store.add_silence(silence("holds", ends_at=EPOCH + 1000 * DAY))
    store.prune(over + 90 * DAY, keep_after=over)
    assert sorted(ids(store.silences())) == ["ended", "holds", "over"]
    store.prune(over + 90 * DAY + 1, keep_after=over)
    assert ids(store.silences()) == ["holds"]


# Beside the one that has the state


def test_both_see_at_once_what_the_other_did(state: State, store: Store) -> None:
    with join_store(state.config) as beside:
        beside.add_silence(silence())
        assert store.silences(active_at=EPOCH) == (silence(),)
        store.expire_silence("5f3c9a1e", EPOCH + 1)
        assert beside.silences(active_at=EPOCH + 2) == ()
    assert store.silences() == (silence(expired_at=EPOCH + 1),), "who has it goes on"


def test_another_process_writes_while_the_one_that_has_it_does(state: State, store: Store) -> None:
    store.record_inventory(inventory(connection()))
    url = state.config.url.get_secret_value()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url, "60"], stdout=subprocess.PIPE)
    with writer:
        assert writer.stdout is not None
        recorded = 0
        for _written in writer.stdout:  # both go on writing then; SQLite would let one alone starve the other
            recorded += 1
            store.record_jobs([job(recorded, JobStatus.SUCCEEDED, created=EPOCH + recorded)])
    assert writer.returncode == 0
    assert (recorded, len(store.silences())) == (60, 60)
    assert store.facts()["c-1"].counters.jobs == {("sync", "succeeded"): recorded}


def test_what_is_on_its_way_stays_claimed_when_somebody_joins(state: State, store: Store) -> None:
    store.record_decisions([decision(incident(), notification(1))], ["webhook"], sequence=0, now=1.0)
    assert len(store.claim(2.0, receiver="webhook", lease=60.0, limit=5)) == 1
    join_store(state.config).close()
    assert store.claim(3.0, receiver="webhook", lease=60.0, limit=5) == ()


def schema_of(store: Store) -> str:
    with store._database.read() as db:
        return str(db.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one())


def test_the_state_of_an_older_exporter_that_runs_is_not_migrated(state: State, store: Store) -> None:
    with store._database.write() as db:
        take_back(db, "0003")
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()} of an older version") as caught:
        join_store(state.config)
    assert "restart that one as this version" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert schema_of(store) == "0003"


def test_an_older_state_that_nobody_has_waits_for_the_exporter(state: State, store: Store) -> None:
    with store._database.write() as db:
        take_back(db, "0003")
    state.close()
    with pytest.raises(StoreError, match="of an older version: start `airbyte-exporter run`"):
        join_store(state.config)
    assert state.open().silences() == ()
    join_store(state.config).close()


def test_a_newer_state_is_left_alone(state: State, store: Store) -> None:
    with store._database.write() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateTooNew, match="written by a newer version"):
        join_store(state.config)


def test_a_state_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"there is no state at .*state\.db: `airbyte-exporter run` makes it"
    ):
        join_store(config_for(tmp_path / "not" / "here" / "state.db"))
    assert list(tmp_path.iterdir()) == []


# What the commands read


def test_connections_that_existed_are_known_by_name(store: Store) -> None:
    store.record_inventory(inventory(connection("c-1"), connection("c-2", name="Old")))
    store.record_jobs([job(1, of="c-2")])
    store.record_inventory(inventory(connection("c-1"), read_at=EPOCH + 60))
    assert [(each.id, each.name) for each in store.connections()] == [
        ("c-1", "Connection c-1"),
        ("c-2", "Old"),
    ]
    assert set(store.facts(["c-1", "c-2"])) == {"c-1"}
    assert set(store.facts(["c-1", "c-2"], deleted_too=True)) == {"c-1", "c-2"}
