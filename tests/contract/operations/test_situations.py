"""Every command that changes something or makes a connector run, in every way in which that can go wrong."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_exporter.simulator import Failure, Fault
from tests.contract.operations.house import CHANGES, House

STRANGER = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
ODD = 'He said "it\'s fine" مزامنة \x1b[31m\n→'
SECRET = "mArKeR-of-a-secret"
SOURCE = {
    "host": "db.example.com",
    "port": 5432,
    "database": "shop",
    "username": "reader",
    "password": SECRET,
}
DESTINATION = {
    "s3_bucket_name": "lake",
    "s3_bucket_region": "us-east-1",
    "access_key_id": SECRET,
    "secret_access_key": SECRET,
    "format": {"format_type": "JSONL"},
}

ON_CONNECTIONS = (
    "connections update CONNECTION --name Renamed",
    "connections schedule CONNECTION --every 6h",
    "connections disable CONNECTION",
    "connections delete CONNECTION --yes",
    "connections sync CONNECTION",
    "connections reset CONNECTION --yes",
    "connections refresh CONNECTION",
)
ON_ACTORS = (
    "sources update SOURCE --name Renamed",
    "sources update SOURCE --config source.json",
    "sources delete SOURCE --yes",
    "sources check SOURCE",
    "sources discover SOURCE",
    "destinations update DESTINATION --name Renamed",
    "destinations update DESTINATION --config destination.json",
    "destinations delete DESTINATION --yes",
    "destinations check DESTINATION",
)
CREATING = (
    "sources create --workspace WORKSPACE --definition postgres --name New --config source.json",
    "destinations create --workspace WORKSPACE --definition S3 --name New --config destination.json",
    "connections create --source SOURCE --destination DESTINATION --name New --all-streams",
)
EVERY = (*ON_CONNECTIONS, *ON_ACTORS, *CREATING)
CHANGING = tuple(each for each in EVERY if " check " not in each and " discover " not in each)
REPEATABLE = tuple(each for each in CHANGING if re.search(" (update|schedule|disable) ", each))
BROKEN = {
    "cut off": Fault(drop=True),
    "half an answer": Fault(drop=True, body="{"),
    "a bad gateway": Fault(status=502),
}
NAMES = re.compile(r"\b(CONNECTION|SOURCE|DESTINATION|WORKSPACE)\b")

Build = Callable[..., House]


class Pipeline:
    """A source, a destination and a connection between them, made by the commands."""

    def __init__(self, house: House) -> None:
        self.house = house
        workspace = house.world.workspaces()[0].id
        self.ids = {"WORKSPACE": workspace}
        for kind, connector in (("source", "postgres"), ("destination", "S3")):
            made = house.succeed(
                f"{kind}s", "create", "-w", workspace, "--definition", connector, "--name", f"The {kind}",
                "--config", f"{kind}.json", "-o", "json",
            )  # fmt: skip
            self.ids[kind.upper()] = json.loads(made.stdout)["id"]
        made = house.succeed(
            "connections", "create", "--source", self.ids["SOURCE"], "--destination", self.ids["DESTINATION"],
            "--name", "The connection", "--stream", "customers", "-o", "json",
        )  # fmt: skip
        self.ids["CONNECTION"] = json.loads(made.stdout)["id"]

    def words(self, command: str, **instead: str) -> list[str]:
        """Put ids, or something else, in the place of the words in capital letters."""
        ids = self.ids | instead
        return [ids.get(word, word) for word in shlex.split(command)]

    def changes(self) -> int:
        """Return how many requests there were that change something."""
        return len(self.house.changes())


@pytest.fixture
def pipeline(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Pipeline]:
    """Make a pipeline in a house, in a folder with the files that the commands name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source.json").write_text(json.dumps(SOURCE))
    (tmp_path / "destination.json").write_text(json.dumps(DESTINATION))
    return lambda generation="2.0", **options: Pipeline(build(generation, **options))


def runs(command: str, generation: str) -> bool:
    """Whether there is such a thing in that dialect at all."""
    return not (generation == "reference" and " refresh " in command)


@pytest.mark.parametrize("generation", ["reference", "0.50", "1.6", "2.0"])
@pytest.mark.parametrize("command", EVERY)
def test_it_works(pipeline: Callable[..., Pipeline], command: str, generation: str) -> None:
    if " refresh " in command and generation in {"reference", "0.50"}:
        pytest.skip("there are no refreshes in it")
    made = pipeline(generation)
    result = made.house.succeed(*made.words(command))
    assert SECRET not in result.output
    assert made.house.misfits() == [], "every request was as the specification of that version says"


@pytest.mark.parametrize("command", [each for each in EVERY if NAMES.search(each)])
def test_what_does_not_exist_is_said_and_nothing_changes(
    pipeline: Callable[..., Pipeline], command: str
) -> None:
    made = pipeline()
    before = made.changes()
    for name in NAMES.findall(command):
        said = made.house.fail(*made.words(command, **{name: STRANGER}))
        assert f"there is no {name.lower()} '{STRANGER}'" in said
    assert made.changes() == before


@pytest.mark.parametrize("command", [*ON_CONNECTIONS, *ON_ACTORS])
def test_what_means_two_things_is_said_and_nothing_changes(
    pipeline: Callable[..., Pipeline], command: str
) -> None:
    made = pipeline()
    (name,) = NAMES.findall(command)
    group = f"{name.lower()}s"
    listed = json.loads(made.house.succeed(group, "list", "-o", "json").stdout)
    twin = next(each["id"] for each in listed if each["id"] != made.ids[name])
    made.house.succeed(group, "update", twin, "--name", f"The {name.lower()}")
    before = made.changes()
    said = made.house.fail(*made.words(command, **{name: f"The {name.lower()}"}))
    assert f"means 2 {group}" in said
    assert made.ids[name] in said
    assert twin in said
    assert made.changes() == before


@pytest.mark.parametrize("generation", ["reference", "2.0"])
@pytest.mark.parametrize("command", EVERY)
def test_a_name_as_people_give_them(pipeline: Callable[..., Pipeline], command: str, generation: str) -> None:
    if not runs(command, generation):
        pytest.skip("there are no refreshes in it")
    made = pipeline(generation)
    for name in ("SOURCE", "DESTINATION", "CONNECTION"):
        made.house.succeed(f"{name.lower()}s", "update", made.ids[name], "--name", ODD)
    odd = {name: ODD for name in NAMES.findall(command) if name != "WORKSPACE"}
    result = made.house.succeed(*[word.replace("New", f"New {ODD}") for word in made.words(command, **odd)])
    assert "\x1b" not in result.output, "no name moves the cursor"
    assert all("مزامنة" not in line or "→" in line for line in result.output.splitlines()), (
        "nor breaks a line"
    )


@pytest.mark.parametrize("command", EVERY)
def test_without_permission(
    pipeline: Callable[..., Pipeline], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"auth": "client-credentials"}
    monkeypatch.setenv("AIRBYTE_EXPORTER_AIRBYTE__CLIENT_ID", "administrator")
    monkeypatch.setenv("AIRBYTE_EXPORTER_AIRBYTE__CLIENT_SECRET", "administrator's secret")
    made = pipeline(client_id="administrator", client_secret="administrator's secret", **own)
    credentials = made.house.server.credentials
    monkeypatch.setenv("AIRBYTE_EXPORTER_AIRBYTE__CLIENT_ID", credentials.reader_client_id)
    monkeypatch.setenv("AIRBYTE_EXPORTER_AIRBYTE__CLIENT_SECRET", credentials.reader_client_secret)
    truth = made.house.world.connections(), made.house.world.sources(), made.house.world.jobs()
    said = made.house.fail(*made.words(command))
    assert "does not allow this (403)" in said
    assert "editor of the workspace" in said
    assert (made.house.world.connections(), made.house.world.sources(), made.house.world.jobs()) == truth


def break_changes(made: Pipeline, how: str, times: float = 1) -> None:
    """Let the next changes break; nothing is changed by them."""
    broken = BROKEN[how]
    made.house.server.faults += [
        Fault(f"*/{path}", status=broken.status, drop=broken.drop, body=broken.body, times=times)
        for path in ("create", "update", "delete", "sync", "reset", "refresh")
    ]


@pytest.mark.parametrize("generation", ["reference", "2.0"])
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("command", [each for each in CHANGING if each not in REPEATABLE])
def test_an_airbyte_that_dies_over_a_change_is_not_asked_twice(
    pipeline: Callable[..., Pipeline], command: str, how: str, generation: str
) -> None:
    if not runs(command, generation):
        pytest.skip("there are no refreshes in it")
    made = pipeline(generation)
    before = made.changes()
    break_changes(made, how)
    said = made.house.fail(*made.words(command))
    assert "may have done it all the same" in said
    assert SECRET not in said
    assert made.changes() == before + 1


@pytest.mark.parametrize("command", REPEATABLE)
def test_what_may_happen_twice_is_tried_again(pipeline: Callable[..., Pipeline], command: str) -> None:
    made = pipeline()
    before = made.changes()
    break_changes(made, "half an answer")
    made.house.succeed(*made.words(command))
    assert made.changes() == before + 2


@pytest.mark.parametrize(
    "command", ["connections disable CONNECTION", "sources update SOURCE --name Renamed"]
)
def test_what_never_gets_an_answer_is_said_to_be_in_doubt(
    pipeline: Callable[..., Pipeline], command: str
) -> None:
    made = pipeline()
    break_changes(made, "cut off", times=100)
    assert "may have done it all the same" in made.house.fail(*made.words(command))


@pytest.mark.parametrize("command", EVERY)
def test_an_airbyte_that_is_gone(pipeline: Callable[..., Pipeline], command: str) -> None:
    made = pipeline()
    before = made.changes()
    made.house.server.stop()
    said = made.house.fail(*made.words(command))
    assert "cannot connect" in said
    assert "may have done" not in said
    assert made.changes() == before


@pytest.mark.parametrize("command", CHANGING)
def test_a_rehearsal_shows_the_request_and_sends_nothing(
    pipeline: Callable[..., Pipeline], command: str
) -> None:
    made = pipeline()
    before = made.changes()
    truth = made.house.world.connections(), made.house.world.sources(), made.house.world.destinations()
    result = made.house.succeed(*made.words(command), "--dry-run")
    head, _, body = result.stdout.partition("\n")
    assert head.startswith(f"POST {made.house.server.url}/api/v1/")
    assert CHANGES.search(head)
    assert json.loads(body)
    assert "nothing was sent" in result.stderr
    assert SECRET not in result.output
    assert made.changes() == before
    assert truth == (
        made.house.world.connections(),
        made.house.world.sources(),
        made.house.world.destinations(),
    )


@pytest.mark.parametrize("command", ["sync CONNECTION", "reset CONNECTION --yes", "refresh CONNECTION"])
def test_a_job_that_fails(pipeline: Callable[..., Pipeline], command: str) -> None:
    made = pipeline()
    why = Failure("destination", "system_error", "the disk is full", "internal")
    made.house.world.next_sync(made.ids["CONNECTION"], "failed", duration=20, failures=[why])
    said = made.house.fail("connections", *made.words(command), "--wait")
    assert "destination system_error: the disk is full" in said


@pytest.mark.parametrize("generation", ["reference", "2.0"])
@pytest.mark.parametrize(("kind", "file"), [("source", "source.json"), ("destination", "destination.json")])
def test_a_connector_that_cannot_connect(
    pipeline: Callable[..., Pipeline], generation: str, kind: str, file: str
) -> None:
    made = pipeline(generation)
    made.house.world.break_actor(made.ids[kind.upper()], "Could not connect: connection refused")
    said = made.house.fail(f"{kind}s", "check", made.ids[kind.upper()])
    assert "Could not connect: connection refused" in said
    made.house.world.heal_actor(made.ids[kind.upper()])
    assert "can connect" in made.house.succeed(f"{kind}s", "check", made.ids[kind.upper()]).stdout


@pytest.mark.parametrize("generation", ["reference", "2.0"])
def test_a_schema_that_cannot_be_read_creates_nothing(
    pipeline: Callable[..., Pipeline], generation: str
) -> None:
    made = pipeline(generation)
    made.house.world.break_actor(made.ids["SOURCE"], "Could not connect: connection refused")
    before = made.changes()
    for command in ("sources discover SOURCE", CREATING[2]):
        assert "connection refused" in made.house.fail(*made.words(command))
    assert made.changes() == before


@pytest.mark.parametrize("generation", ["reference", "1.6", "2.0"])
def test_a_configuration_that_the_connector_does_not_take(
    pipeline: Callable[..., Pipeline], tmp_path: Path, generation: str
) -> None:
    made = pipeline(generation)
    (tmp_path / "source.json").write_text(json.dumps({**SOURCE, "port": SECRET}))
    said = made.house.fail(*made.words(CREATING[0]))
    assert "port" in said
    assert SECRET not in said
