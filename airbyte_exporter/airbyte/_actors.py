"""How many sources and destinations there are, whether or not a connection uses them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Protocol

import structlog

from airbyte_exporter.airbyte._errors import ApiError, ApiStopped
from airbyte_exporter.model import Actor, Inventory

__all__ = ["ACTORS_SECONDS", "ActorCounts"]

log = structlog.get_logger(__name__)

ACTORS_SECONDS: Final = 3600.0
"""How often they are listed: each comes with its whole configuration, which is not needed."""

RETRY_SECONDS: Final = 900.0


class Lists(Protocol):
    """Whatever lists the sources and destinations of a workspace."""

    def sources(self, workspace_id: str, /) -> tuple[Actor, ...]:
        """List a workspace's sources."""

    def destinations(self, workspace_id: str, /) -> tuple[Actor, ...]:
        """List a workspace's destinations."""


class ActorCounts:
    """Counts sources and destinations by connector; lists them once an hour, and when unknown ones turn up.

    They are additions to an inventory: where they cannot be listed they are not known, and that is all.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._due_at: float | None = None
        self._workspaces: frozenset[str] = frozenset()
        self._known: frozenset[str] = frozenset()
        self._sources: Mapping[str, int] | None = None
        self._destinations: Mapping[str, int] | None = None

    def added_to(self, inventory: Inventory, lists: Lists) -> Inventory:
        """Return `inventory` with the numbers of its workspaces.

        Raises:
            ApiStopped: We are to stop.
        """
        workspaces = frozenset(workspace.id for workspace in inventory.workspaces)
        used = {each.source.id for each in inventory.connections}
        used |= {each.destination.id for each in inventory.connections}
        now = self._monotonic()
        is_due = self._due_at is None or now >= self._due_at
        if is_due or workspaces != self._workspaces or used - self._known:
            self._workspaces = workspaces
            self._due_at = now + (ACTORS_SECONDS if self._list(lists) else RETRY_SECONDS)
            # What an inventory names and no listing holds is not looked for each time.
            self._known |= used
        return replace(inventory, sources=self._sources, destinations=self._destinations)

    def _list(self, lists: Lists) -> bool:
        try:
            sources = [actor for id_ in sorted(self._workspaces) for actor in lists.sources(id_)]
            destinations = [actor for id_ in sorted(self._workspaces) for actor in lists.destinations(id_)]
        except ApiStopped:
            raise
        except ApiError as error:
            if self._due_at is None or self._sources is not None:
                log.warning("sources and destinations cannot be counted", error=str(error))
            self._sources = self._destinations = None
            return False
        self._known = frozenset(actor.id for actor in (*sources, *destinations))
        self._sources = Counter(actor.connector for actor in sources)
        self._destinations = Counter(actor.connector for actor in destinations)
        return True
