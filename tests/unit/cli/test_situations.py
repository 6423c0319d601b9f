"""Every command that reads, in every bad situation: one clear line, the right exit code, and no secret."""

import csv
import io
import json
from collections.abc import Callable

import pytest
from click.testing import Result

from airbyte_exporter.airbyte import ApiForbidden, ApiMalformed, ApiUnauthorized, ApiUnreachable
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.model import (
    Actor,
    Connection,
    ConnectionStatus,
    JobStatus,
    Schedule,
    ScheduleType,
    Workspace,
)
from tests.commands import FakeAirbyte, connection, example_airbyte, job

Invoke = Callable[..., Result]

LISTS = ("workspaces", "definitions", "sources", "destinations", "connections", "jobs")
NAMED = ("workspaces", "sources", "destinations", "connections")
READING = [
    *((what, "list") for what in LISTS),
    *((what, "show", "anything") for what in NAMED),
    ("jobs", "show", "1"),
    ("jobs", "wait", "1"),
]
TWO = "a1b2c3d4-0000-4000-8000-00000000000"
HOSTILE = 'it\'s "x", \x1b[2J\nnow \u202eabc'


@pytest.fixture
def airbyte() -> FakeAirbyte:
    """Two of everything whose ids begin alike, and one with a hostile name."""
    it = example_airbyte()
    it.lose_everything()
    ids = (f"{TWO}1", f"{TWO}2", "ffff0000-0000-4000-8000-000000000003")
    names = ("Orders", "Orders", HOSTILE)
    it.have_workspaces(*(Workspace(*pair) for pair in zip(ids, names, strict=True)))
    actors = tuple(Actor(*pair, "Postgres") for pair in zip(ids, names, strict=True))
    it.sources_ = it.destinations_ = {ids[0]: actors}
    it.have(*(connection(*pair, workspace_id=ids[0]) for pair in zip(ids, names, strict=True)))
    return it


def assert_one_line(result: Result, code: int = 1) -> str:
    """Return what was said in the only line."""
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("airbyte-exporter: ")
    assert result.stderr.endswith("\n")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr[:-1].isprintable()
    return result.stderr.removeprefix("airbyte-exporter: ")[:-1]


@pytest.mark.parametrize(
    "error",
    [
        ApiUnreachable("cannot connect to h (connection refused)", method="m", reason="connect"),
        ApiForbidden("h says 403", method="m", reason="forbidden", status=403),
        ApiUnauthorized("h says 401", method="m", reason="unauthorized", status=401),
        ApiMalformed("h answers with a web page (200)", method="m", reason="not_airbyte"),
    ],
    ids=lambda error: error.reason,
)
@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_an_airbyte_that_cannot_be_read(
    command: tuple[str, ...], error: AirbyteExporterError, invoke: Invoke, airbyte: FakeAirbyte
) -> None:
    airbyte.error = error
    assert assert_one_line(invoke(*command)) == str(error)
    assert airbyte.closed


@pytest.mark.parametrize("what", NAMED)
def test_what_does_not_exist(what: str, invoke: Invoke) -> None:
    kind = what.removesuffix("s")
    for name in ("ffff0001", "Order", "a1b", "ffff0000-0000-4000-8000-000000000004"):
        near = "did you mean 'Orders'?" if name == "Order" else f"see airbyte-exporter {what} list"
        said = assert_one_line(invoke(what, "show", name))
        assert said == f"there is no {kind} '{name}'; {near}"


@pytest.mark.parametrize("name", ["a1b2", "A1B2C3D4-0000-4000", "Orders"])
@pytest.mark.parametrize("what", NAMED)
def test_what_means_two_lists_them(what: str, name: str, invoke: Invoke) -> None:
    kind = what.removesuffix("s")
    assert assert_one_line(invoke(what, "show", name)) == (
        f"'{name}' means 2 {kind}s: {TWO}1 (Orders), {TWO}2 (Orders); give the full id of one"
    )


def test_hostile_names_are_listed_harmlessly(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.have_workspaces(Workspace(f"{TWO}1", HOSTILE), Workspace(f"{TWO}2", HOSTILE))
    said = assert_one_line(invoke("workspaces", "show", HOSTILE))
    assert said.count('it\'s "x", \\x1b[2J\\nnow \\u202eabc') == 3


def test_right_to_left_names_do_not_turn_a_list_of_them_around(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.have_workspaces(Workspace(f"{TWO}1", "مبيعات"), Workspace(f"{TWO}2", "b"))
    assert f"(مبيعات\u200e), {TWO}2 (b);" in invoke("workspaces", "show", "a1b2").stderr


@pytest.mark.parametrize("what", NAMED)
def test_a_hostile_name_is_found_and_shown_harmlessly(what: str, invoke: Invoke) -> None:
    for name in (HOSTILE, "ffff", "ffff0000-0000-4000-8000-000000000003"):
        result = invoke(what, "show", name)
        assert (result.exit_code, result.stderr) == (0, "")
        assert 'it\'s "x", \\x1b[2J\\nnow \\u202eabc' in result.stdout.splitlines()[0]
        assert json.loads(invoke(what, "show", name, "-o", "json").stdout)["name"] == HOSTILE
    said = assert_one_line(invoke(what, "show", HOSTILE[:-1]))
    assert said.count("'it's \"x\", \\x1b[2J\\nnow \\u202eab") == 2, "what was asked for and what is near it"


@pytest.mark.parametrize("name", ["مبيعات", "o'clock", "🇯🇵 売上", "\udcff\x00"])
@pytest.mark.parametrize("what", NAMED)
def test_whatever_is_asked_for_is_said_in_one_line(what: str, name: str, invoke: Invoke) -> None:
    said = assert_one_line(invoke(what, "show", name))
    quoted = {"o'clock": '"o\'clock"', "\udcff\x00": "'\\udcff\\x00'"}.get(name, f"'{name}'")
    assert said.startswith(f"there is no {what.removesuffix('s')} {quoted}; ")


@pytest.mark.parametrize("what", LISTS)
def test_an_airbyte_that_has_nothing(what: str, invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.lose_everything()
    for output, stdout in {"table": "", "json": "[]\n"}.items():
        result = invoke(what, "list", "-o", output)
        assert (result.exit_code, result.stdout) == (0, stdout)
        assert len(result.stderr.splitlines()) == 1
    head, *rows = invoke(what, "list", "-o", "csv").stdout.splitlines()
    assert head.startswith("id,")
    assert rows == []


@pytest.mark.parametrize("what", NAMED)
def test_nothing_to_show_where_there_is_nothing(what: str, invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.lose_everything()
    assert assert_one_line(invoke(what, "show", "Orders")).startswith("there is no ")


@pytest.mark.parametrize("what", LISTS)
def test_json_and_csv_hold_the_same_things(what: str, invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.changed = [job(1, f"{TWO}1", JobStatus.SUCCEEDED), job(2, "", JobStatus.FAILED)]
    records = json.loads(invoke(what, "list", "-o", "json").stdout)
    assert isinstance(records, list)
    rows = list(csv.DictReader(io.StringIO(invoke(what, "list", "-o", "csv").stdout, newline="")))
    assert [row["id"] for row in rows] == [str(record["id"]) for record in records]
    assert [row.get("name") for row in rows] == [record.get("name") for record in records]


@pytest.mark.parametrize(
    "arguments",
    [
        ("workspaces", "show"),
        ("sources", "show", "a", "b"),
        ("destinations", "show", "a", "-o", "csv"),
        ("definitions", "list", "--kind", "both"),
        ("definitions", "show", "x"),
        ("jobs", "show", "-1"),
        ("jobs", "wait", "9223372036854775808"),
        ("jobs", "list", "--watch", "1w"),
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments: tuple[str, ...], invoke: Invoke) -> None:
    assert_one_line(invoke(*arguments), code=2)


UNKNOWN = Actor("s", "s", "unknown")


def test_what_a_simple_api_does_not_tell_is_left_out(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    bare = Connection(
        "cafe0000", "Bare", "", ConnectionStatus.UNKNOWN, UNKNOWN, UNKNOWN, Schedule(ScheduleType.UNKNOWN)
    )
    airbyte.lose_everything()
    airbyte.have_workspaces(Workspace("w", "w"))
    airbyte.have(bare, connection("beef0000", "Half", schedule=Schedule(ScheduleType.BASIC)))
    airbyte.sources_ = {"w": (UNKNOWN,)}
    airbyte.live = [
        job(1, "", JobStatus.RUNNING),
        job(2, "gone", JobStatus.UNKNOWN),
        job(3, "cafe0000", JobStatus.PENDING),
    ]
    commands = [
        ("connections", "list"),
        ("sources", "list"),
        ("jobs", "list"),
        ("connections", "show", "cafe"),
    ]
    commands += [("sources", "show", "s"), ("workspaces", "show", "w")]
    commands += [("jobs", "show", str(number)) for number in (1, 2, 3)]
    for command in commands:
        result = invoke(*command)
        assert (result.exit_code, result.stderr) == (0, ""), command
        assert "None" not in result.stdout
        json.loads(invoke(*command, "-o", "json").stdout)
    assert "unknown" in invoke("connections", "show", "cafe").stdout
    sheet = invoke("jobs", "show", 2).stdout
    assert "Connection id  gone\n" in sheet
