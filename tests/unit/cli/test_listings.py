"""``connections list`` and ``jobs list``: what Airbyte says in, text out."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from click.testing import Result
from rich.cells import cell_len

from airbyte_exporter.airbyte import ApiUnauthorized
from airbyte_exporter.cli._tables import Cell, Column, Listing, count, print_listing, size, span
from airbyte_exporter.model import JobStatus
from tests.commands import NOW, ORDERS, STRIPE, UNICODE, FakeAirbyte, connection, job
from tests.terminals import Terminal

Invoke = Callable[..., Result]


def test_connections_are_listed_by_name_in_full_in_a_pipe(invoke: Invoke) -> None:
    result = invoke("connections", "list")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "NAME                SOURCE → DESTINATION  SCHEDULE        STATUS    WORKSPACE  ID",
        f"Orders              Postgres → Snowflake  0 0 12 * * ?    active    Data       {ORDERS}",
        f"Stripe → Snowflake  Postgres → Snowflake  every 24 hours  inactive  Data       {STRIPE}",
        f"売上 \\x1b[31m\\n     Postgres → Snowflake  manual          active    Data       {UNICODE}",
    ]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Show jobs on a terminal that many columns wide."""
    columns = [Column("JOB", numeric=True), Column("CONNECTION", flexible=True), Column("ID", full_from=100)]
    columns.append(Column("FAILURE", flexible=True, wide=True))

    def show(width: int) -> list[str]:
        listing = Listing(columns, empty="")
        for name in (
            "Orders",
            "顧客データの毎日の同期" * 4,
            "👩\u200d💻 → 🇯🇵",
            "مزامنة المبيعات",
            "a\x1b[2Jb\nc",
        ):
            listing.add((Cell("12"), Cell(name), Cell(ORDERS, short=ORDERS[:8]), Cell("x" * 90)), {})
        terminal = Terminal()
        with monkeypatch.context() as patched:
            patched.setattr("sys.stdout", terminal)
            patched.setenv("COLUMNS", str(width))
            patched.setenv("TERM", "xterm")
            patched.setenv("NO_COLOR", "1")
            print_listing(listing, "table", [])
        return re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()

    return show


@pytest.mark.parametrize("width", [80, 99, 100, 120, 200])
def test_a_table_on_a_terminal_fits_and_its_columns_stand(
    width: int, shown: Callable[[int], list[str]]
) -> None:
    lines = shown(width)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) == 2 + 5, "no row wraps"
    assert ("FAILURE" in lines[0]) is (width >= 120)
    starts = {cell_len(line[: line.index("11111111")]) for line in lines[2:]}
    assert starts == {lines[0].index("ID")}
    assert (ORDERS in lines[2]) is (width >= 100)
    assert "\\x1b[2J" in lines[-1]


def test_on_a_narrow_terminal_nothing_more_is_cut(shown: Callable[[int], list[str]]) -> None:
    assert shown(40) == shown(80)


def test_connections_as_json_are_a_bare_list(invoke: Invoke) -> None:
    result = invoke("connections", "list", "--output", "json")
    records = json.loads(result.stdout)
    assert [record["name"] for record in records] == ["Orders", "Stripe → Snowflake", "売上 \x1b[31m\n"]
    assert records[1] == {
        "id": STRIPE,
        "name": "Stripe → Snowflake",
        "status": "inactive",
        "workspace": {"id": "w1", "name": "Data"},
        "source": {"id": "s1", "name": "shop", "connector": "Postgres", "connector_version": "3.6.2"},
        "destination": {"id": "d1", "name": "warehouse", "connector": "Snowflake", "connector_version": None},
        "schedule": {
            "type": "basic",
            "units": 24,
            "time_unit": "hours",
            "cron_expression": None,
            "cron_time_zone": None,
        },
        "tags": ["a", "b"],
        "created_at": None,
    }
    assert records[0]["created_at"] == datetime.fromtimestamp(NOW - 86400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_connections_as_csv(invoke: Invoke) -> None:
    rows = list(csv.DictReader(io.StringIO(invoke("connections", "list", "-o", "csv").stdout)))
    assert [row["name"] for row in rows] == ["Orders", "Stripe → Snowflake", "売上 \x1b[31m\n"]
    assert rows[1]["tags"] == "a,b"
    assert rows[0]["schedule_cron_expression"] == "0 0 12 * * ?"
    assert rows[0]["destination_connector_version"] == ""


@pytest.mark.parametrize(("output", "stdout"), [("table", ""), ("json", "[]\n")])
def test_no_connections_is_said_and_is_no_failure(
    output: str, stdout: str, invoke: Invoke, airbyte: FakeAirbyte
) -> None:
    airbyte.lose_everything()
    result = invoke("connections", "list", "-o", output)
    assert (result.exit_code, result.stdout) == (0, stdout)
    assert result.stderr == "localhost has no connections that can be seen\n"


def test_jobs_are_listed_newest_first_and_live_ones_always(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    result = invoke("jobs", "list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["JOB", "9", "8", "7"]
    assert "running" in lines[1]
    assert lines[2].endswith("source config_error: Invalid API key")
    assert "12,345,678" in lines[3]
    assert "3.0 GiB" in lines[3]
    assert "6m 47s" in lines[3]
    assert airbyte.asked == [
        {"updated_since": None, "live": True, "connection_id": None},
        {"updated_since": NOW - 86400, "live": False, "connection_id": None},
    ]


def test_a_job_that_ended_between_the_two_readings_is_shown_once_as_it_is_now(
    invoke: Invoke, airbyte: FakeAirbyte
) -> None:
    airbyte.changed.append(job(9, ORDERS, JobStatus.SUCCEEDED))
    records = json.loads(invoke("jobs", "list", "-o", "json").stdout)
    assert [record["status"] for record in records if record["id"] == 9] == ["succeeded"]


def test_jobs_as_json_tell_what_is_not_known_as_null(invoke: Invoke) -> None:
    records = json.loads(invoke("jobs", "list", "-o", "json").stdout)
    assert records[0]["records_synced"] is None
    assert records[0]["ended_at"] is None
    assert records[0]["attempts"] is None
    assert records[1]["failure"] == {"origin": "source", "type": "config_error", "message": "Invalid API key"}
    assert records[2]["connection"] == {"id": ORDERS, "name": "Orders"}
    assert records[2]["duration_seconds"] == 407
    assert records[2]["failure"] is None


def test_jobs_of_one_connection_status_and_time(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    result = invoke("jobs", "list", "-c", "Orders", "-s", "succeeded", "--since", "90m", "-o", "json")
    assert [record["id"] for record in json.loads(result.stdout)] == [7]
    assert airbyte.asked[1] == {"updated_since": NOW - 5400, "live": False, "connection_id": ORDERS}


def test_no_jobs_is_said_and_is_no_failure(invoke: Invoke) -> None:
    result = invoke("jobs", "list", "-c", "Orders", "-s", "failed")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no jobs of Orders with status failed in the last 24h\n"


@pytest.mark.parametrize("name", [ORDERS, ORDERS.upper(), "1111-never", "11111", "Orders"])
def test_a_connection_is_named_by_id_beginning_of_id_or_exact_name(
    name: str, invoke: Invoke, airbyte: FakeAirbyte
) -> None:
    result = invoke("jobs", "list", "-c", name)
    if name == "1111-never":
        assert result.exit_code == 1
    else:
        assert airbyte.asked[0]["connection_id"] == ORDERS


def test_a_name_that_means_two_connections_lists_them(invoke: Invoke) -> None:
    result = invoke("jobs", "list", "-c", "1111")
    assert result.exit_code == 1
    assert result.stderr == (
        f"airbyte-exporter: '1111' means 2 connections: {STRIPE} (Stripe → Snowflake), {ORDERS} (Orders); "
        "give the full id of one\n"
    )


def test_a_name_that_is_the_beginning_of_another_ones_id_means_two(
    invoke: Invoke, airbyte: FakeAirbyte
) -> None:
    airbyte.have(connection("44444444-aaaa-4000-8000-000000000004", "11111"))
    assert "means 2 connections" in invoke("jobs", "list", "-c", "11111").stderr


@pytest.mark.parametrize("name", ["111", "orders", "Order", ""])
def test_what_names_no_connection_is_an_error(name: str, invoke: Invoke) -> None:
    result = invoke("jobs", "list", f"--connection={name}")
    assert result.exit_code == (0 if name == "" else 1)
    if name:
        assert result.stderr.startswith(f"airbyte-exporter: there is no connection '{name}'; ")


@pytest.mark.parametrize("since", ["soon", "-1h", "0", "1w"])
def test_a_bad_time_is_a_usage_error(since: str, invoke: Invoke) -> None:
    result = invoke("jobs", "list", f"--since={since}")
    assert result.exit_code == 2
    assert result.stderr.startswith("airbyte-exporter: --since must be ")


def test_an_airbyte_that_refuses_is_one_line_and_exit_code_1(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    airbyte.error = ApiUnauthorized("wrong credentials", method="connections/list", reason="unauthorized")
    result = invoke("connections", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("airbyte-exporter: ")
    assert result.stderr.count("\n") == 1
    assert airbyte.closed


def test_the_configuration_decides_which_airbyte(
    invoke: Invoke, airbyte: FakeAirbyte, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_EXPORTER_AIRBYTE__URL", "airbyte.example.com")
    invoke("connections", "list")
    assert airbyte.config is not None
    assert airbyte.config.url == "https://airbyte.example.com/api/v1"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0s"), (59.6, "1m"), (61, "1m 1s"), (3600, "1h"), (7500, "2h 5m"), (90000, "1d 1h")],
)
def test_spans(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("number", "full", "short"),
    [
        (None, "", None),
        (0, "0", "0"),
        (999, "999", "999"),
        (1000, "1,000", "1k"),
        (12_345_678, "12,345,678", "12.3M"),
        (999_700, "999,700", "1000k"),
        (10**18, "1,000,000,000,000,000,000", "1000P"),
    ],
)
def test_counts(number: int | None, full: str, short: str | None) -> None:
    assert (count(number).text, count(number).short) == (full, short)


@pytest.mark.parametrize(
    ("number", "full", "short"),
    [
        (None, "", None),
        (0, "0 B", "0B"),
        (1023, "1023 B", "1023B"),
        (1536, "1.5 KiB", "1.5K"),
        (1010 << 10, "1010.0 KiB", "1010K"),
        (5 << 40, "5.0 TiB", "5T"),
    ],
)
def test_sizes(number: int | None, full: str, short: str | None) -> None:
    assert (size(number).text, size(number).short) == (full, short)
