"""Who may ask the simulated Airbyte what: passwords, tokens that expire, and a reader of some workspaces."""

import base64
import json

import pytest
import requests

from airbyte_exporter.simulator import AUTH_MODES, SimulatorServer, World
from tests.contract.simulator.serving import JOBS, NOW, TOKEN_PATHS, Clock, Serve, bearer, get, post, token_of

# Authentication


def test_basic_authentication_guards_everything_as_a_proxy_does(serve: Serve) -> None:
    server = serve(auth="basic", username="airbyte", password="pässword")
    for path in ("/api/v1/health", "/api/public/v1/health", "/"):
        refused = get(server, path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
        assert refused.headers["content-type"] == "text/html"
        wanted = base64.b64encode("airbyte:pässword".encode()).decode()
        assert get(server, path, headers={"authorization": f"Basic {wanted}"}).status_code == 200
        assert get(server, path, auth=("airbyte", "wrong")).status_code == 401
        assert get(server, path, headers={"authorization": "Basic !"}).status_code == 401


def test_a_static_token_opens_both_apis(serve: Serve) -> None:
    server = serve(auth="bearer", token="ready-made")
    assert post(server, "jobs/list", JOBS).status_code == 401
    assert post(server, "jobs/list", JOBS, headers=bearer("wrong")).status_code == 401
    assert post(server, "jobs/list", JOBS, headers=bearer("ready-made")).status_code == 200
    assert get(server, "/api/public/v1/jobs", headers=bearer("ready-made")).status_code == 200


@pytest.mark.parametrize("auth", ["bearer", "client-credentials"])
def test_health_and_instance_configuration_ask_for_nothing(serve: Serve, auth: str) -> None:
    server = serve(auth=auth)
    assert get(server, "/api/v1/health").json() == {"available": True}
    assert get(server, "/api/v1/instance_configuration").json()["auth"] == {"mode": "simple"}
    assert get(server, "/api/public/v1/health").status_code == 200
    assert get(server, "/api/public/v1/workspaces").status_code == 401


@pytest.mark.parametrize("path", TOKEN_PATHS)
def test_a_token_for_client_credentials_is_a_jwt_that_expires(serve: Serve, clock: Clock, path: str) -> None:
    server = serve(auth="client-credentials")
    pair = {"client_id": server.credentials.client_id, "client_secret": server.credentials.client_secret}
    answer = requests.post(server.url + path, json=pair, timeout=10).json()
    claims = answer["access_token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"] == NOW + 900
    public = path == TOKEN_PATHS[1]
    assert answer.keys() == ({"access_token", "token_type", "expires_in"} if public else {"access_token"})
    assert not public or (answer["token_type"], answer["expires_in"]) == ("Bearer", 900)
    header = bearer(answer["access_token"])
    clock.now += 899
    assert post(server, "jobs/list", JOBS, headers=header).status_code == 200
    clock.now += 1
    assert post(server, "jobs/list", JOBS, headers=header).status_code == 401


@pytest.mark.parametrize("path", TOKEN_PATHS)
def test_token_requests_must_be_json_and_right(serve: Serve, path: str) -> None:
    server = serve(auth="client-credentials", client_id="id", client_secret="secret")
    right = {"client_id": "id", "client_secret": "secret"}
    form = requests.post(server.url + path, data={"grant_type": "client_credentials", **right}, timeout=10)
    assert form.status_code == 401
    wrong = requests.post(server.url + path, json={**right, "client_secret": "guess"}, timeout=10)
    assert (wrong.status_code, wrong.json()["message"]) == (400, "Invalid client id or token")
    assert requests.post(server.url + path, json={}, timeout=10).status_code == 400
    assert get(server, path).status_code == 405
    assert requests.post(server.url + path, json=right, timeout=10).status_code == 200


def test_a_forged_or_revoked_token_is_refused(serve: Serve, clock: Clock) -> None:
    server = serve(auth="client-credentials", client_id="id", client_secret="secret")
    token = post(server, "applications/token", {"client_id": "id", "client_secret": "secret"}).json()[
        "access_token"
    ]
    head, claims, signature = token.split(".")
    for forged in (f"{head}.{claims}x.{signature}", f"{head}.{claims}.AAAA", "abc", ""):
        assert post(server, "jobs/list", JOBS, headers=bearer(forged)).status_code == 401
    clock.now += 5
    server.gate.revoke_tokens(clock.now)
    assert post(server, "jobs/list", JOBS, headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("generation", ["1.6", "2.0"])
def test_a_second_application_is_a_reader_of_two_of_three_workspaces(serve: Serve, generation: str) -> None:
    server = serve(generation=generation, auth="client-credentials")
    known = server.credentials
    reader = token_of(server, known.reader_client_id, known.reader_client_secret)
    claims = json.loads(base64.urlsafe_b64decode(reader.split(".")[1] + "=="))
    assert claims["roles"] == ["READER"]
    assert server.reader_workspaces == set(list(server.world.company.workspaces)[:2])
    admin = token_of(server, known.client_id, known.client_secret)
    statuses = [
        post(server, "jobs/list", JOBS, headers=bearer(token)).status_code for token in (admin, reader)
    ]
    assert statuses == [200, 403]
    listed = [get(server, "/api/public/v1/workspaces", headers=bearer(token)) for token in (admin, reader)]
    assert [len(answer.json()["data"]) for answer in listed] == [3, 2]
    for path in ("/api/v1/instance_configuration", "/api/v1/health"):
        assert get(server, path, headers=bearer(reader)).status_code == 200
    mixed = {"client_id": known.reader_client_id, "client_secret": known.client_secret}
    assert post(server, "applications/token", mixed).status_code == 400


def test_the_reader_has_as_many_workspaces_as_told(serve: Serve) -> None:
    server = serve(auth="client-credentials", reader_workspaces=1)
    known = server.credentials
    reader = token_of(server, known.reader_client_id, known.reader_client_secret)
    listed = get(server, "/api/public/v1/workspaces", headers=bearer(reader)).json()["data"]
    assert {one["workspaceId"] for one in listed} == server.reader_workspaces
    assert len(listed) == 1


def test_a_reader_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^auth bearer knows no reader, only client-credentials$"):
        SimulatorServer(World(now=NOW, connections=1), auth="bearer", reader_workspaces=1)


@pytest.mark.parametrize("lifetime", [0.5, float("inf"), float("nan")])
def test_a_lifetime_that_is_none_is_refused(lifetime: float) -> None:
    with pytest.raises(ValueError, match=r"^a token cannot be good for"):
        SimulatorServer(World(now=NOW, connections=1), token_lifetime=lifetime)


def test_a_token_is_good_as_long_as_told_and_then_a_new_one_works(serve: Serve, clock: Clock) -> None:
    server = serve(auth="client-credentials", token_lifetime=30)
    known = server.credentials
    for pair in (
        (known.client_id, known.client_secret),
        (known.reader_client_id, known.reader_client_secret),
    ):
        token = token_of(server, *pair)
        clock.now += 29
        assert post(server, "deployment/metadata", {}, headers=bearer(token)).status_code == 200
        clock.now += 1
        assert post(server, "deployment/metadata", {}, headers=bearer(token)).status_code == 401
        new = token_of(server, *pair)
        assert post(server, "deployment/metadata", {}, headers=bearer(new)).status_code == 200


def test_credentials_that_are_not_given_follow_from_the_seed() -> None:
    one, same, other = (SimulatorServer(World(seed=s, now=NOW, connections=1)) for s in (1, 1, 2))
    assert one.credentials == same.credentials != other.credentials
    assert "basic" in AUTH_MODES
