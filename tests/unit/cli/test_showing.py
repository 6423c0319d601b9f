"""One workspace, source or destination, and the connectors on offer: what Airbyte says in, text out."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import Result

from airbyte_exporter.model import Actor, ConnectionStatus, Definition, Workspace
from tests.commands import ORDERS, STRIPE, UNICODE, FakeAirbyte, connection, example_airbyte

Invoke = Callable[..., Result]

SHOP = "aaaa1111-0000-4000-8000-000000000001"
SPARE = "aaaa2222-0000-4000-8000-000000000002"
LAKE = "bbbb1111-0000-4000-8000-000000000003"


@pytest.fixture
def airbyte() -> FakeAirbyte:
    """What the commands find: a source with and one without connections."""
    it = example_airbyte()
    shop, lake = Actor(SHOP, "shop", "Postgres", "3.6.2"), Actor(LAKE, 'Größe "L"', "Snowflake")
    it.sources_ = {"w1": (Actor(SHOP, "shop", "Postgres"), Actor(SPARE, "spare", "Postgres"))}
    it.destinations_ = {"w1": (lake,)}
    it.inventory_ = replace(it.inventory_, connections=())
    it.have(
        connection(STRIPE, "Stripe", source=shop, destination=lake, status=ConnectionStatus.INACTIVE),
        connection(ORDERS, "Orders", source=shop, destination=lake),
        connection(UNICODE, "Other"),
    )
    it.definitions_ = (
        Definition("d-1", "source", "Postgres", "airbyte/source-postgres", "3.6.2"),
        Definition("d-2", "destination", "Postgres", "airbyte/destination-postgres", "2.4.7"),
        Definition("d-3", "source", "Our shop"),
    )
    return it


def test_a_workspace_is_shown_with_its_connections(invoke: Invoke) -> None:
    result = invoke("workspaces", "show", "Data")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "Workspace     Data",
        "Id            w1",
        "Sources       2",
        "Destinations  1",
        "Connections   3 (2 active, 1 inactive)",
        "",
        "NAME    SOURCE → DESTINATION  SCHEDULE        STATUS    ID",
        f"Orders  Postgres → Snowflake  every 24 hours  active    {ORDERS}",
        f"Other   Postgres → Snowflake  every 24 hours  active    {UNICODE}",
        f"Stripe  Postgres → Snowflake  every 24 hours  inactive  {STRIPE}",
    ]
    record = json.loads(invoke("workspaces", "show", "w1", "-o", "json").stdout)
    assert (record["id"], record["sources"], record["destinations"]) == ("w1", 2, 1)
    assert record["connections"][2] == {"id": STRIPE, "name": "Stripe", "status": "inactive"}


@pytest.mark.parametrize("name", [SHOP, SHOP[:6].upper(), "shop"])
def test_a_source_is_shown_with_the_version_that_runs_and_who_uses_it(name: str, invoke: Invoke) -> None:
    result = invoke("sources", "show", name)
    assert (result.exit_code, result.stderr) == (0, "")
    sheet, _, table = result.stdout.partition("\n\n")
    assert sheet.splitlines() == [
        "Source     shop",
        f"Id         {SHOP}",
        "Connector  Postgres 3.6.2",
        "Workspace  Data",
        "Used by    2 connections",
    ]
    assert [line.split()[0] for line in table.splitlines()] == ["NAME", "Orders", "Stripe"]


def test_a_destination_as_json_is_an_object(invoke: Invoke) -> None:
    assert json.loads(invoke("destinations", "show", 'Größe "L"', "-o", "json").stdout) == {
        "id": LAKE,
        "name": 'Größe "L"',
        "connector": "Snowflake",
        "connector_version": None,
        "workspace": {"id": "w1", "name": "Data"},
        "connections": [
            {"id": ORDERS, "name": "Orders", "status": "active"},
            {"id": STRIPE, "name": "Stripe", "status": "inactive"},
        ],
    }


def test_what_nobody_uses_says_so(invoke: Invoke, airbyte: FakeAirbyte) -> None:
    unused = invoke("sources", "show", "spare").stdout
    assert "Connector  Postgres\n" in unused
    assert unused.endswith("Used by    0 connections\n\nno connection uses this source\n")
    airbyte.lose_everything()
    airbyte.have_workspaces(Workspace("w9", "New"))
    empty = invoke("workspaces", "show", "New").stdout
    assert empty.endswith("Connections   0\n\nno connections yet\n")


def test_connectors_are_listed_by_name(invoke: Invoke) -> None:
    assert invoke("definitions", "list").stdout.splitlines() == [
        "NAME      KIND         IMAGE                         TAG    ID",
        "Our shop  source                                            d-3",
        "Postgres  destination  airbyte/destination-postgres  2.4.7  d-2",
        "Postgres  source       airbyte/source-postgres       3.6.2  d-1",
    ]
    rows = list(csv.DictReader(io.StringIO(invoke("definitions", "list", "-o", "csv").stdout)))
    assert rows[0] == {"id": "d-3", "kind": "source", "name": "Our shop", "repository": "", "tag": ""}
    assert json.loads(invoke("definitions", "list", "-o", "json").stdout)[0] == {
        "id": "d-3",
        "kind": "source",
        "name": "Our shop",
        "repository": None,
        "tag": None,
    }


@pytest.mark.parametrize(
    ("narrowed", "ids"),
    [
        (("--kind", "source"), ["d-3", "d-1"]),
        (("--search", "POSTGRES"), ["d-2", "d-1"]),
        (("--search", "/source-"), ["d-1"]),
        (("--search", "our SHOP", "-k", "source"), ["d-3"]),
        (("--search", ""), ["d-3", "d-2", "d-1"]),
    ],
)
def test_connectors_are_narrowed_by_kind_and_text(
    narrowed: tuple[str, ...], ids: list[str], invoke: Invoke
) -> None:
    records = json.loads(invoke("definitions", "list", "-o", "json", *narrowed).stdout)
    assert [record["id"] for record in records] == ids


def test_no_such_connector_is_said_and_is_no_failure(invoke: Invoke) -> None:
    result = invoke("definitions", "list", "--search", "o'r\n", "--kind", "destination")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        'localhost has no destination connectors with "o\'r\\n" in name or image that can be seen\n'
    )
