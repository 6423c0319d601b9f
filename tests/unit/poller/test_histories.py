"""When all that Airbyte has of a connection's successes is known: only then did it never succeed."""

import pytest

from airbyte_exporter.airbyte import ApiForbidden, Polling
from airbyte_exporter.model import Job, JobStatus
from airbyte_exporter.store import Store
from tests.unit.poller.fakes import HOUR, NOW, World, connection

DAY = 24 * HOUR


def complete(world: World) -> dict[str, bool]:
    snapshot = world.snapshot.get()
    assert snapshot is not None
    return {id_: facts.is_history_complete for id_, facts in snapshot.connections.items()}


def test_the_background_finds_out_that_one_never_succeeded(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.FAILED, created=NOW - 60 * DAY, updated=NOW - 60 * DAY)
    world.poll()
    assert complete(world) == {"a": False, "b": False}
    world.settle()
    world.poll()
    assert complete(world) == {"a": True, "b": True}
    assert world.facts("a").last_success_at is None
    assert world.facts("a").consecutive_failures == 1


def test_a_success_that_is_seen_is_enough(world: World) -> None:
    world.airbyte.put(1, "a", JobStatus.SUCCEEDED, created=NOW - 60, updated=NOW - 30)
    world.poll()
    assert complete(world) == {"a": True, "b": False}


def test_what_may_not_be_read_is_not_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(connection_id: str) -> Job | None:
        raise ApiForbidden("jobs/list: no", method="jobs/list", reason="forbidden")

    monkeypatch.setattr(world.airbyte, "newest_success", refused)
    world.poll()
    world.settle()
    world.poll()
    assert complete(world) == {"a": False, "b": False}
    assert world.store.without_known_success(5) == (), "it is not asked for again"


def test_a_new_connection_has_no_history_until_airbyte_was_asked(world: World) -> None:
    world.poll()
    world.settle()
    world.airbyte.connections["new"] = connection("new")
    world.poller.poll_inventory(float(world.airbyte.now))
    world.poll()
    assert complete(world) == {"a": True, "b": True, "new": False}
    world.settle()
    world.poll()
    assert complete(world)["new"]


# Where each connection is asked for its own jobs


@pytest.fixture
def by_connection(world: World) -> World:
    world.airbyte.polling = Polling.CONNECTIONS
    return world


def test_the_first_answer_of_a_connection_tells_all(by_connection: World) -> None:
    world = by_connection
    world.airbyte.put(1, "a", JobStatus.FAILED, created=NOW - 60 * DAY, updated=NOW - 60 * DAY)
    world.poll()
    assert complete(world) == {"a": True, "b": True}
    assert world.facts("a").last_success_at is None


def test_one_that_does_not_answer_or_has_no_end_is_not_known(by_connection: World) -> None:
    world = by_connection
    world.airbyte.connections = {f"c{n}": connection(f"c{n}") for n in range(40)}
    world.airbyte.unanswered = {"c1"}
    world.airbyte.endless = {"c2"}
    world.poll()
    assert {id_ for id_, it in complete(world).items() if not it} == {"c1", "c2"}
    world.airbyte.unanswered = set()
    world.poll(600)
    assert {id_ for id_, it in complete(world).items() if not it} == {"c2"}


def test_after_a_restart_only_what_is_not_known_is_looked_for_to_its_end(by_connection: World) -> None:
    world = by_connection
    world.airbyte.endless = {"b"}
    for number, id_ in enumerate(("a", "b"), 1):
        world.airbyte.put(number, id_, JobStatus.FAILED, created=NOW - 600, updated=NOW - 500)
    world.poll()
    world.restart()
    world.airbyte.asks.clear()
    world.airbyte.endless = set()
    world.poll()
    assert {ask.connection_id: ask.to_success for ask in world.airbyte.asks} == {"a": False, "b": True}
    assert complete(world) == {"a": True, "b": True}


def test_a_broken_poll_keeps_what_was_answered(by_connection: World) -> None:
    world = by_connection
    world.airbyte.fail_on_connection = "b"
    assert not world.poll()
    assert world.store.without_known_success(5) == ("b",)


def test_many_first_answers_are_few_transactions(
    by_connection: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = by_connection
    world.airbyte.connections = {f"c{n:04}": connection(f"c{n:04}") for n in range(2000)}
    written: list[int] = []
    look_up = Store.successes_looked_up

    def counted(store: Store, ids: list[str], *, answered: bool = True) -> frozenset[str]:
        written.append(len(ids))
        return look_up(store, ids, answered=answered)

    monkeypatch.setattr(Store, "successes_looked_up", counted)
    world.poll()
    assert sum(written) == 2000
    assert len(written) <= 5
    assert set(complete(world).values()) == {True}
