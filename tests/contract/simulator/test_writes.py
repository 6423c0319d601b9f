"""What writes to the simulated Airbyte look like on a socket."""

import time
from typing import Any

import pytest
import requests

from airbyte_exporter.simulator import GENERATIONS, Fault, SimulatorServer
from tests.contract.simulator.serving import Clock, Serve, bearer, get, post, token_of
from tests.unit.simulator.writing import DATABASE, WAREHOUSE, catalogue, stream

ANSWERED: dict[str, Any] = {"schedule": {"units": 1, "timeUnit": "hours"}}


def first(server: SimulatorServer) -> str:
    """Return the id of the first workspace."""
    return server.world.workspaces()[0].id


def created(server: SimulatorServer, kind: str, configuration: dict[str, Any]) -> str:
    """Create a source or destination in PostgreSQL and return its id."""
    listed = post(server, f"{kind}_definitions/list", {}).json()[f"{kind}Definitions"]
    definition = next(one[f"{kind}DefinitionId"] for one in listed if one["name"] == "Postgres")
    body = {
        "workspaceId": first(server),
        f"{kind}DefinitionId": definition,
        "name": "New",
        "connectionConfiguration": configuration,
    }
    answer = post(server, f"{kind}s/create", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()[f"{kind}Id"])


@pytest.mark.parametrize("generation", list(GENERATIONS))
def test_a_pipeline_is_set_up_synced_and_taken_down(serve: Serve, clock: Clock, generation: str) -> None:
    server = serve(generation=generation)
    source, destination = created(server, "source", DATABASE), created(server, "destination", WAREHOUSE)
    assert post(server, "sources/check_connection", {"sourceId": source}).json()["status"] == "succeeded"
    found = post(server, "sources/discover_schema", {"sourceId": source}).json()["catalog"]["streams"]
    tables = [one for one in found if one["stream"]["name"] in {"customers", "orders"}]
    body = {
        "sourceId": source, "destinationId": destination, "name": "Shop → mart", "status": "active",
        "namespaceDefinition": "source", "syncCatalog": {"streams": tables},
    }  # fmt: skip
    connection = post(server, "connections/create", body | ANSWERED).json()
    assert [one["stream"]["name"] for one in connection["syncCatalog"]["streams"]] == ["customers", "orders"]
    ids = {"connectionId": connection["connectionId"]}
    assert post(server, "connections/sync", ids).status_code == 409, "the schedule was faster"
    clock.now += 60
    (listed,) = post(server, "jobs/list", {"configTypes": ["sync"], "configId": ids["connectionId"]}).json()[
        "jobs"
    ]
    assert listed.get("job", listed)["status"] == "succeeded"
    job = post(server, "connections/sync", ids).json()["job"]
    clock.now += 1
    assert post(server, "jobs/cancel", {"id": job["id"]}).json()["job"]["status"] == "cancelled"
    assert [one.status for one in server.world.jobs(ids["connectionId"])] == ["succeeded", "cancelled"]
    for path, gone in (
        ("connections/delete", ids),
        ("sources/delete", {"sourceId": source}),
        ("destinations/delete", {"destinationId": destination}),
    ):
        answer = post(server, path, gone)
        assert (answer.status_code, answer.content) == (204, b"")
        assert post(server, path, gone).status_code == 404


@pytest.mark.parametrize("generation", list(GENERATIONS))
def test_writes_are_posted_in_json(serve: Serve, generation: str) -> None:
    server = serve(generation=generation)
    for path in ("sources/create", "connections/sync", "jobs/cancel", "destinations/check_connection"):
        assert get(server, f"/api/v1/{path}").status_code == 405
        assert requests.put(f"{server.url}/api/v1/{path}", json={}, timeout=10).status_code == 405
        form = requests.post(f"{server.url}/api/v1/{path}", data={"id": "1"}, timeout=10)
        assert form.status_code == 415
        assert post(server, path, []).status_code == 422
        assert post(server, path, {}).status_code == 400


def test_a_check_can_be_made_slow(serve: Serve) -> None:
    server = serve()
    server.faults.append(Fault("*/check_connection", delay=0.3))
    source = created(server, "source", DATABASE)
    began = time.monotonic()
    assert post(server, "sources/check_connection", {"sourceId": source}).json()["status"] == "succeeded"
    assert time.monotonic() - began >= 0.3


def test_a_reader_can_look_and_an_administrator_can_write(serve: Serve) -> None:
    server = serve(auth="client-credentials")
    known = server.credentials
    reader = bearer(token_of(server, known.reader_client_id, known.reader_client_secret))
    administrator = bearer(token_of(server, known.client_id, known.client_secret))
    ids = {"connectionId": server.world.connections()[4].id}
    assert server.world.connections()[4].workspace_id in server.reader_workspaces
    assert post(server, "connections/get", ids, headers=reader).status_code == 200
    refused = post(server, "connections/sync", ids, headers=reader)
    assert (refused.status_code, refused.json()) == (403, {"message": "Forbidden"})
    assert post(server, "connections/sync", ids, headers=administrator).status_code == 200
    assert post(server, "connections/sync", ids).status_code == 401


def test_what_was_written_stays_when_airbyte_is_upgraded(serve: Serve) -> None:
    server = serve(generation="0.50")
    ends = {
        "sourceId": created(server, "source", DATABASE),
        "destinationId": created(server, "destination", WAREHOUSE),
    }
    body = {"status": "active", "syncCatalog": catalogue(stream("orders")), **ends}
    connection_id = post(server, "connections/create", body).json()["connectionId"]
    server.stop()
    with SimulatorServer(server.world, generation="2.0", clock=lambda: server.world.now) as upgraded:
        told = post(upgraded, "connections/get", {"connectionId": connection_id}).json()
    assert told["syncCatalog"]["streams"][0]["stream"]["isResumable"] is True
    assert told["sourceId"] == ends["sourceId"]
