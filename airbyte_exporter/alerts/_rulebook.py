"""The rules as they are configured, for each connection those that are meant for it."""

from collections.abc import Sequence

from airbyte_exporter.alerts._config import Override, RulesConfig, overridden
from airbyte_exporter.alerts._rules import Rule, RuleGroup, groups_of
from airbyte_exporter.model import Connection, Workspace

__all__ = ["RuleBook"]


class RuleBook:
    """Gives out groups of rules; most connections share the same ones.

    Args:
        rules: What holds where no override says something else.
        overrides: Other settings for some connections.
    """

    def __init__(self, rules: RulesConfig | None = None, overrides: Sequence[Override] = ()) -> None:
        self.rules = rules or RulesConfig()
        self._overrides = tuple(overrides)
        self._known: dict[tuple[int, ...], tuple[RuleGroup, ...]] = {}

    def of(self, connection: Connection, workspace: Workspace) -> tuple[RuleGroup, ...]:
        """Return the groups of rules for a connection."""
        fitting = tuple(
            number
            for number, override in enumerate(self._overrides)
            if override.match.fits_connection(connection, workspace)
        )
        if fitting not in self._known:
            chosen = [self._overrides[number] for number in fitting]
            self._known[fitting] = groups_of(overridden(self.rules, chosen))
        return self._known[fitting]

    def of_instance(self, name: str) -> Rule:
        """Return a rule that is asked about the whole instance: it holds when whoever asks says so."""
        config = getattr(self.rules, name)
        return Rule(
            name,
            config.severity,
            lambda _: None,
            config.enabled,
            config.for_,
            config.repeat,
            lasting=True,
        )
