"""The sentences of a notification: what is wrong, since when, and how it usually is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from airbyte_exporter.alerts._config import INSTANCE_RULES
from airbyte_exporter.alerts._hints import NO_MEANS, Means
from airbyte_exporter.model import (
    ConnectionHistory,
    ConnectionStatus,
    Failure,
    Incident,
    IncidentStatus,
    Job,
    JobStatus,
)

__all__ = [
    "Affected",
    "MessageContext",
    "description",
    "last_success_before",
    "receiver_group",
    "receiver_of",
    "shortened",
    "subject",
    "summary",
    "told_about",
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
    incident, `streak` how many syncs have failed in a row. `affected` are connections that an incident of the
    whole instance stands for. `note` is what is known of one that is about no connection at all: why Airbyte
    cannot be read. `means` is what commands can do here.
    """

    instance: str
    ui_url: str | None
    at: int
    last_success_at: int | None = None
    streak: int = 0
    affected: Sequence[Affected] | None = None
    note: str | None = None
    means: Means = NO_MEANS


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

_WRONG_WITH_MANY: Final[Mapping[str, tuple[str, str]]] = {
    "AutoDisableSoon": ("Airbyte will soon disable some", "Airbyte will soon disable some"),
    "SyncFailed": ("Syncs failed", "Syncs still failing"),
    "JobStuckPending": ("Jobs stuck pending", "Jobs still pending"),
}


def summary(kind: str, incident: Incident, history: ConnectionHistory | None, context: MessageContext) -> str:
    """Return what is wrong with whom, in one line."""
    if history is not None:
        who = _in_one_line(history.facts.connection.name)
    else:
        who = subject(incident, context.instance)
    if kind != "alert.resolved":
        wrong = _WRONG if history is not None else _WRONG_WITH_MANY
        first, again = wrong.get(incident.rule) or _WRONG.get(incident.rule, (incident.rule, incident.rule))
        return f"{again if kind == 'alert.repeated' else first}: {who}"
    if incident.reason == "rule_disabled":
        return f"Alert ended, rule {incident.rule} disabled: {who}"
    ended = _ENDED_OTHERWISE.get((incident.rule, incident.reason)) or _ENDED.get(incident.reason or "")
    return f"{ended or f'Alert ended, connection {incident.reason}'}: {who}"


_ENDED: Final[Mapping[str, str]] = {
    "succeeded": "Sync recovered",
    "recovered": "Recovered",
    "started": "Alert ended, the sync has started",
    "schedule_changed": "Alert ended, nothing is due any more",
    "not_watched": "Alert ended, connection not watched any more",
}
_ENDED_OTHERWISE: Final[Mapping[tuple[str, str | None], str]] = {
    ("JobStuckPending", "recovered"): "Alert ended, nothing waits any more",
    ("JobStuckPending", "started"): "Alert ended, the job has started",
    ("NotificationsFailing", "deleted"): "Alert ended, receiver not configured any more",
}


# Descriptions


def description(
    kind: str, incident: Incident, history: ConnectionHistory | None, context: MessageContext
) -> str:
    """Return what is wrong, since when, and what is usual, in a few sentences."""
    if history is None:
        return _of_instance(kind, incident, context)
    what = _connection(history)
    if kind == "alert.resolved":
        sentences = [_ending(incident, f"about {what}")]
    elif kind == "alert.repeated" and incident.rule in _FAILURES:
        span = _span(context.at - incident.starts_at)
        sentences = [f"Syncs of {what} have been failing for {span}, since {_readable(incident.starts_at)}."]
        sentences += [_LIMITS] if incident.rule == "AutoDisableSoon" else []
    else:
        sentences = [_WHAT_IS_WRONG.get(incident.rule, _other)(what, incident, history, context)]
    if incident.job is not None and incident.rule in _FAILURES:
        sentences.append(_about_job(incident.job))
    if context.last_success_at is not None:
        sentences.append(_about_last_success(context.last_success_at, incident))
    elif kind != "alert.resolved" and incident.rule in _ABOUT_SUCCESS:
        sentences.append("No earlier success is known.")
    usual = history.facts.schedule_interval
    if kind != "alert.resolved" and usual is not None and incident.rule in _ABOUT_SCHEDULE:
        sentences.append(f"It is meant to sync every {_span(usual)}.")
    return " ".join(sentences)


_FAILURES: Final = frozenset({"AutoDisableSoon", "SyncFailing", "SyncFailed"})
_ABOUT_SUCCESS: Final = _FAILURES | {"SyncOverdue"}
_ABOUT_SCHEDULE: Final = _ABOUT_SUCCESS | {"NeverSucceeded"}


_LIMITS: Final = (
    "Airbyte switches a connection off by itself after 30 failures in a row and 7 days without a success "
    "(after 20, or 100, and 14 days before version 1.6)."
)


def _connection(history: ConnectionHistory) -> str:
    """Name a connection, and as much of what is around it as is known."""
    connection, workspace = history.facts.connection, _in_one_line(history.workspace.name)
    ends = [_in_one_line(actor.connector) for actor in (connection.source, connection.destination)]
    known = [" to ".join(ends)] if all(ends) else []
    known += [f"workspace “{workspace}”"] if workspace else []
    around = f" ({', '.join(known)})" if known else ""
    return f"connection “{_in_one_line(connection.name)}”{around}"


def _in_one_line(name: str) -> str:
    return " ".join(name.split())


def _other(what: str, incident: Incident, *_: object) -> str:
    return f"The rule {incident.rule} holds of {what}."


def _failed(what: str, *_: object) -> str:
    return f"A sync of {what} failed."


def _failing(what: str, incident: Incident, _: ConnectionHistory, context: MessageContext) -> str:
    is_row = context.last_success_at is None or context.last_success_at < incident.starts_at
    since = f" since {_readable(incident.starts_at)}" if is_row else ""
    return f"Syncs of {what} failed {context.streak} times in a row{since}."


def _disabled_soon(what: str, incident: Incident, history: ConnectionHistory, context: MessageContext) -> str:
    return f"{_failing(what, incident, history, context)} {_LIMITS}"


def _never(what: str, _: Incident, history: ConnectionHistory, __: MessageContext) -> str:
    facts = history.facts
    known = facts.connection.created_at
    begun = (
        f"created {_readable(known)}" if known is not None else f"seen since {_readable(facts.first_seen_at)}"
    )
    return f"No sync of {what} has ever succeeded, as far as Airbyte knows; it was {begun}."


def _overdue(what: str, incident: Incident, history: ConnectionHistory, _: MessageContext) -> str:
    facts = history.facts
    due = facts.next_run_at
    if due is not None and due <= incident.starts_at and facts.active_job is None:
        return f"A sync of {what} was due {_readable(due)}, and none has begun."
    return f"{what[:1].upper()}{what[1:]} has had no success for too long."


def _broken(what: str, _: Incident, history: ConnectionHistory, __: MessageContext) -> str:
    is_off = history.facts.connection.status is not ConnectionStatus.ACTIVE
    now = "The connection is disabled" if is_off else "Airbyte may disable the connection"
    return (
        f"Airbyte found that the schema of the source of {what} has changed in a way that breaks it. "
        f"{now} until somebody has reviewed the change."
    )


def _disabled(what: str, _: Incident, history: ConnectionHistory, __: MessageContext) -> str:
    disabled = history.facts.disabled
    why = f": {disabled.reason}" if disabled is not None and disabled.reason is not None else ""
    return f"Airbyte itself has disabled or locked {what}{why}. No sync runs until somebody enables it."


def _pending(what: str, incident: Incident, *_: object) -> str:
    job = incident.job
    which = f"A job of {what}" if job is None else f"Job {job.id} of {what}"
    since = "" if job is None else f" since {_readable(job.created_at)}"
    return f"{which} has waited to be started{since}. Airbyte's scheduler or its workers do not take it."


_WHAT_IS_WRONG: Final[Mapping[str, Callable[[str, Incident, ConnectionHistory, MessageContext], str]]] = {
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
    is_receiver = incident.rule == "NotificationsFailing"
    if kind == "alert.resolved":
        about = subject(incident, context.instance)
        who = f"the receiver “{about}”" if is_receiver else about
        return _ending(incident, f"about {who}")
    since = f"since {_readable(incident.starts_at)}"
    match incident.rule:
        case "AirbyteUnreachable":
            why = f" The last try: {_sentence(context.note)}" if context.note else ""
            return (
                f"No poll of {context.instance} has worked {since}.{why} Metrics and alerts about "
                "connections stand still until one does: nothing is known to be wrong with them."
            )
        case "NotificationsFailing":
            return (
                f"The receiver “{_receiver(incident)}” has taken no notification {since}; the log says why. "
                "Each of them is tried for 24 hours."
            )
        case "JobStuckPending":
            return (
                f"The jobs of {_who(incident, context)} wait to be started, the first of them since "
                f"{_readable(incident.starts_at if incident.job is None else incident.job.created_at)}. "
                "Airbyte's scheduler or its workers do not take them."
            )
        case _:
            failure = None if incident.job is None else incident.job.failure
            why = "" if failure is None else f" One of them failed{_reason(failure)}"
            return f"Syncs of {_who(incident, context)} fail for the same reason {since}.{why}"


_TO_RECEIVER: Final = "notifications to "


def receiver_group(name: str) -> str:
    """Return the name of the group of an incident that is about a receiver."""
    return f"{_TO_RECEIVER}{name}"


def receiver_of(group: str) -> str | None:
    """Return the receiver that incidents of that group are about, ``None`` where they are not about one."""
    return group.removeprefix(_TO_RECEIVER) if group.startswith(_TO_RECEIVER) else None


def _receiver(incident: Incident) -> str:
    return receiver_of(incident.group) or incident.group


def subject(incident: Incident, instance: str) -> str:
    """Return in a few words what an incident is about that is not about one connection.

    That is a receiver, an Airbyte, or so many of its connections. `instance` is the Airbyte's name.
    """
    if incident.rule == "NotificationsFailing":
        return _receiver(incident)
    if incident.rule in INSTANCE_RULES:
        return instance
    if incident.status is IncidentStatus.RESOLVED:
        return f"connections of {instance}"
    return f"{_count(incident)} of {instance}"


def _count(incident: Incident) -> str:
    return f"{incident.affected} connection{'' if incident.affected == 1 else 's'}"


def _who(incident: Incident, context: MessageContext) -> str:
    names = [f"“{_in_one_line(each.name)}”" for each in (context.affected or ())[:FEW_NAMES]]
    rest = incident.affected - len(names)
    listed = f" ({', '.join(names)}{f' and {rest} more' if rest > 0 else ''})" if names else ""
    return f"{_count(incident)} of {context.instance}{listed}"


def _ending(incident: Incident, what: str) -> str:
    ends_at = incident.starts_at if incident.ends_at is None else incident.ends_at
    verb = "failing" if incident.rule in _FAILURES else "going on"
    times = (
        f"{verb} since {_readable(incident.starts_at)}, ended {_readable(ends_at)}, "
        f"{_span(ends_at - incident.starts_at)} later"
    )
    how = (
        _HOW_IT_ENDED_OTHERWISE.get((incident.rule, incident.reason))
        or _of_the_last(incident)
        or _HOW_IT_ENDED.get(incident.reason or "", incident.reason or "it is over")
    )
    if incident.reason == "rule_disabled":
        how = f"the rule {incident.rule} was disabled in the configuration of the exporter"
    return f"The alert {what} has ended because {how} ({times})."


def _of_the_last(incident: Incident) -> str | None:
    is_of_many = incident.connection_id == "" and incident.rule not in INSTANCE_RULES
    return "the last of them has recovered or left" if is_of_many and incident.reason == "recovered" else None


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
_HOW_IT_ENDED_OTHERWISE: Final[Mapping[tuple[str, str | None], str]] = {
    ("BreakingSchemaChange", "recovered"): "Airbyte marks no breaking change any more",
    ("JobStuckPending", "recovered"): "nothing waits to be started any more",
    ("JobStuckPending", "started"): "the job has started",
    ("AirbyteUnreachable", "recovered"): "a poll of Airbyte has worked",
    ("NotificationsFailing", "recovered"): "the receiver takes notifications again",
    ("NotificationsFailing", "deleted"): "the receiver is not configured any more",
}


def _about_job(job: Job) -> str:
    tries = ""
    if job.attempts:
        tries = f" after {len(job.attempts)} attempt{'' if len(job.attempts) == 1 else 's'}"
    text = f"Job {job.id} failed {_readable(job.updated_at)}{tries}"
    failure = job.failure
    if failure is None:
        return f"{text}; Airbyte tells no reason."
    return f"{text}{_reason(failure)}"


def _reason(failure: Failure) -> str:
    """Return what goes on with "failed" and ends the sentence."""
    origin = f" (origin: {failure.origin}, type: {failure.type})"
    quoted = shortened(_in_one_line(failure.message or ""), QUOTE_LIMIT)
    return f"{origin}: {_sentence(quoted)}" if quoted else f"{origin}."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _about_last_success(at: int, incident: Incident) -> str:
    """Say how old the data is: counted to the job that was just spoken of, however long it fails by now.

    Without one, or with one that Airbyte dates before the success, to the beginning of the incident.
    """
    if incident.job is not None and incident.job.updated_at >= at:
        before, until = "that", incident.job.updated_at
    else:
        before, until = _readable(incident.starts_at), incident.starts_at
    return f"The last success before {before} was {_readable(at)}, {_span(until - at)} earlier."


def told_about(incident: Incident) -> int:
    """Return before when to look for the newest success, which a reopened incident has after its start."""
    job = incident.job
    is_failure = job is not None and job.status is JobStatus.FAILED
    return max(incident.starts_at, job.updated_at) if job is not None and is_failure else incident.starts_at


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
