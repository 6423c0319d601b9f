"""Whatever somebody puts into a schedule: it is rejected in a line, or evaluated, and quickly."""

import string
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.schedules import CronExpression, InvalidSchedule

NOW = 1_790_000_000
PATIENCE = timedelta(seconds=1)  # for machines that are busy: a search takes some milliseconds
CRON_TEXT = st.text(string.digits + "*/,-?LW#" + "JANFEBMONTUE" + " \t\n", max_size=60)
FIELD = st.one_of(
    st.sampled_from(
        ["*", "?", "L", "LW", "L-3W", "0W", "31W", "6L", "2#5", "99-75/20", "MON#3", "FRI-MON", "/5"]
    ),
    st.from_regex(r"\A[0-9]{1,11}([-/,#LW][0-9]{0,11}){0,3}\Z"),
    st.text("0123456789*/,-?LW#", min_size=1, max_size=8),
)


def assert_rejected_or_evaluated(expression: str, zone: str, instant: int) -> None:
    message, fire = "", None
    try:
        fire = CronExpression.parse(expression, zone).next_after(instant)
    except InvalidSchedule as exc:
        message = str(exc)
    assert message.isprintable()
    assert len(message) <= 160
    assert fire is None or fire > instant


@settings(deadline=PATIENCE)
@given(expression=CRON_TEXT | st.text(max_size=60), instant=st.integers())
def test_any_text_is_rejected_or_evaluated(expression: str, instant: int) -> None:
    assert_rejected_or_evaluated(expression, "Europe/Berlin", instant)


@settings(deadline=PATIENCE, max_examples=300)
@given(fields=st.lists(FIELD, min_size=6, max_size=7), instant=st.integers(0, 2**33))
def test_any_fields_are_rejected_or_evaluated(fields: list[str], instant: int) -> None:
    assert_rejected_or_evaluated(" ".join(fields), "America/Sao_Paulo", instant)


@settings(deadline=PATIENCE)
@given(zone=st.text(max_size=80) | st.text(string.ascii_letters + "/._-+:0123456789", max_size=80))
def test_any_time_zone_is_rejected_or_evaluated(zone: str) -> None:
    assert_rejected_or_evaluated("0 0 12 * * ?", zone, NOW)


@pytest.mark.parametrize(
    "zone",
    [
        "",
        " ",
        ".",
        "..",
        "/etc/passwd",
        "../../etc/passwd",
        "Europe",
        "Europe/",
        "Europe/../Europe/Berlin",
        "europe/berlin",
        "Europe/Berlin\n",
        "Europe/Berlin\0",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
        "posixrules",
        "localtime",
        "tzdata.zi",
        "+24:00",
        "+02:60",
        "+2:00",
        "\udcff",
        "Europe/" + "B" * 100_000,
    ],
)
def test_only_time_zones_are_time_zones(zone: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        CronExpression.parse("0 0 12 * * ?", zone)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 120


def test_a_time_zone_with_a_slip_is_recognised() -> None:
    with pytest.raises(
        InvalidSchedule, match="there is no time zone 'Europe/Berln'; did you mean Europe/Berlin"
    ):
        CronExpression.parse("0 0 12 * * ?", "Europe/Berln")


def test_a_book_is_not_read() -> None:
    with pytest.raises(InvalidSchedule, match="more than 1000 characters"):
        CronExpression.parse("0 0 12 * * ? " + "* " * 1_000_000, "UTC")


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 0 30 2 ?",
        "30 59 23 31 2,4,6,9,11 ?",
        "59 59 23 29 2 ? 2027-2099/4",
        "0 0 0 0W 2 ?",  # Quartz searches for ever
        "0 0 0 L-30W 2 ?",  # and here
        "0 0 0 ? * 9#1",
        "0 0 0 ? * 2147483647#5",
        "0 0 0 1 1 ? 2147483647",
        "0 0 0 1 1 ? 3000-2147483647",
        "99-2147483647/2147483647 0 0 31 2 ?",
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Africa/Casablanca"])
def test_what_never_fires_is_found_out(expression: str, zone: str) -> None:
    assert CronExpression.parse(expression, zone).next_after(NOW) is None


@pytest.mark.parametrize(
    ("instant", "fire"),
    [
        (-(10**30), 0),
        (-1, 0),
        (0, 365 * 86400),
        (32_472_144_000 - 1, 32_472_144_000),  # 2999-01-01
        (32_472_144_000, None),
        (10**30, None),
    ],
)
def test_any_instant_is_one(instant: int, fire: int | None) -> None:
    assert CronExpression.parse("0 0 0 1 1 ?", "UTC").next_after(instant) == fire


def test_an_expression_is_read_once() -> None:
    cron = CronExpression.parse("0 0 12 * * ?", "Europe/Berlin")

    assert CronExpression.parse("0 0 12 * * ?", "Europe/Berlin") is cron
    assert CronExpression.parse("0 0 12 * * ?", "Europe/Paris") is not cron
