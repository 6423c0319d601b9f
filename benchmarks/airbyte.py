"""The simulated Airbyte in a process of its own, so that its work is not mistaken for the exporter's."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from airbyte_exporter.simulator import SimulatorServer, World
from benchmarks.workers import Worker, obey, worker

__all__ = ["SimulatedAirbyte", "simulated_airbyte"]


@dataclass(frozen=True, slots=True)
class SimulatedAirbyte:
    """A running one: where it is, what it takes to be let in, and how many past jobs it has."""

    url: str
    client_id: str
    client_secret: str
    connections: int
    jobs: int
    _worker: Worker

    def finish_syncs(self, number: int) -> int:
        """Let `number` connections have a sync that has just ended; return how many could."""
        return int(self._worker.ask("finish", number=number)["finished"])

    def sent_bytes(self) -> int:
        """Return how many bytes the bodies of its answers have had so far."""
        return int(self._worker.ask("sent")["bytes"])


@contextmanager
def simulated_airbyte(connections: int, *, seed: int) -> Iterator[SimulatedAirbyte]:
    """Run a simulated Airbyte whose clock goes as fast as ours, with a history like a company's.

    Raises:
        BenchmarkError: It did not start.
    """
    arguments = [f"--connections={connections}", f"--seed={seed}"]
    with worker("benchmarks.airbyte", *arguments) as simulated:
        place = simulated.ask("where")
        yield SimulatedAirbyte(**place, connections=connections, _worker=simulated)


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    world = World(
        seed=arguments.seed, connections=arguments.connections, speed=1, now=time.time(), clock=time.time
    )
    with SimulatorServer(world, auth="client-credentials") as server:
        place = {
            "url": server.url,
            "client_id": server.credentials.client_id,
            "client_secret": server.credentials.client_secret,
            "jobs": len(world.jobs()),
        }
        obey(
            {
                "where": lambda: place,
                "finish": lambda number: {"finished": _finish_syncs(world, number)},
                "sent": lambda: {"bytes": server.sent.total()},
            }
        )


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


if __name__ == "__main__":
    _main()
