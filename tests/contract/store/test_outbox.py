"""How notifications wait for their receivers: at least once, in order, one of an incident at a time."""

from collections.abc import Sequence

import pytest

from airbyte_exporter.model import Delivery, Notification
from airbyte_exporter.store import Queue, Store
from tests.contract.store.builders import EPOCH, decision, incident, notification
from tests.contract.store.conftest import State

T = 1_000_000.0
"""When things are written, by the exporter's own clock, which has nothing to do with Airbyte's."""

LEASE = 60.0
FIRING, REPEATED, RESOLVED = "alert.firing", "alert.repeated", "alert.resolved"


def put(
    store: Store,
    *sent: Notification,
    receivers: Sequence[str] = ("webhook",),
    now: float = T,
    of: str | None = None,
) -> None:
    """Write notifications of one incident, whose connection is one of its own unless it is named."""
    connection_id = of or f"c-{sent[0].fingerprint}"
    made = decision(incident(sent[0].fingerprint, of=connection_id), *sent, of=connection_id)
    assert store.record_decisions([made], receivers, sequence=0, now=now) == len(sent) * len(receivers)


def claim(store: Store, now: float = T, receiver: str = "webhook", limit: int = 10) -> list[Delivery]:
    return list(store.claim(now, receiver=receiver, lease=LEASE, limit=limit))


def names(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.notification.id for delivery in deliveries]


def test_an_empty_outbox(store: Store) -> None:
    assert claim(store) == []
    assert store.queue() == Queue(0, None)


def test_a_notification_arrives_as_it_was_written(store: Store) -> None:
    put(store, notification(1))
    assert store.queue() == Queue(1, T)
    (delivery,) = claim(store, T + 5)
    assert delivery.notification == notification(1)
    assert (delivery.receiver, delivery.attempt, delivery.created_at) == ("webhook", 1, T)
    assert isinstance(delivery.created_at, float)
    store.acknowledge(delivery, T + 6)
    assert claim(store, T + 999) == []
    assert store.queue() == Queue(0, None)


def test_a_claim_is_nobody_elses_until_its_lease_ends(store: Store) -> None:
    put(store, notification(1))
    claim(store)
    assert claim(store, T + LEASE - 1) == []
    (again,) = claim(store, T + LEASE)
    assert again.attempt == 2
    assert again.notification.id == notification(1).id


def test_what_a_killed_process_had_claimed_is_free_at_the_next_start(state: State, store: Store) -> None:
    put(store, notification(1))
    claim(store)
    state.open(exclusive=False)
    assert claim(store, T + 1) == []
    (again,) = claim(state.reopen(), T + 1)
    assert again.attempt == 2
    assert again.notification.id == notification(1).id


def test_of_an_incident_one_at_a_time_in_order(store: Store) -> None:
    put(store, notification(1), notification(2, type_=REPEATED), notification(3, type_=REPEATED))
    for expected in ("msg_f-1_1", "msg_f-1_2", "msg_f-1_3"):
        (delivery,) = claim(store)
        assert delivery.notification.id == expected
        assert claim(store) == []
        store.acknowledge(delivery, T)
    assert claim(store) == []


def test_a_later_incident_of_a_connection_waits_for_the_earlier_ones_end(store: Store) -> None:
    put(store, notification(1), notification(2, type_=RESOLVED), of="c-1")
    put(store, notification(1, "f-2"), of="c-1")
    (resolved,) = claim(store)
    assert resolved.notification.id == "msg_f-1_2"
    assert claim(store) == []
    store.defer(resolved, T + 100, "webhook: HTTP 503")
    assert claim(store, T + 99) == []
    (resolved,) = claim(store, T + 100)
    assert resolved.notification.id == "msg_f-1_2"
    store.acknowledge(resolved, T + 100)
    assert names(claim(store, T + 100)) == ["msg_f-2_1"]


def test_connections_do_not_wait_for_each_other(store: Store) -> None:
    put(store, notification(1, "f-b"))
    put(store, notification(1, "f-a"))
    put(store, notification(1, "f-c"))
    assert names(claim(store, limit=2)) == ["msg_f-b_1", "msg_f-a_1"]
    assert names(claim(store, limit=2)) == ["msg_f-c_1"]


def test_receivers_do_not_wait_for_each_other(store: Store) -> None:
    put(store, notification(1), notification(2, type_=REPEATED), receivers=("webhook", "slack"))
    (stuck,) = claim(store, receiver="slack")
    store.defer(stuck, T + 3600, "slack: HTTP 500")
    for expected in ("msg_f-1_1", "msg_f-1_2"):
        (delivery,) = claim(store)
        assert delivery.notification.id == expected
        store.acknowledge(delivery, T)
    assert claim(store, receiver="slack") == []
    assert store.queue().length == 2


def test_a_deferred_one_holds_back_what_follows_it_in_its_incident(store: Store) -> None:
    put(store, notification(1), notification(2, type_=REPEATED))
    put(store, notification(1, "f-2"))
    store.defer(claim(store)[0], T + 100, "webhook: HTTP 503")
    store.acknowledge(claim(store, T + LEASE)[0], T + LEASE)
    assert claim(store, T + 99) == []
    (again,) = claim(store, T + 100)
    assert (again.notification.id, again.attempt) == ("msg_f-1_1", 2)


def test_what_was_put_off_for_a_receiver_is_brought_forward_in_order(store: Store) -> None:
    receivers = ("webhook", "slack")
    put(store, notification(1, "f-b"), receivers=receivers)
    put(store, notification(1, "f-a"), notification(2, "f-a", REPEATED), receivers=receivers)
    for receiver in receivers:
        later, sooner = claim(store, receiver=receiver)
        store.defer(later, T + 300, "HTTP 503")
        store.defer(sooner, T + 100, "HTTP 503")
    store.hasten(T + 1, receiver="webhook")
    assert claim(store, T) == []
    assert names(claim(store, T + 1)) == ["msg_f-b_1", "msg_f-a_1"]
    assert claim(store, T + 99, receiver="slack") == []
    assert names(claim(store, T + 100, receiver="slack")) == ["msg_f-a_1"]


def test_bringing_forward_delays_nothing_and_wakes_nothing_that_is_done(store: Store) -> None:
    put(store, notification(1))
    put(store, notification(1, "f-2"))
    (done, _) = claim(store)
    store.acknowledge(done, T)
    store.hasten(T + 50, receiver="webhook")
    assert store.queue().length == 1
    assert claim(store, T + 50) == [], "what is on its way is not claimed twice"
    assert names(claim(store, T + LEASE)) == ["msg_f-2_1"]
    put(store, notification(1, "f-3"), now=T + LEASE)
    store.hasten(T + 2 * LEASE, receiver="webhook")
    assert names(claim(store, T + LEASE)) == ["msg_f-3_1"]


def test_a_buried_one_makes_way_for_the_next(store: Store) -> None:
    put(store, notification(1), notification(2, type_=REPEATED))
    store.bury(claim(store)[0], T, "webhook: HTTP 410")
    assert names(claim(store)) == ["msg_f-1_2"]
    assert store.queue().length == 1


def test_the_end_takes_the_place_of_what_was_never_delivered(store: Store) -> None:
    put(store, notification(1))
    store.defer(claim(store)[0], T + 100, "webhook: connection refused")
    put(store, notification(2, type_=REPEATED), notification(3, type_=RESOLVED))
    (delivery,) = claim(store, T + 1)
    assert delivery.notification.type == RESOLVED
    assert claim(store, T + 2) == []
    store.defer(delivery, T + 200, "webhook: connection refused")
    (again,) = claim(store, T + 200)
    assert again.notification.type == RESOLVED
    store.acknowledge(again, T + 200)
    assert store.queue() == Queue(0, None)


def test_the_end_waits_for_what_is_on_its_way(store: Store) -> None:
    put(store, notification(1))
    (firing,) = claim(store)
    put(store, notification(2, type_=RESOLVED))
    assert claim(store, T + 1) == []
    store.acknowledge(firing, T + 2)
    assert names(claim(store, T + 2)) == ["msg_f-1_2"]


def test_the_end_supersedes_what_was_on_its_way_when_the_process_was_killed(store: Store) -> None:
    put(store, notification(1))
    (firing,) = claim(store)
    put(store, notification(2, type_=RESOLVED))
    assert names(claim(store, T + LEASE)) == ["msg_f-1_2"]
    store.acknowledge(firing, T + LEASE + 1)
    assert store.queue().length == 1


def test_an_end_of_another_incident_or_receiver_supersedes_nothing(store: Store) -> None:
    put(store, notification(1), receivers=("webhook", "slack"))
    put(store, notification(1, "f-2"), notification(2, "f-2", RESOLVED), receivers=("slack",))
    assert names(claim(store)) == ["msg_f-1_1"]
    assert names(claim(store, receiver="slack")) == ["msg_f-1_1", "msg_f-2_2"]


@pytest.mark.parametrize("late", ["defer", "bury"])
def test_who_lost_the_lease_does_not_touch_the_next_claim(store: Store, late: str) -> None:
    put(store, notification(1))
    (first,) = claim(store)
    (second,) = claim(store, T + LEASE)
    if late == "defer":
        store.defer(first, T, "webhook: timeout")
    else:
        store.bury(first, T, "webhook: HTTP 410")
    assert claim(store, T + LEASE + 1) == []
    assert store.queue().length == 1
    store.acknowledge(second, T + LEASE + 2)
    assert store.queue().length == 0


def test_a_late_acknowledgement_is_believed(store: Store) -> None:
    put(store, notification(1))
    (first,) = claim(store)
    claim(store, T + LEASE)
    store.acknowledge(first, T + LEASE + 1)
    assert store.queue().length == 0
    assert claim(store, T + 10 * LEASE) == []


def test_the_queue_tells_since_when_the_oldest_waits(store: Store) -> None:
    put(store, notification(1), now=T + 7)
    put(store, notification(1, "f-2"), now=T + 3)
    assert store.queue() == Queue(2, T + 3)
    claim(store, T + 10)
    assert store.queue() == Queue(2, T + 3)


def test_a_notification_made_again_after_it_was_delivered_is_not_sent_again(store: Store) -> None:
    put(store, notification(1))
    store.acknowledge(claim(store)[0], T)
    made = decision(incident(), notification(1))
    assert store.record_decisions([made], ["webhook"], sequence=0, now=T + EPOCH) == 0
    assert claim(store, T + EPOCH) == []
