"""Connections are disabled, inventories notice it, and Airbyte is asked why."""

import pytest
from structlog.testing import capture_logs

from airbyte_exporter.airbyte import (
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    ApiStopped,
    ApiUnreachable,
    Reason,
)
from airbyte_exporter.model import ConnectionStatus, Disabling
from tests.unit.poller.fakes import World, connection

METHOD = "connections/events/list"
TOO_MANY = "TOO_MANY_FAILED_JOBS_WITH_NO_RECENT_SUCCESS"


def trouble(reason: Reason = "server_error") -> ApiError:
    return ApiUnreachable(f"{METHOD}: {reason}", method=METHOD, reason=reason)


def inventory(world: World, seconds: int = 300) -> bool:
    world.airbyte.now += seconds
    return world.poller.poll_inventory(float(world.airbyte.now))


def switch(world: World, *ids: str, to: ConnectionStatus = ConnectionStatus.INACTIVE) -> None:
    for id_ in ids:
        world.airbyte.connections[id_] = connection(id_, status=to)


def told(world: World, id_: str = "a") -> Disabling | None:
    return world.facts(id_).disabled


def automatic(at: int) -> Disabling:
    return Disabling(at, TOO_MANY, by_person=False)


def test_the_view_tells_of_it_with_the_inventory_that_saw_it(world: World) -> None:
    world.poll()
    inventory(world)
    seen_active = world.airbyte.now
    switch(world, "a")
    world.airbyte.disablings["a"] = automatic(seen_active + 40)
    rendered = world.rendered

    assert inventory(world)

    assert told(world) == automatic(seen_active + 40)
    assert told(world, "b") is None
    assert world.facts("a").connection.status is ConnectionStatus.INACTIVE
    assert world.airbyte.asked_why == [("a", seen_active - 120)], "clocks may differ"
    assert world.rendered > rendered


def test_it_is_asked_once_and_stays_over_polls_and_a_restart(world: World) -> None:
    world.poll()
    switch(world, "a")
    world.airbyte.disablings["a"] = automatic(world.airbyte.now)
    inventory(world)
    expected = told(world)
    for _ in range(3):
        inventory(world)
        world.poll()
    world.restart()
    world.poller.restore(float(world.airbyte.now))

    assert told(world) == expected is not None
    assert len(world.airbyte.asked_why) == 1


def test_who_enables_it_ends_it(world: World) -> None:
    world.poll()
    switch(world, "a")
    world.airbyte.disablings["a"] = automatic(world.airbyte.now)
    inventory(world)
    switch(world, "a", to=ConnectionStatus.ACTIVE)
    inventory(world)
    assert told(world) is None


def test_what_was_off_from_the_first_is_not_asked_about(world: World) -> None:
    switch(world, "a")
    world.poll()
    for _ in range(3):
        inventory(world)
    assert told(world) is None
    assert world.airbyte.asked_why == []


def test_one_that_goes_off_while_the_exporter_is_down_was_watched(world: World) -> None:
    world.poll()
    seen_active = world.airbyte.now
    world.restart()
    switch(world, "a")
    world.airbyte.disablings["a"] = automatic(seen_active + 50)
    world.poll(seconds=5000)
    inventory(world, seconds=10)
    assert told(world) == automatic(seen_active + 50)
    assert world.airbyte.asked_why == [("a", seen_active - 120)]


def test_a_locked_one_is_told_of_without_asking(world: World) -> None:
    world.poll()
    switch(world, "a", to=ConnectionStatus.LOCKED)
    inventory(world)
    assert told(world) == Disabling(world.airbyte.now, by_person=False)
    assert world.airbyte.asked_why == []


def test_an_airbyte_that_cannot_tell_is_not_asked(world: World) -> None:
    world.airbyte.version = "0.50.24"
    world.poll()
    switch(world, "a")
    inventory(world)
    assert told(world) == Disabling(world.airbyte.now)
    assert world.airbyte.asked_why == []


@pytest.mark.parametrize(
    "error",
    [
        ApiNotFound("gone", method=METHOD),
        ApiForbidden("no", method=METHOD, reason="forbidden"),
        ApiRejected("no", method=METHOD, reason="rejected"),
        ApiMalformed("no", method=METHOD, reason="malformed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_would_be_answered_the_same_again_is_not_told(world: World, error: ApiError) -> None:
    world.poll()
    switch(world, "a")
    world.airbyte.disablings["a"] = error
    inventory(world)
    seen = world.airbyte.now
    inventory(world)
    assert told(world) == Disabling(seen)
    assert len(world.airbyte.asked_why) == 1


@pytest.mark.parametrize(
    "error",
    [
        ApiForbidden("no", method="workspaces/list", reason="forbidden"),
        ApiMalformed("a web page", method=METHOD, reason="not_airbyte"),
    ],
    ids=["another method is refused", "something stands before Airbyte"],
)
def test_what_says_nothing_about_this_question_only_postpones_it(world: World, error: ApiError) -> None:
    world.poll()
    switch(world, "a")
    world.airbyte.disablings["a"] = error
    inventory(world)
    inventory(world)
    assert told(world) is None
    world.airbyte.disablings["a"] = automatic(world.airbyte.now)
    inventory(world)
    assert told(world) is not None


def test_an_event_that_comes_late_is_waited_for_until_the_next_inventory(world: World) -> None:
    world.poll()
    switch(world, "a", "b")
    inventory(world)
    seen = world.airbyte.now
    assert told(world) is None
    world.airbyte.disablings["a"] = automatic(seen)
    inventory(world)
    assert told(world) == automatic(seen)
    assert told(world, "b") == Disabling(seen), "there is none"
    assert len(world.airbyte.asked_why) == 4


@pytest.mark.parametrize("reason", ["server_error", "timeout", "rate_limited"])
def test_an_error_postpones_it_and_holds_up_nothing_else(world: World, reason: Reason) -> None:
    world.poll()
    switch(world, "a")
    world.airbyte.disablings["a"] = trouble(reason)
    with capture_logs() as logs:
        for _ in range(3):
            assert inventory(world), "the inventory itself works"
            assert world.poll()
    snapshot = world.snapshot.get()
    assert snapshot is not None
    assert snapshot.inventory_as_of == world.airbyte.now - 30
    assert world.facts("a").connection.status is ConnectionStatus.INACTIVE
    assert told(world) is None, "nobody knows yet whether it was a person"
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["not known yet why"]
    assert world.poller.failures == {}

    world.airbyte.disablings["a"] = automatic(world.airbyte.now)
    inventory(world)
    assert told(world) == automatic(world.airbyte.now - 300)


@pytest.mark.parametrize("reason", ["server_error", "timeout"])
def test_after_a_quarter_of_an_hour_without_an_answer_it_is_told_as_it_is(
    world: World, reason: Reason
) -> None:
    world.poll()
    switch(world, "a", "b")
    world.airbyte.disablings |= {"a": trouble(reason), "b": trouble(reason)}
    inventory(world)
    seen = world.airbyte.now
    inventory(world, 600)
    assert (told(world), told(world, "b")) == (None, None)
    for _ in range(4):
        inventory(world)
    assert told(world) == Disabling(seen)
    inventory(world, 900)
    assert told(world, "b") == Disabling(seen)


def test_one_without_an_answer_keeps_the_others_from_nothing(world: World) -> None:
    world.poll()
    switch(world, "a", "b")
    world.airbyte.disablings |= {"a": trouble(), "b": automatic(world.airbyte.now)}
    inventory(world)
    assert told(world) is None
    assert told(world, "b") is not None


def test_when_airbyte_cannot_be_asked_at_all_one_request_finds_that_out(world: World) -> None:
    world.poll()
    switch(world, "a", "b")
    world.airbyte.disablings |= {"a": trouble("timeout"), "b": automatic(world.airbyte.now)}
    inventory(world)
    assert len(world.airbyte.asked_why) == 1


def test_a_stop_ends_it_without_a_word(world: World) -> None:
    world.poll()
    switch(world, "a", "b")
    world.airbyte.disablings |= {"a": ApiStopped(METHOD), "b": ApiStopped(METHOD)}
    with capture_logs() as logs:
        assert inventory(world)
    assert len(world.airbyte.asked_why) == 1
    assert [log for log in logs if log["log_level"] == "warning"] == []


def test_after_each_inventory_some_are_asked_about_until_all_were(world: World) -> None:
    ids = [f"c{number:02}" for number in range(45)]
    world.airbyte.connections = {id_: connection(id_) for id_ in ids}
    world.poll()
    switch(world, *ids)
    world.airbyte.disablings = {id_: automatic(world.airbyte.now) for id_ in ids}
    numbers = []
    for _ in range(4):
        inventory(world)
        numbers.append(sum(told(world, id_) is not None for id_ in ids))
    assert numbers == [20, 40, 45, 45]
    assert sorted(id_ for id_, _ in world.airbyte.asked_why) == ids


def test_nothing_is_asked_while_nothing_goes_off(world: World) -> None:
    world.poll()
    world.airbyte.calls.clear()
    inventory(world)
    assert world.airbyte.calls == ["inventory"]
    assert world.airbyte.asked_why == []


def test_another_version_that_cannot_tell_leaves_nothing_open(world: World) -> None:
    world.poll()
    switch(world, "a")
    world.airbyte.disablings["a"] = trouble()
    inventory(world)
    seen = world.airbyte.now
    world.airbyte.version = "0.50.24"
    inventory(world)
    assert told(world) == Disabling(seen)
    assert len(world.airbyte.asked_why) == 1
