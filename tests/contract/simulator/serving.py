"""Simulated Airbytes on real sockets, and what is asked of them."""

from collections.abc import Callable
from typing import Any

import requests

from airbyte_exporter.simulator import SimulatorServer

NOW = 1_760_000_000.0


JOBS = {"configTypes": ["sync"], "pagination": {"pageSize": 1}}


TOKEN_PATHS = ["/api/v1/applications/token", "/api/public/v1/applications/token"]


Serve = Callable[..., SimulatorServer]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def token_of(server: SimulatorServer, client_id: str, client_secret: str) -> str:
    """Return a new token for an application."""
    pair = {"client_id": client_id, "client_secret": client_secret}
    token: str = post(server, "applications/token", pair).json()["access_token"]
    return token


def post(server: SimulatorServer, path: str, body: object = None, **options: Any) -> requests.Response:  # noqa: ANN401 - passed on
    """Send a request to the Configuration API."""
    return requests.post(f"{server.url}/api/v1/{path}", json=body, timeout=10, **options)


def get(server: SimulatorServer, path: str, **options: Any) -> requests.Response:  # noqa: ANN401 - passed on
    """Send a GET to any path."""
    return requests.get(f"{server.url}{path}", timeout=10, **options)


def bearer(token: str) -> dict[str, str]:
    """Return the headers that carry a token."""
    return {"authorization": f"Bearer {token}"}
