"""The story of ``docs/pipelines.md``, from a source to its first syncs, as it stands there, in both forms.

The commands and the Python program are run as they stand in the document, against a simulated Airbyte of each
dialect, and the daemon that runs beside them has to show what they made.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_exporter.simulator import SimulatedConnection, SimulatorServer
from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, Scrape, eventually, exporter_for, running
from tests.requirements import ROOT

DIALECTS = ("reference", "1.6", "2.0")
WRITTEN = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
MARKERS = {"SHOP_DB_PASSWORD": "mArKeR-pw", "LAKE_KEY_ID": "mArKeR-id", "LAKE_KEY": "mArKeR-key"}
LOCAL = "http://localhost:8001"
EXAMPLE_JOB = "4711"


def blocks(language: str) -> list[str]:
    """Return the document's code blocks in that language."""
    return re.findall(rf"```{language}\n(.*?)```", WRITTEN, re.DOTALL)


@dataclass
class Shell:
    """A shell in a folder of its own, with the commands on its path and secrets in its environment."""

    folder: Path
    server: SimulatorServer

    def __post_init__(self) -> None:
        self.printed = ""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "AIRBYTE_EXPORTER_AIRBYTE__URL": self.server.url,
            **MARKERS,
        }

    def run(self, *command: str) -> str:
        """Run a program that works; return what it prints on standard output."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.printed += done.stdout + done.stderr
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def write(self, block: str) -> None:
        """Write a file whose name is in the first line of `block`."""
        name = block.splitlines()[0].removeprefix("# ")
        (self.folder / name).write_text(block, encoding="utf-8")


@pytest.fixture(params=DIALECTS)
def server(request: pytest.FixtureRequest, simulate: Simulate) -> SimulatorServer:
    server = simulate(seed=1, connections=3, history_jobs=1, speed=1, generation=request.param)
    server.world.freeze()
    return server


@pytest.fixture
def daemon(server: SimulatorServer, tmp_path: Path) -> Iterator[Exporter]:
    """The daemon, beside the story."""
    folder = tmp_path / "daemon"
    folder.mkdir()
    with running(exporter_for(folder, server)) as exporter:
        exporter.wait_until_ready()
        yield exporter


def made(server: SimulatorServer) -> SimulatedConnection:
    """Return the connection that the story makes."""
    return next(each for each in server.world.connections() if each.name == "Shop to lake")


def decide(server: SimulatorServer) -> str:
    """Have the first sync of the connection move something, and the second one run on; return its id."""
    connection = made(server)
    server.world.next_sync(connection.id, duration=2, records=1200, volume=2**20)
    server.world.next_sync(connection.id, duration=3600)
    return connection.id


def assert_story(server: SimulatorServer) -> None:
    """Compare what there is at the end with what the story is about."""
    connection = made(server)
    assert (connection.source_connector, connection.destination_connector) == ("Postgres", "S3")
    assert (connection.schedule_type, connection.told_interval) == ("basic", 12 * 3600)
    assert {
        (each.name, each.sync_mode, each.destination_sync_mode, each.cursor_field)
        for each in connection.streams
    } == {
        ("customers", "incremental", "append", ("updated_at",)),
        ("orders", "incremental", "append", ("updated_at",)),
    }
    statuses = [
        (job.status, job.records_committed) for job in server.world.jobs(connection.id) if not job.scheduled
    ]
    assert statuses[0] == ("succeeded", 1200)
    assert statuses[-1][0] == "cancelled"
    shop = next(each for each in server.world.sources() if each.id == connection.source_id)
    lake = next(each for each in server.world.destinations() if each.id == connection.destination_id)
    assert shop.configuration["password"] == MARKERS["SHOP_DB_PASSWORD"], "the secret has arrived"
    assert lake.configuration["secret_access_key"] == MARKERS["LAKE_KEY"]


def assert_counted(daemon: Exporter, connection_id: str) -> None:
    """Wait until the daemon has counted both syncs of the new connection."""
    jobs = {"connection_id": connection_id, "job_type": "sync"}

    def counted(scrape: Scrape) -> bool:
        succeeded = scrape.value("airbyte_connection_jobs_total", status="succeeded", **jobs)
        return (succeeded, scrape.value("airbyte_connection_jobs_total", status="cancelled", **jobs)) == (
            1,
            1,
        )

    daemon.wait_for(counted, "both syncs are counted")


def assert_shown_by_the_next_poll(daemon: Exporter, loop: str, sample: str, **labels: str) -> float:
    """Wait for a sample; it is there by the first poll that began after now. Return its value."""
    before = daemon.scrape().value("airbyte_exporter_polls_total", loop=loop)
    scrape = daemon.wait_for(lambda it: it.value(sample, **labels) is not None, f"{sample} is shown")
    polls, value = scrape.value("airbyte_exporter_polls_total", loop=loop), scrape.value(sample, **labels)
    assert before is not None
    assert polls is not None
    assert value is not None
    assert polls - before <= 2, "the one that was under way, and the next"
    return value


def test_by_commands(server: SimulatorServer, daemon: Exporter, tmp_path: Path) -> None:
    shell = Shell(tmp_path, server)
    for block in blocks("yaml"):
        shell.write(block)
    job_id = ""
    for line in re.sub(r" \\\n\s*", " ", "".join(blocks("sh"))).splitlines():
        if " --wait " in line:
            decide(server)
        out = shell.run("bash", "-c", line.replace(EXAMPLE_JOB, job_id))
        if found := re.search(r"\bjob (\d+) of ", out):
            job_id = found[1]
        if " connections create " in line:
            of = made(server).id
            sample = "airbyte_connection_consecutive_failures"
            assert_shown_by_the_next_poll(daemon, "inventory", sample, connection_id=of)
        elif " --wait " in line:
            sample = "airbyte_connection_last_sync_records_synced"
            assert (
                assert_shown_by_the_next_poll(daemon, "jobs", sample, connection_id=made(server).id) == 1200
            )
            assert "1,200 records, 1.0 MiB committed" in out
    assert_story(server)
    assert_counted(daemon, made(server).id)
    for secret in MARKERS.values():
        assert secret not in shell.printed
        assert secret not in daemon.output


def test_in_python(server: SimulatorServer, daemon: Exporter, tmp_path: Path) -> None:
    shell = Shell(tmp_path, server)
    story, reading = (block.replace(LOCAL, server.url) for block in blocks("python"))
    # The levers of the simulated Airbyte are pulled from here, once there is something to pull.
    story = story.replace(
        "    first = airbyte.",
        "    open('made', 'w').close()\n    input()\n    first = airbyte.",
    )
    with subprocess.Popen(
        [sys.executable, "-c", story],
        cwd=tmp_path,
        env=shell.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            eventually((tmp_path / "made").exists, "the program has made the connection")
            connection_id = decide(server)
            printed, _ = process.communicate("\n", timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, printed
    assert "public.customers" in printed
    assert "succeeded 1200 records 1048576 bytes" in printed
    assert_story(server)
    assert_counted(daemon, connection_id)
    assert not any(secret in printed + daemon.output for secret in MARKERS.values())
    assert "Shop to lake active" in shell.run(sys.executable, "-c", reading)
