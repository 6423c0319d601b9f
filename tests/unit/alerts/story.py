"""One connection's story: what happens in Airbyte goes in, what is sent comes out.

It keeps the alert state between evaluations exactly as the evaluator's store does: a decision is kept whole,
and the syncs that it looked at are not shown again.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from airbyte_exporter.alerts import (
    AlertContext,
    Means,
    Routing,
    RuleGroup,
    RulesConfig,
    Situation,
    decide,
    groups_of,
)
from airbyte_exporter.model import (
    Actor,
    AlertState,
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionFacts,
    ConnectionHistory,
    ConnectionStatus,
    Decision,
    Failure,
    Incident,
    Job,
    JobStatus,
    JobType,
    Notification,
    Schedule,
    ScheduleType,
    Volumes,
    Workspace,
)

NOON: Final = 1_769_860_800  # 2026-01-31T12:00:00Z
MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400

CONNECTION: Final = Connection(
    id="c0ffee00-0000-4000-8000-000000000001",
    name="Orders → Warehouse",
    workspace_id="aaaaaaaa-0000-4000-8000-000000000002",
    status=ConnectionStatus.ACTIVE,
    source=Actor("50000000-0000-4000-8000-000000000003", "Shop database", "Postgres", "3.6.9"),
    destination=Actor("d0000000-0000-4000-8000-000000000004", "Warehouse", "Snowflake"),
    schedule=Schedule(ScheduleType.BASIC, units=1, time_unit="hours"),
    tags=("finance", "nightly"),
)
WORKSPACE: Final = Workspace(CONNECTION.workspace_id, "Analytics")
TO_ONE: Final = Routing(("webhook",))
LOGIN_FAILED: Final = Failure(
    "source", "config_error", "FATAL: password authentication failed for user “etl”"
)


def sync_health(**rules: object) -> RuleGroup:
    """Return the group of that name, with these rules set so."""
    return groups_of(RulesConfig.model_validate(rules))[0]


def when(condition: Callable[[Job], bool] = lambda _: True) -> Callable[[Situation], int | None]:
    """Return what a rule holds by: a sync that failed, of which this is true."""

    def since(now: Situation) -> int | None:
        job = now.newest
        failed = job is not None and job.status is JobStatus.FAILED and condition(job)
        return job.updated_at if job is not None and failed else None

    return since


OFF: Final = {"enabled": False}
SYNC_FAILED: Final = sync_health(SyncFailing=OFF, AutoDisableSoon=OFF)
"""The plainest of the rules alone."""


class Story:
    """Watching begins at noon unless told otherwise, and everything is told to one receiver."""

    def __init__(
        self,
        *,
        epoch: int = NOON,
        notify_existing: bool = False,
        group: RuleGroup = SYNC_FAILED,
        routing: Routing = TO_ONE,
    ) -> None:
        self.connection = CONNECTION
        self.deleted = False
        self.state: AlertState | None = None
        self.incidents: dict[str, Incident] = {}
        self.sent: list[Notification] = []
        self._context = AlertContext(
            instance="airbyte.example.com",
            ui_url="https://airbyte.example.com/",
            epoch=epoch,
            as_of=epoch,
            notify_existing=notify_existing,
            routing=routing,
            means=Means(changes=True),
        )
        self._group = group
        self._jobs: list[Job] = []
        self._unjudged: list[Job] = []
        self._ids = 0

    def job(
        self,
        status: JobStatus,
        ended_at: int,
        *,
        created_at: int | None = None,
        job_id: int | None = None,
        failure: Failure | None = None,
        type_: JobType = JobType.SYNC,
    ) -> Job:
        """A sync finishes in Airbyte; it took ten minutes."""
        self._ids += 1
        created = ended_at - 10 * MINUTE if created_at is None else created_at
        failed = status is JobStatus.FAILED
        job = Job(
            connection_id=self.connection.id,
            id=self._ids if job_id is None else job_id,
            created_at=created,
            updated_at=ended_at,
            type=type_,
            status=status,
            attempts=(
                Attempt(0, AttemptStatus.FAILED, created + 5, ended_at - 60, failure or LOGIN_FAILED),
                Attempt(1, AttemptStatus.FAILED, ended_at - 50, ended_at, failure or LOGIN_FAILED),
            )
            if failed
            else (Attempt(0, AttemptStatus.SUCCEEDED, created + 5, ended_at),),
            volumes=Volumes(records_synced=0, bytes_synced=0) if failed else Volumes(1200, 34_000),
        )
        self._jobs.append(job)
        self._unjudged.append(job)
        return job

    def succeeds(self, at: int, *, created_at: int | None = None) -> Job:
        return self.job(JobStatus.SUCCEEDED, at, created_at=created_at)

    def fails(
        self,
        at: int,
        *,
        created_at: int | None = None,
        job_id: int | None = None,
        failure: Failure | None = None,
    ) -> Job:
        return self.job(JobStatus.FAILED, at, created_at=created_at, job_id=job_id, failure=failure)

    def is_cancelled(self, at: int, *, created_at: int | None = None) -> Job:
        return self.job(JobStatus.CANCELLED, at, created_at=created_at)

    def becomes(self, status: ConnectionStatus) -> None:
        self.connection = replace(self.connection, status=status)

    def is_deleted(self) -> None:
        self.deleted = True

    def is_configured(
        self,
        *,
        group: RuleGroup | None = None,
        routing: Routing | None = None,
        workspace_ids: tuple[str, ...] = (),
    ) -> None:
        """The exporter is started again with another configuration."""
        self._group = group or self._group
        self._context = replace(
            self._context, routing=routing or self._context.routing, workspace_ids=workspace_ids
        )

    def decide(self, as_of: int, *, instance: str | None = None) -> Decision | None:
        """What evaluation as of `as_of` comes to, without keeping it."""
        context = replace(self._context, as_of=as_of, instance=instance or self._context.instance)
        return decide(self._history(), context, self._group)

    def evaluate(self, as_of: int) -> list[str]:
        """Evaluate and keep the outcome; return what is sent: kind, and the reason of an end."""
        decision = self.decide(as_of)
        if decision is None:
            assert not self._unjudged, "a finished sync would be shown again for ever"
            return []
        self._unjudged.clear()
        self.state = decision.state
        kept = (*decision.ended, *([decision.state.incident] if decision.state.incident else []))
        self.incidents |= {incident.fingerprint: incident for incident in kept}
        self.sent += decision.notifications
        return spoken(decision.notifications)

    @property
    def firing(self) -> Incident | None:
        """The incident that goes on, if one does."""
        incident = self.state.incident if self.state else None
        return incident if incident and incident.ends_at is None else None

    def _history(self) -> ConnectionHistory:
        jobs = sorted(self._jobs, key=lambda job: (job.created_at, job.id))
        successes = [job.updated_at for job in jobs if job.status is JobStatus.SUCCEEDED]
        failures = [job.updated_at for job in jobs if job.status is JobStatus.FAILED]
        return ConnectionHistory(
            facts=ConnectionFacts(
                connection=self.connection,
                first_seen_at=self._context.epoch,
                last_sync=jobs[-1] if jobs else None,
                last_success_at=max(successes, default=None),
                last_failure_at=max(failures, default=None),
            ),
            workspace=WORKSPACE,
            state=self.state,
            finished=tuple(self._unjudged),
            deleted=self.deleted,
        )


def spoken(notifications: Iterable[Notification]) -> list[str]:
    """Return each notification's kind, with the reason where it has one."""
    return [
        f"{sent.type} ({sent.body['data']['reason']})" if sent.body["data"]["reason"] else sent.type
        for sent in notifications
    ]
