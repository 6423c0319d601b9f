"""What can be set about a rule, as stories: the world on the left, what people are told on the right."""

from dataclasses import replace
from itertools import combinations

import pytest

from airbyte_exporter.alerts import Rule, RuleGroup
from airbyte_exporter.model import ConnectionStatus, IncidentStatus, JobStatus
from tests.unit.alerts.story import DAY, HOUR, MINUTE, NOON, OFF, Story, sync_health, when


def rules(**values: object) -> RuleGroup:
    return sync_health(SyncFailed=values, SyncFailing=OFF, AutoDisableSoon=OFF)


def waiting_half_an_hour(*, notify_existing: bool = False) -> Story:
    return Story(group=rules(**{"for": "30m"}), notify_existing=notify_existing)


class TestFor:
    def test_a_failure_is_told_when_it_has_gone_on_that_long(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == []
        assert story.firing is not None  # listed meanwhile
        assert story.evaluate(NOON + HOUR + 30 * MINUTE - 1) == []
        assert story.evaluate(NOON + HOUR + 30 * MINUTE) == ["alert.firing"]
        assert story.evaluate(NOON + HOUR + 31 * MINUTE) == []
        assert story.sent[-1].body["data"]["starts_at"] == "2026-01-31T13:00:00Z"
        story.succeeds(NOON + 2 * HOUR)
        assert story.evaluate(NOON + 2 * HOUR) == ["alert.resolved (succeeded)"]

    def test_one_that_recovers_before_is_never_told_nor_is_its_end(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.succeeds(NOON + HOUR + 29 * MINUTE)
        assert story.evaluate(NOON + 3 * HOUR) == []
        (incident,) = story.incidents.values()
        assert (incident.status, incident.reason) == (IncidentStatus.RESOLVED, "succeeded")
        assert (incident.notified_at, incident.sequence, incident.receivers) == (None, 0, ())
        assert story.evaluate(NOON + 3 * DAY) == []

    def test_the_next_failure_begins_to_wait_anew(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        story.succeeds(NOON + HOUR + 20 * MINUTE)
        story.fails(NOON + HOUR + 40 * MINUTE)
        assert story.evaluate(NOON + HOUR + 45 * MINUTE) == []
        assert story.evaluate(NOON + HOUR + 69 * MINUTE) == []
        assert story.evaluate(NOON + HOUR + 70 * MINUTE) == ["alert.firing"]
        assert len(story.incidents) == 2

    def test_further_failures_do_not_begin_it_anew(self) -> None:
        story = waiting_half_an_hour()
        for minutes in (0, 10, 20, 30):
            story.fails(NOON + HOUR + minutes * MINUTE)
            told = story.evaluate(NOON + HOUR + minutes * MINUTE)
            assert told == (["alert.firing"] if minutes == 30 else [])

    def test_an_outage_that_hides_the_recovery_pages_nobody(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR + 5 * MINUTE)
        # Nothing is evaluated for sixty hours; then both are known: the recovery, and that it is late.
        story.succeeds(NOON + HOUR + 20 * MINUTE)
        assert story.evaluate(NOON + 60 * HOUR) == []

    def test_an_outage_that_hides_a_late_recovery_loses_nothing(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR + 5 * MINUTE)
        story.succeeds(NOON + 2 * HOUR)
        assert story.evaluate(NOON + 60 * HOUR) == ["alert.firing", "alert.resolved (succeeded)"]

    def test_one_that_is_learnt_of_late_is_told_at_once(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + 2 * HOUR) == ["alert.firing"]

    def test_what_is_told_does_not_depend_on_when_anybody_looked(self) -> None:
        events = [
            (JobStatus.FAILED, 60), (JobStatus.SUCCEEDED, 80), (JobStatus.FAILED, 100),
            (JobStatus.FAILED, 120), (JobStatus.SUCCEEDED, 131), (JobStatus.FAILED, 140),
        ]  # fmt: skip
        looks = (70, 90, 110, 125, 130, 135, 150)
        told = set()
        for number in range(len(looks) + 1):
            for chosen in combinations(looks, number):
                story = waiting_half_an_hour()
                waiting = list(events)
                for minutes in (*chosen, 180):
                    while waiting and waiting[0][1] <= minutes:
                        status, ended = waiting.pop(0)
                        story.job(status, NOON + ended * MINUTE, created_at=NOON + (ended - 5) * MINUTE)
                    story.evaluate(NOON + minutes * MINUTE)
                told.add(tuple((sent.id, sent.type) for sent in story.sent))
        assert len(told) == 1
        assert [kind for _, kind in told.pop()] == ["alert.firing", "alert.resolved", "alert.firing"]

    def test_the_as_of_time_counts_and_nothing_else(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        assert [story.evaluate(NOON + HOUR + MINUTE) for _ in range(3)] == [[], [], []]

    @pytest.mark.parametrize(
        ("minutes", "told"), [(29, []), (30, ["alert.firing", "alert.resolved (paused)"])]
    )
    def test_a_pause_ends_it_by_the_same_measure(self, minutes: int, told: list[str]) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.becomes(ConnectionStatus.INACTIVE)
        assert story.evaluate(NOON + HOUR + minutes * MINUTE) == told
        assert story.firing is None

    def test_repeats_are_counted_from_when_it_was_told(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == []
        assert story.evaluate(NOON + 2 * HOUR) == ["alert.firing"]
        assert story.evaluate(NOON + DAY + HOUR + 30 * MINUTE) == []
        assert story.evaluate(NOON + DAY + 2 * HOUR) == ["alert.repeated"]

    def test_deciding_again_after_a_crash_gives_the_same_message(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        first, again = story.decide(NOON + 2 * HOUR), story.decide(NOON + 2 * HOUR)
        assert first == again
        assert first is not None
        assert len(first.notifications) == 1

    def test_a_shorter_wait_in_the_configuration_counts_at_once_and_a_longer_one_unsays_nothing(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + HOUR + MINUTE) == []
        story.is_configured(group=rules())
        assert story.evaluate(NOON + HOUR + 2 * MINUTE) == ["alert.firing"]
        story.is_configured(group=rules(**{"for": "1d"}))
        story.succeeds(NOON + 2 * HOUR)
        assert story.evaluate(NOON + 2 * HOUR) == ["alert.resolved (succeeded)"]

    def test_what_was_wrong_already_waits_too_where_it_is_sent(self) -> None:
        story = waiting_half_an_hour(notify_existing=True)
        story.fails(NOON - 10 * MINUTE)
        assert story.evaluate(NOON) == []
        assert story.evaluate(NOON + 20 * MINUTE) == ["alert.firing"]

    @pytest.mark.parametrize(
        ("wait", "told_at"), [(0, 2 * HOUR), (90 * MINUTE, 150 * MINUTE), (4 * HOUR, 5 * HOUR)]
    )
    def test_a_higher_rule_that_takes_over_what_waits_waits_itself(self, wait: int, told_at: int) -> None:
        late = NOON + 2 * HOUR
        group = RuleGroup(
            "sync-health",
            (
                Rule("SyncFailing", "critical", when(lambda job: job.updated_at >= late), wait=wait),
                Rule("SyncFailed", "warning", when(), wait=3 * HOUR),
            ),
        )
        story = Story(group=group)
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == []
        story.fails(late)
        told = [(at, story.evaluate(NOON + at)) for at in range(2 * HOUR, 6 * HOUR, 30 * MINUTE)]
        assert [(at, kinds) for at, kinds in told if kinds] == [(told_at, ["alert.firing"])]
        assert story.sent[-1].body["data"]["rule"] == "SyncFailing"

    def test_a_higher_rule_does_not_hold_back_what_was_told(self) -> None:
        late = NOON + 2 * HOUR
        higher = Rule("SyncFailing", "critical", when(lambda job: job.updated_at >= late), wait=DAY)
        story = Story(group=RuleGroup("sync-health", (higher, Rule("SyncFailed", "warning", when()))))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.fails(late)
        assert story.evaluate(late) == ["alert.updated"]


class TestRepeat:
    def test_by_its_own_interval(self) -> None:
        story = Story(group=rules(repeat="1h"))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        assert story.evaluate(NOON + 2 * HOUR - 1) == []
        assert story.evaluate(NOON + 2 * HOUR) == ["alert.repeated"]
        assert story.evaluate(NOON + 9 * HOUR) == ["alert.repeated"]

    @pytest.mark.parametrize(("severity", "interval"), [("critical", 4 * HOUR), ("warning", 24 * HOUR)])
    def test_by_severity_where_nothing_is_set(self, severity: str, interval: int) -> None:
        story = Story(group=rules(severity=severity))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        assert story.evaluate(NOON + HOUR + interval - 1) == []
        assert story.evaluate(NOON + HOUR + interval) == ["alert.repeated"]

    def test_another_interval_counts_for_what_goes_on(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(group=rules(repeat="2h"))
        assert story.evaluate(NOON + 3 * HOUR) == ["alert.repeated"]


class TestSeverity:
    def test_is_told(self) -> None:
        story = Story(group=rules(severity="critical"))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        assert story.sent[-1].body["data"]["severity"] == "critical"

    def test_another_one_counts_for_what_goes_on_without_a_message_of_its_own(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(group=rules(severity="critical"))
        assert story.evaluate(NOON + 2 * HOUR) == []
        assert story.firing is not None
        assert story.firing.severity == "critical"
        assert story.evaluate(NOON + 5 * HOUR) == ["alert.repeated"]
        assert story.sent[-1].body["data"]["severity"] == "critical"
        assert story.decide(NOON + 5 * HOUR) is None


class TestDisabled:
    def test_nothing_begins(self) -> None:
        story = Story(group=rules(enabled=False))
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == []
        assert story.incidents == {}

    def test_what_goes_on_ends_and_who_was_told_is_told_why(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(group=rules(enabled=False))
        story.fails(NOON + 2 * HOUR)
        assert story.evaluate(NOON + 2 * HOUR) == ["alert.resolved (rule_disabled)"]
        data = story.sent[-1].body["data"]
        assert data["summary"] == "Alert ended, rule SyncFailed disabled: Orders → Warehouse"
        assert "because the rule SyncFailed was disabled in the configuration" in data["description"]
        assert data["ends_at"] == "2026-01-31T14:00:00Z"
        assert story.evaluate(NOON + 3 * HOUR) == []

    def test_what_was_not_told_ends_silently(self) -> None:
        story = waiting_half_an_hour()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(group=rules(enabled=False))
        assert story.evaluate(NOON + 5 * HOUR) == []
        (incident,) = story.incidents.values()
        assert (incident.status, incident.reason) == (IncidentStatus.RESOLVED, "rule_disabled")

    def test_what_was_adopted_ends_silently(self) -> None:
        story = Story()
        story.fails(NOON - HOUR)
        story.evaluate(NOON)
        story.is_configured(group=rules(enabled=False))
        assert story.evaluate(NOON + HOUR) == []
        assert story.firing is None

    def test_enabled_again_the_next_failure_is_a_new_incident(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(group=rules(enabled=False))
        story.evaluate(NOON + 2 * HOUR)
        story.is_configured(group=rules())
        assert story.evaluate(NOON + 3 * HOUR) == []
        story.fails(NOON + 4 * HOUR)
        assert story.evaluate(NOON + 4 * HOUR) == ["alert.firing"]
        assert len(story.incidents) == 2

    def test_a_lower_rule_that_holds_takes_over_silently(self) -> None:
        higher, lower = Rule("SyncFailing", "critical", when()), Rule("SyncFailed", "warning", when())
        story = Story(group=RuleGroup("sync-health", (higher, lower)))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(group=RuleGroup("sync-health", (replace(higher, enabled=False), lower)))
        assert story.evaluate(NOON + 2 * HOUR) == []
        assert story.firing is not None
        assert (story.firing.rule, story.firing.severity) == ("SyncFailed", "warning")
        story.succeeds(NOON + 3 * HOUR)
        assert story.evaluate(NOON + 3 * HOUR) == ["alert.resolved (succeeded)"]
