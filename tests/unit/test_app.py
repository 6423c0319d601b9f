"""The composition root: what it does that no part of it can."""

from datetime import UTC, datetime

import pytest

from airbyte_exporter import app
from airbyte_exporter.app import Daemon
from airbyte_exporter.notify import AlertmanagerConfig
from airbyte_exporter.settings import Settings
from airbyte_exporter.telemetry import Telemetry


class Clocks:
    """The system's clock, set back by an hour after a while, and one that only goes on."""

    def __init__(self) -> None:
        self.read = 0

    def monotonic(self) -> float:
        return float(self.read)

    def time(self) -> float:
        self.read += 1
        return 1_800_000_000.0 + self.read - (3600 if self.read > 3 else 0)


class Scheduled:
    """A scheduler with one job; what it is told ends the watch."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.next_runs: list[datetime] = []

    def get_jobs(self) -> list["Scheduled"]:
        return [self]

    def modify(self, next_run_time: datetime) -> None:
        self.next_runs.append(next_run_time)
        self.daemon._stop.set()


def test_the_loops_go_on_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon(Settings())
    scheduled = Scheduled(daemon)
    monkeypatch.setattr(app, "CLOCK_CHECK_SECONDS", 0)
    monkeypatch.setattr(app, "time", Clocks())
    daemon._follow_clock(scheduled)
    (next_run,) = scheduled.next_runs
    assert abs((datetime.now(UTC) - next_run).total_seconds()) < 60


def test_every_receiver_is_built_under_its_own_name() -> None:
    url = "https://h.example/x"
    settings = Settings.model_validate(
        {"alerts": {"webhook_url": url, "receivers": {"oncall": {"url": url}, "chat": {"url": url}}}}
    )
    receivers = app.receivers(settings)
    assert [receiver.name for receiver in receivers] == ["webhook", "oncall", "chat"]
    for receiver in receivers:
        receiver.close()


def test_each_address_of_an_alertmanager_has_a_loop_of_its_own() -> None:
    managers = {"type": "alertmanager", "urls": ["http://one.example:9093", "http://two.example"]}
    receivers = {"managers": managers, "chat": {"url": "https://h.example/x"}}
    settings = Settings.model_validate({"alerts": {"receivers": receivers}})
    assert [receiver.name for receiver in app.receivers(settings)] == ["chat"]
    configs = app._of_kind(settings, AlertmanagerConfig)
    pushers = Daemon(settings)._pushers(configs, Telemetry("test"))
    assert [pusher.name for pusher in pushers] == ["managers one.example:9093", "managers two.example"]
