"""A snapshot with one connection for every case that people see, and builders for more."""

from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    CompletedKey,
    Connection,
    ConnectionCounters,
    ConnectionFacts,
    ConnectionStatus,
    Disabling,
    DurationKey,
    Durations,
    Failure,
    Incident,
    IncidentStatus,
    Instance,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    SchemaChange,
    Silence,
    Snapshot,
    Volumes,
    Workspace,
)

NOW = 1_769_860_800  # 2026-01-31 12:00:00 UTC
EPOCH = NOW - 5 * 86400

FINANCE = Workspace("9d2b6f6e-0000-4000-8000-0000000000f1", "Finance")
GROWTH = Workspace("9d2b6f6e-0000-4000-8000-0000000000f2", "Growth")

SNOWFLAKE = Actor("d0000000-0000-4000-8000-000000000001", "Warehouse", "Snowflake", "3.15.2")
BIGQUERY = Actor("d0000000-0000-4000-8000-000000000002", "Analytics lake", "BigQuery", "2.9.1")

HOURLY = Schedule(ScheduleType.BASIC, units=1, time_unit="hours")
DAILY = Schedule(ScheduleType.CRON, cron_expression="0 30 4 * * ?", cron_time_zone="Europe/Copenhagen")
MANUAL = Schedule(ScheduleType.MANUAL)


def connection(
    number: int,
    name: str,
    connector: str,
    *,
    status: ConnectionStatus = ConnectionStatus.ACTIVE,
    schedule: Schedule = HOURLY,
    workspace: Workspace = FINANCE,
    destination: Actor = SNOWFLAKE,
    tags: tuple[str, ...] = (),
    created_at: int | None = NOW - 90 * 86400,
    version: str | None = "1.0.0",
    schema_change: SchemaChange | None = None,
) -> Connection:
    source = Actor(f"50000000-0000-4000-8000-{number:012}", f"{connector} production", connector, version)
    return Connection(
        f"c0000000-0000-4000-8000-{number:012}",
        name,
        workspace.id,
        status,
        source,
        destination,
        schedule,
        tags=tags,
        created_at=created_at,
        schema_change=schema_change,
    )


def job(
    of: Connection,
    number: int,
    status: JobStatus,
    *,
    ended: int = 600,
    took: int = 300,
    waited: int = 20,
    type: JobType = JobType.SYNC,  # noqa: A002  # as in the model
    volumes: Volumes | None = None,
    has_stats: bool | None = True,
    failure: Failure | None = None,
    attempts: int = 1,
) -> Job:
    """A job that ended so many seconds before NOW, or, while it is live, changed its status then."""
    updated_at = NOW - ended
    started_at = updated_at - (took if status.is_final else 0)
    outcome = {
        JobStatus.SUCCEEDED: AttemptStatus.SUCCEEDED,
        JobStatus.RUNNING: AttemptStatus.RUNNING,
    }.get(status, AttemptStatus.FAILED)
    tries = tuple(
        Attempt(
            index,
            outcome if index == attempts - 1 else AttemptStatus.FAILED,
            started_at + index * took // max(1, attempts),
            updated_at if status.is_final else None,
            failure if outcome is AttemptStatus.FAILED else None,
            failure is not None and volumes is not None if outcome is AttemptStatus.FAILED else None,
        )
        for index in range(attempts)
    )
    return Job(of.id, number, started_at - waited, updated_at, type, status, tries, volumes, has_stats)


def moved(records: int, size: int) -> Volumes:
    return Volumes(records, size, records + 3, size + 512, 3)


SOURCE_DOWN = Failure(
    "source",
    "transient_error",
    'FATAL: password authentication failed for user "airbyte" at <db-7.internal>: the connection to the '
    "server was lost while reading table orders",
)
BAD_CONFIG = Failure("source", "config_error", "The API key has been revoked.")


def _failing() -> ConnectionFacts:
    it = connection(
        1,
        "Postgres orders → Snowflake",
        "Postgres",
        tags=("tier-1", "finance"),
        schema_change=SchemaChange.BREAKING,
    )
    last = job(
        it,
        101,
        JobStatus.FAILED,
        ended=900,
        took=420,
        failure=SOURCE_DOWN,
        volumes=moved(1200, 640_000),
        attempts=3,
    )
    return ConnectionFacts(
        it,
        EPOCH,
        last_sync=last,
        last_success_at=NOW - 5 * 3600,
        last_failure_at=last.updated_at,
        consecutive_failures=4,
        counters=ConnectionCounters(
            {
                ("sync", "succeeded"): 90,
                ("sync", "failed"): 4,
                ("reset", "succeeded"): 1,
                ("refresh", "failed"): 2,
            },
            1_200_000,
            640_000_000,
            1_200_300,
            640_100_000,
            12,
            91,
            14,
            {("source", "transient_error"): 13, ("unknown", "unknown"): 1},
        ),
        schedule_interval=3600,
        next_run_at=NOW + 600,
    )


def _failed_and_retrying() -> ConnectionFacts:
    it = connection(2, "Stripe charges", "Stripe", schedule=DAILY, destination=BIGQUERY, workspace=GROWTH)
    last = job(it, 102, JobStatus.FAILED, ended=7200, took=95, failure=BAD_CONFIG, has_stats=False)
    live = job(
        it,
        112,
        JobStatus.RUNNING,
        ended=340,
        volumes=Volumes(records_emitted=48_210, bytes_emitted=9_000_123),
    )
    return ConnectionFacts(
        it,
        EPOCH,
        last_sync=last,
        last_failure_at=last.updated_at,
        live_jobs=(live,),
        consecutive_failures=1,
        counters=ConnectionCounters({("sync", "failed"): 1}),
    )


def _fine(number: int, name: str, connector: str, records: int, ended: int) -> ConnectionFacts:
    it = connection(number, name, connector, workspace=GROWTH if number % 2 else FINANCE)
    last = job(
        it,
        100 + number,
        JobStatus.SUCCEEDED,
        ended=ended,
        took=61 * number,
        volumes=moved(records, records * 830),
    )
    return ConnectionFacts(
        it,
        EPOCH,
        last_sync=last,
        last_success_at=last.updated_at,
        counters=ConnectionCounters(
            {("sync", "succeeded"): 120},
            120 * records,
            120 * records * 830,
            120 * records,
            120 * records * 831,
        ),
    )


def _running(number: int, name: str, connector: str, status: JobStatus) -> ConnectionFacts:
    fine = _fine(number, name, connector, 5_400, 3500)
    live = job(
        fine.connection,
        200 + number,
        status,
        ended=125,
        volumes=Volumes(records_emitted=1_250_400, bytes_emitted=1_100_000_000)
        if status is JobStatus.RUNNING
        else None,
        attempts=0 if status in {JobStatus.PENDING, JobStatus.QUEUED} else 1,
    )
    return ConnectionFacts(
        fine.connection,
        EPOCH,
        last_sync=fine.last_sync,
        last_success_at=fine.last_success_at,
        live_jobs=(live,),
        counters=fine.counters,
    )


def _cancelled() -> ConnectionFacts:
    it = connection(9, "Google Ads", "Google Ads", schedule=Schedule(ScheduleType.BASIC, 6, "hours"))
    last = job(it, 109, JobStatus.CANCELLED, ended=5000, took=44)
    return ConnectionFacts(it, EPOCH, last_sync=last, last_success_at=NOW - 30000)


def _without_numbers() -> ConnectionFacts:
    it = connection(10, "Shopify shop", "Shopify", created_at=None, version=None)
    last = job(it, 110, JobStatus.SUCCEEDED, ended=1800, took=12, has_stats=False)
    return ConnectionFacts(it, EPOCH, last_sync=last, last_success_at=last.updated_at)


def _strange() -> ConnectionFacts:
    it = connection(
        13,
        'Größe "quoted" \\ back\nslash <script>alert(1)</script> 数据同步',
        "Custom & Sons",
        status=ConnectionStatus.UNKNOWN,
        schedule=Schedule(ScheduleType.UNKNOWN),
        tags=("b,c", "a"),
        created_at=None,
    )
    last = job(it, 113, JobStatus.UNKNOWN, ended=9000, has_stats=None)
    return ConnectionFacts(it, EPOCH, last_sync=last)


def rich_snapshot() -> Snapshot:
    everything = (
        _failing(),
        _failed_and_retrying(),
        _fine(3, "HubSpot contacts", "HubSpot", 812, 45),
        _fine(4, "MySQL billing to Snowflake", "MySQL", 2_410_000, 1300),
        _fine(5, "Zendesk tickets", "Zendesk Support", 4_312, 2400),
        _running(6, "Salesforce accounts", "Salesforce", JobStatus.RUNNING),
        _running(7, "Jira issues", "Jira", JobStatus.PENDING),
        _running(8, "MongoDB events", "MongoDb", JobStatus.INCOMPLETE),
        _cancelled(),
        _without_numbers(),
        ConnectionFacts(connection(11, "New thing, never ran", "File", schedule=MANUAL), EPOCH),
        ConnectionFacts(
            connection(12, "Old Marketo export", "Marketo", status=ConnectionStatus.INACTIVE),
            EPOCH,
            disabled=Disabling(NOW - 7200, "TOO_MANY_FAILED_JOBS_WITH_NO_RECENT_SUCCESS", by_person=False),
            is_history_complete=True,
        ),
        _strange(),
        _fine(14, "GitHub", "GitHub", 15_020, 88_000),
        ConnectionFacts(connection(15, "Locked by billing", "Notion", status=ConnectionStatus.LOCKED), EPOCH),
    )
    return Snapshot(
        instance=Instance("2.0.1", "community", "config", "client-credentials", "abc"),
        epoch=EPOCH,
        workspaces=(FINANCE, GROWTH),
        connections={facts.connection.id: facts for facts in everything},
        completed={
            CompletedKey("sync", "succeeded", "Postgres", "Snowflake", "basic"): 90,
            CompletedKey("sync", "failed", "Postgres", "Snowflake", "basic"): 4,
            CompletedKey("sync", "unknown", "unknown", "unknown", "unknown"): 1,
        },
        durations={
            DurationKey("sync", "succeeded"): Durations(
                (2, 5, 20, 30, 20, 10, 3, 0, 0, 0, 0, 0, 0, 0), 9_911
            ),
            DurationKey("sync", "failed"): Durations((0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1), 91_400),
        },
        sources={"Postgres": 3, "Stripe": 1, "GitHub": 2},
        destinations={"Snowflake": 1, "BigQuery": 1},
        jobs_as_of=NOW - 12,
        inventory_as_of=NOW - 100,
        sequence=77,
    )


def rich_incidents() -> tuple[Incident, ...]:
    failing, retrying = _failing(), _failed_and_retrying()
    return (
        Incident(
            "f2",
            "sync-health",
            retrying.connection.id,
            "SyncFailed",
            "warning",
            IncidentStatus.FIRING,
            NOW - 7200,
            adopted=True,
            job=retrying.last_sync,
        ),
        Incident(
            "f1",
            "sync-health",
            failing.connection.id,
            "SyncFailing",
            "critical",
            IncidentStatus.FIRING,
            NOW - 9900,
            job=failing.last_sync,
        ),
    )


def rich_silence() -> Silence:
    """Return one about the incident that is critical, for the next hour."""
    return Silence(
        id="5f3c9a1e",
        matchers={"severity": ("critical",)},
        starts_at=NOW - 600,
        ends_at=NOW + 3600,
        reason="the warehouse moves",
        author="ana",
        created_at=NOW - 600,
    )
