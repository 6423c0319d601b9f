"""Other people's Airbyte clients, as they come from PyPI, take the simulated Airbyte for a real one."""

import fcntl
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from uv import find_uv_bin

from airbyte_exporter.simulator import Credentials, World
from tests.e2e.harness import eventually, free_port, get
from tests.requirements import ROOT, unavailable

SEED = 5
ALL_TYPES = ["sync", "reset_connection", "refresh"]

pytestmark = pytest.mark.timeout(300)  # the first run installs the peers

LIST_WITH_AIRBYTE_API = """
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

    workspaces = every(lambda offset: client.workspaces.list_workspaces(
        request=api.ListWorkspacesRequest(offset=offset)).workspaces_response)
    ids = [workspace.workspace_id for workspace in workspaces]
    connections = every(lambda offset: client.connections.list_connections(
        request=api.ListConnectionsRequest(workspace_ids=ids, limit=5, offset=offset)).connections_response)
    jobs = every(lambda offset: client.jobs.list_jobs(
        request=api.ListJobsRequest(order_by="createdAt|ASC", limit=100, offset=offset)).jobs_response)
    json.dump({
        "connections": [[one.connection_id, one.name, one.status.value] for one in connections],
        "jobs": [[one.job_id, one.connection_id, one.status.value] for one in jobs],
    }, sys.stdout)
"""

LIST_WITH_DAGSTER = """
    import json, sys
    from dagster_airbyte import AirbyteWorkspace

    url, workspaces, how, *secrets = sys.argv[1:]
    names = {"basic": ("username", "password"), "client-credentials": ("client_id", "client_secret")}[how]
    connections, jobs = [], []
    for workspace_id in workspaces.split(","):
        workspace = AirbyteWorkspace(
            rest_api_base_url=url + "/api/public/v1", configuration_api_base_url=url + "/api/v1",
            workspace_id=workspace_id, max_items_per_page=20, **dict(zip(names, secrets)),
        )
        client = workspace.get_client()
        client.validate_workspace_id()
        for row in client.get_connections():
            details = client.get_connection_details(row["connectionId"])
            connections.append([details["connectionId"], row["name"], details["status"]])
            for job in client.get_jobs_for_connection(row["connectionId"]):
                jobs.append([job.id, job.connection_id, job.status])
    json.dump({"connections": connections, "jobs": jobs}, sys.stdout)
"""


@dataclass(frozen=True)
class Listing:
    """Connections by id with name and status, jobs by id with connection and status."""

    connections: dict[str, tuple[str, str]]
    jobs: dict[int, tuple[str, str]]

    @classmethod
    def parse(cls, text: str) -> "Listing":
        """Read what a peer has printed; nothing may be listed twice."""
        listed = json.loads(text)
        listing = cls(
            {identity: (name, status) for identity, name, status in listed["connections"]},
            {identity: (connection_id, status) for identity, connection_id, status in listed["jobs"]},
        )
        assert len(listing.connections) == len(listed["connections"])
        assert len(listing.jobs) == len(listed["jobs"])
        return listing


class Peer:
    """A client in an environment of its own, which stays for the next run of the tests."""

    def __init__(self, name: str, version: str) -> None:
        self._requirement = f"{name}=={version}"
        self._folder = ROOT / ".cache" / "peers" / f"{name}-{version}"
        self._python = self._folder / "bin" / "python"

    def run(self, program: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
        """Run a program that uses the client."""
        return subprocess.run(
            [str(self._python), "-c", textwrap.dedent(program), *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def lists(self, program: str, *arguments: str, home: Path) -> Listing:
        """Return what a program has listed."""
        done = self.run(program, *arguments, home=home)
        assert done.returncode == 0, done.stderr[-3000:]
        return Listing.parse(done.stdout)

    def install(self) -> None:
        """Make the environment, unless an earlier run or another process has."""
        done = self._folder / "installed"
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(self._folder.with_name(f"{self._folder.name}.lock")):
            if done.exists() and done.read_text() == sys.version:
                return
            uv = find_uv_bin()
            for command in (
                [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(self._folder)],
                [
                    uv,
                    "pip",
                    "install",
                    "--quiet",
                    "--system-certs",
                    "--python",
                    str(self._python),
                    self._requirement,
                ],
            ):
                try:
                    made = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
                except subprocess.TimeoutExpired:
                    unavailable(f"{self._requirement} cannot be installed from PyPI (no end after 200 s)")
                if made.returncode != 0:
                    reason = (made.stderr.strip().splitlines() or ["uv did not say why"])[-1].strip()
                    unavailable(f"{self._requirement} cannot be installed from PyPI ({reason})")
            done.write_text(sys.version)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the tests that run in other processes out."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Airbyte:
    """The command `airbyte-exporter simulate` as a process of its own, and what is true of it."""

    url: str
    authorization: str

    def truth(self) -> Listing:
        """Return the connections that follow from the seed and the jobs that the other API tells of."""
        world = World(seed=SEED, now=0)
        answer = requests.post(
            f"{self.url}/api/v1/jobs/list",
            json={"configTypes": ALL_TYPES, "pagination": {"pageSize": 5000}},
            headers={"authorization": self.authorization},
            timeout=30,
        )
        jobs = [row["job"] for row in answer.json()["jobs"]]
        return Listing(
            {one.id: (one.name, one.status) for one in world.connections()},
            {job["id"]: (job["configId"], job["status"]) for job in jobs},
        )

    def assert_true(self, peer: Peer, program: str, *arguments: str, home: Path) -> None:
        """The peer lists everything as it is; if a sync began or ended meanwhile it is asked again."""
        before = self.truth()
        assert len(before.connections) == 12
        assert len(before.jobs) > 300
        for _ in range(5):
            listed = peer.lists(program, self.url, *arguments, home=home)
            after = self.truth()
            if after == before:
                assert listed == before
                return
            before = after
        pytest.fail("syncs began or ended during each of the listings")


@contextmanager
def simulated(generation: str, auth: str) -> Iterator[Airbyte]:
    """Run the simulated Airbyte at the pace of a real company."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = {"generation": generation, "auth": auth, "seed": SEED, "speed": 1}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "airbyte_exporter", "simulate", f"--listen-address=127.0.0.1:{port}"),
            *(f"--{name}={value}" for name, value in options.items()),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: get(f"{url}/")[0] in {200, 401}, "the simulated Airbyte answers")
        yield Airbyte(url, authorization(url, auth))
    finally:
        process.terminate()
        process.wait(10)


def authorization(url: str, auth: str) -> str:
    """Return what opens the Configuration API."""
    known = Credentials.of(SEED)
    if auth == "basic":
        request = requests.Request("GET", url, auth=(known.username, known.password)).prepare()
        return str(request.headers["authorization"])
    pair = {"client_id": known.client_id, "client_secret": known.client_secret}
    answer = requests.post(f"{url}/api/public/v1/applications/token", json=pair, timeout=10)
    return f"Bearer {answer.json()['access_token']}"


@pytest.fixture(scope="module")
def airbyte_api() -> Peer:
    """Airbyte's own client, which speaks the public API."""
    peer = Peer("airbyte-api", "1.0.1")
    peer.install()
    return peer


@pytest.fixture(scope="module")
def dagster_airbyte() -> Peer:
    """Dagster's client, which speaks both APIs and follows the links from page to page."""
    peer = Peer("dagster-airbyte", "0.29.27")
    peer.install()
    return peer


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder that holds nothing of this machine's configuration."""
    return tmp_path


def test_airbyte_api_lists_what_there_is_behind_a_proxy_with_a_password(
    airbyte_api: Peer, home: Path
) -> None:
    known = Credentials.of(SEED)
    secrets = ("basic", known.username, known.password)
    with simulated("1.6", "basic") as airbyte:
        airbyte.assert_true(airbyte_api, LIST_WITH_AIRBYTE_API, *secrets, home=home)


def test_airbyte_api_lists_what_there_is_with_a_token(airbyte_api: Peer, home: Path) -> None:
    with simulated("2.0", "client-credentials") as airbyte:
        secrets = ("token", airbyte.authorization.removeprefix("Bearer "))
        airbyte.assert_true(airbyte_api, LIST_WITH_AIRBYTE_API, *secrets, home=home)


def test_airbyte_api_cannot_log_in_by_itself_as_with_real_servers(airbyte_api: Peer, home: Path) -> None:
    known = Credentials.of(SEED)
    secrets = ("client-credentials", known.client_id, known.client_secret)
    with simulated("2.0", "client-credentials") as airbyte:
        refused = airbyte_api.run(LIST_WITH_AIRBYTE_API, airbyte.url, *secrets, home=home)
    assert refused.returncode != 0
    assert "401" in refused.stderr, "it sends its token request as a form, which real servers refuse"


@pytest.mark.parametrize(("generation", "auth"), [("1.6", "basic"), ("2.0", "client-credentials")])
def test_dagster_airbyte_lists_what_there_is(
    dagster_airbyte: Peer, home: Path, generation: str, auth: str
) -> None:
    known = Credentials.of(SEED)
    workspaces = ",".join(sorted({one.workspace_id for one in World(seed=SEED, now=0).connections()}))
    secrets = {
        "basic": (known.username, known.password),
        "client-credentials": (known.client_id, known.client_secret),
    }[auth]
    with simulated(generation, auth) as airbyte:
        airbyte.assert_true(dagster_airbyte, LIST_WITH_DAGSTER, workspaces, auth, *secrets, home=home)
