"""``demo``: a simulated Airbyte, the daemon watching it as in ``run``, and a reader of the webhooks."""

import base64
import http.client
import json
import os
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from airbyte_exporter.app import Daemon
from airbyte_exporter.cli._inbox import Inbox
from airbyte_exporter.cli._run import STOP_SECONDS, pass_on_failure, thread_errors_logged
from airbyte_exporter.cli._screen import Screen, progress_line
from airbyte_exporter.cli._settings import positive_seconds, settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._signals import StopRequest
from airbyte_exporter.cli._simulate import cannot_listen, start_simulator
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.settings import Settings, load_settings
from airbyte_exporter.simulator import SimulatorServer, World
from airbyte_exporter.store import inspect_store
from airbyte_exporter.web import WebError

_FOLDER: Final = "airbyte-exporter-demo-"
_FIRST_POLL_SECONDS: Final = 30.0
_REFRESH_SECONDS: Final = 1.0
_READING_SHARE: Final = 20
"""Reading the status of a large world takes a while, and is not to be what the demo is busy with."""


def main(
    common: Common,
    *,
    connections: int,
    seed: int,
    speed: float,
    listen_address: str,
    duration: str | None,
) -> int:
    """Show everything at work until Ctrl-C, or for `duration`."""
    seconds = None if duration is None else positive_seconds("--duration", duration)
    with StopRequest() as stop, thread_errors_logged(), Screen(stop.request) as screen:
        with ExitStack() as stack:
            folder = stack.enter_context(_folder(common))
            secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
            inbox = Inbox(secret, screen.show_message)
            inbox.start()
            stack.callback(inbox.stop)
            world = World(seed=seed, connections=connections, speed=speed, now=common.clock())
            airbyte = SimulatorServer(world, listen_address="127.0.0.1:0", clock=common.clock)
            start_simulator(airbyte, "127.0.0.1:0")
            stack.callback(airbyte.stop)
            settings = _settings(common, airbyte.url, Path(folder), listen_address, inbox.url, secret)
            daemon = Daemon(settings)
            try:
                daemon.start()
            except WebError as error:
                raise cannot_listen("the pages", listen_address, error.__cause__ or error) from error
            try:
                pass_on_failure(daemon, stop)
                if _wait_for_first_poll(screen, daemon.address, stop):
                    screen.show_introduction(daemon.address, airbyte.url, connections, speed)
                    # A log in detail runs through the line that would change.
                    is_live = screen.is_terminal and settings.log.level in {"warning", "error"}
                    _watch(screen, daemon.address if is_live else None, stop, seconds)
                screen.show_progress("Stopping …")
            finally:
                stopped = daemon.stop(STOP_SECONDS)
        if daemon.failure is not None:
            raise daemon.failure
        screen.show_end()
    if not stopped:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _folder(common: Common) -> tempfile.TemporaryDirectory[str]:
    """Make a folder for what the demo keeps: where temporary files go, or else beside the configured state.

    Raises:
        AirbyteExporterError: There is no such place.
    """
    with suppress(FileNotFoundError):
        return tempfile.TemporaryDirectory(prefix=_FOLDER)
    # A read-only system, a container for example, has the state's folder and nothing else.
    with suppress(AirbyteExporterError, OSError):
        configured = load_settings(config_file=common.config, overrides={"airbyte.url": "http://localhost"})
        return tempfile.TemporaryDirectory(prefix=_FOLDER, dir=inspect_store(configured.state).path.parent)
    raise AirbyteExporterError("no folder for temporary files can be written to: name one in TMPDIR")


def _wait_for_first_poll(screen: Screen, address: str, stop: StopRequest) -> bool:
    """Wait until the metrics are complete, but not for ever; return false if asked to stop."""
    screen.show_progress("Reading the simulated Airbyte …")
    deadline = time.monotonic() + _FIRST_POLL_SECONDS
    while _read(address, "/-/ready") is None and time.monotonic() < deadline:
        if stop.wait(0.1):
            return False
    return True


def _watch(screen: Screen, address: str | None, stop: StopRequest, seconds: float | None) -> None:
    """Wait for the end; meanwhile, with an `address`, show how far things are."""
    if address is None:
        stop.wait(seconds)
        return
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        began = time.monotonic()
        status = _read(address, "/api/v1/status")
        if status is not None:
            screen.show_progress(progress_line(json.loads(status)))
        now = time.monotonic()
        pause = max(_REFRESH_SECONDS, (now - began) * _READING_SHARE)
        if stop.wait(pause if end is None else min(pause, max(0.0, end - now))):
            return
        if end is not None and time.monotonic() >= end:
            return


def _settings(
    common: Common, airbyte_url: str, folder: Path, listen_address: str, webhook_url: str, secret: str
) -> Settings:
    """Configure the daemon for the simulated Airbyte, quiet, and deaf to what is meant for a real one."""
    given = load_settings(config_file=common.config, environ={})
    level = given.log.level if given.origin("log.level") != "default" else "warning"
    overrides = {
        "log.level": common.log_level or level,
        "log.format": common.log_format or given.log.format,
        "airbyte.url": airbyte_url,
        "airbyte.name": "demo",
        "poll.jobs_interval": 2,
        "poll.inventory_interval": 15,
        "alerts.interval": 2,
        "alerts.webhook_url": webhook_url,
        "alerts.webhook_secret": secret,
        "state.url": f"sqlite:///{folder / 'state.db'}",
        "web.listen_address": listen_address,
    }
    without_file = Common(log_level=common.log_level, log_format=common.log_format, clock=common.clock)
    settings = settings_for(without_file, overrides, environ={})
    common.debug = without_file.debug
    return settings


def _read(address: str, path: str) -> bytes | None:
    """Return what is answered, or ``None`` when it is not good news."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.read() if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
