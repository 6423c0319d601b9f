"""``alerts list``, ``alerts history`` and ``alerts test``: what the state knows in, text out."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.model import Delivery, IncidentStatus
from airbyte_exporter.notify import DeliveryError
from airbyte_exporter.settings import Settings
from airbyte_exporter.store import Store
from tests.commands import NOW, FakeAirbyte
from tests.terminals import Terminal
from tests.unit.alerts.story import DAY
from tests.unit.cli.kept import GONE, ORDERS, USERS, going_on, kept_state, over, record, silence

Invoke = Callable[..., Result]

REFUSED = "source config_error: login \\x1b[31m refused"


@pytest.fixture(autouse=True)
def _utc(utc: None) -> None:
    """Times are shown as they are in this file."""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The state that the configuration names."""
    monkeypatch.setenv("AIRBYTE_EXPORTER_STATE__URL", f"sqlite:///{tmp_path / 'state.db'}")
    with kept_state(tmp_path) as store:
        yield store


class TestList:
    def test_what_goes_on_is_listed_newest_first_in_full_in_a_pipe(
        self, invoke: Invoke, state: Store, airbyte: FakeAirbyte
    ) -> None:
        record(state, *going_on(), over(GONE, NOW - 60, "f-over"))
        result = invoke("alerts", "list")
        assert (result.exit_code, result.stderr) == (0, "")
        head, *lines = result.stdout.splitlines()
        assert head == (
            "SINCE                RULE                SEVERITY  CONNECTION          TOLD              WHAT"
        )
        assert [re.split(r"\s{2,}", line) for line in lines] == [
            ["2027-01-15 07:50:00", "AirbyteUnreachable", "critical", "localhost", "oncall"],
            [
                "2027-01-15 06:00:00",
                "SyncFailed",
                "warning",
                "Orders → Warehouse",
                "chat, oncall",
                f"job 1: {REFUSED}",
            ],
            ["2027-01-12 08:00:00", "SyncFailed", "warning", "Users", "nobody (adopted)", "job 7 failed"],
        ]
        assert airbyte.config is None, "Airbyte is not asked"

    def test_what_is_silenced_says_until_when(self, invoke: Invoke, state: Store) -> None:
        record(state, *going_on())
        state.add_silence(silence())
        state.add_silence(silence("over", matchers={"connection": ("Users",)}, ends_at=NOW - 1))
        head, *lines = invoke("alerts", "list").stdout.splitlines()
        assert "TOLD              SILENT UNTIL         WHAT" in head
        assert [("2027-01-15 09:00:00" in line) for line in lines] == [False, True, False]

    def test_as_json_it_is_a_bare_list(self, invoke: Invoke, state: Store) -> None:
        record(state, *going_on())
        state.add_silence(silence())
        instance_wide, orders, users = json.loads(invoke("alerts", "list", "-o", "json").stdout)
        assert orders == {
            "fingerprint": "f-orders",
            "rule": "SyncFailed",
            "severity": "warning",
            "status": "firing",
            "starts_at": "2027-01-15T06:00:00Z",
            "ends_at": None,
            "reason": None,
            "connection": {"id": ORDERS, "name": "Orders → Warehouse"},
            "workspace": {"id": "aaaaaaaa-0000-4000-8000-000000000002", "name": "Analytics"},
            "job": {"id": 1},
            "failure": {"origin": "source", "type": "config_error", "message": "login \x1b[31m refused"},
            "affected": 1,
            "adopted": False,
            "told": ["chat", "oncall"],
            "told_at": "2027-01-15T06:00:00Z",
            "silenced_until": "2027-01-15T09:00:00Z",
            "silence": {"id": "5f3c9a1e"},
        }
        assert (instance_wide["connection"], instance_wide["workspace"]) == (None, None)
        assert (users["told"], users["told_at"], users["failure"]) == ([], None, None)
        assert users["silenced_until"] is None

    def test_what_many_share_is_listed_once(self, invoke: Invoke, state: Store) -> None:
        many = replace(over("", NOW, "f-many"), ends_at=None, status=IncidentStatus.FIRING, affected=23)
        parts = [replace(it, part_of="f-many", receivers=()) for it in going_on() if it.connection_id]
        record(state, many, *parts)
        (line,) = invoke("alerts", "list").stdout.splitlines()[1:]
        assert "23 connections of localhost" in line
        (listed,) = json.loads(invoke("alerts", "list", "-o", "json").stdout)
        assert (listed["fingerprint"], listed["affected"], listed["connection"]) == ("f-many", 23, None)
        assert len(invoke("alerts", "history").stdout.splitlines()) == 2

    def test_as_csv_each_fact_has_a_column(self, invoke: Invoke, state: Store) -> None:
        record(state, *going_on())
        rows = list(csv.DictReader(io.StringIO(invoke("alerts", "list", "-o", "csv").stdout)))
        assert [row["connection_name"] for row in rows] == ["", "Orders → Warehouse", "Users"]
        assert [row["told"] for row in rows] == ["oncall", "chat,oncall", ""]
        assert {row["silenced_until"] for row in rows} == {""}

    def test_nothing_wrong_says_so_on_standard_error(self, invoke: Invoke, state: Store) -> None:
        result = invoke("alerts", "list", "-o", "json")
        assert (result.exit_code, json.loads(result.stdout)) == (0, [])
        assert result.stderr == "no incident goes on in localhost\n"

    @pytest.mark.parametrize("color", [True, False])
    @pytest.mark.parametrize("silenced", [True, False])
    def test_it_fits_a_terminal_of_80_columns(
        self,
        common: Callable[[], Common],
        state: Store,
        monkeypatch: pytest.MonkeyPatch,
        silenced: bool,
        color: bool,
    ) -> None:
        record(state, *going_on())
        if silenced:
            state.add_silence(silence())
        shown = on_a_terminal(common, monkeypatch, "alerts", "list", color=color)
        assert ("\x1b[1;31mcritical" in shown) is color
        lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
        assert len(lines) == 2 + 3, "no row wraps"
        assert max(map(cell_len, lines)) <= 80
        assert any("Orders → Warehouse" in line and "01-15 06:00" in line for line in lines)
        assert ("SILENT UNTIL" in lines[0], "TOLD" in lines[0]) == (silenced, not silenced)


class TestHistory:
    @pytest.fixture(autouse=True)
    def _past(self, state: Store) -> None:
        record(
            state,
            going_on()[0],
            over(USERS, NOW - DAY, "f-users"),
            over(GONE, NOW - 3 * DAY, "f-gone", "deleted"),
        )

    def test_what_is_over_says_why_and_how_long_it_was(self, invoke: Invoke, state: Store) -> None:
        result = invoke("alerts", "history")
        assert (result.exit_code, result.stderr) == (0, "")
        rows = [re.split(r"\s{2,}", line)[:6] for line in result.stdout.splitlines()]
        assert rows == [
            ["SINCE", "LASTED", "RULE", "SEVERITY", "CONNECTION", "ENDED"],
            ["2027-01-15 06:00:00", "2h", "SyncFailed", "warning", "Orders → Warehouse", "goes on"],
            ["2027-01-14 07:00:00", "1h", "SyncFailed", "warning", "Users", "succeeded"],
            ["2027-01-12 07:00:00", "1h", "SyncFailed", "warning", "Gone", "deleted"],
        ]

    @pytest.mark.parametrize(
        ("options", "found"),
        [
            (("--since", "25h"), ["f-orders", "f-users"]),
            (("--since", "23h"), ["f-orders"]),
            (("--since", "60"), ["f-orders"]),
            (("--connection", "Users"), ["f-users"]),
            (("-c", USERS), ["f-users"]),
            (("-c", "3333"), ["f-gone"]),
            (("-c", "Gone", "--since", "1d"), []),
        ],
    )
    def test_it_is_narrowed(self, invoke: Invoke, options: tuple[str, ...], found: list[str]) -> None:
        result = invoke("alerts", "history", "-o", "json", *options)
        assert [each["fingerprint"] for each in json.loads(result.stdout)] == found
        assert ("no incidents" in result.stderr) is (not found)

    def test_an_ended_one_is_not_silenced(self, invoke: Invoke, state: Store) -> None:
        state.add_silence(silence(matchers={}))
        found = json.loads(invoke("alerts", "history", "-o", "json").stdout)
        assert [each["silenced_until"] is None for each in found] == [False, True, True]

    @pytest.mark.parametrize(
        ("options", "code", "said"),
        [
            (("--since", "soon"), 2, "--since must be a number of seconds or a duration"),
            (("--since", "0"), 2, "--since must be more than zero"),
            (("-c", "Userz"), 1, "there is no connection 'Userz'; did you mean 'Users'?"),
        ],
    )
    def test_what_cannot_be_meant(
        self, invoke: Invoke, options: tuple[str, ...], code: int, said: str
    ) -> None:
        result = invoke("alerts", "history", *options)
        assert (result.exit_code, result.stdout) == (code, "")
        assert said in result.stderr

    @pytest.mark.parametrize("color", [True, False])
    def test_it_fits_a_terminal_of_80_columns(
        self, common: Callable[[], Common], monkeypatch: pytest.MonkeyPatch, color: bool
    ) -> None:
        shown = on_a_terminal(common, monkeypatch, "alerts", "history", color=color)
        lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
        assert len(lines) == 2 + 3
        assert max(map(cell_len, lines)) <= 80


class TestTheState:
    @pytest.mark.parametrize("command", ["list", "history", "silence list"])
    def test_one_that_is_not_there_is_not_made(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        monkeypatch.setenv("AIRBYTE_EXPORTER_STATE__URL", f"sqlite:///{tmp_path}/elsewhere/state.db")
        result = invoke("alerts", *command.split())
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"airbyte-exporter: there is no state at {tmp_path}/elsewhere/")
        assert result.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == []

    def test_one_that_no_exporter_has_says_so(self, invoke: Invoke, state: Store) -> None:
        record(state, going_on()[0])
        state.close()
        result = invoke("alerts", "list")
        assert result.exit_code == 0
        assert "Orders → Warehouse" in result.stdout
        assert re.fullmatch(r"airbyte-exporter: no exporter runs with the state .*left it\n", result.stderr)


@dataclass
class Taking:
    """A receiver that keeps what it takes, up to the one that it refuses."""

    name: str
    refuses: str | None = None
    taken: list[Delivery] = field(default_factory=list)
    is_closed: bool = False

    def send(self, delivery: Delivery, now: float) -> None:
        if delivery.notification.type == self.refuses:
            raise DeliveryError("h.example answered HTTP 404, check the path of its address", retryable=True)
        assert now == NOW
        self.taken.append(delivery)

    def close(self) -> None:
        self.is_closed = True


class TestTest:
    @pytest.fixture
    def receivers(self) -> list[Taking]:
        return [Taking("chat"), Taking("oncall")]

    @pytest.fixture
    def send(
        self, common: Callable[[], Common], receivers: list[Taking], monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[str], Result]:
        for name in ("CHAT", "ONCALL"):
            monkeypatch.setenv(f"AIRBYTE_EXPORTER_ALERTS__RECEIVERS__{name}__URL", "https://h.example/s3cret")

        def make(settings: Settings) -> list[Taking]:
            assert list(settings.alerts.all_receivers) == ["chat", "oncall"]
            return receivers

        def run(name: str) -> Result:
            given = common()
            given.receivers = make
            return CliRunner().invoke(command_line, ["alerts", "test", name], obj=given)

        return run

    def test_the_receiver_gets_a_beginning_and_an_end(
        self, send: Callable[[str], Result], receivers: list[Taking]
    ) -> None:
        result = send("oncall")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.splitlines() == [
            "oncall took alert.firing after 0.0 s",
            "oncall took alert.resolved after 0.0 s",
        ]
        chat, oncall = receivers
        assert chat.taken == []
        firing, resolved = (delivery.notification for delivery in oncall.taken)
        assert (firing.type, resolved.type) == ("alert.firing", "alert.resolved")
        assert firing.fingerprint == resolved.fingerprint
        assert firing.id != resolved.id
        assert all(each.is_closed for each in receivers)

    def test_it_says_that_it_is_a_test_and_has_every_key_of_an_alert(
        self, send: Callable[[str], Result], receivers: list[Taking]
    ) -> None:
        send("oncall")
        golden = Path(__file__).parents[2] / "golden"
        for delivery, name in zip(receivers[1].taken, ("firing", "resolved"), strict=True):
            alert: dict[str, Any] = json.loads((golden / f"webhook_{name}.json").read_text("utf-8"))
            body = delivery.notification.body
            assert (list(body), list(body["data"])) == (list(alert), list(alert["data"]))
            assert body["timestamp"] == "2027-01-15T08:00:00Z"
            assert body["data"]["rule"] == "Test"
            assert body["data"]["status"] == name
            assert "est alert, nothing is wrong: localhost" in body["data"]["summary"]
            assert body["data"]["affected"] == {"count": 0, "connections": []}

    @pytest.mark.parametrize(
        ("refuses", "told", "left"),
        [
            ("alert.firing", "", ""),
            (
                "alert.resolved",
                "chat took alert.firing after 0.0 s\n",
                "; there the test alert stays open",
            ),
        ],
    )
    def test_what_is_not_taken_is_exit_code_1(
        self, send: Callable[[str], Result], receivers: list[Taking], refuses: str, told: str, left: str
    ) -> None:
        receivers[0].refuses = refuses
        result = send("chat")
        assert (result.exit_code, result.stdout) == (1, told)
        assert result.stderr == (
            f"airbyte-exporter: chat did not take {refuses}: "
            f"h.example answered HTTP 404, check the path of its address{left}\n"
        )
        assert all(each.is_closed for each in receivers)

    def test_a_receiver_that_there_is_not(self, send: Callable[[str], Result]) -> None:
        result = send("oncal")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "airbyte-exporter: there is no receiver 'oncal'; did you mean oncall?; there are: chat, oncall\n"
        )

    def test_without_any_receiver(self, invoke: Invoke) -> None:
        result = invoke("alerts", "test", "webhook")
        assert result.exit_code == 1
        assert "there are no receivers: set alerts.webhook_url" in result.stderr


def on_a_terminal(
    common: Callable[[], Common], monkeypatch: pytest.MonkeyPatch, *arguments: str, color: bool
) -> str:
    """Return what a command writes to a terminal of 80 columns."""
    terminal = Terminal()
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", terminal)
        patched.setenv("COLUMNS", "80")
        patched.setenv("TERM", "xterm")
        patched.setenv("NO_COLOR", "" if color else "1")
        command_line.main(list(arguments), standalone_mode=False, obj=common())
    return terminal.getvalue()
