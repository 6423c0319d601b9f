"""The state's disk is full: the daemon goes on and says so, and once there is space nothing is missing."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import Simulate
from tests.e2e.harness import Exporter, WebhookReceiver, eventually, exporter_for, get, running, to
from tests.e2e.test_kill import ABOUT_FAILURES_ALONE, assert_every_incident_was_told
from tests.e2e.test_main_job import epoch_of, wait_for_the_truth
from tests.e2e.truth import rest
from tests.sandbox import require_mounts

ADVICE = "the disk is full: free some space"


class Disk:
    """A file system of 2 MiB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no byte."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (65536, 4096, 1):
                with suppress(OSError):
                    while ballast.write(bytes(size)):
                        pass

    def free(self) -> None:
        """Leave as much as there was."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    require_mounts()
    subprocess.run(mount, check=True)
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_nothing_is_lost_or_counted_twice(
    disk: Disk, simulate: Simulate, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    server = simulate(seed=5, connections=10, speed=600)
    state = {"STATE__URL": f"sqlite:///{disk.folder}/state.db"}
    exporter = exporter_for(tmp_path, server, **to(receiver), **ABOUT_FAILURES_ALONE, **state)
    exporter.state = disk.folder / "state.db"
    with running(exporter):
        exporter.wait_until_ready()
        disk.fill()
        assert_it_says_so_and_goes_on(exporter, said=0)
        disk.free()
        eventually(lambda: "poll recovered" in exporter.output, "it recovers by itself", unless=exporter.died)

        disk.fill()
        exporter.kill()
        said = len(exporter.output)
        exporter.start()
        assert_it_says_so_and_goes_on(exporter, said=said)
        disk.free()
        exporter.wait_until_ready()

        rest(server.world)
        wait_for_the_truth(server, exporter)
        epoch = epoch_of(exporter)

        def everything_told() -> bool:
            assert_every_incident_was_told(server, receiver, epoch)
            return exporter.scrape().value("airbyte_exporter_notification_queue_length") == 0

        eventually(everything_told, "every incident was told", unless=exporter.died)
        assert exporter.terminate() == 0
    assert "Traceback" not in exporter.output
    assert receiver.refused == []


def assert_it_says_so_and_goes_on(exporter: Exporter, *, said: int) -> None:
    """It serves what it knows, and its log, after so many characters, its page and its metrics say why."""
    failures = {"loop": "jobs", "reason": "state"}
    scrape = exporter.wait_for(
        lambda scrape: (scrape.value("airbyte_exporter_poll_failures_total", **failures) or 0) >= 3,
        "polls fail",
    )
    failing = [line for line in exporter.output[said:].splitlines() if "poll failing" in line]
    assert failing
    assert all(ADVICE in line for line in failing)
    assert len(failing) <= 2, "each loop says it once"
    assert get(f"{exporter.url}/-/healthy")[0] == 200
    assert scrape.value("airbyte_up") == 0
    assert scrape.all("airbyte_connection_info")
    assert ADVICE in get(f"{exporter.url}/")[1]


def test_a_state_that_cannot_be_made_is_one_line(disk: Disk, tmp_path: Path) -> None:
    disk.fill()
    exporter = Exporter(tmp_path, "http://127.0.0.1:9", STATE__URL=f"sqlite:///{disk.folder}/new/state.db")
    exporter.start()
    assert exporter.process is not None
    assert exporter.process.wait(30) == 1
    exporter.process = None
    (line,) = exporter.output.splitlines()
    assert line.startswith(f"airbyte-exporter: the lock {disk.folder}/new/state.db.lock cannot be written: ")
    assert line.endswith("No space left on device: free some space, or set state.url")
