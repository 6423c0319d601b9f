"""The client on real sockets: connections kept, proxies, the environment, and requests that hang."""

import gzip
import json
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from airbyte_exporter.airbyte import (
    ApiMalformed,
    ApiRejected,
    ApiUnreachable,
)
from tests.contract.airbyte.house import BODY, WORKSPACE, House, answer, assert_close_interrupts


def test_one_connection_serves_many_calls(house: House) -> None:
    server = house.server()
    client = house.client(server)
    for _ in range(5):
        client.connections(WORKSPACE)
    assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize("number", [2, 24])
def test_as_many_connections_are_kept_as_requests_are_under_way(house: House, number: int) -> None:
    together = threading.Barrier(number, timeout=10)

    def react(handler: BaseHTTPRequestHandler) -> None:
        together.wait()
        answer(handler)

    server = house.server(react)
    client = house.client(server, max_concurrency=number)
    with ThreadPoolExecutor(number) as pool:
        for _ in range(3):
            assert list(pool.map(client.connections, [WORKSPACE] * number)) == [()] * number
    assert (server.connections, len(server.requests)) == (number, 3 * number)


def test_compressed_and_chunked_answers(house: House) -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        body = gzip.compress(BODY)
        for part in (body[:10], body[10:]):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        handler.wfile.write(b"0\r\n\r\n")

    server = house.server(chunked)
    client = house.client(server)
    assert client.connections(WORKSPACE) == ()
    assert client.connections(WORKSPACE) == ()
    assert server.connections == 1


def test_close_ends_a_request_that_waits_for_its_answer(house: House) -> None:
    assert_close_interrupts(house)


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "body": (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "header": (HEAD + b"X-Long: ", b"x"),
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "chunk size": (CHUNKED, b"0"),
    "body of a redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://x.test/\r\n\r\n", b" "),
    "body of an error": (b"HTTP/1.1 401 Unauthorized\r\n\r\n", b" "),
}


@pytest.mark.parametrize("part", sorted(ENDLESS))
def test_an_answer_that_drips_ends_at_the_deadline(house: House, part: str) -> None:
    """Each byte comes in good time, the whole never does."""
    begin, again = ENDLESS[part]
    done = threading.Event()
    house.opened.append(done.set)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin)
        while not done.wait(0.02):
            handler.wfile.write(again)

    client = house.client(house.server(drip), timeout=0.2)
    started = time.monotonic()
    with pytest.raises(ApiUnreachable) as caught:
        client.connections(WORKSPACE)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - started < 5


def test_an_endless_redirect_is_a_redirect_and_is_not_read(house: House) -> None:
    hung_up = threading.Event()

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: http://x.test/\r\n\r\n")
        try:
            for _ in range(300):
                handler.wfile.write(b" " * 1_000_000)
        except OSError:
            hung_up.set()

    with pytest.raises(ApiRejected, match=r"redirects to http://x\.test"):
        house.client(house.server(endless)).connections(WORKSPACE)
    assert hung_up.wait(10)


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate"])
def test_an_answer_that_swells_when_unpacked_is_not_unpacked(
    house: House, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airbyte_exporter.airbyte._transport.LARGEST_ANSWER", 4 << 20)
    packed = b" " * (64 << 20)
    for step in encoding.split(", "):
        packed = zlib.compress(packed, 9) if step == "deflate" else gzip.compress(packed, 9)
    server = house.server(lambda handler: answer(handler, packed, Content_Encoding=encoding))
    client = house.client(server)
    tracemalloc.start()
    try:
        with pytest.raises(ApiMalformed, match="larger than 4 MB"):
            client.connections(WORKSPACE)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_connection_made_while_closing_does_not_outlive_it(house: House) -> None:
    accepted, done = threading.Event(), threading.Event()
    house.opened.append(done.set)

    def hang(_: BaseHTTPRequestHandler) -> None:
        accepted.set()
        done.wait(20)

    client = house.client(house.server(hang), timeout=30)
    connections = client._transport._connections
    connections.interrupt()  # as `close` does, just before another thread has connected
    started = time.monotonic()
    with pytest.raises(ApiUnreachable):
        client.connections(WORKSPACE)
    assert time.monotonic() - started < 10


def test_an_answer_cut_off_is_no_answer_and_is_asked_for_again(house: House) -> None:
    def short(handler: BaseHTTPRequestHandler) -> None:
        if len(server.requests) > 1:
            answer(handler)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY) + 10))
        handler.end_headers()
        handler.wfile.write(BODY)
        handler.close_connection = True

    server = house.server(short)
    assert house.client(server).connections(WORKSPACE) == ()
    assert len(server.requests) == 2


def test_cookies_are_not_kept(house: House) -> None:
    server = house.server(lambda handler: answer(handler, Set_Cookie="session=1; Path=/"))
    client = house.client(server)
    client.connections(WORKSPACE)
    client.connections(WORKSPACE)
    assert not any("Cookie" in headers for _, headers in server.requests)


def test_the_environment_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = house.server()
    house.client(server, token="abc").connections(WORKSPACE)
    assert server.requests[0][1]["Authorization"] == "Bearer abc"


def test_a_proxy_of_ours_is_used_with_its_credentials(house: House) -> None:
    proxy = house.server()
    client = house.client(
        None, url="http://airbyte.invalid:8001", proxy=f"http://u:p@127.0.0.1:{proxy.server_port}"
    )
    client.connections(WORKSPACE)
    path, headers = proxy.requests[0]
    assert path == "http://airbyte.invalid:8001/api/v1/web_backend/connections/list"
    assert headers["Proxy-Authorization"] == "Basic dTpw"


def test_a_proxy_that_is_down_is_named_as_such(house: House) -> None:
    client = house.client(None, url="https://airbyte.invalid", proxy="http://u:s3cr3t@127.0.0.1:1")
    with pytest.raises(
        ApiUnreachable, match=r"the proxy \(airbyte.proxy\) does not take us to airbyte.invalid"
    ) as caught:
        client.connections(WORKSPACE)
    assert "s3cr3t" not in str(caught.value)


def test_nothing_listens(house: House) -> None:
    with pytest.raises(
        ApiUnreachable, match=r"cannot connect to 127\.0\.0\.1:1 \(connection refused\)"
    ) as caught:
        house.client().connections(WORKSPACE)
    assert caught.value.reason == "connect"


def test_a_host_that_does_not_exist(house: House) -> None:
    with pytest.raises(
        ApiUnreachable, match=r"the host name of airbyte\.invalid cannot be resolved"
    ) as caught:
        house.client(None, url="http://airbyte.invalid").connections(WORKSPACE)
    assert caught.value.reason == "dns"


def test_the_short_reference_api_from_a_server_of_a_few_lines(house: House) -> None:
    """Python's own server answers what nobody wrote with a page of its own: 501 to GET, and 404."""
    job = {"id": 7, "configType": "sync", "status": "succeeded", "createdAt": 10, "updatedAt": 20}
    told: dict[str, Any] = {
        "workspaces/list": {"workspaces": [{"workspaceId": "w", "name": "W", "slug": "w"}]},
        "connections/list": {
            "connections": [
                {"connectionId": "c", "name": "C", "sourceId": "s", "destinationId": "d", "status": "active"}
            ]
        },
        "sources/list": {"sources": [{"sourceId": "s", "name": "S", "sourceName": "Postgres"}]},
        "destinations/list": {"destinations": [{"destinationId": "d", "name": "D"}]},
        "jobs/list": {"jobs": [job]},
        "jobs/get": {"job": job},
    }

    def react(handler: BaseHTTPRequestHandler) -> None:
        method = handler.path.removeprefix("/api/v1/")
        if method in told:
            answer(handler, json.dumps(told[method]).encode())
        else:
            handler.send_error(404)

    client = house.client(house.server(react), known=None)
    inventory = client.inventory()
    assert (inventory.instance.api, inventory.connections[0].source.connector) == ("reference", "Postgres")
    (page,) = client.jobs(updated_since=0)
    assert [(job.id, job.connection_id) for job in page.jobs] == [(7, "c")]
    assert client.job(7) is not None
