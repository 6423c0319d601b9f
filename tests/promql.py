"""Queries as tests see them: what they select, and what in them does not exist."""

import re
from collections.abc import Iterator

import promql_parser
import yaml

from airbyte_exporter.airbyte._domain import FAILURE_ORIGINS, FAILURE_TYPES
from airbyte_exporter.exposition import FAMILIES
from airbyte_exporter.model import (
    AttemptStatus,
    ConnectionStatus,
    JobStatus,
    JobType,
    ScheduleType,
    SchemaChange,
)
from airbyte_exporter.telemetry import LOOPS, OUTCOMES, OWN_FAMILIES
from tests.requirements import ROOT

TARGET_LABELS = frozenset({"job", "instance"})
CHOOSING = re.compile(r"(topk|bottomk|limitk)\b")
"""Aggregations that leave series as they are."""

VALUES: dict[str, set[str]] = {
    "change": set(SchemaChange),
    "failure_origin": set(FAILURE_ORIGINS),
    "failure_type": {*FAILURE_TYPES, "unknown"},
    "job_type": set(JobType),
    "loop": set(LOOPS),
    "outcome": set(OUTCOMES),
    "schedule_type": set(ScheduleType),
    "status": {*ConnectionStatus, *JobStatus, *AttemptStatus},
}
"""Labels whose values are a closed set."""


def known_families() -> dict[str, set[str]]:
    """Every series name with facts of our own that the exporter can show, with its labels."""
    known: dict[str, set[str]] = {}
    for info in (*(family.info for family in FAMILIES), *OWN_FAMILIES):
        if info.type == "histogram":
            known[f"{info.name}_bucket"] = {*info.labels, "le"}
            known[f"{info.name}_sum"] = known[f"{info.name}_count"] = set(info.labels)
        else:
            known[info.name] = set(info.labels)
    return known


NAMED = frozenset({
    "connection_id", "connection_name", "workspace_name", "source_connector", "destination_connector"
})  # fmt: skip
"""Labels of alerts about connections."""


def prometheus_series() -> dict[str, set[str]]:
    """Every series that our rules make in Prometheus or that it has of each target, with its labels."""
    about = {
        "airbyte_connection_info": {*NAMED, "workspace_id", "schedule_type"},
        "airbyte_connections": {"workspace_id", "workspace_name"},
        "ALERTS": {*NAMED, "alertname", "alertstate", "severity", "receiver", "loop"},
        "airbyte_connection_consecutive_failures": {"connection_id"},
        "airbyte_up": set(),
    }
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "airbyte-rules.yaml").read_text("utf-8"))
    recorded = [rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule]
    return {
        **{name: about[name.split(":")[1]] for name in recorded},
        "ALERTS": about["ALERTS"],
        "process_start_time_seconds": set(),
        "up": set(),
    }


def selectors(expression: object) -> Iterator[promql_parser.VectorSelector]:
    """Every selector of a parsed query.

    Raises:
        TypeError: It has a kind of expression that this does not know.
    """
    match expression:
        case promql_parser.VectorSelector():
            yield expression
        case promql_parser.MatrixSelector():
            yield from selectors(expression.vector_selector)
        case promql_parser.BinaryExpr():
            yield from selectors(expression.lhs)
            yield from selectors(expression.rhs)
        case promql_parser.Call():
            for argument in expression.args:
                yield from selectors(argument)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            yield from selectors(expression.expr)
        case _:
            raise TypeError(f"a kind of expression that this does not know: {expression}")


def mistakes(query: str) -> list[str]:
    """Say what in `query` does not exist: families, labels and values where they are asked for.

    Raises:
        ValueError: It is not PromQL.
    """
    found: list[str] = []
    _labels(promql_parser.parse(query), found)
    return found


def _labels(expression: object, found: list[str]) -> set[str]:
    """Return the labels that the result can have, a scalar's are none; write mistakes to `found`."""
    match expression:
        case promql_parser.VectorSelector() | promql_parser.MatrixSelector():
            return _selected(next(selectors(expression)), found)
        case promql_parser.BinaryExpr():
            return _combined(expression, found)
        case promql_parser.Call():
            return set().union(*(_labels(argument, found) for argument in expression.args))
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return set()
        case promql_parser.AggregateExpr():
            return _aggregated(expression, found)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            return _labels(expression.expr, found)
        case _:
            raise TypeError(f"a kind of expression that this does not know: {expression}")


def _selected(selector: promql_parser.VectorSelector, found: list[str]) -> set[str]:
    families = {**known_families(), **prometheus_series()}
    if selector.name not in families:
        found.append(f"there is no family {selector.name}")
        return set()
    labels = families[selector.name] | TARGET_LABELS
    for matcher in selector.matchers.matchers:
        if matcher.name not in labels:
            found.append(f"{selector.name} has no label {matcher.name}")
        values = matcher.value.split("|")
        found += [f"{matcher.name} is never {v}" for v in values if v not in VALUES.get(matcher.name, values)]
    return labels


def _aggregated(expression: promql_parser.AggregateExpr, found: list[str]) -> set[str]:
    inner = _labels(expression.expr, found)
    if CHOOSING.match(expression.prettify()):
        return inner
    modifier = expression.modifier
    if modifier is None:
        return set()
    found += [f"nothing to group has the label {label}" for label in modifier.labels if label not in inner]
    kept = set(modifier.labels)
    return inner & kept if modifier.type == promql_parser.AggModifierType.By else inner - kept


def _combined(expression: promql_parser.BinaryExpr, found: list[str]) -> set[str]:
    left, right = _labels(expression.lhs, found), _labels(expression.rhs, found)
    modifier = expression.modifier
    if modifier is None or modifier.matching is None:
        return left | right
    wanted = set(modifier.matching.labels)
    found += [f"one side of `on` has no label {label}" for label in sorted(wanted - (left & right))]
    brought = set(modifier.group_labels or ())
    one = left if modifier.card == promql_parser.VectorMatchCardinality.OneToMany else right
    found += [f"there is no label {label} to bring over" for label in sorted(brought - one)]
    return (right if one is left else left) | brought
