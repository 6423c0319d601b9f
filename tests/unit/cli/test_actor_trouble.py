"""Every command that changes or tries a source, in every bad situation: one line, and no secret."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3.exceptions as u3
from click.testing import Result

from tests.unit.airbyte.fakes import Reaction, Say
from tests.unit.cli.actors import CRM, NEW, SHOP, Kept, Meeting

MARKER = "m4rk3r"
HOSTILE = 'it\'s "x", \x1b[2J\nnow \u202eabc'
SHOWN = 'it\'s "x", \\x1b[2J\\nnow \\u202eabc'
ARABIC = "مبيعات"
MARK = "\u200e"

HTML = Say(200, b"<html>sign in</html>", {"Content-Type": "text/html"})
BAD_GATEWAY = Say(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"})
BROKEN = requests.ConnectionError(u3.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")))
SLOW = requests.ReadTimeout(MARKER)
REFUSED = requests.ConnectionError(ConnectionRefusedError(111, "Connection refused"))
DOUBT = "; Airbyte may have done it all the same: look before you try again\n"

CHANGES = ("create", "update", "delete")
METHODS = {
    "create": "sources/create",
    "update": "sources/update",
    "delete": "sources/delete",
    "check": "sources/check_connection",
    "discover": "sources/discover_schema",
}
NAMING = [each for each in METHODS if each != "create"]

Run = Callable[..., Result]


@pytest.fixture
def kept() -> Kept:
    it = Kept()
    it.have("source", SHOP, "Shop", host="db")
    it.have("source", CRM, "Twin")
    it.have("source", SHOP.replace("aaaa", "eeee"), "Twin")
    return it


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a secret of every kind."""
    monkeypatch.setenv("PG_PASSWORD", f"{MARKER}-of-the-environment")
    (tmp_path / "key").write_text(f"-----BEGIN KEY-----\n{MARKER}-of-a-file\n-----END KEY-----\n")
    file = tmp_path / "pg.json"
    literal = {"api_key": f"{MARKER}-as-it-is", "url": f"https://u:{MARKER}-in-a-url@h/?k={MARKER}"}
    file.write_text(json.dumps({"host": "db2", "password": "${PG_PASSWORD}", "key": "file:key", **literal}))
    return file


@pytest.fixture
def run(kept: Kept, configuration: Path) -> Run:
    """Run a command about a source, as far as it needs more than that, without a question."""
    meeting = Meeting(kept.react)

    def run_it(command: str, source: str = "Shop", *more: str) -> Result:
        arguments = {
            "create": ("--definition", "postgres", "--name", "New", "--config", str(configuration)),
            "update": (source, "--config", str(configuration)),
            "delete": (source, "--yes"),
        }.get(command, (source,))
        result = meeting("sources", command, *arguments, *more)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run_it


def last_line(result: Result, code: int = 1) -> str:
    """Return the only line that is an error; nothing is on standard output."""
    assert (result.exit_code, result.stdout) == (code, "")
    *resolved, said = result.stderr.splitlines(keepends=True)
    assert all(line.startswith("source ") for line in resolved)
    assert all(line[:-1].replace(MARK, "").isprintable() for line in (*resolved, said))
    assert said.startswith("airbyte-exporter: ")
    assert MARKER not in result.stderr
    return said.removeprefix("airbyte-exporter: ")


@pytest.mark.parametrize("command", NAMING)
def test_what_does_not_exist_or_means_several(command: str, run: Run, kept: Kept) -> None:
    for name in ("Sho", "aaa", "ffff0000-0000-4000-8000-000000000003", "", "\udcff"):
        assert last_line(run(command, name)).startswith("there is no source ")
    assert last_line(run(command, "aaaa")).startswith("'aaaa' means 2 sources: ")
    assert last_line(run(command, "Twin")) == (
        f"'Twin' means 2 sources: {CRM} (Twin), {SHOP.replace('aaaa', 'eeee')} (Twin); "
        "give the full id of one\n"
    )
    assert kept.written() == []


@pytest.mark.parametrize("name", ["Postgre", "sql", "x", "", "\udcff\x00"])
def test_connectors_that_do_not_exist(name: str, run: Run, kept: Kept) -> None:
    said = last_line(run("create", "", "--definition", name))
    assert said.startswith("there is no source connector ")
    assert kept.written() == []


@pytest.mark.parametrize("command", NAMING)
@pytest.mark.parametrize(("name", "shown"), [(HOSTILE, SHOWN), (ARABIC, ARABIC), ("a\tb'", "a\\tb'")])
def test_odd_names_are_found_and_shown_harmlessly(
    name: str, shown: str, command: str, run: Run, kept: Kept
) -> None:
    kept.sources[SHOP]["name"] = name
    kept.connect(name)
    result = run(command, name)
    assert result.exit_code == 0
    text = result.stdout + result.stderr
    if command != "discover":
        assert shown in text
        assert f"{ARABIC}'" not in text or f"{ARABIC}'{MARK}" in text
    assert all(line.replace(MARK, "").isprintable() for line in text.split("\n"))
    kept.check = {"status": "failed", "message": HOSTILE}
    if command == "check":
        assert last_line(run(command, name)).endswith('cannot connect: it\'s "x", [2J now abc\n')


@pytest.mark.parametrize("name", [HOSTILE, ARABIC])
def test_odd_names_can_be_given(name: str, run: Run, kept: Kept) -> None:
    for command in ("create", "update"):
        result = run(command, "Shop", "--name", name)
        assert result.exit_code == 0
        assert all(line.replace(MARK, "").isprintable() for line in result.output.split("\n"))
    assert [body["name"] for _, body in kept.written()] == [name, name]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            Say(403, {"message": "Forbidden"}),
            "does not allow this (403); use an application of a user who may",
        ),
        (Say(401, {}), "says 401: it wants authentication"),
        (HTML, "answers with a web page (200), not as Airbyte's API"),
        (REFUSED, "cannot connect to localhost:8001 (connection refused); is Airbyte running"),
    ],
)
@pytest.mark.parametrize("method", ["sources/list", "the method itself"])
@pytest.mark.parametrize("command", METHODS)
def test_an_airbyte_that_does_not_let_us(
    command: str, method: str, answer: Reaction, said: str, run: Run, kept: Kept
) -> None:
    kept.answers[METHODS[command] if method != "sources/list" else method] = answer
    line = last_line(run(command))
    assert said in line
    assert DOUBT not in line


@pytest.mark.parametrize("answer", [BROKEN, SLOW, BAD_GATEWAY, Say(500, {"message": "oops"}), Say(200, b"{")])
@pytest.mark.parametrize("command", CHANGES)
def test_a_change_whose_answer_is_lost_may_have_been_made(
    command: str, answer: Reaction, run: Run, kept: Kept
) -> None:
    kept.answers[METHODS[command]] = answer
    if command == "delete" and isinstance(answer, Say) and answer.status == 200:
        return  # what Airbyte says to that is not read
    assert last_line(run(command)).endswith(DOUBT)
    times = len(kept.written())
    if command != "update":
        assert times == 1, "it must not be done twice"


@pytest.mark.parametrize("answer", [BROKEN, SLOW, BAD_GATEWAY, Say(200, b"{")])
@pytest.mark.parametrize("command", ["check", "discover"])
def test_a_trial_whose_answer_is_lost_has_changed_nothing(
    command: str, answer: Reaction, run: Run, kept: Kept
) -> None:
    kept.answers[METHODS[command]] = answer
    line = last_line(run(command))
    assert DOUBT not in line
    if answer is SLOW:
        assert "no answer within 15m: the connector has not started yet, or is slow" in line


@pytest.mark.parametrize("command", ["create", "update"])
def test_a_refusal_has_the_connectors_message_and_none_of_its_secrets(
    command: str, run: Run, kept: Kept, configuration: Path
) -> None:
    def echo(method: str, body: dict[str, Any]) -> Reaction:
        if method != METHODS[command]:
            return known(method, body)
        said = f"$.password: is missing; $.port: string found; {json.dumps(body['connectionConfiguration'])}"
        return Say(422, {"message": said, "exceptionClassName": "io.airbyte.JsonValidationException"})

    known = kept.react
    meeting = Meeting(echo)  # the same Airbyte, but that it repeats what it got
    arguments = ("--definition", "postgres", "--name", "New") if command == "create" else ("Shop",)
    result = meeting("sources", command, *arguments, "--config", configuration)
    assert "refuses the request with 422: $.password: is missing; $.port: string found; " in last_line(result)


@pytest.mark.parametrize("more", [(), ("--log-level", "debug"), ("--dry-run",), ("-o", "json")], ids=str)
@pytest.mark.parametrize(
    "answer", [None, BROKEN, Say(500, {"message": f"at {MARKER}-as-it-is"}), Say(200, b"m4rk3r")]
)
@pytest.mark.parametrize("command", ["create", "update"])
def test_no_secret_is_ever_printed(
    command: str, answer: Reaction | None, more: tuple[str, ...], run: Run, kept: Kept
) -> None:
    if answer is not None:
        kept.answers[METHODS[command]] = answer
    result = run(command, "Shop", *more)
    assert MARKER not in result.stdout + result.stderr
    sent = [body["connectionConfiguration"] for _, body in kept.written()]
    assert ("--dry-run" in more) == (sent == [])
    assert all(each["password"] == f"{MARKER}-of-the-environment" for each in sent)


def interrupting(kept: Kept, method: str) -> Meeting:
    """Return an Airbyte during whose `method` somebody presses Ctrl-C."""
    known = kept.react

    def react(asked: str, body: dict[str, Any]) -> Reaction:
        if asked == method:
            raise KeyboardInterrupt
        return known(asked, body)

    return Meeting(react)


@pytest.mark.parametrize("command", METHODS)
@pytest.mark.parametrize("when", ["before", "during"])
def test_ctrl_c_says_whether_something_may_have_changed(
    command: str, when: str, kept: Kept, configuration: Path
) -> None:
    meeting = interrupting(kept, "sources/list" if when == "before" else METHODS[command])
    arguments = {
        "create": ("--definition", "postgres", "--name", "New", "--config", configuration),
        "update": ("Shop", "--config", configuration),
        "delete": ("Shop", "--yes"),
    }.get(command, ("Shop",))
    line = last_line(meeting("sources", command, *arguments), 130)
    changed = command in CHANGES and when == "during"
    told = "Airbyte may have done it all the same: look" if changed else "nothing was changed"
    assert line == f"interrupted; {told}\n"


CREATE = ("sources", "create", "--definition", "postgres", "--name", "New", "--check", "--config")


def test_ctrl_c_while_a_new_one_is_checked_tells_that_it_exists(kept: Kept, configuration: Path) -> None:
    result = interrupting(kept, "sources/check_connection")(*CREATE, configuration)
    assert (result.exit_code, result.stdout) == (130, f"source 'New' ({NEW}) created\n")
    assert result.stderr.endswith(
        f"airbyte-exporter: interrupted; source 'New' ({NEW}) exists, and was not checked to its end\n"
    )


@pytest.mark.parametrize("answer", [SLOW, BROKEN, Say(403, {}), HTML])
def test_a_check_of_a_new_one_that_breaks_tells_that_it_exists(
    answer: Reaction, kept: Kept, configuration: Path
) -> None:
    kept.answers["sources/check_connection"] = answer
    result = Meeting(kept.react)(*CREATE, configuration)
    assert (result.exit_code, result.stdout) == (1, f"source 'New' ({NEW}) created\n")
    assert result.stderr.endswith(f"; source 'New' ({NEW}) exists, and may be able to connect all the same\n")
