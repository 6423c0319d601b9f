"""Facts in, exposition text out."""

import gzip
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from airbyte_exporter.exposition import FAMILIES, Exposition
from airbyte_exporter.model import (
    Connection,
    ConnectionCounters,
    ConnectionFacts,
    ConnectionStatus,
    Instance,
    Job,
    JobStatus,
    JobType,
    Snapshot,
    Volumes,
)
from airbyte_exporter.telemetry import Telemetry
from tests.snapshots import EPOCH, FINANCE, NOW, connection, job, moved, rich_snapshot

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
UPDATE = "UPDATE_GOLDEN"

SNOWFLAKE_BASIC = 'destination_connector="Snowflake",schedule_type="basic"'
IT = connection(1, "Orders", "Postgres")
ID = f'connection_id="{IT.id}"'


def page(snapshot: Snapshot | None, *, openmetrics: bool = False) -> str:
    exposition = Exposition(Telemetry("test"))
    if snapshot is not None:
        exposition.publish(snapshot)
    return exposition.scrape(openmetrics=openmetrics, gzip=False).decode()


def facts_part(text: str) -> str:
    return text.partition("# HELP airbyte_up ")[0]


def snapshot(*everything: ConnectionFacts, **changes: Any) -> Snapshot:  # noqa: ANN401  # any field of it
    base = Snapshot(
        instance=Instance("1.6.1", None, "config", "none"),
        epoch=EPOCH,
        workspaces=(FINANCE,),
        connections={facts.connection.id: facts for facts in everything},
        jobs_as_of=NOW,
        inventory_as_of=NOW,
    )
    return replace(base, **changes)


def lines(of: Snapshot, family: str) -> list[str]:
    """Return the sample lines of one family, without its name."""
    return re.findall(rf"^{family}(\{{.*)$", page(of), re.MULTILINE)


def seen(**facts: Any) -> Snapshot:  # noqa: ANN401  # any field of the facts
    return snapshot(ConnectionFacts(IT, EPOCH, **facts))


@pytest.mark.parametrize(
    ("openmetrics", "name"),
    [(False, "exposition.txt"), (True, "exposition.openmetrics.txt")],
    ids=["text 0.0.4", "OpenMetrics 1.0"],
)
def test_the_whole_page_is_as_written_down(openmetrics: bool, name: str) -> None:
    rich = rich_snapshot()
    chosen = {
        key: facts
        for key, facts in rich.connections.items()
        if key[-2:] in {"01", "02", "07", "10", "11", "13"}
    }
    text = facts_part(page(replace(rich, connections=chosen), openmetrics=openmetrics))
    golden = GOLDEN / name
    if os.environ.get(UPDATE):
        golden.write_text(text, encoding="utf-8", newline="\n")
    assert text == golden.read_bytes().decode(), f"run with {UPDATE}=1 to accept the change"


def test_families_come_in_the_order_of_the_table_whatever_the_order_of_the_facts() -> None:
    rich = rich_snapshot()
    backwards = replace(
        rich,
        connections=dict(list(rich.connections.items())[::-1]),
        workspaces=rich.workspaces[::-1],
        completed=dict(list(rich.completed.items())[::-1]),
    )
    assert facts_part(page(backwards)) == facts_part(page(rich))


def test_before_the_first_facts_only_the_exporter_speaks() -> None:
    text = page(None)
    assert facts_part(text) == ""
    assert "airbyte_exporter_polls_total" in text


def test_a_new_snapshot_replaces_the_old_one_whole() -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(rich_snapshot())
    exposition.publish(snapshot())
    text = exposition.scrape(openmetrics=False, gzip=False).decode()
    assert "connection_id=" not in text


@pytest.mark.parametrize("openmetrics", [False, True])
def test_gzip_is_exactly_the_plain_page(openmetrics: bool) -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(rich_snapshot())
    plain = exposition.scrape(openmetrics=openmetrics, gzip=False)
    packed = gzip.decompress(exposition.scrape(openmetrics=openmetrics, gzip=True))
    volatile = re.compile(rb"^(process|python_gc)_.*$", re.MULTILINE)
    assert volatile.sub(b"", packed) == volatile.sub(b"", plain)


def test_gzip_of_the_next_snapshot_is_not_that_of_the_last() -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(snapshot())
    exposition.scrape(openmetrics=False, gzip=True)
    exposition.publish(seen())
    assert ID.encode() in gzip.decompress(exposition.scrape(openmetrics=False, gzip=True))


def test_gzip_works_before_the_first_facts() -> None:
    exposition = Exposition(Telemetry("test"))
    assert b"airbyte_exporter_polls_total" in gzip.decompress(exposition.scrape(openmetrics=False, gzip=True))


def test_openmetrics_names_counters_without_their_suffix_and_ends() -> None:
    text = page(rich_snapshot(), openmetrics=True)
    assert "# TYPE airbyte_connection_jobs counter\n" in text
    assert "# HELP airbyte_connection_jobs " in text
    assert "airbyte_connection_jobs_total{" in text
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1


def test_both_formats_share_their_sample_lines() -> None:
    def sample_lines(openmetrics: bool) -> list[str]:
        text = facts_part(page(rich_snapshot(), openmetrics=openmetrics))
        return [line for line in text.splitlines() if not line.startswith("#")]

    assert sample_lines(openmetrics=True) == sample_lines(openmetrics=False)


def test_every_status_family_is_a_gauge_in_both_formats() -> None:
    for openmetrics in (False, True):
        types = dict(
            re.findall(
                r"^# TYPE (\S+_status) (\S+)$", page(snapshot(), openmetrics=openmetrics), re.MULTILINE
            )
        )
        assert set(types.values()) == {"gauge"}


def test_a_connection_that_never_synced_has_no_sync_facts_but_counters_from_zero() -> None:
    never = seen()
    text = facts_part(page(never))
    assert "last_sync_" not in re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    assert lines(never, "airbyte_connection_last_success_timestamp_seconds") == []
    assert lines(never, "airbyte_connection_active_job_status") == []
    assert lines(never, "airbyte_connection_consecutive_failures") == [f"{{{ID}}} 0"]
    assert lines(never, "airbyte_connection_records_synced_total") == [f"{{{ID}}} 0"]
    assert lines(never, "airbyte_connection_jobs_total") == [
        f'{{{ID},job_type="sync",status="{status}"}} 0' for status in ("succeeded", "failed", "cancelled")
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ConnectionStatus.ACTIVE, {"active": 1, "inactive": 0, "locked": 0, "deprecated": 0}),
        (ConnectionStatus.LOCKED, {"active": 0, "inactive": 0, "locked": 1, "deprecated": 0}),
        (ConnectionStatus.UNKNOWN, {"active": 0, "inactive": 0, "locked": 0, "deprecated": 0, "unknown": 1}),
    ],
)
def test_connection_status(status: ConnectionStatus, expected: dict[str, int]) -> None:
    of = snapshot(ConnectionFacts(replace(IT, status=status), EPOCH))
    assert lines(of, "airbyte_connection_status") == [
        f'{{{ID},status="{name}"}} {shown}' for name, shown in expected.items()
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (JobStatus.SUCCEEDED, {"succeeded": 1, "failed": 0, "cancelled": 0}),
        (JobStatus.CANCELLED, {"succeeded": 0, "failed": 0, "cancelled": 1}),
        (JobStatus.UNKNOWN, {"succeeded": 0, "failed": 0, "cancelled": 0, "unknown": 1}),
    ],
)
def test_last_sync_status(status: JobStatus, expected: dict[str, int]) -> None:
    assert lines(seen(last_sync=job(IT, 1, status)), "airbyte_connection_last_sync_status") == [
        f'{{{ID},status="{name}"}} {shown}' for name, shown in expected.items()
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (JobStatus.PENDING, {"pending": 1, "queued": 0, "running": 0, "incomplete": 0}),
        (JobStatus.INCOMPLETE, {"pending": 0, "queued": 0, "running": 0, "incomplete": 1}),
        (JobStatus.UNKNOWN, {"pending": 0, "queued": 0, "running": 0, "incomplete": 0, "unknown": 1}),
    ],
)
def test_active_job_status(status: JobStatus, expected: dict[str, int]) -> None:
    assert lines(seen(live_jobs=(job(IT, 1, status),)), "airbyte_connection_active_job_status") == [
        f'{{{ID},status="{name}"}} {shown}' for name, shown in expected.items()
    ]


FINISHED = job(IT, 7, JobStatus.SUCCEEDED, ended=100, took=40, waited=5, volumes=Volumes(0, 2, None, 4))
LIVE = job(IT, 8, JobStatus.RUNNING, ended=50, waited=5, volumes=Volumes(records_emitted=12))


@pytest.mark.parametrize(
    ("facts", "family", "value"),
    [
        ({"last_sync": FINISHED}, "last_sync_created_timestamp_seconds", NOW - 145),
        ({"last_sync": FINISHED}, "last_sync_start_timestamp_seconds", NOW - 140),
        ({"last_sync": FINISHED}, "last_sync_end_timestamp_seconds", NOW - 100),
        ({"last_sync": FINISHED}, "last_sync_duration_seconds", 40),
        ({"last_sync": replace(FINISHED, attempts=None)}, "last_sync_start_timestamp_seconds", None),
        ({"last_sync": replace(FINISHED, attempts=None)}, "last_sync_duration_seconds", None),
        ({"last_sync": FINISHED}, "last_sync_records_synced", 0),
        ({"last_sync": FINISHED}, "last_sync_bytes_synced", 2),
        ({"last_sync": FINISHED}, "last_sync_records_emitted", None),
        ({"last_sync": FINISHED}, "last_sync_bytes_emitted", 4),
        ({"last_sync": replace(FINISHED, volumes=None)}, "last_sync_bytes_emitted", None),
        ({"last_sync": replace(FINISHED, has_stats=True)}, "last_sync_has_stats", 1),
        ({"last_sync": replace(FINISHED, has_stats=False)}, "last_sync_has_stats", 0),
        ({"last_sync": replace(FINISHED, has_stats=None)}, "last_sync_has_stats", None),
        ({"last_success_at": 5}, "last_success_timestamp_seconds", 5),
        ({"last_failure_at": 6}, "last_failure_timestamp_seconds", 6),
        ({}, "last_failure_timestamp_seconds", None),
        ({"live_jobs": (LIVE,)}, "active_job_created_timestamp_seconds", NOW - 55),
        ({"live_jobs": (LIVE,)}, "active_job_start_timestamp_seconds", NOW - 50),
        ({"live_jobs": (replace(LIVE, attempts=()),)}, "active_job_start_timestamp_seconds", None),
        ({"live_jobs": (LIVE, FINISHED)}, "active_job_records_emitted", 12),
        ({"live_jobs": (LIVE,)}, "active_job_bytes_emitted", None),
        ({"consecutive_failures": 3}, "consecutive_failures", 3),
        ({"counters": ConnectionCounters(records_synced=2**63)}, "records_synced_total", 2**63),
        ({"counters": ConnectionCounters(bytes_synced=11)}, "bytes_synced_total", 11),
        ({"counters": ConnectionCounters(records_emitted=12)}, "records_emitted_total", 12),
        ({"counters": ConnectionCounters(bytes_emitted=13)}, "bytes_emitted_total", 13),
    ],
)
def test_one_value_of_a_connection(facts: dict[str, Any], family: str, value: int | None) -> None:
    expected = [] if value is None else [f"{{{ID}}} {value}"]
    assert lines(seen(**facts), f"airbyte_connection_{family}") == expected


def test_other_kinds_of_jobs_are_counted_from_their_first() -> None:
    counters = ConnectionCounters({("sync", "failed"): 2, ("reset", "succeeded"): 1, ("sync", "unknown"): 1})
    assert lines(seen(counters=counters), "airbyte_connection_jobs_total") == [
        f'{{{ID},job_type="sync",status="succeeded"}} 0',
        f'{{{ID},job_type="sync",status="failed"}} 2',
        f'{{{ID},job_type="sync",status="cancelled"}} 0',
        f'{{{ID},job_type="reset",status="succeeded"}} 1',
        f'{{{ID},job_type="sync",status="unknown"}} 1',
    ]


def test_live_jobs_of_the_instance_are_counted_from_zero_by_state() -> None:
    jobs = (
        job(IT, 1, JobStatus.RUNNING),
        job(IT, 2, JobStatus.RUNNING, type=JobType.CLEAR),
        job(IT, 3, JobStatus.UNKNOWN),
    )
    assert lines(seen(live_jobs=jobs), "airbyte_jobs") == [
        '{job_type="sync",status="pending"} 0',
        '{job_type="sync",status="queued"} 0',
        '{job_type="sync",status="running"} 1',
        '{job_type="sync",status="incomplete"} 0',
        '{job_type="clear",status="running"} 1',
        '{job_type="sync",status="unknown"} 1',
    ]


def test_connections_are_counted_by_what_they_are() -> None:
    of = snapshot(
        ConnectionFacts(IT, EPOCH),
        ConnectionFacts(connection(2, "b", "Postgres"), EPOCH),
        ConnectionFacts(connection(3, "c", "Stripe", status=ConnectionStatus.INACTIVE), EPOCH),
    )
    assert lines(of, "airbyte_connections") == [
        f'{{status="{status}",source_connector="{source}",{SNOWFLAKE_BASIC}}} {number}'
        for status, source, number in (("active", "Postgres", 2), ("inactive", "Stripe", 1))
    ]


def test_what_an_info_label_does_not_know_is_empty() -> None:
    anonymous = replace(connection(1, "Orders", "Postgres", version=None), workspace_id="gone")
    of = snapshot(ConnectionFacts(anonymous, EPOCH), instance=Instance(None, None, "config", "none"))
    (info,) = lines(of, "airbyte_connection_info")
    assert 'workspace_id="gone",workspace_name=""' in info
    assert 'source_connector_version=""' in info
    assert lines(of, "airbyte_instance_info") == ['{version="",edition="",api="config",auth="none"} 1']


def test_tags_are_sorted_and_joined() -> None:
    of = snapshot(ConnectionFacts(connection(1, "Orders", "Postgres", tags=("b", "a")), EPOCH))
    assert ',tags="a,b"} 1' in lines(of, "airbyte_connection_info")[0]


JOB_GAUGES = {
    "airbyte_connection_last_sync_status",
    "airbyte_connection_consecutive_failures",
    "airbyte_jobs",
}
INVENTORY_GAUGES = {
    "airbyte_connection_info",
    "airbyte_connection_status",
    "airbyte_connections",
    "airbyte_instance_info",
}
COUNTERS = {
    "airbyte_connection_jobs_total",
    "airbyte_connection_bytes_synced_total",
    "airbyte_jobs_completed_total",
}


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({}, set()),
        ({"jobs_stale": True}, JOB_GAUGES),
        ({"inventory_stale": True}, INVENTORY_GAUGES),
        ({"jobs_stale": True, "inventory_stale": True}, JOB_GAUGES | INVENTORY_GAUGES),
        ({"jobs_as_of": None}, JOB_GAUGES),
        ({"inventory_as_of": None}, INVENTORY_GAUGES),
    ],
    ids=["fresh", "jobs stale", "inventory stale", "all stale", "jobs never read", "inventory never read"],
)
def test_facts_too_old_leave_and_counters_stay(changes: dict[str, Any], gone: set[str]) -> None:
    of = replace(rich_snapshot(), **changes)
    shown = {name for name in JOB_GAUGES | INVENTORY_GAUGES | COUNTERS if lines(of, name)}
    assert shown == (JOB_GAUGES | INVENTORY_GAUGES | COUNTERS) - gone


def test_when_everything_is_stale_only_counters_are_left() -> None:
    text = facts_part(page(replace(rich_snapshot(), jobs_stale=True, inventory_stale=True)))
    named = {line.split("{")[0] for line in text.splitlines() if not line.startswith("#")}
    left = {re.sub("_(bucket|count|sum)$", "", name) for name in named}
    assert left == {family.info.name for family in FAMILIES if family.info.type != "gauge"}


def test_a_name_cannot_break_out_of_its_label() -> None:
    name = 'a"b\\c\nd\re\0f\ud800g} 1 # {'
    of = snapshot(ConnectionFacts(connection(1, name, "Postgres"), EPOCH))
    (info,) = lines(of, "airbyte_connection_info")
    assert 'connection_name="a\\"b\\\\c\\nd\re\ufffdf\ufffdg} 1 # {",' in info


def test_two_facts_for_one_series_leave_the_first_and_a_log_line() -> None:
    exposition = Exposition(Telemetry("test"))
    twice = snapshot(workspaces=(FINANCE, FINANCE))
    with capture_logs() as logs:
        exposition.publish(twice)
        exposition.publish(twice)
    text = exposition.scrape(openmetrics=False, gzip=False).decode()
    assert text.count("\nairbyte_workspace_info{") == 1
    assert [entry["log_level"] for entry in logs] == ["error"]


def test_the_number_of_series_is_told() -> None:
    text = page(rich_snapshot())
    number = sum(not line.startswith("#") for line in facts_part(text).splitlines())
    assert f"\nairbyte_exporter_series {float(number)}\n" in text


def test_no_value_moves_with_time_alone() -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(rich_snapshot())
    first = exposition.scrape(openmetrics=False, gzip=False)
    assert facts_part(exposition.scrape(openmetrics=False, gzip=False).decode()) == facts_part(first.decode())
    later = replace(rich_snapshot(), jobs_as_of=NOW + 3600, inventory_as_of=NOW + 3600, sequence=99)
    assert facts_part(page(later)) == facts_part(first.decode())


def test_a_connection_is_named_only_in_its_info() -> None:
    labels = {
        label
        for family in FAMILIES
        for label in family.info.labels
        if family.info.name != "airbyte_connection_info"
    }
    assert not labels & {"connection_name", "source_name", "destination_name", "tags"}
    assert not labels & {"job", "instance", "endpoint", "namespace", "pod", "service", "container"}


def test_a_refused_value_is_an_error_and_the_old_page_stays() -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(seen(consecutive_failures=2))
    with pytest.raises(ValueError, match="format"):
        exposition.publish(seen(consecutive_failures=2.5))
    assert " 2\n" in exposition.scrape(openmetrics=False, gzip=False).decode()


def _typed(of: Connection, last: Job) -> ConnectionFacts:
    return ConnectionFacts(of, EPOCH, last_sync=last)


def test_a_refresh_is_shown_as_the_last_sync() -> None:
    last = job(IT, 3, JobStatus.FAILED, type=JobType.REFRESH, volumes=moved(4, 5))
    assert lines(snapshot(_typed(IT, last)), "airbyte_connection_last_sync_records_synced") == [f"{{{ID}}} 4"]
