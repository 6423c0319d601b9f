"""What can be wrong: rules in groups, the highest first.

In a group the highest rule that holds speaks for the connection. Some rules are about a sync that has ended:
they are asked once for each, in their order. The others are about how things are: they are asked again and
again, and hold for as long as that is so. To add a rule is to add a row, and what can be set about it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from airbyte_exporter.alerts._config import RuleConfig, RulesConfig, SyncOverdueConfig
from airbyte_exporter.model import (
    ConnectionFacts,
    ConnectionStatus,
    Incident,
    Job,
    JobStatus,
    ScheduleType,
    SchemaChange,
)

__all__ = ["Rule", "RuleGroup", "Situation", "groups_of", "repeat_seconds"]

CRITICAL: Final = "critical"

TOLD_ONCE: Final = frozenset({"AirbyteUnreachable"})
"""Rules that repeat nothing unless they are told to: an outage is one alert however long it takes."""

_SCHEDULED: Final = frozenset({ScheduleType.BASIC, ScheduleType.CRON})
_WAITING: Final = frozenset({JobStatus.PENDING, JobStatus.QUEUED})


@dataclass(frozen=True, slots=True)
class Situation:
    """What a rule looks at.

    `facts` are those of now, `as_of` is the time of the last complete poll. A rule about a sync that has
    ended gets it as `newest`, the newest one that succeeded or failed as far as the evaluation has walked,
    and as `streak` how many failed in a row until then; `facts` may be later than that. `speaking` is the
    rule of the incident that goes on, ``None`` without one.
    """

    facts: ConnectionFacts
    as_of: int
    newest: Job | None = None
    streak: int = 0
    speaking: str | None = None


def _never(_: Situation) -> int | None:
    return None


def _recovered(_: Situation, __: Incident) -> str:
    return "recovered"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong with a connection; `docs/runbooks` has a page of the same name.

    `since` says since when it holds, in Airbyte's time, ``None`` where it does not. Of a rule about how
    things are, a `lasting` one, `from_when` says when it will hold if nothing happens, `ending` what ended
    it, and `job` which job it is about. One that is not `enabled` never speaks. `wait` is how many seconds an
    incident must go on before it is told for the first time, `repeat` after how many it is told again,
    ``None`` for what its severity asks. One that is not `dated` is about what Airbyte does not date: it holds
    since somebody looked, and what is there at the first look is older.
    `settle` is for how many seconds Airbyte must have been watched without a gap before it may begin.
    """

    name: str
    severity: str
    since: Callable[[Situation], int | None]
    enabled: bool = True
    wait: float = 0.0
    repeat: float | None = None
    lasting: bool = False
    dated: bool = True
    from_when: Callable[[Situation], int | None] = _never
    ending: Callable[[Situation, Incident], str] = _recovered
    job: Callable[[ConnectionFacts], Job | None] = lambda _: None
    settle: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules of which one at a time speaks, `rules` the highest first.

    `needs_active` is whether pausing the connection ends what goes on. `notes_look` is whether a first look
    at a connection is to be remembered though it found nothing.
    """

    name: str
    rules: tuple[Rule, ...]
    needs_active: bool = True
    notes_look: Callable[[ConnectionFacts], bool] = lambda _: False

    @property
    def walks(self) -> bool:
        """Whether finished syncs are to be looked at one by one."""
        return any(not rule.lasting for rule in self.rules)

    def highest(self, situation: Situation, *, lasting: bool) -> Rule | None:
        """Return the rule that speaks in this situation, of those about syncs or of the `lasting` ones."""
        return next(
            (
                rule
                for rule in self.rules
                if rule.enabled and rule.lasting is lasting and rule.since(situation) is not None
            ),
            None,
        )

    def named(self, name: str) -> Rule | None:
        """Return the rule of that name, ``None`` where there is none in the group (any more)."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def rank(self, name: str) -> int:
        """Return the place of a rule, 0 for the highest; a name that is not in the group comes last."""
        names = [rule.name for rule in self.rules]
        return names.index(name) if name in names else len(names)


def repeat_seconds(rule: Rule | None, severity: str) -> float | None:
    """Return after how many seconds what goes on with that severity is told again, ``None`` for never."""
    if rule is not None and rule.repeat is not None:
        return rule.repeat
    if rule is not None and rule.name in TOLD_ONCE:
        return None
    return 4 * 3600 if severity == CRITICAL else 24 * 3600


def groups_of(config: RulesConfig) -> tuple[RuleGroup, ...]:
    """Return the groups of rules about connections, as they are configured."""
    return (_sync_health(config), _availability(config), _stuck(config))


def _rule(name: str, config: RuleConfig, since: Callable[[Situation], int | None]) -> Rule:
    return Rule(name, config.severity, since, config.enabled, config.for_, config.repeat)


# Syncs that do not succeed


def _sync_health(config: RulesConfig) -> RuleGroup:
    soon, failing = config.AutoDisableSoon, config.SyncFailing
    never, overdue = config.NeverSucceeded, config.SyncOverdue

    def disabled_soon(now: Situation) -> int | None:
        ended = _failed(now, soon.failures)
        facts = now.facts
        good = facts.last_success_at or facts.connection.created_at or facts.first_seen_at
        return ended if ended is not None and ended - good >= soon.without_success else None

    return RuleGroup(
        "sync-health",
        (
            _rule("AutoDisableSoon", soon, disabled_soon),
            _rule("SyncFailing", failing, lambda now: _failed(now, failing.consecutive)),
            _rule("SyncFailed", config.SyncFailed, lambda now: _failed(now, 1)),
            replace(
                _rule(
                    "NeverSucceeded",
                    never,
                    lambda now: _reached(_never_succeeded(now.facts, never.after), now),
                ),
                lasting=True,
                from_when=lambda now: _never_succeeded(now.facts, never.after),
                ending=_how_it_went_on,
                settle=overdue.grace,
            ),
            replace(
                _rule("SyncOverdue", overdue, lambda now: _reached(_overdue(now, overdue), now)),
                lasting=True,
                from_when=lambda now: _overdue(now, overdue),
                ending=_how_it_went_on,
                settle=overdue.grace,
            ),
        ),
    )


def _failed(now: Situation, times: int) -> int | None:
    """Return when the sync ended that made it so many failures in a row."""
    newest = now.newest
    if newest is None or newest.status is not JobStatus.FAILED or now.streak < times:
        return None
    return newest.updated_at


def _reached(at: int | None, now: Situation) -> int | None:
    return at if at is not None and at < now.as_of else None


def _is_scheduled(facts: ConnectionFacts) -> bool:
    it = facts.connection
    return it.status is ConnectionStatus.ACTIVE and it.schedule.type in _SCHEDULED


def _never_succeeded(facts: ConnectionFacts, after: float) -> int | None:
    """Return when a connection will have been without any success for too long, if it goes on like that.

    Only where all of its successes are known, and it has run, or should have.
    """
    if not (_is_scheduled(facts) and facts.is_history_complete and facts.last_success_at is None):
        return None
    begun = facts.first_seen_at if facts.connection.created_at is None else facts.connection.created_at
    if facts.scheduled_since is not None and facts.scheduled_since > facts.first_seen_at:
        begun = max(begun, facts.scheduled_since)  # it was paused or manual until then
    too_long = begun + int(after)
    if facts.last_sync is not None:
        return too_long
    return None if facts.next_run_at is None else max(too_long, facts.next_run_at)


def _overdue(now: Situation, config: SyncOverdueConfig) -> int | None:
    """Return from when on a connection is overdue, if nothing happens until then.

    What is due while a sync runs begins when that one has ended. Where the data has become too old because
    no sync succeeds, another one that begins changes nothing.
    """
    facts = now.facts
    if not _is_scheduled(facts):
        return None
    found: list[int] = []
    good, is_idle = facts.last_success_at, not facts.live_jobs
    if config.max_age is not None and good is not None:
        found.append(good + int(config.max_age))
    if is_idle and facts.next_run_at is not None:
        idle_since = 0 if facts.last_sync is None else facts.last_sync.updated_at
        found.append(max(facts.next_run_at, idle_since) + int(config.grace))
    may_be_old = config.max_age is None and (is_idle or now.speaking == "SyncOverdue")
    if may_be_old and good is not None and facts.schedule_interval is not None:
        usual = facts.last_sync.duration if facts.last_sync is not None else None
        since = max(good, facts.scheduled_since or 0)
        found.append(since + 2 * facts.schedule_interval + (usual or 0) + int(config.grace))
    return min(found, default=None)


def _how_it_went_on(now: Situation, incident: Incident) -> str:
    facts = now.facts
    if facts.last_success_at is not None and facts.last_success_at >= incident.starts_at:
        return "succeeded"
    newest = facts.last_sync
    if facts.active_job is not None or (newest is not None and newest.created_at >= incident.starts_at):
        return "started" if _is_scheduled(facts) else "schedule_changed"
    return "schedule_changed"


# Whether it can run at all


def _availability(config: RulesConfig) -> RuleGroup:
    return RuleGroup(
        "availability",
        (
            replace(
                _rule("BreakingSchemaChange", config.BreakingSchemaChange, _broken),
                lasting=True,
                dated=False,
            ),
            replace(
                _rule("ConnectionDisabled", config.ConnectionDisabled, _disabled),
                lasting=True,
                ending=lambda _, __: "enabled",
            ),
        ),
        needs_active=False,
        notes_look=lambda facts: facts.connection.schema_change is not None,
    )


def _broken(now: Situation) -> int | None:
    return now.as_of if now.facts.connection.schema_change is SchemaChange.BREAKING else None


def _disabled(now: Situation) -> int | None:
    disabled = now.facts.disabled
    is_locked = now.facts.connection.status is ConnectionStatus.LOCKED
    if disabled is None or disabled.by_person or not (is_locked or disabled.by_person is False):
        return None
    return disabled.at


# Jobs that hang


def _stuck(config: RulesConfig) -> RuleGroup:
    pending = config.JobStuckPending

    def from_when(now: Situation) -> int | None:
        job = _waiting_job(now.facts)
        return None if job is None else job.created_at + int(pending.after)

    return RuleGroup(
        "stuck",
        (
            replace(
                _rule("JobStuckPending", pending, lambda now: _reached(from_when(now), now)),
                lasting=True,
                from_when=from_when,
                ending=_how_it_left_the_queue,
                job=_waiting_job,
                settle=pending.after,
            ),
        ),
    )


def _waiting_job(facts: ConnectionFacts) -> Job | None:
    waiting = [job for job in facts.live_jobs if job.status in _WAITING]
    return min(waiting, key=lambda job: job.created_at, default=None)


def _how_it_left_the_queue(now: Situation, incident: Incident) -> str:
    """Tell whether the job began. One that was cancelled, gave up waiting or was forgotten did not."""
    waited = incident.job
    known = (*now.facts.live_jobs, *([now.facts.last_sync] if now.facts.last_sync is not None else []))
    job = next((job for job in known if waited is not None and job.key == waited.key), None)
    if job is None:
        return "recovered"
    began = bool(job.attempts) or job.status in {JobStatus.RUNNING, JobStatus.SUCCEEDED}
    return "started" if began else "recovered"
