"""What alerting remembers, decides and sends."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airbyte_exporter.model._airbyte import Workspace
from airbyte_exporter.model._facts import ConnectionFacts
from airbyte_exporter.model._jobs import Job, JobKey

__all__ = [
    "AlertState",
    "ConnectionHistory",
    "Decision",
    "Delivery",
    "Incident",
    "IncidentStatus",
    "Notification",
]


class IncidentStatus(StrEnum):
    """Whether an incident goes on."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is wrong with one connection, from its start to its end.

    `fingerprint` is the incident's own and never changes. `group` names the family of rules in which
    the highest that holds speaks. An `adopted` incident was there before the exporter watched: nothing of
    it is sent, until a higher rule takes over and it is adopted no more. `notified_at` is the as-of time of
    the newest notification, ``None`` before the first; `sequence` is how many there were, `receivers` are
    the names of those who were told, `told_rule` the rule that they were told of. `job` is the one that it is
    about.

    One that is about the whole instance has an empty `connection_id`; `affected` is then how many connections
    it stands for. Each of those has an incident that is `part_of` it by its fingerprint, and not told.
    """

    fingerprint: str
    group: str
    connection_id: str
    rule: str
    severity: str
    status: IncidentStatus
    starts_at: int
    adopted: bool = False
    ends_at: int | None = None
    reason: str | None = None
    notified_at: int | None = None
    sequence: int = 0
    job: Job | None = None
    receivers: tuple[str, ...] = ()
    told_rule: str | None = None
    part_of: str | None = None
    affected: int = 1


@dataclass(frozen=True, slots=True)
class AlertState:
    """What the evaluator remembers of a connection and a group of rules.

    `judged` is the newest finished sync that has been looked at, `streak` how many had failed in a row by
    then, `incident` the newest incident, going on or over.
    """

    connection_id: str
    group: str
    judged: JobKey | None = None
    streak: int = 0
    incident: Incident | None = None


@dataclass(frozen=True, slots=True)
class ConnectionHistory:
    """What a decision about one connection needs.

    `finished` holds the finished syncs that no decision has looked at yet, oldest first. `deleted` is
    whether the connection is gone from the inventory.
    """

    facts: ConnectionFacts
    workspace: Workspace
    state: AlertState | None
    finished: tuple[Job, ...]
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    """One message about an incident.

    `id` is the same on every retry; `body` is ready for JSON. `receivers` are the names of those who are to
    get it, ``None`` for everybody.
    """

    id: str
    fingerprint: str
    type: str
    created_at: int
    body: Mapping[str, Any]
    receivers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What evaluation came to for one connection: the state to keep and the messages to send.

    `ended` holds incidents that are over and no longer the state's newest one, because another began in
    the same evaluation.
    """

    state: AlertState
    notifications: tuple[Notification, ...] = ()
    ended: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification on its way to one receiver, claimed for a while. `attempt` counts from 1.

    `created_at` is when it was written to the outbox, by the exporter's own clock.
    """

    id: int
    receiver: str
    notification: Notification
    attempt: int
    created_at: float
