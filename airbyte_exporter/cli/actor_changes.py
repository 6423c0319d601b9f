"""Commands that change sources and destinations, or have them tried: they join the groups of the listings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import click

from airbyte_exporter.cli._shared import (
    Common,
    common_options,
    connector_timeout,
    dry_run_option,
    log_options,
    output_of_list,
    output_of_one,
    perform,
    yes_option,
)

__all__ = ["commands_for"]

Kind = Literal["source", "destination"]
C = TypeVar("C", bound=Callable[..., Any])

_MODULE: Final = "_actor_changes"


def commands_for(kind: Kind) -> tuple[click.Command, ...]:
    """Return the commands that change what is of `kind`."""
    made = (_create(kind), _update(kind), _delete(kind), _check(kind))
    return (*made, _discover()) if kind == "source" else made


def _configuration(*, required: bool) -> Callable[[C], C]:
    return click.option(
        "--config",
        "configuration",
        metavar="FILE|-",
        type=click.Path(path_type=Path, allow_dash=True),
        required=required,
        help="The connector's configuration: a JSON or YAML file, or - for standard input.",
    )


def _create(kind: Kind) -> click.Command:
    plural = f"{kind}s"

    @click.command("create", help=_CREATE_HELP.format(kind=kind, kinds=plural, **_EXAMPLES[kind]))
    @click.option(
        "--definition",
        metavar="CONNECTOR",
        required=True,
        help="The connector: its name in any case (postgres), its image, or its id; see definitions list.",
    )
    @click.option("--name", metavar="NAME", required=True, help="What people will call it.")
    @_configuration(required=True)
    @click.option(
        "--workspace",
        "-w",
        metavar="WORKSPACE",
        help="Where: id, the first 4 or more characters of it, or exact name. Needed if there are several.",
    )
    @click.option("--check", is_flag=True, help="Try afterwards whether it can connect; 1 if it cannot.")
    @dry_run_option
    @output_of_one
    @log_options
    @click.pass_obj
    def create(common: Common, /, **arguments: Any) -> int:
        return perform(_MODULE, common, function="create", kind=kind, **arguments)

    return create


def _update(kind: Kind) -> click.Command:
    @click.command(
        "update", help=_UPDATE_HELP.format(kind=kind, kinds=f"{kind}s", NAMED=kind.upper(), **_EXAMPLES[kind])
    )
    @click.argument("actor", metavar=kind.upper())
    @click.option("--name", metavar="NAME", help="What people will call it from now on.")
    @_configuration(required=False)
    @click.option(
        "--replace", is_flag=True, help="The file is the whole configuration: what it lacks is taken out."
    )
    @dry_run_option
    @output_of_one
    @log_options
    @click.pass_context
    def update(context: click.Context, /, **arguments: Any) -> int:
        if arguments["replace"] and arguments["configuration"] is None:
            raise click.UsageError("--replace says how --config is meant, which is not given", context)
        if arguments["name"] is None and arguments["configuration"] is None:
            raise click.UsageError("Nothing is to change: give --name, --config or both", context)
        return perform(_MODULE, context.obj, function="update", kind=kind, **arguments)

    return update


def _delete(kind: Kind) -> click.Command:
    @click.command("delete", help=_DELETE_HELP.format(kind=kind, NAMED=kind.upper()))
    @click.argument("actor", metavar=kind.upper())
    @yes_option
    @dry_run_option
    @common_options
    @click.pass_obj
    def delete(common: Common, /, **arguments: Any) -> int:
        return perform(_MODULE, common, function="delete", kind=kind, **arguments)

    return delete


def _check(kind: Kind) -> click.Command:
    @click.command("check", help=_CHECK_HELP.format(kind=kind, NAMED=kind.upper()))
    @click.argument("actor", metavar=kind.upper())
    @connector_timeout
    @output_of_one
    @common_options
    @click.pass_obj
    def check(common: Common, /, **arguments: Any) -> int:
        return perform(_MODULE, common, function="check", kind=kind, **arguments)

    return check


def _discover() -> click.Command:
    @click.command("discover", help=_DISCOVER_HELP)
    @click.argument("actor", metavar="SOURCE")
    @connector_timeout
    @output_of_list
    @common_options
    @click.pass_obj
    def discover(common: Common, /, **arguments: Any) -> int:
        return perform(_MODULE, common, function="discover", **arguments)

    return discover


_NAMING: Final = "is its id, the first 4 or more characters of its id, or its exact name."
_SECRETS: Final = """\
A value ${{NAME}} in the file is that variable of the environment, a value file:PATH the text of that file: so
no secret has to stand in it. Here --config is the connector's configuration;
the exporter's own file is named before the command:

\b
  airbyte-exporter --config exporter.yaml {kinds} """

_EXAMPLES: Final[Mapping[str, Mapping[str, str]]] = {
    "source": {"definition": "postgres", "named": "Shop", "file": "shop.yaml"},
    "destination": {"definition": "S3", "named": "Lake", "file": "lake.yaml"},
}
_CREATE_HELP: Final = f"""\
Create a {{kind}}.

{_SECRETS}create \\
      --definition {{definition}} --name {{named}} --config {{file}}
"""
_UPDATE_HELP: Final = f"""\
Change the name of a {{kind}}, its configuration, or both.

{{NAMED}} {_NAMING} What the file has is changed, what is null in it is taken out,
and everything else stays as it is, secrets included.

{_SECRETS}update \\
      {{named}} --config {{file}}
"""
_DELETE_HELP: Final = f"""\
Delete a {{kind}}, and with it the connections that use it.

{{NAMED}} {_NAMING} What has been synced stays where it is. Asks before it deletes anything.
"""
_CHECK_HELP: Final = f"""\
Try whether a {{kind}} can connect, by running its connector.

{{NAMED}} {_NAMING} Exits with 1, and the connector's reason, if it cannot. Changes nothing.
"""
_DISCOVER_HELP: Final = f"""\
Ask a source for its streams, by running its connector.

SOURCE {_NAMING} Changes nothing.
"""
