"""How many requests a poll takes, and what they bring, in each way of polling, by the number of connections.

They are counted where they arrive: at simulated Airbytes whose clock is moved by hand. The client, the poller
and the state are the daemon's own, in this process. So an hour passes in seconds, and the numbers are exact:
other work on the machine does not change them.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr

from airbyte_exporter.airbyte import AirbyteClient, AirbyteConfig, Polling
from airbyte_exporter.model import ConnectionFacts, Latest, Snapshot
from airbyte_exporter.poller import PollConfig, Poller
from airbyte_exporter.simulator import Credentials, SimulatorServer, World
from airbyte_exporter.store import Store, StoreConfig, open_store
from airbyte_exporter.telemetry import Telemetry
from benchmarks.figures import Spread
from benchmarks.processes import BenchmarkError

__all__ = ["INTERVAL", "SYNC_SECONDS", "WAYS", "PollingResult", "Way", "measure_polling"]

SYNC_SECONDS: Final = 180
"""About how long each hourly sync takes: one in twenty connections is at work at any time."""

INTERVAL: Final = 30
"""Seconds between two polls, the default of ``poll.jobs_interval``."""

_HOUR: Final = 3600
_EPOCH: Final = 1_790_000_000
_HISTORY_SECONDS: Final = 6 * _HOUR
_USUAL_POLLS: Final = 21
_QUIET_POLLS: Final = 11
_POLLS_FOR_EACH_INVENTORY: Final = 10
_MOST_MANUAL: Final = 50
_MANUAL_SECONDS: Final = 20.0
_GIVE_UP_AFTER: Final = 80
"""After how many polls a sync that nobody has noticed is not waited for any more."""

_JOBS: Final = ("jobs/list", "jobs/list_for_workspaces", "public/jobs")


@dataclass(frozen=True, slots=True)
class Way:
    """A way of polling and an Airbyte that leads to it.

    `generation` and `auth` are the simulator's, `note` is for people. `reader` is whether we are a user
    who may only read the workspaces that hold the connections, `api` is what ``airbyte.api`` is set to.
    """

    polling: Polling
    generation: str
    note: str
    auth: str
    reader: bool = False
    api: str = "auto"

    @property
    def name(self) -> str:
        """How the exporter calls it, and against which Airbyte."""
        return f"{self.polling.value}: {self.generation}, {self.note}"


WAYS: Final = (
    Way(Polling.CHANGES, "2.0", "administrator", "client-credentials"),
    Way(Polling.WORKSPACES, "2.0", "reader", "client-credentials", reader=True),
    Way(Polling.CHANGES, "2.0", "public API", "client-credentials", api="public"),
    Way(Polling.CONNECTIONS, "0.50", "basic auth", "basic"),
    Way(Polling.CONNECTIONS, "reference", "no auth", "none"),
)
"""Each way of polling, with each of the APIs that it is used with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingResult:
    """What polls of one Airbyte cost, in requests.

    `first` is the first poll with all that it finds out, by method; `usual` a poll while syncs come and go,
    `usual_requests` the mean of it by method; `quiet` one while none is live or due; `inventory` a poll of
    what exists. Those in `_bytes` are what the bodies of the answers had.
    `manual_seen` is how many seconds after its start a sync was seen that somebody began by hand, and that
    nothing announced.
    """

    way: str
    polling: str
    generation: str
    connections: int
    first: Mapping[str, int]
    usual: Spread
    usual_requests: Mapping[str, float]
    usual_bytes: Spread
    quiet: Spread
    quiet_bytes: Spread
    inventory: Spread
    manual_seen: Spread

    @property
    def first_total(self) -> int:
        """All requests of the first poll."""
        return sum(self.first.values())

    @property
    def first_for_jobs(self) -> int:
        """Those of the first poll that listed jobs."""
        return sum(number for method, number in self.first.items() if method in _JOBS)


def measure_polling(
    connections: int, say: Callable[[str], None], ways: Sequence[Way] = WAYS
) -> list[PollingResult]:
    """Count the requests of polls of `connections` that sync every hour, in each of the `ways`.

    All of them watch the same company at the same time.

    Raises:
        BenchmarkError: Something does not work.
    """
    say("an hourly company")
    clock = _Clock(_EPOCH)
    world = _hourly_world(connections, clock)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        empty = folder / "empty.db"
        open_store(_state(empty)).close()
        watchers = []
        for number, way in enumerate(ways):
            state = folder / f"{number}.db"
            shutil.copy(empty, state)
            watchers.append(stack.enter_context(_watching(way, world, clock, state)))
        say("the first poll")
        first = [watcher.poll() for watcher in watchers]
        say("usual polls")
        usual, inventory = _usual_polls(watchers, clock)
        say("syncs by hand")
        manual = _manual_syncs(watchers, world, clock)
        say("quiet polls")
        quiet = _quiet_polls(watchers, world, clock)
    return [
        PollingResult(
            way=way.name,
            polling=way.polling.value,
            generation=way.generation,
            connections=connections,
            first=dict(first[place].requests),
            usual=_spread(usual[place]),
            usual_requests=_mean(usual[place]),
            usual_bytes=_received(usual[place]),
            quiet=_spread(quiet[place]),
            quiet_bytes=_received(quiet[place]),
            inventory=_spread(inventory[place]),
            manual_seen=Spread.of(manual[place]),
        )
        for place, way in enumerate(ways)
    ]


class _Clock:
    """A clock that stands still until it is moved; epoch seconds, and good for durations too."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def _hourly_world(connections: int, clock: _Clock) -> World:
    """Make a company whose connections sync every hour, evenly spread, and have done so for hours.

    The third of its workspaces is empty: what a reader of the first two may see is all that there is.
    """
    begin = clock.now - _HISTORY_SECONDS
    world = World(connections=0, speed=1, now=begin)
    readable = [workspace.id for workspace in world.workspaces()[:2]]
    for place in range(connections):
        connection_id = world.add_connection(
            f"hourly {place}",
            workspace_id=readable[place % 2],
            every_hours=1,
            now=begin + place * _HOUR / connections,
        )
        made = world.connection(connection_id)
        made.duration = float(SYNC_SECONDS)
        made.queue_every = 0
        made.count = place  # or all of them would be retried, reset and cancelled in the same hour
    world.advance(clock.now)
    return world


class _Cost(NamedTuple):
    """The requests of one poll by method, and the bytes of the answers."""

    requests: Counter[str]
    received: int


class _Watcher:
    """A poller of the daemon's, and the Airbyte that it reads."""

    def __init__(
        self, way: Way, server: SimulatorServer, client: AirbyteClient, poller: Poller, clock: _Clock
    ) -> None:
        self.way = way
        self.snapshot: Latest[Snapshot | None] = Latest(None)
        self._server = server
        self._client = client
        self._poller = poller
        self._clock = clock

    def poll(self) -> _Cost:
        """Poll what jobs did; return what that took."""
        return self._counted(self._poller.poll_jobs)

    def poll_inventory(self) -> _Cost:
        """Poll what exists; return what that took."""
        return self._counted(self._poller.poll_inventory)

    def _counted(self, poll: Callable[[float], bool]) -> _Cost:
        before, sent = Counter(self._server.counts), self._server.sent.total()
        if not poll(self._clock()):
            raise BenchmarkError(f"{self.way.name}: {next(iter(self._poller.failures.values()))}")
        if (found := self._client.capabilities().polling) is not self.way.polling:
            raise BenchmarkError(f"{self.way.name}: the exporter polls by {found.value}")
        requests = Counter({_method(path): n for path, n in (self._server.counts - before).items()})
        return _Cost(requests, self._server.sent.total() - sent)

    def has_seen(self, connection_id: str, job_id: int) -> bool:
        """Whether the last view that was published holds a job, live or finished."""
        snapshot = self.snapshot.get()
        assert snapshot is not None
        return job_id in _jobs_of(snapshot.connections[connection_id])


def _jobs_of(facts: ConnectionFacts) -> set[int]:
    return {job.id for job in (*facts.live_jobs, facts.last_sync) if job is not None}


def _method(counted: str) -> str:
    """Return how the exporter calls a method, of what the simulator counts: ``POST /api/v1/jobs/list``."""
    return counted.partition("/api/")[2].replace("v1/", "", 1)


@contextmanager
def _watching(way: Way, world: World, clock: _Clock, state: Path) -> Iterator[_Watcher]:
    with ExitStack() as stack:
        server = stack.enter_context(
            SimulatorServer(world, generation=way.generation, auth=way.auth, clock=clock)
        )
        config = AirbyteConfig.model_validate(
            {"url": server.url, "api": way.api} | _credentials(way, server.credentials)
        )
        client = AirbyteClient(config, clock=clock, monotonic=clock)
        stack.callback(client.close)
        store = stack.enter_context(open_store(_state(state)))
        yield _watcher(way, server, client, store, config.url, clock)


def _watcher(
    way: Way, server: SimulatorServer, client: AirbyteClient, store: Store, url: str, clock: _Clock
) -> _Watcher:
    snapshot: Latest[Snapshot | None] = Latest(None)
    poller = Poller(
        client=client,
        store=store,
        snapshot=snapshot,
        render=lambda _: None,
        config=PollConfig(),
        telemetry=Telemetry("benchmark"),
        url=url,
        monotonic=clock,
    )
    watcher = _Watcher(way, server, client, poller, clock)
    watcher.snapshot = snapshot
    return watcher


def _state(path: Path) -> StoreConfig:
    return StoreConfig(url=SecretStr(f"sqlite:///{path}"))


def _credentials(way: Way, known: Credentials) -> dict[str, str]:
    if way.auth == "basic":
        return {"username": known.username, "password": known.password}
    if way.auth == "client-credentials" and way.reader:
        return {"client_id": known.reader_client_id, "client_secret": known.reader_client_secret}
    if way.auth == "client-credentials":
        return {"client_id": known.client_id, "client_secret": known.client_secret}
    return {}


# Phases


def _usual_polls(watchers: Sequence[_Watcher], clock: _Clock) -> tuple[list[list[_Cost]], list[list[_Cost]]]:
    """Return the cost of each poll of jobs and of each poll of the inventory, by watcher."""
    polls: list[list[_Cost]] = [[] for _ in watchers]
    inventories: list[list[_Cost]] = [[] for _ in watchers]
    for number in range(_USUAL_POLLS):
        clock.now += INTERVAL
        for place, watcher in enumerate(watchers):
            polls[place].append(watcher.poll())
            if number % _POLLS_FOR_EACH_INVENTORY == 0:
                inventories[place].append(watcher.poll_inventory())
    return polls, inventories


def _manual_syncs(watchers: Sequence[_Watcher], world: World, clock: _Clock) -> list[list[float]]:
    """Start syncs by hand right after a poll, where none is due soon; return when each was seen."""
    clock.now += 1
    began = clock.now
    jobs = {
        id_: world.run_now(id_, duration=_MANUAL_SECONDS, now=began) for id_ in _far_from_due(world, began)
    }
    clock.now -= 1
    unseen = [dict(jobs) for _ in watchers]
    seen: list[list[float]] = [[] for _ in watchers]
    polls = 0
    while any(unseen):
        polls += 1
        if polls > _GIVE_UP_AFTER:
            late = next(watcher.way.name for watcher, jobs in zip(watchers, unseen, strict=True) if jobs)
            raise BenchmarkError(f"{late}: a sync by hand is not seen in {polls * INTERVAL} seconds")
        clock.now += INTERVAL
        for watcher, waiting, times in zip(watchers, unseen, seen, strict=True):
            watcher.poll()
            for id_ in [id_ for id_, job in waiting.items() if watcher.has_seen(id_, job)]:
                del waiting[id_]
                times.append(clock.now - began)
    return seen


def _far_from_due(world: World, now: float) -> list[str]:
    """Return some connections that nothing is expected of for two thirds of an hour, evenly chosen."""
    fit = [
        connection.id
        for connection in world.connections()
        if (newest := world.jobs(connection.id)[-1]).is_final and newest.created_at > now - _HOUR / 3
    ]
    if not fit:
        raise BenchmarkError("no connection is at rest for long enough to be synced by hand")
    return fit[:: -(-len(fit) // _MOST_MANUAL)]


def _quiet_polls(watchers: Sequence[_Watcher], world: World, clock: _Clock) -> list[list[_Cost]]:
    """Let all come to rest and every schedule be overdue; return the cost of each poll, by watcher."""
    world.freeze()
    clock.now += 2 * _HOUR
    for watcher in watchers:
        watcher.poll()
    polls: list[list[_Cost]] = [[] for _ in watchers]
    for _ in range(_QUIET_POLLS):
        clock.now += INTERVAL
        for place, watcher in enumerate(watchers):
            polls[place].append(watcher.poll())
    return polls


def _spread(polls: Sequence[_Cost]) -> Spread:
    return Spread.of([poll.requests.total() for poll in polls])


def _received(polls: Sequence[_Cost]) -> Spread:
    return Spread.of([poll.received for poll in polls])


def _mean(polls: Sequence[_Cost]) -> dict[str, float]:
    total: Counter[str] = sum((poll.requests for poll in polls), Counter())
    return {method: number / len(polls) for method, number in sorted(total.items())}
