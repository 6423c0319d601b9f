"""Connections changed and set to work by commands; what is really so in the simulated Airbyte is compared."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import pytest

from airbyte_exporter.cli import _connection_changes
from airbyte_exporter.cli._changing import confirm
from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.simulator import Failure, Fault
from tests.contract.operations.house import House


def test_a_sync_begins_and_its_job_is_named(house: House) -> None:
    connection = house.steady
    result = house.succeed("connections", "sync", connection.id)
    job = house.newest_job(connection.id)
    assert (job.scheduled, job.config_type) == (False, "sync")
    assert f"job {job.id} of connection" in result.stdout
    assert connection.source_connector in result.stderr, "what it resolved to"


def test_a_sync_that_is_watched_ends_with_its_numbers(house: House) -> None:
    connection = house.steady
    house.world.next_sync(connection.id, duration=90, records=1234, volume=5 * 2**20)
    result = house.succeed("connections", "sync", connection.name, "--wait")
    assert house.newest_job(connection.id).status == "succeeded"
    assert "1,234 records, 5.0 MiB committed" in result.stdout


def test_a_sync_that_fails_says_why_and_what_to_do(house: House) -> None:
    connection = house.steady
    why = Failure("source", "config_error", "password authentication failed", "internal")
    house.world.next_sync(connection.id, "failed", duration=30, failures=[why])
    said = house.fail("connections", "sync", connection.id, "--wait")
    job = house.newest_job(connection.id)
    assert f"job {job.id}" in said
    assert "failed" in said
    if house.generation != "reference":
        assert "source config_error: password authentication failed" in said
    assert f"airbyte-exporter jobs show {job.id}" in said


def test_a_sync_that_is_cancelled_meanwhile_is_no_success(house: House) -> None:
    connection = house.steady
    house.world.next_sync(connection.id, "cancelled", duration=30)
    assert "was cancelled" in house.fail("connections", "sync", connection.id, "--wait")


def test_giving_up_waiting_leaves_the_sync_running(house: House) -> None:
    connection = house.steady
    house.world.next_sync(connection.id, duration=3600)
    said = house.fail("connections", "sync", connection.id, "--wait", "--timeout", "1m")
    assert "goes on in Airbyte" in said
    assert house.newest_job(connection.id).status == "running"


def test_a_second_sync_names_the_first(house: House) -> None:
    connection = house.steady
    house.world.next_sync(connection.id, duration=3600)
    house.succeed("connections", "sync", connection.id)
    job = house.newest_job(connection.id)
    said = house.fail("connections", "sync", connection.id)
    assert f"job {job.id} of connection" in said
    assert f"jobs wait {job.id}" in said
    assert house.newest_job(connection.id) == job
    assert house.changes().count("/api/v1/connections/sync") == 2, "each was asked for once"


def test_a_disabled_connection_is_not_even_asked_to_sync(house: House) -> None:
    connection = house.steady
    house.succeed("connections", "disable", connection.id)
    said = house.fail("connections", "sync", connection.id)
    assert f"connections enable {connection.id}" in said
    assert "/api/v1/connections/sync" not in house.changes()


def test_disabling_and_enabling(house: House) -> None:
    connection = house.steady
    house.succeed("connections", "disable", connection.id)
    disabled = house.connection(connection.id)
    assert disabled.status == "inactive"
    assert "already" in house.succeed("connections", "disable", connection.id).stdout
    assert house.changes().count("/api/v1/connections/update") == 1
    house.succeed("connections", "enable", connection.id)
    enabled = house.connection(connection.id)
    assert enabled.status == "active"
    assert (enabled.streams, enabled.name) == (connection.streams, connection.name), "nothing else changed"


def test_a_basic_schedule(house: House) -> None:
    connection = house.steady
    result = house.succeed("connections", "schedule", connection.id, "--every", "90m")
    changed = house.connection(connection.id)
    assert (changed.schedule_type, changed.told_interval) == ("basic", 90 * 60)
    assert "every 90 minutes" in result.stdout
    assert (changed.streams, changed.name, changed.status) == (
        connection.streams,
        connection.name,
        connection.status,
    )


def test_no_schedule(house: House) -> None:
    connection = house.steady
    house.succeed("connections", "schedule", connection.id, "--manual")
    changed = house.connection(connection.id)
    assert changed.schedule_type == "manual"
    assert changed.streams == connection.streams


def test_a_cron_schedule_and_its_next_five_runs(modern: House) -> None:
    connection = modern.steady
    result = modern.succeed(
        "connections", "schedule", connection.id, "--cron", "0 0 6 ? * MON-FRI", "--timezone", "Europe/Berlin"
    )
    assert modern.connection(connection.id).schedule_type == "cron"
    runs = [line.split() for line in result.stderr.splitlines() if line.startswith("  next: ")]
    assert len(runs) == 5
    assert {(day[1] in {"Mon", "Tue", "Wed", "Thu", "Fri"}, day[3], day[4]) for day in runs} <= {
        (True, "06:00:00", "CEST"),
        (True, "06:00:00", "CET"),
    }


def test_the_short_reference_has_no_cron(house: House) -> None:
    arguments = ("connections", "schedule", house.steady.id, "--cron", "0 0 6 ? * MON-FRI")
    if house.generation == "reference":
        assert "--every" in house.fail(*arguments)
        assert not house.changes()
    else:
        house.succeed(*arguments)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--cron", "0 6 * * 1-5"), "five fields of crontab"),
        (("--cron", "0/30 * * * * ?"), "more than once a minute"),
        (("--cron", "0 0 6 ? * MON", "--timezone", "Europe/Berln"), "Berln"),
        (("--every", "90s"), "whole minutes"),
    ],
)
def test_a_schedule_that_airbyte_could_not_run_is_not_sent(
    modern: House, wrong: tuple[str, ...], said: str
) -> None:
    assert said in modern.fail("connections", "schedule", modern.steady.id, *wrong, code=2)
    assert not modern.changes()


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("--every", "6h", "--manual"),
        ("--timezone", "Europe/Berlin"),
        ("--every", "soon"),
    ],
)
def test_a_schedule_that_is_said_wrongly_is_bad_usage(modern: House, wrong: tuple[str, ...]) -> None:
    assert modern.fail("connections", "schedule", modern.steady.id, *wrong, code=2)
    assert not modern.changes()


def test_deleting_asks_and_says_what_is_gone(house: House) -> None:
    connection = house.steady
    assert "--yes" in house.fail("connections", "delete", connection.id, code=2)
    assert not house.changes()
    house.succeed("connections", "delete", connection.id, "--yes")
    assert house.connection(connection.id).status == "deprecated"
    assert "there is no connection" in house.fail("connections", "delete", connection.id, "--yes")


def test_a_reset_asks_and_begins(house: House) -> None:
    connection = house.steady
    assert "--yes" in house.fail("connections", "reset", connection.id, code=2)
    house.succeed("connections", "reset", connection.id, "--yes")
    assert house.newest_job(connection.id).config_type == "reset_connection"


def test_a_refresh_of_some_streams(modern: House) -> None:
    connection = modern.steady
    name = connection.streams[0].name
    modern.succeed("connections", "refresh", connection.id, "--stream", name)
    job = modern.newest_job(connection.id)
    assert (job.config_type, job.streams, job.refresh_mode) == ("refresh", (name,), "Merge")


def test_a_refresh_that_removes_what_was_there_asks(modern: House) -> None:
    connection = modern.steady
    assert "--yes" in modern.fail("connections", "refresh", connection.id, "--truncate", code=2)
    modern.succeed("connections", "refresh", connection.id, "--truncate", "--yes")
    assert modern.newest_job(connection.id).refresh_mode == "Truncate"


def test_refreshes_are_younger_than_some_airbytes(house: House) -> None:
    arguments = ("connections", "refresh", house.steady.id)
    if house.generation in {"reference", "0.50.24"}:
        assert "a reset first removes what was written" in house.fail(*arguments)
        assert not house.changes()
    else:
        house.succeed(*arguments)


def test_a_name_and_a_prefix_change_and_nothing_else_does(house: House) -> None:
    connection = house.steady
    house.succeed("connections", "update", connection.id, "--name", 'new "name"', "--prefix", "raw_")
    changed = house.connection(connection.id)
    assert changed.name == 'new "name"'
    assert (changed.schedule_type, changed.status, changed.streams) == (
        connection.schedule_type,
        connection.status,
        connection.streams,
    )
    shown = json.loads(house.succeed("connections", "show", changed.id, "-o", "json").stdout)
    assert shown["name"] == 'new "name"'


def test_cancelling_a_job(house: House) -> None:
    connection = house.steady
    house.world.next_sync(connection.id, duration=3600)
    job = json.loads(house.succeed("connections", "sync", connection.id, "-o", "json").stdout)
    assert "--yes" in house.fail("jobs", "cancel", job["id"], code=2)
    house.succeed("jobs", "cancel", job["id"], "--yes")
    assert house.newest_job(connection.id).status == "cancelled"
    assert "already" in house.succeed("jobs", "cancel", job["id"], "--yes").stdout


def test_a_job_that_is_over_is_not_cancelled(house: House) -> None:
    connection = house.steady
    house.world.next_sync(connection.id)
    house.succeed("connections", "sync", connection.id, "--wait")
    job = house.newest_job(connection.id)
    assert "has succeeded already" in house.fail("jobs", "cancel", job.id, "--yes")
    assert "/api/v1/jobs/cancel" not in house.changes()


def test_a_breaking_change_is_accepted_and_the_connection_enabled(modern: House) -> None:
    connection = modern.steady
    modern.world.change_schema(connection.id, "breaking")
    assert modern.connection(connection.id).status == "inactive"
    said = modern.fail("connections", "update", connection.id, "--discover")
    assert "has its cursor no more" in said
    assert not modern.changes()
    first, *others = (each.name for each in connection.streams)
    streams = [f"--stream={each}" for each in (f"{first}:full_refresh:overwrite", *others)]
    modern.succeed("connections", "update", connection.id, "--discover", *streams)
    accepted = modern.connection(connection.id)
    assert (accepted.schema_change, accepted.status) == ("no_change", "inactive")
    assert {each.name for each in accepted.streams} == {each.name for each in connection.streams}
    modern.succeed("connections", "enable", connection.id)
    assert modern.connection(connection.id).status == "active"
    modern.succeed("connections", "sync", connection.id, "--wait")


def test_a_full_id_is_looked_up_by_itself(house: House) -> None:
    connection = house.steady
    house.succeed("connections", "disable", connection.id.upper())
    asked = {each.path.removeprefix("/api/v1/") for each in house.server.requests}
    assert {"connections/get", "sources/get", "destinations/get"} <= asked
    assert not asked & {"sources/list", "destinations/list"}, "nothing is listed but to find out what this is"
    house.succeed("connections", "delete", connection.id, "--yes")
    assert "there is no connection" in house.fail("connections", "enable", connection.id)


def test_the_streams_of_an_update_are_told_before_it(modern: House) -> None:
    connection = modern.steady
    first, *others = (each.name for each in connection.streams)
    assert others
    result = modern.succeed("connections", "update", connection.id, "--stream", first, "--dry-run")
    lines = [line for line in result.stderr.splitlines() if line.startswith("stream ")]
    assert sum(first in line for line in lines if "no more" not in line) == 1
    assert sum("is synced no more" in line for line in lines) == len(others)
    assert not modern.changes()


@pytest.mark.parametrize("command", ["create", "update"])
def test_a_name_that_nobody_could_see_is_none(modern: House, command: str) -> None:
    connection = modern.steady
    what: tuple[str, ...] = (connection.id,)
    if command == "create":
        ends = ("--source", connection.source_id, "--destination", connection.destination_id)
        what = (*ends, "--all-streams")
    assert "--name must not be empty" in modern.fail("connections", command, *what, "--name", " ", code=2)
    assert not modern.changes()


def test_a_namespace_without_a_format_makes_no_connector_run(modern: House) -> None:
    arguments = ("connections", "update", modern.steady.id, "--discover", "--namespace-format", " ")
    assert "--namespace-format must not be empty" in modern.fail(*arguments, code=2)
    assert not modern.server.requests


@pytest.mark.parametrize("change", [("schedule", "--manual"), ("update", "--name", "New")])
def test_nothing_is_read_between_a_change_and_what_is_said_of_it(
    modern: House, change: tuple[str, ...]
) -> None:
    command, *options = change
    modern.succeed("connections", command, modern.steady.id, *options, "-o", "json")
    assert modern.server.requests[-1].path == "/api/v1/connections/update"


def test_a_job_is_cancelled_though_its_connection_cannot_be_named(modern: House) -> None:
    connection = modern.steady
    modern.world.next_sync(connection.id, duration=3600)
    job = json.loads(modern.succeed("connections", "sync", connection.id, "-o", "json").stdout)
    modern.server.faults.append(Fault("*/connections/list", status=403, times=100))
    modern.succeed("jobs", "cancel", job["id"], "--yes")
    assert modern.newest_job(connection.id).status == "cancelled"


class Screen:
    """What is on a terminal while a sign of life is shown there: nothing else should be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.busy = False
        self.asked: list[bool] = []
        monkeypatch.setattr(_connection_changes, "progress", self.progress)
        monkeypatch.setattr(_connection_changes, "confirm", self.confirm)

    @contextmanager
    def progress(self, _what: str) -> Iterator[None]:
        self.busy = True
        try:
            with redirect_stdout(io.StringIO()):  # as rich does to draw around what is written
                yield
        finally:
            self.busy = False

    def confirm(self, _question: str, **_how: bool) -> None:
        self.asked.append(self.busy)


@pytest.mark.parametrize("command", [("reset",), ("refresh", "--truncate"), ("delete",)])
def test_nothing_moves_on_the_screen_while_somebody_is_asked(
    modern: House, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    screen = Screen(monkeypatch)
    name, *options = command
    modern.succeed("connections", name, modern.steady.id, *options)
    assert screen.asked == [False]


def test_a_rehearsal_goes_where_standard_output_goes(modern: House, monkeypatch: pytest.MonkeyPatch) -> None:
    Screen(monkeypatch)
    assert "connections/sync" in modern.succeed("connections", "sync", modern.steady.id, "--dry-run").stdout


def test_nobody_can_be_asked_where_there_is_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(ConfigurationError, match="give --yes"):
        confirm("Do it", yes=False, dry_run=False)


def test_a_sync_that_runs_can_be_joined(house: House) -> None:
    connection = house.steady
    house.world.next_sync(connection.id, duration=120, records=7)
    house.succeed("connections", "sync", connection.id)
    job = house.newest_job(connection.id)
    joined = house.succeed("connections", "sync", connection.id, "--join", "--wait")
    assert f"job {job.id} of " in joined.stdout
    assert "7 records" in joined.stdout
    assert house.newest_job(connection.id).id == job.id


def test_a_reset_that_runs_is_not_joined(house: House) -> None:
    connection = house.steady
    house.world.next_sync(connection.id, duration=120)
    house.succeed("connections", "reset", connection.id, "--yes")
    said = house.fail("connections", "sync", connection.id, "--join")
    # The short reference API tells of syncs alone.
    assert "already" in said


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_how_a_watched_sync_went_is_an_object_too(house: House, outcome: str) -> None:
    connection = house.steady
    house.world.next_sync(connection.id, outcome, duration=30)
    result = house.run("connections", "sync", connection.id, "--wait", "-o", "json")
    assert result.exit_code == (0 if outcome == "succeeded" else 1)
    told = json.loads(result.stdout)
    assert (told["id"], told["status"]) == (house.newest_job(connection.id).id, outcome)
    assert f"job {told['id']} is " in result.stderr, "how it goes stands elsewhere"
    again = house.run("jobs", "wait", told["id"], "-o", "json")
    assert json.loads(again.stdout)["status"] == outcome
