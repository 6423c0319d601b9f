"""What a user can set about the page of metrics."""

from fnmatch import fnmatchcase
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from airbyte_exporter.errors import did_you_mean
from airbyte_exporter.exposition._families import FAMILIES
from airbyte_exporter.telemetry import OWN_FAMILIES, STANDARD_FAMILIES

__all__ = ["ALWAYS_EXPOSED", "MetricsConfig"]

ALWAYS_EXPOSED: Final = ("airbyte_up", "airbyte_exporter_connections_left_out")
"""Without these nobody could tell a page that is old or incomplete from one that is neither."""

_NAMES: Final = (
    *(family.info.name for family in FAMILIES),
    *(info.name for info in OWN_FAMILIES),
    *STANDARD_FAMILIES,
)


def _nearest(pattern: str) -> str:
    """Suggest the family that was meant, not repeating the pattern: any value can be a misplaced secret."""
    if f"{pattern}_total" in _NAMES:  # OpenMetrics calls the family so
        return f"; did you mean {pattern}_total?"
    return did_you_mean(pattern.replace("*", ""), _NAMES, cutoff=0.5)


def _matches_something(pattern: str) -> str:
    matched = [name for name in _NAMES if fnmatchcase(name, pattern)]
    if not matched:
        raise ValueError(f"matches no metric family{_nearest(pattern)}")
    if set(matched) <= set(ALWAYS_EXPOSED):
        raise ValueError(f"matches only what is never left out: {', '.join(matched)}")
    return pattern


def _no_switch(value: object) -> object:
    # pydantic takes true for 1, and one connection is not what somebody who writes `true` wants to see.
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic turns only this into a problem
    return value


class MetricsConfig(BaseModel):
    """What is left out of `/metrics`, and what is added to it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    exclude: tuple[Annotated[str, AfterValidator(_matches_something)], ...] = Field(
        default=(),
        description="Families to leave out, by name or glob pattern (`*`, `?`, `[...]`), such as "
        "`airbyte_connection_*_emitted*`; a counter by its name with `_total`. A pattern that matches no "
        f"family is an error. {' and '.join(f'`{name}`' for name in ALWAYS_EXPOSED)} always stay.",
    )
    max_connections: Annotated[int, BeforeValidator(_no_switch), Field(ge=1)] | None = Field(
        default=None,
        description="Show at most this many connections one by one: those seen first. The others are missing "
        "from the families of single connections, and counted in `airbyte_exporter_connections_left_out`. "
        "Families of the whole instance, alerts and the status page know all. Default: no limit.",
    )
    created: bool = Field(
        default=False,
        description="Add when counting began to every counter with facts about Airbyte, as its `_created` "
        "sample.",
    )

    def exposes(self, name: str) -> bool:
        """Whether the family of this name, with a counter's ``_total``, is on the page."""
        return name in ALWAYS_EXPOSED or not any(fnmatchcase(name, pattern) for pattern in self.exclude)
