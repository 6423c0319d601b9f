"""Jobs as Airbyte tells them, and what becomes of them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.airbyte import ApiError, ApiMalformed, ApiNotFound, ApiUnreachable, JobsPage
from airbyte_exporter.model import Attempt, AttemptStatus, Failure, Job, JobStatus, JobType, Volumes
from tests.unit.airbyte.fakes import NOW, WORKSPACE, Json, Say, Talk, attempt_row, job_row, talk

STREAMS = [
    {
        "streamName": "users",
        "recordsEmitted": 1,
        "bytesEmitted": 1,
        "recordsCommitted": 1,
        "bytesCommitted": 1,
    }
]
STATS = {"recordsEmitted": 1200, "bytesEmitted": 480_000, "recordsCommitted": 800, "bytesCommitted": 320_000}
ZEROS = dict.fromkeys((*STATS, "recordsRejected"), 0)


def read(*rows: dict[str, Any]) -> tuple[Job, ...]:
    t = talk([Say(body={"jobs": list(rows), "totalJobCount": len(rows)})])
    return tuple(job for page in t.client.jobs(updated_since=0) for job in page.jobs)


def test_a_failed_sync_with_a_retry() -> None:
    failure = {
        "failureOrigin": "source",
        "failureType": "config_error",
        "externalMessage": "Login failed",
        "internalMessage": "psql: no",
        "stacktrace": "at com.example" * 1000,
        "timestamp": 1_769_999_700_123,
    }
    (job,) = read(
        job_row(
            4711,
            status="failed",
            attempts=[
                attempt_row(1, "failed", endedAt=NOW - 300, failureSummary={"failures": [failure]}),
                attempt_row(0, "failed", endedAt=NOW - 400),
            ],
            aggregatedStats={**STATS, "recordsRejected": 3},
            streamAggregatedStats=STREAMS,
            startedAt=17,
        )
    )
    assert job == Job(
        connection_id="c1",
        id=4711,
        created_at=NOW - 600,
        updated_at=NOW - 300,
        type=JobType.SYNC,
        status=JobStatus.FAILED,
        attempts=(
            Attempt(0, AttemptStatus.FAILED, NOW - 590, NOW - 400),
            Attempt(
                1,
                AttemptStatus.FAILED,
                NOW - 590,
                NOW - 300,
                Failure("source", "config_error", "Login failed"),
            ),
        ),
        volumes=Volumes(800, 320_000, 1200, 480_000, 3),
        has_stats=True,
    )


@pytest.mark.parametrize(
    ("written", "job_type"),
    [
        ("sync", JobType.SYNC),
        ("refresh", JobType.REFRESH),
        ("reset_connection", JobType.RESET),
        ("clear", JobType.CLEAR),
        ("discover_schema", JobType.UNKNOWN),
        ("from_the_future", JobType.UNKNOWN),
        (None, JobType.UNKNOWN),
    ],
)
def test_types_of_jobs(written: str | None, job_type: JobType) -> None:
    assert read(job_row(configType=written))[0].type is job_type


@pytest.mark.parametrize("status", [*JobStatus])
def test_every_status_is_read_as_it_is(status: JobStatus) -> None:
    assert read(job_row(status=status.value))[0].status is status


def test_a_status_from_the_future_is_unknown_and_not_final() -> None:
    (job,) = read(job_row(status="paused"))
    assert job.status is JobStatus.UNKNOWN
    assert (job.ended_at, job.has_stats) == (None, None)


@pytest.mark.parametrize(
    ("job", "attempt", "volumes", "has_stats"),
    [
        (
            {"aggregatedStats": STATS, "streamAggregatedStats": STREAMS},
            {},
            Volumes(800, 320_000, 1200, 480_000),
            True,
        ),
        ({"aggregatedStats": ZEROS, "streamAggregatedStats": STREAMS}, {}, Volumes(0, 0, 0, 0, 0), True),
        ({"aggregatedStats": ZEROS, "streamAggregatedStats": []}, {}, None, False),
        ({"aggregatedStats": ZEROS}, {}, None, False),
        ({}, {"totalStats": {}}, None, False),
        ({"aggregatedStats": STATS}, {}, Volumes(800, 320_000, 1200, 480_000), True),
        ({"aggregatedStats": ZEROS}, {"recordsSynced": 5, "bytesSynced": 50}, Volumes(5, 50), True),
        (
            {},
            {
                "totalStats": {
                    "recordsEmitted": 7,
                    "bytesEmitted": 70,
                    "recordsCommitted": 6,
                    "recordsRejected": 1,
                }
            },
            Volumes(6, None, 7, 70, 1),
            True,
        ),
        (
            {"aggregatedStats": STATS, "streamAggregatedStats": STREAMS},
            {"totalStats": {"recordsRejected": 4}},
            Volumes(800, 320_000, 1200, 480_000, 4),
            True,
        ),
        (
            {"aggregatedStats": {**STATS, "bytesCommitted": -1}, "streamAggregatedStats": STREAMS},
            {},
            Volumes(800, None, 1200, 480_000),
            True,
        ),
        (
            {"aggregatedStats": "?", "streamAggregatedStats": "?"},
            {"totalStats": [], "bytesSynced": "many"},
            None,
            False,
        ),
        ({}, {"recordsSynced": 0}, Volumes(0, 0), True),
        ({}, {"recordsSynced": 3}, Volumes(records_synced=3), True),
    ],
    ids=[
        "all",
        "moved nothing",
        "zeros of no streams",
        "zeros",
        "empty stats",
        "no streams told",
        "from attempts",
        "from attempts' stats",
        "rejected only in attempts",
        "impossible number",
        "wrong types",
        "no records, so no bytes",
        "no bytes told",
    ],
)
def test_volumes_of_a_finished_job(
    job: dict[str, Any], attempt: dict[str, Any], volumes: Volumes | None, has_stats: bool
) -> None:
    (read_job,) = read(job_row(attempts=[attempt_row(0, **attempt)], **job))
    assert (read_job.volumes, read_job.has_stats) == (volumes, has_stats)


def test_attempts_numbers_are_added_up() -> None:
    (job,) = read(
        job_row(attempts=[attempt_row(0, recordsSynced=5), attempt_row(1), attempt_row(2, recordsSynced=7)])
    )
    assert job.volumes == Volumes(records_synced=12)


def test_a_live_job_tells_numbers_when_there_are_some_and_else_nothing() -> None:
    growing: dict[str, Json] = {"aggregatedStats": STATS, "streamAggregatedStats": STREAMS}
    jobs = read(
        job_row(1, status="running", attempts=[attempt_row(0, "running")], **growing),
        job_row(2, status="pending", attempts=[], aggregatedStats=ZEROS, streamAggregatedStats=[]),
    )
    assert [(job.has_stats, job.volumes) for job in jobs] == [
        (True, Volumes(800, 320_000, 1200, 480_000)),
        (None, None),
    ]
    assert jobs[1].attempts == ()


@pytest.mark.parametrize(
    ("failures", "failure"),
    [
        ([], None),
        ([{}], Failure("unknown", "unknown", None)),
        ([{"failureOrigin": "my_origin", "failureType": "my_type"}], Failure("unknown", "unknown", None)),
        (
            [{"failureOrigin": "dbt", "failureType": "system_error", "internalMessage": "i"}],
            Failure("dbt", "system_error", "i"),
        ),
        ([{"externalMessage": "x" * 5000}], Failure("unknown", "unknown", "x" * 1000)),
        (
            [
                {"externalMessage": "late", "timestamp": 20},
                {"externalMessage": "first", "timestamp": 10},
                {"externalMessage": "no time"},
            ],
            Failure("unknown", "unknown", "first"),
        ),
        ("broken", None),
        (
            [{"failureOrigin": 5, "externalMessage": ["a"], "internalMessage": "text"}],
            Failure("unknown", "unknown", "text"),
        ),
    ],
    ids=[
        "none",
        "empty",
        "undocumented",
        "internal message",
        "long",
        "first by time",
        "not a list",
        "odd types",
    ],
)
def test_why_an_attempt_failed(failures: Json, failure: Failure | None) -> None:
    row = attempt_row(0, "failed", failureSummary={"failures": failures, "partialSuccess": True})
    (job,) = read(job_row(status="failed", attempts=[row]))
    assert job.failure == failure


def test_rows_of_one_job_are_put_together() -> None:
    split = [
        job_row(1, attempts=[attempt_row(1, "succeeded", recordsSynced=5)]),
        job_row(2, attempts=[attempt_row(0)]),
        job_row(1, attempts=[attempt_row(0, "failed", recordsSynced=3)]),
    ]
    jobs = read(*split)
    assert sorted(job.id for job in jobs) == [1, 2]
    (first,) = [job for job in jobs if job.id == 1]
    assert [attempt.number for attempt in first.attempts or ()] == [0, 1]
    assert first.volumes == Volumes(records_synced=8)


def test_what_a_later_version_adds_is_not_looked_at() -> None:
    (job,) = read({**job_row(1, newField={"deep": [1]}), "extra": None})
    assert job.id == 1


@pytest.mark.parametrize(
    ("row", "path"),
    [
        (job_row(createdAt="yesterday"), "jobs[1].job.createdAt"),
        (job_row(createdAt=None), "jobs[1].job.createdAt"),
        (job_row(updatedAt=10**15), "jobs[1].job.updatedAt"),
        (job_row(updatedAt=-1), "jobs[1].job.updatedAt"),
        (job_row(id=10**30), "jobs[1].job.id"),
        (job_row(id=None), "jobs[1].job.id"),
        (job_row(configId=""), "jobs[1].job.configId"),
        (job_row(status=None), "jobs[1].job.status"),
        ({"job": {}}, "jobs[1].job.id"),
        ({"attempts": []}, "jobs[1].job"),
        ({"job": job_row()["job"]}, "jobs[1].attempts"),
        (job_row(attempts=[{"id": 0, "status": "running"}]), "jobs[1].attempts[0].createdAt"),
        (None, "jobs[1]"),
    ],
)
def test_a_page_that_lacks_what_we_need_names_the_field_and_gives_nothing(row: Json, path: str) -> None:
    t = talk([Say(body={"jobs": [job_row(), row]})])
    pages: list[JobsPage] = []
    with pytest.raises(ApiMalformed) as caught:
        pages.extend(t.client.jobs(updated_since=0))
    assert f"jobs/list: Airbyte's answer cannot be used: {path}: " in str(caught.value)
    assert pages == []


# One job


def test_one_job_has_its_attempts_one_level_deeper() -> None:
    row = job_row(7)
    t = talk(
        [Say(body={"job": row["job"], "attempts": [{"attempt": attempt_row(0), "logType": "formatted"}]})]
    )
    job = t.client.job(7)
    assert job is not None
    assert (job.id, len(job.attempts or ())) == (7, 1)
    assert t.airbyte.bodies("jobs/get_without_logs") == [{"id": 7}]


@pytest.mark.parametrize(
    "answer",
    [
        Say(404, {"message": "no", "exceptionClassName": "io.airbyte.IdNotFoundKnownException", "id": "7"}),
        Say(500, {"message": "Internal Server Error: Could not find job with id: 7"}),
    ],
)
def test_a_job_that_airbyte_says_does_not_exist_is_none(answer: Say) -> None:
    assert talk([answer]).client.job(7) is None


@pytest.mark.parametrize(
    "answer", [Say(404, b"404 page not found"), Say(404, {"message": "Not Found", "_links": {}})]
)
def test_a_404_of_somebody_in_front_of_airbyte_says_nothing_about_the_job(answer: Say) -> None:
    with pytest.raises(ApiNotFound):
        talk([answer]).client.job(7)


def test_a_500_for_a_job_is_ambiguous_and_raises_at_once() -> None:
    t = talk([Say(500, {"errorId": "x"})])
    with pytest.raises(ApiUnreachable, match="has no such job, or is in trouble"):
        t.client.job(7)


def test_the_newest_jobs_are_one_request_newest_first() -> None:
    rows = [job_row(number, created=NOW - 1000 + number) for number in (7, 9, 8)]
    t = talk([Say(body={"jobs": rows})])
    assert [job.id for job in t.client.newest_jobs("c1", 2)] == [9, 8]
    (body,) = t.airbyte.bodies("jobs/list")
    assert (body["configId"], body["orderByField"], body["orderByMethod"]) == ("c1", "createdAt", "DESC")
    assert body["pagination"] == {"pageSize": 8, "rowOffset": 0}


def test_the_oldest_of_the_newest_jobs_is_read_whole_where_its_attempts_were_cut_off() -> None:
    cut = job_row(9, attempts=[attempt_row(number, "failed") for number in range(4)])
    whole = {
        "job": cut["job"],
        "attempts": [{"attempt": attempt_row(number, "failed")} for number in range(6)],
    }
    t = talk([Say(body={"jobs": [cut]}), Say(body=whole)])
    (job,) = t.client.newest_jobs("c1", 1)
    assert len(job.attempts or ()) == 6


def test_the_newest_success_is_one_small_request() -> None:
    t = talk([Say(body={"jobs": [job_row(9)]})])
    job = t.client.newest_success("c1")
    assert job is not None
    assert job.id == 9
    assert t.airbyte.bodies("jobs/list") == [
        {
            "configTypes": ["sync", "refresh"],
            "configId": "c1",
            "statuses": ["succeeded"],
            "orderByField": "createdAt",
            "orderByMethod": "DESC",
            "pagination": {"pageSize": 1, "rowOffset": 0},
        }
    ]


def test_a_connection_without_success() -> None:
    assert talk([Say(body={"jobs": []})]).client.newest_success("c1") is None


@pytest.mark.parametrize("told", [attempt_row(0, "failed"), attempt_row(1, "succeeded")])
def test_a_newest_success_whose_attempts_were_cut_off_is_read_whole(told: dict[str, Any]) -> None:
    cut = job_row(9, attempts=[told])
    whole = {
        "job": cut["job"],
        "attempts": [{"attempt": attempt_row(0, "failed")}, {"attempt": attempt_row(1, "succeeded")}],
    }
    t = talk([Say(body={"jobs": [cut]}), Say(body=whole)])
    job = t.client.newest_success("c1")
    assert job is not None
    assert len(job.attempts or ()) == 2


# Hostile answers

NAMES = [
    "jobs",
    "job",
    "attempts",
    "attempt",
    "id",
    "configId",
    "createdAt",
    "updatedAt",
    "status",
    "totalStats",
    "failureSummary",
    "failures",
    "aggregatedStats",
    "streamAggregatedStats",
    "connections",
    "connectionId",
    "source",
    "sourceId",
    "tags",
    "name",
    "page_size",
    "num_connections",
    "workspaces",
    "workspaceId",
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=30,
)
CALLS: dict[str, Callable[[Talk], object]] = {
    "jobs": lambda t: list(t.client.jobs(updated_since=0)),
    "job": lambda t: t.client.job(1),
    "newest_jobs": lambda t: t.client.newest_jobs("c", 1),
    "newest_success": lambda t: t.client.newest_success("c"),
    "connections": lambda t: t.client.connections(WORKSPACE),
    "sources": lambda t: t.client.sources(WORKSPACE),
    "inventory": lambda t: t.client.inventory(),
}


@st.composite
def nearly_right(draw: st.DrawFn) -> Json:
    """A page of jobs with something else in the place of one of its parts."""
    row = job_row(
        draw(st.integers(0, 3)),
        attempts=[attempt_row(0, totalStats=dict(STATS))],
        aggregatedStats=dict(STATS),
    )
    target: Any = row
    while True:
        name = draw(st.sampled_from(sorted(target)))
        if not isinstance(target[name], dict) or draw(st.booleans()):
            target[name] = draw(JSON)
            return {"jobs": [job_row(1), row]}
        target = target[name]


@settings(max_examples=80, deadline=None)
@given(call=st.sampled_from(sorted(CALLS)), body=JSON | nearly_right())
def test_no_json_whatever_gives_anything_but_a_result_or_malformed(call: str, body: Json) -> None:
    t: Talk = talk(lambda *_: Say(body=body))
    error: ApiMalformed | None = None
    try:
        CALLS[call](t)
    except ApiMalformed as raised:
        error = raised
    assert t.airbyte.sent, "it was asked"
    assert error is None or error.reason == "malformed"


@settings(max_examples=80, deadline=None)
@given(body=st.binary(max_size=60))
def test_no_bytes_whatever_give_anything_but_an_error_of_ours(body: bytes) -> None:
    t = talk(lambda *_: Say(body=body))
    with pytest.raises(ApiError):
        list(t.client.jobs(updated_since=0))


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"jobs":' * 50_000, b"1e999", b'{"jobs":[NaN]}', b"\xff\xfe"]
)
def test_bytes_made_to_hurt_a_parser(body: bytes) -> None:
    for status in (200, 400, 404):
        with pytest.raises(ApiError):
            list(talk([Say(status, body)]).client.jobs(updated_since=0))
