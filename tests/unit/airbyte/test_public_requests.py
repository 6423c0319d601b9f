"""What is sent to the public API is what its specification allows."""

from tests.specifications import problems_of_query, public_path
from tests.unit.airbyte.fakes import NOW, Talk
from tests.unit.airbyte.public import (
    C1,
    W1,
    W2,
    Row,
    public_talk,
)
from tests.unit.airbyte.test_public import full

# The specification


def everything_sent() -> Talk:
    airbyte = full()
    t = public_talk(airbyte, client_id="id", client_secret="secret")
    client = t.client
    client.inventory()
    client.sources(W1)
    client.definitions("destination")
    list(client.jobs(updated_since=NOW - 999, updated_until=NOW + 5))
    list(client.jobs(created_since=NOW - 999, created_until=NOW + 5, connection_id=C1))
    list(client.jobs(live=True, created_since=NOW - 999))
    client.job(1)
    client.newest_jobs(C1, 5)
    airbyte.jobs = [Row(9, NOW - 50, NOW - 40, kind="reset")]
    client.newest_success(C1)
    client.newest_job()
    airbyte.jobs = [Row(number, NOW - 50, NOW - 40 + number / 500) for number in range(150)]
    list(client.jobs(updated_since=NOW - 999))
    del airbyte.workspaces[W2]
    client.inventory()
    one = public_talk(full(), workspace_ids=(W1, W2))
    list(one.client.jobs(updated_since=NOW - 999))
    t.airbyte.sent += one.airbyte.sent
    return t


def test_requests_are_as_the_specification_says() -> None:
    used = set()
    for sent in everything_sent().airbyte.sent:
        path, _, query = sent.path.removeprefix("/api/public/v1").partition("?")
        used.add((sent.verb, public_path(path)))
        assert not problems_of_query(sent.verb, path, query, sent.body), sent
    assert used == {
        ("POST", "/applications/token"), ("GET", "/health"), ("GET", "/workspaces"),
        ("GET", "/workspaces/{workspaceId}"), ("GET", "/connections"), ("GET", "/sources"),
        ("GET", "/destinations"), ("GET", "/connector_definitions"),
        ("GET", "/jobs"), ("GET", "/jobs/{jobId}"),
    }  # fmt: skip


def test_the_check_itself_notices_what_is_wrong() -> None:
    wrong = [
        "limit=101",
        "limit=many",
        "offset=-1",
        "statuses=failed",
        "status=paused",
        "status=failed&status=running",
        "updatedAtStart=2026",
        "workspaceIds=x",
    ]
    for query in wrong:
        assert problems_of_query("GET", "/jobs", query, {}), query
    assert not problems_of_query("GET", "/jobs", f"limit=100&workspaceIds={W1}&workspaceIds={W2}", {})
    assert problems_of_query("GET", "/connector_definitions", "", {}) == ["type is missing"]
