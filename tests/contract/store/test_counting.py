"""Whatever order, repetition and interruption: the same facts, and each job counted exactly once."""

import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from hypothesis.stateful import run_state_machine_as_test as assert_machine_holds

from airbyte_exporter.model import (
    Attempt,
    AttemptStatus,
    ConnectionFacts,
    Failure,
    Job,
    JobStatus,
    JobType,
    Volumes,
)
from airbyte_exporter.store import Store, _retention
from tests.contract.store.builders import (
    DAY,
    EPOCH,
    connection,
    decision,
    histories,
    inventory,
    job,
)
from tests.contract.store.conftest import NewState, State
from tests.contract.store.ledger import VOLUMES, Ledger, order

CONNECTIONS = ("c-1", "c-2", "c-3")
LIVE = (JobStatus.PENDING, JobStatus.RUNNING, JobStatus.INCOMPLETE)
FINAL = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)
URL = "http://airbyte:8001/api/v1"

volumes = st.one_of(
    st.none(),
    st.builds(Volumes, *(st.one_of(st.none(), st.integers(0, 2**40)) for _ in VOLUMES)).filter(
        lambda each: each != Volumes()
    ),
)


@st.composite
def attempts(draw: st.DrawFn) -> tuple[Attempt, ...] | None:
    tries = draw(st.one_of(st.none(), st.lists(st.sampled_from(AttemptStatus), max_size=4)))
    if tries is None:
        return None
    failures = st.one_of(
        st.none(), st.builds(Failure, st.sampled_from(("source", "unknown")), st.sampled_from(("a", "b")))
    )
    created = EPOCH + draw(st.integers(-3, 14)) * DAY + draw(st.sampled_from((0, 1, 10, 11, 3600)))
    return tuple(
        Attempt(
            number,
            status,
            created + number,
            failure=draw(failures) if status is AttemptStatus.FAILED else None,
            partial_success=draw(st.sampled_from((None, True, False))),
        )
        for number, status in enumerate(tries)
    )


types = st.sampled_from((JobType.SYNC, JobType.SYNC, JobType.REFRESH, JobType.CLEAR))


@st.composite
def lives(draw: st.DrawFn) -> list[Job]:
    """What Airbyte tells of one job over its life: some live rows, then its end."""
    created = EPOCH + draw(st.integers(-5, 20)) * 100
    first = job(
        draw(st.integers(1, 6)), of=draw(st.sampled_from(CONNECTIONS)), created=created, type_=draw(types)
    )
    rows: list[Job] = []
    at = created
    for status in (*draw(st.lists(st.sampled_from(LIVE), max_size=3)), draw(st.sampled_from(FINAL))):
        at += draw(st.integers(0, 90))
        rows.append(replace(first, status=status, updated_at=at, volumes=draw(volumes)))
    return rows


@contextmanager
def opened(new_state: NewState) -> Iterator[State]:
    state = new_state()
    try:
        state.open().bind(url=URL, deployment_id=None, epoch=EPOCH)
        yield state
    finally:
        state.close()


@given(
    jobs=st.lists(lives(), max_size=12, unique_by=lambda rows: rows[0].key),
    chance=st.randoms(use_true_random=False),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_pages_in_any_order_any_number_of_times_count_every_job_once(
    new_state: NewState, jobs: list[list[Job]], chance: random.Random
) -> None:
    rows = [row for life in jobs for row in life]
    rows += chance.choices(rows, k=len(rows)) if rows else []
    chance.shuffle(rows)
    with opened(new_state) as state:
        store = state.opened[0]
        store.record_inventory(inventory(*map(connection, CONNECTIONS)))
        while rows:
            size = chance.randint(1, 6)
            page, rows = rows[:size], rows[size:]
            store.record_jobs(page)
            if chance.random() < 0.2:
                store = state.reopen()
                store.record_jobs(page)
        ends = [life[-1] for life in jobs]
        assert store.live_keys() == ()
        truth = Counter(
            (end.connection_id, end.type.value, end.status.value) for end in ends if end.updated_at >= EPOCH
        )
        facts = store.facts()
        assert all_counted(facts) == truth
        assert sum(store.completed().values()) == truth.total()
        for name in VOLUMES:
            told = sum(getattr(fact.counters, name) for fact in facts.values())
            assert told == sum(
                getattr(end.volumes, name, None) or 0 for end in ends if end.updated_at >= EPOCH
            )


def all_counted(facts: dict[str, ConnectionFacts]) -> dict[tuple[str, str, str], int]:
    return {(id_, *labels): n for id_, fact in facts.items() for labels, n in fact.counters.jobs.items()}


def test_a_counter_that_is_full_stays_full(store: Store) -> None:
    most = 2**63 - 1
    store.record_inventory(inventory(connection()))
    ends = [job(number, created=EPOCH + number, volumes=Volumes(most, 5)) for number in range(3)]
    for page, total in ((ends[:2], 10), (ends[2:], 15)):
        store.record_jobs(page)
        counters = store.facts()["c-1"].counters
        assert (counters.records_synced, counters.bytes_synced) == (most, total)
        assert isinstance(counters.records_synced, int)


KEPT = 3
RETENTION = 14 * DAY


class Against(RuleBasedStateMachine):
    """The store does what the ledger does, whatever happens to both."""

    new_state: NewState

    @initialize()
    def begin(self) -> None:
        self.state = self.new_state()
        self.store: Store = self.state.open()
        self.store.bind(url=URL, deployment_id=None, epoch=EPOCH)
        self.ledger = Ledger(EPOCH)
        self.kept = mock.patch.object(_retention, "KEPT_JOBS", KEPT)
        self.kept.start()

    @rule(
        page=st.lists(
            st.builds(
                job,
                st.integers(1, 4),
                st.sampled_from((*FINAL, *LIVE[:2], JobStatus.UNKNOWN)),
                of=st.sampled_from((*CONNECTIONS, "nobody knows")),
                created=st.integers(-3, 12).map(lambda day: EPOCH + day * DAY),
                updated=st.integers(-3, 14).map(lambda day: EPOCH + day * DAY),
                type_=types,
                volumes=volumes,
                attempts=attempts(),
            ),
            max_size=8,
        ),
        counting=st.booleans(),
    )
    def record(self, page: list[Job], counting: bool) -> None:
        self.store.record_jobs(page, counting=counting)
        self.ledger.record(page, counting=counting)

    @rule(listed=st.sets(st.sampled_from(CONNECTIONS)))
    def list_connections(self, listed: set[str]) -> None:
        connections = [connection(id_) for id_ in sorted(listed)]
        # So late that retention never takes a connection for one that was deleted long ago.
        self.store.record_inventory(inventory(*connections, read_at=EPOCH + 1000 * DAY))
        self.ledger.inventory(connections)

    @rule(ids=st.sets(st.sampled_from(CONNECTIONS)))
    def judge(self, ids: set[str]) -> None:
        decisions = [decision(None, of=id_) for id_ in sorted(ids)]
        self.store.record_decisions(decisions, [], sequence=self.store.sequence(), now=0.0)
        self.ledger.judge(ids)

    @rule(day=st.integers(-2, 16))
    def prune(self, day: int) -> None:
        before_facts = self.store.facts()
        before = EPOCH + day * DAY
        removed = self.store.prune(before + RETENTION, keep_after=before + 9 * DAY)
        known = len(self.ledger.jobs)
        self.ledger.prune(before, KEPT)
        assert removed == known - len(self.ledger.jobs)
        assert self.store.facts() == before_facts

    @precondition(lambda self: self.ledger.jobs.keys() - self.ledger.final)
    @rule(chance=st.randoms(use_true_random=False))
    def forget(self, chance: random.Random) -> None:
        key = chance.choice(sorted(self.ledger.jobs.keys() - self.ledger.final))
        self.store.forget_live(key)
        del self.ledger.jobs[key]

    @rule()
    def restart(self) -> None:
        self.store = self.state.reopen()

    @invariant()
    def facts_agree(self) -> None:
        facts, ledger = self.store.facts(), self.ledger
        assert facts.keys() == ledger.connections.keys() - ledger.deleted
        assert facts.keys() == self.store.ever_known(ledger.connections) - ledger.deleted
        for id_, fact in facts.items():
            syncs = sorted(ledger.finished_syncs(id_), key=order)
            ends = {status: [each.updated_at for each in syncs if each.status is status] for status in FINAL}
            statuses = [each.status for each in syncs]
            streak = (
                statuses[len(statuses) - statuses[::-1].index(JobStatus.SUCCEEDED) :]
                if ends[JobStatus.SUCCEEDED]
                else statuses
            )
            assert fact.last_sync == (syncs[-1] if syncs else None)
            assert fact.last_success_at == next(reversed(ends[JobStatus.SUCCEEDED]), None)
            assert fact.last_failure_at == next(reversed(ends[JobStatus.FAILED]), None)
            assert fact.consecutive_failures == streak.count(JobStatus.FAILED)
            assert list(fact.live_jobs) == sorted(ledger.live(id_), key=order, reverse=True)
            assert {name: getattr(fact.counters, name) for name in VOLUMES} == {
                name: ledger.volumes[id_, name] for name in VOLUMES
            }

    @invariant()
    def counters_agree(self) -> None:
        ledger = self.ledger
        shown = ledger.connections.keys() - ledger.deleted
        assert all_counted(self.store.facts()) == {
            key: count for key, count in ledger.by_connection.items() if key[0] in shown
        }
        assert self.store.completed() == ledger.completed
        assert self.store.durations() == ledger.durations()
        facts = self.store.facts()
        assert {
            (id_, *labels): n for id_, fact in facts.items() for labels, n in fact.counters.failures.items()
        } == {key: n for key, n in ledger.failures.items() if key[0] in shown}
        assert {
            id_: (fact.counters.attempts_succeeded, fact.counters.attempts_failed)
            for id_, fact in facts.items()
        } == {id_: (ledger.attempts[id_, "succeeded"], ledger.attempts[id_, "failed"]) for id_ in shown}
        assert set(self.store.live_keys()) == ledger.jobs.keys() - ledger.final

    @invariant()
    def what_is_to_judge_agrees(self) -> None:
        waiting = {done.key: done for history in histories(self.store).values() for done in history.finished}
        assert waiting == {key: self.ledger.jobs[key] for key in self.ledger.pending}

    def teardown(self) -> None:
        if hasattr(self, "state"):
            self.state.close()
            self.kept.stop()


def test_the_store_agrees_with_the_ledger(new_state: NewState) -> None:
    machine = type("AgainstThis", (Against,), {"new_state": staticmethod(new_state)})
    assert_machine_holds(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=18,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


WRITER = """
import os, signal, sys
import sqlalchemy as sa
from pydantic import SecretStr
from airbyte_exporter.store import Progress, StoreConfig, open_store
from tests.contract.store.test_counting import pages
store = open_store(StoreConfig(url=SecretStr(sys.argv[1])))
left = int(sys.argv[2])
@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def die_at_the_last(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
for number in range(store.progress().watermark or 0, len(pages())):
    store.record_jobs(pages()[number], progress=Progress(watermark=number + 1))
    print(number, flush=True)
"""


def pages() -> list[list[Job]]:
    return [
        [
            job(
                number * 10 + each,
                FINAL[each % 3],
                of=CONNECTIONS[each % 2],
                created=EPOCH + number * 10 + each,
            )
            for each in range(10)
        ]
        for number in range(300)
    ]


def test_killed_between_and_within_pages_nothing_is_lost_or_counted_twice(new_state: NewState) -> None:
    chance = random.Random(7)
    with opened(new_state) as state:
        state.opened[0].record_inventory(inventory(*map(connection, CONNECTIONS)))
        state.close()
        acknowledged = 0
        for _ in range(6):
            statements = str(chance.randint(30, 600))
            writer = subprocess.run(
                [sys.executable, "-c", WRITER, state.config.url.get_secret_value(), statements],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
                timeout=60,
            )
            assert writer.returncode == -signal.SIGKILL
            acknowledged = max([acknowledged, *(int(line) + 1 for line in writer.stdout.splitlines())])
            store = state.open()
            done = store.progress().watermark or 0
            assert done >= acknowledged
            assert all_counted(store.facts()) == Counter(
                (each.connection_id, "sync", each.status.value) for page in pages()[:done] for each in page
            )
            assert store.sequence() == done * 10
            state.close()
        assert 0 < acknowledged < len(pages())
