"""Made-up facts are as manifold as real ones, follow from a seed, and change from poll to poll like them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from airbyte_exporter.exposition import FAMILIES, Exposition
from airbyte_exporter.model import ConnectionFacts, ConnectionStatus, JobStatus, ScheduleType, Snapshot
from airbyte_exporter.telemetry import Telemetry
from benchmarks.facts import Company, hourly_changes


def differing(old: Snapshot, new: Snapshot) -> list[tuple[ConnectionFacts, ConnectionFacts]]:
    """Return the facts that are others now, before and after."""
    return [
        (old.connections[id_], facts)
        for id_, facts in new.connections.items()
        if facts is not old.connections[id_]
    ]


@pytest.fixture
def company() -> Company:
    """Enough connections for every case."""
    return Company(600, seed=7)


def test_the_same_seed_makes_the_same_company(company: Company) -> None:
    same, other = Company(600, seed=7), Company(600, seed=8)
    assert same.snapshot == company.snapshot
    assert same.advance(10) == company.advance(10)
    assert other.snapshot.connections.keys().isdisjoint(company.snapshot.connections)


def test_every_kind_of_connection_is_there(company: Company) -> None:
    known = company.snapshot.connections.values()
    assert len(known) == 600
    assert {it.connection.status for it in known} == {ConnectionStatus.ACTIVE, ConnectionStatus.INACTIVE}
    assert {it.connection.schedule.type for it in known} == set(ScheduleType) - {ScheduleType.UNKNOWN}
    assert {it.last_sync.status for it in known if it.last_sync} == {
        JobStatus.SUCCEEDED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    }
    assert 0 < sum(it.last_sync is None for it in known) < 60
    assert 0 < sum(bool(it.live_jobs) for it in known) < 60
    assert any(it.last_sync and it.last_sync.failure for it in known)
    assert any(it.last_sync and it.last_sync.volumes is None for it in known)
    assert any(len(it.last_sync.attempts or ()) > 1 for it in known if it.last_sync)


def test_every_family_has_samples(company: Company) -> None:
    exposition = Exposition(Telemetry("1.0"))
    exposition.publish(company.snapshot)
    page = exposition.scrape(openmetrics=False, gzip=False).decode()
    shown = {sample.name for family in text_string_to_metric_families(page) for sample in family.samples}
    names = {it.info.name: it.info.type == "histogram" for it in FAMILIES}
    expected = {f"{name}_bucket" if is_histogram else name for name, is_histogram in names.items()}
    assert sorted(expected - shown) == []


def test_what_did_not_change_is_shared_with_the_snapshot_before(company: Company) -> None:
    old = company.snapshot
    changed = differing(old, company.advance(hourly_changes(600)))
    assert len(changed) == hourly_changes(600) == 10
    assert sum(bool(before.live_jobs) for before, _ in changed) == 5
    assert all(bool(before.live_jobs) is not bool(after.live_jobs) for before, after in changed)


def test_a_sync_that_ends_is_counted_once_everywhere(company: Company) -> None:
    old = company.snapshot
    new = company.advance(10)
    ended = [(before, after) for before, after in differing(old, new) if before.live_jobs]
    assert sum(new.completed.values()) == sum(old.completed.values()) + len(ended)
    for before, after in ended:
        job = after.last_sync
        assert job is not None
        assert (job.id, job.status.is_final) == (before.live_jobs[0].id, True)
        key = (job.type.value, job.status.value)
        assert after.counters.jobs[key] == before.counters.jobs.get(key, 0) + 1
        moved = job.volumes.records_synced if job.volumes else 0
        assert after.counters.records_synced == before.counters.records_synced + (moved or 0)


def test_it_goes_on_for_as_long_as_it_is_asked(company: Company) -> None:
    for _ in range(50):
        old = company.snapshot
        assert len(differing(old, company.advance(60))) == 60


def test_no_more_can_change_than_sync_at_all(company: Company) -> None:
    with pytest.raises(ValueError, match="600 connections cannot change"):
        company.advance(600)
