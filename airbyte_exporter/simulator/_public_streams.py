"""Streams in the public API's words: what a source has, and which of it a connection is to sync, and how."""

from typing import Any, Final

from ._answers import Body, Problem, refused
from ._generations import Generation

__all__ = ["all_streams", "chosen_streams", "stream_properties", "stream_written"]

Json = dict[str, Any]

_MODES: Final = {
    "full_refresh_overwrite": ("full_refresh", "overwrite"),
    "full_refresh_overwrite_deduped": ("full_refresh", "overwrite_dedup"),
    "full_refresh_append": ("full_refresh", "append"),
    "full_refresh_update": ("full_refresh", "update"),
    "full_refresh_soft_delete": ("full_refresh", "soft_delete"),
    "incremental_append": ("incremental", "append"),
    "incremental_deduped_history": ("incremental", "append_dedup"),
    "incremental_update": ("incremental", "update"),
    "incremental_soft_delete": ("incremental", "soft_delete"),
}
_WORDS: Final = {modes: word for word, modes in _MODES.items()}
_EVERYTHING: Final = "full_refresh_overwrite"
_DEDUPED: Final = frozenset({"full_refresh_overwrite_deduped", "incremental_deduped_history"})
_FOR_ACTIVATION: Final = frozenset({"update", "soft_delete"})
"""How only destinations for data activation can be written; the simulated ones are none."""
_TOLD: Final = (
    "full_refresh_append",
    "full_refresh_overwrite",
    "incremental_append",
    "incremental_deduped_history",
)
"""Which sync modes ``GET streams`` tells of, with a destination; Airbyte leaves out the others."""


def stream_written(configured: Json) -> Json:
    """Write a stream of a connection."""
    stream, config = configured["stream"], configured["config"]
    return {
        "name": stream["name"],
        **({"namespace": stream["namespace"]} if "namespace" in stream else {}),
        "syncMode": _WORDS.get((config["syncMode"], config["destinationSyncMode"]), "full_refresh_append"),
        "cursorField": config["cursorField"],
        "primaryKey": config["primaryKey"],
        "selectedFields": config["selectedFields"],
        "mappers": [],
    }


def stream_properties(found: list[Json], *, with_modes: bool) -> list[Json]:
    """Write what a source has; how it can be synced is told where there is a destination."""
    told = []
    for stream in (one["stream"] for one in found):
        written: Json = {
            "streamName": stream["name"],
            "defaultCursorField": stream["defaultCursorField"],
            "sourceDefinedPrimaryKey": stream["sourceDefinedPrimaryKey"],
            "sourceDefinedCursorField": stream["sourceDefinedCursor"],
            "propertyFields": [[name] for name in _columns(stream)],
        }
        if "namespace" in stream:
            written["streamnamespace"] = stream["namespace"]
        if with_modes:
            modes = stream["supportedSyncModes"]
            written["syncModes"] = [word for word in _TOLD if _MODES[word][0] in modes]
        told.append(written)
    return told


def all_streams(found: list[Json]) -> list[Json]:
    """Return everything that a source has, read and written as a whole: what nobody named a stream of."""
    return [{**one, "config": {**one["config"], **_how(_EVERYTHING), "primaryKey": []}} for one in found]


def chosen_streams(found: list[Json], asked: list[Body], generation: Generation) -> list[Json]:
    """Return the streams that a body asks for, as a syncCatalog has them.

    Raises:
        Problem: the source has no such stream, or cannot be synced so.
    """
    chosen: list[Json] = []
    seen: set[tuple[str, str | None]] = set()
    for one in asked:
        name, namespace = one.required_text("name"), one.text("namespace")
        configured = _chosen(_named(found, name, namespace), one, generation)
        if (name, namespace) in seen:
            what = "Duplicate stream found in configuration for stream name"
            raise refused(f"{what} [{name}] in namespace [{namespace}].")
        seen.add((name, namespace))
        chosen.append(configured)
    return chosen


def _named(found: list[Json], name: str, namespace: str | None) -> Json:
    """Return the stream of this name; only where there are several the namespace says which."""
    matches = [one for one in found if one["stream"]["name"] == name]
    if len(matches) != 1:
        matches = [one for one in matches if one["stream"].get("namespace") == namespace]
    if not matches:
        raise refused(f"No streams found with name [{name}] and namespace [{namespace}].")
    return matches[0]


def _chosen(offered: Json, asked: Body, generation: Generation) -> Json:
    stream, config = offered["stream"], offered["config"]
    word = asked.choice("syncMode", frozenset(_MODES)) or _EVERYTHING
    cursor, key = asked.texts("cursorField") or [], asked.paths("primaryKey") or []
    incremental = _MODES[word][0] == "incremental"
    selected = _selected_fields(stream, asked)
    if word != _EVERYTHING:
        _check_mode(stream, word, generation)
    if incremental:
        _check_cursor(stream, cursor)
    if word == "incremental_deduped_history":
        _check_key(stream, key)
    configured = {**config, **_how(word)}
    if incremental:
        configured["cursorField"] = cursor or stream["defaultCursorField"]
    if incremental or word in _DEDUPED:
        configured["primaryKey"] = stream["sourceDefinedPrimaryKey"] or key
    if selected is not None:
        needed = configured["cursorField"][:1] if incremental else []
        needed += [path[0] for path in configured["primaryKey"] if path] if word in _DEDUPED else []
        if missing := [name for name in needed if name not in selected]:
            raise _wrong(stream, f"{missing[0]} has to be among the selected fields")
        configured["fieldSelectionEnabled"] = True
        configured["selectedFields"] = [{"fieldPath": [name]} for name in selected]
    return {"stream": stream, "config": configured}


def _how(word: str) -> Json:
    sync_mode, destination_sync_mode = _MODES[word]
    return {"syncMode": sync_mode, "destinationSyncMode": destination_sync_mode}


def _selected_fields(stream: Json, asked: Body) -> list[str] | None:
    bodies = asked.bodies("selectedFields")
    if bodies is None:
        return None
    paths = [one.texts("fieldPath") or [] for one in bodies]
    if not paths or any(len(path) != 1 for path in paths):
        raise _wrong(stream, "selected fields are columns, one at least, and not nested")
    names = [path[0] for path in paths]
    if len(set(names)) < len(names) or not set(names) <= {*_columns(stream)}:
        raise _wrong(stream, f"selected fields are each once one of {', '.join(_columns(stream))}")
    return names


def _check_mode(stream: Json, word: str, generation: Generation) -> None:
    written = generation.destination_sync_modes - _FOR_ACTIVATION
    valid = [
        one
        for one, (mode, destination_mode) in _MODES.items()
        if mode in stream["supportedSyncModes"] and destination_mode in written
    ]
    if word not in valid:
        told = ", ".join(valid)
        raise refused(
            f"Cannot set sync mode to {word} for stream {stream['name']}. Valid sync modes are: [{told}]"
        )


def _check_cursor(stream: Json, cursor: list[str]) -> None:
    if cursor and (len(cursor) > 1 or cursor[0] not in _columns(stream)):
        raise _wrong(stream, f"Invalid cursor field. Valid are {', '.join(_columns(stream))}")


def _check_key(stream: Json, key: list[list[str]]) -> None:
    defined = stream["sourceDefinedPrimaryKey"]
    if defined and key and key != defined:
        raise _wrong(stream, f"the primary key is already pre-defined: {defined}")


def _columns(stream: Json) -> list[str]:
    return list(stream["jsonSchema"]["properties"])


def _wrong(stream: Json, message: str) -> Problem:
    return refused(f"Stream {stream['name']}: {message}")
