"""The loop that turns facts into notifications, over a real state."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from airbyte_exporter import evaluator as evaluator_module
from airbyte_exporter.alerts import AlertContext, RuleGroup, decide
from airbyte_exporter.evaluator import Evaluator
from airbyte_exporter.model import (
    ConnectionHistory,
    ConnectionStatus,
    Decision,
    Delivery,
    Incident,
    IncidentStatus,
    JobStatus,
    Latest,
    Snapshot,
)
from airbyte_exporter.store import StateInUse, Store, StoreError
from airbyte_exporter.telemetry import Telemetry
from tests.unit.alerts.keeping import connection, job, open_state, record_inventory, samples, view
from tests.unit.alerts.story import DAY, HOUR, NOON

WALL = 1_900_000_000.0  # our own clock has nothing to do with Airbyte's


class Watch:
    """A state, its view and the evaluator over both."""

    def __init__(self, folder: Path, receivers: Sequence[str] = ("webhook",)) -> None:
        self.folder = folder
        self.receivers = receivers
        self.good_at = WALL
        self.store = open_state(folder)
        self.snapshot: Latest[Snapshot | None] = Latest(None)
        record_inventory(self.store, [connection("orders"), connection("users")])
        self.store.bind(url="http://airbyte", deployment_id=None, epoch=NOON)
        self.restart()

    def restart(self) -> None:
        self.telemetry = Telemetry("test")
        self.incidents: Latest[Sequence[Incident] | None] = Latest(None)
        self.evaluator = Evaluator(
            store=self.store,
            snapshot=self.snapshot,
            incidents=self.incidents,
            receivers=self.receivers,
            instance="airbyte",
            ui_url=None,
            telemetry=self.telemetry,
            good_at=lambda: self.good_at,
        )

    def happens(self, name: str, status: JobStatus, ended_at: int, job_id: int = 1) -> None:
        self.store.record_jobs([job(name, status, ended_at, job_id)])

    def publish(self, as_of: int, *, jobs_stale: bool = False, inventory_stale: bool = False) -> None:
        self.snapshot.publish(view(self.store, as_of, jobs_stale=jobs_stale, inventory_stale=inventory_stale))

    def run(self, now: float = WALL) -> int:
        self.good_at = now
        return self.evaluator.run_once(now)

    def outbox(self, receiver: str = "webhook") -> list[Delivery]:
        """Take out what waits; each incident's notifications in turn."""
        found: list[Delivery] = []
        while claimed := self.store.claim(WALL + DAY, receiver=receiver, lease=60, limit=10):
            for delivery in claimed:
                self.store.acknowledge(delivery, WALL)
            found += claimed
        return found

    def told(self, receiver: str = "webhook") -> list[tuple[str, str]]:
        return [
            (delivery.notification.type, delivery.notification.body["data"]["connection"]["name"])
            for delivery in self.outbox(receiver)
        ]


@pytest.fixture(name="watch")
def watch_of_two(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(tmp_path)
    yield watch
    watch.store.close()


def test_a_failure_is_written_for_every_receiver_and_its_end_too(tmp_path: Path) -> None:
    watch = Watch(tmp_path, receivers=("webhook", "other"))
    watch.happens("orders", JobStatus.FAILED, NOON + HOUR, 1)
    watch.publish(NOON + HOUR)
    assert watch.run() == 2
    assert watch.told("webhook") == watch.told("other") == [("alert.firing", "orders")]
    watch.happens("orders", JobStatus.SUCCEEDED, NOON + 2 * HOUR, 2)
    watch.publish(NOON + 2 * HOUR)
    assert watch.run() == 2
    assert watch.told("webhook") == watch.told("other") == [("alert.resolved", "orders")]
    watch.store.close()


def test_what_is_written_bears_our_own_time_and_speaks_of_airbytes(watch: Watch) -> None:
    watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
    watch.publish(NOON + HOUR)
    watch.run(WALL)
    (delivery,) = watch.outbox()
    assert delivery.created_at == WALL
    assert delivery.notification.body["timestamp"] == "2026-01-31T13:00:00Z"


def test_ongoing_incidents_are_on_the_page_until_they_end(watch: Watch) -> None:
    watch.happens("orders", JobStatus.FAILED, NOON + HOUR, 1)
    watch.happens("users", JobStatus.FAILED, NOON - HOUR, 1)  # adopted: listed, never sent
    watch.publish(NOON + HOUR)
    assert watch.run() == 1
    assert samples(watch.telemetry, "airbyte_exporter_alerts", "rule", "severity") == {
        "SyncFailed warning": 2.0
    }
    watch.restart()
    assert watch.incidents.get() is None
    watch.run()
    assert samples(watch.telemetry, "airbyte_exporter_alerts", "rule", "severity") == {
        "SyncFailed warning": 2.0
    }
    assert sorted(incident.connection_id for incident in watch.incidents.get() or ()) == [
        "orders-id",
        "users-id",
    ]
    for name in ("orders", "users"):
        watch.happens(name, JobStatus.SUCCEEDED, NOON + 2 * HOUR, 2)
    watch.publish(NOON + 2 * HOUR)
    watch.run()
    assert samples(watch.telemetry, "airbyte_exporter_alerts", "rule", "severity") == {}
    assert watch.incidents.get() == ()


class TestWithoutAGoodView:
    def test_nothing_is_judged_before_the_first_poll(self, watch: Watch) -> None:
        watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
        assert watch.run() == 0
        watch.snapshot.publish(Snapshot(instance=view(watch.store, NOON).instance, epoch=NOON, sequence=99))
        assert watch.run() == 0
        assert watch.store.incidents(firing_only=False) == ()

    @pytest.mark.parametrize("stale", ["jobs_stale", "inventory_stale"])
    def test_nothing_starts_ends_or_repeats_while_it_is_stale(self, watch: Watch, stale: str) -> None:
        watch.happens("orders", JobStatus.FAILED, NOON + HOUR, 1)
        watch.publish(NOON + HOUR)
        watch.run()
        watch.happens("orders", JobStatus.SUCCEEDED, NOON + 2 * HOUR, 2)
        watch.happens("users", JobStatus.FAILED, NOON + 2 * HOUR)
        watch.publish(NOON + 3 * DAY, jobs_stale=stale == "jobs_stale", inventory_stale=stale != "jobs_stale")
        assert watch.run() == 0
        watch.publish(NOON + 3 * DAY)
        assert watch.run() == 2
        assert sorted(watch.told()) == [("alert.firing", "users"), ("alert.resolved", "orders")]

    def test_the_wall_clock_alone_repeats_nothing(self, watch: Watch) -> None:
        watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
        watch.publish(NOON + HOUR)
        watch.run(WALL)
        assert [watch.run(WALL + days * DAY) for days in range(1, 5)] == [0, 0, 0, 0]
        for as_of in range(NOON + HOUR, NOON + HOUR + DAY + 1, 600):
            watch.publish(as_of)
            watch.run(WALL)
        assert watch.told().count(("alert.repeated", "orders")) == 1


def test_a_job_recorded_after_the_view_is_judged_with_the_next_one(watch: Watch) -> None:
    watch.publish(NOON)
    watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
    assert watch.run() == 0
    watch.publish(NOON + HOUR)
    assert watch.run() == 1


def test_a_deleted_connection_ends_its_incident(watch: Watch) -> None:
    watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
    watch.publish(NOON + HOUR)
    watch.run()
    record_inventory(watch.store, [connection("users")], NOON + 2 * HOUR)
    watch.publish(NOON + 2 * HOUR)
    watch.run()
    (incident,) = watch.store.incidents(firing_only=False)
    assert (incident.status, incident.reason) == (IncidentStatus.RESOLVED, "deleted")


class TestAgain:
    def test_nothing_is_written_twice_after_a_restart(self, watch: Watch) -> None:
        watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
        watch.publish(NOON + HOUR)
        assert watch.run() == 1
        watch.restart()
        assert watch.run() == 0

    def test_a_write_that_failed_is_made_up_for_under_the_same_ids(
        self, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
        watch.publish(NOON + HOUR)
        with monkeypatch.context() as broken:
            lost = fail_to_record(broken)
            assert watch.run() == 0
        assert watch.outbox() == []
        watch.restart()
        assert watch.run() == 1
        assert [delivery.notification.id for delivery in watch.outbox()] == lost


def fail_to_record(patch: pytest.MonkeyPatch) -> list[str]:
    """Let the database fail when decisions are recorded; return the ids that it was given."""
    seen: list[str] = []

    def record_decisions(_self: Store, decisions: Sequence[Decision], *_: object, **__: object) -> int:
        seen.extend(sent.id for decision in decisions for sent in decision.notifications)
        raise StoreError("the disk is full")

    patch.setattr(Store, "record_decisions", record_decisions)
    return seen


class TestFailures:
    def test_a_connection_that_cannot_be_judged_does_not_silence_the_others(
        self, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def decide_but_for_orders(
            history: ConnectionHistory,
            context: AlertContext,
            group: RuleGroup,
            *,
            part_of: str | None,
        ) -> Decision | None:
            if history.facts.connection.name == "orders":
                raise ValueError("year 50000 is out of range")
            return decide(history, context, group, part_of=part_of)

        for name in ("orders", "users"):
            watch.happens(name, JobStatus.FAILED, NOON + HOUR)
        watch.publish(NOON + HOUR)
        with monkeypatch.context() as broken, capture_logs() as logs:
            broken.setattr(evaluator_module, "decide", decide_but_for_orders)
            assert [watch.run(), watch.run()] == [1, 0]
        assert watch.told() == [("alert.firing", "users")]
        assert [(line["event"], line["connection_id"]) for line in logs] == [
            ("a connection cannot be judged", "orders-id")
        ]
        failures = samples(watch.telemetry, "airbyte_exporter_poll_failures_total", "loop", "reason")
        assert failures == {"evaluate internal": 2.0}
        assert watch.run() == 1
        assert watch.told() == [("alert.firing", "orders")]

    def test_a_failing_state_is_counted_logged_once_and_recovers(
        self, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
        watch.publish(NOON + HOUR)
        with capture_logs() as logs:
            with monkeypatch.context() as broken:
                fail_to_record(broken)
                assert [watch.run(), watch.run()] == [0, 0]
                assert watch.incidents.get() is None
            assert watch.run() == 1
            assert watch.run() == 0
        assert [line["event"] for line in logs] == ["evaluation failing", "evaluation recovered"]
        failures = samples(watch.telemetry, "airbyte_exporter_poll_failures_total", "loop", "reason")
        assert failures == {"evaluate state": 2.0}
        assert samples(watch.telemetry, "airbyte_exporter_polls_total", "loop")["evaluate"] == 4.0

    def test_a_state_that_is_lost_is_not_kept_secret(
        self, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def silences(_self: Store, *, active_at: float | None = None) -> None:
            raise StateInUse("another process has it")

        monkeypatch.setattr(Store, "silences", silences)
        with pytest.raises(StateInUse):
            watch.run()

    def test_a_good_run_is_counted(self, watch: Watch) -> None:
        watch.run(WALL)
        page = samples(watch.telemetry, "airbyte_exporter_poll_last_success_timestamp_seconds", "loop")
        assert page == {"evaluate": WALL}


def test_two_runs_at_once_wait_for_each_other(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
    watch.publish(NOON + HOUR)
    second: list[int] = []
    other = threading.Thread(target=lambda: second.append(watch.run()))
    entered = [threading.Event(), threading.Event()]

    def decide_while_another_runs(
        history: ConnectionHistory,
        context: AlertContext,
        group: RuleGroup,
        *,
        part_of: str | None,
    ) -> Decision | None:
        if not entered[0].is_set():
            entered[0].set()
            other.start()
            assert not entered[1].wait(0.3)
        entered[1].set()
        return decide(history, context, group, part_of=part_of)

    monkeypatch.setattr(evaluator_module, "decide", decide_while_another_runs)
    first = watch.run()
    other.join(10)
    assert (first, second) == (1, [0])


def test_a_paused_connection_is_told_as_such(watch: Watch) -> None:
    watch.happens("orders", JobStatus.FAILED, NOON + HOUR)
    watch.publish(NOON + HOUR)
    watch.run()
    paused = replace(connection("orders"), status=ConnectionStatus.INACTIVE)
    record_inventory(watch.store, [paused, connection("users")], NOON + 2 * HOUR)
    watch.publish(NOON + 2 * HOUR)
    assert watch.run() == 1
    (delivery,) = watch.outbox()
    assert delivery.notification.body["data"]["reason"] == "paused"
