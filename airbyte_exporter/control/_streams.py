"""Which streams a connection syncs and how, as people write it, against what the source offers.

A stream is written ``NAME:SYNC_MODE:…``, in Airbyte's own words, with everything but the name optional:

- ``customers:full_refresh:overwrite`` is read as a whole; the last part is how it is written.
- ``customers:incremental:updated_at:append`` is read by a cursor; without one, by the source's own.
- ``customers:incremental:updated_at:append_dedup:id`` has a primary key, columns separated by commas.

The name may have its namespace before it (``public.customers``), and must where it would mean two streams.
``*`` alone is every stream. A column that is called like a mode is the cursor where another mode follows.
"""

import difflib
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Final, NoReturn, TypeAlias

from airbyte_exporter.control._errors import ControlError
from airbyte_exporter.control._naming import quoted
from airbyte_exporter.logs import visible
from airbyte_exporter.model import Catalog, DestinationSyncMode, FieldPath, Stream, StreamSync, SyncMode

__all__ = ["ALL_STREAMS", "choose", "key_of", "must_still_fit", "written"]

ALL_STREAMS: Final = ("*",)
"""Every stream that the source offers, each as it is synced by default."""

StreamKey: TypeAlias = tuple[str | None, str]
"""Namespace and name."""

_LISTED: Final = 10
_READ: Final = {SyncMode.FULL_REFRESH: "as a whole", SyncMode.INCREMENTAL: "incrementally"}
_WRITTEN: Final = {
    SyncMode.FULL_REFRESH: "use overwrite, append or overwrite_dedup",
    SyncMode.INCREMENTAL: "use append or append_dedup",
}
_NEEDS_KEY: Final = frozenset(
    {DestinationSyncMode.APPEND_DEDUP, DestinationSyncMode.OVERWRITE_DEDUP, DestinationSyncMode.UPDATE}
)
_SYNC_MODES: Final = frozenset(str(mode) for mode in SyncMode)
_DESTINATION_MODES: Final = frozenset(str(mode) for mode in DestinationSyncMode)
_MISMATCHED: Final = {
    SyncMode.FULL_REFRESH: frozenset({DestinationSyncMode.APPEND_DEDUP}),
    SyncMode.INCREMENTAL: frozenset({DestinationSyncMode.OVERWRITE, DestinationSyncMode.OVERWRITE_DEDUP}),
}
"""What Airbyte's pairs of modes leave out (``ConnectionSyncModeEnum``): each would lose or double records."""


def choose(
    catalog: Catalog,
    wanted: Sequence[str],
    *,
    as_before: Container[StreamKey] = (),
    known_only: bool = False,
) -> Catalog:
    """Return `catalog` with the streams selected that `wanted` says, and no others.

    By default a stream is read incrementally where its source has a cursor for it, and appended; otherwise it
    is read as a whole and overwritten: every destination can do that. One of which nothing but the name is
    said stays as it is synced `as_before`, if that is: keys by `key_of`. `known_only` is whether `catalog` is
    what a connection knows, and its source may offer more by now.

    Raises:
        ControlError: Something does not fit; the message has a line for each problem.
    """
    if not catalog.streams:
        raise ControlError("the source offers no streams")

    def unsaid(offered: StreamSync) -> StreamSync:
        is_known = key_of(offered.stream) in as_before
        return replace(offered, selected=True) if is_known else _by_default(offered)

    is_all = tuple(wanted) == ALL_STREAMS
    asked = (
        [(each.stream.full_name, each) for each in catalog.streams]
        if is_all
        else [(text, None) for text in wanted]
    )
    chosen: dict[StreamKey, StreamSync] = {}
    problems: list[str] = []
    for text, meant in asked:
        try:
            offered, rest = _found(catalog, text, known_only=known_only) if meant is None else (meant, [])
            sync = _chosen(offered, rest, text) if rest else unsaid(offered)
            if key_of(sync.stream) in chosen:
                _refuse(text, "is given twice")
            chosen[key_of(sync.stream)] = sync
        except ControlError as error:
            problems.append(str(error))
    if problems:
        raise ControlError("\n".join(problems))
    if not chosen:
        raise ControlError("a connection needs a stream at least")
    return replace(
        catalog,
        streams=tuple(
            chosen.get(key_of(each.stream), replace(each, selected=False)) for each in catalog.streams
        ),
    )


def must_still_fit(catalog: Catalog, before: Catalog | None = None) -> None:
    """See to it that what is selected can be synced as it says, by the schemas that `catalog` has.

    With `before`, what is selected there has to be there still.

    Raises:
        ControlError: Something was taken away by its source; the message has a line for each stream.
    """
    offered = {key_of(each.stream) for each in catalog.streams}
    gone = [each for each in before.selected if key_of(each.stream) not in offered] if before else []
    lacks = [(each, "is not offered by its source any more") for each in gone]
    lacks += [(each, why) for each in catalog.selected if (why := _misfit(each))]
    if lacks:
        advice = "say with --stream what is synced from now on, and how"
        raise ControlError(
            "\n".join(f"stream {quoted(written(each))} {why}: {advice}" for each, why in lacks)
        )


def _misfit(sync: StreamSync) -> str | None:
    """Return what its source does not offer, or not any more, of how a stream is synced."""
    stream = sync.stream
    if sync.sync_mode not in stream.sync_modes:
        return f"cannot be read in mode {sync.sync_mode} any more"
    if sync.sync_mode is SyncMode.INCREMENTAL and not stream.source_defined_cursor:
        cursor = sync.cursor or stream.default_cursor
        if not cursor or not _is_column(stream, cursor):
            return "has its cursor no more"
    if sync.destination_sync_mode in _NEEDS_KEY:
        key = sync.primary_key or stream.source_defined_key
        if not key or not all(_is_column(stream, path) for path in key):
            return "has its primary key no more"
        if stream.source_defined_key and set(key) != set(stream.source_defined_key):
            return "has another primary key now"
    return None


def key_of(stream: Stream) -> StreamKey:
    """Return what tells a stream from the others of its source."""
    return stream.namespace, stream.name


def _by_default(offered: StreamSync) -> StreamSync:
    stream = offered.stream
    has_cursor = stream.source_defined_cursor or _is_column(stream, stream.default_cursor)
    incremental = SyncMode.INCREMENTAL in stream.sync_modes and has_cursor
    if not incremental and SyncMode.FULL_REFRESH not in stream.sync_modes:
        _refuse(stream.full_name, f"is read incrementally only and needs a cursor{_of_columns(stream)}")
    return replace(
        offered,
        selected=True,
        sync_mode=SyncMode.INCREMENTAL if incremental else SyncMode.FULL_REFRESH,
        destination_sync_mode=DestinationSyncMode.APPEND if incremental else DestinationSyncMode.OVERWRITE,
        cursor=stream.default_cursor if incremental else (),
        primary_key=stream.source_defined_key,
    )


def _chosen(offered: StreamSync, said: Sequence[str], text: str) -> StreamSync:
    """Return `offered` as `said`, the parts of `text` after the name."""
    stream = offered.stream
    mode, *rest = (part.strip() for part in said)
    if mode.lower() not in _SYNC_MODES:
        _refuse(text, f"has the sync mode {quoted(mode)}: it is full_refresh or incremental")
    sync_mode = SyncMode(mode.lower())
    if sync_mode not in stream.sync_modes:
        _refuse(text, f"cannot be read in mode {sync_mode}: its source offers {', '.join(stream.sync_modes)}")
    cursor: FieldPath = ()
    if sync_mode is SyncMode.INCREMENTAL:
        given = ""
        if rest and _begins_with_cursor(rest, stream):
            given, *rest = rest
        cursor = _cursor(text, stream, given)
    is_incremental = sync_mode is SyncMode.INCREMENTAL
    by_default = DestinationSyncMode.APPEND if is_incremental else DestinationSyncMode.OVERWRITE
    write_mode = by_default
    if rest:
        how, *rest = rest
        if how.lower() not in _DESTINATION_MODES:
            modes = "append, overwrite, append_dedup or overwrite_dedup"
            _refuse(text, f"has the destination sync mode {quoted(how)}: it is {modes}")
        write_mode = DestinationSyncMode(how.lower())
    if write_mode in _MISMATCHED[sync_mode]:
        _refuse(
            text,
            f"is read {_READ[sync_mode]} and cannot be written in mode {write_mode}: {_WRITTEN[sync_mode]}",
        )
    key = _primary_key(text, stream, rest.pop(0) if rest else "", needed=write_mode in _NEEDS_KEY)
    if rest:
        _refuse(text, "has too many parts: NAME:SYNC_MODE[:CURSOR]:DESTINATION_SYNC_MODE[:PRIMARY_KEY]")
    return replace(
        offered,
        selected=True,
        sync_mode=sync_mode,
        destination_sync_mode=write_mode,
        cursor=cursor,
        primary_key=key,
    )


def _found(catalog: Catalog, text: str, *, known_only: bool) -> tuple[StreamSync, list[str]]:
    """Return the stream that `text` begins with, and the parts after its name, which may have colons."""
    parts = text.split(":")
    for length in range(len(parts), 0, -1):
        name = ":".join(parts[:length])
        found = [each for each in catalog.streams if each.stream.full_name == name]
        found = found or [each for each in catalog.streams if each.stream.name == name]
        if len(found) > 1:
            names = ", ".join(sorted(quoted(each.stream.full_name) for each in found))
            _refuse(text, f"means {len(found)} streams: {names}; give the namespace too")
        if found:
            return found[0], parts[length:]
    if parts[0] == ALL_STREAMS[0]:
        _refuse(text, "is every stream, each by default: give it alone")
    offered = sorted(each.stream.full_name for each in catalog.streams)
    bare = {each.stream.name: each.stream.full_name for each in catalog.streams}
    close = difflib.get_close_matches(parts[0], [*offered, *bare], n=1)
    if close:
        hint = f"did you mean {quoted(bare.get(close[0], close[0]))}?"
    elif known_only:
        hint = f"the connection knows {_some(offered)}; --discover asks its source for what else there is"
    else:
        hint = f"its source offers {_some(offered)}"
    raise ControlError(f"there is no stream {quoted(parts[0])}; {hint}")


def _begins_with_cursor(parts: Sequence[str], stream: Stream) -> bool:
    """Whether the first of `parts` is a cursor, and not how the stream is written."""
    if parts[0].lower() not in _DESTINATION_MODES:
        return True
    if parts[0] not in stream.columns:
        return False
    if len(parts) > 1:
        return parts[1].lower() in _DESTINATION_MODES
    return not (stream.source_defined_cursor or stream.default_cursor)


def _cursor(text: str, stream: Stream, given: str) -> FieldPath:
    if stream.source_defined_cursor:
        if given and _path(stream, given) != stream.default_cursor:
            _refuse(text, f"has a cursor of its source's own: leave {quoted(given)} out")
        return stream.default_cursor
    if not given:
        if not _is_column(stream, stream.default_cursor):
            _refuse(text, f"needs a cursor to be read incrementally{_of_columns(stream)}")
        return stream.default_cursor
    return _column(text, stream, given, "cursor")


def _primary_key(text: str, stream: Stream, given: str, *, needed: bool) -> tuple[FieldPath, ...]:
    if not given:
        if needed and not stream.source_defined_key:
            _refuse(text, f"needs a primary key to be written so{_of_columns(stream)}")
        return stream.source_defined_key
    names = [given] if given in stream.columns else given.split(",")
    key = tuple(dict.fromkeys(_column(text, stream, part, "primary key") for part in names))
    if stream.source_defined_key and set(key) != set(stream.source_defined_key):
        own = ",".join(".".join(path) for path in stream.source_defined_key)
        _refuse(text, f"has a primary key of its source's own, {quoted(own)}: leave {quoted(given)} out")
    return key


def _column(text: str, stream: Stream, given: str, what: str) -> FieldPath:
    path = _path(stream, given.strip())
    if not _is_column(stream, path):
        close = difflib.get_close_matches(given, stream.columns, n=1)
        hint = f"; did you mean {quoted(close[0])}?" if close else _of_columns(stream)
        _refuse(text, f"has no column {quoted(given)} for its {what}{hint}")
    return path


def _is_column(stream: Stream, path: FieldPath) -> bool:
    """Whether `stream` can have a column there: a source may not tell what it has."""
    return bool(path) and all(path) and (not stream.columns or path[0] in stream.columns)


def _path(stream: Stream, given: str) -> FieldPath:
    return (given,) if given in stream.columns else tuple(given.split("."))


def _of_columns(stream: Stream) -> str:
    return f": {_some(stream.columns)}" if stream.columns else ""


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(visible(name) for name in names[:_LISTED])
    return f"{shown} and {len(names) - _LISTED} more" if len(names) > _LISTED else shown


def _refuse(text: str, why: str) -> NoReturn:
    raise ControlError(f"stream {quoted(text)} {why}")


def written(sync: StreamSync) -> str:
    """Return a stream and how it is synced, the way `choose` reads it."""
    parts = [sync.stream.full_name, str(sync.sync_mode)]
    if sync.sync_mode is SyncMode.INCREMENTAL and sync.cursor:
        parts.append(".".join(sync.cursor))
    parts.append(str(sync.destination_sync_mode))
    if sync.primary_key and (
        sync.destination_sync_mode in _NEEDS_KEY or sync.primary_key != sync.stream.source_defined_key
    ):
        parts.append(",".join(".".join(path) for path in sync.primary_key))
    return ":".join(parts)
