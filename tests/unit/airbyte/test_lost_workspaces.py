"""Workspaces that are forbidden, not listed any more or gone, which is not the same."""

from typing import Any

import pytest

from airbyte_exporter.airbyte import (
    ApiError,
    ApiForbidden,
    ApiRejected,
)
from tests.unit.airbyte.fakes import NOW, Reaction, Say, talk
from tests.unit.airbyte.installations import (
    HTML,
    W1,
    W2,
    Installation,
)
from tests.unit.airbyte.public import PublicAirbyte
from tests.unit.airbyte.test_capabilities import CONNECTIONS, anew, detections, ids, replacing


def test_what_could_be_read_before_a_restart_and_is_forbidden_now_is_not_gone_either() -> None:
    airbyte = Installation(admin=False, readable=(W1,))
    t = talk(airbyte.react, capabilities=None, read_before=[W1, W2])
    with pytest.raises(ApiForbidden, match="which is watched"):
        t.client.inventory()
    chosen = talk(airbyte.react, capabilities=None, read_before=[W1, W2], workspace_ids=(W1,))
    assert ids(chosen.client.inventory().workspaces) == [W1], "whoever wants it so can say so"


def test_a_new_workspace_that_is_forbidden_is_left_out() -> None:
    airbyte = Installation(workspaces=(W1,), admin=False)
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.workspaces, airbyte.readable = (W1, W2), (W1,)
    for _ in range(2):
        inventory = t.client.inventory()
        assert ids(inventory.workspaces) == [W1]
        assert [each.id for each in inventory.connections] == ["c1"]
    it = t.client.capabilities()
    assert ids(it.unreadable) == [W2]
    assert W2 in it.losses[-1].means
    list(t.client.jobs(updated_since=NOW))


def test_a_workspace_that_is_gone_is_gone() -> None:
    airbyte = Installation(admin=False)
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.workspaces = (W1,)
    assert ids(t.client.inventory().workspaces) == [W1]


@pytest.mark.parametrize("status", [400, 422])
def test_a_listing_that_was_understood_and_is_refused_now_makes_it_look_again(status: int) -> None:
    answers: dict[str, Reaction] = {}
    t = anew(replacing(Installation(), answers))
    t.client.inventory()
    list(t.client.jobs(updated_since=NOW))
    answers["jobs/list"] = Say(status, {"message": "configId: must not be null"})
    with pytest.raises(ApiRejected):
        list(t.client.jobs(updated_since=NOW))
    assert t.client.capabilities().polling is CONNECTIONS


def test_a_listing_that_is_always_refused_is_not_looked_into_at_every_poll() -> None:
    airbyte = Installation()

    def react(method: str, body: dict[str, Any]) -> Reaction:
        is_a_probe = body.get("pagination", {}).get("pageSize") == 1
        return Say(400) if method == "jobs/list" and not is_a_probe else airbyte.react(method, body)

    t = anew(react)
    t.client.inventory()
    for _ in range(3):
        with pytest.raises(ApiRejected):
            list(t.client.jobs(updated_since=NOW))
    assert detections(t) == 1


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(
    ("method", "only"), [("workspaces/list_by_organization_id", ()), ("workspaces/get", (W1, W2))]
)
def test_one_passing_answer_about_workspaces_decides_nothing(
    method: str, only: tuple[str, ...], status: int
) -> None:
    airbyte = Installation()
    passing = [Say(status, {"message": "Forbidden"})]

    def react(asked: str, body: dict[str, Any]) -> Reaction:
        return passing.pop() if asked == method and passing else airbyte.react(asked, body)

    public = PublicAirbyte(workspaces={W1: "One", W2: "Two"}, elsewhere=react)
    t = anew(public.react, workspace_ids=only)
    assert (t.client.capabilities().api, ids(t.client.workspaces())) == ("config", [W1, W2])
    assert passing == []


def test_a_newer_status_that_is_refused_is_no_other_airbyte() -> None:
    airbyte = Installation("2.5.0")

    def react(method: str, body: dict[str, Any]) -> Reaction:
        return Say(422) if "queued" in body.get("statuses", ()) else airbyte.react(method, body)

    t = anew(react)
    t.client.inventory()
    for _ in range(2):
        list(t.client.jobs(live=True))
    assert detections(t) == 1


@pytest.mark.parametrize("admin", [True, False])
def test_a_lost_role_is_no_deleted_workspace_where_only_those_of_members_are_listed(admin: bool) -> None:
    airbyte = Installation(admin=admin)
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.readable, airbyte.unlisted = (W1,), (W2,)
    for client in (t.client, talk(airbyte.react, capabilities=None, read_before=[W1, W2]).client):
        with pytest.raises(ApiForbidden, match=rf"^workspaces/get: .* read workspace {W2}, which is watched"):
            client.inventory()
    airbyte.readable = None
    airbyte.unlisted = ()
    assert len(t.client.inventory().connections) == 2


def test_with_no_role_left_nothing_is_listed_and_nothing_is_gone() -> None:
    airbyte = Installation(admin=False)
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.readable, airbyte.unlisted = (), (W1, W2)
    for client in (t.client, talk(airbyte.react, capabilities=None, read_before=[W1, W2]).client):
        with pytest.raises(ApiForbidden, match="which is watched"):
            client.inventory()


def test_a_workspace_that_is_there_and_not_listed_is_not_gone() -> None:
    airbyte = Installation()
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.unlisted = (W2,)
    for client in (t.client, talk(airbyte.react, capabilities=None, read_before=[W1, W2]).client):
        with pytest.raises(ApiForbidden, match="does not list it to us any more") as caught:
            client.inventory()
        assert str(caught.value).isprintable()
    chosen = talk(airbyte.react, capabilities=None, read_before=[W1, W2], workspace_ids=(W1,))
    assert ids(chosen.client.inventory().workspaces) == [W1], "whoever wants it so can say so"


@pytest.mark.parametrize("answer", [None, Say(body={"workspaceId": W2, "tombstone": True})])
def test_a_workspace_that_airbyte_says_is_deleted_is_gone(answer: Reaction | None) -> None:
    airbyte = Installation()
    answers: dict[str, Reaction] = {} if answer is None else {"workspaces/get": answer}
    t = anew(replacing(airbyte, answers))
    t.client.inventory()
    assert t.airbyte.bodies("workspaces/get") == [], "nothing is missing, so nothing is asked"
    airbyte.workspaces = (W1,)
    later = talk(replacing(airbyte, answers), capabilities=None, read_before=[W1, W2])
    for _ in range(2):
        assert ids(t.client.inventory().workspaces) == [W1]
        assert ids(later.client.inventory().workspaces) == [W1]
    assert t.airbyte.bodies("workspaces/get") == [{"workspaceId": W2}], "once it is known to be gone, it is"


@pytest.mark.parametrize("answer", [Say(404), Say(403, b"<html>", HTML), Say(503)])
def test_what_only_a_proxy_says_of_a_missing_workspace_does_not_count(answer: Reaction) -> None:
    airbyte = Installation()
    t = anew(replacing(airbyte, {"workspaces/get": answer}))
    t.client.inventory()
    airbyte.workspaces = (W1,)
    with pytest.raises(ApiError):
        t.client.inventory()
    with pytest.raises(ApiError):
        talk(t.airbyte.react, capabilities=None, read_before=[W2]).client.inventory()


def test_before_there_were_roles_a_workspace_that_is_not_listed_is_gone() -> None:
    airbyte = Installation("0.50.9")
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.unlisted = (W2,)
    assert ids(t.client.inventory().workspaces) == [W1]
    assert t.airbyte.bodies("workspaces/get") == []


def test_a_forbidden_workspace_that_is_configured_is_named() -> None:
    airbyte = Installation(admin=False)
    airbyte.readable = (W1,)
    t = anew(airbyte.react, workspace_ids=(W1, W2))
    with pytest.raises(ApiForbidden, match=rf"workspace {W2} of airbyte\.workspace_ids \(403\); give the"):
        t.client.capabilities()
