"""What an Alertmanager is told of an incident, and how its addresses are written."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from airbyte_exporter.model import Incident, IncidentStatus
from airbyte_exporter.notify import Alert, AlertmanagerConfig, alert_of
from tests.unit.alerts.story import CONNECTION, HOUR, MINUTE, NOON, WORKSPACE

INCIDENT = Incident(
    fingerprint="f-1",
    group="sync-health",
    connection_id=CONNECTION.id,
    rule="SyncFailed",
    severity="warning",
    status=IncidentStatus.FIRING,
    starts_at=NOON,
    receivers=("managers", "chat"),
)

HINT = f"Run it again: airbyte-exporter connections sync {CONNECTION.id} --wait"


def alert(incident: Incident = INCIDENT, *, known: bool = True, **changes: Any) -> Alert:  # noqa: ANN401
    return alert_of(
        incident,
        summary="Sync failed: Orders → Warehouse",
        description="A sync failed.",
        hint="" if incident.ends_at else HINT,
        runbook_url="https://runbooks.example/SyncFailed",
        instance="airbyte.example.com",
        ui_url="https://airbyte.example.com",
        connection=replace(CONNECTION, **changes) if known else None,
        workspace=WORKSPACE if known else None,
    )


def test_everything_about_a_connection() -> None:
    assert alert().posted(NOON + 30.9) == {
        "labels": {
            "alertname": "SyncFailed",
            "severity": "warning",
            "instance": "airbyte.example.com",
            "connection_id": CONNECTION.id,
            "workspace_id": WORKSPACE.id,
        },
        "annotations": {
            "summary": "Sync failed: Orders → Warehouse",
            "description": "A sync failed.",
            "hint": f"Run it again: airbyte-exporter connections sync {CONNECTION.id} --wait",
            "runbook_url": "https://runbooks.example/SyncFailed",
            "workspace_name": "Analytics",
            "connection_name": "Orders → Warehouse",
            "source_name": "Shop database",
            "source_connector": "Postgres",
            "destination_name": "Warehouse",
            "destination_connector": "Snowflake",
            "tags": "finance,nightly",
        },
        "startsAt": "2026-01-31T12:00:00Z",
        "endsAt": "2026-01-31T12:04:30Z",
        "generatorURL": f"https://airbyte.example.com/workspaces/{WORKSPACE.id}/connections/{CONNECTION.id}",
    }


def test_what_is_about_the_whole_instance_has_no_labels_of_a_connection() -> None:
    incident = replace(INCIDENT, connection_id="", rule="AirbyteUnreachable", severity="critical")
    posted = alert(incident, known=False).posted(NOON)
    assert posted["labels"] == {
        "alertname": "AirbyteUnreachable",
        "severity": "critical",
        "instance": "airbyte.example.com",
    }
    assert set(posted["annotations"]) == {"summary", "description", "hint", "runbook_url"}
    assert "generatorURL" not in posted


def test_names_and_tags_change_nothing_about_which_alert_it_is() -> None:
    assert alert().key == alert(name="Renamed", tags=()).key
    assert "tags" not in alert(tags=()).annotations


@pytest.mark.parametrize(
    ("ends_at", "now", "told"),
    [
        (None, NOON, ("12:00", "12:04")),
        (None, NOON + HOUR, ("12:00", "13:04")),
        (NOON + MINUTE, NOON + HOUR, ("12:00", "12:01")),
        (NOON, NOON, ("12:00", "12:00")),
        (NOON - MINUTE, NOON, ("12:00", "12:00")),
        # Airbyte's clock is ahead of ours.
        (None, NOON - HOUR, ("11:00", "11:04")),
        (NOON + MINUTE, NOON - HOUR, ("11:00", "11:00")),
        (NOON + HOUR, NOON + MINUTE, ("12:00", "12:01")),
    ],
)
def test_when_it_starts_and_ends(ends_at: int | None, now: int, told: tuple[str, str]) -> None:
    posted = alert(replace(INCIDENT, ends_at=ends_at)).posted(now)
    assert tuple(posted[key].removeprefix("2026-01-31T")[:5] for key in ("startsAt", "endsAt")) == told


def config(*urls: str, **more: Any) -> AlertmanagerConfig:  # noqa: ANN401
    return AlertmanagerConfig(urls=urls, **more)


@pytest.mark.parametrize(
    "url",
    ["http://am:9093", "http://am:9093/", "http://am:9093/api/v2/alerts", "http://am:9093/api/v2/alerts/"],
)
def test_an_address_may_name_the_path_of_the_api(url: str) -> None:
    assert [each.url for each in config(url).endpoints] == ["http://am:9093/api/v2/alerts"]


def test_a_prefix_stays_and_every_address_has_what_the_receiver_is_given() -> None:
    one, two = config("https://a.example/alertmanager", "https://b.example", allow_link_local=True).endpoints
    assert one.url == "https://a.example/alertmanager/api/v2/alerts"
    assert (one.host, two.host) == ("a.example", "b.example")
    assert one.allow_link_local
    assert two.allow_link_local


def test_how_it_says_who_it_is() -> None:
    secret = SecretStr("pass-s3cret")
    assert config("http://am").plain_headers == {}
    assert config("http://am", username="me", password=secret).plain_headers == {
        "authorization": "Basic bWU6cGFzcy1zM2NyZXQ="
    }
    assert config("http://am", token=secret, headers={"X-Scope": SecretStr("t")}).plain_headers == {
        "authorization": "Bearer pass-s3cret",
        "x-scope": "t",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"urls": []}, "at least 1 item"),
        ({"urls": ["am:9093"]}, "begins with http:// or https://"),
        ({"urls": ["http://me:pass-s3cret@am"]}, "set username and password"),
        ({"urls": ["http://am/?key=s3cret"]}, "must not have a query"),
        ({"urls": ["http://am", "http://am/"]}, "must not name an address twice"),
        ({"urls": ["http://169.254.169.254"]}, "set allow_link_local"),
        ({"username": "me"}, "password is missing"),
        ({"password": "s3cret"}, "username is missing"),
        ({"username": "m:e", "password": "s3cret"}, "nor hold a colon"),
        ({"token": "s3cret", "username": "me", "password": "s3cret"}, "2 ways to authenticate"),
        ({"token": "s3cret", "headers": {"Authorization": "s3cret"}}, "2 ways to authenticate"),
        ({"token": "s3cret\r\nX: y"}, "printable ASCII"),
        ({"type": "webhook"}, "must be `webhook` or `alertmanager`"),
    ],
)
def test_what_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AlertmanagerConfig.model_validate({"urls": ["http://am"], **given})
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
