"""Alertmanagers are kept up to date: what is pushed when, also over failures and restarts."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from airbyte_exporter.alerts import receiver_group
from airbyte_exporter.model import (
    AlertState,
    Decision,
    Incident,
    IncidentStatus,
    JobStatus,
    Latest,
)
from airbyte_exporter.notify import Alert, DeliveryError
from airbyte_exporter.pusher import AlertmanagerPusher, AlertSource, Tally
from airbyte_exporter.store import Store, StoreError
from airbyte_exporter.telemetry import Telemetry
from tests.unit.alerts.keeping import connection, job, open_state, record_inventory, samples
from tests.unit.alerts.story import CONNECTION, DAY, HOUR, MINUTE, NOON, WORKSPACE

REFUSED = DeliveryError("am.example answered HTTP 503", retryable=True)


def alert(
    name: str = "orders",
    *,
    rule: str = "SyncFailed",
    fingerprint: str = "",
    starts_at: int = NOON,
    ends_at: int | None = None,
    receivers: tuple[str, ...] = ("managers",),
) -> Alert:
    return Alert(
        labels={"alertname": rule, "connection_id": name},
        annotations={},
        generator_url=None,
        fingerprint=fingerprint or f"{name}-1",
        starts_at=starts_at,
        ends_at=ends_at,
        receivers=receivers,
    )


@dataclass
class FakeAddress:
    """An Alertmanager: keeps each push as what was told of each alert."""

    host: str = "am.example"
    error: Exception | None = None
    pushes: list[list[str]] = field(default_factory=list)
    attempts: int = 0

    def push(self, alerts: Sequence[Alert], now: float) -> None:
        self.attempts += 1
        if self.error is not None:
            raise self.error
        self.pushes.append(sorted(self._told(each) for each in alerts))

    @staticmethod
    def _told(told: Alert) -> str:
        name = f"{told.labels['alertname']} {told.labels['connection_id']}"
        return name if told.ends_at is None else f"{name} ended {told.ends_at - NOON:+}"

    def close(self) -> None:
        """Nothing to cut."""


class Watch:
    """A receiver with one or more addresses, at noon; each passing second its pushers run."""

    def __init__(self, *hosts: str) -> None:
        self.telemetry = Telemetry("test")
        self.stop = threading.Event()
        self.now = float(NOON)
        self.addresses = [FakeAddress(host) for host in hosts or ("am.example",)]
        self.tally = Tally("managers", len(self.addresses), self.telemetry)
        self.pushers = [self._pusher(each) for each in self.addresses]

    def _pusher(self, address: FakeAddress) -> AlertmanagerPusher:
        return AlertmanagerPusher(
            client=address,  # type: ignore[arg-type]
            tally=self.tally,
            stop=self.stop,
            random=lambda: 0.5,
            monotonic=lambda: self.now - NOON,
        )

    def restart(self) -> None:
        """The exporter starts again: it has forgotten what was taken."""
        self.tally = Tally("managers", len(self.addresses), self.telemetry)
        self.pushers = [self._pusher(each) for each in self.addresses]

    @property
    def address(self) -> FakeAddress:
        return self.addresses[0]

    def run(self, *alerts: Alert) -> None:
        for pusher in self.pushers:
            pusher.run_once(self.now, alerts)

    def wait(self, seconds: int, *alerts: Alert) -> list[list[str]]:
        """Let time pass while these are the alerts; return what the first address is told meanwhile."""
        before = len(self.address.pushes)
        for _ in range(seconds):
            self.now += 1
            self.run(*alerts)
        return self.address.pushes[before:]

    def outcomes(self) -> dict[str, float]:
        counted = samples(self.telemetry, "airbyte_exporter_notifications_total", "receiver", "outcome")
        return {name: value for name, value in counted.items() if value}


@pytest.fixture(name="watch")
def watch_of_one_address() -> Watch:
    return Watch()


class TestWhatIsPushedWhen:
    def test_what_goes_on_at_once_and_every_minute(self, watch: Watch) -> None:
        firing = alert()
        watch.run(firing)
        assert watch.address.pushes == [["SyncFailed orders"]]
        assert watch.wait(59, firing) == []
        assert watch.wait(1, firing) == [["SyncFailed orders"]]
        assert watch.wait(600, firing) == [["SyncFailed orders"]] * 10

    def test_nothing_while_there_is_nothing(self, watch: Watch) -> None:
        assert watch.wait(300) == []
        assert watch.address.attempts == 0

    def test_a_new_one_at_once_with_all_the_others(self, watch: Watch) -> None:
        watch.run(alert())
        assert watch.wait(3, alert(), alert("users")) == [["SyncFailed orders", "SyncFailed users"]]

    def test_an_end_at_once_and_for_a_quarter_of_an_hour(self, watch: Watch) -> None:
        watch.run(alert())
        over = alert(ends_at=NOON + 10)
        pushes = watch.wait(DAY // 24, over)
        assert set(map(tuple, pushes)) == {("SyncFailed orders ended +10",)}
        assert len(pushes) == 16

    def test_only_what_this_receiver_was_told_of(self, watch: Watch) -> None:
        watch.run(alert("orders", receivers=("chat",)), alert("users", receivers=()), alert("ads"))
        assert watch.address.pushes == [["SyncFailed ads"]]

    def test_another_rule_that_takes_over_ends_the_alert_of_the_first(self, watch: Watch) -> None:
        watch.run(alert())
        pushes = watch.wait(2, alert(rule="SyncFailing"))
        assert pushes == [["SyncFailed orders ended +1", "SyncFailing orders"]]

    def test_of_two_incidents_with_the_same_labels_the_newer_counts(self, watch: Watch) -> None:
        over = alert(fingerprint="one", ends_at=NOON + 60)
        again = alert(fingerprint="two", starts_at=NOON + 90)
        watch.run(again, over)
        assert watch.address.pushes == [["SyncFailed orders"]]
        watch.restart()
        watch.run(over, again)
        assert watch.address.pushes[1:] == [["SyncFailed orders"]]
        both_over = (over, replace(again, ends_at=NOON + 100))
        assert watch.wait(1, *both_over) == [["SyncFailed orders ended +100"]]

    def test_one_that_begins_again_after_its_end(self, watch: Watch) -> None:
        watch.run(alert(fingerprint="one"))
        assert watch.wait(1, alert(fingerprint="one", ends_at=NOON + 1)) == [["SyncFailed orders ended +1"]]
        assert watch.wait(1, alert(fingerprint="two", starts_at=NOON + 2)) == [["SyncFailed orders"]]

    def test_a_renamed_connection_waits_for_the_next_push(self, watch: Watch) -> None:
        watch.run(alert())
        renamed = replace(alert(), annotations={"connection_name": "New"})
        assert watch.wait(59, renamed) == []
        assert watch.wait(1, renamed) == [["SyncFailed orders"]]


class TestFailures:
    def test_it_is_tried_again_ever_more_slowly_up_to_a_minute(self, watch: Watch) -> None:
        watch.address.error = REFUSED
        moments = []
        for second in range(300):
            before = watch.address.attempts
            watch.wait(1, alert())
            if watch.address.attempts > before:
                moments.append(second)
        assert moments == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]

    def test_retry_after_is_waited_for_but_for_no_more_than_a_minute(self, watch: Watch) -> None:
        watch.address.error = DeliveryError("busy", retryable=True, retry_after=20)
        watch.run(alert())
        watch.wait(19, alert())
        assert watch.address.attempts == 1
        watch.address.error = DeliveryError("busy", retryable=True, retry_after=3600)
        watch.wait(1, alert())
        watch.address.error = None
        assert watch.wait(59, alert()) == []
        assert watch.wait(1, alert()) == [["SyncFailed orders"]]

    def test_the_end_of_what_it_never_took_is_pushed_once_it_is_back(self, watch: Watch) -> None:
        watch.address.error = REFUSED
        watch.wait(60, alert())
        watch.wait(3 * HOUR, alert(ends_at=NOON + 60))
        watch.address.error = None
        assert watch.wait(600, alert(ends_at=NOON + 60)) == [["SyncFailed orders ended +60"]]

    def test_ends_of_a_day_are_asked_for_while_an_address_is_away(self, watch: Watch) -> None:
        watch.run(alert())
        assert watch.pushers[0].ends_of_seconds == HOUR
        watch.address.error = REFUSED
        watch.wait(60, alert())
        assert watch.pushers[0].ends_of_seconds == DAY

    def test_after_a_restart_the_ends_of_a_day_are_pushed_once(self, watch: Watch) -> None:
        watch.now = NOON + 10 * HOUR
        assert watch.pushers[0].ends_of_seconds == DAY
        watch.run(alert(ends_at=NOON), alert("users", ends_at=NOON - DAY))
        assert watch.address.pushes == [["SyncFailed orders ended +0"]]
        assert watch.wait(300, alert(ends_at=NOON)) == []
        assert watch.pushers[0].ends_of_seconds == HOUR
        assert watch.outcomes() == {}, "it was over before this process could have told it"

    def test_it_is_told_once_and_so_is_its_end(self, watch: Watch) -> None:
        watch.address.error = REFUSED
        with capture_logs() as logs:
            watch.wait(120, alert())
        assert [(line["log_level"], line["event"]) for line in logs] == [
            ("warning", "Alertmanager does not take alerts")
        ]
        assert logs[0]["error"] == "am.example answered HTTP 503"
        assert watch.tally.failing_since == NOON + 1
        watch.address.error = None
        with capture_logs() as logs:
            watch.wait(120, alert())
        assert [line["event"] for line in logs] == ["Alertmanager takes alerts again"]
        assert watch.tally.failing_since is None

    def test_its_return_is_noticed_when_nothing_is_left_to_push(self, watch: Watch) -> None:
        watch.address.error = REFUSED
        watch.run(alert())
        watch.address.error = None
        assert watch.wait(10) == [[]]
        assert watch.tally.failing_since is None

    def test_our_own_mistake_is_a_failure_too(self, watch: Watch) -> None:
        watch.address.error = ZeroDivisionError("at s3cret")
        with capture_logs() as logs:
            watch.run(alert())
        assert logs[-1]["error"] == "internal error: ZeroDivisionError"
        watch.address.error = None
        assert watch.wait(2, alert()) == [["SyncFailed orders"]]

    def test_a_push_that_the_stop_cut_off_is_none(self, watch: Watch) -> None:
        watch.address.error = REFUSED
        watch.stop.set()
        with capture_logs() as logs:
            watch.run(alert())
        assert (logs, watch.outcomes(), watch.tally.failing_since) == ([], {}, None)


class TestSeveralAddresses:
    def test_each_gets_everything_and_a_dead_one_delays_nothing(self) -> None:
        watch = Watch("one", "two")
        one, two = watch.addresses
        two.error = REFUSED
        watch.run(alert())
        assert one.pushes == [["SyncFailed orders"]]
        watch.wait(1, alert(ends_at=NOON + 1))
        assert one.pushes[1:] == [["SyncFailed orders ended +1"]]
        two.error = None
        watch.wait(120, alert(ends_at=NOON + 1))
        assert two.pushes[0] == ["SyncFailed orders ended +1"]

    def test_what_one_took_is_delivered_and_no_failure_of_the_receiver(self) -> None:
        watch = Watch("one", "two")
        watch.addresses[1].error = REFUSED
        watch.wait(300, alert())
        assert watch.outcomes() == {"managers delivered": 1.0}
        assert watch.tally.failing_since is None
        watch.wait(300, alert(ends_at=NOON + 300))
        assert watch.outcomes() == {"managers delivered": 2.0}

    def test_the_receiver_fails_when_none_works_since_the_last_one_did(self) -> None:
        watch = Watch("one", "two")
        one, two = watch.addresses
        two.error = REFUSED
        watch.wait(10, alert())
        one.error = REFUSED
        watch.wait(60, alert())
        assert watch.tally.failing_since == NOON + 61
        assert [pusher.failing_since for pusher in watch.pushers] == [NOON + 61] * 2
        assert watch.outcomes()["managers failed"] >= 1
        one.error = None
        watch.wait(60, alert())
        assert watch.tally.failing_since is None


class TestSource:
    @pytest.fixture(name="store")
    def state(self, tmp_path: Path) -> Iterator[Store]:
        store = open_state(tmp_path)
        record_inventory(store, [connection("orders"), connection("users")])
        yield store
        store.close()

    def source(self, store: Store, published: Latest[Sequence[Incident] | None] | None = None) -> AlertSource:
        return AlertSource(
            store=store,
            published=published or Latest(None),
            receivers=["managers"],
            instance="airbyte.example.com",
            ui_url="https://airbyte.example.com",
            trials=["chat"],
        )

    def keep(self, store: Store, name: str, **changes: Any) -> Incident:  # noqa: ANN401
        incident = Incident(
            fingerprint=f"{name}-1", group="sync-health", connection_id=f"{name}-id", rule="SyncFailed",
            severity="warning", status=IncidentStatus.FIRING, starts_at=NOON, notified_at=NOON,
            receivers=("managers",),
        )  # fmt: skip
        incident = replace(incident, **changes)
        decision = Decision(AlertState(incident.connection_id, "sync-health", incident=incident))
        store.record_decisions([decision], [], sequence=0, now=0)
        return incident

    def ids(self, alerts: Sequence[Alert]) -> list[str]:
        return sorted(each.labels["connection_id"] for each in alerts)

    def test_what_goes_on_and_what_ended_lately_for_those_who_were_told(self, store: Store) -> None:
        over = {"status": IncidentStatus.RESOLVED, "ends_at": NOON + HOUR, "reason": "succeeded"}
        self.keep(store, "orders")
        self.keep(store, "users", **over)
        self.keep(store, "adopted", receivers=(), adopted=True)
        self.keep(store, "elsewhere", receivers=("chat",))
        source = self.source(store)
        now = NOON + 2 * HOUR
        assert self.ids(source.read(now, ends_of_seconds=HOUR)) == ["orders-id", "users-id"]
        assert self.ids(source.read(now + MINUTE, ends_of_seconds=HOUR)) == ["orders-id"]
        assert self.ids(source.read(now + MINUTE, ends_of_seconds=DAY)) == ["orders-id", "users-id"]

    def test_names_are_there_also_of_a_deleted_connection(self, store: Store) -> None:
        self.keep(store, "orders", job=job("orders", JobStatus.FAILED, NOON))
        record_inventory(store, [connection("users")], NOON + 60)
        (found,) = self.source(store).read(NOON, ends_of_seconds=HOUR)
        assert found.labels["workspace_id"] == WORKSPACE.id
        assert found.annotations["connection_name"] == "orders"
        assert found.annotations["workspace_name"] == "Analytics"
        assert found.annotations["summary"] == "Sync failed: orders"
        assert "Job 1 failed 2026-01-31 12:00:00 UTC" in found.annotations["description"]

    def test_it_says_what_to_do(self, store: Store) -> None:
        orders = replace(connection("orders"), id=CONNECTION.id)
        record_inventory(store, [orders])
        self.keep(store, "orders", connection_id=orders.id, job=job("orders", JobStatus.FAILED, NOON))
        self.keep(store, "deaf", connection_id="", rule="NotificationsFailing", group=receiver_group("chat"))
        hints = {each.labels["alertname"]: each.annotations["hint"] for each in self.all(store)}
        assert hints == {
            "SyncFailed": "Look at the job: airbyte-exporter jobs show 1\n"
            f"Run it again: airbyte-exporter connections sync {orders.id} --wait",
            "NotificationsFailing": "Find out what is wrong: airbyte-exporter check\n"
            "Send it a test: airbyte-exporter alerts test chat",
        }

    def test_what_is_over_needs_nothing_done(self, store: Store) -> None:
        over = {"status": IncidentStatus.RESOLVED, "ends_at": NOON, "reason": "succeeded"}
        self.keep(store, "orders", job=job("orders", JobStatus.FAILED, NOON), **over)
        (found,) = self.all(store)
        assert "hint" not in found.annotations

    def all(self, store: Store) -> Sequence[Alert]:
        return self.source(store).read(NOON, ends_of_seconds=HOUR)

    def test_what_goes_on_again_during_a_silence_is_held_back(self, store: Store) -> None:
        self.keep(store, "orders", notified_at=None)
        self.keep(
            store, "users", notified_at=None, status=IncidentStatus.RESOLVED, ends_at=NOON, reason="paused"
        )
        assert self.ids(self.source(store).read(NOON, ends_of_seconds=HOUR)) == ["users-id"]

    def test_it_is_read_again_when_evaluation_has_come_round_or_after_a_minute(self, store: Store) -> None:
        published: Latest[Sequence[Incident] | None] = Latest(())
        source = self.source(store, published)
        first = source.read(NOON, ends_of_seconds=HOUR)
        self.keep(store, "orders")
        assert source.read(NOON + 1, ends_of_seconds=HOUR) is first
        published.publish([])
        assert self.ids(found := source.read(NOON + 2, ends_of_seconds=HOUR)) == ["orders-id"]
        published.publish([])
        assert source.read(NOON + 3, ends_of_seconds=HOUR) is found, "nothing has changed"
        self.keep(store, "users")
        assert self.ids(source.read(NOON + 70, ends_of_seconds=HOUR)) == ["orders-id", "users-id"]

    def test_what_was_known_stays_while_the_state_cannot_be_read(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.keep(store, "orders")
        source = self.source(store)
        found = source.read(NOON, ends_of_seconds=HOUR)

        def broken(**_: object) -> tuple[Incident, ...]:
            raise StoreError("the disk is full: make room")

        monkeypatch.setattr(store, "incidents", broken)
        with capture_logs() as logs:
            assert source.read(NOON + HOUR, ends_of_seconds=HOUR) is found
            assert source.read(NOON + DAY, ends_of_seconds=HOUR) is found
        assert [line["event"] for line in logs] == ["alerts cannot be read"]
