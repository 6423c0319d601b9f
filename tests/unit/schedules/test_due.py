"""One rule for every kind of schedule: what is due next, and how long it may take."""

import pytest

from airbyte_exporter.model import Schedule, ScheduleType
from airbyte_exporter.schedules import next_due, problem, usual_gap

NOW = 1_790_000_000  # 2026-09-21T14:13:20Z, a Monday
HOUR, DAY = 3600, 86400


def basic(units: int | None, unit: str | None) -> Schedule:
    return Schedule(ScheduleType.BASIC, units=units, time_unit=unit)


def cron(expression: str | None, zone: str | None = "UTC") -> Schedule:
    return Schedule(ScheduleType.CRON, cron_expression=expression, cron_time_zone=zone)


@pytest.mark.parametrize(
    ("schedule", "due", "gap"),
    [
        (basic(30, "minutes"), NOW + 1800, 1800),
        (basic(24, "hours"), NOW + DAY, DAY),
        (basic(1, "months"), NOW + 30 * DAY, 30 * DAY),
        (cron("0 0 15 * * ?"), 1_790_002_800, DAY),
        (cron("20 13 14 * * ?"), NOW + DAY, DAY),
        (cron("0 0 9 ? * MON-FRI"), 1_790_067_600, 3 * DAY),
        (cron("0 0 0 1 * ?"), 1_790_812_800, 31 * DAY),
        (cron("0 0 12 * * ?", "Europe/Berlin"), 1_790_071_200, 25 * HOUR),
        (cron("0 0 12 * * ?", "+02:00"), 1_790_071_200, DAY),
    ],
)
def test_what_runs_by_itself_is_due_and_has_a_usual_gap(schedule: Schedule, due: int, gap: int) -> None:
    assert next_due(schedule, NOW) == due
    assert usual_gap(schedule, NOW) == gap
    assert problem(schedule) is None


def test_a_schedule_that_fires_once_more_has_no_gap() -> None:
    once = cron("0 0 0 1 1 ? 2027")

    assert next_due(once, NOW) == 1_798_761_600
    assert next_due(once, 1_798_761_600) is None
    assert usual_gap(once, NOW) is None


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(ScheduleType.MANUAL),
        Schedule(ScheduleType.UNKNOWN),
        Schedule(ScheduleType.MANUAL, units=1, time_unit="hours", cron_expression="0 0 12 * * ?"),
        basic(None, "hours"),
        basic(1, "fortnights"),
        cron("0 0 0 30 2 ?"),
    ],
)
def test_what_is_never_due_has_no_problem(schedule: Schedule) -> None:
    assert (next_due(schedule, NOW), usual_gap(schedule, NOW), problem(schedule)) == (None, None, None)


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        (cron("0 0 12 * * *"), "day of month and day of week: one of the two must be ?"),
        (cron("0 0 25 * * ?"), "hours '25': values go from 0 to 23"),
        (cron("0 12 * * *"), "a cron expression has 6 or 7 fields, seconds first, and not 5"),
        (
            cron("0 0 12 * * ?", "Europe/Berln"),
            "there is no time zone 'Europe/Berln'; did you mean Europe/Berlin?",
        ),
        (cron(None), "Airbyte tells no cron expression"),
        (cron("0 0 12 * * ?", None), "Airbyte tells no time zone for the cron expression"),
    ],
)
def test_what_cannot_be_evaluated_is_never_due_and_says_why(schedule: Schedule, why: str) -> None:
    assert problem(schedule) == why
    assert next_due(schedule, NOW) is None
    assert usual_gap(schedule, NOW) is None
