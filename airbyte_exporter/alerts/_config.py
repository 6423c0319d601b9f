"""What a user can set about alerts."""

from pydantic import BaseModel, ConfigDict, Field

from airbyte_exporter.durations import PositiveDuration

__all__ = ["AlertsConfig"]


class AlertsConfig(BaseModel):
    """How often alerts are judged, and what is told of the time before the exporter watched."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    interval: PositiveDuration = Field(
        default=15.0,
        description="Time between two evaluations of the alert rules; they are also judged after every poll.",
    )
    notify_existing: bool = Field(
        default=False,
        description="Send what was already wrong at the first start. By default it is only listed.",
    )
