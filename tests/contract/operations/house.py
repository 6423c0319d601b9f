"""Commands of this process against a simulated Airbyte, whose time passes only when a command waits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from click.testing import CliRunner, Result

from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.simulator import SimulatedConnection, SimulatedJob, SimulatorServer, World
from tests.specifications import REFERENCE_WRITES, problems_of, problems_with, spec_of

__all__ = ["CHANGES", "Clock", "House"]

SPECIFIED = re.compile(
    r"(/get|/check_connection|/discover_schema|/create|/update|/delete|/sync|/reset|/refresh)$"
)
CHANGES = re.compile(r"/(create|update|delete|sync|reset|refresh|clear|cancel)$")
"""Paths of requests that change something."""


@dataclass
class Clock:
    """Time that passes only when a command waits."""

    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class House:
    """One Airbyte, and a shell to work on it."""

    world: World
    server: SimulatorServer
    clock: Clock

    def run(self, *arguments: object, typed: str | None = None) -> Result:
        """Run a command; `typed` is what somebody answers to its questions on a terminal."""
        common = Common(clock=self.clock, monotonic=self.clock, pause=self.clock.pause)
        return CliRunner().invoke(command_line, [str(each) for each in arguments], obj=common, input=typed)

    def succeed(self, *arguments: object) -> Result:
        """Run a command that works."""
        result = self.run(*arguments)
        assert result.exit_code == 0, (result.stdout, result.stderr)
        return result

    def fail(self, *arguments: object, code: int = 1) -> str:
        """Run a command that does not, and return its one line of explanation."""
        result = self.run(*arguments)
        lines = [line for line in result.stderr.splitlines() if line.startswith("airbyte-exporter: ")]
        assert (result.exit_code, len(lines)) == (code, 1), (result.stdout, result.stderr)
        assert "Traceback" not in result.output
        return lines[0].removeprefix("airbyte-exporter: ")

    # The truth

    def changes(self) -> list[str]:
        """Return the paths of the requests so far that change something."""
        return [each.path for each in self.server.requests if CHANGES.search(each.path)]

    def connection(self, connection_id: str) -> SimulatedConnection:
        return next(each for each in self.world.connections() if each.id == connection_id)

    def newest_job(self, connection_id: str) -> SimulatedJob:
        return self.world.jobs(connection_id)[-1]

    def misfits(self) -> list[str]:
        """Return what the specification finds wrong with the requests that changed or ran something."""
        problems = []
        for each in self.server.requests:
            path = each.path.removeprefix("/api/v1/")
            if each.method != "POST" or not SPECIFIED.search(path):
                continue
            if self.generation == "reference":
                found = problems_with(REFERENCE_WRITES[path], each.json())
            else:
                found = problems_of(spec_of(self.generation), "POST", f"/v1/{path}", each.json())
            problems += [f"{path}: {problem}" for problem in found]
        return problems

    @property
    def steady(self) -> SimulatedConnection:
        """A connection that is active and has no live job."""
        return next(
            each for each in self.world.connections() if each.character == "steady" and _is_free(self, each)
        )

    @property
    def generation(self) -> str:
        return self.server.generation.version or "reference"


def _is_free(house: House, connection: SimulatedConnection) -> bool:
    jobs: Sequence[SimulatedJob] = house.world.jobs(connection.id)
    return connection.status == "active" and all(job.is_final for job in jobs)
