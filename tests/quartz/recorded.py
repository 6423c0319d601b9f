"""Answers of the real Quartz, kept as text."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.quartz.oracle import Answer, Question

_FORM = "%Y-%m-%dT%H:%M:%SZ"


def read(path: Path) -> Iterator[tuple[Question, Answer]]:
    """Read lines of expression (as JSON), zone, instant and answer, with tabs between them.

    The answer is the fire times, and ``none`` behind the last one that there ever is; or ``rejected``, where
    Quartz does not take the expression, or cannot evaluate it. All times are in UTC.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        expression, zone, instant, answer = line.split("\t")
        told = [] if answer == "rejected" else answer.split(" ")
        fires = tuple(_epoch(fire) for fire in told if fire != "none")
        question = Question(json.loads(expression), zone, _epoch(instant), max(1, len(told)))
        yield question, Answer(fires, error=answer if answer == "rejected" else None)


def line(question: Question, answer: Answer) -> str:
    """Write what `read` reads."""
    fires = [_written(fire) for fire in answer.fires]
    if len(fires) < question.count:
        fires.append("none")
    told = "rejected" if answer.error else " ".join(fires)
    return f"{json.dumps(question.expression)}\t{question.zone}\t{_written(question.instant)}\t{told}"


def _epoch(written: str) -> int:
    return int(datetime.strptime(written, _FORM).replace(tzinfo=UTC).timestamp())


def _written(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime(_FORM)
