"""What a receiver reads: whole bodies as golden files, and the sentences that depend on the case."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from airbyte_exporter.alerts import AlertContext, Rule, RuleGroup, decide
from airbyte_exporter.alerts._message import MessageContext, body
from airbyte_exporter.model import (
    ConnectionFacts,
    ConnectionHistory,
    ConnectionStatus,
    Failure,
    Job,
)
from tests.unit.alerts.story import (
    CONNECTION,
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SYNC_FAILED,
    TO_ONE,
    WORKSPACE,
    Story,
    sync_health,
    when,
)

GOLDEN = Path(__file__).parents[2] / "golden"
RUNBOOKS = Path(__file__).parents[3] / "docs" / "runbooks"


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8")


def written(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


@pytest.fixture(name="story")
def story_of_a_day() -> Story:
    story = Story()
    story.succeeds(NOON + 1 * HOUR)
    story.evaluate(NOON + 1 * HOUR)
    story.fails(NOON + 3 * HOUR + 5 * MINUTE)
    story.evaluate(NOON + 3 * HOUR + 6 * MINUTE)
    return story


def data_of(story: Story) -> dict[str, Any]:
    data: dict[str, Any] = story.sent[-1].body["data"]
    return data


def test_the_body_of_a_firing_alert(story: Story) -> None:
    assert written(story.sent[-1].body) == golden("webhook_firing.json")


def test_the_body_of_a_repeated_alert(story: Story) -> None:
    story.evaluate(NOON + 3 * HOUR + 6 * MINUTE + DAY)
    assert written(story.sent[-1].body) == golden("webhook_repeated.json")


def test_the_body_of_a_resolved_alert_has_both_times(story: Story) -> None:
    story.succeeds(NOON + 5 * HOUR)
    story.evaluate(NOON + 5 * HOUR)
    assert written(story.sent[-1].body) == golden("webhook_resolved.json")


@pytest.mark.parametrize(
    ("status", "summary", "because"),
    [
        (ConnectionStatus.INACTIVE, "Alert ended, connection paused", "the connection is disabled"),
        (ConnectionStatus.LOCKED, "Alert ended, connection locked", "Airbyte locked the connection"),
        (ConnectionStatus.DEPRECATED, "Alert ended, connection deleted", "the connection was deleted"),
    ],
)
def test_an_end_without_a_success_says_why(
    story: Story, status: ConnectionStatus, summary: str, because: str
) -> None:
    story.becomes(status)
    story.evaluate(NOON + 5 * HOUR)
    data = data_of(story)
    assert data["summary"] == f"{summary}: Orders → Warehouse"
    assert because in data["description"]
    assert "failing since 2026-01-31 15:05:00 UTC" in data["description"]
    assert "ended 2026-01-31 17:00:00 UTC" in data["description"]


def test_an_end_because_of_the_configuration_says_so(story: Story) -> None:
    story.is_configured(workspace_ids=("other",))
    story.is_deleted()
    story.evaluate(NOON + 5 * HOUR)
    data = data_of(story)
    assert data["summary"] == "Alert ended, connection not watched any more: Orders → Warehouse"
    because = (
        "because the exporter does not watch its workspace any more (airbyte.workspace_ids) (failing since"
    )
    assert because in data["description"]


def described(job_changes: Mapping[str, Any], *, ui_url: str | None = None) -> dict[str, Any]:
    """Return the data of the alert that fires when a sync fails, `job_changes` being made to it."""
    story = Story()
    job = replace(story.fails(NOON + HOUR), **job_changes)
    return fired(job, ui_url=ui_url)


def fired(job: Job, *, ui_url: str | None = None) -> dict[str, Any]:
    history = ConnectionHistory(ConnectionFacts(CONNECTION, NOON), WORKSPACE, None, (job,))
    decision = decide(
        history, AlertContext("airbyte", ui_url, NOON, NOON + HOUR, routing=TO_ONE), SYNC_FAILED
    )
    assert decision is not None
    data: dict[str, Any] = decision.notifications[0].body["data"]
    return data


def test_unknown_things_are_null_and_never_zero() -> None:
    data = described({"attempts": None, "volumes": None})
    assert data["connection"]["url"] is None
    job = data["job"]
    assert {key: job[key] for key in ("attempts", "started_at", "records_synced", "failure")} == {
        "attempts": None,
        "started_at": None,
        "records_synced": None,
        "failure": None,
    }
    assert "Airbyte tells no reason." in data["description"]
    assert "No earlier success is known." in data["description"]
    assert "attempt" not in data["description"]


def test_a_job_that_failed_before_its_first_attempt_has_none() -> None:
    data = described({"attempts": ()})
    assert data["job"]["attempts"] == 0
    assert data["job"]["started_at"] is None
    assert "attempt" not in data["description"]


def test_a_failure_message_of_many_lines_is_one_short_sentence_in_the_description() -> None:
    failure = Failure("replication", "system_error", "Broken\n  pipe\n" + "at com.example.Frame\n" * 500)
    data = fired(Story().fails(NOON + HOUR, failure=failure))
    assert (
        "(origin: replication, type: system_error): Broken pipe at com.example.Frame" in data["description"]
    )
    assert len(data["description"]) < 700
    assert len(data["job"]["failure"]["message"]) == 2000


@pytest.mark.parametrize("ui_url", ["https://airbyte.example.com", "https://airbyte.example.com/"])
def test_the_link_leads_to_the_connection(ui_url: str) -> None:
    assert described({}, ui_url=ui_url)["connection"]["url"] == (
        "https://airbyte.example.com/workspaces/aaaaaaaa-0000-4000-8000-000000000002"
        "/connections/c0ffee00-0000-4000-8000-000000000001"
    )


def test_the_last_success_is_the_one_before_the_failure() -> None:
    story = Story()
    story.succeeds(NOON + 1 * HOUR)
    story.fails(NOON + 2 * HOUR)
    story.succeeds(NOON + 9 * HOUR)
    story.evaluate(NOON + 9 * HOUR)
    firing = story.sent[0].body["data"]["description"]
    assert "The last success before that was 2026-01-31 13:00:00 UTC, 1 h earlier." in firing


def test_every_alert_leads_to_a_runbook_that_exists() -> None:
    prefix, _, page = described({})["runbook_url"].rpartition("/docs/runbooks/")
    assert prefix.startswith("https://")
    assert (RUNBOOKS / page).is_file()


HIGHER = RuleGroup(
    "sync-health",
    (
        Rule("SyncFailing", "critical", when(lambda job: job.id > 2)),
        Rule("SyncFailed", "warning", when()),
    ),
)
JOB_AND_SUCCESS = re.compile(
    r"Job (\d+) failed (.{19}) UTC.*The last success before that was (.{19}) UTC, (.+) earlier\.$"
)


class TestTheAgeOfTheLastSuccess:
    """Success at 13:00, failures from 13:02:05 on: how old it was at the job that the message is about."""

    @pytest.fixture(name="failing")
    def failing_since_soon_after_a_success(self) -> Story:
        story = Story(group=HIGHER)
        self.begin(story)
        return story

    @staticmethod
    def begin(story: Story) -> None:
        story.succeeds(NOON + HOUR)
        story.fails(NOON + HOUR + 125)
        story.evaluate(NOON + HOUR + 130)

    @staticmethod
    def told(story: Story, kind: str) -> tuple[str, ...]:
        (message,) = [sent for sent in story.sent if sent.type == kind]
        found = JOB_AND_SUCCESS.search(message.body["data"]["description"])
        assert found is not None
        job, failed, succeeded, age = found.groups()
        between = datetime.fromisoformat(failed) - datetime.fromisoformat(succeeded)
        units = {"d": DAY, "h": HOUR, "min": MINUTE, "s": 1}
        words = age.split()
        said = sum(int(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))
        assert 0 <= between.total_seconds() - said < units[words[-1]]
        assert succeeded == "2026-01-31 13:00:00"
        return job, failed, age

    def test_in_the_first_message(self, failing: Story) -> None:
        assert self.told(failing, "alert.firing") == ("2", "2026-01-31 13:02:05", "2 min 5 s")

    def test_where_a_later_failure_tells_what_was_there_before(self) -> None:
        story = Story(epoch=NOON + 2 * HOUR, group=sync_health(SyncFailing={"consecutive": 2}))
        self.begin(story)
        assert story.sent == []
        story.fails(NOON + 2 * HOUR + 20 * MINUTE)
        story.evaluate(NOON + 2 * HOUR + 20 * MINUTE)
        assert self.told(story, "alert.firing") == ("3", "2026-01-31 14:20:00", "1 h 20 min")

    def test_when_a_higher_rule_takes_over(self, failing: Story) -> None:
        failing.fails(NOON + HOUR + 36 * MINUTE + 21)
        failing.evaluate(NOON + 2 * HOUR)
        assert self.told(failing, "alert.updated") == ("3", "2026-01-31 13:36:21", "36 min 21 s")

    def test_when_it_is_told_again(self) -> None:
        story = Story()
        self.begin(story)
        story.fails(NOON + 20 * HOUR)
        story.evaluate(NOON + 20 * HOUR)
        story.evaluate(NOON + 2 * DAY)
        assert self.told(story, "alert.repeated") == ("3", "2026-02-01 08:00:00", "19 h")

    def test_when_it_ends(self) -> None:
        story = Story()
        self.begin(story)
        story.fails(NOON + 3 * HOUR)
        story.becomes(ConnectionStatus.INACTIVE)
        story.evaluate(NOON + 9 * HOUR)
        assert self.told(story, "alert.resolved") == ("3", "2026-01-31 15:00:00", "2 h")

    @pytest.mark.parametrize("ended_at", [None, NOON + 30 * MINUTE], ids=["no job", "a job dated earlier"])
    def test_counts_to_the_beginning_where_the_job_says_nothing(
        self, failing: Story, ended_at: int | None
    ) -> None:
        incident = failing.firing
        assert incident is not None
        assert incident.job is not None
        job = None if ended_at is None else replace(incident.job, updated_at=ended_at)
        history = ConnectionHistory(ConnectionFacts(CONNECTION, NOON), WORKSPACE, None, ())
        context = MessageContext("airbyte", None, NOON + DAY, NOON + HOUR)
        said = body("alert.repeated", replace(incident, job=job), history, context)["data"]["description"]
        assert said.endswith(
            "The last success before 2026-01-31 13:02:05 UTC was 2026-01-31 13:00:00 UTC, 2 min 5 s earlier."
        )
