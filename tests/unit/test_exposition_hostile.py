"""Whatever people name things in Airbyte, both parsers read back exactly the facts."""

import gzip
import re
from collections.abc import Iterable
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from airbyte_exporter.exposition import Exposition
from airbyte_exporter.model import (
    Actor,
    CompletedKey,
    Connection,
    ConnectionCounters,
    ConnectionFacts,
    ConnectionStatus,
    Instance,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    Snapshot,
    Volumes,
    Workspace,
)
from airbyte_exporter.telemetry import Telemetry

Series = tuple[str, frozenset[tuple[str, str]]]

SPECIAL = st.sampled_from('"\\\n\r\t\0{}=,# \ud800\udfff\ufffd\u2028\u0085\u200b')
NAMES = st.text(st.one_of(SPECIAL, st.characters(exclude_categories=())), max_size=12)
IDS = st.uuids().map(str)
NUMBERS = st.integers(0, 2**63)
TIMES = st.integers(0, 4_102_444_800)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ACTORS = st.builds(Actor, IDS, NAMES, NAMES, optional(NAMES))
VOLUMES = st.builds(Volumes, *[optional(NUMBERS)] * 5)


@st.composite
def jobs(draw: st.DrawFn, of: str, *, final: bool) -> Job:
    states = [state for state in JobStatus if state.is_final is final] + [JobStatus.UNKNOWN]
    return Job(
        of,
        draw(NUMBERS),
        draw(TIMES),
        draw(TIMES),
        draw(st.sampled_from(JobType)),
        draw(st.sampled_from(states)),
        None,
        draw(optional(VOLUMES)),
        draw(optional(st.booleans())),
    )


@st.composite
def connections(draw: st.DrawFn) -> ConnectionFacts:
    of = draw(IDS)
    it = Connection(
        of,
        draw(NAMES),
        draw(IDS),
        draw(st.sampled_from(ConnectionStatus)),
        draw(ACTORS),
        draw(ACTORS),
        Schedule(draw(st.sampled_from(ScheduleType))),
        tuple(draw(st.lists(NAMES, max_size=2))),
        draw(optional(TIMES)),
    )
    counted = st.dictionaries(
        st.tuples(st.sampled_from(JobType), st.sampled_from(JobStatus)).map(
            lambda key: (key[0].value, key[1].value)
        ),
        NUMBERS,
        max_size=3,
    )
    return ConnectionFacts(
        it,
        0,
        draw(optional(jobs(of, final=True))),
        draw(optional(TIMES)),
        draw(optional(TIMES)),
        tuple(draw(st.lists(jobs(of, final=False), max_size=2))),
        draw(NUMBERS),
        ConnectionCounters(draw(counted), draw(NUMBERS), draw(NUMBERS), draw(NUMBERS), draw(NUMBERS)),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    facts = draw(st.lists(connections(), max_size=3, unique_by=lambda it: it.connection.id))
    workspaces = [Workspace(it.connection.workspace_id, draw(NAMES)) for it in facts]
    return Snapshot(
        Instance(draw(optional(NAMES)), draw(optional(NAMES)), "config", "none"),
        0,
        tuple({it.id: it for it in workspaces}.values()),
        {it.connection.id: it for it in facts},
        draw(st.dictionaries(st.builds(CompletedKey, *[NAMES] * 5), NUMBERS, max_size=3)),
        jobs_as_of=draw(TIMES),
        inventory_as_of=draw(TIMES),
    )


def clean(text: str | None) -> str:
    """What a name is on the page: what is no text in UTF-8, and NUL, is replaced."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text or "")


def series(name: str, value: float, **labels: str | None) -> tuple[Series, float]:
    return (name, frozenset((label, clean(text)) for label, text in labels.items())), float(value)


def told(snapshot: Snapshot) -> dict[Series, float]:
    """What must be on the page about every connection, worked out without the table of families."""
    names = {workspace.id: workspace.name for workspace in snapshot.workspaces}
    expected: list[tuple[Series, float]] = []
    for facts in snapshot.connections.values():
        it, last, counters = facts.connection, facts.last_sync, facts.counters
        expected.append(
            series(
                "airbyte_connection_info",
                1,
                connection_id=it.id,
                connection_name=it.name,
                workspace_id=it.workspace_id,
                workspace_name=names[it.workspace_id],
                source_id=it.source.id,
                source_name=it.source.name,
                source_connector=it.source.connector,
                source_connector_version=it.source.connector_version,
                destination_id=it.destination.id,
                destination_name=it.destination.name,
                destination_connector=it.destination.connector,
                destination_connector_version=it.destination.connector_version,
                schedule_type=it.schedule.type.value,
                tags=",".join(sorted(it.tags)),
            )
        )
        counted = {("sync", state): 0 for state in ("succeeded", "failed", "cancelled")} | dict(counters.jobs)
        expected += [
            series("airbyte_connection_jobs_total", number, connection_id=it.id, job_type=kind, status=state)
            for (kind, state), number in counted.items()
        ]
        values = {
            "records_synced_total": counters.records_synced,
            "bytes_emitted_total": counters.bytes_emitted,
            "consecutive_failures": facts.consecutive_failures,
            "created_timestamp_seconds": it.created_at,
            "last_success_timestamp_seconds": facts.last_success_at,
            "last_sync_created_timestamp_seconds": last.created_at if last else None,
            "last_sync_has_stats": last.has_stats if last else None,
            "last_sync_bytes_synced": last.volumes.bytes_synced if last and last.volumes else None,
        }
        expected += [
            series(f"airbyte_connection_{name}", value, connection_id=it.id)
            for name, value in values.items()
            if value is not None
        ]
    return dict(expected)


CHECKED = {
    "info",
    "jobs_total",
    "records_synced_total",
    "bytes_emitted_total",
    "consecutive_failures",
    "created_timestamp_seconds",
    "last_success_timestamp_seconds",
    "last_sync_created_timestamp_seconds",
    "last_sync_has_stats",
    "last_sync_bytes_synced",
}


def read(families: Iterable[Metric]) -> dict[Series, float]:
    found: dict[Series, float] = {}
    for family in families:
        for sample in family.samples:
            if sample.name.startswith(("process_", "python_")):
                continue
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "a series came twice"
            found[key] = float(sample.value)
    return found


@settings(max_examples=60, deadline=None)
@given(snapshots())
def test_both_parsers_read_the_facts_back(snapshot: Snapshot) -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(snapshot)
    text = read(parse_text(exposition.scrape(openmetrics=False, gzip=False).decode()))
    page = exposition.scrape(openmetrics=True, gzip=False).decode()
    openmetrics = read(parse_openmetrics(page))  # type: ignore[no-untyped-call]  # not annotated there
    assert text == openmetrics
    prefix = "airbyte_connection_"
    shown = {
        key: value
        for key, value in text.items()
        if key[0].removeprefix(prefix) in CHECKED and key[0].startswith(prefix)
    }
    assert shown == told(snapshot)


@settings(max_examples=60, deadline=None)
@given(snapshots(), st.binary(max_size=300), st.booleans(), st.booleans())
def test_one_gzip_member_holds_exactly_the_page(
    snapshot: Snapshot, tail: bytes, openmetrics: bool, ahead: bool
) -> None:
    telemetry = Telemetry("test")
    exposition = Exposition(telemetry)
    if ahead:  # somebody asked before, so the body is compressed when it is published
        exposition.scrape(openmetrics=openmetrics, gzip=True)
    exposition.publish(snapshot)
    with mock.patch.object(telemetry, "render", return_value=tail):
        plain = exposition.scrape(openmetrics=openmetrics, gzip=False)
        packed = exposition.scrape(openmetrics=openmetrics, gzip=True)
    assert gzip.decompress(packed) == plain
    assert plain.endswith(tail)
