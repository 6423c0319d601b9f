"""What is silenced, and until when."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from airbyte_exporter.alerts import Match, Silences, matchers_of
from airbyte_exporter.model import ConnectionFacts, ConnectionHistory, Incident, IncidentStatus, Silence
from tests.unit.alerts.story import CONNECTION, DAY, HOUR, NOON, WORKSPACE

HISTORY: Final = ConnectionHistory(ConnectionFacts(CONNECTION, NOON), WORKSPACE, None, ())
FAILED: Final = Incident(
    "f", "sync-health", CONNECTION.id, "SyncFailed", "warning", IncidentStatus.FIRING, NOON - DAY
)


def silence(
    matchers: Mapping[str, tuple[str, ...]] | None = None,
    *,
    id_: str = "5f3c9a1e",
    starts_at: int = NOON,
    ends_at: int = NOON + HOUR,
    expired_at: int | None = None,
) -> Silence:
    return Silence(
        id_, {} if matchers is None else matchers, starts_at, ends_at, "why", "who", starts_at, expired_at
    )


def silencing(*silences: Silence, incident: Incident = FAILED, at: float = NOON) -> str | None:
    """The id of the silence that keeps the failed sync from being told."""
    found = Silences(silences).silencing(incident, HISTORY, at)
    return None if found is None else found.id


@pytest.mark.parametrize(
    ("matchers", "fits"),
    [
        ({}, True),
        ({"severity": ("warning",)}, True),
        ({"severity": ("critical",)}, False),
        ({"rule": ("SyncFailed",)}, True),
        ({"workspace": ("analytics",)}, True),
        ({"tag": ("gold", "finance")}, True),
        ({"tag": ("gold",)}, False),
        ({"source_connector": ("Postgres",), "destination_connector": ("Snowflake",)}, True),
        ({"source_connector": ("Postgres",), "destination_connector": ("Postgres",)}, False),
        ({"connection": ("orders*",)}, True),
        ({"connection": ("users*",)}, False),
    ],
)
def test_a_silence_is_about_what_a_route_with_its_matchers_is_for(
    matchers: dict[str, tuple[str, ...]], fits: bool
) -> None:
    assert silencing(silence(matchers)) == ("5f3c9a1e" if fits else None)


@pytest.mark.parametrize(
    ("at", "holds"),
    [(NOON - 0.1, False), (NOON, True), (NOON + HOUR - 0.1, True), (NOON + HOUR, False)],
)
def test_it_holds_from_its_start_until_before_its_end(at: float, holds: bool) -> None:
    assert silencing(silence(), at=at) == ("5f3c9a1e" if holds else None)


def test_ended_before_its_time_it_holds_no_more() -> None:
    ended = silence(expired_at=NOON + 60)
    assert silencing(ended, at=NOON + 59) == "5f3c9a1e"
    assert silencing(ended, at=NOON + 60) is None
    assert silencing(silence(expired_at=NOON), at=NOON) is None
    assert silence(expired_at=NOON + DAY).over_at == NOON + HOUR, "an end is never put off"


def test_of_several_the_one_that_ends_last_tells_until_when() -> None:
    short, long = silence(id_="short"), silence(id_="long", ends_at=NOON + DAY)
    other = silence({"tag": ("gold",)}, id_="other", ends_at=NOON + 9 * DAY)
    given_up = silence(id_="given up", ends_at=NOON + 9 * DAY, expired_at=NOON + 60)
    assert silencing(short, long, other, given_up) == "long"
    assert silencing(given_up, other, long, short) == "long"
    assert silencing(short, given_up, at=NOON + 30) == "short"


def test_none_silences_nothing() -> None:
    assert Silences().silencing(FAILED, HISTORY, NOON) is None


@pytest.mark.parametrize(
    ("matchers", "fits"),
    [
        ({}, True),
        ({"severity": ("warning",)}, True),
        ({"severity": ("warning",), "workspace": ("Analytics",)}, False),
        ({"connection": ("*",)}, False),
    ],
)
def test_what_is_not_about_one_connection_is_silenced_by_rule_and_severity_alone(
    matchers: dict[str, tuple[str, ...]], fits: bool
) -> None:
    instance_wide = replace(FAILED, connection_id="")
    found = Silences((silence(matchers),)).silencing(instance_wide, None, NOON)
    assert (found is not None) == fits


@pytest.mark.parametrize(
    "matchers",
    [{"flavour": ("vanilla",)}, {"rule": ("NoSuchRule",)}, {"severity": ("info",)}, {"tag": ()}],
    ids=["a key", "a rule", "a severity", "no words"],
)
def test_one_that_another_version_wrote_silences_nothing_and_no_other(
    matchers: dict[str, tuple[str, ...]],
) -> None:
    foreign = silence(matchers, id_="foreign", ends_at=NOON + DAY)
    assert silencing(foreign) is None
    assert silencing(foreign, silence()) == "5f3c9a1e"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({}, {}),
        ({"rule": "syncfailed"}, {"rule": ("SyncFailed",)}),
        (
            {"tag": [" gold ", "b"], "severity": "critical"},
            {"tag": ("gold", "b"), "severity": ("critical",)},
        ),
    ],
)
def test_matchers_are_kept_as_they_are_meant(
    written: dict[str, Any], kept: dict[str, tuple[str, ...]]
) -> None:
    matchers = matchers_of(Match.model_validate(written))
    assert matchers == kept
    assert Match.model_validate(matchers) == Match.model_validate(written)
