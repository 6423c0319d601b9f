"""The gaps between fire times, and what is told about an expression that has none."""

import pytest

from airbyte_exporter.schedules import CronExpression, InvalidSchedule

NOW = 1_790_000_000  # 2026-09-21T14:13:20Z, a Monday
HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("expression", "zone", "gap"),
    [
        ("0 0 * * * ?", "UTC", HOUR),
        ("0 0/15 8-17 ? * MON-FRI", "UTC", 14 * HOUR + 15 * 60),  # 60 of 40 a day do not reach Saturday
        ("0 0 8,12 ? * MON-FRI", "UTC", 2 * DAY + 20 * HOUR),
        ("0 30 1 * * ?", "America/New_York", 25 * HOUR),
        ("0 30 2 * * ?", "America/New_York", 25 * HOUR),
        ("0 0 0 29 2 ?", "UTC", 8 * 365 * DAY + DAY),  # 2100 has no such day
    ],
)
def test_the_longest_of_the_next_gaps(expression: str, zone: str, gap: int) -> None:
    assert CronExpression.parse(expression, zone).longest_gap(NOW) == gap


def test_how_many_fires_are_looked_at_is_a_choice() -> None:
    cron = CronExpression.parse("0 0 8,12 ? * MON-FRI", "UTC")

    assert cron.longest_gap(NOW, fires=3) == 20 * HOUR
    assert cron.longest_gap(NOW, fires=1) is None
    assert cron.longest_gap(NOW, fires=0) is None


def test_a_gap_ends_within_a_hundred_years() -> None:
    cron = CronExpression.parse("0 0 0 1 1 ? 2027,2100,2200", "UTC")

    assert cron.longest_gap(NOW) == (73 * 365 + 18) * DAY


def test_a_night_that_loses_an_hour_loses_what_would_run_in_it() -> None:
    cron = CronExpression.parse("0 30 2 * * ?", "America/New_York")

    assert cron.longest_gap(1_772_841_600, fires=2) == 47 * HOUR  # 2026-03-07 to 2026-03-09


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 0 25 * * ?", "hours '25': values go from 0 to 23"),
        ("0 0 12 0 * ?", "day of month '0': values go from 1 to 31"),
        ("0 0 12 1 FOO ?", "month 'FOO': 'FOO' is not a name of a month"),
        ("0 0 12 MON * ?", "day of month 'MON': 'MON' is not a number"),
        ("0 0 12 ? * MON#6", "day of week 'MON#6': a number from 1 to 5 must follow #"),
        ("0 0 12 L,15 * ?", "day of month 'L,15': L goes with no other value"),
        (
            "0 0 12 15L * ?",
            "day of month '15L': L and # follow a day of week, from 1 to 7, W a day of month up to 31",
        ),
        ("0 0 12 L-31 * ?", "day of month 'L-31': at most 30 days before the last one"),
        ("0 0 0/24 * * ?", "hours '0/24': a step is at most 23"),
        ("0 0/x 12 * * ?", "minutes '0/X': a number must follow /"),
        ("0 0 12 * * ? 2028-2026", "year '2028-2026': the first year comes after the last one"),
        ("0 ? 12 * * ?", "minutes '?': ? is for day of month or day of week"),
        (", 0 12 * * ?", "seconds: no value"),
        ("!\x1b[2J 0 12 * * ?", r"seconds '!\x1b[2J': not the beginning of a value"),
        ("0 0 12 ? * *,?", "day of month and day of week: only one of the two can be ?"),
        (f"0 0 12 {'9' * 900} * ?", f"day of month '{'9' * 35}...': a number is missing, or too large"),
    ],
)
def test_says_what_is_wrong_and_where(expression: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        CronExpression.parse(expression, "UTC")

    assert str(caught.value) == message
