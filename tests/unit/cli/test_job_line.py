"""A job that is waited for at a terminal: what is seen of it on one line that fits, in colour and without."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from airbyte_exporter.airbyte import ApiUnreachable
from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.model import Attempt, AttemptStatus, Instance, Job, JobStatus, Volumes
from tests.commands import NOW, ORDERS, FakeAirbyte, PassingTime, job
from tests.specifications import Json
from tests.terminals import Terminal
from tests.unit.cli.test_widths import MEASURES, NAMES

FIRST = Attempt(0, AttemptStatus.RUNNING, NOW - 240)
RUNNING = job(
    4711,
    ORDERS,
    JobStatus.RUNNING,
    created_at=NOW - 300,
    attempts=(FIRST,),
    volumes=Volumes(records_emitted=12_345, bytes_emitted=5 << 20),
)
DOWN = ApiUnreachable("jobs/get: nobody\nhome", method="jobs/get", reason="connect", retryable=True)
FREE = len("⠋ ") + len(" ^C")

See = Callable[..., list[str]]
Becomes = Callable[..., Callable[[], object]]


def nothing() -> None:
    """Only time passes."""


@pytest.fixture
def becomes(airbyte: FakeAirbyte) -> Becomes:
    """Make something happen to the job while somebody waits for it."""

    def happen(status: JobStatus = JobStatus.RUNNING, **changes: Json) -> Callable[[], None]:
        def change() -> None:
            airbyte.error = None
            (now,) = airbyte.live
            airbyte.live = [replace(now, status=status, **changes)]

        return change

    airbyte.live, airbyte.changed = [RUNNING], []
    return happen


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, common: Callable[[], Common]) -> Callable[..., str]:
    """Wait for the job on a terminal until it succeeds, and return what was written there."""

    def run(*arguments: str, columns: int = 80, **variables: str) -> str:
        terminal = Terminal()
        with monkeypatch.context() as patched:
            patched.setattr("sys.stdout", terminal)
            patched.delenv("NO_COLOR", raising=False)
            for name, value in {"COLUMNS": str(columns), "TERM": "xterm", **variables}.items():
                patched.setenv(name, value)
            command = ["jobs", "wait", "4711", *arguments]
            assert command_line.main(command, standalone_mode=False, obj=common()) == 0
        return terminal.getvalue()

    return run


@pytest.fixture
def see(written: Callable[..., str]) -> See:
    """Wait for the job on a terminal, and return the different lines that were seen, without the spinner."""

    def run(*arguments: str, **how: int) -> list[str]:
        text = re.sub(r"\x1b\[[0-9;]*m", "", written(*arguments, **how))
        lines = [line.rstrip() for line in re.split(r"[\r\n]|\x1b\[\??\d*[A-Za-z]", text)]
        return list(dict.fromkeys(re.sub("^[⠁-⣿] ", "", line) for line in lines if line))

    return run


def past(number: int, seconds: int) -> Job:
    attempt = Attempt(0, AttemptStatus.SUCCEEDED, NOW - 90_000)
    times = {"created_at": NOW - 90_100, "updated_at": NOW - 90_000 + seconds}
    return job(number, ORDERS, JobStatus.SUCCEEDED, attempts=(attempt,), **times)


def emitted(records: int, size: int = 5 << 20) -> Volumes:
    return Volumes(records_emitted=records, bytes_emitted=size)


def rename(airbyte: FakeAirbyte, name: str) -> None:
    connections = [
        replace(each, name=name) if each.id == ORDERS else each for each in airbyte.inventory_.connections
    ]
    airbyte.inventory_ = replace(airbyte.inventory_, connections=tuple(connections))


def go(becomes: Becomes, *records: int) -> list[Callable[[], object]]:
    """Let the job emit so many records in all, five seconds later each, and succeed."""
    looks = [becomes(volumes=emitted(each)) for each in records]
    looks.append(becomes(JobStatus.SUCCEEDED, updated_at=NOW, volumes=None))
    return [each for look in looks for each in (*[nothing] * 4, look)]


def test_one_line_changes_each_second(see: See, becomes: Becomes, passing: PassingTime) -> None:
    passing.during = go(becomes)
    assert see() == [
        *(f"job 4711 is running, attempt 1, 12.3k records, 4m{more}, Orders" for more in ["", " 1s", " 2s"]),
        *(f"job 4711 is running, attempt 1, 12.3k records, 4m{more}, Orders" for more in [" 3s", " 4s"]),
        "job 4711 is running, attempt 1, 12.3k records, 4m 5s, Orders",
        "job 4711 of Orders succeeded after 4m",
    ]
    assert passing.waits == [1] * 5


def test_at_80_columns_what_matters_is_seen_and_the_name_gives_way(
    see: See, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.changed = [past(number, 360) for number in range(3)]
    second = (FIRST, Attempt(1, AttemptStatus.RUNNING, NOW))
    airbyte.live = [replace(RUNNING, attempts=second)]
    rename(airbyte, "Orders of the shop to the warehouse")
    passing.during = go(becomes, 20_000, 37_000)
    seen = see()
    assert seen[0] == "job 4711 is running, attempt 2, 12.3k records, 4m of usually 6m, Orders of…"
    assert "job 4711 is running, attempt 2, 37k records, 3.4k/s, 4m 10s of usually 6m" in seen


def test_a_wide_terminal_has_everything_in_full(
    see: See, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.changed = [past(number, 360) for number in range(3)]
    passing.during = go(becomes, 20_000, 37_000)
    line = (
        "job 4711 is running, attempt 1, 37,000 records, 5.0 MiB emitted, 3,400 records/s, "
        "4m 10s of usually 6m, Orders"
    )
    assert line in see(columns=140)


def test_a_job_that_takes_much_longer_than_usual_has_its_time_in_yellow(
    written: Callable[..., str], becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.changed = [past(number, 121) for number in range(3)]
    passing.during = go(becomes)
    text = written()
    assert "4m 2s (usually 2m 1s)" in re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b[33m4m 2s (usually 2m 1s)" not in text, "twice as long is not more than twice as long"
    assert "\x1b[33m4m 3s (usually 2m 1s)" in text


def test_without_colour_there_is_none(
    written: Callable[..., str], becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.changed = [past(number, 60) for number in range(3)]
    passing.during = [*[nothing] * 4, lambda: setattr(airbyte, "error", DOWN), *go(becomes)]
    text = written(NO_COLOR="1")
    assert "4m (usually 1m)" in text
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", text)


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_without_a_cursor_has_lines(
    term: str, written: Callable[..., str], becomes: Becomes, passing: PassingTime
) -> None:
    passing.during = [becomes(JobStatus.SUCCEEDED, updated_at=NOW, volumes=None)]
    first, last, end = written(TERM=term).split("\n")
    assert "\x1b" not in first + last + end
    assert first[8:] == "  job 4711 is running, attempt 1, 12,345 records, 5.0 MiB emitted, 4m, Orders"
    assert (last, end) == ("job 4711 of Orders succeeded after 4m", "")


def test_a_problem_stands_above_the_line_and_the_line_says_that_it_is_old(
    see: See, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    passing.during = [*[nothing] * 4, lambda: setattr(airbyte, "error", DOWN), *[nothing] * 5, *go(becomes)]
    seen = see()
    time = datetime.fromtimestamp(NOW + 5, UTC).astimezone().strftime("%H:%M:%S")
    assert [line for line in seen if "still trying" in line] == [
        f"{time}  jobs/get: nobody home; still trying"
    ]
    assert "job 4711 was running, attempt 1, 12.3k records, 4m 8s, Orders" in seen
    assert seen[-1] == "job 4711 of Orders succeeded after 4m"


def test_the_cursor_comes_back(written: Callable[..., str], becomes: Becomes, passing: PassingTime) -> None:
    passing.during = go(becomes)
    text = written()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_an_api_that_tells_nothing_of_a_job_at_work_has_no_rate(
    see: See, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.inventory_ = replace(
        airbyte.inventory_, instance=Instance("2.0.1", "community", "public", "none")
    )
    passing.during = go(becomes, 20_000, 37_000, 54_000)
    assert "/s" not in "".join(see())


def test_after_an_attempt_failed_the_rate_begins_anew(
    see: See, becomes: Becomes, passing: PassingTime
) -> None:
    second = (FIRST, Attempt(1, AttemptStatus.RUNNING, NOW + 15))
    passing.during = [
        *go(becomes, 20_000, 37_000)[:10],
        *[nothing] * 4,
        becomes(attempts=second, volumes=emitted(100)),
        *go(becomes, 200, 201),
    ]
    rates = re.findall(r"attempt (\d), ([\d.]+k?) records(?:, ([^ ]+)/s)?", "\n".join(see()))
    assert list(dict.fromkeys(rates)) == [
        ("1", "12.3k", ""),
        ("1", "20k", ""),
        ("1", "37k", "3.4k"),
        ("2", "100", ""),
        ("2", "200", ""),
        ("2", "201", "<1"),
    ]


@pytest.mark.parametrize("columns", [20, 40, 60, 79, 80, 119, 120, 200])
def test_no_line_is_ever_wider_than_the_terminal(
    columns: int, see: See, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.changed = [past(number, 9_000) for number in range(3)]
    airbyte.live = [replace(RUNNING, id=4711, attempts=(FIRST,) * 20)]
    for name in NAMES.values():
        rename(airbyte, name)
        airbyte.live = [replace(airbyte.live[0], status=JobStatus.RUNNING, volumes=emitted(7))]
        passing.during = go(becomes, 8_888_888_888, 88_888_888_888_888)
        lines = [line for line in see(columns=columns) if "succeeded" not in line]
        assert lines
        for measure in MEASURES:
            assert max(map(measure, lines)) <= columns - FREE
        assert "\x1b[2J" not in "".join(lines)


@pytest.mark.parametrize(
    ("columns", "seen"), [(60, ", attempt 1, 20.1k records"), (44, ", attempt 1"), (36, "")]
)
def test_on_a_narrow_terminal_status_and_time_stay(
    columns: int, seen: str, see: See, becomes: Becomes, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    rename(airbyte, "")
    passing.during = go(becomes, 20_000, 20_123)
    lines = see(columns=columns)
    assert f"job 4711 is running{seen}, 4m 10s" in lines
