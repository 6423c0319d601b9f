"""The measurements of one size of Airbyte, from the start of the process to its restart."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from airbyte_exporter.store import StoreConfig, open_store
from benchmarks.airbyte import SimulatedAirbyte, simulated_airbyte
from benchmarks.figures import Say, Spread
from benchmarks.processes import BenchmarkError, Daemon, wait_for
from benchmarks.scraping import Page, Scraper

__all__ = ["BUSY_SHARE", "Plan", "Polls", "SizeResult", "measure"]

START_SECONDS: Final = 600.0
HISTORY_SECONDS: Final = 1800.0
POLL_SECONDS: Final = 300.0
BUSY_POLLS: Final = 5
BUSY_SHARE: Final = 0.1
"""Which share of all connections has a sync that ended since the poll before, in a busy poll."""

_LOOK_SECONDS: Final = 0.01
_WATCH_SECONDS: Final = 0.1
_UNWATCHED: Final = 0.5
"""For which part of the interval after a poll nobody looks for the end of the next one."""

_MIN_POLLS: Final = 3
_MIN_SCRAPES: Final = 5

_POLLS: Final = "airbyte_exporter_polls_total"
_POLL_SUM: Final = "airbyte_exporter_poll_duration_seconds_sum"
_API_SUM: Final = "airbyte_exporter_api_request_duration_seconds_sum"
_API_REQUESTS: Final = "airbyte_exporter_api_requests_total"
_COMPLETED: Final = "airbyte_jobs_completed_total"
_INFO: Final = "airbyte_connection_info"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often to measure. `history_days` of jobs are read back before the steady state."""

    seconds: float
    starts: int
    history_days: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Seconds from the start of the process, and what the first poll took of them."""

    listens: Spread
    ready: Spread
    first_page: Spread
    first_poll: Spread
    inventory: Spread
    inventory_requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Seconds that stopping takes, and from the start to the page out of the state and to the first poll."""

    stop: Spread
    first_page: Spread
    ready: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonScrapes:
    """Seconds of a scrape, between polls as they come, and while job history is read."""

    plain: Spread
    compressed: Spread
    while_reading_history: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Polls:
    """Seconds of a poll of jobs. What is no `Spread` is the mean; `waiting` is for Airbyte's answers.

    Requests and bytes of their answers are those of all loops from one poll to the next.
    """

    interval: float
    quiet: Spread
    quiet_waiting: float
    quiet_requests: Mapping[str, float]
    quiet_bytes: float
    quiet_cpu: float | None
    busy: Spread
    busy_finished: int
    busy_waiting: float
    busy_requests: Mapping[str, float]
    busy_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeResult:
    """What one size of Airbyte came to, in seconds and bytes. ``None``: this system does not tell."""

    connections: int
    jobs: int
    live_jobs: int
    series: int
    page_bytes: int
    page_gzip_bytes: int
    start: Start
    restart: Restart
    scrapes: DaemonScrapes
    polls: Polls
    history_seconds: float
    resident_bytes: int | None
    peak_bytes: int | None
    state_bytes: int


def measure(connections: int, plan: Plan, say: Say) -> SizeResult:
    """Measure the exporter against a simulated Airbyte of that many connections.

    Raises:
        BenchmarkError: Something does not work.
    """
    say("making up an Airbyte")
    with simulated_airbyte(connections, seed=plan.seed) as airbyte, tempfile.TemporaryDirectory() as folder:
        starts: list[_Started] = []
        for number in range(1, plan.starts):
            say(f"start {number} of {plan.starts}")
            with _first_start(_daemon(folder, number, airbyte, plan), airbyte) as (begun, _):
                starts.append(begun)
        say(f"start {plan.starts} of {plan.starts}")
        daemon = _daemon(folder, plan.starts, airbyte, plan)
        with _first_start(daemon, airbyte) as (begun, scraper):
            starts.append(begun)
            steady = _steady(daemon, scraper, airbyte, plan, say)
        say("restarting it")
        restart = _restarts(daemon, airbyte, plan)
    return _result(airbyte, starts, steady, restart)


@dataclass(frozen=True, slots=True)
class _Started:
    listens: float
    ready: float
    first_page: float
    page: Page


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steady:
    page: Page
    page_gzip_bytes: int
    scrapes: DaemonScrapes
    polls: Polls
    history_seconds: float
    memory: tuple[int, int] | None
    state_bytes: int


def _daemon(folder: str, number: int, airbyte: SimulatedAirbyte, plan: Plan) -> Daemon:
    settings = {
        "AIRBYTE__URL": airbyte.url,
        "AIRBYTE__CLIENT_ID": airbyte.client_id,
        "AIRBYTE__CLIENT_SECRET": airbyte.client_secret,
        "POLL__JOBS_INTERVAL": f"{_interval(airbyte.connections)}s",
        "POLL__LOOKBACK": f"{max(1, round(plan.history_days * 86400))}s",
    }
    place = Path(folder) / str(number)
    place.mkdir()
    return Daemon(place, {f"AIRBYTE_EXPORTER_{name}": value for name, value in settings.items()})


def _interval(connections: int) -> int:
    """Return seconds between polls: short, so that there are many, but longer than a poll itself."""
    return max(1, round(connections / 1000))


@contextmanager
def _first_start(daemon: Daemon, airbyte: SimulatedAirbyte) -> Iterator[tuple[_Started, Scraper]]:
    """Start the exporter without a state; yield what that took once its page is complete."""
    with daemon.running() as at, Scraper.of(daemon.port) as scraper:
        wait_for(lambda: _answers(daemon, scraper), "the exporter listens", timeout=60, pause=_LOOK_SECONDS)
        listens = time.monotonic() - at
        _wait_until_ready(daemon, scraper)
        ready = time.monotonic() - at
        page = scraper.scrape()
        begun = _Started(listens, ready, time.monotonic() - at, page)
        if (shown := page.number_of(_INFO)) != airbyte.connections:
            raise BenchmarkError(f"the first page shows {shown} of {airbyte.connections} connections")
        yield begun, scraper


def _answers(daemon: Daemon, scraper: Scraper) -> int | None:
    daemon.check()
    return scraper.status("/-/ready")


def _wait_until_ready(daemon: Daemon, scraper: Scraper) -> None:
    def is_ready() -> bool | None:
        return True if _answers(daemon, scraper) == 200 else None

    wait_for(is_ready, "the exporter is ready", timeout=START_SECONDS, pause=_LOOK_SECONDS)


def _steady(daemon: Daemon, scraper: Scraper, airbyte: SimulatedAirbyte, plan: Plan, say: Say) -> _Steady:
    say("reading the job history")
    began = time.monotonic()
    while_reading = _scrapes_while_reading_history(daemon, scraper)
    history_seconds = time.monotonic() - began
    polls = _Polls(daemon, scraper, airbyte)
    say("watching quiet polls")
    unwatched = polls.leave_alone(plan.seconds / 4)
    quiet = polls.watch(plan.seconds / 4)
    say("scraping")
    scrapes, gzip_bytes = _scrapes(scraper, plan.seconds / 2, while_reading)
    memory = daemon.memory()
    say("watching busy polls")
    finished = max(1, round(airbyte.connections * BUSY_SHARE))
    busy = polls.watch_busy(finished)
    if memory is not None and (latest := daemon.memory()) is not None:
        memory = memory[0], latest[1]
    return _Steady(
        page=scraper.scrape(),
        page_gzip_bytes=gzip_bytes,
        scrapes=scrapes,
        polls=Polls(
            interval=_interval(airbyte.connections),
            quiet=Spread.of(quiet.seconds),
            quiet_waiting=unwatched.waiting,
            quiet_requests=unwatched.requests,
            quiet_bytes=unwatched.bytes_per_poll,
            quiet_cpu=unwatched.cpu_per_poll,
            busy=Spread.of(busy.seconds),
            busy_finished=finished,
            busy_waiting=busy.waiting,
            busy_requests=busy.requests,
            busy_bytes=busy.bytes_per_poll,
        ),
        history_seconds=history_seconds,
        memory=memory,
        state_bytes=daemon.state_bytes,
    )


def _scrapes_while_reading_history(daemon: Daemon, scraper: Scraper) -> Spread:
    """Scrape until nothing is read in the background any more, so that polls are all that is left."""
    seconds: list[float] = []

    def is_read() -> bool | None:
        daemon.check()
        seconds.append(scraper.scrape().seconds)
        return True if "job history read" in daemon.log else None

    wait_for(is_read, "the job history is read", timeout=HISTORY_SECONDS, pause=_WATCH_SECONDS)
    with open_store(StoreConfig(url=SecretStr(f"sqlite:///{daemon.state}")), exclusive=False) as store:

        def has_asked_for_all() -> bool | None:
            daemon.check()
            return None if store.without_known_success(1) else True

        wait_for(has_asked_for_all, "past successes are looked up", timeout=HISTORY_SECONDS, pause=0.2)
    scraper.close()  # so long unused that the exporter may have closed it
    return Spread.of(seconds)


@dataclass(slots=True)
class _Watched:
    """Polls that were seen to end, one by one, and what lies between the first and the last of them.

    `received` are the bytes of Airbyte's answers, where they were counted.
    """

    first: Page
    last: Page
    received: int
    seconds: list[float] = field(default_factory=list)
    cpu: float | None = None

    @property
    def polls(self) -> float:
        return self.last.value(_POLLS, loop="jobs") - self.first.value(_POLLS, loop="jobs")

    @property
    def waiting(self) -> float:
        return (self.last.value(_API_SUM) - self.first.value(_API_SUM)) / self.polls

    @property
    def requests(self) -> dict[str, float]:
        before = self.first.by("method", _API_REQUESTS)
        after = self.last.by("method", _API_REQUESTS)
        grown = {method: number - before.get(method, 0) for method, number in after.items()}
        return {method: number / self.polls for method, number in grown.items() if number}

    @property
    def bytes_per_poll(self) -> float:
        return self.received / self.polls

    @property
    def cpu_per_poll(self) -> float | None:
        return None if self.cpu is None else self.cpu / self.polls


class _Polls:
    """Watches polls end, by the exporter's own metrics."""

    def __init__(self, daemon: Daemon, scraper: Scraper, airbyte: SimulatedAirbyte) -> None:
        self._daemon = daemon
        self._scraper = scraper
        self._airbyte = airbyte
        self._interval = _interval(airbyte.connections)

    def leave_alone(self, seconds: float) -> _Watched:
        """Look at two ends of polls that far apart, so that hardly anything but polls costs time between."""
        page = self._next_end(self._scrape())
        cpu, sent = self._daemon.cpu_seconds(), self._airbyte.sent_bytes()
        intervals = max(_MIN_POLLS, round(seconds / self._interval))
        time.sleep((intervals - 1) * self._interval)
        self._scraper.close()  # as above
        last = self._next_end(self._scrape())
        watched = _Watched(page, last, self._airbyte.sent_bytes() - sent)
        if cpu is not None and (now := self._daemon.cpu_seconds()) is not None:
            watched.cpu = now - cpu
        return watched

    def watch(self, seconds: float) -> _Watched:
        """Watch polls for some time, from the end of one to the end of another."""
        page = self._next_end(self._scrape())
        watched, until = _Watched(page, page, 0), time.monotonic() + seconds
        while len(watched.seconds) < _MIN_POLLS or time.monotonic() < until:
            self._watch_one(watched)
        return watched

    def watch_busy(self, finished: int) -> _Watched:
        """Watch polls in each of which `finished` syncs have ended."""
        page = self._next_end(self._scrape())
        watched, sent = _Watched(page, page, 0), self._airbyte.sent_bytes()
        for _ in range(BUSY_POLLS):
            before = watched.last.value(_COMPLETED)
            if (number := self._airbyte.finish_syncs(finished)) < finished:
                raise BenchmarkError(f"only {number} of {finished} syncs could be ended")
            self._watch_one(watched)
            if watched.last.value(_COMPLETED) < before + finished:
                # It was under way already; the next one has the rest.
                watched.seconds.pop()
                self._watch_one(watched)
            if watched.last.value(_COMPLETED) < before + finished:
                raise BenchmarkError(f"{finished} syncs ended, but a poll later they are not counted")
        watched.received = self._airbyte.sent_bytes() - sent
        return watched

    def _watch_one(self, watched: _Watched) -> None:
        time.sleep(_UNWATCHED * self._interval)
        page = self._next_end(watched.last)
        polls = page.value(_POLLS, loop="jobs") - watched.last.value(_POLLS, loop="jobs")
        spent = page.value(_POLL_SUM, loop="jobs") - watched.last.value(_POLL_SUM, loop="jobs")
        watched.seconds.append(spent / polls)
        watched.last = page

    def _next_end(self, page: Page) -> Page:
        """Wait for the end of a poll after those that `page` knows of; return the page from then."""
        ended = page.value(_POLLS, loop="jobs")

        def has_ended() -> Page | None:
            self._daemon.check()
            now = self._scrape()
            return now if now.value(_POLLS, loop="jobs") > ended else None

        return wait_for(has_ended, "a poll ends", timeout=POLL_SECONDS, pause=_WATCH_SECONDS)

    def _scrape(self) -> Page:
        page = self._scraper.scrape()
        if failed := page.value("airbyte_exporter_poll_failures_total"):
            raise BenchmarkError(f"{failed:.0f} polls failed:\n{self._daemon.log[-2000:]}")
        return page


def _scrapes(scraper: Scraper, seconds: float, while_reading: Spread) -> tuple[DaemonScrapes, int]:
    """Scrape in both encodings in turns; return the size of the compressed page too."""
    gzip_bytes = len(scraper.scrape(compressed=True).body)
    plain: list[float] = []
    compressed: list[float] = []
    until = time.monotonic() + seconds
    while len(plain) < _MIN_SCRAPES or time.monotonic() < until:
        plain.append(scraper.scrape().seconds)
        compressed.append(scraper.scrape(compressed=True).seconds)
    found = DaemonScrapes(
        plain=Spread.of(plain), compressed=Spread.of(compressed), while_reading_history=while_reading
    )
    return found, gzip_bytes


def _restarts(daemon: Daemon, airbyte: SimulatedAirbyte, plan: Plan) -> Restart:
    stops: list[float] = []
    pages: list[float] = []
    readies: list[float] = []
    for _ in range(plan.starts):
        with daemon.running() as at, Scraper.of(daemon.port) as scraper:
            wait_for(
                lambda: _answers(daemon, scraper), "the exporter listens", timeout=60, pause=_LOOK_SECONDS
            )
            if scraper.scrape().number_of(_INFO) != airbyte.connections:
                raise BenchmarkError("after a restart the page is not complete at once")
            pages.append(time.monotonic() - at)
            _wait_until_ready(daemon, scraper)
            readies.append(time.monotonic() - at)
            stops.append(daemon.stop())
    return Restart(stop=Spread.of(stops), first_page=Spread.of(pages), ready=Spread.of(readies))


def _result(
    airbyte: SimulatedAirbyte, starts: Sequence[_Started], steady: _Steady, restart: Restart
) -> SizeResult:
    pages = [begun.page for begun in starts]
    requests = pages[0].by("method", _API_REQUESTS)
    return SizeResult(
        connections=airbyte.connections,
        jobs=airbyte.jobs,
        live_jobs=round(steady.page.value("airbyte_jobs")),
        series=round(steady.page.value("airbyte_exporter_series")),
        page_bytes=len(steady.page.body),
        page_gzip_bytes=steady.page_gzip_bytes,
        start=Start(
            listens=Spread.of([begun.listens for begun in starts]),
            ready=Spread.of([begun.ready for begun in starts]),
            first_page=Spread.of([begun.first_page for begun in starts]),
            first_poll=Spread.of([page.value(_POLL_SUM, loop="jobs") for page in pages]),
            inventory=Spread.of([page.value(_POLL_SUM, loop="inventory") for page in pages]),
            inventory_requests=round(sum(requests.values()) - requests.get("jobs/list", 0)),
        ),
        restart=restart,
        scrapes=steady.scrapes,
        polls=steady.polls,
        history_seconds=steady.history_seconds,
        resident_bytes=None if steady.memory is None else steady.memory[0],
        peak_bytes=None if steady.memory is None else steady.memory[1],
        state_bytes=steady.state_bytes,
    )
