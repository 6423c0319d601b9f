"""How connections ceased to be active, kept until they are active again."""

from dataclasses import replace

import pytest

from airbyte_exporter.model import ConnectionStatus, Disabling, Instance, Inventory
from airbyte_exporter.store import Store, Unexplained
from tests.contract.store.builders import EPOCH, INSTANCE, connection, histories, inventory, job
from tests.contract.store.conftest import State

ACTIVE, INACTIVE, LOCKED, DEPRECATED, UNKNOWN = ConnectionStatus
OLD = replace(INSTANCE, version="0.50.24")
TOO_MANY = "TOO_MANY_FAILED_JOBS_WITH_NO_RECENT_SUCCESS"


def see(store: Store, status: ConnectionStatus, at: int, *, instance: Instance = INSTANCE) -> set[str]:
    return store.record_inventory(
        Inventory(instance, (), (connection("c-1", status=status), connection("c-2")), EPOCH + at)
    )


def told(store: Store) -> Disabling | None:
    return store.facts()["c-1"].disabled


def test_one_that_goes_inactive_is_told_of_once_airbyte_was_asked(state: State, store: Store) -> None:
    see(store, ACTIVE, 0)
    assert see(store, INACTIVE, 300) == {"c-1"}
    assert told(store) is None
    asked = Unexplained("c-1", at=EPOCH + 300, after=EPOCH)
    assert store.unexplained() == (asked,)
    answer = Disabling(EPOCH + 120, TOO_MANY, by_person=False)

    again = state.reopen()
    assert again.unexplained() == (asked,), "a restart forgets nothing"
    assert again.explain({asked: answer}) == {"c-1"}
    assert told(again) == answer
    assert again.unexplained() == ()
    assert see(again, INACTIVE, 600) == set()
    assert told(state.reopen()) == answer


def test_what_airbyte_does_not_tell_is_not_known(store: Store) -> None:
    see(store, ACTIVE, 0)
    see(store, INACTIVE, 300)
    (asked,) = store.unexplained()
    store.explain({asked: None})
    assert told(store) == Disabling(EPOCH + 300, reason=None, by_person=None)


def test_where_the_clock_was_set_back_no_event_is_asked_for_in_vain(store: Store) -> None:
    see(store, ACTIVE, 500)
    see(store, INACTIVE, 300)
    assert store.unexplained() == (Unexplained("c-1", at=EPOCH + 300, after=EPOCH + 300),)


def test_an_api_that_tells_nothing_of_it_is_not_asked(store: Store) -> None:
    see(store, ACTIVE, 0, instance=OLD)
    see(store, INACTIVE, 300, instance=OLD)
    assert store.unexplained() == ()
    assert told(store) == Disabling(EPOCH + 300)


@pytest.mark.parametrize("instance", [INSTANCE, OLD])
def test_nobody_but_airbyte_locks(store: Store, instance: Instance) -> None:
    see(store, ACTIVE, 0, instance=instance)
    see(store, LOCKED, 300, instance=instance)
    assert store.unexplained() == ()
    assert told(store) == Disabling(EPOCH + 300, by_person=False)


def test_it_stays_what_it_was_when_airbyte_locks_what_is_off(store: Store) -> None:
    see(store, ACTIVE, 0)
    see(store, INACTIVE, 300)
    (asked,) = store.unexplained()
    by_somebody = Disabling(EPOCH + 100, by_person=True)
    store.explain({asked: by_somebody})
    see(store, LOCKED, 600)
    assert told(store) == by_somebody


@pytest.mark.parametrize("status", [ACTIVE, DEPRECATED, UNKNOWN])
@pytest.mark.parametrize("is_explained", [True, False])
def test_it_ends_with_the_status(store: Store, status: ConnectionStatus, is_explained: bool) -> None:
    see(store, ACTIVE, 0)
    see(store, INACTIVE, 300)
    (asked,) = store.unexplained()
    if is_explained:
        store.explain({asked: None})
    see(store, status, 600)
    assert told(store) is None
    assert store.unexplained() == ()


def test_each_time_is_one_of_its_own(store: Store) -> None:
    see(store, ACTIVE, 0)
    see(store, INACTIVE, 300)
    (first,) = store.unexplained()
    store.explain({first: Disabling(EPOCH + 200, TOO_MANY, by_person=False)})
    see(store, ACTIVE, 600)
    see(store, INACTIVE, 900)
    assert told(store) is None
    assert store.unexplained() == (Unexplained("c-1", EPOCH + 900, EPOCH + 600),)


def test_what_was_off_at_first_sight_is_not_told_of(store: Store) -> None:
    see(store, INACTIVE, 0)
    see(store, INACTIVE, 300)
    see(store, LOCKED, 600)
    assert told(store) is None
    assert store.unexplained() == ()


def test_what_is_gone_is_not_told_of_and_seen_for_the_first_time_again(store: Store) -> None:
    see(store, ACTIVE, 0)
    store.record_jobs([job()])
    see(store, INACTIVE, 300)
    store.explain(dict.fromkeys(store.unexplained()))
    store.record_inventory(inventory(connection("c-2"), read_at=EPOCH + 600))
    assert [(it.deleted, it.facts.disabled) for it in histories(store).values()] == [(True, None)]
    see(store, INACTIVE, 900)
    assert told(store) is None
    see(store, ACTIVE, 1200)
    store.record_inventory(inventory(connection("c-2"), read_at=EPOCH + 1500))
    see(store, INACTIVE, 1800)
    assert told(store) is None, "nobody saw it go"


def test_an_answer_that_comes_too_late_changes_nothing(store: Store) -> None:
    see(store, ACTIVE, 0)
    see(store, INACTIVE, 300)
    (asked,) = store.unexplained()
    see(store, ACTIVE, 600)
    assert store.explain({asked: Disabling(EPOCH + 200, TOO_MANY, by_person=False)}) == frozenset()
    assert told(store) is None
    see(store, INACTIVE, 900)
    assert store.explain({asked: None}) == frozenset()
    assert told(store) is None


def test_those_seen_first_are_asked_about_first(store: Store) -> None:
    statuses = dict.fromkeys(("c-1", "c-2", "c-3"), ACTIVE)
    for at, id_ in enumerate((None, "c-3", "c-1", "c-2")):
        statuses |= {} if id_ is None else {id_: INACTIVE}
        listed = [connection(each, status=status) for each, status in statuses.items()]
        store.record_inventory(inventory(*listed, read_at=EPOCH + at))
    assert [it.connection_id for it in store.unexplained()] == ["c-3", "c-1", "c-2"]
    assert [it.connection_id for it in store.unexplained(2)] == ["c-3", "c-1"]
