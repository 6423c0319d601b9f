"""Who or what disabled a simulated connection, as the timeline tells."""

from typing import Any

import pytest

from airbyte_exporter.simulator import World
from airbyte_exporter.simulator._timeline import AUTOMATIC_REASONS
from tests.unit.simulator.asking import NOW, SPECIFIED, STRANGER, Config, iso
from tests.unit.simulator.openapi import config_api

PATH = "connections/events/list"
TELLING = [name for name in SPECIFIED if name != "0.50"]
TOO_MANY = "TOO_MANY_FAILED_JOBS_WITH_NO_RECENT_SUCCESS"
OFF, ON = "CONNECTION_DISABLED", "CONNECTION_ENABLED"


@pytest.fixture(params=TELLING)
def config(request: pytest.FixtureRequest) -> Config:
    return Config(World(seed=3, connections=4, now=NOW, history_jobs=2), request.param)


@pytest.fixture
def connection(config: Config) -> str:
    return config.world.connections()[0].id


def events(config: Config, connection: str, **body: object) -> list[dict[str, Any]]:
    read = config.read(PATH, connectionId=connection, **body)
    assert config_api(config.generation).problems("POST", PATH, 200, read) == []
    found: list[dict[str, Any]] = read["events"]
    return found


def test_a_person_is_named(config: Config, connection: str) -> None:
    config.world.pause(connection, now=NOW + 10)
    (event,) = events(config, connection)
    assert (event["eventType"], event["createdAt"], event["summary"]) == (OFF, NOW + 10, {})
    assert event["user"]["id"] == config.world.company.user_id
    (truth, *_) = config.world.connections()
    assert (truth.status, truth.disabled_at) == ("inactive", NOW + 10)
    assert (truth.disabled_by_person, truth.disabled_reason) == (True, None)


@pytest.mark.parametrize("reason", AUTOMATIC_REASONS)
def test_what_airbyte_does_has_a_reason_and_nobody(config: Config, connection: str, reason: str) -> None:
    config.world.disable(connection, reason, now=NOW + 10)
    (event,) = events(config, connection)
    assert event["summary"] == {"disabledReason": reason}
    assert "user" not in event
    (truth, *_) = config.world.connections()
    assert (truth.disabled_by_person, truth.disabled_reason) == (False, reason)
    assert config.read("connections/get", connectionId=connection)["status"] == "inactive"


def test_failures_are_the_reason_if_none_is_named(config: Config, connection: str) -> None:
    config.world.disable(connection)
    assert config.world.connections()[0].disabled_reason == TOO_MANY
    with pytest.raises(ValueError, match="is not one of TOO_MANY"):
        config.world.disable(connection, "A_WHIM")


def test_a_breaking_change_is_a_reason(config: Config, connection: str) -> None:
    config.world.change_schema(connection, "breaking")
    assert config.world.connections()[0].disabled_reason == "SCHEMA_CHANGES_ARE_BREAKING"


def test_saving_it_again_repeats_the_event_and_changes_no_truth(config: Config, connection: str) -> None:
    config.world.disable(connection, now=NOW + 10)
    config.world.pause(connection, now=NOW + 20)
    assert [event["createdAt"] for event in events(config, connection)] == [NOW + 20, NOW + 10]
    truth = config.world.connections()[0]
    assert (truth.disabled_at, truth.disabled_reason) == (NOW + 10, TOO_MANY)


def test_who_enables_it_is_named_and_nothing_of_before_is_true_any_more(
    config: Config, connection: str
) -> None:
    config.world.disable(connection, now=NOW + 10)
    config.world.enable(connection, now=NOW + 20)
    assert [event["eventType"] for event in events(config, connection)] == [ON, OFF]
    truth = config.world.connections()[0]
    assert (truth.disabled_at, truth.disabled_by_person, truth.disabled_reason) == (None, None, None)


def test_events_are_filtered_and_come_in_pages_the_newest_first(config: Config, connection: str) -> None:
    for number in range(30):
        config.world.pause(connection, now=NOW + 2 * number)
        config.world.enable(connection, now=NOW + 2 * number + 1)
    assert len(events(config, connection)) == 20
    off = events(config, connection, eventTypes=[OFF], pagination={"pageSize": 40, "rowOffset": 0})
    assert [event["createdAt"] for event in off] == [NOW + 2 * number for number in reversed(range(30))]
    assert (
        events(config, connection, eventTypes=[OFF], pagination={"pageSize": 5, "rowOffset": 28}) == off[28:]
    )
    late = events(config, connection, eventTypes=[OFF], createdAtStart=iso(NOW + 56))
    assert [event["createdAt"] for event in late] == [NOW + 58, NOW + 56]
    assert len({event["id"] for event in off}) == 30
    assert events(config, connection, eventTypes=["SYNC_FAILED"]) == []


def test_what_is_asked_wrongly_is_refused(config: Config, connection: str) -> None:
    assert config.ask(PATH, {}).status == 400
    assert config.ask(PATH, {"connectionId": STRANGER}).status == 404
    assert config.ask(PATH, {"connectionId": connection, "eventTypes": ["NO_SUCH"]}).status == 422


def test_a_company_begins_with_connections_that_somebody_or_a_schema_disabled() -> None:
    world = World(seed=3, connections=200, now=NOW, history_jobs=2)
    off = [it for it in world.connections() if it.status == "inactive"]
    assert {(it.schema_change == "breaking", it.disabled_by_person, it.disabled_reason) for it in off} == {
        (True, False, "SCHEMA_CHANGES_ARE_BREAKING"),
        (False, True, None),
    }
    assert all(it.disabled_at is not None and it.disabled_at <= NOW for it in off)
