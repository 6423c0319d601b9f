"""Fire times as the real Quartz 2.3.2 told them (recorded; a contract test asks it again)."""

from datetime import datetime
from pathlib import Path

import pytest

from airbyte_exporter.schedules import CronExpression, InvalidSchedule

ASKED_AFTER = int(datetime.fromisoformat("2026-10-30T10:00:00-04:00").timestamp())
ROWS = [
    tuple(line.split("\t"))
    for line in Path(__file__).with_name("quartz.tsv").read_text(encoding="utf-8").splitlines()[1:]
]


def epoch(told: str) -> int | None:
    return None if told == "null" else int(datetime.fromisoformat(told).timestamp())


@pytest.mark.parametrize(("expression", "answer"), [row for row in ROWS if not row[1].startswith("ERR")])
def test_fires_across_the_end_of_summer_time(expression: str, answer: str) -> None:
    cron = CronExpression.parse(expression, "America/New_York")
    expected = [epoch(told) for told in answer.split()]

    fires: list[int | None] = []
    instant: int | None = ASKED_AFTER
    while instant is not None and len(fires) < len(expected):
        instant = cron.next_after(instant)
        fires.append(instant)

    assert fires == expected


@pytest.mark.parametrize("expression", [row[0] for row in ROWS if row[1].startswith("ERR")])
def test_rejects_what_quartz_rejects(expression: str) -> None:
    with pytest.raises(InvalidSchedule):
        CronExpression.parse(expression, "America/New_York")
