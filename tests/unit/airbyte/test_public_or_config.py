"""Which of the two APIs is read where both may be there."""

from typing import Any

import pytest

from airbyte_exporter.airbyte import (
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiUnauthorized,
    ApiUnreachable,
)
from tests.unit.airbyte.fakes import NOW, Json, Reaction, Say, connection_row, talk
from tests.unit.airbyte.public import (
    C1,
    W1,
    W2,
)
from tests.unit.airbyte.test_public import full, paths

# The Config API first


def config_airbyte(**answers: Say) -> Any:  # noqa: ANN401
    """An Airbyte's Config API, where `answers` (by the last part of the method) take precedence."""

    def elsewhere(method: str, body: dict[str, Any]) -> Reaction:
        bodies: dict[str, Json] = {
            "instance_configuration": {"version": "2.0.0", "edition": "community"},
            "deployment/metadata": {"id": "dep-1"},
            "workspaces/list_by_organization_id": {"workspaces": [{"workspaceId": W1, "name": "One"}]},
            "jobs/list": {"jobs": []},
            "web_backend/connections/list": {
                "connections": [connection_row(C1)],
                "page_size": 20,
                "num_connections": 1,
            },
        }
        known = answers.get(method.replace("/", "_")) or answers.get("everything")
        return known or (Say(body=bodies[method]) if method in bodies else Say(404))

    return elsewhere


HTML = Say(200, b"<html>", headers={"Content-Type": "text/html"})
SORRY = Say(403, {"message": "no"})


def test_the_config_api_is_preferred_also_where_the_address_names_the_public_one() -> None:
    t = talk(
        full(elsewhere=config_airbyte()).react, capabilities=None, url="http://airbyte.test/api/public/v1"
    )
    assert t.client.capabilities().api == "config"
    assert not any("/public/" in path for path in paths(t))


@pytest.mark.parametrize(
    ("answers", "version", "says"),
    [
        ({"everything": Say(404)}, None, "it is not there"),
        ({"everything": HTML}, None, "something else answers in its place"),
        ({"everything": SORRY}, None, "it is forbidden to us"),
        ({"everything": Say(405)}, None, "it is not there"),
        ({"workspaces_list_by_organization_id": SORRY}, "2.0.0", "it is forbidden to us"),
        ({"jobs_list": SORRY, "web_backend_connections_list": SORRY}, "2.0.0", "it is forbidden to us"),
    ],
    ids=["not there", "a web page", "all forbidden", "not allowed", "no workspaces", "no connections"],
)
def test_the_public_api_is_used_where_the_config_api_is_closed_to_us(
    answers: dict[str, Say], version: str | None, says: str
) -> None:
    t = talk(full(elsewhere=config_airbyte(**answers)).react, capabilities=None)
    found = t.client.capabilities()
    assert (found.api, found.version, found.deployment_id) == ("public", version, None)
    _, why = found.losses
    assert why.means == f"the Config API, which tells more, cannot be used here: {says}"
    assert not why.method.startswith("public/")
    assert len(t.client.inventory().connections) == 2
    assert [job.id for page in t.client.jobs(updated_since=NOW - 999) for job in page.jobs] == [1, 2, 3]


def test_where_even_the_token_comes_from_the_public_api_alone() -> None:
    airbyte = full(elsewhere=config_airbyte(everything=HTML))
    t = talk(airbyte.react, capabilities=None, client_id="id", client_secret="x")
    assert t.client.capabilities().api == "public"


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"everything": Say(401)}, ApiUnauthorized),
        ({"everything": Say(503)}, ApiUnreachable),
        ({"workspaces_list_by_organization_id": Say(body={"workspaces": 5})}, ApiMalformed),
    ],
)
def test_trouble_with_the_config_api_is_trouble_and_no_reason_to_see_less(
    answers: dict[str, Say], error: type[ApiError]
) -> None:
    t = talk(full(elsewhere=config_airbyte(**answers)).react, capabilities=None)
    with pytest.raises(error):
        t.client.capabilities()
    assert not any("/public/" in path for path in paths(t))


def test_who_insists_on_the_config_api_gets_no_other() -> None:
    t = talk(full(elsewhere=config_airbyte(everything=Say(404))).react, capabilities=None, api="config")
    with pytest.raises(ApiNotFound):
        t.client.capabilities()
    assert not any("/public/" in path for path in paths(t))


def test_where_both_are_closed_the_config_apis_error_is_told() -> None:
    def react(path: str, _body: dict[str, Any]) -> Reaction:
        return Say(404) if path.startswith("public/") else SORRY

    with pytest.raises(ApiForbidden, match="instance_configuration"):
        talk(react, capabilities=None).client.capabilities()


def test_where_the_public_one_is_there_and_in_trouble_that_is_told() -> None:
    def react(path: str, _body: dict[str, Any]) -> Reaction:
        return Say(503) if path.startswith("public/") else Say(404)

    with pytest.raises(ApiUnreachable, match=r"public/workspaces: .* in trouble"):
        talk(react, capabilities=None).client.capabilities()


def test_a_config_api_that_worked_is_never_exchanged_for_less() -> None:
    airbyte = full(elsewhere=config_airbyte())
    t = talk(airbyte.react, capabilities=None)
    assert t.client.inventory().instance.api == "config"
    airbyte.elsewhere = config_airbyte(everything=SORRY)
    with pytest.raises(ApiForbidden):
        t.client.inventory()
    assert not any("/public/" in path for path in paths(t))


@pytest.mark.parametrize(
    ("still", "says"), [(SORRY, "it is forbidden to us"), (Say(503), "it is in trouble")]
)
def test_the_config_api_is_tried_again_once_an_hour(still: Say, says: str) -> None:
    airbyte = full(elsewhere=config_airbyte(workspaces_list_by_organization_id=SORRY))
    t = talk(airbyte.react, capabilities=None)
    assert t.client.inventory().instance.api == "public"
    airbyte.elsewhere = config_airbyte(workspaces_list_by_organization_id=still)
    t.time.now += 3600
    assert t.client.inventory().instance.api == "public"
    assert t.client.capabilities().losses[-1].means.endswith(says)
    airbyte.elsewhere = config_airbyte(workspaces_get=Say(404, {"exceptionClassName": "x"}))
    assert t.client.inventory().instance.api == "public"
    t.time.now += 3600
    del airbyte.workspaces[W2]
    assert t.client.inventory().instance.api == "config"
