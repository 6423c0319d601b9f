"""Syncs that do not come, or never succeed: SyncOverdue and NeverSucceeded, and what only looks like it."""

from datetime import UTC, datetime
from typing import Final

import pytest

from airbyte_exporter.model import Schedule, ScheduleType
from tests.unit.alerts.company import HOURLY, MANUAL, Company
from tests.unit.alerts.conftest import Found
from tests.unit.alerts.story import DAY, HOUR, MINUTE, NOON

DAILY: Final = Schedule(ScheduleType.BASIC, units=24, time_unit="hours")


def cron(expression: str) -> Schedule:
    return Schedule(ScheduleType.CRON, cron_expression=expression, cron_time_zone="Europe/Berlin")


def syncing_every_hour(found: Found, *, hours: int = 2, **more: object) -> Company:
    """A company with one hourly connection that did well for some hours: the newest sync began just now."""
    company = found("orders", schedule=HOURLY, **more)
    company.knows_history("orders")
    company.poll()
    for _ in range(hours):
        assert company.passes(55 * MINUTE) == []
        company.starts("orders")
        assert company.passes(5 * MINUTE) == []
        company.succeeds("orders")
        assert company.poll() == []
    return company


class TestSyncOverdue:
    def test_a_run_that_does_not_come_and_comes(self, found: Found) -> None:
        company = syncing_every_hour(found)
        assert company.passes(85 * MINUTE) == []
        assert company.passes(MINUTE) == ["firing SyncOverdue orders"]
        assert company.last_data["starts_at"] == "2026-01-31T15:25:00Z"
        company.now += 10 * MINUTE
        company.starts("orders")
        assert company.poll() == ["resolved SyncOverdue orders (started)"]

    def test_one_that_comes_within_the_grace_is_silent(self, found: Found) -> None:
        company = syncing_every_hour(found)
        assert company.passes(84 * MINUTE) == []
        company.starts("orders")
        assert company.passes(2 * MINUTE) == []

    def test_syncs_that_are_cancelled_again_and_again_are_one_incident(self, found: Found) -> None:
        company = syncing_every_hour(found)
        heard = company.passes(55 * MINUTE)
        for _ in range(6):
            company.starts("orders")
            heard += company.passes(10 * MINUTE)
            company.is_cancelled("orders")
            heard += company.passes(50 * MINUTE)
        assert heard == ["firing SyncOverdue orders"]
        assert "has had no success for too long" in company.last_data["description"]
        company.starts("orders")
        company.now += 10 * MINUTE
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncOverdue orders (succeeded)"]

    def test_one_cancelled_sync_is_silent(self, found: Found) -> None:
        company = syncing_every_hour(found)
        heard = company.passes(55 * MINUTE)
        company.starts("orders")
        heard += company.passes(5 * MINUTE)
        company.is_cancelled("orders")
        heard += company.passes(55 * MINUTE)
        company.succeeds("orders")
        assert heard + company.poll() == []

    def test_a_sync_that_runs_for_longer_than_its_interval_is_silent(self, found: Found) -> None:
        company = syncing_every_hour(found)
        heard = company.passes(55 * MINUTE)
        company.starts("orders")
        heard += company.passes(5 * HOUR)
        company.succeeds("orders")
        heard += company.passes(5 * MINUTE, every=MINUTE)
        company.starts("orders")
        assert heard + company.poll() == []

    def test_nor_does_a_long_one_that_is_the_first_after_a_start(self, found: Found) -> None:
        company = syncing_every_hour(found)
        company.starts("orders")
        company.restart()
        assert company.passes(5 * HOUR) == []
        company.succeeds("orders")
        assert company.passes(29 * MINUTE) == []
        assert company.passes(10 * MINUTE) == ["firing SyncOverdue orders"]

    def test_a_failing_sync_takes_over(self, found: Found) -> None:
        company = syncing_every_hour(found)
        company.passes(90 * MINUTE)
        company.fails("orders")
        assert company.poll() == ["updated SyncFailed orders"]
        company.now += HOUR
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncFailed orders (succeeded)"]

    def test_a_paused_connection_is_silent_also_when_it_is_enabled_again(self, found: Found) -> None:
        company = syncing_every_hour(found)
        company.pauses("orders")
        heard = company.passes(2 * DAY, every=HOUR)
        company.enables("orders")
        heard += company.passes(HOUR)
        company.starts("orders")
        company.succeeds("orders")
        assert heard + company.poll() == []

    def test_enabled_again_it_is_due_an_interval_later(self, found: Found) -> None:
        company = syncing_every_hour(found)
        company.pauses("orders")
        company.passes(DAY, every=HOUR)
        company.enables("orders")
        company.poll()
        assert company.passes(90 * MINUTE) == []
        assert company.passes(10 * MINUTE) == ["firing SyncOverdue orders"]

    def test_pausing_ends_it(self, found: Found) -> None:
        company = syncing_every_hour(found)
        company.passes(90 * MINUTE)
        company.pauses("orders")
        assert company.poll() == ["resolved SyncOverdue orders (paused)"]

    def test_a_manual_connection_is_never_overdue(self, found: Found) -> None:
        company = found("orders")
        company.poll()
        company.succeeds("orders")
        assert company.passes(3 * DAY, every=HOUR) == []

    def test_another_schedule_is_silent(self, found: Found) -> None:
        company = found("orders", schedule=DAILY)
        company.poll()
        company.succeeds("orders")
        company.poll()
        assert company.passes(20 * HOUR) == []
        company.changes("orders", schedule=HOURLY)
        assert company.poll() == []
        assert company.passes(90 * MINUTE) == []
        assert company.passes(10 * MINUTE) == ["firing SyncOverdue orders"]

    @pytest.mark.parametrize("schedule", [MANUAL, DAILY])
    def test_a_schedule_by_which_nothing_is_late_ends_it(self, found: Found, schedule: Schedule) -> None:
        company = syncing_every_hour(found)
        company.passes(90 * MINUTE)
        company.changes("orders", schedule=schedule)
        assert company.poll() == ["resolved SyncOverdue orders (schedule_changed)"]

    @pytest.mark.parametrize(
        "runs",
        [
            # There is no half past two on the 29th of March: Quartz does not fire.
            ["2026-03-28T01:30", "2026-03-30T00:30", "2026-03-31T00:30"],
            # There are two on the 25th of October: Quartz fires at the second.
            ["2026-10-24T00:30", "2026-10-25T01:30", "2026-10-26T01:30"],
        ],
    )
    def test_the_night_in_which_clocks_change_is_silent(self, found: Found, runs: list[str]) -> None:
        def at(written: str) -> int:
            return int(datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp())

        company = found("orders", schedule=cron("0 30 2 * * ?"))
        company.now = at(runs[0]) - HOUR
        heard = company.poll()
        for run in runs:
            heard += company.passes(at(run) - company.now)
            company.starts("orders")
            heard += company.poll()
            company.now += MINUTE
            company.succeeds("orders")
            heard += company.poll()
        assert heard == []

    def test_a_connection_that_is_seen_late_is_due_an_interval_after_that(self, found: Found) -> None:
        company = found("users")
        company.poll()
        company.now += DAY
        company.creates("orders", HOURLY, created_at=NOON - 30 * DAY)
        company.poll()
        assert company.passes(90 * MINUTE) == []

    def test_after_a_restart_it_settles_first(self, found: Found) -> None:
        company = syncing_every_hour(found)
        company.now += 3 * HOUR  # the exporter was off
        company.restart()
        assert company.poll() == []
        assert company.passes(29 * MINUTE) == []
        assert company.passes(10 * MINUTE) == ["firing SyncOverdue orders"]

    def test_a_run_that_comes_soon_after_a_restart_is_silent(self, found: Found) -> None:
        company = syncing_every_hour(found)
        company.now += 3 * HOUR
        company.restart()
        company.poll()
        company.now += 10 * MINUTE
        company.starts("orders")
        assert company.passes(HOUR) == []

    def test_what_goes_on_is_not_ended_by_a_restart(self, found: Found) -> None:
        company = syncing_every_hour(found)
        assert company.passes(90 * MINUTE) == ["firing SyncOverdue orders"]
        company.restart()
        assert company.passes(2 * HOUR) == []
        assert company.listed == ["SyncOverdue orders"]

    def test_after_an_outage_of_airbyte_it_settles_too(self, found: Found) -> None:
        company = syncing_every_hour(found)
        heard = company.passes(5 * HOUR, answered=False)
        assert heard == ["firing AirbyteUnreachable Airbyte"]
        assert company.passes(20 * MINUTE) == ["resolved AirbyteUnreachable Airbyte (recovered)"]
        company.starts("orders")
        assert company.passes(HOUR) == []

    def test_switched_off_and_on_again_it_is_told_anew(self, found: Found) -> None:
        company = syncing_every_hour(found)
        assert company.passes(90 * MINUTE) == ["firing SyncOverdue orders"]
        company.restart(rules={"SyncOverdue": {"enabled": False}})
        assert company.poll() == ["resolved SyncOverdue orders (rule_disabled)"]
        company.restart(rules={})
        assert company.passes(40 * MINUTE) == ["firing SyncOverdue orders"]
        assert len({told.id for _, told in company.recorder.heard}) == 3

    def test_for_those_of_an_older_version_it_is_told_after_settling(self, found: Found) -> None:
        old = {name: {"enabled": False} for name in ("SyncOverdue", "NeverSucceeded")}
        company = syncing_every_hour(found, rules=old)
        assert company.passes(5 * HOUR) == []
        company.restart(rules={})
        assert company.poll() == []
        assert company.passes(40 * MINUTE) == ["firing SyncOverdue orders"]


class TestMaxAge:
    GOLD = ({"match": {"tag": "gold"}, "rules": {"SyncOverdue": {"max_age": "2h"}}},)

    def company(self, found: Found) -> Company:
        company = found("orders", "users", schedule=DAILY, overrides=self.GOLD)
        company.changes("orders", tags=("Gold",))
        company.poll()
        company.succeeds("orders")
        company.succeeds("users")
        company.poll()
        return company

    def test_is_for_those_with_the_tag_alone(self, found: Found) -> None:
        company = self.company(found)
        assert company.passes(2 * HOUR) == []
        assert company.passes(10 * MINUTE) == ["firing SyncOverdue orders"]
        assert company.passes(5 * HOUR) == []

    def test_another_sync_changes_nothing_before_it_succeeds(self, found: Found) -> None:
        company = self.company(found)
        company.passes(3 * HOUR)
        company.starts("orders")
        assert company.passes(30 * MINUTE) == []
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncOverdue orders (succeeded)"]

    def test_data_that_is_young_enough_is_silent(self, found: Found) -> None:
        company = self.company(found)
        heard = []
        for _ in range(5):
            heard += company.passes(110 * MINUTE)
            company.succeeds("orders")
            heard += company.poll()
        assert heard == []

    def test_what_was_too_old_at_the_first_start_is_adopted(self, found: Found) -> None:
        company = found("orders", schedule=DAILY, overrides=self.GOLD)
        company.changes("orders", tags=("gold",))
        company.now -= 5 * HOUR
        company.succeeds("orders")
        company.now = NOON
        assert company.passes(HOUR) == []
        assert company.listed == ["SyncOverdue orders (adopted)"]


class TestNeverSucceeded:
    def company(
        self, found: Found, *, age: int = 23 * HOUR, schedule: Schedule = DAILY, known: bool = True
    ) -> Company:
        company = found("orders", schedule=schedule, rules={"SyncOverdue": {"enabled": False}})
        company.changes("orders", created_at=NOON - age)
        company.poll()
        if known:
            company.knows_history("orders")
        return company

    def test_created_yesterday_and_cancelled_since(self, found: Found) -> None:
        company = self.company(found)
        company.is_cancelled("orders")
        assert company.passes(HOUR) == []
        assert company.passes(10 * MINUTE) == ["firing NeverSucceeded orders"]
        company.succeeds("orders")
        assert company.poll() == ["resolved NeverSucceeded orders (succeeded)"]

    def test_created_yesterday_and_a_due_run_has_not_come(self, found: Found) -> None:
        company = self.company(found)
        assert company.passes(DAY) == []
        assert company.passes(10 * MINUTE) == ["firing NeverSucceeded orders"]

    def test_a_failure_takes_over(self, found: Found) -> None:
        company = self.company(found)
        company.is_cancelled("orders")
        company.passes(2 * HOUR)
        company.fails("orders")
        assert company.poll() == ["updated SyncFailed orders"]

    def test_not_without_a_schedule(self, found: Found) -> None:
        company = self.company(found, schedule=MANUAL)
        company.is_cancelled("orders")
        assert company.passes(2 * DAY) == []

    def test_not_as_long_as_its_history_is_not_known_completely(self, found: Found) -> None:
        company = self.company(found, known=False)
        company.is_cancelled("orders")
        assert company.passes(DAY) == []
        company.knows_history("orders")
        assert company.passes(10 * MINUTE) == ["firing NeverSucceeded orders"]

    def test_not_when_it_was_created_an_hour_ago(self, found: Found) -> None:
        company = self.company(found, age=HOUR)
        company.is_cancelled("orders")
        assert company.passes(23 * HOUR) == []

    def test_not_when_it_succeeded_months_ago(self, found: Found) -> None:
        company = self.company(found, age=300 * DAY)
        company.now = NOON - 100 * DAY
        company.succeeds("orders")
        company.now = NOON
        company.is_cancelled("orders")
        assert company.passes(2 * DAY) == []

    def test_not_right_after_somebody_enabled_it_at_last(self, found: Found) -> None:
        company = self.company(found, age=300 * DAY)
        company.pauses("orders")
        company.is_cancelled("orders")
        company.passes(DAY, every=HOUR)
        company.enables("orders")
        company.poll()
        assert company.passes(23 * HOUR) == []
        assert company.passes(2 * HOUR) == ["firing NeverSucceeded orders"]

    def test_what_was_so_at_the_first_start_is_adopted(self, found: Found) -> None:
        company = self.company(found, age=300 * DAY)
        company.is_cancelled("orders")
        assert company.passes(DAY) == []
        assert company.listed == ["NeverSucceeded orders (adopted)"]
        company.fails("orders")
        assert company.poll() == ["firing SyncFailed orders"]

    def test_it_takes_over_from_overdue(self, found: Found) -> None:
        company = found("orders", schedule=HOURLY)
        company.changes("orders", created_at=NOON - 20 * HOUR)
        company.poll()
        company.knows_history("orders")
        assert company.passes(2 * HOUR) == ["firing SyncOverdue orders"]
        assert company.passes(3 * HOUR) == ["updated NeverSucceeded orders"]
        assert len({told.fingerprint for _, told in company.recorder.heard}) == 1
