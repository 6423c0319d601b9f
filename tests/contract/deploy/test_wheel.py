"""From a wheel in an environment of its own, by a user without rights, where only the state is writable."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from airbyte_exporter import __version__
from airbyte_exporter.simulator import SimulatorServer, World
from airbyte_exporter.store import StoreConfig, open_store
from tests.e2e.harness import Scrape, eventually, free_port, get
from tests.requirements import ROOT
from tests.sandbox import (
    STRANGER,
    as_stranger,
    folder_of_stranger,
    installed_programs,
    with_nothing_writable_but,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MANY = 300
"""Connections of which one statement changes so many that SQLite keeps a journal of it."""


@pytest.fixture
def state() -> Iterator[Path]:
    """The folder for the state, the only one that can be written to."""
    folder = Path(tempfile.mkdtemp(prefix="airbyte-exporter-state-"))
    folder.chmod(0o755)
    yield folder_of_stranger(folder / "state")
    shutil.rmtree(folder)


@pytest.fixture
def airbyte() -> Iterator[SimulatorServer]:
    world = World(clock=time.time, connections=MANY, history_jobs=6, speed=60)
    with SimulatorServer(world, auth="client-credentials") as server:
        yield server


def command(state: Path, *arguments: str) -> list[str]:
    program = str(installed_programs() / "airbyte-exporter")
    return with_nothing_writable_but(state, as_stranger([program, *arguments]))


def environment(state: Path, **settings: str) -> dict[str, str]:
    """What such a user has: no HOME, no TMPDIR."""
    named = {"STATE__URL": f"sqlite:///{state}/state.db"} | settings
    return {"PATH": "/usr/bin:/bin"} | {f"AIRBYTE_EXPORTER_{name}": value for name, value in named.items()}


def against(server: SimulatorServer) -> dict[str, str]:
    return {
        "AIRBYTE__URL": server.url,
        "AIRBYTE__CLIENT_ID": server.credentials.client_id,
        "AIRBYTE__CLIENT_SECRET": server.credentials.client_secret,
    }


def ended(argv: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, env=variables, cwd="/", capture_output=True, text=True, timeout=60, check=False
    )


def test_nothing_but_the_state_can_be_written_here(state: Path) -> None:
    """What the other tests stand on."""
    tried = 'for folder in / /tmp /var/tmp /dev/shm "$0" "$1"; do touch "$folder/x" && echo "$folder"; done'
    argv = as_stranger(["/bin/sh", "-c", tried, str(state), str(installed_programs())])
    done = ended(with_nothing_writable_but(state, argv), environment(state))
    assert done.stdout.splitlines() == [str(state)]
    assert done.stderr.count("Read-only file system") == 5


def test_it_says_its_version_and_judges_a_configuration(state: Path) -> None:
    said = ended(command(state, "--version"), environment(state))
    assert (said.returncode, said.stdout, said.stderr) == (0, f"airbyte-exporter {__version__}\n", "")
    example = str(ROOT / "deploy" / "k8s" / "base" / "config.yaml")
    judged = ended(command(state, "config", "validate", example), environment(state))
    assert judged.returncode == 0, judged.stderr


def test_check_and_run_work_against_many_connections(state: Path, airbyte: SimulatorServer) -> None:
    port = free_port()
    variables = environment(state, **against(airbyte), WEB__LISTEN_ADDRESS=f"127.0.0.1:{port}")
    checked = ended(command(state, "check"), variables)
    assert checked.returncode == 0, checked.stdout
    assert list(state.iterdir()) == []

    with subprocess.Popen(
        command(state, "run"), env=variables, cwd="/", stderr=subprocess.PIPE, text=True
    ) as daemon:
        try:

            def died() -> str | None:
                return None if daemon.poll() is None else daemon.communicate()[1]

            eventually(lambda: get(f"http://127.0.0.1:{port}/-/ready")[0] == 200, "it is ready", unless=died)
            scrape = Scrape(get(f"http://127.0.0.1:{port}/metrics")[1])
        finally:
            daemon.send_signal(signal.SIGTERM)
            said = daemon.communicate(timeout=15)[1]
    assert daemon.returncode == 0
    assert "cannot be written" not in said
    assert len(scrape.all("airbyte_connection_info")) == MANY
    assert scrape.value("airbyte_up") == 1
    assert {file.name for file in state.iterdir()} == {"state.db", "state.db.lock"}


def test_demo_keeps_its_things_beside_the_state_and_leaves_nothing(state: Path) -> None:
    arguments = ("demo", "--duration", "1", "--listen-address", "127.0.0.1:0")
    shown = ended(command(state, *arguments), environment(state))
    assert shown.returncode == 0, shown.stderr
    assert "Nothing is left behind." in shown.stdout
    assert list(state.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have files of somebody else")
@pytest.mark.parametrize(
    ("writable", "said"),
    [("state", f"Permission denied (STATE is user 0's, this is user {STRANGER}): let this user write to it"),
     ("elsewhere", "Read-only file system: mount its file system for writing, or set state.url")],
    ids=["somebody else's", "on a read-only volume"],
)  # fmt: skip
def test_a_state_that_cannot_be_written_is_one_line_and_stays_as_it_is(
    writable: str, said: str, state: Path
) -> None:
    with open_store(StoreConfig(url=SecretStr(f"sqlite:///{state}/state.db"))) as store:
        store.bind(url="http://127.0.0.1:1/api/v1", deployment_id=None, epoch=1)
    file = state / "state.db"
    folder = state
    if writable == "elsewhere":
        os.chown(file, STRANGER, STRANGER)
        folder = folder_of_stranger(state.parent / "elsewhere")
    before = (file.read_bytes(), file.stat())
    program = str(installed_programs() / "airbyte-exporter")
    argv = with_nothing_writable_but(folder, as_stranger([program, "run"]))
    done = ended(argv, environment(state, AIRBYTE__URL="http://127.0.0.1:1"))
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert line.startswith(
        f"airbyte-exporter: the state {file} cannot be opened: {said.replace('STATE', str(file))}"
    )
    assert (file.read_bytes(), file.stat()) == before


def test_demo_and_run_without_any_place_say_what_to_name(state: Path) -> None:
    nowhere = environment(state, STATE__URL="", AIRBYTE__URL="http://127.0.0.1:1")
    for what, words in (("demo", "TMPDIR"), ("run", "state.url")):
        done = ended(command(state, what), nowhere)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1
        assert line.startswith("airbyte-exporter: ")
        assert line.endswith(words)
