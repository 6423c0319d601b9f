"""Which schedules cannot be worked out, told once each."""

from collections.abc import Container, Iterable

import structlog

from airbyte_exporter.model import Connection, Schedule
from airbyte_exporter.schedules import problem

__all__ = ["ScheduleProblems"]

log = structlog.get_logger(__name__)


class ScheduleProblems:
    """Logs what is wrong with a connection's schedule: once after the start, and again when it is another."""

    def __init__(self) -> None:
        self._told: dict[str, Schedule] = {}
        self._is_first = True

    def tell(self, connections: Iterable[Connection], changed: Container[str]) -> None:
        """Look at the schedules of `connections`, after the first time at those only that `changed`."""
        for connection in connections:
            if not (self._is_first or connection.id in changed):
                continue
            if (wrong := problem(connection.schedule)) is None:
                self._told.pop(connection.id, None)
            elif self._told.get(connection.id) != connection.schedule:
                self._told[connection.id] = connection.schedule
                log.warning(
                    "a schedule cannot be worked out: it has no interval and no next run",
                    connection_id=connection.id,
                    problem=wrong,
                )
        self._is_first = False
