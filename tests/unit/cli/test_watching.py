"""Lists that are shown again and again: refreshes in, screens and lines out."""

import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from click.testing import Result
from rich.cells import cell_len

from airbyte_exporter.airbyte import ApiUnreachable
from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.model import Inventory, JobStatus
from tests.commands import NOW, FakeAirbyte, PassingTime, connection, job
from tests.terminals import Terminal

Invoke = Callable[..., Result]

ALTERNATE, NORMAL = "\x1b[?1049h", "\x1b[?1049l"
LISTS = [
    ("workspaces", "list"),
    ("definitions", "list"),
    ("sources", "list"),
    ("destinations", "list"),
    ("connections", "list"),
    ("jobs", "list"),
]


def local(seconds: float, written: str = "%H:%M:%S") -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime(written)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, common: Callable[[], Common]) -> Callable[..., str]:
    """Watch a list on a terminal until Ctrl-C, and return what was written there."""

    def run(*arguments: str, size: tuple[int, int] = (80, 24), term: str = "xterm") -> str:
        terminal = Terminal()
        variables = {"COLUMNS": size[0], "LINES": size[1], "TERM": term, "NO_COLOR": 1}
        with monkeypatch.context() as patched:
            patched.setattr("sys.stdout", terminal)
            for name, value in variables.items():
                patched.setenv(name, str(value))
            assert command_line.main(arguments, standalone_mode=False, obj=common()) == 0
        return re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())

    return run


@pytest.mark.parametrize("command", LISTS)
def test_every_list_can_be_watched(command: tuple[str, ...], invoke: Invoke, passing: PassingTime) -> None:
    once = invoke(*command)
    passing.during = [lambda: None]
    result = invoke(*command, "--watch")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = once.stdout or once.stderr
    assert result.stdout == "".join(f"{local(at, '%Y-%m-%d %H:%M:%S')}\n{shown}\n" for at in (NOW, NOW + 5))
    assert passing.waits == [5, 5]


def test_a_refresh_that_fails_is_a_line_and_the_watch_goes_on(
    invoke: Invoke, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    def fail() -> None:
        airbyte.error = ApiUnreachable("no\nway \x1b[2J", method="jobs/list", reason="connect")

    def recover() -> None:
        airbyte.error = None
        airbyte.lose_everything()

    passing.during = [fail, lambda: None, recover]
    result = invoke("jobs", "list", "--watch", "90")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"airbyte-exporter: {local(NOW + seconds)}: no way \\x1b[2J" for seconds in (90, 180)
    ]
    assert result.stdout.count("JOB") == 1
    assert result.stdout.endswith(f"{local(NOW + 270, '%Y-%m-%d %H:%M:%S')}\nno jobs in the last 24h\n\n")
    assert airbyte.closed


@pytest.mark.parametrize("error", [AirbyteExporterError("away"), ValueError("of ours")])
def test_what_fails_at_once_is_not_watched(
    error: Exception, invoke: Invoke, airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    airbyte.error = error
    result = invoke("connections", "list", "--watch")
    assert (result.exit_code, result.stdout, passing.waits) == (1, "", [])
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "json", "--watch"), "--watch shows a table: leave out --output json, or --watch"),
        (("--watch", "5s", "-o", "csv"), "--watch shows a table: leave out --output csv, or --watch"),
        (("--watch", "0.5"), "--watch must be at least 1s"),
        (("--watch", "often"), "--watch must be a number of seconds or a duration like 30s, 5m, 6h or 1d"),
    ],
)
def test_what_cannot_be_watched_is_wrong_usage(arguments: tuple[str, ...], said: str, invoke: Invoke) -> None:
    result = invoke("connections", "list", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"airbyte-exporter: {said}\n"


def test_on_a_terminal_a_screen_is_drawn_anew_and_the_terminal_put_back(
    watch: Callable[..., str], airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    passing.during = [lambda: airbyte.have(connection("c9", "Newcomer"))]
    written = watch("connections", "list", "--watch")
    before, _, rest = written.partition(ALTERNATE)
    screens, _, after = rest.partition(NORMAL)
    assert before == ""
    assert ALTERNATE not in after
    first, second = screens.split("connections of localhost at ")[1:]
    assert ("Newcomer" in first, "Newcomer" in second) == (False, True)
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l"), "the cursor is back"
    left = after.splitlines()
    assert left[0] == f"connections of localhost at {local(NOW + 5)}, every 5s until Ctrl-C"
    assert len(left) == 3 + 4, "the last table stays"


def test_a_failing_refresh_stands_above_the_table_that_was_read_before(
    watch: Callable[..., str], airbyte: FakeAirbyte, passing: PassingTime
) -> None:
    def fail() -> None:
        airbyte.error = AirbyteExporterError("Airbyte is away: " + "very " * 30 + "far")

    passing.during = [fail]
    left = watch("connections", "list", "--watch").rpartition(NORMAL)[2].splitlines()
    assert left[0].startswith(f"connections of localhost at {local(NOW)}")
    assert left[1].startswith(f"{local(NOW + 5)}: Airbyte is away: very")
    assert left[3].rstrip().endswith("far")
    assert left[4].startswith("NAME")


@pytest.mark.parametrize("size", [(80, 24), (60, 12), (132, 40)])
def test_a_watched_list_fits_the_terminal(
    size: tuple[int, int], watch: Callable[..., str], airbyte: FakeAirbyte
) -> None:
    airbyte.have(*(connection(f"c{number:03}", f"顧客データ مبيعات {number} " * 4) for number in range(60)))
    left = watch("connections", "list", "--watch", size=size).rpartition(NORMAL)[2].splitlines()
    assert len(left) == size[1]
    assert max(map(cell_len, left)) <= size[0]
    assert left[-1].strip() == f"… and {63 - (size[1] - 4)} more"


def test_a_terminal_that_cannot_redraw_gets_one_table_after_the_other(
    watch: Callable[..., str], passing: PassingTime
) -> None:
    passing.during = [lambda: None]
    written = watch("workspaces", "list", "--watch", term="dumb")
    assert "\x1b" not in written
    assert written.count("Data") == 2


def test_nothing_to_see_is_said_on_the_screen(watch: Callable[..., str], airbyte: FakeAirbyte) -> None:
    airbyte.lose_everything()
    left = watch("sources", "list", "--watch").rpartition(NORMAL)[2].splitlines()
    assert left[1].strip() == "localhost has no sources that can be seen"


def test_a_request_to_stop_puts_the_terminal_back_too(
    watch: Callable[..., str], passing: PassingTime
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    passing.during = [lambda: signal.raise_signal(signal.SIGTERM), lambda: pytest.fail("it went on")]
    assert NORMAL in watch("workspaces", "list", "--watch")
    assert signal.getsignal(signal.SIGTERM) is before


def test_watched_jobs_read_what_exists_once_a_minute_and_when_something_is_new(
    invoke: Invoke, airbyte: FakeAirbyte, passing: PassingTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_at: list[float] = []
    inventory = airbyte.inventory

    def counted() -> Inventory:
        read_at.append(passing.now - NOW)
        return inventory()

    def have_something_new() -> None:
        airbyte.have(connection("new", "Newcomer"))
        airbyte.changed.append(job(77, "new", JobStatus.FAILED))

    monkeypatch.setattr(airbyte, "inventory", counted)
    gone = [job(70, "deleted", JobStatus.FAILED), job(71, "", JobStatus.FAILED)]
    airbyte.changed += gone
    passing.during = [lambda: None, have_something_new, *[lambda: None] * 7]
    result = invoke("jobs", "list", "--watch", "10")
    assert read_at == [0, 20, 80]
    assert result.stdout.count("Newcomer") == 8
    assert result.stdout.count("deleted") == 10
