"""Things by the names that people give: an id, its beginning, or a name exactly as it is."""

import difflib
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.logs import mark_after, visible
from airbyte_exporter.model import Definition

__all__ = ["NotOneError", "find_definition", "find_one", "quoted"]

_SHORTEST_PREFIX: Final = 4
_LISTED: Final = 10


class NotOneError(AirbyteExporterError):
    """What was given names nothing that Airbyte has, or several things."""


class Named(Protocol):
    """What people name: a connection, a workspace, a source, a destination."""

    @property
    def id(self) -> str:
        """Airbyte's id."""

    @property
    def name(self) -> str:
        """What people call it; several may share it."""


N = TypeVar("N", bound=Named)


def find_one(kind: str, things: Sequence[N], name: str, *, where: str = "") -> N:
    """Return the one that `name` means: its full id, the beginning of its id, or its exact name.

    Args:
        kind: What they are, for messages: ``connection``.
        things: Where to look.
        name: What was given.
        where: What all of them are in, for messages: ``workspace Data``.

    Raises:
        NotOneError: There is none, or several match; the message lists those.
    """
    by_id = [each for each in things if each.id == name.lower()]
    if by_id:
        return by_id[0]
    found = {each.id: each for each in things if each.name == name}
    if len(name) >= _SHORTEST_PREFIX:
        found |= {each.id: each for each in things if each.id.startswith(name.lower())}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        listed = [
            f"{each.id} ({visible(each.name)}{mark_after(each.name)})"
            for each in list(found.values())[:_LISTED]
        ]
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise NotOneError(
            f"{quoted(name)} means {len(found)} {kind}s: {', '.join(listed)}{more}; give the full id of one"
        )
    close = difflib.get_close_matches(name, [each.name for each in things], n=1)
    hint = f"; did you mean {quoted(close[0])}?" if close else f"; see airbyte-exporter {kind}s list"
    place = f" in {where}" if where else ""
    raise NotOneError(f"there is no {kind} {quoted(name)}{place}{hint}")


def quoted(name: str) -> str:
    """Return `name` for a message of one line: what people write in names stays as they wrote it."""
    shown = visible(name)
    return f'"{shown}"' if "'" in shown and '"' not in shown else f"'{shown}'"


def find_definition(kind: str, definitions: Sequence[Definition], name: str) -> Definition:
    """Return the connector that `name` means, among hundreds.

    That is its name in any case (``postgres``), its full id or the beginning of it, or its image with or
    without what all images of its kind begin with (``airbyte/source-postgres``, ``source-postgres``).

    Args:
        kind: ``source`` or ``destination``, for messages.
        definitions: Where to look.
        name: What was given.

    Raises:
        NotOneError: There is none, or several match; the message lists those, or what is like it.
    """
    wanted = name.strip().lower()
    for matches in (
        lambda each: each.id == wanted,
        lambda each: each.name.lower() == wanted,
        lambda each: wanted in _images(each, kind),
        lambda each: len(wanted) >= _SHORTEST_PREFIX and each.id.startswith(wanted),
    ):
        found = [each for each in definitions if matches(each)]
        if len(found) == 1:
            return found[0]
        if found:
            raise NotOneError(
                f"{quoted(name)} means {len(found)} {kind} connectors: {_listed(found)}; give the id of one"
            )
    like = [each for each in definitions if wanted and wanted in f"{each.name} {each.repository}".lower()]
    if like:
        hint = f"there are {_listed(like)}"
    else:
        close = difflib.get_close_matches(wanted, [each.name.lower() for each in definitions], n=1)
        similar = next((each.name for each in definitions if close and each.name.lower() == close[0]), None)
        hint = (
            f"did you mean {quoted(similar)}?"
            if similar
            else f"see airbyte-exporter definitions list --kind {kind}"
        )
    raise NotOneError(f"there is no {kind} connector {quoted(name)}; {hint}")


def _images(definition: Definition, kind: str) -> frozenset[str]:
    image = (definition.repository or "").lower()
    short = image.rpartition("/")[2]
    return frozenset({image, short, short.removeprefix(f"{kind}-")}) - {""}


def _listed(definitions: Sequence[Definition]) -> str:
    shown = ", ".join(f"{visible(each.name)} ({each.id})" for each in definitions[:_LISTED])
    more = f" and {len(definitions) - _LISTED} more" if len(definitions) > _LISTED else ""
    return shown + more
