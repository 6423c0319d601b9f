"""What every rule says, when it begins, goes on and ends: texts that explain themselves."""

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from airbyte_exporter.alerts import RulesConfig
from airbyte_exporter.alerts._config import INSTANCE_RULES
from airbyte_exporter.model import Actor, Connection, Failure, Schedule, ScheduleType, SchemaChange, Workspace
from tests.specifications import Json
from tests.unit.alerts.company import AHEAD, HOURLY, PLATFORM_DOWN, Company
from tests.unit.alerts.conftest import Found
from tests.unit.alerts.story import CONNECTION, DAY, HOUR, MINUTE, NOON, WORKSPACE

GOLDEN: Final = Path(__file__).parents[2] / "golden" / "alert_texts.txt"
SIX_HOURS: Final = Schedule(ScheduleType.BASIC, units=6, time_unit="hours")
MANY: Final = tuple(f"pipeline-{number:02}" for number in range(25))

KEYS: Final = [
    "fingerprint", "rule", "severity", "status", "reason", "summary", "description", "starts_at", "ends_at",
    "instance", "connection", "workspace", "source", "destination", "job", "affected", "runbook_url",
    "hints",
]  # fmt: skip


def sync_failed(found: Found) -> Company:
    company = found("orders", schedule=SIX_HOURS)
    company.poll()
    company.now += 5 * MINUTE
    company.succeeds("orders")
    company.poll()
    company.passes(6 * HOUR)
    company.fails("orders", took=3 * MINUTE)
    company.poll()
    company.passes(DAY, every=10 * MINUTE)
    company.succeeds("orders")
    company.poll()
    return company


def sync_failing(found: Found) -> Company:
    company = found("orders", schedule=SIX_HOURS)
    company.poll()
    company.succeeds("orders")
    for _ in range(3):
        company.passes(6 * HOUR)
        company.fails("orders", took=3 * MINUTE)
        company.poll()
    company.passes(4 * HOUR)
    company.succeeds("orders")
    company.poll()
    return company


def auto_disable_soon(found: Found) -> Company:
    company = found("orders", schedule=SIX_HOURS)
    company.poll()
    company.succeeds("orders")
    for _ in range(20):
        company.now += 6 * HOUR
        company.fails("orders", took=3 * MINUTE)
        company.poll()
    company.passes(4 * HOUR)
    company.pauses("orders", by_person=True)
    company.poll()
    return company


def never_succeeded(found: Found) -> Company:
    company = found("orders", schedule=SIX_HOURS, rules={"SyncOverdue": {"enabled": False}})
    company.changes("orders", created_at=NOON - 23 * HOUR)
    company.poll()
    company.knows_history("orders")
    company.is_cancelled("orders")
    company.passes(2 * HOUR)
    company.passes(DAY)
    company.succeeds("orders")
    company.poll()
    return company


def sync_overdue(found: Found) -> Company:
    company = found("orders", schedule=HOURLY)
    company.poll()
    company.succeeds("orders")
    company.passes(DAY + 2 * HOUR)
    company.succeeds("orders")
    company.poll()
    return company


def sync_overdue_by_age(found: Found) -> Company:
    company = found("orders", schedule=HOURLY)
    company.poll()
    company.succeeds("orders")
    company.poll()
    for _ in range(4):
        company.passes(55 * MINUTE)
        company.starts("orders")
        company.passes(5 * MINUTE)
        company.is_cancelled("orders")
    company.deletes("orders")
    company.poll()
    return company


def breaking_schema_change(found: Found) -> Company:
    company = found("orders")
    company.changes("orders", schema_change=SchemaChange.NONE)
    company.poll()
    company.changes("orders", schema_change=SchemaChange.BREAKING)
    company.passes(5 * HOUR)
    company.changes("orders", schema_change=SchemaChange.NONE)
    company.poll()
    return company


def connection_disabled(found: Found) -> Company:
    company = found("orders")
    company.poll()
    company.pauses("orders", by_person=False, reason="INVALID_CREDIT_BALANCE")
    company.poll()
    company.passes(5 * HOUR)
    company.enables("orders")
    company.poll()
    return company


def job_stuck_pending(found: Found) -> Company:
    company = found("orders")
    company.poll()
    company.passes(HOUR)
    company.queues("orders")
    company.passes(25 * HOUR)
    company.starts("orders")
    company.poll()
    return company


def many_stuck_pending(found: Found) -> Company:
    company = found(*MANY)
    company.poll()
    company.passes(HOUR)
    for name in MANY:
        company.queues(name)
    company.passes(40 * MINUTE)
    for name in MANY:
        company.starts(name)
    company.poll()
    return company


def many_fail(found: Found) -> Company:
    company = found(*MANY)
    company.poll()
    for name in MANY:
        company.fails(name, PLATFORM_DOWN)
    company.poll()
    for name in MANY[1:]:
        company.succeeds(name)
    company.passes(DAY)
    company.succeeds(MANY[0])
    company.poll()
    return company


def airbyte_unreachable(found: Found) -> Company:
    company = found("orders", rules={"AirbyteUnreachable": {"repeat": "4h"}})
    company.poll()
    company.passes(5 * HOUR, answered=False)
    company.poll()
    return company


def notifications_failing(found: Found) -> Company:
    company = found("orders", receivers=("oncall", "chat"))
    company.poll()
    company.failing_receivers["oncall"] = float(company.now + AHEAD)
    company.passes(5 * HOUR)
    company.failing_receivers.clear()
    company.poll()
    return company


STORIES: Final[tuple[Callable[[Found], Company], ...]] = (
    auto_disable_soon,
    sync_failing,
    sync_failed,
    never_succeeded,
    sync_overdue,
    sync_overdue_by_age,
    breaking_schema_change,
    connection_disabled,
    job_stuck_pending,
    many_stuck_pending,
    many_fail,
    airbyte_unreachable,
    notifications_failing,
)


def bodies(company: Company) -> list[dict[str, Any]]:
    """Return what was sent, of kinds that follow each other the newest."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for _, told in company.recorder.heard:
        found[told.type, told.body["data"]["rule"]] = dict(told.body)
    return list(found.values())


def written(name: str, sent: list[dict[str, Any]]) -> str:
    parts = [f"# {name.replace('_', ' ')}\n"]
    for each in sent:
        data = each["data"]
        hints = [f"  {hint['what']}: {hint['command']}\n" for hint in data["hints"]]
        said = f"{each['type']} {data['rule']}\n  {data['summary']}\n  {data['description']}\n"
        parts.append(said + "".join(hints))
    return "\n".join(parts)


def with_a_real_id(name: str) -> Connection:
    """Return a connection with an id like Airbyte's, so that commands can name it; they sort as the names."""
    return replace(CONNECTION, id=f"c0ffee00-0000-4000-8000-{name[-6:].encode().hex()}", name=name)


def founded(over: ExitStack, folder: Path, *names: str, **more: Json) -> Company:
    """Found a company that is closed when everything is over."""
    company = Company(folder, *names, **more)
    over.callback(company.close)
    return company


@pytest.fixture(name="told", scope="module")
def what_every_story_tells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    told = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.unit.alerts.company.connection", with_a_real_id)
        for story in STORIES:
            folder = tmp_path_factory.mktemp("state")
            with ExitStack() as over:
                told[story.__name__] = bodies(story(partial(founded, over, folder)))
    return told


def test_every_rule_says_what_the_golden_file_has(told: dict[str, list[dict[str, Any]]]) -> None:
    assert "\n".join(written(name, sent) for name, sent in told.items()) == GOLDEN.read_text("utf-8")


def test_there_is_an_example_of_the_beginning_and_the_end_of_every_rule(
    told: dict[str, list[dict[str, Any]]],
) -> None:
    seen = {(each["type"], each["data"]["rule"]) for sent in told.values() for each in sent}
    for rule in RulesConfig.model_fields:
        assert {("alert.firing", rule), ("alert.updated", rule)} & seen, rule
        assert ("alert.resolved", rule) in seen, rule


def test_bodies_have_the_documented_keys_in_their_order(told: dict[str, list[dict[str, Any]]]) -> None:
    for sent in told.values():
        for each in sent:
            assert list(each) == ["type", "timestamp", "data"]
            assert list(each["data"]) == KEYS
            assert json.loads(json.dumps(each)) == each


def test_only_what_is_about_one_connection_has_one(told: dict[str, list[dict[str, Any]]]) -> None:
    for name, sent in told.items():
        for each in sent:
            data = each["data"]
            is_of_many = name.startswith("many") or data["rule"] in INSTANCE_RULES
            about = [data[key] for key in ("connection", "workspace", "source", "destination")]
            assert about == [None] * 4 if is_of_many else None not in about
            assert len(data["affected"]["connections"]) <= 20


STRANGE: Final = re.compile(r"None|\(\)|“”|  |\n|\( |,\)|: ?[.;]|\.\.$")


def test_nothing_strange_is_said(told: dict[str, list[dict[str, Any]]]) -> None:
    for sent in told.values():
        for each in sent:
            for text in (each["data"]["summary"], each["data"]["description"]):
                assert not STRANGE.search(text), text


class TestHostileNames:
    @pytest.mark.parametrize("name", ['The "best"\n  of “them”', "a\tb\r\nc", "'; DROP TABLE --", "{}", "%s"])
    def test_a_name_is_in_one_line_in_sentences_and_itself_beside_them(self, found: Found, name: str) -> None:
        company = found("orders")
        company.connections["orders"] = replace(company.connections["orders"], name=name)
        company.poll()
        company.fails("orders", Failure("source", "system_error", f"no such table:\n{name}"))
        company.poll()
        data = company.last_data
        plain = " ".join(name.split())
        assert data["connection"]["name"] == name
        assert data["summary"] == f"Sync failed: {plain}"
        assert f"A sync of connection “{plain}” (" in data["description"]
        assert "\n" not in data["description"]

    def test_what_has_no_name_is_left_out(self, found: Found) -> None:
        company = found("orders", workspace=Workspace(WORKSPACE.id, ""))
        company.changes("orders", source=Actor("", "", ""), destination=Actor("", "", ""))
        company.poll()
        company.fails("orders", Failure("source", "system_error", " \n "))
        company.poll()
        said = company.last_data["description"]
        assert said.startswith("A sync of connection “orders” failed. Job 1 failed ")
        assert "(origin: source, type: system_error). No earlier success is known." in said
        assert not STRANGE.search(said)
