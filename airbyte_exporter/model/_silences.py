"""Times in which people do not want to be told."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Silence"]


@dataclass(frozen=True, slots=True)
class Silence:
    """What somebody does not want to be told of for a while.

    `id` is short and printable. `matchers` say which incidents it is about, by the keys of a route's match:
    each key has to fit, of its words one is enough, and without any it is about everything. All times are in
    epoch seconds by the exporter's own clock, since it is people who chose them: it begins at `starts_at` and
    is over at `ends_at`, or at `expired_at` where somebody ended it before.
    """

    id: str
    matchers: Mapping[str, tuple[str, ...]]
    starts_at: int
    ends_at: int
    reason: str
    author: str
    created_at: int
    expired_at: int | None = None

    @property
    def over_at(self) -> int:
        """When it ends, or ended."""
        return self.ends_at if self.expired_at is None else min(self.ends_at, self.expired_at)

    @property
    def about(self) -> str:
        """Its matchers in a line, as they are written on the command line."""
        words = (f"{key}={_quoted(word)}" for key, its in self.matchers.items() for word in its)
        return " ".join(words) or "everything"

    def is_active(self, at: float) -> bool:
        """Whether it holds at `at`, in epoch seconds by the exporter's own clock."""
        return self.starts_at <= at < self.over_at


def _quoted(word: str) -> str:
    return shlex.quote(word) if re.search(r"[\s'\"\\]", word) else word
