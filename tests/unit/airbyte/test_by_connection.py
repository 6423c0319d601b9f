"""Jobs where each connection has to be asked for its own: old servers, and the short reference API."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.airbyte import (
    ApiError,
    ApiMalformed,
    ApiUnreachable,
    Ask,
    ConnectionJobs,
    Endpoints,
    Polling,
)
from airbyte_exporter.model import AttemptStatus, Job, JobStatus, JobType, Volumes
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
from tests.unit.airbyte.installations import HTML, PYTHON_ERROR_PAGE, W1, flat_job, full_row

OLD = replace(
    KNOWN,
    version=None,
    polling=Polling.CONNECTIONS,
    endpoints=Endpoints(None, versions_listed=False, job_types=("sync", "reset_connection")),
)
"""An Airbyte that lists jobs by connection only, in pages."""

SHORT = replace(
    OLD,
    api="reference",
    endpoints=Endpoints(
        None, light_listing=False, versions_listed=False, job_types=("sync",), job_pages=False
    ),
)
"""The short reference API."""

BOTH = pytest.mark.parametrize("known", [OLD, SHORT], ids=["pages", "all at once"])


def asks(number: int) -> list[Ask]:
    return [Ask(f"c{n}", 0) for n in range(number)]


def asked(t: Talk, *asks: Ask) -> list[ConnectionJobs]:
    return list(t.client.jobs_of_connections(asks))


def told(*jobs: dict[str, Any], since: int = 0, to_success: bool = False) -> tuple[Job, ...]:
    """Return what becomes of these rows of the short reference API."""
    t = talk(lambda *_: Say(body={"jobs": list(jobs)}), capabilities=SHORT)
    ((answer),) = asked(t, Ask("c1", since, to_success=to_success))
    return answer.jobs


# What is told


def test_a_flat_job_is_told_without_what_nobody_knows() -> None:
    (job,) = told(flat_job(7, summary={"recordsSynced": 5, "bytesSynced": 50}))
    assert job == Job(
        connection_id="c1",
        id=7,
        created_at=NOW - 600,
        updated_at=NOW - 300,
        type=JobType.SYNC,
        status=JobStatus.SUCCEEDED,
        attempts=None,
        volumes=Volumes(5, 50),
        has_stats=True,
    )
    assert (job.started_at, job.duration, job.failure) == (None, None, None)


@pytest.mark.parametrize("status", ["pending", "running", "failed", "cancelled", "succeeded"])
def test_without_a_summary_nothing_is_known_of_volumes(status: str) -> None:
    (job,) = told(flat_job(status=status))
    assert (job.status.value, job.volumes, job.has_stats, job.attempts) == (status, None, None, None)


@pytest.mark.parametrize("summary", [{}, {"recordsSynced": None}, {"recordsSynced": "many"}, "big", 5])
def test_a_summary_that_says_nothing_is_none(summary: Json) -> None:
    (job,) = told(flat_job(summary=summary))
    assert (job.volumes, job.has_stats) == (None, None)


def test_a_summary_of_nothing_moved_is_known() -> None:
    (job,) = told(flat_job(summary={"recordsSynced": 0, "bytesSynced": 0}))
    assert (job.volumes, job.has_stats) == (Volumes(0, 0), True)


def test_nested_jobs_at_the_address_of_the_short_reference_tell_all_that_they_know() -> None:
    row = job_row(
        8,
        connection="another name for it",
        status="failed",
        attempts=[
            attempt_row(1, "failed", bytesSynced=20, recordsSynced=2),
            attempt_row(0, "failed", bytesSynced=10, recordsSynced=1),
        ],
    )
    flat, nested = told(flat_job(7), row)
    assert (flat.attempts, flat.id) == (None, 7)
    assert [attempt.number for attempt in nested.attempts or ()] == [0, 1]
    assert (nested.connection_id, nested.started_at) == ("c1", NOW - 590)
    assert nested.volumes == Volumes(3, 30)


def test_a_nested_job_without_attempts_beside_it_has_unknown_ones() -> None:
    (job,) = told({"job": flat_job(7)})
    assert (job.id, job.attempts) == (7, None)


def test_rows_of_one_job_are_put_together() -> None:
    rows = [job_row(1, attempts=[attempt_row(number)]) for number in (2, 0, 1)]
    (job,) = told(*rows)
    assert [attempt.number for attempt in job.attempts or ()] == [0, 1, 2]


@pytest.mark.parametrize("status", ["succeeded", "running"])
@BOTH
def test_a_single_job(known: Any, status: str) -> None:  # noqa: ANN401  (as parametrized)
    answers: dict[str, Json] = {
        "jobs/get": {"job": flat_job(5, status=status)},
        "jobs/get_without_logs": {
            "job": job_row(5, status=status)["job"],
            "attempts": [{"attempt": attempt_row()}],
        },
    }
    t = talk(lambda method, _: Say(body=answers[method]), capabilities=known)
    job = t.client.job(5)
    assert job is not None
    assert (job.id, job.status.value) == (5, status)
    assert (job.connection_id, job.attempts is None) == (("", True) if known is SHORT else ("c1", False))
    assert [sent.path for sent in t.airbyte.sent] == [
        "/api/v1/jobs/get" if known is SHORT else "/api/v1/jobs/get_without_logs"
    ]


@pytest.mark.parametrize("attempt", [attempt_row(1), {"attempt": attempt_row(1)}], ids=["bare", "nested"])
def test_a_single_job_with_attempts_where_the_short_reference_has_none(attempt: Json) -> None:
    answer = Say(body={"job": job_row(5)["job"], "attempts": [attempt]})
    job = talk([answer], capabilities=SHORT).client.job(5)
    assert job is not None
    assert [each.number for each in job.attempts or ()] == [1]
    assert job.connection_id == "c1"


@pytest.mark.parametrize("answer", [Say(404), Say(404, {"error": "no"}), Say(404, PYTHON_ERROR_PAGE, HTML)])
def test_a_single_job_that_the_short_reference_does_not_have(answer: Say) -> None:
    assert talk([answer], capabilities=SHORT).client.job(5) is None
    assert talk([answer], capabilities=SHORT).client.job_details(5) is None


@BOTH
def test_a_single_job_may_not_exist_where_the_server_is_in_trouble_over_it(known: Any) -> None:  # noqa: ANN401  (as parametrized)
    t = talk([Say(500)], capabilities=known)
    with pytest.raises(ApiUnreachable, match="has no such job, or is in trouble"):
        t.client.job(5)


# Servers


@dataclass
class Row:
    id: int
    created: int
    status: str = "succeeded"
    attempts: int = 1
    type: str = "sync"


@dataclass
class Pages:
    """``jobs/list`` of one connection as old servers answer it: the newest first, paged by offset."""

    rows: list[Row]
    limit: Literal["jobs", "joined rows"] = "jobs"
    arrive: int = 0
    """How many jobs begin after each request."""
    requests: int = 0

    def react(self, method: str, body: dict[str, Any]) -> Reaction:
        assert (method, body["configId"]) == ("jobs/list", "c1")
        self.requests += 1
        size, offset = body["pagination"]["pageSize"], body["pagination"]["rowOffset"]
        rows = sorted(self.rows, key=lambda row: (row.created, row.id), reverse=True)
        if self.limit == "jobs":
            page = [(row, [*range(row.attempts)]) for row in rows[offset : offset + size]]
        else:
            joined = [(row, number) for row in rows for number in (range(row.attempts) or [None])]
            page = []
            for row, number in joined[offset : offset + size]:
                numbers = [] if number is None else [number]
                if page and page[-1][0] is row:
                    page[-1][1].extend(numbers)
                else:
                    page.append((row, numbers))
        answer = [
            job_row(
                row.id,
                created=row.created,
                updated=row.created + 60,
                status=row.status,
                configType=row.type,
                attempts=[attempt_row(number) for number in numbers],
            )
            for row, numbers in page
        ]
        for _ in range(self.arrive):
            newest = max((row.created for row in self.rows), default=NOW)
            self.rows.append(Row(max((row.id for row in self.rows), default=0) + 1, newest + 60))
        return Say(body={"jobs": answer})


def many(count: int, **row: Json) -> list[Row]:
    return [Row(number, NOW - 10_000 + 60 * number, **row) for number in range(1, count + 1)]


def of(jobs: tuple[Job, ...]) -> dict[int, int]:
    """Jobs and how many attempts of each are told."""
    return {job.id: len(job.attempts or ()) for job in jobs}


ROWS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from(["succeeded", "failed", "failed", "cancelled"]),
        st.sampled_from([0, 1, 1, 2, 5]),
        st.sampled_from(["sync", "sync", "reset_connection"]),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(
    drawn=ROWS,
    live=st.sampled_from([None, "running", "pending", "incomplete", "odd"]),
    since=st.integers(-2, 60),
    to_success=st.booleans(),
    limit=st.sampled_from(["jobs", "joined rows"]),
    arrive=st.integers(0, 2),
)
def test_what_comes_is_exactly_what_was_asked_for(
    drawn: list[tuple[int, str, int, str]],
    live: str | None,
    since: int,
    to_success: bool,
    limit: Literal["jobs", "joined rows"],
    arrive: int,
) -> None:
    rows, created = [], NOW
    for number, (gap, status, attempts, kind) in enumerate(drawn):
        created += gap
        rows.append(Row(number, created, status, attempts, kind))
    if live is not None and rows:
        rows[-1].status = live  # Airbyte runs one job of a connection at a time
    ask = Ask("c1", NOW + since, to_success=to_success)
    successes = [row.created for row in rows if row.status == "succeeded" and row.type == "sync"]
    since = min(ask.since, successes[-1]) if to_success and successes else ask.since
    expected = {row.id: row.attempts for row in rows if row.created >= since or row.status == live}
    server = Pages(list(rows), limit, arrive)
    t = talk(server.react, capabilities=OLD)
    with (
        patch("airbyte_exporter.airbyte._job_listings.FEW_ROWS", 3),
        patch("airbyte_exporter.airbyte._job_listings.MANY_ROWS", 4),
        # Pages of four rows reach less far than those of a hundred; how far is looked at below.
        patch("airbyte_exporter.airbyte._job_listings.SUCCESS_PAGES", 200),
    ):
        ((answer),) = asked(t, ask)
    assert {id_: n for id_, n in of(answer.jobs).items() if id_ < len(rows)} == expected
    assert len({job.key for job in answer.jobs}) == len(answer.jobs)

    flat = [flat_job(row.id, created=row.created, status=row.status) for row in rows if row.type == "sync"]
    random.Random(since).shuffle(flat)
    successes = [row.created for row in rows if row.status == "succeeded" and row.type == "sync"]
    syncs = {row.id for row in rows if row.type == "sync"}
    assert {job.id for job in told(*flat, since=ask.since, to_success=to_success)} == expected.keys() & syncs


def test_a_quiet_connection_is_one_small_request() -> None:
    server = Pages(many(300))
    t = talk(server.react, capabilities=OLD)
    ((answer),) = asked(t, Ask("c1", NOW - 10_000 + 60 * 295))
    assert sorted(of(answer.jobs)) == [295, 296, 297, 298, 299, 300]
    assert [sent.body["pagination"] for sent in t.airbyte.sent] == [{"pageSize": 20, "rowOffset": 0}]
    assert answer.served_at == NOW


def test_a_job_of_many_attempts_is_told_whole() -> None:
    """One that runs since before what is asked for, and has more attempts than a page has rows."""
    server = Pages([*many(3), Row(9, NOW, "running", attempts=130)], "joined rows")
    ((answer),) = asked(talk(server.react, capabilities=OLD), Ask("c1", NOW + 100))
    assert of(answer.jobs) == {9: 130}


def test_the_newest_success_is_looked_for_only_so_far() -> None:
    rows = [Row(0, NOW - 20_000), *many(1_500, status="failed")]
    server = Pages(rows)
    t = talk(server.react, capabilities=OLD)
    ((answer),) = asked(t, Ask("c1", NOW + 60 * 10**6, to_success=True))
    assert answer.jobs == ()
    assert server.requests == 11
    assert not answer.success_known, "there may be an older one"


def test_the_newest_success_is_told_whole_where_a_page_cuts_it() -> None:
    server = Pages([Row(0, NOW - 20_000, attempts=3), *many(98, status="failed")], "joined rows")
    ((answer),) = asked(talk(server.react, capabilities=OLD), Ask("c1", NOW * 2, to_success=True))
    assert of(answer.jobs)[0] == 3


def test_all_that_is_older_is_told_until_the_newest_success() -> None:
    rows = many(400)
    for row in rows[100:]:
        row.status = "failed"
    server = Pages(rows)
    ((answer),) = asked(talk(server.react, capabilities=OLD), Ask("c1", NOW * 2, to_success=True))
    assert sorted(of(answer.jobs)) == [*range(100, 401)]
    assert answer.success_known


@pytest.mark.parametrize("known", [OLD, SHORT])
@pytest.mark.parametrize(
    ("rows", "to_success", "is_known"), [(0, True, True), (3, True, True), (3, False, False)]
)
def test_that_there_is_no_success_is_known_once_everything_was_read(
    known: Any,  # noqa: ANN401  (as parametrized)
    rows: int,
    to_success: bool,
    is_known: bool,
) -> None:
    failed = [
        flat_job(number, status="failed") if known is SHORT else job_row(number, status="failed")
        for number in range(rows)
    ]
    t = talk(lambda _method, _body: Say(body={"jobs": failed}), capabilities=known)
    ((answer),) = asked(t, Ask("c1", NOW, to_success=to_success))
    assert answer.success_known == is_known


def test_a_server_that_ignores_the_offset_is_an_error() -> None:
    page = [job_row(n, created=NOW - n) for n in range(100)]
    t = talk(lambda _, body: Say(body={"jobs": page[: body["pagination"]["pageSize"]]}), capabilities=OLD)
    ((answer),) = asked(t, Ask("c1", 0))
    assert isinstance(answer.error, ApiMalformed)
    assert "its pages repeat themselves" in str(answer.error)
    assert len(t.airbyte.sent) == 4


def test_a_server_that_knows_no_pages_tells_everything_at_once() -> None:
    rows = [job_row(n, created=NOW - n) for n in range(150)]
    t = talk(lambda *_: Say(body={"jobs": rows}), capabilities=OLD)
    ((answer),) = asked(t, Ask("c1", 0))
    assert (len(answer.jobs), len(t.airbyte.sent)) == (150, 1)


def test_a_server_whose_pages_have_no_end_does_not_hold_us_for_ever() -> None:
    def react(_: str, body: dict[str, Any]) -> Reaction:
        start, size = body["pagination"]["rowOffset"], body["pagination"]["pageSize"]
        return Say(body={"jobs": [job_row(start + n, created=NOW - start - n) for n in range(size)]})

    t = talk(react, capabilities=OLD)
    with patch("airbyte_exporter.airbyte._job_listings.MOST_PAGES", 30):
        ((answer),) = asked(t, Ask("c1", 0))
    assert "have no end, after 30" in str(answer.error)
    assert len(t.airbyte.sent) == 31


@pytest.mark.parametrize("seed", range(3))
def test_jobs_out_of_order_are_read_to_their_end(seed: int) -> None:
    rows = [job_row(n, created=NOW - n) for n in range(250)]
    random.Random(seed).shuffle(rows)

    def react(_: str, body: dict[str, Any]) -> Reaction:
        start, size = body["pagination"]["rowOffset"], body["pagination"]["pageSize"]
        return Say(body={"jobs": rows[start : start + size]})

    ((answer),) = asked(talk(react, capabilities=OLD), Ask("c1", NOW - 9))
    assert sorted(of(answer.jobs)) == [*range(10)]


def test_the_newest_jobs_of_a_connection() -> None:
    t = talk(Pages(many(50), "joined rows").react, capabilities=OLD)
    assert [job.id for job in t.client.newest_jobs("c1", 3)] == [50, 49, 48]
    assert len(t.airbyte.sent) == 1
    t = talk(Pages(many(50, attempts=9), "joined rows").react, capabilities=OLD)
    assert of(t.client.newest_jobs("c1", 5)) == {50: 9, 49: 9}, "of the third one only two attempts came"


@BOTH
def test_the_newest_success(known: Any) -> None:  # noqa: ANN401  (as parametrized)
    rows = [
        Row(1, NOW - 50),
        Row(2, NOW - 40, attempts=2),
        Row(3, NOW - 30, "failed"),
        Row(4, NOW - 20, type="reset_connection"),
    ]
    flat = [flat_job(row.id, created=row.created, status=row.status) for row in rows[:3]]
    react: Handler = Pages(rows).react if known is OLD else lambda *_: Say(body={"jobs": flat})
    job = talk(react, capabilities=known).client.newest_success("c1")
    assert job is not None
    assert job.id == 2
    empty = talk(lambda *_: Say(body={"jobs": []}), capabilities=known)
    assert empty.client.newest_success("c1") is None


def test_an_attempt_that_failed_before_the_success_is_part_of_it() -> None:
    row = job_row(1, attempts=[attempt_row(0, "failed"), attempt_row(1)])
    job = talk([Say(body={"jobs": [row]})], capabilities=OLD).client.newest_success("c1")
    assert job is not None
    assert [attempt.status for attempt in job.attempts or ()] == [
        AttemptStatus.FAILED,
        AttemptStatus.SUCCEEDED,
    ]


# Hostile answers


NAMES = (
    "jobs job id status createdAt updatedAt attempts attempt summary configId configType recordsSynced "
    "connections connectionId workspaces workspaceId sources sourceId schedule units timeUnit name version"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES.split()),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(bodies=st.lists(JSON, min_size=1, max_size=4), known=st.sampled_from([OLD, SHORT, KNOWN, None]))
def test_no_answer_whatever_gives_anything_but_a_result_or_an_error_of_ours(
    bodies: list[Json],
    known: Any,  # noqa: ANN401  (as drawn)
) -> None:
    number = 0

    def react(_: str, __: dict[str, Any]) -> Reaction:
        nonlocal number
        number += 1
        return Say(body=bodies[number % len(bodies)])

    client = talk(react, capabilities=known).client
    calls: list[Callable[[], object]] = [
        client.inventory,
        client.workspaces,
        lambda: client.sources(W1),
        lambda: list(client.jobs(updated_since=0)),
        lambda: list(client.jobs(live=True)),
        lambda: client.job(1),
        lambda: client.newest_jobs("c1", 2),
        lambda: client.newest_success("c1"),
        client.newest_job,
        lambda: list(client.jobs_of_connections([Ask("c1", 0), Ask("c2", 5, to_success=True)])),
    ]
    for call in calls:
        try:
            call()
        except ApiError as error:
            assert "\n" not in str(error)  # noqa: PT017  (it need not be raised)


def test_the_fakes_speak_of_the_same_connection() -> None:
    assert full_row()["connectionId"] == job_row()["job"]["configId"]
