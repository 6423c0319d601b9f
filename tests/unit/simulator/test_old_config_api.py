"""The Config API of old installations, by page and connection."""

import pytest

from airbyte_exporter.simulator import World
from tests.unit.simulator.asking import NOW, STRANGER, Config, every_row, iso

# What Docker installations of 0.50 do differently


def first_connection(config: Config) -> str:
    """Return the id of the first of the cast, which has a long history."""
    return next(iter(config.world.company.connections))


def test_an_old_instance_tells_no_version(old: Config) -> None:
    told = old.read_instance()
    assert told.keys() == {
        "webappUrl",
        "edition",
        "initialSetupComplete",
        "defaultUserId",
        "defaultOrganizationId",
        "defaultWorkspaceId",
    }


def test_an_old_listing_of_jobs_is_of_one_connection_that_must_be_named(old: Config) -> None:
    answer = old.ask("jobs/list", {"configTypes": ["sync"]})
    assert (answer.status, answer.body) == (400, {"message": "configId: must not be null"})
    rows = old.jobs(configId=first_connection(old))
    assert rows
    assert {row["job"]["configId"] for row in rows} == {first_connection(old)}
    assert old.read("jobs/list", configTypes=["sync"], configId=STRANGER) == {"jobs": [], "totalJobCount": 0}


def test_an_old_listing_filters_by_one_status_and_ignores_what_it_does_not_know(old: Config) -> None:
    def statuses(**filters: object) -> set[str]:
        return {row["job"]["status"] for row in every_row(old, **filters)}

    assert statuses(status="failed") == {"failed"}
    assert statuses(statuses=["failed"]) == statuses() > {"failed"}


def test_an_old_listing_keeps_times_within_bounds(old: Config) -> None:
    connection_id = first_connection(old)
    times = sorted({row["job"]["updatedAt"] for row in old.jobs(configId=connection_id)})
    rows = old.jobs(
        configId=connection_id, updatedAtStart=iso(times[3]), updatedAtEnd=iso(times[6] + 0.999999)
    )
    assert {row["job"]["updatedAt"] for row in rows} == set(times[3:7])


@pytest.mark.parametrize("field", ["createdAt", "updatedAt"])
def test_an_old_page_is_cut_from_the_newest_rows_whatever_order_is_asked_for(old: Config, field: str) -> None:
    def ids(**order: object) -> list[int]:
        page = {"pageSize": 5, "rowOffset": 3}
        rows = old.jobs(configId=first_connection(old), pagination=page, **order)
        return [row["job"]["id"] for row in rows]

    newest = [row["job"]["id"] for row in old.jobs(configId=first_connection(old))]
    assert ids() == newest[3:8]
    assert ids(orderByField=field) == ids(orderByField=field, orderByMethod="DESC") == newest[3:8]
    assert ids(orderByField=field, orderByMethod="ASC") == newest[3:8][::-1]
    assert old.jobs(configId=first_connection(old), pagination={"pageSize": 0}) == []


def test_old_jobs_tell_their_numbers_by_attempt_alone(old: Config) -> None:
    truth = {job.id: job for job in old.world.jobs()}
    everywhere = {"workspaceIds": list(old.world.company.workspaces), "configTypes": ["sync"]}
    for rows in (
        every_row(old, configTypes=["sync"], status="succeeded"),
        old.read("jobs/list_for_workspaces", status="succeeded", **everywhere)["jobs"],
    ):
        told = 0
        for row in rows:
            assert row["job"].keys() & {"aggregatedStats", "streamAggregatedStats"} == set()
            last, job = row["attempts"][-1], truth[row["job"]["id"]]
            if "bytesSynced" in last and len(row["attempts"]) == 1:
                told += 1
                assert last["recordsSynced"] == last["totalStats"]["recordsCommitted"]
                assert last["recordsSynced"] == job.records_committed
                assert last["bytesSynced"] == job.bytes_committed
        assert told > len(rows) / 2


def test_an_old_platform_has_no_refreshes(old: Config) -> None:
    refresh = next(job for job in old.world.jobs() if job.config_type == "refresh")
    for kind in ("refresh", "clear"):
        body = {"configTypes": ["sync", kind], "configId": refresh.connection_id}
        assert old.ask("jobs/list", body).status == 422
    assert refresh.id not in {row["job"]["id"] for row in old.jobs(configId=refresh.connection_id)}
    for path in ("jobs/get", "jobs/get_without_logs", "jobs/get_light"):
        assert old.ask(path, {"id": refresh.id}).status == 500


def test_the_newest_job_of_an_old_platform_is_no_refresh_either() -> None:
    world = World(connections=1, now=NOW, history_jobs=5)
    world.freeze()
    connection_id = world.connections()[0].id
    sync = world.run_now(connection_id, now=NOW + 1000)
    world.run_now(connection_id, config_type="refresh", now=NOW + 1001)
    latest = Config(world, "0.50").read("jobs/get_last_replication_job", connectionId=connection_id)
    assert latest["job"]["id"] == sync


def test_an_old_platform_calls_what_it_cannot_name_a_system_error(company: World, old: Config) -> None:
    def kinds(config: Config) -> set[str | None]:
        return {
            failure.get("failureType")
            for row in every_row(config)
            for attempt in row["attempts"]
            for failure in attempt.get("failureSummary", {}).get("failures", [])
        }

    new = kinds(Config(company))
    assert kinds(old) == new - {"transient_error", "destination_timeout"} != new
