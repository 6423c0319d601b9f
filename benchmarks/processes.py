"""Processes of the benchmark: started, waited for, looked at from outside, and never left behind."""

import ctypes
import gc
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Final, TypeVar

__all__ = [
    "BenchmarkError",
    "Daemon",
    "cpu_seconds_of",
    "free_port",
    "leave_when_told",
    "memory_of",
    "reset_peak",
    "started",
    "wait_for",
]

T = TypeVar("T")

ROOT: Final = Path(__file__).resolve().parent.parent
_STOP_SECONDS: Final = 20.0
_LOG_TAIL: Final = 2000


class BenchmarkError(Exception):
    """Something does not work, so that there is nothing to measure. The message is for people."""


def leave_when_told() -> None:
    """End by an exception when asked to stop, so that every block that runs a process ends it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def started(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for as long as the block; whatever ends the block, the process is gone after it."""
    process = subprocess.Popen(
        command,
        env=None if env is None else dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=ROOT,
        start_new_session=True,  # Ctrl-C is for us: we end our processes ourselves
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def wait_for(condition: Callable[[], T | None], what: str, *, timeout: float, pause: float) -> T:
    """Return the first value of `condition` that is not ``None``, asked for every `pause` seconds.

    Raises:
        BenchmarkError: `what` was waited for in vain.
    """
    deadline = time.monotonic() + timeout
    while (value := condition()) is None:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not within {timeout:.0f} s: {what}")
        time.sleep(pause)
    return value


def memory_of(pid: int) -> tuple[int, int] | None:
    """Return a process's resident bytes, now and at most so far; ``None`` where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE))
    return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024


def cpu_seconds_of(pid: int) -> float | None:
    """Return the processor time of a process so far; ``None`` where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def reset_peak() -> None:
    """Let the most memory of this process be counted from now on, without what is not needed any more.

    Where the system cannot do that, what came before is counted too.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


class Daemon:
    """The real command ``airbyte-exporter run``, as a process of its own with its state in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.state = folder / "state.db"
        self._log = folder / "log"
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "AIRBYTE_EXPORTER_STATE__URL": f"sqlite:///{self.state}",
            "AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS": f"127.0.0.1:{self.port}",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[float]:
        """Run it for as long as the block; yield the monotonic time at which it was started."""
        with self._log.open("ab") as log:
            at = time.monotonic()
            command = [sys.executable, "-m", "airbyte_exporter", "run"]
            with started(command, env=self._environment, stdout=log, stderr=log) as process:
                self._process = process
                yield at

    def stop(self) -> float:
        """Ask it to stop; return how many seconds that took.

        Raises:
            BenchmarkError: It did not stop, or not well.
        """
        assert self._process is not None
        began = time.monotonic()
        self._process.terminate()
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"the exporter did not stop within {_STOP_SECONDS:.0f} s") from None
        if code:
            raise BenchmarkError(f"the exporter ended with {code}:\n{self.log[-_LOG_TAIL:]}")
        return time.monotonic() - began

    def check(self) -> None:
        """Make sure that it still runs.

        Raises:
            BenchmarkError: It has ended by itself.
        """
        if self._process is not None and (code := self._process.poll()) is not None:
            raise BenchmarkError(f"the exporter ended by itself with {code}:\n{self.log[-_LOG_TAIL:]}")

    @property
    def log(self) -> str:
        """Everything it has said."""
        return self._log.read_text(errors="replace")

    @property
    def state_bytes(self) -> int:
        """What the state takes on disk, with what has not been moved into the main file yet."""
        return sum(path.stat().st_size for path in self.folder.glob(f"{self.state.name}*"))

    def memory(self) -> tuple[int, int] | None:
        """Return its resident bytes, now and at most so far; ``None`` where the system does not tell."""
        return memory_of(self._pid)

    def cpu_seconds(self) -> float | None:
        """Return the processor time it has used so far; ``None`` where the system does not tell."""
        return cpu_seconds_of(self._pid)

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
