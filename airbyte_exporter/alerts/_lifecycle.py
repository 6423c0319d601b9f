"""From what happened to what is told: incidents begin, change hands, repeat and end.

An incident belongs to a connection and a group of rules. Finished syncs are walked one by one in the order
in which they were created, so a failure that recovered between two evaluations is told as well, and a row
that Airbyte commits late cannot turn time back. Then the rules about how things are get their say. Everything
follows from the arguments: deciding again from the same state gives the same incident, the same notification
ids and the same bodies.

A rule's wait (`for`) keeps the first message of an incident back until it has gone on that long, by the times
that Airbyte tells: whether it is told does not depend on when, or how often, anybody looked.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from airbyte_exporter.alerts._hints import NO_MEANS, Means
from airbyte_exporter.alerts._routing import Routing
from airbyte_exporter.alerts._rules import Rule, RuleGroup, Situation
from airbyte_exporter.alerts._silences import Silences
from airbyte_exporter.alerts._telling import Teller, fingerprint
from airbyte_exporter.model import (
    AlertState,
    ConnectionHistory,
    ConnectionStatus,
    Decision,
    Incident,
    IncidentStatus,
    Job,
    JobStatus,
)

__all__ = ["AlertContext", "decide", "next_look"]

RULE_DISABLED: Final = "rule_disabled"
NOT_WATCHED: Final = "not_watched"

FLAPPING_SECONDS: Final = 600
"""A failure so soon after the recovery goes on with the same incident (contract, section 5)."""

_VERDICTS: Final = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED})

_PAUSED: Final = {
    ConnectionStatus.INACTIVE: "paused",
    ConnectionStatus.LOCKED: "locked",
}


@dataclass(frozen=True, slots=True)
class AlertContext:
    """What a decision needs beside the connection's own history.

    `instance` names the Airbyte, `ui_url` is where people open it. `epoch` is when watching began, `as_of`
    the time of the last complete poll and `watched_since` that of the first one since the last gap or start,
    all in Airbyte's time. `resumed_at` is that of the first one after the last outage that was noticed: what
    goes on is told again no sooner than its interval after that. With `notify_existing` what was wrong before
    the epoch is sent too. `routing` knows who is told, `silences` about what nobody is by `now`, the
    exporter's own time. `workspace_ids` are those of the workspaces to watch, empty for all of them. `means`
    is what commands can do here.
    """

    instance: str
    ui_url: str | None
    epoch: int
    as_of: int
    watched_since: int = 0
    resumed_at: int | None = None
    notify_existing: bool = False
    routing: Routing = field(default_factory=Routing)
    silences: Silences = field(default_factory=Silences)
    now: float = 0.0
    workspace_ids: tuple[str, ...] = ()
    means: Means = NO_MEANS


def decide(
    history: ConnectionHistory, context: AlertContext, group: RuleGroup, *, part_of: str | None = None
) -> Decision | None:
    """Judge what happened to a connection since the last decision about it.

    What begins now is `part_of` an incident that stands for many, if that is given, and not told.

    Returns:
        The state to keep and what to send, or ``None`` when there is neither a finished sync to judge nor
        anything new to say.
    """
    course = _Course(history, context, group, part_of)
    course.follow_configuration()
    if group.walks:
        for job in sorted(history.finished, key=_order):
            course.judge(job)
    course.close_unless_watched()
    course.look()
    course.announce_existing(context.as_of)
    course.tell_if_due(context.as_of)
    course.repeat()
    if not (group.walks and history.finished) and not course.has_news and not course.is_noteworthy_look:
        return None
    return course.decision()


def next_look(history: ConnectionHistory, context: AlertContext, group: RuleGroup) -> int | None:
    """Return from which time on a decision may come out differently though nothing happens by then."""
    course = _Course(history, context, group)
    return course.next_look()


class _Course:
    """One connection's way through an evaluation."""

    def __init__(
        self,
        history: ConnectionHistory,
        context: AlertContext,
        group: RuleGroup,
        part_of: str | None = None,
    ) -> None:
        self._part_of = part_of
        self._history = history
        self._context = context
        self._group = group
        self._teller = Teller(
            context.instance,
            context.ui_url,
            context.as_of,
            context.routing,
            context.silences,
            context.now,
            resumed_at=context.resumed_at,
            means=context.means,
        )
        state = history.state
        self._judged = state.judged if state else None
        self._streak = self._teller.streak = state.streak if state else 0
        self._incident = state.incident if state else None
        told = (job for job in history.finished if job.status in _VERDICTS)
        self._newest = max(told, key=_order, default=None)
        self._before_adopted: Incident | None = None
        self._touched: dict[str, Incident] = {}
        connection = history.facts.connection
        self._gone: str | None = "deleted" if connection.status is ConnectionStatus.DEPRECATED else None
        if history.deleted:
            # What is not to be watched any more leaves the inventory as what Airbyte deleted does.
            chosen = context.workspace_ids
            is_chosen = not chosen or connection.workspace_id in chosen
            self._gone = "deleted" if is_chosen else NOT_WATCHED
        paused = _PAUSED.get(connection.status) if group.needs_active else None
        self._not_watched = self._gone or paused

    @property
    def has_news(self) -> bool:
        """Whether any incident changed; each notification changes one."""
        return bool(self._touched)

    @property
    def is_noteworthy_look(self) -> bool:
        """Whether this is the first look at the connection, which what it finds later is measured by."""
        facts = self._history.facts
        return self._history.state is None and self._gone is None and self._group.notes_look(facts)

    # What happened

    def follow_configuration(self) -> None:
        """Bring what goes on in line with a rule that was switched off or made more or less severe since.

        Nothing happened in Airbyte, so nothing is told but an end. A lower rule that holds takes over.
        """
        firing = self._firing
        rule = None if firing is None else self._group.named(firing.rule)
        if firing is None or rule is None:
            return
        if not rule.enabled:
            rule = None
            if firing.job is not None and firing.job.status.is_final:
                rule = self._group.highest(self._after(firing.job), lasting=False)
            rule = rule or self._group.highest(self._now, lasting=True)
        if rule is None:
            self._end(firing, RULE_DISABLED, self._context.as_of)
        elif (rule.name, rule.severity) != (firing.rule, firing.severity):
            told = None if firing.told_rule is None else rule.name
            self._keep(replace(firing, rule=rule.name, severity=rule.severity, told_rule=told))

    def judge(self, job: Job) -> None:
        """Take one finished sync into account.

        A cancelled one and one with a status that we have not heard of say nothing about the pipeline, nor
        does a row that comes to light after a newer sync was judged.
        """
        if job.status not in _VERDICTS:
            return
        if self._judged is not None and _order(job) <= (self._judged.created_at, self._judged.id):
            return
        self._judged = job.key
        self._streak = 0 if job.status is JobStatus.SUCCEEDED else self._streak + 1
        if job.status is JobStatus.FAILED and job is self._newest:
            # Older failures may have come to light after newer ones were judged.
            self._streak = max(self._streak, self._history.facts.consecutive_failures)
        self._teller.streak = self._streak
        is_existing = job.updated_at < self._context.epoch
        if not is_existing:
            self.announce_existing(job.updated_at)
        rule = self._group.highest(self._after(job), lasting=False)
        if rule is None and job.status is JobStatus.SUCCEEDED:
            self.tell_if_due(job.updated_at)
            if self._firing is not None:
                self._end(self._firing, "succeeded", job.updated_at, is_existing=is_existing)
        elif rule is not None and self._firing is None:
            self._begin(rule, job.updated_at, job, is_existing=is_existing)
        elif rule is not None and self._firing is not None:
            self._go_on(self._firing, rule, job)

    def close_unless_watched(self) -> None:
        """End what goes on when the connection was paused, locked or deleted, or is not to be watched."""
        if self._not_watched is None:
            return
        self.tell_if_due(self._context.as_of)
        if self._firing is not None:
            self._end(self._firing, self._not_watched, self._context.as_of)

    def look(self) -> None:
        """Let the rules about how things are say whether they hold."""
        if self._not_watched is not None:
            return
        firing, now = self._firing, self._now
        holding = self._group.highest(now, lasting=True)
        if firing is None:
            if holding is not None and self._may_begin(holding):
                self._begin_lasting(holding)
            return
        speaks = self._group.named(firing.rule)
        if speaks is None or not speaks.lasting:
            return
        if holding is None:
            self.tell_if_due(self._context.as_of)
            self._end(firing, speaks.ending(now, firing), self._context.as_of)
            return
        if holding.name != speaks.name:
            firing = replace(firing, rule=holding.name, severity=holding.severity)
            self._keep(firing)
        if firing.adopted and not speaks.dated and self._has_become_worse(firing):
            self._keep(replace(firing, adopted=False))

    def _has_become_worse(self, firing: Incident) -> bool:
        """Whether something else has come to what was there at the first look."""
        dated = (rule for rule in self._group.rules if rule.enabled and rule.lasting and rule.dated)
        times = (rule.since(self._now) for rule in dated)
        return any(at is not None and at > firing.starts_at for at in times)

    def _may_begin(self, rule: Rule) -> bool:
        return self._context.as_of - self._context.watched_since >= rule.settle

    def _begin_lasting(self, rule: Rule) -> None:
        since = rule.since(self._now)
        if since is None:
            return
        is_older = not rule.dated and self._history.state is None
        is_existing = since < self._context.epoch or is_older
        self._begin(rule, since, rule.job(self._history.facts), is_existing=is_existing)

    # What is told

    def announce_existing(self, at: int) -> None:
        """Send an adopted incident after all, as of `at`, where the user asked for those."""
        if self._context.notify_existing and self._firing is not None and self._firing.adopted:
            self._keep(replace(self._firing, adopted=False))
            self.tell_if_due(at)

    def tell_if_due(self, at: int) -> None:
        """Send what has gone on, as of `at`, for as long as its rule wants it to before it is told.

        Those who were told of a lower rule learn of the one that took over.
        """
        firing = self._firing
        if firing is None or firing.adopted or firing.part_of is not None:
            return
        rule = self._group.named(firing.rule)
        if firing.notified_at is None:
            if at - firing.starts_at >= (0 if rule is None else rule.wait):
                self._keep(self._teller.first(firing, self._history), told=True)
        elif firing.told_rule is not None and firing.told_rule != firing.rule:
            is_higher = self._group.rank(firing.rule) < self._group.rank(firing.told_rule)
            if is_higher:
                self._keep(self._teller.update(firing, self._history), told=True)

    def repeat(self) -> None:
        """Tell an ongoing incident again when its time has come, by Airbyte's clock."""
        firing = self._firing
        if firing is None or firing.part_of is not None:
            return
        due = self._teller.repeats_at(firing, self._group.named(firing.rule))
        if due is not None and self._context.as_of >= due:
            self._keep(self._teller.repeat(firing, self._history), told=True)

    def decision(self) -> Decision:
        """Return what all of that came to."""
        current = self._incident.fingerprint if self._incident else None
        return Decision(
            state=AlertState(
                connection_id=self._history.facts.connection.id,
                group=self._group.name,
                judged=self._judged,
                streak=self._streak,
                incident=self._incident,
            ),
            notifications=tuple(self._teller.notifications),
            ended=tuple(
                incident for fingerprint, incident in self._touched.items() if fingerprint != current
            ),
        )

    def next_look(self) -> int | None:
        """Return from when on a rule may hold, or something is to be told, if nothing happens by then."""
        times: list[int | None] = []
        firing = self._firing
        if firing is not None and firing.part_of is None and not firing.adopted:
            rule = self._group.named(firing.rule)
            if firing.notified_at is None:
                times.append(firing.starts_at + int(0 if rule is None else rule.wait))
            times.append(self._teller.repeats_at(firing, rule))
        if self._not_watched is None:
            holds_from = ((rule, rule.from_when(self._now)) for rule in self._group.rules if rule.enabled)
            settled = self._context.watched_since
            times += [max(at + 1, settled + int(rule.settle)) for rule, at in holds_from if at is not None]
        later = [at for at in times if at is not None and at > self._context.as_of]
        return min(later, default=None)

    # Incidents

    @property
    def _firing(self) -> Incident | None:
        if self._incident is None or self._incident.status is not IncidentStatus.FIRING:
            return None
        return self._incident

    @property
    def _now(self) -> Situation:
        firing = self._firing
        speaking = None if firing is None else firing.rule
        return Situation(self._history.facts, self._context.as_of, speaking=speaking)

    def _after(self, job: Job) -> Situation:
        return Situation(self._history.facts, self._context.as_of, job, self._streak)

    def _begin(self, rule: Rule, at: int, job: Job | None, *, is_existing: bool) -> None:
        if self._not_watched is not None:
            return
        before = self._incident
        is_new = not is_existing and (rule.lasting or job is self._newest)
        part_of = self._part_of if is_new else None
        flaps = before is not None and not rule.lasting and self._flaps(before, at)
        if before is not None and flaps and not is_existing and part_of is None:
            self._reopen(before, rule, job, at)
            return
        self._before_adopted = before if is_existing else None
        connection_id = self._history.facts.connection.id
        key: tuple[str, ...] = (str(at), rule.name) if job is None else (str(job.id), str(job.created_at))
        if rule.lasting and before is not None:
            key = (*key, before.fingerprint)  # it may have been so before, and ended in another way
        incident = Incident(
            fingerprint=fingerprint(self._context.instance, connection_id, self._group.name, *key),
            group=self._group.name,
            connection_id=connection_id,
            rule=rule.name,
            severity=rule.severity,
            status=IncidentStatus.FIRING,
            starts_at=at,
            adopted=is_existing,
            job=job,
            part_of=part_of,
        )
        self._keep(incident)
        self.tell_if_due(at)

    def _flaps(self, before: Incident, at: int) -> bool:
        return (
            before.reason == "succeeded"
            and before.ends_at is not None
            and before.notified_at is not None
            and at - before.ends_at <= FLAPPING_SECONDS
        )

    def _reopen(self, before: Incident, rule: Rule, job: Job | None, at: int) -> None:
        """Go on with an incident that had only just ended: those who were told are told that it goes on.

        Until they are, they take it for over, so that they need not hear of another end.
        """
        incident = replace(
            before,
            rule=rule.name,
            severity=rule.severity,
            status=IncidentStatus.FIRING,
            ends_at=None,
            reason=None,
            job=job,
            notified_at=None,
            told_rule=None,
        )
        self._keep(incident)
        self.tell_if_due(at)

    def _go_on(self, incident: Incident, rule: Rule, job: Job) -> None:
        """Another failure in a row: the incident is about the newest one, told only where that is news.

        A higher rule takes the incident over, also one that was adopted: that is told as firing. A lower one
        never does, since what the higher one told has not ended. What was told is not held back again,
        whatever the higher rule waits for.
        """
        is_existing = job.updated_at < self._context.epoch
        if self._group.rank(rule.name) < self._group.rank(incident.rule):
            adopted = incident.adopted and is_existing
            incident = replace(incident, rule=rule.name, severity=rule.severity, adopted=adopted)
        self._keep(replace(incident, job=job))
        self.tell_if_due(job.updated_at)

    def _end(self, incident: Incident, reason: str, at: int, *, is_existing: bool = False) -> None:
        if incident.adopted and is_existing and self._is_new(incident):
            # It was over before we watched: it was never wrong in our time, so there is nothing to list.
            self._touched.pop(incident.fingerprint, None)
            self._incident = self._before_adopted
            return
        ended = replace(
            incident, status=IncidentStatus.RESOLVED, ends_at=max(at, incident.starts_at), reason=reason
        )
        self._keep(ended if ended.notified_at is None else self._teller.end(ended, self._history))

    def _is_new(self, incident: Incident) -> bool:
        """Whether the incident began in this evaluation, so that nothing of it was kept yet."""
        state = self._history.state
        kept = state.incident if state else None
        return kept is None or kept.fingerprint != incident.fingerprint

    def _keep(self, incident: Incident | None, *, told: bool = False) -> None:
        """Remember an incident; one that was to be `told` and is not, since it is silenced, is as before."""
        if incident is None or (told and incident == self._incident):
            return
        self._incident = incident
        self._touched[incident.fingerprint] = incident


def _order(job: Job) -> tuple[int, int]:
    """Sort key of jobs: the creation first, since ids begin again after a restored database."""
    return job.created_at, job.id
