"""The status page: what is wrong first, then every connection, in one document without scripts."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from airbyte_exporter.alerts import Hint, Means, hints_of, receiver_of, subject
from airbyte_exporter.model import (
    ConnectionFacts,
    ConnectionStatus,
    Incident,
    Job,
    JobStatus,
    Schedule,
    ScheduleType,
    Silence,
    Snapshot,
    Workspace,
)
from airbyte_exporter.web._polls import Polls
from airbyte_exporter.web._silenced import Silenced

__all__ = ["CONTENT_SECURITY_POLICY", "About", "render"]

_MAX_ROWS: Final = 500
_LAST_TROUBLED_RANK: Final = 2
_TEMPLATES: Final = Path(__file__).parent / "templates"
_STYLE: Final = (_TEMPLATES / "status.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_JUST_NOW: Final = 10
_THOUSAND: Final = 1000


@dataclass(frozen=True, slots=True)
class About:
    """What the page says of the exporter and of the Airbyte that it watches."""

    instance_name: str
    ui_url: str | None
    version: str


@dataclass(frozen=True, slots=True)
class _Cron:
    expression: str | None
    zone: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A connection as the table shows it. `tone` colours it: bad, warn, busy, good or quiet."""

    facts: ConnectionFacts
    verdict: str
    tone: str
    rank: int
    url: str | None
    workspace: str
    schedule: str
    cron: _Cron | None
    next_run_at: int | None
    last: Job | None
    active: Job | None
    live: str
    failures: int | None


@dataclass(frozen=True, slots=True)
class _Alert:
    """An incident as the page shows it.

    `about` is the connection's name, the id of one that is gone, or what else it is about.
    """

    incident: Incident
    about: str
    url: str | None
    failure: str | None
    message: str | None
    hints: Sequence[Hint]
    silence: Silence | None


def render(
    snapshot: Snapshot | None,
    incidents: Sequence[Incident] | None,
    silenced: Silenced,
    *,
    now: float,
    about: About,
    unready: str | None,
    polls: Polls,
    means: Means,
    messages: bool,
) -> str:
    """Return the page as HTML.

    Args:
        snapshot: The newest facts, ``None`` before the first.
        incidents: Those that go on now, ``None`` while they are not known.
        silenced: What of them is not told just now.
        now: The time that ages are counted to, in epoch seconds.
        about: The exporter and the Airbyte that it watches.
        unready: What the exporter waits for, ``None`` once a poll has been complete.
        polls: How polling goes just now.
        means: What commands can do here.
        messages: Whether free text from failed jobs, the reasons of silences and what to do may be shown.
    """
    alerts = None
    if incidents is not None:
        alerts = list(_alerts(snapshot, incidents, silenced, about, means, messages=messages))
    rows = [] if snapshot is None else sorted(_rows(snapshot, incidents or (), about.ui_url), key=_order)
    return _ENVIRONMENT.get_template(
        "status.html"
    ).render(
        about=about,
        style=Markup(_STYLE),  # noqa: S704  # our own file, not input
        snapshot=snapshot,
        unready=unready,
        polls=polls,
        now=now,
        troubled=sum(row.rank <= _LAST_TROUBLED_RANK for row in rows),
        fine=sum(row.tone == "good" for row in rows),
        running=sum(row.active is not None for row in rows),
        rows=rows[:_MAX_ROWS],
        total=len(rows),
        alerts=alerts,
        told=sum(alert.silence is None for alert in alerts or ()),
        silences=silenced.silences or (),
        messages=messages,
    )


def _rows(snapshot: Snapshot, incidents: Sequence[Incident], ui_url: str | None) -> Iterator[_Row]:
    workspaces = _by_id(snapshot.workspaces)
    severities: dict[str, str] = {}
    for incident in incidents:
        if severities.get(incident.connection_id) != "critical":
            severities[incident.connection_id] = incident.severity
    for shown in snapshot.connections.values():
        facts = _without_jobs(shown) if snapshot.jobs_stale else shown
        it = facts.connection
        verdict, tone, rank = _judge(facts, severities.get(it.id), snapshot)
        yield _Row(
            facts=facts,
            verdict=verdict,
            tone=tone,
            rank=rank,
            url=it.page(ui_url),
            workspace=workspaces[it.workspace_id].name if it.workspace_id in workspaces else it.workspace_id,
            schedule="" if snapshot.inventory_stale else _schedule(it.schedule),
            cron=_cron(it.schedule),
            next_run_at=None if snapshot.inventory_stale or snapshot.jobs_stale else facts.next_run_at,
            last=facts.last_sync,
            active=facts.active_job,
            live="" if facts.active_job is None else _live_word(facts.active_job),
            failures=None if snapshot.jobs_stale else facts.consecutive_failures,
        )


def _without_jobs(facts: ConnectionFacts) -> ConnectionFacts:
    return replace(
        facts,
        last_sync=None,
        last_success_at=None,
        last_failure_at=None,
        live_jobs=(),
        consecutive_failures=0,
    )


def _judge(facts: ConnectionFacts, severity: str | None, snapshot: Snapshot) -> tuple[str, str, int]:
    """Return in a word how a connection is, its tone, and how far up it belongs."""
    status = facts.connection.status
    if severity is not None:
        return ("critical", "bad", 0) if severity == "critical" else (severity, "warn", 1)
    if status is not ConnectionStatus.ACTIVE and not snapshot.inventory_stale:
        return ("paused" if status is ConnectionStatus.INACTIVE else status.value), "quiet", 8
    if snapshot.jobs_stale:
        return "not known", "quiet", 6
    if facts.consecutive_failures:
        return "failing", "bad", 2
    if facts.active_job is not None:
        return facts.active_job.status.value, "busy", 4
    return _judge_idle(facts.last_sync)


def _judge_idle(last: Job | None) -> tuple[str, str, int]:
    match last:
        case None:
            return "never synced", "quiet", 5
        case Job(status=JobStatus.SUCCEEDED, has_stats=False):
            return "no numbers", "warn", 3
        case Job(status=JobStatus.SUCCEEDED):
            return "fine", "good", 7
        case Job(status=status):
            return status.value, "warn", 3


def _live_word(job: Job) -> str:
    return "between attempts" if job.status is JobStatus.INCOMPLETE else job.status.value


def _order(row: _Row) -> tuple[int, int, str, str]:
    connection = row.facts.connection
    return row.rank, -row.facts.consecutive_failures, connection.name.casefold(), connection.id


def _alerts(
    snapshot: Snapshot | None,
    incidents: Sequence[Incident],
    silenced: Silenced,
    about: About,
    means: Means,
    *,
    messages: bool,
) -> Iterator[_Alert]:
    """Yield the incidents with the worst first, and those that are silenced last."""
    connections = {} if snapshot is None else snapshot.connections
    found = [(silenced.by(it), it) for it in incidents]
    found.sort(
        key=lambda pair: (
            pair[0] is not None,
            pair[1].severity != "critical",
            -pair[1].starts_at,
            pair[1].fingerprint,
        )
    )
    for silence, it in found:
        facts = connections.get(it.connection_id)
        failure = None if it.job is None else it.job.failure
        yield _Alert(
            incident=it,
            about=(it.connection_id or subject(it, about.instance_name))
            if facts is None
            else facts.connection.name,
            url=None if facts is None else facts.connection.page(about.ui_url),
            failure=None if failure is None else f"{failure.origin} / {failure.type}",
            message=failure.message if failure is not None and messages else None,
            hints=_hints(it, facts, about.ui_url, means) if messages else (),
            silence=silence,
        )


def _hints(
    incident: Incident, facts: ConnectionFacts | None, ui_url: str | None, means: Means
) -> Sequence[Hint]:
    """Return what to do that the page says with a command; its links lead to Airbyte's pages already."""
    receiver = receiver_of(incident.group)
    hints = hints_of(incident, facts, receiver=receiver, ui_url=ui_url, means=means)
    return [hint for hint in hints if hint.command is not None]


def _by_id(workspaces: Sequence[Workspace]) -> Mapping[str, Workspace]:
    return {workspace.id: workspace for workspace in workspaces}


def _schedule(schedule: Schedule) -> str:
    match schedule:
        case Schedule(type=ScheduleType.BASIC, units=int(units), time_unit=str(unit)):
            return f"every {unit.removesuffix('s')}" if units == 1 else f"every {units} {unit}"
        case Schedule(type=kind):
            return kind.value


def _cron(schedule: Schedule) -> _Cron | None:
    if schedule.type is not ScheduleType.CRON:
        return None
    return _Cron(schedule.cron_expression, schedule.cron_time_zone)


def _ago(seconds: float, now: float) -> str:
    """Say how long ago an instant was, or how far ahead it is, in one unit."""
    age = now - seconds
    if abs(age) < _JUST_NOW:
        return "just now"
    return f"{_span(age)} ago" if age > 0 else f"in {_span(-age)}"


def _due(seconds: float, now: float) -> str:
    """Say of a run when it is due, or since when."""
    if abs(now - seconds) < _JUST_NOW:
        return "due now"
    return f"{'due' if seconds < now else 'next'} {_ago(seconds, now)}"


def _span(seconds: float) -> str:
    """Write a length of time in one unit, two where the second one still matters."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        hours, minutes = divmod(whole // _MINUTE, _MINUTE)
        return f"{hours} h {minutes} min" if hours < 10 and minutes else f"{hours} h"  # noqa: PLR2004
    return f"{whole // _DAY} d"


def _duration(seconds: int) -> str:
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        minutes, rest = divmod(seconds, _MINUTE)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return _span(seconds)


def _count(number: int) -> str:
    return _scaled(number, ("", " k", " M", " bn", " tn")) if number >= _THOUSAND**2 else f"{number:,}"


def _size(number: int) -> str:
    return _scaled(number, (" B", " kB", " MB", " GB", " TB", " PB"))


def _scaled(number: int, units: tuple[str, ...]) -> str:
    value, unit = float(number), 0
    while value >= _THOUSAND - 0.5 and unit < len(units) - 1:
        value, unit = value / _THOUSAND, unit + 1
    return f"{value:.0f}{units[unit]}" if unit == 0 or value >= 100 else f"{value:.1f}{units[unit]}"  # noqa: PLR2004


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        ago=_ago, count=_count, due=_due, duration=_duration, iso=_iso, size=_size, stamp=_stamp
    )
    return environment


_ENVIRONMENT: Final = _environment()
