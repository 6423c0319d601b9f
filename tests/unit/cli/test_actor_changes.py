"""Sources and destinations that are created, changed and deleted: what is sent, and what is said of it."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from airbyte_exporter.cli import command_line
from tests.unit.cli.actors import BLANK, CRM, DATA, LAKE, NEW, POSTGRES, SHOP, Kept, Meeting

CREATED = f"source 'Shop 2' ({NEW}) created"
RESOLVED = "source 'Shop 2' of connector 'Postgres' (airbyte/source-postgres:3.6.2) in workspace 'Data'\n"
FOUND = f"source 'Shop' ({SHOP}) of connector 'Postgres' in workspace 'Data'"
RECORD = {
    "id": NEW,
    "name": "Shop 2",
    "connector": "Postgres",
    "workspace": {"id": DATA, "name": "Data"},
    "connector_version": None,
}


@pytest.fixture
def kept() -> Kept:
    it = Kept()
    ssh = {"mode": "key", "key": BLANK, "port": 22}
    it.have("source", SHOP, "Shop", host="db", port=5432, password=BLANK, ssh=ssh)
    it.have("source", CRM, "CRM")
    it.have("destination", LAKE, "Lake", bucket="b")
    return it


@pytest.fixture
def invoke(kept: Kept) -> Meeting:
    return Meeting(kept.react)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a secret from the environment."""
    monkeypatch.setenv("PG_PASSWORD", "m4rk3r")
    written = tmp_path / "pg.yaml"
    written.write_text("host: db2\nport: 5433\npassword: ${PG_PASSWORD}\nstart_date: 2024-01-01\n")
    return written


def create(file: object, *more: str) -> tuple[str, ...]:
    arguments = ("create", "--definition", "postgres", "--name", "Shop 2", "--config", str(file), *more)
    return ("sources", *arguments)


def test_a_source_is_created_with_its_secrets(invoke: Meeting, kept: Kept, file: Path) -> None:
    result = invoke(*create(file))
    assert (result.exit_code, result.stderr) == (0, RESOLVED)
    assert result.stdout == f"{CREATED}; airbyte-exporter sources check {NEW}\n"
    assert kept.written() == [
        (
            "sources/create",
            {
                "workspaceId": DATA,
                "name": "Shop 2",
                "sourceDefinitionId": POSTGRES,
                "connectionConfiguration": {
                    "host": "db2",
                    "port": 5433,
                    "password": "m4rk3r",
                    "start_date": "2024-01-01",
                },
            },
        )
    ]


def test_what_was_created_as_json_looks_like_what_is_shown(invoke: Meeting, file: Path) -> None:
    result = invoke(*create(file, "-o", "json"))
    assert json.loads(result.stdout) == RECORD
    shown = json.loads(invoke("sources", "show", NEW, "-o", "json").stdout)
    assert shown.pop("connections") == []
    assert list(shown) == list(RECORD)


def test_destinations_are_created_from_standard_input(invoke: Meeting, kept: Kept) -> None:
    arguments = ("--definition", "s3", "--name", "Cold", "--config", "-", "--workspace", "1111")
    result = invoke("destinations", "create", *arguments, stdin='{\n\t"bucket": "b"\n}')
    assert result.exit_code == 0
    assert result.stdout == (
        f"destination 'Cold' ({NEW}) created; airbyte-exporter destinations check {NEW}\n"
    )
    ((method, body),) = kept.written()
    assert method == "destinations/create"
    assert body["destinationDefinitionId"] == "x" * 36
    assert body["connectionConfiguration"] == {"bucket": "b"}


def test_the_workspace_has_to_be_named_where_there_are_several(
    invoke: Meeting, kept: Kept, file: Path
) -> None:
    kept.workspaces["22222222-0000-4000-8000-000000000002"] = "Other"
    result = invoke(*create(file))
    assert (result.exit_code, kept.written()) == (2, [])
    assert "--workspace has to say which of 2 is meant: 'Data', 'Other'" in result.stderr
    assert invoke(*create(file, "-w", "Data")).exit_code == 0
    assert kept.written()[0][1]["workspaceId"] == DATA


def test_a_dry_run_shows_the_request_and_sends_nothing(invoke: Meeting, kept: Kept, file: Path) -> None:
    result = invoke(*create(file, "--dry-run", "--check"))
    assert (result.exit_code, kept.written()) == (0, [])
    first, *rest = result.stdout.splitlines()
    assert first == "POST http://localhost:8001/api/v1/sources/create"
    body = json.loads("\n".join(rest))
    as_json = invoke(*create(file, "--dry-run", "-o", "json"))
    assert json.loads(as_json.stdout) == {
        "method": "POST",
        "url": "http://localhost:8001/api/v1/sources/create",
        "body": body,
    }
    assert body["connectionConfiguration"] == {
        "host": "db2",
        "port": 5433,
        "password": BLANK,
        "start_date": "2024-01-01",
    }
    assert result.stderr == RESOLVED + "airbyte-exporter: nothing was sent (--dry-run)\n"


def test_a_new_one_that_can_connect(invoke: Meeting, kept: Kept, file: Path) -> None:
    result = invoke(*create(file, "--check"))
    assert (result.exit_code, result.stderr) == (0, RESOLVED)
    assert result.stdout == f"{CREATED}\nsource 'Shop 2' can connect\n"
    assert kept.asked[-1] == ("sources/check_connection", {"sourceId": NEW})
    kept.sources.pop(NEW)
    as_json = invoke(*create(file, "--check", "-o", "json"))
    assert json.loads(as_json.stdout) == RECORD
    assert as_json.stderr == RESOLVED + "source 'Shop 2' can connect\n"


def test_a_new_one_that_cannot_connect_exists_all_the_same(invoke: Meeting, kept: Kept, file: Path) -> None:
    kept.check = {"status": "failed", "message": "no route to db2; password m4rk3r"}
    result = invoke(*create(file, "--check"))
    assert (result.exit_code, result.stdout) == (1, f"{CREATED}\n")
    assert result.stderr == RESOLVED + (
        "airbyte-exporter: source 'Shop 2' cannot connect: no route to db2; password **********; "
        f"source 'Shop 2' ({NEW}) exists all the same: airbyte-exporter sources update {NEW} --config FILE\n"
    )


def test_one_of_the_same_name_is_not_created_twice(invoke: Meeting, kept: Kept, file: Path) -> None:
    kept.have("source", CRM, "Shop 2")
    result = invoke(*create(file))
    assert (result.exit_code, kept.written()) == (1, [])
    assert f"workspace 'Data' has a source 'Shop 2' already ({CRM})" in result.stderr


def test_a_blank_is_no_secret_for_a_new_one(invoke: Meeting, kept: Kept) -> None:
    blanks = json.dumps({"a": {"b": BLANK}, "c": ["x", BLANK]})
    result = invoke(*create("-"), stdin=blanks)
    assert (result.exit_code, kept.written()) == (1, [])
    assert "a.b, c[1]: is what is shown in place of a secret, not the secret" in result.stderr


@pytest.mark.parametrize("name", ["", "  ", "\t"])
@pytest.mark.parametrize("command", ["create", "update"])
def test_a_name_is_not_empty(name: str, command: str, invoke: Meeting, kept: Kept, file: Path) -> None:
    arguments = (
        create(file, "--name", name) if command == "create" else ("sources", "update", "Shop", "--name", name)
    )
    result = invoke(*arguments)
    assert (result.exit_code, result.stderr) == (2, "airbyte-exporter: --name must not be empty\n")
    assert kept.asked == []


@pytest.mark.parametrize("command", ["create", "update"])
def test_a_configuration_that_cannot_be_used_is_told_before_airbyte_is_asked(
    command: str, invoke: Meeting, kept: Kept, tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("a: ${NOT_SET_AT_ALL}\nb: file:none\nc: m4rk3r\n")
    arguments = create(file) if command == "create" else ("sources", "update", "Shop", "--config", file)
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout, kept.asked) == (2, "", [])
    missing = (
        "the environment has no NOT_SET_AT_ALL; set it, or write $${NOT_SET_AT_ALL} if that text is meant"
    )
    assert result.stderr.splitlines() == [
        f"airbyte-exporter: {file}: a: {missing}",
        f"airbyte-exporter: {file}: b: cannot read {tmp_path}/none: no such file or directory",
    ]


@pytest.mark.parametrize("place", ["before", "between"])
def test_the_exporters_own_file_is_named_before_the_command(
    place: str, invoke: Meeting, kept: Kept, file: Path, tmp_path: Path
) -> None:
    own = tmp_path / "exporter.yaml"
    own.write_text("airbyte: {url: https://from-the-file.example}\n")
    given = ("--config", str(own))
    group, *rest = create(file)
    for arguments in (rest, ["update", "Shop", "--config", str(file)]):
        words = (*given, group, *arguments) if place == "before" else (group, *given, *arguments)
        assert invoke(*words).exit_code == 0
        assert invoke.configs[-1].url == "https://from-the-file.example/api/v1"
    assert [body["connectionConfiguration"]["host"] for _, body in kept.written()] == ["db2", "db2"]


def test_update_changes_what_the_file_has_and_nothing_else(invoke: Meeting, kept: Kept, file: Path) -> None:
    file.write_text("host: db2\nssh: {port: 2222, user: me, key: null}\nport: null\nnew: {a: null, b: 1}\n")
    result = invoke("sources", "update", "Shop", "--config", file)
    assert result.exit_code == 0
    assert result.stderr == f"{FOUND}: changing what the file has of its configuration\n"
    assert result.stdout == f"source 'Shop' ({SHOP}) updated; airbyte-exporter sources check {SHOP}\n"
    assert kept.written() == [
        (
            "sources/update",
            {
                "sourceId": SHOP,
                "name": "Shop",
                "connectionConfiguration": {
                    "host": "db2",
                    "password": BLANK,
                    "ssh": {"mode": "key", "port": 2222, "user": "me"},
                    "new": {"b": 1},
                },
            },
        )
    ]


def test_update_replaces_all_of_it_where_that_is_said(invoke: Meeting, kept: Kept) -> None:
    arguments = ("--config", "-", "--replace", "--name", "Shop 2", "-o", "json")
    result = invoke("sources", "update", SHOP[:6], *arguments, stdin="host: db2\nport: null\n")
    assert result.stderr == f"{FOUND}: changing its name to 'Shop 2' and its whole configuration\n"
    assert json.loads(result.stdout) == {**RECORD, "id": SHOP}
    (written,) = kept.written()
    assert written[1]["connectionConfiguration"] == {"host": "db2", "port": None}


def test_update_of_a_name_leaves_the_configuration(invoke: Meeting, kept: Kept) -> None:
    result = invoke("destinations", "update", "Lake", "--name", "Cold")
    assert result.stdout == f"destination 'Cold' ({LAKE}) updated\n"
    assert kept.written()[0][1] == {
        "destinationId": LAKE,
        "name": "Cold",
        "connectionConfiguration": {"bucket": "b"},
    }


def test_a_dry_run_of_an_update_tells_no_text_that_may_be_secret(
    invoke: Meeting, kept: Kept, file: Path
) -> None:
    kept.have("source", SHOP, "Shop", account="m4rk3r", host="db", pin=4711)
    result = invoke("sources", "update", "Shop", "--config", file, "--dry-run")
    assert (result.exit_code, kept.written()) == (0, [])
    assert json.loads(result.stdout.partition("\n")[2])["connectionConfiguration"] == {
        "account": BLANK,
        "host": "db2",
        "pin": BLANK,
        "port": 5433,
        "password": BLANK,
        "start_date": "2024-01-01",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sources", "update", "Shop"), "Nothing is to change: give --name, --config or both"),
        (("destinations", "update", "Lake", "-o", "json"), "Nothing is to change: give --name, --config"),
        (("sources", "update", "Shop", "--replace", "--name", "x"), "--replace says how --config is meant"),
        (("sources", "create", "--name", "x", "--config", "-"), "Missing option '--definition'"),
        (("sources", "create", "--definition", "x", "--config", "-"), "Missing option '--name'"),
        (("sources", "create", "--definition", "x", "--name", "x"), "Missing option '--config'"),
        (("sources", "delete"), "Missing argument 'SOURCE'"),
        (("destinations", "discover", "Lake"), "No such command 'discover'"),
        (("destinations", "check", "Lake", "-o", "csv"), "Invalid value for '--output'"),
        (("sources", "check", "Shop", "--timeout", "soon"), "--timeout must be a number of seconds or"),
        (("sources", "check", "Shop", "--timeout", "0"), "--timeout must be more than zero"),
        (("sources", "discover", "Shop", "--timeout", "2d"), "--timeout must be at most 1d"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], said: str, invoke: Meeting, kept: Kept) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout, kept.asked) == (2, "", [])
    assert result.stderr.startswith(f"airbyte-exporter: {said}")
    assert result.stderr.count("\n") == 1


def test_delete_names_what_goes_with_it(invoke: Meeting, kept: Kept) -> None:
    kept.connect(*(f"C{number}" for number in range(12)))
    kept.connect("Else", source=CRM)
    result = invoke("sources", "delete", "Shop", "--yes")
    names = ", ".join(f"'C{number}'" for number in range(10))
    assert result.stderr == f"{FOUND}: with it go 12 connections: {names} and 2 more\n"
    assert result.stdout == f"source 'Shop' ({SHOP}) deleted, and 12 connections with it\n"
    assert kept.written() == [("sources/delete", {"sourceId": SHOP})]
    assert SHOP not in kept.sources


def test_delete_of_what_nobody_uses(invoke: Meeting, kept: Kept) -> None:
    kept.connect("One")
    result = invoke("destinations", "delete", LAKE, "-y")
    assert result.stderr.endswith(" in workspace 'Data': no connection uses it\n")
    assert result.stdout == f"destination 'Lake' ({LAKE}) deleted\n"
    with_one = invoke("sources", "delete", "Shop", "--dry-run")
    assert with_one.stderr.startswith(f"{FOUND}: with it goes 1 connection: 'One'\n")
    assert kept.written() == [("destinations/delete", {"destinationId": LAKE})]


def test_delete_is_not_done_where_nobody_can_be_asked(invoke: Meeting, kept: Kept) -> None:
    kept.connect("One")
    result = invoke("sources", "delete", "Shop")
    assert (result.exit_code, result.stdout, kept.written()) == (2, "", [])
    assert result.stderr.endswith(
        "airbyte-exporter: Delete source 'Shop' and the 1 connection that uses it? "
        "Nobody can be asked here: give --yes to do it\n"
    )


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ("y\n", 0, ""),
        ("n\n", 1, "airbyte-exporter: nothing was changed\n"),
        ("\n", 1, "airbyte-exporter: nothing was changed\n"),
        ("", 130, "airbyte-exporter: interrupted; nothing was changed\n"),
    ],
)
def test_delete_asks(
    answer: str, code: int, said: str, invoke: Meeting, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda stream: stream.name == "<stdin>")
    result = invoke("sources", "delete", "Shop", stdin=answer)
    assert result.exit_code == code
    assert "Delete source 'Shop'? [y/N]: " in result.stderr
    assert result.stderr.endswith(said)
    assert bool(kept.written()) == (code == 0)


@pytest.mark.parametrize(
    "arguments",
    [
        (group, command)
        for group in ("sources", "destinations")
        for command in ("create", "update", "delete", "check", "discover")
        if (group, command) != ("destinations", "discover")
    ],
    ids=" ".join,
)
def test_help_is_readable_and_says_what_config_means(arguments: tuple[str, str]) -> None:
    result = CliRunner().invoke(command_line, [*arguments, "--help"])
    assert result.exit_code == 0
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    own = "of this exporter" in " ".join(result.stdout.split())
    connectors = "--config FILE|-" in result.stdout
    assert (own, connectors) == ((False, True) if arguments[1] in {"create", "update"} else (True, False))
    if connectors:
        assert f"airbyte-exporter --config exporter.yaml {' '.join(arguments)} \\" in result.stdout
    assert "{" not in result.stdout.replace("${NAME}", "")


def test_groups_say_that_they_change_things() -> None:
    for name in ("sources", "destinations"):
        group = command_line.commands[name]
        assert isinstance(group, click.Group)
        assert group.help == f"Look at the {name} of an Airbyte, make and change them, have them tried."
