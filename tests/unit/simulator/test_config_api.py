"""The simulated Configuration API against Airbyte's specifications and its servers' habits."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.simulator import World
from tests.unit.simulator.asking import (
    ALL_TYPES,
    NOW,
    ORGANIZATION,
    STRANGER,
    Config,
    every_row,
    iso,
)
from tests.unit.simulator.openapi import config_api

ANYTHING = 10_000


SMALL = World(seed=5, connections=14, now=NOW, history_jobs=10)
"""Another one, with as much as a property can be tried on quickly."""


def every_read(config: Config) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name a request for every operation that is simulated."""
    company = config.world.company
    yield from reads_without_jobs(config)
    for connection_id in list(company.connections)[:5]:
        yield "POST", "connections/get", {"connectionId": connection_id}
        if "connections/events/list" not in config.features.lacks:
            yield "POST", "connections/events/list", {"connectionId": connection_id}
        yield "POST", "jobs/get_last_replication_job", {"connectionId": connection_id}
    for page in (
        {"configTypes": config.types, "pagination": {"pageSize": 60, "rowOffset": 0}},
        {"configTypes": config.types, "statuses": ["pending", "running", "incomplete"]},
    ):
        if config.features.any_connection:
            yield "POST", "jobs/list", page
        for connection_id in company.connections:
            yield "POST", "jobs/list", {**page, "configId": connection_id}
        yield "POST", "jobs/list_for_workspaces", {"workspaceIds": list(company.workspaces), **page}
    for job_id in one_of_each_kind(config):
        for single in ("jobs/get", "jobs/get_without_logs", "jobs/get_light"):
            yield "POST", single, {"id": job_id}


def reads_without_jobs(config: Config) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name a request for every operation that tells of what is set up."""
    company = config.world.company
    yield "GET", "health", {}
    yield "GET", "instance_configuration", {}
    yield "POST", "workspaces/list_by_organization_id", {"organizationId": ORGANIZATION}
    for kind in ("source", "destination"):
        yield "POST", f"{kind}_definitions/list", {}
        for actor in (company.sources if kind == "source" else company.destinations).values():
            body = {f"{kind}DefinitionId": actor.connector.definition_id}
            yield "POST", f"{kind}_definitions/get", body
    for path, body in (
        ("deployment/metadata", {}),
        ("workspaces/list", {}),
        ("workspaces/list_by_user_id", {"userId": company.user_id}),
        ("tags/list", {"workspaceId": next(iter(company.workspaces))}),
    ):
        if path not in config.features.lacks:
            yield "POST", path, body
    for workspace_id in company.workspaces:
        yield "POST", "workspaces/get", {"workspaceId": workspace_id}
        for listing in (
            "sources/list",
            "destinations/list",
            "connections/list",
            "web_backend/connections/list",
        ):
            yield "POST", listing, {"workspaceId": workspace_id}
    yield "POST", "sources/get", {"sourceId": next(iter(company.sources))}
    yield "POST", "destinations/get", {"destinationId": next(iter(company.destinations))}


def one_of_each_kind(config: Config) -> list[int]:
    """Pick jobs that differ in what there is to tell of them."""
    kinds = {
        (job.config_type, job.status, len(job.attempts), job.records_emitted is None): job.id
        for job in config.world.jobs()
        if job.config_type in config.types
    }
    assert len(kinds) > 10
    return list(kinds.values())


def nulls(value: object, path: str = "$") -> Iterator[str]:
    """Find nulls in JSON."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from nulls(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from nulls(inner, f"{path}[{place}]")


def test_every_answer_is_what_that_versions_specification_documents(config: Config) -> None:
    specification = config_api(config.generation)
    for method, path, body in every_read(config):
        answer = config.ask(path, body if method == "POST" else None, method)
        payload = json.loads(answer.payload())
        assert specification.problems(method, path, answer.status, payload) == [], path
        assert list(nulls(payload)) == [], f"{path}: properties without a value are left out"


def test_known_errors_are_what_that_versions_specification_documents(config: Config) -> None:
    specification = config_api(config.generation)
    queued = {"statuses": ["queued"]} if config.features.several_statuses else {"status": "queued"}
    for path, body, status in (
        ("workspaces/get", {"workspaceId": STRANGER}, 404),
        ("sources/get", {"sourceId": STRANGER}, 404),
        ("connections/get", {"connectionId": STRANGER}, 404),
        ("connections/get", {"connectionId": "no uuid"}, 422),
        ("jobs/list", {"configTypes": ["nonsense"]}, 422),
        ("jobs/list", {"configTypes": ["sync"], **queued}, 422),
        ("jobs/list", {"configTypes": ["sync"], "updatedAtStart": "2026-01-01T00:00:00"}, 422),
        ("jobs/list", {"configTypes": ["sync"], "updatedAtStart": "2026-01-01 00:00:00Z"}, 422),
        ("jobs/list", {"configTypes": ["sync"], "updatedAtStart": "2026-13-01T00:00:00Z"}, 422),
        ("jobs/list", [], 422),
    ):
        answer = config.ask(path, body)
        assert answer.status == status, (path, body)
        assert specification.problems("POST", path, status, answer.body) == []


@pytest.mark.parametrize("path", ["jobs/get", "jobs/get_without_logs", "jobs/get_light"])
def test_a_job_that_does_not_exist_is_a_server_error_with_an_id_alone(config: Config, path: str) -> None:
    answer = config.ask(path, {"id": 999_999_999})
    assert answer.status == 500
    assert list(answer.body) == ["errorId"]


def test_paths_that_a_version_does_not_have_are_not_found(company: World) -> None:
    assert Config(company, "1.6").ask("workspaces/list", {}).status == 200
    assert Config(company, "2.0").ask("workspaces/list", {}).status == 404
    assert Config(company, "2.0").ask("connections/statuses", {}).status == 404
    for path in (
        "deployment/metadata",
        "workspaces/list_by_user_id",
        "tags/list",
        "connections/events/list",
    ):
        assert Config(company, "0.50").ask(path, {}).status == 404


def test_a_path_answers_one_method_only(config: Config) -> None:
    assert config.ask("jobs/list", method="GET").status == 405
    assert config.ask("health", {}).status == 405


def test_every_simulated_path_is_that_versions_and_its_answers_are_checked(config: Config) -> None:
    specification = config_api(config.generation)
    assert {path for _, path, _ in every_read(config)} == config.paths
    assert [p for m, p, _ in every_read(config) if not specification.documents(m, p)] == []
    assert [path for path in config.write_paths if not specification.documents("POST", path)] == []


# Inventory


def listed(config: Config, path: str, key: str, workspace_id: str, **body: object) -> list[dict[str, Any]]:
    """Read a listing to its end, by cursor where there is one."""
    identity = {"connections": "connectionId", "sources": "sourceId", "destinations": "destinationId"}[key]
    rows: list[dict[str, Any]] = []
    while True:
        cursor = {"cursor": rows[-1][identity]} if rows else {}
        page = config.read(path, workspaceId=workspace_id, **body, **cursor)
        rows += page[key]
        if "page_size" not in page or len(page[key]) < page["page_size"]:
            return rows


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("web_backend/connections/list", "connections"),
        ("sources/list", "sources"),
        ("destinations/list", "destinations"),
    ],
)
def test_a_modern_listing_stops_at_twenty_unless_asked_for_more(company: World, path: str, key: str) -> None:
    workspace_id = next(iter(company.company.workspaces))
    old = Config(company, "1.6").read(path, workspaceId=workspace_id)
    new = Config(company, "2.0").read(path, workspaceId=workspace_id)
    assert list(old) == [key]
    assert (len(new[key]), new["page_size"], new["num_connections"]) == (
        min(20, len(old[key])),
        20,
        len(old[key]),
    )


@pytest.mark.parametrize("size", [1, 7, 20, 500])
@pytest.mark.parametrize("sort_key", [None, "connectionName_desc", "lastSync_asc", "sourceName_asc"])
def test_pages_by_cursor_give_every_connection_once(company: World, size: int, sort_key: str | None) -> None:
    old, new = Config(company, "1.6"), Config(company, "2.0")
    order = {} if sort_key is None else {"sortKey": sort_key}
    for workspace_id in company.company.workspaces:
        every = old.read("web_backend/connections/list", workspaceId=workspace_id)["connections"]
        paged = listed(
            new, "web_backend/connections/list", "connections", workspace_id, pageSize=size, **order
        )
        ids = [row["connectionId"] for row in paged]
        assert len(ids) == len(set(ids))
        assert set(ids) == {row["connectionId"] for row in every}


def test_an_unknown_cursor_is_not_found(company: World) -> None:
    workspace_id = next(iter(company.company.workspaces))
    body = {"workspaceId": workspace_id, "cursor": STRANGER}
    assert Config(company).ask("web_backend/connections/list", body).status == 404
    assert Config(company, "1.6").ask("web_backend/connections/list", body).status == 200


def test_the_listings_of_all_workspaces_are_the_connections_that_there_are(config: Config) -> None:
    truth = {c.id: c for c in config.world.connections()}
    seen: dict[str, dict[str, Any]] = {}
    for workspace in config.read("workspaces/list_by_organization_id", organizationId=ORGANIZATION)[
        "workspaces"
    ]:
        rows = listed(config, "web_backend/connections/list", "connections", workspace["workspaceId"])
        for row in rows:
            assert truth[row["connectionId"]].workspace_name == workspace["name"]
            seen[row["connectionId"]] = row
    assert seen.keys() == truth.keys()
    for connection_id, row in seen.items():
        real = truth[connection_id]
        assert (row["name"], row["status"]) == (real.name, real.status)
        assert (row["source"]["sourceName"], row["source"]["name"]) == (
            real.source_connector,
            real.source_name,
        )
        assert row["destination"]["destinationName"] == real.destination_connector
        if config.features.tags:
            assert tuple(tag["name"] for tag in row["tags"]) == real.tags
        assert row["scheduleType"] == real.schedule_type


def test_filters_of_the_modern_listing_leave_out_what_does_not_match(company: World) -> None:
    config = Config(company)
    workspace_id = next(iter(company.company.workspaces))

    def names(**filters: object) -> set[str]:
        page = config.read(
            "web_backend/connections/list", workspaceId=workspace_id, pageSize=500, filters=filters
        )
        return {row["name"] for row in page["connections"]}

    everything = names()
    assert names(states=["inactive"]) | names(states=["active"]) == everything
    assert names(states=["inactive"]) & names(states=["active"]) == set()
    assert names(searchTerm="stripe") == {
        c.name
        for c in company.connections()
        if c.workspace_id == workspace_id
        and "stripe" in f"{c.name} {c.source_name} {c.destination_name}".lower()
    }
    assert names(statuses=["running"]) < everything


# Jobs


def test_both_order_fields_are_needed_or_the_newest_come_first(newer: Config) -> None:
    def created(**order: object) -> list[int]:
        rows = newer.jobs(pagination={"pageSize": 50}, **order)
        return [row["job"]["createdAt"] for row in rows]

    assert created() == sorted(created(), reverse=True)
    assert created(orderByField="createdAt") == created()
    assert created(orderByMethod="ASC") == created()
    oldest_first = created(orderByField="createdAt", orderByMethod="ASC")
    assert oldest_first == sorted(oldest_first)
    assert oldest_first[0] < created()[-1]


def test_an_offset_that_is_no_multiple_of_the_page_size_is_rounded_down(newer: Config) -> None:
    def ids(offset: int) -> list[int]:
        return [row["job"]["id"] for row in newer.jobs(pagination={"pageSize": 10, "rowOffset": offset})]

    assert ids(19) == ids(10)
    assert ids(20) != ids(10)


def test_a_page_has_two_hundred_rows_by_default_and_none_is_an_error(newer: Config) -> None:
    assert len(newer.jobs()) == 200
    for page in ({"pageSize": 0}, {"pageSize": -1}, {"pageSize": 5, "rowOffset": -5}):
        assert newer.ask("jobs/list", {"configTypes": ["sync"], "pagination": page}).status == 500


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_listing_is_what_its_filters_say_whatever_they_are(data: st.DataObject) -> None:
    rows = [job for connection in SMALL.company.connections.values() for job in connection.jobs]
    instants = st.floats(NOW - 1200, NOW + 10, allow_nan=False) | st.sampled_from(
        [job.created for job in rows]
    )
    body: dict[str, Any] = {
        "configTypes": data.draw(st.sets(st.sampled_from(ALL_TYPES), min_size=1).map(sorted))
    }
    for name in ("createdAtStart", "createdAtEnd", "updatedAtStart", "updatedAtEnd"):
        if data.draw(st.booleans()):
            body[name] = iso(data.draw(instants))
    statuses = ["pending", "running", "incomplete", "succeeded", "failed", "cancelled"]
    if data.draw(st.booleans()):
        body["statuses"] = data.draw(st.lists(st.sampled_from(statuses), min_size=1))
    if data.draw(st.booleans()):
        body["configId"] = data.draw(st.sampled_from(sorted(SMALL.company.connections)))
    field, method = (
        data.draw(st.sampled_from(["createdAt", "updatedAt"])),
        data.draw(st.sampled_from(["ASC", "DESC"])),
    )
    size = data.draw(st.sampled_from([17, 100, ANYTHING]))

    config = Config(SMALL)
    answer: dict[str, Any] = {}
    got: list[dict[str, Any]] = []
    for page in range(1 + len(rows) // size):
        answer = config.read(
            "jobs/list",
            **body,
            orderByField=field,
            orderByMethod=method,
            pagination={"pageSize": size, "rowOffset": page * size},
        )
        got += answer["jobs"]
        assert answer["totalJobCount"] >= len(got)

    def bound(name: str, default: float) -> float:
        return datetime.fromisoformat(body[name]).timestamp() if name in body else default

    expected = {
        job.id
        for job in rows
        if job.config_type in body["configTypes"]
        and job.connection_id == body.get("configId", job.connection_id)
        and job.status(NOW) in body.get("statuses", statuses)
        and bound("createdAtStart", 0) <= job.created <= bound("createdAtEnd", NOW * 2)
        and bound("updatedAtStart", 0) <= job.updated(NOW) <= bound("updatedAtEnd", NOW * 2)
    }
    assert {row["job"]["id"] for row in got} == expected
    assert len(got) == len(expected) == answer["totalJobCount"]
    times = [row["job"][field] for row in got]
    assert times == sorted(times, reverse=method == "DESC")


def test_the_listing_for_workspaces_needs_them_named_and_counts_its_page(config: Config) -> None:
    workspace_id = next(iter(config.world.company.workspaces))
    body = {"configTypes": config.types, "pagination": {"pageSize": 5, "rowOffset": 3}}
    nothing = config.read("jobs/list_for_workspaces", **body)
    assert nothing == {"jobs": [], "totalJobCount": 0}
    page = config.read("jobs/list_for_workspaces", workspaceIds=[workspace_id], **body)
    assert page["totalJobCount"] == 5
    later = config.read(
        "jobs/list_for_workspaces",
        workspaceIds=[workspace_id],
        configTypes=config.types,
        pagination={"pageSize": 2, "rowOffset": 4},
    )
    assert [row["job"]["id"] for row in later["jobs"]] == [row["job"]["id"] for row in page["jobs"]][1:3]


def test_a_page_can_be_made_to_count_attempts_and_then_ends_inside_a_job(company: World) -> None:
    rows = Config(company, limit_counts="attempts").jobs(pagination={"pageSize": 40})
    assert sum(max(1, len(row["attempts"])) for row in rows) == 40
    assert len(rows) < 40
    whole = {row["job"]["id"]: len(row["attempts"]) for row in Config(company).jobs()}
    again: dict[int, int] = {}
    config = Config(company, limit_counts="attempts")
    for page in range(4):
        for row in config.jobs(pagination={"pageSize": 40, "rowOffset": 40 * page}):
            again[row["job"]["id"]] = again.get(row["job"]["id"], 0) + len(row["attempts"])
    complete = list(again)[:-1]
    assert {job_id: again[job_id] for job_id in complete} == {job_id: whole[job_id] for job_id in complete}


def test_a_page_that_must_include_a_job_reaches_back_to_it(config: Config) -> None:
    connection_id = next(iter(config.world.company.connections))
    ids = [row["job"]["id"] for row in config.jobs(configId=connection_id)]
    rows = config.jobs(configId=connection_id, includingJobId=ids[12], pagination={"pageSize": 5})
    assert [row["job"]["id"] for row in rows] == ids[:15]
    assert config.jobs(configId=connection_id, includingJobId=999_999) == []


def finished_sync(config: Config, outcome: str = "succeeded") -> int:
    """Return a sync of the first connection that ended so."""
    connection_id = next(iter(config.world.company.connections))
    return next(
        job.id
        for job in reversed(config.world.jobs(connection_id))
        if (job.config_type, job.status) == ("sync", outcome)
    )


def test_committed_bytes_are_only_in_the_aggregated_numbers(newer: Config) -> None:
    row = newer.read("jobs/get_without_logs", id=finished_sync(newer))
    truth = next(job for job in newer.world.jobs() if job.id == row["job"]["id"])
    total = row["job"]["aggregatedStats"]
    assert (total["recordsCommitted"], total["bytesCommitted"]) == (
        truth.records_committed,
        truth.bytes_committed,
    )
    for attempt in row["attempts"]:
        assert "bytesCommitted" not in attempt["attempt"]["totalStats"]


def test_only_versions_that_know_them_tell_of_rejected_records(newer: Config) -> None:
    row = newer.jobs(configId=next(iter(newer.world.company.connections)), statuses=["succeeded"])[0]
    assert ("recordsRejected" in row["job"]["aggregatedStats"]) == (newer.generation != "1.6")
    assert ("recordsRejected" in row["attempts"][0]["totalStats"]) == (newer.generation != "1.6")


def test_single_jobs_nest_their_attempts_and_listings_do_not(config: Config) -> None:
    job_id = finished_sync(config)
    for path in ("jobs/get", "jobs/get_without_logs"):
        info = config.read(path, id=job_id)
        assert all("attempt" in attempt for attempt in info["attempts"])
    assert "aggregatedStats" not in config.read("jobs/get", id=job_id)["job"]
    assert config.read("jobs/get_light", id=job_id).keys() == {"job"}
    listing = every_row(config)
    assert all("status" in attempt for row in listing for attempt in row["attempts"])


def test_the_listing_for_workspaces_does_not_tell_what_an_attempt_wrote_at_its_end(newer: Config) -> None:
    workspaces = list(newer.world.company.workspaces)
    page = newer.read("jobs/list_for_workspaces", configTypes=["sync"], workspaceIds=workspaces)
    assert [a for row in page["jobs"] for a in row["attempts"] if "recordsSynced" in a] == []
    succeeded = [row for row in newer.jobs(configTypes=["sync"], statuses=["succeeded"]) if row["attempts"]]
    assert any("recordsSynced" in row["attempts"][-1] for row in succeeded)


def test_a_job_without_numbers_says_zero_in_total_and_nothing_by_stream(newer: Config) -> None:
    silent = next(c for c in newer.world.connections() if c.character == "silent")
    row = newer.jobs(configId=silent.id)[0]
    assert row["job"]["status"] == "succeeded"
    assert set(row["job"]["aggregatedStats"].values()) == {0}
    assert row["job"]["streamAggregatedStats"] == []
    assert "totalStats" not in row["attempts"][-1]
    assert "recordsSynced" not in row["attempts"][-1]


def test_the_streams_add_up_to_the_job_unless_a_full_refresh_was_tried_again(newer: Config) -> None:
    for row in newer.jobs(pagination={"pageSize": 150}):
        parts, total = row["job"]["streamAggregatedStats"], row["job"]["aggregatedStats"]
        for name, value in total.items():
            assert value == sum(part[name] for part in parts)
        for part in parts:
            assert 0 <= part["recordsCommitted"] <= part["recordsEmitted"]
            assert 0 <= part["bytesCommitted"] <= part["bytesEmitted"]


def test_started_at_is_never_told_and_failure_times_are_in_milliseconds(config: Config) -> None:
    for row in every_row(config):
        assert "startedAt" not in row["job"]
        for attempt in row["attempts"]:
            for failure in attempt.get("failureSummary", {}).get("failures", []):
                assert attempt["createdAt"] <= failure["timestamp"] // 1000 <= attempt["updatedAt"]


def test_a_cancelled_job_has_a_failed_attempt_with_a_manual_cancellation_or_none(config: Config) -> None:
    cancelled = [row for row in every_row(config) if row["job"]["status"] == "cancelled"]
    ran = [row["attempts"][-1] for row in cancelled if row["attempts"]]
    assert 0 < len(ran) < len(cancelled)
    for last in ran:
        assert last["status"] == "failed"
        assert last["failureSummary"]["failures"][0]["failureType"] == "manual_cancellation"
