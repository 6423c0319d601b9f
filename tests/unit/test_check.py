"""What `check` says, step by step: what works before the step that fails, what to do, what is not tried."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from airbyte_exporter.airbyte import (
    AirbyteConfig,
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    ApiUnauthorized,
    ApiUnreachable,
    Capabilities,
    Greeting,
    Loss,
    Polling,
)
from airbyte_exporter.alerts import RULE_NEEDS, RULE_WANTS
from airbyte_exporter.check import Outcome, Step, Surroundings, check
from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.model import ConnectionStatus, Fact, Inventory, Job, JobStatus, Workspace
from airbyte_exporter.notify import DeliveryError, Endpoint
from airbyte_exporter.settings import load_settings
from airbyte_exporter.store import StateLook, StoreConfig, StoreError
from airbyte_exporter.web import WebConfig, WebError, WebFile
from tests.commands import NOW, connection, example_airbyte, job
from tests.requirements import ROOT

T = TypeVar("T")

URL = "http://airbyte.test:8001/api/v1"
OK, WARNING, FAILED, SKIPPED = Outcome.OK, Outcome.WARNING, Outcome.FAILED, Outcome.SKIPPED
STEPS = (
    "configuration", "address", "credentials", "permission", "workspaces", "connections", "jobs", "polling",
    "rules", "state", "web", "receivers",
)  # fmt: skip
FINE = Capabilities(
    api="config",
    version="2.0.0",
    edition="community",
    auth="none",
    auth_mode="none",
    deployment_id="d-1",
    polling=Polling.CHANGES,
    workspaces=(Workspace("w1", "Data"),),
    unreadable=(),
    losses=(),
)


@dataclass
class FakeClient:
    found: Capabilities | ApiError = FINE
    listed: Inventory | ApiError = field(default_factory=lambda: example_airbyte().inventory_)
    newest: Job | ApiError | None = None

    def capabilities(self) -> Capabilities:
        return _or_raise(self.found)

    def inventory(self) -> Inventory:
        return _or_raise(self.listed)

    def newest_job(self) -> Job | None:
        return None if self.newest is None else _or_raise(self.newest)


def _or_raise(value: T | Exception) -> T:
    if isinstance(value, Exception):
        raise value
    return value


@dataclass
class Around:
    """A quiet place: a new state, a free address, a receiver that listens, and nobody who greets."""

    greeting: Greeting | None = None
    elsewhere: str | None = None
    state: StateLook | StoreError = field(default_factory=lambda: StateLook(Path("/var/state.db")))
    web: WebError | None = None
    file: WebFile | ConfigurationError = field(default_factory=WebFile)
    hook: DeliveryError | None = None
    asked: list[str] = field(default_factory=list)

    def surroundings(self) -> Surroundings:
        return Surroundings(
            greet=self._greet,
            find_airbyte=self._find,
            inspect_store=self._inspect,
            check_address=self._listen,
            load_web_config=self._load,
            reach=self._reach,
        )

    def _greet(self, config: AirbyteConfig) -> Greeting | None:
        self.asked.append("greet")
        return self.greeting

    def _find(self, config: AirbyteConfig) -> str | None:
        self.asked.append("find")
        return self.elsewhere

    def _inspect(self, config: StoreConfig) -> StateLook:
        return _or_raise(self.state)

    def _listen(self, config: WebConfig) -> None:
        if self.web:
            raise self.web

    def _load(self, path: Path) -> WebFile:
        assert path == Path("web.yaml")
        return _or_raise(self.file)

    def _reach(self, endpoint: Endpoint) -> str:
        self.asked.append(endpoint.url)
        if self.hook:
            raise self.hook
        return "hooks.test"


def steps(
    client: FakeClient | None = None, around: Around | None = None, **environment: str
) -> Mapping[str, Step]:
    """Return the steps by name, where a step has several lines the last."""
    return {step.name: step for step in lines(client, around, **environment)}


def lines(client: FakeClient | None = None, around: Around | None = None, **environment: str) -> list[Step]:
    environ = {f"AIRBYTE_EXPORTER_{name}": value for name, value in environment.items()}
    settings = load_settings(config_file=None, environ={"AIRBYTE_EXPORTER_AIRBYTE__URL": URL} | environ)
    around = around or Around()
    return list(check(settings, client or FakeClient(), now=NOW, around=around.surroundings()))


def outcomes(found: Mapping[str, Step]) -> dict[str, Outcome]:
    return {name: step.outcome for name, step in found.items()}


def test_all_is_well() -> None:
    around = Around()
    found = steps(
        FakeClient(newest=job(7, "c", JobStatus.RUNNING)), around, ALERTS__WEBHOOK_URL="https://h.test/x"
    )
    assert tuple(found) == STEPS
    assert set(outcomes(found).values()) == {OK}
    assert all(step.advice is None for step in found.values())
    assert found["configuration"].seen == "2 options set: airbyte.url, alerts.webhook_url"
    assert found["address"].seen == f"{URL}: Airbyte 2.0.0, community"
    assert found["credentials"].seen == "none are set, and none are wanted"
    assert found["workspaces"].seen == "1: Data"
    assert found["connections"].seen == "3: 2 active, 1 inactive"
    assert found["jobs"].seen == "the newest is sync 7: running, created 16m ago"
    assert around.asked == ["https://h.test/x"], "nothing is searched for where nothing is wrong"


REFUSED = ApiUnreachable(
    "instance_configuration: cannot connect to airbyte.test:8001 (connection refused); does it run; or not?",
    method="instance_configuration",
    reason="connect",
)


def test_what_depends_on_the_address_is_not_tried() -> None:
    found = steps(FakeClient(REFUSED))
    assert tuple(found) == STEPS
    assert found["address"] == Step(
        "address",
        FAILED,
        f"{URL}: cannot connect to airbyte.test:8001 (connection refused)",
        "does it run; or not?",
    )
    assert {found[name].outcome for name in STEPS[2:9]} == {SKIPPED}
    assert {found[name].outcome for name in STEPS[9:]} == {OK}


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        ApiNotFound(
            "instance_configuration: nothing there (404); is it right?", method="instance_configuration"
        ),
        ApiMalformed("x: a web page; is it right?", method="x", reason="not_airbyte"),
        ApiRejected("x: wants TLS", method="x", reason="tls"),
    ],
)
def test_the_right_address_is_suggested(error: ApiError) -> None:
    step = steps(FakeClient(error), Around(elsewhere="http://airbyte.test:8000"))["address"]
    assert step.outcome is FAILED
    assert step.advice == "Airbyte answers at http://airbyte.test:8000: set airbyte.url to that"


@pytest.mark.parametrize("reason", ["dns", "server_error", "rate_limited"])
def test_nothing_is_searched_for_where_that_cannot_help(reason: str) -> None:
    around = Around(elsewhere="http://airbyte.test:8000")
    error = ApiUnreachable("x: bad; look", method="x", reason=reason)  # type: ignore[arg-type]
    assert steps(FakeClient(error), around)["address"].advice == "look"
    assert "find" not in around.asked


def unauthorized(method: str = "deployment/metadata") -> ApiUnauthorized:
    return ApiUnauthorized(
        f"{method}: not accepted; use others", method=method, reason="unauthorized", status=401
    )


@pytest.mark.parametrize(
    ("greeting", "address"),
    [
        (Greeting("2.0.0", "community", "simple"), "Airbyte 2.0.0, community"),
        (Greeting(), "Airbyte; it does not tell its version"),
        (Greeting(is_guarded=True), "it answers, but tells nothing without the right credentials"),
        (None, "it answers, but tells nothing without the right credentials"),
    ],
)
def test_credentials_are_wrong_where_the_address_is_right(greeting: Greeting | None, address: str) -> None:
    found = steps(FakeClient(unauthorized()), Around(greeting=greeting))
    assert found["address"] == Step("address", OK, f"{URL}: {address}")
    assert found["credentials"] == Step("credentials", FAILED, "not accepted", "use others")
    assert found["permission"] == Step("permission", SKIPPED, "not checked: credentials come first")


def test_a_token_that_cannot_be_had_is_about_credentials() -> None:
    error = ApiNotFound("applications/token: nothing there (404)", method="applications/token")
    found = steps(FakeClient(error), Around(greeting=Greeting("0.50.1", "community")))
    assert (found["address"].outcome, found["credentials"].outcome) == (OK, FAILED)
    assert steps(FakeClient(error))["address"].outcome is FAILED


def token(expires_at: int) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expires_at}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def test_a_token_that_will_expire_works_for_now() -> None:
    step = steps(AIRBYTE__TOKEN=token(NOW + 720))["credentials"]
    assert (step.outcome, step.seen) == (
        WARNING,
        "airbyte.token is accepted, until it expires at 2027-01-15 08:12 UTC, in 12m",
    )


def test_no_permission_at_all() -> None:
    error = ApiForbidden(
        "workspaces/list: not allowed (403); use another user", method="workspaces/list", reason="forbidden"
    )
    found = steps(FakeClient(error), Around(greeting=Greeting("2.0.0")))
    assert outcomes(found) | {"permission": FAILED, "credentials": OK, "address": OK} == outcomes(found)
    assert found["permission"].seen == "workspaces/list: not allowed (403)"
    assert found["workspaces"].seen == "not checked: permission comes first"
    assert found["credentials"].seen == "none are set"
    known = steps(FakeClient(error), AIRBYTE__USERNAME="u", AIRBYTE__PASSWORD="p")["credentials"]
    assert known.seen == "airbyte.username and airbyte.password are accepted"


def test_what_is_not_allowed_costs_something_but_does_not_stop_anything() -> None:
    lost = replace(
        FINE,
        polling=Polling.WORKSPACES,
        unreadable=(Workspace("w2", "HR"), Workspace("w3", "Board")),
        losses=(
            Loss("jobs/list", "they are read workspace by workspace"),
            Loss("connections/list", "nothing in workspace HR can be read"),
            Loss("connections/list", "nothing in workspace Board can be read"),
        ),
    )
    found = lines(FakeClient(lost))
    assert FAILED not in {step.outcome for step in found}
    jobs, connections = (step for step in found if step.name == "permission")
    assert (jobs.outcome, jobs.seen) == (WARNING, "jobs/list: they are read workspace by workspace")
    assert "administrator" in (jobs.advice or "")
    assert connections.seen == "connections/list: nothing in workspace HR can be read (and 1 more like this)"
    assert "airbyte.workspace_ids" in (connections.advice or "")
    seen = {step.name: step.seen for step in found}
    assert (seen["workspaces"], seen["credentials"]) == ("1 of 3: Data", "none are set")


def test_an_api_without_a_listing_of_all_jobs_takes_no_permission_away() -> None:
    found = replace(
        FINE, api="reference", version=None, edition=None, polling=Polling.CONNECTIONS,
        losses=(Loss("jobs/list", "each connection is asked for its own"),),
    )  # fmt: skip
    told = steps(FakeClient(found))
    assert {name for name, outcome in outcomes(told).items() if outcome is not OK} <= {"rules"}
    assert told["address"].seen.endswith("Airbyte; it does not tell its version (the short reference API)")


@pytest.mark.parametrize(
    ("api", "version", "is_told"),
    [
        ("config", "2.0.0", True),
        ("config", "1.6.0", True),
        ("config", "0.50.24", False),
        ("public", None, False),
    ],
)
def test_a_rule_that_lacks_what_it_needs_is_told_of(
    monkeypatch: pytest.MonkeyPatch, api: str, version: str | None, is_told: bool
) -> None:
    monkeypatch.setattr("airbyte_exporter.check.RULE_NEEDS", {"SyncFailed": Fact.DISABLINGS})
    client = FakeClient(replace(FINE, api=api, version=version))
    step = Step(
        "rules",
        WARNING,
        "SyncFailed is off, but for locked connections: this Airbyte's API does not tell who disables one",
    )
    assert (step in lines(client)) == (not is_told)
    assert step not in lines(client, ALERTS__RULES__SYNCFAILED__ENABLED="false")


def test_every_fact_that_a_rule_may_lack_has_words(monkeypatch: pytest.MonkeyPatch) -> None:
    untold = FakeClient(replace(FINE, api="reference", version=None))
    for fact in {*RULE_NEEDS.values(), *RULE_WANTS.values()}:
        monkeypatch.setattr("airbyte_exporter.check.RULE_NEEDS", {"SyncFailed": fact})
        (told,) = (it for it in lines(untold) if it.name == "rules" and it.seen.startswith("SyncFailed "))
        assert "this Airbyte's API does not tell " in told.seen


@pytest.mark.parametrize(
    ("polling", "count", "said"),
    [
        (Polling.CHANGES, 1000, "every 30s 1 request for what changed, and 1 more while jobs run"),
        (
            Polling.WORKSPACES,
            1000,
            "every 30s 2 requests for all workspaces, and as many more while jobs run",
        ),
        (Polling.CONNECTIONS, 1000, "every 30s about 50 requests, connection by connection"),
        (Polling.CONNECTIONS, 1, "every 30s about 1 request, connection by connection, and 1 for each that"),
        (Polling.CONNECTIONS, 0, "every 30s 1 request, for the list of workspaces, while there are no c"),
    ],
)
def test_what_a_poll_costs(polling: Polling, count: int, said: str) -> None:
    workspaces = tuple(Workspace(f"w{number}", f"W{number}") for number in range(51))
    listed = replace(
        example_airbyte().inventory_, connections=tuple(connection(f"c{each}", "C") for each in range(count))
    )
    found = steps(FakeClient(replace(FINE, polling=polling, workspaces=workspaces), listed))
    assert found["polling"].seen.startswith(said)
    assert found["workspaces"].seen == "51: W0, W1, W2, W3, W4 and 46 more"


def test_the_public_api_tells_less_and_that_is_no_missing_permission() -> None:
    found = replace(FINE, api="public", version=None, edition=None, losses=(Loss("public/jobs", "less"),))
    told = steps(FakeClient(found), AIRBYTE__API="public")
    assert told["address"].seen == (
        "http://airbyte.test:8001/api/public/v1: Airbyte; it does not tell its version (the public API, "
        "which tells less of jobs than the Config API)"
    )
    assert told["permission"].outcome is OK
    assert told["polling"].seen.startswith("every 30s 2 requests for what changed, and 4 to 8 more")


def test_why_the_public_api_is_read_where_nobody_asked_for_it() -> None:
    losses = (Loss("public/jobs", "less"), Loss("workspaces/list", "the Config API cannot be used"))
    found = replace(FINE, api="public", losses=losses)
    permission = steps(FakeClient(found))["permission"]
    assert permission.outcome is WARNING
    assert permission.seen == "workspaces/list: the Config API cannot be used"
    assert permission.advice is not None
    assert permission.advice.endswith("or set airbyte.api to public")


@pytest.mark.parametrize(
    ("method", "step"),
    [("public/jobs", "jobs"), ("public/connections", "connections"), ("public/x", "workspaces")],
)
def test_methods_of_the_public_api_belong_to_the_same_steps(method: str, step: str) -> None:
    error = ApiMalformed(f"{method}: its answer cannot be used", method=method, reason="malformed")
    told = steps(FakeClient(error), Around(greeting=Greeting()), AIRBYTE__API="public")
    assert told[step].outcome is FAILED
    assert told["address"].seen.startswith("http://airbyte.test:8001/api/public/v1: ")


def test_what_is_not_there_yet_is_no_fault() -> None:
    found = steps(FakeClient(listed=replace(example_airbyte().inventory_, connections=())))
    assert found["connections"] == Step(
        "connections", OK, "none yet; they are watched as soon as there are some"
    )
    assert found["jobs"] == Step("jobs", OK, "no recent job is to be seen")
    found = steps(FakeClient(replace(FINE, workspaces=())))
    assert (found["workspaces"].outcome, found["workspaces"].seen) == (WARNING, "none is to be seen")
    assert (found["workspaces"].advice or "").startswith("is this Airbyte set up yet?")
    found = steps(FakeClient(replace(FINE, auth="client-credentials", workspaces=())))
    assert found["workspaces"].advice == "is the user whose credentials these are a member of any?"


def test_the_newest_job_by_its_end() -> None:
    found = steps(FakeClient(newest=job(8, "c", JobStatus.FAILED, updated_at=NOW - 3 * 86400)))
    assert found["jobs"].seen == "the newest is sync 8: failed 3d ago"


@pytest.mark.parametrize(
    ("method", "step"),
    [
        ("workspaces/get", "workspaces"),
        ("deployment/metadata", "workspaces"),
        ("web_backend/connections/list", "connections"),
        ("jobs/list_for_workspaces", "jobs"),
    ],
)
def test_a_listing_that_fails_while_the_address_is_right(method: str, step: str) -> None:
    error = ApiUnreachable(
        f"{method}: in trouble (503: a; b); see its log", method=method, reason="server_error"
    )
    found = steps(FakeClient(error), Around(greeting=Greeting("2.0.0")))
    assert found["address"].outcome is OK
    assert found[step] == Step(step, FAILED, f"{method}: in trouble (503: a; b)", "see its log")
    assert {each.outcome for name, each in found.items() if name in STEPS[2:8] and name != step} == {SKIPPED}
    assert tuple(found) == STEPS


def test_reading_may_fail_later_too() -> None:
    error = ApiUnreachable("jobs/list: slow; wait", method="jobs/list", reason="timeout")
    found = steps(FakeClient(newest=error))
    assert (found["jobs"].outcome, found["polling"].outcome) == (FAILED, OK)
    found = steps(FakeClient(listed=error))
    assert (found["connections"].outcome, found["jobs"].outcome) == (FAILED, SKIPPED)


def test_whoever_is_in_between_reads_everything() -> None:
    found = steps(AIRBYTE__URL="https://airbyte.test", AIRBYTE__INSECURE_SKIP_VERIFY="true")
    assert found["address"].outcome is WARNING
    assert "airbyte.ca_file" in (found["address"].advice or "")
    assert steps(AIRBYTE__INSECURE_SKIP_VERIFY="true")["address"].outcome is OK, "there is no TLS to skip"


def test_statuses_are_counted_the_most_frequent_first() -> None:
    listed = replace(
        example_airbyte().inventory_,
        connections=(
            connection("c1", "A", status=ConnectionStatus.INACTIVE),
            connection("c2", "B", status=ConnectionStatus.INACTIVE),
            connection("c3", "C"),
        ),
    )
    assert steps(FakeClient(listed=listed))["connections"].seen == "3: 2 inactive, 1 active"


def test_the_document_tells_of_every_step() -> None:
    written = (ROOT / "docs" / "check.md").read_text("utf-8")
    table = re.findall(r"^\| (`[^|]+) \|", written, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(table)) == list(STEPS)
    shown = re.findall(r"^[✓!✗–] (\w+) ", written, re.MULTILINE)  # noqa: RUF001 - the marks
    assert list(dict.fromkeys(shown)) == list(STEPS)
