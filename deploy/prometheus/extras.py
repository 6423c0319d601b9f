"""Further cases of single alerts, where one thing that happens to every alert is not enough."""

from collections.abc import Mapping, Sequence
from typing import Final

from scenarios import DAY, OVERDUE, UP, failing
from timeline import (
    HOUR,
    INFO,
    MINUTE,
    NAMES,
    Key,
    Timeline,
    connection,
    constant,
    last_sync,
    schema,
    status,
    unwatched,
)

Expectation = tuple[str, int, int]
"""Name of an alert, minute, and how many of it fire then."""

Extra = tuple[str, Timeline, Sequence[Expectation]]

_RENAMED: Final[Key] = connection(
    "info", workspace_id="w-1", schedule_type="basic", tags="gold", **{**NAMES, "connection_name": "Orders"}
)
_UNKNOWN_SUCCESS: Final = {
    **failing(20),
    connection("last_success_timestamp_seconds"): constant(None),
    connection("last_failure_timestamp_seconds"): lambda minute: minute // HOUR * HOUR * MINUTE,
}

_FAILURES: Final[Sequence[Extra]] = (
    (
        "one that goes up is one alert at a time",
        Timeline(
            wrong={
                **failing(1),
                connection("consecutive_failures"): lambda minute: 1 if minute < 60 else 3,
            },
            begin=40,
            over=200,
            end=100,
        ),
        [("SyncFailed", 59, 1), ("SyncFailing", 59, 0), ("SyncFailing", 61, 1), ("SyncFailed", 75, 0)],
    ),
    (
        "nothing begins while Airbyte cannot be read",
        Timeline(wrong={**failing(1), UP: constant(0)}, begin=40, over=60, end=80),
        [("SyncFailed", 59, 0), ("SyncFailed", 80, 0)],
    ),
    (
        "an exporter that is gone for good keeps it for four hours",
        Timeline(wrong=failing(1), begin=40, over=999, end=330, up=lambda minute: minute < 60),
        [("SyncFailed", 59, 1), ("SyncFailed", 290, 1), ("SyncFailed", 325, 0)],
    ),
    (
        "two names at once while it is renamed",
        Timeline(
            wrong={
                **failing(1),
                INFO: lambda minute: 1 if minute < 70 else None,
                _RENAMED: lambda minute: 1 if minute >= 68 else None,
            },
            begin=40,
            over=999,
            end=100,
        ),
        [("SyncFailed", 60, 1), ("SyncFailed", 90, 1)],
    ),
)

EXTRAS: Final[Mapping[str, Sequence[Extra]]] = {
    "SyncFailed": _FAILURES,
    "AutoDisableSoon": (
        (
            "no success is known",
            Timeline(
                wrong=_UNKNOWN_SUCCESS, begin=0, over=9999, end=4 * DAY + 5, up=unwatched(70, 4 * DAY - 60)
            ),
            [
                ("AutoDisableSoon", 4 * DAY - 5, 0),
                ("SyncFailing", 4 * DAY - 5, 1),
                ("AutoDisableSoon", 4 * DAY + 5, 1),
            ],
        ),
    ),
    "SyncOverdue": (
        (
            "what was due in an outage has half an hour after it",
            Timeline(wrong=OVERDUE, begin=40, over=999, end=140, event="outage", when=35),
            [("SyncOverdue", 96, 0), ("SyncOverdue", 122, 0), ("SyncOverdue", 132, 1)],
        ),
        (
            "every run is cancelled",
            Timeline(
                wrong={
                    **last_sync("cancelled"),
                    connection("last_success_timestamp_seconds"): constant(DAY * MINUTE),
                },
                begin=DAY + 40,
                over=DAY + 999,
                end=DAY + 160,
                up=unwatched(170, DAY - 40),
            ),
            [("SyncOverdue", DAY + 150, 0), ("SyncOverdue", DAY + 158, 1)],
        ),
    ),
    "ConnectionDisabled": (
        (
            "it was off before",
            Timeline(wrong={}, begin=0, over=0, end=60, always={**status("inactive"), **failing(30)}),
            [("ConnectionDisabled", 60, 0)],
        ),
        (
            "it is locked",
            Timeline(wrong=status("locked"), begin=40, over=999, end=300),
            [("ConnectionDisabled", 39, 0), ("ConnectionDisabled", 42, 1), ("ConnectionDisabled", 300, 1)],
        ),
        (
            "because of its schema",
            Timeline(
                wrong={**status("inactive"), **failing(30), **schema("breaking")}, begin=40, over=999, end=60
            ),
            [("ConnectionDisabled", 60, 0), ("BreakingSchemaChange", 60, 1)],
        ),
    ),
    "AirbyteExporterMissing": (
        (
            "there has never been one",
            Timeline(wrong={}, begin=0, over=0, end=20, up=lambda _: None),
            [("AirbyteExporterMissing", 10, 0), ("AirbyteExporterMissing", 20, 1)],
        ),
    ),
}
