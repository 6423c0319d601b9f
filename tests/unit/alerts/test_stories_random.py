"""Whatever happens to a company, and however often the exporter is killed: what people hear adds up."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from airbyte_exporter.alerts import Route
from airbyte_exporter.model import ConnectionStatus, Failure, Schedule, SchemaChange
from tests.unit.alerts.company import HOURLY, MANUAL, PLATFORM_DOWN, Company
from tests.unit.alerts.story import DAY, HOUR, LOGIN_FAILED, MINUTE, NOON
from tests.unit.alerts.test_stories_texts import KEYS, STRANGE

NAMES: Final = ("orders", "users", "bills")
RECEIVERS: Final = ("chat", "oncall")
ROUTES: Final = (
    Route.model_validate({"match": {"severity": "critical"}, "receivers": ["chat", "oncall"]}),
    Route.model_validate({"match": {"connection": "bills"}, "receivers": ["oncall"]}),
    Route.model_validate({"receivers": ["chat"]}),
)
EAGER: Final = {
    "SyncFailed": {"together": 1},
    "JobStuckPending": {"many": 1},
    "AutoDisableSoon": {"failures": 4, "without_success": "3h"},
}
"""Few are many here, so that many of all kinds happen in short time."""
CONFIGURED: Final = (
    EAGER,
    {**EAGER, "SyncFailed": {"together": 1, "for": "30m"}},
    {**EAGER, "SyncFailing": {"enabled": False}},
    {**EAGER, "SyncFailed": {"enabled": False, "together": 1}, "SyncOverdue": {"enabled": False}},
    {**EAGER, "BreakingSchemaChange": {"enabled": False}},
    {**EAGER, "JobStuckPending": {"many": 1, "severity": "critical"}},
)  # fmt: skip

names = st.sampled_from(NAMES)


class AnyCompany(RuleBasedStateMachine):
    """Events of three connections, in any order; time only passes with polls, good or bad ones."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.company = Company(
            Path(self.folder.name), *NAMES, schedule=HOURLY, receivers=RECEIVERS, routes=ROUTES, rules=EAGER
        )
        self.company.now = NOON - HOUR
        for name in NAMES:
            self.company.changes(name, schema_change=SchemaChange.NONE)
        self.company.fails("users")
        self.company.now = NOON
        self.company.poll()
        self.company.knows_history(*NAMES)

    def teardown(self) -> None:
        self.company.close()
        self.folder.cleanup()

    # What happens in Airbyte

    @rule(name=names, failure=st.sampled_from([LOGIN_FAILED, PLATFORM_DOWN]))
    def fails(self, name: str, failure: Failure) -> None:
        self.company.fails(name, failure)
        self.company.now += 1

    @rule(failure=st.sampled_from([LOGIN_FAILED, PLATFORM_DOWN]))
    def all_fail(self, failure: Failure) -> None:
        for name in NAMES:
            self.fails(name, failure)

    @rule(name=names)
    def succeeds(self, name: str) -> None:
        self.company.succeeds(name)
        self.company.now += 1

    @rule(name=names)
    def is_cancelled(self, name: str) -> None:
        self.company.is_cancelled(name)
        self.company.now += 1

    @rule(which=st.sets(names, min_size=1))
    def queue(self, which: set[str]) -> None:
        for name in sorted(which):
            if not self.company.is_live(name):
                self.company.queues(name)

    @rule(name=names)
    def starts(self, name: str) -> None:
        self.company.starts(name)

    @rule(name=names, by_person=st.sampled_from([True, False, None]))
    def is_paused(self, name: str, by_person: bool | None) -> None:
        if name in self.company.connections:
            self.company.pauses(name, by_person=by_person)

    @rule(name=names, status=st.sampled_from([ConnectionStatus.ACTIVE, ConnectionStatus.LOCKED]))
    def is_enabled_or_locked(self, name: str, status: ConnectionStatus) -> None:
        if name in self.company.connections:
            self.company.changes(name, status=status)

    @rule(name=names, change=st.sampled_from(SchemaChange))
    def schema_changes(self, name: str, change: SchemaChange) -> None:
        if name in self.company.connections:
            self.company.changes(name, schema_change=change)

    @rule(name=names, schedule=st.sampled_from([HOURLY, MANUAL]))
    def is_scheduled(self, name: str, schedule: Schedule) -> None:
        if name in self.company.connections:
            self.company.changes(name, schedule=schedule)

    @rule(name=names)
    def is_deleted_or_comes_back(self, name: str) -> None:
        if name in self.company.connections:
            self.company.deletes(name)
        else:
            self.company.creates(name, HOURLY, schema_change=SchemaChange.NONE)

    # What happens to the exporter

    @rule(minutes=st.integers(1, 90))
    def time_passes(self, minutes: int) -> None:
        self.company.passes(minutes * MINUTE)

    @rule(hours=st.sampled_from([1, 5, 30]))
    def airbyte_is_away(self, hours: int) -> None:
        self.company.passes(hours * HOUR, every=30 * MINUTE, answered=False)

    @rule(seconds=st.sampled_from([0, HOUR, 2 * DAY]), rules=st.sampled_from(CONFIGURED))
    def is_started_again(self, seconds: int, rules: Mapping[str, object]) -> None:
        self.company.restart(rules=rules)
        self.company.now += seconds

    @rule(hours=st.integers(1, 6))
    def somebody_silences(self, hours: int) -> None:
        self.company.now += 1
        self.company.silences(hours * HOUR)

    @rule(deaf=st.booleans())
    def a_receiver_goes_deaf_or_hears_again(self, deaf: bool) -> None:
        if deaf:
            self.company.failing_receivers.setdefault("oncall", self.company.clock)
        else:
            self.company.failing_receivers.clear()

    @rule()
    def dies_before_it_commits_and_says_the_same_again(self) -> None:
        with self.company.dies_before_it_commits() as lost:
            self.company.poll()
        self.company.evaluates()
        heard = {told.id: told.body for _, told in self.company.recorder.heard}
        assert [heard.get(id_) for id_, _ in lost] == [body for _, body in lost]

    # What has to be so at any time

    @invariant()
    def one_incident_of_a_connection_and_group_goes_on(self) -> None:
        with closing(sqlite3.connect(Path(self.folder.name) / "state.db")) as db:
            firing = db.execute(
                "SELECT connection_id, rule_group, fingerprint FROM incidents WHERE status = 'firing'"
            ).fetchall()
            newest = db.execute("SELECT connection_id, rule_group, fingerprint FROM alert_states").fetchall()
        assert len({row[:2] for row in firing}) == len(firing)
        assert set(firing) <= set(newest)

    @invariant()
    def nobody_hears_an_end_out_of_nowhere_nor_misses_one(self) -> None:
        courses = defaultdict[tuple[str, str], list[str]](list)
        for receiver, told in self.company.recorder.heard:
            courses[told.fingerprint, receiver].append(told.type.removeprefix("alert."))
        over = {it.fingerprint for it in self.company.store.incidents(firing_only=False) if it.ends_at}
        for (fingerprint, _), kinds in courses.items():
            for before, kind in zip(["resolved", *kinds], kinds, strict=False):
                assert (before == "resolved") is (kind == "firing"), kinds
            assert fingerprint not in over or kinds[-1] == "resolved", kinds

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        sent = [(receiver, told.id) for receiver, told in self.company.recorder.heard]
        assert len(set(sent)) == len(sent)
        said: dict[tuple[str, str], tuple[str, int, str]] = {}
        for receiver, told in self.company.recorder.heard:
            words = (told.type, told.created_at, told.body["data"]["rule"])
            assert said.get((told.fingerprint, receiver)) != words, "the same twice, one after the other"
            said[told.fingerprint, receiver] = words

    @invariant()
    def nothing_strange_is_said(self) -> None:
        for _, told in self.company.recorder.heard[-2:]:
            data = told.body["data"]
            assert list(data) == KEYS
            assert not STRANGE.search(data["summary"]), data["summary"]
            assert not STRANGE.search(data["description"]), data["description"]


TestAnyCompany = AnyCompany.TestCase
TestAnyCompany.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
