"""What is wrong with many at once, with Airbyte as a whole, or with those who are to be told."""

from typing import Final

import pytest

from airbyte_exporter.model import Failure
from tests.unit.alerts.company import AHEAD, HOURLY, PLATFORM_DOWN, Company
from tests.unit.alerts.conftest import Found
from tests.unit.alerts.story import DAY, HOUR, MINUTE

PIPELINES: Final = tuple(f"pipeline-{number:02}" for number in range(25))


class TestSharedFailures:
    def company(self, found: Found, failure: Failure | None = PLATFORM_DOWN) -> Company:
        company = found(*PIPELINES, "orders", "users")
        company.poll()
        company.now += HOUR
        if failure is not None:
            for name in PIPELINES:
                company.fails(name, failure)
        return company

    def test_25_with_the_same_reason_of_the_platform_are_one_incident(self, found: Found) -> None:
        company = self.company(found)
        assert company.poll() == ["firing SyncFailed Airbyte"]
        assert company.listed == ["SyncFailed Airbyte"]
        data = company.last_data
        assert (data["connection"], data["workspace"]) == (None, None)
        assert data["affected"]["count"] == 25
        assert [each["name"] for each in data["affected"]["connections"]] == list(PIPELINES[:20])
        assert data["summary"] == "Syncs failed: 25 connections of airbyte.example.com"

    def test_20_are_20_incidents(self, found: Found) -> None:
        company = self.company(found, None)
        for name in PIPELINES[:20]:
            company.fails(name, PLATFORM_DOWN)
        assert company.poll() == [f"firing SyncFailed {name}" for name in PIPELINES[:20]]

    def test_those_with_different_reasons_are_not_one(self, found: Found) -> None:
        company = self.company(found, None)
        for name in PIPELINES:
            company.fails(name, Failure("airbyte_platform", "system_error", f"out of memory in {name}"))
        assert company.poll() == [f"firing SyncFailed {name}" for name in PIPELINES]

    def test_nor_those_with_a_reason_of_the_source(self, found: Found) -> None:
        company = self.company(found, Failure("source", "system_error", "Connection refused"))
        assert company.poll() == [f"firing SyncFailed {name}" for name in PIPELINES]

    def test_who_fails_of_it_later_joins(self, found: Found) -> None:
        company = self.company(found)
        company.poll()
        company.now += HOUR
        company.fails("orders", PLATFORM_DOWN)
        company.fails("users")
        assert company.poll() == ["firing SyncFailed users"]
        company.passes(23 * HOUR)
        assert company.last_data["affected"]["count"] == 26

    def test_it_ends_when_the_last_has_recovered(self, found: Found) -> None:
        company = self.company(found)
        company.poll()
        heard = []
        for name in PIPELINES:
            company.now += MINUTE
            company.succeeds(name)
            heard.append(company.poll())
        assert heard == [[]] * 24 + [["resolved SyncFailed Airbyte (recovered)"]]
        assert company.listed == []

    def test_one_that_goes_on_failing_is_one_update(self, found: Found) -> None:
        company = self.company(found)
        company.poll()
        heard = []
        for _ in range(3):
            company.now += 30 * MINUTE
            company.fails(PIPELINES[0])
            company.fails(PIPELINES[1])
            heard += company.poll()
        assert heard == ["updated SyncFailing Airbyte"]
        for name in PIPELINES[:2]:
            company.succeeds(name)
        assert company.poll() == []
        assert company.listed == ["SyncFailing Airbyte"], "what was told has not ended"
        for name in PIPELINES[2:]:
            company.succeeds(name)
        assert company.poll() == ["resolved SyncFailing Airbyte (recovered)"]

    def test_a_failure_that_recovered_before_is_told_on_its_own(self, found: Found) -> None:
        company = self.company(found, None)
        company.fails("orders")
        company.now += MINUTE
        company.succeeds("orders")
        company.now += 20 * MINUTE
        for name in (*PIPELINES, "orders"):
            company.fails(name, PLATFORM_DOWN)
        assert company.poll() == [
            "firing SyncFailed orders",
            "resolved SyncFailed orders (succeeded)",
            "firing SyncFailed Airbyte",
        ]

    def test_dying_before_the_commit_loses_and_doubles_nothing(self, found: Found) -> None:
        company = self.company(found)
        with company.dies_before_it_commits() as lost:
            assert company.poll() == []
        company.restart()
        company.poll()
        assert [(told.id, told.body) for _, told in company.recorder.heard] == lost

    def test_paused_and_deleted_ones_leave(self, found: Found) -> None:
        company = self.company(found)
        company.poll()
        for name in PIPELINES[:12]:
            company.pauses(name)
        for name in PIPELINES[12:]:
            company.deletes(name)
        company.now += MINUTE
        assert company.poll() == ["resolved SyncFailed Airbyte (recovered)"]


class TestAirbyteUnreachable:
    def company(self, found: Found, **more: object) -> Company:
        company = found("failing", "orders", schedule=HOURLY, **more)
        company.poll()
        company.fails("failing")
        company.succeeds("orders")
        assert company.poll() == ["firing SyncFailed failing"]
        assert company.passes(50 * MINUTE) == []
        return company

    def test_60_hours_are_one_alert_and_one_end(self, found: Found) -> None:
        company = self.company(found)
        heard = company.passes(60 * HOUR, answered=False)
        heard += company.poll()
        for name in ("failing", "orders"):
            company.starts(name)
        heard += company.passes(HOUR)
        assert heard == [
            "firing AirbyteUnreachable Airbyte",
            "resolved AirbyteUnreachable Airbyte (recovered)",
        ]

    def test_what_goes_on_is_repeated_an_interval_after_the_outage(self, found: Found) -> None:
        company = self.company(found)
        company.passes(60 * HOUR, answered=False)
        company.poll()
        company.starts("orders")
        assert company.passes(23 * HOUR) == []
        assert company.passes(HOUR) == ["repeated SyncFailed failing"]

    def test_it_is_repeated_where_that_is_configured(self, found: Found) -> None:
        company = self.company(found, rules={"AirbyteUnreachable": {"repeat": "4h"}})
        heard = company.passes(13 * HOUR, answered=False)
        assert heard == ["firing AirbyteUnreachable Airbyte", *["repeated AirbyteUnreachable Airbyte"] * 3]

    def test_ten_minutes_are_silent(self, found: Found) -> None:
        company = self.company(found)
        assert company.passes(10 * MINUTE, every=MINUTE, answered=False) == []
        assert company.poll() == []

    def test_why_and_since_when_is_said(self, found: Found) -> None:
        company = self.company(found)
        company.passes(HOUR, answered=False)
        said = company.last_data["description"]
        assert "No poll of airbyte.example.com has worked since " in said
        assert " The last try: jobs/list: nothing answers. Metrics and alerts about connections" in said

    def test_credentials_that_expire_on_friday_are_no_failed_syncs(self, found: Found) -> None:
        company = self.company(found)
        heard = company.passes(2 * DAY, answered=False)
        assert heard == ["firing AirbyteUnreachable Airbyte"]

    def test_a_start_while_it_is_down(self, found: Found) -> None:
        company = found("orders")
        assert company.evaluates() == []
        assert company.passes(10 * MINUTE, answered=False) == []
        assert company.passes(10 * MINUTE, answered=False) == ["firing AirbyteUnreachable Airbyte"]
        assert company.passes(DAY, answered=False) == []
        assert company.poll() == ["resolved AirbyteUnreachable Airbyte (recovered)"]

    def test_a_restart_in_the_outage_is_not_news(self, found: Found) -> None:
        company = self.company(found)
        company.passes(HOUR, answered=False)
        company.restart()
        assert company.passes(DAY, answered=False) == []
        company.restart()
        assert company.poll() == ["resolved AirbyteUnreachable Airbyte (recovered)"]
        assert company.passes(20 * MINUTE) == []

    def test_a_restart_after_hours_with_airbyte_well_is_not_news(self, found: Found) -> None:
        company = self.company(found)
        company.now += 9 * HOUR
        company.restart()
        assert company.evaluates() == []
        assert company.poll() == []
        assert company.passes(20 * MINUTE) == []

    def test_a_failure_and_its_recovery_in_the_outage_are_told_afterwards(self, found: Found) -> None:
        company = self.company(found)
        company.passes(5 * HOUR, answered=False)
        company.fails("orders")
        company.now += HOUR
        company.succeeds("orders")
        assert company.poll() == [
            "resolved AirbyteUnreachable Airbyte (recovered)",
            "firing SyncFailed orders",
            "resolved SyncFailed orders (succeeded)",
        ]


class TestNotificationsFailing:
    def company(self, found: Found, *receivers: str) -> Company:
        company = found("orders", receivers=receivers)
        company.poll()
        return company

    def goes_deaf(self, company: Company, name: str) -> None:
        company.failing_receivers[name] = float(company.now + AHEAD)

    def test_the_others_are_told_of_it_and_of_its_end(self, found: Found) -> None:
        company = self.company(found, "oncall", "chat")
        self.goes_deaf(company, "oncall")
        assert company.passes(14 * MINUTE) == []
        assert company.passes(MINUTE) == ["firing NotificationsFailing Airbyte > chat"]
        assert company.last_data["summary"] == "Notifications failing: oncall"
        assert company.last_data["description"].startswith("The receiver “oncall” has taken no notification")
        company.failing_receivers.clear()
        assert company.poll() == ["resolved NotificationsFailing Airbyte (recovered) > chat"]
        assert "about the receiver “oncall” has ended" in company.last_data["description"]

    def test_one_that_comes_back_soon_is_silent(self, found: Found) -> None:
        company = self.company(found, "oncall", "chat")
        self.goes_deaf(company, "oncall")
        company.passes(14 * MINUTE)
        company.failing_receivers.clear()
        assert company.passes(HOUR) == []

    def test_with_a_single_receiver_it_is_listed_and_nobody_is_told(self, found: Found) -> None:
        company = self.company(found, "oncall")
        self.goes_deaf(company, "oncall")
        assert company.passes(HOUR) == []
        assert company.listed == ["NotificationsFailing Airbyte"]
        company.failing_receivers.clear()
        assert company.poll() == []
        assert company.listed == []

    def test_who_was_told_is_told_the_end_though_deaf_by_then(self, found: Found) -> None:
        company = self.company(found, "oncall", "chat", "mail")
        self.goes_deaf(company, "oncall")
        company.passes(20 * MINUTE)
        self.goes_deaf(company, "chat")
        company.passes(20 * MINUTE)
        del company.failing_receivers["oncall"]
        assert company.poll() == [
            "resolved NotificationsFailing Airbyte (recovered) > chat",
            "resolved NotificationsFailing Airbyte (recovered) > mail",
        ]

    def test_taking_the_receiver_away_ends_it(self, found: Found) -> None:
        company = self.company(found, "oncall", "chat")
        self.goes_deaf(company, "oncall")
        company.passes(20 * MINUTE)
        company.restart(receivers=("chat",))
        assert company.poll() == ["resolved NotificationsFailing Airbyte (deleted)"]
        assert company.last_data["summary"] == "Alert ended, receiver not configured any more: oncall"

    def test_it_goes_by_our_own_clock(self, found: Found) -> None:
        company = self.company(found, "oncall", "chat")
        self.goes_deaf(company, "oncall")
        heard = company.passes(HOUR, answered=False)
        assert sorted(heard) == [
            "firing AirbyteUnreachable Airbyte > chat",
            "firing AirbyteUnreachable Airbyte > oncall",
            "firing NotificationsFailing Airbyte > chat",
        ]

    @pytest.mark.parametrize("name", ["list of many", "sync-health of many"])
    def test_any_name_will_do(self, found: Found, name: str) -> None:
        company = self.company(found, name, "chat")
        self.goes_deaf(company, name)
        assert company.passes(HOUR) == ["firing NotificationsFailing Airbyte > chat"]
        company.failing_receivers.clear()
        assert company.poll() == ["resolved NotificationsFailing Airbyte (recovered) > chat"]
