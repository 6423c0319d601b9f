"""Which connections are asked for their jobs now."""

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.model import (
    Connection,
    ConnectionStatus,
    Job,
    JobStatus,
    JobType,
    Schedule,
    ScheduleType,
)
from airbyte_exporter.poller._sweep import SWEEP_SECONDS, Asked, Sweep, learn
from tests.unit.poller.fakes import HOUR, NOW, connection

INTERVAL = 30
CRON = Schedule(ScheduleType.CRON, cron_expression="0 0 * * * ?", cron_time_zone="UTC")
FULL_HOUR = NOW + 2800


def a_sync(created: int, ended: int | None = None, type_: JobType = JobType.SYNC) -> Job:
    status = JobStatus.RUNNING if ended is None else JobStatus.SUCCEEDED
    return Job("a", created, created, created if ended is None else ended, type_, status)


def planned(it: Connection, known: Asked, at: int) -> bool:
    """Whether `it` is asked at `at` though all of the sweep has just been done."""
    sweep = Sweep()
    sweep.done(0.0)
    return it.id in sweep.plan([it], {it.id: known}, live=(), airbyte_now=at, monotonic=0.0)


def test_an_unknown_connection_is_asked_at_once() -> None:
    sweep = Sweep()
    sweep.done(0.0)
    assert sweep.plan([connection("a")], {}, live=(), airbyte_now=NOW, monotonic=0.0) == ["a"]


def test_a_live_one_is_asked_each_time_also_when_its_connection_is_gone() -> None:
    sweep = Sweep()
    sweep.done(0.0)
    known = {"a": Asked(0.0, NOW)}
    plan = sweep.plan([connection("a")], known, live={"a", "gone"}, airbyte_now=NOW, monotonic=0.0)
    assert sorted(plan) == ["a", "gone"]


def test_a_basic_schedule_is_looked_for_from_its_time_on_for_three_minutes() -> None:
    hourly = connection("a")
    known = Asked(0.0, NOW, newest_created=NOW, free_at=NOW + 60)
    asked = [at for at in range(NOW, NOW + 2 * HOUR, INTERVAL) if planned(hourly, known, at)]
    assert asked == list(range(NOW + HOUR, NOW + HOUR + 180, INTERVAL))


def test_a_sync_that_took_longer_than_the_interval_is_followed_at_its_end() -> None:
    known = Asked(0.0, NOW, newest_created=NOW, free_at=NOW + HOUR + 1200)
    assert not planned(connection("a"), known, NOW + HOUR)
    assert planned(connection("a"), known, NOW + HOUR + 1200)


def test_a_cron_schedule_is_looked_for_from_its_time_on_for_three_minutes() -> None:
    by_cron = connection("a", schedule=CRON)
    known = Asked(0.0, NOW, newest_created=NOW, free_at=NOW + 60, gap=900.0)
    asked = [at for at in range(NOW, NOW + 2 * HOUR, 20) if planned(by_cron, known, at)]
    assert asked == list(range(FULL_HOUR, FULL_HOUR + 180, 20))


def test_a_time_of_a_cron_schedule_that_passed_under_a_sync_is_not_looked_for() -> None:
    by_cron = connection("a", schedule=CRON)
    known = Asked(0.0, NOW, newest_created=NOW, free_at=FULL_HOUR + 600)
    assert not planned(by_cron, known, FULL_HOUR + 610)
    assert planned(by_cron, known, FULL_HOUR + HOUR)


def test_what_has_no_schedule_that_can_be_read_is_looked_for_by_its_habit() -> None:
    jobs = [a_sync(NOW + number * 900, NOW + number * 900 + 60) for number in range(4)]
    known = learn(None, jobs, at=0.0, as_of=NOW)
    assert known.gap == 900
    odd = connection("a", schedule=Schedule(ScheduleType.UNKNOWN))
    assert not planned(odd, known, NOW + 3 * 900 + 600)
    assert planned(odd, known, NOW + 4 * 900)


def test_two_syncs_are_no_habit_and_resets_are_none_either() -> None:
    assert learn(None, [a_sync(NOW), a_sync(NOW + 900)], at=0.0, as_of=NOW).gap is None
    resets = [a_sync(NOW + number * 900, NOW + number * 900, JobType.RESET) for number in range(4)]
    assert learn(None, resets, at=0.0, as_of=NOW).gap is None


def test_an_answer_with_little_in_it_does_not_unlearn_the_habit() -> None:
    known = learn(None, [a_sync(NOW + n * 900, NOW + n * 900 + 9) for n in range(4)], at=0.0, as_of=NOW)
    after = learn(known, [a_sync(NOW + 3600)], at=9.0, as_of=NOW + 9)
    assert (after.gap, after.newest_created, after.free_at, after.at) == (900, NOW + 3600, None, 9.0)


def test_an_answer_without_any_job_does_not_unlearn_the_newest_one() -> None:
    known = learn(None, [a_sync(NOW, NOW + 60)], at=0.0, as_of=NOW)
    assert learn(known, [], at=9.0, as_of=NOW + 9).newest_created == NOW


def test_a_paused_connection_is_never_due() -> None:
    known = Asked(0.0, NOW, newest_created=NOW)
    paused = connection("a", status=ConnectionStatus.INACTIVE)
    assert not planned(paused, known, NOW + HOUR)


@settings(deadline=None)
@given(
    number=st.integers(1, 100),
    gaps=st.lists(st.floats(10.0, 200.0), min_size=1, max_size=40),
    live=st.sets(st.integers(0, 99), max_size=20),
)
def test_everything_comes_round_within_the_sweep(number: int, gaps: list[float], live: set[int]) -> None:
    """Whatever the polls' rhythm, nothing is left unasked for longer than the sweep and one poll."""
    connections = [connection(f"{n:03}", schedule=Schedule(ScheduleType.MANUAL)) for n in range(number)]
    ids = {each.id for each in connections}
    alive = {f"{n:03}" for n in live} & ids
    sweep, asked, at = Sweep(), dict[str, Asked](), 0.0
    for gap in gaps * math.ceil(3 * SWEEP_SECONDS / sum(gaps)):
        plan = sweep.plan(connections, asked, live=alive, airbyte_now=NOW, monotonic=at)
        assert len(plan) == len(set(plan))
        assert alive <= set(plan)
        asked |= {id_: replace(asked.get(id_, Asked(at, NOW)), at=at) for id_ in plan}
        sweep.done(at)
        assert asked.keys() == ids, "the first time, everything is asked"
        assert all(at - known.at <= SWEEP_SECONDS for known in asked.values())
        at += gap


def test_a_thousand_hourly_connections_cost_tens_of_requests_a_poll() -> None:
    connections = [connection(f"{n:04}") for n in range(1000)]
    offsets = {each.id: n * HOUR // 1000 for n, each in enumerate(connections)}
    sweep, asked, sizes = Sweep(), dict[str, Asked](), list[int]()
    for at in range(0, 2 * HOUR, INTERVAL):
        plan = sweep.plan(connections, asked, live=(), airbyte_now=NOW + at, monotonic=float(at))
        for id_ in plan:
            ran = NOW + (at - offsets[id_]) // HOUR * HOUR + offsets[id_]
            asked[id_] = Asked(float(at), NOW + at, newest_created=ran, free_at=ran + 20)
        sweep.done(float(at))
        sizes.append(len(plan))
    assert sizes[0] == 1000
    assert max(sizes[1:]) < 70, "50 of the sweep and those that are due"
