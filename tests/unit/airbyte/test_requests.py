"""Every request that we send is one that the specification of that version of Airbyte allows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator

from airbyte_exporter.airbyte import ApiNotFound
from airbyte_exporter.airbyte._transport import METHODS
from tests.requirements import require_specs
from tests.unit.airbyte.fakes import (
    NOW,
    WORKSPACE,
    FakeAirbyte,
    Handler,
    Json,
    Reaction,
    Say,
    connection_row,
    talk,
)

VERSIONS = {"1.6.0": False, "1.7.0": False, "2.0.0": True}
"""Whether this version pages by cursor."""


def spec_of(version: str) -> dict[str, Any]:
    spec: dict[str, Any] = _closed(json.loads((require_specs() / f"config-api-{version}.json").read_text()))
    return spec


def _closed(node: Json) -> Json:
    """Refuse properties that are not in the schema, as strict servers do."""
    if isinstance(node, dict):
        node = {name: _closed(value) for name, value in node.items()}
        if node.get("type") == "object" and isinstance(node.get("properties"), dict):
            node.setdefault("additionalProperties", False)
        return node
    return [_closed(item) for item in node] if isinstance(node, list) else node


def inline(node: Json, schemas: dict[str, Any]) -> Json:
    """Put the schemas in the place of references to them; those of requests are not recursive."""
    if isinstance(node, dict):
        if "$ref" in node:
            return inline(schemas[node["$ref"].rsplit("/", 1)[1]], schemas)
        return {name: inline(value, schemas) for name, value in node.items()}
    return [inline(item, schemas) for item in node] if isinstance(node, list) else node


def answering(version: str) -> Handler:
    """An Airbyte with more connections, sources and destinations than a page."""

    def react(method: str, body: dict[str, Any]) -> Reaction:
        workspace = {"workspaceId": WORKSPACE, "name": "W"}
        bodies: dict[str, Json] = {
            "instance_configuration": {"version": version, "defaultOrganizationId": WORKSPACE},
            "applications/token": {"access_token": "t"},
            "deployment/metadata": {"id": WORKSPACE},
            "workspaces/list_by_organization_id": {"workspaces": [workspace]},
            "workspaces/get": workspace,
            "jobs/list": {"jobs": []},
            "source_definitions/list": {"sourceDefinitions": []},
            "destination_definitions/list": {"destinationDefinitions": []},
        }
        if method == "jobs/get_without_logs":
            return Say(404, {"message": "no", "exceptionClassName": "x"})
        return Say(body=bodies.get(method) or _listing(body, paged=VERSIONS[version]))

    return react


def _listing(body: dict[str, Any], *, paged: bool) -> dict[str, Any]:
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(130)]
    if paged:
        start = ids.index(body["cursor"]) + 1 if "cursor" in body else 0
        ids = ids[start : start + body.get("pageSize", 20)]
    listing: dict[str, Any] = {
        "connections": [connection_row(item) for item in ids],
        "sources": [{"sourceId": item} for item in ids],
        "destinations": [{"destinationId": item} for item in ids],
    }
    return {**listing, "page_size": body.get("pageSize", 20), "num_connections": 130} if paged else listing


def everything_sent(version: str) -> FakeAirbyte:
    t = talk(answering(version), client_id="id", client_secret="secret")
    client = t.client
    client.inventory()
    client.inventory()
    client.sources(WORKSPACE)
    client.destinations(WORKSPACE)
    client.definitions("source")
    client.definitions("destination")
    list(client.jobs(updated_since=NOW, updated_until=NOW + 5))
    list(client.jobs(updated_until=NOW, connection_id=WORKSPACE))
    list(client.jobs(created_since=NOW, created_until=NOW + 5))
    list(client.jobs(live=True, created_since=NOW))
    client.job(5)
    client.newest_success(WORKSPACE)
    one = talk(answering(version), workspace_ids=(WORKSPACE,))
    one.client.workspaces()
    t.airbyte.sent += one.airbyte.sent
    return t.airbyte


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_requests_are_as_the_specification_of_the_version_says(version: str) -> None:
    spec = spec_of(version)
    methods = set()
    for sent in everything_sent(version).sent:
        path = sent.path.removeprefix("/api")
        operation = spec["paths"][path][sent.verb.lower()]
        methods.add(path.removeprefix("/v1/"))
        if sent.verb == "GET":
            continue
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            assert sent.body == {}, path
            continue
        schema = inline(content["schema"], spec["components"]["schemas"])
        problems = [error.message for error in _problems(schema, sent.body)]
        assert not problems, (path, sent.body, problems)
    assert len(methods) == 12


def _problems(schema: dict[str, Any], body: dict[str, Any]) -> Iterator[Any]:
    yield from OAS30Validator(schema, format_checker=OAS30Validator.FORMAT_CHECKER).iter_errors(body)


def test_the_check_itself_notices_an_unknown_property_and_status() -> None:
    spec = spec_of("2.0.0")
    content = spec["paths"]["/v1/jobs/list"]["post"]["requestBody"]["content"]["application/json"]
    schema = inline(content["schema"], spec["components"]["schemas"])
    assert list(_problems(schema, {"configTypes": ["sync"], "statuses": ["queued"]}))
    assert list(_problems(schema, {"configTypes": ["sync"], "sortKey": "x"}))
    assert not list(_problems(schema, {"configTypes": ["sync"], "statuses": ["running"]}))


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
    assert not {method.rsplit("/", 1)[-1] for method in METHODS} & writes
    with pytest.raises(KeyError):
        talk([]).client._call("jobs/cancel", {"id": 1})


def test_a_missing_job_of_any_version_is_told_as_such() -> None:
    with pytest.raises(ApiNotFound):
        talk([Say(404)]).client.job(1)
