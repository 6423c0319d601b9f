"""A state as an exporter has it that runs, with incidents of every kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from airbyte_exporter.model import (
    AlertState,
    Attempt,
    AttemptStatus,
    Decision,
    Failure,
    Incident,
    IncidentStatus,
    Inventory,
    Job,
    JobStatus,
    JobType,
    Silence,
)
from airbyte_exporter.store import Store
from tests.commands import NOW
from tests.unit.alerts.keeping import INSTANCE, open_state
from tests.unit.alerts.story import CONNECTION, DAY, HOUR, WORKSPACE

ORDERS: Final = "11111111-aaaa-4000-8000-000000000001"
USERS: Final = "22222222-aaaa-4000-8000-000000000002"
GONE: Final = "33333333-aaaa-4000-8000-000000000003"

REFUSED: Final = Failure("source", "config_error", "login \x1b[31m refused")


@contextmanager
def kept_state(folder: Path) -> Iterator[Store]:
    """Have a state in `folder`, as an exporter has it that runs."""
    with open_state(folder) as store:
        named = {
            each.id: each
            for each in (
                replace(CONNECTION, id=ORDERS, name="Orders → Warehouse"),
                replace(CONNECTION, id=USERS, name="Users", tags=()),
                replace(CONNECTION, id=GONE, name="Gone"),
            )
        }
        store.record_inventory(Inventory(INSTANCE, (WORKSPACE,), tuple(named.values()), NOW - 30 * DAY))
        del named[GONE]
        store.record_inventory(Inventory(INSTANCE, (WORKSPACE,), tuple(named.values()), NOW - DAY))
        yield store


def failed_sync(of: str, ended_at: int, job_id: int = 1) -> Job:
    attempt = Attempt(0, AttemptStatus.FAILED, ended_at - 60, ended_at, REFUSED)
    return Job(of, job_id, ended_at - 90, ended_at, JobType.SYNC, JobStatus.FAILED, (attempt,))


def going_on() -> tuple[Incident, ...]:
    """Return one that was told, one that was there before, and one that is about no connection."""
    warning = Incident(
        fingerprint="f-orders",
        group="sync-health",
        connection_id=ORDERS,
        rule="SyncFailed",
        severity="warning",
        status=IncidentStatus.FIRING,
        starts_at=NOW - 2 * HOUR,
        notified_at=NOW - 2 * HOUR,
        sequence=1,
        job=failed_sync(ORDERS, NOW - 2 * HOUR),
        receivers=("chat", "oncall"),
    )
    adopted = replace(
        warning,
        fingerprint="f-users",
        connection_id=USERS,
        starts_at=NOW - 3 * DAY,
        notified_at=None,
        sequence=0,
        job=replace(failed_sync(USERS, NOW - 3 * DAY, 7), attempts=None),
        receivers=(),
        adopted=True,
    )
    instance_wide = replace(
        warning,
        fingerprint="f-instance",
        group="instance",
        connection_id="",
        rule="AirbyteUnreachable",
        severity="critical",
        starts_at=NOW - 600,
        job=None,
        receivers=("oncall",),
    )
    return warning, adopted, instance_wide


def over(connection_id: str, ended_at: int, fingerprint: str, reason: str = "succeeded") -> Incident:
    return replace(
        going_on()[0],
        fingerprint=fingerprint,
        connection_id=connection_id,
        starts_at=ended_at - HOUR,
        status=IncidentStatus.RESOLVED,
        ends_at=ended_at,
        reason=reason,
    )


def record(store: Store, *incidents: Incident) -> None:
    decisions = [Decision(AlertState(it.connection_id, it.group, incident=it)) for it in incidents]
    store.record_decisions(decisions, [], sequence=0, now=float(NOW))


def silence(
    id_: str = "5f3c9a1e",
    *,
    matchers: dict[str, tuple[str, ...]] | None = None,
    starts_at: int = NOW - HOUR,
    ends_at: int = NOW + HOUR,
    expired_at: int | None = None,
) -> Silence:
    return Silence(
        id=id_,
        matchers={"connection": ("Orders*",)} if matchers is None else matchers,
        starts_at=starts_at,
        ends_at=ends_at,
        reason="the warehouse moves",
        author="ana",
        created_at=starts_at,
        expired_at=expired_at,
    )
