"""Processes that do one thing at a time, when told to: commands and answers are lines of JSON.

A worker reads commands from its standard input and ends with it, so also when whoever started it dies.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.processes import BenchmarkError, memory_of, started

__all__ = ["Answers", "Worker", "obey", "worker"]

Answers = Mapping[str, Callable[..., Mapping[str, object]]]
"""What a worker can do, by the name of the command; the rest of the command are keyword arguments."""


class Worker:
    """A running one, seen from the process that started it."""

    def __init__(self, module: str, process: subprocess.Popen[bytes]) -> None:
        self._module = module
        self._process = process

    def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        """Let it obey a command; return its answer.

        Raises:
            BenchmarkError: It has ended instead.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchmarkError(self._ended) from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next line that it says.

        Raises:
            BenchmarkError: It has ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(self._ended)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def memory(self) -> tuple[int, int] | None:
        """Return its resident bytes, now and at most so far; ``None`` where the system does not tell."""
        return memory_of(self._process.pid)

    @property
    def _ended(self) -> str:
        return f"{self._module} ended by itself; what it said is above"


@contextmanager
def worker(module: str, *arguments: str) -> Iterator[Worker]:
    """Run ``python -m MODULE`` for as long as the block."""
    command = [sys.executable, "-m", module, *arguments]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Worker(module, process)


def obey(answers: Answers) -> None:
    """Be a worker: obey commands until the input ends."""
    for line in sys.stdin:
        arguments = json.loads(line)
        print(json.dumps(answers[arguments.pop("command")](**arguments)), flush=True)
