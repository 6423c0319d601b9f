"""Syncs that fail, as a company lives through it: SyncFailed, SyncFailing, AutoDisableSoon."""

import pytest

from airbyte_exporter.alerts import Route
from airbyte_exporter.model import ConnectionStatus
from tests.unit.alerts.company import HOURLY, Company
from tests.unit.alerts.conftest import Found
from tests.unit.alerts.story import DAY, HOUR, MINUTE, NOON, WORKSPACE


def failing(found: Found) -> Company:
    """A company in which a sync failed, which was told."""
    company = found("orders")
    company.poll()
    company.fails("orders")
    company.poll()
    return company


def recovered(found: Found) -> Company:
    """A company in which a sync failed and the next one succeeded an hour later, both of which was told."""
    company = failing(found)
    company.now += HOUR
    company.succeeds("orders")
    company.poll()
    return company


class TestSyncFailed:
    def test_a_failure_and_the_recovery(self, found: Found) -> None:
        company = found("orders", "users")
        company.poll()
        company.now += HOUR
        company.succeeds("users")
        company.fails("orders")
        assert company.poll() == ["firing SyncFailed orders"]
        company.now += HOUR
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncFailed orders (succeeded)"]
        assert company.listed == []

    def test_a_cancelled_sync_after_a_failure_changes_nothing(self, found: Found) -> None:
        company = found("orders")
        company.now += HOUR
        company.fails("orders")
        company.poll()
        company.now += HOUR
        company.is_cancelled("orders")
        assert company.poll() == []
        assert company.listed == ["SyncFailed orders"]

    def test_cancelled_syncs_alone_are_silent(self, found: Found) -> None:
        company = found("orders")
        heard = []
        for _ in range(5):
            company.now += HOUR
            company.is_cancelled("orders")
            heard += company.poll()
        assert heard == []

    def test_a_failure_before_the_first_start_and_its_end_are_nobodys_news(self, found: Found) -> None:
        company = found("orders")
        company.now -= HOUR
        company.fails("orders")
        company.now = NOON
        assert company.poll() == []
        assert company.listed == ["SyncFailed orders (adopted)"]
        assert company.passes(2 * DAY) == []
        company.succeeds("orders")
        assert company.poll() == []
        assert company.listed == []

    def test_the_first_success_after_months_ends_what_was_adopted_silently(self, found: Found) -> None:
        company = found("orders")
        company.now -= 90 * DAY
        company.fails("orders")
        company.now = NOON
        company.poll()
        company.now += 30 * DAY
        company.succeeds("orders")
        assert company.poll() == []

    def test_repeats_go_by_airbytes_time(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        company.fails("orders")
        assert company.poll() == ["firing SyncFailed orders"]
        assert company.passes(DAY - MINUTE) == []
        assert company.passes(MINUTE) == ["repeated SyncFailed orders"]
        assert company.passes(DAY) == ["repeated SyncFailed orders"]

    def test_a_critical_one_is_repeated_every_four_hours(self, found: Found) -> None:
        company = found("orders", rules={"SyncFailed": {"severity": "critical"}})
        company.poll()
        company.fails("orders")
        company.poll()
        assert company.passes(4 * HOUR - MINUTE) == []
        assert company.passes(MINUTE) == ["repeated SyncFailed orders"]


class TestFlapping:
    @pytest.mark.parametrize(("minutes", "is_same"), [(9, True), (10, True), (11, False)])
    def test_a_failure_soon_after_the_end_goes_on_with_the_same_incident(
        self, found: Found, minutes: int, is_same: bool
    ) -> None:
        company = failing(found)
        first = company.last_data
        company.now += HOUR
        company.succeeds("orders")
        company.poll()
        company.now += minutes * MINUTE
        company.fails("orders")
        assert company.poll() == ["firing SyncFailed orders"]
        again = company.last_data
        assert (again["fingerprint"] == first["fingerprint"]) is is_same
        assert (again["starts_at"] == first["starts_at"]) is is_same
        assert len({told.id for _, told in company.recorder.heard}) == 3
        company.now += HOUR
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncFailed orders (succeeded)"]

    def test_the_last_success_is_the_one_in_between(self, found: Found) -> None:
        company = recovered(found)
        company.now += 5 * MINUTE
        company.fails("orders")
        company.poll()
        said = company.last_data["description"]
        assert "The last success before that was 2026-01-31 13:00:00 UTC, 5 min earlier." in said

    def test_what_comes_back_during_a_silence_is_told_when_that_ends(self, found: Found) -> None:
        company = recovered(found)
        company.silences(2 * HOUR)
        company.now += MINUTE
        company.fails("orders")
        assert company.poll() == []
        assert company.passes(HOUR) == []
        assert company.passes(HOUR) == ["firing SyncFailed orders"]
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncFailed orders (succeeded)"]

    def test_what_comes_and_goes_during_a_silence_has_no_second_end(self, found: Found) -> None:
        company = recovered(found)
        company.silences(2 * HOUR)
        company.now += MINUTE
        company.fails("orders")
        company.poll()
        company.now += MINUTE
        company.succeeds("orders")
        assert company.poll() == []
        assert company.passes(3 * HOUR) == []


class TestSyncFailing:
    def test_the_third_in_a_row_is_one_update_of_the_same_incident(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        heard = []
        for _ in range(5):
            company.now += HOUR
            company.fails("orders")
            heard += company.poll()
        assert heard == ["firing SyncFailed orders", "updated SyncFailing orders"]
        (_, first), (_, update) = company.recorder.heard
        assert first.fingerprint == update.fingerprint
        assert update.body["data"]["severity"] == "critical"
        company.now += HOUR
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncFailing orders (succeeded)"]

    def test_a_success_in_between_begins_the_row_anew(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        heard = []
        for ending in ("fails", "fails", "succeeds", "fails", "fails", "succeeds"):
            company.now += HOUR
            getattr(company, ending)("orders")
            heard += company.poll()
        assert not [line for line in heard if "SyncFailing" in line]

    def test_it_takes_over_what_was_adopted_and_is_told_as_firing(self, found: Found) -> None:
        company = found("orders")
        company.now -= HOUR
        company.fails("orders")
        company.now = NOON
        company.poll()
        heard = []
        for _ in range(2):
            company.now += HOUR
            company.fails("orders")
            heard += company.poll()
        assert heard == ["firing SyncFailing orders"]
        assert company.last_data["starts_at"] == "2026-01-31T11:00:00Z"
        company.now += HOUR
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncFailing orders (succeeded)"]

    def test_a_row_that_was_over_before_anybody_looked_is_counted_as_it_was(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        for ending in ("fails", "fails", "fails", "succeeds"):
            company.now += HOUR
            getattr(company, ending)("orders")
        company.poll()
        (_, first), (_, update), (_, end) = company.recorder.heard
        assert [told.type for told in (first, update, end)] == [
            "alert.firing", "alert.updated", "alert.resolved",
        ]  # fmt: skip
        assert "failed 3 times in a row since 2026-01-31 13:00:00 UTC" in update.body["data"]["description"]

    def test_whom_the_higher_severity_adds_learns_of_it_as_new(self, found: Found) -> None:
        routes = [
            Route.model_validate({"match": {"severity": "critical"}, "receivers": ["chat", "oncall"]}),
            Route.model_validate({"receivers": ["chat"]}),
        ]
        company = found("orders", receivers=("chat", "oncall"), routes=routes)
        company.poll()
        heard = []
        for ending in ("fails", "fails", "fails", "succeeds"):
            company.now += HOUR
            getattr(company, ending)("orders")
            heard += company.poll()
        assert heard == [
            "firing SyncFailed orders > chat",
            "updated SyncFailing orders > chat",
            "firing SyncFailing orders > oncall",
            "resolved SyncFailing orders (succeeded) > chat",
            "resolved SyncFailing orders (succeeded) > oncall",
        ]


class TestAutoDisableSoon:
    def test_twenty_failures_over_four_days(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        company.succeeds("orders")
        heard = []
        for _ in range(20):
            company.now += 5 * HOUR
            company.fails("orders")
            heard += company.poll()
        assert [line for line in heard if "repeated" not in line] == [
            "firing SyncFailed orders",
            "updated SyncFailing orders",
            "updated AutoDisableSoon orders",
        ]
        assert "failed 20 times in a row" in company.last_data["description"]
        assert "30 failures in a row and 7 days" in company.last_data["description"]

    def test_not_for_twenty_failures_within_a_day(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        company.succeeds("orders")
        heard = []
        for _ in range(23):
            company.now += HOUR
            company.fails("orders")
            heard += company.poll()
        assert not [line for line in heard if "AutoDisableSoon" in line]

    def test_not_for_few_failures_in_a_week(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        company.succeeds("orders")
        for _ in range(8):
            company.now += DAY
            company.fails("orders")
            company.poll()
        assert company.listed == ["SyncFailing orders"]

    def test_where_no_success_is_known_it_counts_from_when_it_was_created_or_seen(self, found: Found) -> None:
        company = found("new", "old")
        company.changes("old", created_at=NOON - 10 * DAY)
        company.poll()
        for _ in range(20):
            company.now += HOUR
            company.fails("new")
            company.fails("old")
            company.poll()
        assert company.listed == ["AutoDisableSoon old", "SyncFailing new"]


class TestWhatEndsIt:
    def test_somebody_pauses_it(self, found: Found) -> None:
        company = failing(found)
        company.now += HOUR
        company.pauses("orders")
        assert company.poll() == ["resolved SyncFailed orders (paused)"]
        company.now += HOUR
        company.enables("orders")
        assert company.poll() == []

    def test_it_is_deleted(self, found: Found) -> None:
        company = found("orders", "users")
        company.poll()
        company.fails("orders")
        company.poll()
        company.now += HOUR
        company.deletes("orders")
        assert company.poll() == ["resolved SyncFailed orders (deleted)"]
        assert company.passes(2 * DAY) == []

    def test_its_workspace_is_not_watched_any_more(self, found: Found) -> None:
        company = failing(found)
        company.restart(workspace_ids=("another",))
        company.now += HOUR
        assert company.poll() == ["resolved SyncFailed orders (not_watched)"]

    def test_airbyte_locks_it(self, found: Found) -> None:
        company = failing(found)
        company.now += HOUR
        company.changes("orders", status=ConnectionStatus.LOCKED)
        assert sorted(company.poll()) == [
            "firing ConnectionDisabled orders",
            "resolved SyncFailed orders (locked)",
        ]

    def test_its_rule_is_switched_off(self, found: Found) -> None:
        company = failing(found)
        company.restart(rules={"SyncFailed": {"enabled": False}})
        company.now += MINUTE
        assert company.poll() == ["resolved SyncFailed orders (rule_disabled)"]

    def test_airbyte_forgets_the_job_and_the_incident_goes_on(self, found: Found) -> None:
        company = failing(found)
        company.now += 10 * DAY
        company.store.prune(company.clock, keep_after=company.now)
        heard = company.passes(DAY)
        assert not [line for line in heard if "resolved" in line]
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncFailed orders (succeeded)"]


class TestSilences:
    def test_what_goes_on_when_a_silence_ends_is_told_then(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        company.silences(2 * HOUR, workspace=(WORKSPACE.name,))
        company.fails("orders")
        assert company.poll() == []
        assert company.passes(119 * MINUTE) == []
        assert company.passes(MINUTE) == ["firing SyncFailed orders"]

    def test_the_end_of_what_was_told_is_told_in_a_silence(self, found: Found) -> None:
        company = failing(found)
        company.silences(DAY)
        company.now += HOUR
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncFailed orders (succeeded)"]

    def test_what_ends_in_the_silence_in_which_it_began_is_never_told(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        company.silences(DAY)
        company.fails("orders")
        company.poll()
        company.now += HOUR
        company.succeeds("orders")
        assert company.poll() == []
        assert company.passes(2 * DAY) == []


def test_another_severity_counts_for_what_goes_on(found: Found) -> None:
    company = found("orders")
    company.poll()
    company.fails("orders")
    company.poll()
    company.restart(rules={"SyncFailed": {"severity": "critical"}})
    assert company.poll() == []
    assert company.passes(4 * HOUR) == ["repeated SyncFailed orders"]
    assert company.last_data["severity"] == "critical"


def test_a_schedule_is_said_where_it_is_known(found: Found) -> None:
    company = found("orders", schedule=HOURLY)
    company.poll()
    company.fails("orders")
    company.poll()
    assert company.last_data["description"].endswith("It is meant to sync every 1 h.")
