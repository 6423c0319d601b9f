"""The exporter's own metrics: each family declared once, in a registry of its own.

Every family that describes the exporter itself (``airbyte_exporter_*``), ``airbyte_up`` and the standard
``process_*`` and ``python_*`` families live here. The facts about Airbyte are `exposition`'s business: they
change with a poll, these change at any time and are rendered by prometheus_client on every scrape.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

__all__ = ["LOOPS", "OWN_FAMILIES", "STANDARD_FAMILIES", "FamilyInfo", "MetricType", "Telemetry"]

MetricType = Literal["gauge", "counter", "histogram"]

LOOPS: Final = ("inventory", "jobs", "evaluate", "dispatch")
OUTCOMES: Final = ("delivered", "failed", "given_up")


@dataclass(frozen=True, slots=True)
class FamilyInfo:
    """What a metric family says of itself. The name is the full one: a counter's ends in ``_total``."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()


_UP: Final = FamilyInfo(
    "airbyte_up",
    "gauge",
    "Whether the last poll of jobs worked: 1 or 0. Absent until the first poll has ended.",
)
_BUILD_INFO: Final = FamilyInfo(
    "airbyte_exporter_build_info",
    "gauge",
    "The exporter's version and the Python that it runs on. Always 1.",
    ("version", "python_version"),
)
_POLLS: Final = FamilyInfo(
    "airbyte_exporter_polls_total",
    "counter",
    "Rounds of a loop that have ended, well or badly.",
    ("loop",),
)
_POLL_FAILURES: Final = FamilyInfo(
    "airbyte_exporter_poll_failures_total",
    "counter",
    "Rounds of a loop that failed, by reason.",
    ("loop", "reason"),
)
_POLL_DURATION: Final = FamilyInfo(
    "airbyte_exporter_poll_duration_seconds",
    "histogram",
    "How long a round of a loop took, in seconds, failed ones included.",
    ("loop",),
)
_POLL_LAST_SUCCESS: Final = FamilyInfo(
    "airbyte_exporter_poll_last_success_timestamp_seconds",
    "gauge",
    "When a loop last ended a round well, in seconds since the epoch by the exporter's own clock.",
    ("loop",),
)
_POLL_INFO: Final = FamilyInfo(
    "airbyte_exporter_poll_info",
    "gauge",
    "How a loop reads Airbyte: mode is changes (what changed, of all connections at once), workspaces (the "
    "same by workspace) or connections (each connection is asked for its jobs). Always 1.",
    ("loop", "mode"),
)
_API_REQUESTS: Final = FamilyInfo(
    "airbyte_exporter_api_requests_total",
    "counter",
    "Requests to Airbyte, retries included, by API method and HTTP status code or kind of failure.",
    ("method", "code"),
)
_API_DURATION: Final = FamilyInfo(
    "airbyte_exporter_api_request_duration_seconds",
    "histogram",
    "How long Airbyte took to answer a request in full, in seconds, by API method.",
    ("method",),
)
_ALERTS: Final = FamilyInfo(
    "airbyte_exporter_alerts",
    "gauge",
    "Incidents that go on now, by the rule that speaks for them and its severity.",
    ("rule", "severity"),
)
_NOTIFICATIONS: Final = FamilyInfo(
    "airbyte_exporter_notifications_total",
    "counter",
    "Attempts to deliver a notification, by receiver and outcome.",
    ("receiver", "outcome"),
)
_QUEUE_LENGTH: Final = FamilyInfo(
    "airbyte_exporter_notification_queue_length",
    "gauge",
    "Notifications that wait to be delivered.",
)
_QUEUE_OLDEST: Final = FamilyInfo(
    "airbyte_exporter_notification_oldest_timestamp_seconds",
    "gauge",
    "When the oldest waiting notification was written, in seconds since the epoch. Absent when none waits.",
)
_LEFT_OUT: Final = FamilyInfo(
    "airbyte_exporter_connections_left_out",
    "gauge",
    "Connections that metrics.max_connections keeps out of the families of single connections. Absent while "
    "no limit is set.",
)
_SERIES: Final = FamilyInfo(
    "airbyte_exporter_series",
    "gauge",
    "Series with facts about Airbyte on this page. Absent until the first facts are there.",
)

OWN_FAMILIES: Final[tuple[FamilyInfo, ...]] = (
    _UP,
    _BUILD_INFO,
    _POLLS,
    _POLL_FAILURES,
    _POLL_DURATION,
    _POLL_LAST_SUCCESS,
    _POLL_INFO,
    _API_REQUESTS,
    _API_DURATION,
    _ALERTS,
    _NOTIFICATIONS,
    _QUEUE_LENGTH,
    _QUEUE_OLDEST,
    _LEFT_OUT,
    _SERIES,
)
"""Every family declared here, in the order in which they are documented."""

STANDARD_FAMILIES: Final = (
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
    "python_info",
    "python_gc_objects_collected_total",
    "python_gc_objects_uncollectable_total",
    "python_gc_collections_total",
)
"""The families that prometheus_client adds about the process, where the system tells."""

_POLL_BUCKETS: Final = (0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0)
_generate_openmetrics, _ = choose_encoder("application/openmetrics-text; version=1.0.0")

_API_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)


class Telemetry:
    """Count and time what the exporter does. Thread-safe; one per process or test, nothing is global."""

    def __init__(self, version: str) -> None:
        # Creation times of these counters would double the number of series and say no more than
        # `process_start_time_seconds`; the library has only this process-wide switch.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it unannotated
        self._registry = _Registry()
        self._facts = _Facts()
        self._registry.register(self._facts)
        build = Gauge(*_arguments(_BUILD_INFO), registry=self._registry)
        build.labels(version, platform.python_version()).set(1)
        self._polls = Counter(*_arguments(_POLLS), registry=self._registry)
        self._poll_failures = Counter(*_arguments(_POLL_FAILURES), registry=self._registry)
        self._poll_seconds = Histogram(
            *_arguments(_POLL_DURATION), registry=self._registry, buckets=_POLL_BUCKETS
        )
        self._poll_last_success = Gauge(*_arguments(_POLL_LAST_SUCCESS), registry=self._registry)
        self._api_requests = Counter(*_arguments(_API_REQUESTS), registry=self._registry)
        self._api_seconds = Histogram(
            *_arguments(_API_DURATION), registry=self._registry, buckets=_API_BUCKETS
        )
        self._notifications = Counter(*_arguments(_NOTIFICATIONS), registry=self._registry)
        for loop in LOOPS:
            self._polls.labels(loop)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def poll_succeeded(self, loop: str, seconds: float, at: float) -> None:
        """Count a round of `loop` that took `seconds` and ended well `at` this time of our own clock."""
        self._polls.labels(loop).inc()
        self._poll_seconds.labels(loop).observe(seconds)
        self._poll_last_success.labels(loop).set(at)

    def poll_failed(self, loop: str, reason: str, seconds: float) -> None:
        """Count a round of `loop` that failed after `seconds`; `reason` comes from a closed set."""
        self._polls.labels(loop).inc()
        self._poll_failures.labels(loop, reason).inc()
        self._poll_seconds.labels(loop).observe(seconds)

    def set_polling(self, loop: str, mode: str) -> None:
        """Tell how `loop` reads Airbyte."""
        self._facts.modes = MappingProxyType({**self._facts.modes, loop: mode})

    def set_up(self, up: bool) -> None:
        """Tell whether the last poll of jobs worked."""
        self._facts.up = up

    def api_request(self, method: str, code: str, seconds: float) -> None:
        """Count a request to Airbyte.

        Args:
            method: The API method, such as ``jobs/list``; never a URL with ids.
            code: The HTTP status code, or what went wrong where there was none.
            seconds: How long the request took until the whole answer was read.
        """
        self._api_requests.labels(method, code).inc()
        self._api_seconds.labels(method).observe(seconds)

    def set_alerts(self, firing: Mapping[tuple[str, str], int]) -> None:
        """Replace the numbers of ongoing incidents by (rule, severity); what is not in it disappears."""
        self._facts.alerts = MappingProxyType(dict(firing))

    def add_receiver(self, receiver: str) -> None:
        """Begin the counters of a receiver at 0, so that the first increase is seen as one."""
        for outcome in OUTCOMES:
            self._notifications.labels(receiver, outcome)

    def notification(self, receiver: str, outcome: str) -> None:
        """Count an attempt to deliver a notification; `outcome` is one of `OUTCOMES`."""
        self._notifications.labels(receiver, outcome).inc()

    def set_queue(self, length: int, oldest: float | None) -> None:
        """Tell how many notifications wait and when the oldest was written, ``None`` when none waits."""
        self._facts.queue = (length, oldest)

    def set_series(self, number: int) -> None:
        """Tell how many series with facts about Airbyte are on the page."""
        self._facts.series = number

    def set_left_out(self, number: int | None) -> None:
        """Tell how many connections are not shown one by one, ``None`` when there is no limit."""
        self._facts.left_out = number

    def expose_only(self, exposes: Callable[[str], bool]) -> None:
        """Leave out of `render` the families whose documented name `exposes` says no to."""
        self._registry.exposes = exposes

    def render(self, *, openmetrics: bool) -> bytes:
        """Return all families as text format 0.0.4, or as OpenMetrics 1.0 with its closing ``# EOF``."""
        return _generate_openmetrics(self._registry) if openmetrics else generate_latest(self._registry)


class _Registry(CollectorRegistry):
    """The library's registry, without the families that are not wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.exposes: Callable[[str], bool] = lambda _: True

    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            if self.exposes(f"{family.name}_total" if family.type == "counter" else family.name):
                yield family


class _Facts(Collector):
    """Gauges that are set as a whole, so that no scrape sees half of them, and are absent until then."""

    def __init__(self) -> None:
        self.up: bool | None = None
        self.modes: Mapping[str, str] = MappingProxyType({})
        self.alerts: Mapping[tuple[str, str], int] = MappingProxyType({})
        self.queue: tuple[int, float | None] | None = None
        self.left_out: int | None = None
        self.series: int | None = None

    def collect(self) -> Iterable[Metric]:
        yield _gauge(_UP, self.up)
        modes = GaugeMetricFamily(_POLL_INFO.name, _POLL_INFO.help, labels=_POLL_INFO.labels)
        for labels in sorted(self.modes.items()):
            modes.add_metric(labels, 1)
        yield modes
        alerts = GaugeMetricFamily(_ALERTS.name, _ALERTS.help, labels=_ALERTS.labels)
        for labels, number in sorted(self.alerts.items()):
            alerts.add_metric(labels, number)
        yield alerts
        length, oldest = self.queue or (None, None)
        yield _gauge(_QUEUE_LENGTH, length)
        yield _gauge(_QUEUE_OLDEST, oldest)
        yield _gauge(_LEFT_OUT, self.left_out)
        yield _gauge(_SERIES, self.series)


def _gauge(info: FamilyInfo, value: float | None) -> Metric:
    return GaugeMetricFamily(info.name, info.help, value=None if value is None else float(value))


def _arguments(info: FamilyInfo) -> tuple[str, str, tuple[str, ...]]:
    return info.name, info.help, info.labels
