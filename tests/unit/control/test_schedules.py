"""Schedules as people say them: what Airbyte would not run is refused, and when it runs is told."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exporter.control import MANUAL, ControlError, cron, every, next_runs
from airbyte_exporter.model import Schedule, ScheduleType

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    """Epoch seconds of a time in Berlin."""
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp())


def told(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, BERLIN).strftime("%d %H:%M %z")


NOW = at("2026-01-15 12:00")


@pytest.mark.parametrize(
    ("seconds", "units", "unit"),
    [
        (60, 1, "minutes"),
        (90 * 60, 90, "minutes"),
        (3600, 1, "hours"),
        (3600.0, 1, "hours"),
        (86400, 1, "days"),
        (36 * 3600, 36, "hours"),
        (366 * 86400, 366, "days"),
    ],
)
def test_so_many_seconds_are_said_in_the_largest_unit(seconds: float, units: int, unit: str) -> None:
    schedule = every(seconds)
    assert schedule == Schedule(ScheduleType.BASIC, units=units, time_unit=unit)
    assert schedule.interval == seconds
    assert isinstance(schedule.units, int)


@pytest.mark.parametrize(
    "seconds", [0, -60, 1, 59, 90, 61, 60.5, 366 * 86400 + 60, 1e30, float("inf"), float("nan")]
)
def test_what_no_connection_syncs_every_is_refused(seconds: float) -> None:
    with pytest.raises(ControlError, match="every so many whole minutes, up to a year"):
        every(seconds)


@given(st.integers(1, 366 * 24 * 60))
def test_every_whole_minute_can_be_said(minutes: int) -> None:
    assert every(minutes * 60).interval == minutes * 60


@pytest.mark.parametrize(
    ("expression", "zone", "why"),
    [
        ("0 6 * * 1-5", "UTC", "has the five fields of crontab"),
        ("*/5 * * * *", "UTC", "has the five fields of crontab"),
        ("", "UTC", "cannot be used"),
        ("0 0 6 * *", "UTC", "crontab"),
        ("0 0 25 * * ?", "UTC", "cannot be used"),
        ("0 0 6 * * MON", "UTC", "cannot be used"),
        ("0 0 6 ? * MON-FRI", "Europe/Bärlin", "cannot be used"),
        ("0 0 6 ? * MON-FRI", "", "cannot be used"),
        ("0 0 6 ? * MON-FRI", "../../etc/passwd", "cannot be used"),
        ("0 0 0 1 1 ? 2020", "UTC", "never fires again"),
        ("0 0 0 30 2 ?", "UTC", "never fires again"),
        ("* * * * * ?", "UTC", "fires more than once a minute"),
        ("0/30 * * * * ?", "UTC", "fires more than once a minute"),
        ("0,59 0 0 1 1 ?", "UTC", "fires more than once a minute"),
        ("5,6 0 0 29 2 ?", "UTC", "fires more than once a minute"),
    ],
)
def test_a_cron_schedule_that_airbyte_would_not_run_is_refused(expression: str, zone: str, why: str) -> None:
    with pytest.raises(ControlError) as caught:
        cron(expression, zone, now=NOW)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_five_fields_get_the_hint_for_crontab() -> None:
    with pytest.raises(ControlError) as caught:
        cron("0 0 25 * * ?", now=NOW)
    assert "crontab" not in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    ["0 * * * * ?", "59 * * * * ?", "0 0 6 ? * MON-FRI", "0 0 0 29 2 ?", "0 0 0 L * ?", "0 0 0 1 1 ? 2030"],
)
def test_a_cron_schedule_that_airbyte_runs_is_taken(expression: str) -> None:
    schedule = cron(f"  {expression.replace(' ', '  ')} ", "Europe/Berlin", now=NOW)
    assert schedule.cron_expression == expression
    assert schedule.cron_time_zone == "Europe/Berlin"
    assert schedule.type is ScheduleType.CRON


@given(
    st.sets(st.integers(0, 59), min_size=1, max_size=3),
    st.sampled_from(["* * * * ?", "0 0 * * ?", "59 23 L * ?", "0 0 29 2 ?", "0/7 3 ? * MON"]),
    st.integers(0, 59),
)
def test_no_short_gap_hides_behind_long_ones(seconds: set[int], rest: str, second: int) -> None:
    """Two fires less than a minute apart are in one minute, at two of the seconds, and so soon to be seen."""
    expression = f"{','.join(map(str, sorted(seconds)))} {rest}"
    why = ""
    try:
        cron(expression, "Europe/Berlin", now=NOW + second)
    except ControlError as error:
        why = str(error)
    assert ("more than once a minute" in why) if len(seconds) > 1 else not why


def test_runs_are_told_through_the_night_when_clocks_go_forward() -> None:
    schedule = cron("0 30 2 * * ?", "Europe/Berlin", now=NOW)
    runs = next_runs(schedule, at("2026-03-27 12:00"), 3)
    first, _, last = map(told, runs)
    assert (first, last[-11:]) == ("28 02:30 +0100", "02:30 +0200")
    assert [*runs] == sorted({*runs})


def test_runs_are_told_through_the_night_when_clocks_go_back() -> None:
    schedule = cron("0 0 * * * ?", "Europe/Berlin", now=NOW)
    runs = next_runs(schedule, at("2026-10-25 00:30"), 5)
    # As Quartz runs it: of the hour that comes twice, the second one.
    assert [told(run) for run in runs] == [
        "25 01:00 +0200",
        "25 02:00 +0100",
        "25 03:00 +0100",
        "25 04:00 +0100",
        "25 05:00 +0100",
    ]


def test_runs_of_a_schedule_that_ends_are_fewer() -> None:
    schedule = cron("0 0 0 1 1 ? 2027-2028", now=NOW)
    assert len(next_runs(schedule, NOW, 5)) == 2
    assert next_runs(schedule, at("2029-01-01"), 5) == ()


def test_runs_of_a_basic_schedule_count_from_its_last_sync() -> None:
    assert next_runs(every(3600), NOW, 2) == (NOW + 3600, NOW + 7200)


def test_nothing_is_due_without_a_schedule() -> None:
    assert next_runs(MANUAL, NOW) == ()
    assert next_runs(every(60), NOW, 0) == ()
    assert len(next_runs(every(60), NOW)) == 5
