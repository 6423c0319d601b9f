"""Why a connection is active no more, as Airbyte's timeline tells."""

from dataclasses import replace

import pytest

from airbyte_exporter.airbyte import ApiForbidden, ApiMalformed, ApiNotFound, ApiUnreachable, Polling
from airbyte_exporter.model import DISABLED_REASONS, TOLD, Dialect, Disabling, Fact
from tests.specifications import problems_of, spec_of
from tests.unit.airbyte.fakes import KNOWN, NOW, Json, Say, talk
from tests.unit.airbyte.installations import FORBIDDEN, NO_SUCH_PAGE, NO_SUCH_THING

C1 = "00000000-0000-4000-8000-000000000001"
USER = {"id": C1, "name": "Ann", "email": "ann@example.com", "isDeleted": False}
TOO_MANY = "TOO_MANY_FAILED_JOBS_WITH_NO_RECENT_SUCCESS"
BREAKING = "SCHEMA_CHANGES_ARE_BREAKING"


def event(at: int, kind: str = "CONNECTION_DISABLED", **more: Json) -> dict[str, Json]:
    """An event as Airbyte sends it: `at` seconds after `NOW`."""
    return {
        "id": "e-1",
        "connectionId": C1,
        "eventType": kind,
        "summary": {},
        "createdAt": NOW + at,
        **more,
    }


def automatic(at: int, reason: Json = TOO_MANY) -> dict[str, Json]:
    return event(at, summary={"disabledReason": reason})


def why(*events: Json) -> Disabling | None:
    return talk([Say(body={"events": [*events]})]).client.why_disabled(C1, NOW)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (automatic(5), Disabling(NOW + 5, TOO_MANY, by_person=False)),
        (automatic(5, BREAKING), Disabling(NOW + 5, BREAKING, by_person=False)),
        (automatic(5, "THE_MOON_IS_FULL"), Disabling(NOW + 5, "unknown", by_person=False)),
        (event(5, user=USER), Disabling(NOW + 5, by_person=True)),
        (event(5, user={"isDeleted": True}), Disabling(NOW + 5, by_person=True)),
        (
            event(5, summary={"disabledReason": BREAKING}, user=USER),
            Disabling(NOW + 5, BREAKING, by_person=False),
        ),
        (event(5), Disabling(NOW + 5, by_person=None)),
        (event(5, user=None, summary=None), Disabling(NOW + 5, by_person=None)),
        (event(5, user="Ann", summary=[7]), Disabling(NOW + 5, by_person=None)),
        (automatic(5, 7), Disabling(NOW + 5, by_person=None)),
        (automatic(5, ""), Disabling(NOW + 5, by_person=None)),
    ],
    ids=[
        "too many failures",
        "a breaking change",
        "a reason from the future",
        "a person",
        "a person who is gone",
        "a reason and a user",
        "neither",
        "nulls",
        "other types",
        "a reason that is no text",
        "an empty reason",
    ],
)
def test_who_or_what_it_was(told: Json, expected: Disabling) -> None:
    assert why(told) == expected


@pytest.mark.parametrize("reason", sorted(DISABLED_REASONS))
def test_every_documented_reason_is_told(reason: str) -> None:
    assert why(automatic(0, reason)) == Disabling(NOW, reason, by_person=False)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], None),
        ([automatic(-1)], None),
        ([event(9, "CONNECTION_ENABLED"), automatic(5)], None),
        ([event(9, user=USER), automatic(5)], Disabling(NOW + 5, TOO_MANY, by_person=False)),
        ([automatic(5), event(9, user=USER)], Disabling(NOW + 5, TOO_MANY, by_person=False)),
        ([event(9, user=USER), event(5, user=USER)], Disabling(NOW + 5, by_person=True)),
        (
            [event(9, user=USER), event(7, "CONNECTION_ENABLED"), automatic(5)],
            Disabling(NOW + 9, by_person=True),
        ),
        (
            [event(9, "SCHEMA_UPDATE"), automatic(5), event(1, "A_NEW_ONE")],
            Disabling(NOW + 5, TOO_MANY, by_person=False),
        ),
    ],
    ids=[
        "none",
        "one before it was seen active",
        "enabled again meanwhile",
        "saved again by somebody",
        "in no order",
        "the same twice",
        "another time after it was enabled",
        "among others",
    ],
)
def test_of_several_events_the_one_that_switched_it_off_counts(
    events: list[Json], expected: Disabling | None
) -> None:
    assert why(*events) == expected


@pytest.mark.parametrize("version", ["1.0.0", "1.6.0", "1.7.0", "2.0.0", "2026-08-21"])
def test_it_is_one_small_request_that_the_specification_allows(version: str) -> None:
    t = talk([Say(body={"events": []})])
    t.client.why_disabled(C1, NOW)
    (sent,) = t.airbyte.sent
    assert sent.path == "/api/v1/connections/events/list"
    assert problems_of(spec_of(version), sent.verb, "/v1/connections/events/list", sent.body) == []
    assert sent.body["eventTypes"] == ["CONNECTION_DISABLED", "CONNECTION_ENABLED"]
    assert sent.body["createdAtStart"] == "2026-02-02T02:40:00Z"


@pytest.mark.parametrize("known", [replace(KNOWN, version="0.50.24"), replace(KNOWN, api="public")])
def test_an_airbyte_that_cannot_tell_is_not_asked(known: Json) -> None:
    t = talk([], capabilities=known)
    assert t.client.why_disabled(C1, NOW) is None
    assert t.airbyte.sent == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [(NO_SUCH_PAGE, ApiNotFound), (NO_SUCH_THING, ApiNotFound), (FORBIDDEN, ApiForbidden)],
    ids=["no such method", "no such connection", "forbidden"],
)
def test_what_airbyte_refuses_says_nothing_about_the_rest_of_it(answer: Say, error: type[Exception]) -> None:
    t = talk(lambda _method, _body: answer)
    with pytest.raises(error):
        t.client.why_disabled(C1, NOW)
    assert t.client.capabilities() == KNOWN
    assert {sent.path for sent in t.airbyte.sent} == {"/api/v1/connections/events/list"}


def test_trouble_is_told_as_such() -> None:
    with pytest.raises(ApiUnreachable):
        talk(lambda _method, _body: Say(503)).client.why_disabled(C1, NOW)


@pytest.mark.parametrize(
    "body", [{}, {"events": None}, {"events": [{"eventType": "CONNECTION_DISABLED"}]}, []]
)
def test_an_answer_without_times_is_not_used(body: Json) -> None:
    with pytest.raises(ApiMalformed, match="connections/events/list"):
        talk([Say(body=body)]).client.why_disabled(C1, NOW)


def test_who_tells_of_it() -> None:
    assert {dialect for dialect in Dialect if Fact.DISABLINGS in TOLD[dialect]} == {
        Dialect.CONFIG_1_6,
        Dialect.CONFIG_2_0,
    }
    assert replace(KNOWN, polling=Polling.WORKSPACES).instance.tells(Fact.DISABLINGS)
