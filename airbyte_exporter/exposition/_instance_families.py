"""The families about the whole instance, in the order in which they stand on the page."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from airbyte_exporter.exposition._rows import counter, gauge, histogram
from airbyte_exporter.exposition._table import Distribution, Facet, InstanceFamily, InstanceSample, Sample
from airbyte_exporter.exposition._tallies import Tallies
from airbyte_exporter.model import DURATION_BUCKETS, Fact, JobStatus, JobType, Snapshot

__all__ = ["INSTANCE_FAMILIES"]

_LIVE_SYNCS: Final = tuple(
    (JobType.SYNC.value, status.value)
    for status in JobStatus
    if not status.is_final and status is not JobStatus.UNKNOWN
)


def _instance_info(snapshot: Snapshot, _: Tallies) -> Iterator[Sample]:
    it = snapshot.instance
    yield (it.version or "", it.edition or "", it.api, it.auth), 1


def _workspace_info(snapshot: Snapshot, _: Tallies) -> Iterator[Sample]:
    for workspace in sorted(snapshot.workspaces, key=lambda workspace: workspace.id):
        yield (workspace.id, workspace.name), 1


def _connections(_: Snapshot, tallies: Tallies) -> Iterator[Sample]:
    yield from sorted(tallies.connections.items())


def _sources(snapshot: Snapshot, _: Tallies) -> Iterator[Sample]:
    yield from _by_connector(snapshot.sources)


def _destinations(snapshot: Snapshot, _: Tallies) -> Iterator[Sample]:
    yield from _by_connector(snapshot.destinations)


def _by_connector(numbers: Mapping[str, int] | None) -> Iterator[Sample]:
    for connector, number in sorted((numbers or {}).items()):
        yield (connector,), number


def _oldest(_: Snapshot, tallies: Tallies) -> Iterator[Sample]:
    for status, created_at in sorted(tallies.oldest_live_jobs.items()):
        yield (status,), created_at


def _live_jobs(_: Snapshot, tallies: Tallies) -> Iterator[Sample]:
    live = tallies.live_jobs
    for key in (*_LIVE_SYNCS, *sorted(live.keys() - set(_LIVE_SYNCS))):
        yield key, live.get(key, 0)


def _completed(snapshot: Snapshot, _: Tallies) -> Iterator[Sample]:
    yield from sorted((tuple(key), number) for key, number in snapshot.completed.items())


def _durations(snapshot: Snapshot, _: Tallies) -> Iterator[InstanceSample]:
    if not snapshot.instance.tells(Fact.ATTEMPTS):
        return
    for key, durations in sorted(snapshot.durations.items()):
        *at_most, count = accumulate(durations.numbers)
        bounds = tuple(zip(DURATION_BUCKETS, at_most, strict=True))
        yield tuple(key), Distribution(bounds, count, durations.seconds)


INSTANCE_FAMILIES: Final[tuple[InstanceFamily, ...]] = (
    gauge(
        "airbyte_instance_info",
        "Version and edition of Airbyte, and the API and authentication that the exporter uses. Always 1.",
        Facet.INVENTORY,
        _instance_info,
        "version",
        "edition",
        "api",
        "auth",
    ),
    gauge(
        "airbyte_workspace_info",
        "Name of a workspace, as a label. Always 1.",
        Facet.INVENTORY,
        _workspace_info,
        "workspace_id",
        "workspace_name",
    ),
    gauge(
        "airbyte_connections",
        "Connections, by status, connectors and kind of schedule.",
        Facet.INVENTORY,
        _connections,
        "status",
        "source_connector",
        "destination_connector",
        "schedule_type",
    ),
    gauge(
        "airbyte_sources",
        "Sources, by connector, whether or not a connection uses them.",
        Facet.INVENTORY,
        _sources,
        "source_connector",
    ),
    gauge(
        "airbyte_destinations",
        "Destinations, by connector, whether or not a connection uses them.",
        Facet.INVENTORY,
        _destinations,
        "destination_connector",
    ),
    gauge(
        "airbyte_jobs",
        "Jobs without a final status now, by type and status.",
        Facet.JOBS,
        _live_jobs,
        "job_type",
        "status",
    ),
    gauge(
        "airbyte_jobs_oldest_created_timestamp_seconds",
        "When the oldest job without a final status was created, by status, in seconds since the epoch. "
        "Absent for a status that no job has.",
        Facet.JOBS,
        _oldest,
        "status",
    ),
    counter(
        "airbyte_jobs_completed_total",
        "Jobs that have ended since counting began, of deleted connections too.",
        _completed,
        "job_type",
        "status",
        "source_connector",
        "destination_connector",
        "schedule_type",
    ),
    histogram(
        "airbyte_job_duration_seconds",
        "How long jobs took that have ended since counting began, from their first attempt to their end, in "
        "seconds; of deleted connections too.",
        _durations,
        "job_type",
        "status",
        needs=Fact.ATTEMPTS,
    ),
)
"""Every family of the whole instance."""
