"""An Airbyte for the poller, and a state with a poller on it."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from airbyte_exporter.airbyte import (
    ApiError,
    ApiUnreachable,
    Ask,
    Capabilities,
    ConnectionJobs,
    JobsPage,
    Polling,
)
from airbyte_exporter.model import (
    Actor,
    Attempt,
    AttemptStatus,
    Connection,
    ConnectionFacts,
    ConnectionStatus,
    Disabling,
    Instance,
    Inventory,
    Job,
    JobStatus,
    JobType,
    Latest,
    Schedule,
    ScheduleType,
    Snapshot,
    Volumes,
    Workspace,
)
from airbyte_exporter.poller import PollConfig, Poller
from airbyte_exporter.store import Store, StoreConfig, open_store
from airbyte_exporter.telemetry import Telemetry

NOW = 1_790_000_000
URL = "http://airbyte.example/api/v1"
HOUR = 3600


def connection(id_: str, **changes: object) -> Connection:
    made = Connection(
        id=id_,
        name=f"connection {id_}",
        workspace_id="w",
        status=ConnectionStatus.ACTIVE,
        source=Actor("s", "source", "Postgres", "3.6.1"),
        destination=Actor("d", "destination", "Snowflake", "4.0.2"),
        schedule=Schedule(ScheduleType.BASIC, units=1, time_unit="hours"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name fields of Connection


class FakeAirbyte:
    """An Airbyte whose clock stands where the test puts it; it answers in pages of two jobs."""

    def __init__(self, *connections: str) -> None:
        self.now = NOW
        self.connections = {id_: connection(id_) for id_ in connections}
        self.jobs_held: dict[tuple[int, int], Job] = {}
        self.hidden: set[int] = set()
        self.calls: list[str] = []
        self.down = False
        self.fail_on_page: int | None = None
        self.deployment_id: str | None = "deployment"
        self.polling = Polling.CHANGES
        self.asks: list[Ask] = []
        self.fail_on_connection: str | None = None
        self.gone: set[str] = set()
        self.unanswered: set[str] = set()
        self.endless: set[str] = set()
        self.tells_time = True
        self.seconds_per_ask = 0
        self.version = "1.8.0"
        self.disablings: dict[str, Disabling | ApiError] = {}
        self.asked_why: list[tuple[str, int]] = []

    def put(
        self,
        id_: int,
        connection_id: str,
        status: JobStatus,
        *,
        created: int | None = None,
        updated: int | None = None,
        records: int = 10,
        type_: JobType = JobType.SYNC,
    ) -> Job:
        created = self.now if created is None else created
        job = Job(
            connection_id=connection_id,
            id=id_,
            created_at=created,
            updated_at=self.now if updated is None else updated,
            type=type_,
            status=status,
            attempts=(Attempt(0, AttemptStatus.RUNNING, created),),
            volumes=Volumes(records, records * 100, records, records * 100),
            has_stats=True,
        )
        self.jobs_held[id_, created] = job
        return job

    def called(self, what: str) -> None:
        self.calls.append(what)
        if self.down:
            raise ApiUnreachable(f"{what}: nothing answers", method=what, reason="connect")

    def capabilities(self) -> Capabilities:
        return Capabilities(
            "config", self.version, "community", "none", None, self.deployment_id, self.polling
        )

    def inventory(self) -> Inventory:
        self.called("inventory")
        instance = Instance(self.version, "community", "config", "none", self.deployment_id)
        return Inventory(instance, (Workspace("w", "Data"),), tuple(self.connections.values()), self.now)

    def with_actors(self, inventory: Inventory) -> Inventory:
        return inventory

    def jobs(
        self,
        *,
        updated_since: int | None = None,
        updated_until: int | None = None,
        created_since: int | None = None,
        created_until: int | None = None,
        live: bool = False,
        connection_id: str | None = None,
    ) -> Iterator[JobsPage]:
        what = "live" if live else "one" if connection_id else "history" if updated_until else "changes"
        self.called(what)
        rows = [
            job
            for job in self.jobs_held.values()
            if job.id not in self.hidden
            and (updated_since is None or job.updated_at >= updated_since)
            and (updated_until is None or job.updated_at <= updated_until)
            and (created_since is None or job.created_at >= created_since)
            and (created_until is None or job.created_at <= created_until)
            and (not live or not job.status.is_final)
            and (connection_id is None or job.connection_id == connection_id)
        ]
        rows.sort(key=lambda job: job.created_at if live else job.updated_at)
        pages = [tuple(rows[at : at + 2]) for at in range(0, len(rows), 2)] or [()]
        for number, page in enumerate(pages):
            if self.fail_on_page == number:
                raise ApiUnreachable("jobs/list: broke off", method="jobs/list", reason="timeout")
            yield JobsPage(page, self.now)

    def jobs_of_connections(self, asks: Iterable[Ask]) -> Iterator[ConnectionJobs]:
        for ask in asks:
            self.called("connection")
            self.asks.append(ask)
            if ask.connection_id == self.fail_on_connection:
                raise ApiUnreachable("jobs/list: broke off", method="jobs/list", reason="timeout")
            self.now += self.seconds_per_ask
            if ask.connection_id in self.unanswered:
                error = ApiUnreachable("jobs/list: 500", method="jobs/list", reason="server_error")
                yield ConnectionJobs(ask, (), None, error=error)
                continue
            rows = [
                job
                for job in self.jobs_held.values()
                if job.connection_id == ask.connection_id and job.id not in self.hidden
            ]
            if ask.connection_id in self.gone:
                rows = []
            successes = [job for job in rows if job.status is JobStatus.SUCCEEDED and job.type.moves_data]
            newest = max((job.created_at for job in successes), default=ask.since)
            since = min(ask.since, newest) if ask.to_success else ask.since
            found = [job for job in rows if job.created_at >= since or not job.status.is_final]
            served_at = self.now if self.tells_time else None
            success_known = ask.to_success and ask.connection_id not in self.endless
            yield ConnectionJobs(ask, tuple(found), served_at, success_known=success_known)

    def airbyte_time(self) -> int | None:
        self.called("time")
        return self.now if self.tells_time else None

    def why_disabled(self, connection_id: str, since: int) -> Disabling | None:
        self.asked_why.append((connection_id, since))
        told = self.disablings.get(connection_id)
        if isinstance(told, ApiError):
            raise told
        return told

    def job(self, job_id: int) -> Job | None:
        self.called("job")
        found = [job for job in self.jobs_held.values() if job.id == job_id and job_id not in self.hidden]
        if not found:
            raise ApiUnreachable("500", method="jobs/get_without_logs", reason="server_error")
        return found[-1]

    def newest_success(self, connection_id: str) -> Job | None:
        self.called("newest_success")
        found = [
            job
            for job in self.jobs_held.values()
            if job.connection_id == connection_id
            and job.status is JobStatus.SUCCEEDED
            and job.type.moves_data
        ]
        return max(found, key=lambda job: job.created_at, default=None)


class World:
    """A fake Airbyte with a poller on it, whose state survives `restart`."""

    def __init__(self, folder: Path, empty_state: Path, airbyte: FakeAirbyte) -> None:
        self.airbyte = airbyte
        self.folder = folder
        shutil.copy(empty_state, folder / "state.db")
        self.rendered = 0
        self.signs_of_life = 0
        self.store: Store
        self.poller: Poller
        self.snapshot: Latest[Snapshot | None]
        self.start()

    def start(self, url: str = URL, *, adopt: bool = False, every_workspace: bool = True) -> None:
        self.store = open_store(StoreConfig(url=f"sqlite:///{self.folder}/state.db"))
        self.snapshot = Latest(None)
        self.telemetry = Telemetry("0")
        self.poller = Poller(
            client=self.airbyte,  # type: ignore[arg-type]  # the verbs that the poller uses
            store=self.store,
            snapshot=self.snapshot,
            render=self.render,
            config=PollConfig(),
            telemetry=self.telemetry,
            url=url,
            adopt_state=adopt,
            every_workspace=every_workspace,
            alive=self.live,
            monotonic=lambda: float(self.airbyte.now),
        )

    def live(self) -> None:
        self.signs_of_life += 1

    def render(self, snapshot: Snapshot) -> None:
        assert snapshot is not None
        self.rendered += 1

    def restart(self, url: str = URL, *, adopt: bool = False, every_workspace: bool = True) -> None:
        self.store.close()
        self.start(url, adopt=adopt, every_workspace=every_workspace)

    def poll(self, seconds: int = 30) -> bool:
        self.airbyte.now += seconds
        return self.poller.poll_jobs(float(self.airbyte.now))

    def settle(self) -> None:
        """Let all the background work happen."""
        for _ in range(200):
            if not self.poller.run_background(float(self.airbyte.now)):
                return
        raise AssertionError("the background never comes to rest")

    def facts(self, id_: str) -> ConnectionFacts:
        snapshot = self.snapshot.get()
        assert snapshot is not None
        return snapshot.connections[id_]

    def counted(self, id_: str) -> dict[tuple[str, str], int]:
        return {key: count for key, count in self.facts(id_).counters.jobs.items() if count}
