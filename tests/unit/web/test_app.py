"""What each path answers, to whom, and in which form."""

import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette

from airbyte_exporter.exposition import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE, Exposition
from airbyte_exporter.model import Incident, Latest, Silence, Snapshot
from airbyte_exporter.telemetry import Telemetry
from airbyte_exporter.web import create_app
from tests.asgi import request
from tests.requirements import ROOT
from tests.snapshots import NOW, rich_incidents, rich_silence, rich_snapshot

MESSAGE = "password authentication failed"


def make_app(
    snapshot: Snapshot | None,
    *,
    incidents: Sequence[Incident] | None = (),
    alive: str | None = None,
    ready: str | None = None,
    failures: Mapping[str, str] | None = None,
    silences: Sequence[Silence] | None = (),
) -> Starlette:
    exposition = Exposition(Telemetry("0.1.0"))
    if snapshot is not None:
        exposition.publish(snapshot)
    return create_app(
        exposition=exposition,
        snapshot=Latest(snapshot),
        alive=lambda: alive,
        ready=lambda: ready,
        failures=lambda: failures or {},
        incidents=Latest(incidents),
        instance_name="airbyte.example.com",
        ui_url="https://airbyte.example.com/",
        version="0.1.0",
        clock=lambda: float(NOW),
        silences=Latest(silences),
    )


@pytest.fixture(scope="module")
def app() -> Starlette:
    return make_app(rich_snapshot(), incidents=rich_incidents())


def status_of(app: Starlette, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401  # as `request` takes them
    answer = request(app, "/api/v1/status", **arguments)
    assert answer.headers["content-type"] == "application/json"
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        ("", TEXT_CONTENT_TYPE, "\n"),
        ("*/*", TEXT_CONTENT_TYPE, "\n"),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPENMETRICS_CONTENT_TYPE, "# EOF\n"),
        ("application/json", TEXT_CONTENT_TYPE, "\n"),
    ],
)
def test_metrics_come_in_the_format_asked_for(
    app: Starlette, accept: str, content_type: str, end: str
) -> None:
    answer = request(app, "/metrics", headers={"accept": accept})
    assert answer.status == 200
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "content-encoding" not in answer.headers
    assert answer.text.endswith(end)
    assert "airbyte_connection_info{" in answer.text
    assert "airbyte_exporter_build_info{" in answer.text


def test_metrics_are_compressed_on_request(app: Starlette) -> None:
    answer = request(app, "/metrics", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "accept-encoding" in answer.headers["vary"]
    assert b"airbyte_connection_info{" in gzip.decompress(answer.body)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_large_page_of_metrics_is_sent_whole(encoding: str) -> None:
    rich = rich_snapshot()
    facts = next(iter(rich.connections.values()))
    many = {
        f"c{number}": replace(facts, connection=replace(facts.connection, id=f"c{number}"))
        for number in range(500)
    }
    app = make_app(replace(rich, connections=many))
    headers = {"accept-encoding": encoding}
    answer, head = (request(app, "/metrics", method=method, headers=headers) for method in ("GET", "HEAD"))
    page = gzip.decompress(answer.body) if encoding == "gzip" else answer.body
    assert answer.headers["content-length"] == str(len(answer.body))
    assert len(page) > 1_000_000
    assert page.count(b"\nairbyte_connection_info{") == len(many)
    assert head.body == b""
    assert head.headers["content-type"] == TEXT_CONTENT_TYPE
    assert int(head.headers["content-length"]) == pytest.approx(len(answer.body), abs=300)  # own series move


def test_metrics_before_the_first_facts_are_the_exporters_own() -> None:
    answer = request(make_app(None), "/metrics")
    assert answer.status == 200
    assert "airbyte_connection" not in answer.text
    assert "airbyte_exporter_polls_total" in answer.text


@pytest.mark.parametrize(
    "path", ["/nope", "/metrics/", "/api/v1/", "/-/ready/x", "//metrics", "/static/../metrics"]
)
def test_another_path_is_not_there(app: Starlette, path: str) -> None:
    answer = request(app, path)
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/status", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_another_method_is_refused_with_those_allowed(app: Starlette, path: str, method: str) -> None:
    answer = request(app, path, method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/status", "/-/healthy", "/-/ready", "/nope"])
def test_every_answer_says_what_it_is_and_forbids_the_browser_the_rest(app: Starlette, path: str) -> None:
    headers = request(app, path, method="HEAD").headers
    assert headers["content-type"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy


@pytest.mark.parametrize(("path", "argument"), [("/-/healthy", "alive"), ("/-/ready", "ready")])
def test_health_and_readiness(path: str, argument: str) -> None:
    fine = request(make_app(None), path)
    assert (fine.status, fine.text) == (200, f"{path[3:]}\n")
    why = "the first poll has not finished"
    problem = request(make_app(None, alive=why, ready=why), path)
    assert (problem.status, problem.text) == (503, f"{why}\n")
    other = {"alive": "ready", "ready": "alive"}[argument]
    assert request(make_app(None, alive=None, ready=None), path).status == 200
    only_other = make_app(
        None, alive=why if other == "alive" else None, ready=why if other == "ready" else None
    )
    assert request(only_other, path).status == 200


def test_status_before_the_first_facts_says_what_it_waits_for() -> None:
    app = make_app(None, ready="the first poll has not finished")
    answer = request(app, "/api/v1/status")
    assert answer.status == 503
    assert json.loads(answer.body) == {
        "version": "0.1.0",
        "instance": "airbyte.example.com",
        "ready": False,
        "reason": "the first poll has not finished",
    }


def test_status_tells_a_connection_as_it_is(app: Starlette) -> None:
    failing = status_of(app)["connections"][0]
    assert failing["name"] == "Postgres orders → Snowflake"
    assert failing["url"] == (
        f"https://airbyte.example.com/workspaces/{failing['workspace']['id']}/connections/{failing['id']}"
    )
    assert failing["workspace"]["name"] == "Finance"
    assert failing["source"]["connector"] == "Postgres"
    assert failing["schedule"] == {
        "type": "basic",
        "units": 1,
        "time_unit": "hours",
        "cron_expression": None,
        "cron_time_zone": None,
        "interval_seconds": 3600,
    }
    assert failing["next_run_at"] == "2026-01-31T12:10:00Z"
    assert failing["consecutive_failures"] == 4
    assert failing["last_success_at"] == "2026-01-31T07:00:00Z"
    assert failing["last_sync"]["status"] == "failed"
    assert failing["last_sync"]["ended_at"] == "2026-01-31T11:45:00Z"
    assert failing["last_sync"]["attempts"] == 3
    assert failing["last_sync"]["records_synced"] == 1200
    assert failing["last_sync"]["failure"]["origin"] == "source"
    assert {"job_type": "sync", "status": "failed", "jobs": 4} in failing["counters"]["jobs"]


def test_status_tells_how_a_connection_was_disabled(app: Starlette) -> None:
    found = {it["name"]: it for it in status_of(app)["connections"]}
    assert found["Old Marketo export"]["disabled"] == {
        "at": "2026-01-31T10:00:00Z",
        "reason": "TOO_MANY_FAILED_JOBS_WITH_NO_RECENT_SUCCESS",
        "by_person": False,
    }
    assert found["Old Marketo export"]["history_complete"] is True
    assert found["Locked by billing"]["disabled"] is None, "nobody saw that"
    assert found["Locked by billing"]["history_complete"] is False


def test_status_tells_the_whole_and_when_it_is_of(app: Starlette) -> None:
    found = status_of(app)
    assert found["airbyte"] == {
        "up": True,
        "error": None,
        "version": "2.0.1",
        "edition": "community",
        "api": "config",
        "auth": "client-credentials",
    }
    assert found["epoch"] == "2026-01-26T12:00:00Z"
    assert found["as_of"] == found["inventory_as_of"] == "2026-01-31T11:58:20Z"
    assert found["jobs_as_of"] == "2026-01-31T11:59:48Z"
    assert len(found["connections"]) == 15
    assert [incident["rule"] for incident in found["incidents"]] == ["SyncFailed", "SyncFailing"]


REFUSED = "jobs/list: nothing listens at airbyte.example.com"


@pytest.mark.parametrize(
    ("ready", "failures", "up", "error"),
    [
        ("the first poll has not finished", {}, None, None),
        (f"no complete poll since the start: {REFUSED}", {"jobs": REFUSED}, False, REFUSED),
        (None, {"jobs": REFUSED}, False, REFUSED),
        (None, {"jobs": REFUSED, "inventory": "another"}, False, REFUSED),
        (None, {"inventory": REFUSED}, True, REFUSED),
        ("the first poll has not finished", {"inventory": REFUSED}, None, REFUSED),
    ],
    ids=["not yet", "never", "no more", "all of it", "inventory", "inventory first"],
)
def test_status_tells_whether_airbyte_can_be_read(
    ready: str | None, failures: dict[str, str], up: bool | None, error: str | None
) -> None:
    found = status_of(make_app(rich_snapshot(), ready=ready, failures=failures))["airbyte"]
    assert (found["up"], found["error"]) == (up, error)


@pytest.mark.parametrize("path", ["/", "/api/v1/status"])
def test_why_polls_fail_is_for_this_machine_only_and_that_they_do_is_for_all(path: str) -> None:
    app = make_app(rich_snapshot(), failures={"jobs": REFUSED})
    here, elsewhere = request(app, path).text, request(app, path, client="192.0.2.7").text
    assert REFUSED in here
    assert REFUSED not in elsewhere
    assert ("Polls of Airbyte fail since" if path == "/" else '"polls fail"') in elsewhere


def test_status_keeps_the_unknown_unknown(app: Starlette) -> None:
    by_name = {connection["name"]: connection for connection in status_of(app)["connections"]}
    never = by_name["New thing, never ran"]
    assert never["last_sync"] is never["active_job"] is never["last_success_at"] is None
    without = by_name["Shopify shop"]
    assert without["created_at"] is None
    assert without["last_sync"]["records_synced"] is None
    assert without["last_sync"]["has_stats"] is False


@pytest.mark.parametrize(
    ("api", "emitted", "tags"), [("config", 1_200_300, []), ("public", None, []), ("reference", None, None)]
)
def test_status_has_null_for_what_the_api_does_not_tell(
    api: str, emitted: int | None, tags: list[str] | None
) -> None:
    snapshot = rich_snapshot()
    instance = replace(snapshot.instance, api=api)
    tagged, untagged, *_ = status_of(make_app(replace(snapshot, instance=instance)))["connections"]
    assert tagged["tags"] == ["finance", "tier-1"]
    assert untagged["tags"] == tags
    counters = tagged["counters"]
    assert counters["records_emitted"] == emitted
    assert (counters["bytes_emitted"] is None) is (emitted is None)
    assert counters["records_synced"] == 1_200_000


def test_status_leaves_out_what_is_too_old() -> None:
    found = status_of(make_app(replace(rich_snapshot(), jobs_stale=True, inventory_stale=True)))
    failing = found["connections"][0]
    assert failing["name"] == "Postgres orders → Snowflake"
    for field in ("status", "schedule", "last_sync", "last_success_at", "consecutive_failures", "active_job"):
        assert failing[field] is None
    assert failing["counters"]["records_synced"] == 1_200_000


MESSAGE_SEEN = [
    ({}, True),
    ({"client": "::1", "headers": {"host": "[::1]:10980"}}, True),
    ({"client": "::ffff:127.0.0.1"}, True),
    ({"client": "127.8.9.1", "headers": {"host": "127.0.0.1:10980"}}, True),
    ({"client": "192.0.2.7"}, False),
    ({"client": "2001:db8::1"}, False),
    ({"headers": {"host": "attacker.example:10980"}}, False),
    ({"headers": {"x-forwarded-for": "192.0.2.7"}}, False),
    ({"headers": {"forwarded": "for=192.0.2.7"}}, False),
    ({"client": "192.0.2.7", "headers": {"x-forwarded-for": "127.0.0.1"}}, False),
]


@pytest.mark.parametrize(
    ("arguments", "seen"),
    MESSAGE_SEEN,
    ids=[
        "same machine",
        "same machine by IPv6",
        "same machine by mapped IPv4",
        "another loopback address",
        "another machine",
        "another machine by IPv6",
        "a foreign name for this machine",
        "a proxy on this machine",
        "a proxy on this machine, standard header",
        "a forged header",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/v1/status"])
def test_messages_of_failures_are_for_this_machine_only(
    app: Starlette, path: str, arguments: dict[str, Any], seen: bool
) -> None:
    text = request(app, path, **arguments).text
    assert (MESSAGE in text) is seen
    assert "transient_error" in text


@pytest.mark.parametrize(("client", "seen"), [("127.0.0.1", True), ("192.0.2.7", False)])
def test_what_to_do_is_for_those_who_may_see_messages(app: Starlette, client: str, seen: bool) -> None:
    for incident in status_of(app, client=client)["incidents"]:
        number = incident["job"]["id"]
        look = {"what": "Look at the job", "command": f"airbyte-exporter jobs show {number}", "url": None}
        assert (incident["hints"] or [None])[0] == (look if seen else None)
        assert (incident["hints"] is not None) is seen


def test_silences_are_told_with_what_they_keep_from_being_told() -> None:
    narrow = replace(rich_silence(), id="over", ends_at=NOW)
    found = status_of(
        make_app(rich_snapshot(), incidents=rich_incidents(), silences=[rich_silence(), narrow])
    )
    assert {each["rule"]: each["silenced_until"] for each in found["incidents"]} == {
        "SyncFailed": None,
        "SyncFailing": "2026-01-31T13:00:00Z",
    }
    assert found["silences"] == [
        {
            "id": "5f3c9a1e",
            "matchers": {"severity": ["critical"]},
            "starts_at": "2026-01-31T11:50:00Z",
            "ends_at": "2026-01-31T13:00:00Z",
            "author": "ana",
            "reason": "the warehouse moves",
        }
    ]


@pytest.mark.parametrize(
    ("matchers", "silenced"),
    [
        ({"connection": ("*orders*",), "workspace": ("Finance",)}, True),
        ({"connection": ("*orders*",), "workspace": ("Growth",)}, False),
        ({"source_connector": ("Postgres",)}, True),
        ({}, True),
    ],
)
def test_a_silence_is_about_connections_as_they_are_now(
    matchers: dict[str, tuple[str, ...]], silenced: bool
) -> None:
    silence = replace(rich_silence(), matchers=matchers)
    found = status_of(make_app(rich_snapshot(), incidents=rich_incidents()[1:], silences=[silence]))
    assert (found["incidents"][0]["silenced_until"] is not None) is silenced


def test_silences_that_are_not_known_are_not_none_at_all() -> None:
    found = status_of(make_app(rich_snapshot(), incidents=rich_incidents(), silences=None))
    assert found["silences"] is None
    assert {each["silenced_until"] for each in found["incidents"]} == {None}


def test_why_something_is_silenced_is_for_those_who_may_see_it() -> None:
    app = make_app(rich_snapshot(), silences=[rich_silence()])
    (told,) = status_of(app, client="203.0.113.9")["silences"]
    assert (told["author"], told["reason"]) == ("ana", None)


def test_incidents_that_are_not_known_are_not_none_at_all() -> None:
    app = make_app(rich_snapshot(), incidents=None)
    assert status_of(app)["incidents"] is None
    page = request(app, "/")
    assert page.status == 200
    assert "is not known yet" in page.text


def test_names_without_utf8_break_no_answer() -> None:
    rich = rich_snapshot()
    facts = next(iter(rich.connections.values()))
    hostile = replace(facts, connection=replace(facts.connection, name="half \ud800 of a pair \0"))
    app = make_app(replace(rich, connections={facts.connection.id: hostile}))
    assert status_of(app)["connections"][0]["name"] == "half \ud800 of a pair \0"
    assert "half ? of a pair" in request(app, "/").text
    assert request(app, "/metrics").status == 200


def paths(value: object, prefix: str = "") -> set[str]:
    if isinstance(value, dict):
        return {
            path for key, item in value.items() for path in paths(item, f"{prefix}.{key}" if prefix else key)
        }
    if isinstance(value, list):
        return {path for item in value for path in paths(item, f"{prefix}[]")}
    return {prefix}


def test_every_field_is_documented(app: Starlette) -> None:
    document = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    words = re.findall(r"`([\w.\[\]]+)`", document)
    described = {name for word in words for name in re.split(r"\.|\[\]", word)}
    names = {name for path in paths(status_of(app)) for name in re.split(r"\.|\[\]", path) if name}
    assert names <= described
