"""What evaluation gets to see, and that its decisions and what is sent are kept together."""

from dataclasses import replace

import pytest

from airbyte_exporter.model import Incident, IncidentStatus, Job, JobStatus, JobType
from airbyte_exporter.store import Store, StoreError
from tests.contract.store.builders import (
    EPOCH,
    OPS,
    SALES,
    connection,
    decision,
    ended,
    histories,
    ids,
    incident,
    inventory,
    job,
    notification,
)
from tests.contract.store.conftest import State

RUNNING, FAILED = JobStatus.RUNNING, JobStatus.FAILED
NOW = EPOCH + 5000.5


@pytest.fixture(autouse=True)
def connections(store: Store) -> None:
    store.record_inventory(inventory(connection("c-1"), connection("c-2", workspace=OPS)))


def judge(store: Store, *jobs: Job) -> None:
    for each in jobs:
        store.record_decisions(
            [decision(None, of=each.connection_id, judged=each)], [], sequence=store.sequence(), now=NOW
        )


def test_nothing_to_look_at(store: Store) -> None:
    store.record_jobs([job(1, RUNNING), job(2, type_=JobType.RESET), job(3, of="nobody knows")])
    assert histories(store) == {}


def test_finished_syncs_are_looked_at_once_oldest_first(store: Store) -> None:
    store.record_jobs(
        [
            job(3, FAILED, created=EPOCH + 30),
            job(1, created=EPOCH + 10),
            job(2, created=EPOCH + 20),
            job(9, of="c-2"),
        ]
    )
    found = histories(store)
    assert ids(found["c-1"].finished) == [1, 2, 3]
    assert found["c-1"].state is None
    assert found["c-1"].facts == store.facts()["c-1"]
    assert not found["c-1"].deleted
    judge(store, job(3, FAILED, created=EPOCH + 30))
    assert set(histories(store)) == {"c-2"}


def test_what_was_looked_at_without_a_decision_is_not_shown_again(store: Store) -> None:
    store.record_jobs([job(1), job(2, of="c-2")])
    store.record_decisions([], [], sequence=store.sequence(), now=NOW, judged=["c-1"])
    assert set(histories(store)) == {"c-2"}


def test_a_live_sync_is_looked_at_when_it_has_finished(store: Store) -> None:
    store.record_jobs([job(1, RUNNING)])
    assert histories(store) == {}
    store.record_jobs([job(1, FAILED)])
    assert ids(histories(store)["c-1"].finished) == [1]


def test_what_was_recorded_after_the_view_waits(store: Store) -> None:
    published = store.record_jobs([job(1), job(2, created=EPOCH + 200)]).sequence
    store.record_jobs([job(3, FAILED, created=EPOCH + 300), job(4, FAILED, of="c-2")])
    assert ids(histories(store, published)["c-1"].finished) == [1, 2]
    assert set(histories(store, published)) == {"c-1"}
    store.record_decisions([decision(None, of="c-1")], [], sequence=published, now=NOW)
    assert ids(histories(store)["c-1"].finished) == [3]
    assert histories(store, published) == {}


def test_syncs_of_a_connection_that_becomes_known_are_looked_at_then(store: Store) -> None:
    store.record_jobs(
        [job(1, FAILED, of="c-3"), job(2, of="c-3", type_=JobType.CLEAR), job(3, RUNNING, of="c-3")]
    )
    assert histories(store) == {}
    store.record_inventory(inventory(connection("c-1"), connection("c-2"), connection("c-3")))
    assert ids(histories(store)["c-3"].finished) == [1]


def test_the_state_of_an_alert_is_read_back(state: State, store: Store) -> None:
    failed = replace(job(FAILED_ID, FAILED), attempts=())
    store.record_jobs([failed])
    firing = replace(
        incident(), job=failed, notified_at=EPOCH + 1, adopted=True, receivers=("oncall", "Ünïcode")
    )
    made = decision(firing, judged=failed)
    store.record_decisions([made], [], sequence=store.sequence(), now=NOW)
    store = state.reopen()
    history = histories(store)["c-1"]
    assert history.state == made.state
    assert history.finished == ()
    assert store.incidents() == (firing,)
    resolved = replace(made, state=replace(made.state, incident=ended(firing, EPOCH + 9)))
    store.record_decisions([resolved], [], sequence=store.sequence(), now=NOW)
    assert histories(store) == {}
    assert store.incidents() == ()
    assert store.incidents(firing_only=False) == (ended(firing, EPOCH + 9),)


FAILED_ID = 41


def test_a_firing_incident_is_looked_at_also_when_its_connection_is_gone(store: Store) -> None:
    store.record_jobs([job(1, FAILED), job(2, FAILED, of="c-2")])
    store.record_decisions(
        [decision(incident(), judged=job(1)), decision(None, of="c-2")],
        [],
        sequence=store.sequence(),
        now=NOW,
    )
    assert set(histories(store)) == {"c-1"}
    store.record_inventory(inventory(connection("c-2", workspace=OPS)))
    (history,) = histories(store).values()
    assert history.deleted
    assert history.facts.connection == connection("c-1")
    assert history.workspace == SALES


def test_an_incident_that_ended_before_the_next_began_is_kept_too(store: Store) -> None:
    first, second = incident("f-1"), incident("f-2", starts_at=EPOCH + 100)
    store.record_decisions([decision(first)], [], sequence=0, now=NOW)
    both = replace(decision(second), ended=(ended(first, EPOCH + 50),))
    store.record_decisions([both], [], sequence=0, now=NOW)
    assert store.incidents() == (second,)
    assert store.incidents(firing_only=False) == (second, ended(first, EPOCH + 50))


def test_each_receiver_is_told_each_thing_once(store: Store) -> None:
    made = decision(incident(), notification(1), notification(2, type_="alert.repeated"))
    tell = ["webhook", "slack"]
    assert store.record_decisions([made], tell, sequence=0, now=NOW) == 4
    assert store.record_decisions([made], tell, sequence=0, now=NOW) == 0
    assert store.record_decisions([made], [*tell, "new"], sequence=0, now=NOW) == 2
    assert store.record_decisions([made], [], sequence=0, now=NOW) == 0
    assert store.queue().length == 6


def test_a_notification_that_names_its_receivers_is_for_these_alone(store: Store) -> None:
    to_chat, to_nobody = (
        replace(notification(number), receivers=names) for number, names in ((1, ("chat",)), (2, ()))
    )
    made = decision(incident(), to_chat, to_nobody, notification(3))
    assert store.record_decisions([made], ["oncall", "chat"], sequence=0, now=NOW) == 3
    claimed = {
        name: [delivery.notification.id for delivery in store.claim(NOW, receiver=name, lease=60, limit=10)]
        for name in ("oncall", "chat")
    }
    assert claimed == {"oncall": ["msg_f-1_3"], "chat": ["msg_f-1_1"]}


def test_a_decision_is_kept_whole_or_not_at_all(store: Store) -> None:
    store.record_jobs([job(1, FAILED)])
    good = decision(incident(), notification(1), judged=job(1, FAILED))
    bad = replace(good, state=replace(good.state, incident=replace(incident("f-2"), starts_at=2**80)))
    with pytest.raises(StoreError):
        store.record_decisions([good, bad], ["webhook"], sequence=store.sequence(), now=NOW)
    assert store.incidents(firing_only=False) == ()
    assert store.queue().length == 0
    assert histories(store)["c-1"].state is None
    assert ids(histories(store)["c-1"].finished) == [1]


def test_groups_of_rules_do_not_see_each_other(store: Store) -> None:
    quality = replace(incident("f-q"), group="quality")
    made = decision(quality)
    store.record_decisions(
        [replace(made, state=replace(made.state, group="quality"))], [], sequence=0, now=NOW
    )
    (state,) = store.alert_states()
    assert (state.group, state.incident) == ("quality", quality)


def test_more_histories_than_are_read_at_once(store: Store) -> None:
    names = [f"c-{number:03}" for number in range(450)]
    store.record_inventory(inventory(*map(connection, names)))
    store.record_jobs([job(number, of=name) for number, name in enumerate(names)])
    assert sorted(histories(store)) == names
    store.record_decisions(
        [decision(None, of=name) for name in names], [], sequence=store.sequence(), now=NOW
    )
    assert histories(store) == {}


def test_incidents_come_newest_first(store: Store) -> None:
    for number in (2, 1, 3):
        one = incident(f"f-{number}", of=f"c-{number}", starts_at=EPOCH + number)
        store.record_decisions([decision(one, of=f"c-{number}")], [], sequence=0, now=NOW)
    assert [one.fingerprint for one in store.incidents()] == ["f-3", "f-2", "f-1"]
    assert all(one.status is IncidentStatus.FIRING for one in store.incidents())


def test_incidents_that_have_ended_lately(store: Store) -> None:
    def keep(one: Incident) -> None:
        store.record_decisions([decision(one, of=one.connection_id)], [], sequence=0, now=NOW)

    going_on = incident("f-1", of="c-1")
    keep(going_on)
    for fingerprint, of, at in (("f-2", "c-2", 1000), ("f-3", "c-3", 2000), ("f-4", "c-4", 3000)):
        keep(ended(incident(fingerprint, of=of, starts_at=EPOCH + at - 500), EPOCH + at))
    again = incident("f-5", of="c-4", starts_at=EPOCH + 4000)
    keep(again)
    found = store.incidents(ended_since=EPOCH + 2000)
    assert [(one.fingerprint, one.ends_at) for one in found] == [
        ("f-5", None),
        ("f-1", None),
        ("f-3", EPOCH + 2000),
    ]
    assert store.incidents(ended_since=EPOCH + 2001) == (again, going_on)


def test_facts_of_what_was_deleted(store: Store) -> None:
    store.record_inventory(inventory(connection("c-2", workspace=OPS), read_at=EPOCH + 10))
    assert set(store.facts(["c-1", "c-2"])) == {"c-2"}
    assert store.facts(["c-1", "c-2"], deleted_too=True)["c-1"].connection.name == "Connection c-1"
