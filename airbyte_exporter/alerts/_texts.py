"""The sentences of a notification: what is wrong, since when, and how it usually is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from airbyte_exporter.model import ConnectionHistory, Incident, Job, JobStatus

__all__ = [
    "Affected",
    "MessageContext",
    "description",
    "last_success_before",
    "receiver_group",
    "shortened",
    "subject",
    "summary",
]

QUOTE_LIMIT: Final = 300
"""Characters of a failure message in the description, which people read on a phone."""

FEW_NAMES: Final = 3


class Affected(NamedTuple):
    """A connection that an incident stands for."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What a message needs beside the incident.

    `at` is the time that the message speaks of, `last_success_at` the newest known success before the
    incident. `affected` are connections that an incident of the whole instance stands for; `note` says what
    is known of one that is about no connection at all.
    """

    instance: str
    ui_url: str | None
    at: int
    last_success_at: int | None = None
    affected: Sequence[Affected] | None = None
    note: str | None = None


# Summaries: one line, what is wrong with whom

_WRONG: Final[Mapping[str, tuple[str, str]]] = {
    "AutoDisableSoon": ("Airbyte will soon disable", "Airbyte will soon disable"),
    "SyncFailing": ("Syncs keep failing", "Syncs still failing"),
    "SyncFailed": ("Sync failed", "Sync still failing"),
    "NeverSucceeded": ("Never succeeded", "Never succeeded yet"),
    "SyncOverdue": ("Sync overdue", "Sync still overdue"),
    "BreakingSchemaChange": ("Breaking schema change", "Schema still broken"),
    "ConnectionDisabled": ("Disabled by Airbyte", "Still disabled by Airbyte"),
    "JobStuckPending": ("Job stuck pending", "Job still pending"),
    "AirbyteUnreachable": ("Airbyte unreachable", "Airbyte still unreachable"),
    "NotificationsFailing": ("Notifications failing", "Notifications still failing"),
}
"""What is wrong, said for the first time and again."""


def summary(kind: str, incident: Incident, history: ConnectionHistory | None, context: MessageContext) -> str:
    """Return what is wrong with whom, in one line."""
    who = subject(incident, context.instance) if history is None else history.facts.connection.name
    if kind != "alert.resolved":
        first, again = _WRONG.get(incident.rule, (incident.rule, incident.rule))
        return f"{again if kind == 'alert.repeated' else first}: {who}"
    if incident.reason == "rule_disabled":
        return f"Alert ended, rule {incident.rule} disabled: {who}"
    return f"{_ENDED.get(incident.reason or '', f'Alert ended, connection {incident.reason}')}: {who}"


_ENDED: Final[Mapping[str, str]] = {
    "succeeded": "Sync recovered",
    "recovered": "Recovered",
    "started": "Alert ended, the sync has started",
    "schedule_changed": "Alert ended, nothing is due any more",
    "not_watched": "Alert ended, connection not watched any more",
}


# Descriptions


def description(
    kind: str, incident: Incident, history: ConnectionHistory | None, context: MessageContext
) -> str:
    """Return what is wrong, since when, and what is usual, in a few sentences."""
    if history is None:
        return _of_instance(kind, incident, context)
    connection = history.facts.connection
    what = (
        f"connection “{connection.name}” ({connection.source.connector} to "
        f"{connection.destination.connector}, workspace “{history.workspace.name}”)"
    )
    if kind == "alert.resolved":
        sentences = [_ending(incident, f"about {what}")]
    elif kind == "alert.repeated" and incident.rule in _FAILURES:
        span = _span(context.at - incident.starts_at)
        sentences = [f"Syncs of {what} have been failing for {span}, since {_readable(incident.starts_at)}."]
    else:
        sentences = [_WHAT_IS_WRONG[incident.rule](what, incident, history)]
    if incident.job is not None and incident.rule in _FAILURES:
        sentences.append(_about_job(incident.job))
    if context.last_success_at is not None:
        sentences.append(_about_last_success(context.last_success_at, incident))
    elif kind != "alert.resolved" and incident.rule in _ABOUT_SUCCESS:
        sentences.append("No earlier success is known.")
    usual = history.facts.schedule_interval
    if kind != "alert.resolved" and usual is not None and incident.rule in _ABOUT_SUCCESS:
        sentences.append(f"It is meant to sync every {_span(usual)}.")
    return " ".join(sentences)


_FAILURES: Final = frozenset({"AutoDisableSoon", "SyncFailing", "SyncFailed"})
_ABOUT_SUCCESS: Final = _FAILURES | {"SyncOverdue"}


def _failed(what: str, _: Incident, __: ConnectionHistory) -> str:
    return f"A sync of {what} failed."


def _failing(what: str, incident: Incident, history: ConnectionHistory) -> str:
    times = history.facts.consecutive_failures
    return f"Syncs of {what} failed {times} times in a row since {_readable(incident.starts_at)}."


def _disabled_soon(what: str, incident: Incident, history: ConnectionHistory) -> str:
    return (
        f"{_failing(what, incident, history)} Airbyte switches a connection off by itself after 30 failures "
        "in a row and 7 days without a success (versions before 1.6 after 20, 100 and 14 days)."
    )


def _never(what: str, _: Incident, history: ConnectionHistory) -> str:
    facts = history.facts
    known = facts.connection.created_at
    begun = (
        f"created {_readable(known)}" if known is not None else f"seen since {_readable(facts.first_seen_at)}"
    )
    return f"No sync of {what} has ever succeeded, as far as Airbyte knows; it was {begun}."


def _overdue(what: str, _: Incident, history: ConnectionHistory) -> str:
    facts = history.facts
    if facts.next_run_at is not None and facts.active_job is None:
        return f"A sync of {what} was due {_readable(facts.next_run_at)}, and none has begun."
    return f"{what[:1].upper()}{what[1:]} has had no success for too long."


def _broken(what: str, _: Incident, __: ConnectionHistory) -> str:
    return (
        f"Airbyte found that the schema of the source of {what} has changed in a way that breaks it: "
        "somebody has to review the change. Airbyte may have disabled the connection."
    )


def _disabled(what: str, _: Incident, history: ConnectionHistory) -> str:
    disabled = history.facts.disabled
    why = f": {disabled.reason}" if disabled is not None and disabled.reason is not None else ""
    return f"Airbyte itself has disabled or locked {what}{why}. No sync runs until somebody enables it."


def _pending(what: str, incident: Incident, _: ConnectionHistory) -> str:
    job = incident.job
    since = "" if job is None else f" {job.id} has waited since {_readable(job.created_at)}"
    return f"The job{since} to be started, of {what}. Airbyte's scheduler or its workers do not take it."


_WHAT_IS_WRONG: Final[Mapping[str, Callable[[str, Incident, ConnectionHistory], str]]] = {
    "AutoDisableSoon": _disabled_soon,
    "SyncFailing": _failing,
    "SyncFailed": _failed,
    "NeverSucceeded": _never,
    "SyncOverdue": _overdue,
    "BreakingSchemaChange": _broken,
    "ConnectionDisabled": _disabled,
    "JobStuckPending": _pending,
}


def _of_instance(kind: str, incident: Incident, context: MessageContext) -> str:
    if kind == "alert.resolved":
        return _ending(incident, f"about {_who(incident, context)}")
    since = f"since {_readable(incident.starts_at)}"
    note = f" {context.note}" if context.note else ""
    match incident.rule:
        case "AirbyteUnreachable":
            return (
                f"No poll of {context.instance} has worked {since}.{note} Metrics and alerts about "
                "connections stand still until one does: nothing is known to be wrong with them."
            )
        case "NotificationsFailing":
            return (
                f"The receiver {_receiver(incident)} takes no notifications {since}; the log says why. "
                "They are kept and tried for 24 hours."
            )
        case "JobStuckPending":
            return (
                f"The jobs of {_who(incident, context)} wait to be started, the first of them {since}. "
                "Airbyte's scheduler or its workers do not take them."
            )
        case _:
            job = "" if incident.job is None else f" {_about_job(incident.job)}"
            return f"Syncs of {_who(incident, context)} fail for the same reason {since}.{job}"


def subject(incident: Incident, instance: str) -> str:
    """Return in a few words what an incident is about that is not about one connection.

    `instance` is the Airbyte's name.
    """
    if incident.rule == "NotificationsFailing":
        return _receiver(incident)
    return f"{incident.affected} connections of {instance}" if incident.affected > 1 else instance


_TO_RECEIVER: Final = "notifications to "


def receiver_group(name: str) -> str:
    """Return the name of the group of an incident that is about a receiver."""
    return f"{_TO_RECEIVER}{name}"


def _receiver(incident: Incident) -> str:
    return incident.group.removeprefix(_TO_RECEIVER)


def _who(incident: Incident, context: MessageContext) -> str:
    if incident.affected <= 1 and not context.affected:
        return context.instance
    names = [f"“{each.name}”" for each in (context.affected or ())[:FEW_NAMES]]
    rest = incident.affected - len(names)
    listed = f" ({', '.join(names)}{f' and {rest} more' if rest > 0 else ''})" if names else ""
    return f"{incident.affected} connections of {context.instance}{listed}"


def _ending(incident: Incident, what: str) -> str:
    ends_at = incident.starts_at if incident.ends_at is None else incident.ends_at
    verb = "failing" if incident.rule in _FAILURES else "going on"
    times = (
        f"{verb} since {_readable(incident.starts_at)}, ended {_readable(ends_at)}, "
        f"{_span(ends_at - incident.starts_at)} later"
    )
    how = _HOW_IT_ENDED.get(incident.reason or "", incident.reason or "it is over")
    if incident.reason == "rule_disabled":
        how = f"the rule {incident.rule} was disabled in the configuration of the exporter"
    return f"The alert {what} has ended because {how} ({times})."


_HOW_IT_ENDED: Final[Mapping[str, str]] = {
    "succeeded": "a sync succeeded",
    "recovered": "it has recovered",
    "started": "the sync has started",
    "enabled": "the connection is enabled again",
    "schedule_changed": "nothing is due any more",
    "paused": "the connection is disabled, no sync runs until somebody enables it",
    "locked": "Airbyte locked the connection, no sync runs until it is unlocked",
    "deleted": "the connection was deleted",
    "not_watched": "the exporter does not watch its workspace any more (airbyte.workspace_ids)",
}


def _about_job(job: Job) -> str:
    tries = ""
    if job.attempts:
        tries = f" after {len(job.attempts)} attempt{'' if len(job.attempts) == 1 else 's'}"
    text = f"Job {job.id} failed {_readable(job.updated_at)}{tries}"
    failure = job.failure
    if failure is None:
        return f"{text}; Airbyte tells no reason."
    text += f" (origin: {failure.origin}, type: {failure.type})"
    if not failure.message:
        return f"{text}."
    quoted = shortened(" ".join(failure.message.split()), QUOTE_LIMIT)
    return f"{text}: {quoted}" if quoted.endswith((".", "!", "?", "…")) else f"{text}: {quoted}."


def _about_last_success(at: int, incident: Incident) -> str:
    """Say how old the data is: counted to the job that was just spoken of, however long it fails by now.

    Without one, or with one that Airbyte dates before the success, to the beginning of the incident.
    """
    if incident.job is not None and incident.job.updated_at >= at:
        before, until = "that", incident.job.updated_at
    else:
        before, until = _readable(incident.starts_at), incident.starts_at
    return f"The last success before {before} was {_readable(at)}, {_span(until - at)} earlier."


def last_success_before(at: int, history: ConnectionHistory | None) -> int | None:
    """Return when the newest success before `at` ended, ``None`` where none is known.

    The facts know only the newest success of all; while walking through the past it may be a later one.
    """
    if history is None:
        return None
    ends = [job.updated_at for job in history.finished if job.status is JobStatus.SUCCEEDED]
    newest = history.facts.last_success_at
    if newest is not None:
        ends.append(newest)
    return max((end for end in ends if end <= at), default=None)


def shortened(text: str, limit: int) -> str:
    """Return `text`, cut off with an ellipsis where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _readable(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(seconds: int) -> str:
    """Write a span of time with its two largest units: ``1 d 2 h``, ``3 h 5 min``, ``40 s``."""
    rest = max(0, seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"
