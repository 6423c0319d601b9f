"""What to do about an incident: the commands that show it, and those that repair it, ready to be copied.

They are a key of their own in a message and no part of its sentences: a full stop or a quotation mark after a
command would be copied along. What is in them are the program's own words, ids, and a receiver's name where
that is as plain as an id; names and messages, which people and systems elsewhere write, never are.

Changing Airbyte takes its Config API. Where only the public API is open, Airbyte's own page about the
connection stands in the place of the commands that would change something; those that read work everywhere.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from airbyte_exporter.model import (
    Actor,
    Connection,
    ConnectionFacts,
    ConnectionStatus,
    Dialect,
    Incident,
    IncidentStatus,
    Instance,
    Job,
    JobStatus,
)

__all__ = ["NO_MEANS", "Hint", "Means", "hints_of", "in_lines"]

PROGRAM: Final = "airbyte-exporter"

_ID: Final = re.compile(r"[0-9a-fA-F][0-9a-fA-F-]{3,63}")
_RECEIVER: Final = re.compile(r"[0-9a-zA-Z_][0-9a-zA-Z_-]{0,63}")
_LARGEST_JOB: Final = 2**63 - 1

_AT_EITHER_END: Final = frozenset({"source", "destination"})


class Hint(NamedTuple):
    """What can be done, in a few words, and how: by a command, or on a page of Airbyte at `url`."""

    what: str
    command: str | None
    url: str | None = None

    def written(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return self._asdict()


@dataclass(frozen=True, slots=True)
class Means:
    """What commands can do here.

    `changes` is whether this Airbyte can be changed by them, `trials` are the names of the receivers that
    ``alerts test`` can try.
    """

    changes: bool = False
    trials: Collection[str] = ()

    @classmethod
    def of(cls, instance: Instance | None, trials: Collection[str] = ()) -> Self:
        """Return what can be done with an Airbyte; nothing is changed in one that is not known."""
        return cls(instance is not None and instance.dialect is not Dialect.PUBLIC, tuple(trials))


NO_MEANS: Final = Means()


def hints_of(
    incident: Incident,
    facts: ConnectionFacts | None,
    *,
    receiver: str | None,
    ui_url: str | None,
    means: Means,
) -> tuple[Hint, ...]:
    """Return what to do about an incident, what to look at first; nothing where it is over.

    Args:
        incident: The incident.
        facts: What is known of its connection, ``None`` for one that is not about one, or that is gone.
        receiver: The receiver that it is about, if it is about one.
        ui_url: Where people open that Airbyte.
        means: What commands can do here.
    """
    if incident.status is IncidentStatus.RESOLVED:
        return ()
    if incident.connection_id == "":
        return tuple(_of_instance(incident, receiver, means))
    if facts is None:
        return tuple(_shown(incident.job))
    connection = facts.connection
    looks, acts = list(_looks(incident, connection)), list(_acts(incident, connection))
    if acts and not means.changes:
        page = connection.page(ui_url)
        acts = [] if page is None else [Hint("Open it in Airbyte", None, page)]
    return (*looks, *acts)


def in_lines(hints: Collection[Hint]) -> str:
    """Write hints one to a line, as ``Look at the job: airbyte-exporter jobs show 4711``."""
    return "\n".join(f"{hint.what}: {hint.command or hint.url}" for hint in hints)


# What is about the whole instance


def _of_instance(incident: Incident, receiver: str | None, means: Means) -> Iterator[Hint]:
    match incident.rule:
        case "AirbyteUnreachable":
            yield Hint("Find out what is wrong", f"{PROGRAM} check")
        case "NotificationsFailing":
            yield Hint("Find out what is wrong", f"{PROGRAM} check")
            if receiver in means.trials and _RECEIVER.fullmatch(receiver or ""):
                yield Hint("Send it a test", f"{PROGRAM} alerts test {receiver}")
        case "JobStuckPending":
            is_queued = incident.job is not None and incident.job.status is JobStatus.QUEUED
            status = JobStatus.QUEUED if is_queued else JobStatus.PENDING
            yield Hint("List the jobs that wait", f"{PROGRAM} jobs list --status {status}")
        case _:
            yield Hint("List the jobs that failed", f"{PROGRAM} jobs list --status failed --since 24h")


# What is about one connection


def _looks(incident: Incident, connection: Connection) -> Iterator[Hint]:
    shown = list(_shown(incident.job))
    yield from shown or _with_id("Look at the connection", "connections show", connection.id)


def _shown(job: Job | None) -> Iterator[Hint]:
    if job is not None and 0 <= job.id <= _LARGEST_JOB:
        yield Hint("Look at the job", f"{PROGRAM} jobs show {job.id}")


def _acts(incident: Incident, connection: Connection) -> Iterator[Hint]:
    is_off = connection.status is ConnectionStatus.INACTIVE  # what Airbyte has locked nobody can enable
    match incident:
        case Incident(rule="BreakingSchemaChange"):
            yield from _with_id("See the source's streams", "sources discover", connection.source.id)
            yield from _with_id(
                "Accept the schema as it is now",
                "connections update",
                connection.id,
                " --discover",
            )
            if is_off:
                yield from _with_id("Then enable it", "connections enable", connection.id)
        case Incident(rule="ConnectionDisabled"):
            if is_off:
                yield from _with_id("Enable it", "connections enable", connection.id)
        case Incident(group="stuck", job=Job(id=id_)) if 0 <= id_ <= _LARGEST_JOB:
            yield Hint("Cancel the job", f"{PROGRAM} jobs cancel {id_}")
        case Incident(group="stuck"):
            pass
        case _:
            yield from _checks(incident.job, connection)
            what = "Run it now" if incident.job is None else "Run it again"
            yield from _with_id(what, "connections sync", connection.id, " --wait")


def _checks(job: Job | None, connection: Connection) -> Iterator[Hint]:
    """Yield how to check the end that a job failed at because of how it is set up."""
    failure = None if job is None else job.failure
    if failure is not None and failure.type == "config_error" and failure.origin in _AT_EITHER_END:
        end: Actor = getattr(connection, failure.origin)
        yield from _with_id(f"Check the {failure.origin}", f"{failure.origin}s check", end.id)


def _with_id(what: str, command: str, id_: str, options: str = "") -> Iterator[Hint]:
    if _ID.fullmatch(id_):
        yield Hint(what, f"{PROGRAM} {command} {id_}{options}")
