"""What exists in a workspace: connections, sources, destinations, by whichever listing this Airbyte has."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar

from airbyte_exporter.airbyte._caller import Caller, is_not_there
from airbyte_exporter.airbyte._capabilities import Endpoints
from airbyte_exporter.airbyte._domain import actor_of, connection_of, definition_of, full_connection_of
from airbyte_exporter.airbyte._errors import ApiError, ApiForbidden, ApiNotFound
from airbyte_exporter.airbyte._paging import CursorPage, cursor_listing
from airbyte_exporter.airbyte._wire import (
    WireConnections,
    WireDestination,
    WireDestinationDefinition,
    WireDestinationDefinitions,
    WireDestinations,
    WireFullConnections,
    WireSource,
    WireSourceDefinition,
    WireSourceDefinitions,
    WireSources,
    parse,
)
from airbyte_exporter.model import Actor, Connection, Definition

__all__ = ["Kind", "Listings"]

Kind = Literal["source", "destination"]
UNKNOWN_CONNECTOR: Final = "unknown"

T = TypeVar("T")
Definitions = Mapping[str, WireSourceDefinition | WireDestinationDefinition]


class Listings:
    """Read what exists. Remembers which listings come in pages, and the connectors' definitions.

    `endpoints` are those that this Airbyte knows.
    """

    def __init__(self, call: Caller, endpoints: Endpoints) -> None:
        self._call = call
        self._light = endpoints.light_listing
        self._versions_listed = endpoints.versions_listed
        self._paged: dict[str, bool] = {}
        self._definitions: dict[Kind, Definitions] = {}

    def refresh(self) -> None:
        """Have connectors' definitions read again when they are needed next: connectors are upgraded."""
        self._definitions = {}

    def connections(self, workspace_id: str) -> tuple[Connection, ...]:
        """List a workspace's connections, deleted ones excluded."""
        if not self._light:
            return self._full_connections(workspace_id)
        definitions: dict[str, str | None] = {}

        def page(body: bytes, method: str) -> CursorPage[Connection]:
            wire = parse(WireConnections, body, method=method)
            for item in wire.connections:
                definitions[item.source.id] = item.source.definition_id
                definitions[item.destination.id] = item.destination.definition_id
            items = {item.connection_id: connection_of(item, workspace_id) for item in wire.connections}
            return CursorPage(items, len(wire.connections), wire.page_size, wire.total)

        listed = self._by_cursor("web_backend/connections/list", workspace_id, page)
        if self._versions_listed:
            return listed
        return tuple(
            replace(
                each,
                source=self._completed("source", each.source, definitions[each.source.id]),
                destination=self._completed(
                    "destination", each.destination, definitions[each.destination.id]
                ),
            )
            for each in listed
        )

    def _full_connections(self, workspace_id: str) -> tuple[Connection, ...]:
        """Join what the plain listings tell: connections, sources and destinations."""
        method = "connections/list"
        answer = self._call(method, {"workspaceId": workspace_id})
        listed = parse(WireFullConnections, answer.body, method=method).connections
        if not listed:
            return ()
        sources = {actor.id: actor for actor in self.sources(workspace_id)}
        destinations = {actor.id: actor for actor in self.destinations(workspace_id)}
        found = {
            wire.connection_id: full_connection_of(
                wire,
                workspace_id,
                sources.get(wire.source_id) or _nameless(wire.source_id),
                destinations.get(wire.destination_id) or _nameless(wire.destination_id),
            )
            for wire in listed
        }
        return tuple(found.values())

    def sources(self, workspace_id: str) -> tuple[Actor, ...]:
        """List a workspace's sources."""

        def page(body: bytes, method: str) -> CursorPage[WireSource]:
            wire = parse(WireSources, body, method=method)
            items = {item.id: item for item in wire.sources}
            return CursorPage(items, len(wire.sources), wire.page_size, wire.total)

        listed = self._by_cursor("sources/list", workspace_id, page)
        return tuple(self._actor("source", wire) for wire in listed)

    def destinations(self, workspace_id: str) -> tuple[Actor, ...]:
        """List a workspace's destinations."""

        def page(body: bytes, method: str) -> CursorPage[WireDestination]:
            wire = parse(WireDestinations, body, method=method)
            items = {item.id: item for item in wire.destinations}
            return CursorPage(items, len(wire.destinations), wire.page_size, wire.total)

        listed = self._by_cursor("destinations/list", workspace_id, page)
        return tuple(self._actor("destination", wire) for wire in listed)

    def _by_cursor(
        self, method: str, workspace_id: str, page: Callable[[bytes, str], CursorPage[T]]
    ) -> tuple[T, ...]:
        def fetch(paging: Mapping[str, Any]) -> CursorPage[T]:
            return page(self._call(method, {"workspaceId": workspace_id, **paging}).body, method)

        items, paged = cursor_listing(fetch, paged=self._paged.get(method, False), method=method)
        self._paged[method] = paged
        return tuple(items.values())

    # Connectors

    def _actor(self, kind: Kind, wire: WireSource | WireDestination) -> Actor:
        actor = actor_of(wire)
        return self._completed(kind, actor, wire.definition_id)

    def _completed(self, kind: Kind, actor: Actor, definition_id: str | None) -> Actor:
        """Add what a listing leaves out of the connector and its definition tells.

        Where a listing tells no version, there is one of each connector for the whole installation.
        """
        if self._versions_listed or definition_id is None:
            return actor
        definition = self._definitions_of(kind).get(definition_id)
        if definition is None:
            return actor
        known = None if actor.connector == UNKNOWN_CONNECTOR else actor.connector
        return replace(
            actor,
            connector=known or definition.name or UNKNOWN_CONNECTOR,
            connector_version=definition.docker_image_tag,
        )

    def _definitions_of(self, kind: Kind) -> Definitions:
        if kind not in self._definitions:
            try:
                self._definitions[kind] = self._read_definitions(kind)
            except ApiError as exc:
                if not isinstance(exc, ApiNotFound | ApiForbidden) and not is_not_there(exc):
                    raise
                # Names and versions stay as far as the other listings tell them.
                self._definitions[kind] = {}
        return self._definitions[kind]

    def definitions(self, kind: Kind) -> tuple[Definition, ...]:
        """List the connectors of that kind that this Airbyte offers."""
        return tuple(map(definition_of, self._read_definitions(kind).values()))

    def _read_definitions(self, kind: Kind) -> Definitions:
        method = f"{kind}_definitions/list"
        body = self._call(method, {}).body
        if kind == "source":
            return {
                one.id: one for one in parse(WireSourceDefinitions, body, method=method).source_definitions
            }
        found = parse(WireDestinationDefinitions, body, method=method).destination_definitions
        return {one.id: one for one in found}


def _nameless(actor_id: str) -> Actor:
    return Actor(actor_id, actor_id, UNKNOWN_CONNECTOR)
