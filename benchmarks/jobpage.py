"""A full page of ``jobs/list`` as an Airbyte sends it."""

import json
import urllib.request
from typing import Final

from airbyte_exporter.simulator import SimulatorServer, World
from benchmarks.processes import BenchmarkError

__all__ = ["JOBS", "page_of_jobs"]

JOBS: Final = 100
"""How many jobs a page has at most."""

_NOW: Final = 1_790_000_000.0
_QUERY: Final = {
    "configTypes": ["sync", "reset_connection", "refresh"],
    "orderByField": "updatedAt",
    "orderByMethod": "ASC",
    "pagination": {"pageSize": JOBS, "rowOffset": 0},
}


def page_of_jobs() -> bytes:
    """Return the answer of a simulated Airbyte, with attempts, streams and failures.

    Raises:
        BenchmarkError: It is not a full page.
    """
    world = World(connections=100, seed=0, speed=1, now=_NOW)
    with SimulatorServer(world, clock=lambda: _NOW) as server:
        request = urllib.request.Request(
            f"{server.url}/api/v1/jobs/list",
            json.dumps(_QUERY).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
    if (number := len(json.loads(body)["jobs"])) != JOBS:
        raise BenchmarkError(f"a page of {number} jobs instead of {JOBS}")
    return body
