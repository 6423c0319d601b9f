"""Short ways to say what a test is about."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from airbyte_exporter.model import (
    Actor,
    AlertState,
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionHistory,
    ConnectionStatus,
    Decision,
    Failure,
    Incident,
    IncidentStatus,
    Instance,
    Inventory,
    Job,
    JobStatus,
    JobType,
    Notification,
    Schedule,
    ScheduleType,
    Volumes,
    Workspace,
)
from airbyte_exporter.store import Store

EPOCH: Final = 1_767_225_600
DAY: Final = 86_400
INSTANCE: Final = Instance(
    version="2.0.1", edition="community", api="config", auth="none", deployment_id="d-1"
)
SALES: Final = Workspace("w-sales", "Sales")
OPS: Final = Workspace("w-ops", "Ops")


NOON: Final = Schedule(ScheduleType.CRON, cron_expression="0 0 12 * * ?", cron_time_zone="Europe/Berlin")


def connection(
    id_: str = "c-1",
    *,
    workspace: Workspace = SALES,
    name: str | None = None,
    schedule: Schedule = NOON,
    status: ConnectionStatus = ConnectionStatus.ACTIVE,
) -> Connection:
    return Connection(
        id=id_,
        name=name or f"Connection {id_}",
        workspace_id=workspace.id,
        status=status,
        source=Actor(f"s-{id_}", "Billing", "Postgres", "3.6.9"),
        destination=Actor(f"t-{id_}", "Warehouse", "Snowflake"),
        schedule=schedule,
        tags=("gold", "finance"),
        created_at=EPOCH - 30 * DAY,
    )


def inventory(*connections: Connection, read_at: int = EPOCH) -> Inventory:
    return Inventory(INSTANCE, (SALES, OPS), connections, read_at)


def job(
    id_: int = 1,
    status: JobStatus = JobStatus.SUCCEEDED,
    *,
    of: str = "c-1",
    created: int = EPOCH + 100,
    updated: int | None = None,
    type_: JobType = JobType.SYNC,
    volumes: Volumes | None = None,
    attempts: tuple[Attempt, ...] | None = None,
) -> Job:
    return Job(
        connection_id=of,
        id=id_,
        created_at=created,
        updated_at=created + 60 if updated is None else updated,
        type=type_,
        status=status,
        volumes=volumes,
        attempts=attempts,
    )


FAILED_ATTEMPTS: Final = (
    Attempt(
        0,
        AttemptStatus.FAILED,
        EPOCH + 105,
        EPOCH + 140,
        Failure("source", "config_error", "Kein Zugriff \N{EN DASH} 密码错误"),
    ),
    Attempt(1, AttemptStatus.FAILED, EPOCH + 141, EPOCH + 160, Failure("unknown", "unknown")),
    Attempt(2, AttemptStatus.RUNNING, EPOCH + 161),
)


def incident(
    fingerprint: str = "f-1",
    *,
    of: str = "c-1",
    status: IncidentStatus = IncidentStatus.FIRING,
    starts_at: int = EPOCH,
) -> Incident:
    return Incident(
        fingerprint=fingerprint,
        group="sync-health",
        connection_id=of,
        rule="SyncFailed",
        severity="warning",
        status=status,
        starts_at=starts_at,
        sequence=1,
    )


def ended(one: Incident, at: int) -> Incident:
    return replace(one, status=IncidentStatus.RESOLVED, ends_at=at, reason="succeeded")


def notification(number: int, fingerprint: str = "f-1", type_: str = "alert.firing") -> Notification:
    return Notification(
        id=f"msg_{fingerprint}_{number}",
        fingerprint=fingerprint,
        type=type_,
        created_at=EPOCH + number,
        body={
            "type": type_,
            "data": {"fingerprint": fingerprint, "summary": "Ünïcode \N{SNOWMAN}", "reason": None},
        },
    )


def decision(
    one: Incident | None, *sent: Notification, of: str = "c-1", judged: Job | None = None
) -> Decision:
    return Decision(
        state=AlertState(of, "sync-health", judged.key if judged else None, incident=one),
        notifications=tuple(sent),
    )


def histories(store: Store, sequence: int | None = None) -> dict[str, ConnectionHistory]:
    """Return what the evaluation looks at: syncs that nobody has judged, and what goes on."""
    unjudged = store.unjudged(store.sequence() if sequence is None else sequence)
    states = {state.connection_id: state for state in store.alert_states() if state.group == "sync-health"}
    going_on = {id_ for id_, state in states.items() if state.incident and state.incident.ends_at is None}
    there = store.facts()
    return {
        id_: ConnectionHistory(
            facts,
            SALES if facts.connection.workspace_id == SALES.id else OPS,
            states.get(id_),
            tuple(unjudged.get(id_, ())),
            id_ not in there,
        )
        for id_, facts in store.last_facts(unjudged.keys() | going_on).items()
    }


def ids(jobs: Sequence[Job]) -> list[int]:
    return [each.id for each in jobs]
