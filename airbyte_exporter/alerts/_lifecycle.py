"""From what happened to what is told: incidents begin, change hands, repeat and end.

An incident belongs to a connection and a group of rules. Finished syncs are walked one by one in the order
in which they were created, so a failure that recovered between two evaluations is told as well, and a row
that Airbyte commits late cannot turn time back. Everything follows from the arguments: deciding again from
the same state gives the same incident, the same notification ids and the same bodies.

A rule's wait (`for`) keeps the first message of an incident back until it has gone on that long, by the times
that Airbyte tells: whether it is told does not depend on when, or how often, anybody looked.
"""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Final

from airbyte_exporter.alerts._message import MessageContext, body
from airbyte_exporter.alerts._routing import Routing
from airbyte_exporter.alerts._rules import SYNC_HEALTH, Rule, RuleGroup, Situation, repeat_seconds
from airbyte_exporter.model import (
    AlertState,
    ConnectionHistory,
    ConnectionStatus,
    Decision,
    Incident,
    IncidentStatus,
    Job,
    JobKey,
    JobStatus,
    Notification,
)

__all__ = ["AlertContext", "decide"]

FIRING: Final = "alert.firing"
UPDATED: Final = "alert.updated"
REPEATED: Final = "alert.repeated"
RESOLVED: Final = "alert.resolved"

RULE_DISABLED: Final = "rule_disabled"
NOT_WATCHED: Final = "not_watched"

_NOT_WATCHED: Final = {
    ConnectionStatus.INACTIVE: "paused",
    ConnectionStatus.LOCKED: "locked",
    ConnectionStatus.DEPRECATED: "deleted",
}


@dataclass(frozen=True, slots=True)
class AlertContext:
    """What a decision needs beside the connection's own history.

    `instance` names the Airbyte, `ui_url` is where people open it. `epoch` is when watching began, `as_of`
    the time of the last complete poll, both in Airbyte's time. With `notify_existing` what was wrong before
    the epoch is sent too. `routing` knows who is told. `workspace_ids` are those of the workspaces to watch,
    empty for all of them.
    """

    instance: str
    ui_url: str | None
    epoch: int
    as_of: int
    notify_existing: bool = False
    routing: Routing = field(default_factory=Routing)
    workspace_ids: tuple[str, ...] = ()


def decide(
    history: ConnectionHistory, context: AlertContext, group: RuleGroup = SYNC_HEALTH
) -> Decision | None:
    """Judge what happened to a connection since the last decision about it.

    Returns:
        The state to keep and what to send, or ``None`` when there is neither a finished sync to judge nor
        anything new to say.
    """
    course = _Course(history, context, group)
    course.follow_configuration()
    for job in sorted(history.finished, key=_order):
        course.judge(job)
    course.close_unless_watched()
    course.announce_existing(context.as_of)
    course.tell_if_due(context.as_of)
    course.repeat()
    if not history.finished and not course.has_news:
        return None
    return course.decision()


class _Course:
    """One connection's way through an evaluation."""

    def __init__(self, history: ConnectionHistory, context: AlertContext, group: RuleGroup) -> None:
        self._history = history
        self._context = context
        self._group = group
        self._judged = history.state.judged if history.state else None
        self._incident = history.state.incident if history.state else None
        self._before_adopted: Incident | None = None
        self._touched: dict[str, Incident] = {}
        self._notifications: list[Notification] = []
        connection = history.facts.connection
        self._not_watched = _NOT_WATCHED.get(connection.status)
        if history.deleted:
            # What is not to be watched any more leaves the inventory as what Airbyte deleted does.
            chosen = context.workspace_ids
            is_chosen = not chosen or connection.workspace_id in chosen
            self._not_watched = "deleted" if is_chosen else NOT_WATCHED

    @property
    def has_news(self) -> bool:
        """Whether any incident changed; each notification changes one."""
        return bool(self._touched)

    def follow_configuration(self) -> None:
        """Bring what goes on in line with a rule that was switched off or made more or less severe since.

        Nothing happened in Airbyte, so nothing is told but an end. A lower rule that holds takes over.
        """
        firing = self._firing
        rule = None if firing is None else self._group.named(firing.rule)
        if firing is None or rule is None:
            return
        if not rule.enabled:
            rule = None if firing.job is None else self._highest(firing.job)
        if rule is None:
            self._end(firing, RULE_DISABLED, self._context.as_of, is_existing=False)
        elif (rule.name, rule.severity) != (firing.rule, firing.severity):
            self._keep(replace(firing, rule=rule.name, severity=rule.severity))

    def judge(self, job: Job) -> None:
        """Take one finished sync into account.

        A cancelled one and one with a status that we have not heard of say nothing about the pipeline, nor
        does a row that comes to light after a newer sync was judged.
        """
        if job.status not in {JobStatus.SUCCEEDED, JobStatus.FAILED}:
            return
        if self._judged is not None and _order(job) <= (self._judged.created_at, self._judged.id):
            return
        self._judged = job.key
        is_existing = job.updated_at < self._context.epoch
        if not is_existing:
            self.announce_existing(job.updated_at)
        rule = self._highest(job)
        if rule is None:
            self.tell_if_due(job.updated_at)
        firing = self._firing
        if rule is None:
            if firing is not None:
                self._end(firing, "succeeded", job.updated_at, is_existing=is_existing)
        elif firing is None:
            self._begin(rule, job, is_existing=is_existing)
        else:
            self._go_on(firing, rule, job, is_existing=is_existing)

    def close_unless_watched(self) -> None:
        """End what goes on when the connection was paused, locked or deleted, or is not to be watched."""
        if self._not_watched is None:
            return
        self.tell_if_due(self._context.as_of)
        if self._firing is not None:
            self._end(self._firing, self._not_watched, self._context.as_of, is_existing=False)

    def announce_existing(self, at: int) -> None:
        """Send an adopted incident after all, as of `at`, where the user asked for those."""
        if self._context.notify_existing and self._firing is not None and self._firing.adopted:
            self._keep(replace(self._firing, adopted=False))
            self.tell_if_due(at)

    def tell_if_due(self, at: int) -> None:
        """Send what has gone on, as of `at`, for as long as its rule wants it to before it is told."""
        firing = self._firing
        if firing is None or firing.adopted or firing.notified_at is not None:
            return
        rule = self._group.named(firing.rule)
        if at - firing.starts_at >= (0 if rule is None else rule.wait):
            self._tell(FIRING, firing)

    def repeat(self) -> None:
        """Tell an ongoing incident again when its time has come, by Airbyte's clock."""
        firing = self._firing
        if firing is None or firing.notified_at is None:
            return  # nothing goes on, or it is adopted or waits and was never told
        interval = repeat_seconds(self._group.named(firing.rule), firing.severity)
        if self._context.as_of - firing.notified_at >= interval:
            self._tell(REPEATED, firing)

    def decision(self) -> Decision:
        current = self._incident.fingerprint if self._incident else None
        return Decision(
            state=AlertState(
                connection_id=self._history.facts.connection.id,
                group=self._group.name,
                judged=self._judged,
                incident=self._incident,
            ),
            notifications=tuple(self._notifications),
            ended=tuple(
                incident for fingerprint, incident in self._touched.items() if fingerprint != current
            ),
        )

    @property
    def _firing(self) -> Incident | None:
        if self._incident is None or self._incident.status is not IncidentStatus.FIRING:
            return None
        return self._incident

    def _highest(self, job: Job) -> Rule | None:
        return self._group.highest(Situation(job, self._history.facts, self._context.as_of))

    def _begin(self, rule: Rule, job: Job, *, is_existing: bool) -> None:
        if self._not_watched is not None:
            return
        self._before_adopted = self._incident if is_existing else None
        incident = Incident(
            fingerprint=_fingerprint(self._context.instance, self._group.name, job.key),
            group=self._group.name,
            connection_id=job.connection_id,
            rule=rule.name,
            severity=rule.severity,
            status=IncidentStatus.FIRING,
            starts_at=job.updated_at,
            adopted=is_existing,
            job=job,
        )
        self._keep(incident)
        self.tell_if_due(job.updated_at)

    def _go_on(self, incident: Incident, rule: Rule, job: Job, *, is_existing: bool) -> None:
        """Another failure in a row: the incident is about the newest one, told only where that is news.

        A failure while we watch makes an adopted incident ours. A higher rule takes the incident over; a
        lower one never does, since what the higher one told has not ended. What was told is not held back
        again, whatever the higher rule waits for.
        """
        is_higher = self._group.rank(rule.name) < self._group.rank(incident.rule)
        if is_higher:
            incident = replace(incident, rule=rule.name, severity=rule.severity)
        incident = replace(incident, job=job, adopted=incident.adopted and is_existing)
        if is_higher and incident.notified_at is not None:
            self._tell(UPDATED, incident)
        else:
            self._keep(incident)

    def _end(self, incident: Incident, reason: str, at: int, *, is_existing: bool) -> None:
        if incident.adopted and is_existing and self._is_new(incident):
            # It was over before we watched: it was never wrong in our time, so there is nothing to list.
            self._touched.pop(incident.fingerprint, None)
            self._incident = self._before_adopted
            return
        ended = replace(
            incident, status=IncidentStatus.RESOLVED, ends_at=max(at, incident.starts_at), reason=reason
        )
        if ended.notified_at is None:
            self._keep(ended)
        else:
            self._tell(RESOLVED, ended)

    def _is_new(self, incident: Incident) -> bool:
        """Whether the incident began in this evaluation, so that nothing of it was kept yet."""
        state = self._history.state
        kept = state.incident if state else None
        return kept is None or kept.fingerprint != incident.fingerprint

    def _keep(self, incident: Incident) -> None:
        self._incident = incident
        self._touched[incident.fingerprint] = incident

    def _tell(self, kind: str, incident: Incident) -> None:
        """Send a message to those who were told of the incident before.

        Routes are asked when it is told for the first time, when a higher rule takes over, and when nobody
        of those who were told exists any more; whom they add learns of it as something new. The end goes to
        those who know of it, and to nobody else.
        """
        routing = self._context.routing
        told = tuple(name for name in routing.receivers if name in incident.receivers)
        new: tuple[str, ...] = ()
        if kind != RESOLVED and not (kind == REPEATED and told):
            routed = routing.receivers_of(incident, self._history)
            new = tuple(name for name in routed if name not in incident.receivers)
        incident = replace(incident, notified_at=self._context.as_of, receivers=incident.receivers + new)
        for what, receivers in ((kind, told), (FIRING, new)):
            if receivers:
                incident = self._write(what, incident, receivers)
        self._keep(incident)

    def _write(self, kind: str, incident: Incident, receivers: tuple[str, ...]) -> Incident:
        """Write one message; return the incident, which counts them."""
        incident = replace(incident, sequence=incident.sequence + 1)
        message = MessageContext(
            instance=self._context.instance,
            ui_url=self._context.ui_url,
            # A poll's time can be a little before the end of a job that it brought.
            at=max(self._context.as_of, incident.ends_at or incident.starts_at),
            last_success_at=self._last_success_before(incident.starts_at),
        )
        self._notifications.append(
            Notification(
                id=f"msg_{incident.fingerprint}_{incident.sequence}",
                fingerprint=incident.fingerprint,
                type=kind,
                created_at=message.at,
                body=body(kind, incident, self._history, message),
                receivers=receivers,
            )
        )
        return incident

    def _last_success_before(self, at: int) -> int | None:
        """When the newest success before `at` ended, as far as known.

        The facts know only the newest success of all; while walking through the past it may be a later one.
        """
        ends = [job.updated_at for job in self._history.finished if job.status is JobStatus.SUCCEEDED]
        newest = self._history.facts.last_success_at
        if newest is not None:
            ends.append(newest)
        return max((end for end in ends if end <= at), default=None)


def _order(job: Job) -> tuple[int, int]:
    """Sort key of jobs: the creation first, since ids begin again after a restored database."""
    return job.created_at, job.id


def _fingerprint(instance: str, group: str, first_failed: JobKey) -> str:
    """Name an incident after the job that it began with: the same for whoever decides, and however often."""
    parts = (instance, first_failed.connection_id, group, str(first_failed.id), str(first_failed.created_at))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
