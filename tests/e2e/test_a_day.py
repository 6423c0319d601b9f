"""A day of a company's syncs, scraped by a real Prometheus: what it adds up to is what really happened."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_exporter.simulator import Failure, SimulatedJob, SimulatorServer, World
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, Samples, Scrape, eventually, exporter_for, running
from tests.e2e.prometheus import Prometheus, Series, running_prometheus
from tests.e2e.test_main_job import epoch_of, wait_for_the_truth
from tests.e2e.truth import (
    COUNTERS,
    HISTOGRAM_ENDS,
    HISTOGRAMS,
    Expected,
    counted,
    expected_counters,
)

SPEED = 1800
DAY = 86_400 / SPEED
FROM_ZERO = "--enable-feature=created-timestamp-zero-ingestion"
"""What makes a newer Prometheus store a 0 where a counter says that it began."""

LATER_KIND = Failure("data_plane", "quota_exceeded", "The quota is used up.", "QuotaExceeded")
FULL_DISK = Failure("destination", "system_error", "No space left on device.", "java.io.IOException")


@dataclass
class Day:
    """A world with its exporter, and the connections that have a part in this story."""

    server: SimulatorServer
    exporter: Exporter
    began: float
    manual: str
    deleted: str = ""
    untouched: str = ""
    renamed: str = ""

    @property
    def world(self) -> World:
        """What happens."""
        return self.server.world

    def until(self, share: float) -> None:
        """Let the world go on to a part of its day."""

        def is_so_late() -> bool:
            self.world.connections()  # it reads its clock
            return self.world.now >= self.began + share * DAY

        eventually(is_so_late, f"{share} of the day is over", timeout=2 * DAY)

    def run(self, outcome: str, **options: Any) -> None:  # noqa: ANN401 - passed on
        """Start a job by hand once the last one has ended."""
        eventually(lambda: not live_jobs(self.world, self.manual), "the job by hand has ended")
        self.world.run_now(self.manual, outcome, **options)


def live_jobs(world: World, connection_id: str | None = None) -> list[SimulatedJob]:
    """Return the jobs that have not ended."""
    return [job for job in world.jobs(connection_id) if not job.is_final]


def test_a_day(prometheus_program: str, simulate: Simulate, tmp_path: Path) -> None:
    server = simulate(speed=SPEED, connections=18, history_jobs=8, auth="client-credentials")
    exporter = exporter_for(tmp_path, server, METRICS__CREATED="true")
    target = f"127.0.0.1:{exporter.port}"
    with running_prometheus(prometheus_program, tmp_path, target, FROM_ZERO) as prometheus:
        with running(exporter):
            exporter.wait_until_ready()
            manual = next(one.id for one in server.world.connections() if one.schedule_type == "manual")
            day = Day(server, exporter, epoch_of(exporter), manual)
            live_a_day(day)
            come_to_rest(server.world)
            wait_for_the_truth(server, exporter)
            page = exporter.scrape()
            seen_at = wait_for_another_scrape(prometheus)
        assert_lively(server.world, epoch_of(exporter))
        assert_the_page_has_no_other_counters(page)
        assert_increases_are_the_truth(prometheus, day, seen_at)
        assert_nothing_unknown_is_told(prometheus, day, seen_at)


def live_a_day(day: Day) -> None:
    """Let happen what happens to people's Airbytes and exporters, beside what the schedules do."""
    world, exporter = day.world, day.exporter
    day.until(0.05)
    day.run("failed", attempts=3, duration=0.9, records=900, rejected=40, failures=(FULL_DISK, LATER_KIND))
    day.run("failed", failures=(LATER_KIND, FULL_DISK))
    day.until(0.1)
    day.run("succeeded", config_type="reset_connection")
    day.run("succeeded", config_type="refresh", queued=2, duration=1, records=7000, rejected=7)
    day.renamed = next(one.id for one in world.connections() if one.schedule_type == "cron")
    world.rename(day.renamed, "Renamed by noon")
    day.until(0.25)
    day.untouched = world.add_connection("Never synced")
    world.add_connection("Added in the morning", source="Stripe", every_hours=1)
    day.until(0.3)
    day.run("succeeded", duration=15, records=123_456, rejected=6, attempts=2)
    assert exporter.terminate() == 0
    day.until(0.42)  # syncs end while nobody looks
    exporter.start()
    exporter.wait_until_ready()
    day.until(0.5)
    delete_a_connection_that_runs(day)
    day.until(0.75)
    exporter.kill()
    exporter.start()
    exporter.wait_until_ready()
    day.run("cancelled", duration=0.5, records=5000)
    day.run("cancelled", attempts=0)
    day.until(1.0)


def delete_a_connection_that_runs(day: Day) -> None:
    """Delete a connection while it syncs: the job is cancelled, and still counted for the instance."""
    world = day.world
    doomed = next(
        one for one in world.connections() if one.status == "active" and one.schedule_type == "basic"
    )
    world.pause(doomed.id)
    eventually(lambda: not live_jobs(world, doomed.id), "its scheduled job has ended")
    world.run_now(doomed.id, duration=math.inf)
    key = {"connection_id": doomed.id}
    day.exporter.wait_for(
        lambda scrape: scrape.value("airbyte_connection_active_job_status", status="running", **key),
        "its job is seen",
    )
    world.delete_connection(doomed.id)
    day.deleted = doomed.id
    day.exporter.wait_for(
        lambda scrape: scrape.value("airbyte_connection_consecutive_failures", **key) is None, "it has gone"
    )


def come_to_rest(world: World) -> None:
    """End the day: nothing starts any more, what runs comes to its end, and what never would is ended."""
    endless = {one.id for one in world.connections() if one.character in {"stuck", "waiting"}}
    for connection in world.connections():
        if connection.status == "active":
            world.pause(connection.id)
    for job in live_jobs(world):
        if job.connection_id in endless:
            world.finish(job.id, "cancelled" if job.attempts else "failed")
    eventually(lambda: not live_jobs(world), "every job has ended")


def wait_for_another_scrape(prometheus: Prometheus) -> float:
    """Wait until Prometheus has the page as it is now and stays; return when it scraped that."""

    def newest() -> float:
        return prometheus.value("timestamp(airbyte_up)") or 0.0

    before = newest()
    eventually(lambda: newest() > before, "a scrape")
    return eventually(lambda: newest() if newest() > before + 1 else 0.0, "a scrape that began after the end")


def assert_lively(world: World, epoch: int) -> None:
    """All that can happen to a job has happened, often."""
    jobs = counted(world, epoch)
    assert len(jobs) > 250
    assert {job.status for job in jobs} == {"succeeded", "failed", "cancelled"}
    assert {job.config_type for job in jobs} == {"sync", "refresh", "reset_connection"}
    assert any(not job.attempts for job in jobs)
    assert any(len(job.attempts) > 1 and job.status == "succeeded" for job in jobs)
    assert any(job.records_rejected for job in jobs)
    assert any((job.duration_seconds or 0) > 10 for job in jobs)


def assert_the_page_has_no_other_counters(page: Scrape) -> None:
    """Whatever counts facts about Airbyte is compared with the truth: a new family too."""
    found = {
        family
        for family, kind in page.types.items()
        if kind in {"counter", "histogram"}
        and family.startswith("airbyte_")
        and not family.startswith("airbyte_exporter_")
    }
    assert found == {*COUNTERS, *HISTOGRAMS}, "a counter that nothing is expected of, or that is not there"


def sample_names() -> Iterator[str]:
    """Yield the names under which counters are stored."""
    yield from COUNTERS
    yield from (f"{name}{end}" for name in HISTOGRAMS for end in HISTOGRAM_ENDS)


def assert_increases_are_the_truth(prometheus: Prometheus, day: Day, seen_at: float) -> None:
    """No counter has ever fallen, and each has grown by what really happened since it began."""
    expected = Expected()
    expected_counters(day.world, epoch_of(day.exporter), expected)
    since = day.began - 1
    for name in sample_names():
        stored = prometheus.series(name, since=since, until=seen_at)
        grown: Samples = {
            (name, series.labels): total
            for series, total in zip(stored, increases(prometheus, name, stored), strict=True)
            if dict(series.labels).get("connection_id") != day.deleted
        }
        assert grown == {key: value for key, value in expected.samples.items() if key[0] == name}
        window = math.ceil(seen_at - since)
        assert prometheus.query(f"resets({name}[{window}s] @ {seen_at:.3f}) > 0") == []


def increases(prometheus: Prometheus, name: str, stored: list[Series]) -> list[float]:
    """Return by how much each series has grown since its counter began at 0.

    What Prometheus says to increase() is exact where the window begins and ends with samples: it extrapolates
    to the edges otherwise. A newer one has stored where a counter says that it began (`_created`), as a
    sample with the value 0. For others, and for a series that does not say it, the first value is what had
    been counted when the series was first seen.
    """
    answers: dict[tuple[float, float], dict[frozenset[tuple[str, str]], float]] = {}
    opens_left = prometheus.major_version >= 3  # its windows do not contain the instant at which they begin
    totals = []
    for series in stored:
        (start, counted_before), (end, _) = series.first, series.last
        window = round((end - start) * 1000) + opens_left
        if start == end:
            totals.append(counted_before)
            continue
        if (start, end) not in answers:
            expression = f"increase({name}[{window}ms] @ {end:.3f})"
            answers[start, end] = {
                prometheus.own_labels(labels): value for labels, value in prometheus.query(expression)
            }
        grown = answers[start, end][series.labels]
        if counted_before and opens_left:
            grown = round(grown)  # the window begins a millisecond before the first sample
        totals.append(counted_before + grown)
    return totals


def assert_nothing_unknown_is_told(prometheus: Prometheus, day: Day, seen_at: float) -> None:
    """What never was has no series all day long, and what has gone has none in the end."""
    whole_day = {"since": day.began - 1, "until": seen_at}
    known = {one.id: one for one in day.world.connections()}
    told = prometheus.query(f'{{__name__=~"airbyte_.*", connection_id!=""}} @ {seen_at:.3f}')
    alive = {id_ for id_, one in known.items() if one.status != "deprecated"}
    assert {labels["connection_id"] for labels, _ in told} == alive
    ever = prometheus.matching('{__name__=~"airbyte_.*", connection_id!=""}', **whole_day)
    assert {labels["connection_id"] for labels in ever} == {*known}
    never_synced = [id_ for id_ in known if not day.world.jobs(id_)]
    assert day.untouched in never_synced
    for id_ in never_synced:
        about = prometheus.matching(f'{{connection_id="{id_}"}}', **whole_day)
        names = {labels["__name__"] for labels in about}
        assert "airbyte_connection_info" in names
        assert not [name for name in names if "_last_" in name or "_active_job_" in name]
    info = prometheus.query(f'airbyte_connection_info{{connection_id="{day.renamed}"}} @ {seen_at:.3f}')
    assert [labels["connection_name"] for labels, _ in info] == ["Renamed by noon"]
