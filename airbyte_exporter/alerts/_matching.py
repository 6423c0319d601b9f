"""What connections are meant: the keys that routes, silences and overrides of rules have in common."""

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from airbyte_exporter.model import Connection, Workspace

__all__ = ["ConnectionMatch", "Word", "at_least_one", "is_same", "listed"]


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


listed = BeforeValidator(_listed)
"""Marks a list that may be written as the one word in it."""

at_least_one = AfterValidator(_not_empty)
"""Marks a list that says something by being there."""

Word = Annotated[str, AfterValidator(_word)]
_Words = Annotated[tuple[Word, ...], listed, at_least_one]


class ConnectionMatch(BaseModel):
    """What a connection must be like. Each key that is there has to fit; of a key's words one is enough."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    workspace: _Words = Field(default=(), description="Name or id of the connection's workspace.")
    tag: _Words = Field(default=(), description="A tag that the connection has.")
    source_connector: _Words = Field(default=(), description="Name of the source's connector: `Postgres`.")
    destination_connector: _Words = Field(default=(), description="Name of the destination's connector.")
    connection: _Words = Field(
        default=(),
        description="The connection's id, its name, or a pattern for its name: `*` any text, `?` any "
        "character, `[ab]` one of these.",
    )

    def fits_connection(self, connection: Connection, workspace: Workspace) -> bool:
        """Return whether this means the connection. Names are compared in any case."""
        asked: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
            (self.workspace, (workspace.id, workspace.name)),
            (self.tag, connection.tags),
            (self.source_connector, (connection.source.connector,)),
            (self.destination_connector, (connection.destination.connector,)),
        )
        return self._names(connection) and all(
            not words or any(is_same(name, word) for name in names for word in words)
            for words, names in asked
        )

    def _names(self, connection: Connection) -> bool:
        """Whether `connection` is one of those that are named; patterns are for names, ids fit as a whole."""
        return not self.connection or any(
            is_same(connection.id, word) or _is_like(connection.name, word) for word in self.connection
        )

    @property
    def asks_for_connections(self) -> bool:
        """Whether there is any key about connections: what is about none of them does not fit then."""
        return any(getattr(self, key) for key in ConnectionMatch.model_fields)


def is_same(name: str, word: str) -> bool:
    """Compare two names in any case."""
    return name.casefold() == word.casefold()


def _is_like(name: str, pattern: str) -> bool:
    """Compare with a pattern; a name with brackets in it can be written as it is."""
    return is_same(name, pattern) or fnmatchcase(name.casefold(), pattern.casefold())
