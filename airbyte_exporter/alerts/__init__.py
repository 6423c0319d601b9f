"""When an alert starts, goes on, changes hands and ends. Pure: no I/O, no clock, always the same answer."""

from airbyte_exporter.alerts._config import AlertsConfig
from airbyte_exporter.alerts._lifecycle import AlertContext, decide
from airbyte_exporter.alerts._rules import SYNC_HEALTH, Rule, RuleGroup, Situation

__all__ = [
    "SYNC_HEALTH",
    "AlertContext",
    "AlertsConfig",
    "Rule",
    "RuleGroup",
    "Situation",
    "decide",
]
