"""Connections that clients create, change and delete."""

from datetime import UTC, datetime
from typing import Any

import pytest

from airbyte_exporter.simulator import SimulatedConnection, SimulatedStream, World
from tests.unit.simulator.asking import NOW, SPECIFIED, STRANGER, Config
from tests.unit.simulator.writing import catalogue, frozen, new_connection, new_source, stream

HOURLY = {"scheduleType": "basic", "scheduleData": {"basicSchedule": {"units": 1, "timeUnit": "hours"}}}


def cron(expression: str, zone: str = "UTC") -> dict[str, Any]:
    """Return a cron schedule as it is sent."""
    return {
        "scheduleType": "cron",
        "scheduleData": {"cron": {"cronExpression": expression, "cronTimeZone": zone}},
    }


@pytest.fixture(params=SPECIFIED)
def config(request: pytest.FixtureRequest) -> Config:
    """The API over a company that a test may change, in every generation."""
    return Config(frozen(), request.param)


def truth(config: Config, connection: dict[str, Any]) -> SimulatedConnection:
    """Return how a connection really is."""
    return next(one for one in config.world.connections() if one.id == connection["connectionId"])


def update(config: Config, connection: dict[str, Any], **body: object) -> dict[str, Any]:
    """Change a connection and return what is answered, which is what is told from then on."""
    ids = {"connectionId": connection["connectionId"]}
    told: dict[str, Any] = config.specified("connections/update", **ids, **body)
    assert config.specified("connections/get", **ids) == told
    return told


def test_a_created_connection_is_told_as_it_was_given(config: Config) -> None:
    created = new_connection(
        config,
        namespaceDefinition="customformat",
        namespaceFormat="${SOURCE_NAMESPACE}_raw",
        prefix="shop_",
        nonBreakingChangesPreference="disable",
        notifySchemaChanges=False,
        **HOURLY,
    )
    assert config.specified("connections/get", connectionId=created["connectionId"]) == created
    assert (created["name"], created["status"]) == ("Shop → mart", "active")
    assert (created["namespaceFormat"], created["prefix"]) == ("${SOURCE_NAMESPACE}_raw", "shop_")
    assert (created["nonBreakingChangesPreference"], created["notifySchemaChanges"]) == ("disable", False)
    assert created["scheduleData"] == HOURLY["scheduleData"]
    assert created["schedule"] == {"units": 1, "timeUnit": "hours"}
    assert created["breakingChange"] is False
    if config.features.details:
        assert created["created_at"] == NOW
    real = truth(config, created)
    assert (real.interval, real.told_interval, real.schedule_type) == (3600, 3600, "basic")
    assert real.streams == (
        SimulatedStream("customers", "public", "full_refresh", "overwrite"),
        SimulatedStream("orders", "public", "incremental", "append_dedup"),
    )
    workspace_id = next(iter(config.world.company.workspaces))
    listed = config.specified("web_backend/connections/list", workspaceId=workspace_id)["connections"]
    assert created["connectionId"] in {one["connectionId"] for one in listed}
    listed = config.specified("connections/list", workspaceId=workspace_id)["connections"]
    assert created in listed


def test_a_connection_without_a_name_is_called_by_its_ends(config: Config) -> None:
    assert new_connection(config, name=None)["name"] == "New Postgres <> New Postgres"


def test_only_selected_streams_are_kept(config: Config) -> None:
    streams = (stream("customers"), stream("orders", selected=False), stream("secrets", selected=True))
    created = new_connection(config, syncCatalog=catalogue(*streams))
    kept = [one["stream"]["name"] for one in created["syncCatalog"]["streams"]]
    assert kept == ["customers", "secrets"], "one that the source does not have is kept, too"
    told = created["syncCatalog"]["streams"][0]
    assert told["config"]["aliasName"] == "customers"
    assert told["stream"]["jsonSchema"] == {"type": "object", "properties": {"id": {"type": "integer"}}}
    config.world.request_job(config.world.connection(created["connectionId"]))
    assert config.world.jobs(created["connectionId"])[0].streams == ("customers", "secrets")


def test_a_connection_may_sync_nothing(config: Config) -> None:
    created = new_connection(config, syncCatalog=None)
    assert created["syncCatalog"] == {"streams": []}
    config.world.request_job(config.world.connection(created["connectionId"]))
    config.world.advance(NOW + 600)
    job = config.world.jobs(created["connectionId"])[0]
    assert (job.status, job.records_committed) == ("succeeded", 0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"sourceId": STRANGER}, 404),
        ({"destinationId": STRANGER}, 404),
        ({"sourceId": "mine"}, 422),
        ({"sourceId": None}, 400),
        ({"destinationId": None}, 400),
        ({"status": None}, 400),
        ({"status": "on"}, 422),
        ({"name": 7}, 422),
        ({"prefix": 7}, 422),
        ({"notifySchemaChanges": "yes"}, 422),
        ({"namespaceDefinition": "mine"}, 422),
        ({"nonBreakingChangesPreference": "mine"}, 422),
        ({"tags": [{"tagId": STRANGER}]}, 404),
        ({"syncCatalog": []}, 422),
        ({"syncCatalog": {}}, 400),
        ({"syncCatalog": {"streams": {}}}, 422),
        ({"syncCatalog": {"streams": ["customers"]}}, 422),
        ({"syncCatalog": {"streams": [{"stream": {"name": "customers"}}]}}, 400),
        ({"syncCatalog": catalogue({"config": stream("x")["config"]})}, 400),
        ({"syncCatalog": catalogue(stream("x", mode="mirror"))}, 422),
        ({"syncCatalog": catalogue(stream("x", write="mirror"))}, 422),
        ({"syncCatalog": catalogue(stream("x", cursorField="id"))}, 422),
        ({"syncCatalog": catalogue(stream("x", primaryKey=["id"]))}, 422),
        ({"schedule": {"units": 1}}, 400),
        ({"schedule": {"units": 0, "timeUnit": "hours"}}, 400),
        ({"schedule": {"units": 10**400, "timeUnit": "months"}}, 400),
        ({"schedule": {"units": 1, "timeUnit": "fortnights"}}, 422),
        ({"scheduleType": "hourly"}, 422),
        ({"scheduleType": "basic"}, 422),
        ({"scheduleType": "basic", "scheduleData": {"cron": {}}}, 422),
        ({"scheduleType": "cron", "scheduleData": {}}, 422),
        ({"scheduleType": "cron", "scheduleData": {"cron": {"cronExpression": "0 0 9 * * ?"}}}, 400),
        (cron("0 9 * * *"), 400),
        (cron("0 0 9 * * *"), 400),
        (cron("every day"), 400),
        (cron("0 0 9 * * ?", "Mars/Olympus"), 400),
    ],
)
def test_what_is_asked_wrongly_is_refused_and_leaves_nothing_behind(
    config: Config, body: dict[str, Any], status: int
) -> None:
    good = new_connection(config)
    ends = {name: good[name] for name in ("sourceId", "destinationId")}
    before = config.world.connections()
    answer = config.ask("connections/create", {"status": "active", **ends, **body})
    assert answer.status == status, answer.body
    assert answer.body["message"]
    if None not in body.values() and "sourceId" not in body and "destinationId" not in body:
        again = config.ask("connections/update", {"connectionId": good["connectionId"], **body})
        assert (again.status, again.body["message"]) == (status, answer.body["message"])
    assert config.world.connections() == before


def test_a_cron_expression_that_is_none_is_named(config: Config) -> None:
    ids = {"connectionId": new_connection(config)["connectionId"]}
    answer = config.ask("connections/update", {**ids, **cron("0 9 * * *")})
    assert answer.body["message"].startswith(
        "The provided cron expression is invalid: '0 9 * * *' has not six"
    )
    answer = config.ask("connections/update", {**ids, **cron("0 0 9 * * ?", "Mars/Olympus")})
    assert answer.body["message"] == "The provided cron time zone is invalid: Mars/Olympus"


@pytest.mark.parametrize(("speed", "status"), [(1, 400), (60, 200)])
def test_only_a_quick_world_may_sync_more_often_than_every_minute(speed: float, status: int) -> None:
    config = Config(frozen(speed=speed))
    ids = {"connectionId": new_connection(config)["connectionId"]}
    assert config.ask("connections/update", {**ids, **cron("0/30 * * * * ?")}).status == status
    assert config.ask("connections/update", {**ids, **cron("0 * * * * ?")}).status == 200


def test_ends_of_two_workspaces_make_no_connection(config: Config) -> None:
    source_id = new_source(config)
    other = list(config.world.company.workspaces)[1]
    destination_id = config.world.add_destination("Postgres", workspace_id=other)
    answer = config.ask(
        "connections/create", {"sourceId": source_id, "destinationId": destination_id, "status": "active"}
    )
    assert answer.status == 500


def test_a_connection_with_tags_has_those(config: Config) -> None:
    workspace_id = next(iter(config.world.company.workspaces))
    tags = [{"tagId": tag.id, "name": "?"} for tag in config.world.company.tags[workspace_id][:2]]
    created = new_connection(config, tags=tags)
    assert truth(config, created).tags == ("production", "critical")
    if config.features.tags:
        assert [one["name"] for one in created["tags"]] == ["production", "critical"]
        assert update(config, created, tags=[])["tags"] == []


# Schedules


def started(world: World, connection_id: str) -> list[int]:
    """Return when the jobs of a connection were created."""
    return [job.created_at for job in world.jobs(connection_id)]


def test_a_first_sync_starts_by_itself_and_the_next_an_hour_later() -> None:
    config = Config(World(seed=3, connections=1, now=NOW, history_jobs=0))
    created = new_connection(config, **HOURLY)
    config.world.advance(NOW + 1)
    assert started(config.world, created["connectionId"]) == [NOW]
    config.world.advance(NOW + 3590)
    assert len(started(config.world, created["connectionId"])) == 1, "the world's speed does not divide it"
    config.world.advance(NOW + 3665)
    assert len(started(config.world, created["connectionId"])) == 2
    assert truth(config, created).streams[0].name == "customers"
    assert all(job.scheduled for job in config.world.jobs(created["connectionId"]))


def test_a_cron_schedule_starts_the_first_sync_at_its_next_fire_time() -> None:
    config = Config(World(seed=3, connections=1, now=NOW, history_jobs=0))
    created = new_connection(config, **cron("0 0 12 * * ?", "Europe/Berlin"))
    noon = datetime(2025, 10, 9, 10, tzinfo=UTC).timestamp()
    assert NOW < noon < NOW + 86400
    assert truth(config, created).next_run_at == noon
    config.world.advance(noon - 1)
    assert started(config.world, created["connectionId"]) == []
    config.world.advance(noon + 5)
    assert started(config.world, created["connectionId"]) == [noon]
    assert truth(config, created).told_interval == 90000, "the clocks are changed within sixty days"


def test_a_legacy_schedule_is_a_basic_one_and_none_is_by_hand(config: Config) -> None:
    created = new_connection(config, schedule={"units": 2, "timeUnit": "days"})
    assert created["scheduleData"] == {"basicSchedule": {"units": 2, "timeUnit": "days"}}
    by_hand = new_connection(config)
    assert by_hand["scheduleType"] == "manual"
    assert truth(config, by_hand).next_run_at is None
    assert "schedule" not in update(config, created, scheduleType="manual")


def test_a_new_schedule_counts_from_the_last_job_that_a_schedule_started() -> None:
    config = Config(World(seed=3, connections=1, now=NOW, history_jobs=0))
    created = new_connection(config, **HOURLY)
    config.world.advance(NOW + 120)
    basic = {"basicSchedule": {"units": 30, "timeUnit": "minutes"}}
    config.specified(
        "connections/update", connectionId=created["connectionId"], scheduleType="basic", scheduleData=basic
    )
    assert truth(config, created).next_run_at == pytest.approx(NOW + 1800, abs=1)
    config.world.advance(NOW + 1790)
    assert len(started(config.world, created["connectionId"])) == 1
    config.world.advance(NOW + 1805)
    assert len(started(config.world, created["connectionId"])) == 2


def test_an_inactive_connection_starts_nothing_before_it_is_enabled() -> None:
    config = Config(World(seed=3, connections=1, now=NOW, history_jobs=0))
    created = new_connection(config, status="inactive", **HOURLY)
    config.world.advance(NOW + 7200)
    assert started(config.world, created["connectionId"]) == []
    config.specified("connections/update", connectionId=created["connectionId"], status="active")
    config.world.advance(NOW + 7205)
    assert started(config.world, created["connectionId"]) == [NOW + 7200]


def test_a_frozen_world_starts_nothing_that_is_created(config: Config) -> None:
    created = new_connection(config, **HOURLY)
    config.world.advance(NOW + 7200)
    assert started(config.world, created["connectionId"]) == []


# Changes


def test_an_update_changes_what_is_there_and_nothing_else(config: Config) -> None:
    created = new_connection(config, prefix="shop_", **HOURLY)
    assert update(config, created) == created
    assert update(config, created, name="Neu") == {**created, "name": "Neu"}
    assert update(config, created, prefix="x_") == {**created, "name": "Neu", "prefix": "x_"}
    manual = update(config, created, scheduleType="manual")
    assert manual["scheduleType"] == "manual"
    assert manual["syncCatalog"] == created["syncCatalog"]


def test_a_catalogue_is_replaced_as_a_whole(config: Config) -> None:
    created = new_connection(config)
    told = update(config, created, syncCatalog=catalogue(stream("orders", "incremental", "append")))
    assert [one["stream"]["name"] for one in told["syncCatalog"]["streams"]] == ["orders"]
    assert truth(config, created).streams == (SimulatedStream("orders", "public", "incremental", "append"),)


def test_the_companys_own_connections_can_be_changed_and_sent_back(config: Config) -> None:
    for one in config.world.connections():
        told = config.specified("connections/get", connectionId=one.id)
        again = config.specified("connections/update", **told)
        assert again == told


def test_who_switches_a_connection_off_and_on_is_noted() -> None:
    config = Config(frozen())
    created = new_connection(config)
    assert update(config, created, status="inactive")["status"] == "inactive"
    assert (truth(config, created).disabled_at, truth(config, created).disabled_by_person) == (NOW, True)
    update(config, created, status="active")
    assert truth(config, created).disabled_at is None
    events = config.specified("connections/events/list", connectionId=created["connectionId"])["events"]
    assert [one["eventType"] for one in events] == ["CONNECTION_ENABLED", "CONNECTION_DISABLED"]
    assert {one["user"]["id"] for one in events} == {config.world.company.user_id}


def test_a_breaking_change_is_approved_by_saying_so(config: Config) -> None:
    connection_id = config.world.connections()[0].id
    config.world.change_schema(connection_id, "breaking")
    ids = {"connectionId": connection_id}
    assert config.specified("connections/update", status="active", **ids)["breakingChange"] is True
    assert config.specified("connections/update", breakingChange=False, **ids)["breakingChange"] is False


def test_new_streams_are_what_a_changed_schema_is_followed_by(config: Config) -> None:
    connection_id = config.world.connections()[0].id
    config.world.change_schema(connection_id, "non_breaking")
    found = config.specified("sources/discover_schema", sourceId=config.world.connections()[0].source_id)
    before = config.specified("connections/get", connectionId=connection_id)
    told = config.specified("connections/update", connectionId=connection_id, syncCatalog=found["catalog"])
    assert {**told, "syncCatalog": before["syncCatalog"]} == before
    assert config.world.connections()[0].schema_change == "no_change"


# The end of them


@pytest.mark.parametrize("by_status", [False, True])
def test_a_deleted_connection_is_told_as_such_and_nothing_can_be_done_with_it(
    config: Config, *, by_status: bool
) -> None:
    created = new_connection(config)
    ids = {"connectionId": created["connectionId"]}
    job = config.specified("connections/sync", **ids)["job"]
    if by_status:
        assert config.specified("connections/update", status="deprecated", **ids)["status"] == "deprecated"
    else:
        assert config.specified("connections/delete", 204, **ids) is None
    assert config.specified("jobs/get_light", id=job["id"])["job"]["status"] == "cancelled"
    assert config.specified("connections/get", **ids)["status"] == "deprecated"
    workspace_id = next(iter(config.world.company.workspaces))
    listed = config.specified("connections/list", workspaceId=workspace_id)["connections"]
    assert created["connectionId"] not in {one["connectionId"] for one in listed}
    for path in ("update", "delete", "sync", "reset"):
        told = config.ask(f"connections/{path}", ids)
        assert told.status == 404, path
        assert created["connectionId"] in told.body["message"]


def test_a_connection_that_never_was_is_not_found(config: Config) -> None:
    for path in sorted(config.write_paths):
        if path.startswith("connections/") and path != "connections/create":
            body = {"connectionId": STRANGER, "refreshMode": "Merge"}
            assert config.ask(path, body).status == 404, path
            assert config.ask(path, {"refreshMode": "Merge"}).status == 400, path
            assert config.ask(path, {"connectionId": "mine", "refreshMode": "Merge"}).status == 422, path
