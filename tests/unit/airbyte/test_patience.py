"""How long a call waits, tries again and reads, and what ends it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airbyte_exporter.airbyte import (
    ApiError,
    ApiMalformed,
    ApiStopped,
    ApiUnreachable,
)
from tests.unit.airbyte.fakes import WORKSPACE, Say, talk
from tests.unit.airbyte.test_failures import EMPTY, RETRIED, refused


@pytest.mark.parametrize("reaction", [refused(), Say(503), Say(429), requests.ReadTimeout()])
def test_a_passing_trouble_is_not_noticed(reaction: Say | Exception) -> None:
    t = talk([reaction, reaction, EMPTY])
    assert t.client.connections(WORKSPACE) == ()
    assert t.time.waits == RETRIED[:2]


def test_waits_are_spread_by_chance() -> None:
    t = talk([Say(503), Say(503), EMPTY], random=0.0)
    t.client.connections(WORKSPACE)
    assert t.time.waits == [0.25, 0.5]


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("7", 7.0),
        ("0", 0.5),
        ("Mon, 02 Feb 2026 02:40:09 GMT", 9.0),
        ("Mon, 02 Feb 2026 02:00:00 GMT", 0.5),
        ("soon", 0.5),
        ("-5", 0.5),
        ("Mon, 99 Feb", 0.5),
        ("Fri, 01 Jan 0150 00:00:00 GMT", 0.5),
    ],
)
def test_retry_after_is_honoured_in_seconds_and_as_a_date_by_the_servers_clock(
    retry_after: str, wait: float
) -> None:
    t = talk([Say(503, headers={"Retry-After": retry_after}), EMPTY])
    t.client.connections(WORKSPACE)
    assert t.time.waits == [wait]


def test_a_retry_after_that_does_not_fit_is_given_up_with_that_reason() -> None:
    t = talk([Say(429, headers={"Retry-After": "3600"})])
    with pytest.raises(ApiUnreachable, match="it asks to wait 3600 s, longer than a call may take") as caught:
        t.client.connections(WORKSPACE)
    assert caught.value.reason == "rate_limited"
    assert t.time.waits == []


def test_a_call_ends_after_three_timeouts_whatever_else_happens() -> None:
    def slow(method: str, body: dict[str, Any]) -> Exception:
        t.time.now += 29.0
        return requests.ReadTimeout()

    t = talk(slow)
    with pytest.raises(ApiUnreachable, match="does not answer"):
        t.client.connections(WORKSPACE)
    assert len(t.airbyte.sent) == 3
    assert t.time.now <= 91
    assert t.airbyte.timeouts == [(10.0, 30.0), (10.0, 30.0), (10.0, 30.0)]


def test_the_last_try_gets_only_the_time_that_is_left() -> None:
    def slow(method: str, body: dict[str, Any]) -> Exception:
        t.time.now += 30.0
        return requests.ReadTimeout()

    t = talk(slow, timeout=20)
    with pytest.raises(ApiUnreachable, match="does not answer"):
        t.client.connections(WORKSPACE)
    assert [limit for _, limit in t.airbyte.timeouts] == [20.0, 20.0]


def test_the_same_trouble_is_told_in_the_same_words() -> None:
    def slow(method: str, body: dict[str, Any]) -> Exception:
        t.time.now += t.airbyte.timeouts[-1][1] + next(late)
        return requests.ReadTimeout()

    late = iter([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07])
    t = talk(slow)
    told = []
    for _ in range(2):
        with pytest.raises(ApiUnreachable) as caught:
            t.client.connections(WORKSPACE)
        told.append(str(caught.value))
    assert t.airbyte.timeouts[-1][1] < 30, "the last try has less time than is set"
    assert told[0] == told[1]
    assert "does not answer within 30 s" in told[0]


def test_nothing_is_sent_when_the_time_of_the_call_is_used_up() -> None:
    t = talk([Say(body={"access_token": "t"}), Say(401, b"", seconds=95.0)], client_id="a", client_secret="b")
    with pytest.raises(ApiUnreachable, match="within 90 s, the longest that a call may take"):
        t.client.connections(WORKSPACE)
    assert len(t.airbyte.sent) == 2


def test_a_stop_ends_the_wait_for_the_next_try_at_once() -> None:
    t = talk([Say(503)])
    original = t.time.wait

    def stopped(timeout: float | None = None) -> bool:
        t.time.set()
        return original(timeout)

    t.time.wait = stopped  # type: ignore[method-assign]  # somebody stops us while we wait
    with pytest.raises(ApiStopped) as caught:
        t.client.connections(WORKSPACE)
    assert caught.value.reason == "stopped"


def test_a_stop_ends_the_wait_for_others_to_end() -> None:
    sent, waiting, done = threading.Event(), threading.Event(), threading.Event()

    class Places(threading.BoundedSemaphore):
        def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
            if sent.is_set():
                waiting.set()
            return super().acquire(blocking, timeout)

    def react(_: str, __: dict[str, Any]) -> Say:
        sent.set()
        assert done.wait(10)
        return EMPTY

    t = talk(react, max_concurrency=1)
    t.client._transport._places = Places(1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(t.client.connections, WORKSPACE)
        assert sent.wait(10)
        second = pool.submit(t.client.connections, WORKSPACE)
        assert waiting.wait(10)
        t.time.set()
        assert isinstance(second.exception(10), ApiStopped), "although the first one is still under way"
        done.set()
        assert isinstance(first.exception(10), ApiStopped)
    assert len(t.airbyte.sent) == 1


@pytest.mark.parametrize("close", [True, False])
def test_nothing_is_sent_any_more_after_a_stop(close: bool) -> None:
    t = talk([])
    if close:
        t.client.close()
    else:
        t.time.set()
    with pytest.raises(ApiStopped):
        t.client.connections(WORKSPACE)
    assert t.airbyte.sent == []


def test_an_error_during_a_stop_is_the_stop() -> None:
    def react(method: str, body: dict[str, Any]) -> Exception:
        t.time.set()
        return requests.ConnectionError("the socket was shut down")

    t = talk(react)
    with pytest.raises(ApiStopped):
        t.client.connections(WORKSPACE)


def test_an_answer_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_exporter.airbyte._transport.LARGEST_ANSWER", 1 << 20)
    t = talk([Say(body=b"[" + b" " * (1 << 20))])
    with pytest.raises(ApiMalformed, match="larger than 1 MB") as caught:
        t.client.connections(WORKSPACE)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("status", [301, 401, 422, 503])
def test_of_an_answer_that_is_not_good_only_the_beginning_is_read(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("airbyte_exporter.airbyte._transport.LARGEST_ANSWER", 1 << 20)
    monkeypatch.setattr("airbyte_exporter.airbyte._transport.LARGEST_ERROR", 1 << 19)
    t = talk([Say(status, b"[" + b" " * (3 << 20))] * 4)
    with pytest.raises(ApiError) as caught:
        t.client.connections(WORKSPACE)
    assert caught.value.status == status


def test_an_answer_that_drips_is_given_up_at_the_deadline() -> None:
    t = talk([Say(body={"connections": []}, seconds=90.0)])
    with pytest.raises(ApiUnreachable, match=r"no whole answer of airbyte\.test:8001 within 90 s") as caught:
        t.client.connections(WORKSPACE)
    assert caught.value.reason == "timeout"


def test_the_pace_limit_spreads_requests() -> None:
    t = talk([EMPTY] * 3, requests_per_second=0.5)
    for _ in range(3):
        t.client.connections(WORKSPACE)
    assert t.time.waits == [2.0, 2.0]


def test_waiting_for_ones_turn_does_not_use_up_the_time_of_the_call() -> None:
    t = talk([EMPTY, Say(503), EMPTY], requests_per_second=0.001)
    t.client.connections(WORKSPACE)
    assert t.client.connections(WORKSPACE) == ()
