"""The status page as a person reads it."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from airbyte_exporter.alerts import Means
from airbyte_exporter.model import ConnectionFacts, Incident, Schedule, ScheduleType, Silence, Snapshot
from airbyte_exporter.web import _page
from airbyte_exporter.web._polls import Polls
from airbyte_exporter.web._silenced import Silenced
from tests.snapshots import EPOCH, NOW, connection, rich_incidents, rich_silence, rich_snapshot

FINE = Polls(up=True, error=None, is_told=True)
MEANS = Means(changes=True)
UNKNOWN = Silenced.at(NOW, None, None)


class Reader(HTMLParser):
    """Collect the words of a page, its links, and the tags that were left open."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read(
    snapshot: Snapshot | None,
    incidents: Sequence[Incident] | None = (),
    *,
    unready: str | None = None,
    polls: Polls = FINE,
    ui_url: str | None = "https://airbyte.example.com",
    silences: Sequence[Silence] = (),
    means: Means = MEANS,
    messages: bool = True,
) -> Reader:
    about = _page.About("airbyte.example.com", ui_url, "0.1.0")
    return Reader(
        _page.render(
            snapshot,
            incidents,
            Silenced.at(NOW, silences, snapshot),
            now=float(NOW),
            about=about,
            unready=unready,
            polls=polls,
            means=means,
            messages=messages,
        )
    )


def only(facts: ConnectionFacts) -> Snapshot:
    return replace(rich_snapshot(), connections={facts.connection.id: facts})


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    page = read(rich_snapshot(), rich_incidents())
    assert page.open == []
    assert "script" not in page.tags
    foreign = [
        link for link in page.links if not link.startswith(("https://airbyte.example.com", "/", "data:,"))
    ]
    assert foreign == []


def test_the_style_is_the_one_that_the_policy_allows() -> None:
    about = _page.About("x", None, "0.1.0")
    html = _page.render(
        None, (), UNKNOWN, now=0.0, about=about, unready=None, polls=FINE, means=MEANS, messages=False
    )
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in _page.CONTENT_SECURITY_POLICY
    assert "style=" not in html


def test_the_worst_comes_first() -> None:
    text = read(rich_snapshot(), rich_incidents()).text
    table = text[text.index("Failures in a row") :]
    order = [
        "Postgres orders → Snowflake",
        "Stripe charges",
        "Google Ads",
        "Jira issues",
        "New thing, never ran",
        "HubSpot contacts",
        "Old Marketo export",
    ]
    places = [table.index(name) for name in order]
    assert places == sorted(places)


def test_a_failing_connection_tells_its_story() -> None:
    page = read(only(next(iter(rich_snapshot().connections.values()))))
    for words in (
        "Postgres production → Warehouse",
        "every hour",
        "failed 15 min ago",
        "took 7 min, 3 attempts",
        "source / transient_error",
        "last success 5 h ago",
        "1,200 records",
        "640 kB",
    ):
        assert words in page.text


def test_a_running_job_is_shown_with_what_it_has_read() -> None:
    page = read(rich_snapshot())
    assert "sync running started 2 min ago , 1.3 M records read" in page.text
    assert "sync between attempts" in page.text


def test_incidents_are_listed_with_their_cause() -> None:
    text = read(rich_snapshot(), rich_incidents()).text
    assert text.index("SyncFailing on Postgres orders") < text.index("SyncFailed on Stripe charges")
    assert "The API key has been revoked." in text
    assert "was there before the exporter watched" in text


def test_an_incident_of_a_deleted_connection_is_still_there() -> None:
    text = read(replace(rich_snapshot(), connections={}), rich_incidents()).text
    assert rich_incidents()[0].connection_id in text


class TestSilences:
    def test_what_is_silenced_comes_last_and_says_until_when_by_whom_and_why(self) -> None:
        text = read(rich_snapshot(), rich_incidents(), silences=[rich_silence()]).text
        assert text.startswith("(1) airbyte.example.com")
        assert "2 open incidents, 1 silenced" in text
        open_ones = text[text.index("Open incidents") : text.index("1 silence holds")]
        assert open_ones.index("SyncFailed on") < open_ones.index("SyncFailing on"), (
            "the silenced one is worse"
        )
        assert open_ones.count("silenced until") == 1
        assert "silenced until 2026-01-31 13:00:00 UTC by ana: the warehouse moves" in open_ones

    def test_when_all_is_silenced_nothing_calls_for_anybody(self) -> None:
        page = read(rich_snapshot(), rich_incidents(), silences=[replace(rich_silence(), matchers={})])
        assert page.text.startswith("airbyte.example.com")
        assert "2 open incidents, 2 silenced" in page.text
        assert "1 silence holds now: everything until 2026-01-31 13:00:00 UTC by ana." in page.text

    def test_those_that_hold_are_told_though_nothing_is_wrong(self) -> None:
        others = [replace(rich_silence(), id=f"s-{number}") for number in range(21)]
        text = read(rich_snapshot(), (), silences=others).text
        assert "22 silences" not in text
        assert "21 silences hold now: severity=critical until" in text
        assert "; and 1 more." in text

    def test_one_that_is_over_is_not_there(self) -> None:
        over = replace(rich_silence(), expired_at=NOW - 1)
        assert "silence" not in read(rich_snapshot(), rich_incidents(), silences=[over]).text

    def test_why_is_for_those_who_may_see_what_people_write(self) -> None:
        text = read(rich_snapshot(), rich_incidents(), silences=[rich_silence()], messages=False).text
        assert "silenced until 2026-01-31 13:00:00 UTC by ana" in text
        assert "the warehouse moves" not in text


def test_names_are_escaped() -> None:
    about = _page.About("<i>me</i>", None, "0.1.0")
    html = _page.render(
        rich_snapshot(),
        (),
        Silenced.at(NOW, [replace(rich_silence(), author="<script>", reason="<script>")], rich_snapshot()),
        now=float(NOW),
        about=about,
        unready=None,
        polls=FINE,
        means=MEANS,
        messages=True,
    )
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "&lt;i&gt;me&lt;/i&gt;" in html


@pytest.mark.parametrize("ui_url", [None, "javascript:alert(1)", "data:text/html,x"])
def test_no_link_without_an_address_of_airbytes_pages(ui_url: str | None) -> None:
    page = read(rich_snapshot(), rich_incidents(), ui_url=ui_url)
    assert [link for link in page.links if not link.startswith(("/", "data:,"))] == []
    assert "Stripe charges" in page.text


def test_a_connection_links_to_airbytes_page_about_it() -> None:
    it = next(iter(rich_snapshot().connections.values())).connection
    wanted = f"https://airbyte.example.com/workspaces/{it.workspace_id}/connections/{it.id}"
    assert wanted in read(rich_snapshot()).links


def test_before_the_first_facts_it_says_what_it_waits_for() -> None:
    text = read(None, unready="nothing listens at airbyte.example.com").text
    assert "Waiting for the first answer from Airbyte" in text
    assert "nothing listens at airbyte.example.com" in text
    assert "0 connections" not in text


def test_facts_of_before_a_restart_are_called_so() -> None:
    text = read(rich_snapshot(), unready="the first poll has not finished").text
    assert "from before the exporter was started again: the first poll has not finished" in text
    assert "HubSpot contacts" in text


@pytest.mark.parametrize(
    ("workspaces", "words"),
    [((), "may see no workspace"), (rich_snapshot().workspaces, "no connection in the workspaces")],
)
def test_an_empty_airbyte(workspaces: tuple[()], words: str) -> None:
    text = read(replace(rich_snapshot(), connections={}, workspaces=workspaces)).text
    assert "No connections" in text
    assert words in text


DOWN = "jobs/list: nothing listens at <airbyte>"


@pytest.mark.parametrize(
    ("polls", "words"),
    [
        (
            Polls(up=False, error=DOWN, is_told=True),
            f"Airbyte fail since 2026-01-31 11:59:48 UTC: {DOWN} ",
        ),
        (
            Polls(up=False, error=DOWN, is_told=False),
            "since 2026-01-31 11:59:48 UTC: the log of the exporter",
        ),
        (
            Polls(up=True, error=DOWN, is_told=True),
            f"connections fails since 2026-01-31 11:58:20 UTC: {DOWN} ",
        ),
    ],
)
def test_an_airbyte_that_cannot_be_read_is_told_before_anything_else(polls: Polls, words: str) -> None:
    text = read(rich_snapshot(), rich_incidents(), polls=polls).text
    assert words in text
    assert text.index(words) < text.index("in trouble")
    assert (DOWN in text) is polls.is_told
    assert "failed 15 min ago" in text, "what is known stays until it is too old"


def test_polls_that_work_are_not_talked_about() -> None:
    assert "cannot be" not in read(rich_snapshot()).text


def test_after_a_restart_the_reason_stands_there_once() -> None:
    polls = Polls(up=False, error=DOWN, is_told=True)
    text = read(rich_snapshot(), unready=f"no complete poll since the start: {DOWN}", polls=polls).text
    assert text.count(DOWN) == 1


def test_the_page_is_as_old_as_what_is_known_of_jobs() -> None:
    assert "as of 12 s ago" in read(rich_snapshot()).text
    assert "as of" not in read(replace(rich_snapshot(), jobs_as_of=None)).text


def test_facts_too_old_are_not_shown() -> None:
    text = read(replace(rich_snapshot(), jobs_stale=True)).text
    assert "Airbyte has told nothing about its jobs since 2026-01-31 11:59:48 UTC" in text
    for words in ("failed 15 min ago", "fine 4", "sync running", "failing"):
        assert words not in text
    assert "every 6 hours" in text
    assert "not known" in text


def test_an_old_inventory_shows_names_but_no_status() -> None:
    text = read(replace(rich_snapshot(), inventory_stale=True)).text
    assert "Airbyte has not listed its connections since" in text
    assert "every 6 hours" not in text
    assert "paused" not in text
    assert "failed 15 min ago" in text


def test_a_great_many_connections_are_cut_off_and_that_is_said() -> None:
    many = [ConnectionFacts(connection(n, f"Number {n:04}", "File"), EPOCH) for n in range(1203)]
    page = read(replace(rich_snapshot(), connections={it.connection.id: it for it in many}))
    assert page.tags.count("tr") == 501
    assert "The first 500 of 1,203 connections, worst first." in page.text
    assert "Number 0499" in page.text
    assert "Number 0500" not in page.text


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Schedule(ScheduleType.BASIC, 1, "days"), "every day"),
        (Schedule(ScheduleType.BASIC, 15, "minutes"), "every 15 minutes"),
        (Schedule(ScheduleType.CRON, None, None, "0 0 12 * * ?", "UTC"), "cron 0 0 12 * * ? UTC"),
        (Schedule(ScheduleType.MANUAL), "manual"),
        (Schedule(ScheduleType.BASIC), "basic"),
    ],
)
def test_a_schedule_is_said_in_words(schedule: Schedule, words: str) -> None:
    it = replace(connection(1, "Orders", "Postgres"), schedule=schedule)
    assert words in read(only(ConnectionFacts(it, EPOCH))).text


@pytest.mark.parametrize(
    ("next_run_at", "words"),
    [
        (NOW + 610, "every hour next in 10 min"),
        (NOW - 3600, "every hour due 1 h ago"),
        (NOW - 5, "every hour due now"),
        (None, "every hour"),
    ],
)
def test_it_says_when_the_next_run_is_due(next_run_at: int | None, words: str) -> None:
    of = only(ConnectionFacts(connection(1, "Orders", "Postgres"), EPOCH, next_run_at=next_run_at))
    text = read(of).text
    assert words in text
    assert re.findall("next in|due", text) == re.findall("next in|due", words)
    for stale in (replace(of, jobs_stale=True), replace(of, inventory_stale=True)):
        assert not re.search("next in|due", read(stale).text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (-5, "just now"),
        (34, "34 s ago"),
        (-90, "in 1 min"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (3660, "1 h 1 min ago"),
        (11 * 3600 + 1200, "11 h ago"),
        (3 * 86400 + 5, "3 d ago"),
    ],
)
def test_ages(seconds: int, words: str) -> None:
    snapshot = replace(
        rich_snapshot(), jobs_as_of=NOW - seconds, inventory_as_of=NOW - seconds, connections={}
    )
    assert f"as of {words}" in read(snapshot).text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_600, "1.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (123_456_789, "123 MB"),
    ],
)
def test_sizes(number: int, words: str) -> None:
    failing = next(iter(rich_snapshot().connections.values()))
    assert failing.last_sync is not None
    assert failing.last_sync.volumes is not None
    volumes = replace(failing.last_sync.volumes, bytes_synced=number)
    page = read(only(replace(failing, last_sync=replace(failing.last_sync, volumes=volumes))))
    assert f"1,200 records {words} " in page.text


class TestWhatToDo:
    def test_the_commands_are_there_to_be_copied(self) -> None:
        incident = with_a_real_id()
        text = read(of_it(), [incident]).text
        assert "Look at the job: airbyte-exporter jobs show 4711" in text
        assert f"Run it again: airbyte-exporter connections sync {incident.connection_id} --wait" in text

    def test_they_are_for_those_who_may_see_messages(self) -> None:
        text = read(of_it(), [with_a_real_id()], messages=False).text
        assert "SyncFailing on" in text
        assert "airbyte-exporter jobs" not in text

    def test_where_airbyte_cannot_be_changed_its_page_is_linked_already(self) -> None:
        page = read(of_it(), [with_a_real_id()], means=Means(changes=False))
        assert "airbyte-exporter jobs show 4711" in page.text
        assert "connections sync" not in page.text
        assert "Open it in Airbyte" not in page.text
        assert any(link.endswith(f"/connections/{A_REAL_ID}") for link in page.links)


A_REAL_ID = "c0ffee00-0000-4000-8000-000000000001"


def of_it() -> Snapshot:
    (facts, *_) = rich_snapshot().connections.values()
    return only(replace(facts, connection=replace(facts.connection, id=A_REAL_ID)))


def with_a_real_id() -> Incident:
    incident = rich_incidents()[1]
    assert incident.job is not None
    return replace(incident, connection_id=A_REAL_ID, job=replace(incident.job, id=4711))
