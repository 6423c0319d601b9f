"""The root of the command line: global options, and how every error becomes one line and an exit code."""

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from airbyte_exporter import __version__
from airbyte_exporter.cli._journal import ERROR, is_journal
from airbyte_exporter.cli._shared import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    PROGRAM,
    Common,
    common_options,
)
from airbyte_exporter.cli.actor_changes import commands_for
from airbyte_exporter.cli.alerting import alerts
from airbyte_exporter.cli.checking import check
from airbyte_exporter.cli.configuration import config
from airbyte_exporter.cli.connecting import connections, jobs
from airbyte_exporter.cli.daemon import demo, run, simulate
from airbyte_exporter.cli.listings import (
    definitions,
    destinations,
    sources,
    workspaces,
)
from airbyte_exporter.errors import AirbyteExporterError, ConfigurationError

_UNWRITABLE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_PACKAGE: Final = Path(__file__).resolve().parent.parent


class _Root(click.Group):
    """A group that tells of every error in one line; click's own way is a usage text of several."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command that `args` name; standalone, end the process with its exit code."""
        common: Common = extra.setdefault("obj", None) or Common()
        extra["obj"] = common
        arguments = {"complete_var": complete_var, "windows_expand_args": windows_expand_args, **extra}
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **arguments)
        _prepare_output()
        try:
            result = super().main(args, prog_name or PROGRAM, standalone_mode=False, **arguments)
            sys.stdout.flush()
        except Exception as error:  # noqa: BLE001 - every error ends here, as a line for a person
            code = _report(error, debug=common.debug)
            _give_up_unwritable_output()
            sys.exit(code)
        sys.exit(result if isinstance(result, int) else 0)


def _prepare_output() -> None:
    """Let no character that the terminal's encoding lacks be an error, and no output that is closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for good
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_unwritable_output() -> None:
    """Let what cannot be written be lost: Python flushes once more at exit, and that must not fail again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: Exception, *, debug: bool) -> int:
    """Tell of `error` on standard error, and return the exit code for it."""
    if isinstance(error, BrokenPipeError):
        return EXIT_FAILED  # whoever read our output has seen enough
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx is not None:
        click.echo(error.ctx.get_help(), err=True)
        return EXIT_USAGE
    if isinstance(error, click.Abort):
        click.echo(f"{PROGRAM}: interrupted", err=True)
        return EXIT_INTERRUPTED
    if debug:
        traceback.print_exception(error)
    priority = ERROR if is_journal(sys.stderr) else ""
    for line in _explain(error):
        click.echo(f"{priority}{PROGRAM}: {line}", err=True)
    return EXIT_USAGE if isinstance(error, click.UsageError | ConfigurationError) else EXIT_FAILED


def _explain(error: Exception) -> list[str]:
    if isinstance(error, click.ClickException):
        said = " ".join(error.format_message().split())
        if isinstance(error, click.UsageError) and error.ctx is not None:
            said = f"{said.rstrip('.')} (see {error.ctx.command_path} --help)"
        return [said]
    if isinstance(error, AirbyteExporterError):
        return str(error).splitlines() or [type(error).__name__]
    # The text of a foreign exception can hold what it failed on, a secret included: only its kind is told.
    files = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    ours = [
        f" in {file.relative_to(_PACKAGE)} line {line}" for file, line in files if _PACKAGE in file.parents
    ]
    where = ours[-1] if ours else ""
    if isinstance(error, OSError) and error.errno in _UNWRITABLE and error.filename is None:
        # A file of ours would have its name, and the state says what it is.
        return [f"cannot write the output: {os.strerror(error.errno).lower()}"]
    if isinstance(error, OSError) and error.strerror:
        return [f"{error.strerror.lower()}{where}"]
    return [f"internal error: {type(error).__name__}{where}; run it again with --log-level debug to see more"]


@click.group(
    cls=_Root,
    name=PROGRAM,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@common_options
def command_line() -> None:
    """Prometheus metrics and trustworthy alerts for Airbyte.

    Try `airbyte-exporter demo` first: it needs nothing else. With an Airbyte of your own, set
    AIRBYTE_EXPORTER_AIRBYTE__URL (and credentials, or write a configuration file), let
    `airbyte-exporter check` say whether all is well, and use `airbyte-exporter run`.
    """


for command in (
    run,
    demo,
    simulate,
    check,
    config,
    workspaces,
    definitions,
    sources,
    destinations,
    connections,
    jobs,
    alerts,
):
    command_line.add_command(command)

for command in commands_for("source"):
    sources.add_command(command)
for command in commands_for("destination"):
    destinations.add_command(command)
