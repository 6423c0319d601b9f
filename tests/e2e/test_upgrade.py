"""An upgrade under our feet: another generation at the same address; nothing lost, nothing counted twice."""

import time
from collections import Counter
from pathlib import Path

import pytest

from airbyte_exporter.simulator import SimulatorServer, World
from tests.e2e.harness import Exporter, Scrape, WebhookReceiver, eventually, exporter_for, running, to
from tests.e2e.test_kill import assert_every_incident_was_told
from tests.e2e.test_main_job import epoch_of
from tests.e2e.truth import Expected, expected_gauges, rest

JOURNEYS = [
    ("reference", "0.50", "1.6", "2.0"),
    ("2.0", "reference", "2.0"),
]
TOLD_BY_ALL = (
    "_last_sync_status",
    "_last_sync_created_timestamp_seconds",
    "_last_sync_end_timestamp_seconds",
    "_last_success_timestamp_seconds",
    "_last_failure_timestamp_seconds",
    "_consecutive_failures",
)


@pytest.mark.parametrize("journey", JOURNEYS, ids=" → ".join)
def test_nothing_is_lost_and_nothing_counted_twice(
    journey: tuple[str, ...],
    receiver: WebhookReceiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The short reference and 0.50 know no refreshes: what such a one did comes to light later.
    monkeypatch.setattr("airbyte_exporter.simulator._planning._RESET_EVERY", 10**9)
    world = World(seed=3, connections=20, speed=600, clock=time.time)
    server = SimulatorServer(world, generation=journey[0])
    server.start()
    address = server.url.removeprefix("http://")
    try:
        with running(exporter_for(tmp_path, server, **to(receiver))) as exporter:
            exporter.wait_until_ready()
            for generation in journey[1:]:
                wait_for_more_syncs(exporter)
                server.stop()
                server = SimulatorServer(world, generation=generation, listen_address=address)
                server.start()
                wait_until_read(exporter, "reference" if generation == "reference" else "config")
            rest(world)
            epoch = epoch_of(exporter)
            expected = Counter(
                (job.connection_id, job.status)
                for job in world.jobs()
                if job.is_final and job.updated_at >= epoch and job.config_type == "sync"
            )
            exporter.wait_for(
                lambda scrape: counted_syncs(scrape) == expected,
                "every sync is counted once",
            )
            gauges = what_all_of_them_tell(world)

            def gauges_agree() -> bool:
                differences = gauges.differences(exporter.scrape())
                assert not differences, differences[:10]
                return True

            eventually(gauges_agree, "the gauges are the truth", unless=exporter.died)

            def everything_told() -> bool:
                assert_every_incident_was_told(server, receiver, epoch)
                return exporter.scrape().value("airbyte_exporter_notification_queue_length") == 0

            eventually(everything_told, "every incident was told", timeout=60, unless=exporter.died)
            assert exporter.terminate() == 0
        assert "Traceback" not in exporter.output
    finally:
        server.stop()


def wait_for_more_syncs(exporter: Exporter) -> None:
    """Wait until some more syncs are counted."""
    before = counted_syncs(exporter.scrape()).total()
    exporter.wait_for(lambda scrape: counted_syncs(scrape).total() > before + 10, "syncs are counted")


def wait_until_read(exporter: Exporter, api: str) -> None:
    """Wait until polls of that API work."""

    def is_read(scrape: Scrape) -> bool:
        infos = map(dict, scrape.all("airbyte_instance_info"))
        return scrape.value("airbyte_up") == 1 and [info["api"] for info in infos] == [api]

    exporter.wait_for(is_read, f"the {api} API is read")


def what_all_of_them_tell(world: World) -> Expected:
    """Return the gauges that do not depend on which generation told of a sync; others keep what they were."""
    everything = Expected()
    expected_gauges(world, everything)
    everything.samples = {
        (name, labels): value
        for (name, labels), value in everything.samples.items()
        if name.endswith(TOLD_BY_ALL)
    }
    everything.absent, everything.complete = set(), set()
    return everything


def counted_syncs(scrape: Scrape) -> Counter[tuple[str, str]]:
    """Return how many syncs of each connection were counted, by how they ended."""
    counted: Counter[tuple[str, str]] = Counter()
    for labels, value in scrape.all("airbyte_connection_jobs_total").items():
        named = dict(labels)
        if named["job_type"] == "sync" and value:
            counted[named["connection_id"], named["status"]] += int(value)
    return counted
