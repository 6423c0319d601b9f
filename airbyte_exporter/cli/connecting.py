"""Commands that change connections, and set them to work."""

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, Final, TypeVar

import click

from airbyte_exporter.cli._shared import (
    Common,
    common_options,
    connector_timeout,
    dry_run_option,
    output_of_one,
    perform,
    yes_option,
)
from airbyte_exporter.cli.listings import JobId, connections, jobs

__all__ = ["connections", "jobs"]

C = TypeVar("C", bound=Callable[..., Any])

_MODULE: Final = "_connection_changes"
_NAMING: Final = "CONNECTION is its id, the first 4 or more characters of its id, or its exact name."

_name = click.option("--name", metavar="NAME", help="What people call it.")
_stream = click.option(
    "--stream",
    "-s",
    "streams",
    metavar="STREAM",
    multiple=True,
    help="A stream and how it is synced: customers, orders:full_refresh:overwrite, "
    "customers:incremental:updated_at:append, …:append_dedup:id. Give it once for each.",
)
_all_streams = click.option(
    "--all-streams", is_flag=True, help="Every stream of the source, each as it is synced by default."
)
_namespace = click.option(
    "--namespace",
    type=click.Choice(("destination", "source")),
    help="Where the streams go: to the destination's default, or as in the source.",
)
_namespace_format = click.option(
    "--namespace-format",
    metavar="TEXT",
    help="In place of --namespace: a format such as 'raw_${SOURCE_NAMESPACE}'.",
)
_prefix = click.option("--prefix", metavar="TEXT", help="What is put before each stream's name.")


def _schedule_options(command: C) -> C:
    for option in (
        click.option("--manual", is_flag=True, help="Only when somebody asks for it."),
        click.option(
            "--timezone",
            "time_zone",
            metavar="ZONE",
            help="The time zone of --cron, such as Europe/Berlin.  [default: UTC]",
        ),
        click.option(
            "--cron",
            "expression",
            metavar="EXPRESSION",
            help="By a Quartz expression, seconds first: '0 0 6 ? * MON-FRI'.",
        ),
        click.option("--every", metavar="DURATION", help="So often after its last one: 30m, 6h, 1d."),
    ):
        command = option(command)
    return command


def _waiting_options(command: C) -> C:
    for option in (
        click.option(
            "--interval",
            metavar="DURATION",
            default="5s",
            show_default=True,
            help="With --wait: how often Airbyte is asked.",
        ),
        click.option(
            "--timeout", metavar="DURATION", help="With --wait: give up waiting after this time (30m, 6h)."
        ),
        click.option("--wait", is_flag=True, help="Watch the job until it is over, and exit by how it went."),
    ):
        command = option(command)
    return command


def _change_options(command: Callable[Concatenate[Common, ...], int]) -> Callable[..., int]:
    """Let a command that shows what has become of its change take what all of them take."""
    return dry_run_option(output_of_one(common_options(click.pass_obj(command))))


def _on_connection(
    name: str, *, short_help: str | None = None
) -> Callable[[Callable[..., int]], click.Command]:
    """Make a function the command `name` of one connection; its help says how one is named."""

    def made(function: Callable[..., int]) -> click.Command:
        text = f"{inspect.getdoc(function) or ''}\n\n{_NAMING}"
        command = connections.command(name, help=text, short_help=short_help)
        return command(click.argument("connection")(function))

    return made


@connections.command("create", short_help="Connect a source with a destination.")
@click.option("--source", metavar="SOURCE", required=True, help="Where from: an id or a name.")
@click.option("--destination", metavar="DESTINATION", required=True, help="Where to: an id or a name.")
@click.option(
    "--workspace", "-w", metavar="WORKSPACE", help="Which workspace they are in, where names are not enough."
)
@_name
@_stream
@_all_streams
@_schedule_options
@_namespace
@_namespace_format
@_prefix
@click.option("--inactive", is_flag=True, help="Do not let it sync yet.")
@connector_timeout
@_change_options
def create(common: Common, /, **arguments: Any) -> int:
    """Connect a source with a destination.

    The source is asked for its streams first, and what does not fit them is an error before anything is
    created. Without a schedule it syncs only when somebody asks for it. By default it is called
    SOURCE → DESTINATION.
    """
    return perform(_MODULE, common, function="create", **arguments)


@_on_connection("update", short_help="Change a connection's name, streams or where they go.")
@_name
@_stream
@_all_streams
@click.option(
    "--discover",
    is_flag=True,
    help="Ask the source for its streams anew, and take over their present schemas.",
)
@_namespace
@_namespace_format
@_prefix
@connector_timeout
@_change_options
def update(common: Common, /, **arguments: Any) -> int:
    """Change a connection's name, its streams, or where they go.

    With --stream those that are named are synced from now on, and no others; one of which only the name is
    given is synced as it was. --discover accepts the schemas as they are now, which is what a breaking change
    needs, and alone keeps the streams: where one of them, its cursor or its key is gone, say with --stream
    what is synced from now on.
    """
    return perform(_MODULE, common, function="update", **arguments)


@_on_connection("schedule", short_help="Change when a connection syncs.")
@_schedule_options
@_change_options
def schedule(common: Common, /, **arguments: Any) -> int:
    """Change when a connection syncs: --every, --cron or --manual.

    A cron expression is read as Airbyte's scheduler reads it, and the next five runs are shown.
    """
    return perform(_MODULE, common, function="schedule", **arguments)


@_on_connection("enable")
@dry_run_option
@common_options
@click.pass_obj
def enable(common: Common, /, **arguments: Any) -> int:
    """Have a connection sync from now on."""
    return perform(_MODULE, common, function="switch", on=True, **arguments)


@_on_connection("disable", short_help="Have a connection sync no more.")
@dry_run_option
@common_options
@click.pass_obj
def disable(common: Common, /, **arguments: Any) -> int:
    """Have a connection sync no more; a sync that runs goes on to its end."""
    return perform(_MODULE, common, function="switch", on=False, **arguments)


@_on_connection("delete", short_help="Delete a connection.")
@yes_option
@dry_run_option
@common_options
@click.pass_obj
def delete(common: Common, /, **arguments: Any) -> int:
    """Delete a connection; what it has written stays in the destination."""
    return perform(_MODULE, common, function="delete", **arguments)


@_on_connection("sync", short_help="Begin a sync now.")
@click.option("--join", is_flag=True, help="Where one is at work already, take that one: no error.")
@_waiting_options
@_change_options
def sync(common: Common, /, **arguments: Any) -> int:
    """Begin a sync now; with --wait, watch it.

    Without --wait it exits with 0 when the sync has begun. Ctrl-C ends the watching, never the sync.
    """
    return perform(_MODULE, common, function="sync", **arguments)


@_on_connection("reset", short_help="Remove what a connection has written.")
@_waiting_options
@yes_option
@_change_options
def reset(common: Common, /, **arguments: Any) -> int:
    """Remove what a connection has written and forget how far it has read: the next sync reads everything."""
    return perform(_MODULE, common, function="reset", **arguments)


@_on_connection("refresh", short_help="Read everything anew.")
@click.option(
    "--stream", "-s", "streams", metavar="NAME", multiple=True, help="Only this stream; can be given again."
)
@click.option("--truncate", is_flag=True, help="Remove what was written before once the new is there.")
@_waiting_options
@yes_option
@_change_options
def refresh(common: Common, /, **arguments: Any) -> int:
    """Read everything of a connection anew, beside what was written before (Airbyte 0.58 and newer)."""
    return perform(_MODULE, common, function="refresh", **arguments)


@jobs.command("cancel")
@click.argument("job_id", metavar="ID", type=JobId())
@yes_option
@_change_options
def cancel(common: Common, /, **arguments: Any) -> int:
    """Cancel a job by its id. What it has committed already stays in the destination."""
    return perform("_job_changes", common, **arguments)
