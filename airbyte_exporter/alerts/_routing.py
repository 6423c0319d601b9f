"""Who is told: routes from what an incident is about to the names of receivers."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from airbyte_exporter.alerts._config import RulesConfig, Severity
from airbyte_exporter.model import ConnectionHistory, Incident

__all__ = ["Match", "Route", "Routing"]


def _listed(value: object) -> object:
    """Let one word stand for a list of one."""
    return [value] if isinstance(value, str) else value


def _not_empty(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise ValueError("must name at least one; leave the key out to match all")
    return words


def _word(word: str) -> str:
    if not word.strip():
        raise ValueError("must not be empty")
    return word.strip()


def _rule_name(name: str) -> str:
    """Return the rule's own name for one in any case."""
    names = {known.lower(): known for known in RulesConfig.model_fields}
    if name.strip().lower() in names:
        return names[name.strip().lower()]
    close = difflib.get_close_matches(name.lower(), names, n=1)
    raise ValueError("there is no such rule" + (f"; did you mean {names[close[0]]}?" if close else ""))


_Word = Annotated[str, AfterValidator(_word)]
_Words = Annotated[tuple[_Word, ...], BeforeValidator(_listed), AfterValidator(_not_empty)]
_Severities = Annotated[tuple[Severity, ...], BeforeValidator(_listed), AfterValidator(_not_empty)]
_RuleNames = Annotated[
    tuple[Annotated[str, AfterValidator(_rule_name)], ...],
    BeforeValidator(_listed),
    AfterValidator(_not_empty),
]


class Match(BaseModel):
    """What an incident must be about. Each key that is there has to fit; of a key's words one is enough."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    severity: _Severities = Field(default=(), description="The severity of the rule that speaks.")
    rule: _RuleNames = Field(default=(), description="The name of that rule.")
    workspace: _Words = Field(default=(), description="Name or id of the connection's workspace.")
    tag: _Words = Field(default=(), description="A tag that the connection has.")
    source_connector: _Words = Field(default=(), description="Name of the source's connector: `Postgres`.")
    destination_connector: _Words = Field(default=(), description="Name of the destination's connector.")
    connection: _Words = Field(
        default=(),
        description="The connection's name, or a pattern for it: `*` any text, `?` any character, "
        "`[ab]` one of these.",
    )

    def fits(self, incident: Incident, history: ConnectionHistory) -> bool:
        """Return whether the incident is about what this names. Names are compared in any case."""
        connection, workspace = history.facts.connection, history.workspace
        asked: tuple[tuple[tuple[str, ...], tuple[str, ...], Callable[[str, str], bool]], ...] = (
            (self.severity, (incident.severity,), _same),
            (self.rule, (incident.rule,), _same),
            (self.workspace, (workspace.id, workspace.name), _same),
            (self.tag, connection.tags, _same),
            (self.source_connector, (connection.source.connector,), _same),
            (self.destination_connector, (connection.destination.connector,), _same),
            (self.connection, (connection.name,), _like),
        )
        return all(
            not words or any(fits(name, word) for name in names for word in words)
            for words, names, fits in asked
        )


class Route(BaseModel):
    """One step of the way: who is told about what."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True, validate_by_alias=True
    )

    receivers: Annotated[tuple[_Word, ...], BeforeValidator(_listed)] = Field(
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

    def receivers_of(self, incident: Incident, history: ConnectionHistory) -> tuple[str, ...]:
        """Return the names of those who are to be told about an incident, each once, in their order."""
        named: set[str] = set()
        fitted = False
        for route in self.routes:
            if route.match.fits(incident, history):
                fitted = True
                named.update(route.receivers)
                if not route.continue_:
                    break
        return tuple(name for name in self.receivers if not fitted or name in named)


def _same(name: str, word: str) -> bool:
    return name.casefold() == word.casefold()


def _like(name: str, pattern: str) -> bool:
    """Compare with a pattern; a name with brackets in it can be written as it is."""
    return _same(name, pattern) or fnmatchcase(name.casefold(), pattern.casefold())
