"""Incidents that are not about one connection: what many share, and what is wrong with watching itself."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from airbyte_exporter.alerts._lifecycle import AlertContext
from airbyte_exporter.alerts._rules import Rule
from airbyte_exporter.alerts._telling import Teller, fingerprint
from airbyte_exporter.alerts._texts import Affected
from airbyte_exporter.model import (
    AlertState,
    Decision,
    Failure,
    Incident,
    IncidentStatus,
    Job,
    JobStatus,
)

__all__ = ["Shared", "beginning", "decide_instance", "highest", "reason_of", "shared_group", "shared_reasons"]

PLATFORM: Final = "airbyte_platform"

_RANKS: Final = (
    "AutoDisableSoon",
    "SyncFailing",
    "SyncFailed",
    "NeverSucceeded",
    "SyncOverdue",
    "JobStuckPending",
)
"""The rules that an incident of many can be about, the highest first."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What is so of many connections, or of none: since when, and which of them.

    `since` is ``None`` when it is so of none any more. `count` is how many connections it stands for, `named`
    are some of them. `note` says more in words, `job` is one of the jobs that it is about.
    """

    since: int | None
    count: int = 1
    named: Sequence[Affected] = ()
    note: str | None = None
    job: Job | None = None


def decide_instance(
    state: AlertState, rule: Rule, now: Shared, context: AlertContext, *, ending: str = "recovered"
) -> Decision | None:
    """Judge one thing that can be wrong with the whole instance.

    Args:
        state: What is remembered of it.
        rule: The rule that speaks, as it is configured.
        now: How it is.
        context: As for connections; `as_of` is the exporter's own time where the rule goes by that.
        ending: The reason to tell when it is over.

    Returns:
        The state to keep and what to send, ``None`` when nothing changes.
    """
    firing = state.incident if state.incident and state.incident.status is IncidentStatus.FIRING else None
    since = now.since if rule.enabled else None
    if firing is None and since is None:
        return None
    teller = _teller(context, now)
    if firing is None and since is not None:
        incident = _begun(state, rule, now, since, context)
    elif firing is not None and since is None:
        at = max(context.as_of, firing.starts_at)
        over = replace(
            firing,
            status=IncidentStatus.RESOLVED,
            ends_at=at,
            reason=ending if rule.enabled else "rule_disabled",
        )
        incident = over if over.notified_at is None else teller.end(over, None)
        return Decision(AlertState("", state.group, incident=incident), tuple(teller.notifications))
    elif firing is not None:
        incident = replace(firing, rule=rule.name, severity=rule.severity, affected=now.count)
    else:
        return None
    incident = _told(incident, rule, context, teller)
    if incident == firing:
        return None
    return Decision(AlertState("", state.group, incident=incident), tuple(teller.notifications))


def _teller(context: AlertContext, now: Shared) -> Teller:
    return Teller(
        context.instance,
        context.ui_url,
        context.as_of,
        context.routing,
        context.silences,
        context.now,
        affected=now.named,
        note=now.note,
        means=context.means,
    )


def beginning(state: AlertState, instance: str, since: int) -> str:
    """Return the fingerprint of what begins after what `state` remembers: another one each time."""
    before = () if state.incident is None else (state.incident.fingerprint,)
    return fingerprint(instance, "", state.group, str(since), *before)


def _begun(state: AlertState, rule: Rule, now: Shared, since: int, context: AlertContext) -> Incident:
    return Incident(
        fingerprint=beginning(state, context.instance, since),
        group=state.group,
        connection_id="",
        rule=rule.name,
        severity=rule.severity,
        status=IncidentStatus.FIRING,
        starts_at=since,
        adopted=since < context.epoch and not context.notify_existing,
        job=now.job,
        affected=now.count,
    )


def _told(incident: Incident, rule: Rule, context: AlertContext, teller: Teller) -> Incident:
    if incident.adopted:
        return incident
    if incident.notified_at is None:
        waited = context.as_of - incident.starts_at >= rule.wait
        return teller.first(incident, None) if waited else incident
    if incident.told_rule is not None and _rank(incident.rule) < _rank(incident.told_rule):
        return teller.update(incident, None)
    due = teller.repeats_at(incident, rule)
    return teller.repeat(incident, None) if due is not None and context.as_of >= due else incident


# What many connections share


def highest(rules: Iterable[str]) -> str | None:
    """Return the highest of the rules by which connections are part of an incident, ``None`` without any."""
    return min(rules, key=_rank, default=None)


def _rank(rule: str) -> int:
    return _RANKS.index(rule) if rule in _RANKS else len(_RANKS)


def reason_of(job: Job | None) -> Failure | None:
    """Return why a job failed, if that was Airbyte's own platform: many can fail of that at once."""
    if job is None or job.status is not JobStatus.FAILED:
        return None
    failure = job.failure
    return failure if failure is not None and failure.origin == PLATFORM else None


def shared_group(group: str, failure: Failure | None = None) -> str:
    """Return the name of the group of an incident that stands for many of `group`."""
    if failure is None:
        return f"{group} of many"
    reason = hashlib.sha256(f"{failure.type}\0{failure.message}".encode("utf-8", "replace")).hexdigest()[:12]
    return f"{group} of many {reason}"


def shared_reasons(
    failed: Mapping[str, Job], together: int, going_on: Iterable[str]
) -> dict[str, tuple[str, Failure]]:
    """Return which connections fail for a reason that many share: its group and the reason, by connection.

    Args:
        failed: The newest sync of connections that begin to fail now.
        together: More connections than this make it one incident.
        going_on: The groups of those incidents of many that go on: whoever fails for that joins them.
    """
    reasons = {id_: reason for id_, job in failed.items() if (reason := reason_of(job)) is not None}
    groups = {id_: shared_group("sync-health", reason) for id_, reason in reasons.items()}
    sizes = Counter(groups.values())
    known = frozenset(going_on)
    return {
        id_: (group, reasons[id_])
        for id_, group in groups.items()
        if sizes[group] > together or group in known
    }
