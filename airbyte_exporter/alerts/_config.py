"""What a user can set about alerts."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from airbyte_exporter.durations import Duration, PositiveDuration, parse_duration

__all__ = ["AlertsConfig", "RuleConfig", "RulesConfig", "Severity", "SyncFailedConfig"]

LEAST_REPEAT_SECONDS: Final = 60

Severity = Literal["critical", "warning"]


def _a_minute_or_more(seconds: float) -> float:
    if seconds < LEAST_REPEAT_SECONDS:
        raise ValueError("must be a minute or more")
    return seconds


RepeatInterval = Annotated[
    float, BeforeValidator(parse_duration), AfterValidator(_a_minute_or_more), Field(allow_inf_nan=False)
]
"""Seconds, a minute or more: below that an incident would be nothing but repeats."""


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
        "once another sync fails in it.",
    )


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


class SyncFailedConfig(RuleConfig):
    """The rule `SyncFailed`."""

    severity: Severity = Field(default="warning", description="How bad it is: `critical` or `warning`.")


class RulesConfig(BaseModel):
    """Every rule, by its name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    SyncFailed: SyncFailedConfig = Field(
        default_factory=SyncFailedConfig,
        description="The newest sync that succeeded or failed has failed; a cancelled one changes nothing.",
    )
