"""``simulate``: the simulated Airbyte alone."""

import errno
import os

import click

from airbyte_exporter.cli._settings import positive_seconds, settings_for
from airbyte_exporter.cli._shared import Common, typed_again
from airbyte_exporter.cli._signals import StopRequest
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.simulator import Credentials, SimulatorServer, World


def main(
    common: Common,
    *,
    listen_address: str,
    generation: str,
    connections: int,
    seed: int,
    speed: float,
    auth: str,
    token_lifetime: str,
) -> int:
    """Serve a simulated Airbyte in the foreground."""
    lifetime = positive_seconds("--token-lifetime", token_lifetime)
    settings_for(common, {"web.listen_address": listen_address}, environ={})
    world = World(seed=seed, connections=connections, speed=speed, now=common.clock())
    try:
        server = SimulatorServer(
            world,
            listen_address=listen_address,
            generation=generation,
            auth=auth,
            token_lifetime=lifetime,
            clock=common.clock,
        )
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    with StopRequest() as stop:
        start_simulator(server, listen_address)
        try:
            click.echo(_introduction(server, generation, auth, connections))
            stop.wait()
        finally:
            server.stop()
    return 0


def start_simulator(server: SimulatorServer, listen_address: str) -> None:
    """Let a simulated Airbyte listen.

    Raises:
        AirbyteExporterError: It cannot, at that address.
    """
    try:
        server.start()
    except (OSError, ValueError) as error:
        raise cannot_listen("the simulated Airbyte", listen_address, error) from error


def cannot_listen(what: str, listen_address: str, error: BaseException) -> AirbyteExporterError:
    """Return what to tell a person about an address that cannot be listened on."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        reason = "something else listens there; stop it, or"
    else:
        reason = f"{os.strerror(number).lower() if number and number > 0 else 'there is no such host'};"
    return AirbyteExporterError(
        f"cannot serve {what} at {listen_address}: {reason} choose another --listen-address "
        "(port 0 takes a free one)"
    )


def _introduction(server: SimulatorServer, generation: str, auth: str, connections: int) -> str:
    """Say where it is and how to watch it, ready to be copied into a shell."""
    many = "1 connection" if connections == 1 else f"{connections} connections"
    if server.generation.version:
        lines = [f"A simulated Airbyte {generation} with {many}.", "", f"  Config API  {server.url}/api/v1"]
    else:
        lines = [
            f"A simulated Airbyte as in the short reference of its API, with {many}.",
            "",
            f"  API  {server.url}/api/v1",
        ]
    if server.generation.public_api:
        lines.append(f"  Public API  {server.url}/api/public/v1")
    variables = {"URL": server.url, **_variables(server.credentials, auth)}
    lines += ["", "Watch it from another shell:", ""]
    lines += [_export(name, value) for name, value in variables.items()]
    lines += [f"  {typed_again()} connections list", f"  {typed_again()} run"]
    if auth == "client-credentials":
        known, readable = server.credentials, len(server.reader_workspaces)
        count = len(server.world.workspaces())
        lines += ["", f"These instead may read only {readable} of the {count} workspaces:", ""]
        lines += [_export("CLIENT_ID", known.reader_client_id)]
        lines += [_export("CLIENT_SECRET", known.reader_client_secret)]
    return "\n".join([*lines, "", "Ctrl-C ends it."])


def _export(name: str, value: str) -> str:
    return f"  export AIRBYTE_EXPORTER_AIRBYTE__{name}={value}"


def _variables(credentials: Credentials, auth: str) -> dict[str, str]:
    """Return what a client of this exporter has to be given."""
    if auth == "basic":
        return {"USERNAME": credentials.username, "PASSWORD": credentials.password}
    if auth == "bearer":
        return {"TOKEN": credentials.token}
    if auth == "client-credentials":
        return {"CLIENT_ID": credentials.client_id, "CLIENT_SECRET": credentials.client_secret}
    return {}
