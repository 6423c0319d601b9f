"""Fire times as the real Quartz 2.3.2 told them (recorded; a contract test asks it again)."""

from datetime import datetime
from pathlib import Path

import pytest

from airbyte_exporter.schedules import CronExpression, InvalidSchedule
from tests.quartz.oracle import Answer, Question
from tests.quartz.recorded import read

HERE = Path(__file__).parent
RECORDED = list(read(HERE / "recorded.tsv"))
ASKED_AFTER = int(datetime.fromisoformat("2026-10-30T10:00:00-04:00").timestamp())
AUTUMN = [
    tuple(line.split("\t")) for line in (HERE / "quartz.tsv").read_text(encoding="utf-8").splitlines()[1:]
]


def epoch(told: str) -> int | None:
    return None if told == "null" else int(datetime.fromisoformat(told).timestamp())


def fires(cron: CronExpression, instant: int | None, count: int) -> list[int | None]:
    """Return the next `count` fire times, the last one ``None`` if there are fewer."""
    found: list[int | None] = []
    while instant is not None and len(found) < count:
        instant = cron.next_after(instant)
        found.append(instant)
    return found


@pytest.mark.parametrize(("expression", "answer"), [row for row in AUTUMN if not row[1].startswith("ERR")])
def test_fires_across_the_end_of_summer_time(expression: str, answer: str) -> None:
    cron = CronExpression.parse(expression, "America/New_York")
    expected = [epoch(told) for told in answer.split()]

    assert fires(cron, ASKED_AFTER, len(expected)) == expected


@pytest.mark.parametrize("expression", [row[0] for row in AUTUMN if row[1].startswith("ERR")])
def test_rejects_two_choices_of_days(expression: str) -> None:
    with pytest.raises(InvalidSchedule):
        CronExpression.parse(expression, "America/New_York")


@pytest.mark.parametrize(
    ("question", "answer"),
    [row for row in RECORDED if not row[1].error],
    ids=lambda it: f"{it.expression!a} {it.zone} {it.instant}" if isinstance(it, Question) else "",
)
def test_fires_as_recorded(question: Question, answer: Answer) -> None:
    cron = CronExpression.parse(question.expression, question.zone)

    found = fires(cron, question.instant, question.count)

    assert tuple(fire for fire in found if fire is not None) == answer.fires


@pytest.mark.parametrize(
    "expression", [asked.expression for asked, answer in RECORDED if answer.error], ids=ascii
)
def test_rejects_what_quartz_rejects(expression: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        CronExpression.parse(expression, "UTC")

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 160
