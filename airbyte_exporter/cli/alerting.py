"""Commands about alerts: ``alerts list|history|test`` and ``alerts silence add|list|expire``."""

from typing import Any

import click

from airbyte_exporter.cli._shared import (
    Common,
    common_options,
    output_of_list,
    output_of_one,
    perform,
)


@click.group()
@common_options
def alerts() -> None:
    """Look at alerts, try a receiver, silence what is known.

    These read and write the state that the configuration names, beside the exporter that has it. Airbyte is
    not asked.
    """


@alerts.command("list")
@output_of_list
@common_options
@click.pass_obj
def list_alerts(common: Common, /, **arguments: Any) -> int:
    """List the incidents that go on, newest first: who was told, and what is silenced until when."""
    return perform("_alerts", common, **arguments)


@alerts.command("history")
@click.option(
    "--since",
    metavar="DURATION",
    default="7d",
    show_default=True,
    help="Incidents that went on within this time (12h, 7d); they are kept for 90 days after their end.",
)
@click.option(
    "--connection",
    "-c",
    metavar="CONNECTION",
    help="Only those of this connection: its id, the first 4 or more characters of it, or its exact name.",
)
@output_of_list
@common_options
@click.pass_obj
def show_history(common: Common, /, **arguments: Any) -> int:
    """List incidents that went on lately, those that are over too, newest first."""
    return perform("_alerts", common, function="history", **arguments)


@alerts.command("test")
@click.argument("receiver")
@common_options
@click.pass_obj
def try_receiver(common: Common, receiver: str) -> int:
    """Send RECEIVER a test alert and its end, straight away.

    RECEIVER is a name in alerts.receivers, or `webhook` for alerts.webhook_url. What is sent says that it is
    a test. Exits with 1 when it was not taken.
    """
    return perform("_alerts", common, function="test", receiver=receiver)


@alerts.group()
@common_options
def silence() -> None:
    """Hold back for a while what is known or planned."""


@silence.command("add", short_help="Silence some alerts for a while.")
@click.option(
    "--match",
    "-m",
    metavar="KEY=VALUE",
    multiple=True,
    help="Which alerts: severity, rule, workspace, tag, source_connector, destination_connector or "
    "connection, as in a route. Several keys must all fit; of one that is given again one value is enough.",
)
@click.option("--all", "all_", is_flag=True, help="Every alert, in place of --match.")
@click.option("--for", "for_", metavar="DURATION", help="How long (30m, 4h, 2d).")
@click.option(
    "--until", metavar="TIME", help="In place of --for: 18:00, 2026-01-31T18:00 or 2026-01-31T17:00:00Z."
)
@click.option("--reason", metavar="TEXT", required=True, help="Why, for the others.")
@click.option("--author", metavar="NAME", help="Who; by default this system's user name.")
@output_of_one
@common_options
@click.pass_obj
def add_silence(common: Common, /, **arguments: Any) -> int:
    """Silence some alerts for a while, from now on, and print which of those that go on these are.

    While an alert is silenced nothing new about it is sent. Whoever has been told of it before is told of its
    end all the same; what still goes on when the silence ends is told then.
    """
    return perform("_silences", common, function="add", **arguments)


@silence.command("list")
@click.option("--all", "all_", is_flag=True, help="Those that are over too; they are kept for 90 days.")
@output_of_list
@common_options
@click.pass_obj
def list_silences(common: Common, /, **arguments: Any) -> int:
    """List the silences that hold, newest first."""
    return perform("_silences", common, **arguments)


@silence.command("expire")
@click.argument("silence_id", metavar="ID")
@common_options
@click.pass_obj
def expire_silence(common: Common, silence_id: str) -> int:
    """End a silence before its time.

    ID is what `alerts silence list` shows, or the first 4 or more characters of it.
    """
    return perform("_silences", common, function="expire", silence_id=silence_id)
