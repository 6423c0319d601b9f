"""Sources and destinations: made once, changed in part, found by what people call them."""

import pytest
from pydantic import SecretStr

from airbyte_exporter.airbyte import AirbyteConfig
from airbyte_exporter.airbyte.writing import WritingClient
from airbyte_exporter.control import Control, ControlError, NotOneError, Placed
from airbyte_exporter.model import Actor, Definition, Workspace
from tests.unit.airbyte.fakes import NOW, Json, Say, writing_talk
from tests.unit.airbyte.installations import W1, W2
from tests.unit.airbyte.writable import DEFINITION, SOURCE
from tests.unit.control.controlled import HOME, LAKE, SHOP, controlled

POSTGRES = Definition(DEFINITION, "source", "Postgres", "airbyte/source-postgres", "1")


def test_a_source_is_made() -> None:
    c = controlled()
    made = c.control.sources.create(HOME, POSTGRES, "New", {"host": "h", "password": SecretStr("pw")})
    assert (made.id, made.workspace) == (SOURCE.id, HOME)
    assert c.last("sources/create") == {
        "workspaceId": W1,
        "name": "New",
        "sourceDefinitionId": DEFINITION,
        "connectionConfiguration": {"host": "h", "password": "pw"},
    }


def test_a_second_source_of_a_name_is_refused() -> None:
    listed = {"sources": [{"sourceId": "s9", "name": "Shop"}]}
    c = controlled(told={"sources/list": Say(body=listed)})
    with pytest.raises(ControlError, match=r"workspace 'Data' has a source 'Shop' already \(s9\)"):
        c.control.sources.create(HOME, POSTGRES, "Shop", {})
    assert not c.changes


TOLD = {"host": "h", "tunnel": {"method": "SSH", "key": "**********"}, "schemas": ["a"], "pw": "**********"}


@pytest.mark.parametrize(
    ("wanted", "replace", "sent"),
    [
        (None, False, TOLD),
        ({"host": "new"}, False, {**TOLD, "host": "new"}),
        ({"schemas": ["b"]}, False, {**TOLD, "schemas": ["b"]}),
        ({"tunnel": {"key": SecretStr("k")}}, False, {**TOLD, "tunnel": {"method": "SSH", "key": "k"}}),
        ({"tunnel": "none"}, False, {**TOLD, "tunnel": "none"}),
        ({"host": {"a": 1}}, False, {**TOLD, "host": {"a": 1}}),
        ({"host": "new"}, True, {"host": "new"}),
    ],
)
def test_of_a_configuration_only_what_is_given_changes(
    wanted: dict[str, Json] | None, sent: dict[str, Json], *, replace: bool
) -> None:
    told = {"sourceId": SOURCE.id, "name": "Shop", "workspaceId": W1, "connectionConfiguration": TOLD}
    c = controlled(told={"sources/get": Say(body=told)})
    c.control.sources.update(SHOP, configuration=wanted, replace=replace)
    assert c.last("sources/update") == {
        "sourceId": SOURCE.id,
        "name": "Shop",
        "connectionConfiguration": sent,
    }


def test_what_uses_a_source_is_told_before_it_is_deleted() -> None:
    c = controlled()
    assert c.control.sources.users(SHOP) == ()
    (user,) = c.control.sources.users(Placed(Actor("s1", "Shop", "Postgres"), HOME))
    assert c.control.destinations.users(Placed(Actor("d1", "Lake", "S3"), HOME)) == (user,)
    assert (user.id, user.workspace_id) == ("c1", W1)
    c.control.destinations.delete(LAKE)
    assert c.changes == ["destinations/delete"]


def test_sources_are_found_by_name_in_a_workspace_or_anywhere() -> None:
    c = controlled()
    assert c.control.sources.find("c2").workspace.id == W2
    with pytest.raises(NotOneError, match="there is no source 'c2' in workspace 'Data'"):
        c.control.sources.find("c2", HOME)


def test_a_workspace_has_to_be_named_where_there_are_several() -> None:
    c = controlled()
    with pytest.raises(ControlError, match="there are 2 workspaces: say which one is meant: '1', '2'"):
        c.control.workspace()
    assert c.control.workspace("2") == Workspace(W2, "2")
    one = controlled(None)
    assert one.control.workspace().name == "W"
    none = controlled(told={"workspaces/list_by_organization_id": Say(body={"workspaces": []})})
    with pytest.raises(ControlError, match="Airbyte shows us no workspace"):
        none.control.workspace()


def test_connections_are_closed_at_the_end_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    t = writing_talk([])
    closed: list[bool] = []
    monkeypatch.setattr(t.client, "close", lambda: closed.append(True))

    def connect(_config: AirbyteConfig, **_more: object) -> WritingClient:
        return t.client

    config = AirbyteConfig.model_validate({"url": "http://airbyte.test:8001"})

    def use() -> None:
        with Control.open(config, clock=lambda: NOW, announce=None, connect=connect) as control:
            assert control.client is t.client
            assert not closed
            raise LookupError

    with pytest.raises(LookupError):
        use()
    assert closed == [True]
    assert t.client.announce is None
