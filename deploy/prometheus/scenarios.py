"""What makes each alert fire, and its nearest innocent case; `generate.py` makes unit tests of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from timeline import (
    HOUR,
    INFO,
    MANUAL,
    MINUTE,
    NAMES,
    At,
    Key,
    connection,
    constant,
    exporter,
    job,
    last_sync,
    schema,
    status,
    unwatched,
)

DAY: Final = 1440
BEGIN: Final = 40

ABOUT_CONNECTION: Final = {"connection_id": "c0ffee00", **NAMES}

Wrong = Mapping[Key, At]


@dataclass(frozen=True)
class Scenario:
    """How one alert is provoked.

    Args:
        wrong: What is told while it should fire.
        innocent: What is told in the nearest case in which it should not.
        fires: Minutes from the beginning of what is wrong until it fires at the latest.
        labels: Its labels, beside those of the exporter and its severity.
        begin: The minute at which it begins to be wrong; before that all is well.
        ends: Minutes from the end of what is wrong until it has ended at the latest.
        up: Whether scrapes work, ``None`` where there is no target, and the same for the innocent case.
        always: What is told all the time, unlike by a healthy exporter.
        value: What the annotations say as its value.
    """

    wrong: Wrong
    innocent: Wrong
    fires: int = 1
    labels: Mapping[str, str] = field(default_factory=lambda: ABOUT_CONNECTION)
    begin: int = BEGIN
    ends: int = 6
    up: Callable[[int], bool | None] = lambda _: True
    innocent_up: Callable[[int], bool | None] = lambda _: True
    always: Wrong = field(default_factory=dict)
    value: str = ""

    @property
    def is_about_connection(self) -> bool:
        """Whether Airbyte must be read for it to begin or end."""
        return "connection_id" in self.labels


def failing(times: int) -> dict[Key, At]:
    """Return a connection whose newest syncs have failed so often."""
    return {**last_sync("failed"), connection("consecutive_failures"): constant(times)}


def without_success(days: int) -> dict[Key, At]:
    """Return a connection that has failed often, and whose newest success is so many days older."""
    # Only the two facts are compared, so they may lie far ahead of promtool's clock, which begins at 0.
    return {
        **failing(20),
        connection("last_success_timestamp_seconds"): constant(1000),
        connection("last_failure_timestamp_seconds"): constant(1060 + days * DAY * MINUTE),
    }


def stopped(loop: str) -> dict[Key, At]:
    """Return a loop that works no more."""
    return {exporter("poll_last_success_timestamp_seconds", loop=loop): constant(BEGIN * MINUTE)}


def counted(name: str, each_minute: float, **labels: str) -> dict[Key, At]:
    """Return a counter that grows by so much each minute."""
    return {exporter(name, **labels): lambda minute: minute * each_minute}


UP: Final[Key] = ("airbyte_up", ())
LAST_JOBS: Final = exporter("poll_last_success_timestamp_seconds", loop="jobs")
OLDEST: Final = exporter("notification_oldest_timestamp_seconds")
LEFT_OUT: Final = exporter("connections_left_out")
SERIES: Final = exporter("series")
RECEIVER: Final = {"receiver": "oncall"}
NEVER: Final[Wrong] = {
    **last_sync("cancelled"),
    connection("last_success_timestamp_seconds"): constant(None),
}
OVERDUE: Final[Wrong] = {
    connection("next_run_timestamp_seconds"): constant(BEGIN * MINUTE),
    connection("last_sync_end_timestamp_seconds"): constant(0),
    connection("last_success_timestamp_seconds"): constant(0),
}


def _away(minutes: int, *, answer: bool | None) -> Callable[[int], bool | None]:
    return lambda minute: answer if BEGIN <= minute < BEGIN + minutes else True


def _now_and_then(minute: int) -> float:
    """Return when a poll last worked of which only every eighth does."""
    return max(minute // 8 * 8, 0) * MINUTE


_CONNECTIONS: Final[Mapping[str, Scenario]] = {
    "AutoDisableSoon": Scenario(wrong=without_success(5), innocent=without_success(3), ends=11),
    "SyncFailing": Scenario(wrong=failing(3), innocent=failing(2), ends=11),
    "SyncFailed": Scenario(wrong=failing(1), innocent=last_sync("cancelled"), ends=11),
    "NeverSucceeded": Scenario(
        wrong=NEVER,
        innocent={**NEVER, INFO: constant(None), MANUAL: constant(1)},
        begin=0,
        fires=DAY + 3,
        up=unwatched(100, DAY - 40),
        innocent_up=unwatched(100, DAY - 40),
    ),
    "SyncOverdue": Scenario(wrong=OVERDUE, innocent={**OVERDUE, **job("running", BEGIN)}, fires=34),
    "BreakingSchemaChange": Scenario(wrong=schema("breaking"), innocent=schema("non_breaking")),
    "ConnectionDisabled": Scenario(
        wrong={**status("inactive"), **failing(30)}, innocent={**status("inactive"), **failing(2)}
    ),
    "JobStuckPending": Scenario(wrong=job("pending", BEGIN), innocent=job("running", BEGIN), fires=34),
}

_EXPORTER: Final[Mapping[str, Scenario]] = {
    "AirbyteUnreachable": Scenario(
        wrong={UP: constant(0), **stopped("jobs")},
        innocent={UP: lambda minute: float(minute % 8 == 0), LAST_JOBS: _now_and_then},
        fires=11,
        labels={},
    ),
    "NotificationsFailing": Scenario(
        wrong=counted("notifications_total", 0.25, **RECEIVER, outcome="failed"),
        innocent={
            **counted("notifications_total", 0.25, **RECEIVER, outcome="failed"),
            **counted("notifications_total", 0.25, **RECEIVER, outcome="delivered"),
        },
        fires=20,
        labels=RECEIVER,
        ends=16,
        always={
            exporter("notifications_total", **RECEIVER, outcome=each): constant(0)
            for each in ("failed", "delivered")
        },
    ),
    "AirbyteExporterDown": Scenario(
        wrong={},
        innocent={},
        fires=6,
        labels={},
        up=_away(96, answer=False),
        innocent_up=_away(4, answer=False),
    ),
    "AirbyteExporterMissing": Scenario(
        wrong={},
        innocent={},
        fires=16,
        labels={},
        up=_away(106, answer=None),
        innocent_up=_away(14, answer=None),
    ),
    "AirbyteExporterNotReady": Scenario(
        wrong={UP: constant(None), LAST_JOBS: constant(None)},
        innocent={UP: constant(0), LAST_JOBS: constant(None)},
        fires=16,
        labels={},
    ),
    "AirbyteExporterPollsFailing": Scenario(
        wrong=counted("poll_failures_total", 1, loop="inventory", reason="timeout"),
        innocent=counted("poll_failures_total", 0.2, loop="inventory", reason="timeout"),
        fires=40,
        labels={"loop": "inventory"},
        ends=36,
        always={exporter("poll_failures_total", loop="inventory", reason="timeout"): constant(0)},
    ),
    "AirbyteExporterStale": Scenario(
        wrong=stopped("evaluate"),
        innocent={
            exporter("poll_last_success_timestamp_seconds", loop="inventory"): lambda m: m // 25 * 25 * MINUTE
        },
        fires=14,
        labels={"loop": "evaluate"},
    ),
    "AirbyteExporterStateFailing": Scenario(
        wrong=counted("poll_failures_total", 1, loop="evaluate", reason="state"),
        innocent=counted("poll_failures_total", 1, loop="evaluate", reason="internal"),
        fires=7,
        labels={},
        ends=16,
    ),
    "AirbyteExporterNotificationsDelayed": Scenario(
        wrong={OLDEST: constant(BEGIN * MINUTE)},
        innocent={OLDEST: lambda minute: (minute - 14) * MINUTE},
        fires=22,
        labels={},
    ),
    "AirbyteExporterConnectionsLeftOut": Scenario(
        wrong={LEFT_OUT: constant(5)}, innocent={LEFT_OUT: constant(0)}, fires=16, labels={}, value="5"
    ),
    "AirbyteExporterSeriesGrowing": Scenario(
        wrong={SERIES: constant(30000)},
        innocent={SERIES: constant(23000)},
        fires=16,
        labels={},
        begin=6 * HOUR + BEGIN,
        always={SERIES: constant(12000)},
        value="30000",
    ),
}

SCENARIOS: Final[Mapping[str, Scenario]] = {**_CONNECTIONS, **_EXPORTER}
