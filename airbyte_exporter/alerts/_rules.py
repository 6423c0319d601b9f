"""What can be wrong: rules in groups, the highest first.

In a group the highest rule that holds speaks for the connection. To add a rule is to add a row, and what can
be set about it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from airbyte_exporter.alerts._config import RuleConfig, RulesConfig
from airbyte_exporter.model import ConnectionFacts, Job, JobStatus

__all__ = ["SYNC_HEALTH", "Rule", "RuleGroup", "Situation", "repeat_seconds", "sync_health"]

CRITICAL: Final = "critical"


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
    """One thing that can be wrong with a connection; `docs/runbooks` has a page of the same name.

    One that is not `enabled` never speaks. `wait` is how many seconds an incident must go on before it is
    told for the first time, `repeat` after how many it is told again, ``None`` for what its severity asks.
    """

    name: str
    severity: str
    holds: Callable[[Situation], bool]
    enabled: bool = True
    wait: float = 0.0
    repeat: float | None = None


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules of which one at a time speaks, `rules` the highest first."""

    name: str
    rules: tuple[Rule, ...]

    def highest(self, situation: Situation) -> Rule | None:
        """Return the rule that speaks in this situation, ``None`` when nothing is wrong."""
        return next((rule for rule in self.rules if rule.enabled and rule.holds(situation)), None)

    def named(self, name: str) -> Rule | None:
        """Return the rule of that name, ``None`` where there is none in the group (any more)."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def rank(self, name: str) -> int:
        """Return the place of a rule, 0 for the highest; a name that is not in the group comes last."""
        names = [rule.name for rule in self.rules]
        return names.index(name) if name in names else len(names)


def repeat_seconds(rule: Rule | None, severity: str) -> float:
    """Return after how many seconds an ongoing incident of that severity is told again."""
    if rule is not None and rule.repeat is not None:
        return rule.repeat
    return 4 * 3600 if severity == CRITICAL else 24 * 3600


def sync_health(config: RulesConfig) -> RuleGroup:
    """Return the rules about syncs that do not succeed, as they are configured."""
    return RuleGroup(
        name="sync-health",
        rules=(_rule("SyncFailed", config.SyncFailed, lambda now: now.newest.status is JobStatus.FAILED),),
    )


def _rule(name: str, config: RuleConfig, holds: Callable[[Situation], bool]) -> Rule:
    return Rule(name, config.severity, holds, config.enabled, config.for_, config.repeat)


SYNC_HEALTH: Final = sync_health(RulesConfig())
"""The group with its defaults."""
