"""Which connections are worth asking now, where each has to be asked for its own jobs. Pure.

Asked are those whose jobs are not known yet, those with a live job, those whose next sync is due, and of the
others those that were asked longest ago: so many that all of them come round in ten minutes. A sync that
somebody starts by hand is seen within that time.
"""

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Final

from airbyte_exporter.model import Connection, ConnectionStatus, Job, ScheduleType
from airbyte_exporter.schedules import next_due

__all__ = ["SWEEP_SECONDS", "Asked", "Sweep", "learn"]

SWEEP_SECONDS: Final = 600.0
DUE_SECONDS: Final = 180
"""For how long after its time a sync is looked for in every poll: Airbyte may delay it by two minutes."""

_FEWEST_GAPS: Final = 2
_MOST_GAPS: Final = 9


@dataclass(frozen=True, slots=True)
class Asked:
    """What a connection answered.

    `at` is when, on the monotonic clock, and `as_of` in Airbyte's time. `newest_created` is the creation of
    its newest job, `free_at` the end of that, `gap` the usual time between the creation of two syncs, in
    seconds; ``None`` where that is not known. One that `is_unanswered` was asked and has never answered.
    """

    at: float
    as_of: int
    newest_created: int | None = None
    free_at: int | None = None
    gap: float | None = None
    is_unanswered: bool = False

    def is_due(self, connection: Connection, airbyte_now: float) -> bool:
        """Whether the next sync of `connection` is to be expected just now, by its schedule or its habit.

        A sync waits for the end of the one before; one by cron for the first time after that.
        """
        if connection.status is not ConnectionStatus.ACTIVE or self.newest_created is None:
            return False
        free = max(self.newest_created, self.free_at or 0)
        schedule = connection.schedule
        due = next_due(schedule, free if schedule.type is ScheduleType.CRON else self.newest_created)
        if due is None and self.gap is not None:
            due = math.ceil(self.newest_created + self.gap)
        return due is not None and max(due, free) <= airbyte_now < max(due, free) + DUE_SECONDS


def learn(before: Asked | None, jobs: Collection[Job], *, at: float, as_of: int) -> Asked:
    """Return what is known of a connection after it answered with `jobs`; what they do not tell stays."""
    newest = max(jobs, key=lambda job: (job.created_at, job.id), default=None)
    gap = _usual_gap(sorted(job.created_at for job in jobs if job.type.moves_data))
    if before is None:
        before = Asked(at, as_of)
    if newest is None:
        return replace(before, at=at, as_of=as_of, is_unanswered=False)
    return Asked(at, as_of, newest.created_at, newest.ended_at, before.gap if gap is None else gap)


def _usual_gap(created: Sequence[int]) -> float | None:
    gaps = [later - earlier for earlier, later in pairwise(created)][-_MOST_GAPS:]
    return median(gaps) if len(gaps) >= _FEWEST_GAPS else None


class Sweep:
    """Goes round all connections in `SWEEP_SECONDS`, a part of them in each poll."""

    def __init__(self) -> None:
        self._swept_at: float | None = None

    def plan(
        self,
        connections: Iterable[Connection],
        asked: Mapping[str, Asked],
        *,
        live: Collection[str],
        airbyte_now: float,
        monotonic: float,
        most: int | None = None,
    ) -> list[str]:
        """Return the ids of the connections to ask now.

        Args:
            connections: All that exist.
            asked: What those answered that were asked before.
            live: The ids of those that have a live job, also of connections that are gone.
            airbyte_now: The time in Airbyte's own, epoch seconds.
            monotonic: Our own, for durations.
            most: How many the sweep may ask at most, where Airbyte answers too slowly for more.
        """
        chosen: dict[str, None] = dict.fromkeys(live)
        waiting: list[tuple[float, str]] = []
        number = 0
        for connection in connections:
            number += 1
            known = asked.get(connection.id)
            if known is None or known.is_due(connection, airbyte_now):
                chosen[connection.id] = None
            elif connection.id not in chosen:
                waiting.append((known.at, connection.id))
        passed = SWEEP_SECONDS if self._swept_at is None else max(0.0, monotonic - self._swept_at)
        share = math.ceil(number * min(1.0, passed / SWEEP_SECONDS))
        share = share if most is None else min(share, most)
        chosen.update((id_, None) for _, id_ in heapq.nsmallest(share, waiting))
        return list(chosen)

    def done(self, monotonic: float) -> None:
        """Note that all planned connections have answered: the next part is as large as the time from now."""
        self._swept_at = monotonic
