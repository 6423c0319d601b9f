"""Other people's Airbyte clients, as they come from PyPI, and an Airbyte for them to talk to."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from airbyte_exporter.simulator import Credentials
from tests.e2e.harness import eventually, free_port, get
from tests.environments import environment
from tests.specifications import Json

__all__ = ["AIRBYTE_API", "DAGSTER", "SEED", "Peer", "Running", "simulated"]

SEED = 5

AIRBYTE_API = """
    import json, sys
    from airbyte_api import AirbyteAPI, api, models

    url, how, *secrets = sys.argv[1:]
    if how == "basic":
        user, password = secrets
        security = models.Security(basic_auth=models.SchemeBasicAuth(username=user, password=password))
    elif how == "token":
        security = models.Security(bearer_auth=secrets[0])
    else:
        client_id, client_secret = secrets
        security = models.Security(client_credentials=models.SchemeClientCredentials(
            client_id=client_id, client_secret=client_secret,
            token_url=url + "/api/public/v1/applications/token",
        ))
    client = AirbyteAPI(server_url=url + "/api/public/v1", security=security)

    def every(page):
        rows, offset = [], 0
        while found := page(offset).data:
            rows += found
            offset += len(found)
        return rows
"""
"""How each program begins that uses Airbyte's client: it has a `client`, and pages through listings."""

DAGSTER = """
    import json, sys
    from dagster_airbyte import AirbyteWorkspace

    url, how, *secrets = sys.argv[1:]
    names = {"basic": ("username", "password"), "client-credentials": ("client_id", "client_secret")}[how]

    def workspace(workspace_id, **options):
        return AirbyteWorkspace(
            rest_api_base_url=url + "/api/public/v1", configuration_api_base_url=url + "/api/v1",
            workspace_id=workspace_id, max_items_per_page=20, **dict(zip(names, secrets)), **options,
        )
"""
"""How each program begins that uses Dagster's client: it can look into a `workspace`."""


class Peer:
    """A client in an environment of its own, which stays for the next run of the tests."""

    def __init__(self, name: str, version: str) -> None:
        self._python = environment(name, version) / "bin" / "python"

    @contextmanager
    def begun(
        self, program: str, *arguments: str, home: Path, asked: object = None
    ) -> Iterator["subprocess.Popen[str]"]:
        """Start a program that uses the client, with what is `asked` of it as JSON on its standard input."""
        process = subprocess.Popen(
            [str(self._python), "-c", textwrap.dedent(program), *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(asked))
            process.stdin.close()
            process.stdin = None
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def run(
        self, program: str, *arguments: str, home: Path, asked: object = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program that uses the client from beginning to end."""
        with self.begun(program, *arguments, home=home, asked=asked) as process:
            output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def tells(self, program: str, *arguments: str, home: Path, asked: object = None) -> Json:
        """Return the JSON that a program prints which works."""
        done = self.run(program, *arguments, home=home, asked=asked)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)


@dataclass(frozen=True)
class Running:
    """The command `airbyte-exporter simulate` as a process of its own."""

    url: str
    auth: str
    authorization: str

    @property
    def secrets(self) -> tuple[str, str, str]:
        """How an administrator authenticates, and with what."""
        known = Credentials.of(SEED)
        pairs = {
            "basic": (known.username, known.password),
            "client-credentials": (known.client_id, known.client_secret),
        }
        return self.auth, *pairs[self.auth]

    @property
    def airbyte_api_secrets(self) -> tuple[str, ...]:
        """The same for Airbyte's client, which cannot log in by itself: a token."""
        if self.auth == "basic":
            return self.secrets
        return "token", self.authorization.removeprefix("Bearer ")


@contextmanager
def simulated(generation: str, auth: str, *, speed: int = 1) -> Iterator[Running]:
    """Run the simulated Airbyte, by default at the pace of a real company."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = {"generation": generation, "auth": auth, "seed": SEED, "speed": speed}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "airbyte_exporter", "simulate", f"--listen-address=127.0.0.1:{port}"),
            *(f"--{name}={value}" for name, value in options.items()),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: get(f"{url}/")[0] in {200, 401}, "the simulated Airbyte answers")
        yield Running(url, auth, _authorization(url, auth))
    finally:
        process.terminate()
        process.wait(10)


def _authorization(url: str, auth: str) -> str:
    """Return what opens the Configuration API."""
    known = Credentials.of(SEED)
    if auth == "basic":
        request = requests.Request("GET", url, auth=(known.username, known.password)).prepare()
        return str(request.headers["authorization"])
    pair = {"client_id": known.client_id, "client_secret": known.client_secret}
    answer = requests.post(f"{url}/api/public/v1/applications/token", json=pair, timeout=10)
    return f"Bearer {answer.json()['access_token']}"
