"""Listings of the public API are complete, or they raise, whatever moves while they are read."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exporter.airbyte import ApiMalformed, ApiRejected, JobsPage
from airbyte_exporter.airbyte._public_paging import whole_listing
from airbyte_exporter.model import Job
from tests.unit.airbyte.fakes import NOW, Json, Reaction, Say, Talk, talk
from tests.unit.airbyte.public import C1, LIVE, PublicAirbyte, Row, public_talk

PAGING = "airbyte_exporter.airbyte._public_paging"
PUBLIC = "airbyte_exporter.airbyte._public_jobs"


# Rows in no order


@dataclass
class Table:
    """Rows in no order; `changes` happen between requests."""

    rows: list[str]
    chance: random.Random
    changes: list[str]
    limit: int = 3
    deleted: set[str] = field(default_factory=set)
    created: set[str] = field(default_factory=set)
    requests: int = 0

    def fetch(self, offset: int) -> list[tuple[str, str]]:
        self.requests += 1
        page = [(row, row) for row in self.rows[offset : offset + self.limit]]
        if self.changes:
            self._change(self.changes.pop())
        return page

    def _change(self, what: str) -> None:
        if what == "create":
            new = f"new {len(self.created)}"
            self.created.add(new)
            self.rows.insert(self.chance.randint(0, len(self.rows)), new)
        elif what != "nothing" and self.rows:
            row = self.rows.pop(self.chance.randrange(len(self.rows)))
            if what == "delete":
                self.deleted.add(row)
            else:
                self.rows.insert(self.chance.randint(0, len(self.rows)), row)


CHANGES = st.lists(st.sampled_from(["nothing", "nothing", "move", "delete", "create"]), max_size=25)


def listed(table: Table, before: Collection[str] | None) -> set[str] | None:
    with patch(f"{PAGING}.LIMIT", table.limit):
        try:
            return set(whole_listing(table.fetch, before=before, method="m"))
        except ApiMalformed:
            return None


@settings(max_examples=400, deadline=None)
@given(count=st.integers(0, 14), changes=CHANGES, seed=st.integers(0, 99))
def test_everything_that_was_there_all_the_time_is_listed(count: int, changes: list[str], seed: int) -> None:
    rows = [f"row {number}" for number in range(count)]
    table = Table([*rows], random.Random(seed), changes)
    found = listed(table, None)
    assert found is None or found >= set(rows) - table.deleted


@settings(max_examples=400, deadline=None)
@given(count=st.integers(0, 14), known=st.integers(0, 14), changes=CHANGES, seed=st.integers(0, 99))
def test_what_was_there_before_and_still_is_never_seems_deleted(
    count: int, known: int, changes: list[str], seed: int
) -> None:
    rows = [f"row {number}" for number in range(count)]
    table = Table([*rows], random.Random(seed), changes)
    before = {f"row {number}" for number in range(known)}
    found = listed(table, before)
    assert found is None or found >= (before & set(rows)) - table.deleted


@settings(max_examples=50, deadline=None)
@given(count=st.integers(0, 14), seed=st.integers(0, 9))
def test_what_does_not_change_is_listed_exactly(count: int, seed: int) -> None:
    rows = [f"row {number}" for number in range(count)]
    assert listed(Table([*rows], random.Random(seed), []), None) == set(rows)


@pytest.mark.parametrize(
    ("count", "before", "requests"),
    [
        (0, None, 1),
        (2, None, 2),
        (7, None, 8),
        (7, range(7), 4),
        (7, range(5), 4),
        (7, range(8), 8),
    ],
    ids=["nothing", "a page", "several, the first time", "as before", "more than before", "one is gone"],
)
def test_a_listing_is_read_twice_only_where_that_is_needed(
    count: int, before: range | None, requests: int
) -> None:
    table = Table([f"row {number}" for number in range(count)], random.Random(0), [])
    known = None if before is None else {f"row {number}" for number in before}
    assert listed(table, known) is not None
    assert table.requests == requests


def reading(*readings: str) -> tuple[set[str], list[str]]:
    """Read pages of three rows as they are written, ``abc def``; return what was listed and what is left."""
    pages = [page for one in readings for page in (*one.split(), "")]
    left = iter(pages)
    with patch(f"{PAGING}.LIMIT", 3):
        found = whole_listing(lambda _offset: [(row, row) for row in next(left)], before=BEFORE, method="m")
    return set(found), [*left]


BEFORE = set("abcde")


@pytest.mark.parametrize(
    ("readings", "found"),
    [
        (["abc de"], "abcde"),
        (["abc cde", "abc def"], "abcdef"),
        (["abc d", "abc d"], "abcd"),
        (["abc d", "abc e", "abc e"], "abce"),
        (["abc cd", "abc d", "abc d"], "abcd"),
    ],
    ids=[
        "all that was there before",
        "a row that came twice: another may be missing",
        "one is gone, twice",
        "it says something else each time",
        "what says the same has to be right itself",
    ],
)
def test_what_is_believed(readings: list[str], found: str) -> None:
    assert reading(*readings) == (set(found), [])


def test_a_listing_with_the_same_row_on_two_pages_each_time_raises() -> None:
    with pytest.raises(ApiMalformed, match="may not be complete"):
        reading(*["abc cde"] * 4)


def test_a_listing_that_never_settles_raises() -> None:
    table = Table([f"row {number}" for number in range(9)], random.Random(1), ["delete", "create"] * 40)
    with patch(f"{PAGING}.LIMIT", 3), pytest.raises(ApiMalformed, match="changed each of the 4 times"):
        whole_listing(table.fetch, before=None, method="m")


def test_pages_that_repeat_themselves_are_not_read_for_ever() -> None:
    with pytest.raises(ApiMalformed, match="its pages repeat themselves"):
        whole_listing(lambda _offset: [("a", "a")], before=None, method="m")


def test_an_endless_listing_is_not_read_to_its_end() -> None:
    with patch(f"{PAGING}.LONGEST", 20), pytest.raises(ApiMalformed, match="more than 2000 rows"):
        whole_listing(lambda offset: [(str(offset), "x")], before=None, method="m")


# Jobs


def read(airbyte: PublicAirbyte, limit: int = 4, **query: Json) -> tuple[list[JobsPage], Talk]:
    t = public_talk(airbyte)
    t.client.capabilities()
    t.airbyte.sent.clear()
    with patch(f"{PAGING}.LIMIT", limit), patch(f"{PUBLIC}.LIMIT", limit):
        return list(t.client.jobs(**query)), t


def jobs_in(pages: list[JobsPage]) -> list[Job]:
    return [job for page in pages for job in page.jobs]


ROWS = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from([0.0, 0.25, 0.5, 0.999]),
        st.sampled_from([0, 0, 3, 700]),
        st.sampled_from(["succeeded", "succeeded", "failed", "running", "pending", "incomplete"]),
    ),
    max_size=40,
)


def world_of(
    drawn: list[tuple[int, float, int, str]], seed: int, *, by_created: bool = False
) -> PublicAirbyte:
    """Return jobs of which many share the time that they are listed by, and none the other one too."""
    rows = []
    for number, (second, part, lasted, status) in enumerate(drawn):
        updated = NOW - 4000 + second + part
        created, apart = updated - lasted, number / 1e6
        times = (created, updated + apart) if by_created else (created - apart, updated)
        rows.append(Row(number, *times, status))
    return PublicAirbyte(jobs=rows, chance=random.Random(seed))


def moving(airbyte: PublicAirbyte, moves: int) -> Callable[[], None]:
    def move() -> None:
        for _ in range(moves):
            airbyte.move()

    return move


@settings(max_examples=150, deadline=None)
@given(
    drawn=ROWS,
    seed=st.integers(0, 9),
    order=st.sampled_from(["updated", "updated until", "created", "everything"]),
    moves=st.integers(0, 2),
)
def test_no_job_is_lost_though_jobs_move(
    drawn: list[tuple[int, float, int, str]], seed: int, order: str, moves: int
) -> None:
    airbyte = world_of(drawn, seed, by_created=order == "created")
    since = NOW - 4000
    query: dict[str, Any] = {
        "updated": {"updated_since": since},
        "updated until": {"updated_since": since, "updated_until": NOW - 1},
        "created": {"created_since": since - 700, "created_until": NOW - 1},
        "everything": {},
    }[order]
    airbyte.before = moving(airbyte, moves)
    pages, _ = read(airbyte, **query)
    found = {job.id for job in jobs_in(pages)}
    for row in airbyte.jobs:
        if row.moved and order == "updated until":
            continue  # it left the listing: the next one since now has it
        assert row.id in found, row


@settings(max_examples=100, deadline=None)
@given(drawn=ROWS, seed=st.integers(0, 9))
def test_pages_can_be_kept_one_by_one_because_they_never_run_ahead(
    drawn: list[tuple[int, float, int, str]], seed: int
) -> None:
    """After any page, a new listing from its newest update on gives all that is missing."""
    pages, _ = read(world_of(drawn, seed), updated_since=NOW - 4000)
    assert all(page.resumable for page in pages)
    for kept in range(1, len(pages)):
        before = jobs_in(pages[:kept])
        since = max((job.updated_at for job in before), default=NOW - 4000)
        after = jobs_in(read(world_of(drawn, seed), updated_since=since)[0])
        assert {job.id for job in before} | {job.id for job in after} == set(range(len(drawn)))


@settings(max_examples=60, deadline=None)
@given(drawn=ROWS, seed=st.integers(0, 9))
def test_the_live_set_is_read_status_by_status(drawn: list[tuple[int, float, int, str]], seed: int) -> None:
    airbyte = world_of(drawn, seed)
    pages, t = read(airbyte, live=True, created_since=NOW - 9000)
    assert sorted(job.id for job in jobs_in(pages)) == [row.id for row in airbyte.jobs if row.status in LIVE]
    assert not any(page.resumable for page in pages)
    asked = [sent.path for sent in t.airbyte.sent]
    assert all(any(f"status={status}&" in path for path in asked) for status in LIVE)


def test_a_quiet_poll_is_two_requests_and_one_without_any_job_is_one() -> None:
    assert (
        len(read(PublicAirbyte(jobs=[Row(1, NOW - 9, NOW - 9)]), updated_since=NOW - 99)[1].airbyte.sent) == 2
    )
    pages, t = read(PublicAirbyte(), updated_since=NOW - 99)
    assert (pages, len(t.airbyte.sent)) == ([JobsPage((), NOW)], 1)


def test_pages_come_as_they_arrive() -> None:
    airbyte = PublicAirbyte(
        jobs=[Row(number, NOW - 900 + number, NOW - 900 + number) for number in range(40)]
    )
    t = public_talk(airbyte)
    t.client.capabilities()
    t.airbyte.sent.clear()
    with patch(f"{PAGING}.LIMIT", 10), patch(f"{PUBLIC}.LIMIT", 10):
        assert len(next(t.client.jobs(updated_since=0)).jobs) == 9
    assert len(t.airbyte.sent) == 1


def test_more_jobs_in_one_second_than_a_page_holds_are_read_by_fractions_of_it() -> None:
    crowd = [Row(number, NOW - 900 + number / 300, NOW - 900 + number / 300) for number in range(250)]
    airbyte = PublicAirbyte(jobs=[*crowd, Row(900, NOW - 800, NOW - 800), Row(901, NOW - 950, NOW - 950)])
    for query in ({"updated_since": NOW - 999}, {"created_since": NOW - 999}):
        jobs = jobs_in(read(airbyte, limit=100, **query)[0])
        assert {job.id for job in jobs} == {*range(250), 900, 901}


def test_more_jobs_in_one_moment_than_a_page_holds_are_read_in_the_order_of_their_creation() -> None:
    crowd = [Row(number, NOW - 5000 + number, NOW - 900.5) for number in range(250)]
    jobs = jobs_in(read(PublicAirbyte(jobs=crowd), limit=100, updated_since=NOW - 999)[0])
    assert sorted(job.id for job in jobs) == [*range(250)]


def test_a_moment_that_nothing_orders_is_an_error() -> None:
    crowd = [Row(number, NOW - 900.5, NOW - 900.5) for number in range(250)]
    with pytest.raises(ApiMalformed, match="changed each of the 4 times it was read"):
        read(PublicAirbyte(jobs=crowd), limit=100, updated_since=NOW - 999)


def test_many_jobs_that_wait_again_do_not_hold_the_reading_up() -> None:
    """Of pending jobs only their creation is told, however long ago they changed from queued to pending."""
    waiting = [Row(number, NOW - 90_000, NOW - 500 + number / 10, "pending") for number in range(300)]
    airbyte = PublicAirbyte(jobs=[*waiting, Row(900, NOW - 50, NOW - 50)])
    pages, t = read(airbyte, limit=100, updated_since=NOW - 600)
    assert {job.id for job in jobs_in(pages)} == {*range(300), 900}
    assert len(t.airbyte.sent) < 60


# Servers that do not do what they are asked for


def answering(*rows: Row) -> PublicAirbyte:
    """One that answers every request for jobs with the same rows."""

    class Stubborn(PublicAirbyte):
        def _jobs(self, query: dict[str, list[str]]) -> Say:
            return Say(200, {"data": [row.json() for row in rows]})

    return Stubborn()


@pytest.mark.parametrize(
    "rows",
    [
        [Row(1, NOW - 50, NOW - 10), Row(2, NOW - 50, NOW - 20)],
        [Row(1, NOW - 5000, NOW - 5000)],
        [Row(1, NOW - 5000, NOW - 4000, "running"), Row(2, NOW - 50, NOW - 20)],
    ],
    ids=["another order", "older than asked for", "a live one older than asked for"],
)
def test_rows_that_were_not_asked_for_are_an_error(rows: list[Row]) -> None:
    with pytest.raises(ApiMalformed, match="not those asked for, in that order"):
        read(answering(*rows), updated_since=NOW - 100)


def test_rows_newer_than_asked_for_are_an_error() -> None:
    with pytest.raises(ApiMalformed, match="not those asked for"):
        read(answering(Row(1, NOW - 50, NOW - 10)), updated_since=NOW - 100, updated_until=NOW - 20)


def test_a_server_that_ignores_offsets_and_fractions_is_not_asked_for_ever() -> None:
    crowd = [Row(number, NOW - 50, NOW - 50) for number in range(4)]
    with pytest.raises(ApiMalformed) as caught, patch(f"{PAGING}.CROWD_READS", 30):
        read(answering(*crowd), updated_since=NOW - 50)
    assert "more rows share one moment" in str(caught.value) or "repeat themselves" in str(caught.value)


def test_the_links_of_a_page_are_never_followed() -> None:
    airbyte = PublicAirbyte(
        jobs=[Row(number, NOW - 900 + number, NOW - 900 + number) for number in range(40)]
    )
    _, t = read(airbyte, updated_since=NOW - 999)
    assert all(sent.path.startswith("/api/public/v1/jobs?") for sent in t.airbyte.sent)
    assert all("orderBy=updatedAt%7CASC" in sent.path for sent in t.airbyte.sent)


def test_a_job_told_twice_in_a_page_is_one() -> None:
    class Twice(PublicAirbyte):
        @staticmethod
        def _page(rows: list[Json], query: dict[str, list[str]]) -> dict[str, Any]:
            return {"data": rows * 2 if query.get("offset", ["0"]) == ["0"] else []}

    airbyte = Twice(jobs=[Row(1, NOW - 50, NOW - 10, connection=C1)])
    assert [job.id for job in jobs_in(read(airbyte, limit=100, updated_since=NOW - 99)[0])] == [1]


def test_what_was_read_before_an_error_was_handed_out() -> None:
    airbyte = PublicAirbyte(jobs=[Row(number, NOW - 900 + number, NOW - 900 + number) for number in range(9)])
    answers: list[Reaction] = []

    def react(path: str, body: dict[str, Any]) -> Reaction:
        if "/jobs" in path:
            answers.append(Say())
        return Say(400) if len(answers) == 2 else airbyte.react(path, body)

    t = talk(react, capabilities=None, api="public")
    pages = t.client.jobs(updated_since=NOW - 999)
    with patch(f"{PAGING}.LIMIT", 4), patch(f"{PUBLIC}.LIMIT", 4):
        assert [job.id for job in next(pages).jobs] == [0, 1, 2]
        with pytest.raises(ApiRejected, match="refuses the request with 400"):
            next(pages)
