"""What a user can set about alerts."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from airbyte_exporter.alerts._matching import ConnectionMatch
from airbyte_exporter.durations import Duration, PositiveDuration, parse_duration

__all__ = [
    "INSTANCE_RULES",
    "AlertsConfig",
    "Override",
    "RuleConfig",
    "RulesConfig",
    "Severity",
    "overridden",
    "rule_name",
]

LEAST_REPEAT_SECONDS: Final = 60

INSTANCE_RULES: Final = frozenset({"AirbyteUnreachable", "NotificationsFailing"})
"""The rules that are about no connection, and go by the exporter's own clock."""

Severity = Literal["critical", "warning"]


def _a_minute_or_more(seconds: float) -> float:
    if seconds < LEAST_REPEAT_SECONDS:
        raise ValueError("must be a minute or more")
    return seconds


RepeatInterval = Annotated[
    float, BeforeValidator(parse_duration), AfterValidator(_a_minute_or_more), Field(allow_inf_nan=False)
]
"""Seconds, a minute or more: below that an incident would be nothing but repeats."""


class RuleConfig(BaseModel):
    """What can be set about every rule. A rule says in a class of its own how severe it is by default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True, validate_by_alias=True
    )

    enabled: bool = Field(default=True, description="Whether the rule is judged.")
    severity: Severity = Field(description="How bad it is: `critical` or `warning`.")
    for_: Duration = Field(
        default=0.0,
        alias="for",
        description="How long it must go on, in Airbyte's time, before it is told. What ends earlier is not.",
    )
    repeat: RepeatInterval | None = Field(
        default=None,
        description="Time after which it is told again while it goes on, at least a minute. "
        "Default: 4 hours if critical, else 24.",
    )


class _Warning(RuleConfig):
    severity: Severity = Field(default="warning", description="How bad it is: `critical` or `warning`.")


class _Critical(RuleConfig):
    severity: Severity = Field(default="critical", description="How bad it is: `critical` or `warning`.")


class AutoDisableSoonConfig(_Critical):
    """The rule `AutoDisableSoon`. Airbyte 1.6 and later switch off after 30 failures and 7 days."""

    failures: int = Field(default=20, ge=1, description="So many failed syncs in a row, at least.")
    without_success: PositiveDuration = Field(default=4 * 86400.0, description="And no success for so long.")


class SyncFailingConfig(_Critical):
    """The rule `SyncFailing`."""

    consecutive: int = Field(default=3, ge=2, description="So many failed syncs in a row.")


class SyncFailedConfig(_Warning):
    """The rule `SyncFailed`."""

    together: int = Field(
        default=20,
        ge=1,
        description="When more connections than this begin to fail at once for the same reason of Airbyte's "
        "own platform, that is one incident and not many.",
    )


class NeverSucceededConfig(_Warning):
    """The rule `NeverSucceeded`."""

    after: PositiveDuration = Field(
        default=86400.0, description="How old the connection must be, or known to the exporter."
    )


class SyncOverdueConfig(_Warning):
    """The rule `SyncOverdue`."""

    grace: Duration = Field(default=1800.0, description="How late a run may be.")
    max_age: PositiveDuration | None = Field(
        default=None,
        description="How old the newest success may be, whatever the schedule says. Default: two due times "
        "and as long as the last sync took.",
    )


class JobStuckPendingConfig(_Warning):
    """The rule `JobStuckPending`."""

    after: PositiveDuration = Field(default=1800.0, description="How long a job may wait to be started.")
    many: int = Field(
        default=5,
        ge=1,
        description="When more connections than this wait for so long, that is one incident and not many.",
    )


class AirbyteUnreachableConfig(_Critical):
    """The rule `AirbyteUnreachable`."""

    repeat: RepeatInterval | None = Field(
        default=None,
        description="Time after which it is told again while it goes on, at least a minute. "
        "Default: never, an outage is one alert however long it takes.",
    )


class NotificationsFailingConfig(_Critical):
    """The rule `NotificationsFailing`."""

    after: PositiveDuration = Field(
        default=900.0, description="For how long a receiver takes no notification, by the exporter's clock."
    )


class RulesConfig(BaseModel):
    """Every rule, by its name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    AutoDisableSoon: AutoDisableSoonConfig = Field(
        default_factory=AutoDisableSoonConfig,
        description="A connection fails so often and for so long that Airbyte will switch it off soon.",
    )
    SyncFailing: SyncFailingConfig = Field(
        default_factory=SyncFailingConfig, description="Several syncs in a row have failed."
    )
    SyncFailed: SyncFailedConfig = Field(
        default_factory=SyncFailedConfig,
        description="The newest sync that succeeded or failed has failed; a cancelled one changes nothing.",
    )
    NeverSucceeded: NeverSucceededConfig = Field(
        default_factory=NeverSucceededConfig,
        description="A scheduled connection has run or should have, and never succeeded.",
    )
    SyncOverdue: SyncOverdueConfig = Field(
        default_factory=SyncOverdueConfig,
        description="No sync runs although one is due, or the newest success is too old.",
    )
    BreakingSchemaChange: _Critical = Field(
        default_factory=_Critical,
        description="Airbyte found a change of the source's schema that breaks the connection.",
    )
    ConnectionDisabled: _Critical = Field(
        default_factory=_Critical,
        description="Airbyte switched a connection off, or locked it, while it was watched.",
    )
    JobStuckPending: JobStuckPendingConfig = Field(
        default_factory=JobStuckPendingConfig, description="A job waits too long to be started."
    )
    AirbyteUnreachable: AirbyteUnreachableConfig = Field(
        default_factory=AirbyteUnreachableConfig,
        description="No poll of jobs has worked for `poll.jobs_max_staleness`, by the exporter's clock.",
    )
    NotificationsFailing: NotificationsFailingConfig = Field(
        default_factory=NotificationsFailingConfig,
        description="A receiver takes no notifications; the others are told.",
    )


def rule_name(name: str) -> str:
    """Return a rule's own name for one in any case.

    Raises:
        ValueError: There is no such rule.
    """
    names = {known.lower(): known for known in RulesConfig.model_fields}
    if name.strip().lower() in names:
        return names[name.strip().lower()]
    close = difflib.get_close_matches(name.lower(), names, n=1)
    raise ValueError("there is no such rule" + (f"; did you mean {names[close[0]]}?" if close else ""))


class Override(BaseModel):
    """Other settings of rules for some connections."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    match: ConnectionMatch = Field(description="The connections that it is for.")
    rules: Mapping[str, Mapping[str, Any]] = Field(
        description="Keys of `alerts.rules.<Rule>` by the rule, such as `{SyncOverdue: {max_age: 2h}}`."
    )

    @field_validator("rules", mode="after")
    @classmethod
    def _are_keys_of_rules(cls, rules: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        named = {rule_name(name): dict(keys) for name, keys in rules.items()}
        for name, keys in named.items():
            if name in INSTANCE_RULES:
                raise ValueError(f"{name} is not about connections")
            try:
                _merged(RulesConfig(), name, keys)
            except ValidationError as error:
                found = error.errors(include_input=False, include_url=False, include_context=False)[0]
                key = ".".join(str(part) for part in found["loc"])
                raise ValueError(f"{name}.{key}: {found['msg'].removeprefix('Value error, ')}") from None
        return named


class AlertsConfig(BaseModel):
    """How often alerts are judged, and what is told of the time before the exporter watched."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    interval: PositiveDuration = Field(
        default=15.0,
        description="Time between two evaluations of the alert rules; they are also judged after every poll.",
    )
    notify_existing: bool = Field(
        default=False,
        description="Send what was already wrong at the first start. By default it is listed, and sent only "
        "once a higher rule takes over.",
    )
    overrides: tuple[Override, ...] = Field(
        default=(),
        description="Other settings of rules for some connections; the first that fits counts, key by key. "
        "Not in the environment, only in the file.",
    )


def overridden(rules: RulesConfig, overrides: Sequence[Override]) -> RulesConfig:
    """Return `rules` with what `overrides` say; where several say something, the first of them counts."""
    for override in reversed(overrides):
        changes = {name: _merged(rules, name, keys) for name, keys in override.rules.items()}
        rules = rules.model_copy(update=changes)
    return rules


def _merged(rules: RulesConfig, name: str, keys: Mapping[str, Any]) -> RuleConfig:
    before: RuleConfig = getattr(rules, name)
    return type(before).model_validate({**before.model_dump(by_alias=True), **keys})
