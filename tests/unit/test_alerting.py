"""From a configuration to what each receiver gets, over a real state; Airbyte and receivers are faked."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from airbyte_exporter import app
from airbyte_exporter.dispatcher import Dispatcher
from airbyte_exporter.model import Delivery, Incident, JobStatus, Latest, Snapshot
from airbyte_exporter.notify import DeliveryError
from airbyte_exporter.settings import load_settings
from airbyte_exporter.telemetry import Telemetry
from tests.unit.alerts.keeping import connection, job, open_state, record_inventory, samples, view
from tests.unit.alerts.story import DAY, HOUR, MINUTE, NOON

WALL = 1_900_000_000.0  # our own clock has nothing to do with Airbyte's

RECEIVERS = "  receivers: {oncall: {url: 'https://h.example/1'}, chat: {url: 'https://h.example/2'}}\n"
GOLD_TO_ONCALL = (
    RECEIVERS
    + "  routes:\n    - {match: {tag: gold}, receivers: oncall, continue: true}\n    - receivers: chat\n"
)


class Taking:
    """A receiver that notes what it took: kind, connection and, of an end, the reason."""

    def __init__(self, name: str, heard: list[str]) -> None:
        self.name = name
        self.heard = heard
        self.is_down = False

    def send(self, delivery: Delivery, now: float) -> None:
        if self.is_down:
            raise DeliveryError("h.example answered HTTP 503", retryable=True)
        data = delivery.notification.body["data"]
        kind = delivery.notification.type.removeprefix("alert.")
        reason = f" ({data['reason']})" if data["reason"] else ""
        self.heard.append(f"{data['connection']['name']} {kind}{reason}")

    def close(self) -> None:
        raise AssertionError("the dispatcher does not own the receiver")


class Exporter:
    """Everything between Airbyte's facts and the receivers, as configured by the part `alerts` of a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_state(folder)
        self.store.bind(url="http://airbyte", deployment_id=None, epoch=NOON)
        self.tags = {"orders": ("gold",), "users": ()}
        self.list_connections(NOON)
        self.snapshot: Latest[Snapshot | None] = Latest(None)
        self.heard: dict[str, list[str]] = {}
        self.now = WALL

    def list_connections(self, at: int) -> None:
        listed = [replace(connection(name), tags=tags) for name, tags in self.tags.items()]
        record_inventory(self.store, listed, at)

    def start(self, alerts: str) -> None:
        """Start with this configuration, or start again with another."""
        file = self.folder / "config.yaml"
        file.write_text("alerts:\n" + alerts)
        settings = load_settings(config_file=file, environ={})
        self.telemetry = Telemetry("test")
        self.receivers = {
            name: Taking(name, self.heard.setdefault(name, [])) for name in settings.alerts.all_receivers
        }
        incidents: Latest[Sequence[Incident] | None] = Latest(None)
        polls = SimpleNamespace(jobs_good_at=None, failures={})
        self.evaluator = app._evaluator(
            settings,
            self.store,
            polls,  # type: ignore[arg-type]  # what the evaluator asks of it
            self.snapshot,
            incidents,
            Latest(None),
            self.telemetry,
            failing=dict,
        )
        self.dispatchers = [
            Dispatcher(
                store=self.store,
                receiver=receiver,
                telemetry=self.telemetry,
                clock=lambda: self.now,
                stop=threading.Event(),
            )
            for receiver in self.receivers.values()
        ]

    def fails(self, name: str, at: int, job_id: int = 1) -> None:
        self.store.record_jobs([job(name, JobStatus.FAILED, at, job_id)])

    def succeeds(self, name: str, at: int, job_id: int = 2) -> None:
        self.store.record_jobs([job(name, JobStatus.SUCCEEDED, at, job_id)])

    def poll(self, as_of: int) -> None:
        """A poll of Airbyte ends, and what follows from it is delivered."""
        self.now += 600
        self.snapshot.publish(view(self.store, as_of))
        self.evaluator.run_once(self.now)
        for dispatcher in self.dispatchers:
            dispatcher.run_once(self.now)


@pytest.fixture(name="exporter")
def exporter_of_two(tmp_path: Path) -> Iterator[Exporter]:
    exporter = Exporter(tmp_path)
    yield exporter
    exporter.store.close()


def test_two_receivers_get_what_their_routes_say_to_the_end(exporter: Exporter) -> None:
    exporter.start(GOLD_TO_ONCALL)
    exporter.fails("orders", NOON + HOUR)
    exporter.fails("users", NOON + HOUR)
    exporter.poll(NOON + HOUR)
    assert exporter.heard == {
        "oncall": ["orders firing"],
        "chat": ["orders firing", "users firing"],
    }
    exporter.tags = {"orders": (), "users": ("gold",)}
    exporter.list_connections(NOON + 2 * HOUR)
    exporter.succeeds("orders", NOON + 3 * HOUR)
    exporter.succeeds("users", NOON + 3 * HOUR)
    exporter.poll(NOON + 3 * HOUR)
    assert exporter.heard["oncall"][1:] == ["orders resolved (succeeded)"]
    assert sorted(exporter.heard["chat"][2:]) == ["orders resolved (succeeded)", "users resolved (succeeded)"]
    assert exporter.store.queue().length == 0


def test_a_receiver_that_is_down_delays_no_other_and_misses_no_end(exporter: Exporter) -> None:
    exporter.start(RECEIVERS)
    exporter.receivers["oncall"].is_down = True
    exporter.fails("orders", NOON + HOUR)
    exporter.poll(NOON + HOUR)
    exporter.succeeds("orders", NOON + 2 * HOUR)
    exporter.poll(NOON + 2 * HOUR)
    assert exporter.heard == {"oncall": [], "chat": ["orders firing", "orders resolved (succeeded)"]}
    exporter.receivers["oncall"].is_down = False
    exporter.poll(NOON + 2 * HOUR + MINUTE)
    assert exporter.heard["oncall"] == ["orders resolved (succeeded)"]


def test_what_waits_is_listed_survives_a_restart_and_is_told_once(exporter: Exporter) -> None:
    waiting = RECEIVERS + "  rules: {SyncFailed: {for: 30m, severity: critical}}\n"
    exporter.start(waiting)
    exporter.fails("orders", NOON + HOUR)
    exporter.fails("users", NOON + HOUR)
    exporter.poll(NOON + HOUR + 20 * MINUTE)
    assert exporter.heard == {"oncall": [], "chat": []}
    listed = samples(exporter.telemetry, "airbyte_exporter_alerts", "rule", "severity")
    assert listed == {"SyncFailed critical": 2.0}
    exporter.succeeds("users", NOON + HOUR + 25 * MINUTE)
    exporter.start(waiting)
    for minutes in (25, 30, 35):
        exporter.poll(NOON + HOUR + minutes * MINUTE)
    assert exporter.heard == {"oncall": ["orders firing"], "chat": ["orders firing"]}


def test_who_is_not_to_watch_a_workspace_any_more_does_not_call_its_connections_deleted(
    exporter: Exporter,
) -> None:
    exporter.start(RECEIVERS)
    exporter.fails("users", NOON + HOUR)
    exporter.poll(NOON + HOUR)
    exporter.start(RECEIVERS + "airbyte: {workspace_ids: [bbbbbbbb-0000-4000-8000-000000000002]}\n")
    exporter.tags = {}
    exporter.list_connections(NOON + 2 * HOUR)
    exporter.poll(NOON + 2 * HOUR)
    assert exporter.heard["chat"] == ["users firing", "users resolved (not_watched)"]


def test_a_rule_that_is_switched_off_ends_what_it_told(exporter: Exporter) -> None:
    exporter.start(GOLD_TO_ONCALL)
    exporter.fails("users", NOON + HOUR)
    exporter.poll(NOON + HOUR)
    exporter.start(GOLD_TO_ONCALL + "  rules: {SyncFailed: {enabled: false}}\n")
    exporter.fails("orders", NOON + 2 * HOUR)
    exporter.poll(NOON + 2 * HOUR)
    assert exporter.heard == {"oncall": [], "chat": ["users firing", "users resolved (rule_disabled)"]}
    assert exporter.store.incidents() == ()


def test_a_receiver_that_takes_the_place_of_another_learns_of_what_goes_on(exporter: Exporter) -> None:
    exporter.start("  webhook_url: https://h.example/0\n")
    exporter.fails("orders", NOON + HOUR)
    exporter.poll(NOON + HOUR)
    exporter.start(GOLD_TO_ONCALL)
    exporter.poll(NOON + HOUR + DAY)
    exporter.succeeds("orders", NOON + 2 * DAY)
    exporter.poll(NOON + 2 * DAY)
    assert exporter.heard == {
        "webhook": ["orders firing"],
        "oncall": ["orders firing", "orders resolved (succeeded)"],
        "chat": ["orders firing", "orders resolved (succeeded)"],
    }
