"""What exists: the instance, workspaces, connections, sources, destinations; with and without paging."""

from typing import Any

import pytest

from airbyte_exporter.airbyte import ApiMalformed, ApiNotFound, ApiUnauthorized, ApiUnreachable
from airbyte_exporter.model import (
    Actor,
    Connection,
    ConnectionStatus,
    Instance,
    Schedule,
    ScheduleType,
    SchemaChange,
    Workspace,
)
from tests.unit.airbyte.fakes import NOW, WORKSPACE, Handler, Reaction, Say, Talk, connection_row, talk
from tests.unit.airbyte.installations import W1, Installation

OTHER = "22222222-2222-4222-8222-222222222222"
ORGANIZATION = "00000000-0000-0000-0000-000000000000"
INSTANCE = Say(
    body={
        "version": "2.0.0",
        "edition": "community",
        "defaultOrganizationId": "org-1",
        "auth": {"mode": "none"},
    }
)
NOT_FOUND = Say(404, {"message": "no", "exceptionClassName": "io.airbyte.IdNotFoundKnownException"})


# The instance


def anew(react: Handler, **config: Any) -> Talk:  # noqa: ANN401  (as AirbyteConfig takes them)
    """Return a client that has to find out what it talks to."""
    return talk(react, capabilities=None, **config)


def saying(**answers: Reaction) -> Handler:
    """An Airbyte of its own words in some places, named with ``__`` for a slash."""
    told = {name.replace("__", "/"): answer for name, answer in answers.items()}
    airbyte = Installation(workspaces=("w1",))
    return lambda method, body: told.get(method) or airbyte.react(method, body)


def test_the_instance_tells_version_edition_and_its_own_id() -> None:
    t = anew(saying(instance_configuration=INSTANCE))
    assert t.client.instance() == Instance("2.0.0", "community", "config", "none", "dep-1")


def test_what_is_known_of_the_instance_is_not_asked_again() -> None:
    t = anew(saying())
    t.client.instance()
    asked = len(t.airbyte.sent)
    t.client.instance()
    assert len(t.airbyte.sent) == asked


@pytest.mark.parametrize("answer", [Say(404), Say(403), Say(422)])
def test_an_airbyte_that_does_not_tell_its_id(answer: Say) -> None:
    assert anew(saying(deployment__metadata=answer)).client.instance().deployment_id is None


def test_trouble_while_asking_for_the_id_is_trouble() -> None:
    with pytest.raises(ApiUnreachable, match="deployment/metadata"):
        anew(saying(deployment__metadata=Say(503))).client.instance()


def test_the_instance_is_asked_without_credentials() -> None:
    t = anew(saying(), token="t")
    t.client.instance()
    assert [sent.authorization for sent in t.airbyte.sent if sent.verb == "GET"] == [None]
    assert {sent.authorization for sent in t.airbyte.sent if sent.verb == "POST"} == {"Bearer t"}


def test_credentials_are_shown_where_something_in_front_wants_them_even_for_that() -> None:
    airbyte = Installation()

    def react(method: str, body: dict[str, Any]) -> Reaction:
        return airbyte.react(method, body) if t.airbyte.here.authorization else Say(401)

    t = anew(react, token="t")
    assert t.client.instance().version == "2.0.0"
    t = anew(react)
    with pytest.raises(ApiUnauthorized):
        t.client.instance()


def test_an_instance_that_says_little() -> None:
    told = Say(body={"edition": "PRO", "version": 5})
    t = anew(saying(instance_configuration=told, deployment__metadata=Say(404)))
    assert t.client.instance() == Instance(None, "pro", "config", "none", None)
    assert t.airbyte.bodies("workspaces/list_by_organization_id") == [{"organizationId": ORGANIZATION}]


# Workspaces


def test_workspaces_of_the_default_organization() -> None:
    listed = [
        {"workspaceId": "w1", "name": "Sales", "webhookConfigs": [{"id": "x"}]},
        {"workspaceId": "w2", "name": "Gone", "tombstone": True},
        {"workspaceId": "w3"},
        {"workspaceId": "w1", "name": "Sales"},
    ]
    answer = Say(body={"workspaces": listed})
    t = anew(saying(instance_configuration=INSTANCE, workspaces__list_by_organization_id=answer))
    assert t.client.workspaces() == (Workspace("w1", "Sales"), Workspace("w3", "w3"))
    assert t.airbyte.sent[-1].body == {"organizationId": "org-1"}


def test_only_the_configured_workspaces_are_read() -> None:
    t = talk([Say(body={"workspaceId": WORKSPACE, "name": "Sales"})], workspace_ids=(WORKSPACE,))
    assert t.client.workspaces() == (Workspace(WORKSPACE, "Sales"),)
    assert t.airbyte.bodies("workspaces/get") == [{"workspaceId": WORKSPACE}]


def test_a_configured_workspace_that_does_not_exist_is_named() -> None:
    t = talk([NOT_FOUND], workspace_ids=(WORKSPACE,))
    with pytest.raises(
        ApiNotFound, match=f"no workspace {WORKSPACE}; correct airbyte.workspace_ids"
    ) as caught:
        t.client.workspaces()
    assert caught.value.method == "workspaces/get"


def test_a_wrong_path_is_not_a_missing_workspace() -> None:
    with pytest.raises(ApiNotFound, match=r"is airbyte\.url right"):
        talk([Say(404)] * 2, workspace_ids=(WORKSPACE,)).client.workspaces()


# Connections as they are told


def test_a_connection() -> None:
    row = connection_row(
        tags=[{"name": "prod"}, {"name": "finance"}, {"name": "prod"}],
        schemaChange="breaking",
        newField={"a": 1},
    )
    assert talk([Say(body={"connections": [row]})]).client.connections(WORKSPACE) == (
        Connection(
            id="c1",
            name="Orders",
            workspace_id=WORKSPACE,
            status=ConnectionStatus.ACTIVE,
            source=Actor("s1", "Shop", "Postgres", "3.6.1"),
            destination=Actor("d1", "Lake", "Snowflake", "4.0.2"),
            schedule=Schedule(ScheduleType.BASIC, 1, "hours"),
            tags=("finance", "prod"),
            schema_change=SchemaChange.BREAKING,
        ),
    )


CRON = {"cron": {"cronExpression": "0 0 12 * * ?", "cronTimeZone": "Europe/Berlin"}}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"scheduleType": "cron", "scheduleData": CRON},
            {"schedule": Schedule(ScheduleType.CRON, None, None, "0 0 12 * * ?", "Europe/Berlin")},
        ),
        ({"scheduleType": "manual", "scheduleData": None}, {"schedule": Schedule(ScheduleType.MANUAL)}),
        ({"scheduleType": "cron", "scheduleData": {"cron": 5}}, {"schedule": Schedule(ScheduleType.CRON)}),
        ({"scheduleType": "basic", "scheduleData": None}, {"schedule": Schedule(ScheduleType.BASIC)}),
        ({"scheduleType": None, "scheduleData": None}, {"schedule": Schedule(ScheduleType.UNKNOWN)}),
        ({"scheduleType": "lunar"}, {"schedule": Schedule(ScheduleType.UNKNOWN)}),
        ({"status": "inactive"}, {"status": ConnectionStatus.INACTIVE}),
        ({"status": "locked"}, {"status": ConnectionStatus.LOCKED}),
        ({"status": "deprecated"}, {"status": ConnectionStatus.DEPRECATED}),
        ({"status": "asleep"}, {"status": ConnectionStatus.UNKNOWN}),
        ({"schemaChange": "no_change"}, {"schema_change": SchemaChange.NONE}),
        ({"schemaChange": "non_breaking"}, {"schema_change": SchemaChange.NON_BREAKING}),
        ({"schemaChange": "odd"}, {"schema_change": None}),
        ({"schemaChange": None}, {"schema_change": None}),
        ({"tags": None}, {"tags": ()}),
        ({"tags": [{"colour": "red"}]}, {"tags": ()}),
        ({"name": None}, {"name": "c1"}),
        ({"sourceActorDefinitionVersion": None}, {"source": Actor("s1", "Shop", "Postgres", None)}),
        ({"source": {"sourceId": "s1"}}, {"source": Actor("s1", "s1", "unknown", "3.6.1")}),
    ],
)
def test_parts_of_a_connection(row: dict[str, Any], expected: dict[str, Any]) -> None:
    (connection,) = talk([Say(body={"connections": [connection_row(**row)]})]).client.connections(WORKSPACE)
    assert {name: getattr(connection, name) for name in expected} == expected


@pytest.mark.parametrize(
    "row", [{"connectionId": None}, {"source": None}, {"destination": {"name": "x"}}, {"status": None}]
)
def test_a_connection_without_what_we_need_makes_no_listing(row: dict[str, Any]) -> None:
    with pytest.raises(ApiMalformed, match=r"connections\[0\]\."):
        talk([Say(body={"connections": [connection_row(**row)]})]).client.connections(WORKSPACE)


# Paging


class Cursors:
    """A listing as Airbyte pages it since 1.8, that lets its items change between requests."""

    def __init__(self, count: int, changes: dict[int, Any] | None = None, *, lie: int = 0) -> None:
        self.ids = [f"c{number:04}" for number in range(count)]
        self.changes = changes or {}
        self.requests = 0
        self.lie = lie

    def react(self, method: str, body: dict[str, Any]) -> Reaction:
        self.requests += 1
        if change := self.changes.get(self.requests):
            change(self.ids)
        start = 0
        if "cursor" in body:
            if body["cursor"] not in self.ids:
                return NOT_FOUND
            start = self.ids.index(body["cursor"]) + 1
        size = body.get("pageSize", 20)
        page = self.ids[start : start + size]
        rows = {
            "web_backend/connections/list": {"connections": [connection_row(item) for item in page]},
            "sources/list": {
                "sources": [{"sourceId": item, "name": item, "sourceName": "X"} for item in page]
            },
            "destinations/list": {"destinations": [{"destinationId": item} for item in page]},
        }[method]
        return Say(body={**rows, "page_size": size, "num_connections": len(self.ids) + self.lie})


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 119, 120, 121, 220, 350])
@pytest.mark.parametrize("kind", ["connections", "sources", "destinations"])
def test_everything_is_listed_past_the_default_page_of_20(count: int, kind: str) -> None:
    model = Cursors(count)
    t = talk(model.react)
    for _ in range(2):
        assert [item.id for item in getattr(t.client, kind)(WORKSPACE)] == model.ids


def test_paging_properties_are_only_sent_once_airbyte_has_shown_that_it_pages() -> None:
    t = talk(Cursors(130).react)
    t.client.connections(WORKSPACE)
    t.client.connections(OTHER)
    asked = [sent.body for sent in t.airbyte.sent]
    assert asked[0] == {"workspaceId": WORKSPACE}
    assert asked[1] == {"workspaceId": WORKSPACE, "cursor": "c0019", "pageSize": 100}
    assert asked[3] == {"workspaceId": OTHER, "pageSize": 100}


def test_an_airbyte_without_paging_gets_one_plain_request_each_time() -> None:
    rows = [connection_row(f"c{number}") for number in range(300)]
    t = talk(lambda *_: Say(body={"connections": rows}))
    for _ in range(2):
        assert len(t.client.connections(WORKSPACE)) == 300
    assert [sent.body for sent in t.airbyte.sent] == [{"workspaceId": WORKSPACE}] * 2


def test_another_version_is_asked_from_the_start_again() -> None:
    airbyte = Installation("2.0.0", workspaces=(W1,), connections={W1: [f"c{n}" for n in range(30)]})
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.version = "1.7.0"
    assert len(t.client.inventory().connections) == 30
    assert t.airbyte.bodies("web_backend/connections/list")[-1] == {"workspaceId": W1}


def test_a_cursor_that_was_deleted_starts_the_listing_again() -> None:
    model = Cursors(250, {2: lambda ids: ids.remove("c0019")})
    assert [item.id for item in talk(model.react).client.connections(WORKSPACE)] == model.ids


def test_a_connection_renamed_to_the_front_while_paging_is_not_lost() -> None:
    def rename(ids: list[str]) -> None:
        ids.insert(0, ids.pop())

    model = Cursors(250, {2: rename})
    assert sorted(item.id for item in talk(model.react).client.connections(WORKSPACE)) == sorted(model.ids)


def test_a_count_that_never_agrees_is_not_believed_against_two_equal_listings() -> None:
    model = Cursors(150, lie=3)
    t = talk(model.react)
    assert len(t.client.connections(WORKSPACE)) == 150


def test_a_listing_that_changes_all_the_time_is_an_error() -> None:
    def grow(ids: list[str]) -> None:
        ids.insert(0, f"n{len(ids):04}")

    model = Cursors(150, dict.fromkeys(range(2, 100), grow))
    t = talk(model.react)
    with pytest.raises(ApiMalformed, match="changed each of the 4 times it was read"):
        t.client.connections(WORKSPACE)
    assert model.requests < 20


def test_a_cursor_that_is_always_gone_is_an_error() -> None:
    page = Say(
        body={
            "connections": [connection_row(f"c{n}") for n in range(20)],
            "page_size": 20,
            "num_connections": 50,
        }
    )
    t = talk(lambda _, body: NOT_FOUND if "cursor" in body else page)
    with pytest.raises(ApiMalformed, match="may not be complete"):
        t.client.connections(WORKSPACE)


@pytest.mark.parametrize("total", [{"num_connections": 50}, {}], ids=["a total", "no total"])
def test_a_server_that_ignores_the_cursor_is_an_error_after_a_few_requests(total: dict[str, int]) -> None:
    page = {"connections": [connection_row(f"c{n}") for n in range(20)], "page_size": 20, **total}
    t = talk(lambda *_: Say(body=page))
    with pytest.raises(ApiMalformed, match="or repeats itself, so it may not be complete"):
        t.client.connections(WORKSPACE)
    assert len(t.airbyte.sent) < 10


def test_a_row_told_twice_does_not_make_a_page_look_like_the_last() -> None:
    ids = [f"c{number:04}" for number in range(30)]
    told = [*ids[:19], ids[0], *ids[19:]]

    def react(_: str, body: dict[str, Any]) -> Reaction:
        start = len(told) - told[::-1].index(body["cursor"]) if "cursor" in body else 0
        return Say(
            body={"connections": [connection_row(c) for c in told[start : start + 20]], "page_size": 20}
        )

    assert [item.id for item in talk(react).client.connections(WORKSPACE)] == ids


# The inventory


def answers_of_an_airbyte(method: str, body: dict[str, Any]) -> Reaction:
    workspaces = [{"workspaceId": "w1", "name": "A"}, {"workspaceId": "w2", "name": "B"}]
    answers = {
        "instance_configuration": INSTANCE,
        "deployment/metadata": Say(body={"id": "dep-1"}),
        "workspaces/list_by_organization_id": Say(
            body={"workspaces": workspaces}, headers={"Date": "Mon, 02 Feb 2026 02:50:00 GMT"}
        ),
    }
    return answers.get(method) or Say(body={"connections": [connection_row(f"{body['workspaceId']}-c")]})


def test_the_inventory_is_everything_as_of_its_first_answer() -> None:
    inventory = talk(answers_of_an_airbyte).client.inventory()
    assert inventory.instance.deployment_id == "dep-1"
    assert [workspace.id for workspace in inventory.workspaces] == ["w1", "w2"]
    assert [(item.id, item.workspace_id) for item in inventory.connections] == [
        ("w1-c", "w1"),
        ("w2-c", "w2"),
    ]
    assert inventory.read_at == NOW


def test_a_server_without_date_is_dated_by_our_clock() -> None:
    def react(method: str, body: dict[str, Any]) -> Reaction:
        said = answers_of_an_airbyte(method, body)
        assert isinstance(said, Say)
        return Say(said.status, said.body, {"Date": "yesterday"})

    t: Talk = talk(react)
    t.time.now = 77.0
    assert t.client.inventory().read_at == NOW + 77


def test_an_inventory_with_one_workspace_in_trouble_is_no_inventory() -> None:
    def react(method: str, body: dict[str, Any]) -> Reaction:
        return Say(503) if body.get("workspaceId") == "w2" else answers_of_an_airbyte(method, body)

    with pytest.raises(ApiUnreachable, match="web_backend/connections/list"):
        talk(react).client.inventory()


# What is not read


def test_the_configuration_of_a_source_is_not_read() -> None:
    row = {
        "sourceId": "s1",
        "name": "Shop",
        "sourceName": "Postgres",
        "connectionConfiguration": {"password": "MARKER-of-a-secret"},
    }
    (source,) = talk([Say(body={"sources": [row]})]).client.sources(WORKSPACE)
    assert source == Actor("s1", "Shop", "Postgres")
    assert "MARKER" not in repr(source)
