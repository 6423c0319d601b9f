"""Waiting for a job: what Airbyte answers at each look in, the finished job or why there is none out."""

import pytest

from airbyte_exporter.airbyte import (
    ApiError,
    ApiForbidden,
    ApiRejected,
    ApiStopped,
    ApiUnauthorized,
    ApiUnreachable,
    JobGoneError,
    WaitTimeoutError,
    observations,
)
from airbyte_exporter.model import Job, JobStatus, JobType
from tests.unit.airbyte.fakes import NOW, Json, Reaction, Say, attempt_row, job_row, talk
from tests.unit.airbyte.installations import flat_job
from tests.unit.airbyte.test_by_connection import SHORT

GONE = Say(404, {"message": "no", "exceptionClassName": "io.airbyte.IdNotFoundKnownException"})
BROKEN = Say(200, b"<html>")


def answer(status: str) -> Say:
    row = job_row(7, status=status)
    return Say(body={"job": row["job"], "attempts": [{"attempt": attempt_row(0)}]})


def job(status: JobStatus) -> Job:
    return Job("c1", 7, NOW - 600, NOW - 300, JobType.SYNC, status)


RUNNING, DONE = job(JobStatus.RUNNING), job(JobStatus.SUCCEEDED)


class Looks:
    """Looks at a job, one answer each; `now` passes only while somebody pauses."""

    def __init__(self, *answers: Job | ApiError | None) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self._answers = list(answers)

    def read(self, job_id: int) -> Job | None:
        assert job_id == 7
        found = self._answers.pop(0)
        if isinstance(found, ApiError):
            raise found
        return found

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def all(self, **arguments: Json) -> list[Job | ApiError]:
        seen = observations(self.read, 7, monotonic=lambda: self.now, pause=self.pause, **arguments)
        return list(seen)


def unreachable(retry_after: float | None = None) -> ApiUnreachable:
    return ApiUnreachable(
        "jobs/get: nobody\nhome", method="jobs/get", reason="connect", retry_after=retry_after
    )


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_a_client_waits_until_a_job_is_over_however_it_ends(end: str) -> None:
    t = talk([answer("pending"), answer("running"), answer(end)])
    assert t.client.wait(7, interval=2).status == end
    assert sum(t.time.waits) == 4
    assert t.airbyte.bodies("jobs/get_without_logs") == [{"id": 7}] * 3


def test_a_job_that_is_over_is_read_once() -> None:
    t = talk([answer("succeeded")])
    assert t.client.wait(7, timeout=0).id == 7
    assert t.time.waits == []


def test_the_pause_can_be_given() -> None:
    t = talk([answer("running"), answer("succeeded")])
    waits: list[float] = []
    assert t.client.wait(7, pause=waits.append).status is JobStatus.SUCCEEDED
    assert (waits, t.time.waits) == ([5.0], [])


def test_a_time_out_says_how_the_job_was_and_that_it_goes_on() -> None:
    t = talk([answer("running")] * 4)
    with pytest.raises(WaitTimeoutError) as caught:
        t.client.wait(7, timeout=12)
    assert str(caught.value) == "timed out after 12s: job 7 is still running, and goes on in Airbyte"
    assert (caught.value.job is not None and caught.value.job.id, caught.value.problem) == (7, None)
    assert sum(t.time.waits) == 12


@pytest.mark.parametrize(
    ("answers", "said"), [([GONE], "exist in Airbyte"), ([answer("running"), GONE], "exist any more in")]
)
def test_a_job_that_is_gone_ends_the_wait(answers: list[Reaction], said: str) -> None:
    with pytest.raises(JobGoneError, match=f"^job 7 does not {said}"):
        talk(answers).client.wait(7)


@pytest.mark.parametrize(("status", "kind"), [(401, ApiUnauthorized), (403, ApiForbidden)])
def test_what_waiting_does_not_make_better_ends_it(status: int, kind: type[ApiError]) -> None:
    t = talk(lambda _method, _body: answer("running") if len(t.airbyte.sent) == 1 else Say(status))
    with pytest.raises(kind):
        t.client.wait(7)
    assert sum(t.time.waits) == 5


def test_a_request_that_is_refused_ends_it() -> None:
    looks = Looks(ApiRejected("jobs/get: no", method="jobs/get", reason="rejected"))
    with pytest.raises(ApiRejected):
        looks.all()


def test_what_may_pass_is_tried_again() -> None:
    t = talk([BROKEN, answer("running"), BROKEN, answer("succeeded")])
    assert t.client.wait(7).status is JobStatus.SUCCEEDED


def test_a_stop_ends_the_pause_at_once() -> None:
    t = talk([answer("running")])
    t.time.set()
    with pytest.raises(ApiStopped):
        t.client.wait(7, interval=3600)
    assert t.time.waits == []


def test_closing_the_client_ends_the_pause_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    t = talk([answer("running")])
    let_pass = t.time.wait

    def wait(timeout: float | None = None) -> bool:
        is_stopped = let_pass(timeout)
        if t.time.now >= 10:
            t.client.close()
        return is_stopped

    monkeypatch.setattr(t.time, "wait", wait)
    with pytest.raises(ApiStopped):
        t.client.wait(7, interval=3600)
    assert t.time.now == 10


def test_each_look_is_told_and_the_last_is_the_finished_job() -> None:
    away = unreachable()
    looks = Looks(RUNNING, away, RUNNING, DONE)
    assert looks.all() == [RUNNING, away, RUNNING, DONE]
    assert looks.waits == [5, 5, 5]


def test_a_job_that_is_known_is_told_without_a_request() -> None:
    looks = Looks(DONE)
    assert looks.all(known=RUNNING) == [RUNNING, DONE]
    assert Looks().all(known=DONE) == [DONE]


def test_an_airbyte_that_asks_for_patience_gets_it_up_to_the_time_out() -> None:
    looks = Looks(unreachable(40), RUNNING, unreachable(2), unreachable(600), DONE)
    looks.all(timeout=100)
    assert looks.waits == [40, 5, 5, 50]


def test_the_time_runs_from_the_call_on() -> None:
    looks = Looks(DONE)
    seen = observations(
        looks.read, 7, monotonic=lambda: looks.now, pause=looks.pause, timeout=10, known=RUNNING
    )
    looks.now += 7
    assert list(seen) == [RUNNING, DONE]
    assert looks.waits == [3]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([RUNNING, unreachable()], "the job was running when it could be read last, and goes on in Airbyte"),
        ([unreachable(), unreachable()], "the job could not be read: jobs/get: nobody home"),
    ],
)
def test_a_time_out_while_airbyte_is_away_says_what_is_known(
    answers: list[Job | ApiError], said: str
) -> None:
    with pytest.raises(WaitTimeoutError) as caught:
        Looks(*answers).all(timeout=5, name="the job")
    assert str(caught.value) == f"timed out after 5s: {said}"
    assert isinstance(caught.value.problem, ApiUnreachable)


def test_a_stop_before_the_time_is_up_is_a_stop_and_at_its_end_a_time_out() -> None:
    with pytest.raises(ApiStopped):
        Looks(RUNNING, ApiStopped("jobs/get")).all(timeout=6)
    with pytest.raises(WaitTimeoutError, match="was running when it could be read last"):
        Looks(RUNNING, ApiStopped("jobs/get")).all(timeout=5)


def test_an_interval_of_nothing_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ValueError, match="interval must be more than 0"):
        Looks().all(interval=0)


def test_the_short_reference_api_tells_no_connection_and_no_attempts() -> None:
    t = talk([Say(body={"job": flat_job(7)})], capabilities=SHORT)
    found = t.client.wait(7)
    assert (found.status, found.connection_id, found.attempts) == (JobStatus.SUCCEEDED, "", None)


def test_a_job_that_the_server_is_in_trouble_over_may_not_exist_and_is_asked_for_until_the_time_out() -> None:
    t = talk(lambda _method, _body: Say(500))
    with pytest.raises(WaitTimeoutError, match="timed out after 5s: job 7 could not be read"):
        t.client.wait(7, timeout=5)
