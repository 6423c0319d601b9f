"""The simulated public API against its specification and its servers' habits."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airbyte_exporter.simulator import GENERATIONS, World
from airbyte_exporter.simulator._public_api import PublicApi, _iso, _iso_duration
from tests.unit.simulator.asking import NOW, PUBLIC, STRANGER, iso
from tests.unit.simulator.openapi import public_api

KINDS = ["jobs", "connections", "workspaces", "sources", "destinations"]


class Public:
    """The public API of a world."""

    def __init__(self, world: World, generation: str = "2.0") -> None:
        self.world = world
        self.generation = generation
        self._api = PublicApi(world, GENERATIONS[generation])

    def ask(self, path: str, query: Mapping[str, object], method: str = "GET") -> tuple[int, Any]:
        """Send a request; return status and body as they arrive over the wire."""
        values = {
            n: [str(v) for v in (value if isinstance(value, list) else [value])] for n, value in query.items()
        }
        answer = self._api.answer(method, path, values, url="http://airbyte.example")
        return answer.status, json.loads(answer.payload()) if answer.text is None else answer.text

    def read(self, path: str, **query: object) -> Any:  # noqa: ANN401 - JSON of any shape
        """Send a request that works."""
        status, body = self.ask(path, query)
        assert status == 200, body
        return body


@pytest.fixture(scope="module")
def company() -> World:
    """A company that no test of this module changes."""
    return World(seed=3, connections=45, now=NOW, history_jobs=8)


@pytest.fixture(params=PUBLIC)
def public(request: pytest.FixtureRequest, company: World) -> Public:
    """The API over that company, in every generation."""
    return Public(company, request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_listings_and_what_they_list_are_as_the_specification_documents(public: Public, kind: str) -> None:
    specification = public_api(public.generation)
    for query in ({}, {"orderBy": "createdAt|DESC"}) if kind == "jobs" else ({},):
        page = public.read(kind, limit=100, **query)
        assert page["data"]
        assert specification.problems("GET", kind, 200, page) == []
        identity = f"{kind[:-1]}Id"
        for row in page["data"][::7]:
            single = public.read(f"{kind}/{row[identity]}")
            assert single == row
            assert specification.problems("GET", f"{kind}/{{{identity}}}", 200, single) == []


@pytest.mark.parametrize("kind", KINDS)
def test_following_next_to_an_empty_page_gives_everything_once(public: Public, kind: str) -> None:
    rows, page = [], public.read(kind, limit=9)
    while page["data"]:
        rows += page["data"]
        parts = urlsplit(page["next"])
        assert (
            f"{parts.scheme}://{parts.netloc}{parts.path}" == f"http://airbyte.example/api/public/v1/{kind}"
        )
        page = public.read(kind, **parse_qs(parts.query))
    assert page["next"] == ""
    identities = [row[f"{kind[:-1]}Id"] for row in rows]
    assert len(identities) == len(set(identities))
    company = public.world.company
    expected = {
        "jobs": {job.id for job in public.world.jobs()},
        "connections": set(company.connections),
        "workspaces": set(company.workspaces),
        "sources": set(company.sources),
        "destinations": set(company.destinations),
    }[kind]
    assert set(identities) == expected


def test_the_first_page_has_twenty_rows_and_no_previous_one(public: Public) -> None:
    page = public.read("jobs")
    assert (len(page["data"]), page["previous"]) == (20, "")


def test_jobs_come_oldest_first_unless_an_order_is_given(public: Public) -> None:
    def starts(**query: object) -> list[str]:
        return [row["startTime"] for row in public.read("jobs", limit=100, **query)["data"]]

    oldest = public.read("jobs", limit=1)["data"][0]["jobId"]
    assert oldest == min(job.id for job in public.world.jobs())
    assert public.read("jobs", limit=1, orderBy="createdAt|DESC")["data"][0]["jobId"] > oldest
    assert public.ask("jobs", {"orderBy": "createdAt"})[0] == 400


def test_the_link_to_the_next_page_drops_filters_and_order(public: Public) -> None:
    page = public.read(
        "jobs", status="failed", updatedAtStart=iso(NOW - 3600), orderBy="updatedAt|DESC", jobType="sync"
    )
    assert {row["status"] for row in page["data"]} == {"failed"}
    assert parse_qs(urlsplit(page["next"]).query) == {"jobType": ["sync"], "limit": ["20"], "offset": ["20"]}


def test_clears_are_stored_as_resets(public: Public) -> None:
    assert public.read("jobs", jobType="clear")["data"] == []
    assert {row["jobType"] for row in public.read("jobs", jobType="reset")["data"]} <= {"reset"}


def test_jobs_can_be_filtered_by_connection_workspace_and_time(public: Public) -> None:
    connection = public.world.connections()[0]
    rows = public.read("jobs", connectionId=connection.id, limit=100)["data"]
    assert {row["jobId"] for row in rows} == {job.id for job in public.world.jobs(connection.id)}
    within = public.read("jobs", workspaceIds=[connection.workspace_id], limit=100)["data"]
    owners = {c.id for c in public.world.connections() if c.workspace_id == connection.workspace_id}
    assert {row["connectionId"] for row in within} <= owners
    recent = public.read("jobs", createdAtStart=iso(NOW - 60), limit=100)["data"]
    expected = {
        j.id for c in public.world.company.connections.values() for j in c.jobs if j.created >= NOW - 60
    }
    assert {row["jobId"] for row in recent} == expected


def test_a_job_tells_its_times_as_java_writes_them_and_its_end_only_when_over(public: Public) -> None:
    truth = {job.id: job for job in public.world.jobs()}
    rows = public.read("jobs", limit=100, orderBy="createdAt|DESC")["data"]
    for row in rows:
        job = truth[row["jobId"]]
        assert row["startTime"] == _iso(job.created_at)
        assert ("lastUpdatedAt" in row) == job.is_final
        assert ("duration" in row) == (job.status != "pending")
        assert row["rowsSynced"] == (job.records_committed or 0)
        assert row["bytesSynced"] == (job.bytes_committed or 0)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "PT0S"), (59, "PT59S"), (60, "PT1M"), (3600, "PT1H"), (90061, "PT25H1M1S"), (3605, "PT1H5S")],
)
def test_durations_are_written_in_the_iso_way(seconds: int, written: str) -> None:
    assert _iso_duration(seconds) == written


@pytest.mark.parametrize(
    ("at", "written"),
    [(1_755_770_400, "2025-08-21T10:00Z"), (1_755_770_401.9, "2025-08-21T10:00:01Z")],
)
def test_times_leave_out_seconds_that_are_zero(at: float, written: str) -> None:
    assert _iso(at) == written


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("jobs", {"limit": 101}, 400),
        ("jobs", {"limit": 0}, 400),
        ("jobs", {"offset": -1}, 400),
        ("jobs", {"limit": "many"}, 400),
        ("jobs", {"connectionId": "no uuid"}, 400),
        ("jobs", {"status": "done"}, 400),
        ("jobs", {"jobType": "dance"}, 400),
        ("jobs", {"updatedAtStart": "2026-01-01"}, 400),
        ("jobs/999999", {}, 404),
        ("jobs/one", {}, 404),
        (f"connections/{STRANGER}", {}, 404),
        ("nothing", {}, 404),
    ],
)
def test_what_is_wrong_is_told_as_a_problem(
    public: Public, path: str, query: dict[str, object], status: int
) -> None:
    answered, body = public.ask(path, query)
    assert answered == status
    assert body["status"] == status
    assert body["detail"] == body["data"]["message"]


def test_health_is_plain_text(public: Public) -> None:
    assert public.ask("health", {}) == (200, "Successful operation")


def test_what_is_not_simulated_of_it_is_refused(public: Public) -> None:
    connection_id = public.world.connections()[0].id
    for method, path in (
        ("PUT", f"connections/{connection_id}"),
        ("POST", "workspaces"),
        ("DELETE", "sources"),
        ("PATCH", "jobs/1"),
        ("PUT", "jobs"),
    ):
        assert public.ask(path, {}, method)[0] == 405, (method, path)


def test_a_schedule_is_told_in_words(public: Public) -> None:
    told = {row["connectionId"]: row["schedule"] for row in public.read("connections")["data"]}
    cast = [connection.id for connection in public.world.connections()]
    assert told[cast[0]] == {"scheduleType": "basic", "basicTiming": "Every 1 MINUTES"}
    assert told[cast[1]] == {"scheduleType": "cron", "cronExpression": "0/15 * * * * ? Europe/Berlin"}
    assert told[cast[4]] == {"scheduleType": "manual"}


def test_a_deleted_connection_is_listed_only_on_request() -> None:
    world = World(connections=2, now=NOW)
    public, gone = Public(world), world.connections()[0].id
    world.delete_connection(gone)
    assert gone not in {row["connectionId"] for row in public.read("connections")["data"]}
    rows = public.read("connections", includeDeleted="true")["data"]
    assert {row["connectionId"]: row["status"] for row in rows}[gone] == "deprecated"
