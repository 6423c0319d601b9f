"""``jobs wait``: what happens to a job in, lines and an exit code out."""

import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import Result

from airbyte_exporter.airbyte import ApiForbidden, ApiStopped, ApiUnreachable
from airbyte_exporter.cli import _waiting
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.model import Attempt, AttemptStatus, Failure, Job, JobStatus, JobType, Volumes
from tests.commands import NOW, ORDERS, FakeAirbyte, PassingTime, job

Invoke = Callable[..., Result]

FIRST = Attempt(0, AttemptStatus.RUNNING, NOW - 60)
RUNNING = job(
    12,
    ORDERS,
    JobStatus.RUNNING,
    attempts=(FIRST,),
    volumes=Volumes(records_emitted=12_345, bytes_emitted=5 << 20),
)
DOWN = ApiUnreachable("jobs/get: nobody\nhome", method="jobs/get", reason="connect", retryable=True)


def local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")


@pytest.fixture
def becomes(airbyte: FakeAirbyte) -> Callable[..., Callable[[], None]]:
    """Make something happen to the job while somebody waits for it."""

    def happen(status: JobStatus, **changes: object) -> Callable[[], None]:
        def change() -> None:
            airbyte.error = None
            (now,) = airbyte.live
            airbyte.live = [replace(now, status=status, **changes)]  # type: ignore[arg-type]

        return change

    airbyte.live, airbyte.changed = [RUNNING], []
    return happen


Becomes = Callable[..., Callable[[], None]]


def test_a_job_that_succeeds_ends_the_wait_with_0(
    invoke: Invoke, becomes: Becomes, passing: PassingTime
) -> None:
    more = Volumes(records_emitted=20_000, bytes_emitted=9 << 20)
    done = Volumes(records_synced=1_234_567, bytes_synced=3 << 30, records_emitted=5)
    second = (FIRST, Attempt(1, AttemptStatus.RUNNING, NOW + 8))
    passing.during = [
        becomes(JobStatus.RUNNING, volumes=more),
        becomes(JobStatus.RUNNING, attempts=second),
        becomes(JobStatus.SUCCEEDED, volumes=done, updated_at=NOW + 20),
    ]
    result = invoke("jobs", "wait", 12)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"{local(NOW)}  job 12 is running, attempt 1, 12,345 records, 5.0 MiB emitted, 1m, Orders",
        f"{local(NOW + 10)}  job 12 is running, attempt 2, 20,000 records, 9.0 MiB emitted, 1m 10s, Orders",
        "job 12 of Orders succeeded after 1m 20s: 1,234,567 records, 3.0 GiB committed",
    ]
    assert passing.waits == [5, 5, 5]


FAILED = Attempt(0, AttemptStatus.FAILED, NOW - 60, NOW, Failure("source", "config_error", "Bad\nkey"))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (JobStatus.FAILED, "failed after 1m: source config_error: Bad key"),
        (JobStatus.CANCELLED, "was cancelled after 1m: source config_error: Bad key"),
    ],
)
def test_a_job_that_does_not_succeed_ends_the_wait_with_1(
    status: JobStatus, said: str, invoke: Invoke, becomes: Becomes, passing: PassingTime
) -> None:
    passing.during = [becomes(status, attempts=(FAILED,), updated_at=NOW)]
    result = invoke("jobs", "wait", 12, "--interval", "90s")
    assert (result.exit_code, passing.waits) == (1, [90])
    assert result.stderr == (
        f"airbyte-exporter: job 12 of Orders {said}; see airbyte-exporter jobs show 12\n"
    )


def test_a_job_that_is_over_already_is_told_at_once(
    invoke: Invoke, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.live = [job(12, "", JobStatus.SUCCEEDED)]
    result = invoke("jobs", "wait", 12)
    assert (result.exit_code, passing.waits) == (0, [])
    assert result.stdout == "job 12 succeeded after 8m 20s\n"


def test_too_long_is_a_failure_that_says_so(invoke: Invoke, becomes: Becomes, passing: PassingTime) -> None:
    passing.during = [lambda: None] * 3
    result = invoke("jobs", "wait", 12, "--timeout", "12")
    assert (result.exit_code, passing.waits) == (1, [5, 5, 2])
    assert result.stderr == (
        "airbyte-exporter: timed out after 12s: job 12 of Orders is still running, and goes on in Airbyte\n"
    )


def test_an_airbyte_that_is_away_for_a_moment_does_not_end_the_wait(
    invoke: Invoke, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    def go_down() -> None:
        airbyte.error = DOWN

    passing.during = [go_down, lambda: None, becomes(JobStatus.RUNNING), becomes(JobStatus.SUCCEEDED)]
    result = invoke("jobs", "wait", 12, "--timeout", "1h")
    assert result.exit_code == 0
    assert result.stderr == f"{local(NOW + 5)}  jobs/get: nobody home; still trying\n"
    times = [line[:8] for line in result.stdout.splitlines()]
    assert times == [local(NOW), local(NOW + 15), "job 12 o"]


def test_an_airbyte_that_is_away_again_is_told_again(
    invoke: Invoke, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    def go_down() -> None:
        airbyte.error = DOWN

    passing.during = [go_down, becomes(JobStatus.RUNNING), go_down, becomes(JobStatus.RUNNING)]
    result = invoke("jobs", "wait", 12, "--timeout", "20s")
    assert result.stderr.splitlines() == [
        f"{local(NOW + 5)}  jobs/get: nobody home; still trying",
        f"{local(NOW + 15)}  jobs/get: nobody home; still trying",
        "airbyte-exporter: timed out after 20s: job 12 of Orders is still running, and goes on in Airbyte",
    ]


def test_an_airbyte_that_stays_away_ends_it_by_the_time_out(
    invoke: Invoke, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    passing.during = [lambda: setattr(airbyte, "error", DOWN), lambda: None]
    result = invoke("jobs", "wait", 12, "--timeout", "10s")
    assert result.exit_code == 1
    assert result.stderr.partition("\n")[2] == (
        "airbyte-exporter: timed out after 10s: job 12 of Orders was running when it could be read last, "
        "and goes on in Airbyte\n"
    )


def test_a_request_that_hangs_is_ended_when_the_time_is_up(
    invoke: Invoke,
    becomes: Becomes,
    airbyte: FakeAirbyte,
    passing: PassingTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timers: list[tuple[float, Callable[[], None]]] = []

    class HeldTimer:
        daemon = False

        def __init__(self, seconds: float, function: Callable[[], None]) -> None:
            timers.append((seconds, function))

        def start(self) -> None:
            """Time is the test's."""

        def cancel(self) -> None:
            timers.clear()

    def hang() -> None:
        ((seconds, end),) = timers
        assert seconds == 7
        end()
        assert airbyte.closed
        airbyte.error = ApiStopped("jobs/get")

    monkeypatch.setattr(_waiting, "Timer", HeldTimer)
    passing.during = [hang]
    result = invoke("jobs", "wait", 12, "--timeout", "5")
    assert (result.exit_code, timers) == (1, [])
    assert result.stderr == (
        "airbyte-exporter: timed out after 5s: job 12 of Orders was running when it could be read last, "
        "and goes on in Airbyte\n"
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ApiForbidden("jobs/get: 403", method="jobs/get", reason="forbidden"), "jobs/get: 403"),
        (None, "job 12 of Orders does not exist any more in Airbyte"),
    ],
)
def test_what_will_not_get_better_ends_the_wait(
    error: AirbyteExporterError | None,
    said: str,
    invoke: Invoke,
    becomes: Becomes,
    airbyte: FakeAirbyte,
    passing: PassingTime,
) -> None:
    def happen() -> None:
        airbyte.error = error
        airbyte.live = []

    passing.during = [happen]
    result = invoke("jobs", "wait", 12)
    assert (result.exit_code, result.stderr) == (1, f"airbyte-exporter: {said}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_says_that_the_job_goes_on(
    number: signal.Signals, invoke: Invoke, becomes: Becomes, passing: PassingTime
) -> None:
    before = signal.getsignal(number)
    passing.during = [lambda: signal.raise_signal(number)]
    result = invoke("jobs", "wait", 12)
    assert result.exit_code == 130
    assert result.stderr == (
        "airbyte-exporter: not waiting any longer; job 12 of Orders goes on in Airbyte: "
        "airbyte-exporter jobs wait 12 waits for it again, airbyte-exporter jobs cancel 12 cancels it\n"
    )
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("12", "--interval", "0.1"), "--interval must be at least 1s"),
        (("12", "--timeout", "0"), "--timeout must be more than zero"),
        (("Orders",), "Invalid value for 'ID'"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str, invoke: Invoke) -> None:
    result = invoke("jobs", "wait", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"airbyte-exporter: {said}")


def test_a_job_that_does_not_exist_is_not_waited_for(invoke: Invoke, passing: PassingTime) -> None:
    result = invoke("jobs", "wait", 404)
    assert (result.exit_code, passing.waits) == (1, [])
    assert result.stderr.startswith("airbyte-exporter: there is no job 404; see ")


def test_a_job_of_which_little_is_known(invoke: Invoke, airbyte: FakeAirbyte, passing: PassingTime) -> None:
    little = Job("", 12, NOW + 30, NOW + 30, RUNNING.type, JobStatus.UNKNOWN)
    airbyte.live = [little]
    passing.during = [lambda: airbyte.live.__setitem__(0, replace(little, status=JobStatus.FAILED))]
    result = invoke("jobs", "wait", 12)
    assert result.stdout == f"{local(NOW)}  job 12 is unknown, 0s\n"
    assert result.stderr == "airbyte-exporter: job 12 failed after 0s; see airbyte-exporter jobs show 12\n"


def past(number: int, seconds: int, **changes: object) -> Job:
    """Return a job of Orders that succeeded and took so long."""
    attempt = Attempt(0, AttemptStatus.SUCCEEDED, NOW - 90_000)
    ended = {"created_at": NOW - 90_100, "updated_at": NOW - 90_000 + seconds, "attempts": (attempt,)}
    return job(number, ORDERS, JobStatus.SUCCEEDED, **(ended | changes))


def test_how_long_such_jobs_take_is_said_beside_how_long_this_one_did(
    invoke: Invoke, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.changed = [past(1, 300), past(2, 360), past(3, 9000)]
    done = Volumes(records_synced=1, bytes_synced=2)
    passing.during = [becomes(JobStatus.SUCCEEDED, volumes=done, updated_at=NOW + 190)]
    moved = "12,345 records, 5.0 MiB emitted"
    assert invoke("jobs", "wait", 12).stdout.splitlines() == [
        f"{local(NOW)}  job 12 is running, attempt 1, {moved}, 1m of usually 6m, Orders",
        "job 12 of Orders succeeded after 4m 10s (usually 6m): 1 record, 2 B committed",
    ]
    assert airbyte.asked == [{"newest_jobs": ORDERS, "limit": 20}], "once"


def test_a_failure_is_said_with_how_long_such_jobs_take(
    invoke: Invoke, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.changed = [past(number, 10) for number in range(3)]
    passing.during = [becomes(JobStatus.FAILED, attempts=(replace(FAILED, failure=None),), updated_at=NOW)]
    assert invoke("jobs", "wait", 12).stderr == (
        "airbyte-exporter: job 12 of Orders failed after 1m (usually 10s); "
        "see airbyte-exporter jobs show 12\n"
    )


def test_a_history_that_cannot_be_read_does_not_end_the_wait(
    invoke: Invoke,
    becomes: Becomes,
    airbyte: FakeAirbyte,
    passing: PassingTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: object) -> None:
        raise DOWN

    monkeypatch.setattr(airbyte, "newest_jobs", fail)
    monkeypatch.setattr(airbyte, "instance", fail)
    passing.during = [becomes(JobStatus.SUCCEEDED, volumes=None, updated_at=NOW)]
    result = invoke("jobs", "wait", 12)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("\njob 12 of Orders succeeded after 1m\n")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"volumes": Volumes(records_synced=0, bytes_synced=0, records_emitted=12_345)},
            ", but committed none of the 12,345 records that it read",
        ),
        (
            {"volumes": None, "has_stats": False},
            ", but Airbyte has no numbers of it: it may have moved nothing",
        ),
        ({"volumes": None, "has_stats": False, "type": JobType.CLEAR}, ""),
        ({"volumes": None, "has_stats": None}, ""),
        ({"volumes": Volumes(0, 0, 0, 0)}, ": 0 records, 0 B committed"),
        ({"volumes": Volumes(records_emitted=5)}, ""),
    ],
)
def test_a_success_of_which_nothing_came_is_told_plainly(
    changes: dict[str, object], said: str, invoke: Invoke, airbyte: FakeAirbyte, becomes: Becomes
) -> None:
    becomes(JobStatus.SUCCEEDED, updated_at=NOW, **changes)()
    result = invoke("jobs", "wait", 12)
    assert (result.exit_code, result.stdout) == (0, f"job 12 of Orders succeeded after 1m{said}\n")


def test_a_job_that_waits_says_for_how_long(
    invoke: Invoke, becomes: Becomes, passing: PassingTime, airbyte: FakeAirbyte
) -> None:
    airbyte.live = [
        replace(RUNNING, status=JobStatus.PENDING, attempts=(), volumes=None, created_at=NOW - 40)
    ]
    passing.during = [
        becomes(JobStatus.QUEUED),
        becomes(JobStatus.CANCELLED, updated_at=NOW + 10),
    ]
    result = invoke("jobs", "wait", 12)
    assert result.stdout.splitlines() == [
        f"{local(NOW)}  job 12 is pending, waited 40s, Orders",
        f"{local(NOW + 5)}  job 12 is queued, waited 45s, Orders",
    ]
    assert result.stderr == (
        "airbyte-exporter: job 12 of Orders was cancelled after 50s; see airbyte-exporter jobs show 12\n"
    )


def test_in_a_pipe_there_is_a_sign_of_life_once_a_minute(
    invoke: Invoke, becomes: Becomes, passing: PassingTime
) -> None:
    passing.during = [*[lambda: None] * 14, becomes(JobStatus.INCOMPLETE), *[lambda: None] * 12]
    result = invoke("jobs", "wait", 12, "--timeout", "139s")
    told = [line[:8] for line in result.stdout.splitlines()]
    assert told == [local(NOW + seconds) for seconds in (0, 60, 75, 135)]


def test_hostile_names_stay_in_their_line(invoke: Invoke, becomes: Becomes, airbyte: FakeAirbyte) -> None:
    rename(airbyte, 'it\'s "مبيعات"\n\x1b[2J👩\u200d💻')
    becomes(JobStatus.SUCCEEDED, updated_at=NOW, volumes=None)()
    assert invoke("jobs", "wait", 12).stdout == (
        'job 12 of it\'s "مبيعات"\\n\\x1b[2J👩\u200d💻 succeeded after 1m\n'
    )
    because = Failure("source", "config_error", "مفتاح خاطئ.")
    becomes(JobStatus.CANCELLED, attempts=(replace(FAILED, failure=because),))()
    assert "مفتاح خاطئ\u200e; see " in invoke("jobs", "wait", 12).stderr
    becomes(JobStatus.CANCELLED, attempts=None)()
    assert "👩\u200d💻\u200e was cancelled after 16m 28s; see" in invoke("jobs", "wait", 12).stderr


def test_a_name_of_nothing_is_no_name(invoke: Invoke, becomes: Becomes, airbyte: FakeAirbyte) -> None:
    rename(airbyte, " ")
    becomes(JobStatus.SUCCEEDED, updated_at=NOW, volumes=None)()
    assert invoke("jobs", "wait", 12).stdout == "job 12 succeeded after 1m\n"


def rename(airbyte: FakeAirbyte, name: str) -> None:
    connections = [
        replace(each, name=name) if each.id == ORDERS else each for each in airbyte.inventory_.connections
    ]
    airbyte.inventory_ = replace(airbyte.inventory_, connections=tuple(connections))
