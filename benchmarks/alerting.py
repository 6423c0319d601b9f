"""What evaluating and telling costs when every connection fails at once, in a real state.

The facts are made up, Airbyte's time is moved by hand, and the receiver takes everything at once, so that
what is measured is ours: judging, writing, claiming and acknowledging.
"""

import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from pydantic import SecretStr

from airbyte_exporter.dispatcher import Dispatcher
from airbyte_exporter.evaluator import Evaluator
from airbyte_exporter.logs import LogConfig, configure_logging
from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionStatus,
    Delivery,
    Failure,
    Incident,
    Instance,
    Inventory,
    Job,
    JobStatus,
    JobType,
    Latest,
    Schedule,
    ScheduleType,
    Snapshot,
    Workspace,
)
from airbyte_exporter.store import Store, StoreConfig, open_store
from airbyte_exporter.telemetry import Telemetry

__all__ = [
    "AlertingResult",
    "Disaster",
    "by_the_platform",
    "each_its_own",
    "measure_alerting",
    "statements",
]

NOON: Final = 1_769_860_800
_HOUR: Final = 3600
_KEPT: Final = 100
"""How many of the newest deliveries are kept to be looked at."""

_INSTANCE: Final = Instance("2.0.0", "community", "config", "none")
_WORKSPACE: Final = Workspace("w-1", "Analytics")


class Disaster:
    """A state with many connections that fail when they are told to, and everything that tells of it.

    Args:
        folder: Where the state goes.
        connections: How many there are.
        receivers: The names of those who are told.
    """

    def __init__(self, folder: Path, connections: int, receivers: Sequence[str] = ("webhook",)) -> None:
        self.store = open_store(StoreConfig(url=SecretStr(f"sqlite:///{folder / 'state.db'}")))
        self.incidents: Latest[Sequence[Incident] | None] = Latest(None)
        self.taken: deque[Delivery] = deque(maxlen=_KEPT)
        self.now = float(NOON)
        self._receivers = tuple(receivers)
        self._ids = [f"{number:05d}" for number in range(connections)]
        self._job = 0
        self._snapshot: Latest[Snapshot | None] = Latest(None)
        self.store.bind(url="http://airbyte", deployment_id=None, epoch=NOON)
        listed = tuple(map(_connection, self._ids))
        self.store.record_inventory(Inventory(_INSTANCE, (_WORKSPACE,), listed, NOON))
        self.restart()
        self.poll()
        self.evaluate()

    def restart(self) -> None:
        """Begin to judge and to deliver as a new process does."""
        telemetry = Telemetry("benchmark")
        self._evaluator = Evaluator(
            store=self.store,
            snapshot=self._snapshot,
            incidents=self.incidents,
            receivers=self._receivers,
            instance="airbyte",
            ui_url=None,
            telemetry=telemetry,
            good_at=lambda: self.now,
        )
        self._dispatchers = [
            Dispatcher(
                store=self.store,
                receiver=_Taking(name, self.taken),
                telemetry=telemetry,
                clock=lambda: self.now,
                stop=threading.Event(),
            )
            for name in self._receivers
        ]

    def end(self, failure: Callable[[int], Failure] | None) -> None:
        """Let one sync of each connection end: it fails as `failure` says by its number, or succeeds."""
        self.now += _HOUR
        self._job += 1
        ended_at = int(self.now) - 60
        jobs = []
        for number, id_ in enumerate(self._ids):
            status = AttemptStatus.SUCCEEDED if failure is None else AttemptStatus.FAILED
            why = None if failure is None else failure(number)
            tried = (Attempt(0, status, ended_at - 300, ended_at, why),)
            whole = JobStatus.SUCCEEDED if failure is None else JobStatus.FAILED
            key = (id_, self._job * len(self._ids) + number, ended_at - 300, ended_at)
            jobs.append(Job(*key, JobType.SYNC, whole, attempts=tried))
        self.store.record_jobs(jobs)

    def poll(self) -> None:
        """Publish what is known; what did not change is the same as before, as the poller has it."""
        before = self._snapshot.get()
        known = {} if before is None else before.connections
        facts = {
            id_: known[id_] if known.get(id_) == it else it for id_, it in self.store.facts(self._ids).items()
        }
        self._snapshot.publish(
            Snapshot(
                instance=_INSTANCE,
                epoch=NOON,
                workspaces=(_WORKSPACE,),
                connections=facts,
                jobs_as_of=int(self.now),
                inventory_as_of=int(self.now),
                sequence=self.store.sequence(),
            )
        )

    def evaluate(self) -> int:
        """Judge; return how many notifications that wrote."""
        return self._evaluator.run_once(self.now)

    def deliver(self) -> int:
        """Deliver what is due; return how many notifications were taken."""
        return sum(dispatcher.run_once(self.now) for dispatcher in self._dispatchers)


def by_the_platform(_number: int) -> Failure:
    """All fail for one reason of Airbyte's own."""
    return Failure("airbyte_platform", "system_error", "the workers are gone")


def each_its_own(number: int) -> Failure:
    """Each fails for a reason of its own."""
    return Failure("source", "config_error", f"login refused for user etl_{number}")


class _Taking:
    """A receiver that takes everything at once."""

    def __init__(self, name: str, taken: deque[Delivery]) -> None:
        self.name = name
        self._taken = taken

    def send(self, delivery: Delivery, _now: float) -> None:
        self._taken.append(delivery)

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """Collect the statements that run meanwhile, each row of one that is run for many as one."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *rest: object) -> None:
        parameters, _context, is_many = rest
        seen.extend([statement] * (len(parameters) if is_many and isinstance(parameters, Sequence) else 1))

    engine = store._database._engine  # noqa: SLF001 - nothing public tells what it costs
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def _connection(id_: str) -> Connection:
    return Connection(
        id=id_,
        name=f"Connection {id_}",
        workspace_id=_WORKSPACE.id,
        status=ConnectionStatus.ACTIVE,
        source=Actor(f"s-{id_}", "Billing", "Postgres", "3.6.9"),
        destination=Actor(f"d-{id_}", "Warehouse", "Snowflake"),
        schedule=Schedule(ScheduleType.MANUAL),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingResult:
    """What it costs when all connections fail at once, in seconds.

    `begin` is the evaluation that sees it, which writes so many `notifications`; `quiet` the one after it,
    with as many database `statements`; `deliver` is until a receiver that takes everything at once has it
    all. `restart` is the first evaluation of a new process, `end` the one that sees all recover.
    `peak_bytes` is the most memory that the process had, with the state, the facts and all of that.
    """

    connections: int
    reason: str
    notifications: int
    begin: float
    quiet: float
    statements: int
    deliver: float
    restart: float
    end: float
    peak_bytes: int


REASONS: Final = {"one reason of the platform": by_the_platform, "each its own reason": each_its_own}


def measure_alerting(connections: int, say: Callable[[str], None]) -> list[AlertingResult]:
    """Let `connections` fail at once, for one reason and for as many; each in a process of its own."""
    found = []
    for reason in REASONS:
        say(f"all fail, {reason}")
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            found.append(pool.submit(_measure, connections, reason).result())
    return found


def _measure(connections: int, reason: str) -> AlertingResult:
    configure_logging(LogConfig(level="error"), sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        disaster = Disaster(Path(folder), connections)
        with disaster.store:
            disaster.end(None)
            disaster.poll()
            disaster.evaluate()
            disaster.end(REASONS[reason])
            disaster.poll()
            begin, notifications = _timed(disaster.evaluate)
            with statements(disaster.store) as seen:
                quiet, _ = _timed(disaster.evaluate)
            deliver, _ = _timed(disaster.deliver)
            disaster.restart()
            restart, _ = _timed(disaster.evaluate)
            disaster.end(None)
            disaster.poll()
            end, _ = _timed(disaster.evaluate)
    return AlertingResult(
        connections=connections,
        reason=reason,
        notifications=notifications,
        begin=begin,
        quiet=quiet,
        statements=len(seen),
        deliver=deliver,
        restart=restart,
        end=end,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def _timed(what: Callable[[], int]) -> tuple[float, int]:
    begun = time.perf_counter()
    came_to = what()
    return time.perf_counter() - begun, came_to
