"""The real Quartz, asked from Python. What it answers is told in ``Oracle.java``."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.requirements import require_path, require_program

_JARS = Path("/usr/share/java")
_HANGS = "hangs"


@dataclass(frozen=True)
class Question:
    """An expression in a time zone, and the instant after which it is asked for `count` fire times."""

    expression: str
    zone: str
    instant: int
    count: int

    @property
    def line(self) -> str:
        units = self.expression.encode("utf-16-be", "surrogatepass").hex()
        return f"fires\t{units}\t{self.zone}\t{self.instant}\t{self.count}"


@dataclass(frozen=True)
class Answer:
    """The `fires` in epoch seconds, fewer than asked for where there are no more, or why there is none."""

    fires: tuple[int, ...] = ()
    error: str | None = None
    hangs: bool = False

    @classmethod
    def of(cls, line: str) -> "Answer":
        if line == _HANGS:
            return cls(hangs=True)
        if line.startswith(("rejected ", "broken ")):
            return cls(error=line)
        return cls(tuple(int(told) for told in line.split() if told != "none"))


class Quartz:
    """Asks in one go, and counts the offsets of its time zones as well."""

    def __init__(self) -> None:
        jars = [
            require_path(_JARS / "quartz2.jar", "Quartz (libquartz2-java)"),
            require_path(_JARS / "slf4j-api.jar", "SLF4J (libslf4j-java)"),
        ]
        program = Path(__file__).with_name("Oracle.java")
        self._argv = [require_program("java"), "-cp", ":".join(map(str, jars)), str(program)]
        self.last_year = int(self._run([])[0])

    def fires(self, questions: Sequence[Question]) -> list[Answer]:
        """Return an answer for each question."""
        return [Answer.of(line) for line in self._ask([question.line for question in questions])]

    def offsets(self, spans: Sequence[tuple[str, int, int]]) -> list[list[tuple[int, int]]]:
        """Return of zones, from one instant to another, the offsets from UTC and when each begins."""
        answers = self._ask([f"changes\t{zone}\t{start}\t{end}" for zone, start, end in spans])
        return [_offsets(start, answer) for (_, start, _), answer in zip(spans, answers, strict=True)]

    def _ask(self, lines: list[str]) -> list[str]:
        answers: list[str] = []
        while len(answers) < len(lines):  # it ends where Quartz does not come to an end
            answered = self._run(lines[len(answers) :])[1:]
            if not answered:
                raise RuntimeError(f"no answer to {lines[len(answers)]!r}")
            answers += answered
        return answers

    def _run(self, lines: list[str]) -> list[str]:
        asked = "".join(f"{line}\n" for line in lines)
        done = subprocess.run(
            self._argv, input=asked, capture_output=True, text=True, encoding="utf-8", check=True
        )
        return done.stdout.removesuffix("\n").split("\n")


def _offsets(start: int, answer: str) -> list[tuple[int, int]]:
    first, *later = answer.split()
    changes = (change.split(":") for change in later)
    return [(start, int(first)), *((int(instant), int(offset)) for instant, offset in changes)]
