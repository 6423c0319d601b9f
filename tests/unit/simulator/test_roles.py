"""What a user who may read two of three workspaces gets from the simulated APIs, and what is refused."""

import json
from typing import Any

import pytest

from airbyte_exporter.simulator import GENERATIONS, World
from airbyte_exporter.simulator._public_api import PublicApi
from airbyte_exporter.simulator._roles import Caller, reader_of
from tests.unit.simulator.asking import ALL_TYPES, NOW, ORGANIZATION, PUBLIC, STRANGER, Config

WORLD = World(seed=3, connections=40, now=NOW, history_jobs=8)
USER = "5e0c8a4e-6f0b-4d6e-9a0a-2c1f6f1d7a11"
READER = reader_of(WORLD, USER, None)
MINE, THEIRS = list(WORLD.company.workspaces)[:2], list(WORLD.company.workspaces)[2]
FORBIDDEN = (403, {"message": "Forbidden"})


def inside(workspace_id: str) -> dict[str, Any]:
    """Return ids of things in a workspace."""
    connection = next(
        c for c in WORLD.company.connections.values() if c.workspace_id == workspace_id and c.jobs
    )
    return {
        "workspaceId": workspace_id,
        "connectionId": connection.id,
        "sourceId": connection.source.id,
        "destinationId": connection.destination.id,
        "id": connection.jobs[-1].id,
    }


@pytest.fixture(params=PUBLIC)
def config(request: pytest.FixtureRequest) -> Config:
    """The Configuration API as the reader finds it."""
    return Config(WORLD, request.param, caller=READER)


def test_the_reader_has_the_first_two_workspaces_unless_told_otherwise() -> None:
    assert Caller(USER, frozenset(MINE)) == READER
    assert reader_of(WORLD, USER, 1) == Caller(USER, frozenset(MINE[:1]))
    assert reader_of(WORLD, USER, [THEIRS]) == Caller(USER, frozenset([THEIRS]))
    assert len(reader_of(World(now=NOW, connections=1, workspaces=1), USER, None).workspace_ids or ()) == 1


@pytest.mark.parametrize("workspaces", [-1, 4, [STRANGER]])
def test_a_reader_of_what_there_is_not_is_refused(workspaces: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(ValueError, match="workspace"):
        reader_of(WORLD, USER, workspaces)


@pytest.mark.parametrize(
    "path",
    ["deployment/metadata", "source_definitions/list", "destination_definitions/list"],
)
def test_what_needs_no_role_is_anybodys(config: Config, path: str) -> None:
    assert config.ask(path, {}).status == 200
    assert config.ask("instance_configuration", method="GET").status == 200


def test_the_names_of_all_workspaces_are_told_and_those_of_a_user_are_their_own(config: Config) -> None:
    listings = [config.read("workspaces/list_by_organization_id", organizationId=ORGANIZATION)]
    if config.generation == "1.6":
        listings.append(config.read("workspaces/list"))
    for listing in listings:
        assert {one["workspaceId"] for one in listing["workspaces"]} == {*MINE, THEIRS}
    own = config.read("workspaces/list_by_user_id", userId=USER)["workspaces"]
    assert {one["workspaceId"] for one in own} == {*MINE}
    for user_id in (WORLD.company.user_id, None):
        body = {} if user_id is None else {"userId": user_id}
        answer = config.ask("workspaces/list_by_user_id", body)
        assert (answer.status, answer.body) == FORBIDDEN


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("workspaces/get", "workspaceId"),
        ("sources/list", "workspaceId"),
        ("sources/get", "sourceId"),
        ("destinations/list", "workspaceId"),
        ("destinations/get", "destinationId"),
        ("connections/list", "workspaceId"),
        ("connections/get", "connectionId"),
        ("web_backend/connections/list", "workspaceId"),
        ("tags/list", "workspaceId"),
        ("jobs/get", "id"),
        ("jobs/get_without_logs", "id"),
        ("jobs/get_light", "id"),
        ("jobs/get_last_replication_job", "connectionId"),
    ],
)
def test_a_role_follows_from_the_id_in_the_body(config: Config, path: str, field: str) -> None:
    for workspace_id in MINE:
        assert config.ask(path, {field: inside(workspace_id)[field]}).status == 200
    nothing = 10**9 if field == "id" else STRANGER
    for body in ({field: inside(THEIRS)[field]}, {field: nothing}, {}):
        answer = config.ask(path, body)
        assert (answer.status, answer.body) == FORBIDDEN, body


def test_every_operation_that_tells_of_a_workspace_needs_a_role(config: Config) -> None:
    free = {
        "deployment/metadata",
        "source_definitions/list",
        "destination_definitions/list",
        "source_definitions/get",
        "destination_definitions/get",
        "workspaces/list",
        "workspaces/list_by_organization_id",
    }
    for path in config.paths - free - {"health", "instance_configuration"}:
        assert config.ask(path, {"configTypes": ALL_TYPES}).status == 403, path


def test_a_reader_may_write_nothing_not_even_in_a_workspace_of_its_own(config: Config) -> None:
    for workspace_id in (*MINE, THEIRS):
        for path in config.write_paths:
            answer = config.ask(path, inside(workspace_id))
            assert (answer.status, answer.body) == FORBIDDEN, path
    assert config.ask("connections/sync", {"connectionId": STRANGER}).status == 403
    assert {one.status for one in WORLD.connections()} <= {"active", "inactive"}


def test_the_jobs_of_a_connection_are_its_workspaces_and_those_of_all_are_an_administrators(
    config: Config,
) -> None:
    assert config.jobs(configId=inside(MINE[1])["connectionId"])
    for body in ({}, {"configId": inside(THEIRS)["connectionId"]}, {"configId": STRANGER}):
        answer = config.ask("jobs/list", {"configTypes": ALL_TYPES, **body})
        assert (answer.status, answer.body) == FORBIDDEN


def test_one_foreign_workspace_forbids_the_whole_listing(config: Config) -> None:
    def ask(*workspaces: str) -> tuple[int, Any]:
        body = {"configTypes": ALL_TYPES, "workspaceIds": list(workspaces), "pagination": {"pageSize": 5000}}
        answer = config.ask("jobs/list_for_workspaces", body)
        return answer.status, json.loads(answer.payload())

    status, listed = ask(*MINE)
    assert status == 200
    assert {row["job"]["id"] for row in listed["jobs"]} == {
        job.id for job in WORLD.jobs() if WORLD.connection(job.connection_id).workspace_id in MINE
    }
    assert ask(*MINE, THEIRS) == ask(MINE[0], STRANGER) == ask() == FORBIDDEN
    assert config.ask("jobs/list_for_workspaces", {"configTypes": ALL_TYPES}).status == 403


# The public API


@pytest.fixture
def public() -> PublicApi:
    """The public API over that company."""
    return PublicApi(WORLD, GENERATIONS["2.0"])


def test_a_public_listing_is_of_the_readers_workspaces(public: PublicApi) -> None:
    for kind in ("connections", "workspaces", "sources", "destinations"):
        rows = listed(public, kind, limit=100)
        assert {row["workspaceId"] for row in rows} == {*MINE}
        assert {row["workspaceId"] for row in listed(public, kind, workspaceIds=MINE[1])} == {MINE[1]}
    theirs = inside(THEIRS)["connectionId"]
    everything = {row["connectionId"] for row in listed(public, "jobs", limit=100, orderBy="updatedAt|DESC")}
    assert everything
    assert {WORLD.connection(one).workspace_id for one in everything} == {*MINE}
    assert theirs not in everything


def test_a_foreign_id_is_forbidden_in_the_public_api_too(public: PublicApi) -> None:
    foreign, own = inside(THEIRS), inside(MINE[1])
    for kind in ("jobs", "connections", "workspaces", "sources", "destinations"):
        assert_forbidden(public, kind, workspaceIds=[MINE[0], THEIRS])
        key = "id" if kind == "jobs" else f"{kind[:-1]}Id"
        nothing = 10**9 if kind == "jobs" else STRANGER
        assert public.answer("GET", f"{kind}/{own[key]}", {}, url="", caller=READER).status == 200
        assert_forbidden(public, f"{kind}/{foreign[key]}")
        assert_forbidden(public, f"{kind}/{nothing}")
    assert_forbidden(public, "jobs", connectionId=foreign["connectionId"])
    assert_forbidden(public, "jobs", connectionId=STRANGER)
    assert listed(public, "jobs", connectionId=own["connectionId"])


def test_links_of_a_readers_listing_name_no_workspaces_that_were_not_asked_for(public: PublicApi) -> None:
    page = public.answer("GET", "connections", {"limit": ["2"]}, url="", caller=READER).body
    assert page["next"] == "/api/public/v1/connections?limit=2&offset=2"


def listed(public: PublicApi, kind: str, **query: object) -> list[dict[str, Any]]:
    """Return the rows that the reader gets."""
    answer = public.answer("GET", kind, as_query(query), url="", caller=READER)
    assert answer.status == 200, answer.body
    rows: list[dict[str, Any]] = answer.body["data"]
    return rows


def assert_forbidden(public: PublicApi, path: str, **query: object) -> None:
    """Ask for something foreign."""
    answer = public.answer("GET", path, as_query(query), url="", caller=READER)
    assert (answer.status, answer.content_type) == (403, "application/problem+json"), path
    assert answer.body["status"] == 403


def as_query(query: dict[str, object]) -> dict[str, list[str]]:
    """Write a query as a server parses it."""
    return {
        name: [str(one) for one in value] if isinstance(value, list) else [str(value)]
        for name, value in query.items()
    }
