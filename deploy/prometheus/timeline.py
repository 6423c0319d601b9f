"""What Prometheus scrapes of an exporter, minute by minute, written as the input of promtool's unit tests."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, Literal

At = Callable[[int], float | None]
"""The value at a minute, ``None`` where there is no sample."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""Name and own labels of a series."""

Event = Literal["nothing", "restart", "leader", "outage"]

MINUTE: Final = 60
HOUR: Final = 60
LAST_SUCCESS: Final = "airbyte_exporter_poll_last_success_timestamp_seconds"
TARGET: Final = {
    "job": "airbyte-exporter",
    "instance": "data/airbyte-exporter",
    "namespace": "data",
    "service": "airbyte-exporter",
    "endpoint": "http",
    "container": "airbyte-exporter",
}
"""What a ServiceMonitor adds to every series, beside the pod."""

CONNECTION: Final = (("connection_id", "c0ffee00"),)
NAMES: Final = {
    "connection_name": "Orders → Warehouse",
    "workspace_name": "Shop",
    "source_connector": "Postgres",
    "destination_connector": "Snowflake",
}
INVENTORY: Final = (
    "info",
    "status",
    "created_timestamp_seconds",
    "schedule_interval_seconds",
    "schema_change",
)
RESTART: Final = 2
"""Minutes without a scrape while an exporter restarts."""

OUTAGE: Final = 60
"""Minutes for which Airbyte cannot be read."""

JOBS_STALE: Final = 10
INVENTORY_STALE: Final = 30


def connection(name: str, **labels: str) -> Key:
    """Return the key of a series about the connection."""
    return f"airbyte_connection_{name}", (*CONNECTION, *sorted(labels.items()))


INFO: Final = connection("info", workspace_id="w-1", schedule_type="basic", tags="gold", **NAMES)
MANUAL: Final = connection("info", workspace_id="w-1", schedule_type="manual", tags="gold", **NAMES)


def exporter(name: str, **labels: str) -> Key:
    """Return the key of a series about the exporter."""
    return f"airbyte_exporter_{name}", tuple(sorted(labels.items()))


def states(name: str, label: str, known: tuple[str, ...], now: str) -> dict[Key, At]:
    """Return a set of states, one of which is 1."""
    return {connection(name, **{label: state}): constant(float(state == now)) for state in known}


def constant(value: float | None) -> At:
    """Return a value that never changes."""
    return lambda _: value


def status(now: str) -> dict[Key, At]:
    """Return the status of the connection."""
    return states("status", "status", ("active", "inactive", "locked", "deprecated"), now)


def schema(now: str) -> dict[Key, At]:
    """Return what Airbyte found of the schema."""
    return states("schema_change", "change", ("none", "non_breaking", "breaking"), now)


def last_sync(now: str) -> dict[Key, At]:
    """Return how the newest sync ended."""
    return states("last_sync_status", "status", ("succeeded", "failed", "cancelled"), now)


def job(now: str, since: int) -> dict[Key, At]:
    """Return a live job that was created at a minute."""
    return {
        **states("active_job_status", "status", ("pending", "queued", "running", "incomplete"), now),
        connection("active_job_created_timestamp_seconds"): constant(since * MINUTE),
    }


def _hour(minute: int) -> float:
    return minute // HOUR * HOUR * MINUTE


def healthy() -> dict[Key, At]:
    """Return an exporter that works, and a connection that syncs every hour and succeeds."""
    return {
        ("airbyte_up", ()): constant(1),
        exporter("build_info", version="0.1.0", python_version="3.13.0"): constant(1),
        **{
            exporter("poll_last_success_timestamp_seconds", loop=loop): lambda minute: minute * MINUTE
            for loop in ("jobs", "evaluate", "dispatch")
        },
        exporter("poll_last_success_timestamp_seconds", loop="inventory"): lambda minute: (
            minute // 5 * 5 * MINUTE
        ),
        **{
            exporter("polls_total", loop=loop): lambda minute: minute * 2
            for loop in ("inventory", "jobs", "evaluate", "dispatch")
        },
        ("process_start_time_seconds", ()): constant(0),
        INFO: constant(1),
        **status("active"),
        **schema("none"),
        connection("schedule_interval_seconds"): constant(HOUR * MINUTE),
        connection("next_run_timestamp_seconds"): lambda minute: _hour(minute) + HOUR * MINUTE,
        **last_sync("succeeded"),
        connection("last_sync_end_timestamp_seconds"): _hour,
        connection("last_sync_duration_seconds"): constant(120),
        connection("last_success_timestamp_seconds"): _hour,
        connection("consecutive_failures"): constant(0),
    }


def unwatched(begin: int, end: int) -> Callable[[int], bool | None]:
    """Return an exporter that has no target from one minute to another, so that long stories are short."""
    return lambda minute: None if begin <= minute < end else True


@dataclass(frozen=True)
class Timeline:
    """What is told from minute 0 to `end`: all is well, but `wrong` from minute `begin` until `over`.

    Args:
        event: What happens to the exporter or to Airbyte, at minute `when`.
        up: Whether a scrape at a minute works, ``None`` where there is no target.
        always: What is told all the time, unlike by a healthy exporter.
    """

    wrong: Mapping[Key, At]
    begin: int
    over: int
    end: int
    event: Event = "nothing"
    when: int = 0
    up: Callable[[int], bool | None] = lambda _: True
    always: Mapping[Key, At] = field(default_factory=dict)

    def series(self) -> list[dict[str, str]]:
        """Return the input of promtool: one row for each series of each pod."""
        pods = [("airbyte-exporter-a", range(self.end + 1))]
        if self.event == "leader":
            # Both are scraped twice, and the new one's counters begin at 0.
            pods = [
                ("airbyte-exporter-a", range(self.when + 2)),
                ("airbyte-exporter-b", range(self.when, self.end + 1)),
            ]
        return [row for pod, lives in pods for row in self._of(pod, lives)]

    def _of(self, pod: str, lives: range) -> Iterator[dict[str, str]]:
        minutes = range(self.end + 1)
        answering = {minute for minute in minutes if minute in lives and self._answers(minute)}
        scraped = {minute for minute in lives if self.up(minute) is not None}
        ups = [float(minute in answering) if minute in scraped else None for minute in minutes]
        yield _row(("up", ()), pod, ups)
        facts = {**healthy(), **self.always}
        for key in dict.fromkeys([*facts, *self.wrong]):
            well = facts.get(key, constant(None))
            told = [
                self._told(key, well, minute, self._started(minute, lives)) if minute in answering else None
                for minute in minutes
            ]
            if any(value is not None for value in told):
                yield _row(key, pod, told)

    def _answers(self, minute: int) -> bool:
        is_away = self.event == "restart" and self.when <= minute < self.when + RESTART
        return bool(self.up(minute)) and not is_away

    def _started(self, minute: int, lives: range) -> int:
        """Return the minute at which the process began that answers at a minute."""
        is_new = self.event == "restart" and minute >= self.when + RESTART
        return self.when + RESTART if is_new else lives.start

    def _told(self, key: Key, well: At, minute: int, started: int) -> float | None:
        name = key[0]
        if started and minute == started and name in {"airbyte_up", LAST_SUCCESS}:
            return None  # its first poll has not ended yet
        if self.event == "outage" and self.when <= minute < self.when + OUTAGE:
            return self._in_outage(key, well, minute)
        value = self._true(key, well, minute)
        if value is None or not (name.startswith("airbyte_exporter_") and name.endswith("_total")):
            return value
        return value - ((self._true(key, well, started) or 0.0) if started else 0.0)

    def _in_outage(self, key: Key, well: At, minute: int) -> float | None:
        name = key[0]
        if name == "airbyte_up":
            return 0
        if name.startswith("airbyte_connection_"):
            stale = INVENTORY_STALE if name.removeprefix("airbyte_connection_") in INVENTORY else JOBS_STALE
            return None if minute >= self.when + stale else self._true(key, well, self.when - 1)
        stands_still = name == LAST_SUCCESS and dict(key[1])["loop"] in {"jobs", "inventory"}
        return self._true(key, well, self.when - 1 if stands_still else minute)

    def _true(self, key: Key, well: At, minute: int) -> float | None:
        if self.begin <= minute < self.over and key in self.wrong:
            return self.wrong[key](minute)
        return well(minute)

    def with_event(self, event: Event, when: int) -> "Timeline":
        """Return the same with something that happens."""
        return replace(self, event=event, when=when)


def _row(key: Key, pod: str, samples: list[float | None]) -> dict[str, str]:
    every = {**dict(key[1]), **TARGET, "pod": pod}
    written = ", ".join(f'{label}="{value}"' for label, value in sorted(every.items()))
    return {"series": f"{key[0]}{{{written}}}", "values": " ".join(_written(samples))}


def _written(samples: list[float | None]) -> Iterator[str]:
    """Write samples in promtool's notation; a scrape without one ends the series, as in a real server."""
    was_there = False
    for is_there, group in groupby(samples, lambda value: value is not None):
        members = list(group)
        if is_there:
            yield from _runs([value for value in members if value is not None])
        else:
            if was_there:
                yield "stale"
            if len(members) > was_there:
                yield f"_x{len(members) - was_there}"
        was_there = is_there


def _runs(values: list[float]) -> Iterator[str]:
    """Write numbers as runs with the same step."""
    place = 0
    while place < len(values):
        first, last = values[place], place
        step = values[place + 1] - first if place + 1 < len(values) else 0.0
        while last + 1 < len(values) and values[last + 1] - values[last] == step:
            last += 1
        if step and last == place + 1:
            last = place  # two numbers are no run
        times = f"x{last - place}" if last > place else ""
        sign = "" if not step or last == place else f"{'+' if step > 0 else '-'}{_number(abs(step))}"
        yield f"{_number(first)}{sign}{times}"
        place = last + 1


def _number(value: float) -> str:
    return f"{value:.10g}"
