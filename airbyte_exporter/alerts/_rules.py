"""What can be wrong: rules in groups, the highest first.

In a group the highest rule that holds speaks for the connection. To add a rule is to add a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from airbyte_exporter.model import ConnectionFacts, Job, JobStatus

__all__ = ["SYNC_HEALTH", "Rule", "RuleGroup", "Situation", "repeat_seconds"]

CRITICAL: Final = "critical"
WARNING: Final = "warning"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a rule looks at.

    `newest` is the newest sync that succeeded or failed, as far as the evaluation has walked. `facts` are
    those of now, which may be later than `newest`; `as_of` is the time of the last complete poll.
    """

    newest: Job
    facts: ConnectionFacts
    as_of: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong with a connection; `docs/runbooks` has a page of the same name."""

    name: str
    severity: str
    holds: Callable[[Situation], bool]


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules of which one at a time speaks, `rules` the highest first."""

    name: str
    rules: tuple[Rule, ...]

    def highest(self, situation: Situation) -> Rule | None:
        """Return the rule that speaks in this situation, ``None`` when nothing is wrong."""
        return next((rule for rule in self.rules if rule.holds(situation)), None)

    def rank(self, name: str) -> int:
        """Return the place of a rule, 0 for the highest; a name that is not in the group comes last."""
        names = [rule.name for rule in self.rules]
        return names.index(name) if name in names else len(names)


def repeat_seconds(severity: str) -> int:
    """Return after how many seconds an ongoing incident is told again."""
    return 4 * 3600 if severity == CRITICAL else 24 * 3600


SYNC_HEALTH: Final = RuleGroup(
    name="sync-health",
    rules=(Rule("SyncFailed", WARNING, lambda situation: situation.newest.status is JobStatus.FAILED),),
)
