"""``run``: the daemon until it is told to stop."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from airbyte_exporter.app import Daemon
from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.cli._signals import StopRequest

log = structlog.get_logger(__name__)

STOP_SECONDS: Final = 4.0
"""How long loops may take to end; together with the rest less than the five seconds that we promise."""


def main(common: Common, *, adopt_state: bool, listen_address: str | None) -> int:
    """Run the daemon in the foreground."""
    settings = settings_for(common, {"web.listen_address": listen_address})
    daemon = Daemon(settings, adopt_state=adopt_state)
    with StopRequest() as stop, thread_errors_logged():
        daemon.start()
        pass_on_failure(daemon, stop)
        stop.wait()
        if daemon.failure is None:
            log.info("stopping")
        stop_or_leave(daemon)
    if daemon.failure is not None:
        raise daemon.failure
    log.info("stopped")
    return 0


def stop_or_leave(daemon: Daemon) -> None:
    """Stop the daemon; end the process at once when something in it still hangs.

    What hangs then is a request that waits for its answer. The state on disk is safe without it: every write
    is one transaction.
    """
    if daemon.stop(STOP_SECONDS):
        return
    log.warning("something still hangs, leaving without it")
    if daemon.failure is not None:
        log.error("cannot go on", error=str(daemon.failure))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if daemon.failure is None else 1)


def pass_on_failure(daemon: Daemon, stop: StopRequest) -> None:
    """From now on, end the wait when the daemon cannot go on."""

    def pass_on() -> None:
        daemon.failed.wait()
        stop.request()

    threading.Thread(target=pass_on, name="failure", daemon=True).start()


@contextmanager
def thread_errors_logged() -> Iterator[None]:
    """Let an error that ends a thread be a log line like any other."""

    def tell(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit and args.exc_value is not None:
            name = args.thread.name if args.thread else None
            log.error("a thread ended by an error", thread=name, exc_info=args.exc_value)

    before, threading.excepthook = threading.excepthook, tell
    try:
        yield
    finally:
        threading.excepthook = before
