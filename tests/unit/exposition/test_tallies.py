"""Tallies that are kept in step connection by connection are those of counting all anew."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.exposition._tallies import Tallies
from airbyte_exporter.model import ConnectionFacts, JobStatus
from tests.snapshots import connection, job
from tests.strategies import connection_facts

IT = connection(1, "Orders", "Postgres")


@settings(max_examples=60, deadline=None)
@given(st.lists(connection_facts(), max_size=6), st.data())
def test_what_was_added_and_not_removed_is_counted(facts: list[ConnectionFacts], data: st.DataObject) -> None:
    tallies = Tallies()
    for it in facts:
        tallies.add(it)
    left = list(facts)
    for it in data.draw(st.lists(st.sampled_from(facts), unique_by=id)) if facts else ():
        tallies.remove(it)
        left.remove(it)
    jobs = [job for it in left for job in it.live_jobs]
    assert tallies.live_jobs == Counter((job.type.value, job.status.value) for job in jobs)
    assert sum(tallies.connections.values()) == len(left)
    assert tallies.oldest_live_jobs == {
        status: min(job.created_at for job in jobs if job.status.value == status)
        for status in {job.status.value for job in jobs}
    }


def test_the_oldest_is_known_however_many_came_and_went() -> None:
    tallies = Tallies()
    running = {
        age: ConnectionFacts(IT, 0, live_jobs=(job(IT, age, JobStatus.RUNNING, ended=age),))
        for age in range(1, 1001)
    }
    tallies.add(running[1000])  # is stuck, and stays the oldest while all others come and go
    for age in range(1, 1000):
        tallies.add(running[age])
        assert tallies.oldest_live_jobs == {"running": running[1000].live_jobs[0].created_at}
        if age > 1:
            tallies.remove(running[age - 1])
    tallies.remove(running[1000])
    assert tallies.oldest_live_jobs == {"running": running[999].live_jobs[0].created_at}
    tallies.remove(running[999])
    assert tallies.oldest_live_jobs == {}
