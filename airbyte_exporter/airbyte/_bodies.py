"""Bodies of requests that change a connection, as each API wants them.

The Config API takes a schedule as ``scheduleType`` and ``scheduleData`` (all releases), and of an update only
what is to change; a catalog that is sent replaces the whole one. The short reference form knows a
``schedule`` in units or none at all, and is sent the whole connection: what it does with the rest of half a
one is not said anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airbyte_exporter.airbyte._setup_wire import sync_of
from airbyte_exporter.model import (
    Catalog,
    ConnectionSetup,
    ConnectionStatus,
    Namespace,
    Schedule,
    ScheduleType,
    StreamSync,
)

__all__ = ["ConnectionChange", "NewConnection", "catalog_body", "creation", "update"]


@dataclass(frozen=True, slots=True)
class NewConnection:
    """A connection that is to be: like `ConnectionSetup`, before Airbyte has given it an id."""

    source_id: str
    destination_id: str
    name: str
    catalog: Catalog
    schedule: Schedule
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    namespace: Namespace = Namespace.DESTINATION
    namespace_format: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """What is to change of a connection; what is ``None`` stays as it is.

    `accepts_schema` is whether `catalog` is the source's present schema, so that a change of it that Airbyte
    has marked as breaking is dealt with.
    """

    name: str | None = None
    status: ConnectionStatus | None = None
    schedule: Schedule | None = None
    catalog: Catalog | None = None
    namespace: Namespace | None = None
    namespace_format: str | None = None
    prefix: str | None = None
    accepts_schema: bool = False


def creation(new: NewConnection, *, short: bool) -> dict[str, Any]:
    """Return the body of ``connections/create``; `short` is whether for the reference form."""
    body: dict[str, Any] = {
        "sourceId": new.source_id,
        "destinationId": new.destination_id,
        "name": new.name,
        "status": str(new.status),
        "namespaceDefinition": str(new.namespace),
        **({} if new.namespace_format is None else {"namespaceFormat": new.namespace_format}),
        **({"prefix": new.prefix} if new.prefix else {}),
        "syncCatalog": catalog_body(new.catalog),
        **_schedule(new.schedule, short=short),
    }
    if new.catalog.id is not None and not short:
        body["sourceCatalogId"] = new.catalog.id
    return body


def update(setup: ConnectionSetup, change: ConnectionChange, *, short: bool) -> dict[str, Any]:
    """Return the body of ``connections/update`` for `change`, of a connection that is as `setup` says."""
    whole = _whole(setup) if short else {}
    return {"connectionId": setup.connection.id, **whole, **_changed(change, short=short)}


def _changed(change: ConnectionChange, *, short: bool) -> dict[str, Any]:
    texts = {
        "name": change.name,
        "status": change.status,
        "namespaceDefinition": change.namespace,
        "namespaceFormat": change.namespace_format,
        "prefix": change.prefix,
    }
    parts: dict[str, Any] = {name: str(text) for name, text in texts.items() if text is not None}
    if change.schedule is not None:
        parts |= _schedule(change.schedule, short=short, explicit=True)
    if change.catalog is not None:
        parts["syncCatalog"] = catalog_body(change.catalog)
        parts |= {} if short or change.catalog.id is None else {"sourceCatalogId": change.catalog.id}
    if change.accepts_schema and not short:
        parts["breakingChange"] = False
    return parts


def _whole(setup: ConnectionSetup) -> dict[str, Any]:
    """Return what the short reference API tells of a connection, to be sent back.

    A schedule that it has no words for looks as if there were none: that must not become so.
    """
    status, streams = setup.connection.status, setup.catalog.streams
    return {
        "name": setup.connection.name,
        **({} if status is ConnectionStatus.UNKNOWN else {"status": str(status)}),
        **_schedule(setup.schedule, short=True),
        **({"syncCatalog": catalog_body(setup.catalog)} if streams else {}),
        "namespaceDefinition": str(setup.namespace),
        **({} if setup.namespace_format is None else {"namespaceFormat": setup.namespace_format}),
        "prefix": setup.prefix,
    }


def _schedule(schedule: Schedule, *, short: bool, explicit: bool = False) -> dict[str, Any]:
    """Return the properties of a schedule; `explicit` is whether one that is manual has to be said so."""
    basic = {"units": schedule.units, "timeUnit": schedule.time_unit}
    if short:
        if schedule.type is ScheduleType.BASIC:
            return {"schedule": basic}
        return {"schedule": None} if explicit else {}
    if schedule.type is ScheduleType.BASIC:
        return {"scheduleType": "basic", "scheduleData": {"basicSchedule": basic}}
    if schedule.type is ScheduleType.CRON:
        cron = {"cronExpression": schedule.cron_expression, "cronTimeZone": schedule.cron_time_zone}
        return {"scheduleType": "cron", "scheduleData": {"cron": cron}}
    return {"scheduleType": "manual"}


def catalog_body(catalog: Catalog) -> dict[str, Any]:
    """Return a ``syncCatalog``, with the streams that are not selected, as Airbyte's own pages send it."""
    return {"streams": [_stream(each) for each in catalog.streams]}


def _stream(sync: StreamSync) -> dict[str, Mapping[str, Any]]:
    stream = sync.stream
    told = stream.told or {
        "name": stream.name,
        "jsonSchema": {"type": "object", "properties": {column: {} for column in stream.columns}},
        "supportedSyncModes": [str(mode) for mode in stream.sync_modes],
        **({} if stream.namespace is None else {"namespace": stream.namespace}),
    }
    return {"stream": told, "config": _config(sync)}


def _config(sync: StreamSync) -> dict[str, Any]:
    """Return how a stream is synced, with all that Airbyte told and that is not to change left as it came."""
    wanted = _properties(sync)
    if not sync.told:
        return wanted
    was = _properties(sync_of(sync.stream, sync.told))
    changed = {name: value for name, value in wanted.items() if value != was[name]}
    always = {name: wanted[name] for name in ("syncMode", "destinationSyncMode", "selected")}
    return {**always, **sync.told, **changed}


def _properties(sync: StreamSync) -> dict[str, Any]:
    return {
        "syncMode": str(sync.sync_mode),
        "destinationSyncMode": str(sync.destination_sync_mode),
        "cursorField": list(sync.cursor),
        "primaryKey": [list(path) for path in sync.primary_key],
        "selected": sync.selected,
    }
