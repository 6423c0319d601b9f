"""The simulated Airbyte in a process of its own, so that its work is not mistaken for the exporter's.

Run as ``python -m benchmarks.airbyte`` this is that process: it tells where it is in one line of JSON, obeys
commands on its standard input, a line of JSON each, and ends with that input, so also when whoever started
it dies.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airbyte_exporter.simulator import SimulatorServer, World
from benchmarks.processes import BenchmarkError, started

__all__ = ["SimulatedAirbyte", "simulated_airbyte"]


@dataclass(frozen=True, slots=True)
class SimulatedAirbyte:
    """A running one: where it is, what it takes to be let in, and how many past jobs it has."""

    url: str
    client_id: str
    client_secret: str
    connections: int
    jobs: int
    _process: subprocess.Popen[bytes]

    def finish_syncs(self, number: int) -> int:
        """Let `number` connections have a sync that has just ended; return how many could."""
        answer = _converse(self._process, {"finish": number})
        return int(answer["finished"])


@contextmanager
def simulated_airbyte(connections: int, *, seed: int) -> Iterator[SimulatedAirbyte]:
    """Run a simulated Airbyte whose clock goes as fast as ours, with a history like a company's.

    Raises:
        BenchmarkError: It did not start.
    """
    command = [sys.executable, "-m", "benchmarks.airbyte", f"--connections={connections}", f"--seed={seed}"]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield SimulatedAirbyte(**_answer(process), connections=connections, _process=process)


def _converse(process: subprocess.Popen[bytes], command: Mapping[str, object]) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(json.dumps(command).encode() + b"\n")
    process.stdin.flush()
    return _answer(process)


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchmarkError("the simulated Airbyte ended by itself; what it said is above")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    world = World(
        seed=arguments.seed, connections=arguments.connections, speed=1, now=time.time(), clock=time.time
    )
    with SimulatorServer(world, auth="client-credentials") as server:
        _say(
            url=server.url,
            client_id=server.credentials.client_id,
            client_secret=server.credentials.client_secret,
            jobs=len(world.jobs()),
        )
        for line in sys.stdin:
            _say(finished=_finish_syncs(world, json.loads(line)["finish"]))


def _finish_syncs(world: World, number: int) -> int:
    finished = 0
    # Under one lock, so that no answer shows some of them without the others.
    with world.lock:
        for connection in world.connections():
            if finished == number:
                break
            if connection.status == "active" and _is_at_rest(world, connection.id):
                world.run_now(connection.id)
                finished += 1
    return finished


def _is_at_rest(world: World, connection_id: str) -> bool:
    jobs = world.jobs(connection_id)
    return not jobs or jobs[-1].is_final


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    _main()
