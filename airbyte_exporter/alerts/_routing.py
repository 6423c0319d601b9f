"""Who is told: routes from what an incident is about to the names of receivers."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from airbyte_exporter.alerts._config import Severity, rule_name
from airbyte_exporter.alerts._matching import ConnectionMatch, Word, at_least_one, is_same, listed
from airbyte_exporter.model import ConnectionHistory, Incident

__all__ = ["Match", "Route", "Routing"]


_Severities = Annotated[tuple[Severity, ...], listed, at_least_one]
_RuleNames = Annotated[tuple[Annotated[str, AfterValidator(rule_name)], ...], listed, at_least_one]


class Match(ConnectionMatch):
    """What an incident must be about. Each key that is there has to fit; of a key's words one is enough."""

    severity: _Severities = Field(default=(), description="The severity of the rule that speaks.")
    rule: _RuleNames = Field(default=(), description="The name of that rule.")

    def fits(self, incident: Incident, history: ConnectionHistory | None) -> bool:
        """Return whether the incident is about what this names.

        `history` is that of its connection, ``None`` for an incident that is not about one connection: keys
        about connections do not fit it.
        """
        for words, name in ((self.severity, incident.severity), (self.rule, incident.rule)):
            if words and not any(is_same(name, word) for word in words):
                return False
        if history is None:
            return not self.asks_for_connections
        return self.fits_connection(history.facts.connection, history.workspace)


class Route(BaseModel):
    """One step of the way: who is told about what."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True, validate_by_alias=True
    )

    receivers: Annotated[tuple[Word, ...], listed] = Field(
        description="Names of the receivers that are told; `[]` for nobody."
    )
    match: Match = Field(default_factory=Match, description="What it is for. Default: everything.")
    continue_: bool = Field(
        default=False,
        alias="continue",
        description="Whether the routes below are looked at too. By default the first that fits is the last.",
    )


@dataclass(frozen=True, slots=True)
class Routing:
    """Who can be told, and which way alerts take to them.

    `receivers` are the names of those that exist. What no route fits goes to all of them: an alert is kept
    from everybody only where a route says so.
    """

    receivers: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()

    def receivers_of(self, incident: Incident, history: ConnectionHistory | None) -> tuple[str, ...]:
        """Return the names of those who are to be told about an incident, each once, in their order.

        `history` is ``None`` for an incident that is not about one connection, as in `Match.fits`.
        """
        named: set[str] = set()
        fitted = False
        for route in self.routes:
            if route.match.fits(incident, history):
                fitted = True
                named.update(route.receivers)
                if not route.continue_:
                    break
        return tuple(name for name in self.receivers if not fitted or name in named)
