"""The composition root: builds every part from the settings, schedules the loops, and takes all of it down.

The only module that schedules. Parts are opened in the order they need each other and closed the other way
round, also when a later one fails to open.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from starlette.applications import Starlette

from airbyte_exporter import __version__
from airbyte_exporter.airbyte import AirbyteClient
from airbyte_exporter.alerts import RuleBook
from airbyte_exporter.dispatcher import Dispatcher
from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.evaluator import Evaluator
from airbyte_exporter.exposition import Exposition
from airbyte_exporter.model import Incident, Latest, Silence, Snapshot
from airbyte_exporter.notify import Alertmanager, AlertmanagerConfig, Receiver, Webhook, WebhookConfig
from airbyte_exporter.poller import Poller
from airbyte_exporter.pusher import AlertmanagerPusher, AlertSource, Tally
from airbyte_exporter.settings import Settings
from airbyte_exporter.store import Store, open_store
from airbyte_exporter.telemetry import Telemetry
from airbyte_exporter.web import WebServer, create_app

__all__ = ["Daemon", "receivers"]

log = structlog.get_logger(__name__)

Loop = tuple[str, Callable[[float], object], float]
"""A name, what is done at a time by our own clock, and the seconds between two runs."""

AnyConfig = TypeVar("AnyConfig", WebhookConfig, AlertmanagerConfig)

DISPATCH_INTERVAL_SECONDS: Final = 1.0
BACKGROUND_INTERVAL_SECONDS: Final = 1.0
CLOCK_CHECK_SECONDS: Final = 5.0
CLOCK_STEP_SECONDS: Final = 2.0
SWITCH_SECONDS: Final = 0.0005
"""How long a thread that decodes or renders may keep the interpreter from one that answers a scrape.

At Python's own 5 ms, which every chunk of a page may have to wait for, a scrape beside a poll takes twice as
long.
"""
HUNG_AFTER_SECONDS: Final = 900.0
"""A loop that has not come round for this long beyond three of its intervals is not alive."""


class Daemon:
    """The exporter as one object: `start` it, leave it running, `stop` it.

    `failed` is set when the daemon cannot go on, `failure` then says why.
    """

    def __init__(self, settings: Settings, *, adopt_state: bool = False) -> None:
        self._settings = settings
        self._adopt_state = adopt_state
        self._stack = ExitStack()
        self._stop = threading.Event()
        self._beats: dict[str, tuple[float, float]] = {}
        self._address = ""
        self.failed = threading.Event()
        self.failure: AirbyteExporterError | None = None

    @property
    def address(self) -> str:
        """Where the pages are served, as a URL without a path."""
        return self._address

    def start(self) -> None:
        """Open the state, serve the pages, start the loops.

        Airbyte does not have to answer for this to work.

        Raises:
            AirbyteExporterError: The state cannot be used, or the listen address cannot be had.
        """
        with ExitStack() as stack:
            stack.callback(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(SWITCH_SECONDS)
            self._open(stack)
            self._stack = stack.pop_all()
        log.info("started", version=__version__, listening=self._address)

    def stop(self, timeout: float = 4.0) -> bool:
        """Stop the loops, then the pages, then close the state; return whether all ended within `timeout`.

        What still hangs then is a request that waits for its answer; the state is safe without it.
        """
        self._stop.set()
        done = threading.Event()

        def close() -> None:
            try:
                self._stack.close()
            finally:
                done.set()

        threading.Thread(target=close, name="stop", daemon=True).start()
        return done.wait(timeout)

    def _open(self, stack: ExitStack) -> None:
        settings = self._settings
        telemetry = Telemetry(__version__)
        exposition = Exposition(telemetry, settings.metrics)
        snapshot: Latest[Snapshot | None] = Latest(None)
        incidents: Latest[Sequence[Incident] | None] = Latest(None)
        silences: Latest[Sequence[Silence] | None] = Latest(None)
        store = open_store(settings.state)
        stack.callback(store.close)
        client = self._client(store, telemetry)
        stack.callback(client.close)
        poller = Poller(
            client=client,
            store=store,
            snapshot=snapshot,
            render=exposition.publish,
            config=settings.poll,
            telemetry=telemetry,
            url=settings.airbyte.url,
            adopt_state=self._adopt_state,
            every_workspace=not settings.airbyte.workspace_ids,
            alive=lambda: self._beat("jobs"),
        )
        told = receivers(settings)
        pushers = self._pushers(_of_kind(settings, AlertmanagerConfig), telemetry)
        evaluator = _evaluator(
            settings, store, poller, snapshot, incidents, silences, telemetry, failing=_failing(pushers)
        )
        poller.restore(time.time())
        pages = create_app(
            exposition=exposition,
            snapshot=snapshot,
            alive=self._why_not_alive,
            ready=lambda: _why_not_ready(poller),
            failures=lambda: poller.failures,
            incidents=incidents,
            silences=silences,
            instance_name=settings.airbyte.instance_name,
            ui_url=settings.airbyte.base_ui_url,
            version=__version__,
            clock=time.time,
            trials=list(_of_kind(settings, WebhookConfig)),
        )
        self._serve(stack, pages)
        dispatchers = [
            Dispatcher(store=store, receiver=receiver, telemetry=telemetry, clock=time.time, stop=self._stop)
            for receiver in told
        ]
        source = _alert_source(settings, store, incidents)
        self._schedule(
            stack, [*_polling(settings, poller, evaluator), *_telling(dispatchers, pushers, source)]
        )
        # Taken down first: what waits for an answer gives up, so that the loops can end.
        closables: list[AirbyteClient | Receiver | AlertmanagerPusher] = [client, *told, *pushers]
        for closing in closables:
            stack.callback(closing.close)
        stack.callback(self._stop.set)

    def _client(self, store: Store, telemetry: Telemetry) -> AirbyteClient:
        return AirbyteClient(
            self._settings.airbyte,
            clock=time.time,
            stop=self._stop,
            observe=telemetry.api_request,
            read_before=[workspace.id for workspace in store.workspaces()],
        )

    def _serve(self, stack: ExitStack, pages: Starlette) -> None:
        server = WebServer(self._settings.web, pages)
        server.start()
        stack.callback(server.stop, 2.0)
        self._address = server.address

    def _pushers(
        self, managers: Mapping[str, AlertmanagerConfig], telemetry: Telemetry
    ) -> list[AlertmanagerPusher]:
        pushers: list[AlertmanagerPusher] = []
        for name, config in managers.items():
            tally = Tally(name, len(config.endpoints), telemetry)
            pushers += [
                AlertmanagerPusher(
                    client=Alertmanager(endpoint, config.plain_headers), tally=tally, stop=self._stop
                )
                for endpoint in config.endpoints
            ]
        return pushers

    def _schedule(self, stack: ExitStack, loops: Sequence[Loop]) -> None:
        # The libraries tell of every run; our own telemetry counts them, and a skipped one is no news.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(len(loops))},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )
        first_run = datetime.now(UTC)
        for name, run_once, interval in loops:
            # The first poll of jobs reads the inventory itself, so that loop begins one interval later.
            delay = timedelta(seconds=interval if name == "inventory" else 0)
            scheduler.add_job(
                self._guarded(name, run_once, interval),
                "interval",
                seconds=interval,
                id=name,
                name=name,
                next_run_time=first_run + delay,
            )
        scheduler.start()
        stack.callback(scheduler.shutdown, wait=True)
        threading.Thread(target=self._follow_clock, args=(scheduler,), name="clock", daemon=True).start()

    def _follow_clock(self, scheduler: BackgroundScheduler) -> None:
        """Let the loops go on when the system's clock is set back: the scheduler waits until it caught up."""
        ahead = time.time() - time.monotonic()
        while not self._stop.wait(CLOCK_CHECK_SECONDS):
            before, ahead = ahead, time.time() - time.monotonic()
            if ahead < before - CLOCK_STEP_SECONDS:
                log.warning("the system's clock was set back", seconds=round(before - ahead))
                for job in scheduler.get_jobs():
                    job.modify(next_run_time=datetime.now(UTC))

    def _guarded(self, name: str, run_once: Callable[[float], object], interval: float) -> Callable[[], None]:
        """Wrap a loop: note that it came round, and let no error of one run end it."""
        self._beats[name] = (time.monotonic(), interval)

        def run() -> None:
            self._beat(name)
            if self._stop.is_set():
                return
            try:
                run_once(time.time())
            except AirbyteExporterError as error:
                self.failure = error
                self.failed.set()
            except Exception:
                log.exception("a loop failed, it will run again", loop=name)
            self._beat(name)

        return run

    def _beat(self, name: str) -> None:
        """Note that a loop is alive: it came round, or gets on with something that takes long."""
        _, interval = self._beats[name]
        self._beats[name] = (time.monotonic(), interval)

    def _why_not_alive(self) -> str | None:
        now = time.monotonic()
        hung = [
            name
            for name, (beat, interval) in self._beats.items()
            if now - beat > 3 * interval + HUNG_AFTER_SECONDS
        ]
        return f"hanging: {', '.join(sorted(hung))}" if hung else None


def _why_not_ready(poller: Poller) -> str | None:
    if poller.is_ready:
        return None
    failures = dict(poller.failures)
    reason = failures.get("jobs") or failures.get("inventory")
    return f"no complete poll since the start: {reason}" if reason else "the first poll has not finished"


def _polling(settings: Settings, poller: Poller, evaluator: Evaluator) -> list[Loop]:
    def jobs(now: float) -> None:
        if poller.poll_jobs(now):
            evaluator.run_once(now)

    def evaluate(now: float) -> None:
        poller.expire(now)
        evaluator.run_once(now)

    return [
        ("inventory", poller.poll_inventory, settings.poll.inventory_interval),
        ("jobs", jobs, settings.poll.jobs_interval),
        ("evaluate", evaluate, settings.alerts.interval),
        ("background", poller.run_background, BACKGROUND_INTERVAL_SECONDS),
    ]


def _telling(
    dispatchers: Sequence[Dispatcher], pushers: Sequence[AlertmanagerPusher], source: AlertSource
) -> list[Loop]:
    def pushing(pusher: AlertmanagerPusher) -> Callable[[float], object]:
        return lambda now: pusher.run_once(now, source.read(now, ends_of_seconds=pusher.ends_of_seconds))

    loops: list[Loop] = [
        (f"dispatch {dispatcher.receiver_name}", dispatcher.run_once, DISPATCH_INTERVAL_SECONDS)
        for dispatcher in dispatchers
    ]
    # An address can differ from another one by its path alone.
    return loops + [
        (f"push {number} {pusher.name}", pushing(pusher), DISPATCH_INTERVAL_SECONDS)
        for number, pusher in enumerate(pushers, 1)
    ]


def _evaluator(
    settings: Settings,
    store: Store,
    poller: Poller,
    snapshot: Latest[Snapshot | None],
    incidents: Latest[Sequence[Incident] | None],
    silences: Latest[Sequence[Silence] | None],
    telemetry: Telemetry,
    *,
    failing: Callable[[], Mapping[str, float]],
) -> Evaluator:
    def trouble() -> str | None:
        failures = dict(poller.failures)
        return failures.get("jobs") or failures.get("inventory")

    return Evaluator(
        store=store,
        snapshot=snapshot,
        incidents=incidents,
        silences=silences,
        failing=failing,
        receivers=list(settings.alerts.all_receivers),
        queued=list(_of_kind(settings, WebhookConfig)),
        routes=settings.alerts.routes,
        rules=RuleBook(settings.alerts.rules, settings.alerts.overrides),
        instance=settings.airbyte.instance_name,
        ui_url=settings.airbyte.base_ui_url,
        notify_existing=settings.alerts.notify_existing,
        workspace_ids=settings.airbyte.workspace_ids,
        unreachable_after=settings.poll.jobs_max_staleness,
        good_at=lambda: poller.jobs_good_at,
        trouble=trouble,
        telemetry=telemetry,
    )


def _failing(pushers: Sequence[AlertmanagerPusher]) -> Callable[[], Mapping[str, float]]:
    """Return what tells since when receivers that the outbox does not know of take nothing."""

    def failing() -> Mapping[str, float]:
        since = {pusher.receiver_name: pusher.failing_since for pusher in pushers}
        return {name: at for name, at in since.items() if at is not None}

    return failing


def _alert_source(
    settings: Settings, store: Store, incidents: Latest[Sequence[Incident] | None]
) -> AlertSource:
    return AlertSource(
        store=store,
        published=incidents,
        receivers=_of_kind(settings, AlertmanagerConfig),
        instance=settings.airbyte.instance_name,
        ui_url=settings.airbyte.base_ui_url,
        trials=list(_of_kind(settings, WebhookConfig)),
    )


def receivers(settings: Settings) -> list[Receiver]:
    """Return everybody who is told by the outbox."""
    return [Webhook(name, config) for name, config in _of_kind(settings, WebhookConfig).items()]


def _of_kind(settings: Settings, kind: type[AnyConfig]) -> dict[str, AnyConfig]:
    return {
        name: config for name, config in settings.alerts.all_receivers.items() if isinstance(config, kind)
    }
