"""What the public API's answers mean, as they come and as they should never come."""

import json
from typing import Any

import pytest

from airbyte_exporter.airbyte import ApiMalformed
from airbyte_exporter.airbyte._public_wire import PublicConnections, PublicJob, PublicSources
from airbyte_exporter.airbyte._wire import parse
from airbyte_exporter.model import (
    ConnectionStatus,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    Volumes,
)
from tests.unit.airbyte.fakes import Json
from tests.unit.airbyte.public import connection, source

START = 1_787_306_400  # 2026-08-21T10:00:00Z
MISSING = object()


def job(**told: Json) -> Job:
    """Return what a job means of which this is told; a finished sync otherwise."""
    whole = {
        "jobId": 7,
        "status": "succeeded",
        "jobType": "sync",
        "startTime": "2026-08-21T10:00Z",
        "connectionId": "c1",
        "lastUpdatedAt": "2026-08-21T10:05:21Z",
        "duration": "PT5M21S",
        "bytesSynced": 320_000,
        "rowsSynced": 800,
    } | told
    kept = {name: value for name, value in whole.items() if value is not MISSING}
    return parse(PublicJob, json.dumps(kept).encode(), method="m").job


def test_a_finished_job() -> None:
    assert job() == Job(
        connection_id="c1",
        id=7,
        created_at=START,
        updated_at=START + 321,
        type=JobType.SYNC,
        status=JobStatus.SUCCEEDED,
        attempts=None,
        volumes=Volumes(records_synced=800, bytes_synced=320_000),
        has_stats=True,
    )
    assert (job().started_at, job().duration, job().failure) == (None, None, None)


@pytest.mark.parametrize(
    ("told", "updated"),
    [
        ({"status": "running", "duration": "PT1H2M3S"}, START + 3723),
        ({"status": "incomplete", "duration": "PT36H"}, START + 36 * 3600),
        ({"status": "queued", "duration": "PT0S"}, START),
        ({"status": "pending", "duration": MISSING}, START),
        ({"status": "running", "duration": "PT2.5S"}, START + 2),
        ({"status": "running", "duration": "P1DT1S"}, START + 86_401),
        ({"status": "running", "duration": "soon"}, START),
        ({"status": "running", "duration": "PT-5S"}, START),
        ({"status": "running", "duration": 5}, START),
        ({"status": "paused", "duration": "PT9S"}, START + 9),
        ({"status": "running", "duration": "PT999999999H"}, 253_402_300_799),
    ],
)
def test_a_live_job_changed_last_when_its_duration_ends(told: dict[str, Any], updated: int) -> None:
    live = job(lastUpdatedAt=MISSING, **told)
    assert (live.updated_at, live.created_at, live.ended_at) == (updated, START, None)


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_the_end_of_a_finished_job_is_told_one_way_or_the_other(status: str) -> None:
    assert job(status=status, lastUpdatedAt=MISSING).ended_at == START + 321
    with pytest.raises(ApiMalformed, match="a finished job without lastUpdatedAt"):
        job(status=status, lastUpdatedAt=MISSING, duration=MISSING)


@pytest.mark.parametrize(
    ("rows", "size", "volumes", "has_stats"),
    [
        (800, 320_000, Volumes(800, 320_000), True),
        (0, 320_000, Volumes(0, 320_000), True),
        (0, 0, Volumes(0, 0), None),
        (MISSING, MISSING, None, None),
        (None, None, None, None),
        (800, MISSING, Volumes(800, None), True),
        (-1, "many", None, None),
    ],
)
def test_zeros_do_not_show_that_there_were_no_numbers(
    rows: object, size: object, volumes: Volumes | None, has_stats: bool | None
) -> None:
    told = job(rowsSynced=rows, bytesSynced=size)
    assert (told.volumes, told.has_stats) == (volumes, has_stats)


@pytest.mark.parametrize(
    ("told", "type_", "status"),
    [
        ({"jobType": "refresh"}, JobType.REFRESH, JobStatus.SUCCEEDED),
        ({"jobType": "reset"}, JobType.RESET, JobStatus.SUCCEEDED),
        ({"jobType": "clear"}, JobType.CLEAR, JobStatus.SUCCEEDED),
        ({"jobType": "compaction"}, JobType.UNKNOWN, JobStatus.SUCCEEDED),
        ({"jobType": MISSING}, JobType.UNKNOWN, JobStatus.SUCCEEDED),
        ({"status": "paused"}, JobType.SYNC, JobStatus.UNKNOWN),
    ],
)
def test_types_and_statuses(told: dict[str, Any], type_: JobType, status: JobStatus) -> None:
    assert (job(**told).type, job(**told).status) == (type_, status)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2026-08-21T10:00Z", START),
        ("2026-08-21T10:00:09Z", START + 9),
        ("2026-08-21T10:00:09.75Z", START + 9),
        ("2026-08-21T12:00+02:00", START),
        ("2026-08-21T10:00", START),
    ],
)
def test_times_as_java_writes_them(written: str, seconds: int) -> None:
    assert job(startTime=written).created_at == seconds


@pytest.mark.parametrize(
    "told",
    [
        {"startTime": MISSING},
        {"startTime": "yesterday"},
        {"startTime": START},
        {"startTime": "1969-12-31T23:59Z"},
        {"startTime": "0001-01-01T00:00+14:00"},
        {"jobId": MISSING},
        {"jobId": -1},
        {"jobId": "S3CR3T-marker"},
        {"connectionId": ""},
        {"connectionId": MISSING},
        {"status": MISSING},
        {"status": None},
    ],
)
def test_a_job_without_what_is_needed_is_not_used(told: dict[str, Any]) -> None:
    with pytest.raises(ApiMalformed) as caught:
        job(**told)
    assert "S3CR3T" not in str(caught.value)


# Connections


def scheduled(**told: Json) -> Schedule:
    body = {"data": [connection(schedule=told)]}
    wire = parse(PublicConnections, json.dumps(body).encode(), method="m").data[0]
    assert wire.schedule is not None
    return wire.schedule.schedule


@pytest.mark.parametrize(
    ("timing", "units", "time_unit", "interval"),
    [
        ("Every 24 HOURS", 24, "hours", 86_400),
        ("Every 1 DAYS", 1, "days", 86_400),
        ("every 15 minutes", 15, "minutes", 900),
        ("Every 1 HOUR", 1, "hours", 3600),
        ("Every 2 MONTHS", 2, "months", 60 * 86_400),
        ("Every now and then", None, None, None),
        ("Every 24 FORTNIGHTS", None, None, None),
        (None, None, None, None),
        (24, None, None, None),
    ],
)
def test_basic_timing(timing: Json, units: int | None, time_unit: str | None, interval: int | None) -> None:
    schedule = scheduled(scheduleType="basic", basicTiming=timing)
    assert schedule == Schedule(ScheduleType.BASIC, units=units, time_unit=time_unit)
    assert schedule.interval == interval


@pytest.mark.parametrize(
    ("told", "expression", "zone"),
    [
        ("0 0 12 * * ? UTC", "0 0 12 * * ?", "UTC"),
        ("0 0 12 * * ? America/Argentina/Buenos_Aires", "0 0 12 * * ?", "America/Argentina/Buenos_Aires"),
        ("0 0 12 ? * MON-FRI Etc/GMT+5", "0 0 12 ? * MON-FRI", "Etc/GMT+5"),
        ("0 0 12 * * ? +02:00", "0 0 12 * * ?", "+02:00"),
        ("0 0 12 1 1 ? 2027-2030 Europe/Berlin", "0 0 12 1 1 ? 2027-2030", "Europe/Berlin"),
        ("0 0 12 1 1 ? 2027", "0 0 12 1 1 ? 2027", None),
        ("0 0 12 * * ? *", "0 0 12 * * ? *", None),
        ("0 0 12 * * ? null", "0 0 12 * * ?", None),
        ("0 0 12 ? * MON", "0 0 12 ? * MON", None),
        ("  0 0  12 * * ?  UTC ", "0 0 12 * * ?", "UTC"),
        ("nonsense", "nonsense", None),
    ],
)
def test_a_cron_expression_and_its_zone_are_told_in_one(told: str, expression: str, zone: str | None) -> None:
    assert scheduled(scheduleType="cron", cronExpression=told) == Schedule(
        ScheduleType.CRON, cron_expression=expression, cron_time_zone=zone
    )


def test_other_schedules() -> None:
    assert scheduled(scheduleType="manual") == Schedule(ScheduleType.MANUAL)
    assert scheduled(scheduleType="lunar") == Schedule(ScheduleType.UNKNOWN)
    assert scheduled(scheduleType="cron") == Schedule(ScheduleType.CRON)


def test_what_is_optional_of_a_connection_may_be_missing_or_wrong() -> None:
    body = connection(name="", status="paused", schedule="x", createdAt="x", tags="x")
    wire = parse(PublicConnections, json.dumps({"data": [body]}).encode(), method="m").data[0]
    actor = parse(
        PublicSources, json.dumps({"data": [source(name="", sourceType=None)]}).encode(), method="m"
    )
    told = wire.connection(actor.data[0].actor, actor.data[0].actor)
    assert (told.name, told.status) == (body["connectionId"], ConnectionStatus.UNKNOWN)
    assert (told.schedule.type, told.created_at, told.tags) == (ScheduleType.UNKNOWN, None, ())
    assert told.schema_change is None
    assert (told.source.name, told.source.connector, told.source.connector_version) == ("s1", "unknown", None)


@pytest.mark.parametrize("name", ["connectionId", "workspaceId", "sourceId", "destinationId", "status"])
def test_a_connection_without_what_is_needed_is_not_used(name: str) -> None:
    body = connection()
    del body[name]
    with pytest.raises(ApiMalformed, match=rf"data\[0\]\.{name}"):
        parse(PublicConnections, json.dumps({"data": [body]}).encode(), method="m")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data": null}', b'{"data": {}}', b"Successful operation"]
)
def test_what_is_no_listing_is_not_used(body: bytes) -> None:
    with pytest.raises(ApiMalformed, match="cannot be used"):
        parse(PublicConnections, body, method="public/connections")
