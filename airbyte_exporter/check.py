"""Whether `run` could do its job: step by step what works, what was seen, and what to do.

Nothing is changed: no state is made or migrated, Airbyte is only read, receivers are told nothing. A daemon
that runs on the same state and address meanwhile is no trouble and has none.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from airbyte_exporter.airbyte import (
    AirbyteConfig,
    ApiError,
    Capabilities,
    Greeting,
    Polling,
    Reason,
    expires_at,
    find_airbyte,
    greet,
)
from airbyte_exporter.alerts import RULE_NEEDS, RULE_WANTS
from airbyte_exporter.durations import format_duration
from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.model import Fact, Instance, Inventory, Job
from airbyte_exporter.notify import DeliveryError, Endpoint, WebhookConfig, reach
from airbyte_exporter.settings import Settings, describe
from airbyte_exporter.store import (
    Identity,
    StateLook,
    StoreConfig,
    StoreError,
    inspect_store,
)
from airbyte_exporter.web import (
    AddressTaken,
    WebConfig,
    WebError,
    WebFile,
    check_address,
    load_web_config,
)

__all__ = ["Airbyte", "Outcome", "Step", "Surroundings", "check"]

_NAMES_SHOWN: Final = 5
_SWEEP_SECONDS: Final = 600.0
_WORKSPACES_PER_REQUEST: Final = 50
_AFTER_ADDRESS: Final = ("credentials", "permission", "workspaces", "connections", "jobs", "polling", "rules")
_TOKEN_METHODS: Final = ("applications/token", "public/applications/token")
_ELSEWHERE: Final[frozenset[Reason]] = frozenset(
    {"connect", "timeout", "tls", "not_found", "not_airbyte", "malformed", "rejected"}
)
"""Where Airbyte may be somewhere near the address that is set."""

_STEPS_OF_METHODS: Final[Mapping[str, str]] = {
    "workspaces": "workspaces",
    "web_backend": "connections",
    "connections": "connections",
    "sources": "connections",
    "destinations": "connections",
    "source_definitions": "connections",
    "destination_definitions": "connections",
    "jobs": "jobs",
}
"""What could not be read, by the first part of a method's name."""

_ACCEPTED: Final[Mapping[str, str]] = {
    "none": "none are set, and none are wanted",
    "basic": "airbyte.username and airbyte.password are accepted",
    "bearer": "airbyte.token is accepted",
    "client-credentials": "airbyte.client_id and airbyte.client_secret are accepted",
}
_USE_CLIENT: Final = (
    "Airbyte's tokens live for minutes: set airbyte.client_id and airbyte.client_secret instead of it"
)
_ASIDE: Final = re.compile(r"((?:[^;(]|\([^()]*\)|;(?! ))+); (.+)", re.DOTALL)
"""What was seen, and after the first semicolon that is not in brackets what to do."""


class Outcome(StrEnum):
    """How a step went; with a failed one `run` could not do its job."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was checked: what was seen, and what to do about it. No secret is in either."""

    name: str
    outcome: Outcome
    seen: str
    advice: str | None = None


class Airbyte(Protocol):
    """What is asked of a client of Airbyte."""

    def capabilities(self) -> Capabilities:
        """Find out what this Airbyte can do and what it allows us."""

    def inventory(self) -> Inventory:
        """List everything that exists."""

    def newest_job(self) -> Job | None:
        """Return the newest job, as far as a small request or a few can tell."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is looked at beside Airbyte's API; a test puts something else in its place."""

    greet: Callable[[AirbyteConfig], Greeting | None] = greet
    find_airbyte: Callable[[AirbyteConfig], str | None] = find_airbyte
    inspect_store: Callable[[StoreConfig], StateLook] = inspect_store
    check_address: Callable[[WebConfig], None] = check_address
    load_web_config: Callable[[Path], WebFile] = load_web_config
    reach: Callable[[Endpoint], str] = reach


def check(
    settings: Settings, airbyte: Airbyte, *, now: float, around: Surroundings | None = None
) -> Iterator[Step]:
    """Check everything that `run` needs, one step after the other; each comes as soon as it is known.

    Args:
        settings: What is configured.
        airbyte: A client made for it.
        now: Our own time, epoch seconds.
        around: What else there is.
    """
    around = around or Surroundings()
    yield _configuration(settings)
    found: Capabilities | None = None
    try:
        found = airbyte.capabilities()
    except ApiError as error:
        yield from _no_access(settings.airbyte, error, now, around)
    else:
        yield _address(settings.airbyte, Greeting(found.version, found.edition), api=found.api)
        permission = list(_permission(found))
        is_limited = any(each.outcome is not Outcome.OK for each in permission)
        yield _credentials(settings.airbyte, now, is_limited=is_limited)
        yield from permission
        yield from _contents(settings, airbyte, found, now)
        yield from _rules(settings, found.instance)
    state, is_running = _state(settings, found, around)
    yield state
    yield _web(settings, around, is_running=is_running)
    yield from _receivers(settings, around)


def _configuration(settings: Settings) -> Step:
    names = [each.option.name for each in describe(settings) if each.origin != "default"]
    if not names:
        return Step("configuration", Outcome.OK, "nothing is set, so everything is as by default")
    return Step("configuration", Outcome.OK, f"{_many(len(names), 'option')} set: {', '.join(names)}")


# Airbyte cannot be read


def _no_access(config: AirbyteConfig, error: ApiError, now: float, around: Surroundings) -> Iterator[Step]:
    """Say which step failed, what worked before it, and that the rest was not tried."""
    greeting = None if error.reason == "dns" else around.greet(config)
    failed = _failed_step(error, greeting)
    if failed == "address":
        yield _wrong_address(config, error, around)
        yield from _skipped(_AFTER_ADDRESS, "the address comes first")
        return
    yield _address(config, greeting or Greeting(is_guarded=True))
    at = _AFTER_ADDRESS.index(failed)
    if failed == "permission":
        yield _credentials(config, now, is_limited=True)
    else:
        yield from _skipped(_AFTER_ADDRESS[:at], f"they show once the {failed} can be read")
    yield _failure(failed, error, keep_method=failed != "credentials")
    yield from _skipped(
        _AFTER_ADDRESS[at + 1 :], f"{failed} come{'s' if failed == 'permission' else ''} first"
    )


def _failed_step(error: ApiError, greeting: Greeting | None) -> str:
    if error.reason == "unauthorized":
        return "credentials"
    if error.reason == "forbidden":
        return "permission"
    if greeting is None or greeting.is_guarded:
        return "address"
    if error.method in _TOKEN_METHODS:
        return "credentials"
    kind = error.method.removeprefix("public/").partition("/")[0]
    return _STEPS_OF_METHODS.get(kind, "workspaces")


def _wrong_address(config: AirbyteConfig, error: ApiError, around: Surroundings) -> Step:
    step = _failure("address", error)
    advice = step.advice
    if error.reason in _ELSEWHERE and (elsewhere := around.find_airbyte(config)) is not None:
        advice = f"Airbyte answers at {elsewhere}: set airbyte.url to that"
    return replace(step, seen=f"{config.address}: {step.seen}", advice=advice)


def _failure(name: str, error: Exception, *, keep_method: bool = False) -> Step:
    """Take an error's line apart: what was seen, and what to do."""
    text = str(error)
    if isinstance(error, ApiError) and not keep_method:
        text = text.removeprefix(f"{error.method}: ")
    seen, advice = found.groups() if (found := _ASIDE.fullmatch(text)) else (text, None)
    return Step(name, Outcome.FAILED, seen, advice)


def _skipped(names: Sequence[str], why: str) -> Iterator[Step]:
    for name in names:
        yield Step(name, Outcome.SKIPPED, f"not checked: {why}")


# Airbyte can be read


def _address(config: AirbyteConfig, greeting: Greeting, *, api: str | None = None) -> Step:
    edition = f", {greeting.edition}" if greeting.edition else ""
    if greeting.version is not None:
        seen = f"Airbyte {greeting.version}{edition}"
    elif greeting.is_guarded:
        seen = "it answers, but tells nothing without the right credentials"
    else:
        seen = f"Airbyte{edition}; it does not tell its version"
    if api == "reference":
        seen = f"{seen} (the short reference API)"
    if api == "public":
        seen = f"{seen} (the public API, which tells less of jobs than the Config API)"
    seen = f"{config.public_url if api == 'public' else config.address}: {seen}"
    if config.insecure_skip_verify and config.url.startswith("https:"):
        advice = (
            "set airbyte.ca_file to the authority that signed its certificate, and insecure_skip_verify off"
        )
        return Step(
            "address", Outcome.WARNING, f"{seen}; whoever sits in between can read everything", advice
        )
    return Step("address", Outcome.OK, seen)


def _credentials(config: AirbyteConfig, now: float, *, is_limited: bool) -> Step:
    """Say that Airbyte takes them; where something `is_limited`, none may be too few after all."""
    expiry = expires_at(config)
    if expiry is not None and expiry > now:
        seen = f"airbyte.token is accepted, until it expires at {_instant(expiry)}, in {_span(expiry - now)}"
        return Step("credentials", Outcome.WARNING, seen, _USE_CLIENT)
    if config.auth == "none" and is_limited:
        return Step("credentials", Outcome.OK, "none are set")
    return Step("credentials", Outcome.OK, _ACCEPTED.get(config.auth, "accepted"))


def _permission(found: Capabilities) -> Iterator[Step]:
    losses: dict[str, list[str]] = {}
    for loss in found.losses:
        # That an old or short API has no listing of all jobs is nobody's missing permission, and what the
        # public API does not tell neither.
        is_missing = found.polling is Polling.CONNECTIONS and loss.method == "jobs/list"
        if not is_missing and not loss.method.startswith("public/"):
            losses.setdefault(loss.method, []).append(loss.means)
    if not losses:
        yield Step("permission", Outcome.OK, "everything that is watched may be read")
    for method, means in losses.items():
        more = f" (and {len(means) - 1} more like this)" if len(means) > 1 else ""
        if found.api == "public":
            advice = (
                "use an application of a user who may use the Config API, and let airbyte.url lead to "
                "Airbyte itself; or set airbyte.api to public"
            )
        elif method.startswith("jobs/"):
            advice = "fewer requests are needed with an application of an instance administrator"
        else:
            advice = "give its user a role there, or name the workspaces to watch in airbyte.workspace_ids"
        yield Step("permission", Outcome.WARNING, f"{method}: {means[0]}{more}", advice)


def _contents(settings: Settings, airbyte: Airbyte, found: Capabilities, now: float) -> Iterator[Step]:
    """Say what is there: workspaces, connections, jobs, and what a poll of them costs."""
    yield _workspaces(found)
    try:
        inventory = airbyte.inventory()
    except ApiError as error:
        yield _failure("connections", error, keep_method=True)
        yield from _skipped(("jobs", "polling"), "connections come first")
        return
    yield _connections(inventory)
    yield _newest_job(airbyte, max(now, inventory.read_at))
    yield Step("polling", Outcome.OK, _polling(settings, found, inventory))


def _workspaces(found: Capabilities) -> Step:
    total = len(found.workspaces) + len(found.unreadable)
    if not total:
        if found.auth == "none":
            advice = (
                "is this Airbyte set up yet? If it is, set the credentials of a user who is a member of one"
            )
        else:
            advice = "is the user whose credentials these are a member of any?"
        return Step("workspaces", Outcome.WARNING, "none is to be seen", advice)
    many = f"{len(found.workspaces)} of {total}" if found.unreadable else f"{total}"
    return Step("workspaces", Outcome.OK, f"{many}: {_some([each.name for each in found.workspaces])}")


def _connections(inventory: Inventory) -> Step:
    if not inventory.connections:
        return Step("connections", Outcome.OK, "none yet; they are watched as soon as there are some")
    statuses = Counter(each.status.value for each in inventory.connections)
    told = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
    return Step("connections", Outcome.OK, f"{len(inventory.connections)}: {told}")


def _newest_job(airbyte: Airbyte, now: float) -> Step:
    try:
        job = airbyte.newest_job()
    except ApiError as error:
        return _failure("jobs", error, keep_method=True)
    if job is None:
        return Step("jobs", Outcome.OK, "no recent job is to be seen")
    if job.ended_at is not None:
        when = f"{job.status.value} {_span(now - job.ended_at)} ago"
    else:
        when = f"{job.status.value}, created {_span(now - job.created_at)} ago"
    return Step("jobs", Outcome.OK, f"the newest is {job.type.value} {job.id}: {when}")


def _polling(settings: Settings, found: Capabilities, inventory: Inventory) -> str:
    interval = settings.poll.jobs_interval
    every = f"every {format_duration(interval)}"
    match found.polling:
        case Polling.CHANGES if found.api == "public":
            return f"{every} 2 requests for what changed, and 4 to 8 more while jobs run"
        case Polling.CHANGES:
            return f"{every} 1 request for what changed, and 1 more while jobs run"
        case Polling.WORKSPACES:
            requests = max(1, math.ceil(len(found.workspaces) / _WORKSPACES_PER_REQUEST))
            return f"{every} {_many(requests, 'request')} for all workspaces, and as many more while jobs run"
        case Polling.CONNECTIONS:
            count = len(inventory.connections)
            if not count:
                return f"{every} 1 request, for the list of workspaces, while there are no connections"
            requests = min(count, math.ceil(count * interval / _SWEEP_SECONDS))
            return (
                f"{every} about {_many(requests, 'request')}, connection by connection, and 1 for each that "
                "is due or at work"
            )


_WITHOUT: Final[Mapping[Fact, tuple[str, str]]] = {
    Fact.CRON: ("looks at basic schedules only", "others"),
    Fact.DISABLINGS: ("is off, but for locked connections", "who disables one"),
    Fact.SCHEMA_CHANGES: ("is off", "changes of a source's schema"),
}
"""What becomes of a rule where a fact is not told, and what that fact is."""


def _rules(settings: Settings, instance: Instance) -> Iterator[Step]:
    """Say which alert rules that are switched on cannot do their work, or not all of it."""
    facts, rules = {**RULE_WANTS, **RULE_NEEDS}, settings.alerts.rules
    enabled = [name for name in type(rules).model_fields if getattr(rules, name).enabled]
    lacking = [name for name in enabled if name in facts and not instance.tells(facts[name])]
    for name in lacking:
        outcome, untold = _WITHOUT[facts[name]]
        yield Step("rules", Outcome.WARNING, f"{name} {outcome}: this Airbyte's API does not tell {untold}")
    if not lacking:
        yield Step("rules", Outcome.OK, "this Airbyte tells all that they need")


# What is here


def _state(settings: Settings, found: Capabilities | None, around: Surroundings) -> tuple[Step, bool]:
    """Look at the state; return whether an exporter is running on it, too."""
    try:
        look = around.inspect_store(settings.state)
    except StoreError as error:
        return _state_failure(error), False
    in_use = look.used_by is not None
    if look.is_new and not in_use:
        return Step("state", Outcome.OK, f"{look.path} is created at the start"), False
    seen = str(look.path)
    if in_use:
        seen = f"{seen}, in use by {look.used_by}, a running exporter"
    if look.needs_migration:
        seen = f"{seen}, brought up to date at the next start"
    here = settings.airbyte.url
    if look.identity is None:
        return Step("state", Outcome.OK, seen), in_use
    if found is not None and not look.identity.is_same_as(Identity(here, found.deployment_id)):
        advice = "name another file in state.url, or take this one over with run --adopt-state"
        seen = f"{seen}, belongs to another Airbyte: {look.identity}"
        return Step("state", Outcome.FAILED, seen, advice), in_use
    if look.identity.url != here:
        same = "the same as" if found is not None else "perhaps not"
        seen = f"{seen}, made for {look.identity.url}, {same} this Airbyte"
    return Step("state", Outcome.OK, seen), in_use


def _state_failure(error: StoreError) -> Step:
    # The errors of the state give their advice after the last colon.
    seen, _, advice = str(error).rpartition(": ")
    return Step("state", Outcome.FAILED, seen or str(error), advice or None)


def _web(settings: Settings, around: Surroundings, *, is_running: bool) -> Step:
    address = settings.web.listen_address
    try:
        how = _how_served(settings.web, around)
        around.check_address(settings.web)
    except ConfigurationError as error:
        first, *others = str(error).splitlines()
        more = f" (and {_many(len(others), 'more problem')})" if others else ""
        advice = "correct the file that web.config_file names, or those that it names"
        return Step("web", Outcome.FAILED, f"{first}{more}", advice)
    except AddressTaken as error:
        if is_running:
            seen = f"{address}: something listens there already, the running exporter it seems"
            return Step("web", Outcome.OK, seen)
        return _failure("web", error)
    except WebError as error:
        return _failure("web", error)
    return Step("web", Outcome.OK, f"{address} is free{how}")


def _how_served(config: WebConfig, around: Surroundings) -> str:
    """Say what the web configuration file makes of it.

    Raises:
        ConfigurationError: It cannot be used.
    """
    if config.config_file is None:
        return ""
    file = around.load_web_config(Path(config.config_file))
    over = "over TLS" if file.tls is not None else "without TLS"
    whom = f"for {_many(len(file.users), 'user')}" if file.users else "for everybody"
    return f"; {over}, {whom}"


def _receivers(settings: Settings, around: Surroundings) -> Iterator[Step]:
    alerts = settings.alerts
    if not alerts.all_receivers:
        yield Step("receivers", Outcome.OK, "none: alerts are only listed (alerts.webhook_url sends them)")
    for name, config in alerts.all_receivers.items():
        is_shortcut = alerts.webhook_url is not None and config == alerts.webhook
        option = "alerts.webhook_{}" if is_shortcut else f"alerts.receivers.{name}.{{}}"
        where, more = "urls", ""
        if isinstance(config, WebhookConfig):
            where = "url"
            more = "; signed" if config.secret is not None else f"; not signed ({option.format('secret')})"
        for endpoint in config.endpoints:
            yield _receiver(name, endpoint, around, option=option.format(where), more=more)


def _receiver(name: str, endpoint: Endpoint, around: Surroundings, *, option: str, more: str) -> Step:
    try:
        host = around.reach(endpoint)
    except DeliveryError as error:
        advice = f"correct {option}, or let this machine reach it"
        return Step("receivers", Outcome.FAILED, f"{name}: {error}", advice)
    seen = f"{name}: {host} takes connections; nothing was sent{more}"
    return Step("receivers", Outcome.OK, seen)


# Words


def _many(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _span(seconds: float) -> str:
    whole = max(0, round(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"
