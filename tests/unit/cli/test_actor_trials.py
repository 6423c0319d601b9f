"""Sources and destinations that are made to connect or to tell their streams, and what comes of it."""

import json
from typing import Any

import pytest

from tests.unit.airbyte.fakes import Say
from tests.unit.cli.actors import LAKE, SHOP, Kept, Meeting


@pytest.fixture
def kept() -> Kept:
    it = Kept()
    it.have("source", SHOP, "Shop")
    it.have("destination", LAKE, "Lake")
    return it


@pytest.fixture
def invoke(kept: Kept) -> Meeting:
    return Meeting(kept.react)


@pytest.mark.parametrize(("kind", "id_", "name"), [("source", SHOP, "Shop"), ("destination", LAKE, "Lake")])
def test_what_can_connect(kind: str, id_: str, name: str, invoke: Meeting, kept: Kept) -> None:
    kept.check = {"status": "succeeded", "message": "fine"}
    for given in (id_, id_[:4], name):
        result = invoke(f"{kind}s", "check", given)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == f"{kind} '{name}' can connect\n"
    assert kept.asked[-1] == (f"{kind}s/check_connection", {f"{kind}Id": id_})
    as_json = invoke(f"{kind}s", "check", name, "-o", "json")
    assert (as_json.exit_code, as_json.stderr) == (0, "")
    assert json.loads(as_json.stdout) == {"id": id_, "name": name, "succeeded": True, "message": "fine"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": "failed", "message": "no route\nto db"}, "no route to db"),
        ({"status": "failed"}, None),
        ({"jobInfo": {"succeeded": False, "failureReason": {"externalMessage": "image?"}}}, "image?"),
        ({}, None),
    ],
)
def test_what_cannot_connect(answer: dict[str, Any], reason: str | None, invoke: Meeting, kept: Kept) -> None:
    kept.check = answer
    said = f"airbyte-exporter: source 'Shop' cannot connect: {reason or 'its connector does not say why'}\n"
    result = invoke("sources", "check", "Shop")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", said)
    as_json = invoke("sources", "check", "Shop", "-o", "json")
    assert (as_json.exit_code, as_json.stderr) == (1, said)
    told = {"id": SHOP, "name": "Shop", "succeeded": False, "message": reason}
    assert json.loads(as_json.stdout) == told


@pytest.mark.parametrize("command", ["check", "discover"])
def test_airbyte_is_given_the_time_that_was_asked_for(command: str, invoke: Meeting) -> None:
    for given, seconds in (((), 900), (("--timeout", "90s"), 90), (("--timeout", "1d"), 86_400)):
        assert invoke("sources", command, "Shop", *given).exit_code == 0
        assert invoke.clients[-1].timeouts[-1] == (10, seconds)


def test_streams_as_a_table_with_a_hint_how_to_connect_one(invoke: Meeting, kept: Kept) -> None:
    result = invoke("sources", "discover", "Shop")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "STREAM         SYNC MODES                 CURSOR         PRIMARY KEY  COLUMNS",
        "a b\\u202e      full_refresh",
        "events         full_refresh, incremental  by the source",
        "public.orders  full_refresh, incremental  updated_at     id, line.no        3",
    ]
    assert result.stderr == (
        "to connect one: airbyte-exporter connections create … "
        "--stream public.orders:incremental:updated_at:append\n"
    )
    assert kept.asked[-1] == ("sources/discover_schema", {"sourceId": SHOP, "disable_cache": True})


def test_the_hint_can_be_typed_into_a_shell(invoke: Meeting, kept: Kept) -> None:
    streams = [{"stream": {"name": "it's mine"}, "config": {}}]
    kept.answers["sources/discover_schema"] = Say(body={"catalog": {"streams": streams}})
    said = invoke("sources", "discover", "Shop").stderr
    assert said.endswith("""--stream 'it'"'"'s mine:full_refresh:overwrite'\n""")


def test_streams_for_machines(invoke: Meeting) -> None:
    as_json = invoke("sources", "discover", "Shop", "-o", "json")
    assert as_json.stderr == ""
    assert json.loads(as_json.stdout) == [
        {
            "name": "a b\u202e",
            "namespace": None,
            "sync_modes": ["full_refresh"],
            "cursor": None,
            "source_defined_cursor": False,
            "primary_key": [],
            "columns": [],
        },
        {
            "name": "events",
            "namespace": None,
            "sync_modes": ["full_refresh", "incremental"],
            "cursor": None,
            "source_defined_cursor": True,
            "primary_key": [],
            "columns": [],
        },
        {
            "name": "orders",
            "namespace": "public",
            "sync_modes": ["full_refresh", "incremental"],
            "cursor": "updated_at",
            "source_defined_cursor": False,
            "primary_key": ["id", "line.no"],
            "columns": ["id", "updated_at", "total"],
        },
    ]
    as_csv = invoke("sources", "discover", "Shop", "-o", "csv")
    assert (as_csv.exit_code, as_csv.stderr) == (0, "")
    assert as_csv.stdout.splitlines()[-1] == (
        'orders,public,"full_refresh,incremental",updated_at,False,"id,line.no","id,updated_at,total"'
    )


def test_a_source_without_streams(invoke: Meeting, kept: Kept) -> None:
    kept.answers["sources/discover_schema"] = Say(body={"catalog": {"streams": []}})
    result = invoke("sources", "discover", "Shop")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "source 'Shop' offers no streams\n"


def test_streams_that_cannot_be_told(invoke: Meeting, kept: Kept) -> None:
    why = {"succeeded": False, "failureReason": {"externalMessage": "permission denied"}}
    kept.answers["sources/discover_schema"] = Say(body={"jobInfo": why})
    result = invoke("sources", "discover", "Shop", "-o", "json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(": the schema cannot be read: permission denied\n")
