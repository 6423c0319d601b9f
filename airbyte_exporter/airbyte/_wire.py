"""Airbyte's JSON as it really comes.

The models are slim: what is not needed is skipped while parsing (a page of a hundred jobs is mostly catalogs,
stream statistics and stack traces). What we need is strict: ids, creation and update times and the presence
of a status; without them the answer is `ApiMalformed` and nothing of it is used. Everything else is tolerant:
a missing, null or wrongly typed optional value is *not known*, an enum value from the future is ``unknown``.
Airbyte omits null properties. Times are epoch seconds, except a failure's own, in milliseconds.
"""

from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from airbyte_exporter.airbyte._errors import SUPPORTED, ApiMalformed

__all__ = [
    "LARGEST_NUMBER",
    "LATEST_TIME",
    "WireAnyConnections",
    "WireAttempt",
    "WireBasicSchedule",
    "WireConnection",
    "WireConnections",
    "WireDeployment",
    "WireDestination",
    "WireDestinationDefinition",
    "WireDestinationDefinitions",
    "WireDestinations",
    "WireDetailedJobInfo",
    "WireFullConnection",
    "WireFullConnections",
    "WireInstance",
    "WireJob",
    "WireJobInfo",
    "WireJobs",
    "WireLooseInfo",
    "WireLooseJob",
    "WireLooseJobs",
    "WireLooseRow",
    "WireScheduleData",
    "WireSource",
    "WireSourceDefinition",
    "WireSourceDefinitions",
    "WireSources",
    "WireStats",
    "WireStreamStats",
    "WireToken",
    "WireWorkspace",
    "WireWorkspaces",
    "parse",
]

LARGEST_NUMBER: Final = 2**63 - 1
LATEST_TIME: Final = 253_402_300_799
"""The end of the year 9999, as far as dates can be written."""


def or_none(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        parsed: object = handler(value)
    except ValidationError:
        return None
    return parsed


def or_empty(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        parsed: object = handler(value)
    except ValidationError:
        return ()
    return parsed


class Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True, strict=False
    )


class Present(Wire):
    """An object of which only the presence matters."""


Id = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
Time = Annotated[int, Field(ge=0, le=LATEST_TIME)]
MaybeText = Annotated[str | None, WrapValidator(or_none)]
MaybeNumber = Annotated[Number | None, WrapValidator(or_none)]
MaybeTime = Annotated[Time | None, WrapValidator(or_none)]
MaybeFlag = Annotated[bool | None, WrapValidator(or_none)]


class WireAuth(Wire):
    mode: MaybeText = None


class WireInstance(Wire):
    """Answer of ``instance_configuration``."""

    version: MaybeText = None
    edition: MaybeText = None
    default_organization_id: MaybeText = None
    auth: Annotated[WireAuth | None, WrapValidator(or_none)] = None


class WireDeployment(Wire):
    """Answer of ``deployment/metadata``."""

    id: MaybeText = None
    version: MaybeText = None


class WireToken(Wire):
    """Answer of ``applications/token``; only the public twin tells a lifetime (seconds)."""

    access_token: Annotated[str, Field(alias="access_token", min_length=1)]
    expires_in: MaybeNumber = Field(default=None, alias="expires_in")


class WireWorkspace(Wire):
    """A workspace. Real ones carry webhook addresses, which are secrets and are not read."""

    workspace_id: Id
    name: MaybeText = None
    tombstone: MaybeFlag = None


class WireWorkspaces(Wire):
    """Answer of ``workspaces/list_by_organization_id`` and ``workspaces/list``."""

    workspaces: tuple[WireWorkspace, ...]


class WireSource(Wire):
    id: Id = Field(alias="sourceId")
    name: MaybeText = None
    connector: MaybeText = Field(default=None, alias="sourceName")
    definition_id: MaybeText = Field(default=None, alias="sourceDefinitionId")


class WireDestination(Wire):
    id: Id = Field(alias="destinationId")
    name: MaybeText = None
    connector: MaybeText = Field(default=None, alias="destinationName")
    definition_id: MaybeText = Field(default=None, alias="destinationDefinitionId")


class WireCursorPage(Wire):
    """What cursor paging adds to a listing since Airbyte 1.8, in snake_case; absent before."""

    page_size: MaybeNumber = Field(default=None, alias="page_size")
    total: MaybeNumber = Field(default=None, alias="num_connections")


class WireSources(WireCursorPage):
    """Answer of ``sources/list``."""

    sources: tuple[WireSource, ...]


class WireDestinations(WireCursorPage):
    """Answer of ``destinations/list``."""

    destinations: tuple[WireDestination, ...]


class WireBasicSchedule(Wire):
    time_unit: MaybeText = None
    units: MaybeNumber = None


class WireCron(Wire):
    cron_expression: MaybeText = None
    cron_time_zone: MaybeText = None


class WireScheduleData(Wire):
    basic_schedule: Annotated[WireBasicSchedule | None, WrapValidator(or_none)] = None
    cron: Annotated[WireCron | None, WrapValidator(or_none)] = None


class WireVersion(Wire):
    docker_image_tag: MaybeText = None


class WireTag(Wire):
    name: str


class WireConnection(Wire):
    """An item of ``web_backend/connections/list``."""

    connection_id: Id
    name: MaybeText = None
    status: str
    source: WireSource
    destination: WireDestination
    schedule_type: MaybeText = None
    schedule_data: Annotated[WireScheduleData | None, WrapValidator(or_none)] = None
    schema_change: MaybeText = None
    source_actor_definition_version: Annotated[WireVersion | None, WrapValidator(or_none)] = None
    destination_actor_definition_version: Annotated[WireVersion | None, WrapValidator(or_none)] = None
    tags: Annotated[tuple[WireTag, ...], WrapValidator(or_empty)] = ()


class WireConnections(WireCursorPage):
    """Answer of ``web_backend/connections/list``."""

    connections: tuple[WireConnection, ...]


class WireAnyConnections(Wire):
    """An answer with connections in it, whichever they are."""

    connections: tuple[Present, ...]


class WireFullConnection(Wire):
    """An item of ``connections/list``: ids in the place of source and destination.

    `schedule` is the older form of a basic schedule, which all versions still tell beside the newer one, and
    the only one of the short reference API. `created_at` is in snake_case on the wire.
    """

    connection_id: Id
    name: MaybeText = None
    status: str
    source_id: Id
    destination_id: Id
    schedule: Annotated[WireBasicSchedule | None, WrapValidator(or_none)] = None
    schedule_type: MaybeText = None
    schedule_data: Annotated[WireScheduleData | None, WrapValidator(or_none)] = None
    breaking_change: MaybeFlag = None
    created_at: MaybeTime = Field(default=None, alias="created_at")
    tags: Annotated[tuple[WireTag, ...], WrapValidator(or_empty)] = ()


class WireFullConnections(Wire):
    """Answer of ``connections/list``."""

    connections: tuple[WireFullConnection, ...]


class WireDefinition(Wire):
    name: MaybeText = None
    docker_repository: MaybeText = None
    docker_image_tag: MaybeText = None


class WireSourceDefinition(WireDefinition):
    id: Id = Field(alias="sourceDefinitionId")


class WireDestinationDefinition(WireDefinition):
    id: Id = Field(alias="destinationDefinitionId")


class WireSourceDefinitions(Wire):
    """Answer of ``source_definitions/list``."""

    source_definitions: tuple[WireSourceDefinition, ...]


class WireDestinationDefinitions(Wire):
    """Answer of ``destination_definitions/list``."""

    destination_definitions: tuple[WireDestinationDefinition, ...]


class WireFailure(Wire):
    failure_origin: MaybeText = None
    failure_type: MaybeText = None
    external_message: MaybeText = None
    internal_message: MaybeText = None
    timestamp: MaybeNumber = None


class WireFailureSummary(Wire):
    failures: Annotated[tuple[WireFailure, ...], WrapValidator(or_empty)] = ()
    partial_success: MaybeFlag = None


class WireStats(Wire):
    records_emitted: MaybeNumber = None
    bytes_emitted: MaybeNumber = None
    records_committed: MaybeNumber = None
    bytes_committed: MaybeNumber = None
    records_rejected: MaybeNumber = None

    @property
    def numbers(self) -> tuple[int | None, ...]:
        return (
            self.records_emitted,
            self.bytes_emitted,
            self.records_committed,
            self.bytes_committed,
            self.records_rejected,
        )


_MaybeStats = Annotated[WireStats | None, WrapValidator(or_none)]


class WireAttempt(Wire):
    id: Number
    status: MaybeText = None
    created_at: Time
    ended_at: MaybeTime = None
    bytes_synced: MaybeNumber = None
    records_synced: MaybeNumber = None
    total_stats: _MaybeStats = None
    failure_summary: Annotated[WireFailureSummary | None, WrapValidator(or_none)] = None

    @property
    def has_numbers(self) -> bool:
        told = self.total_stats.numbers if self.total_stats else ()
        return any(number is not None for number in (self.bytes_synced, self.records_synced, *told))


class WireJob(Wire):
    id: Number
    config_type: MaybeText = None
    config_id: Id
    created_at: Time
    updated_at: Time
    status: str
    aggregated_stats: _MaybeStats = None
    stream_aggregated_stats: Annotated[tuple[Present, ...], WrapValidator(or_empty)] = ()


class WireJobRow(Wire):
    """A row of ``jobs/list``: attempts directly."""

    job: WireJob
    attempts: tuple[WireAttempt, ...]


class WireJobs(Wire):
    """Answer of ``jobs/list``."""

    jobs: tuple[WireJobRow, ...]

    @property
    def joined_rows(self) -> int:
        """How many rows the join of jobs and attempts has had, at least as many as there are jobs."""
        return sum(max(1, len(row.attempts)) for row in self.jobs)


class WireSummary(Wire):
    """What the short reference API tells of a finished job's volumes."""

    records_synced: MaybeNumber = None
    bytes_synced: MaybeNumber = None


class WireLooseJob(Wire):
    """A job of ``jobs/list`` for one connection, whichever server answers: its connection is known anyway."""

    id: Number
    config_type: MaybeText = None
    config_id: MaybeText = None
    created_at: Time
    updated_at: Time
    status: str
    aggregated_stats: _MaybeStats = None
    stream_aggregated_stats: Annotated[tuple[Present, ...], WrapValidator(or_empty)] = ()
    summary: Annotated[WireSummary | None, WrapValidator(or_none)] = None


class WireLooseRow(Wire):
    """A row of ``jobs/list`` of an old server, or a bare job of the short reference API, without attempts."""

    job: WireLooseJob
    attempts: tuple[WireAttempt, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, value: object) -> object:
        return {"job": value} if isinstance(value, dict) and "job" not in value else value


class WireLooseJobs(Wire):
    """Answer of ``jobs/list`` for one connection."""

    jobs: tuple[WireLooseRow, ...]

    @property
    def joined_rows(self) -> int:
        """How many rows the join of jobs and attempts has had, at least as many as there are jobs."""
        return sum(max(1, len(row.attempts or ())) for row in self.jobs)


class WireAttemptInfo(Wire):
    attempt: WireAttempt


class WireJobInfo(Wire):
    """Answer of ``jobs/get_without_logs``: attempts one level deeper than in ``jobs/list``."""

    job: WireJob
    attempts: tuple[WireAttemptInfo, ...]


class WireStreamStats(WireStats, Present):
    """One stream's numbers, added up over a job's attempts by Airbyte itself."""

    stream_name: MaybeText = None
    stream_namespace: MaybeText = None


class WireDetailedJob(WireJob):
    """A job whose streams' numbers are read too: in a page of a hundred jobs they are mostly ballast."""

    stream_aggregated_stats: Annotated[tuple[WireStreamStats, ...], WrapValidator(or_empty)] = ()


class WireDetailedJobInfo(WireJobInfo):
    """Answer of ``jobs/get_without_logs``, with the streams."""

    job: WireDetailedJob


class WireLooseAttemptInfo(WireAttemptInfo):
    """An attempt, one level deeper as in real answers for one job, or directly as in their listings."""

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, value: object) -> object:
        return {"attempt": value} if isinstance(value, dict) and "attempt" not in value else value


class WireLooseInfo(Wire):
    """Answer of ``jobs/get`` of the short reference API; real servers tell attempts beside the job."""

    job: WireLooseJob
    attempts: tuple[WireLooseAttemptInfo, ...] | None = None


W = TypeVar("W", bound=BaseModel)


def parse(wire: type[W], body: bytes, *, method: str) -> W:
    """Read the answer `body` of `method`.

    Raises:
        ApiMalformed: It is not JSON, or something that we need is missing or of the wrong type.
    """
    try:
        return wire.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        more = f" (and {exc.error_count() - 1} more)" if exc.error_count() > 1 else ""
        problem = "not valid JSON" if first["type"] == "json_invalid" else _lower_first(first["msg"])
        what = f"{_path(first['loc'])}: {problem}{more}" if first["loc"] else problem
    raise ApiMalformed(
        f"{method}: Airbyte's answer cannot be used: {what}; nothing of it was used; {SUPPORTED}",
        method=method,
        reason="malformed",
    )


def _path(loc: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
