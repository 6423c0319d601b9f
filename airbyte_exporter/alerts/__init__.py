"""When an alert starts, goes on, changes hands and ends. Pure: no I/O, no clock, always the same answer."""

from airbyte_exporter.alerts._config import AlertsConfig, Override, RulesConfig
from airbyte_exporter.alerts._hints import Hint, Means, hints_of
from airbyte_exporter.alerts._instance import (
    Shared,
    beginning,
    decide_instance,
    highest,
    shared_group,
    shared_reasons,
)
from airbyte_exporter.alerts._lifecycle import AlertContext, decide, next_look
from airbyte_exporter.alerts._matching import ConnectionMatch
from airbyte_exporter.alerts._memory import Memory, failures_that_begin, waits_that_begin
from airbyte_exporter.alerts._message import MessageContext, Words, body, in_words, runbook_url
from airbyte_exporter.alerts._needs import RULE_NEEDS, RULE_WANTS
from airbyte_exporter.alerts._routing import Match, Route, Routing
from airbyte_exporter.alerts._rulebook import RuleBook
from airbyte_exporter.alerts._rules import Rule, RuleGroup, Situation, groups_of
from airbyte_exporter.alerts._silences import Silences, matchers_of
from airbyte_exporter.alerts._telling import fingerprint
from airbyte_exporter.alerts._texts import Affected, receiver_group, receiver_of, subject
from airbyte_exporter.alerts._trial import TRIAL_RULE, trial

__all__ = [
    "RULE_NEEDS",
    "RULE_WANTS",
    "TRIAL_RULE",
    "Affected",
    "AlertContext",
    "AlertsConfig",
    "ConnectionMatch",
    "Hint",
    "Match",
    "Means",
    "Memory",
    "MessageContext",
    "Override",
    "Route",
    "Routing",
    "Rule",
    "RuleBook",
    "RuleGroup",
    "RulesConfig",
    "Shared",
    "Silences",
    "Situation",
    "Words",
    "beginning",
    "body",
    "decide",
    "decide_instance",
    "failures_that_begin",
    "fingerprint",
    "groups_of",
    "highest",
    "hints_of",
    "in_words",
    "matchers_of",
    "next_look",
    "receiver_group",
    "receiver_of",
    "runbook_url",
    "shared_group",
    "shared_reasons",
    "subject",
    "trial",
    "waits_that_begin",
]
