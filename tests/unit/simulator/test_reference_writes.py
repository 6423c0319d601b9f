"""What clients write over the short reference API."""

import json
from typing import Any

import pytest

from airbyte_exporter.simulator import World
from airbyte_exporter.simulator._reference_api import ReferenceApi
from airbyte_exporter.simulator._specs import MASK
from tests.unit.simulator.asking import NOW, STRANGER
from tests.unit.simulator.writing import DATABASE, WAREHOUSE, catalogue, frozen, stream

Json = dict[str, Any]


class Reference:
    """The reference API over a company in which nothing starts by itself."""

    def __init__(self, world: World | None = None) -> None:
        self.world = frozen() if world is None else world
        self._api = ReferenceApi(self.world)

    def ask(self, path: str, **body: object) -> tuple[int, Any]:
        """Send a request and return the answer's status and JSON."""
        answer = self._api.answer("POST", path, json.dumps(body).encode())
        payload = answer.payload()
        return answer.status, json.loads(payload) if payload else None

    def read(self, path: str, **body: object) -> Json:
        """Send a request that works and return its JSON."""
        status, told = self.ask(path, **body)
        assert status == 200, told
        assert isinstance(told, dict)
        return told

    def create(self, kind: str, configuration: Json) -> Json:
        """Create a source or destination in PostgreSQL."""
        listed = self.read(f"{kind}_definitions/list")[f"{kind}Definitions"]
        definition = next(one[f"{kind}DefinitionId"] for one in listed if one["name"] == "Postgres")
        workspace_id = self.read("workspaces/list")["workspaces"][0]["workspaceId"]
        created: Json = self.read(
            f"{kind}s/create",
            workspaceId=workspace_id,
            name="New",
            connectionConfiguration=configuration,
            **{f"{kind}DefinitionId": definition},
        )
        return created

    def connect(self, **body: object) -> Json:
        """Create a connection of two tables."""
        source, destination = self.create("source", DATABASE), self.create("destination", WAREHOUSE)
        sent = {
            "sourceId": source["sourceId"],
            "destinationId": destination["destinationId"],
            "name": "Shop → mart",
            "status": "active",
            "namespaceDefinition": "source",
            "syncCatalog": catalogue(stream("customers"), stream("orders", "incremental", "append_dedup")),
            **body,
        }
        created: Json = self.read("connections/create", **sent)
        return created


@pytest.fixture
def reference() -> Reference:
    """The reference API."""
    return Reference()


def test_a_workspace_can_be_asked_for(reference: Reference) -> None:
    for one in reference.read("workspaces/list")["workspaces"]:
        assert reference.read("workspaces/get", workspaceId=one["workspaceId"]) == one
    assert reference.ask("workspaces/get", workspaceId=STRANGER)[0] == 404


@pytest.mark.parametrize(("kind", "given"), [("source", DATABASE), ("destination", WAREHOUSE)])
def test_sources_and_destinations_live_and_die(reference: Reference, kind: str, given: Json) -> None:
    created = reference.create(kind, given)
    ids = {f"{kind}Id": created[f"{kind}Id"]}
    assert created["connectionConfiguration"] == {**given, "password": MASK}
    assert reference.read(f"{kind}s/get", **ids) == created
    listed = reference.read(f"{kind}s/list", workspaceId=created["workspaceId"])[f"{kind}s"]
    assert next(one for one in listed if one.items() >= ids.items()) == {
        name: value for name, value in created.items() if name != "connectionConfiguration"
    }
    works = reference.read(f"{kind}s/check_connection", **ids)
    assert works == {"status": "succeeded", "message": "The connection works."}
    broken = {**given, "host": "db.invalid", "password": MASK}
    told = reference.read(f"{kind}s/update", name="Renamed", connectionConfiguration=broken, **ids)
    assert (told["name"], told["connectionConfiguration"]) == ("Renamed", broken)
    assert reference.read(f"{kind}s/check_connection", **ids) == {
        "status": "failed",
        "message": "Could not connect: unknown host db.invalid",
    }
    status, refused = reference.ask(f"{kind}s/update", name="x", connectionConfiguration={}, **ids)
    assert status == 422
    assert "$.host: is missing but it is required" in refused["message"]
    assert reference.ask(f"{kind}s/delete", **ids) == (204, None)
    for path in ("get", "check_connection", "delete"):
        assert reference.ask(f"{kind}s/{path}", **ids)[0] == 404, path


def test_a_schema_is_a_catalogue_or_a_reason_why_there_is_none(reference: Reference) -> None:
    source = reference.create("source", DATABASE)
    told = reference.read("sources/discover_schema", sourceId=source["sourceId"])
    assert told.keys() == {"catalog"}
    assert {"customers", "orders"} <= {one["stream"]["name"] for one in told["catalog"]["streams"]}
    assert all(one.keys() == {"stream", "config"} for one in told["catalog"]["streams"])
    reference.world.break_actor(source["sourceId"], "Down for maintenance.")
    told = reference.read("sources/discover_schema", sourceId=source["sourceId"])
    assert told.keys() == {"jobInfo"}
    assert told["jobInfo"]["succeeded"] is False
    assert told["jobInfo"]["failureReason"]["externalMessage"] == "Down for maintenance."


def test_a_connection_is_told_as_it_was_given(reference: Reference) -> None:
    created = reference.connect(schedule={"units": 24, "timeUnit": "hours"}, prefix="shop_")
    assert created["schedule"] == {"units": 24, "timeUnit": "hours"}
    assert (created["namespaceDefinition"], created["prefix"]) == ("source", "shop_")
    assert "scheduleType" not in created
    ids = {"connectionId": created["connectionId"]}
    assert reference.read("connections/get", **ids) == created
    changed = reference.read("connections/update", status="inactive", name="Neu", **ids)
    assert changed == {**created, "status": "inactive", "name": "Neu"}
    new = catalogue(stream("orders"))
    told = reference.read("connections/update", syncCatalog=new, **ids)["syncCatalog"]
    assert [one["stream"]["name"] for one in told["streams"]] == ["orders"]
    assert reference.ask("connections/delete", **ids) == (204, None)
    assert reference.read("connections/get", **ids)["status"] == "deprecated"
    assert reference.ask("connections/sync", **ids)[0] == 404


def test_without_a_schedule_it_is_synced_by_hand_whatever_else_is_sent(reference: Reference) -> None:
    cron = {"cron": {"cronExpression": "0 0 9 * * ?", "cronTimeZone": "UTC"}}
    created = reference.connect(scheduleType="cron", scheduleData=cron)
    assert "schedule" not in created
    assert reference.world.connections()[-1].schedule_type == "manual"


def test_a_null_takes_a_schedule_away_and_nothing_said_leaves_it(reference: Reference) -> None:
    created = reference.connect(schedule={"units": 24, "timeUnit": "hours"})
    ids = {"connectionId": created["connectionId"]}
    assert reference.read("connections/update", name="x", **ids)["schedule"] == created["schedule"]
    assert "schedule" not in reference.read("connections/update", schedule=None, **ids)
    weekly = {"units": 1, "timeUnit": "weeks"}
    assert reference.read("connections/update", schedule=weekly, **ids)["schedule"] == weekly


def test_a_scheduled_connection_syncs_by_itself() -> None:
    reference = Reference(World(seed=3, connections=1, now=NOW, history_jobs=0))
    created = reference.connect(schedule={"units": 1, "timeUnit": "hours"})
    reference.world.advance(NOW + 60)
    listed = reference.read("jobs/list", configTypes=["sync"], configId=created["connectionId"])["jobs"]
    assert [(job["status"], job["configType"]) for job in listed] == [("succeeded", "sync")]
    assert listed[0]["summary"]["recordsSynced"] > 0


def test_jobs_are_started_followed_and_cancelled(reference: Reference) -> None:
    ids = {"connectionId": reference.connect()["connectionId"]}
    job = reference.read("connections/sync", **ids)["job"]
    assert (job["status"], job["configType"]) == ("pending", "sync")
    status, told = reference.ask("connections/sync", **ids)
    assert (status, told["message"]) == (409, f"A sync is already running for: {ids['connectionId']}")
    assert reference.read("jobs/get", id=job["id"]) == {"job": job}
    cancelled = reference.read("jobs/cancel", id=job["id"])["job"]
    assert cancelled["status"] == "cancelled"
    assert reference.read("jobs/cancel", id=job["id"])["job"] == cancelled
    reset = reference.read("connections/reset", **ids)["job"]
    assert (reset["id"], reset["configType"]) == (job["id"] + 1, "reset_connection")
    reference.world.advance(NOW + 60)
    assert reference.read("jobs/get", id=reset["id"])["job"]["status"] == "succeeded"
    assert reference.ask("jobs/cancel", id=10**9)[0] == 500
    reference.read("connections/update", status="inactive", **ids)
    status, told = reference.ask("connections/sync", **ids)
    assert (status, told["message"]) == (500, "Internal Server Error: Can only sync an active connection")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("connections/refresh", {"connectionId": STRANGER}, 404),
        ("connections/clear", {"connectionId": STRANGER}, 404),
        ("source_definitions/get", {"sourceDefinitionId": STRANGER}, 404),
        ("connections/sync", {"connectionId": STRANGER}, 404),
        ("connections/sync", {}, 400),
        ("connections/create", {"status": "active"}, 400),
        ("connections/create", {"status": "on"}, 422),
        ("sources/create", {}, 400),
        ("sources/get", {"sourceId": "mine"}, 422),
        ("jobs/cancel", {}, 400),
    ],
)
def test_what_is_asked_wrongly_is_refused(reference: Reference, path: str, body: Json, status: int) -> None:
    assert reference.ask(path, **body)[0] == status
