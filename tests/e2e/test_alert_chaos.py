"""Two hundred kills while alerts fire and resolve and receivers misbehave: no page is lost, none is false.

Forty kills are of the whole daemon against a simulated Airbyte, whose truth says what had to be told. The
others are of a process that only records, judges and delivers a scripted history: it starts so quickly that
a kill can hit it anywhere, and an undisturbed run of the same history says what had to be told.
"""

import itertools
import json
import multiprocessing
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from airbyte_exporter.model import Incident
from airbyte_exporter.simulator import SimulatedJob, SimulatorServer, World
from airbyte_exporter.store import join_store
from tests.e2e.chaos import (
    MISDEEDS,
    ChaoticReceiver,
    assert_each_is_in_order_and_the_same,
    assert_everything_arrived,
    chaotic_receivers,
)
from tests.e2e.chaos_loop import STEPS, Loop, live, state_of, steps_done
from tests.e2e.harness import WEBHOOK_SECRET, Exporter, eventually, exporter_for, running
from tests.e2e.test_kill import instant
from tests.e2e.test_main_job import epoch_of
from tests.e2e.truth import finished_syncs, rest, true_incidents

SEED: Final = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
TIMES: Final = int(os.environ.get("CHAOS_TIMES", "1"))
"""So many times as many kills, for who has the time."""

KILLS_OF_THE_DAEMON: Final = 40 * TIMES
KILLS_OF_THE_LOOP: Final = 160 * TIMES
QUICKER: Final = 60
"""Airbyte's clock against ours: repeats come, and there are failures soon after a recovery and long after."""

ABOUT_FAILURES: Final = frozenset({"AutoDisableSoon", "SyncFailing", "SyncFailed"})

pytestmark = pytest.mark.timeout(240 + 240 * TIMES)


@pytest.fixture
def receivers() -> Iterator[list[ChaoticReceiver]]:
    """Three receivers that misbehave until they are healed."""
    print(f"CHAOS_SEED={SEED}")  # noqa: T201 - what a failure needs to be seen again
    with chaotic_receivers(SEED) as made:
        yield made


def test_kills_of_the_daemon(receivers: list[ChaoticReceiver], tmp_path: Path) -> None:
    chance = random.Random(SEED)
    begin = time.time()

    def quick_clock() -> float:
        return begin + (time.time() - begin) * QUICKER

    world = World(seed=SEED, connections=12, speed=20, history_jobs=3, clock=quick_clock)
    added = [world.add_connection(f"by hand {number}") for number in range(8)]
    with SimulatorServer(world, clock=quick_clock) as server:
        exporter = exporter_for(tmp_path, server, **settings_for(receivers))
        with running(exporter):
            started = time.monotonic()
            exporter.wait_until_ready()
            longest_life = 1.2 + min(time.monotonic() - started, 3.0)
            with going_on(world, added):
                for _ in range(KILLS_OF_THE_DAEMON):
                    # The random instant is the point of this test.
                    assert exporter.outlives(chance.uniform(0.2, longest_life)), exporter.died()
                    exporter.kill()
                    exporter.start()
                exporter.kill()
            rest(world)
            for receiver in receivers:
                receiver.heal()
            exporter.start()

            def everything_is_told() -> bool:
                incidents = incidents_of(tmp_path)
                assert_incidents_are_the_truth(server, exporter, added, incidents)
                assert_everything_arrived(receivers, incidents)
                return exporter.scrape().value("airbyte_exporter_notification_queue_length") == 0

            eventually(everything_is_told, "everything is told", timeout=90, unless=exporter.died)
    assert_each_is_in_order_and_the_same(receivers)
    assert_nothing_was_made_up(world, receivers)
    assert_it_was_chaos(receivers)
    assert {"alert.firing", "alert.resolved"} <= kinds_of(receivers)


def settings_for(receivers: Sequence[ChaoticReceiver]) -> dict[str, str]:
    """Return settings that tell these receivers, often, and of failures alone."""
    settings = {
        "ALERTS__RULES__SYNCFAILED__REPEAT": "5m",
        "ALERTS__RULES__SYNCFAILING__REPEAT": "3m",
        # These go by how long a process has watched, and none watches for long.
        "ALERTS__RULES__SYNCOVERDUE__ENABLED": "false",
        "ALERTS__RULES__NEVERSUCCEEDED__ENABLED": "false",
    }
    for receiver in receivers:
        of_it = f"ALERTS__RECEIVERS__{receiver.name.upper()}"
        settings |= {f"{of_it}__URL": receiver.url, f"{of_it}__SECRET": WEBHOOK_SECRET}
    return settings


@contextmanager
def going_on(world: World, connections: Sequence[str]) -> Iterator[None]:
    """Let syncs by hand fail and recover meanwhile."""
    chance = random.Random(f"world {SEED}")
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(chance.uniform(0.05, 0.3)):
            with suppress(ValueError):  # it is at work
                world.run_now(
                    chance.choice(connections),
                    chance.choice(["failed", "failed", "succeeded"]),
                    duration=chance.choice([0, 20, 60]),
                )

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def incidents_of(folder: Path) -> tuple[Incident, ...]:
    """Return every incident that the state knows, beside whoever has it."""
    with join_store(state_of(folder)) as store:
        return store.incidents(firing_only=False)


def assert_incidents_are_the_truth(
    server: SimulatorServer, exporter: Exporter, added: Sequence[str], incidents: Sequence[Incident]
) -> None:
    """The connections that had no past have exactly the incidents that happened, and all were told."""
    epoch = epoch_of(exporter)
    for connection_id in added:
        expected = [
            (true.starts_at, true.ends_at) for true in true_incidents(server.world, connection_id, epoch)
        ]
        own = sorted(
            (it for it in incidents if it.connection_id == connection_id), key=lambda it: it.starts_at
        )
        assert [(it.starts_at, it.ends_at) for it in own] == expected, connection_id
        assert all(it.notified_at is not None for it in own), connection_id


def assert_nothing_was_made_up(world: World, receivers: Sequence[ChaoticReceiver]) -> None:
    """Whatever was said of a sync that failed or succeeded, even in vain, is so in the world."""
    syncs = finished_syncs(world.jobs())
    failed = {_key(it) for it in syncs if it.status == "failed"}
    succeeded = {(it.connection_id, instant(it.updated_at)) for it in syncs if it.status == "succeeded"}
    judged = 0
    for arrival in itertools.chain.from_iterable(receiver.arrivals for receiver in receivers):
        data = arrival.data
        if data["rule"] not in ABOUT_FAILURES:
            continue
        judged += 1
        job, connection_id = data["job"], data["connection"]["id"]
        assert (connection_id, job["id"], job["created_at"]) in failed, arrival.id
        assert data["starts_at"] <= job["ended_at"]
        if data["reason"] == "succeeded":
            assert (connection_id, data["ends_at"]) in succeeded, arrival.id
            assert data["ends_at"] >= job["ended_at"], arrival.id
    assert judged > 0


def _key(job: SimulatedJob) -> tuple[str, int, str]:
    return job.connection_id, job.id, instant(job.created_at)


def kinds_of(receivers: Sequence[ChaoticReceiver]) -> set[str]:
    """Return the types of messages that were taken by any of them."""
    return {
        arrival.kind
        for receiver in receivers
        for arrivals in receiver.taken().values()
        for arrival in arrivals
    }


def assert_it_was_chaos(receivers: Sequence[ChaoticReceiver]) -> None:
    """Every misdeed was done, and something came twice."""
    done = sum((Counter(receiver.done) for receiver in receivers), Counter[str]())
    print(f"answers: {dict(sorted(done.items()))}")  # noqa: T201 - how a failure came about
    assert done.keys() == {"ok", *MISDEEDS}
    assert any(len({it.id for it in receiver.arrivals}) < len(receiver.arrivals) for receiver in receivers), (
        "nothing was repeated"
    )


def test_kills_of_the_loop(receivers: list[ChaoticReceiver], tmp_path: Path) -> None:
    urls = {receiver.name: receiver.url for receiver in receivers}
    undisturbed = outbox_of_an_undisturbed_run(tmp_path / "undisturbed", list(urls))
    folder = tmp_path / "killed"
    folder.mkdir()
    chance = random.Random(SEED)
    # Children of a process that has loaded everything: each begins at once, and with nothing of the tests.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", live.__module__])
    for _ in range(KILLS_OF_THE_LOOP):
        process = context.Process(target=live, args=(folder, urls, SEED))
        process.start()
        process.join(chance.uniform(0.02, 0.45))  # the random instant is the point of this test
        assert process.is_alive(), "it must not end by itself"
        process.kill()
        process.join()
    print(f"killed on the way to step {steps_of(folder)} of {STEPS}")  # noqa: T201 - see above
    for receiver in receivers:
        receiver.heal()
    process = context.Process(target=live, args=(folder, urls, SEED))
    process.start()
    try:

        def everything_is_told() -> bool:
            assert steps_of(folder) == STEPS - 1
            assert [it[:2] for it in outbox(folder)] == [it[:2] for it in undisturbed]
            assert outbox(folder) == undisturbed
            assert_everything_arrived(receivers, incidents_of(folder))
            return True

        eventually(everything_is_told, "everything is told", timeout=90)
    finally:
        process.kill()
        process.join()
    assert_each_is_in_order_and_the_same(receivers)
    assert_it_was_chaos(receivers)
    written = {json.loads(body)["type"] for _, _, body in undisturbed}
    assert written == {"alert.firing", "alert.updated", "alert.repeated", "alert.resolved"}
    # What an end supersedes before it could be delivered is not sent any more, so the others may be missing.
    assert {"alert.firing", "alert.resolved"} <= kinds_of(receivers)


def outbox_of_an_undisturbed_run(folder: Path, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return what the history must lead to: receiver, id and body."""
    folder.mkdir()
    loop = Loop(folder, names, SEED)
    with loop.store:
        for step in range(STEPS):
            loop.take(step)
    return outbox(folder)


def outbox(folder: Path) -> list[tuple[str, str, str]]:
    """Return everything that was ever to be sent, by receiver and id."""
    with sqlite3.connect(f"file:{folder / 'state.db'}?mode=ro", uri=True) as state:
        rows = state.execute("select receiver, notification_id, body from outbox").fetchall()
    return sorted((receiver, id_, json.dumps(json.loads(body))) for receiver, id_, body in rows)


def steps_of(folder: Path) -> int:
    """Return how far the history was recorded."""
    with join_store(state_of(folder)) as store:
        return steps_done(store)
