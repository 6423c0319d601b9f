"""Two days of a small company's Airbyte, watched by the exporter's own parts with a clock moved by hand."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from airbyte_exporter import __version__
from airbyte_exporter.airbyte import AirbyteClient, AirbyteConfig
from airbyte_exporter.alerts import RuleBook
from airbyte_exporter.evaluator import Evaluator
from airbyte_exporter.exposition import Exposition
from airbyte_exporter.model import Incident, Latest, Silence, Snapshot
from airbyte_exporter.poller import PollConfig, Poller
from airbyte_exporter.settings import Settings
from airbyte_exporter.simulator import Fault, SimulatorServer, World
from airbyte_exporter.store import StoreConfig, open_store
from airbyte_exporter.telemetry import Telemetry

__all__ = ["END", "SHOWN", "pages"]

END: Final = 1_790_000_000 // 7200 * 7200
"""When the pictures are taken."""

SHOWN: Final = "Postgres prod → Snowflake"
"""The connection whose dashboard is drawn."""

_DAY: Final = 86400
_TICK: Final = 60
_CONNECTIONS: Final = 12


class _Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def pages(folder: Path) -> Iterator[tuple[float, str]]:
    """Yield the page of every minute of two days, with its time; the state goes into `folder`."""
    clock = _Clock(END - 2 * _DAY)
    world = World(connections=_CONNECTIONS, speed=1, now=clock.now, seed=3)
    with ExitStack() as stack:
        server = stack.enter_context(SimulatorServer(world, generation="2.0", auth="none", clock=clock))
        watch = _Watch(server, folder, clock, stack)
        while clock.now < END:
            clock.now += _TICK
            _happen(server, clock.now)
            watch.look()
            yield clock.now, watch.page()


class _Watch:
    """The exporter without its threads."""

    def __init__(self, server: SimulatorServer, folder: Path, clock: _Clock, stack: ExitStack) -> None:
        self._clock = clock
        telemetry = Telemetry(__version__)
        self._exposition = Exposition(telemetry)
        snapshot: Latest[Snapshot | None] = Latest(None)
        incidents: Latest[Sequence[Incident] | None] = Latest(None)
        silences: Latest[Sequence[Silence] | None] = Latest(None)
        config = AirbyteConfig.model_validate({"url": server.url})
        client = AirbyteClient(config, clock=clock, observe=telemetry.api_request)
        stack.callback(client.close)
        state = StoreConfig(url=SecretStr(f"sqlite:///{folder / 'state.db'}"))
        store = stack.enter_context(open_store(state))
        self._poller = Poller(
            client=client,
            store=store,
            snapshot=snapshot,
            render=self._exposition.publish,
            config=PollConfig(),
            telemetry=telemetry,
            url=config.url,
            monotonic=time.monotonic,
        )
        settings = Settings()
        self._evaluator = Evaluator(
            store=store,
            snapshot=snapshot,
            incidents=incidents,
            silences=silences,
            failing=dict,
            receivers=[],
            queued=[],
            routes=settings.alerts.routes,
            rules=RuleBook(settings.alerts.rules, settings.alerts.overrides),
            instance="pictures",
            ui_url=None,
            notify_existing=True,
            workspace_ids=(),
            unreachable_after=settings.poll.jobs_max_staleness,
            good_at=lambda: self._poller.jobs_good_at,
            trouble=lambda: None,
            telemetry=telemetry,
        )
        self._polls = 0

    def look(self) -> None:
        """Poll and judge, the inventory every five minutes."""
        now = self._clock()
        if self._polls % 5 == 0:
            self._poller.poll_inventory(now)
        self._polls += 1
        self._poller.poll_jobs(now)
        self._poller.run_background(now)
        self._poller.expire(now)
        self._evaluator.run_once(now)

    def page(self) -> str:
        """Return what a scrape gets."""
        return self._exposition.scrape(openmetrics=False, gzip=False).decode()


def _happen(server: SimulatorServer, now: float) -> None:
    """Let a source break for hours, and Airbyte be away for minutes."""
    world, minutes = server.world, round((END - now) / 60)
    shown = next(one for one in world.connections() if one.name == SHOWN)
    if minutes == 10 * 60:
        world.break_actor(shown.source_id, "FATAL: password authentication failed")
    if minutes == 6 * 60:
        world.heal_actor(shown.source_id)
    if minutes == 15 * 60:
        server.faults.append(Fault("*", status=503, times=float("inf")))
    if minutes == 15 * 60 - 6:
        server.faults.clear()
