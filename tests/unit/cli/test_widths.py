"""Names as the world writes them: every table lines up and fits, whatever a terminal thinks of emoji."""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import Result
from rich.cells import cell_len

from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._tables import steady
from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    Definition,
    Failure,
    JobStatus,
    StreamVolumes,
    Volumes,
    Workspace,
)
from tests.commands import NOW, FakeAirbyte, connection, example_airbyte, job
from tests.terminals import Terminal

Invoke = Callable[..., Result]
Show = Callable[..., list[str]]

MARK = "\u200e"
NAMES = {
    "japanese": "顧客データの毎日の同期",
    "half width": "ｶﾀｶﾅ ﾃﾞｰﾀ",
    "korean": "매출 데이터",
    "arabic": "مزامنة المبيعات 2024",
    "hebrew": "סנכרון לקוחות",
    "persian": "می\u200cرود",
    "joined emoji": "👩\u200d💻👨\u200d👩\u200d👧\u200d👦",
    "coloured emoji": "👍🏽👋🏿",
    "emoji by selector": "❤\ufe0f ☎\ufe0e 1\ufe0f\u20e3",
    "flags": "🇯🇵🇩🇪",
    "combining": "Zu\u0308rich e\u0301te\u0301 Z\u0351\u036b\u0313",
    "joiners between letters": "\u200d".join("abcdefghijklmnopqrstuvwxyz"),
    "turned around": "\u202egnihton\u202c \u2067x\u2069",
    "control": "a\x1b[2J\tb\r\nc\x9b1m\u2028d\u00ad",
    "tags": "flag\U000e0067\x7f",
    "quotes": """it's "so" \\ `much`, isn't; it""",
    "long": "every table of the shop, all of them, every night " * 3,
    "lone surrogate": "x\udce4y",
    "nothing": "",
}


def cells_piece_by_piece(text: str) -> int:
    """Measure as terminals do that draw every character by itself."""
    return sum(
        0
        if unicodedata.category(char) in {"Mn", "Me", "Cf"}
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


MEASURES = [cell_len, cells_piece_by_piece]


@pytest.fixture
def airbyte() -> FakeAirbyte:
    """Everything has such a name."""
    it = example_airbyte()
    it.lose_everything()
    names = list(NAMES.values())
    ids = [
        f"{number:08x}-0000-4000-8000-000000000000" for number in range(0xA0000000, 0xA0000000 + len(names))
    ]
    it.have_workspaces(*(Workspace(each, name) for each, name in zip(ids, names, strict=True)))
    actors = [Actor(each, name, name, name) for each, name in zip(ids, names, strict=True)]
    it.sources_ = it.destinations_ = {ids[0]: tuple(actors)}
    it.have(
        *(
            connection(each.id, each.name, workspace_id=ids[0], source=actors[0], destination=each)
            for each in actors
        )
    )
    it.definitions_ = tuple(Definition(each.id, "source", each.name, each.name, "1.2.3") for each in actors)
    it.changed = [
        job(
            number,
            each.id,
            JobStatus.SUCCEEDED,
            volumes=Volumes(records_synced=10**number, bytes_synced=10**number),
        )
        for number, each in enumerate(actors)
    ]
    it.streams = {1: tuple(StreamVolumes(name, name, Volumes(1, 2, 3, 4, 5)) for name in names)}
    return it


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, common: Callable[[], Common]) -> Show:
    """Run a command on a terminal, and return the lines that it wrote."""

    def run(*arguments: str, columns: int = 80) -> list[str]:
        terminal = Terminal()
        with monkeypatch.context() as patched:
            patched.setattr("sys.stdout", terminal)
            for name, value in {"COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}.items():
                patched.setenv(name, value)
            assert command_line.main(arguments, standalone_mode=False, obj=common()) == 0
        return re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).split("\n")[:-1]

    return run


LISTS: dict[tuple[str, ...], str] = {
    ("workspaces", "list"): "ID",
    ("definitions", "list"): "KIND",
    ("sources", "list"): "ID",
    ("destinations", "list"): "ID",
    ("connections", "list"): "STATUS",
    ("jobs", "list"): "TYPE",
}
VALUES = {"ID": "a000", "KIND": "source", "STATUS": "active", "TYPE": "sync"}


@pytest.mark.parametrize("columns", [80, 100, 160])
@pytest.mark.parametrize("command", LISTS)
def test_on_a_terminal_columns_stand_and_fit(command: tuple[str, ...], columns: int, show: Show) -> None:
    head, _rule, *rows = show(*command, columns=columns)
    title = LISTS[command]
    assert len(rows) == len(NAMES)
    for measure in MEASURES:
        assert max(map(measure, rows)) <= columns
        starts = {measure(row[: re.search(rf"(?<= ){MARK}?{VALUES[title]}", row).start()]) for row in rows}  # type: ignore[union-attr]
        assert starts == {head.index(f"{title}")}


@pytest.mark.parametrize("command", LISTS)
def test_in_a_pipe_columns_stand_and_names_are_whole(command: tuple[str, ...], invoke: Invoke) -> None:
    head, *rows = invoke(*command).stdout.split("\n")[:-1]
    assert len(rows) == len(NAMES)
    title = LISTS[command]
    starts = {cell_len(row[: re.search(rf"(?<= ){VALUES[title]}", row).start()]) for row in rows}  # type: ignore[union-attr]
    assert starts == {head.index(title)}
    for name in ("arabic", "joined emoji", "coloured emoji", "persian", "long", "quotes"):
        assert any(NAMES[name].strip() in row for row in rows)
    assert not any(MARK in row for row in rows)


@pytest.mark.parametrize(
    "command",
    [
        *LISTS,
        ("connections", "show", "a0000003"),
        ("workspaces", "show", "a0000000"),
        ("sources", "show", "a0000000"),
        ("destinations", "show", "a0000003"),
        ("jobs", "show", "1"),
    ],
)
def test_nothing_that_a_name_holds_reaches_the_terminal_as_a_command(
    command: tuple[str, ...], show: Show
) -> None:
    lines = show(*command)
    assert max(map(cell_len, lines)) <= 80
    for char in "".join(lines):
        assert unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
        assert char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u00ad"


def test_json_on_a_terminal_is_harmless_and_still_json(show: Show) -> None:
    lines = show("workspaces", "list", "-o", "json")
    assert all(line.isprintable() or "\u200c" in line or "\u200d" in line for line in lines)
    assert {record["name"] for record in json.loads("\n".join(lines))} == set(NAMES.values())


def test_what_runs_from_right_to_left_ends_with_its_cell(show: Show) -> None:
    rows = show("jobs", "list")[2:]
    for name in ("arabic", "hebrew", "persian"):
        (row,) = [row for row in rows if NAMES[name] in row]
        assert re.search(rf"{re.escape(NAMES[name])} +{MARK}sync ", row)
    assert sum(MARK in row for row in rows) == 3


def test_a_right_to_left_name_that_is_cut_off_ends_with_its_cell_too(
    show: Show, airbyte: FakeAirbyte
) -> None:
    first = airbyte.inventory_.connections[0]
    airbyte.inventory_ = replace(
        airbyte.inventory_, connections=(replace(first, name="مزامنة المبيعات " * 10),)
    )
    assert f"…  {MARK}" in show("connections", "list")[2]


@pytest.mark.parametrize("columns", [80, 119, 120])
def test_why_jobs_failed_is_seen_on_a_narrow_terminal_too(
    columns: int, show: Show, airbyte: FakeAirbyte
) -> None:
    failure = Failure("destination", "transient_error", "Exceeded rate limits: too many updates of a table")
    attempts = (Attempt(0, AttemptStatus.FAILED, NOW - 900, NOW - 800, failure),)
    airbyte.changed = [
        job(100_000 + each.id, each.connection_id, JobStatus.FAILED, attempts=attempts)
        for each in airbyte.changed
    ]
    head, _rule, *rows = show("jobs", "list", "--status", "failed", columns=columns)
    everything = ["JOB", "CONNECTION", "TYPE", "STATUS", "CREATED", "TOOK", "RECORDS", "SIZE", "FAILURE"]
    narrow = ["JOB", "CONNECTION", "CREATED", "TOOK", "FAILURE"]
    assert head.split() == (narrow if columns < 120 else everything)
    assert len(rows) == len(NAMES)
    for measure in MEASURES:
        assert max(map(measure, rows)) <= columns
        starts = {measure(row[: row.index("destination")]) for row in rows}
        assert starts == {head.index("FAILURE")}
    if columns < 120:
        assert all("destination transient_error" in row for row in rows)
    titles = show("jobs", "list", columns=columns)[0].split()
    assert titles == (everything[:-2] if columns < 120 else everything)


def test_where_there_is_room_a_failed_job_tells_all_of_its_connections_name(
    show: Show, airbyte: FakeAirbyte
) -> None:
    name = "every table of the shop, all of them, every night"
    first = airbyte.inventory_.connections[0]
    airbyte.inventory_ = replace(airbyte.inventory_, connections=(replace(first, name=name),))
    airbyte.changed = [job(1, first.id, JobStatus.FAILED)]
    (row,) = show("jobs", "list", "--status", "failed", columns=160)[2:]
    assert name in row


def test_the_streams_of_a_job_stand_and_fit(show: Show) -> None:
    lines = show("jobs", "show", "1")
    (head,) = [number for number, line in enumerate(lines) if line.startswith("STREAM")]
    rows = lines[head + 2 :]
    assert len(rows) == len(NAMES)
    for measure in MEASURES:
        assert {measure(row) for row in rows} == {len(lines[head])}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("👩\u200d💻", "👩💻"),
        ("👍🏽", "👍"),
        ("❤\ufe0f", "❤"),
        ("🏽", "🏽"),
        ("می\u200cرود", "می\u200cرود"),
        ("a\x1b", "a\\x1b"),
    ],
)
def test_what_terminals_draw_differently_is_drawn_piece_by_piece(name: str, shown: str) -> None:
    assert steady(name) == shown
