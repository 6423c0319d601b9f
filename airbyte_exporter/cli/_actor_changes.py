"""``sources create|update|delete|check|discover`` and ``destinations create|update|delete|check``."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from airbyte_exporter.cli._actors import actor_record
from airbyte_exporter.cli._airbyte import progress
from airbyte_exporter.cli._changing import change, confirm, home_of, must_be_a_name, named, say, tell
from airbyte_exporter.cli._settings import patience, settings_for
from airbyte_exporter.cli._shared import EXIT_INTERRUPTED, PROGRAM, Common
from airbyte_exporter.cli._tables import Cell, Column, Listing, print_json, print_listing
from airbyte_exporter.control import ALL_STREAMS, Actors, Control, ControlError, Placed, choose, written
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.model import Check, Definition, StreamSync
from airbyte_exporter.settings import read_configuration

_LISTED: Final = 10
_STREAM_COLUMNS: Final = (
    Column("STREAM", flexible=True),
    Column("SYNC MODES", flexible=True),
    Column("CURSOR", flexible=True),
    Column("PRIMARY KEY", flexible=True),
    Column("COLUMNS", numeric=True),
)
_STREAM_FIELDS: Final = (
    "name",
    "namespace",
    "sync_modes",
    "cursor",
    "source_defined_cursor",
    "primary_key",
    "columns",
)


def create(
    common: Common,
    *,
    kind: str,
    definition: str,
    name: str,
    configuration: Path,
    workspace: str | None,
    check: bool,
    dry_run: bool,
    output: str,
) -> int:
    """Create a source or a destination, as `kind` says; with `check` try whether it can connect."""
    settings = settings_for(common)
    must_be_a_name(name)
    wanted = _configuration(configuration)

    def act(control: Control) -> int:
        actors = _actors(control, kind)
        with progress(f"Reading what a {kind} can be made of …"):
            home = home_of(control, workspace)
            connector = actors.definition(definition)
        say(f"{kind} {named(name)} of {_made_of(connector)} in workspace {named(home.name)}")
        with progress(f"Creating the {kind} …"):
            placed = actors.create(home, connector, name, wanted)
        done = f"{_found(kind, placed)} created"
        tell(done if check else f"{done}; {_command(kind, 'check', placed)}", _record(placed), output)
        return _check_new(actors, placed, output) if check else 0

    return change(common, settings, act, dry_run=dry_run, output=output)


def _check_new(actors: Actors, placed: Placed, output: str) -> int:
    """Try what was just created. Whatever comes of that, it exists, and its name and id are told."""
    exists = f"{_found(actors.kind, placed)} exists"
    sys.stdout.flush()
    try:
        with progress(f"Waiting for the {actors.kind} to connect …"):
            checked = actors.check(placed)
    except KeyboardInterrupt:
        say(f"{PROGRAM}: interrupted; {exists}, and was not checked to its end")
        return EXIT_INTERRUPTED
    except AirbyteExporterError as error:
        raise ControlError(f"{error}; {exists}, and may be able to connect all the same") from error
    if not checked.succeeded:
        raise ControlError(
            f"{_cannot(actors.kind, placed, checked)}; {exists} all the same: "
            f"{_command(actors.kind, 'update', placed)} --config FILE"
        )
    _tell_success(actors.kind, placed, output)
    return 0


def update(
    common: Common,
    *,
    kind: str,
    actor: str,
    name: str | None,
    configuration: Path | None,
    replace: bool,
    dry_run: bool,
    output: str,
) -> int:
    """Change the name of a source or destination, what a file has of its configuration, or both."""
    settings = settings_for(common)
    if name is not None:
        must_be_a_name(name)
    wanted = None if configuration is None else _configuration(configuration)

    def act(control: Control) -> int:
        actors = _actors(control, kind)
        placed = _find(actors, actor)
        parts = [] if name is None else [f"its name to {named(name)}"]
        if wanted is not None:
            parts.append("its whole configuration" if replace else "what the file has of its configuration")
        say(f"{_described(kind, placed)}: changing {' and '.join(parts)}")
        with progress(f"Changing the {kind} …"):
            changed = actors.update(placed, name=name, configuration=wanted, replace=replace)
        more = "" if wanted is None else f"; {_command(kind, 'check', changed)}"
        tell(f"{_found(kind, changed)} updated{more}", _record(changed), output)
        return 0

    return change(common, settings, act, dry_run=dry_run, output=output)


def delete(common: Common, *, kind: str, actor: str, yes: bool, dry_run: bool) -> int:
    """Delete a source or destination with the connections that use it, once that is confirmed."""
    settings = settings_for(common)

    def act(control: Control) -> int:
        actors = _actors(control, kind)
        placed = _find(actors, actor)
        with progress("Reading the connections …"):
            users = actors.users(placed)
        count, goes, uses = f"{len(users)} connections", "go", "use"
        if len(users) == 1:
            count, goes, uses = "1 connection", "goes", "uses"
        if users:
            names = ", ".join(named(each.name) for each in users[:_LISTED])
            more = f" and {len(users) - _LISTED} more" if len(users) > _LISTED else ""
            say(f"{_described(kind, placed)}: with it {goes} {count}: {names}{more}")
        else:
            say(f"{_described(kind, placed)}: no connection uses it")
        with_it = f" and the {count} that {uses} it" if users else ""
        confirm(f"Delete {kind} {named(placed.name)}{with_it}", yes=yes, dry_run=dry_run)
        with progress(f"Deleting the {kind} …"):
            actors.delete(placed)
        click.echo(f"{_found(kind, placed)} deleted" + (f", and {count} with it" if users else ""))
        return 0

    return change(common, settings, act, dry_run=dry_run)


def check(common: Common, *, kind: str, actor: str, timeout: str, output: str) -> int:
    """Have a source or destination connect, and tell what it says."""
    settings = settings_for(common)
    seconds = patience(timeout)

    def act(control: Control) -> int:
        actors = _actors(control, kind)
        placed = _find(actors, actor)
        with progress(f"Waiting for {kind} {named(placed.name)} to connect …"):
            checked = actors.check(placed, timeout=seconds)
        if output == "json":
            result = {"succeeded": checked.succeeded, "message": checked.message}
            print_json({"id": placed.id, "name": placed.name, **result})
        if not checked.succeeded:
            raise ControlError(_cannot(kind, placed, checked))
        if output != "json":
            _tell_success(kind, placed, output)
        return 0

    return change(common, settings, act, dry_run=False)


def discover(common: Common, *, actor: str, timeout: str, output: str) -> int:
    """Have a source tell its streams."""
    settings = settings_for(common)
    seconds = patience(timeout)

    def act(control: Control) -> int:
        placed = _find(control.sources, actor)
        with progress(f"Waiting for source {named(placed.name)} to tell its streams …"):
            catalog = control.sources.discover(placed, timeout=seconds)
        listing = Listing(_STREAM_COLUMNS, empty=f"source {named(placed.name)} offers no streams")
        for sync in sorted(catalog.streams, key=lambda each: each.stream.full_name):
            listing.add(_cells(sync), _stream_record(sync))
        print_listing(listing, output, _STREAM_FIELDS)
        if catalog.streams and output == "table":
            sys.stdout.flush()
            defaults = choose(catalog, ALL_STREAMS).selected
            example = next((each for each in defaults if each.cursor), defaults[0])
            say(f"to connect one: {PROGRAM} connections create … --stream {shlex.quote(written(example))}")
        return 0

    return change(common, settings, act, dry_run=False)


def _actors(control: Control, kind: str) -> Actors:
    return control.sources if kind == "source" else control.destinations


def _find(actors: Actors, name: str) -> Placed:
    with progress(f"Reading the {actors.kind}s …"):
        return actors.find(name)


def _configuration(file: Path) -> Mapping[str, Any]:
    return read_configuration(file, stdin=sys.stdin)


def _made_of(definition: Definition) -> str:
    image = ":".join(filter(None, (definition.repository, definition.tag)))
    return f"connector {named(definition.name)}{f' ({image})' if image else ''}"


def _found(kind: str, placed: Placed) -> str:
    return f"{kind} {named(placed.name)} ({placed.id})"


def _described(kind: str, placed: Placed) -> str:
    connector, home = named(placed.actor.connector), named(placed.workspace.name)
    return f"{_found(kind, placed)} of connector {connector} in workspace {home}"


def _command(kind: str, verb: str, placed: Placed) -> str:
    return f"{PROGRAM} {kind}s {verb} {placed.id}"


def _cannot(kind: str, placed: Placed, checked: Check) -> str:
    reason = checked.message or "its connector does not say why"
    return f"{kind} {named(placed.name)} cannot connect: {reason}"


def _tell_success(kind: str, placed: Placed, output: str) -> None:
    text = f"{kind} {named(placed.name)} can connect"
    if output == "json":
        say(text)
    else:
        click.echo(text)


def _record(placed: Placed) -> dict[str, Any]:
    version = {"connector_version": placed.actor.connector_version}
    return actor_record(placed.actor, placed.workspace) | version


def _cells(sync: StreamSync) -> tuple[Cell, ...]:
    stream = sync.stream
    cursor = ".".join(stream.default_cursor) or ("by the source" if stream.source_defined_cursor else "")
    return (
        Cell(stream.full_name),
        Cell(", ".join(stream.sync_modes)),
        Cell(cursor),
        Cell(", ".join(".".join(path) for path in stream.source_defined_key)),
        Cell(str(len(stream.columns)) if stream.columns else ""),
    )


def _stream_record(sync: StreamSync) -> dict[str, Any]:
    stream = sync.stream
    return {
        "name": stream.name,
        "namespace": stream.namespace,
        "sync_modes": [str(mode) for mode in stream.sync_modes],
        "cursor": ".".join(stream.default_cursor) or None,
        "source_defined_cursor": stream.source_defined_cursor,
        "primary_key": [".".join(path) for path in stream.source_defined_key],
        "columns": list(stream.columns),
    }
