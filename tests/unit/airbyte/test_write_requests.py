"""Every change that we ask for is one that the specification of that version of Airbyte allows."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from airbyte_exporter.airbyte._listings import Kind
from airbyte_exporter.airbyte.writing import ConnectionChange, NewConnection
from airbyte_exporter.model import (
    Actor,
    Catalog,
    Connection,
    ConnectionStatus,
    DestinationSyncMode,
    JobType,
    Namespace,
    Schedule,
    ScheduleType,
    Stream,
    StreamSync,
    SyncMode,
)
from tests.specifications import REFERENCE, REFERENCE_WRITES, problems_of, problems_with, spec_of
from tests.unit.airbyte.fakes import Json, Sent, WritingTalk, writing_talk
from tests.unit.airbyte.installations import W1
from tests.unit.airbyte.test_requests import VERSIONS
from tests.unit.airbyte.writable import (
    CATALOG_ID,
    CONNECTION,
    DEFINITION,
    DESTINATION,
    MAPPER,
    SOURCE,
    Writable,
    connection_read,
    job_answer,
    stream_row,
)

SUPPORTED = {name: told for name, told in VERSIONS.items() if name != "0.42.0"}
MANUAL = Schedule(ScheduleType.MANUAL)
HOURLY = Schedule(ScheduleType.BASIC, units=1, time_unit="hours")
NIGHTLY = Schedule(ScheduleType.CRON, cron_expression="0 0 3 * * ?", cron_time_zone="Europe/Berlin")
SCHEDULES = {"manual": MANUAL, "basic": HOURLY, "cron": NIGHTLY}
PLACES: list[dict[str, Json]] = [
    {},
    {"namespace": Namespace.SOURCE, "prefix": "raw_"},
    {"namespace": Namespace.CUSTOM, "namespace_format": "raw_${SOURCE_NAMESPACE}"},
]
OWN = Catalog((StreamSync(Stream("bare", columns=("id",)), cursor=("id",), primary_key=(("id",),)),))
"""A catalog that no Airbyte told."""

IS_AS_WAS = Connection(CONNECTION, "Shop to Lake", W1, ConnectionStatus.ACTIVE, SOURCE, DESTINATION, MANUAL)


def known(version: str | None, **more: Json) -> WritingTalk:
    """A client that knows which Airbyte it talks to, before its first change."""
    airbyte = Writable(version, **more)
    talk = writing_talk(airbyte.react, capabilities=None)
    talk.client.capabilities()
    talk.airbyte.sent.clear()
    return talk


def new(catalog: Catalog, **more: Json) -> NewConnection:
    return NewConnection(SOURCE.id, DESTINATION.id, "N", catalog, **{"schedule": MANUAL, **more})


def change_everything(talk: WritingTalk, *, has_refresh: bool, schedules: Iterator[Schedule]) -> None:
    """Ask for all that can be asked for, in each form of it."""
    client, wanted = talk.client, [*schedules]
    actors: tuple[tuple[Kind, Actor], ...] = (("source", SOURCE), ("destination", DESTINATION))
    for kind, actor in actors:
        configuration = {"host": "db", "password": SecretStr("pw"), "tunnel": {"ports": [22]}}
        client.create_actor(kind, W1, DEFINITION, "New", configuration)
        client.update_actor(kind, actor.id, "New", client.actor_setup(kind, actor.id).configuration)
        client.check_actor(kind, actor.id)
        client.delete_actor(kind, actor.id)
    offered = client.discover(SOURCE.id)
    client.discover(SOURCE.id, fresh=False)
    for catalog in (offered, OWN, replace(offered, id=None)):
        for schedule in wanted:
            for place in PLACES:
                client.create_connection(new(catalog, schedule=schedule, **place), W1, SOURCE, DESTINATION)
    client.create_connection(new(OWN, status=ConnectionStatus.INACTIVE), W1, SOURCE, DESTINATION)
    setup = client.connection_setup(IS_AS_WAS)
    changes = [ConnectionChange(schedule=schedule) for schedule in wanted]
    changes += [ConnectionChange(catalog=catalog) for catalog in (offered, setup.catalog, OWN)]
    changes += [ConnectionChange(**place) for place in PLACES]
    changes += [ConnectionChange(name="M"), ConnectionChange(status=ConnectionStatus.INACTIVE)]
    for change in [*changes, ConnectionChange(prefix=""), ConnectionChange()]:
        client.update_connection(setup, change)
    for job_type in (JobType.SYNC, JobType.RESET):
        client.start(job_type, CONNECTION)
    if has_refresh:
        client.start(JobType.REFRESH, CONNECTION)
        some = (Stream("customers", "public"), Stream("bare"))
        client.start(JobType.REFRESH, CONNECTION, streams=some, truncate=True)
    begun = client.start(JobType.SYNC, CONNECTION)
    assert begun is not None
    client.cancel(begun)
    client.delete_connection(CONNECTION)


def has_nulls(body: Json) -> bool:
    if isinstance(body, dict):
        return any(has_nulls(value) for value in body.values())
    return any(has_nulls(value) for value in body) if isinstance(body, list) else body is None


@pytest.mark.parametrize("name", sorted(SUPPORTED))
def test_changes_are_as_the_specification_of_the_version_says(name: str) -> None:
    spec = spec_of(name)
    has_refresh = "/v1/connections/refresh" in spec["paths"]
    talk = known(SUPPORTED[name])
    change_everything(talk, has_refresh=has_refresh, schedules=iter(SCHEDULES.values()))
    methods = set()
    for sent in talk.airbyte.sent:
        path = sent.path.removeprefix("/api")
        methods.add(path.removeprefix("/v1/"))
        assert not problems_of(spec, sent.verb, path, sent.body), (path, sent.body)
        assert not has_nulls(sent.body), (path, sent.body)
    expected = {*REFERENCE_WRITES} | ({"connections/refresh"} if has_refresh else set())
    assert methods == expected
    assert has_refresh == (name >= "0.63")


def test_changes_to_the_short_reference_api_are_as_it_says() -> None:
    talk = known(None)
    assert talk.client.instance().api == "reference"
    talk.airbyte.sent.clear()
    change_everything(talk, has_refresh=False, schedules=iter([MANUAL, HOURLY]))
    methods = set()
    for sent in talk.airbyte.sent:
        method = sent.path.removeprefix("/api/v1/")
        methods.add(method)
        assert sent.verb == "POST"
        schema = REFERENCE_WRITES.get(method) or REFERENCE[method]
        assert not problems_with(schema, sent.body), (method, sent.body)
    assert methods == {*REFERENCE_WRITES}


@pytest.mark.parametrize("name", sorted(SUPPORTED))
def test_all_that_a_version_may_tell_of_a_stream_may_be_sent_back(name: str) -> None:
    schemas = spec_of(name)["components"]["schemas"]
    extras: dict[str, Json] = {
        "fieldSelectionEnabled": True,
        "selectedFields": [{"fieldPath": ["id"]}],
        "hashedFields": [{"fieldPath": ["email"]}],
        "mappers": [MAPPER],
        "includeFiles": False,
        "suggested": True,
        "generationId": 4,
    }
    known_here = schemas["AirbyteStreamConfiguration"]["properties"]
    row = stream_row(**{extra: value for extra, value in extras.items() if extra in known_here})
    read = connection_read(syncCatalog={"streams": [row]})
    talk = known(SUPPORTED[name], connection=read)
    setup = talk.client.connection_setup(IS_AS_WAS)
    talk.client.update_connection(setup, ConnectionChange(catalog=setup.catalog))
    sent = talk.airbyte.sent[-1]
    assert sent.body["syncCatalog"] == {"streams": [row]}
    assert not problems_of(spec_of(name), "POST", "/v1/connections/update", sent.body)


@pytest.mark.parametrize("name", sorted(SUPPORTED))
def test_modes_of_writing_are_those_that_the_docstring_tells(name: str) -> None:
    modes = {"append", "overwrite", "append_dedup"}
    modes |= {"overwrite_dedup"} if name >= "1.0" else set()
    modes |= {"update", "soft_delete"} if name >= "2.0" else set()
    assert {*spec_of(name)["components"]["schemas"]["DestinationSyncMode"]["enum"]} == modes
    assert modes <= {str(mode) for mode in DestinationSyncMode}
    properties = spec_of(name)["components"]["schemas"]["SourceDiscoverSchemaRequestBody"]["properties"]
    assert "disable_cache" in properties


def updates(version: str | None, change: ConnectionChange, **read: Json) -> dict[str, Any]:
    talk = known(version, connection=connection_read(**read))
    setup = talk.client.connection_setup(IS_AS_WAS)
    talk.client.update_connection(setup, change)
    return {name: value for name, value in last(talk).body.items() if name != "connectionId"}


def last(talk: WritingTalk) -> Sent:
    return talk.airbyte.sent[-1]


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        (ConnectionChange(), {}),
        (ConnectionChange(name="M"), {"name": "M"}),
        (ConnectionChange(status=ConnectionStatus.INACTIVE), {"status": "inactive"}),
        (ConnectionChange(prefix=""), {"prefix": ""}),
        (ConnectionChange(schedule=MANUAL), {"scheduleType": "manual"}),
        (
            ConnectionChange(schedule=HOURLY),
            {
                "scheduleType": "basic",
                "scheduleData": {"basicSchedule": {"units": 1, "timeUnit": "hours"}},
            },
        ),
        (
            ConnectionChange(schedule=NIGHTLY),
            {
                "scheduleType": "cron",
                "scheduleData": {"cron": {"cronExpression": "0 0 3 * * ?", "cronTimeZone": "Europe/Berlin"}},
            },
        ),
        (
            ConnectionChange(namespace=Namespace.CUSTOM, namespace_format="x"),
            {"namespaceDefinition": "customformat", "namespaceFormat": "x"},
        ),
        (
            ConnectionChange(catalog=Catalog((), CATALOG_ID)),
            {"syncCatalog": {"streams": []}, "sourceCatalogId": CATALOG_ID},
        ),
    ],
)
def test_a_real_airbyte_is_sent_only_what_changes(change: ConnectionChange, sent: dict[str, Json]) -> None:
    assert updates("2.0.0", change) == sent


def test_the_reference_is_sent_the_whole_connection() -> None:
    whole = {
        "name": "Shop to Lake",
        "status": "active",
        "namespaceDefinition": "destination",
        "prefix": "raw_",
        "syncCatalog": connection_read()["syncCatalog"],
    }
    legacy = {"scheduleType": None, "schedule": {"units": 1, "timeUnit": "hours"}}
    hourly = {"units": 1, "timeUnit": "hours"}
    assert updates(None, ConnectionChange(name="M"), **legacy) == {**whole, "name": "M", "schedule": hourly}
    assert updates(None, ConnectionChange(schedule=MANUAL), **legacy) == {**whole, "schedule": None}
    paused = updates(None, ConnectionChange(status=ConnectionStatus.INACTIVE))
    assert paused == {**whole, "status": "inactive"}, "no schedule that it tells is none that could be lost"


def test_what_the_reference_does_not_tell_is_not_made_up() -> None:
    sent = updates(None, ConnectionChange(name="M"), syncCatalog=None, status="asleep")
    assert "syncCatalog" not in sent
    assert "status" not in sent


def test_streams_that_no_airbyte_told_are_sent_with_all_that_matters() -> None:
    talk = known("2.0.0")
    stream = Stream("bare", None, ("id",), (SyncMode.FULL_REFRESH,))
    talk.client.create_connection(new(Catalog((StreamSync(stream),))), W1, SOURCE, DESTINATION)
    assert last(talk).body["syncCatalog"]["streams"] == [
        {
            "stream": {
                "name": "bare",
                "jsonSchema": {"type": "object", "properties": {"id": {}}},
                "supportedSyncModes": ["full_refresh"],
            },
            "config": {
                "syncMode": "full_refresh",
                "destinationSyncMode": "append",
                "cursorField": [],
                "primaryKey": [],
                "selected": True,
            },
        }
    ]


def test_a_stream_of_a_mode_from_the_future_stays_in_it_where_others_change() -> None:
    rows = [stream_row(syncMode="live", destinationSyncMode="beam"), stream_row("orders", selected=False)]
    talk = known("2.0.0", connection=connection_read(syncCatalog={"streams": rows}))
    setup = talk.client.connection_setup(IS_AS_WAS)
    first, second = setup.catalog.streams
    catalog = replace(setup.catalog, streams=(first, replace(second, selected=True)))
    talk.client.update_connection(setup, ConnectionChange(catalog=catalog))
    assert last(talk).body["syncCatalog"]["streams"] == [rows[0], stream_row("orders", selected=True)]


def test_a_job_that_is_cancelled_is_named_by_its_number() -> None:
    talk = known("2.0.0", told={})
    begun = talk.client.start(JobType.SYNC, CONNECTION)
    assert begun is not None
    assert begun.id == job_answer()["job"]["id"]
    talk.client.cancel(begun)
    assert last(talk).body == {"id": 7}
