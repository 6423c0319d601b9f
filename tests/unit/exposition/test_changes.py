"""Whatever happens between two snapshots, the page says what the last one says and nothing else."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from airbyte_exporter.exposition import FAMILIES, Exposition, MetricsConfig
from airbyte_exporter.model import (
    CompletedKey,
    ConnectionFacts,
    DurationKey,
    Durations,
    Instance,
    Snapshot,
    Workspace,
)
from airbyte_exporter.telemetry import Telemetry
from tests.exposed import exposed, facts_part, family_of, read
from tests.snapshots import EPOCH, NOW, rich_snapshot
from tests.strategies import INSTANCES, NAMES, NUMBERS, actors, connection_facts, counters, durations, jobs

MODELLED = frozenset(family_of(name) for name, _ in exposed(rich_snapshot()))

# The last two are told apart by Airbyte and look the same on the page.
IDS = (*(f"c0000000-0000-4000-8000-{number:012}" for number in range(4)), "odd\0", "odd\ufffd")
WORKSPACE_IDS = ("w1", "w2", "w3")
CONFIGS = st.builds(
    MetricsConfig,
    exclude=st.sampled_from([(), ("airbyte_connection_*_emitted*", "airbyte_jobs")]),
    max_connections=st.sampled_from([None, 2]),
    created=st.booleans(),
)
FACTS = connection_facts(st.sampled_from(IDS), st.sampled_from(WORKSPACE_IDS), st.integers(0, 2))


def scraped(exposition: Exposition, *, openmetrics: bool) -> str:
    return exposition.scrape(openmetrics=openmetrics, gzip=False).decode()


def told(page: str, name: str) -> float | None:
    """Return the value of one of the exporter's own series, None where it is absent."""
    found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
    return None if found is None else float(found[1])


def test_the_naive_model_knows_every_family() -> None:
    missing = {family.info.name for family in FAMILIES} - MODELLED
    assert not missing, "to be added to tests/exposed.py, and to the rich snapshot"


class Changes(RuleBasedStateMachine):
    """An exposition that is given one snapshot after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.config = MetricsConfig()
        self.exposition = Exposition(Telemetry("test"))
        self.snapshot = Snapshot(Instance(None, None, "config", "none"), EPOCH)

    @initialize(config=CONFIGS, facts=st.lists(FACTS, min_size=3, max_size=6))
    def begin(self, config: MetricsConfig, facts: list[ConnectionFacts]) -> None:
        self.config = config
        self.exposition = Exposition(Telemetry("test"), config)
        self.publish(
            connections={it.connection.id: it for it in facts},
            workspaces=(Workspace("w1", "One"), Workspace("w2", "Two")),
            jobs_as_of=NOW,
            inventory_as_of=NOW,
        )

    def publish(self, **changes: object) -> None:
        self.snapshot = replace(self.snapshot, **changes)  # type: ignore[arg-type]  # any fields of it
        self.exposition.publish(self.snapshot)

    def publish_facts(self, changed: Mapping[str, ConnectionFacts]) -> None:
        self.publish(connections={**self.snapshot.connections, **changed})

    def change(self, data: st.DataObject, change: Callable[[ConnectionFacts], ConnectionFacts]) -> None:
        """Publish new facts about some connections at once."""
        ids = sorted(self.snapshot.connections)
        chosen = data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True), label="connections")
        self.publish_facts({id_: change(self.snapshot.connections[id_]) for id_ in chosen})

    def has_connections(self) -> bool:
        return bool(self.snapshot.connections)

    @rule(facts=FACTS)
    def a_connection_comes_or_is_another_one(self, facts: ConnectionFacts) -> None:
        self.publish_facts({facts.connection.id: facts})

    @precondition(has_connections)
    @rule(data=st.data())
    def connections_go(self, data: st.DataObject) -> None:
        ids = sorted(self.snapshot.connections)
        gone = data.draw(st.sets(st.sampled_from(ids), min_size=1, max_size=2), label="connections")
        self.publish(connections={id_: self.snapshot.connections[id_] for id_ in ids if id_ not in gone})

    @precondition(has_connections)
    @rule(data=st.data(), name=NAMES)
    def connections_are_renamed(self, data: st.DataObject, name: str) -> None:
        self.change(data, lambda it: replace(it, connection=replace(it.connection, name=name)))

    @precondition(has_connections)
    @rule(data=st.data())
    def jobs_come_and_go(self, data: st.DataObject) -> None:
        def live(facts: ConnectionFacts) -> ConnectionFacts:
            drawn = data.draw(st.lists(jobs(facts.connection.id, final=False), max_size=2))
            return replace(facts, live_jobs=tuple(drawn))

        self.change(data, live)

    @precondition(has_connections)
    @rule(data=st.data())
    def syncs_end(self, data: st.DataObject) -> None:
        def ended(facts: ConnectionFacts) -> ConnectionFacts:
            last = data.draw(jobs(facts.connection.id, final=True))
            return replace(facts, last_sync=last, live_jobs=(), counters=data.draw(counters()))

        self.change(data, ended)

    @precondition(has_connections)
    @rule(data=st.data())
    def the_same_facts_are_read_anew(self, data: st.DataObject) -> None:
        self.change(data, replace)

    @rule(names=st.dictionaries(st.sampled_from(WORKSPACE_IDS), NAMES))
    def workspaces_are_renamed_or_go(self, names: dict[str, str]) -> None:
        self.publish(workspaces=tuple(Workspace(id_, name) for id_, name in names.items()))

    @rule(instance=INSTANCES)
    def airbyte_is_another_one(self, instance: Instance) -> None:
        self.publish(instance=instance)

    @rule(status=st.sampled_from(["succeeded", "failed"]), number=NUMBERS)
    def jobs_are_counted(self, status: str, number: int) -> None:
        key = CompletedKey("sync", status, "Postgres", "Snowflake", "manual")
        self.publish(completed={**self.snapshot.completed, key: number})

    @rule(took=durations(), sources=actors(), destinations=actors())
    def jobs_take_their_time_and_sources_come(
        self,
        took: dict[DurationKey, Durations],
        sources: dict[str, int] | None,
        destinations: dict[str, int] | None,
    ) -> None:
        self.publish(durations=took, sources=sources, destinations=destinations)

    @rule(jobs=st.booleans(), inventory=st.booleans())
    def facts_become_stale_or_fresh(self, jobs: bool, inventory: bool) -> None:
        self.publish(jobs_stale=jobs, inventory_stale=inventory)

    @rule()
    def counting_begins_anew(self) -> None:
        self.publish(epoch=self.snapshot.epoch + 1)

    @rule()
    def the_exporter_is_restarted(self) -> None:
        self.exposition = self.restarted()

    def restarted(self) -> Exposition:
        """Return an exposition that knows the last snapshot only."""
        exposition = Exposition(Telemetry("test"), self.config)
        exposition.publish(self.snapshot)
        return exposition

    @invariant()
    def the_page_says_what_the_last_snapshot_says(self) -> None:
        limit = self.config.max_connections
        whole = exposed(self.snapshot, max_connections=limit, created=self.config.created)
        expected = {key: value for key, value in whole.items() if self.config.exposes(family_of(key[0]))}
        restarted = self.restarted()
        for openmetrics in (False, True):
            page = scraped(self.exposition, openmetrics=openmetrics)
            facts = facts_part(page)
            found = read(facts, openmetrics=openmetrics)
            assert {key: value for key, value in found.items() if family_of(key[0]) in MODELLED} == expected
            assert told(page, "airbyte_exporter_series") == len(found)
            assert told(page, "airbyte_exporter_connections_left_out") == (
                None if limit is None else max(0, len(self.snapshot.connections) - limit)
            )
            assert facts == facts_part(scraped(restarted, openmetrics=openmetrics))


Changes.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestChanges = Changes.TestCase
