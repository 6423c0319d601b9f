"""What must be on the page about Airbyte, worked out from the facts without the table of families.

Slow and simple on purpose, and it shares no code with what it is compared with.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from airbyte_exporter.model import ConnectionFacts, Durations, Instance, Job, Snapshot, Volumes

__all__ = ["Series", "exposed", "facts_part", "family_of", "read"]

Series = tuple[str, frozenset[tuple[str, str]]]
Sample = tuple[str, float | None, Mapping[str, str | None]]

CONNECTION_STATES: Final = ("active", "inactive", "locked", "deprecated")
FINAL_STATES: Final = ("succeeded", "failed", "cancelled")
DURATION: Final = "airbyte_job_duration_seconds"
BUCKETS: Final = [
    "10.0",
    "30.0",
    "60.0",
    "120.0",
    "300.0",
    "600.0",
    "1800.0",
    "3600.0",
    "7200.0",
    "14400.0",
    "28800.0",
    "43200.0",
    "86400.0",
]
LIVE_STATES: Final = ("pending", "queued", "running", "incomplete")


def exposed(
    snapshot: Snapshot, *, max_connections: int | None = None, created: bool = False
) -> dict[Series, float]:
    """Return every series about Airbyte with its value."""
    samples: list[Sample] = [
        (f"airbyte_connection_{name}", value, {"connection_id": facts.connection.id, **labels})
        for facts in _shown(snapshot, max_connections)
        for name, value, labels in _of_connection(facts, snapshot)
    ]
    samples += _of_instance(snapshot)
    if created:
        samples += [
            (f"{re.sub('_(total|count)$', '', name)}_created", snapshot.epoch, labels)
            for name, value, labels in samples
            if (name.endswith("_total") or name == f"{DURATION}_count") and value is not None
        ]
    return {
        (name, frozenset((label, clean(text)) for label, text in labels.items())): float(value)
        for name, value, labels in samples
        if value is not None
    }


def family_of(name: str) -> str:
    """Return the family of a sample that is called so, of what it says the creation of for ``_created``."""
    if name.startswith(DURATION):
        return DURATION
    return f"{name.removesuffix('_created')}_total" if name.endswith("_created") else name


def facts_part(page: str) -> str:
    """Return what is on the page about Airbyte."""
    return page.partition("# HELP airbyte_up ")[0]


def read(facts: str, *, openmetrics: bool) -> dict[Series, float]:
    """Return what the client library's parser of that format finds in the part about Airbyte."""
    families: Iterable[Metric] = (
        parse_openmetrics(f"{facts}# EOF\n")  # type: ignore[no-untyped-call]  # not annotated there
        if openmetrics
        else parse_text(facts)
    )
    found = [
        ((it.name, frozenset(it.labels.items())), float(it.value)) for of in families for it in of.samples
    ]
    twice = [series for series, number in Counter(series for series, _ in found).items() if number > 1]
    if twice:
        raise ValueError(f"on the page more than once: {twice}")
    return dict(found)


def clean(text: str | None) -> str:
    """Return a name as it is on the page: what is no text in UTF-8, and NUL, is replaced."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text or "")


def _shown(snapshot: Snapshot, max_connections: int | None) -> list[ConnectionFacts]:
    """Return the connections that are shown one by one: of two whose ids look the same, the first."""
    oldest = sorted(snapshot.connections.values(), key=lambda it: (it.first_seen_at, it.connection.id))
    shown = sorted(oldest[:max_connections], key=lambda it: it.connection.id)
    return list({clean(it.connection.id): it for it in reversed(shown)}.values())[::-1]


def _of_connection(facts: ConnectionFacts, snapshot: Snapshot) -> Iterator[Sample]:
    if _has_inventory(snapshot):
        yield from _inventory(facts, {it.id: it.name for it in snapshot.workspaces})
        yield "schedule_interval_seconds", facts.schedule_interval, {}
        if (change := facts.connection.schema_change) is not None:
            for known in ("none", "non_breaking", "breaking"):
                yield "schema_change", change.value == known, {"change": known}
    if _has_jobs(snapshot):
        yield from _last_sync(facts.last_sync)
        yield from _active_job(facts.live_jobs[0] if facts.live_jobs else None)
        if _has_inventory(snapshot):
            yield "next_run_timestamp_seconds", facts.next_run_at, {}
        yield "last_success_timestamp_seconds", facts.last_success_at, {}
        yield "last_failure_timestamp_seconds", facts.last_failure_at, {}
        yield "consecutive_failures", facts.consecutive_failures, {}
    yield from _counters(facts, snapshot.instance)


def _inventory(facts: ConnectionFacts, workspace_names: Mapping[str, str]) -> Iterator[Sample]:
    it = facts.connection
    labels = {
        "connection_name": it.name,
        "workspace_id": it.workspace_id,
        "workspace_name": workspace_names.get(it.workspace_id),
        "source_id": it.source.id,
        "source_name": it.source.name,
        "source_connector": it.source.connector,
        "source_connector_version": it.source.connector_version,
        "destination_id": it.destination.id,
        "destination_name": it.destination.name,
        "destination_connector": it.destination.connector,
        "destination_connector_version": it.destination.connector_version,
        "schedule_type": it.schedule.type.value,
        "tags": ",".join(sorted(it.tags)),
    }
    yield "info", 1, labels
    yield from _states("status", it.status.value, CONNECTION_STATES)
    yield "created_timestamp_seconds", it.created_at, {}


def _last_sync(job: Job | None) -> Iterator[Sample]:
    if job is None:
        return
    is_final = job.status.value in FINAL_STATES
    start = job.attempts[0].created_at if job.attempts else None
    end = job.updated_at if is_final else None
    yield from _states("last_sync_status", job.status.value, FINAL_STATES)
    yield "last_sync_created_timestamp_seconds", job.created_at, {}
    yield "last_sync_start_timestamp_seconds", start, {}
    yield "last_sync_end_timestamp_seconds", end, {}
    if start is not None and end is not None:
        yield "last_sync_duration_seconds", max(0, end - start), {}
    if start is not None:
        yield "last_sync_queue_seconds", max(0, start - job.created_at), {}
    if job.attempts is not None:
        yield "last_sync_attempts", len(job.attempts), {}
    if job.attempts and job.status.value in {"failed", "cancelled"}:
        partly = {it.partial_success for it in job.attempts if it.status == "failed"}
        if True in partly or None not in partly:
            yield "last_sync_partial_success", True in partly, {}
    volumes = job.volumes or Volumes()
    yield "last_sync_records_synced", volumes.records_synced, {}
    yield "last_sync_bytes_synced", volumes.bytes_synced, {}
    yield "last_sync_records_emitted", volumes.records_emitted, {}
    yield "last_sync_bytes_emitted", volumes.bytes_emitted, {}
    yield "last_sync_records_rejected", volumes.records_rejected, {}
    yield "last_sync_has_stats", job.has_stats, {}


def _active_job(job: Job | None) -> Iterator[Sample]:
    if job is None:
        return
    volumes = job.volumes or Volumes()
    yield from _states("active_job_status", job.status.value, LIVE_STATES)
    yield "active_job_created_timestamp_seconds", job.created_at, {}
    yield "active_job_start_timestamp_seconds", job.attempts[0].created_at if job.attempts else None, {}
    yield "active_job_records_emitted", volumes.records_emitted, {}
    yield "active_job_bytes_emitted", volumes.bytes_emitted, {}


def _counters(facts: ConnectionFacts, instance: Instance) -> Iterator[Sample]:
    counters = facts.counters
    for (kind, status), number in ({("sync", it): 0 for it in FINAL_STATES} | dict(counters.jobs)).items():
        yield "jobs_total", number, {"job_type": kind, "status": status}
    yield "records_synced_total", counters.records_synced, {}
    yield "bytes_synced_total", counters.bytes_synced, {}
    if instance.api == "config":
        yield "records_emitted_total", counters.records_emitted, {}
        yield "bytes_emitted_total", counters.bytes_emitted, {}
        yield "attempts_total", counters.attempts_succeeded, {"status": "succeeded"}
        yield "attempts_total", counters.attempts_failed, {"status": "failed"}
        for (origin, type_), number in counters.failures.items():
            yield "failures_total", number, {"failure_origin": origin, "failure_type": type_}
        if instance.version is not None and _is_since_1_8(instance.version):
            yield "records_rejected_total", counters.records_rejected, {}


def _is_since_1_8(version: str) -> bool:
    """Tell whether that is Airbyte 1.8 or newer, as a build without a number is."""
    number = re.match(r"v?([0-9]{1,6})[.]([0-9]{1,6})", version)
    return number is None or [int(number[1]), int(number[2])] >= [1, 8]


def _of_instance(snapshot: Snapshot) -> Iterator[Sample]:
    if _has_inventory(snapshot):
        yield from _what_exists(snapshot)
    if _has_jobs(snapshot):
        yield from _live_jobs([job for of in snapshot.connections.values() for job in of.live_jobs])
    for (kind, status, *connectors), number in snapshot.completed.items():
        labels = {"job_type": kind, "status": status, **_named(connectors)}
        yield "airbyte_jobs_completed_total", number, labels
    if snapshot.instance.api == "config":
        for (kind, status), took in snapshot.durations.items():
            yield from _histogram(took, {"job_type": kind, "status": status})


def _what_exists(snapshot: Snapshot) -> Iterator[Sample]:
    it = snapshot.instance
    instance = {"version": it.version, "edition": it.edition, "api": it.api, "auth": it.auth}
    yield "airbyte_instance_info", 1, instance
    for workspace in snapshot.workspaces:
        labels = {"workspace_id": workspace.id, "workspace_name": workspace.name}
        yield "airbyte_workspace_info", 1, labels
    kinds = Counter((of.connection.status.value, *_connectors(of)) for of in snapshot.connections.values())
    for (status, *connectors), number in kinds.items():
        yield "airbyte_connections", number, {"status": status, **_named(connectors)}
    for connector, number in (snapshot.sources or {}).items():
        yield "airbyte_sources", number, {"source_connector": connector}
    for connector, number in (snapshot.destinations or {}).items():
        yield "airbyte_destinations", number, {"destination_connector": connector}


def _live_jobs(jobs: list[Job]) -> Iterator[Sample]:
    live = Counter((job.type.value, job.status.value) for job in jobs)
    for kind, status in {*live, *(("sync", status) for status in LIVE_STATES)}:
        yield "airbyte_jobs", live[kind, status], {"job_type": kind, "status": status}
    for status in {status for _, status in live}:
        oldest = min(job.created_at for job in jobs if job.status == status)
        yield "airbyte_jobs_oldest_created_timestamp_seconds", oldest, {"status": status}


def _histogram(took: Durations, labels: Mapping[str, str]) -> Iterator[Sample]:
    for place, bound in enumerate((*BUCKETS, "+Inf"), start=1):
        yield f"{DURATION}_bucket", sum(took.numbers[:place]), {**labels, "le": bound}
    yield f"{DURATION}_count", sum(took.numbers), labels
    yield f"{DURATION}_sum", took.seconds, labels


def _connectors(facts: ConnectionFacts) -> tuple[str, str, str]:
    it = facts.connection
    return it.source.connector, it.destination.connector, it.schedule.type.value


def _named(connectors: Iterable[str]) -> dict[str, str]:
    return dict(zip(("source_connector", "destination_connector", "schedule_type"), connectors, strict=True))


def _states(name: str, current: str, known: Iterable[str]) -> Iterator[Sample]:
    for state in known:
        yield name, state == current, {"status": state}
    if current not in known:
        yield name, 1, {"status": "unknown"}


def _has_inventory(snapshot: Snapshot) -> bool:
    return snapshot.inventory_as_of is not None and not snapshot.inventory_stale


def _has_jobs(snapshot: Snapshot) -> bool:
    return snapshot.jobs_as_of is not None and not snapshot.jobs_stale
