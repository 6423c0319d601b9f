"""Other people's Airbyte clients, as they come from PyPI, take the simulated Airbyte for a real one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from airbyte_exporter.simulator import World
from tests.e2e.peers import AIRBYTE_API, DAGSTER, SEED, Peer, Running, simulated

ALL_TYPES = ["sync", "reset_connection", "refresh"]

pytestmark = pytest.mark.timeout(300)  # the first run installs the peers

LIST_WITH_AIRBYTE_API = (
    AIRBYTE_API
    + """
    workspaces = every(lambda offset: client.workspaces.list_workspaces(
        request=api.ListWorkspacesRequest(offset=offset)).workspaces_response)
    ids = [workspace.workspace_id for workspace in workspaces]
    connections = every(lambda offset: client.connections.list_connections(
        request=api.ListConnectionsRequest(workspace_ids=ids, limit=5, offset=offset)).connections_response)
    jobs = every(lambda offset: client.jobs.list_jobs(
        request=api.ListJobsRequest(order_by="createdAt|ASC", limit=100, offset=offset)).jobs_response)
    json.dump({
        "connections": [[one.connection_id, one.name, one.status.value] for one in connections],
        "jobs": [[one.job_id, one.connection_id, one.status.value] for one in jobs],
    }, sys.stdout)
"""
)

LIST_WITH_DAGSTER = (
    DAGSTER
    + """
    connections, jobs = [], []
    for workspace_id in json.load(sys.stdin):
        client = workspace(workspace_id).get_client()
        client.validate_workspace_id()
        for row in client.get_connections():
            details = client.get_connection_details(row["connectionId"])
            connections.append([details["connectionId"], row["name"], details["status"]])
            for job in client.get_jobs_for_connection(row["connectionId"]):
                jobs.append([job.id, job.connection_id, job.status])
    json.dump({"connections": connections, "jobs": jobs}, sys.stdout)
"""
)


@dataclass(frozen=True)
class Listing:
    """Connections by id with name and status, jobs by id with connection and status."""

    connections: dict[str, tuple[str, str]]
    jobs: dict[int, tuple[str, str]]

    @classmethod
    def parse(cls, listed: dict[str, Any]) -> "Listing":
        """Read what a peer has printed; nothing may be listed twice."""
        listing = cls(
            {identity: (name, status) for identity, name, status in listed["connections"]},
            {identity: (connection_id, status) for identity, connection_id, status in listed["jobs"]},
        )
        assert len(listing.connections) == len(listed["connections"])
        assert len(listing.jobs) == len(listed["jobs"])
        return listing


def truth(airbyte: Running) -> Listing:
    """Return the connections that follow from the seed and the jobs that the other API tells of."""
    world = World(seed=SEED, now=0)
    answer = requests.post(
        f"{airbyte.url}/api/v1/jobs/list",
        json={"configTypes": ALL_TYPES, "pagination": {"pageSize": 5000}},
        headers={"authorization": airbyte.authorization},
        timeout=30,
    )
    jobs = [row["job"] for row in answer.json()["jobs"]]
    return Listing(
        {one.id: (one.name, one.status) for one in world.connections()},
        {job["id"]: (job["configId"], job["status"]) for job in jobs},
    )


def assert_true(
    airbyte: Running, peer: Peer, program: str, *secrets: str, home: Path, asked: object = None
) -> None:
    """The peer lists everything as it is; if a sync began or ended meanwhile it is asked again."""
    before = truth(airbyte)
    assert len(before.connections) == 12
    assert len(before.jobs) > 300
    for _ in range(5):
        listed = Listing.parse(peer.tells(program, airbyte.url, *secrets, home=home, asked=asked))
        after = truth(airbyte)
        if after == before:
            assert listed == before
            return
        before = after
    pytest.fail("syncs began or ended during each of the listings")


def test_airbyte_api_lists_what_there_is_behind_a_proxy_with_a_password(
    airbyte_api: Peer, home: Path
) -> None:
    with simulated("1.6", "basic") as airbyte:
        assert_true(airbyte, airbyte_api, LIST_WITH_AIRBYTE_API, *airbyte.secrets, home=home)


def test_airbyte_api_lists_what_there_is_with_a_token(airbyte_api: Peer, home: Path) -> None:
    with simulated("2.0", "client-credentials") as airbyte:
        secrets = airbyte.airbyte_api_secrets
        assert secrets[0] == "token"
        assert_true(airbyte, airbyte_api, LIST_WITH_AIRBYTE_API, *secrets, home=home)


def test_airbyte_api_cannot_log_in_by_itself_as_with_real_servers(airbyte_api: Peer, home: Path) -> None:
    with simulated("2.0", "client-credentials") as airbyte:
        refused = airbyte_api.run(LIST_WITH_AIRBYTE_API, airbyte.url, *airbyte.secrets, home=home)
    assert refused.returncode != 0
    assert "401" in refused.stderr, "it sends its token request as a form, which real servers refuse"


@pytest.mark.parametrize(("generation", "auth"), [("1.6", "basic"), ("2.0", "client-credentials")])
def test_dagster_airbyte_lists_what_there_is(
    dagster_airbyte: Peer, home: Path, generation: str, auth: str
) -> None:
    workspaces = sorted({one.workspace_id for one in World(seed=SEED, now=0).connections()})
    with simulated(generation, auth) as airbyte:
        secrets = airbyte.secrets
        assert_true(airbyte, dagster_airbyte, LIST_WITH_DAGSTER, *secrets, home=home, asked=workspaces)
