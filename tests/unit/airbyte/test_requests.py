"""Every request that we send is one that the specification of that version of Airbyte allows."""

import contextlib
from typing import Any

import pytest

from airbyte_exporter.airbyte import ApiNotFound, Ask, Polling
from airbyte_exporter.airbyte._methods import READING
from tests.specifications import REFERENCE, inline, problems_of, problems_with, spec_of
from tests.unit.airbyte.fakes import NOW, FakeAirbyte, Handler, Json, Say, attempt_row, job_row, talk
from tests.unit.airbyte.installations import W1, W2, Installation, Reference, flat_job

VERSIONS = {
    "0.42.0": "0.42.0",
    "0.50.2": "0.50.2",
    "0.50.8": "0.50.8",
    "0.50.24": "0.50.24",
    "0.50.54": "0.50.54",
    "0.63.0": "0.63.0",
    "1.0.0": "1.0.0",
    "1.6.0": "1.6.0",
    "1.7.0": "1.7.0",
    "2.0.0": "2.0.0",
    "2026-08-21": "dev",
}
"""Specifications, and the version that an Airbyte of each tells."""

PROBES = {
    "instance_configuration",
    "deployment/metadata",
    "workspaces/list_by_organization_id",
    "jobs/get_without_logs",
    "connections/events/list",
}
"""What may be sent to an Airbyte that does not have it: its 404 is what tells."""

CONNECTIONS = [f"00000000-0000-4000-8000-{number:012}" for number in range(130)]


def installation(version: str, **more: Json) -> Installation:
    """An Airbyte with more connections, sources, destinations and jobs than a page."""
    rows = [job_row(n, created=NOW - n, attempts=[attempt_row()] * 2) for n in range(120)]
    return Installation(
        version,
        connections={W1: CONNECTIONS, W2: CONNECTIONS[:1]},
        jobs={CONNECTIONS[0]: rows},
        **more,
    )


def everything_sent(react: Handler, **config: Any) -> FakeAirbyte:  # noqa: ANN401  (as AirbyteConfig takes them)
    """Call all that a client can do, twice, so that what it has learnt shows."""
    t = talk(react, capabilities=None, **config)
    client, connection = t.client, CONNECTIONS[0]
    for _ in range(2):
        client.inventory()
        client.workspaces()
        client.sources(W1)
        client.destinations(W1)
        client.definitions("source")
        client.definitions("destination")
        list(client.jobs(updated_since=NOW, updated_until=NOW + 5))
        list(client.jobs(updated_until=NOW, connection_id=connection))
        list(client.jobs(created_since=NOW, created_until=NOW + 5))
        list(client.jobs(live=True, created_since=NOW))
        if client.capabilities().polling is Polling.CONNECTIONS:
            list(client.jobs_of_connections([Ask(connection, NOW - 1000, to_success=True)]))
        client.newest_jobs(connection, 3)
        client.newest_job()
        client.newest_success(connection)
        with contextlib.suppress(ApiNotFound):
            client.why_disabled(connection, NOW)
        with contextlib.suppress(ApiNotFound):
            client.job(5)
            client.job_details(5)
    return t.airbyte


VIEWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an administrator": ({}, {}),
    "a reader": ({"admin": False, "readable": (W1,)}, {}),
    "some workspaces": ({}, {"workspace_ids": (W1,)}),
}


@pytest.mark.parametrize("view", sorted(VIEWS))
@pytest.mark.parametrize("name", sorted(VERSIONS))
def test_requests_are_as_the_specification_of_the_version_says(name: str, view: str) -> None:
    of_it, config = VIEWS[view]
    if name not in {"0.42.0", "0.50.2", "0.50.8", "0.50.24"}:
        config = {**config, "client_id": "id", "client_secret": "secret"}
    # Roles came after that: where nobody can list all jobs, everybody may read all of them.
    airbyte = installation(VERSIONS[name], **(of_it if name >= "0.63" else {}))
    spec = spec_of(name)
    methods, probes = set(), list[str]()
    for sent in everything_sent(airbyte.react, **config).sent:
        path = sent.path.removeprefix("/api")
        method = path.removeprefix("/v1/").removeprefix("/public/v1/")
        if path not in spec["paths"]:
            probes.append(method)
            continue
        methods.add(method)
        assert not problems_of(spec, sent.verb, path, sent.body), (path, sent.body)
    assert {*probes} <= PROBES
    assert all(probes.count(probe) <= 2 for probe in {*probes} - {"instance_configuration"}), probes
    assert {"jobs/list", "sources/list", "destinations/list"} <= methods
    assert "jobs/get" not in methods
    assert ("jobs/list_for_workspaces" in methods) == (view != "an administrator" and name >= "0.63")


def test_requests_to_the_short_reference_api_are_as_it_says() -> None:
    airbyte = Reference(connections={W1: CONNECTIONS[:2]}, jobs={CONNECTIONS[0]: [flat_job()]})
    probes: list[str] = []
    methods: set[str] = set()
    for sent in everything_sent(airbyte.react).sent:
        method = sent.path.removeprefix("/api/").removeprefix("public/").removeprefix("v1/")
        if method not in REFERENCE:
            probes.append(method)
            continue
        assert sent.verb == "POST"
        assert not problems_with(REFERENCE[method], sent.body), sent
        methods.add(method)
    assert {*methods} == {*REFERENCE} - {"connections/get"}
    assert sorted({*probes}) == [
        "deployment/metadata",
        "instance_configuration",
        "web_backend/connections/list",
    ]


def test_the_check_itself_notices_an_unknown_property_and_status() -> None:
    spec = spec_of("2.0.0")
    content = spec["paths"]["/v1/jobs/list"]["post"]["requestBody"]["content"]["application/json"]
    schema = inline(content["schema"], spec["components"]["schemas"])
    assert problems_with(schema, {"configTypes": ["sync"], "statuses": ["queued"]})
    assert problems_with(schema, {"configTypes": ["sync"], "sortKey": "x"})
    assert not problems_with(schema, {"configTypes": ["sync"], "statuses": ["running"]})


def test_times_are_sent_with_their_offset_and_to_the_end_of_a_second() -> None:
    t = talk([Say(body={"jobs": []})])
    list(t.client.jobs(updated_since=NOW, updated_until=NOW, connection_id="c1"))
    assert t.airbyte.sent[0].body == {
        "configTypes": ["sync", "reset_connection", "refresh"],
        "orderByField": "updatedAt",
        "orderByMethod": "ASC",
        "pagination": {"pageSize": 100, "rowOffset": 0},
        "configId": "c1",
        "updatedAtStart": "2026-02-02T02:40:00Z",
        "updatedAtEnd": "2026-02-02T02:40:00.999999Z",
    }


def test_times_that_cannot_be_written_are_asked_for_as_the_nearest_that_can() -> None:
    t = talk([Say(body={"jobs": []})])
    list(t.client.jobs(updated_since=-(10**14), updated_until=10**14))
    body = t.airbyte.sent[0].body
    assert (body["updatedAtStart"], body["updatedAtEnd"]) == (
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    )


def test_only_reading_methods_can_be_called() -> None:
    writes = {"create", "update", "delete", "sync", "cancel", "reset", "refresh", "clear", "check_connection"}
    assert not {method.rsplit("/", 1)[-1] for method in READING} & writes
    read_logs = {"jobs/get_debug_info", "attempt/get_for_job", "logs/get", "jobs/explain"}
    assert not READING.keys() & read_logs, "and jobs/get only of the short reference API, which has no logs"
    with pytest.raises(KeyError):
        talk([]).client._call("jobs/cancel", {"id": 1})


def test_a_missing_job_of_any_version_is_told_as_such() -> None:
    with pytest.raises(ApiNotFound):
        talk([Say(404)]).client.job(1)
