"""Who is told: a table of routes, and stories about the messages that follow the first."""

from dataclasses import replace
from typing import Any, Final

import pytest
from pydantic import ValidationError

from airbyte_exporter.alerts import (
    ConnectionMatch,
    Route,
    Routing,
    Rule,
    RuleGroup,
)
from airbyte_exporter.model import ConnectionFacts, ConnectionHistory, Incident, IncidentStatus
from tests.unit.alerts.story import CONNECTION, DAY, HOUR, NOON, OFF, WORKSPACE, Story, sync_health, when

ALL: Final = ("oncall", "chat", "data")


def routing(*routes: dict[str, Any], receivers: tuple[str, ...] = ALL) -> Routing:
    return Routing(receivers, tuple(Route.model_validate(route) for route in routes))


def told(by: Routing, *, name: str = CONNECTION.name, severity: str = "warning") -> str:
    """Ask who is told about a failed sync of the connection from Postgres to Snowflake."""
    incident = Incident(
        "f", "sync-health", CONNECTION.id, "SyncFailed", severity, IncidentStatus.FIRING, NOON
    )
    facts = ConnectionFacts(replace(CONNECTION, name=name), NOON)
    return " ".join(by.receivers_of(incident, ConnectionHistory(facts, WORKSPACE, None, ())))


def test_without_routes_everybody_is_told() -> None:
    assert told(routing()) == "oncall chat data"


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"severity": "warning"}, True),
        ({"severity": ["critical", "warning"]}, True),
        ({"severity": "critical"}, False),
        ({"rule": "syncfailed"}, True),
        ({"workspace": "analytics"}, True),
        ({"workspace": WORKSPACE.id}, True),
        ({"workspace": "Analytic"}, False),
        ({"tag": "finance"}, True),
        ({"tag": ["gold", "nightly"]}, True),
        ({"tag": "gold"}, False),
        ({"source_connector": "postgres"}, True),
        ({"source_connector": "Snowflake"}, False),
        ({"destination_connector": "Snowflake"}, True),
        ({"destination_connector": "Postgres"}, False),
        ({"connection": "orders*"}, True),
        ({"connection": "*warehouse"}, True),
        ({"connection": "orders"}, False),
        ({"connection": CONNECTION.id.upper()}, True),
        ({"connection": CONNECTION.id[:8]}, False),
        ({"connection": CONNECTION.id[:8] + "*"}, False),
        ({"connection": ["users*", "?rders*"]}, True),
        ({"severity": "warning", "tag": "finance", "connection": "*"}, True),
        ({"severity": "warning", "tag": "gold", "connection": "*"}, False),
    ],
)
def test_a_route_fits_where_each_of_its_keys_does(match: dict[str, Any], fits: bool) -> None:
    routes = routing({"receivers": "chat", "match": match}, {"receivers": "data"})
    assert told(routes) == ("chat" if fits else "data")


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"severity": "critical", "rule": "SyncFailed"}, True),
        ({"severity": "warning"}, False),
        ({"connection": "*"}, False),
        ({"workspace": "Analytics"}, False),
        ({"severity": "critical", "tag": "finance"}, False),
    ],
)
def test_keys_about_connections_do_not_fit_what_is_not_about_one(match: dict[str, Any], fits: bool) -> None:
    routes = routing({"receivers": "chat", "match": match}, {"receivers": "data"})
    incident = Incident("f", "instance", "", "SyncFailed", "critical", IncidentStatus.FIRING, NOON)
    assert routes.receivers_of(incident, None) == (("chat",) if fits else ("data",))


@pytest.mark.parametrize(
    ("match", "fits"),
    [({}, True), ({"tag": "finance", "connection": "orders*"}, True), ({"tag": "x"}, False)],
)
def test_a_connection_can_be_meant_without_any_incident(match: dict[str, Any], fits: bool) -> None:
    assert ConnectionMatch.model_validate(match).fits_connection(CONNECTION, WORKSPACE) is fits


def test_a_connection_has_no_severity() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        ConnectionMatch.model_validate({"severity": "critical"})


@pytest.mark.parametrize(
    ("pattern", "fits"), [("[EU] orders", True), ("[[]eu] *", True), ("[EU]*", False), ("*[abc]ders", False)]
)
def test_a_name_with_brackets_can_be_written_as_it_is(pattern: str, fits: bool) -> None:
    routes = routing({"receivers": "chat", "match": {"connection": pattern}}, {"receivers": "data"})
    assert told(routes, name="[EU] orders") == ("chat" if fits else "data")


@pytest.mark.parametrize(
    ("routes", "warning", "critical"),
    [
        ([{"receivers": ["data", "oncall"]}], "oncall data", "oncall data"),
        (
            [{"receivers": "oncall", "match": {"severity": "critical"}}, {"receivers": "chat"}],
            "chat",
            "oncall",
        ),
        (
            [
                {"receivers": "oncall", "match": {"severity": "critical"}, "continue": True},
                {"receivers": "chat"},
                {"receivers": "data"},
            ],
            "chat",
            "oncall chat",
        ),
        (
            [
                {"receivers": "chat", "continue": True},
                {"receivers": "oncall", "match": {"severity": "critical"}},
            ],
            "chat",
            "oncall chat",
        ),
        # What no route fits goes to everybody; only a route can say that nobody is told.
        ([{"receivers": "oncall", "match": {"severity": "critical"}}], "oncall chat data", "oncall"),
        ([{"receivers": [], "match": {"severity": "warning"}}], "", "oncall chat data"),
        # One that fits twice is told once.
        ([{"receivers": "chat", "continue": True}, {"receivers": ["chat", "chat"]}], "chat", "chat"),
    ],
)
def test_the_first_that_fits_is_the_last_unless_it_continues(
    routes: list[dict[str, Any]], warning: str, critical: str
) -> None:
    assert told(routing(*routes)) == warning
    assert told(routing(*routes), severity="critical") == critical


@pytest.mark.parametrize(
    ("route", "where", "said"),
    [
        ({}, ("receivers",), "Field required"),
        ({"receivers": "a", "match": {"tag": []}}, ("match", "tag"), "must name at least one"),
        ({"receivers": "a", "match": {"tag": " "}}, ("match", "tag", 0), "must not be empty"),
        (
            {"receivers": "a", "match": {"severity": "info"}},
            ("match", "severity", 0),
            "'critical' or 'warning'",
        ),
        (
            {"receivers": "a", "match": {"rule": "SyncFaild"}},
            ("match", "rule", 0),
            "there is no such rule; did you mean SyncFailed?",
        ),
        ({"receivers": "a", "match": {"tags": "x"}}, ("match", "tags"), "Extra inputs"),
    ],
)
def test_a_route_that_cannot_be_meant_is_refused(
    route: dict[str, Any], where: tuple[str | int, ...], said: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Route.model_validate(route)
    (found,) = caught.value.errors()
    assert found["loc"] == where
    assert said in found["msg"]


def heard(story: Story) -> dict[str, list[str]]:
    """What each receiver heard, in order."""
    by_receiver: dict[str, list[str]] = {}
    for sent in story.sent:
        for name in sent.receivers or ():
            by_receiver.setdefault(name, []).append(sent.type.removeprefix("alert."))
    return by_receiver


FINANCE_TO_DATA: Final = (
    {"receivers": "data", "match": {"tag": "finance"}},
    {"receivers": "chat"},
)


class TestLaterMessages:
    def test_go_to_whom_the_first_went_although_the_tags_changed(self) -> None:
        story = Story(routing=routing(*FINANCE_TO_DATA))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.connection = replace(story.connection, tags=())
        story.evaluate(NOON + HOUR + DAY)
        story.succeeds(NOON + 2 * DAY)
        story.evaluate(NOON + 2 * DAY)
        assert heard(story) == {"data": ["firing", "repeated", "resolved"]}
        story.fails(NOON + 3 * DAY)
        story.evaluate(NOON + 3 * DAY)
        assert heard(story)["chat"] == ["firing"]

    def test_do_not_reach_a_receiver_that_was_added_meanwhile(self) -> None:
        story = Story(routing=routing(receivers=("chat",)))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(routing=routing(receivers=("chat", "oncall")))
        story.evaluate(NOON + HOUR + DAY)
        story.succeeds(NOON + 2 * DAY)
        story.evaluate(NOON + 2 * DAY)
        assert heard(story) == {"chat": ["firing", "repeated", "resolved"]}

    def test_go_on_for_the_others_when_a_receiver_was_removed(self) -> None:
        story = Story(routing=routing(receivers=("chat", "oncall")))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(routing=routing(receivers=("oncall",)))
        story.succeeds(NOON + 2 * HOUR)
        story.evaluate(NOON + 2 * HOUR)
        assert heard(story) == {"chat": ["firing"], "oncall": ["firing", "resolved"]}

    def test_reach_a_receiver_that_was_away_for_a_while(self) -> None:
        story = Story(routing=routing(receivers=("chat", "oncall")))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(routing=routing(receivers=("oncall",)))
        story.evaluate(NOON + HOUR + DAY)
        story.is_configured(routing=routing(receivers=("chat", "oncall")))
        story.succeeds(NOON + 2 * DAY)
        story.evaluate(NOON + 2 * DAY)
        assert heard(story) == {"chat": ["firing", "resolved"], "oncall": ["firing", "repeated", "resolved"]}

    def test_begin_anew_for_others_when_nobody_is_left_who_was_told(self) -> None:
        story = Story(routing=routing(receivers=("webhook",)))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(routing=routing(*FINANCE_TO_DATA))
        assert story.evaluate(NOON + HOUR + DAY) == ["alert.firing"]
        assert story.evaluate(NOON + HOUR + 2 * DAY) == ["alert.repeated"]
        story.succeeds(NOON + 3 * DAY)
        story.evaluate(NOON + 3 * DAY)
        assert heard(story) == {"webhook": ["firing"], "data": ["firing", "repeated", "resolved"]}
        assert [sent.id[-2:] for sent in story.sent] == ["_1", "_2", "_3", "_4"]

    def test_no_end_out_of_nowhere_when_nobody_is_left_who_was_told(self) -> None:
        story = Story(routing=routing(receivers=("webhook",)))
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.is_configured(routing=routing(receivers=("oncall",)))
        story.succeeds(NOON + 2 * HOUR)
        assert story.evaluate(NOON + 2 * HOUR) == []
        assert story.firing is None

    def test_the_first_receiver_of_all_learns_of_what_goes_on(self) -> None:
        story = Story(routing=routing(receivers=()))
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == []
        story.is_configured(routing=routing(receivers=("oncall",)))
        assert story.evaluate(NOON + 2 * HOUR) == []
        assert story.evaluate(NOON + HOUR + DAY) == ["alert.firing"]

    def test_a_route_to_nobody_is_silent_from_the_first_to_the_last(self) -> None:
        story = Story(routing=routing({"receivers": [], "match": {"tag": "finance"}}))
        story.fails(NOON + HOUR)
        assert story.evaluate(NOON + HOUR) == []
        assert story.firing is not None
        assert story.evaluate(NOON + 3 * DAY) == []
        story.succeeds(NOON + 4 * DAY)
        assert story.evaluate(NOON + 4 * DAY) == []

    def test_a_higher_rule_reaches_those_whom_its_severity_concerns(self) -> None:
        late = NOON + 2 * HOUR
        higher = Rule("SyncFailing", "critical", when(lambda job: job.updated_at >= late))
        story = Story(
            group=RuleGroup("sync-health", (higher, Rule("SyncFailed", "warning", when()))),
            routing=routing(
                {"receivers": "oncall", "match": {"severity": "critical"}}, {"receivers": "chat"}
            ),
        )
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        story.fails(late)
        story.evaluate(late)
        story.evaluate(late + 4 * HOUR)
        story.succeeds(NOON + DAY)
        story.evaluate(NOON + DAY)
        assert heard(story) == {
            "chat": ["firing", "updated", "repeated", "resolved"],
            "oncall": ["firing", "repeated", "resolved"],
        }
        assert len({sent.id for sent in story.sent}) == len(story.sent)

    def test_the_severity_that_is_configured_is_the_one_that_routes_see(self) -> None:
        story = Story(
            group=sync_health(SyncFailed={"severity": "critical"}, SyncFailing=OFF, AutoDisableSoon=OFF),
            routing=routing(
                {"receivers": "oncall", "match": {"severity": "critical"}}, {"receivers": "chat"}
            ),
        )
        story.fails(NOON + HOUR)
        story.evaluate(NOON + HOUR)
        assert heard(story) == {"oncall": ["firing"]}
