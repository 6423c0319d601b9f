"""A made-up Airbyte for commands that read one, and time that passes only when a command waits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from airbyte_exporter.airbyte import AirbyteConfig, JobsPage
from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionStatus,
    Definition,
    Failure,
    Instance,
    Inventory,
    Job,
    JobDetails,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    StreamVolumes,
    Volumes,
    Workspace,
)

NOW = 1_800_000_000


@dataclass
class FakeAirbyte:
    """What a client of Airbyte answers, and how it was asked. With an `error` it has no other answer."""

    inventory_: Inventory
    live: list[Job] = field(default_factory=list)
    changed: list[Job] = field(default_factory=list)
    sources_: dict[str, tuple[Actor, ...]] = field(default_factory=dict)
    destinations_: dict[str, tuple[Actor, ...]] = field(default_factory=dict)
    definitions_: tuple[Definition, ...] = ()
    streams: dict[int, tuple[StreamVolumes, ...]] = field(default_factory=dict)
    error: BaseException | None = None
    config: AirbyteConfig | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False

    def _answer(self) -> None:
        if self.error:
            raise self.error

    def inventory(self) -> Inventory:
        self._answer()
        return self.inventory_

    def workspaces(self) -> tuple[Workspace, ...]:
        self._answer()
        return self.inventory_.workspaces

    def sources(self, workspace_id: str) -> tuple[Actor, ...]:
        self._answer()
        return self.sources_.get(workspace_id, ())

    def destinations(self, workspace_id: str) -> tuple[Actor, ...]:
        self._answer()
        return self.destinations_.get(workspace_id, ())

    def connections(self, workspace_id: str) -> tuple[Connection, ...]:
        self._answer()
        return tuple(each for each in self.inventory_.connections if each.workspace_id == workspace_id)

    def definitions(self, kind: str) -> tuple[Definition, ...]:
        self._answer()
        return tuple(each for each in self.definitions_ if each.kind == kind)

    def newest_jobs(self, connection_id: str, limit: int) -> tuple[Job, ...]:
        self._answer()
        self.asked.append({"newest_jobs": connection_id, "limit": limit})
        found = [each for each in (*self.live, *self.changed) if each.connection_id == connection_id]
        return tuple(found[:limit])

    def instance(self) -> Instance:
        self._answer()
        return self.inventory_.instance

    def job(self, job_id: int) -> Job | None:
        self._answer()
        return next((each for each in (*self.live, *self.changed) if each.id == job_id), None)

    def job_details(self, job_id: int) -> JobDetails | None:
        found = self.job(job_id)
        return JobDetails(found, self.streams.get(job_id)) if found else None

    def jobs(self, **arguments: object) -> Iterator[JobsPage]:
        self._answer()
        self.asked.append(arguments)
        found = self.live if arguments.get("live") else self.changed
        wanted = arguments.get("connection_id")
        yield JobsPage(tuple(job for job in found if wanted in {None, job.connection_id}), NOW)

    def close(self) -> None:
        self.closed = True

    def have(self, *connections: Connection) -> None:
        """Add connections."""
        self.inventory_ = replace(self.inventory_, connections=(*self.inventory_.connections, *connections))

    def have_workspaces(self, *workspaces: Workspace) -> None:
        """Have these workspaces and no others."""
        self.inventory_ = replace(self.inventory_, workspaces=workspaces)

    def lose_everything(self) -> None:
        """Forget everything."""
        self.inventory_ = replace(self.inventory_, workspaces=(), connections=())
        self.live, self.changed = [], []
        self.sources_, self.destinations_, self.definitions_ = {}, {}, ()


@dataclass
class PassingTime:
    """A clock that stands still until a command waits; in each wait the next of `during` happens.

    After the last of them somebody presses Ctrl-C.
    """

    now: float = NOW
    during: list[Callable[[], object]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        if not self.during:
            raise KeyboardInterrupt
        self.now += seconds
        self.during.pop(0)()


def connection(connection_id: str, name: str, **changes: Any) -> Connection:  # noqa: ANN401 - fields of several types
    values: dict[str, Any] = {
        "id": connection_id,
        "name": name,
        "workspace_id": "w1",
        "status": ConnectionStatus.ACTIVE,
        "source": Actor("s1", "shop", "Postgres", "3.6.2"),
        "destination": Actor("d1", "warehouse", "Snowflake"),
        "schedule": Schedule(ScheduleType.BASIC, units=24, time_unit="hours"),
    }
    return Connection(**(values | changes))


def job(job_id: int, connection_id: str, status: JobStatus, **changes: Any) -> Job:  # noqa: ANN401 - as above
    values: dict[str, Any] = {
        "connection_id": connection_id,
        "id": job_id,
        "created_at": NOW - 1000 + job_id,
        "updated_at": NOW - 500 + job_id,
        "type": JobType.SYNC,
        "status": status,
    }
    return Job(**(values | changes))


ORDERS = "11111111-aaaa-4000-8000-000000000001"
STRIPE = "11112222-aaaa-4000-8000-000000000002"
UNICODE = "33333333-aaaa-4000-8000-000000000003"


def example_airbyte() -> FakeAirbyte:
    """Return an Airbyte with three connections and three jobs."""
    return FakeAirbyte(
        Inventory(
            instance=Instance("2.0.1", "community", "config", "none"),
            workspaces=(Workspace("w1", "Data"),),
            connections=(
                connection(STRIPE, "Stripe → Snowflake", status=ConnectionStatus.INACTIVE, tags=("b", "a")),
                connection(
                    ORDERS,
                    "Orders",
                    schedule=Schedule(
                        ScheduleType.CRON, cron_expression="0 0 12 * * ?", cron_time_zone="UTC"
                    ),
                    created_at=NOW - 86400,
                ),
                connection(UNICODE, "売上 \x1b[31m\n", schedule=Schedule(ScheduleType.MANUAL)),
            ),
            read_at=NOW,
        ),
        live=[job(9, ORDERS, JobStatus.RUNNING, volumes=Volumes(records_emitted=5))],
        changed=[
            job(
                7,
                ORDERS,
                JobStatus.SUCCEEDED,
                attempts=(Attempt(0, AttemptStatus.SUCCEEDED, NOW - 900, NOW - 500),),
                volumes=Volumes(records_synced=12_345_678, bytes_synced=3 * 1024**3),
            ),
            job(
                8,
                STRIPE,
                JobStatus.FAILED,
                attempts=(
                    Attempt(
                        0,
                        AttemptStatus.FAILED,
                        NOW - 800,
                        failure=Failure("source", "config_error", "Invalid API key"),
                    ),
                ),
            ),
        ],
    )
