"""An Airbyte that is read by its public API: as Cloud is, as somebody said, or for want of more."""

import threading
from typing import Any

import pytest

from airbyte_exporter.airbyte import (
    ApiError,
    ApiForbidden,
    ApiNotFound,
    ApiUnauthorized,
    ApiUnreachable,
    Ask,
    Polling,
)
from airbyte_exporter.model import Definition, Fact, Instance, ScheduleType, Workspace
from tests.unit.airbyte.fakes import NOW, Json, Reaction, Say, Talk, talk
from tests.unit.airbyte.public import (
    C1,
    C2,
    W1,
    W2,
    PublicAirbyte,
    Row,
    connection,
    destination,
    problem,
    public_talk,
    source,
)


def full(**more: Json) -> PublicAirbyte:
    """An Airbyte with two workspaces, a connection in each, and a few jobs."""
    return PublicAirbyte(
        workspaces={W1: "One", W2: "Two"},
        connections=[
            connection(C1, tags=[{"tagId": W1, "workspaceId": W1, "name": "prod", "color": "red"}]),
            connection(C2, "Leads", W2, sourceId="s2", schedule={"scheduleType": "manual"}),
        ],
        sources=[source("s1"), source("s2", "CRM", W2, sourceType="hubspot")],
        destinations=[destination("d1")],
        jobs=[
            Row(1, NOW - 900, NOW - 800),
            Row(2, NOW - 700, NOW - 600, "failed", C2),
            Row(3, NOW - 500, NOW - 490, "running"),
        ],
        **more,
    )


def paths(t: Talk) -> list[str]:
    return [sent.path.partition("?")[0] for sent in t.airbyte.sent]


# What it is


def test_what_the_public_api_can_do() -> None:
    t = public_talk(full(), client_id="id", client_secret="secret")
    found = t.client.capabilities()
    assert (found.api, found.polling, found.auth) == ("public", Polling.CHANGES, "client-credentials")
    assert found.workspaces == (Workspace(W1, "One"), Workspace(W2, "Two"))
    assert [loss.method for loss in found.losses] == ["public/jobs"]
    assert found.instance == Instance(None, None, "public", "client-credentials", None)
    assert not found.instance.tells(Fact.EMITTED)
    assert not any(path.startswith("/api/v1/") for path in paths(t))


def test_airbyte_cloud_has_the_public_api_at_an_address_of_its_own() -> None:
    airbyte = full()

    def react(path: str, body: dict[str, Any]) -> Reaction:
        return airbyte.react(f"public{path}", body)

    t = talk(react, capabilities=None, url="https://cloud.airbyte.com", client_id="id", client_secret="x")
    assert len(t.client.inventory().connections) == 2
    assert t.client.job(1) is not None
    assert {*paths(t)} >= {"/v1/health", "/v1/applications/token", "/v1/workspaces", "/v1/jobs/1"}
    assert all(path.startswith("/v1/") for path in paths(t))


def test_credentials_are_exchanged_at_the_public_endpoint_and_the_health_is_asked_without() -> None:
    t = public_talk(full(), client_id="id", client_secret="secret")
    t.client.capabilities()
    asked = [(sent.path.partition("?")[0], sent.authorization) for sent in t.airbyte.sent]
    assert asked[:3] == [
        ("/api/public/v1/health", None),
        ("/api/public/v1/applications/token", None),
        ("/api/public/v1/workspaces", "Bearer tok"),
    ]
    assert t.airbyte.sent[1].body == {"client_id": "id", "client_secret": "secret"}


def test_credentials_that_are_refused_are_told_without_asking_another_api() -> None:
    def react(path: str, body: dict[str, Any]) -> Reaction:
        return problem(401, "unauthorized") if path.endswith("token") else full().react(path, body)

    t = talk(react, capabilities=None, api="public", client_id="id", client_secret="S3CR3T-marker")
    with pytest.raises(ApiUnauthorized, match=r"public/applications/token: .*does not accept") as caught:
        t.client.capabilities()
    assert "S3CR3T" not in str(caught.value)
    assert not any(path.startswith("/api/v1/") for path in paths(t))


def test_who_may_see_no_workspace_is_told_so() -> None:
    with pytest.raises(ApiForbidden, match="shows us none of its workspaces; use an application of a user"):
        public_talk(PublicAirbyte(workspaces={})).client.capabilities()


# What exists


def test_the_inventory() -> None:
    t = public_talk(full())
    inventory = t.client.inventory()
    assert inventory.read_at == NOW
    assert [workspace.name for workspace in inventory.workspaces] == ["One", "Two"]
    one, two = inventory.connections
    assert (one.id, one.name, one.workspace_id, one.tags) == (C1, "Orders", W1, ("prod",))
    assert (one.source.name, one.source.connector, one.source.connector_version) == ("Shop", "postgres", None)
    assert (one.destination.name, one.destination.connector) == ("Lake", "snowflake")
    assert (one.schedule.interval, one.created_at, one.schema_change) == (86_400, NOW - 9000, None)
    assert (two.source.connector, two.schedule.type) == ("hubspot", ScheduleType.MANUAL)
    assert inventory == t.client.inventory()


def test_configurations_are_not_kept() -> None:
    assert "S3CR3T" not in repr(public_talk(full()).client.inventory())


def test_a_source_that_is_not_listed_has_its_id_for_a_name() -> None:
    airbyte = full()
    airbyte.sources.clear()
    one = public_talk(airbyte).client.inventory().connections[0]
    assert (one.source.id, one.source.name, one.source.connector) == ("s1", "s1", "unknown")


def test_a_connection_of_a_workspace_that_came_in_between_is_told_of_the_next_time() -> None:
    airbyte = full()
    airbyte.connections.append(connection("c3", workspace="new"))
    t = public_talk(airbyte)
    assert {each.id for each in t.client.inventory().connections} == {C1, C2}
    airbyte.workspaces["new"] = "New"
    assert {each.id for each in t.client.inventory().connections} == {C1, C2, "c3"}


def test_what_one_workspace_holds() -> None:
    client = public_talk(full()).client
    assert [each.id for each in client.connections(W2)] == [C2]
    assert [each.name for each in client.sources(W2)] == ["CRM"]
    assert client.destinations(W2) == ()
    assert [each.name for each in client.workspaces()] == ["One", "Two"]
    assert client.airbyte_time() == NOW


def test_only_the_configured_workspaces_are_read() -> None:
    t = public_talk(full(), workspace_ids=(W2,))
    assert [each.id for each in t.client.inventory().connections] == [C2]
    list(t.client.jobs(updated_since=NOW - 999))
    listings = [sent.path for sent in t.airbyte.sent if "?" in sent.path]
    assert listings
    assert all(f"workspaceIds={W2}" in path for path in listings)


def test_a_configured_workspace_that_is_not_there() -> None:
    with pytest.raises(ApiNotFound, match=f"shows no workspace {W2}; correct airbyte.workspace_ids"):
        public_talk(PublicAirbyte(), workspace_ids=(W2,)).client.capabilities()


def test_many_configured_workspaces_are_asked_for_in_parts() -> None:
    ids = [f"{number:08}-1111-4111-8111-111111111111" for number in range(60)]
    airbyte = PublicAirbyte(workspaces={id_: id_ for id_ in ids}, jobs=[Row(1, NOW - 9, NOW - 9)])
    t = public_talk(airbyte, workspace_ids=tuple(ids))
    assert len(t.client.workspaces()) == 60
    pages = list(t.client.jobs(updated_since=NOW - 99))
    assert [page.resumable for page in pages] == [False, False]
    assert max(len(sent.path) for sent in t.airbyte.sent) < 3000


def test_a_workspace_that_is_gone_is_gone() -> None:
    airbyte = full()
    t = public_talk(airbyte)
    t.client.inventory()
    del airbyte.workspaces[W2]
    assert [each.id for each in t.client.inventory().connections] == [C1]


def test_a_workspace_that_was_read_and_is_forbidden_is_an_error_and_not_gone() -> None:
    airbyte = full()
    t = public_talk(airbyte)
    t.client.inventory()
    airbyte.forbidden.add(W2)
    for _ in range(2):
        with pytest.raises(ApiForbidden, match=rf"read workspace {W2} any more \(403\), which") as caught:
            t.client.inventory()
        assert caught.value.reason == "forbidden"
    airbyte.forbidden.clear()
    assert len(t.client.inventory().connections) == 2


def test_a_workspace_that_is_there_and_not_listed_is_not_gone() -> None:
    airbyte = full()
    t = public_talk(airbyte)
    t.client.inventory()
    airbyte.unlisted.add(W2)
    with pytest.raises(ApiForbidden, match="does not list it to us any more"):
        t.client.inventory()
    airbyte.unlisted.clear()
    assert len(t.client.inventory().connections) == 2


def test_a_workspace_that_a_router_does_not_know_is_not_gone() -> None:
    airbyte = full()
    t = public_talk(airbyte)
    t.client.inventory()
    del airbyte.workspaces[W2]
    t.airbyte.react = lambda path, body: Say(404) if "workspaces/" in path else airbyte.react(path, body)
    with pytest.raises(ApiNotFound):
        t.client.inventory()


def test_nothing_is_found_out_again_where_nothing_else_may_be_used() -> None:
    t = public_talk(full())
    t.client.inventory()
    before = len(t.airbyte.sent)
    t.client.inventory()
    usual = len(t.airbyte.sent) - before
    t.time.now += 7200
    t.client.inventory()
    assert len(t.airbyte.sent) - before == 2 * usual


def test_connectors() -> None:
    assert public_talk(full()).client.definitions("source") == (
        Definition("sd", "source", "Postgres", None, "3.6.1"),
    )


def test_connectors_that_an_older_airbyte_does_not_tell() -> None:
    airbyte = full()

    def react(path: str, body: dict[str, Any]) -> Reaction:
        return Say(404) if "definitions" in path else airbyte.react(path, body)

    with pytest.raises(ApiNotFound, match="does not tell by its public API which connectors it offers"):
        talk(react, capabilities=None, api="public").client.definitions("source")


def test_an_airbyte_without_a_health_method_is_an_error_with_its_address() -> None:
    with pytest.raises(ApiNotFound, match=r"leads to http://airbyte.test:8001/api/public/v1, and"):
        talk(lambda _path, _body: Say(404), capabilities=None, api="public").client.inventory()


# Jobs


def test_one_job() -> None:
    client = public_talk(full()).client
    job = client.job(2)
    assert job is not None
    assert (job.key, job.status.value, job.attempts, job.failure) == (
        (C2, 2, NOW - 700),
        "failed",
        None,
        None,
    )
    details = client.job_details(2)
    assert details is not None
    assert (details.job, details.streams) == (job, None)
    assert client.job(99) is None
    assert client.job_details(99) is None


def test_a_job_that_a_router_does_not_know_is_not_gone() -> None:
    airbyte = full()

    def react(path: str, body: dict[str, Any]) -> Reaction:
        return Say(404, {"message": "Not Found"}) if "jobs/" in path else airbyte.react(path, body)

    with pytest.raises(ApiNotFound):
        talk(react, capabilities=None, api="public").client.job(1)


def test_a_job_that_is_forbidden_says_nothing_about_the_method() -> None:
    airbyte = full()
    t = public_talk(airbyte)
    assert t.client.job(1) is not None
    airbyte.forbidden.add("2")
    with pytest.raises(ApiForbidden):
        t.client.job(2)
    before = len(t.airbyte.sent)
    assert t.client.job(1) is not None
    assert len(t.airbyte.sent) == before + 1, "nothing had to be found out again"


def test_a_method_that_is_gone_lets_everything_be_found_out_again() -> None:
    airbyte = full()
    t = public_talk(airbyte)
    list(t.client.jobs(updated_since=NOW - 999))
    t.airbyte.react = lambda _path, _body: Say(404)
    with pytest.raises(ApiNotFound):
        list(t.client.jobs(updated_since=NOW - 999))
    t.airbyte.react = airbyte.react
    before = len(t.airbyte.sent)
    list(t.client.jobs(updated_since=NOW - 999))
    assert paths(t)[before] == "/api/public/v1/health"


def test_a_job_that_answers_500_is_not_asked_for_again_at_once() -> None:
    airbyte = full()

    def react(path: str, body: dict[str, Any]) -> Reaction:
        return problem(500, "unexpected-problem") if "jobs/" in path else airbyte.react(path, body)

    t = talk(react, capabilities=None, api="public")
    with pytest.raises(ApiUnreachable, match="has no such job, or is in trouble") as caught:
        t.client.job(1)
    assert caught.value.reason == "server_error"
    assert paths(t).count("/api/public/v1/jobs/1") == 1


def test_the_newest_jobs_of_a_connection() -> None:
    airbyte = full()
    airbyte.jobs = [Row(number, NOW - 9000 + number, NOW - 10) for number in range(250)]
    client = public_talk(airbyte).client
    assert [job.id for job in client.newest_jobs(C1, 3)] == [249, 248, 247]
    assert [job.id for job in client.newest_jobs(C1, 220)] == [*range(249, 29, -1)]
    assert len(client.newest_jobs(C1, 400)) == 250
    assert client.newest_jobs(C2, 5) == ()
    newest = client.newest_job()
    assert newest is not None
    assert newest.id == 249


def test_the_newest_success_is_a_sync_or_a_refresh() -> None:
    airbyte = full()
    t = public_talk(airbyte)
    resets = [Row(number, NOW - 90 + number, NOW - 9, kind="reset") for number in range(10, 25)]
    airbyte.jobs = [Row(1, NOW - 900, NOW - 800), Row(2, NOW - 700, NOW - 600, "failed"), *resets]
    found = t.client.newest_success(C1)
    assert found is not None
    assert found.id == 1
    airbyte.jobs.append(Row(30, NOW - 5, NOW - 4, kind="refresh"))
    before = len(t.airbyte.sent)
    found = t.client.newest_success(C1)
    assert found is not None
    assert (found.id, len(t.airbyte.sent) - before) == (30, 1)
    assert t.client.newest_success(C2) is None


def test_queued_jobs_are_not_asked_for_again_where_they_are_not_known() -> None:
    airbyte = full(statuses=frozenset({"pending", "running", "incomplete"}))
    t = public_talk(airbyte)
    for _ in range(2):
        live = [job.id for page in t.client.jobs(live=True, created_since=NOW - 9999) for job in page.jobs]
        assert live == [3]
    assert sum("status=queued" in sent.path for sent in t.airbyte.sent) == 1


def test_another_refusal_of_the_live_set_is_an_error() -> None:
    airbyte = full(statuses=frozenset({"pending", "incomplete"}))
    with pytest.raises(ApiError, match="refuses the request with 400: unexpected status"):
        list(public_talk(airbyte).client.jobs(live=True, created_since=NOW - 9999))


def test_connections_can_be_asked_for_their_jobs() -> None:
    airbyte = full()
    airbyte.jobs += [Row(4, NOW - 9000, NOW - 8900), Row(5, NOW - 9900, NOW - 9000, "running")]
    client = public_talk(airbyte).client
    asks = [Ask(C1, NOW - 950), Ask(C2, NOW - 10), Ask(C1, NOW - 600, to_success=True)]
    answers = [sorted(job.id for job in answer.jobs) for answer in client.jobs_of_connections(asks)]
    assert answers == [[1, 3, 5], [], [1, 3, 5]]


# Asking too much


def limited(**headers: str) -> tuple[Talk, PublicAirbyte, list[Say]]:
    """A client of an Airbyte that answers with what the last list holds, as long as it does."""
    airbyte = full()
    refusals: list[Say] = []

    def react(path: str, body: dict[str, Any]) -> Reaction:
        return refusals.pop() if refusals else airbyte.react(path, body)

    t = talk(react, capabilities=None, api="public")
    t.client.capabilities()
    return t, airbyte, refusals


STOP = Say(429, {"message": "You are being rate limited."})


def test_an_airbyte_that_says_stop_is_left_alone_for_minutes() -> None:
    t, _, refusals = limited()
    for minutes in (1, 2, 4, 5, 5):
        refusals.append(STOP)
        before = len(t.airbyte.sent)
        with pytest.raises(ApiUnreachable, match=r"wants fewer requests \(429"):
            t.client.job(1)
        t.time.now += 60 * minutes - 1
        with pytest.raises(ApiUnreachable, match="it is asked again in 1 s") as caught:
            t.client.workspaces()
        assert caught.value.reason == "rate_limited"
        assert len(t.airbyte.sent) == before + 1, "it was asked once"
        t.time.now += 1
    assert t.client.job(1) is not None
    refusals.append(STOP)
    with pytest.raises(ApiUnreachable):
        t.client.job(1)
    t.time.now += 60
    assert t.client.job(1) is not None, "after a good answer the next rest is short again"


def test_an_airbyte_that_says_when_is_asked_then() -> None:
    t, _, refusals = limited()
    refusals.append(Say(429, {}, headers={"Retry-After": "7"}))
    assert t.client.job(1) is not None
    assert t.time.waits == [7]
    refusals.append(Say(429, {}, headers={"Retry-After": "900"}))
    with pytest.raises(ApiUnreachable):
        t.client.job(1)
    t.time.now += 899
    with pytest.raises(ApiUnreachable):
        t.client.job(1)
    t.time.now += 1
    assert t.client.job(1) is not None


def test_no_more_than_two_requests_are_under_way() -> None:
    airbyte = full()
    free: list[bool] = []

    def react(path: str, body: dict[str, Any]) -> Reaction:
        if path.endswith("jobs/1"):
            other = threading.Thread(target=t.client.job, args=(2,))
            other.start()
            other.join(20)
        elif path.endswith("jobs/2"):
            free.append(t.client._public._places.acquire(blocking=False))
        return airbyte.react(path, body)

    t = talk(react, capabilities=None, api="public")
    assert t.client.job(1) is not None
    assert free == [False], "two were under way, and a third would have had to wait"
