"""Scrapes of the exporter's own server against prometheus_client's, with the same series, in turns.

Three processes answer: ours, the library's (`reference`), and one that sends bytes it has (`verbatim`).
"""

import gzip
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

from benchmarks.facts import hourly_changes
from benchmarks.figures import Say, Spread, ratio, rounds
from benchmarks.jobpage import JOBS, page_of_jobs
from benchmarks.pages import differences, expect_same_samples
from benchmarks.scraping import Page, Scraper
from benchmarks.workers import Worker, worker

__all__ = ["Comparison", "Cycle", "Decoding", "Memory", "Scrapes", "compare"]

_SCRAPES_IN_A_ROUND: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrapes:
    """Seconds of a scrape of a page that was scraped before.

    `ratio` is theirs / ours, `over_verbatim` ours / the same bytes.
    """

    ours: Spread
    theirs: Spread
    verbatim: Spread
    ratio: Spread
    over_verbatim: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """Seconds of what one interval costs: `changed` connections are told, then comes the first scrape.

    `publish` and `set` are the parts without the scrape; `ratio` is theirs / ours.
    """

    changed: int
    publish: Spread
    ours: Spread
    set: Spread
    theirs: Spread
    ratio: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """Seconds of a plain scrape while the process is idle, and while it reads pages of jobs in a thread.

    `ratio` is reading / idle. `page_bytes` and `jobs` are those of one page.
    """

    idle: Spread
    reading: Spread
    ratio: Spread
    page_bytes: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The most resident bytes of a process so far, without those that took it to be filled.

    `ratio` is ours / theirs. ``None``: the system does not tell.
    """

    ours: int | None
    theirs: int | None
    ratio: float | None

    @classmethod
    def of(cls, ours: Worker, theirs: Worker) -> "Memory":
        """Look at two processes now."""
        our, their = ours.memory(), theirs.memory()
        if our is None or their is None:
            return cls(ours=None, theirs=None, ratio=None)
        return cls(ours=our[1], theirs=their[1], ratio=our[1] / their[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What scrapes of one size came to. `memory_text` is before anybody asked for gzip or OpenMetrics."""

    connections: int
    series: int
    page_bytes: int
    page_gzip_bytes: int
    plain: Scrapes
    compressed: Scrapes
    cycle: Cycle
    cycle_compressed: Cycle
    decoding: Decoding
    memory_text: Memory
    memory_all: Memory


def compare(connections: int, seed: int, say: Say) -> Comparison:
    """Measure scrapes of that many connections.

    Raises:
        BenchmarkError: Something does not work, or the two servers do not show the same.
    """
    say("making up facts")
    with tempfile.TemporaryDirectory() as folder, _servers(connections, seed, Path(folder), say) as servers:
        say("plain scrapes, in turns with prometheus_client")
        plain = servers.rounds(compressed=False)
        memory_text = Memory.of(servers.ours, servers.theirs)
        say("do both show the same?")
        servers.expect_same()
        say("scrapes in gzip, in turns with prometheus_client")
        compressed = servers.rounds(compressed=True)
        say("scrapes in OpenMetrics and gzip")
        servers.ask_for_all()
        memory_all = Memory.of(servers.ours, servers.theirs)
        say("scrapes while pages of jobs are read")
        decoding = servers.decoding()
        changed = servers.changed
        return Comparison(
            connections=connections,
            series=_samples(servers.page),
            page_bytes=len(servers.page.body),
            page_gzip_bytes=servers.gzip_bytes,
            plain=plain.scrapes(),
            compressed=compressed.scrapes(),
            cycle=plain.cycle(changed),
            cycle_compressed=compressed.cycle(changed),
            decoding=decoding,
            memory_text=memory_text,
            memory_all=memory_all,
        )


def _samples(page: Page) -> int:
    return page.body.count(b"\n") - page.body.count(b"\n#") - page.body.startswith(b"#")


@dataclass(frozen=True, slots=True)
class _Rounds:
    """What each round measured, in seconds."""

    publish: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    again: list[list[float]] = field(default_factory=list)
    verbatim: list[list[float]] = field(default_factory=list)
    set: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def scrapes(self) -> Scrapes:
        theirs = [[seconds] for seconds in self.theirs]
        return Scrapes(
            ours=_spread(self.again),
            theirs=Spread.of(self.theirs),
            verbatim=_spread(self.verbatim),
            ratio=ratio(theirs, self.again),
            over_verbatim=ratio(self.again, self.verbatim),
        )

    def cycle(self, changed: int) -> Cycle:
        ours = [publish + scrape for publish, scrape in zip(self.publish, self.first, strict=True)]
        theirs = [change + scrape for change, scrape in zip(self.set, self.theirs, strict=True)]
        return Cycle(
            changed=changed,
            publish=Spread.of(self.publish),
            ours=Spread.of(ours),
            set=Spread.of(self.set),
            theirs=Spread.of(theirs),
            ratio=ratio([[seconds] for seconds in theirs], [[seconds] for seconds in ours]),
        )


def _spread(rounds: Sequence[Sequence[float]]) -> Spread:
    return Spread.of([*chain.from_iterable(rounds)])


@contextmanager
def _servers(connections: int, seed: int, folder: Path, say: Say) -> Iterator["_Servers"]:
    with (
        worker("benchmarks.serving", f"--connections={connections}", f"--seed={seed}") as ours,
        worker("benchmarks.reference") as theirs,
        worker("benchmarks.verbatim") as verbatim,
        Scraper.of(ours.ask("start")["port"]) as our_scraper,
    ):
        say("the same in prometheus_client")
        page = our_scraper.scrape()
        copy = folder / "page"
        copy.write_bytes(page.body)
        with (
            Scraper.of(theirs.ask("load", page=str(copy))["port"]) as their_scraper,
            Scraper.of(verbatim.ask("start")["port"]) as verbatim_scraper,
        ):
            changed = hourly_changes(connections)
            scrapers = our_scraper, their_scraper, verbatim_scraper
            yield _Servers(ours, theirs, verbatim, scrapers, page, folder, changed)


class _Servers:
    """The three servers, and what their pages were last."""

    def __init__(
        self,
        ours: Worker,
        theirs: Worker,
        verbatim: Worker,
        scrapers: tuple[Scraper, Scraper, Scraper],
        page: Page,
        folder: Path,
        changed: int,
    ) -> None:
        self.ours = ours
        self.theirs = theirs
        self.changed = changed
        self.page = page
        self.gzip_bytes = 0
        self._first_page = self._their_page = page
        self._verbatim = verbatim
        self._scrape_ours, self._scrape_theirs, self._scrape_verbatim = (it.scrape for it in scrapers)
        self._folder = folder

    def rounds(self, *, compressed: bool) -> _Rounds:
        """Change and scrape each server in turn, again and again."""
        measured = _Rounds()
        for _ in rounds():
            measured.publish.append(self.ours.ask("change", number=self.changed)["seconds"])
            page = self._scrape_ours(compressed=compressed)
            measured.first.append(page.seconds)
            self._take(page, compressed=compressed)
            again, verbatim = self._steady(page, compressed=compressed)
            measured.again.append(again)
            measured.verbatim.append(verbatim)
            measured.set.append(self.theirs.ask("change")["seconds"])
            self._their_page = self._scrape_theirs(compressed=compressed)
            measured.theirs.append(self._their_page.seconds)
        return measured

    def _take(self, page: Page, *, compressed: bool) -> None:
        """Note our page, and get the library's server ready to change as it did."""
        plain = page
        if compressed:
            self.gzip_bytes = len(page.body)
            plain = Page(gzip.decompress(page.body), page.seconds)
        old, new = differences(self.page.body, plain.body)
        self.theirs.ask("prepare", old=old, new=new)
        self.page = plain

    def _steady(self, page: Page, *, compressed: bool) -> tuple[list[float], list[float]]:
        """Scrape our page a few times more, in turns with the same bytes."""
        copy = self._folder / "copy"
        copy.write_bytes(page.body)
        self._verbatim.ask("load", page=str(copy), compressed=compressed)
        again: list[float] = []
        verbatim: list[float] = []
        for _ in range(_SCRAPES_IN_A_ROUND):
            again.append(self._scrape_ours(compressed=compressed).seconds)
            verbatim.append(self._scrape_verbatim(compressed=compressed).seconds)
        return again, verbatim

    def expect_same(self) -> None:
        """Make sure that the last pages, after all changes so far, hold the same samples.

        Raises:
            BenchmarkError: They do not.
        """
        expect_same_samples(self.page.body, self._their_page.body, self._first_page.body)

    def ask_for_all(self) -> None:
        """Let each server make every kind of page, ours twice: what is wanted is made ahead then."""
        for _ in range(2):
            self.ours.ask("change", number=self.changed)
            for openmetrics in (False, True):
                for compressed in (False, True):
                    self._scrape_ours(compressed=compressed, openmetrics=openmetrics)
        self._scrape_theirs(compressed=True, openmetrics=True)

    def decoding(self) -> Decoding:
        """Scrape while the process is idle, and while it reads pages of jobs."""
        body = page_of_jobs()
        copy = self._folder / "jobs"
        copy.write_bytes(body)
        idle: list[list[float]] = []
        reading: list[list[float]] = []
        for _ in rounds():
            idle.append(self._some())
            self.ours.ask("decode", page=str(copy))
            reading.append(self._some())
            self.ours.ask("rest")
        return Decoding(
            idle=_spread(idle),
            reading=_spread(reading),
            ratio=ratio(reading, idle),
            page_bytes=len(body),
            jobs=JOBS,
        )

    def _some(self) -> list[float]:
        return [self._scrape_ours().seconds for _ in range(_SCRAPES_IN_A_ROUND)]
