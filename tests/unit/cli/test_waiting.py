"""``jobs wait``: what happens to a job in, lines and an exit code out."""

import re
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import Result
from rich.cells import cell_len

from airbyte_exporter.airbyte import ApiForbidden, ApiStopped, ApiUnreachable
from airbyte_exporter.cli import _waiting, command_line
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.model import Attempt, AttemptStatus, Failure, Job, JobStatus, Volumes
from tests.commands import NOW, ORDERS, FakeAirbyte, PassingTime, job
from tests.terminals import Terminal

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
    assert result.stderr == f"airbyte-exporter: job 12 of Orders {said}\n"


def test_a_job_that_is_over_already_is_told_at_once(
    invoke: Invoke, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.live = [job(12, "", JobStatus.SUCCEEDED)]
    result = invoke("jobs", "wait", 12)
    assert (result.exit_code, result.stdout, passing.waits) == (0, "job 12 succeeded\n", [])


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
    assert result.stderr.startswith("airbyte-exporter: timed out after 5s: ")


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
    passing.during = [lambda: signal.raise_signal(number)]
    result = invoke("jobs", "wait", 12)
    assert result.exit_code == 130
    assert result.stderr == "airbyte-exporter: not waiting any longer; job 12 of Orders goes on in Airbyte\n"


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


def test_on_a_terminal_one_line_changes_and_a_problem_stands_above_it(
    becomes: Becomes,
    airbyte: FakeAirbyte,
    passing: PassingTime,
    common: Callable[[], Common],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    for name, value in {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    rename(airbyte, "Orders of مبيعات\x1b[2J" + "x" * 50)
    down = [lambda: setattr(airbyte, "error", DOWN)]
    passing.during = [*[lambda: None] * 4, *down, *[lambda: None] * 4, becomes(JobStatus.SUCCEEDED)]
    assert command_line.main(["jobs", "wait", "12"], standalone_mode=False, obj=common()) == 0
    assert passing.waits == [1] * 10
    written = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    lines = re.split(r"[\r\n]|\x1b\[\??\d*[A-Za-z]", written)
    assert any(
        "job 12 is running, attempt 1, 12,345 records, 5.0 MiB emitted, 1m 2s" in line for line in lines
    )
    assert f"{local(NOW + 5)}  jobs/get: nobody home; still trying" in [line.strip() for line in lines]
    assert max(cell_len(line) for line in lines if "succeeded" not in line) < 80
    assert "\x1b[2J" not in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l"), "the cursor is back"
    assert "succeeded" in lines[-2]


def rename(airbyte: FakeAirbyte, name: str) -> None:
    connections = [
        replace(each, name=name) if each.id == ORDERS else each for each in airbyte.inventory_.connections
    ]
    airbyte.inventory_ = replace(airbyte.inventory_, connections=tuple(connections))


def test_a_job_of_which_little_is_known(invoke: Invoke, airbyte: FakeAirbyte, passing: PassingTime) -> None:
    little = Job("", 12, NOW + 30, NOW + 30, RUNNING.type, JobStatus.UNKNOWN)
    airbyte.live = [little]
    passing.during = [lambda: airbyte.live.__setitem__(0, replace(little, status=JobStatus.FAILED))]
    result = invoke("jobs", "wait", 12)
    assert result.stdout == f"{local(NOW)}  job 12 is unknown, 0s\n"
    assert result.stderr == "airbyte-exporter: job 12 failed\n"
