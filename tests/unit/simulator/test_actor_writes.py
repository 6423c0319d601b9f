"""Sources and destinations that clients create, change, check, look into and delete."""

import json
from typing import Any

import pytest

from airbyte_exporter.simulator._specs import MASK
from tests.unit.simulator.asking import SPECIFIED, STRANGER, Config
from tests.unit.simulator.writing import DATABASE, WAREHOUSE, create, frozen, new_connection, new_source

BUCKET = {
    "s3_bucket_name": "lake",
    "s3_bucket_region": "us-east-1",
    "s3_endpoint": "http://minio.example.com:9000",
    "access_key_id": "minio",
    "secret_access_key": "minio123",
    "format": {"format_type": "Parquet"},
}


@pytest.fixture(params=SPECIFIED)
def config(request: pytest.FixtureRequest) -> Config:
    """The API over a company that a test may change, in every generation."""
    return Config(frozen(), request.param)


def test_there_are_many_definitions_and_each_can_be_asked_for(config: Config) -> None:
    for kind in ("source", "destination"):
        listed = config.specified(f"{kind}_definitions/list")[f"{kind}Definitions"]
        assert len({one["name"] for one in listed}) == len(listed) > 30
        assert {"Postgres", "S3"} <= {one["name"] for one in listed}
        for one in listed:
            identity = {f"{kind}DefinitionId": one[f"{kind}DefinitionId"]}
            assert config.specified(f"{kind}_definitions/get", **identity) == one
        assert config.specified(f"{kind}_definitions/get", 404, **{f"{kind}DefinitionId": STRANGER})[
            "message"
        ]
    assert config.ask("source_definitions/get", {}).status == 400


def test_a_created_source_is_told_with_its_secrets_masked(config: Config) -> None:
    created = create(config, "source", "Postgres", DATABASE, name="Shop")
    assert (created["name"], created["sourceName"]) == ("Shop", "Postgres")
    assert created["connectionConfiguration"] == {**DATABASE, "password": MASK}
    assert config.specified("sources/get", sourceId=created["sourceId"]) == created
    truth = next(one for one in config.world.sources() if one.id == created["sourceId"])
    assert truth.configuration == DATABASE
    assert (truth.name, truth.connector, truth.deleted) == ("Shop", "Postgres", False)


def test_secrets_are_masked_at_any_depth(config: Config) -> None:
    given = {
        **DATABASE,
        "tunnel_method": {"tunnel_method": "SSH_KEY_AUTH", "ssh_key": "PRIVATE", "tunnel_user": "ops"},
    }
    told = create(config, "source", "Postgres", given)["connectionConfiguration"]
    assert told["tunnel_method"] == {
        "tunnel_method": "SSH_KEY_AUTH", "ssh_key": MASK, "tunnel_user": "ops",
    }  # fmt: skip
    keys = {"credentials": {"auth_type": "oauth", "some_key": "PRIVATE", "more": [{"token": "PRIVATE"}]}}
    told = create(config, "source", "HubSpot", keys)["connectionConfiguration"]
    assert told == {"credentials": {"auth_type": "oauth", "some_key": MASK, "more": [{"token": MASK}]}}
    told = create(config, "destination", "S3", BUCKET)["connectionConfiguration"]
    assert told == {**BUCKET, "access_key_id": MASK, "secret_access_key": MASK}


def test_no_answer_ever_has_a_secret(config: Config) -> None:
    source_id = new_source(config)
    workspace_id = next(iter(config.world.company.workspaces))
    for path, body in (
        ("sources/get", {"sourceId": source_id}),
        ("sources/list", {"workspaceId": workspace_id, "pageSize": 500}),
        ("sources/check_connection", {"sourceId": source_id}),
        ("sources/discover_schema", {"sourceId": source_id}),
        ("sources/update", {"sourceId": source_id, "name": "x", "connectionConfiguration": {**DATABASE}}),
        ("sources/update", {"sourceId": source_id, "name": "x", "connectionConfiguration": {"host": 1}}),
    ):
        answer = config.ask(path, body).payload().decode()
        assert "hunter2" not in answer, path
        assert "secret-" not in answer, path


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"host": None}, "$.host: null found, string expected"),
        ({"port": "5432"}, "$.port: string found, integer expected"),
        ({"port": True}, "$.port: boolean found, integer expected"),
        ({"password": 1234567}, "$.password: integer found, string expected"),
        ({"ssl_mode": "none"}, "$.ssl_mode: string found, object expected"),
        ({"database": ...}, "$.database: is missing but it is required"),
    ],
)
def test_a_configuration_is_validated_by_name_and_never_by_value(
    config: Config, change: dict[str, Any], problem: str
) -> None:
    given = {name: value for name, value in {**DATABASE, **change}.items() if value is not ...}
    source_id = new_source(config)
    before = len(config.world.sources())
    for path, body in (
        (
            "sources/create",
            {
                "workspaceId": next(iter(config.world.company.workspaces)),
                "sourceDefinitionId": config.definition("source", "Postgres"),
            },
        ),
        ("sources/update", {"sourceId": source_id}),
    ):
        told = config.specified(path, 422, name="x", connectionConfiguration=given, **body)
        assert told["message"].startswith("json schema validation failed")
        assert problem in told["message"]
        assert "1234567" not in json.dumps(told)
    assert len(config.world.sources()) == before


def test_what_is_created_of_nothing_is_not_found(config: Config) -> None:
    body = {
        "workspaceId": next(iter(config.world.company.workspaces)),
        "sourceDefinitionId": config.definition("source", "Postgres"),
        "name": "x",
        "connectionConfiguration": DATABASE,
    }
    assert config.ask("sources/create", {**body, "workspaceId": STRANGER}).status == 404
    assert config.ask("sources/create", {**body, "sourceDefinitionId": STRANGER}).status == 404
    destination = config.definition("destination", "Postgres")
    assert config.ask("sources/create", {**body, "sourceDefinitionId": destination}).status == 404
    for name in body:
        missing = {key: value for key, value in body.items() if key != name}
        assert config.ask("sources/create", missing).status == 400, name
    assert config.ask("sources/create", {**body, "name": 5}).status == 422
    assert config.ask("sources/create", {**body, "connectionConfiguration": []}).status == 422
    assert config.ask("sources/create", {**body, "workspaceId": "mine"}).status == 422


def test_an_update_replaces_the_configuration_but_for_masked_secrets(config: Config) -> None:
    source_id = new_source(config, {**DATABASE, "jdbc_url_params": "x=y"})
    sent = {**DATABASE, "host": "db2.example.com", "password": MASK}
    told = config.specified(
        "sources/update", sourceId=source_id, name="Renamed", connectionConfiguration=sent
    )
    assert (told["name"], told["connectionConfiguration"]) == ("Renamed", sent)
    truth = next(one for one in config.world.sources() if one.id == source_id)
    assert truth.configuration == {**DATABASE, "host": "db2.example.com"}
    new = {**sent, "password": "correct horse"}
    config.specified("sources/update", sourceId=source_id, name="Renamed", connectionConfiguration=new)
    truth = next(one for one in config.world.sources() if one.id == source_id)
    assert truth.configuration == new


def test_the_companys_own_configurations_are_valid_and_can_be_sent_back(config: Config) -> None:
    for kind, actors in (("source", config.world.sources()), ("destination", config.world.destinations())):
        for actor in actors:
            told = config.specified(f"{kind}s/get", **{f"{kind}Id": actor.id})
            body = {f"{kind}Id": actor.id}
            assert config.specified(f"{kind}s/check_connection", **body)["status"] == "succeeded"
            again = config.specified(
                f"{kind}s/update",
                name=actor.name,
                connectionConfiguration=told["connectionConfiguration"],
                **body,
            )
            assert again == told
            assert config.specified(f"{kind}s/check_connection", **body)["status"] == "succeeded"


# Checks


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"host": "db.nowhere.invalid"}, "Could not connect: unknown host db.nowhere.invalid"),
        ({"password": "wrong"}, 'Could not connect: password authentication failed for user "reader"'),
    ],
)
def test_a_check_fails_for_what_cannot_be(config: Config, change: dict[str, Any], message: str) -> None:
    source_id = new_source(config, {**DATABASE, **change})
    told = config.specified("sources/check_connection", sourceId=source_id)
    assert (told["status"], told["message"]) == ("failed", message)
    assert told["jobInfo"]["succeeded"] is True, "the check itself did its work"
    assert told["jobInfo"]["configType"] == "check_connection_source"
    config.specified("sources/update", sourceId=source_id, name="x", connectionConfiguration=DATABASE)
    healed = config.specified("sources/check_connection", sourceId=source_id)
    assert healed["status"] == "succeeded"
    assert "message" not in healed


def test_a_word_is_only_a_wrong_password_where_a_password_is(config: Config) -> None:
    source_id = new_source(config, {**DATABASE, "database": "wrong", "username": "wrong"})
    assert config.specified("sources/check_connection", sourceId=source_id)["status"] == "succeeded"


def test_an_endpoint_below_invalid_is_unknown_too(config: Config) -> None:
    given = {**BUCKET, "s3_endpoint": "http://minio.invalid:9000"}
    destination = create(config, "destination", "S3", given)["destinationId"]
    told = config.specified("destinations/check_connection", destinationId=destination)
    assert told["message"] == "Could not connect: unknown host minio.invalid"
    assert told["jobInfo"]["configType"] == "check_connection_destination"
    rest = create(config, "source", "REST API", {"base_url": "https://[::invalid/"})["sourceId"]
    assert config.specified("sources/check_connection", sourceId=rest)["status"] == "succeeded"


def test_a_test_can_break_a_source_or_destination_and_heal_it(config: Config) -> None:
    for kind, actor in (
        ("source", config.world.sources()[0]),
        ("destination", config.world.destinations()[0]),
    ):
        body = {f"{kind}Id": actor.id}
        config.world.break_actor(actor.id, "The database is being restored.")
        told = config.specified(f"{kind}s/check_connection", **body)
        assert (told["status"], told["message"]) == ("failed", "The database is being restored.")
        config.world.heal_actor(actor.id)
        assert config.specified(f"{kind}s/check_connection", **body)["status"] == "succeeded"
    with pytest.raises(KeyError):
        config.world.break_actor(STRANGER)


def test_a_configuration_that_a_test_gives_need_not_be_valid(config: Config) -> None:
    source_id = config.world.add_source("Postgres", configuration={"host": "db.example.com"})
    told = config.specified("sources/check_connection", sourceId=source_id)
    assert told["status"] == "failed"
    assert told["message"].startswith("The configuration is not valid: $.port: is missing")


# Schemas


def test_a_new_database_has_customers_and_orders(config: Config) -> None:
    told = config.specified("sources/discover_schema", sourceId=new_source(config))
    streams = {one["stream"]["name"]: one for one in told["catalog"]["streams"]}
    assert {"customers", "orders"} <= streams.keys()
    for name in ("customers", "orders"):
        found, proposed = streams[name]["stream"], streams[name]["config"]
        assert found["namespace"] == "public"
        assert {"id", "updated_at", "created_at"} <= found["jsonSchema"]["properties"].keys()
        assert found["supportedSyncModes"] == ["full_refresh", "incremental"]
        assert found["sourceDefinedPrimaryKey"] == [["id"]]
        assert (proposed["syncMode"], proposed["destinationSyncMode"]) == ("full_refresh", "append")
    assert told["jobInfo"]["succeeded"] is True
    assert "catalogDiff" not in told
    again = config.specified("sources/discover_schema", sourceId=new_source(config))
    assert again["catalogId"] != told["catalogId"]


def test_the_schemas_of_a_database_are_those_that_are_configured(config: Config) -> None:
    source_id = new_source(config, {**DATABASE, "schemas": ["sales", "web"]})
    found = config.specified("sources/discover_schema", sourceId=source_id)["catalog"]["streams"]
    assert {one["stream"]["namespace"] for one in found} == {"sales", "web"}


def test_an_api_has_streams_without_a_namespace(config: Config) -> None:
    source_id = create(config, "source", "REST API", {"base_url": "https://api.example.com"})["sourceId"]
    found = config.specified("sources/discover_schema", sourceId=source_id)["catalog"]["streams"]
    assert [one["stream"]["name"] for one in found] == ["items", "events"]
    assert not any("namespace" in one["stream"] for one in found)


def test_what_cannot_connect_has_no_schema(config: Config) -> None:
    source_id = new_source(config, {**DATABASE, "password": "wrong"})
    told = config.specified("sources/discover_schema", sourceId=source_id)
    assert told.keys() == {"jobInfo"}
    assert told["jobInfo"]["succeeded"] is False
    assert "password authentication failed" in told["jobInfo"]["failureReason"]["externalMessage"]


def test_a_schema_is_compared_with_what_a_connection_syncs(config: Config) -> None:
    connection = new_connection(config)
    ids = {"sourceId": connection["sourceId"], "connectionId": connection["connectionId"]}
    told = config.specified("sources/discover_schema", **ids)
    transforms = told["catalogDiff"]["transforms"]
    added = {one["streamDescriptor"]["name"] for one in transforms if one["transformType"] == "add_stream"}
    assert "users" in added
    assert not {"customers", "orders"} & added
    assert (told["breakingChange"], told["connectionStatus"]) == (False, "active")
    assert config.specified("sources/discover_schema", 404, sourceId=ids["sourceId"], connectionId=STRANGER)


def test_a_company_connection_differs_only_when_its_schema_changed(config: Config) -> None:
    connection = config.world.connections()[0]
    ids = {"sourceId": connection.source_id, "connectionId": connection.id}

    def transforms() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = config.specified("sources/discover_schema", **ids)["catalogDiff"][
            "transforms"
        ]
        return found

    config.world.change_schema(connection.id, "no_change")
    assert transforms() == []
    config.world.change_schema(connection.id, "non_breaking")
    assert [one["transformType"] for one in transforms()] == ["update_stream"]
    assert config.specified("sources/discover_schema", **ids)["breakingChange"] is False
    config.world.change_schema(connection.id, "breaking")
    told = config.specified("sources/discover_schema", **ids)
    assert told["breakingChange"] is True
    assert told["connectionStatus"] == "inactive"


# The end of them


def test_a_deleted_source_is_gone_with_its_connections(config: Config) -> None:
    connection = new_connection(config)
    ids = {"sourceId": connection["sourceId"]}
    assert config.specified("sources/delete", 204, **ids) is None
    for path in ("get", "check_connection", "discover_schema", "delete"):
        assert config.specified(f"sources/{path}", 404, **ids)["message"], path
    again = {"name": "x", "connectionConfiguration": DATABASE, **ids}
    assert config.specified("sources/update", 404, **again)["message"]
    assert (
        config.specified("connections/get", connectionId=connection["connectionId"])["status"] == "deprecated"
    )
    assert config.ask("connections/sync", {"connectionId": connection["connectionId"]}).status == 404


def test_a_deleted_destination_is_gone(config: Config) -> None:
    destination = create(config, "destination", "Postgres", WAREHOUSE)["destinationId"]
    config.specified("destinations/delete", 204, destinationId=destination)
    for path in ("get", "check_connection", "delete"):
        assert config.specified(f"destinations/{path}", 404, destinationId=destination)["message"], path
    assert config.ask("destinations/delete", {"destinationId": STRANGER}).status == 404
