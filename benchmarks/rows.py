"""The rows of the table: what each figure is called, where it comes from, and which goal it has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from benchmarks import goals
from benchmarks.comparing import Comparison, Cycle, Memory, Scrapes
from benchmarks.figures import Spread
from benchmarks.goals import Goal, Verdict
from benchmarks.measuring import BUSY_SHARE, Polls, SizeResult
from benchmarks.polling import PollingResult
from benchmarks.results import AtSize, Results
from benchmarks.updating import CHANGES, GROWTH_OF
from benchmarks.wording import duration, durations, number, ratios, size, spread

__all__ = ["Row", "Section", "Shown", "judged", "sections", "verdicts"]

T = TypeVar("T")


class Shown(NamedTuple):
    """A figure as people read it, and as a goal looks at it."""

    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One figure at every size; `read` returns ``None`` where it was not measured."""

    name: str
    read: Callable[[AtSize], Shown | None]
    goal: Goal | None = None


class Section(NamedTuple):
    """Rows that belong together."""

    title: str
    rows: Sequence[Row]


def sections(results: Results) -> list[Section]:
    """Return all rows for which anything was measured."""
    sizes = list(results.sizes())
    found = []
    for section in (*_compared(), _polls(), *_process(results.process)):
        rows = [row for row in section.rows if any(row.read(it) is not None for it in sizes)]
        if rows:
            found.append(Section(section.title, rows))
    return found


def verdicts(results: Results) -> list[Verdict]:
    """Judge every goal that something was measured for."""
    return [
        Verdict(f"{section.title}: {row.name}", connections, str(row.goal), value, row.goal.is_met(value))
        for section in sections(results)
        for row in section.rows
        if row.goal is not None
        for connections, value in judged(row, row.goal, results)
    ]


def judged(row: Row, goal: Goal, results: Results) -> Iterator[tuple[int, float]]:
    """Return the figures of a row by which its goal is judged, each with its number of connections."""
    for it in results.sizes():
        if it.connections == goals.JUDGED or goal.at_every_size:
            shown = row.read(it)
            if shown is not None and shown.value is not None:
                yield it.connections, shown.value


def _row(
    name: str, part: Callable[[AtSize], T | None], show: Callable[[T], Shown | str], goal: Goal | None = None
) -> Row:
    def read(it: AtSize) -> Shown | None:
        found = part(it)
        if found is None:
            return None
        shown = show(found)
        return Shown(shown) if isinstance(shown, str) else shown

    return Row(name, read, goal)


def _ratio(values: Spread) -> Shown:
    return Shown(ratios(values), values.median)


# Our server against others


def _compared() -> Iterator[Section]:
    yield Section(
        "The page",
        [
            _row("series", _comparison, lambda it: number(it.series)),
            _row("plain", _comparison, lambda it: size(it.page_bytes)),
            _row("gzip", _comparison, lambda it: size(it.page_gzip_bytes)),
        ],
    )
    yield Section("A scrape, plain", _scrapes(lambda it: it.plain))
    yield Section("A scrape, gzip", _scrapes(lambda it: it.compressed))
    yield Section("A full cycle, plain", _cycle(lambda it: it.cycle, goals.CYCLE))
    yield Section("A full cycle, gzip", _cycle(lambda it: it.cycle_compressed, None))
    yield Section(
        "Publishing changes",
        [
            *(_update(changed) for changed in CHANGES),
            _row(
                f"{GROWTH_OF} changed / size before",
                lambda it: it.growth,
                lambda growth: _ratio(growth.ratio),
                goals.GROWTH,
            ),
        ],
    )
    yield Section(
        "A scrape while jobs are read",
        [
            _row("idle", _comparison, lambda it: durations(it.decoding.idle)),
            _row("reading", _comparison, lambda it: durations(it.decoding.reading)),
            _row("reading / idle", _comparison, lambda it: _ratio(it.decoding.ratio), goals.DECODING),
        ],
    )
    yield Section("Memory at most, text alone", _memory(lambda it: it.memory_text))
    yield Section("Memory at most, every format", _memory(lambda it: it.memory_all))


def _comparison(it: AtSize) -> Comparison | None:
    return it.comparison


def _scrapes(of: Callable[[Comparison], Scrapes]) -> list[Row]:
    return [
        _row("ours", _comparison, lambda it: durations(of(it).ours)),
        _row("the same bytes, one sendall", _comparison, lambda it: durations(of(it).verbatim)),
        _row("prometheus_client", _comparison, lambda it: durations(of(it).theirs)),
        _row("prometheus_client / ours", _comparison, lambda it: _ratio(of(it).ratio), goals.SCRAPE),
        _row("ours / the same bytes", _comparison, lambda it: _ratio(of(it).over_verbatim), goals.VERBATIM),
    ]


def _cycle(of: Callable[[Comparison], Cycle], goal: Goal | None) -> list[Row]:
    return [
        _row("changed connections", _comparison, lambda it: number(of(it).changed)),
        _row("ours", _comparison, lambda it: durations(of(it).ours)),
        _row("of it publishing", _comparison, lambda it: durations(of(it).publish)),
        _row("prometheus_client", _comparison, lambda it: durations(of(it).theirs)),
        _row("prometheus_client / ours", _comparison, lambda it: _ratio(of(it).ratio), goal),
    ]


def _update(changed: int) -> Row:
    return _row(
        f"{number(changed)} changed",
        lambda it: it.updates.get(changed),
        lambda update: durations(update.seconds),
    )


def _memory(of: Callable[[Comparison], Memory]) -> list[Row]:
    def ratio(it: Comparison) -> Shown:
        found = of(it).ratio
        return Shown("not known") if found is None else Shown(f"{found:.2f}x", found)

    return [
        _row("ours", _comparison, lambda it: size(of(it).ours)),
        _row("prometheus_client", _comparison, lambda it: size(of(it).theirs)),
        _row("ours / prometheus_client", _comparison, ratio, goals.MEMORY),
    ]


# Requests


def _polls() -> Section:
    def poll(it: AtSize) -> PollingResult | None:
        return it.poll

    return Section(
        "A poll of jobs, counted",
        [
            _row("quiet: requests", poll, lambda it: Shown(spread(it.quiet), it.quiet.maximum), goals.QUIET),
            _row("quiet: answers", poll, lambda it: size(it.quiet_bytes.median)),
            _row("hourly syncs: requests", poll, lambda it: spread(it.usual)),
            _row("hourly syncs: answers", poll, lambda it: size(it.usual_bytes.median)),
        ],
    )


# The daemon against a simulated Airbyte


def _process(results: Sequence[SizeResult]) -> Iterator[Section]:
    yield from _starts()
    yield Section(
        "Scrapes of it, between polls",
        [
            _of_daemon("plain", lambda r: durations(r.scrapes.plain)),
            _of_daemon("plain, 99th percentile", lambda r: duration(r.scrapes.plain.p99)),
            _of_daemon("gzip", lambda r: durations(r.scrapes.compressed)),
            _of_daemon("gzip, 99th percentile", lambda r: duration(r.scrapes.compressed.p99)),
            _of_daemon("plain, while reading history", lambda r: durations(r.scrapes.while_reading_history)),
        ],
    )
    yield Section(
        "Its poll of jobs",
        [
            _of_daemon("takes", lambda r: durations(r.polls.quiet)),
            _of_daemon("of it waiting for Airbyte", lambda r: duration(r.polls.quiet_waiting)),
            *_requests(results, lambda polls: polls.quiet_requests),
            _of_daemon("answers", lambda r: size(r.polls.quiet_bytes)),
            _of_daemon("live jobs", lambda r: number(r.live_jobs)),
            _of_daemon(
                "CPU, all loops included",
                lambda r: "not known" if r.polls.quiet_cpu is None else duration(r.polls.quiet_cpu),
            ),
        ],
    )
    yield Section(
        f"Its poll, {BUSY_SHARE:.0%} just synced",
        [
            _of_daemon("takes", lambda r: durations(r.polls.busy)),
            _of_daemon("of it waiting for Airbyte", lambda r: duration(r.polls.busy_waiting)),
            *_requests(results, lambda polls: polls.busy_requests),
            _of_daemon("answers", lambda r: size(r.polls.busy_bytes)),
        ],
    )
    yield Section(
        "Its memory and state",
        [
            _of_daemon("resident", lambda r: size(r.resident_bytes)),
            _of_daemon("resident, at most", lambda r: size(r.peak_bytes)),
            _of_daemon("state on disk", lambda r: size(r.state_bytes)),
        ],
    )


def _starts() -> Iterator[Section]:
    yield Section(
        "The daemon's start",
        [
            _of_daemon("listens", lambda r: durations(r.start.listens)),
            _of_daemon("is ready", lambda r: durations(r.start.ready)),
            _of_daemon("first complete page", lambda r: durations(r.start.first_page)),
            _of_daemon("of it the first poll", lambda r: durations(r.start.first_poll)),
            _of_daemon("of that the inventory", lambda r: durations(r.start.inventory)),
            _of_daemon("requests for the inventory", lambda r: number(r.start.inventory_requests)),
            _of_daemon("job history, in the background", lambda r: duration(r.history_seconds)),
        ],
    )
    yield Section(
        "Its restart, with its state",
        [
            _of_daemon("complete page", lambda r: durations(r.restart.first_page)),
            _of_daemon("is ready", lambda r: durations(r.restart.ready)),
            _of_daemon("stops within", lambda r: durations(r.restart.stop)),
        ],
    )


def _of_daemon(name: str, show: Callable[[SizeResult], str]) -> Row:
    return _row(name, lambda it: it.process, show)


def _requests(results: Sequence[SizeResult], of: Callable[[Polls], Mapping[str, float]]) -> list[Row]:
    methods = sorted({method for result in results for method in of(result.polls)})

    def request(method: str) -> Row:
        return _of_daemon(f"requests: {method}", lambda r: f"{of(r.polls).get(method, 0):.1f}")

    return [request(method) for method in methods]
