"""The table of families: what each is called, what it means, and how it follows from a snapshot.

A row yields a sample only for what is known: an unknown value is absent, never 0. No value here moves with
time alone, so a page stays right for as long as its snapshot does.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from airbyte_exporter.model import (
    ConnectionCounters,
    ConnectionFacts,
    ConnectionStatus,
    Fact,
    Instance,
    Job,
    JobStatus,
    JobType,
    Snapshot,
    Volumes,
)
from airbyte_exporter.telemetry import FamilyInfo

__all__ = ["FAMILIES", "Facet", "Family", "Sample"]

Sample = tuple[tuple[str, ...], int]
"""Label values in the order of the family's labels, and the value."""


class Facet(Enum):
    """Which poll a family depends on, so when its samples leave the page."""

    INVENTORY = "inventory"
    JOBS = "jobs"
    COUNTS = "counts"

    def is_shown(self, snapshot: Snapshot) -> bool:
        """Whether the facts are fresh enough to be shown. What has been counted stays true for good."""
        match self:
            case Facet.INVENTORY:
                return snapshot.inventory_as_of is not None and not snapshot.inventory_stale
            case Facet.JOBS:
                return snapshot.jobs_as_of is not None and not snapshot.jobs_stale
            case Facet.COUNTS:
                return True


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table. `samples` reads the connections in the order in which they are to appear."""

    info: FamilyInfo
    facet: Facet
    samples: Callable[[Snapshot], Iterable[Sample]]

    @property
    def is_per_connection(self) -> bool:
        """Whether it has samples for each connection, rather than for the whole instance."""
        return self.info.labels[:1] == ("connection_id",)


_CONNECTION_STATES: Final = tuple(s.value for s in ConnectionStatus if s is not ConnectionStatus.UNKNOWN)
_FINAL_STATES: Final = tuple(s.value for s in JobStatus if s.is_final)
_LIVE_STATES: Final = tuple(s.value for s in JobStatus if not s.is_final and s is not JobStatus.UNKNOWN)

_INFO_LABELS: Final = (
    "connection_id",
    "connection_name",
    "workspace_id",
    "workspace_name",
    "source_id",
    "source_name",
    "source_connector",
    "source_connector_version",
    "destination_id",
    "destination_name",
    "destination_connector",
    "destination_connector_version",
    "schedule_type",
    "tags",
)


def _connection_info(snapshot: Snapshot) -> Iterator[Sample]:
    workspaces = {workspace.id: workspace.name for workspace in snapshot.workspaces}
    for facts in snapshot.connections.values():
        it = facts.connection
        labels = (
            it.id,
            it.name,
            it.workspace_id,
            workspaces.get(it.workspace_id, ""),
            it.source.id,
            it.source.name,
            it.source.connector,
            it.source.connector_version or "",
            it.destination.id,
            it.destination.name,
            it.destination.connector,
            it.destination.connector_version or "",
            it.schedule.type.value,
            ",".join(sorted(it.tags)),
        )
        yield labels, 1


def _jobs_total(snapshot: Snapshot) -> Iterator[Sample]:
    from_zero = [(JobType.SYNC.value, status) for status in _FINAL_STATES]
    for facts in snapshot.connections.values():
        counted = facts.counters.jobs
        others = sorted(key for key in counted if key not in from_zero)
        for key in (*from_zero, *others):
            yield (facts.connection.id, *key), counted.get(key, 0)


def _instance_info(snapshot: Snapshot) -> Iterator[Sample]:
    it = snapshot.instance
    yield (it.version or "", it.edition or "", it.api, it.auth), 1


def _workspace_info(snapshot: Snapshot) -> Iterator[Sample]:
    for workspace in sorted(snapshot.workspaces, key=lambda workspace: workspace.id):
        yield (workspace.id, workspace.name), 1


def _connections(snapshot: Snapshot) -> Iterator[Sample]:
    yield from sorted(
        Counter(
            (
                facts.connection.status.value,
                facts.connection.source.connector,
                facts.connection.destination.connector,
                facts.connection.schedule.type.value,
            )
            for facts in snapshot.connections.values()
        ).items()
    )


def _live_jobs(snapshot: Snapshot) -> Iterator[Sample]:
    from_zero = [(JobType.SYNC.value, status) for status in _LIVE_STATES]
    live = Counter(
        (job.type.value, job.status.value)
        for facts in snapshot.connections.values()
        for job in facts.live_jobs
    )
    for key in (*from_zero, *sorted(key for key in live if key not in from_zero)):
        yield key, live[key]


def _completed(snapshot: Snapshot) -> Iterator[Sample]:
    yield from sorted((tuple(key), number) for key, number in snapshot.completed.items())


def _gauge(
    name: str, text: str, facet: Facet, samples: Callable[[Snapshot], Iterable[Sample]], *labels: str
) -> Family:
    return Family(FamilyInfo(name, "gauge", text, labels), facet, samples)


def _counter(name: str, text: str, samples: Callable[[Snapshot], Iterable[Sample]], *labels: str) -> Family:
    return Family(FamilyInfo(name, "counter", text, labels), Facet.COUNTS, samples)


def _number(name: str, text: str, facet: Facet, read: Callable[[ConnectionFacts], int | None]) -> Family:
    """A gauge with at most one sample for each connection: none where `read` does not know."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for facts in snapshot.connections.values():
            if (value := read(facts)) is not None:
                yield (facts.connection.id,), value

    return _gauge(name, text, facet, samples, "connection_id")


def _state(
    name: str, text: str, facet: Facet, known: tuple[str, ...], read: Callable[[ConnectionFacts], str | None]
) -> Family:
    """A gauge with a 0/1 sample for each `known` state, and for ``unknown`` only while that is the case."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for facts in snapshot.connections.values():
            if (current := read(facts)) is None:
                continue
            for state in known:
                yield (facts.connection.id, state), int(state == current)
            if current not in known:
                yield (facts.connection.id, "unknown"), 1

    return _gauge(name, text, facet, samples, "connection_id", "status")


def _total(
    name: str,
    text: str,
    read: Callable[[ConnectionCounters], int],
    is_told: Callable[[Instance], bool] = lambda _: True,
) -> Family:
    """A counter with one sample for each connection, from 0; none where the API does not tell it."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        if not is_told(snapshot.instance):
            return
        for facts in snapshot.connections.values():
            yield (facts.connection.id,), read(facts.counters)

    return _counter(name, text, samples, "connection_id")


def _last(read: Callable[[Job], int | bool | None]) -> Callable[[ConnectionFacts], int | None]:
    return lambda facts: None if facts.last_sync is None else read(facts.last_sync)


def _active(read: Callable[[Job], int | None]) -> Callable[[ConnectionFacts], int | None]:
    return lambda facts: None if facts.active_job is None else read(facts.active_job)


def _moved(read: Callable[[Volumes], int | None]) -> Callable[[Job], int | None]:
    return lambda job: None if job.volumes is None else read(job.volumes)


_CONNECTION: Final = "airbyte_connection_"

FAMILIES: Final[tuple[Family, ...]] = (
    _gauge(
        f"{_CONNECTION}info",
        "Names, connectors and tags of a connection, as labels. Always 1. Join it to the other families on "
        "connection_id.",
        Facet.INVENTORY,
        _connection_info,
        *_INFO_LABELS,
    ),
    _state(
        f"{_CONNECTION}status",
        "Status of a connection: 1 for the current one, 0 for the others. Inactive is disabled.",
        Facet.INVENTORY,
        _CONNECTION_STATES,
        lambda facts: facts.connection.status.value,
    ),
    _number(
        f"{_CONNECTION}created_timestamp_seconds",
        "When a connection was created, in seconds since the epoch.",
        Facet.INVENTORY,
        lambda facts: facts.connection.created_at,
    ),
    _state(
        f"{_CONNECTION}last_sync_status",
        "How the newest finished sync of a connection ended: 1 for the status it has, 0 for the others.",
        Facet.JOBS,
        _FINAL_STATES,
        lambda facts: None if facts.last_sync is None else facts.last_sync.status.value,
    ),
    _number(
        f"{_CONNECTION}last_sync_created_timestamp_seconds",
        "When the newest finished sync was created, in seconds since the epoch.",
        Facet.JOBS,
        _last(lambda job: job.created_at),
    ),
    _number(
        f"{_CONNECTION}last_sync_start_timestamp_seconds",
        "When the first attempt of the newest finished sync was created, in seconds since the epoch.",
        Facet.JOBS,
        _last(lambda job: job.started_at),
    ),
    _number(
        f"{_CONNECTION}last_sync_end_timestamp_seconds",
        "When the newest finished sync ended, in seconds since the epoch.",
        Facet.JOBS,
        _last(lambda job: job.ended_at),
    ),
    _number(
        f"{_CONNECTION}last_sync_duration_seconds",
        "How long the newest finished sync took from its first attempt to its end, in seconds.",
        Facet.JOBS,
        _last(lambda job: job.duration),
    ),
    _number(
        f"{_CONNECTION}last_success_timestamp_seconds",
        "When the newest succeeded sync ended, in seconds since the epoch. Absent when none is known.",
        Facet.JOBS,
        lambda facts: facts.last_success_at,
    ),
    _number(
        f"{_CONNECTION}last_failure_timestamp_seconds",
        "When the newest failed sync ended, in seconds since the epoch. Absent when none is known.",
        Facet.JOBS,
        lambda facts: facts.last_failure_at,
    ),
    _number(
        f"{_CONNECTION}last_sync_records_synced",
        "Records that the newest finished sync committed to the destination.",
        Facet.JOBS,
        _last(_moved(lambda volumes: volumes.records_synced)),
    ),
    _number(
        f"{_CONNECTION}last_sync_bytes_synced",
        "Bytes that the newest finished sync committed to the destination.",
        Facet.JOBS,
        _last(_moved(lambda volumes: volumes.bytes_synced)),
    ),
    _number(
        f"{_CONNECTION}last_sync_records_emitted",
        "Records that the source emitted in the newest finished sync.",
        Facet.JOBS,
        _last(_moved(lambda volumes: volumes.records_emitted)),
    ),
    _number(
        f"{_CONNECTION}last_sync_bytes_emitted",
        "Bytes that the source emitted in the newest finished sync.",
        Facet.JOBS,
        _last(_moved(lambda volumes: volumes.bytes_emitted)),
    ),
    _number(
        f"{_CONNECTION}last_sync_has_stats",
        "Whether Airbyte recorded any numbers for the newest finished sync: 1 or 0. At 0 its records and "
        "bytes are absent. Absent where that cannot be told.",
        Facet.JOBS,
        _last(lambda job: job.has_stats),
    ),
    _state(
        f"{_CONNECTION}active_job_status",
        "Status of the job that a connection has now: 1 for the current one, 0 for the others. Absent while "
        "there is none.",
        Facet.JOBS,
        _LIVE_STATES,
        lambda facts: None if facts.active_job is None else facts.active_job.status.value,
    ),
    _number(
        f"{_CONNECTION}active_job_created_timestamp_seconds",
        "When the job that a connection has now was created, in seconds since the epoch.",
        Facet.JOBS,
        _active(lambda job: job.created_at),
    ),
    _number(
        f"{_CONNECTION}active_job_start_timestamp_seconds",
        "When the first attempt of the job that a connection has now was created, in seconds since the "
        "epoch.",
        Facet.JOBS,
        _active(lambda job: job.started_at),
    ),
    _number(
        f"{_CONNECTION}active_job_records_emitted",
        "Records that the source has emitted so far in the job that a connection has now.",
        Facet.JOBS,
        _active(_moved(lambda volumes: volumes.records_emitted)),
    ),
    _number(
        f"{_CONNECTION}active_job_bytes_emitted",
        "Bytes that the source has emitted so far in the job that a connection has now.",
        Facet.JOBS,
        _active(_moved(lambda volumes: volumes.bytes_emitted)),
    ),
    _number(
        f"{_CONNECTION}consecutive_failures",
        "Failed syncs since the last success; cancelled ones change nothing. 0 when never synced.",
        Facet.JOBS,
        lambda facts: facts.consecutive_failures,
    ),
    _counter(
        f"{_CONNECTION}jobs_total",
        "Jobs of a connection that have ended since counting began.",
        _jobs_total,
        "connection_id",
        "job_type",
        "status",
    ),
    _total(
        f"{_CONNECTION}records_synced_total",
        "Records committed to the destination by jobs that have ended since counting began, failed and "
        "cancelled ones included.",
        lambda counters: counters.records_synced,
    ),
    _total(
        f"{_CONNECTION}bytes_synced_total",
        "Bytes committed to the destination by jobs that have ended since counting began, failed and "
        "cancelled ones included.",
        lambda counters: counters.bytes_synced,
    ),
    _total(
        f"{_CONNECTION}records_emitted_total",
        "Records emitted by the source in jobs that have ended since counting began, failed and cancelled "
        "ones included.",
        lambda counters: counters.records_emitted,
        lambda instance: instance.tells(Fact.EMITTED),
    ),
    _total(
        f"{_CONNECTION}bytes_emitted_total",
        "Bytes emitted by the source in jobs that have ended since counting began, failed and cancelled ones "
        "included.",
        lambda counters: counters.bytes_emitted,
        lambda instance: instance.tells(Fact.EMITTED),
    ),
    _gauge(
        "airbyte_instance_info",
        "Version and edition of Airbyte, and the API and authentication that the exporter uses. Always 1.",
        Facet.INVENTORY,
        _instance_info,
        "version",
        "edition",
        "api",
        "auth",
    ),
    _gauge(
        "airbyte_workspace_info",
        "Name of a workspace, as a label. Always 1.",
        Facet.INVENTORY,
        _workspace_info,
        "workspace_id",
        "workspace_name",
    ),
    _gauge(
        "airbyte_connections",
        "Connections, by status, connectors and kind of schedule.",
        Facet.INVENTORY,
        _connections,
        "status",
        "source_connector",
        "destination_connector",
        "schedule_type",
    ),
    _gauge(
        "airbyte_jobs",
        "Jobs without a final status now, by type and status.",
        Facet.JOBS,
        _live_jobs,
        "job_type",
        "status",
    ),
    _counter(
        "airbyte_jobs_completed_total",
        "Jobs that have ended since counting began, of deleted connections too.",
        _completed,
        "job_type",
        "status",
        "source_connector",
        "destination_connector",
        "schedule_type",
    ),
)
"""Every family with facts about Airbyte, in the order in which they stand on the page."""
