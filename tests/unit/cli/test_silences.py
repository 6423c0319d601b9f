"""``alerts silence add``, ``list`` and ``expire``, beside an exporter that has the state."""

import getpass
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from rich.cells import cell_len

from airbyte_exporter.cli._shared import Common
from airbyte_exporter.model import Silence
from airbyte_exporter.store import Store
from tests.commands import NOW, FakeAirbyte, PassingTime
from tests.unit.alerts.story import DAY, HOUR
from tests.unit.cli.kept import going_on, kept_state, record, silence
from tests.unit.cli.test_alerts import on_a_terminal

Invoke = Callable[..., Result]

WHY = ("--reason", "the warehouse moves")


@pytest.fixture(autouse=True)
def _utc(utc: None) -> None:
    """Times are read and shown as they are in this file; now is 08:00."""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The state that the configuration names, with incidents that go on."""
    monkeypatch.setenv("AIRBYTE_EXPORTER_STATE__URL", f"sqlite:///{tmp_path / 'state.db'}")
    with kept_state(tmp_path) as store:
        record(store, *going_on())
        yield store


def only(store: Store) -> Silence:
    (kept,) = store.silences()
    return kept


class TestAdd:
    def test_it_is_kept_and_tells_what_it_silences_now(
        self, invoke: Invoke, state: Store, airbyte: FakeAirbyte
    ) -> None:
        options = ("-m", "tag=finance", "--match", "connection=Orders*", "--for", "4h", "--author", "ana")
        result = invoke("alerts", "silence", "add", *options, *WHY)
        assert (result.exit_code, result.stderr) == (0, "")
        kept = only(state)
        assert kept == Silence(
            id=kept.id,
            matchers={"tag": ("finance",), "connection": ("Orders*",)},
            starts_at=NOW,
            ends_at=NOW + 4 * HOUR,
            reason="the warehouse moves",
            author="ana",
            created_at=NOW,
        )
        assert re.fullmatch("[0-9a-f]{8}", kept.id)
        first, second, _, *table = result.stdout.splitlines()
        assert first == f"silence {kept.id} holds until 2027-01-15 12:00:00: tag=finance connection=Orders*"
        assert second == "1 incident that goes on now is silenced by it:"
        assert ["Orders → Warehouse" in line for line in table] == [False, True]
        assert "2027-01-15 12:00:00" in table[1]
        assert airbyte.config is None, "Airbyte is not asked"

    def test_as_json_it_is_one_object(self, invoke: Invoke, state: Store) -> None:
        result = invoke("alerts", "silence", "add", "--all", "--for", "1h", *WHY, "-o", "json")
        written = json.loads(result.stdout)
        assert (written["id"], written["state"], written["matchers"]) == (only(state).id, "holds", {})
        assert [each["fingerprint"] for each in written["incidents"]] == ["f-instance", "f-orders", "f-users"]
        assert {each["silenced_until"] for each in written["incidents"]} == {"2027-01-15T09:00:00Z"}

    def test_what_others_silence_is_not_its_own(self, invoke: Invoke, state: Store) -> None:
        state.add_silence(silence(matchers={"connection": ("Users",)}))
        state.add_silence(silence("longer", ends_at=NOW + DAY))
        result = invoke("alerts", "silence", "add", "-m", "tag=finance", "--for", "1h", *WHY, "-o", "json")
        (orders,) = json.loads(result.stdout)["incidents"]
        assert (orders["fingerprint"], orders["silence"]) == ("f-orders", {"id": "longer"})

    def test_nothing_that_it_silences_now_says_so(self, invoke: Invoke, state: Store) -> None:
        result = invoke("alerts", "silence", "add", "-m", "tag=gold", "--for", "1h", *WHY)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[1:] == ["nothing that goes on now is silenced by it"]
        assert only(state).matchers == {"tag": ("gold",)}

    def test_of_a_key_that_is_given_again_one_value_is_enough(self, invoke: Invoke, state: Store) -> None:
        options = ("-m", "rule=syncfailed", "-m", "connection=users", "-m", "connection=x = y", "--for", "1h")
        result = invoke("alerts", "silence", "add", *options, *WHY)
        assert only(state).matchers == {"rule": ("SyncFailed",), "connection": ("users", "x = y")}
        assert "connection=users connection='x = y' rule=SyncFailed" in result.stdout
        assert "1 incident that goes on" in result.stdout

    @pytest.mark.parametrize(
        ("options", "lasts"),
        [
            (("--for", "90"), 90),
            (("--for", "366d"), 366 * DAY),
            (("--until", "18:00"), 10 * HOUR),
            (("--until", "9:30"), HOUR + 1800),
            (("--until", "08:00"), DAY),
            (("--until", "07:59"), DAY - 60),
            (("--until", "2027-01-15T08:00:01Z"), 1),
            (("--until", "2027-01-15 20:00"), 12 * HOUR),
            (("--until", "2027-01-15T20:00:00+01:00"), 11 * HOUR),
            (("--until", "2027-01-18"), 2 * DAY + 16 * HOUR),
        ],
    )
    def test_until_when(self, invoke: Invoke, state: Store, options: tuple[str, str], lasts: int) -> None:
        assert invoke("alerts", "silence", "add", "--all", *options, *WHY).exit_code == 0
        assert only(state).ends_at == NOW + lasts

    def test_its_author_is_the_user_of_this_system(
        self, invoke: Invoke, state: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(getpass, "getuser", lambda: "berta")
        invoke("alerts", "silence", "add", "--all", "--for", "1h", *WHY)
        assert only(state).author == "berta"

    def test_a_user_without_a_name_is_a_number(
        self, invoke: Invoke, state: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown() -> str:
            raise KeyError("getpwuid(): uid not found: 10001")

        monkeypatch.setattr(getpass, "getuser", unknown)
        monkeypatch.setattr("os.getuid", lambda: 10001)
        invoke("alerts", "silence", "add", "--all", "--for", "1h", *WHY)
        assert only(state).author == "uid 10001"

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--for", "1h"), "without --match it would silence every alert"),
            (("--all", "-m", "tag=x", "--for", "1h"), "--all is about everything"),
            (("-m", "tag", "--for", "1h"), "--match must be like connection=orders*, not 'tag'"),
            (("-m", "tags=x", "--for", "1h"), "--match tags=x: there is no key 'tags'; did you mean tag?"),
            (("-m", "foo=x", "--for", "1h"), "there is no key 'foo'; there are: workspace, tag, "),
            (("-m", "tag=", "--for", "1h"), "--match tag=: must not be empty"),
            (("-m", "tag=x", "-m", "tag= ", "--for", "1h"), "--match tag= : must not be empty"),
            (
                ("-m", "severity=info", "--for", "1h"),
                "--match severity=info: must be 'critical' or 'warning'",
            ),
            (("-m", "rule=SyncFaild", "--for", "1h"), "there is no such rule; did you mean SyncFailed?"),
            (("--all",), "give either --for, such as 4h, or --until, such as 18:00"),
            (("--all", "--for", "1h", "--until", "18:00"), "give either --for"),
            (("--all", "--for", "soon"), "--for must be a number of seconds or a duration"),
            (("--all", "--for", "0"), "--for must be more than zero"),
            (("--all", "--for", "0.5"), "--for must be at least 1s"),
            (("--all", "--for", "367d"), "--for must be a year or less"),
            (("--all", "--for", "9" * 400), "--for must be a year or less"),
            (("--all", "--until", "2027-01-15T08:00:00Z"), "is not in the future"),
            (("--all", "--until", "2027-01-15T08:00:00.9Z"), "is not in the future"),
            (("--all", "--until", "1999-12-31"), "--until 1999-12-31 is not in the future"),
            (("--all", "--until", "9999-12-31"), "--until must be a year or less"),
            (("--all", "--until", "0001-01-01"), "--until"),
            (("--all", "--until", "25:00"), "--until must be a time like 18:00"),
            (("--all", "--until", "tomorrow"), "--until must be a time like 18:00"),
            (("--all", "--for", "1h", "--author", " "), "--author must not be empty"),
            (("--all", "--for", "1h", "--reason", " \n"), "--reason must not be empty"),
        ],
    )
    def test_what_cannot_be_meant_changes_nothing(
        self, invoke: Invoke, state: Store, options: tuple[str, ...], said: str
    ) -> None:
        state.add_silence(silence())
        why = () if "--reason" in options else WHY
        result = invoke("alerts", "silence", "add", *options, *why)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
        assert state.silences() == (silence(),)

    def test_without_a_reason_it_is_not_made(self, invoke: Invoke, state: Store) -> None:
        result = invoke("alerts", "silence", "add", "--all", "--for", "1h")
        assert result.exit_code == 2
        assert "Missing option '--reason'" in result.stderr
        assert state.silences() == ()

    def test_what_people_write_moves_no_cursor(self, invoke: Invoke, state: Store) -> None:
        options = ("-m", "connection=a\x1b[2J\nb", "--for", "1h", "--reason", "x\x1b[2J\ny")
        assert "\x1b" not in invoke("alerts", "silence", "add", *options).stdout
        assert "\x1b" not in invoke("alerts", "silence", "list").stdout
        assert only(state).matchers == {"connection": ("a\x1b[2J\nb",)}

    def test_the_state_of_an_older_exporter_that_runs_is_left_alone(
        self, invoke: Invoke, state: Store, tmp_path: Path
    ) -> None:
        beside = sqlite3.connect(tmp_path / "state.db")
        with beside:
            beside.execute("UPDATE alembic_version SET version_num = '0003'")
        result = invoke("alerts", "silence", "add", "--all", "--for", "1h", *WHY)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "of an older version: restart that one as this version" in result.stderr
        assert result.stderr.count("\n") == 1
        assert beside.execute("SELECT version_num FROM alembic_version").fetchall() == [("0003",)]
        beside.close()


class TestList:
    @pytest.fixture(autouse=True)
    def _some(self, state: Store) -> None:
        state.add_silence(silence("aaaa1111", starts_at=NOW - 60))
        state.add_silence(silence("bbbb2222", matchers={}, starts_at=NOW - 600, ends_at=NOW + DAY))
        state.add_silence(silence("cccc3333", starts_at=NOW - DAY, ends_at=NOW))
        state.add_silence(silence("dddd4444", starts_at=NOW - 2 * DAY, expired_at=NOW - 5))

    def test_those_that_hold_the_newest_first(self, invoke: Invoke) -> None:
        result = invoke("alerts", "silence", "list")
        assert (result.exit_code, result.stderr) == (0, "")
        assert [re.split(r"\s{2,}", line) for line in result.stdout.splitlines()] == [
            ["ID", "SINCE", "UNTIL", "STATE", "MATCHES", "AUTHOR", "REASON"],
            ["aaaa1111", "2027-01-15 07:59:00", "2027-01-15 09:00:00", "holds", "connection=Orders*", "ana",
             "the warehouse moves"],
            ["bbbb2222", "2027-01-15 07:50:00", "2027-01-16 08:00:00", "holds", "everything", "ana",
             "the warehouse moves"],
        ]  # fmt: skip

    def test_all_of_them(self, invoke: Invoke) -> None:
        found = json.loads(invoke("alerts", "silence", "list", "--all", "-o", "json").stdout)
        assert {each["id"]: each["state"] for each in found} == {
            "aaaa1111": "holds",
            "bbbb2222": "holds",
            "cccc3333": "over",
            "dddd4444": "ended",
        }
        assert found[3] == {
            "id": "dddd4444",
            "state": "ended",
            "starts_at": "2027-01-13T08:00:00Z",
            "ends_at": "2027-01-15T09:00:00Z",
            "expired_at": "2027-01-15T07:59:55Z",
            "matchers": {"connection": ["Orders*"]},
            "author": "ana",
            "reason": "the warehouse moves",
            "created_at": "2027-01-13T08:00:00Z",
        }

    def test_as_csv_each_key_has_a_column(self, invoke: Invoke) -> None:
        head, first, *_ = invoke("alerts", "silence", "list", "-o", "csv").stdout.splitlines()
        assert "matchers_connection,matchers_severity" in head
        assert first.startswith("aaaa1111,holds,2027-01-15T07:59:00Z,")
        assert "Orders*" in first

    def test_when_they_are_over_nothing_is_silenced(self, invoke: Invoke, passing: PassingTime) -> None:
        passing.now = NOW + 30 * DAY
        result = invoke("alerts", "silence", "list")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing is silenced\n")

    @pytest.mark.parametrize("color", [True, False])
    def test_it_fits_a_terminal_of_80_columns(
        self, common: Callable[[], Common], monkeypatch: pytest.MonkeyPatch, color: bool
    ) -> None:
        shown = on_a_terminal(common, monkeypatch, "alerts", "silence", "list", "--all", color=color)
        lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
        assert len(lines) == 2 + 4, "no row wraps"
        assert max(map(cell_len, lines)) <= 80
        assert all(word in lines[2] for word in ("aaaa1111", "01-15 09:00", "connection=Orders*"))


class TestExpire:
    @pytest.fixture(autouse=True)
    def _some(self, state: Store) -> None:
        state.add_silence(silence("aaaa1111"))
        state.add_silence(silence("aaaa2222"))
        state.add_silence(silence("cccc3333", ends_at=NOW - 60))

    @pytest.mark.parametrize("given", ["aaaa1111", "aaaa1", "AAAA1111"])
    def test_it_ends_now_by_its_id_or_the_beginning_of_it(
        self, invoke: Invoke, state: Store, given: str
    ) -> None:
        result = invoke("alerts", "silence", "expire", given)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == "silence aaaa1111 has ended: connection=Orders*\n"
        assert [each.id for each in state.silences(active_at=NOW)] == ["aaaa2222"]

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("aaaa", "'aaaa' means 2 silences: aaaa1111, aaaa2222; give the full id of one"),
            ("aaa", "there is no silence 'aaa'; see airbyte-exporter alerts silence list --all"),
            ("ffffffff", "there is no silence 'ffffffff'"),
            ("", "there is no silence ''"),
            ("cccc3333", "the silence cccc3333 has been over since 2027-01-15 07:59:00: nothing was changed"),
        ],
    )
    def test_what_is_not_one_that_holds_changes_nothing(
        self, invoke: Invoke, state: Store, given: str, said: str
    ) -> None:
        before = state.silences()
        result = invoke("alerts", "silence", "expire", given)
        assert (result.exit_code, result.stdout) == (1, "")
        assert said in result.stderr
        assert state.silences() == before

    def test_a_second_time_says_that_it_is_over(self, invoke: Invoke) -> None:
        invoke("alerts", "silence", "expire", "aaaa1111")
        result = invoke("alerts", "silence", "expire", "aaaa1111")
        assert result.exit_code == 1
        assert "has been over since 2027-01-15 08:00:00" in result.stderr
