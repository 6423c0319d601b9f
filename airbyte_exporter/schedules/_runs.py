"""When a connection's next run is due, as far as its syncs and what was seen of its schedule tell."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from airbyte_exporter.model import Schedule, ScheduleType
from airbyte_exporter.schedules._due import next_due, usual_gap

__all__ = ["HISTORY", "Runs"]

HISTORY: Final = 20
"""How many of a connection's newest syncs are looked at to find out which of them were due."""

TOLERANCE_SECONDS: Final = 10
"""How much earlier than due a sync may seem to be created: Airbyte's servers go by their own clocks."""


@dataclass(frozen=True, slots=True)
class Runs:
    """What has to be remembered of a connection to know when its next run is due.

    `schedule_since` is when this schedule was first seen, `active_since` when the connection was first seen
    active, ``None`` while it is not. `due_sync_at` is the creation of the newest sync that was due when it
    was created: an interval or more after the one before that was due (basic), or with a fire time since that
    one (cron). The oldest known sync has none before it and is taken for due; `is_confirmed` is whether
    another one has followed it. `interval` is how many seconds may lie between two runs.
    """

    schedule: Schedule
    schedule_since: int
    interval: int | None
    active_since: int | None = None
    due_sync_at: int | None = None
    is_confirmed: bool = False

    @classmethod
    def first_seen(cls, schedule: Schedule, *, is_active: bool, at: int) -> "Runs":
        """Return what is known of a connection that is seen for the first time `at` this Airbyte time."""
        return cls(schedule, at, usual_gap(schedule, at), at if is_active else None)

    def seen(self, schedule: Schedule, *, is_active: bool, at: int) -> "Runs":
        """Return the same after the connection was seen once more, `at` this Airbyte time."""
        runs = self
        if schedule != self.schedule:
            runs = replace(runs, schedule=schedule, schedule_since=at, interval=usual_gap(schedule, at))
        if is_active != (self.active_since is not None):
            runs = replace(runs, active_since=at if is_active else None)
        return runs

    def after_history(self, created: Iterable[int]) -> "Runs":
        """Return the same as its newest syncs tell, created at these times, the oldest first."""
        return replace(self, due_sync_at=None, is_confirmed=False).after_syncs(created)

    def after_syncs(self, created: Iterable[int]) -> "Runs":
        """Return the same after syncs that were created at these times, the oldest first.

        One that was created while nothing was due was started by hand and changes nothing.
        """
        runs = self
        for at in created:
            runs = runs._after(at)
        return runs

    def _after(self, created_at: int) -> "Runs":
        if self.schedule.type not in {ScheduleType.BASIC, ScheduleType.CRON}:
            return self
        if self.due_sync_at is None:
            return replace(self, due_sync_at=created_at)
        due = next_due(self.schedule, self.due_sync_at)
        if created_at <= self.due_sync_at or due is None or created_at < due - TOLERANCE_SECONDS:
            return self
        return replace(self, due_sync_at=max(created_at, due), is_confirmed=True)

    @property
    def next_run_at(self) -> int | None:
        """When the next run is due, in the past while it is overdue; ``None`` where nothing is ever due."""
        if self.active_since is None:
            return None
        return next_due(self.schedule, max(self.active_since, self.schedule_since, self.due_sync_at or 0))
