"""Cron expressions of the simulated world fire when Quartz says."""

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from airbyte_exporter.simulator._cron import Cron
from airbyte_exporter.simulator._schedule import cron_every
from tests.unit.simulator.asking import NOW

ASKED = datetime(2026, 10, 30, 10, tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    ("expression", "fires"),
    [
        ("0 0 12 * * ?", "2026-10-30T12 2026-10-31T12 2026-11-01T12 2026-11-02T12"),
        ("0 0 0 L * ?", "2026-10-31T00 2026-11-30T00 2026-12-31T00 2027-01-31T00"),
        ("0 0 9 ? * 2#1", "2026-11-02T09 2026-12-07T09 2027-01-04T09 2027-02-01T09"),
        ("0 0 9 ? * MON#3", "2026-11-16T09 2026-12-21T09 2027-01-18T09 2027-02-15T09"),
        ("0 0 9 ? * 6L", "2026-11-27T09 2026-12-25T09 2027-01-29T09 2027-02-26T09"),
        ("0 0 0 ? * SUN", "2026-11-01T00 2026-11-08T00 2026-11-15T00 2026-11-22T00"),
        ("0 0 9 ? * MON-FRI", "2026-11-02T09 2026-11-03T09 2026-11-04T09 2026-11-05T09"),
        ("0 0 6,18 15 JAN,JUL ?", "2027-01-15T06 2027-01-15T18 2027-07-15T06 2027-07-15T18"),
        ("0 5/20 8-10 ? JAN 2-6", "2027-01-01T08:05 2027-01-01T08:25 2027-01-01T08:45 2027-01-01T09:05"),
        ("*/30 * * * * ?", "2026-10-30T10:00:30 2026-10-30T10:01 2026-10-30T10:01:30 2026-10-30T10:02"),
    ],
)
def test_an_expression_fires_when_quartz_2_3_2_does(expression: str, fires: str) -> None:
    zone = ZoneInfo("America/New_York")
    expected = [datetime.fromisoformat(fire).replace(tzinfo=zone) for fire in fires.split()]
    found = islice(Cron.parse(expression, zone.key).fires_after(ASKED.timestamp()), 4)
    assert [datetime.fromtimestamp(fire, zone) for fire in found] == expected


@pytest.mark.parametrize(
    ("expression", "fires"),
    [
        ("0 0 9 15W * ?", "2026-11-16T09 2026-12-15T09 2027-01-15T09 2027-02-15T09"),
        ("0 0 9 1W * ?", "2026-11-02T09 2026-12-01T09 2027-01-01T09 2027-02-01T09"),
        ("0 0 9 LW * ?", "2026-11-30T09 2026-12-31T09 2027-01-29T09 2027-02-26T09"),
        ("0 0 9 L-2 * ?", "2026-11-28T09 2026-12-29T09 2027-01-29T09 2027-02-26T09"),
        ("0 0 9 ? * L", "2026-10-31T09 2026-11-07T09 2026-11-14T09 2026-11-21T09"),
        ("0 0 9 ? * FRI-MON", "2026-10-31T09 2026-11-01T09 2026-11-02T09 2026-11-06T09"),
        ("0 0 22-1 ? * SAT", "2026-10-31T00 2026-10-31T01 2026-10-31T22 2026-10-31T23"),
        ("0 0 9 1 1 ? 2028-2031", "2028-01-01T09 2029-01-01T09 2030-01-01T09 2031-01-01T09"),
    ],
)
def test_what_only_clients_write_fires_as_quartz_documents_it(expression: str, fires: str) -> None:
    zone = ZoneInfo("America/New_York")
    expected = [datetime.fromisoformat(fire).replace(tzinfo=zone) for fire in fires.split()]
    found = islice(Cron.parse(expression, zone.key).fires_after(ASKED.timestamp()), 4)
    assert [datetime.fromtimestamp(fire, zone) for fire in found] == expected


@pytest.mark.parametrize("every", [1, 7, 15, 60, 240, 900, 3600, 10_000, 86_400])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Tokyo"])
def test_a_cadence_is_what_its_expression_says(every: float, zone: str) -> None:
    schedule = cron_every(every, zone, 1)
    parsed = Cron.parse(schedule.cron_expression or "", schedule.cron_time_zone or "")
    instant = NOW
    for fire in islice(parsed.fires_after(NOW), 80):
        instant = schedule.next_after(instant)
        assert instant == fire


@pytest.mark.parametrize(
    "expression",
    [
        "", "0 0 * * *", "0 0 25 * * ?", "0 0 9 ? * MOO", "0 0 9 32 * ?", "0 0 9 W * ?", "0 0 9 * * *",
        "0 0 9 ? * ?", "0 0/0 9 * * ?", "0 0/ 9 * * ?", "0 0 9 ? * 2#6", "0 0 9 ? * 8", "0 0 9 * * ? 1800",
        "0 0 9 * * ? 2030 1",
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"fields|within|invalid literal|must be '\?'|zero"):
        Cron.parse(expression, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "../UTC", "/etc/passwd", "", "UTC\0"])
def test_a_time_zone_must_be_one(zone: str) -> None:
    with pytest.raises(KeyError):
        Cron.parse("0 0 9 * * ?", zone)


def test_an_endless_range_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="within"):
        Cron.parse("0-99999999999 0 9 * * ?", "UTC")


def test_an_expression_that_never_fires_again_ends() -> None:
    assert list(islice(Cron.parse("0 0 9 30 FEB ?", "UTC").fires_after(NOW), 1)) == []
