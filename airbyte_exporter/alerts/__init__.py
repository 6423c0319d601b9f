"""When an alert starts, goes on, changes hands and ends. Pure: no I/O, no clock, always the same answer."""

from airbyte_exporter.alerts._config import AlertsConfig, RulesConfig
from airbyte_exporter.alerts._lifecycle import AlertContext, decide
from airbyte_exporter.alerts._matching import ConnectionMatch
from airbyte_exporter.alerts._needs import RULE_NEEDS, RULE_WANTS
from airbyte_exporter.alerts._routing import Match, Route, Routing
from airbyte_exporter.alerts._rules import SYNC_HEALTH, Rule, RuleGroup, Situation, sync_health
from airbyte_exporter.alerts._silences import Silences, matchers_of
from airbyte_exporter.alerts._trial import TRIAL_RULE, trial

__all__ = [
    "RULE_NEEDS",
    "RULE_WANTS",
    "SYNC_HEALTH",
    "TRIAL_RULE",
    "AlertContext",
    "AlertsConfig",
    "ConnectionMatch",
    "Match",
    "Route",
    "Routing",
    "Rule",
    "RuleGroup",
    "RulesConfig",
    "Silences",
    "Situation",
    "decide",
    "matchers_of",
    "sync_health",
    "trial",
]
