"""What is checked beside Airbyte: the state, the address, the web configuration, the receivers."""

import base64
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_exporter.check import Outcome, Step
from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.notify import DeliveryError
from airbyte_exporter.store import Identity, StateLook, StateTooNew, StoreError
from airbyte_exporter.web import AddressTaken, WebError, WebFile
from tests.unit.test_check import FAILED, OK, REFUSED, URL, Around, FakeClient, lines, steps

HERE = Identity(URL, "d-1")
STATE = StateLook(Path("/var/state.db"), is_new=False, identity=HERE)


@pytest.mark.parametrize(
    ("look", "outcome", "seen"),
    [
        (StateLook(Path("/var/state.db")), OK, "/var/state.db is created at the start"),
        (STATE, OK, "/var/state.db"),
        (replace(STATE, used_by="process 7"), OK, "/var/state.db, in use by process 7, a running exporter"),
        (replace(STATE, needs_migration=True), OK, "/var/state.db, brought up to date at the next start"),
        (
            replace(STATE, identity=Identity("http://a", "d-1")),
            OK,
            "/var/state.db, made for http://a, the same as this Airbyte",
        ),
        (
            replace(STATE, identity=Identity(URL, "d-2")),
            FAILED,
            f"/var/state.db, belongs to another Airbyte: {URL} (deployment d-2)",
        ),
        (
            StoreError("the state /x cannot be opened: Not a directory: set state.url"),
            FAILED,
            "the state /x cannot be opened: Not a directory",
        ),
        (
            StateTooNew("written by a newer version (schema 9, this one knows 1): use that version"),
            FAILED,
            "written by a newer version (schema 9, this one knows 1)",
        ),
    ],
    ids=["new", "kept", "in use", "old", "moved", "of another", "unusable", "too new"],
)
def test_the_state(look: StateLook | StoreError, outcome: Outcome, seen: str) -> None:
    step = steps(around=Around(state=look))["state"]
    assert (step.outcome, step.seen) == (outcome, seen)
    assert (step.advice is None) == (outcome is OK)


def test_whose_the_state_is_may_not_be_known() -> None:
    around = Around(state=replace(STATE, identity=Identity("http://a", "d-1")))
    step = steps(FakeClient(REFUSED), around)["state"]
    assert (step.outcome, step.seen) == (OK, "/var/state.db, made for http://a, perhaps not this Airbyte")


def test_a_taken_address_is_fine_only_for_the_exporter_that_has_the_state() -> None:
    taken = AddressTaken("cannot listen on 0.0.0.0:10980: something else listens there; stop it")
    step = steps(around=Around(web=taken))["web"]
    assert (step.outcome, step.advice) == (FAILED, "stop it")
    step = steps(around=Around(web=taken, state=replace(STATE, used_by="process 7")))["web"]
    assert (step.outcome, step.advice) == (OK, None)
    foreign = WebError("cannot listen on 1.2.3.4:1: this machine has no such address; set another")
    step = steps(around=Around(web=foreign, state=replace(STATE, used_by="process 7")))["web"]
    assert (step.outcome, step.advice) == (FAILED, "set another")


def test_the_web_configuration_file() -> None:
    def web(file: WebFile | ConfigurationError) -> Step:
        return steps(around=Around(file=file), WEB__CONFIG_FILE="web.yaml")["web"]

    assert web(WebFile()).seen == "0.0.0.0:10980 is free; without TLS, for everybody"
    secured = WebFile(users={b"prometheus": b"hash"}, tls=ssl.create_default_context())
    assert web(secured).seen == "0.0.0.0:10980 is free; over TLS, for 1 user"
    step = web(ConfigurationError("web.yaml line 2: must be the hash\nweb.yaml line 3: bad\nline 4: bad"))
    assert (step.outcome, step.seen) == (FAILED, "web.yaml line 2: must be the hash (and 2 more problems)")
    assert "web.config_file" in (step.advice or "")


def test_receivers() -> None:
    assert steps()["receivers"].seen.startswith("none: alerts are only listed")
    secret = "whsec_" + base64.b64encode(b"x" * 24).decode()
    url = "https://hooks.test/s3cret"
    assert steps(ALERTS__WEBHOOK_URL=url)["receivers"].seen == (
        "webhook: hooks.test takes connections; nothing was sent; not signed (alerts.webhook_secret)"
    )
    signed = steps(ALERTS__WEBHOOK_URL=url, ALERTS__WEBHOOK_SECRET=secret)["receivers"]
    assert signed.seen.endswith("; signed")
    gone = Around(hook=DeliveryError("hooks.test: its name cannot be resolved", retryable=True))
    step = steps(around=gone, ALERTS__WEBHOOK_URL=url)["receivers"]
    assert (step.outcome, step.seen) == (FAILED, "webhook: hooks.test: its name cannot be resolved")
    assert "alerts.webhook_url" in (step.advice or "")


def test_each_receiver_has_a_line() -> None:
    told = lines(
        ALERTS__WEBHOOK_URL="https://one.test/a",
        ALERTS__RECEIVERS__PAGER__URL="https://two.test/b",
        ALERTS__RECEIVERS__PAGER__SECRET="whsec_" + base64.b64encode(b"x" * 24).decode(),
    )
    assert sorted(step.seen for step in told if step.name == "receivers") == [
        "pager: hooks.test takes connections; nothing was sent; signed",
        "webhook: hooks.test takes connections; nothing was sent; not signed (alerts.webhook_secret)",
    ]
    gone = Around(hook=DeliveryError("two.test: no connection in time", retryable=True))
    step = steps(around=gone, ALERTS__RECEIVERS__PAGER__URL="https://two.test/b")["receivers"]
    assert step.advice == "correct alerts.receivers.pager.url, or let this machine reach it"


def test_each_address_of_an_alertmanager_has_a_line() -> None:
    settings = {
        "ALERTS__RECEIVERS__MANAGERS__TYPE": "alertmanager",
        "ALERTS__RECEIVERS__MANAGERS__URLS": "https://one.test,https://two.test/prefix",
        "ALERTS__RECEIVERS__MANAGERS__TOKEN": "token-s3cret",
    }
    around = Around()
    told = [step for step in lines(None, around, **settings) if step.name == "receivers"]
    assert [step.seen for step in told] == ["managers: hooks.test takes connections; nothing was sent"] * 2
    assert around.asked == ["https://one.test/api/v2/alerts", "https://two.test/prefix/api/v2/alerts"]
    gone = Around(hook=DeliveryError("one.test: no connection in time", retryable=True))
    step = steps(None, gone, **settings)["receivers"]
    assert step.outcome is FAILED
    assert step.advice == "correct alerts.receivers.managers.urls, or let this machine reach it"
