"""Listings of jobs are complete: against a small model of Airbyte's server, whatever its LIMIT counts."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Literal
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.airbyte import ApiMalformed, ApiRejected, JobsPage
from airbyte_exporter.model import Job
from tests.unit.airbyte.fakes import (
    KNOWN,
    NOW,
    Handler,
    Json,
    Reaction,
    Say,
    Talk,
    attempt_row,
    job_row,
    talk,
)

Limit = Literal["jobs", "joined rows"]
FINAL = {"succeeded", "failed", "cancelled"}


@dataclass
class Row:
    id: int
    created: float
    updated: float
    status: str = "succeeded"
    attempts: int = 1
    moved: bool = False


@dataclass
class Model:
    """``jobs/list`` as Airbyte's database answers it: microseconds inside, seconds outside, no tie-break."""

    rows: list[Row]
    limit: Limit = "jobs"
    now: float = NOW
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    moves_per_request: int = 0
    moves_inside: int = 0

    def react(self, method: str, body: dict[str, Any]) -> Reaction:
        key = attrgetter({"updatedAt": "updated", "createdAt": "created"}[body["orderByField"]])
        rows = [row for row in self.rows if self._matches(row, body)]
        self.chance.shuffle(rows)
        rows.sort(key=key, reverse=body["orderByMethod"] == "DESC")
        size = body["pagination"]["pageSize"]
        assert body["pagination"]["rowOffset"] == 0
        page = self._cut(rows, size)
        for _ in range(self.moves_inside):
            self._move([row for row, _ in page])
            page.sort(key=lambda item: key(item[0]), reverse=body["orderByMethod"] == "DESC")
        answer = [self._row(row, attempts) for row, attempts in page]
        for _ in range(self.moves_per_request):
            self._move(self.rows)
        date = datetime.fromtimestamp(self.now, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return Say(body={"jobs": answer, "totalJobCount": len(rows)}, headers={"Date": date})

    def _cut(self, rows: list[Row], size: int) -> list[tuple[Row, range]]:
        if self.limit == "jobs":
            return [(row, range(row.attempts)) for row in rows[:size]]
        left, page = size, []
        for row in rows:
            if left > 0:
                page.append((row, range(min(row.attempts, left))))
                left -= max(1, row.attempts)
        return page

    def _move(self, among: list[Row]) -> None:
        live = [row for row in among if row.status not in FINAL]
        if live:
            row = self.chance.choice(live)
            row.status, row.moved = "succeeded", True
            row.updated = self.now = self.now + 1.3

    @staticmethod
    def _matches(row: Row, body: dict[str, Any]) -> bool:
        def at(name: str) -> float | None:
            return datetime.fromisoformat(body[name]).timestamp() if name in body else None

        bounds = [
            ("updatedAtStart", row.updated, 1), ("updatedAtEnd", row.updated, -1),
            ("createdAtStart", row.created, 1), ("createdAtEnd", row.created, -1),
        ]  # fmt: skip
        inside = all((bound := at(name)) is None or (time - bound) * sign >= 0 for name, time, sign in bounds)
        return inside and ("statuses" not in body or row.status in body["statuses"])

    @staticmethod
    def _row(row: Row, attempts: range) -> dict[str, Any]:
        return job_row(
            row.id,
            created=int(row.created),
            updated=int(row.updated),
            status=row.status,
            attempts=[attempt_row(number) for number in attempts],
        )


def ask(model: Model, *, page_size: int = 4, **query: Json) -> tuple[list[JobsPage], Talk]:
    t = talk(model.react)
    with patch("airbyte_exporter.airbyte._paging.PAGE_SIZE", page_size):
        return list(t.client.jobs(**query)), t


def jobs_in(pages: list[JobsPage]) -> list[Job]:
    return [job for page in pages for job in page.jobs]


def many(count: int, *, second: int | None = None, **row: Json) -> list[Row]:
    times = [second if second is not None else NOW - 4000 + 10 * number for number in range(count)]
    return [Row(number, time, time, **row) for number, time in enumerate(times)]


ROWS = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from([0.0, 0.25, 0.5, 0.999]),
        st.sampled_from(["succeeded", "succeeded", "failed", "running", "pending"]),
        st.integers(0, 5),
    ),
    max_size=40,
)


def model_of(drawn: list[tuple[int, float, str, int]], limit: Limit, seed: int, *, ago: int = 4000) -> Model:
    rows = [
        Row(number, NOW - ago + second + part, NOW - ago + second + part, status, attempts)
        for number, (second, part, status, attempts) in enumerate(drawn)
    ]
    return Model(rows, limit, chance=random.Random(seed))


@settings(max_examples=80, deadline=None)
@given(
    drawn=ROWS,
    limit=st.sampled_from(["jobs", "joined rows"]),
    seed=st.integers(0, 9),
    order=st.sampled_from(["updated", "updated until", "created"]),
    moves=st.integers(0, 2),
)
def test_nothing_that_stays_is_lost_and_no_attempt_is_cut_off(
    drawn: list[tuple[int, float, str, int]], limit: Limit, seed: int, order: str, moves: int
) -> None:
    model = model_of(drawn, limit, seed)
    model.moves_per_request = moves
    query: dict[str, Any] = {
        "updated": {"updated_since": NOW - 4000},
        "updated until": {"updated_until": NOW - 1},
        "created": {"created_since": NOW - 4000, "created_until": NOW - 1},
    }[order]
    jobs = jobs_in(ask(model, **query)[0])
    found = {job.id: job for job in jobs}
    for row in model.rows:
        if row.moved and order == "updated until":
            continue  # it left the listing: the next one since now has it
        assert row.id in found, row
        assert len(found[row.id].attempts or ()) == row.attempts
    versions = [(job.key, job.status, job.updated_at) for job in jobs]
    assert len(versions) == len(set(versions)), "a row was told twice"


@settings(max_examples=60, deadline=None)
@given(
    drawn=ROWS,
    limit=st.sampled_from(["jobs", "joined rows"]),
    seed=st.integers(0, 9),
    moves=st.integers(1, 3),
)
def test_jobs_that_move_while_one_page_is_read_hide_no_other(
    drawn: list[tuple[int, float, str, int]], limit: Limit, seed: int, moves: int
) -> None:
    model = model_of(drawn, limit, seed)
    model.moves_inside = moves
    jobs = jobs_in(ask(model, updated_since=NOW - 4000)[0])
    assert {row.id for row in model.rows} == {job.id for job in jobs}


@settings(max_examples=80, deadline=None)
@given(
    drawn=ROWS,
    limit=st.sampled_from(["jobs", "joined rows"]),
    seed=st.integers(0, 9),
    moves=st.integers(0, 3),
)
def test_pages_can_be_kept_one_by_one_because_they_never_run_ahead(
    drawn: list[tuple[int, float, str, int]], limit: Limit, seed: int, moves: int
) -> None:
    """After any page, a new listing from its newest update on gives all that is missing."""
    model = model_of(drawn, limit, seed)
    model.moves_inside = moves
    pages, _ = ask(model, updated_since=NOW - 4000)
    model.moves_inside = 0
    for kept in range(1, len(pages)):
        before = jobs_in(pages[:kept])
        since = max((job.updated_at for job in before), default=NOW - 4000)
        after = jobs_in(ask(model, updated_since=since)[0])
        assert {job.id for job in before} | {job.id for job in after} == {row.id for row in model.rows}


@pytest.mark.parametrize("limit", ["jobs", "joined rows"])
def test_more_jobs_in_one_second_than_a_page_holds(limit: Limit) -> None:
    rows = [
        *many(50, second=NOW - 1000, attempts=2),
        Row(100, NOW - 900, NOW - 900),
        Row(101, NOW - 1100, NOW - 1100),
    ]
    jobs = jobs_in(ask(Model(rows, limit), updated_since=NOW - 2000)[0])
    assert sorted(job.id for job in jobs) == [*range(50), 100, 101]
    assert [job.updated_at for job in jobs] == sorted(job.updated_at for job in jobs)


def test_a_quiet_poll_is_one_request() -> None:
    pages, t = ask(Model(many(60)), page_size=100, updated_since=NOW - 4000)
    assert (len(pages), len(t.airbyte.sent)) == (1, 1)


def test_an_empty_listing_still_tells_airbytes_time() -> None:
    pages, _ = ask(Model([]), updated_since=NOW)
    assert pages == [JobsPage((), NOW)]


def test_pages_come_as_they_arrive() -> None:
    model = Model(many(40))
    t = talk(model.react)
    with patch("airbyte_exporter.airbyte._paging.PAGE_SIZE", 10):
        pages = t.client.jobs(updated_since=0)
        assert len(next(pages).jobs) == 9
        assert len(t.airbyte.sent) == 1


def test_a_listing_of_many_pages_costs_about_as_many_requests() -> None:
    _, t = ask(Model(many(1000)), page_size=100, updated_since=0)
    assert len(t.airbyte.sent) == 11


def test_a_failure_half_way_is_a_failure() -> None:
    model = Model(many(40))
    left = iter([True, True])
    t = talk(lambda method, body: model.react(method, body) if next(left, False) else Say(400))
    with patch("airbyte_exporter.airbyte._paging.PAGE_SIZE", 10), pytest.raises(ApiRejected):
        list(t.client.jobs(updated_since=0))


def test_a_page_too_large_to_read_is_asked_for_in_smaller_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_exporter.airbyte._transport.LARGEST_ANSWER", 3_000)
    pages, t = ask(Model(many(60)), page_size=100, updated_since=0)
    assert len(jobs_in(pages)) == 60
    sizes = [body["pagination"]["pageSize"] for body in t.airbyte.bodies("jobs/list")]
    assert max(sizes[3:]) < 25


def test_a_second_too_large_to_read_is_given_up_after_a_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_exporter.airbyte._transport.LARGEST_ANSWER", 8_000)
    model = Model(many(90, second=NOW - 1000))
    t = talk(model.react)
    with pytest.raises(ApiMalformed, match="share one second"):
        list(t.client.jobs(updated_since=NOW - 2000))
    assert len(t.airbyte.sent) < 15


def test_one_job_too_large_to_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_exporter.airbyte._transport.LARGEST_ANSWER", 100)
    with pytest.raises(ApiMalformed, match="larger than"):
        ask(Model(many(3)), updated_since=0)


def test_a_second_that_can_never_be_read_whole_is_an_error() -> None:
    rows = many(70, second=NOW)
    with (
        patch("airbyte_exporter.airbyte._paging.LARGEST_PAGE", 64),
        pytest.raises(ApiMalformed, match="more than 64 rows share one second"),
    ):
        ask(Model(rows), updated_since=0)


def test_a_server_that_ignores_the_bounds_does_not_hold_us_for_ever() -> None:
    def same(method: str, body: dict[str, Any]) -> Say:
        return Say(body={"jobs": [job_row(n, updated=NOW) for n in range(body["pagination"]["pageSize"])]})

    t = talk(same)
    with (
        patch("airbyte_exporter.airbyte._paging.LARGEST_PAGE", 1600),
        pytest.raises(ApiMalformed, match="share one second"),
    ):
        list(t.client.jobs(updated_since=NOW + 5))
    assert len(t.airbyte.sent) < 10


def test_rows_in_another_order_than_asked_for_are_not_believed() -> None:
    rows = [job_row(1, updated=NOW), job_row(2, updated=NOW - 5)]
    with pytest.raises(ApiMalformed, match="not in the order asked for"):
        list(talk([Say(body={"jobs": rows})]).client.jobs(updated_since=0))


# The live set


def of_version(version: str | None, react: Handler | list[Reaction]) -> Talk:
    return talk(react, capabilities=replace(KNOWN, version=version))


def live_statuses(t: Talk) -> list[list[str]]:
    return [body["statuses"] for body in t.airbyte.bodies("jobs/list") if "statuses" in body]


NONE = Say(body={"jobs": []})
WITHOUT = ["pending", "running", "incomplete"]
WITH = [*WITHOUT, "queued"]


@pytest.mark.parametrize(
    ("version", "statuses"),
    [
        ("1.6.0", WITHOUT),
        ("2.0.0", WITHOUT),
        ("2.0.19", WITHOUT),
        ("2.1.0", WITH),
        ("3.0.0", WITH),
        ("dev", WITH),
        (None, WITH),
    ],
)
def test_queued_is_asked_for_where_airbyte_may_know_it(version: str | None, statuses: list[str]) -> None:
    t = of_version(version, [NONE])
    list(t.client.jobs(live=True, created_since=NOW - 100))
    assert live_statuses(t) == [statuses]
    assert t.airbyte.bodies("jobs/list")[0]["orderByField"] == "createdAt"


@pytest.mark.parametrize("status", [400, 422])
def test_queued_is_dropped_once_it_was_refused(status: int) -> None:
    t = of_version("2.1.0", [Say(status), NONE, NONE])
    list(t.client.jobs(live=True))
    list(t.client.jobs(live=True))
    assert live_statuses(t) == [WITH, WITHOUT, WITHOUT]


def test_a_request_refused_with_and_without_queued_says_nothing_about_queued() -> None:
    t = of_version("2.1.0", [Say(422), Say(422), NONE])
    with pytest.raises(ApiRejected):
        list(t.client.jobs(live=True))
    list(t.client.jobs(live=True))
    assert live_statuses(t) == [WITH, WITHOUT, WITH]


def test_queued_is_tried_again_on_another_version() -> None:
    version, live = "2.1.0", iter([Say(422), NONE, NONE, Say(422)])

    def react(method: str, body: dict[str, Any]) -> Reaction:
        if "statuses" in body:
            return next(live)
        told: dict[str, Any] = {"id": "d", "version": version, "workspaces": [], "jobs": []}
        return Say(body=told)

    t = talk(react, capabilities=None)
    list(t.client.jobs(live=True))
    version = "2.2.0"
    t.client.inventory()
    list(t.client.jobs(live=True))
    with pytest.raises(ApiRejected):
        list(t.client.jobs(live=True))  # it was accepted before, so something else is wrong
    assert live_statuses(t) == [WITH, WITHOUT, WITH, WITH]


@settings(max_examples=30, deadline=None)
@given(drawn=ROWS, limit=st.sampled_from(["jobs", "joined rows"]), seed=st.integers(0, 9))
def test_the_live_set_is_complete(drawn: list[tuple[int, float, str, int]], limit: Limit, seed: int) -> None:
    model = model_of(drawn, limit, seed)
    model.moves_per_request = 1
    jobs = jobs_in(ask(model, live=True)[0])
    stayed = {row.id for row in model.rows if row.status not in FINAL}
    assert stayed <= {job.id for job in jobs}
