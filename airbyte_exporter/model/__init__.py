"""The facts this project is about, frozen, and what follows from them by arithmetic alone.

No I/O and no clock. Every instant is in epoch seconds as Airbyte tells it, every size in bytes. ``None``
means *not known* and is never the same as zero. The poller builds these values from Airbyte's API, the
store keeps them, and metrics, alerts, the status page and the command line all read the same ones.
"""

from airbyte_exporter.model._airbyte import (
    TOLD,
    Actor,
    Connection,
    ConnectionStatus,
    Definition,
    Dialect,
    Fact,
    Instance,
    Inventory,
    Schedule,
    ScheduleType,
    SchemaChange,
    Workspace,
)
from airbyte_exporter.model._alerts import (
    AlertState,
    ConnectionHistory,
    Decision,
    Delivery,
    Incident,
    IncidentStatus,
    Notification,
)
from airbyte_exporter.model._facts import (
    DURATION_BUCKETS,
    NO_COUNTERS,
    CompletedKey,
    ConnectionCounters,
    ConnectionFacts,
    DurationKey,
    Durations,
    Latest,
    Snapshot,
)
from airbyte_exporter.model._jobs import (
    Attempt,
    AttemptStatus,
    Failure,
    Job,
    JobDetails,
    JobKey,
    JobStatus,
    JobType,
    StreamVolumes,
    Volumes,
)
from airbyte_exporter.model._silences import Silence

__all__ = [
    "DURATION_BUCKETS",
    "NO_COUNTERS",
    "TOLD",
    "Actor",
    "AlertState",
    "Attempt",
    "AttemptStatus",
    "CompletedKey",
    "Connection",
    "ConnectionCounters",
    "ConnectionFacts",
    "ConnectionHistory",
    "ConnectionStatus",
    "Decision",
    "Definition",
    "Delivery",
    "Dialect",
    "DurationKey",
    "Durations",
    "Fact",
    "Failure",
    "Incident",
    "IncidentStatus",
    "Instance",
    "Inventory",
    "Job",
    "JobDetails",
    "JobKey",
    "JobStatus",
    "JobType",
    "Latest",
    "Notification",
    "Schedule",
    "ScheduleType",
    "SchemaChange",
    "Silence",
    "Snapshot",
    "StreamVolumes",
    "Volumes",
    "Workspace",
]
