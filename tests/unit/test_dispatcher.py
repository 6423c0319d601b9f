"""The loop that delivers, over a real outbox: clock and receiver are the test's."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from airbyte_exporter.dispatcher import GIVE_UP_SECONDS, LEASE_SECONDS, Dispatcher
from airbyte_exporter.model import AlertState, Decision, Delivery, Notification
from airbyte_exporter.notify import DeliveryError
from airbyte_exporter.store import StateInUse, Store, StoreError
from airbyte_exporter.telemetry import Telemetry
from tests.unit.alerts.keeping import connection, open_state, record_inventory, samples

NOW = 1_900_000_000.0
REFUSED = DeliveryError("hooks.example.com answered HTTP 503", retryable=True)
GONE = DeliveryError("hooks.example.com answered HTTP 410, it is gone for good", retryable=False)


class FakeReceiver:
    """Takes everything, unless told what to raise."""

    def __init__(self, name: str = "webhook") -> None:
        self.name = name
        self.attempts: list[tuple[str, float]] = []
        self.taken: list[str] = []
        self.answer: Callable[[Delivery], Exception | None] = lambda _: None

    def send(self, delivery: Delivery, now: float) -> None:
        self.attempts.append((delivery.notification.id, now))
        if error := self.answer(delivery):
            raise error
        self.taken.append(delivery.notification.id)

    def close(self) -> None:
        raise AssertionError("the dispatcher does not own the receiver")


class Post:
    """An outbox, one receiver and the dispatcher between them."""

    def __init__(self, folder: Path) -> None:
        self.store = open_state(folder)
        record_inventory(self.store, [connection(name) for name in ("orders", "users")])
        self.now = NOW
        self.stop = threading.Event()
        self.telemetry = Telemetry("test")
        self.receiver = FakeReceiver()
        self.dispatcher = self.dispatcher_for(self.receiver)
        self.jitter = 0.5  # the middle: no jitter
        self.due_at = NOW
        defer = self.store.defer

        def noted(delivery: Delivery, due_at: float, error: str) -> None:
            self.due_at = due_at
            defer(delivery, due_at, error)

        self.store.defer = noted  # type: ignore[method-assign]

    def dispatcher_for(self, receiver: FakeReceiver) -> Dispatcher:
        return Dispatcher(
            store=self.store,
            receiver=receiver,
            telemetry=self.telemetry,
            clock=lambda: self.now,
            stop=self.stop,
            random=lambda: self.jitter,
            monotonic=lambda: self.now,
        )

    def write(self, *ids: str, kind: str = "alert.firing", receivers: tuple[str, ...] = ("webhook",)) -> None:
        """Put notifications into the outbox; `orders_2` is the second one of the incident `orders`."""
        for id_ in ids:
            incident, _, _ = id_.partition("_")
            sent = Notification(id_, incident, kind, 0, {"type": kind})
            decision = Decision(AlertState(f"{incident}-id", "sync-health"), (sent,))
            self.store.record_decisions([decision], receivers, sequence=0, now=self.now)

    def refuse(self, error: Exception = REFUSED) -> None:
        self.receiver.answer = lambda _: error

    def accept(self) -> None:
        self.receiver.answer = lambda _: None

    def run(self) -> int:
        return self.dispatcher.run_once(self.now)

    def run_when_due(self) -> float:
        """Run when the next notification is due, not before; return how long that took."""
        due = self.due_at
        began, self.now = self.now, due - 0.001
        before = len(self.receiver.attempts)
        self.run()
        assert len(self.receiver.attempts) == before
        self.now = due
        self.run()
        return due - began

    def outcomes(self) -> dict[str, float]:
        counted = samples(self.telemetry, "airbyte_exporter_notifications_total", "receiver", "outcome")
        return {name: value for name, value in counted.items() if value}


@pytest.fixture(name="post")
def post_of_one_receiver(tmp_path: Path) -> Iterator[Post]:
    post = Post(tmp_path)
    yield post
    post.store.close()


def test_everything_that_waits_is_delivered_in_one_run(post: Post) -> None:
    post.write("orders_1", "users_1", "orders_2")
    assert post.run() == 3
    assert post.receiver.taken == ["orders_1", "users_1", "orders_2"]
    assert post.store.queue().length == 0
    assert post.run() == 0
    assert post.outcomes() == {"webhook delivered": 3.0}


def test_each_attempt_has_its_own_time(post: Post) -> None:
    def answer(_: Delivery) -> None:
        post.now += 7

    post.receiver.answer = answer
    post.write("orders_1", "users_1")
    post.run()
    assert [at for _, at in post.receiver.attempts] == [NOW, NOW + 7]


class TestRetries:
    def test_begin_after_a_second_and_double_up_to_five_minutes(self, post: Post) -> None:
        post.write("orders_1")
        post.refuse()
        assert post.run() == 0
        waits = [round(post.run_when_due(), 3) for _ in range(12)]
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
        assert {id_ for id_, _ in post.receiver.attempts} == {"orders_1"}
        post.accept()
        post.run_when_due()
        assert post.receiver.taken == ["orders_1"]
        assert post.outcomes() == {"webhook failed": 13.0, "webhook delivered": 1.0}

    @pytest.mark.parametrize(("jitter", "wait"), [(0.0, 0.8), (1.0, 1.2)])
    def test_are_spread_by_jitter(self, post: Post, jitter: float, wait: float) -> None:
        post.jitter = jitter
        post.write("orders_1")
        post.refuse()
        post.run()
        assert post.run_when_due() == pytest.approx(wait)

    @pytest.mark.parametrize(
        ("asked", "wait"), [(42.0, 42.0), (0.0, 1.0), (86400.0, 3600.0)], ids=["more", "less", "too much"]
    )
    def test_wait_as_long_as_the_receiver_asks_within_reason(
        self, post: Post, asked: float, wait: float
    ) -> None:
        post.write("orders_1")
        post.refuse(DeliveryError("busy", retryable=True, retry_after=asked))
        post.run()
        assert post.run_when_due() == pytest.approx(wait)

    def test_follow_an_error_of_our_own_too(self, post: Post) -> None:
        post.write("orders_1")
        post.refuse(RuntimeError("a mistake"))
        assert post.run() == 0
        post.accept()
        post.run_when_due()
        assert post.receiver.taken == ["orders_1"]


class TestOrder:
    def test_a_notification_waits_for_the_earlier_one_of_its_incident(self, post: Post) -> None:
        post.write("orders_1", "orders_2")
        post.refuse()
        post.run()
        assert [id_ for id_, _ in post.receiver.attempts] == ["orders_1"]
        post.accept()
        post.run_when_due()
        assert post.receiver.taken == ["orders_1", "orders_2"]

    def test_another_incident_does_not_wait(self, post: Post) -> None:
        post.write("orders_1", "users_1")
        post.receiver.answer = lambda delivery: REFUSED if delivery.notification.id == "orders_1" else None
        assert [post.run(), post.run()] == [0, 1]
        assert post.receiver.taken == ["users_1"]

    def test_a_run_ends_at_the_first_that_is_not_taken(self, post: Post) -> None:
        post.write(*(f"{name}_1" for name in "abcdef"))

        def answer(_: Delivery) -> Exception:
            post.now += 30  # a time-out, after which the earlier ones are due again
            return REFUSED

        post.receiver.answer = answer
        for attempts in (1, 2, 3):
            post.run()
            assert len(post.receiver.attempts) == attempts

    def test_a_receiver_that_asks_for_time_is_left_alone_by_all(self, post: Post) -> None:
        post.write("orders_1", "users_1")
        post.refuse(DeliveryError("busy", retryable=True, retry_after=60))
        post.run()
        post.accept()
        post.now += 59
        assert post.run() == 0
        post.now += 1
        assert post.run() == 2

    def test_a_clock_set_back_is_not_taken_for_a_wish_of_the_receiver(self, post: Post) -> None:
        post.write("orders_1")
        post.refuse(DeliveryError("busy", retryable=True, retry_after=60))
        post.run()
        post.now -= 86400
        post.write("users_1")
        post.accept()
        assert post.run() == 1

    def test_an_incident_that_ended_before_its_firing_arrived_is_told_once(self, post: Post) -> None:
        post.write("orders_1")
        post.refuse()
        post.run()
        post.write("orders_2", kind="alert.resolved")
        post.accept()
        assert post.run() == 1
        assert post.receiver.taken == ["orders_2"]
        post.now += 3600
        assert post.run() == 0


class TestAReceiverThatComesBack:
    def fall_behind(self, post: Post) -> None:
        """Through half an hour in which nothing is taken, there is something to tell every six minutes."""
        post.refuse()
        for number, id_ in enumerate(["orders_1", "users_1", "orders_2", "items_1", "stock_1"]):
            post.now = NOW + number * 360
            post.write(id_)
            post.run()
        while post.now < NOW + 1800:
            post.run()
            post.now += 10

    def test_gets_what_waits_at_once_the_oldest_first(self, post: Post) -> None:
        self.fall_behind(post)
        post.accept()
        post.write("late_1")
        assert post.run() == 6
        first, *rest = post.receiver.taken
        waiting = ["orders_1", "users_1", "orders_2", "items_1", "stock_1", "late_1"]
        assert rest == [id_ for id_ in waiting if id_ != first]
        assert post.store.queue().length == 0

    def test_and_goes_again_gets_no_more_than_that_shows(self, post: Post) -> None:
        self.fall_behind(post)
        post.write("late_1")
        attempts = len(post.receiver.attempts)
        taken = iter([None])
        post.receiver.answer = lambda _: next(taken, REFUSED)
        assert post.run() == 1
        assert len(post.receiver.attempts) == attempts + 2

    def test_one_that_it_never_takes_does_not_hold_up_the_others(self, post: Post) -> None:
        post.write("poison_1", *(f"{name}_1" for name in "abcdef"))
        post.receiver.answer = lambda delivery: REFUSED if delivery.notification.id == "poison_1" else None
        assert post.run() == 0
        post.now += 0.5
        assert post.run() == 6
        assert [id_ for id_, _ in post.receiver.attempts].count("poison_1") == 1

    def test_one_that_it_never_takes_is_not_tried_again_with_each_of_the_others(self, post: Post) -> None:
        post.receiver.answer = lambda delivery: REFUSED if delivery.notification.id == "poison_1" else None
        post.write("poison_1")
        for second in range(3600):
            if second % 20 == 0:
                post.write(f"other{second}_1")
            post.run()
            post.now += 1
        attempts = [when - NOW for id_, when in post.receiver.attempts if id_ == "poison_1"]
        assert len(attempts) < 30
        assert len(post.receiver.taken) == 180

    def test_and_refuses_once_more_has_it_tried_again_soon(self, post: Post) -> None:
        self.fall_behind(post)
        post.write("late_1")
        refusals = iter([None, REFUSED])
        post.receiver.answer = lambda _: next(refusals, None)
        back = post.now
        while post.store.queue().length:
            post.run()
            post.now += 0.5
        assert post.now - back < 5

    def test_while_the_exporter_restarts_gets_what_waits_at_once(self, post: Post) -> None:
        self.fall_behind(post)
        post.accept()
        post.write("late_1")
        post.dispatcher = post.dispatcher_for(post.receiver)
        assert post.run() == 6
        assert post.receiver.taken == ["orders_1", "users_1", "orders_2", "items_1", "stock_1", "late_1"]

    def test_another_receiver_that_is_still_down_is_left_alone(self, post: Post) -> None:
        other = FakeReceiver("other")
        other.answer = lambda _: REFUSED
        dispatcher = post.dispatcher_for(other)
        for id_ in ("orders_1", "users_1"):
            post.write(id_, receivers=("webhook", "other"))
        post.refuse()
        for _ in range(600):
            post.run()
            dispatcher.run_once(post.now)
            post.now += 1
        attempts = len(other.attempts)
        post.accept()
        while post.store.queue().length > 2:
            post.now += 0.01
            post.run()
        assert len(other.attempts) == attempts
        assert dispatcher.run_once(post.now) == 0


class TestGivingUp:
    def test_a_refusal_for_good_is_final_at_once(self, post: Post) -> None:
        post.write("orders_1")
        post.refuse(GONE)
        with capture_logs() as logs:
            post.run()
        assert post.store.queue().length == 0
        assert post.outcomes() == {"webhook given_up": 1.0}
        assert [(line["event"], line["notification"]) for line in logs] == [
            ("a notification was given up", "orders_1")
        ]

    def test_after_a_day_and_one_last_attempt(self, post: Post) -> None:
        post.write("orders_1")
        post.refuse()
        post.run()
        post.now = NOW + GIVE_UP_SECONDS - 0.5
        post.run()
        assert post.store.queue().length == 1
        with capture_logs() as logs:
            post.run_when_due()
        assert post.store.queue().length == 0
        assert post.receiver.attempts[-1][1] == NOW + GIVE_UP_SECONDS
        assert [line["event"] for line in logs].count("a notification was given up") == 1
        assert post.outcomes()["webhook given_up"] == 1.0

    def test_what_waited_through_a_long_stop_is_tried_before_it_is_given_up(self, post: Post) -> None:
        post.write("orders_1", "users_1")
        post.now += 3 * GIVE_UP_SECONDS
        post.receiver.answer = lambda delivery: REFUSED if delivery.notification.id == "users_1" else None
        assert post.run() == 1
        assert post.receiver.taken == ["orders_1"]
        assert post.outcomes() == {"webhook delivered": 1.0, "webhook given_up": 1.0}


def test_what_was_taken_and_not_acknowledged_comes_again_under_the_same_id(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def acknowledge(*_: object) -> None:
        raise StoreError("the disk is full")

    post.write("orders_1")
    with monkeypatch.context() as broken:
        broken.setattr(Store, "acknowledge", acknowledge)
        assert post.run() == 0
    post.now += LEASE_SECONDS - 1
    assert post.run() == 0
    post.now += 1
    assert post.run() == 1
    assert post.receiver.taken == ["orders_1", "orders_1"]


class TestStopping:
    def test_nothing_new_is_begun(self, post: Post) -> None:
        post.write("orders_1", "users_1")

        def answer(_: Delivery) -> None:
            post.stop.set()

        post.receiver.answer = answer
        assert post.run() == 1
        assert post.receiver.taken == ["orders_1"]

    def test_a_delivery_that_was_cut_off_is_due_at_once_and_no_failure(self, post: Post) -> None:
        post.write("orders_1")

        def answer(_: Delivery) -> Exception:
            post.stop.set()
            return REFUSED

        post.receiver.answer = answer
        with capture_logs() as logs:
            post.run()
        assert logs == []
        assert post.outcomes() == {}
        assert post.due_at == post.now
        post.stop.clear()
        post.accept()
        assert post.run() == 1


class TestReceivers:
    def test_a_dead_one_does_not_delay_another(self, post: Post) -> None:
        other = FakeReceiver("other")
        post.write("orders_1", receivers=("webhook", "other"))
        post.refuse()
        assert post.run() == 0
        assert post.dispatcher_for(other).run_once(post.now) == 1
        assert other.taken == ["orders_1"]

    def test_one_that_fails_is_logged_once_and_its_recovery_once(self, post: Post) -> None:
        post.write("orders_1", "users_1")
        post.refuse()
        with capture_logs() as logs:
            post.run()
            post.now += 5
            post.run()
            post.accept()
            post.now += 60
            post.run()
        assert post.receiver.taken == ["orders_1", "users_1"]
        assert [(line["event"], line["receiver"]) for line in logs] == [
            ("receiver does not take notifications", "webhook"),
            ("receiver takes notifications again", "webhook"),
        ]

    def test_is_known_by_name(self, post: Post) -> None:
        assert post.dispatcher.receiver_name == "webhook"


class TestTelemetry:
    def test_outcomes_begin_at_zero_so_that_the_first_is_an_increase(self, post: Post) -> None:
        counted = samples(post.telemetry, "airbyte_exporter_notifications_total", "receiver", "outcome")
        assert counted == {"webhook delivered": 0.0, "webhook failed": 0.0, "webhook given_up": 0.0}

    def test_the_queue_and_its_oldest_are_on_the_page(self, post: Post) -> None:
        post.write("orders_1", "users_1")
        post.refuse()
        post.run()
        assert samples(post.telemetry, "airbyte_exporter_notification_queue_length") == {"": 2.0}
        assert samples(post.telemetry, "airbyte_exporter_notification_oldest_timestamp_seconds") == {"": NOW}
        post.accept()
        post.now += 1
        post.run()
        assert samples(post.telemetry, "airbyte_exporter_notification_queue_length") == {"": 0.0}
        assert samples(post.telemetry, "airbyte_exporter_notification_oldest_timestamp_seconds") == {}

    def test_a_failing_state_is_counted_logged_once_and_recovers(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def claim(*_: object, **__: object) -> None:
            raise StoreError("the disk is full")

        post.write("orders_1")
        with capture_logs() as logs:
            with monkeypatch.context() as broken:
                broken.setattr(Store, "claim", claim)
                assert [post.run(), post.run()] == [0, 0]
            assert post.run() == 1
        assert [line["event"] for line in logs] == ["dispatch failing", "dispatch recovered"]
        failures = samples(post.telemetry, "airbyte_exporter_poll_failures_total", "loop", "reason")
        assert failures == {"dispatch state": 2.0}
        assert samples(post.telemetry, "airbyte_exporter_polls_total", "loop")["dispatch"] == 3.0

    def test_a_state_that_is_lost_is_not_kept_secret(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def claim(*_: object, **__: object) -> None:
            raise StateInUse("another process has it")

        monkeypatch.setattr(Store, "claim", claim)
        with pytest.raises(StateInUse):
            post.run()
