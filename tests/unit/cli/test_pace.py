"""How long jobs take and how fast they are: jobs in, seconds and records a second out."""

from dataclasses import replace
from typing import cast

import pytest

from airbyte_exporter.airbyte import AirbyteClient, ApiError, ApiUnreachable
from airbyte_exporter.cli._pace import Pace, elapsed, took, usual_seconds
from airbyte_exporter.model import Attempt, AttemptStatus, Job, JobStatus, JobType, Volumes
from tests.commands import NOW, ORDERS, job
from tests.specifications import Json

RUNNING = job(100, ORDERS, JobStatus.RUNNING, created_at=NOW - 300)


class History:
    """A client that knows the newest jobs of a connection."""

    def __init__(self, *jobs: Job, error: ApiError | None = None) -> None:
        self.jobs = jobs
        self.error = error

    def newest_jobs(self, connection_id: str, limit: int) -> tuple[Job, ...]:
        assert (connection_id, limit) == (ORDERS, 20)
        if self.error:
            raise self.error
        return self.jobs


def usual(*jobs: Job, of: Job = RUNNING, error: ApiError | None = None) -> float | None:
    return usual_seconds(cast("AirbyteClient", History(*jobs, error=error)), of)


def past(number: int, seconds: int, **changes: object) -> Job:
    attempt = Attempt(0, AttemptStatus.SUCCEEDED, NOW - 9_000)
    values = {"created_at": NOW - 9_100, "updated_at": NOW - 9_000 + seconds, "attempts": (attempt,)}
    return job(number, ORDERS, JobStatus.SUCCEEDED, **(values | changes))


def test_the_usual_length_is_the_median_from_start_to_end() -> None:
    assert usual(past(3, 10), past(2, 500), past(1, 20)) == 20


def test_where_attempts_are_not_known_it_counts_from_creation() -> None:
    assert usual(*(past(number, 10, attempts=None) for number in range(3))) == 110


def test_fewer_than_three_say_nothing() -> None:
    assert usual(past(2, 10), past(1, 10)) is None


def test_only_the_newest_ten_count() -> None:
    assert (
        usual(*(past(number, 10) for number in range(10)), *(past(number, 99) for number in range(9))) == 10
    )


@pytest.mark.parametrize(
    "other",
    [{"status": JobStatus.FAILED}, {"type": JobType.REFRESH}, {"type": JobType.RESET}, {"id": RUNNING.id}],
)
def test_others_do_not_count(other: dict[str, Json]) -> None:
    unlike = [replace(past(number, 10), **other) for number in range(3)]
    assert usual(*unlike) is None


@pytest.mark.parametrize(
    "of",
    [replace(RUNNING, type=JobType.CLEAR), replace(RUNNING, connection_id="")],
    ids=["moves no data", "no connection is told"],
)
def test_what_has_no_usual_length_is_not_asked_for(of: Job) -> None:
    assert usual(of=of, error=ApiUnreachable("not asked", method="jobs/list", reason="connect")) is None


def test_an_error_while_reading_it_is_none() -> None:
    assert usual(error=ApiUnreachable("jobs/list: no", method="jobs/list", reason="connect")) is None


def test_how_long_a_job_has_taken() -> None:
    attempt = Attempt(0, AttemptStatus.RUNNING, NOW - 100)
    assert elapsed(replace(RUNNING, attempts=(attempt,)), NOW) == 100
    assert elapsed(RUNNING, NOW) == 300
    assert elapsed(RUNNING, NOW - 1000) == 0, "clocks differ"
    assert took(RUNNING) is None
    assert took(past(1, 70)) == 70


def paced(*seen: tuple[float, int | None], attempts: int = 0) -> Pace:
    pace = Pace()
    for at, records in seen:
        pace.see(with_records(records, attempts), at)
    return pace


def with_records(records: int | None, attempts: int = 0) -> Job:
    tries = tuple(Attempt(number, AttemptStatus.RUNNING, NOW) for number in range(attempts))
    volumes = None if records is None else Volumes(records_emitted=records)
    return replace(RUNNING, volumes=volumes, attempts=tries)


@pytest.mark.parametrize(
    "seen",
    [
        (),
        ((0, None), (5, None)),
        ((0, 100),),
        ((0, 100), (5, 100)),
        ((0, 100), (5, 200)),
        ((0, 100), (5, 200), (10, 200)),
    ],
)
def test_before_numbers_moved_twice_nothing_is_known(seen: tuple[tuple[float, int | None], ...]) -> None:
    assert paced(*seen).rate(20) is None


def test_it_runs_from_the_first_move_on() -> None:
    assert paced((0, 0), (5, 9_000), (10, 9_100), (15, 9_300)).rate(15) == 30


def test_it_is_about_the_last_half_minute() -> None:
    fast = [(float(at), at * 1000) for at in range(0, 65, 5)]
    slow = [(60.0 + at, 60_000 + at * 10) for at in range(5, 45, 5)]
    assert paced(*fast, *slow).rate(100) == 10


def test_numbers_that_are_written_once_a_minute_have_a_steady_rate() -> None:
    steps = [(float(at), at // 60 * 600) for at in range(0, 300, 5)]
    rates = []
    pace = Pace()
    for at, records in steps:
        pace.see(with_records(records), at)
        rates.append(pace.rate(at))
    assert set(rates[: 120 // 5]) == {None}
    assert set(rates[120 // 5 :]) == {10.0}


def test_numbers_that_stand_still_for_long_are_a_rate_of_nothing() -> None:
    pace = paced((0, 0), (5, 100), (10, 200))
    assert pace.rate(100) == 20
    assert pace.rate(101) == 0


def test_numbers_that_fall_and_another_attempt_begin_anew() -> None:
    pace = paced((0, 0), (5, 100), (10, 200), (15, 50))
    assert pace.rate(15) is None
    pace.see(with_records(60), 20)
    pace.see(with_records(80), 25)
    assert pace.rate(25) == 4
    pace.see(with_records(90, attempts=1), 30)
    assert pace.rate(30) is None
