"""Whether Airbyte can be read just now, and how much of why not is told to whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Polls", "judge"]

UNTOLD: Final = "polls fail"
"""What is said to those who may not see the reason."""


@dataclass(frozen=True, slots=True)
class Polls:
    """How polling goes.

    `up` is as `airbyte_up`: whether the last poll of jobs worked, ``None`` until the first has ended.
    `error` is the reason in one line, of the jobs before that of the inventory, ``None`` when nothing fails.
    It holds no secret, but it can quote what a server said or name a file: `is_told` is whether it may be
    shown.
    """

    up: bool | None
    error: str | None
    is_told: bool

    @property
    def told(self) -> str | None:
        """What may be said of the reason."""
        return UNTOLD if self.error is not None and not self.is_told else self.error


def judge(failures: Mapping[str, str], *, ready: bool, is_told: bool) -> Polls:
    """Judge by why each loop fails right now, by its name, and whether a poll has ever been complete."""
    if "jobs" in failures:
        return Polls(up=False, error=failures["jobs"], is_told=is_told)
    return Polls(up=True if ready else None, error=failures.get("inventory"), is_told=is_told)
