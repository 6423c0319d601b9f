"""Jobs of some workspaces: what a reader who is no administrator sees."""

import random
from dataclasses import replace
from operator import attrgetter
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.airbyte import ApiForbidden, ApiRejected, ApiUnauthorized, JobsPage, Polling
from airbyte_exporter.model import Workspace
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
from tests.unit.airbyte.test_job_paging import ROWS, WITH, WITHOUT, Model, Row, jobs_in, many, model_of

METHOD = "jobs/list_for_workspaces"
NONE = Say(body={"jobs": []})


def names(count: int) -> list[str]:
    return [f"w{number}" for number in range(count)]


def reader(react: Handler | list[Reaction], workspaces: int, *, version: str = "2.0.0") -> Talk:
    """Return a client that may read this many workspaces and is no administrator."""
    readable = tuple(Workspace(name, name) for name in names(workspaces))
    known = replace(KNOWN, polling=Polling.WORKSPACES, workspaces=readable, version=version)
    return talk(react, capabilities=known)


class Interleaved(Model):
    """The join of jobs and attempts, sorted by time alone, cut, and grouped where rows are adjacent."""

    def react(self, method: str, body: dict[str, Any]) -> Reaction:
        assert method == METHOD
        key = attrgetter({"updatedAt": "updated", "createdAt": "created"}[body["orderByField"]])
        joined = [
            (row, number)
            for row in self.rows
            if self._matches(row, body)
            for number in (range(row.attempts) or [None])
        ]
        self.chance.shuffle(joined)
        joined.sort(key=lambda item: key(item[0]))
        grouped: list[tuple[Row, list[int]]] = []
        for row, number in joined[: body["pagination"]["pageSize"]]:
            if not grouped or grouped[-1][0] is not row:
                grouped.append((row, []))
            if number is not None:
                grouped[-1][1].append(number)
        answer = [
            job_row(
                row.id,
                created=int(row.created),
                updated=int(row.updated),
                status=row.status,
                attempts=[attempt_row(number) for number in numbers],
            )
            for row, numbers in grouped
        ]
        return Say(body={"jobs": answer, "totalJobCount": len(answer)})


@settings(max_examples=120, deadline=None)
@given(
    drawn=ROWS,
    seed=st.integers(0, 9),
    query=st.sampled_from([{"updated_since": NOW - 4000}, {"created_since": NOW - 4000}, {"live": True}]),
)
def test_rows_of_one_job_are_put_together_wherever_they_stand(
    drawn: list[tuple[int, float, str, int]], seed: int, query: dict[str, Any]
) -> None:
    rows = model_of(drawn, "joined rows", seed).rows
    t = reader(Interleaved(rows, chance=random.Random(seed)).react, 3)
    with patch("airbyte_exporter.airbyte._paging.PAGE_SIZE", 4):
        jobs = jobs_in(list(t.client.jobs(**query)))
    expected = {row.id: row.attempts for row in rows if "live" not in query or row.status in WITH}
    assert {job.id: len(job.attempts or ()) for job in jobs} == expected
    assert len(jobs) == len(expected), "no job is told twice"


def test_two_jobs_of_one_second_whose_rows_alternate() -> None:
    rows = [job_row(id_, attempts=[attempt_row(n)]) for id_, n in [(1, 1), (2, 0), (1, 0), (2, 2), (2, 1)]]
    t = reader([Say(body={"jobs": rows})], 1)
    jobs = jobs_in(list(t.client.jobs(updated_since=0)))
    assert {job.id: [each.number for each in job.attempts or ()] for job in jobs} == {1: [0, 1], 2: [0, 1, 2]}


@pytest.mark.parametrize(("workspaces", "chunks"), [(1, [1]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20])])
def test_fifty_workspaces_are_asked_for_at_once(workspaces: int, chunks: list[int]) -> None:
    t = reader(lambda *_: NONE, workspaces)
    pages = list(t.client.jobs(updated_since=NOW))
    asked = [body["workspaceIds"] for body in t.airbyte.bodies(METHOD)]
    assert [len(ids) for ids in asked] == chunks
    assert [id_ for ids in asked for id_ in ids] == names(workspaces)
    assert pages == [JobsPage((), NOW, resumable=len(chunks) == 1)] * len(chunks)


def test_with_several_chunks_no_page_tells_how_far_reading_has_come() -> None:
    model = Model(many(30))
    t = reader(lambda _, body: model.react(METHOD, body), 60)
    with patch("airbyte_exporter.airbyte._paging.PAGE_SIZE", 10):
        pages = list(t.client.jobs(updated_since=0))
    assert len(pages) > 4
    assert not any(page.resumable for page in pages)


def test_one_chunk_can_be_gone_on_with_from_page_to_page() -> None:
    model = Model(many(30))
    t = reader(lambda _, body: model.react(METHOD, body), 50)
    with patch("airbyte_exporter.airbyte._paging.PAGE_SIZE", 10):
        pages = list(t.client.jobs(updated_since=0))
    assert len(pages) > 2
    assert all(page.resumable for page in pages)


def test_without_a_workspace_airbyte_is_asked_whether_there_still_is_none() -> None:
    """An empty list would not mean all of them, and what nobody asked would be up for ever."""
    answers = [Say(body={"workspaces": []})] * 2
    t = reader([*answers, Say(401)], 0)
    assert list(t.client.jobs(updated_since=NOW)) == [JobsPage((), NOW)]
    assert list(t.client.jobs(live=True)) == [JobsPage((), NOW)]
    assert t.client.newest_job() is None
    with pytest.raises(ApiUnauthorized):
        list(t.client.jobs(updated_since=NOW))
    assert {sent.path for sent in t.airbyte.sent} == {"/api/v1/workspaces/list_by_organization_id"}


@pytest.mark.parametrize(("version", "statuses"), [("2.0.0", WITHOUT), ("2.1.0", WITH), ("dev", WITH)])
def test_the_live_set_of_every_chunk(version: str, statuses: list[str]) -> None:
    t = reader(lambda *_: NONE, 70, version=version)
    list(t.client.jobs(live=True, created_since=NOW))
    assert [(len(body["workspaceIds"]), body["statuses"]) for body in t.airbyte.bodies(METHOD)] == [
        (50, statuses),
        (20, statuses),
    ]


def test_queued_refused_once_is_not_asked_for_in_the_other_chunks() -> None:
    t = reader([Say(422), NONE, NONE, NONE], 120, version="2.1.0")
    list(t.client.jobs(live=True))
    assert [body["statuses"] for body in t.airbyte.bodies(METHOD)] == [WITH, WITHOUT, WITHOUT, WITHOUT]


def test_one_chunk_that_fails_is_a_failure() -> None:
    for answer, error in ((Say(422), ApiRejected), (Say(403), ApiForbidden)):
        t = reader([NONE, answer], 60)
        pages = t.client.jobs(updated_since=0)
        next(pages)
        with pytest.raises(error):
            next(pages)


def test_jobs_of_one_connection_need_no_workspace() -> None:
    t = reader(lambda *_: NONE, 60)
    list(t.client.jobs(updated_since=NOW, connection_id="c1"))
    t.client.newest_jobs("c1", 3)
    t.client.newest_success("c1")
    assert {sent.path for sent in t.airbyte.sent} == {"/api/v1/jobs/list"}
    assert {sent.body["configId"] for sent in t.airbyte.sent} == {"c1"}


def test_the_newest_job_of_as_many_workspaces_as_fit_a_request() -> None:
    t = reader([Say(body={"jobs": [job_row(7)]})], 60)
    newest = t.client.newest_job()
    assert newest is not None
    (body,) = t.airbyte.bodies(METHOD)
    assert (newest.id, body["workspaceIds"], body["orderByMethod"]) == (7, names(50), "DESC")


def test_what_is_asked_of_all_is_asked_of_workspaces_in_the_same_words() -> None:
    query: dict[str, Json] = {"updated_since": NOW, "updated_until": NOW + 5}
    everybody = talk([NONE])
    list(everybody.client.jobs(**query))
    t = reader([NONE], 2)
    list(t.client.jobs(**query))
    assert t.airbyte.sent[0].body == {**everybody.airbyte.sent[0].body, "workspaceIds": names(2)}
