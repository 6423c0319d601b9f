"""The small values that the store's verbs take and return."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Identity", "Progress", "Queue", "Recorded", "Unexplained"]


@dataclass(frozen=True, slots=True)
class Identity:
    """The Airbyte that a state belongs to: its own id where it tells one, and its normalised URL."""

    url: str
    deployment_id: str | None = None

    def is_same_as(self, other: "Identity") -> bool:
        """Whether both are one Airbyte: by their ids, or by their URLs where one of them tells no id."""
        if self.deployment_id is not None and other.deployment_id is not None:
            return self.deployment_id == other.deployment_id
        return self.url == other.url

    def __str__(self) -> str:
        return self.url if self.deployment_id is None else f"{self.url} (deployment {self.deployment_id})"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far reading has come, in Airbyte's time. ``None`` means not begun.

    `watermark` is the newest ``updatedAt`` seen, `jobs_as_of` the time of the last complete poll of jobs and
    `published_sequence` the newest recorded change that it published. `backfilled_to` is how far back the
    look-back got, `backfill_done` whether it is over, `reread_at` when the last day was read again.
    """

    watermark: int | None = None
    jobs_as_of: int | None = None
    published_sequence: int | None = None
    backfilled_to: int | None = None
    backfill_done: bool = False
    reread_at: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a write came to: the connections whose facts it changed, and the newest sequence number."""

    changed: frozenset[str]
    sequence: int


@dataclass(frozen=True, slots=True)
class Queue:
    """Notifications that no receiver took yet; `oldest` is when the first was written, by our own clock."""

    length: int
    oldest: float | None


class Unexplained(NamedTuple):
    """A connection that was seen to be active no more, and of which Airbyte is still to be asked why.

    `at` is when it was seen so, `after` when it was last seen active, in Airbyte's time.
    """

    connection_id: str
    at: int
    after: int
