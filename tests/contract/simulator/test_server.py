"""The simulated Airbyte over a socket: what clients of real servers rely on, and faults that tests order."""

import json
import re
import threading
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from typing import Any

import pytest
import requests

from airbyte_exporter.cli import daemon
from airbyte_exporter.simulator import AUTH_MODES, GENERATIONS, Fault, SimulatorServer, World
from tests.contract.simulator.serving import JOBS, NOW, Clock, Serve, bearer, get, post, token_of
from tests.requirements import ROOT
from tests.unit.simulator.openapi import config_api

MANUAL = ROOT / "docs" / "simulator.md"


@pytest.mark.parametrize("generation", ["1.6", "2.0"])
def test_each_generation_tells_its_version_and_lists_workspaces_its_own_way(
    serve: Serve, generation: str
) -> None:
    server = serve(generation=generation)
    assert get(server, "/api/v1/instance_configuration").json()["version"] == GENERATIONS[generation].version
    assert post(server, "workspaces/list", {}).status_code == (200 if generation == "1.6" else 404)


@pytest.mark.parametrize("auth", ["none", "basic"])
def test_an_old_docker_installation_has_the_configuration_api_alone(serve: Serve, auth: str) -> None:
    server = serve(generation="0.50", auth=auth, username="airbyte", password="secret")
    login = ("airbyte", "secret") if auth == "basic" else None
    assert get(server, "/api/v1/instance_configuration").status_code == (401 if login else 200)
    told = get(server, "/api/v1/instance_configuration", auth=login).json()
    assert (told["webappUrl"], told["edition"]) == (server.url, "community")
    assert "version" not in told
    assert len(post(server, "workspaces/list", auth=login).json()["workspaces"]) == 3
    first = server.world.connections()[0].id
    row = post(server, "jobs/list", {**JOBS, "configId": first}, auth=login).json()["jobs"][0]
    assert row.keys() == {"job", "attempts"}
    for path in ("/api/public/v1/jobs", "/api/public/v1/health"):
        assert get(server, path, auth=login).status_code == 404
    for path in ("applications/token", "deployment/metadata"):
        assert post(server, path, {}, auth=login).status_code == 404


@pytest.mark.parametrize("auth", ["none", "basic"])
def test_the_short_reference_is_all_that_its_generation_speaks(serve: Serve, auth: str) -> None:
    server = serve(generation="reference", auth=auth, username="airbyte", password="secret")
    login = ("airbyte", "secret") if auth == "basic" else None
    assert post(server, "workspaces/list/", {}).status_code == (401 if login else 200)
    assert len(post(server, "workspaces/list/", {}, auth=login).json()["workspaces"]) == 3
    assert get(server, "/api/v1/health", auth=login).json() == {"available": True}
    for path in ("/api/v1/instance_configuration", "/api/public/v1/jobs", "/api/public/v1/health"):
        assert get(server, path, auth=login).status_code == 404
    assert post(server, "applications/token", {}, auth=login).status_code == 404


@pytest.mark.parametrize(
    "option", [{"auth": "bearer"}, {"auth": "client-credentials"}, {"limit_counts": "attempts"}]
)
@pytest.mark.parametrize("generation", ["reference", "0.50"])
def test_what_an_old_generation_does_not_know_is_refused(generation: str, option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^generation {generation} [^\n]+$"):
        SimulatorServer(World(now=NOW, connections=1), generation=generation, **option)
    assert list(GENERATIONS) == ["reference", "0.50", "1.6", "2.0"]


@pytest.mark.parametrize("path", ["jobs/list", "jobs/list/", "workspaces/list_by_user_id/"])
def test_trailing_slashes_are_accepted(serve: Serve, path: str) -> None:
    server = serve()
    body = {**JOBS, "userId": server.world.company.user_id}
    assert post(server, path, body).status_code == 200


def test_the_date_is_the_clocks_and_the_world_follows_it(serve: Serve, clock: Clock) -> None:
    server = serve()
    before = post(server, "jobs/list", JOBS)
    assert parsedate_to_datetime(before.headers["date"]).timestamp() == NOW
    clock.now += 60
    after = post(server, "jobs/list", JOBS)
    assert parsedate_to_datetime(after.headers["date"]).timestamp() == NOW + 60
    assert after.json()["totalJobCount"] > before.json()["totalJobCount"]


def test_json_is_utf_8_and_said_to_be_json(serve: Serve) -> None:
    server = serve()
    response = get(server, "/api/public/v1/connections")
    assert response.headers["content-type"] == "application/json"
    assert "مزامنة المبيعات" in response.content.decode()
    assert "顧客データ" in json.loads(response.content)["data"][3]["name"]


def test_unknown_api_paths_are_not_found_in_json_and_others_are_the_web_application(serve: Serve) -> None:
    server = serve()
    for path in ("/api/v1/nothing", "/api/v2/health", "/api/public/v1/nothing"):
        response = get(server, path)
        assert response.status_code == 404
        assert response.json()
    page = get(server, "/workspaces")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html")


def test_a_body_that_is_not_json_is_refused(serve: Serve) -> None:
    server = serve()
    form = requests.post(f"{server.url}/api/v1/jobs/list", data={"configTypes": "sync"}, timeout=10)
    assert form.status_code == 415
    broken = requests.post(
        f"{server.url}/api/v1/jobs/list", data="{", headers={"content-type": "application/json"}, timeout=10
    )
    assert broken.status_code == 422


@pytest.mark.parametrize("option", [{"generation": "0.1"}, {"auth": "magic"}, {"limit_counts": "rows"}])
def test_options_that_there_are_not_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        SimulatorServer(World(now=NOW, connections=1), **option)


# Faults and records


def test_a_fault_happens_as_often_as_ordered_and_where_ordered(serve: Serve) -> None:
    server = serve()
    server.faults.append(Fault("*/jobs/list", status=503, times=2, retry_after="7"))
    assert get(server, "/api/v1/health").status_code == 200
    answers = [post(server, "jobs/list", JOBS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["7", "7", None]


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", b"\xff\xfe{"])
def test_a_fault_can_answer_anything(serve: Serve, body: str | bytes) -> None:
    server = serve()
    server.faults.append(Fault(status=200, body=body, content_type="text/html"))
    answer = post(server, "jobs/list", JOBS)
    assert answer.content == (body.encode() if isinstance(body, str) else body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")


def test_a_fault_can_delay_an_answer(serve: Serve) -> None:
    server = serve()
    server.faults.append(Fault(delay=0.3))
    began = time.monotonic()
    assert post(server, "jobs/list", JOBS).status_code == 200
    assert time.monotonic() - began >= 0.3


def test_a_fault_can_drop_the_connection_before_or_within_the_answer(serve: Serve) -> None:
    server = serve()
    server.faults += [Fault(drop=True), Fault(drop=True, body='{"jobs": [')]
    with pytest.raises(requests.ConnectionError, match=r"without response|reset"):
        post(server, "jobs/list", JOBS)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        post(server, "jobs/list", JOBS)
    assert post(server, "jobs/list", JOBS).status_code == 200
    assert [request.status for request in server.requests] == [0, 0, 200]


@pytest.mark.parametrize("generation", ["0.50", "1.6", "2.0"])
def test_a_job_is_told_from_the_queue_to_its_failures(serve: Serve, clock: Clock, generation: str) -> None:
    server = serve(generation=generation)
    manual = next(one.id for one in server.world.connections() if one.schedule_type == "manual")
    server.world.run_now(manual, "failed", queued=10, duration=50, attempts=2, now=NOW)
    statuses, emitted = [], []
    for moment in (5, 15, 25, 34, 59, 60):
        clock.now = NOW + moment
        answer = post(server, "jobs/list", {**JOBS, "configId": manual}).json()
        assert config_api(generation).problems("POST", "jobs/list", 200, answer) == []
        (row,) = answer["jobs"]
        statuses.append((row["job"]["status"], len(row["attempts"])))
        emitted.append(sum(attempt["totalStats"]["recordsEmitted"] for attempt in row["attempts"]))
    assert statuses == [
        ("pending", 0), ("running", 1), ("running", 1), ("incomplete", 1), ("running", 2), ("failed", 2),
    ]  # fmt: skip
    assert emitted == sorted({0, *emitted}), "they grow from nothing"


def test_requests_are_kept_and_counted(serve: Serve) -> None:
    server = serve()
    listed = post(server, "jobs/list/", JOBS)
    public = get(server, "/api/public/v1/jobs?limit=3")
    assert server.counts == {"POST /api/v1/jobs/list": 1, "GET /api/public/v1/jobs": 1}
    assert server.sent == {
        "POST /api/v1/jobs/list": len(listed.content),
        "GET /api/public/v1/jobs": len(public.content),
    }
    first, second = server.requests
    assert (first.method, first.path, first.json(), first.status) == ("POST", "/api/v1/jobs/list", JOBS, 200)
    assert (second.query, second.json(), second.at) == ("limit=3", None, NOW)


# The command and the manual


def test_the_command_offers_what_the_server_speaks() -> None:
    assert (tuple(GENERATIONS), AUTH_MODES) == (daemon.GENERATIONS, daemon.AUTHENTICATIONS)


def test_what_the_manual_says_about_python_tests_works() -> None:
    examples = re.findall(r"^```python\n(.*?)^```", MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        exec(compile(example, str(MANUAL), "exec"), {})  # noqa: S102 - our own text


def test_the_cast_is_the_one_of_the_manual() -> None:
    rows = re.findall(r"^\| `(.+)` \| .* \| (\w+)", MANUAL.read_text(), re.MULTILINE)
    cast = World(now=NOW).connections()
    assert {(one.name, one.character) for one in cast} <= set(rows)


# Life


def test_a_server_stops_quickly_and_gives_its_port_back(serve: Serve) -> None:
    server = serve()
    url = server.url
    with requests.Session() as idle:
        idle.get(url, timeout=5)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 3
    again = serve(listen_address=url.removeprefix("http://"))
    assert again.url == url
    assert get(again, "/api/v1/health").status_code == 200


@pytest.mark.parametrize(("before", "after"), [("reference", "0.50"), ("0.50", "1.6"), ("1.6", "2.0")])
def test_a_server_comes_back_as_another_generation_of_the_same_world(
    clock: Clock, before: str, after: str
) -> None:
    world = World(now=NOW, history_jobs=3)
    first = SimulatorServer(world, generation=before, clock=clock)
    first.start()
    address, connection_id = first.url.removeprefix("http://"), world.connections()[0].id
    body = {"configTypes": ["sync"], "configId": connection_id}
    with requests.Session() as client, closing(HTTPConnection(address, timeout=10)) as idle:
        rows = client.post(f"{first.url}/api/v1/jobs/list", json=body, timeout=10).json()["jobs"]
        idle.request("GET", "/api/v1/health")
        assert idle.getresponse().read() == b'{"available":true}'
        first.stop()
        with SimulatorServer(world, listen_address=address, generation=after, clock=clock) as second:
            assert second.url == f"http://{address}"
            again = client.post(f"{second.url}/api/v1/jobs/list", json=body, timeout=10).json()["jobs"]
            assert idle.sock.recv(1) == b"", "a connection that the first server kept open is closed"
            assert second.counts == {"POST /api/v1/jobs/list": 1}
    assert [row.get("job", row)["id"] for row in rows] == [row["job"]["id"] for row in again]


def test_a_token_outlives_an_upgrade(clock: Clock) -> None:
    world = World(now=NOW, history_jobs=3)
    with SimulatorServer(world, generation="1.6", auth="client-credentials", clock=clock) as first:
        address, known = first.url.removeprefix("http://"), first.credentials
        token = token_of(first, known.client_id, known.client_secret)
    second = SimulatorServer(world, listen_address=address, auth="client-credentials", clock=clock)
    with second:
        assert post(second, "jobs/list", JOBS, headers=bearer(token)).status_code == 200


def test_an_address_that_is_taken_is_an_error_at_the_start(serve: Serve) -> None:
    taken = serve()
    other = SimulatorServer(World(now=NOW, connections=1), listen_address=taken.url.removeprefix("http://"))
    with pytest.raises(OSError, match="in use"):
        other.start()
    other.stop()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = other.url


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:http", "127.0.0.1:99999", "127.0.0.1:-1"])
def test_an_address_that_is_none_is_an_error_at_the_start(address: str) -> None:
    server = SimulatorServer(World(now=NOW, connections=1), listen_address=address)
    with pytest.raises(ValueError, match="is not host:port with a port up to 65535"):
        server.start()


def test_steering_and_asking_at_the_same_time_do_no_harm(serve: Serve, clock: Clock) -> None:
    server = serve()
    server.world.freeze()
    connection_ids = [
        connection.id for connection in server.world.connections() if connection.character == "steady"
    ]
    made: list[int] = []

    def steer(connection_id: str) -> None:
        for _ in range(40):
            clock.now += 0.01
            made.append(server.world.run_now(connection_id, records=1, now=clock.now))

    threads = [threading.Thread(target=steer, args=(one,)) for one in connection_ids[:3]]
    for thread in threads:
        thread.start()
    totals = []
    while any(thread.is_alive() for thread in threads):
        totals.append(post(server, "jobs/list", JOBS).json()["totalJobCount"])
    for thread in threads:
        thread.join()
    assert totals == sorted(totals)
    assert len(set(made)) == 120
    assert {job.id for job in server.world.jobs()} >= set(made)
