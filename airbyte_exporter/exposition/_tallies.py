"""Counts over all connections, kept in step connection by connection instead of counting all anew."""

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeVar

from airbyte_exporter.model import ConnectionFacts

__all__ = ["Tallies"]

_SLACK: Final = 64
_Key = TypeVar("_Key")


class Tallies:
    """What the facts of all connections come to together. Facts that are added must be removed unchanged."""

    def __init__(self) -> None:
        self._connections: Counter[tuple[str, str, str, str]] = Counter()
        self._live_jobs: Counter[tuple[str, str]] = Counter()
        self._oldest: dict[str, _Smallest] = {}

    @property
    def connections(self) -> Mapping[tuple[str, str, str, str], int]:
        """Connections by status, source connector, destination connector and kind of schedule."""
        return self._connections

    @property
    def live_jobs(self) -> Mapping[tuple[str, str], int]:
        """Live jobs by type and status."""
        return self._live_jobs

    @property
    def oldest_live_jobs(self) -> Mapping[str, int]:
        """When the oldest live job of each status was created; a status without live jobs is absent."""
        found = {status: smallest.get() for status, smallest in self._oldest.items()}
        return {status: created_at for status, created_at in found.items() if created_at is not None}

    def add(self, facts: ConnectionFacts) -> None:
        """Count a connection."""
        self._connections[_kind(facts)] += 1
        for job in facts.live_jobs:
            status = job.status.value
            self._live_jobs[job.type.value, status] += 1
            self._oldest.setdefault(status, _Smallest()).add(job.created_at)

    def remove(self, facts: ConnectionFacts) -> None:
        """Count a connection no more."""
        _subtract(self._connections, _kind(facts))
        for job in facts.live_jobs:
            status = job.status.value
            _subtract(self._live_jobs, (job.type.value, status))
            self._oldest[status].remove(job.created_at)


def _kind(facts: ConnectionFacts) -> tuple[str, str, str, str]:
    it = facts.connection
    return it.status.value, it.source.connector, it.destination.connector, it.schedule.type.value


def _subtract(counted: Counter[_Key], key: _Key) -> None:
    counted[key] -= 1
    if not counted[key]:
        del counted[key]


class _Smallest:
    """The smallest of numbers that come and go.

    A number that left stays in the heap until it comes up, or until most of the heap has left.
    """

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._there: Counter[int] = Counter()

    def add(self, number: int) -> None:
        self._there[number] += 1
        if self._there[number] == 1:
            heapq.heappush(self._heap, number)

    def remove(self, number: int) -> None:
        _subtract(self._there, number)
        if len(self._heap) > 2 * len(self._there) + _SLACK:
            self._heap = sorted(self._there)

    def get(self) -> int | None:
        while self._heap and self._heap[0] not in self._there:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None
