"""An update renders what changed and nothing else; what nobody asks for is not compressed."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from unittest import mock

import pytest

from airbyte_exporter.exposition import ConnectionFamily, Exposition, Facet, MetricsConfig
from airbyte_exporter.model import ConnectionFacts, Instance, Snapshot, Workspace
from airbyte_exporter.telemetry import FamilyInfo, Telemetry
from tests.snapshots import EPOCH, FINANCE, GROWTH, NOW, connection

NAME = "airbyte_test"


class Counted:
    """A family that remembers which connections it was asked about."""

    def __init__(self, *, reads_context: bool = False) -> None:
        info = FamilyInfo(NAME, "gauge", "A test.", ("connection_id",))
        self.family = ConnectionFamily(info, Facet.JOBS, self.samples, reads_context)
        self.asked: list[str] = []

    def samples(self, facts: ConnectionFacts, _: object) -> Sequence[tuple[tuple[str, ...], int]]:
        self.asked.append(facts.connection.name)
        return (((), facts.consecutive_failures),)

    def taken(self) -> set[str]:
        """Return about whom it was asked since the last time."""
        asked, self.asked = self.asked, []
        return set(asked)


def view(number: int) -> Snapshot:
    """Return a snapshot of so many connections, every other one in the second of two workspaces."""
    facts = [
        ConnectionFacts(
            connection(it, f"n{it}", "Postgres", workspace=(FINANCE, GROWTH)[it % 2]), EPOCH + it % 7
        )
        for it in range(number)
    ]
    return Snapshot(
        Instance(None, None, "config", "none"),
        EPOCH,
        (FINANCE, GROWTH),
        {it.connection.id: it for it in facts},
        jobs_as_of=NOW,
        inventory_as_of=NOW,
    )


def with_failures(snapshot: Snapshot, *numbers: int) -> Snapshot:
    known = dict(snapshot.connections)
    for id_ in [list(known)[number] for number in numbers]:
        known[id_] = replace(known[id_], consecutive_failures=7)
    return replace(snapshot, connections=known)


@pytest.mark.parametrize("limit", [None, 90], ids=["all", "limited"])
def test_only_connections_with_other_facts_are_asked_about(limit: int | None) -> None:
    counted = Counted()
    exposition = Exposition(Telemetry("test"), MetricsConfig(max_connections=limit), [counted.family])
    snapshot = view(100)
    exposition.publish(snapshot)
    assert len(counted.taken()) == (limit or 100)
    exposition.publish(with_failures(snapshot, 3, 70))
    assert counted.taken() == {"n3", "n70"}


@pytest.mark.parametrize(
    "changes",
    [
        {"jobs_as_of": NOW + 30, "sequence": 5},
        {"jobs_stale": True},
        {"workspaces": (FINANCE, Workspace(GROWTH.id, "Another name"))},
        {"instance": Instance("2.0.0", None, "config", "none")},
    ],
    ids=["later", "stale", "workspace renamed", "upgraded"],
)
def test_what_a_family_does_not_read_renders_nothing(changes: dict[str, object]) -> None:
    counted = Counted()
    exposition = Exposition(Telemetry("test"), None, [counted.family])
    snapshot = view(10)
    exposition.publish(snapshot)
    counted.taken()
    exposition.publish(replace(snapshot, **changes))  # type: ignore[arg-type]  # any fields of it
    assert counted.taken() == set()


def test_a_renamed_workspace_concerns_its_own_connections() -> None:
    counted = Counted(reads_context=True)
    exposition = Exposition(Telemetry("test"), None, [counted.family])
    snapshot = view(10)
    exposition.publish(snapshot)
    counted.taken()
    exposition.publish(replace(snapshot, workspaces=(FINANCE, Workspace(GROWTH.id, "Another name"))))
    assert counted.taken() == {"n1", "n3", "n5", "n7", "n9"}


def test_facts_that_are_fresh_again_are_shown_as_they_are_by_then() -> None:
    exposition = Exposition(Telemetry("test"), None, [Counted().family])
    snapshot = view(2)
    exposition.publish(snapshot)
    exposition.publish(replace(with_failures(snapshot, 1), jobs_stale=True))
    assert f"\n{NAME}{{" not in text(exposition)
    exposition.publish(with_failures(snapshot, 1))
    assert f'{NAME}{{connection_id="{list(snapshot.connections)[1]}"}} 7\n' in text(exposition)


def text(exposition: Exposition) -> str:
    return exposition.scrape(openmetrics=False, gzip=False).decode()


@pytest.fixture
def compressors() -> Iterator[mock.Mock]:
    """What is called for each stream that is compressed."""
    with mock.patch.object(zlib, "compressobj", wraps=zlib.compressobj) as spy:
        yield spy


def test_nothing_is_compressed_for_those_who_do_not_ask(compressors: mock.Mock) -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(view(3))
    for openmetrics in (False, True):
        exposition.scrape(openmetrics=openmetrics, gzip=False)
    exposition.publish(with_failures(view(3), 1))
    compressors.assert_not_called()


def test_a_page_is_compressed_once_and_ahead_while_somebody_asks(compressors: mock.Mock) -> None:
    exposition = Exposition(Telemetry("test"))
    snapshot = view(3)
    exposition.publish(snapshot)
    exposition.scrape(openmetrics=False, gzip=True)
    for published in range(60):
        compressors.reset_mock()
        exposition.publish(with_failures(snapshot, published % 3))
        ahead = compressors.call_count
        assert bool(ahead) == (published < 30), "half a minute's worth of snapshots, at the most"
    compressors.reset_mock()
    exposition.scrape(openmetrics=False, gzip=True)
    whole = compressors.call_count
    exposition.scrape(openmetrics=False, gzip=True)
    assert compressors.call_count == whole + 1, "only the exporter's own series are compressed again"


def test_only_families_that_changed_are_compressed_again(compressors: mock.Mock) -> None:
    exposition = Exposition(Telemetry("test"))
    snapshot = view(400)
    exposition.publish(snapshot)
    exposition.scrape(openmetrics=False, gzip=True)
    whole = compressors.call_count
    compressors.reset_mock()
    exposition.publish(with_failures(snapshot, 5))
    assert compressors.call_count < whole
    # The other format differs in the comment lines between the families.
    compressors.reset_mock()
    exposition.scrape(openmetrics=True, gzip=True)
    assert compressors.call_count < whole


@pytest.mark.parametrize("gzip", [False, True])
def test_a_page_is_sent_in_chunks(gzip: bool) -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(view(1000))
    page = exposition.page(openmetrics=False, gzip=gzip)
    sizes = [len(chunk) for chunk in page.chunks]
    assert sum(sizes) == page.size
    assert max(sizes) < 512 * 1024
    assert len(sizes) > 1 or gzip
