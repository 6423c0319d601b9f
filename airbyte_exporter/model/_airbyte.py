"""What an Airbyte holds: workspaces, sources, destinations, connections, and what it is itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

__all__ = [
    "DISABLED_REASONS",
    "TOLD",
    "Actor",
    "Connection",
    "ConnectionStatus",
    "Definition",
    "Dialect",
    "Disabling",
    "Fact",
    "Instance",
    "Inventory",
    "Schedule",
    "ScheduleType",
    "SchemaChange",
    "Workspace",
]


class ConnectionStatus(StrEnum):
    """Airbyte's connection status; ``INACTIVE`` is disabled, ``DEPRECATED`` is deleted."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    LOCKED = "locked"
    DEPRECATED = "deprecated"
    UNKNOWN = "unknown"


class ScheduleType(StrEnum):
    """How Airbyte decides when a connection syncs."""

    BASIC = "basic"
    CRON = "cron"
    MANUAL = "manual"
    UNKNOWN = "unknown"


class Dialect(StrEnum):
    """What differs in what an Airbyte can tell: its API, and of the Config API the version from which on."""

    REFERENCE = "reference"
    CONFIG_0_50 = "0.50"
    CONFIG_1_6 = "1.6"
    CONFIG_2_0 = "2.0"
    PUBLIC = "public"


class Fact(StrEnum):
    """A kind of fact that not every dialect tells.

    ``ATTEMPTS`` are a job's attempts, when they began and why they failed; ``EMITTED`` and ``REJECTED`` are
    volumes; ``LIVE_VOLUMES`` those of a job at work; ``MISSING_STATS`` is that a job left no numbers;
    ``CREATION`` is when a connection was created; ``CRON`` are cron schedules; ``DISABLINGS`` is who or what
    disabled a connection.
    """

    ATTEMPTS = "attempts"
    EMITTED = "emitted"
    REJECTED = "rejected"
    LIVE_VOLUMES = "live_volumes"
    MISSING_STATS = "missing_stats"
    SCHEMA_CHANGES = "schema_changes"
    CREATION = "creation"
    CRON = "cron"
    TAGS = "tags"
    DISABLINGS = "disablings"


_CONFIG_0_50: Final = frozenset(
    {Fact.ATTEMPTS, Fact.EMITTED, Fact.LIVE_VOLUMES, Fact.MISSING_STATS, Fact.SCHEMA_CHANGES, Fact.CRON}
)
TOLD: Final = MappingProxyType(
    {
        Dialect.REFERENCE: frozenset[Fact](),
        Dialect.CONFIG_0_50: _CONFIG_0_50,
        Dialect.CONFIG_1_6: _CONFIG_0_50 | {Fact.TAGS, Fact.DISABLINGS},
        Dialect.CONFIG_2_0: _CONFIG_0_50 | {Fact.TAGS, Fact.DISABLINGS, Fact.REJECTED},
        Dialect.PUBLIC: frozenset({Fact.CREATION, Fact.CRON, Fact.TAGS}),
    }
)
"""What each dialect tells. Sources: Airbyte's specifications, and what its servers fill in."""

_CONFIG_DIALECTS: Final = (
    ((1, 8), Dialect.CONFIG_2_0),
    ((0, 63), Dialect.CONFIG_1_6),
    ((0, 0), Dialect.CONFIG_0_50),
)
_VERSION: Final = re.compile(r"v?(\d{1,6})\.(\d{1,6})")


class SchemaChange(StrEnum):
    """What Airbyte found when it last compared the source's schema with the connection's."""

    NONE = "none"
    NON_BREAKING = "non_breaking"
    BREAKING = "breaking"


@dataclass(frozen=True, slots=True)
class Workspace:
    """An Airbyte workspace."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A source or a destination, with its connector's name as people see it (``Postgres``).

    `connector_version` is the connector's image tag, ``None`` where the API does not tell.
    """

    id: str
    name: str
    connector: str
    connector_version: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A connector that an Airbyte offers, as ``source`` or ``destination``, which is its `kind`.

    `repository` and `tag` are those of its image, ``None`` where the API does not tell. A single source or
    destination may run another tag than this one.
    """

    id: str
    kind: str
    name: str
    repository: str | None = None
    tag: str | None = None


_UNIT_SECONDS: Final = {
    "minutes": 60,
    "hours": 3600,
    "days": 86400,
    "weeks": 7 * 86400,
    "months": 30 * 86400,
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a connection is meant to sync.

    `units` and `time_unit` (minutes, hours, days, weeks, months) belong to basic schedules,
    `cron_expression` (Quartz syntax) and `cron_time_zone` to cron schedules.
    """

    type: ScheduleType
    units: int | None = None
    time_unit: str | None = None
    cron_expression: str | None = None
    cron_time_zone: str | None = None

    @property
    def interval(self) -> int | None:
        """Seconds between two runs of a basic schedule, by Airbyte's own rule: a month has 30 days.

        ``None`` for other schedules, and where the units are not known.
        """
        unit = _UNIT_SECONDS.get(self.time_unit or "")
        if self.type is not ScheduleType.BASIC or not self.units or unit is None:
            return None
        return self.units * unit


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as an inventory listing tells of it."""

    id: str
    name: str
    workspace_id: str
    status: ConnectionStatus
    source: Actor
    destination: Actor
    schedule: Schedule
    tags: tuple[str, ...] = ()
    created_at: int | None = None
    schema_change: SchemaChange | None = None

    def page(self, ui_url: str | None) -> str | None:
        """Return the address of the connection in Airbyte's own pages, ``None`` where those are not known."""
        if ui_url is None or not ui_url.startswith(("http://", "https://")):
            return None
        workspace, connection = quote(self.workspace_id, safe=""), quote(self.id, safe="")
        return f"{ui_url.rstrip('/')}/workspaces/{workspace}/connections/{connection}"


DISABLED_REASONS: Final = frozenset(
    {
        "TOO_MANY_FAILED_JOBS_WITH_NO_RECENT_SUCCESS",
        "SCHEMA_CHANGES_ARE_BREAKING",
        "DISABLE_CONNECTION_IF_ANY_SCHEMA_CHANGES",
        "INVALID_CREDIT_BALANCE",
        "CONNECTOR_NOT_SUPPORTED",
        "WORKSPACE_IS_DELINQUENT",
        "INVOICE_MARKED_UNCOLLECTIBLE",
        "INVALID_PAYMENT_METHOD",
        "UNSUBSCRIBED",
        "MANUALLY_LOCKED",
    }
)
"""Why Airbyte itself disables a connection: its ``ConnectionAutoDisabledReason``."""


@dataclass(frozen=True, slots=True)
class Disabling:
    """How a connection that was active ceased to be.

    `at` is Airbyte's time of it, or of the inventory that saw it where that is all there is. `reason` is one
    of `DISABLED_REASONS`, ``unknown`` for another one that Airbyte names, and ``None`` where it names none.
    `by_person` is whether somebody switched the connection off: true where Airbyte names a user and no
    reason, false where it names a reason or has locked the connection, which is never its user's doing;
    ``None`` where the API does not tell.
    """

    at: int
    reason: str | None = None
    by_person: bool | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """What is known about the Airbyte installation itself.

    `api` is the API family in use (``config``, ``reference`` for its short form, or ``public``), `auth` how
    we authenticate (``none``, ``basic``, ``bearer``, ``client-credentials``). `deployment_id` is Airbyte's
    own id where it tells one.
    """

    version: str | None
    edition: str | None
    api: str
    auth: str
    deployment_id: str | None = None

    @property
    def dialect(self) -> Dialect:
        """Which of the dialects that are told apart this is; a version that is no number is the newest."""
        if self.api in {Dialect.REFERENCE, Dialect.PUBLIC}:
            return Dialect(self.api)
        if self.version is None:
            return Dialect.CONFIG_0_50
        number = _VERSION.match(self.version)
        if number is None:
            return Dialect.CONFIG_2_0
        version = int(number[1]), int(number[2])
        return next(dialect for since, dialect in _CONFIG_DIALECTS if version >= since)

    def is_at_least(self, *version: int) -> bool:
        """Whether this is the Config API of `version`, ``1, 8``, or newer; not known is old."""
        if self.api in {Dialect.REFERENCE, Dialect.PUBLIC} or self.version is None:
            return False
        number = _VERSION.match(self.version)
        return number is None or (int(number[1]), int(number[2])) >= version

    def tells(self, fact: Fact) -> bool:
        """Whether this Airbyte can tell a kind of fact at all."""
        return fact in TOLD[self.dialect]


@dataclass(frozen=True, slots=True)
class Inventory:
    """One complete listing of what exists, read at `read_at` in Airbyte's time.

    `sources` and `destinations` are how many there are of each connector, used by a connection or not;
    ``None`` where they could not be listed.
    """

    instance: Instance
    workspaces: tuple[Workspace, ...]
    connections: tuple[Connection, ...]
    read_at: int
    sources: Mapping[str, int] | None = None
    destinations: Mapping[str, int] | None = None
