"""Which facts rules need that not every Airbyte tells."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from airbyte_exporter.model import Fact

__all__ = ["RULE_NEEDS", "RULE_WANTS"]

RULE_NEEDS: Final[Mapping[str, Fact]] = MappingProxyType(
    {
        "BreakingSchemaChange": Fact.SCHEMA_CHANGES,
        "ConnectionDisabled": Fact.DISABLINGS,
    }
)
"""What each rule cannot do without: where it is not told, the rule never speaks.

`ConnectionDisabled` would page whoever pauses a connection.
"""

RULE_WANTS: Final[Mapping[str, Fact]] = MappingProxyType(
    {
        "NeverSucceeded": Fact.CRON,
        "SyncOverdue": Fact.CRON,
    }
)
"""What else rules look at: where it is not told, they speak of connections with basic schedules only."""
