"""Servers and clients on real sockets."""

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from airbyte_exporter.airbyte import (
    AirbyteClient,
    AirbyteConfig,
    ApiError,
    ApiStopped,
    Capabilities,
    Polling,
)
from tests.servers import QuietServer

WORKSPACE = "11111111-1111-4111-8111-111111111111"
BODY = json.dumps({"connections": []}).encode()
Answer = Callable[[BaseHTTPRequestHandler], None]

KNOWN = Capabilities(
    api="config",
    version="2.0.0",
    edition="community",
    auth="none",
    auth_mode="none",
    deployment_id=None,
    polling=Polling.CHANGES,
)
"""What the clients know from the start: what travels is these tests' matter, not what is asked."""


def answer(handler: BaseHTTPRequestHandler, body: bytes = BODY, **headers: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class Server(QuietServer):
    """Answers with `react`, and knows what was asked for over how many connections."""

    def __init__(self, react: Answer, context: ssl.SSLContext | None = None) -> None:
        self.react = react
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str]]] = []
        super().__init__(Handler, context)

    def finish_request(self, request: Any, client_address: object) -> None:  # noqa: ANN401  (as in socketserver)
        self.connections += 1
        super().finish_request(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, dict(self.headers.items())))
        self.server.react(self)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@dataclass
class House:
    """Servers and clients that are closed at the end of the test."""

    opened: list[Callable[[], None]] = field(default_factory=list)

    def server(self, react: Answer = answer, context: ssl.SSLContext | None = None) -> Server:
        server = Server(react, context)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.opened += [server.server_close, thread.join, server.shutdown]
        return server

    def client(
        self,
        server: Server | None = None,
        *,
        stop: threading.Event | None = None,
        known: Capabilities | None = KNOWN,
        **config: object,
    ) -> AirbyteClient:
        port = server.server_port if server else 1
        scheme = "https" if server and server.context else "http"
        keys: dict[str, object] = {"url": f"{scheme}://127.0.0.1:{port}", "timeout": 5, **config}
        client = AirbyteClient(
            AirbyteConfig.model_validate(keys),
            clock=time.time,
            stop=stop,
            random=lambda: 0.0,
            capabilities=known,
        )
        self.opened.append(client.close)
        return client


def assert_close_interrupts(
    house: House, context: ssl.SSLContext | None = None, ca_file: str | None = None
) -> None:
    waiting, done = threading.Event(), threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        waiting.set()
        done.wait(20)

    client = house.client(house.server(hang, context), timeout=30, ca_file=ca_file)
    caught: list[ApiError] = []

    def call() -> None:
        try:
            client.connections(WORKSPACE)
        except ApiError as exc:
            caught.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    assert waiting.wait(10)
    started = time.monotonic()
    client.close()
    thread.join(10)
    done.set()
    assert time.monotonic() - started < 5
    assert [type(exc) for exc in caught] == [ApiStopped]
