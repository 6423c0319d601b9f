"""The short reference API, by its shapes."""

import json
from typing import Any

import pytest

from airbyte_exporter.simulator import World
from airbyte_exporter.simulator._reference_api import ReferenceApi
from tests.unit.simulator.asking import NOW, STRANGER, iso

WORLD = World(seed=3, connections=30, now=NOW, history_jobs=20)
API = ReferenceApi(WORLD)


def read(path: str, **body: object) -> Any:  # noqa: ANN401 - JSON of any shape
    """Send a request that works and return its JSON."""
    answer = API.answer("POST", path, json.dumps(body).encode())
    assert answer.status == 200, answer.body
    return json.loads(answer.payload())


def test_workspaces_connectors_and_their_configurations_are_listed_in_short() -> None:
    workspaces = read("workspaces/list")["workspaces"]
    assert {one["workspaceId"] for one in workspaces} == set(WORLD.company.workspaces)
    assert all(one.keys() == {"workspaceId", "name", "slug"} for one in workspaces)
    for kind in ("source", "destination"):
        listed = read(f"{kind}_definitions/list", workspaceId=workspaces[0]["workspaceId"])
        assert listed == read(f"{kind}_definitions/list")
        known = {one[f"{kind}DefinitionId"] for one in listed[f"{kind}Definitions"]}
        actors = [
            actor
            for one in workspaces
            for actor in read(f"{kind}s/list", workspaceId=one["workspaceId"])[f"{kind}s"]
        ]
        assert {one[f"{kind}DefinitionId"] for one in actors} <= known
        wanted = WORLD.company.sources if kind == "source" else WORLD.company.destinations
        assert {one[f"{kind}Id"]: one["name"] for one in actors} == {a.id: a.name for a in wanted.values()}


def test_connections_have_the_legacy_schedule_or_none() -> None:
    for workspace_id in WORLD.company.workspaces:
        for row in read("connections/list", workspaceId=workspace_id)["connections"]:
            connection = WORLD.company.connections[row["connectionId"]]
            basic = connection.schedule.type == "basic"
            assert row == {
                "connectionId": connection.id,
                "name": connection.name,
                "sourceId": connection.source.id,
                "destinationId": connection.destination.id,
                "status": connection.status,
            } | (
                {
                    "schedule": {
                        "units": connection.schedule.units,
                        "timeUnit": connection.schedule.time_unit,
                    }
                }
                if basic
                else {}
            )
            single = read("connections/get", connectionId=connection.id)
            assert single.items() > row.items()
            assert single.keys() - row.keys() == {"syncCatalog", "namespaceDefinition", "prefix"}
            streams = [one["stream"]["name"] for one in single["syncCatalog"]["streams"]]
            assert streams == [stream.name for stream in connection.streams]


def test_jobs_are_flat_and_have_a_summary_once_finished() -> None:
    seen = set()
    for connection in WORLD.connections():
        truth = {job.id: job for job in WORLD.jobs(connection.id) if job.config_type == "sync"}
        rows = read("jobs/list", configTypes=["sync"], configId=connection.id, pagination={"pageSize": 1})
        assert {row["id"] for row in rows["jobs"]} == set(truth)
        for row in rows["jobs"]:
            job = truth[row["id"]]
            seen.add(row["status"])
            final = row["status"] in {"succeeded", "failed", "cancelled"}
            assert row["status"] == {"incomplete": "running"}.get(job.status, job.status)
            assert row["createdAt"] == int(job.created_at)
            assert row.keys() - {"summary"} == {"id", "configType", "status", "createdAt", "updatedAt"}
            expected = {"recordsSynced": job.records_committed, "bytesSynced": job.bytes_committed}
            recorded = final and job.records_committed is not None
            assert row.get("summary") == (expected if recorded else None)
            assert read("jobs/get", id=job.id) == {"job": row}
    assert seen >= {"pending", "running", "succeeded", "failed"}


def test_a_listing_of_jobs_has_neither_filters_nor_pages_nor_an_order() -> None:
    connection_id = max(WORLD.connections(), key=lambda one: len(WORLD.jobs(one.id))).id
    everything = read("jobs/list", configTypes=["sync"], configId=connection_id)
    assert len(everything["jobs"]) > 10
    asked_for = {
        "statuses": ["failed"],
        "status": "failed",
        "updatedAtStart": iso(NOW),
        "orderByField": "createdAt",
        "orderByMethod": "ASC",
        "pagination": {"pageSize": 1, "rowOffset": 5},
        "includingJobId": 1,
    }
    assert read("jobs/list", configTypes=["sync"], configId=connection_id, **asked_for) == everything


def test_a_connection_that_does_not_exist_has_no_jobs() -> None:
    assert read("jobs/list", configTypes=["sync"], configId=STRANGER) == {"jobs": []}


def test_a_job_that_waits_to_be_tried_again_is_called_running() -> None:
    world = World(seed=3, connections=30, now=NOW, history_jobs=0)
    waiting: list[int] = []
    while not waiting and world.now < NOW + 600:
        world.advance(world.now + 1)
        waiting = [job.id for job in world.jobs() if job.status == "incomplete"]
    answer = ReferenceApi(world).answer("POST", "jobs/get", json.dumps({"id": waiting[0]}).encode())
    assert answer.body["job"]["status"] == "running"
    assert "summary" not in answer.body["job"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "health", {}, 200),
        ("POST", "health", {}, 405),
        ("GET", "jobs/list", {}, 405),
        ("GET", "instance_configuration", {}, 404),
        ("POST", "deployment/metadata", {}, 404),
        ("POST", "web_backend/connections/list", {}, 404),
        ("POST", "jobs/get_without_logs", {"id": 1}, 404),
        ("POST", "jobs/list_for_workspaces", {}, 404),
        ("POST", "workspaces/list_by_organization_id", {}, 404),
        ("POST", "connections/get", {"connectionId": STRANGER}, 404),
        ("POST", "connections/list", {}, 400),
        ("POST", "jobs/list", {"configTypes": ["sync"]}, 400),
        ("POST", "jobs/list", {"configId": STRANGER}, 400),
        ("POST", "jobs/list", {"configTypes": ["nonsense"], "configId": STRANGER}, 422),
        ("POST", "jobs/get", {"id": 10**9}, 500),
    ],
)
def test_what_is_asked_wrongly_is_refused(method: str, path: str, body: object, status: int) -> None:
    assert API.answer(method, path, json.dumps(body).encode()).status == status
