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


def _or_none(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        parsed: object = handler(value)
    except ValidationError:
        return None
    return parsed


def _or_empty(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        parsed: object = handler(value)
    except ValidationError:
        return ()
    return parsed


class _Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True, strict=False
    )


class _Present(_Wire):
    """An object of which only the presence matters."""


_Id = Annotated[str, Field(min_length=1, max_length=200)]
_Number = Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
_Time = Annotated[int, Field(ge=0, le=LATEST_TIME)]
_MaybeText = Annotated[str | None, WrapValidator(_or_none)]
_MaybeNumber = Annotated[_Number | None, WrapValidator(_or_none)]
_MaybeTime = Annotated[_Time | None, WrapValidator(_or_none)]
_MaybeFlag = Annotated[bool | None, WrapValidator(_or_none)]


class WireAuth(_Wire):
    mode: _MaybeText = None


class WireInstance(_Wire):
    """Answer of ``instance_configuration``."""

    version: _MaybeText = None
    edition: _MaybeText = None
    default_organization_id: _MaybeText = None
    auth: Annotated[WireAuth | None, WrapValidator(_or_none)] = None


class WireDeployment(_Wire):
    """Answer of ``deployment/metadata``."""

    id: _MaybeText = None
    version: _MaybeText = None


class WireToken(_Wire):
    """Answer of ``applications/token``; only the public twin tells a lifetime (seconds)."""

    access_token: Annotated[str, Field(alias="access_token", min_length=1)]
    expires_in: _MaybeNumber = Field(default=None, alias="expires_in")


class WireWorkspace(_Wire):
    """A workspace. Real ones carry webhook addresses, which are secrets and are not read."""

    workspace_id: _Id
    name: _MaybeText = None
    tombstone: _MaybeFlag = None


class WireWorkspaces(_Wire):
    """Answer of ``workspaces/list_by_organization_id`` and ``workspaces/list``."""

    workspaces: tuple[WireWorkspace, ...]


class WireSource(_Wire):
    id: _Id = Field(alias="sourceId")
    name: _MaybeText = None
    connector: _MaybeText = Field(default=None, alias="sourceName")
    definition_id: _MaybeText = Field(default=None, alias="sourceDefinitionId")


class WireDestination(_Wire):
    id: _Id = Field(alias="destinationId")
    name: _MaybeText = None
    connector: _MaybeText = Field(default=None, alias="destinationName")
    definition_id: _MaybeText = Field(default=None, alias="destinationDefinitionId")


class WireCursorPage(_Wire):
    """What cursor paging adds to a listing since Airbyte 1.8, in snake_case; absent before."""

    page_size: _MaybeNumber = Field(default=None, alias="page_size")
    total: _MaybeNumber = Field(default=None, alias="num_connections")


class WireSources(WireCursorPage):
    """Answer of ``sources/list``."""

    sources: tuple[WireSource, ...]


class WireDestinations(WireCursorPage):
    """Answer of ``destinations/list``."""

    destinations: tuple[WireDestination, ...]


class WireBasicSchedule(_Wire):
    time_unit: _MaybeText = None
    units: _MaybeNumber = None


class WireCron(_Wire):
    cron_expression: _MaybeText = None
    cron_time_zone: _MaybeText = None


class WireScheduleData(_Wire):
    basic_schedule: Annotated[WireBasicSchedule | None, WrapValidator(_or_none)] = None
    cron: Annotated[WireCron | None, WrapValidator(_or_none)] = None


class WireVersion(_Wire):
    docker_image_tag: _MaybeText = None


class WireTag(_Wire):
    name: str


class WireConnection(_Wire):
    """An item of ``web_backend/connections/list``."""

    connection_id: _Id
    name: _MaybeText = None
    status: str
    source: WireSource
    destination: WireDestination
    schedule_type: _MaybeText = None
    schedule_data: Annotated[WireScheduleData | None, WrapValidator(_or_none)] = None
    schema_change: _MaybeText = None
    source_actor_definition_version: Annotated[WireVersion | None, WrapValidator(_or_none)] = None
    destination_actor_definition_version: Annotated[WireVersion | None, WrapValidator(_or_none)] = None
    tags: Annotated[tuple[WireTag, ...], WrapValidator(_or_empty)] = ()


class WireConnections(WireCursorPage):
    """Answer of ``web_backend/connections/list``."""

    connections: tuple[WireConnection, ...]


class WireAnyConnections(_Wire):
    """An answer with connections in it, whichever they are."""

    connections: tuple[_Present, ...]


class WireFullConnection(_Wire):
    """An item of ``connections/list``: ids in the place of source and destination.

    `schedule` is the older form of a basic schedule, which all versions still tell beside the newer one, and
    the only one of the short reference API. `created_at` is in snake_case on the wire.
    """

    connection_id: _Id
    name: _MaybeText = None
    status: str
    source_id: _Id
    destination_id: _Id
    schedule: Annotated[WireBasicSchedule | None, WrapValidator(_or_none)] = None
    schedule_type: _MaybeText = None
    schedule_data: Annotated[WireScheduleData | None, WrapValidator(_or_none)] = None
    breaking_change: _MaybeFlag = None
    created_at: _MaybeTime = Field(default=None, alias="created_at")
    tags: Annotated[tuple[WireTag, ...], WrapValidator(_or_empty)] = ()


class WireFullConnections(_Wire):
    """Answer of ``connections/list``."""

    connections: tuple[WireFullConnection, ...]


class WireDefinition(_Wire):
    name: _MaybeText = None
    docker_repository: _MaybeText = None
    docker_image_tag: _MaybeText = None


class WireSourceDefinition(WireDefinition):
    id: _Id = Field(alias="sourceDefinitionId")


class WireDestinationDefinition(WireDefinition):
    id: _Id = Field(alias="destinationDefinitionId")


class WireSourceDefinitions(_Wire):
    """Answer of ``source_definitions/list``."""

    source_definitions: tuple[WireSourceDefinition, ...]


class WireDestinationDefinitions(_Wire):
    """Answer of ``destination_definitions/list``."""

    destination_definitions: tuple[WireDestinationDefinition, ...]


class WireFailure(_Wire):
    failure_origin: _MaybeText = None
    failure_type: _MaybeText = None
    external_message: _MaybeText = None
    internal_message: _MaybeText = None
    timestamp: _MaybeNumber = None


class WireFailureSummary(_Wire):
    failures: Annotated[tuple[WireFailure, ...], WrapValidator(_or_empty)] = ()
    partial_success: _MaybeFlag = None


class WireStats(_Wire):
    records_emitted: _MaybeNumber = None
    bytes_emitted: _MaybeNumber = None
    records_committed: _MaybeNumber = None
    bytes_committed: _MaybeNumber = None
    records_rejected: _MaybeNumber = None

    @property
    def numbers(self) -> tuple[int | None, ...]:
        return (
            self.records_emitted,
            self.bytes_emitted,
            self.records_committed,
            self.bytes_committed,
            self.records_rejected,
        )


_MaybeStats = Annotated[WireStats | None, WrapValidator(_or_none)]


class WireAttempt(_Wire):
    id: _Number
    status: _MaybeText = None
    created_at: _Time
    ended_at: _MaybeTime = None
    bytes_synced: _MaybeNumber = None
    records_synced: _MaybeNumber = None
    total_stats: _MaybeStats = None
    failure_summary: Annotated[WireFailureSummary | None, WrapValidator(_or_none)] = None

    @property
    def has_numbers(self) -> bool:
        told = self.total_stats.numbers if self.total_stats else ()
        return any(number is not None for number in (self.bytes_synced, self.records_synced, *told))


class WireJob(_Wire):
    id: _Number
    config_type: _MaybeText = None
    config_id: _Id
    created_at: _Time
    updated_at: _Time
    status: str
    aggregated_stats: _MaybeStats = None
    stream_aggregated_stats: Annotated[tuple[_Present, ...], WrapValidator(_or_empty)] = ()


class WireJobRow(_Wire):
    """A row of ``jobs/list``: attempts directly."""

    job: WireJob
    attempts: tuple[WireAttempt, ...]


class WireJobs(_Wire):
    """Answer of ``jobs/list``."""

    jobs: tuple[WireJobRow, ...]

    @property
    def joined_rows(self) -> int:
        """How many rows the join of jobs and attempts has had, at least as many as there are jobs."""
        return sum(max(1, len(row.attempts)) for row in self.jobs)


class WireSummary(_Wire):
    """What the short reference API tells of a finished job's volumes."""

    records_synced: _MaybeNumber = None
    bytes_synced: _MaybeNumber = None


class WireLooseJob(_Wire):
    """A job of ``jobs/list`` for one connection, whichever server answers: its connection is known anyway."""

    id: _Number
    config_type: _MaybeText = None
    config_id: _MaybeText = None
    created_at: _Time
    updated_at: _Time
    status: str
    aggregated_stats: _MaybeStats = None
    stream_aggregated_stats: Annotated[tuple[_Present, ...], WrapValidator(_or_empty)] = ()
    summary: Annotated[WireSummary | None, WrapValidator(_or_none)] = None


class WireLooseRow(_Wire):
    """A row of ``jobs/list`` of an old server, or a bare job of the short reference API, without attempts."""

    job: WireLooseJob
    attempts: tuple[WireAttempt, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, value: object) -> object:
        return {"job": value} if isinstance(value, dict) and "job" not in value else value


class WireLooseJobs(_Wire):
    """Answer of ``jobs/list`` for one connection."""

    jobs: tuple[WireLooseRow, ...]

    @property
    def joined_rows(self) -> int:
        """How many rows the join of jobs and attempts has had, at least as many as there are jobs."""
        return sum(max(1, len(row.attempts or ())) for row in self.jobs)


class WireAttemptInfo(_Wire):
    attempt: WireAttempt


class WireJobInfo(_Wire):
    """Answer of ``jobs/get_without_logs``: attempts one level deeper than in ``jobs/list``."""

    job: WireJob
    attempts: tuple[WireAttemptInfo, ...]


class WireStreamStats(WireStats, _Present):
    """One stream's numbers, added up over a job's attempts by Airbyte itself."""

    stream_name: _MaybeText = None
    stream_namespace: _MaybeText = None


class WireDetailedJob(WireJob):
    """A job whose streams' numbers are read too: in a page of a hundred jobs they are mostly ballast."""

    stream_aggregated_stats: Annotated[tuple[WireStreamStats, ...], WrapValidator(_or_empty)] = ()


class WireDetailedJobInfo(WireJobInfo):
    """Answer of ``jobs/get_without_logs``, with the streams."""

    job: WireDetailedJob


class WireLooseAttemptInfo(WireAttemptInfo):
    """An attempt, one level deeper as in real answers for one job, or directly as in their listings."""

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, value: object) -> object:
        return {"attempt": value} if isinstance(value, dict) and "attempt" not in value else value


class WireLooseInfo(_Wire):
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
