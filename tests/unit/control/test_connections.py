"""Connections are made and changed as is asked, and what makes no sense is not even sent."""

from typing import Any

import pytest

from airbyte_exporter.airbyte import ApiRejected, ApiUnreachable
from airbyte_exporter.control import ControlError, NotOneError, Placed, cron, every
from airbyte_exporter.model import (
    ConnectionStatus,
    Namespace,
    Schedule,
    ScheduleType,
)
from tests.unit.airbyte.fakes import NOW, Json, Say
from tests.unit.airbyte.installations import W1
from tests.unit.airbyte.writable import CONNECTION, DESTINATION, SOURCE, connection_read, stream_row
from tests.unit.control.controlled import (
    AWAY,
    CONNECTED,
    LAKE,
    SHOP,
    Controlled,
    connection,
    controlled,
    offered,
)

NIGHTLY = cron("0 0 3 * * ?", now=NOW)


def assert_refused(c: Controlled, why: str, act: object) -> None:
    assert callable(act)
    with pytest.raises(ControlError, match=why):
        act()
    assert not c.changes
    assert not c.announced


def test_a_connection_is_made_of_what_its_source_offers() -> None:
    c = controlled()
    made = c.control.connections.create("New", SHOP, LAKE, ["customers", "orders:full_refresh:append"])
    assert made.id == CONNECTION
    sent = c.last("connections/create")
    assert (sent["sourceId"], sent["destinationId"], sent["name"]) == (SOURCE.id, DESTINATION.id, "New")
    assert (sent["status"], sent["scheduleType"], sent["namespaceDefinition"]) == (
        "active",
        "manual",
        "destination",
    )
    assert [
        (each["config"]["syncMode"], each["config"]["destinationSyncMode"])
        for each in sent["syncCatalog"]["streams"]
    ] == [("incremental", "append"), ("full_refresh", "append")]
    assert c.changes == ["connections/create"]


def test_a_catalog_that_is_known_is_not_asked_for_again() -> None:
    c = controlled()
    catalog = c.control.sources.discover(SHOP)
    c.control.connections.create("New", SHOP, LAKE, catalog=catalog, active=False, prefix="p_")
    assert len(c.talk.airbyte.bodies("sources/discover_schema")) == 1
    assert (c.last("connections/create")["status"], c.last("connections/create")["prefix"]) == (
        "inactive",
        "p_",
    )


def test_a_connection_is_in_one_workspace() -> None:
    c = controlled()
    lake = Placed(DESTINATION, AWAY)
    assert_refused(
        c,
        "source 'Shop' is in workspace 'Data', destination 'Lake' in 'Sandbox': a connection is in one",
        lambda: c.control.connections.create("New", SHOP, lake),
    )
    assert not c.talk.airbyte.bodies("sources/discover_schema")


def test_a_second_connection_of_a_name_is_refused_before_its_source_is_asked() -> None:
    c = controlled()
    assert_refused(
        c,
        "workspace 'Data' has a connection 'Orders' already .c1.: choose another name, or update that one",
        lambda: c.control.connections.create("Orders", SHOP, LAKE),
    )
    assert not c.talk.airbyte.bodies("sources/discover_schema")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"namespace": Namespace.CUSTOM}, "a custom namespace needs its format"),
        ({"namespace": Namespace.CUSTOM, "namespace_format": ""}, "a custom namespace needs its format"),
        ({"namespace_format": "x"}, "a namespace format belongs to a custom namespace"),
        ({"namespace": Namespace.SOURCE, "namespace_format": "x"}, "and this one is source"),
        ({"streams": ["costumers"]}, "did you mean 'public.customers'"),
        ({"streams": []}, "a connection needs a stream at least"),
        ({"schedule": Schedule(ScheduleType.UNKNOWN)}, "what this schedule means is not known"),
    ],
)
def test_a_connection_that_makes_no_sense_is_not_made(given: dict[str, Json], why: str) -> None:
    c = controlled()
    assert_refused(c, why, lambda: c.control.connections.create("New", SHOP, LAKE, **given))


@pytest.mark.parametrize(
    ("version", "mode", "is_taken"),
    [
        ("0.63.0", "overwrite_dedup", False),
        ("1.0.0", "overwrite_dedup", True),
        ("1.7.0", "soft_delete", False),
        ("1.7.0", "update", False),
        ("2.0.0", "update", True),
        ("dev", "soft_delete", True),
        (None, "overwrite_dedup", False),
    ],
)
def test_a_mode_that_an_airbyte_does_not_know_is_not_sent(
    version: str | None, mode: str, *, is_taken: bool
) -> None:
    c = controlled(version)

    def create() -> object:
        return c.control.connections.create("New", SHOP, LAKE, [f"customers:full_refresh:{mode}:id"])

    if is_taken:
        create()
        assert c.changes == ["connections/create"]
    else:
        assert_refused(c, f"stream 'public.customers' cannot be written in mode {mode}: this Airbyte", create)


def test_the_reference_has_no_cron_schedules() -> None:
    c = controlled(None)
    assert_refused(
        c, "no cron schedules", lambda: c.control.connections.create("New", SHOP, LAKE, schedule=NIGHTLY)
    )
    assert_refused(c, "no cron schedules", lambda: c.control.connections.schedule(CONNECTED, NIGHTLY))
    c.control.connections.schedule(CONNECTED, every(3600))
    assert c.last("connections/update")["schedule"] == {"units": 1, "timeUnit": "hours"}


def test_a_source_that_offers_nothing_cannot_be_connected() -> None:
    c = controlled(told={"sources/discover_schema": Say(body={"catalog": {"streams": []}})})
    assert_refused(c, "the source offers no streams", lambda: c.control.connections.create("New", SHOP, LAKE))
    c = controlled(told={"sources/discover_schema": Say(body={"jobInfo": {"succeeded": False}})})
    with pytest.raises(ApiRejected, match="the schema cannot be read"):
        c.control.connections.create("New", SHOP, LAKE)
    assert not c.changes


def test_an_update_sends_what_is_given_and_no_more() -> None:
    c = controlled()
    c.control.connections.update(CONNECTED, name="M")
    assert c.last("connections/update") == {"connectionId": CONNECTION, "name": "M"}
    c.control.connections.update(CONNECTED, namespace=Namespace.CUSTOM, namespace_format="x", prefix="")
    assert c.last("connections/update") == {
        "connectionId": CONNECTION,
        "namespaceDefinition": "customformat",
        "namespaceFormat": "x",
        "prefix": "",
    }
    assert_refused(controlled(), "nothing is given", lambda: c.control.connections.update(CONNECTED))


def test_a_namespace_is_looked_at_with_what_the_connection_has() -> None:
    c = controlled()
    assert_refused(
        c, "needs its format", lambda: c.control.connections.update(CONNECTED, namespace=Namespace.CUSTOM)
    )
    assert_refused(
        c, "this one is dest", lambda: c.control.connections.update(CONNECTED, namespace_format="x")
    )
    c = controlled(connection=connection_read(namespaceDefinition="customformat", namespaceFormat="old"))
    c.control.connections.update(CONNECTED, namespace_format="new")
    c.control.connections.update(CONNECTED, namespace=Namespace.CUSTOM)
    c.control.connections.update(CONNECTED, namespace=Namespace.SOURCE)
    assert c.last("connections/update") == {"connectionId": CONNECTION, "namespaceDefinition": "source"}


def sent_streams(c: Controlled) -> dict[str, Json]:
    streams = c.last("connections/update")["syncCatalog"]["streams"]
    return {each["stream"]["name"]: each["config"] for each in streams}


def test_streams_of_an_update_are_those_that_the_connection_knows() -> None:
    row = stream_row(mappers=[1])
    c = controlled(
        connection=connection_read(syncCatalog={"streams": [row, stream_row("orders", selected=False)]})
    )
    c.control.connections.update(CONNECTED, streams=["customers", "orders"])
    assert not c.talk.airbyte.bodies("sources/discover_schema")
    sent = sent_streams(c)
    assert sent["customers"] == row["config"], "what is named alone and was synced stays so"
    assert (sent["orders"]["selected"], sent["orders"]["destinationSyncMode"]) == (True, "append")
    c.control.connections.update(CONNECTED, streams=["orders:full_refresh:overwrite"])
    sent = sent_streams(c)
    assert sent["customers"] == {**row["config"], "selected": False}
    assert (sent["orders"]["syncMode"], sent["orders"]["cursorField"]) == ("full_refresh", [])
    assert_refused(
        controlled(), "no stream 'new'", lambda: c.control.connections.update(CONNECTED, streams=["new"])
    )


def test_streams_can_be_those_that_the_source_offers_by_now() -> None:
    told = {"sources/discover_schema": Say(body=offered("customers", "new"))}
    read = connection_read(syncCatalog={"streams": [stream_row(mappers=[1]), stream_row("orders")]})
    c = controlled(told=told, connection=read)
    c.control.connections.update(CONNECTED, streams=["customers", "new"], discover=True)
    sent = sent_streams(c)
    assert sent["customers"] == stream_row(mappers=[1])["config"]
    assert sent["new"]["destinationSyncMode"] == "append"
    assert "orders" not in sent
    assert c.last("connections/update")["sourceCatalogId"] == "fresh"


def test_a_schema_can_be_taken_over_with_the_same_streams() -> None:
    told = {"sources/discover_schema": Say(body=offered("customers", "new"))}
    c = controlled(told=told)
    c.control.connections.update(CONNECTED, discover=True)
    sent = sent_streams(c)
    assert sent["customers"] == stream_row()["config"]
    assert sent["new"]["selected"] is False
    told = {"sources/discover_schema": Say(body=offered("new"))}
    c = controlled(told=told)
    assert_refused(
        c,
        "offers none of the streams any more that are synced",
        lambda: c.control.connections.update(CONNECTED, discover=True),
    )


def without(*columns: str, **stream: Json) -> dict[str, Any]:
    """Return the stream that is synced as its source offers it once it lacks these columns."""
    row = stream_row()
    kept: Json = {name: {} for name in row["stream"]["jsonSchema"]["properties"] if name not in columns}
    row["stream"] |= {"jsonSchema": {"properties": kept}, **stream}
    return row


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (without("updated_at", defaultCursorField=[]), "has its cursor no more"),
        (without("id", sourceDefinedPrimaryKey=[]), "has its primary key no more"),
        (without(sourceDefinedPrimaryKey=[["email"]]), "has another primary key now"),
        (without(supportedSyncModes=["full_refresh"]), "cannot be read in mode incremental any more"),
    ],
)
def test_what_a_source_has_taken_away_is_not_taken_over_in_silence(row: dict[str, Any], why: str) -> None:
    told = {"sources/discover_schema": Say(body={"catalog": {"streams": [row]}, "catalogId": "fresh"})}
    for streams in (None, ["customers"]):
        c = controlled(told=told)
        assert_refused(
            c, why, lambda c=c, to=streams: c.control.connections.update(CONNECTED, streams=to, discover=True)
        )
    c = controlled(told=told)
    c.control.connections.update(CONNECTED, streams=["customers:full_refresh:overwrite"], discover=True)
    assert sent_streams(c)["customers"]["syncMode"] == "full_refresh"


def test_a_stream_that_is_gone_is_not_left_out_in_silence() -> None:
    told = {"sources/discover_schema": Say(body=offered("orders"))}
    read = connection_read(syncCatalog={"streams": [stream_row(), stream_row("orders")]})
    c = controlled(told=told, connection=read)
    why = "'public.customers:.*' is not offered by its source any more: say with --stream what is synced"
    assert_refused(c, why, lambda: c.control.connections.update(CONNECTED, discover=True))
    c.control.connections.update(CONNECTED, streams=["orders"], discover=True)
    assert list(sent_streams(c)) == ["orders"]


def test_what_a_source_took_away_and_nobody_syncs_by_is_no_matter() -> None:
    row = without("email", sourceDefinedCursor=True, defaultCursorField=[])
    c = controlled(told={"sources/discover_schema": Say(body={"catalog": {"streams": [row]}})})
    c.control.connections.update(CONNECTED, discover=True)
    assert sent_streams(c)["customers"] == stream_row()["config"]
    unsaid = stream_row(cursorField=[], primaryKey=[])  # Airbyte takes the source's own
    c = controlled(connection=connection_read(syncCatalog={"streams": [unsaid]}))
    c.control.connections.update(CONNECTED, discover=True)
    assert sent_streams(c)["customers"] == unsaid["config"]


def test_a_stream_that_the_connection_does_not_know_may_be_new() -> None:
    c = controlled()
    assert_refused(
        c, "--discover asks its source", lambda: c.control.connections.update(CONNECTED, streams=["xyz"])
    )
    with pytest.raises(ControlError, match="its source offers"):
        c.control.connections.update(CONNECTED, streams=["xyz"], discover=True)


def test_a_schedule_is_changed_alone() -> None:
    c = controlled()
    c.control.connections.schedule(CONNECTED, NIGHTLY)
    assert c.last("connections/update") == {
        "connectionId": CONNECTION,
        "scheduleType": "cron",
        "scheduleData": {"cron": {"cronExpression": "0 0 3 * * ?", "cronTimeZone": "UTC"}},
    }


def test_a_connection_is_switched_on_and_off() -> None:
    c = controlled()
    c.control.connections.enable(connection(ConnectionStatus.INACTIVE))
    assert c.last("connections/update") == {"connectionId": CONNECTION, "status": "active"}
    c.control.connections.disable(CONNECTED)
    assert c.last("connections/update") == {"connectionId": CONNECTION, "status": "inactive"}


@pytest.mark.parametrize(
    ("status", "why"),
    [(ConnectionStatus.LOCKED, "is locked by Airbyte"), (ConnectionStatus.DEPRECATED, "was deleted")],
)
def test_what_is_locked_or_deleted_is_not_enabled(status: ConnectionStatus, why: str) -> None:
    c = controlled()
    assert_refused(c, why, lambda: c.control.connections.enable(connection(status)))
    assert not c.talk.airbyte.sent


def test_a_connection_is_found_and_deleted_once() -> None:
    c = controlled()
    found = c.control.connections.find("c1")
    assert (found.id, found.workspace_id) == ("c1", W1)
    with pytest.raises(NotOneError, match="Orders"):
        c.control.connections.find("Orders")
    c.control.connections.delete(found)
    assert c.last("connections/delete") == {"connectionId": "c1"}
    c = controlled(told={"connections/delete": Say(502)})
    with pytest.raises(ApiUnreachable) as caught:
        c.control.connections.delete(found)
    assert caught.value.maybe_done
    assert c.changes == ["connections/delete"]
