"""What Airbyte answers to who sets it up, read as it comes, with parts missing or wrong."""

import json
from dataclasses import replace

import pytest

from airbyte_exporter.airbyte import ApiMalformed, ApiRejected
from airbyte_exporter.airbyte._setup_wire import WireConnectionRead
from airbyte_exporter.airbyte._wire import parse
from airbyte_exporter.airbyte.writing import ActorSetup, ConnectionChange
from airbyte_exporter.model import (
    Actor,
    Catalog,
    Check,
    ConnectionSetup,
    DestinationSyncMode,
    JobStatus,
    JobType,
    Namespace,
    Schedule,
    ScheduleType,
    Stream,
    StreamSync,
    SyncMode,
)
from tests.unit.airbyte.fakes import KNOWN, NOW, Json, Say, writing_talk
from tests.unit.airbyte.installations import W1
from tests.unit.airbyte.test_write_requests import IS_AS_WAS
from tests.unit.airbyte.writable import (
    CATALOG_ID,
    CONNECTION,
    DESTINATION,
    MAPPER,
    SOURCE,
    connection_read,
    job_answer,
    stream_row,
)


def setup_of(**more: Json) -> ConnectionSetup:
    return writing_talk([Say(body=connection_read(**more))]).client.connection_setup(IS_AS_WAS)


def test_a_connection_is_read_with_all_that_can_be_set() -> None:
    cron = {"cron": {"cronExpression": "0 0 3 * * ?", "cronTimeZone": "UTC"}}
    setup = setup_of(
        scheduleType="cron", scheduleData=cron, namespaceDefinition="customformat", namespaceFormat="x"
    )
    assert setup.connection.id == CONNECTION
    assert (setup.connection.source, setup.connection.destination) == (SOURCE, DESTINATION)
    assert setup.schedule == Schedule(ScheduleType.CRON, cron_expression="0 0 3 * * ?", cron_time_zone="UTC")
    assert (setup.namespace, setup.namespace_format, setup.prefix) == (Namespace.CUSTOM, "x", "raw_")
    assert [each.stream.full_name for each in setup.catalog.selected] == ["public.customers"]
    assert setup.catalog.streams[0] == StreamSync(
        Stream(
            "customers",
            "public",
            ("id", "updated_at", "email"),
            (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL),
            default_cursor=("updated_at",),
            source_defined_key=(("id",),),
        ),
        sync_mode=SyncMode.INCREMENTAL,
        destination_sync_mode=DestinationSyncMode.APPEND_DEDUP,
        cursor=("updated_at",),
        primary_key=(("id",),),
    )


UNKNOWN_PARTS: dict[str, Json] = {
    "mappers": [MAPPER],
    "hashedFields": [{"fieldPath": ["email"]}],
    "selectedFields": [{"fieldPath": ["id"]}],
    "fieldSelectionEnabled": True,
    "told": {"a": 1},
    "fromTheFuture": {"nested": [None, 1.5, "ü"]},
}


def test_what_is_not_known_of_a_stream_survives_that_it_is_changed() -> None:
    row = stream_row(**UNKNOWN_PARTS)
    row["stream"] |= {"isResumable": True, "told": 5, "isFileBased": False}
    read = connection_read(syncCatalog={"streams": [row]})
    t = writing_talk([Say(body=read), Say(body=read)])
    setup = t.client.connection_setup(IS_AS_WAS)
    t.client.update_connection(setup, ConnectionChange(catalog=setup.catalog))
    assert t.airbyte.sent[-1].body["syncCatalog"] == read["syncCatalog"]


@pytest.mark.parametrize(
    "streams",
    [
        [{"stream": {"name": "a"}}],
        [{"stream": {"name": "a"}, "config": None}],
        [
            {
                "stream": {"name": "a", "namespace": 5, "jsonSchema": "x", "supportedSyncModes": "y"},
                "config": 1,
            }
        ],
        [{"stream": {"name": "a", "jsonSchema": {"properties": []}}, "config": {"cursorField": {}}}],
        [
            {
                "stream": {"name": "a", "supportedSyncModes": ["live"], "defaultCursorField": None},
                "config": {"syncMode": "live", "primaryKey": [["id"], 5], "selected": "perhaps"},
            }
        ],
    ],
)
def test_a_stream_of_which_parts_are_missing_or_wrong_is_one_nevertheless(streams: list[Json]) -> None:
    setup = setup_of(syncCatalog={"streams": streams})
    assert setup.catalog == Catalog((StreamSync(Stream("a")),))


@pytest.mark.parametrize(
    "catalog", [{}, {"streams": None}, {"streams": [{}]}, {"streams": [{"stream": {}}]}, 5]
)
def test_a_catalog_that_cannot_be_read_is_not_taken_for_an_empty_one(catalog: Json) -> None:
    with pytest.raises(ApiMalformed, match="connections/get: Airbyte's answer cannot be used: syncCatalog"):
        setup_of(syncCatalog=catalog)
    t = writing_talk([Say(body={"catalog": catalog})])
    with pytest.raises(
        ApiMalformed, match="sources/discover_schema: Airbyte's answer cannot be used: catalog"
    ):
        t.client.discover(SOURCE.id)


def test_the_short_reference_may_tell_no_catalog() -> None:
    told = {key: value for key, value in connection_read().items() if key != "syncCatalog"}
    wire = parse(WireConnectionRead, json.dumps(told).encode(), method="connections/get")
    assert wire.setup(W1, SOURCE, DESTINATION).catalog == Catalog(())


def test_what_a_source_offers_is_read_with_its_id() -> None:
    t = writing_talk([Say(body={"catalog": {"streams": [stream_row()]}, "catalogId": CATALOG_ID})])
    catalog = t.client.discover(SOURCE.id)
    assert catalog.id == CATALOG_ID
    assert [each.stream.name for each in catalog.selected] == ["customers"]
    assert t.airbyte.sent[0].body == {"sourceId": SOURCE.id, "disable_cache": True}


FAILED = {"succeeded": False, "failureReason": {"externalMessage": "no such\nhost", "internalMessage": "x"}}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "the connector does not say why"),
        ({"jobInfo": {"succeeded": False}}, "the connector does not say why"),
        ({"jobInfo": FAILED}, "no such host"),
        ({"jobInfo": FAILED, "catalog": {"streams": []}}, "no such host"),
        ({"jobInfo": {"failureReason": {"internalMessage": "oom"}}}, "oom"),
        ({"jobInfo": 5, "catalog": None}, "the connector does not say why"),
    ],
)
def test_a_schema_that_cannot_be_read_says_why(answer: Json, why: str) -> None:
    t = writing_talk([Say(body=answer)])
    with pytest.raises(ApiRejected, match=f"the schema cannot be read: {why}$"):
        t.client.discover(SOURCE.id)


@pytest.mark.parametrize(
    ("answer", "check"),
    [
        ({"status": "succeeded"}, Check(succeeded=True)),
        ({"status": "failed", "message": "no\nroute"}, Check(succeeded=False, message="no route")),
        ({"status": "failed", "jobInfo": FAILED}, Check(succeeded=False, message="no such host")),
        ({"jobInfo": {"succeeded": False}}, Check(succeeded=False)),
        ({}, Check(succeeded=False)),
        ({"status": 1, "message": 2, "jobInfo": []}, Check(succeeded=False)),
    ],
)
def test_a_check_is_passed_only_where_the_connector_says_so(answer: Json, check: Check) -> None:
    t = writing_talk([Say(body=answer)] * 2)
    assert t.client.check_actor("source", SOURCE.id) == check
    assert t.client.check_actor("destination", DESTINATION.id) == check


@pytest.mark.parametrize(
    "answer",
    [
        job_answer(),
        {"job": job_answer()["job"]},
        job_answer()["job"],
        {"job": job_answer()["job"], "attempts": [{"attempt": {"id": 0}, "logs": {"logLines": ["x"]}}]},
    ],
    ids=["nested", "without attempts", "flat", "with logs"],
)
@pytest.mark.parametrize("kind", [JobType.SYNC, JobType.REFRESH, JobType.RESET])
def test_the_job_that_was_begun_is_told_whatever_form_it_has(kind: JobType, answer: Json) -> None:
    t = writing_talk([Say(body=answer)] * 2)
    job = t.client.start(kind, CONNECTION)
    assert job is not None
    assert (job.id, job.connection_id, job.status, job.created_at) == (7, CONNECTION, JobStatus.RUNNING, NOW)
    assert t.client.cancel(job) == job


def test_airbyte_may_not_say_which_job_it_has_begun_or_cancelled() -> None:
    t = writing_talk([Say(body={}), Say(body=job_answer()), Say(body={"job": None})])
    assert t.client.start(JobType.REFRESH, CONNECTION) is None
    job = t.client.start(JobType.SYNC, CONNECTION)
    assert job is not None
    assert t.client.cancel(job) == job


def test_an_actor_is_read_with_its_configuration() -> None:
    told = {"sourceId": SOURCE.id, "name": "Shop", "sourceName": "Postgres", "workspaceId": W1}
    t = writing_talk([Say(body={**told, "connectionConfiguration": {"pw": "**********"}}), Say(body=told)])
    with_all = t.client.actor_setup("source", SOURCE.id)
    assert with_all == ActorSetup(SOURCE, W1, {"pw": "**********"})
    assert t.client.actor_setup("source", SOURCE.id).configuration == {}


def test_an_answer_to_a_change_is_only_read_as_far_as_it_is_needed() -> None:
    told = {"connectionId": CONNECTION, "status": "active", "sourceId": "s", "destinationId": "d"}
    t = writing_talk([Say(body={**told, "syncCatalog": {"streams": [{}]}}), Say(body={"sourceId": "s"})])
    setup = setup_of()
    assert t.client.update_connection(setup, ConnectionChange(name="M")).id == CONNECTION
    assert t.client.update_actor("source", "s", "N", {}) == Actor("s", "s", "unknown")


def test_the_public_api_changes_nothing() -> None:
    public = replace(KNOWN, api="public")
    t = writing_talk([], capabilities=public)
    for act in (
        lambda: t.client.start(JobType.SYNC, CONNECTION),
        lambda: t.client.connection_setup(IS_AS_WAS),
        lambda: t.client.check_actor("source", SOURCE.id),
    ):
        with pytest.raises(ApiRejected, match="changing things needs Airbyte's Config API"):
            act()
    assert not t.airbyte.sent
    assert not t.announced
