"""Workspaces, sources, destinations, and one connection or job in full: what Airbyte says in, text out."""

import csv
import io
import json
import re
from collections.abc import Callable

import pytest
from click.testing import Result
from rich.cells import cell_len

from airbyte_exporter.cli._tables import Cell, print_sheet
from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    Failure,
    JobStatus,
    StreamVolumes,
    Volumes,
    Workspace,
)
from tests.commands import NOW, ORDERS, STRIPE, UNICODE, FakeAirbyte, connection, example_airbyte, job
from tests.terminals import Terminal

Invoke = Callable[..., Result]

SHOP = "55555555-aaaa-4000-8000-000000000005"
CRM = "66666666-aaaa-4000-8000-000000000006"
ATTEMPTS = (
    Attempt(
        0,
        AttemptStatus.FAILED,
        NOW - 800,
        NOW - 700,
        Failure("destination", "system_error", "full"),
        partial_success=True,
    ),
    Attempt(1, AttemptStatus.FAILED, NOW - 690, NOW - 600, Failure("source", "config_error", "Bad key")),
)


@pytest.fixture
def airbyte() -> FakeAirbyte:
    """What the commands find: two workspaces, each with a source."""
    it = example_airbyte()
    it.have_workspaces(Workspace("w1", "Data"), Workspace("w2-long", "مبيعات"))
    shop, crm = Actor(SHOP, "shop", "Postgres"), Actor(CRM, "売上 CRM", "Salesforce")
    it.sources_ = {"w1": (shop,), "w2-long": (crm,)}
    it.destinations_ = {"w1": (Actor("d1", "Lake", "Snowflake"),)}
    volumes = Volumes(records_synced=0, records_emitted=12_345, bytes_emitted=2048)
    it.changed.append(job(11, STRIPE, JobStatus.FAILED, attempts=ATTEMPTS, volumes=volumes))
    return it


def test_workspaces_are_listed_by_name(invoke: Invoke) -> None:
    assert invoke("workspaces", "list").stdout.splitlines() == [
        "NAME    ID",
        "Data    w1",
        "مبيعات  w2-long",
    ]
    assert json.loads(invoke("workspaces", "list", "-o", "json").stdout)[0] == {"id": "w1", "name": "Data"}
    assert invoke("workspaces", "list", "-o", "csv").stdout == "id,name\nw1,Data\nw2-long,مبيعات\n"


def test_sources_of_every_workspace_are_listed(invoke: Invoke) -> None:
    assert invoke("sources", "list").stdout.splitlines() == [
        "NAME      CONNECTOR   WORKSPACE  ID",
        f"shop      Postgres    Data       {SHOP}",
        f"売上 CRM  Salesforce  مبيعات     {CRM}",
    ]
    assert json.loads(invoke("sources", "list", "-o", "json").stdout)[0] == {
        "id": SHOP,
        "name": "shop",
        "connector": "Postgres",
        "workspace": {"id": "w1", "name": "Data"},
    }


def test_destinations_as_csv(invoke: Invoke) -> None:
    (row,) = csv.DictReader(io.StringIO(invoke("destinations", "list", "-o", "csv").stdout))
    assert row == {
        "id": "d1",
        "name": "Lake",
        "connector": "Snowflake",
        "workspace_id": "w1",
        "workspace_name": "Data",
    }


@pytest.mark.parametrize("workspace", ["w2-long", "w2-l", "مبيعات"])
def test_only_one_workspace_is_listed(workspace: str, invoke: Invoke) -> None:
    records = json.loads(invoke("sources", "list", "-w", workspace, "-o", "json").stdout)
    assert [record["id"] for record in records] == [CRM]
    nothing = invoke("destinations", "list", "-w", workspace)
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert nothing.stderr == "workspace مبيعات has no destinations that can be seen\n"


def test_connections_of_one_workspace(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.have(connection(CRM, "Elsewhere", workspace_id="w2-long"))
    names = [each["name"] for each in json.loads(invoke("connections", "list", "-o", "json").stdout)]
    assert {"Elsewhere", "Orders"} < set(names)
    (only,) = json.loads(invoke("connections", "list", "-w", "w2-l", "-o", "json").stdout)
    assert only["name"] == "Elsewhere"
    result = invoke("connections", "list", "-w", "Dat")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "airbyte-exporter: there is no workspace 'Dat'; did you mean 'Data'?\n"


def test_jobs_of_one_workspace(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.have(connection(CRM, "Orders", workspace_id="w2-long"))
    airbyte.changed += [
        job(20, CRM, JobStatus.FAILED), job(21, CRM, JobStatus.SUCCEEDED), job(22, "gone", JobStatus.FAILED)
    ]  # fmt: skip

    def listed(*options: str) -> list[int]:
        result = invoke("jobs", "list", "-o", "json", *options)
        assert (result.exit_code, result.stderr) == (0, "")
        return [record["id"] for record in json.loads(result.stdout)]

    assert listed() == [22, 21, 20, 11, 9, 8, 7]
    assert listed("--workspace", "مبيعات") == [21, 20]
    assert listed("-w", "w2-l", "-s", "failed") == [20]
    assert listed("-w", "Data") == [11, 9, 8, 7]
    assert listed("-w", "Data", "-c", "Orders") == [9, 7], "a name that another workspace has as well"
    nothing = invoke("jobs", "list", "-w", "w2-long", "-s", "running")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert nothing.stderr == "no jobs in workspace مبيعات with status running in the last 24h\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-w", "w2-long", "-c", STRIPE), f"no connection '{STRIPE}' in workspace مبيعات; see airbyte-exp"),
        (("-w", "Data", "-c", "Order"), "no connection 'Order' in workspace Data; did you mean 'Orders'?"),
        (("-w", "Dat"), "no workspace 'Dat'; did you mean 'Data'?"),
    ],
)
def test_a_connection_is_looked_for_in_the_workspace(
    options: tuple[str, ...], said: str, invoke: Invoke, airbyte: FakeAirbyte
) -> None:
    result = invoke("jobs", "list", *options)
    assert (result.exit_code, result.stdout, airbyte.asked) == (1, "", [])
    assert result.stderr.startswith(f"airbyte-exporter: there is {said}")


@pytest.mark.parametrize("name", [STRIPE, "11112", "Stripe → Snowflake"])
def test_a_connection_is_shown_with_its_newest_jobs(name: str, invoke: Invoke) -> None:
    result = invoke("connections", "show", name)
    assert (result.exit_code, result.stderr) == (0, "")
    facts, _, table = result.stdout.partition("\n\n")
    assert facts.splitlines() == [
        "Connection   Stripe → Snowflake",
        f"Id           {STRIPE}",
        "Status       inactive",
        "Schedule     every 24 hours",
        "Source       shop (Postgres 3.6.2), s1",
        "Destination  warehouse (Snowflake), d1",
        "Workspace    Data",
        "Tags         a, b",
        f"Page         http://localhost:8001/workspaces/w1/connections/{STRIPE}",
    ]
    rows = table.splitlines()
    assert [row.split()[:3] for row in rows[1:]] == [["8", "sync", "failed"], ["11", "sync", "failed"]]
    assert rows[1].endswith("source config_error: Invalid API key")


def test_a_connection_as_json_is_an_object(invoke: Invoke) -> None:
    record = json.loads(invoke("connections", "show", "Orders", "-o", "json").stdout)
    assert (record["id"], record["schedule"]["type"], record["schema_change"]) == (ORDERS, "cron", None)
    assert [each["id"] for each in record["newest_jobs"]] == [9, 7]


def test_a_connection_without_jobs_says_so(invoke: Invoke) -> None:
    assert invoke("connections", "show", UNICODE).stdout.endswith("\n\nno jobs yet\n")


@pytest.mark.parametrize(("name", "said"), [("1111", "means 2 connections: "), ("none", "there is no ")])
def test_what_is_not_one_connection_is_one_line(name: str, said: str, invoke: Invoke) -> None:
    result = invoke("connections", "show", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_job_is_shown_with_its_attempts(invoke: Invoke) -> None:
    result = invoke("jobs", "show", 11)
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in result.stdout.splitlines())
    assert (lines["Connection"], lines["Connection id"]) == ("Stripe → Snowflake", STRIPE)
    assert lines["Failure"] == "source config_error: Bad key"
    assert lines["Records"] == "0 committed, 12,345 emitted"
    assert lines["Size"] == "2.0 KiB emitted"
    assert lines["Waited"] == "3m 9s"
    assert lines["Attempt 1"].endswith(", took 1m 40s, committed part of it: destination system_error: full")
    assert lines["Attempt 2"].endswith(", took 1m 30s: source config_error, as above")


def test_a_job_as_json_is_an_object(invoke: Invoke) -> None:
    record = json.loads(invoke("jobs", "show", "11", "-o", "json").stdout)
    assert (record["id"], record["records_emitted"], record["bytes_synced"]) == (11, 12_345, None)
    assert (record["attempts"], record["queue_seconds"], record["partial_success"]) == (2, 189, True)
    assert [each["partial_success"] for each in record["attempt_list"]] == [True, None]
    assert [each["duration_seconds"] for each in record["attempt_list"]] == [100, 90]
    assert record["attempt_list"][0]["failure"] == {
        "origin": "destination",
        "type": "system_error",
        "message": "full",
    }
    unknown = json.loads(invoke("jobs", "show", "9", "-o", "json").stdout)
    assert (unknown["attempts"], unknown["attempt_list"]) == (None, None)


STREAMS = (
    StreamVolumes("public", "users", Volumes(0, 0, 1_000, 4096)),
    StreamVolumes(None, "orders", Volumes(1_234_567, 3 << 30, 1_234_568, 4 << 30)),
)


def test_a_job_is_shown_with_its_streams_by_name(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.streams[11] = STREAMS
    _, _, table = invoke("jobs", "show", 11).stdout.partition("\n\n")
    assert table.splitlines() == [
        "STREAM          EMITTED  COMMITTED     SIZE",
        "orders        1,234,568  1,234,567  3.0 GiB",
        "public.users      1,000          0      0 B",
    ]
    airbyte.streams[11] = (StreamVolumes("a", "b", Volumes(records_rejected=2)), *STREAMS)
    assert "REJECTED" in invoke("jobs", "show", 11).stdout


def test_the_streams_of_a_job_as_json(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    assert json.loads(invoke("jobs", "show", 11, "-o", "json").stdout)["streams"] is None
    airbyte.streams[11] = STREAMS
    assert json.loads(invoke("jobs", "show", 11, "-o", "json").stdout)["streams"][0] == {
        "namespace": "public",
        "name": "users",
        "records_synced": 0,
        "bytes_synced": 0,
        "records_emitted": 1000,
        "bytes_emitted": 4096,
        "records_rejected": None,
    }


def test_a_job_of_which_little_is_known(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.changed.append(job(12, "", JobStatus.SUCCEEDED))
    labels = [line.split()[0] for line in invoke("jobs", "show", 12).stdout.splitlines()]
    assert labels == ["Job", "Type", "Status", "Created", "Ended"]
    record = json.loads(invoke("jobs", "show", 12, "-o", "json").stdout)
    assert (record["connection"], record["workspace"]) == ({"id": None, "name": None}, {"id": None})
    unknown = ("started_at", "attempts", "attempt_list", "streams", "bytes_synced", "failure")
    assert {record[name] for name in unknown} == {None}
    (row,) = [line for line in invoke("jobs", "list").stdout.splitlines() if line.startswith(" 12")]
    assert row.split()[1:3] == ["sync", "succeeded"]


def test_a_job_that_does_not_exist_is_one_line(invoke: Invoke) -> None:
    result = invoke("jobs", "show", 404)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "airbyte-exporter: there is no job 404; see airbyte-exporter jobs list --since 7d\n"
    )


@pytest.mark.parametrize("command", ["show", "wait"])
@pytest.mark.parametrize("given", ["Orders", "4.5", "", str(2**63), "9" * 5000])
def test_what_is_no_number_of_a_job_is_wrong_usage(command: str, given: str, invoke: Invoke) -> None:
    result = invoke("jobs", command, given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"airbyte-exporter: Invalid value for 'ID': it must be a job's number, such as 4711, not '{given}' "
        f"(see airbyte-exporter jobs {command} --help)\n"
    )


def test_on_a_terminal_a_sheet_folds_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    for name, value in {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    message = "顧客データの同期" * 20
    print_sheet(
        [("Failure", Cell(message)), ("Unknown", Cell()), ("Name", Cell("a\x1b[2J مبيعات 👩\u200d💻"))]
    )
    lines = re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert "".join(line[9:].strip() for line in lines[:-1]) == message
    assert lines[-1].startswith("Name     a\\x1b[2J مبيعات")
