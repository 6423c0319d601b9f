"""The exporter is killed again and again while the world goes on: nothing is lost, nothing comes twice."""

import json
import os
import random
import sqlite3
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airbyte_exporter.simulator import SimulatedJob, SimulatorServer
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, WebhookReceiver, eventually, exporter_for, get, running, to
from tests.e2e.test_main_job import epoch_of, wait_for_the_truth
from tests.e2e.truth import rest, true_incidents

KILLS = 20
ABOUT_FAILURES_ALONE = {
    # These go by how long a process has watched, and none watches for long.
    "ALERTS__RULES__SYNCOVERDUE__ENABLED": "false",
    "ALERTS__RULES__NEVERSUCCEEDED__ENABLED": "false",
}

SEED = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


def counted_keys(exporter: Exporter) -> set[tuple[str, int, int]]:
    """Return the jobs that the state holds as finished, read while nothing runs."""
    with sqlite3.connect(exporter.state) as state:
        rows = state.execute("select connection_id, id, created_at from jobs where final").fetchall()
    return {(row[0], row[1], row[2]) for row in rows}


def disturb(server: SimulatorServer, exporter: Exporter, manual: str, chance: random.Random) -> int:
    """Do to Airbyte, while nobody looks, what is hard on a poller.

    A job ends; every job counted so far is pruned; one of their ids is issued again; one row that has ended
    is committed only later: its id is returned.
    """
    world = server.world
    known = counted_keys(exporter)

    def is_counted(job: SimulatedJob) -> bool:
        return (job.connection_id, job.id, job.created_at) in known

    old_id = chance.choice([job.id for job in world.jobs() if is_counted(job) and job.visible])
    assert world.prune(is_counted) > 0
    world.reissue_id(old_id)
    again = world.run_now(manual, chance.choice(["failed", "succeeded"]), records=chance.randrange(1, 5000))
    assert again == old_id
    return world.run_now(manual, chance.choice(["failed", "succeeded"]), hidden=True)


def told(receiver: WebhookReceiver) -> dict[str, dict[str, list[tuple[str, dict[str, Any]]]]]:
    """Return what arrived, first arrivals only: by connection and incident, in order."""
    incidents: dict[str, dict[str, list[tuple[str, dict[str, Any]]]]] = defaultdict(dict)
    bodies: dict[str, str] = {}
    for id_, message in receiver.messages:
        body = json.dumps(message, sort_keys=True)
        if id_ in bodies:
            assert bodies[id_] == body, "a repetition under the same id is the same message"
            continue
        bodies[id_] = body
        data = message["data"]
        incidents[data["connection"]["id"]].setdefault(data["fingerprint"], []).append((id_, message))
    return incidents


def instant(seconds: int) -> str:
    """Write epoch seconds as the webhook does."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def test_twenty_kills(simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path) -> None:
    print(f"KILL_SEED={SEED}")  # noqa: T201 - what a failure needs to be seen again
    chance = random.Random(SEED)
    server = simulate(seed=SEED, connections=12, speed=600, auth="client-credentials")
    manual = next(one.id for one in server.world.connections() if one.schedule_type == "manual")
    receiver.answer = lambda _number: chance.choice([204, 204, 204, 500])
    exporter = exporter_for(tmp_path, server, **to(receiver), **ABOUT_FAILURES_ALONE)
    with running(exporter):
        exporter.wait_until_ready()
        exporter.wait_for(
            lambda scrape: sum(scrape.all("airbyte_jobs_completed_total").values()) > 5, "jobs are counted"
        )
        late: int | None = None
        for kill in range(KILLS):
            # The random instant is the point of this test.
            assert exporter.outlives(chance.uniform(0.0, 2.5)), exporter.died()
            exporter.kill()
            if kill == KILLS // 2:
                late = disturb(server, exporter, manual, chance)
            exporter.start()
            if late is not None and kill == KILLS // 2:
                exporter.wait_until_ready()
                server.world.reveal(late)
        rest(server.world)
        receiver.answer = lambda _number: 204
        exporter.wait_until_ready()
        # What Airbyte has pruned since stays known: the gauges go by everything that ever was.
        wait_for_the_truth(server, exporter, visible_only=False)
        epoch = epoch_of(exporter)

        def everything_told() -> bool:
            assert_every_incident_was_told(server, receiver, epoch)
            return exporter.scrape().value("airbyte_exporter_notification_queue_length") == 0

        eventually(everything_told, "every incident was told", timeout=60, unless=exporter.died)
        assert get(f"{exporter.url}/-/healthy")[0] == 200
        assert receiver.refused == []


def assert_each_goes_on_from_the_one_before(name: str, types: Sequence[str]) -> None:
    """Only an end can come without a beginning, and only after an end does it begin again."""
    before = "alert.resolved"
    for kind in types:
        is_new = before == "alert.resolved"
        assert kind == "alert.resolved" or (kind == "alert.firing") is is_new, f"{name}: {types}"
        before = kind


def assert_every_incident_was_told(server: SimulatorServer, receiver: WebhookReceiver, epoch: int) -> None:
    """Compare what arrived with what happened."""
    arrived = told(receiver)
    total = 0
    for connection in server.world.connections():
        expected = [
            (instant(incident.starts_at), incident.ends_at and instant(incident.ends_at))
            for incident in true_incidents(server.world, connection.id, epoch)
        ]
        total += len(expected)
        got = []
        for messages in arrived.pop(connection.id, {}).values():
            types = [message["type"] for _, message in messages]
            assert_each_goes_on_from_the_one_before(connection.name, types)
            last = messages[-1][1]["data"]
            got.append((last["starts_at"], last["ends_at"]))
        assert got == expected, f"{connection.name}: {got}, but really {expected}"
    assert arrived == {}, "nothing was told about what does not exist"
    assert total > 0, "the world was too peaceful for this test"
