"""What a user can set about polling."""

from pydantic import BaseModel, ConfigDict, Field

from airbyte_exporter.durations import PositiveDuration

__all__ = ["PollConfig"]


class PollConfig(BaseModel):
    """How often Airbyte is read, and for how long facts stay when it cannot be."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    jobs_interval: PositiveDuration = Field(30.0, description="Time between two polls of jobs.")
    inventory_interval: PositiveDuration = Field(
        300.0, description="Time between two polls of workspaces and connections."
    )
    lookback: PositiveDuration = Field(
        7 * 86400.0,
        description="Job history read in the background after the first start, newest first.",
    )
    jobs_max_staleness: PositiveDuration = Field(
        600.0,
        description="Without a good poll of jobs for this long, facts about jobs leave `/metrics`; "
        "at least three intervals and a timeout.",
    )
    inventory_max_staleness: PositiveDuration = Field(
        1800.0,
        description="Without a good poll of the inventory for this long, facts about connections leave "
        "`/metrics`; at least three intervals and a timeout.",
    )
