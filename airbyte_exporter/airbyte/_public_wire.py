"""The public API's JSON as it really comes, and what it means.

It tells less than the Config API: of a job neither attempts nor why it failed nor what was emitted, of a
connection no schema change, of a connector its slug and no version. Sources and destinations come with their
configuration, which is skipped while parsing. The same strictness as for the Config API: without ids, times
and the presence of a status nothing of an answer is used; everything else may be missing.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, WrapValidator, model_validator

from airbyte_exporter.airbyte._domain import known
from airbyte_exporter.airbyte._wire import (
    LATEST_TIME,
    Id,
    MaybeNumber,
    MaybeText,
    MaybeTime,
    Number,
    Wire,
    WireTag,
    or_empty,
    or_none,
)
from airbyte_exporter.model import (
    Actor,
    Connection,
    ConnectionStatus,
    Definition,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
    Volumes,
    Workspace,
)

__all__ = [
    "PublicActor",
    "PublicConnection",
    "PublicConnections",
    "PublicDefinitions",
    "PublicDestinations",
    "PublicJob",
    "PublicJobs",
    "PublicSources",
    "PublicWorkspace",
    "PublicWorkspaces",
]

UNKNOWN_CONNECTOR: Final = "unknown"
_DURATION: Final = re.compile(
    r"P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.\d{1,9})?S)?)?"
)
_TIMING: Final = re.compile(r"\s*every\s+(\d{1,9})\s+(minute|hour|day|week|month)s?\s*", re.IGNORECASE)
_YEARS: Final = re.compile(r"[\d*,/-]+")
_QUARTZ_FIELDS: Final = 6


def _instant(value: object) -> int:
    """Read a time as Java writes it: ISO 8601, without seconds where they are 0; whole seconds are kept."""
    if not isinstance(value, str):
        raise ValueError("not a date and time")  # noqa: TRY004  (what pydantic makes a finding of)
    try:
        parsed = datetime.fromisoformat(value)
        seconds = int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise ValueError("not a date and time") from None
    if not 0 <= seconds <= LATEST_TIME:
        raise ValueError("not a date and time of Airbyte's")
    return seconds


def _seconds(value: object) -> int:
    """Read a duration as Java writes it (``PT1H2M3S``); whole seconds are kept."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not a duration")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


_Instant = Annotated[int, BeforeValidator(_instant)]
_MaybeInstant = Annotated[_Instant | None, WrapValidator(or_none)]
_MaybeDuration = Annotated[Annotated[int, BeforeValidator(_seconds)] | None, WrapValidator(or_none)]


class PublicWorkspace(Wire):
    """A workspace. Real ones carry addresses of notifications, which are secrets and are not read."""

    workspace_id: Id
    name: MaybeText = None

    @property
    def workspace(self) -> Workspace:
        """What it means."""
        return Workspace(self.workspace_id, self.name or self.workspace_id)


class PublicWorkspaces(Wire):
    """Answer of ``GET /workspaces``."""

    data: tuple[PublicWorkspace, ...]


class PublicActor(Wire):
    """A source or a destination, without its configuration."""

    id: Id
    name: MaybeText = None
    connector: MaybeText = None

    @property
    def actor(self) -> Actor:
        """What it means. The connector's name is its slug (``postgres``); no version is told."""
        return Actor(self.id, self.name or self.id, self.connector or UNKNOWN_CONNECTOR)


class PublicSource(PublicActor):
    id: Id = Field(alias="sourceId")
    connector: MaybeText = Field(default=None, alias="sourceType")


class PublicDestination(PublicActor):
    id: Id = Field(alias="destinationId")
    connector: MaybeText = Field(default=None, alias="destinationType")


class PublicSources(Wire):
    """Answer of ``GET /sources``."""

    data: tuple[PublicSource, ...]


class PublicDestinations(Wire):
    """Answer of ``GET /destinations``."""

    data: tuple[PublicDestination, ...]


class PublicDefinition(Wire):
    id: Id
    name: MaybeText = None
    version: MaybeText = None


class PublicDefinitions(Wire):
    """Answer of ``GET /connector_definitions``."""

    data: tuple[PublicDefinition, ...]

    def of(self, kind: Literal["source", "destination"]) -> tuple[Definition, ...]:
        """Return the connectors; the image's repository is not told."""
        return tuple(Definition(one.id, kind, one.name or one.id, None, one.version) for one in self.data)


class PublicSchedule(Wire):
    schedule_type: MaybeText = None
    basic_timing: MaybeText = None
    cron_expression: MaybeText = None

    @property
    def schedule(self) -> Schedule:
        """What it means. A basic one is told as ``Every 24 HOURS``, a cron one with its zone behind it."""
        kind = known(ScheduleType, self.schedule_type, ScheduleType.UNKNOWN)
        if kind is ScheduleType.BASIC and (timing := _TIMING.fullmatch(self.basic_timing or "")):
            return Schedule(kind, units=int(timing[1]), time_unit=f"{timing[2].lower()}s")
        if kind is ScheduleType.CRON and self.cron_expression:
            expression, zone = _cron(self.cron_expression)
            return Schedule(kind, cron_expression=expression, cron_time_zone=zone)
        return Schedule(kind)


def _cron(told: str) -> tuple[str, str | None]:
    """Take a Quartz expression and the time zone behind it apart.

    An expression has six fields, or seven with years, which cannot be taken for a zone.
    """
    fields = told.split()
    if len(fields) <= _QUARTZ_FIELDS or _YEARS.fullmatch(fields[-1]):
        return " ".join(fields), None
    zone = fields.pop()
    return " ".join(fields), None if zone == "null" else zone


class PublicConnection(Wire):
    """A connection. Its streams' configurations are not read."""

    connection_id: Id
    name: MaybeText = None
    workspace_id: Id
    source_id: Id
    destination_id: Id
    status: str
    schedule: Annotated[PublicSchedule | None, WrapValidator(or_none)] = None
    created_at: MaybeTime = None
    tags: Annotated[tuple[WireTag, ...], WrapValidator(or_empty)] = ()

    def connection(self, source: Actor, destination: Actor) -> Connection:
        """Return what it means, with its source and destination, of which it tells the ids alone."""
        return Connection(
            id=self.connection_id,
            name=self.name or self.connection_id,
            workspace_id=self.workspace_id,
            status=known(ConnectionStatus, self.status, ConnectionStatus.UNKNOWN),
            source=source,
            destination=destination,
            schedule=(self.schedule or PublicSchedule()).schedule,
            tags=tuple(sorted({tag.name for tag in self.tags})),
            created_at=self.created_at,
        )


class PublicConnections(Wire):
    """Answer of ``GET /connections``."""

    data: tuple[PublicConnection, ...]


class PublicJob(Wire):
    """A job, as all of the public API's answers tell of it.

    ``startTime`` is when it was created. Only a finished one has ``lastUpdatedAt``; the ``duration`` of the
    others goes from their creation to their last change of status, and is missing while they are pending.
    """

    job_id: Number
    connection_id: Id
    status: str
    job_type: MaybeText = None
    start_time: _Instant
    last_updated_at: _MaybeInstant = None
    duration: _MaybeDuration = None
    rows_synced: MaybeNumber = None
    bytes_synced: MaybeNumber = None

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self._status.is_final and not self.tells_update:
            raise ValueError("a finished job without lastUpdatedAt")
        return self

    @property
    def _status(self) -> JobStatus:
        return known(JobStatus, self.status, JobStatus.UNKNOWN)

    @property
    def tells_update(self) -> bool:
        """Whether the time of its last change is told; else its creation is the earliest it can be."""
        return self.last_updated_at is not None or self.duration is not None

    @property
    def job(self) -> Job:
        """What it means.

        Airbyte adds the numbers up from what its streams recorded and says 0 where they recorded nothing: so
        numbers show that there were some, and zeros do not show that there were none.
        """
        updated = self.last_updated_at
        if updated is None:
            updated = min(self.start_time + (self.duration or 0), LATEST_TIME)
        numbers = (self.rows_synced, self.bytes_synced)
        told = any(number is not None for number in numbers)
        return Job(
            connection_id=self.connection_id,
            id=self.job_id,
            created_at=self.start_time,
            updated_at=updated,
            type=known(JobType, self.job_type, JobType.UNKNOWN),
            status=self._status,
            attempts=None,
            volumes=Volumes(records_synced=self.rows_synced, bytes_synced=self.bytes_synced)
            if told
            else None,
            has_stats=True if any(numbers) else None,
        )


class PublicJobs(Wire):
    """Answer of ``GET /jobs``."""

    data: tuple[PublicJob, ...]
