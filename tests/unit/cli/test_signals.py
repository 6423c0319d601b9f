"""A request to stop, by signals of this process."""

import signal
from queue import Empty

import pytest

from airbyte_exporter.cli._signals import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_wait_and_the_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.wait(0)
        signal.raise_signal(number)
        assert stop.wait(0)
    assert signal.getsignal(number) is before


def test_a_signal_that_comes_twice_at_once_is_one_request() -> None:
    with StopRequest(clock=lambda: 5.0) as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.wait(0)
        assert not stop.wait(0)


def test_a_later_signal_is_left_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    now = 5.0
    with StopRequest(clock=lambda: now):
        signal.raise_signal(signal.SIGTERM)
        now = 6.1
        with monkeypatch.context() as patched:
            patched.setattr("airbyte_exporter.cli._signals.signal.raise_signal", raised.append)
            raise_for_real(signal.SIGINT)
        assert raised == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def test_under_nohup_a_closed_terminal_is_no_request() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.wait(0)
    finally:
        signal.signal(signal.SIGHUP, before)


raise_for_real = signal.raise_signal


def test_no_piece_of_a_wait_is_so_long_that_a_signal_right_before_it_goes_unseen() -> None:
    now = 100.0
    pieces: list[float] = []

    class Asked:
        def get(self, *, timeout: float) -> None:
            nonlocal now
            pieces.append(timeout)
            now += timeout
            if len(pieces) < 5:
                raise Empty

    stop = StopRequest(clock=lambda: now)
    stop._asked = Asked()  # type: ignore[assignment]  # only `get` is asked for
    assert not stop.wait(2.5)
    assert pieces == [1.0, 1.0, 0.5]
    assert stop.wait()
    assert max(pieces) == 1.0
