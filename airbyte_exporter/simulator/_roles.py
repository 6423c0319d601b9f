"""Who asks, and what they may read: everything, or a few workspaces as their reader."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ._answers import Answer, Body, Problem
from .world import World

__all__ = ["ADMINISTRATOR", "Caller", "forbidden", "reader_of", "workspaces_named"]

_NATURAL_READER: Final = 2


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sends a request: a user who may read `workspace_ids`, or an administrator (``None``)."""

    user_id: str | None = None
    workspace_ids: frozenset[str] | None = None

    def may_read(self, workspace_ids: Iterable[str | None]) -> bool:
        """Tell whether all of these may be read; ``None`` stands for what does not exist."""
        return self.workspace_ids is None or self.workspace_ids.issuperset(workspace_ids)


ADMINISTRATOR: Final = Caller()


def reader_of(world: World, user_id: str, workspaces: int | Iterable[str] | None) -> Caller:
    """Return a user who reads so many of the world's workspaces, or those named; by default the first two.

    Raises:
        ValueError: there are not so many, or there is none with such an id.
    """
    known = [workspace.id for workspace in world.workspaces()]
    if workspaces is None:
        return Caller(user_id, frozenset(known[:_NATURAL_READER]))
    if isinstance(workspaces, int):
        if not 0 <= workspaces <= len(known):
            raise ValueError(f"a reader cannot have {workspaces} of {len(known)} workspaces")
        return Caller(user_id, frozenset(known[:workspaces]))
    chosen = frozenset(workspaces)
    if unknown := chosen.difference(known):
        raise ValueError(f"there is no workspace {', '.join(sorted(unknown))}")
    return Caller(user_id, chosen)


def workspaces_named(world: World, body: Body) -> set[str | None]:
    """Return the workspaces that the ids in a body lie in, ``None`` among them for an id of nothing.

    Airbyte works out roles from these ids before it reads the rest of a request.
    """
    company = world.company
    found: set[str | None] = set()
    for name in ("workspaceId", "workspaceIds"):
        found.update(one if one in company.workspaces else None for one in body.identities(name))
    for name in ("connectionId", "connectionIds", "configId"):
        connections = map(company.connections.get, body.identities(name))
        found.update(None if one is None else one.workspace_id for one in connections)
    for name, actors in (("sourceId", company.sources), ("destinationId", company.destinations)):
        known = map(actors.get, body.identities(name))
        found.update(None if one is None else one.workspace_id for one in known)
    for job_id in body.identities("id"):
        job = world.job(int(job_id)) if job_id.isdecimal() else None
        found.add(None if job is None else job.workspace_id)
    return found


def forbidden() -> Problem:
    """Answer that the caller has not the role that a request needs."""
    return Problem(Answer(403, {"message": "Forbidden"}))
