"""Stories about one connection: the world on the left, what people are told on the right."""

from dataclasses import replace

import pytest

from airbyte_exporter.alerts import Rule, RuleGroup
from airbyte_exporter.model import ConnectionStatus, IncidentStatus, JobStatus, JobType
from tests.unit.alerts.story import DAY, HOUR, MINUTE, NOON, WORKSPACE, Story, sync_health, when


def test_a_failure_fires_and_the_next_success_resolves() -> None:
    story = Story()
    story.succeeds(NOON + 1 * HOUR)
    assert story.evaluate(NOON + 1 * HOUR) == []
    story.fails(NOON + 2 * HOUR)
    assert story.evaluate(NOON + 2 * HOUR) == ["alert.firing"]
    story.succeeds(NOON + 3 * HOUR)
    assert story.evaluate(NOON + 3 * HOUR) == ["alert.resolved (succeeded)"]

    ended = story.state.incident if story.state else None
    assert ended is not None
    assert ended.status is IncidentStatus.RESOLVED
    assert (ended.starts_at, ended.ends_at) == (NOON + 2 * HOUR, NOON + 3 * HOUR)
    assert (ended.rule, ended.severity, ended.group) == ("SyncFailed", "warning", "sync-health")


def test_a_success_alone_is_silent() -> None:
    story = Story()
    story.succeeds(NOON + HOUR)
    assert story.evaluate(NOON + HOUR) == []
    assert story.state is not None
    assert story.state.incident is None


def test_a_failed_refresh_is_a_failed_sync() -> None:
    story = Story()
    story.job(JobStatus.FAILED, NOON + HOUR, type_=JobType.REFRESH)
    assert story.evaluate(NOON + HOUR) == ["alert.firing"]


def test_nothing_new_is_no_decision() -> None:
    story = Story()
    assert story.decide(NOON) is None
    story.fails(NOON + HOUR)
    story.evaluate(NOON + HOUR)
    assert story.decide(NOON + HOUR + MINUTE) is None


def test_further_failures_are_one_incident_about_the_newest() -> None:
    story = Story()
    story.fails(NOON + 1 * HOUR)
    assert story.evaluate(NOON + 1 * HOUR) == ["alert.firing"]
    newest = story.fails(NOON + 2 * HOUR)
    assert story.evaluate(NOON + 2 * HOUR) == []
    assert story.firing is not None
    assert story.firing.starts_at == NOON + 1 * HOUR
    assert story.firing.job == newest


def test_a_failure_that_recovered_between_two_evaluations_is_not_lost() -> None:
    story = Story()
    story.fails(NOON + 1 * HOUR)
    story.succeeds(NOON + 2 * HOUR)
    assert story.evaluate(NOON + 2 * HOUR) == ["alert.firing", "alert.resolved (succeeded)"]
    first, second = story.sent
    assert first.fingerprint == second.fingerprint


def test_two_incidents_between_two_evaluations_are_both_kept() -> None:
    story = Story()
    story.fails(NOON + 1 * HOUR)
    story.succeeds(NOON + 2 * HOUR)
    story.fails(NOON + 3 * HOUR)
    assert story.evaluate(NOON + 3 * HOUR) == ["alert.firing", "alert.resolved (succeeded)", "alert.firing"]
    over, going_on = sorted(story.incidents.values(), key=lambda incident: incident.starts_at)
    assert (over.status, over.ends_at) == (IncidentStatus.RESOLVED, NOON + 2 * HOUR)
    assert going_on == story.firing
    assert over.fingerprint != going_on.fingerprint


def test_jobs_are_walked_by_creation_and_not_by_end() -> None:
    story = Story()
    story.succeeds(NOON + 3 * HOUR, created_at=NOON + 1 * HOUR)
    story.fails(NOON + 2 * HOUR, created_at=NOON + 90 * MINUTE)
    assert story.evaluate(NOON + 3 * HOUR) == ["alert.firing"]


def test_a_sync_that_was_created_first_and_ended_last_comes_first() -> None:
    story = Story()
    story.fails(NOON + 3 * HOUR, created_at=NOON + 1 * HOUR)
    story.succeeds(NOON + 2 * HOUR, created_at=NOON + 90 * MINUTE)
    assert story.evaluate(NOON + 3 * HOUR) == ["alert.firing", "alert.resolved (succeeded)"]


@pytest.mark.parametrize("status", [JobStatus.CANCELLED, JobStatus.UNKNOWN])
def test_a_cancelled_or_unknown_sync_changes_nothing(status: JobStatus) -> None:
    story = Story()
    story.job(status, NOON + 1 * HOUR)
    assert story.evaluate(NOON + 1 * HOUR) == []
    story.fails(NOON + 2 * HOUR)
    assert story.evaluate(NOON + 2 * HOUR) == ["alert.firing"]
    story.job(status, NOON + 3 * HOUR)
    assert story.evaluate(NOON + 3 * HOUR) == []
    assert story.firing is not None
    story.succeeds(NOON + 4 * HOUR)
    assert story.evaluate(NOON + 4 * HOUR) == ["alert.resolved (succeeded)"]


class TestLateRows:
    def test_an_old_failure_after_a_newer_success_is_silent(self) -> None:
        story = Story()
        story.succeeds(NOON + 2 * HOUR)
        story.evaluate(NOON + 2 * HOUR)
        story.fails(NOON + 1 * HOUR)
        assert story.evaluate(NOON + 2 * HOUR + MINUTE) == []
        assert story.firing is None

    def test_an_old_success_does_not_end_a_newer_failure(self) -> None:
        story = Story()
        story.fails(NOON + 2 * HOUR)
        story.evaluate(NOON + 2 * HOUR)
        story.succeeds(NOON + 1 * HOUR)
        assert story.evaluate(NOON + 2 * HOUR + MINUTE) == []
        assert story.firing is not None

    def test_a_failure_older_than_a_cancelled_sync_is_still_the_newest_verdict(self) -> None:
        story = Story()
        story.is_cancelled(NOON + 2 * HOUR)
        story.evaluate(NOON + 2 * HOUR)
        story.fails(NOON + 1 * HOUR)
        assert story.evaluate(NOON + 2 * HOUR + MINUTE) == ["alert.firing"]


class TestPauseAndDelete:
    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (ConnectionStatus.INACTIVE, "paused"),
            (ConnectionStatus.LOCKED, "locked"),
            (ConnectionStatus.DEPRECATED, "deleted"),
        ],
    )
    def test_ends_the_incident_with_that_reason(self, status: ConnectionStatus, reason: str) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.becomes(status)
        assert story.evaluate(NOON + 2 * HOUR) == [f"alert.resolved ({reason})"]
        assert story.sent[-1].body["data"]["ends_at"] == "2026-01-31T14:00:00Z"
        assert story.evaluate(NOON + 3 * HOUR) == []

    def test_a_deleted_connection_ends_its_incident(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_deleted()
        assert story.evaluate(NOON + 2 * HOUR) == ["alert.resolved (deleted)"]

    @pytest.mark.parametrize(
        ("chosen", "reason"),
        [((WORKSPACE.id,), "deleted"), (("other", WORKSPACE.id), "deleted"), (("other",), "not_watched")],
    )
    def test_a_connection_whose_workspace_is_not_to_be_watched_was_not_deleted(
        self, chosen: tuple[str, ...], reason: str
    ) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(workspace_ids=chosen)
        assert story.evaluate(NOON + 2 * HOUR) == [], "the inventory has not been read since"
        story.is_deleted()
        assert story.evaluate(NOON + 3 * HOUR) == [f"alert.resolved ({reason})"]

    def test_without_an_incident_it_is_silent(self) -> None:
        story = Story()
        story.succeeds(NOON + HOUR)
        story.becomes(ConnectionStatus.INACTIVE)
        assert story.evaluate(NOON + HOUR) == []

    def test_a_status_that_we_do_not_know_ends_nothing(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.becomes(ConnectionStatus.UNKNOWN)
        assert story.evaluate(NOON + 2 * HOUR) == []
        assert story.firing is not None

    def test_the_success_that_came_first_is_the_reason(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.succeeds(NOON + 2 * HOUR)
        story.becomes(ConnectionStatus.INACTIVE)
        assert story.evaluate(NOON + 3 * HOUR) == ["alert.resolved (succeeded)"]

    def test_a_paused_connection_begins_nothing_and_does_not_when_enabled_again(self) -> None:
        story = Story()
        story.becomes(ConnectionStatus.INACTIVE)
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + 2 * HOUR) == []
        story.becomes(ConnectionStatus.ACTIVE)
        assert story.evaluate(NOON + 3 * HOUR) == []
        assert story.incidents == {}

    def test_enabled_again_the_next_failure_is_a_new_incident(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.becomes(ConnectionStatus.INACTIVE)
        story.evaluate(NOON + 2 * HOUR)
        story.becomes(ConnectionStatus.ACTIVE)
        assert story.evaluate(NOON + 3 * HOUR) == []
        story.fails(NOON + 4 * HOUR)
        assert story.evaluate(NOON + 4 * HOUR) == ["alert.firing"]
        assert len(story.incidents) == 2

    def test_an_inventory_older_than_the_failure_ends_it_no_earlier_than_it_began(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR - 5 * MINUTE)
        story.becomes(ConnectionStatus.INACTIVE)
        story.evaluate(NOON + HOUR - 2 * MINUTE)
        data = story.sent[-1].body["data"]
        assert data["starts_at"] == data["ends_at"] == "2026-01-31T13:00:00Z"
        assert story.sent[-1].body["timestamp"] == "2026-01-31T13:00:00Z"


class TestRepeats:
    def test_once_a_day_while_it_goes_on(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        assert story.evaluate(NOON + HOUR + DAY - 1) == []
        assert story.evaluate(NOON + HOUR + DAY) == ["alert.repeated"]
        assert story.evaluate(NOON + HOUR + DAY + MINUTE) == []
        assert story.evaluate(NOON + HOUR + 2 * DAY) == ["alert.repeated"]

    def test_a_critical_one_every_four_hours(self) -> None:
        story = Story(group=RuleGroup("sync-health", (Rule("SyncFailed", "critical", when()),)))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        assert story.evaluate(NOON + 5 * HOUR - 1) == []
        assert story.evaluate(NOON + 5 * HOUR) == ["alert.repeated"]

    def test_only_once_after_a_long_outage(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        assert story.evaluate(NOON + 9 * DAY) == ["alert.repeated"]
        assert story.evaluate(NOON + 9 * DAY + MINUTE) == []

    def test_never_while_the_as_of_time_stands_still(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        assert [story.evaluate(NOON + HOUR) for _ in range(5)] == [[]] * 5

    def test_never_after_the_end(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.succeeds(NOON + 2 * HOUR)
        story.evaluate(NOON + 2 * HOUR)
        assert story.evaluate(NOON + 3 * DAY) == []

    def test_further_failures_do_not_put_it_off(self) -> None:
        story = Story()
        for hours in range(1, 25):
            story.fails(NOON + hours * HOUR)
            assert story.evaluate(NOON + hours * HOUR) == (["alert.firing"] if hours == 1 else [])
        story.fails(NOON + 25 * HOUR)
        assert story.evaluate(NOON + 25 * HOUR) == ["alert.repeated"]


class TestBeforeTheEpoch:
    def test_what_was_wrong_already_is_listed_and_neither_it_nor_its_end_is_sent(self) -> None:
        story = Story()
        story.fails(NOON - HOUR)
        assert story.evaluate(NOON) == []
        assert story.firing is not None
        assert story.firing.adopted
        assert story.evaluate(NOON + 2 * DAY) == []  # no repeats either
        story.succeeds(NOON + 2 * DAY + HOUR)
        assert story.evaluate(NOON + 2 * DAY + HOUR) == []
        (incident,) = story.incidents.values()
        assert (incident.status, incident.reason) == (IncidentStatus.RESOLVED, "succeeded")

    def test_a_new_failure_is_not_told_until_a_higher_rule_takes_over(self) -> None:
        story = Story(group=sync_health())
        story.fails(NOON - HOUR)
        story.evaluate(NOON)
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == []
        assert story.firing is not None
        assert story.firing.adopted
        story.fails(NOON + 2 * HOUR)
        assert story.evaluate(NOON + 2 * HOUR) == ["alert.firing"]
        assert (story.firing.rule, story.firing.adopted) == ("SyncFailing", False)
        assert story.firing.starts_at == NOON - HOUR

    def test_a_failure_of_before_and_one_of_after_in_one_evaluation(self) -> None:
        story = Story()
        story.fails(NOON - HOUR)
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == []

    def test_a_failure_that_ended_with_the_epoch_is_ours(self) -> None:
        story = Story()
        story.fails(NOON)
        assert story.evaluate(NOON) == ["alert.firing"]

    def test_what_had_recovered_before_is_not_even_listed(self) -> None:
        story = Story()
        story.fails(NOON - 3 * HOUR)
        story.succeeds(NOON - 2 * HOUR)
        assert story.evaluate(NOON) == []
        assert story.incidents == {}

    def test_pausing_an_adopted_one_ends_it_silently(self) -> None:
        story = Story()
        story.fails(NOON - HOUR)
        story.evaluate(NOON)
        story.becomes(ConnectionStatus.INACTIVE)
        assert story.evaluate(NOON + HOUR) == []
        assert [incident.reason for incident in story.incidents.values()] == ["paused"]

    def test_history_that_is_read_later_does_not_change_what_is_known(self) -> None:
        story = Story()
        story.succeeds(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.fails(NOON - DAY)
        story.fails(NOON - 2 * DAY)
        assert story.evaluate(NOON + HOUR + MINUTE) == []
        assert story.incidents == {}


class TestNotifyExisting:
    def test_sends_what_was_wrong_already_and_its_end(self) -> None:
        story = Story(notify_existing=True)
        story.fails(NOON - HOUR)
        assert story.evaluate(NOON) == ["alert.firing"]
        story.succeeds(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == ["alert.resolved (succeeded)"]

    def test_sends_both_when_it_recovers_before_the_first_evaluation(self) -> None:
        story = Story(notify_existing=True)
        story.fails(NOON - HOUR)
        story.succeeds(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == ["alert.firing", "alert.resolved (succeeded)"]

    def test_does_not_send_what_had_recovered_before(self) -> None:
        story = Story(notify_existing=True)
        story.fails(NOON - 3 * HOUR)
        story.succeeds(NOON - 2 * HOUR)
        assert story.evaluate(NOON) == []


class TestIdentity:
    def test_deciding_again_from_the_same_state_gives_the_same_notifications(self) -> None:
        story = Story()
        story.succeeds(NOON + 1 * HOUR)
        story.fails(NOON + 2 * HOUR)
        story.succeeds(NOON + 3 * HOUR)
        story.fails(NOON + 4 * HOUR)
        before_the_crash = story.decide(NOON + 4 * HOUR)
        after_the_restart = story.decide(NOON + 4 * HOUR)
        assert before_the_crash == after_the_restart
        assert before_the_crash is not None
        assert len({sent.id for sent in before_the_crash.notifications}) == 3

    def test_a_later_decision_about_the_same_failure_has_the_same_ids(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        first, later = story.decide(NOON + HOUR), story.decide(NOON + 2 * HOUR)
        assert first is not None
        assert later is not None
        assert [sent.id for sent in first.notifications] == [sent.id for sent in later.notifications]

    def test_notifications_of_an_incident_are_numbered(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.evaluate(NOON + HOUR + DAY)
        story.succeeds(NOON + 2 * DAY)
        story.evaluate(NOON + 2 * DAY)
        fingerprint = story.sent[0].fingerprint
        assert [sent.id for sent in story.sent] == [f"msg_{fingerprint}_{number}" for number in (1, 2, 3)]

    def test_a_reissued_job_id_is_another_incident(self) -> None:
        story = Story()
        story.fails(NOON + HOUR, job_id=7)
        story.succeeds(NOON + 2 * HOUR)
        story.evaluate(NOON + 2 * HOUR)
        story.fails(NOON + 3 * HOUR, job_id=7)
        assert story.evaluate(NOON + 3 * HOUR) == ["alert.firing"]
        assert story.sent[-1].fingerprint != story.sent[0].fingerprint

    def test_another_airbyte_has_other_fingerprints(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        here, there = story.decide(NOON + HOUR), story.decide(NOON + HOUR, instance="other")
        assert here is not None
        assert there is not None
        assert here.notifications[0].fingerprint != there.notifications[0].fingerprint


class TestTakeover:
    """The mechanics that the next rules of the group stand on."""

    def story(self, epoch: int = NOON) -> Story:
        late = NOON + 3 * HOUR
        higher = Rule("SyncFailing", "critical", when(lambda job: job.updated_at >= late))
        lower = Rule("SyncFailed", "warning", when())
        return Story(epoch=epoch, group=RuleGroup("sync-health", (higher, lower)))

    def test_a_higher_rule_updates_the_same_incident(self) -> None:
        story = self.story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.fails(NOON + 3 * HOUR)
        assert story.evaluate(NOON + 3 * HOUR) == ["alert.updated"]
        first, update = story.sent
        assert first.fingerprint == update.fingerprint
        assert update.body["data"]["rule"] == "SyncFailing"
        assert update.body["data"]["severity"] == "critical"
        story.fails(NOON + 4 * HOUR)
        assert story.evaluate(NOON + 4 * HOUR) == []

    def test_in_an_adopted_incident_it_is_sent_as_firing(self) -> None:
        story = self.story()
        story.fails(NOON - HOUR)
        story.evaluate(NOON)
        story.fails(NOON + 3 * HOUR)
        assert story.evaluate(NOON + 3 * HOUR) == ["alert.firing"]
        assert story.sent[-1].body["data"]["rule"] == "SyncFailing"

    def test_in_an_adopted_incident_it_is_silent_before_we_watched(self) -> None:
        story = self.story(epoch=NOON + DAY)
        story.fails(NOON + HOUR)
        story.fails(NOON + 3 * HOUR)
        assert story.evaluate(NOON + DAY) == []
        assert story.firing is not None
        assert story.firing.rule == "SyncFailing"

    def test_a_lower_rule_does_not_take_it_back(self) -> None:
        story = self.story()
        story.fails(NOON + 3 * HOUR)
        story.evaluate(NOON + 3 * HOUR)
        assert story.state is not None
        assert story.state.incident is not None
        story.fails(NOON + 2 * HOUR, created_at=NOON + 3 * HOUR)
        assert story.evaluate(NOON + 4 * HOUR) == []
        assert story.firing is not None
        assert story.firing.rule == "SyncFailing"

    def test_an_incident_of_a_rule_that_no_longer_exists_goes_on(self) -> None:
        story = Story()
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        assert story.state is not None
        assert story.state.incident is not None
        story.state = replace(
            story.state, incident=replace(story.state.incident, rule="Retired", told_rule="Retired")
        )
        story.fails(NOON + 2 * HOUR)
        assert story.evaluate(NOON + 2 * HOUR) == ["alert.updated"]
        story.succeeds(NOON + 3 * HOUR)
        assert story.evaluate(NOON + 3 * HOUR) == ["alert.resolved (succeeded)"]
