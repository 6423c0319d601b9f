"""What a client finds out about the Airbyte that it is pointed at, and when it looks again."""

from typing import Any

import pytest

from airbyte_exporter.airbyte import (
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    Capabilities,
    Polling,
)
from tests.unit.airbyte.fakes import NOW, Handler, Reaction, Say, Talk, talk
from tests.unit.airbyte.installations import (
    FORBIDDEN,
    HTML,
    NO_SUCH_THING,
    PYTHON_ERROR_PAGE,
    W1,
    W2,
    W3,
    Installation,
    Reference,
)

CHANGES, WORKSPACES, CONNECTIONS = Polling.CHANGES, Polling.WORKSPACES, Polling.CONNECTIONS
SYNCS, BEFORE_REFRESHES = ("sync",), ("sync", "reset_connection")
ALL_TYPES = ("sync", "reset_connection", "refresh")


def anew(react: Handler, **config: Any) -> Talk:  # noqa: ANN401  (as AirbyteConfig takes them)
    return talk(react, capabilities=None, **config)


def found(react: Handler, **config: Any) -> Capabilities:  # noqa: ANN401  (as AirbyteConfig takes them)
    return anew(react, **config).client.capabilities()


def ids(workspaces: Any) -> list[str]:  # noqa: ANN401  (of whatever has workspaces)
    return [workspace.id for workspace in workspaces]


def replacing(airbyte: Installation | Reference, answers: dict[str, Reaction]) -> Handler:
    """`airbyte` with some answers of its own; they may change later."""
    return lambda method, body: answers.get(method) or airbyte.react(method, body)


# What it is


# Looking again


def detections(t: Talk) -> int:
    return len(t.airbyte.bodies("deployment/metadata"))


@pytest.mark.parametrize(
    ("version", "told", "polling", "types", "light", "versions"),
    [
        ("0.42.0", None, CONNECTIONS, BEFORE_REFRESHES, True, False),
        ("0.50.2", None, CONNECTIONS, BEFORE_REFRESHES, True, False),
        ("0.50.24", None, CONNECTIONS, BEFORE_REFRESHES, True, False),
        ("0.50.54", "0.50.54", CONNECTIONS, BEFORE_REFRESHES, True, False),
        ("0.58.0", "0.58.0", CONNECTIONS, ALL_TYPES, True, False),
        ("0.62.4", "0.62.4", CONNECTIONS, ALL_TYPES, True, False),
        ("0.63.0", "0.63.0", CHANGES, ALL_TYPES, True, False),
        ("1.0.0", "1.0.0", CHANGES, ALL_TYPES, True, True),
        ("1.6.0", "1.6.0", CHANGES, ALL_TYPES, True, True),
        ("2.0.0", "2.0.0", CHANGES, ALL_TYPES, True, True),
        ("dev", "dev", CHANGES, ALL_TYPES, True, True),
    ],
)
def test_each_release(
    version: str, told: str | None, polling: Polling, types: tuple[str, ...], light: bool, versions: bool
) -> None:
    for workspaces in [(W1, W2), (W1,), ()]:
        it = found(Installation(version, workspaces=workspaces).react)
        if workspaces or version not in {"0.42.0", "0.50.2"}:
            assert (it.api, it.version, it.polling) == ("config", told, polling)
            assert (it.endpoints.job_types, it.endpoints.light_listing) == (types, light)
            assert (it.endpoints.versions_listed, it.endpoints.job_pages) == (versions, True)
        assert ids(it.workspaces) == [*workspaces]
        assert it.unreadable == ()
        assert [loss.method for loss in it.losses] == (["jobs/list"] if polling is CONNECTIONS else [])


def test_what_a_new_one_tells_of_itself() -> None:
    it = found(Installation().react, token="t")
    assert (it.edition, it.auth, it.auth_mode, it.deployment_id) == (
        "community",
        "bearer",
        "simple",
        "dep-1",
    )
    assert it.endpoints.organization_id == W3


def test_an_installation_of_docker_that_tells_nothing_of_itself() -> None:
    """0.50 with no version, whose metadata cannot be read either."""
    airbyte = Installation("0.50.24", workspaces=(W1,))
    t = anew(airbyte.react)
    it = t.client.capabilities()
    assert (it.api, it.version, it.deployment_id, it.polling) == ("config", None, None, CONNECTIONS)
    list(t.client.jobs(connection_id="c1"))
    assert t.airbyte.bodies("jobs/list") == [
        {
            "configTypes": ["sync", "reset_connection"],
            "configId": "c1",
            "pagination": {"pageSize": 20, "rowOffset": 0},
        }
    ]


@pytest.mark.parametrize("version", ["0.50.9", "0.50.17"])
def test_workspaces_are_listed_the_older_way_where_there_are_no_organizations(version: str) -> None:
    t = anew(Installation(version).react)
    assert ids(t.client.workspaces()) == [W1, W2]
    assert ids(t.client.inventory().workspaces) == [W1, W2]
    assert len(t.airbyte.bodies("workspaces/list_by_organization_id")) == 2, "one 404 may be a passing one"


PAGES = {status: Say(status, PYTHON_ERROR_PAGE, HTML) for status in (404, 405, 501)}


@pytest.mark.parametrize(
    "missing",
    [
        Say(404),
        Say(404, {"detail": "Not Found"}),
        Say(405),
        Say(501),
        *PAGES.values(),
        Say(200, {}),
        Say(200, {"error": "not found"}),
    ],
)
@pytest.mark.parametrize("get", [None, PAGES[501], PAGES[405], Say(405, {"detail": "Method Not Allowed"})])
def test_the_short_reference_api_is_known_by_what_it_does_not_have(missing: Say, get: Say | None) -> None:
    t = anew(Reference(missing=missing, get=get).react)
    it = t.client.capabilities()
    assert (it.api, it.version, it.edition, it.polling) == ("reference", None, None, CONNECTIONS)
    assert it.endpoints.job_types == SYNCS
    assert (it.endpoints.light_listing, it.endpoints.job_pages) == (False, False)
    assert len(t.airbyte.sent) == 4, "what it is costs a request for each of three things and the workspaces"
    inventory = t.client.inventory()
    assert [connection.id for connection in inventory.connections] == ["c1"]


@pytest.mark.parametrize("missing", [Say(404), *PAGES.values()])
def test_connectors_definitions_may_be_missing_too(missing: Say) -> None:
    answers: dict[str, Reaction] = {
        "source_definitions/list": missing,
        "destination_definitions/list": missing,
    }
    inventory = anew(replacing(Reference(missing=missing), answers)).client.inventory()
    assert [connection.source.connector for connection in inventory.connections] == ["unknown"]


# What is no Airbyte


@pytest.mark.parametrize(
    ("get", "post"),
    [
        (Say(200, b"<html>", HTML), Say(200, b"<html>", HTML)),
        (Say(200, b"<html>", HTML), Say(405, b"<html>", HTML)),
        (Say(404, b"<html>", HTML), Say(405, b"<html>", HTML)),
        (Say(404), Say(404)),
        (Say(501, PYTHON_ERROR_PAGE, HTML), Say(404, PYTHON_ERROR_PAGE, HTML)),
    ],
    ids=["an application", "static files", "no GET", "a wrong path", "a server of Python's"],
)
def test_another_program_at_that_address_is_told_in_one_line(get: Say, post: Say) -> None:
    t = anew(lambda method, _: get if method == "instance_configuration" else post)
    for call in (t.client.capabilities, t.client.inventory, lambda: [*t.client.jobs(updated_since=0)]):
        with pytest.raises((ApiNotFound, ApiMalformed)) as caught:
            call()
        assert "is airbyte.url right? It leads to http://airbyte.test:8001/api/v1, and" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["0.42.0", "0.50.24", "2.0.0"])
def test_who_insists_on_the_config_api_gets_it_from_every_release(version: str) -> None:
    for workspaces in [(W1,), ()]:
        t = anew(Installation(version, workspaces=workspaces).react, api="config")
        assert t.client.inventory().instance.api == "config"


def test_who_insists_on_the_config_api_does_not_get_its_short_reference() -> None:
    airbyte = Reference(())
    t = anew(airbyte.react, api="config")
    t.client.inventory()  # without a workspace there is nothing to tell them apart by
    airbyte.workspaces = (W1,)
    for call in (
        t.client.inventory,
        t.client.capabilities,
        anew(airbyte.react, api="config").client.instance,
    ):
        with pytest.raises(ApiMalformed) as caught:
            call()
        assert str(caught.value) == (
            "web_backend/connections/list: airbyte.test:8001 speaks only the short reference form of "
            "Airbyte's Config API, and airbyte.api is config: set it to auto, or airbyte.url to Airbyte's "
            "own address"
        )
        assert caught.value.reason == "not_airbyte"


# Whom it lets read what


def test_a_reader_reads_jobs_by_workspace_and_what_it_may_not_read_is_left_out() -> None:
    airbyte = Installation(workspaces=(W1, W2, W3), readable=(W1, W3), admin=False)
    t = anew(airbyte.react)
    it = t.client.capabilities()
    assert (it.polling, ids(it.workspaces), ids(it.unreadable)) == (WORKSPACES, [W1, W3], [W2])
    assert [loss.method for loss in it.losses] == ["jobs/list", "web_backend/connections/list"]
    assert W2 in it.losses[1].means
    assert ids(t.client.workspaces()) == [W1, W3]
    assert ids(t.client.inventory().workspaces) == [W1, W3]
    list(t.client.jobs(updated_since=NOW))
    assert t.airbyte.bodies("jobs/list_for_workspaces")[0]["workspaceIds"] == [W1, W3]


def test_names_of_workspaces_never_break_a_line() -> None:
    airbyte = Installation(admin=False)
    answers: dict[str, Reaction] = {
        "workspaces/list_by_organization_id": Say(
            body={
                "workspaces": [{"workspaceId": W1}, {"workspaceId": W2, "name": "Sales\n\u202e" + "x" * 500}]
            }
        )
    }
    t = anew(replacing(airbyte, answers))
    t.client.inventory()
    airbyte.readable = (W1,)
    with pytest.raises(ApiForbidden):
        t.client.inventory()
    with pytest.raises(ApiForbidden, match=r"workspace Sales x+ ") as caught:
        t.client.inventory()
    means = anew(replacing(airbyte, answers)).client.capabilities().losses[-1].means
    for text in (str(caught.value), means):
        assert text.isprintable()
        assert len(text) < 400


def test_who_may_read_nothing_is_told_so() -> None:
    t = anew(Installation(readable=(), admin=False).react)
    with pytest.raises(ApiForbidden, match="lets us read none of its 2 workspaces") as caught:
        t.client.capabilities()
    assert caught.value.status == 403


def test_configured_workspaces_are_read_one_by_one_even_by_an_administrator() -> None:
    t = anew(Installation(workspaces=(W1, W2, W3)).react, workspace_ids=(W3, W1))
    it = t.client.capabilities()
    assert (it.polling, ids(it.workspaces), it.losses) == (WORKSPACES, [W3, W1], ())
    list(t.client.jobs(updated_since=NOW))
    assert t.airbyte.bodies("jobs/list_for_workspaces")[0]["workspaceIds"] == [W3, W1]
    assert t.airbyte.bodies("jobs/list") == []


def test_a_configured_workspace_that_may_not_be_read_is_an_error() -> None:
    t = anew(Installation(readable=(W1,), admin=False).react, workspace_ids=(W1, W2))
    with pytest.raises(ApiForbidden):
        t.client.capabilities()


def test_something_in_front_that_keeps_us_out_is_no_matter_of_roles() -> None:
    page = Say(403, b"<html>", HTML)
    t = anew(replacing(Installation(), {"web_backend/connections/list": page, "jobs/list": page}))
    with pytest.raises(ApiForbidden, match="something in front of Airbyte keeps us out"):
        t.client.capabilities()


# What one answer alone does not decide

NOT_THERE = [Say(404), Say(405), Say(501), *PAGES.values()]


def saying_once(airbyte: Installation, method: str, *answers: Reaction) -> Handler:
    """`airbyte`, whose `method` first gives some other answers."""
    left = [*answers]
    return lambda asked, body: left.pop(0) if asked == method and left else airbyte.react(asked, body)


@pytest.mark.parametrize("answer", [*NOT_THERE, NO_SUCH_THING, Say(301), Say(413), Say(200, b"<p>", HTML)])
def test_jobs_that_cannot_be_listed_for_once_can_be_listed_the_next_time(answer: Reaction) -> None:
    t = anew(saying_once(Installation(), "jobs/list", answer))
    with pytest.raises(ApiError, match=r"^jobs/list: "):
        t.client.capabilities()
    assert not any("/public/" in sent.path for sent in t.airbyte.sent), "no reason to see less"
    it = t.client.capabilities()
    assert (it.api, it.polling, it.losses) == ("config", CHANGES, ())


@pytest.mark.parametrize("status", [400, 422])
def test_who_refuses_to_list_all_jobs_is_asked_by_connection(status: int) -> None:
    it = found(replacing(Installation(), {"jobs/list": Say(status)}))
    assert (it.polling, [loss.method for loss in it.losses]) == (CONNECTIONS, ["jobs/list"])


def test_a_400_of_something_in_front_refuses_nothing() -> None:
    answer = Say(400, b"The plain HTTP request was sent to HTTPS port")
    with pytest.raises(ApiError, match="wants TLS"):
        found(replacing(Installation(), {"jobs/list": answer}))


@pytest.mark.parametrize("answer", NOT_THERE)
@pytest.mark.parametrize("version", ["0.62.4", "2.0.0"])
def test_the_light_listing_is_there_wherever_a_version_is_told(version: str, answer: Reaction) -> None:
    airbyte = Installation(version, admin=False)
    t = anew(saying_once(airbyte, "web_backend/connections/list", answer))
    with pytest.raises(ApiError, match=r"^web_backend/connections/list: "):
        t.client.capabilities()
    assert not any("/public/" in sent.path for sent in t.airbyte.sent)
    it = t.client.capabilities()
    assert (it.endpoints.light_listing, ids(it.workspaces)) == (True, [W1, W2])


def test_an_administrator_who_is_refused_once_is_still_one() -> None:
    it = found(saying_once(Installation(), "jobs/list", FORBIDDEN))
    assert (it.polling, it.losses) == (CHANGES, ())


def test_a_workspace_that_is_refused_once_is_readable() -> None:
    airbyte = Installation(admin=False)
    it = found(saying_once(airbyte, "web_backend/connections/list", FORBIDDEN))
    assert (ids(it.workspaces), it.unreadable) == ([W1, W2], ())
    read_before = talk(
        saying_once(airbyte, "web_backend/connections/list", FORBIDDEN),
        capabilities=None,
        read_before=[W1, W2],
    )
    assert len(read_before.client.inventory().connections) == 2


@pytest.mark.parametrize("method", ["jobs/list", "web_backend/connections/list"])
def test_a_refusal_and_then_trouble_is_trouble(method: str) -> None:
    t = anew(saying_once(Installation(admin=method == "jobs/list"), method, FORBIDDEN, Say(404)))
    with pytest.raises(ApiNotFound):
        t.client.capabilities()


def test_a_new_workspace_that_is_refused_once_is_not_left_out() -> None:
    airbyte = Installation(workspaces=(W1,), admin=False)
    t = anew(airbyte.react)
    t.client.inventory()
    airbyte.workspaces = (W2, W1)
    t.airbyte.react = saying_once(airbyte, "web_backend/connections/list", FORBIDDEN)
    assert ids(t.client.inventory().workspaces) == [W2, W1]
