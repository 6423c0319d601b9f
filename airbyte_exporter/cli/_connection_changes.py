"""``connections create|update|schedule|enable|disable|delete|sync|reset|refresh``."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from airbyte_exporter.cli._airbyte import progress
from airbyte_exporter.cli._changing import change, confirm, must_be_a_name, named, say, tell
from airbyte_exporter.cli._connections import connection_record, schedule_text
from airbyte_exporter.cli._jobs import job_record
from airbyte_exporter.cli._settings import patience, positive_seconds, settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._waiting import SHORTEST_INTERVAL, wait_for
from airbyte_exporter.control import (
    ALL_STREAMS,
    MANUAL,
    Control,
    ControlError,
    Placed,
    choose,
    cron,
    every,
    key_of,
    next_runs,
    written,
)
from airbyte_exporter.durations import parse_duration
from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.logs import visible
from airbyte_exporter.model import (
    Catalog,
    Connection,
    ConnectionStatus,
    Job,
    Namespace,
    Schedule,
    ScheduleType,
)

_STREAMS_SHOWN: Final = 20


def create(
    common: Common,
    *,
    source: str,
    destination: str,
    workspace: str | None,
    name: str | None,
    streams: Sequence[str],
    all_streams: bool,
    namespace: str | None,
    namespace_format: str | None,
    prefix: str | None,
    inactive: bool,
    timeout: str,
    dry_run: bool,
    output: str,
    **timing: Any,
) -> int:
    """Connect a source with a destination."""
    wanted = _wanted(streams, all_streams=all_streams)
    if wanted is None:
        raise ConfigurationError("say which streams: --stream for each, or --all-streams")
    if name is not None:
        must_be_a_name(name)
    schedule = _schedule(common, **timing) or MANUAL
    where = _namespace(namespace, namespace_format)
    seconds = patience(timeout)
    settings = settings_for(common)

    def act(control: Control) -> int:
        with progress("Looking for source and destination …"):
            home = None if workspace is None else control.workspace(workspace)
            start = control.sources.find(source, home)
            end = control.destinations.find(destination, start.workspace)
        called = f"{start.name} → {end.name}" if name is None else name
        _tell_ends(start, end)
        control.connections.must_be_possible(called, start, end, schedule=schedule)
        with progress("Waiting for the source to tell its streams …"):
            catalog = control.sources.discover(start, timeout=seconds)
        _tell_streams(choose(catalog, wanted))
        _tell_schedule(schedule, now=int(common.clock()))
        made = control.connections.create(
            called,
            start,
            end,
            wanted,
            schedule=schedule,
            catalog=catalog,
            active=not inactive,
            namespace=where or Namespace.DESTINATION,
            namespace_format=namespace_format,
            prefix=prefix or "",
        )
        then = f"enable {made.id}" if inactive else f"sync {made.id} --wait --join"
        told = f"connection {named(made.name)} ({made.id}) created; airbyte-exporter connections {then}"
        tell(told, connection_record(made, start.workspace.name), output)
        return 0

    return change(common, settings, act, dry_run=dry_run, output=output)


def update(
    common: Common,
    *,
    connection: str,
    name: str | None,
    streams: Sequence[str],
    all_streams: bool,
    discover: bool,
    namespace: str | None,
    namespace_format: str | None,
    prefix: str | None,
    timeout: str,
    dry_run: bool,
    output: str,
) -> int:
    """Change a connection's name, its streams, or where they go."""
    wanted = _wanted(streams, all_streams=all_streams)
    where = _namespace(namespace, namespace_format)
    if not discover and (wanted, name, where, prefix) == (None, None, None, None):
        raise ConfigurationError(
            "say what to change: --name, --stream, --all-streams, --discover, --namespace, "
            "--namespace-format or --prefix"
        )
    if name is not None:
        must_be_a_name(name)
    seconds = patience(timeout)

    def act(control: Control, found: Connection) -> int:
        home = _home_of(control, found, output)
        catalog = None
        if discover or wanted is not None:
            with progress("Reading the streams …"):
                setup = control.connections.setup(found)
                catalog = control.connections.streams_of(setup, wanted, discover=discover, timeout=seconds)
            _tell_streams(catalog, before=setup.catalog)
        with progress("Changing the connection …"):
            changed = control.connections.update(
                found,
                name=name,
                streams=wanted,
                discover=discover,
                catalog=catalog,
                namespace=where,
                namespace_format=namespace_format,
                prefix=prefix,
            )
        _tell_changed(changed, home, "updated", output)
        return 0

    return _with_connection(common, connection, act, dry_run=dry_run, output=output)


def schedule(common: Common, *, connection: str, dry_run: bool, output: str, **timing: Any) -> int:
    """Change when a connection syncs."""
    wanted = _schedule(common, **timing)
    if wanted is None:
        raise ConfigurationError("say when: --every 6h, --cron '0 0 6 ? * MON-FRI' or --manual")

    def act(control: Control, found: Connection) -> int:
        _tell_schedule(wanted, now=int(common.clock()))
        home = _home_of(control, found, output)
        changed = control.connections.schedule(found, wanted)
        _tell_changed(changed, home, f"has its schedule: {_in_words(wanted)}", output)
        return 0

    return _with_connection(common, connection, act, dry_run=dry_run, output=output)


def switch(common: Common, *, connection: str, on: bool, dry_run: bool) -> int:
    """Enable or disable a connection."""

    def act(control: Control, found: Connection) -> int:
        wanted = ConnectionStatus.ACTIVE if on else ConnectionStatus.INACTIVE
        if found.status is wanted:
            click.echo(visible(f"connection {named(found.name)} is {wanted} already"))
            return 0
        (control.connections.enable if on else control.connections.disable)(found)
        click.echo(visible(f"connection {named(found.name)} is {wanted} now"))
        return 0

    return _with_connection(common, connection, act, dry_run=dry_run)


def delete(common: Common, *, connection: str, yes: bool, dry_run: bool) -> int:
    """Delete a connection."""

    def act(control: Control, found: Connection) -> int:
        confirm(f"Delete connection {named(found.name)}, for good", yes=yes, dry_run=dry_run)
        control.connections.delete(found)
        click.echo(visible(f"connection {named(found.name)} ({found.id}) deleted"))
        return 0

    return _with_connection(common, connection, act, dry_run=dry_run)


def sync(common: Common, *, connection: str, join: bool, dry_run: bool, output: str, **waiting: Any) -> int:
    """Begin a sync."""
    return _begin(
        common,
        connection,
        lambda control, found: control.connections.sync(found, join=join),
        dry_run=dry_run,
        output=output,
        **waiting,
    )


def reset(common: Common, *, connection: str, yes: bool, dry_run: bool, output: str, **waiting: Any) -> int:
    """Begin a reset."""

    def ask(found: Connection) -> None:
        question = f"Remove everything that connection {named(found.name)} has written to its destination"
        confirm(question, yes=yes, dry_run=dry_run)

    return _begin(
        common,
        connection,
        lambda control, found: control.connections.reset(found),
        ask=ask,
        dry_run=dry_run,
        output=output,
        **waiting,
    )


def refresh(
    common: Common,
    *,
    connection: str,
    streams: Sequence[str],
    truncate: bool,
    yes: bool,
    dry_run: bool,
    output: str,
    **waiting: Any,
) -> int:
    """Begin a refresh."""

    def ask(found: Connection) -> None:
        if truncate:
            what = ", ".join(map(named, streams)) or "everything"
            question = f"Read {what} of connection {named(found.name)} anew, and remove what was there before"
            confirm(question, yes=yes, dry_run=dry_run)

    return _begin(
        common,
        connection,
        lambda control, found: control.connections.refresh(found, streams, truncate=truncate),
        ask=ask,
        dry_run=dry_run,
        output=output,
        **waiting,
    )


def _begin(
    common: Common,
    connection: str,
    start: Callable[[Control, Connection], Job],
    *,
    ask: Callable[[Connection], None] | None = None,
    dry_run: bool,
    output: str,
    wait: bool,
    timeout: str | None,
    interval: str,
) -> int:
    seconds = positive_seconds("--interval", interval, shortest=SHORTEST_INTERVAL)
    longest = None if timeout is None else positive_seconds("--timeout", timeout)
    if longest is not None and not wait:
        raise ConfigurationError("--timeout is for --wait")

    def act(control: Control, found: Connection) -> int:
        if ask is not None:
            ask(found)
        with progress("Waiting for Airbyte to begin …"):
            job = start(control, found)
        if wait:
            return wait_for(
                common, control.client, job, found, timeout=longest, interval=seconds, output=output
            )
        told = (
            f"job {job.id} of connection {named(found.name)} has begun; airbyte-exporter jobs wait {job.id}"
        )
        tell(told, job_record(job, found), output)
        return 0

    return _with_connection(common, connection, act, dry_run=dry_run, output=output)


def _with_connection(
    common: Common,
    name: str,
    act: Callable[[Control, Connection], int],
    *,
    dry_run: bool,
    output: str = "table",
) -> int:
    """Do `act` with the connection that `name` means, having told which one that is."""
    settings = settings_for(common)

    def find_and_act(control: Control) -> int:
        with progress("Looking for the connection …"):
            found = control.connections.find(name)
        say(
            f"connection {named(found.name)} ({found.id}), "
            f"{found.source.connector} → {found.destination.connector}, {found.status}"
        )
        return act(control, found)

    return change(common, settings, find_and_act, dry_run=dry_run, output=output)


def _home_of(control: Control, connection: Connection, output: str) -> str:
    """Return the name of a connection's workspace, where it is to be told: before anything is changed."""
    homes = {each.id: each.name for each in control.client.workspaces()} if output == "json" else {}
    return homes.get(connection.workspace_id, "")


def _tell_changed(connection: Connection, home: str, what: str, output: str) -> None:
    tell(f"connection {named(connection.name)} {what}", connection_record(connection, home), output)


def _tell_ends(source: Placed, destination: Placed) -> None:
    say(f"source {named(source.name)} ({source.id}), {source.actor.connector}")
    say(f"destination {named(destination.name)} ({destination.id}), {destination.actor.connector}")
    say(f"workspace {named(source.workspace.name)}")


def _tell_streams(catalog: Catalog, before: Catalog | None = None) -> None:
    """Say which streams are synced and how, and which of those `before` no more."""
    keys = {key_of(each.stream) for each in catalog.selected}
    gone = [each for each in before.selected if key_of(each.stream) not in keys] if before else []
    _tell_some([f"stream {written(each)}" for each in catalog.selected])
    _tell_some([f"stream {each.stream.full_name} is synced no more" for each in gone])


def _tell_some(lines: Sequence[str]) -> None:
    for line in lines[:_STREAMS_SHOWN]:
        say(line)
    if len(lines) > _STREAMS_SHOWN:
        say(f"and {len(lines) - _STREAMS_SHOWN} more streams")


def _tell_schedule(schedule: Schedule, *, now: int) -> None:
    say(f"schedule: {_in_words(schedule)}")
    if schedule.type is ScheduleType.CRON:
        zone = _zone(schedule.cron_time_zone)
        for run in next_runs(schedule, now):
            when = datetime.fromtimestamp(run, UTC).astimezone(zone)
            say(f"  next: {when.strftime('%a %Y-%m-%d %H:%M:%S %Z')}")


def _in_words(schedule: Schedule) -> str:
    zone = f" in {schedule.cron_time_zone}" if schedule.cron_time_zone else ""
    counted = ", counted from its last scheduled sync" if schedule.type is ScheduleType.BASIC else ""
    return f"{schedule_text(schedule)}{zone}{counted}"


def _zone(name: str | None) -> tzinfo:
    """Return a time zone to show times in; Quartz knows a few names more than Python does."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _schedule(
    common: Common,
    *,
    every: str | None,
    expression: str | None,
    time_zone: str | None,
    manual: bool,
) -> Schedule | None:
    """Return the schedule that the options say, ``None`` if they say none.

    Raises:
        ConfigurationError: They say several, half of one, or one that Airbyte could not run.
    """
    if sum((every is not None, expression is not None, manual)) > 1:
        raise ConfigurationError("--every, --cron and --manual are three ways to say when: give one")
    if time_zone is not None and expression is None:
        raise ConfigurationError("--timezone is for --cron")
    try:
        if every is not None:
            return _basic(every)
        if expression is not None:
            return cron(expression, time_zone or "UTC", now=int(common.clock()))
    except ControlError as error:
        raise ConfigurationError(str(error)) from None
    return MANUAL if manual else None


def _basic(text: str) -> Schedule:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--every {error}") from None
    return every(seconds)


def _wanted(streams: Sequence[str], *, all_streams: bool) -> tuple[str, ...] | None:
    if streams and all_streams:
        raise ConfigurationError("--stream and --all-streams are two ways to say which streams: give one")
    if all_streams:
        return ALL_STREAMS
    return tuple(streams) or None


def _namespace(name: str | None, format_: str | None) -> Namespace | None:
    if name is not None and format_ is not None:
        raise ConfigurationError("--namespace and --namespace-format are two ways to say where: give one")
    if format_ is not None:
        if not format_.strip():
            raise ConfigurationError(
                "--namespace-format must not be empty, such as 'raw_${SOURCE_NAMESPACE}'"
            )
        return Namespace.CUSTOM
    return None if name is None else Namespace(name)
