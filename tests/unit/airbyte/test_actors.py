"""How many sources and destinations there are: listed now and then, and never in the way of an inventory."""

import pytest
from structlog.testing import capture_logs

from airbyte_exporter.airbyte import ApiError, ApiForbidden, ApiStopped, ApiUnreachable
from airbyte_exporter.airbyte._actors import ActorCounts
from airbyte_exporter.model import (
    Actor,
    Connection,
    ConnectionStatus,
    Instance,
    Inventory,
    Schedule,
    ScheduleType,
    Workspace,
)

POSTGRES, MYSQL = "Postgres", "MySQL"


class World:
    """Sources and destinations by workspace, a clock, and what goes wrong."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.held = {"w1": [("s1", POSTGRES), ("s2", POSTGRES)], "w2": [("s3", MYSQL)]}
        self.connected = [("s1", "d1")]
        self.trouble: ApiError | None = None
        self.asked: list[str] = []
        self.counts = ActorCounts(lambda: self.now)

    def sources(self, workspace_id: str) -> tuple[Actor, ...]:
        self.asked.append(f"sources of {workspace_id}")
        if self.trouble is not None:
            raise self.trouble
        return tuple(Actor(id_, id_, connector) for id_, connector in self.held[workspace_id])

    def destinations(self, workspace_id: str) -> tuple[Actor, ...]:
        self.asked.append(f"destinations of {workspace_id}")
        return (Actor("d1", "Warehouse", "Snowflake"),) if workspace_id == "w1" else ()

    def inventory(self) -> Inventory:
        connections = tuple(
            Connection(
                f"{source} to {destination}",
                "C",
                "w1",
                ConnectionStatus.ACTIVE,
                Actor(source, source, POSTGRES),
                Actor(destination, destination, "Snowflake"),
                Schedule(ScheduleType.MANUAL),
            )
            for source, destination in self.connected
        )
        workspaces = tuple(Workspace(id_, id_) for id_ in self.held)
        plain = Inventory(Instance("2.0.0", None, "config", "none"), workspaces, connections, 7)
        return self.counts.added_to(plain, self)

    def after(self, seconds: float) -> list[str]:
        """What is asked for when the inventory is read after so many seconds."""
        self.now += seconds
        self.asked = []
        self.inventory()
        return self.asked


def test_all_are_counted_by_connector_whether_used_or_not() -> None:
    found = World().inventory()
    assert found.sources == {POSTGRES: 2, MYSQL: 1}
    assert found.destinations == {"Snowflake": 1}


def test_they_are_listed_once_an_hour() -> None:
    world = World()
    assert len(world.after(0)) == 4
    world.held["w1"].append(("s4", MYSQL))
    assert world.after(3599) == []
    assert world.inventory().sources == {POSTGRES: 2, MYSQL: 1}
    assert len(world.after(2)) == 4
    assert world.inventory().sources == {POSTGRES: 2, MYSQL: 2}


def test_one_that_nobody_knows_has_them_listed_at_once_and_only_once() -> None:
    world = World()
    world.inventory()
    world.held["w1"].append(("s9", MYSQL))
    world.connected.append(("s9", "d1"))
    assert len(world.after(1)) == 4
    assert world.inventory().sources == {POSTGRES: 2, MYSQL: 2}
    world.connected.append(("in no listing", "d1"))
    assert len(world.after(1)) == 4
    assert world.after(1) == []


def test_another_workspace_has_them_listed_at_once() -> None:
    world = World()
    world.inventory()
    del world.held["w2"]
    assert len(world.after(1)) == 2
    assert world.inventory().sources == {POSTGRES: 2}


def test_where_they_cannot_be_listed_they_are_not_known_and_it_is_said_once() -> None:
    world = World()
    world.trouble = ApiForbidden("sources/list: no", method="sources/list", reason="forbidden")
    with capture_logs() as logs:
        assert (world.inventory().sources, world.inventory().destinations) == (None, None)
        assert world.after(899) == []
        assert world.after(2) == ["sources of w1"]
    assert [(entry["event"], entry["error"]) for entry in logs] == [
        ("sources and destinations cannot be counted", "sources/list: no")
    ]
    world.trouble = None
    world.after(900)
    assert world.inventory().sources == {POSTGRES: 2, MYSQL: 1}


def test_what_was_known_is_not_told_on_when_it_cannot_be_listed_any_more() -> None:
    world = World()
    world.inventory()
    world.trouble = ApiUnreachable("sources/list: no", method="sources/list", reason="timeout")
    world.after(3601)
    assert world.inventory().sources is None


def test_to_stop_is_no_trouble_of_theirs() -> None:
    world = World()
    world.trouble = ApiStopped("sources/list")
    with pytest.raises(ApiStopped):
        world.inventory()
