"""Scrapes while pages are published: each gets one page, whole, and never an older one than before."""

import gzip
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from airbyte_exporter.exposition import Exposition
from airbyte_exporter.model import CompletedKey, ConnectionCounters, ConnectionFacts, Instance, Snapshot
from airbyte_exporter.telemetry import Telemetry
from tests.snapshots import FINANCE, connection

SCRAPES = 15
MARKED = (
    "airbyte_connection_created_timestamp_seconds",
    "airbyte_connection_last_success_timestamp_seconds",
    "airbyte_connection_consecutive_failures",
    "airbyte_connection_records_synced_total",
    "airbyte_connection_bytes_emitted_total",
    "airbyte_jobs_completed_total",
)


def connections(generation: int) -> int:
    return 150 + generation % 5


def marked(generation: int) -> Snapshot:
    """Return a snapshot in which every number is that of its generation, and the names have it too."""
    facts = [
        ConnectionFacts(
            replace(connection(number, f"Generation {generation}", "Postgres"), created_at=generation),
            first_seen_at=0,
            last_success_at=generation,
            consecutive_failures=generation,
            counters=ConnectionCounters({}, generation, generation, generation, generation),
        )
        for number in range(connections(generation))
    ]
    return Snapshot(
        Instance(None, None, "config", "none"),
        0,
        (FINANCE,),
        {it.connection.id: it for it in facts},
        {CompletedKey("sync", "failed", "Postgres", "Snowflake", "basic"): generation},
        jobs_as_of=generation,
        inventory_as_of=generation,
    )


def generation_of(page: str) -> int:
    """Return the generation of a page.

    Raises:
        ValueError: It is of none, or of several.
    """
    found = re.findall(rf"^(?:{'|'.join(MARKED)})(?:{{.*}})? (\d+)$", page, re.MULTILINE)
    generations = {*found, *re.findall(r'connection_name="Generation (\d+)"', page)}
    if len(generations) != 1:
        raise ValueError(f"the page is of {sorted(generations)}")
    generation = int(generations.pop())
    of_connections = connections(generation) * (len(MARKED) - 1)
    if len(found) != of_connections + 1 or page.count("\nairbyte_connection_info{") != connections(
        generation
    ):
        raise ValueError(f"the page of {generation} is not whole")
    return generation


def scrape(exposition: Exposition, *, openmetrics: bool, packed: bool) -> list[int]:
    """Scrape for a while and return the generations that were seen."""
    seen = []
    for _ in range(SCRAPES):
        page = exposition.scrape(openmetrics=openmetrics, gzip=packed)
        seen.append(generation_of((gzip.decompress(page) if packed else page).decode()))
    return seen


@pytest.fixture
def eager_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
def test_every_scrape_sees_one_whole_generation() -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(marked(1))
    forms = [(openmetrics, packed) for openmetrics in (False, True) for packed in (False, True)]
    with ThreadPoolExecutor(len(forms)) as pool:
        scrapers: list[Future[list[int]]] = [
            pool.submit(scrape, exposition, openmetrics=openmetrics, packed=packed)
            for openmetrics, packed in forms
        ]
        newest = 1
        while not all(scraper.done() for scraper in scrapers):
            newest += 1
            exposition.publish(marked(newest))
        seen = [scraper.result() for scraper in scrapers]
    assert all(generations == sorted(generations) for generations in seen), "never an older one than before"
    assert any(len(set(generations)) > 1 for generations in seen), "pages were published meanwhile"


def test_a_page_that_is_being_sent_stays_what_it_was() -> None:
    exposition = Exposition(Telemetry("test"))
    exposition.publish(marked(1))
    pages = [exposition.page(openmetrics=False, gzip=packed) for packed in (False, True)]
    begun = [next(page.chunks) for page in pages]
    exposition.publish(marked(2))
    plain, packed = (first + b"".join(page.chunks) for first, page in zip(begun, pages, strict=True))
    assert generation_of(plain.decode()) == generation_of(gzip.decompress(packed).decode()) == 1
    assert generation_of(exposition.scrape(openmetrics=False, gzip=False).decode()) == 2
