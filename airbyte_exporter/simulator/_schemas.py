"""Catalogues: what a source is found to have, what of it a connection syncs, and how the two differ."""

import random
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from ._answers import Body, refused
from ._directory import streams_offered
from ._generations import Generation
from ._jobs import Stream
from ._planning import Actor, Connection, weighted

__all__ = [
    "breaks",
    "catalogue_id",
    "catalogue_of",
    "difference",
    "discovered",
    "read_catalogue",
    "shown",
    "stream_set_up",
    "streams_of_catalogue",
]

Json = dict[str, Any]
Key = tuple[str, str | None]

_SYNC_MODES: Final = frozenset({"full_refresh", "incremental"})
_TIME: Final = {"type": "string", "format": "date-time"}
_ALWAYS: Final[Json] = {"id": {"type": "integer"}, "updated_at": _TIME}
_TEXT: Final = {"type": "string"}
_COLUMNS: Final[dict[str, Json]] = {
    "customers": {"name": _TEXT, "email": _TEXT, "country": _TEXT, "created_at": _TIME},
    "orders": {"customer_id": {"type": "integer"}, "status": _TEXT, "amount": {"type": "number"},
               "created_at": _TIME},
}  # fmt: skip
_OTHER_COLUMNS: Final[Json] = {"name": _TEXT, "created_at": _TIME}
_NEW_COLUMN: Final = "added_column"
_STREAM_KEYS: Final = frozenset({
    "name", "namespace", "jsonSchema", "supportedSyncModes", "sourceDefinedCursor", "defaultCursorField",
    "sourceDefinedPrimaryKey",
})  # fmt: skip
_CONFIG_KEYS: Final = frozenset({
    "syncMode", "destinationSyncMode", "cursorField", "primaryKey", "aliasName", "selected", "suggested",
    "fieldSelectionEnabled", "selectedFields",
})  # fmt: skip


# What a source has


def discovered(actor: Actor, users: Iterable[Connection]) -> list[Json]:
    """Return the streams of a source with the configuration that Airbyte proposes.

    `users` are the connections that it has: their changed schemas are this source's.
    """
    users = list(users)
    whole = {(s.name, s.namespace) for c in users if c.catalogue is None for s in c.streams if s.full_refresh}
    found = []
    for name, namespace in _names(actor):
        columns = _ALWAYS if actor.given is None else _ALWAYS | _COLUMNS.get(name, _OTHER_COLUMNS)
        modes = ["full_refresh"] if (name, namespace) in whole else ["full_refresh", "incremental"]
        found.append(_proposed(_stream(name, namespace, modes, columns)))
    changes = {connection.schema_change for connection in users}
    if found and (schema := found[0]["stream"]["jsonSchema"]):
        properties = dict(schema["properties"])
        if "breaking" in changes:
            del properties["updated_at"]
        elif "non_breaking" in changes:
            properties[_NEW_COLUMN] = _TEXT
        found[0]["stream"]["jsonSchema"] = {**schema, "properties": properties}
    return found


def catalogue_id(actor: Actor, found: list[Json]) -> str:
    """Return the id of what was found: the same for the same streams."""
    return str(uuid5(NAMESPACE_OID, f"{actor.id} {found}"))


def _names(actor: Actor) -> list[Key]:
    connector = actor.connector
    if actor.given is None:
        return [(name, connector.namespace) for name in connector.streams]
    schemas = actor.given.get("schemas") if connector.namespace else None
    spaces: list[str | None] = [one for one in schemas if one] if isinstance(schemas, list) else []
    return [(name, space) for space in spaces or [connector.namespace] for name in streams_offered(connector)]


def _stream(name: str, namespace: str | None, modes: list[str], columns: Json) -> Json:
    return {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        "jsonSchema": {"type": "object", "properties": columns},
        "supportedSyncModes": modes,
        "sourceDefinedCursor": False,
        "defaultCursorField": ["updated_at"],
        "sourceDefinedPrimaryKey": [["id"]],
    }


def _config(name: str, sync_mode: str, destination_sync_mode: str, cursor: list[str]) -> Json:
    return {
        "syncMode": sync_mode,
        "destinationSyncMode": destination_sync_mode,
        "cursorField": cursor,
        "primaryKey": [["id"]],
        "aliasName": name,
        "selected": True,
        "suggested": False,
        "fieldSelectionEnabled": False,
        "selectedFields": [],
    }


def _proposed(stream: Json) -> Json:
    mode = stream["supportedSyncModes"][0]
    return {"stream": stream, "config": _config(stream["name"], mode, "append", stream["defaultCursorField"])}


# What a connection syncs


def catalogue_of(connection: Connection) -> list[Json]:
    """Return the streams that a connection syncs: as they were selected, or as the company set them up."""
    if connection.catalogue is not None:
        return connection.catalogue
    return [stream_set_up(one.name, one.namespace, one.full_refresh) for one in connection.streams]


@lru_cache(maxsize=1024)
def stream_set_up(name: str, namespace: str | None, full_refresh: bool) -> Json:
    """Return a stream as the company set it up; it is shared, so nobody may change it."""
    modes = ["full_refresh"] if full_refresh else ["full_refresh", "incremental"]
    how = ("overwrite", []) if full_refresh else ("append_dedup", ["updated_at"])
    return {
        "stream": _stream(name, namespace, modes, _ALWAYS),
        "config": _config(name, modes[-1], *how),
    }


def shown(configured: Json, generation: Generation) -> Json:
    """Return a configured stream as a generation tells it."""
    stream = {name: value for name, value in configured["stream"].items() if name in _STREAM_KEYS}
    config = {name: value for name, value in configured["config"].items() if name in _CONFIG_KEYS}
    if generation.details:
        stream["isResumable"] = "incremental" in stream.get("supportedSyncModes", ())
        config |= {"hashedFields": [], "mappers": []}
    return {"stream": stream, "config": config}


def read_catalogue(body: Body, generation: Generation) -> list[Json]:
    """Read the selected streams of a syncCatalog; Airbyte stores no others.

    Whether the source has them is not asked: Airbyte does not compare with what it has discovered.
    """
    catalogue = body.required_inner("syncCatalog")
    streams = catalogue.bodies("streams")
    if streams is None:
        raise refused("syncCatalog.streams: must not be null")
    read = [_read(one, generation) for one in streams]
    return [one for one in read if one["config"]["selected"]]


def _read(both: Body, generation: Generation) -> Json:
    stream, config = both.required_inner("stream"), both.required_inner("config")
    name = stream.required_text("name")
    supported = stream.choices("supportedSyncModes", _SYNC_MODES)
    mode = config.required_choice("syncMode", _SYNC_MODES)
    given: Json = {
        "name": name,
        "namespace": stream.text("namespace"),
        "jsonSchema": stream.inner("jsonSchema").fields or {"type": "object", "properties": {}},
        "supportedSyncModes": [mode] if supported is None else sorted(supported),
        "sourceDefinedCursor": stream.boolean("sourceDefinedCursor"),
        "defaultCursorField": stream.texts("defaultCursorField"),
        "sourceDefinedPrimaryKey": stream.paths("sourceDefinedPrimaryKey"),
    }
    selected = config.boolean("selected")
    configured: Json = {
        "syncMode": mode,
        "destinationSyncMode": config.required_choice(
            "destinationSyncMode", generation.destination_sync_modes
        ),
        "cursorField": config.texts("cursorField") or [],
        "primaryKey": config.paths("primaryKey") or [],
        "aliasName": config.text("aliasName") or name,
        "selected": True if selected is None else selected,
        "suggested": config.boolean("suggested") or False,
        "fieldSelectionEnabled": config.boolean("fieldSelectionEnabled") or False,
        "selectedFields": [
            {"fieldPath": one.texts("fieldPath") or []} for one in config.bodies("selectedFields") or []
        ],
    }
    return {"stream": {key: value for key, value in given.items() if value is not None}, "config": configured}


def streams_of_catalogue(catalogue: list[Json], rng: random.Random) -> tuple[Stream, ...]:
    """Return selected streams as jobs know them, each with its share of the volume."""
    kinds = [
        (one["stream"]["name"], one["stream"].get("namespace"), one["config"]["syncMode"] == "full_refresh")
        for one in catalogue
    ]
    return weighted(kinds, rng)


# How they differ


def difference(connection: Connection, found: list[Json], generation: Generation) -> list[Json]:
    """Return the StreamTransforms from what a connection syncs to what its source has."""
    before = {_key(one): one["stream"] for one in catalogue_of(connection)}
    after = {_key(one): one["stream"] for one in found}
    transforms = [_transform("add_stream", key) for key in after if key not in before]
    transforms += [_transform("remove_stream", key) for key in before if key not in after]
    for key, stream in before.items():
        fields = _fields(connection, key, stream, after[key]) if key in after else []
        if fields:
            update: object = fields
            if generation.details:
                update = {"fieldTransforms": fields, "streamAttributeTransforms": []}
            transforms.append({**_transform("update_stream", key), "updateStream": update})
    return transforms


def breaks(transforms: list[Json]) -> bool:
    """Tell whether a sync cannot go on over these changes."""
    updates = [one.get("updateStream", []) for one in transforms]
    fields = [
        field for one in updates for field in (one["fieldTransforms"] if isinstance(one, dict) else one)
    ]
    return any(field["breaking"] for field in fields)


def _key(configured: Json) -> Key:
    return configured["stream"]["name"], configured["stream"].get("namespace")


def _transform(type_: str, key: Key) -> Json:
    name, namespace = key
    descriptor = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"transformType": type_, "streamDescriptor": descriptor}


def _fields(connection: Connection, key: Key, before: Json, after: Json) -> list[Json]:
    old, new = before["jsonSchema"].get("properties", {}), after["jsonSchema"]["properties"]
    if not isinstance(old, dict) or not old:
        return []  # nobody told what it had
    needed = next(_needed(one["config"]) for one in catalogue_of(connection) if _key(one) == key)
    added = [
        {"transformType": "add_field", "fieldName": [name], "breaking": False,
         "addField": {"schema": new[name]}}
        for name in new if name not in old
    ]  # fmt: skip
    removed = [
        {"transformType": "remove_field", "fieldName": [name], "breaking": name in needed,
         "removeField": {"schema": old[name]}}
        for name in old if name not in new
    ]  # fmt: skip
    return added + removed


def _needed(config: Json) -> set[str]:
    """Return the columns without which a stream cannot be synced as it is configured: cursor and key."""
    cursor = config["cursorField"] if config["syncMode"] == "incremental" else []
    key = config["primaryKey"] if "dedup" in config["destinationSyncMode"] else []
    return {path[0] for path in (cursor, *key) if path}
