"""The document about compatibility names what there is, and says of each API what the tests hold it to."""

import re

import pytest

from airbyte_exporter.airbyte import Polling
from airbyte_exporter.alerts import RULE_NEEDS, RULE_WANTS
from airbyte_exporter.simulator import GENERATIONS
from benchmarks.__main__ import DOCUMENTED
from benchmarks.document import COMPATIBILITY, POLLING_ROWS, written_table
from benchmarks.polling import WAYS
from tests.e2e.truth import BY_THE_PUBLIC_API, KNOWLEDGE, Knowledge

WRITTEN = COMPATIBILITY.read_text(encoding="utf-8")


def section(title: str) -> str:
    _, _, rest = WRITTEN.partition(f"## {title}\n")
    return rest.partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


def test_every_way_of_polling_and_every_generation_is_told_how_it_is_recognised() -> None:
    header, _, *table = rows(section("What is read, and how it is recognised"))
    assert header[-1] == "`mode`"
    assert {row[-1] for row in table} == {f"`{polling.value}`" for polling in Polling}
    assert {name for row in table for name in re.findall(r"\(`(.+?)`\)", row[0])} == set(GENERATIONS)


def test_the_requests_of_every_way_and_size_are_in_the_table() -> None:
    header, _, *table = rows(written_table(WRITTEN))
    assert header[1:] == [f"{size:,}" for size in DOCUMENTED]
    ways = [row[0].replace("*", "").replace("`", "") for row in table if row[0].startswith("**")]
    assert ways == [way.name for way in WAYS]
    assert {way.polling for way in WAYS} == set(Polling)
    figures = [row for row in table if not row[0].startswith("**")]
    assert [row[0] for row in figures] == [name for name, _ in POLLING_ROWS] * len(WAYS)
    assert all(re.match(r"\d", cell) for row in figures for cell in row[1:])


@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_an_api_can_tell_is_what_the_end_to_end_tests_expect_of_it(generation: str) -> None:
    header, _, *table = rows(section("What each can tell"))
    assert header[1:] == [f"`{name}`" for name in GENERATIONS]
    told = {row[0]: row[header.index(f"`{generation}`")] for row in table}
    known = KNOWLEDGE[generation]
    expected = {
        "resets and clears": "reset_connection" in known.job_types,
        "refreshes": "refresh" in known.job_types,
        "attempts, start, duration, waiting time": not known.summaries_only,
        "records and bytes emitted": not known.summaries_only,
        "that a sync left no numbers at all": not known.summaries_only,
        "tags": known.tags,
        "schedules": known.schedule_types >= {"basic", "cron", "manual"},
        "records and bytes committed (*synced*)": known.aggregates and not known.summaries_only,
    }
    assert {what: told[what] == "yes" for what in expected} == expected


def rules_with(known: Knowledge, *, timelines: bool) -> dict[str, str]:
    """Say what becomes of each rule, by what the end-to-end tests expect and whether there are timelines."""
    schedules = "yes" if "cron" in known.schedule_types else "in part"
    return {
        "`BreakingSchemaChange`": "yes" if known.schema_changes else "no",
        "`ConnectionDisabled`": "yes" if timelines else "no",
        "`NeverSucceeded`": schedules,
        "`SyncOverdue`": schedules,
    }


def test_rules_are_off_where_an_api_does_not_tell_what_they_need() -> None:
    header, _, *table = rows(section("Alert rules"))
    assert {row[0] for row in table} == {f"`{rule}`" for rule in (*RULE_NEEDS, *RULE_WANTS)}
    written = {api: {row[0]: row[place] for row in table} for place, api in enumerate(header) if place}
    expected = {
        f"`{name}`": rules_with(KNOWLEDGE[name], timelines=name in {"1.6", "2.0"}) for name in GENERATIONS
    }
    assert written == expected | {"`public`": rules_with(BY_THE_PUBLIC_API, timelines=False)}


def test_what_the_public_api_can_tell_is_what_the_end_to_end_tests_expect_of_it() -> None:
    table = dict(rows(section("The public API and Airbyte Cloud"))[-11:])
    known = BY_THE_PUBLIC_API
    expected = {
        "syncs, refreshes, resets (a clear is told as a reset)": known.job_types >= {"sync", "refresh"},
        "attempts, start, duration, waiting time": not known.summaries_only,
        "origin, type and message of a failure": not known.summaries_only,
        "records and bytes committed (*synced*)": known.aggregates,
        "records and bytes emitted, records rejected": not known.summaries_only,
        "that a sync left no numbers at all": not known.zeros,
        "schedules, tags, when a connection was created": known.tags,
    }
    assert {what: table[what].startswith("yes") for what in expected} == expected
    assert known.slugs
    assert "without versions" in table["connectors"]
