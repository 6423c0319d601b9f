"""``run`` around a made-up daemon: when it ends, and how."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from click.testing import Result

from airbyte_exporter.cli import _run
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.settings import Settings

Invoke = Callable[..., Result]


class FakeDaemon:
    """Does what the test says when it is started and stopped."""

    started: ClassVar[list["FakeDaemon"]] = []
    on_start: ClassVar[Callable[["FakeDaemon"], object]]
    stops_in_time: ClassVar[bool] = True

    def __init__(self, settings: Settings, *, adopt_state: bool = False) -> None:
        self.settings = settings
        self.adopt_state = adopt_state
        self.failed = threading.Event()
        self.failure: AirbyteExporterError | None = None
        self.stopped = False

    def start(self) -> None:
        self.started.append(self)
        type(self).on_start(self)

    def stop(self, timeout: float) -> bool:
        assert timeout <= 4
        self.stopped = True
        return self.stops_in_time

    def fail(self) -> None:
        self.failure = AirbyteExporterError("this state belongs to another Airbyte")
        self.failed.set()


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run, "Daemon", FakeDaemon)
    monkeypatch.setattr(FakeDaemon, "started", [])
    monkeypatch.setattr(
        FakeDaemon, "on_start", lambda _daemon: signal.raise_signal(signal.SIGTERM), raising=False
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(
    number: signal.Signals, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDaemon, "on_start", lambda _daemon: signal.raise_signal(number))
    before = signal.getsignal(number)
    result = invoke("run")
    assert result.exit_code == 0
    assert FakeDaemon.started[0].stopped
    assert signal.getsignal(number) is before


def test_options_reach_the_daemon(invoke: Invoke) -> None:
    invoke("run", "--adopt-state", "--listen-address", "127.0.0.1:9")
    (daemon,) = FakeDaemon.started
    assert daemon.adopt_state
    assert daemon.settings.web.listen_address == "127.0.0.1:9"
    invoke("run")
    assert not FakeDaemon.started[1].adopt_state


def test_a_daemon_that_cannot_start_says_why(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_daemon: FakeDaemon) -> None:
        raise AirbyteExporterError("the address is taken")

    monkeypatch.setattr(FakeDaemon, "on_start", refuse)
    result = invoke("run")
    assert (result.exit_code, result.stderr) == (1, "airbyte-exporter: the address is taken\n")


def test_a_daemon_that_cannot_go_on_ends_the_process_and_says_why(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDaemon, "on_start", FakeDaemon.fail)
    result = invoke("run")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "airbyte-exporter: this state belongs to another Airbyte"
    assert FakeDaemon.started[0].stopped


def test_what_hangs_does_not_keep_the_process(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    monkeypatch.setattr(FakeDaemon, "stops_in_time", False)
    invoke("run")
    assert left == [0]


def test_an_error_that_ends_a_thread_is_a_log_line(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_in_a_thread(_daemon: FakeDaemon) -> None:
        def fail() -> None:
            raise ValueError("lost")

        thread = threading.Thread(target=fail, name="web")
        thread.start()
        thread.join()
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(FakeDaemon, "on_start", fail_in_a_thread)
    hook: Any = threading.excepthook
    result = invoke("run")
    assert "a thread ended by an error" in result.stderr
    assert "Traceback" not in result.stderr
    assert threading.excepthook is hook
