"""Commands that stay: ``run``, ``demo``, ``simulate``."""

from typing import Any, Final

import click

from airbyte_exporter.cli._shared import Common, common_options, perform

GENERATIONS: Final = ("reference", "0.50", "1.6", "2.0")
AUTHENTICATIONS: Final = ("none", "basic", "bearer", "client-credentials")

_connections = click.option(
    "--connections",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=12,
    show_default=True,
    help="How many connections the simulated Airbyte has.",
)
_seed = click.option(
    "--seed",
    metavar="N",
    type=int,
    default=0,
    show_default=True,
    help="The same seed makes the same simulated Airbyte.",
)
_speed = click.option(
    "--speed",
    metavar="X",
    type=click.FloatRange(min=0, min_open=True, max=86_400),
    default=60,
    show_default=True,
    help="Divides schedules and durations of the simulated Airbyte: at 60 an hourly sync runs every minute.",
)


@click.command(short_help="Watch an Airbyte: metrics, status page, alerts.")
@click.option(
    "--adopt-state",
    is_flag=True,
    help="Take over a state that belongs to another Airbyte, after a move for example.",
)
@click.option(
    "--listen-address", metavar="HOST:PORT", help="Where the pages are served (web.listen_address)."
)
@common_options
@click.pass_obj
def run(common: Common, /, **arguments: Any) -> int:
    """Watch an Airbyte: metrics, status page, alerts.

    Runs until SIGTERM or SIGINT. Airbyte does not have to be up at the start. Everything is set by
    environment variables or a configuration file, see `airbyte-exporter config show`.
    """
    return perform("_run", common, **arguments)


@click.command(short_help="See all of it work against a simulated Airbyte.")
@_connections
@_seed
@_speed
@click.option(
    "--listen-address",
    metavar="HOST:PORT",
    default="127.0.0.1:10980",
    show_default=True,
    help="Where the pages are served.",
)
@click.option(
    "--duration", metavar="DURATION", help="Stop by itself after this time (90, 5m); else with Ctrl-C."
)
@common_options
@click.pass_obj
def demo(common: Common, /, **arguments: Any) -> int:
    """See all of it work against a simulated Airbyte.

    One process and nothing else: a simulated Airbyte, the exporter watching it, and a webhook receiver that
    prints what arrives. Nothing is left behind. Of the configuration only the log is used.
    """
    return perform("_demo", common, **arguments)


@click.command(short_help="Run only the simulated Airbyte.")
@click.option(
    "--listen-address",
    metavar="HOST:PORT",
    default="127.0.0.1:8001",
    show_default=True,
    help="Where the simulated API is served.",
)
@click.option(
    "--generation",
    type=click.Choice(GENERATIONS),
    default=GENERATIONS[-1],
    show_default=True,
    help="Which Airbyte's API it speaks.",
)
@_connections
@_seed
@_speed
@click.option(
    "--auth",
    type=click.Choice(AUTHENTICATIONS),
    default="none",
    show_default=True,
    help="How clients have to authenticate.",
)
@click.option(
    "--token-lifetime",
    metavar="DURATION",
    default="15m",
    show_default=True,
    help="How long a token for client credentials is good (90, 5m).",
)
@common_options
@click.pass_obj
def simulate(common: Common, /, **arguments: Any) -> int:
    """Run only the simulated Airbyte.

    It speaks the Config API under /api/v1 and the public API under /api/public/v1; as generation `0.50` (a
    Docker installation) the Config API alone; as generation `reference` the short reference API under
    /api/v1. Runs until SIGTERM or SIGINT.
    """
    return perform("_simulate", common, **arguments)
