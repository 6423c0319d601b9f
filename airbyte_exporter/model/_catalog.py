"""What a source offers and how a connection takes it: streams, their cursors and keys, sync modes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from airbyte_exporter.model._airbyte import Connection, Schedule

__all__ = [
    "Catalog",
    "Check",
    "ConnectionSetup",
    "DestinationSyncMode",
    "FieldPath",
    "Namespace",
    "Stream",
    "StreamSync",
    "SyncMode",
]

FieldPath: TypeAlias = tuple[str, ...]
"""A column, by the names on the way to it: ``("updated_at",)``, or ``("address", "street")`` inside one."""


class SyncMode(StrEnum):
    """How a stream is read: as a whole each time, or what is new by its cursor."""

    FULL_REFRESH = "full_refresh"
    INCREMENTAL = "incremental"


class DestinationSyncMode(StrEnum):
    """How a stream is written. ``OVERWRITE_DEDUP`` is of Airbyte 1.0 and newer, the last two are of 2.0."""

    APPEND = "append"
    OVERWRITE = "overwrite"
    APPEND_DEDUP = "append_dedup"
    OVERWRITE_DEDUP = "overwrite_dedup"
    UPDATE = "update"
    SOFT_DELETE = "soft_delete"


class Namespace(StrEnum):
    """Where a connection's streams go: to the destination's own default, as in the source, or by a format."""

    DESTINATION = "destination"
    SOURCE = "source"
    CUSTOM = "customformat"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as its source offers it.

    `columns` are the names at the top of its JSON schema, empty where that tells none. `default_cursor` is
    what the source suggests; with `source_defined_cursor` it chooses itself and nothing else is possible, as
    for `source_defined_key`, the primary key. `told` is all that Airbyte says of it, to be sent back.
    """

    name: str
    namespace: str | None = None
    columns: tuple[str, ...] = ()
    sync_modes: tuple[SyncMode, ...] = (SyncMode.FULL_REFRESH,)
    source_defined_cursor: bool = False
    default_cursor: FieldPath = ()
    source_defined_key: tuple[FieldPath, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def full_name(self) -> str:
        """Namespace and name as people write them: ``public.customers``."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class StreamSync:
    """A stream and how it is synced, or would be where it is not `selected`.

    `told` is all that Airbyte says of that, to be sent back: hashed columns, mappers and the like stay.
    """

    stream: Stream
    selected: bool = True
    sync_mode: SyncMode = SyncMode.FULL_REFRESH
    destination_sync_mode: DestinationSyncMode = DestinationSyncMode.APPEND
    cursor: FieldPath = ()
    primary_key: tuple[FieldPath, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The streams of a source or of a connection; `id` is Airbyte's for a discovered one, if it tells it."""

    streams: tuple[StreamSync, ...]
    id: str | None = None

    @property
    def selected(self) -> tuple[StreamSync, ...]:
        """Those that are synced."""
        return tuple(each for each in self.streams if each.selected)


@dataclass(frozen=True, slots=True)
class Check:
    """What a connector said when it was made to connect; `message` is its own reason, if it gave one."""

    succeeded: bool
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionSetup:
    """Everything of a connection that can be set.

    `namespace_format` belongs to ``Namespace.CUSTOM``, such as ``raw_${SOURCE_NAMESPACE}``. `prefix` is put
    before each stream's name in the destination.
    """

    connection: Connection
    catalog: Catalog
    namespace: Namespace = Namespace.DESTINATION
    namespace_format: str | None = None
    prefix: str = ""

    @property
    def schedule(self) -> Schedule:
        """When it is meant to sync."""
        return self.connection.schedule
