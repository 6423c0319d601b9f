"""Sources, destinations and connections that clients create, change and delete over the public API."""

import json
from typing import Any

import pytest

from airbyte_exporter.simulator._roles import reader_of
from tests.unit.simulator.asking import PUBLIC, STRANGER
from tests.unit.simulator.public_writing import Writer
from tests.unit.simulator.writing import DATABASE

Json = dict[str, Any]

BUCKET: Json = {
    "destinationType": "s3",
    "s3_bucket_name": "lake",
    "s3_bucket_region": "eu-central-1",
    "access_key_id": "AKIA-known",
    "secret_access_key": "hunter2",
    "format": {"format_type": "JSONL"},
}
KEPT = [
    {"name": "customers"},
    {"name": "orders", "syncMode": "incremental_deduped_history", "cursorField": ["created_at"]},
]


@pytest.fixture(params=PUBLIC)
def public(request: pytest.FixtureRequest) -> Writer:
    """The public API, in every generation that has it."""
    return Writer(request.param)


def home(public: Writer) -> str:
    """Return the first workspace."""
    return next(iter(public.world.company.workspaces))


def source_body(public: Writer, **configuration: object) -> Json:
    """Return what creates a database."""
    given = {"sourceType": "postgres", **DATABASE, **configuration}
    return {"name": "Shop", "workspaceId": home(public), "configuration": given}


def ends(public: Writer) -> Json:
    """Create a source and a destination."""
    bucket = {"name": "Lake", "workspaceId": home(public), "configuration": BUCKET}
    return {
        "sourceId": public.works("POST", "sources", source_body(public))["sourceId"],
        "destinationId": public.works("POST", "destinations", bucket)["destinationId"],
    }


def test_a_source_is_named_by_its_slug_and_told_with_its_secrets_masked(public: Writer) -> None:
    created = public.works("POST", "sources", source_body(public))
    assert (created["name"], created["sourceType"]) == ("Shop", "postgres")
    assert created["configuration"] == {**DATABASE, "password": "**********"}
    assert public.works("GET", f"sources/{created['sourceId']}") == created
    stored = public.config.specified("sources/get", sourceId=created["sourceId"])
    assert stored["connectionConfiguration"] == created["configuration"]
    assert stored["sourceDefinitionId"] == created["definitionId"]
    assert public.world.sources()[-1].configuration == DATABASE


def test_a_destination_is_named_by_its_definition_too(public: Writer) -> None:
    definition = public.config.definition("destination", "S3")
    given = {name: value for name, value in BUCKET.items() if name != "destinationType"}
    sent = {"name": "Lake", "workspaceId": home(public), "definitionId": definition, "configuration": given}
    created = public.works("POST", "destinations", sent)
    assert (created["destinationType"], created["definitionId"]) == ("s3", definition)
    assert "hunter2" not in json.dumps(created)
    stored = public.config.specified("destinations/get", destinationId=created["destinationId"])
    assert stored["connectionConfiguration"] == created["configuration"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"configuration": DATABASE}, 422),
        ({"configuration": {**DATABASE, "sourceType": "abacus"}}, 400),
        ({"configuration": {**DATABASE, "sourceType": 7}}, 400),
        ({"configuration": {"sourceType": "postgres"}}, 422),
        ({"configuration": {**DATABASE, "sourceType": "postgres", "port": "hunter2"}}, 422),
        ({"configuration": None}, 400),
        ({"definitionId": STRANGER}, 404),
        ({"definitionId": "postgres"}, 422),
        ({"workspaceId": STRANGER}, 404),
        ({"workspaceId": None}, 400),
        ({"name": None}, 400),
    ],
)
def test_a_source_that_cannot_be_is_refused(public: Writer, change: Json, status: int) -> None:
    before = len(public.world.sources())
    answered, told = public.ask("POST", "sources", source_body(public) | change)
    assert answered == status
    assert "hunter2" not in json.dumps(told)
    assert len(public.world.sources()) == before


def test_a_patch_changes_what_is_there_and_a_put_replaces_the_rest(public: Writer) -> None:
    tunnel = {"tunnel_method": {"tunnel_method": "NO_TUNNEL", "x": 1}}
    created = public.works("POST", "sources", source_body(public, **tunnel))
    path = f"sources/{created['sourceId']}"
    assert public.works("PATCH", path, {}) == created
    inside = {"sourceType": "postgres", "port": 6432, "password": "**********", "tunnel_method": {"x": 2}}
    told = public.works("PATCH", path, {"configuration": inside})
    assert (told["name"], told["configuration"]["port"]) == ("Shop", 6432)
    real = {**DATABASE, "port": 6432, "tunnel_method": {"tunnel_method": "NO_TUNNEL", "x": 2}}
    assert public.world.sources()[-1].configuration == real
    put = {"name": "Mart", "configuration": {**DATABASE, "password": "**********"}}
    told = public.works("PUT", path, put)
    assert (told["name"], told["configuration"]) == ("Mart", put["configuration"])
    assert public.world.sources()[-1].configuration == DATABASE
    assert public.ask("PUT", path, {"name": "Mart"})[0] == 400
    assert public.ask("PUT", path, {"configuration": DATABASE})[0] == 400
    assert public.ask("PATCH", path, {"configuration": {"port": "high"}})[0] == 422
    assert public.works("GET", path) == told


def test_what_is_deleted_is_gone_with_its_connections(public: Writer) -> None:
    both = ends(public)
    connection = public.works("POST", "connections", both)["connectionId"]
    other = public.works("POST", "connections", both)["connectionId"]
    assert public.ask("DELETE", f"connections/{other}")[0] == 204
    assert public.ask("DELETE", f"connections/{other}")[0] == 404
    assert public.works("GET", f"connections/{other}")["status"] == "deprecated"
    for kind in ("source", "destination"):
        path = f"{kind}s/{both[f'{kind}Id']}"
        assert public.ask("DELETE", path)[0] == 204
        for method, body in (("GET", None), ("DELETE", None), ("PATCH", {}), ("PUT", {})):
            assert public.ask(method, path, body)[0] in {400, 404}, (method, path)
    assert public.works("GET", f"connections/{connection}")["status"] == "deprecated"
    assert public.ask("POST", "connections", both)[0] == 404
    assert public.ask("GET", "streams", sourceId=both["sourceId"])[0] == 404


def test_a_connection_syncs_everything_unless_streams_are_named(public: Writer) -> None:
    both = ends(public)
    created = public.works("POST", "connections", both)
    assert (created["name"], created["status"]) == ("Shop <> Lake", "active")
    assert created["schedule"] == {"scheduleType": "manual"}
    assert (created["namespaceDefinition"], created["nonBreakingSchemaUpdatesBehavior"]) == (
        "destination",
        "ignore",
    )
    kept = created["configurations"]["streams"]
    offered = public.works("GET", "streams", sourceId=both["sourceId"])
    assert [one["name"] for one in kept] == [one["streamName"] for one in offered]
    assert {one["syncMode"] for one in kept} == {"full_refresh_overwrite"}
    assert public.works("POST", "connections", {**both, "configurations": {"streams": []}})[
        "configurations"
    ] == {"streams": kept}
    assert public.works("GET", f"connections/{created['connectionId']}") == created


def test_a_connection_syncs_the_streams_that_are_named_as_is_said(public: Writer) -> None:
    sent = {
        **ends(public),
        "name": "Shop → lake",
        "status": "inactive",
        "prefix": "shop_",
        "namespaceDefinition": "custom_format",
        "namespaceFormat": "raw",
        "nonBreakingSchemaUpdatesBehavior": "propagate_columns",
        "schedule": {"scheduleType": "cron", "cronExpression": "0 0 6 * * ?"},
        "configurations": {"streams": KEPT},
    }
    created = public.works("POST", "connections", sent)
    words = ("name", "status", "prefix", "namespaceDefinition", "namespaceFormat")
    assert {word: created[word] for word in words} == {word: sent[word] for word in words}
    assert created["nonBreakingSchemaUpdatesBehavior"] == "propagate_columns"
    assert created["schedule"] == {"scheduleType": "cron", "cronExpression": "0 0 6 * * ? UTC"}
    stored = public.config.specified("connections/get", connectionId=created["connectionId"])
    found = public.config.specified("sources/discover_schema", sourceId=created["sourceId"])
    assert stored["sourceCatalogId"] == found["catalogId"]
    how = {
        one["stream"]["name"]: (
            one["stream"]["namespace"],
            one["config"]["syncMode"],
            one["config"]["destinationSyncMode"],
            one["config"]["cursorField"],
            one["config"]["primaryKey"],
        )
        for one in stored["syncCatalog"]["streams"]
    }
    assert how == {
        "customers": ("public", "full_refresh", "overwrite", ["updated_at"], [["id"]]),
        "orders": ("public", "incremental", "append_dedup", ["created_at"], [["id"]]),
    }


def test_the_streams_of_a_connection_are_replaced_as_a_whole(public: Writer) -> None:
    created = public.works("POST", "connections", {**ends(public), "configurations": {"streams": KEPT}})
    path = f"connections/{created['connectionId']}"
    assert public.works("PATCH", path, {"configurations": {"streams": []}}) == created
    fields = [{"fieldPath": ["id"]}, {"fieldPath": ["email"]}]
    only = {"name": "customers", "syncMode": "full_refresh_append", "selectedFields": fields}
    told = public.works("PATCH", path, {"configurations": {"streams": [only]}})
    streams = told["configurations"]["streams"]
    assert [(one["name"], one["syncMode"], one["selectedFields"]) for one in streams] == [
        ("customers", "full_refresh_append", fields)
    ]


@pytest.mark.parametrize(
    "streams",
    [
        [{"name": "secrets"}],
        [{"name": "orders"}, {"name": "orders"}],
        [{"name": "orders", "syncMode": "incremental_update"}],
        [{"name": "orders", "syncMode": "incremental_append", "cursorField": ["nothing"]}],
        [{"name": "orders", "syncMode": "incremental_append", "cursorField": ["id", "id"]}],
        [{"name": "orders", "syncMode": "incremental_deduped_history", "primaryKey": [["status"]]}],
        [{"name": "orders", "selectedFields": []}],
        [{"name": "orders", "selectedFields": [{}]}],
        [{"name": "orders", "selectedFields": [{"fieldPath": ["id", "id"]}]}],
        [{"name": "orders", "selectedFields": [{"fieldPath": ["id"]}, {"fieldPath": ["id"]}]}],
        [{"name": "orders", "selectedFields": [{"fieldPath": ["nothing"]}]}],
        [{"name": "orders", "syncMode": "incremental_append", "selectedFields": [{"fieldPath": ["id"]}]}],
    ],
)
def test_streams_that_cannot_be_synced_so_are_refused(public: Writer, streams: list[Json]) -> None:
    before, both = len(public.world.connections()), ends(public)
    answered, told = public.ask("POST", "connections", {**both, "configurations": {"streams": streams}})
    assert (answered, told["title"]) == (400, "bad-request"), told
    assert len(public.world.connections()) == before


def test_only_where_a_name_means_several_streams_a_namespace_is_needed(public: Writer) -> None:
    both = ends(public)
    schemas = source_body(public, schemas=["a", "b"])
    both["sourceId"] = public.works("POST", "sources", schemas)["sourceId"]

    def create(*streams: Json) -> tuple[int, Any]:
        return public.ask("POST", "connections", {**both, "configurations": {"streams": list(streams)}})

    assert create({"name": "orders"})[0] == 400
    status, created = create({"name": "orders", "namespace": "a"}, {"name": "orders", "namespace": "b"})
    assert status == 200
    assert [one["namespace"] for one in created["configurations"]["streams"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"sourceId": STRANGER}, 404),
        ({"destinationId": STRANGER}, 404),
        ({"sourceId": None}, 400),
        ({"destinationId": "lake"}, 422),
        ({"status": "on"}, 422),
        ({"schedule": {"scheduleType": "basic"}}, 422),
        ({"schedule": {"scheduleType": "cron"}}, 400),
        ({"tags": [{"tagId": STRANGER}]}, 404),
        ({"configurations": {"streams": {}}}, 422),
        ({"configurations": {"streams": [{"name": "orders", "syncMode": "often"}]}}, 422),
        ({"configurations": {"streams": [{"name": "orders", "primaryKey": ["id"]}]}}, 422),
    ],
)
def test_a_connection_that_cannot_be_is_refused(public: Writer, change: Json, status: int) -> None:
    before, both = len(public.world.connections()), ends(public)
    assert public.ask("POST", "connections", both | change)[0] == status
    assert len(public.world.connections()) == before


def test_a_source_that_cannot_connect_has_no_streams_to_connect(public: Writer) -> None:
    both = ends(public)
    public.world.break_actor(both["sourceId"], "The database is being restored.")
    for method, path, body, query in (
        ("POST", "connections", both, {}),
        ("GET", "streams", None, {"sourceId": both["sourceId"]}),
    ):
        status, told = public.ask(method, path, body, **query)
        assert (status, told["title"]) == (500, "unexpected-problem")
        assert told["detail"] == (
            "Something went wrong in the connector. logs:The database is being restored."
        )


def test_streams_are_told_with_their_columns_and_for_a_destination_how_they_sync(public: Writer) -> None:
    both = ends(public)
    told = public.works("GET", "streams", sourceId=both["sourceId"])
    orders = next(one for one in told if one["streamName"] == "orders")
    assert orders["streamnamespace"] == "public"
    assert (orders["defaultCursorField"], orders["sourceDefinedPrimaryKey"]) == (["updated_at"], [["id"]])
    assert ["customer_id"] in orders["propertyFields"]
    assert "syncModes" not in orders
    told = public.works("GET", "streams", ignoreCache="true", **both)
    assert {one["streamName"]: one["syncModes"] for one in told}["orders"] == [
        "full_refresh_append",
        "full_refresh_overwrite",
        "incremental_append",
        "incremental_deduped_history",
    ]
    assert public.ask("GET", "streams")[0] == 400
    assert public.ask("GET", "streams", sourceId="mine")[0] == 400
    assert public.ask("GET", "streams", sourceId=both["sourceId"], destinationId=STRANGER)[0] == 404
    assert public.ask("POST", "streams", {})[0] == 405
    assert public.ask("GET", "streams/1")[0] == 404


def test_a_reader_may_create_and_delete_nothing_but_sees_the_streams(public: Writer) -> None:
    reader, both = reader_of(public.world, STRANGER, 1), ends(public)
    connection = public.works("POST", "connections", both)["connectionId"]
    for method, path, body in (
        ("POST", "sources", source_body(public)),
        ("POST", "destinations", {}),
        ("POST", "connections", both),
        ("PATCH", f"sources/{both['sourceId']}", {"name": "mine"}),
        ("PUT", f"destinations/{both['destinationId']}", {"name": "mine"}),
        ("DELETE", f"sources/{both['sourceId']}", None),
        ("DELETE", f"destinations/{STRANGER}", None),
        ("DELETE", f"connections/{connection}", None),
    ):
        assert public.ask(method, path, body, caller=reader)[0] == 403, (method, path)
    assert public.works("GET", f"connections/{connection}")["status"] == "active"
    assert public.ask("GET", "streams", caller=reader, sourceId=both["sourceId"])[0] == 200
    foreign = next(one.id for one in public.world.sources() if one.workspace_id != home(public))
    assert public.ask("GET", "streams", caller=reader, sourceId=foreign)[0] == 403
    assert public.ask("GET", "streams", caller=reader)[0] == 403
