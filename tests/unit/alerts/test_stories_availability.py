"""Connections that cannot run, or do not begin: schema changes, disablings, and jobs that wait."""

from dataclasses import replace

import pytest

from airbyte_exporter.model import ConnectionStatus, Instance, SchemaChange
from tests.unit.alerts.company import HOURLY, Company
from tests.unit.alerts.conftest import Found
from tests.unit.alerts.keeping import INSTANCE
from tests.unit.alerts.story import DAY, HOUR, MINUTE, NOON

UNTOLD = replace(INSTANCE, version="0.50.0")
"""An Airbyte that does not tell who disabled a connection."""


class TestBreakingSchemaChange:
    def company(self, found: Found, change: SchemaChange | None = SchemaChange.NONE) -> Company:
        company = found("orders", "users")
        for name in ("orders", "users"):
            company.changes(name, schema_change=SchemaChange.NONE)
        company.changes("orders", schema_change=change)
        assert company.poll() == []
        return company

    def test_one_appears_and_is_resolved(self, found: Found) -> None:
        company = self.company(found)
        company.now += 20 * DAY
        company.changes("orders", schema_change=SchemaChange.BREAKING)
        assert company.poll() == ["firing BreakingSchemaChange orders"]
        company.now += HOUR
        company.changes("orders", schema_change=SchemaChange.NONE)
        assert company.poll() == ["resolved BreakingSchemaChange orders (recovered)"]

    def test_one_that_appears_while_the_exporter_is_off_is_told(self, found: Found) -> None:
        company = self.company(found)
        company.restart()
        company.now += DAY
        company.changes("orders", schema_change=SchemaChange.BREAKING)
        assert company.poll() == ["firing BreakingSchemaChange orders"]

    def test_another_kind_of_change_is_silent(self, found: Found) -> None:
        company = self.company(found)
        company.changes("orders", schema_change=SchemaChange.NON_BREAKING)
        assert company.passes(HOUR) == []

    def test_one_that_was_there_at_the_first_start_is_adopted(self, found: Found) -> None:
        company = self.company(found, SchemaChange.BREAKING)
        assert company.listed == ["BreakingSchemaChange orders (adopted)"]
        assert company.passes(5 * HOUR) == []
        company.changes("orders", schema_change=SchemaChange.NONE)
        assert company.poll() == []
        company.now += DAY
        company.changes("orders", schema_change=SchemaChange.BREAKING)
        assert company.poll() == ["firing BreakingSchemaChange orders"]

    def test_one_that_was_there_when_its_connection_was_first_seen_is_adopted(self, found: Found) -> None:
        company = self.company(found)
        company.now += DAY
        company.creates("late", schema_change=SchemaChange.BREAKING)
        assert company.poll() == []
        assert company.listed == ["BreakingSchemaChange late (adopted)"]

    def test_the_first_that_an_airbyte_tells_of_is_older_than_that(self, found: Found) -> None:
        company = self.company(found, None)
        company.now += DAY
        company.changes("orders", schema_change=SchemaChange.BREAKING)
        assert company.poll() == []
        assert company.listed == ["BreakingSchemaChange orders (adopted)"]

    def test_what_is_there_after_an_upgrade_from_a_version_that_did_not_look_is_adopted(
        self, found: Found
    ) -> None:
        company = self.company(found)
        company.fails("users")
        company.poll()
        company.forgets_looks("availability")
        company.changes("orders", schema_change=SchemaChange.BREAKING)
        company.restart()
        assert company.poll() == []
        assert company.listed == ["BreakingSchemaChange orders (adopted)", "SyncFailed users"]

    def test_an_airbyte_that_does_not_tell_is_silent(self, found: Found) -> None:
        company = self.company(found, None)
        assert company.passes(DAY) == []

    def test_that_airbyte_disables_it_too_is_the_same_incident(self, found: Found) -> None:
        company = self.company(found)
        company.changes("orders", schema_change=SchemaChange.BREAKING)
        company.pauses("orders", by_person=False, reason="schema_change")
        assert company.poll() == ["firing BreakingSchemaChange orders"]
        assert "The connection is disabled until somebody has reviewed" in company.last_data["description"]
        company.now += HOUR
        company.changes("orders", schema_change=SchemaChange.NONE)
        assert company.poll() == []
        company.now += HOUR
        company.enables("orders")
        assert company.poll() == ["resolved ConnectionDisabled orders (enabled)"]
        assert len({told.fingerprint for _, told in company.recorder.heard}) == 1

    def test_that_airbyte_disables_what_was_adopted_is_told(self, found: Found) -> None:
        company = self.company(found, SchemaChange.BREAKING)
        company.now += HOUR
        company.pauses("orders", by_person=False, reason="schema_change")
        assert company.poll() == ["firing BreakingSchemaChange orders"]
        company.now += HOUR
        company.changes("orders", schema_change=SchemaChange.NONE)
        company.enables("orders")
        assert company.poll() == ["resolved BreakingSchemaChange orders (recovered)"]


class TestConnectionDisabled:
    def company(self, found: Found, instance: Instance = INSTANCE) -> Company:
        company = found("orders", "users", instance=instance)
        company.poll()
        company.now += HOUR
        return company

    def test_by_airbyte(self, found: Found) -> None:
        company = self.company(found)
        company.pauses("orders", by_person=False, reason="too_many_failed_jobs_with_no_recent_success")
        assert company.poll() == ["firing ConnectionDisabled orders"]
        assert "too_many_failed_jobs_with_no_recent_success" in company.last_data["description"]
        company.now += HOUR
        company.enables("orders")
        assert company.poll() == ["resolved ConnectionDisabled orders (enabled)"]

    def test_while_it_was_failing_two_incidents(self, found: Found) -> None:
        company = self.company(found)
        company.fails("orders")
        assert company.poll() == ["firing SyncFailed orders"]
        company.now += HOUR
        company.pauses("orders", by_person=False, reason="too_many_failed_jobs_with_no_recent_success")
        assert sorted(company.poll()) == [
            "firing ConnectionDisabled orders",
            "resolved SyncFailed orders (paused)",
        ]

    @pytest.mark.parametrize("by_person", [True, None])
    def test_by_a_person_or_nobody_knows_is_silent(self, found: Found, by_person: bool | None) -> None:
        company = self.company(found)
        company.pauses("orders", by_person=by_person)
        assert company.poll() == []
        assert company.passes(DAY) == []

    def test_where_airbyte_does_not_tell_who_it_is_silent(self, found: Found) -> None:
        company = self.company(found, UNTOLD)
        company.changes("orders", status=ConnectionStatus.INACTIVE)
        assert company.passes(DAY) == []

    def test_it_waits_for_the_answer_to_who_it_was(self, found: Found) -> None:
        company = self.company(found)
        company.changes("orders", status=ConnectionStatus.INACTIVE)
        assert company.passes(20 * MINUTE) == []
        company.pauses("orders", by_person=False)
        assert company.poll() == ["firing ConnectionDisabled orders"]

    @pytest.mark.parametrize("instance", [INSTANCE, UNTOLD])
    def test_a_lock_is_airbytes_doing_anywhere(self, found: Found, instance: Instance) -> None:
        company = self.company(found, instance)
        company.changes("orders", status=ConnectionStatus.LOCKED)
        assert company.poll() == ["firing ConnectionDisabled orders"]

    @pytest.mark.parametrize("status", [ConnectionStatus.INACTIVE, ConnectionStatus.LOCKED])
    def test_what_was_off_at_first_sight_is_silent(self, found: Found, status: ConnectionStatus) -> None:
        company = found("orders", "users")
        company.changes("orders", status=status)
        assert company.poll() == []
        company.now += DAY
        company.creates("late", status=status)
        assert company.passes(HOUR) == []

    def test_deleting_it_ends_it(self, found: Found) -> None:
        company = self.company(found)
        company.pauses("orders", by_person=False, reason="schema_change")
        company.poll()
        company.now += HOUR
        company.deletes("orders")
        assert company.poll() == ["resolved ConnectionDisabled orders (deleted)"]


class TestTwoGroups:
    def test_a_failure_and_a_schema_change_are_two_incidents(self, found: Found) -> None:
        company = found("orders")
        company.changes("orders", schema_change=SchemaChange.NONE)
        company.poll()
        company.now += HOUR
        company.fails("orders")
        company.changes("orders", schema_change=SchemaChange.BREAKING)
        assert sorted(company.poll()) == ["firing BreakingSchemaChange orders", "firing SyncFailed orders"]
        assert len({told.fingerprint for _, told in company.recorder.heard}) == 2
        company.now += HOUR
        company.succeeds("orders")
        assert company.poll() == ["resolved SyncFailed orders (succeeded)"]
        assert company.listed == ["BreakingSchemaChange orders"]


class TestJobStuckPending:
    def company(self, found: Found, *names: str) -> Company:
        company = found(*(names or ("orders",)))
        company.poll()
        assert company.passes(HOUR) == []
        return company

    def test_one_waits_for_31_minutes_and_starts(self, found: Found) -> None:
        company = self.company(found)
        company.queues("orders")
        assert company.passes(31 * MINUTE) == ["firing JobStuckPending orders"]
        company.starts("orders")
        assert company.poll() == ["resolved JobStuckPending orders (started)"]
        assert company.last_data["summary"] == "Alert ended, the job has started: orders"

    def test_29_minutes_are_silent(self, found: Found) -> None:
        company = self.company(found)
        company.queues("orders")
        assert company.passes(29 * MINUTE) == []
        company.starts("orders")
        assert company.passes(5 * HOUR) == []

    def test_one_that_is_cancelled_has_not_started(self, found: Found) -> None:
        company = self.company(found)
        company.queues("orders")
        company.passes(31 * MINUTE)
        company.is_cancelled("orders")
        assert company.poll() == ["resolved JobStuckPending orders (recovered)"]
        assert "nothing waits to be started any more" in company.last_data["description"]

    def test_one_that_airbyte_forgets_ends_it(self, found: Found) -> None:
        company = self.company(found)
        company.queues("orders")
        company.passes(31 * MINUTE)
        company.prunes("orders")
        assert company.passes(MINUTE) == ["resolved JobStuckPending orders (recovered)"]

    def test_one_that_fails_without_having_begun(self, found: Found) -> None:
        company = self.company(found)
        company.queues("orders")
        company.passes(31 * MINUTE)
        company.fails("orders")
        assert sorted(company.poll()) == [
            "firing SyncFailed orders",
            "resolved JobStuckPending orders (recovered)",
        ]

    def test_what_waited_before_the_first_start_is_adopted(self, found: Found) -> None:
        company = found("orders")
        company.now -= 2 * HOUR
        company.queues("orders")
        company.now = NOON
        assert company.passes(HOUR) == []
        assert company.listed == ["JobStuckPending orders (adopted)"]

    def test_after_an_outage_it_waits_until_it_would_have_been_taken(self, found: Found) -> None:
        company = self.company(found)
        company.queues("orders")
        company.passes(2 * HOUR, answered=False)
        assert company.passes(30 * MINUTE) == [
            "resolved AirbyteUnreachable Airbyte (recovered)",
        ]
        assert company.passes(10 * MINUTE) == ["firing JobStuckPending orders"]


class TestManyThatWait:
    def midnight(self, found: Found, number: int) -> tuple[Company, list[str]]:
        names = [f"cron-{each:03}" for each in range(number)]
        company = found(*names)
        company.poll()
        company.passes(HOUR)
        for name in names:
            company.queues(name)
        return company, names

    def test_300_crons_at_midnight_are_one_incident_with_one_message_and_one_end(self, found: Found) -> None:
        company, names = self.midnight(found, 300)
        assert company.passes(40 * MINUTE) == ["firing JobStuckPending Airbyte"]
        affected = company.last_data["affected"]
        assert affected["count"] == 300
        assert [each["name"] for each in affected["connections"]] == names[:20]
        assert company.listed == ["JobStuckPending Airbyte"]
        heard = []
        for some in (names[:100], names[100:298], names[298:]):
            for name in some:
                company.starts(name)
            company.now += 10 * MINUTE
            heard.append(company.poll())
        assert heard == [[], [], ["resolved JobStuckPending Airbyte (recovered)"]]

    def test_a_restart_in_the_middle_changes_nothing(self, found: Found) -> None:
        company, names = self.midnight(found, 10)
        company.passes(40 * MINUTE)
        company.restart()
        assert company.passes(HOUR) == []
        for name in names:
            company.starts(name)
        assert company.poll() == ["resolved JobStuckPending Airbyte (recovered)"]

    def test_five_are_told_one_by_one(self, found: Found) -> None:
        company, names = self.midnight(found, 5)
        assert company.passes(40 * MINUTE) == [f"firing JobStuckPending {name}" for name in names]

    def test_paused_ones_do_not_count(self, found: Found) -> None:
        company, names = self.midnight(found, 6)
        company.pauses(names[0])
        assert company.passes(40 * MINUTE) == [f"firing JobStuckPending {name}" for name in names[1:]]

    def test_those_that_were_told_before_stay_what_they_are(self, found: Found) -> None:
        names = [f"cron-{number}" for number in range(6)]
        company = found(*names)
        company.poll()
        company.passes(HOUR)
        for name in names[:3]:
            company.queues(name)
        company.passes(10 * MINUTE)
        for name in names[3:]:
            company.queues(name)
        assert company.passes(21 * MINUTE) == [f"firing JobStuckPending {name}" for name in names[:3]]
        assert company.passes(10 * MINUTE) == ["firing JobStuckPending Airbyte"]
        assert company.last_data["affected"]["count"] == 3
        for name in names:
            company.starts(name)
        assert sorted(company.poll()) == [
            "resolved JobStuckPending Airbyte (recovered)",
            *(f"resolved JobStuckPending {name} (started)" for name in names[:3]),
        ]

    def test_the_rest_of_the_company_is_not_disturbed(self, found: Found) -> None:
        company, _ = self.midnight(found, 10)
        company.creates("orders", HOURLY)
        company.passes(40 * MINUTE)
        company.fails("orders")
        assert company.poll() == ["firing SyncFailed orders"]
