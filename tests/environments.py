"""Programs from PyPI, in an environment of their own each, which stays for the next run of the tests."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uv import find_uv_bin

from tests.requirements import ROOT, unavailable

__all__ = ["environment"]


def environment(name: str, version: str, *, alone: bool = False) -> Path:
    """Return the folder of an environment with a package, made unless an earlier run or a process has.

    `alone` leaves out what the package needs: it is wanted for a file in it.
    """
    folder = ROOT / ".cache" / "peers" / f"{name}-{version}"
    requirement = f"{name}=={version}"
    done = folder / "installed"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if done.exists() and done.read_text() == sys.version:
            return folder
        uv, python = find_uv_bin(), str(folder / "bin" / "python")
        options = ["--quiet", "--system-certs", *(["--no-deps"] if alone else [])]
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", *options, "--python", python, requirement],
        ):
            try:
                made = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
            except subprocess.TimeoutExpired:
                unavailable(f"{requirement} cannot be installed from PyPI (no end after 200 s)")
            if made.returncode != 0:
                reason = (made.stderr.strip().splitlines() or ["uv did not say why"])[-1].strip()
                unavailable(f"{requirement} cannot be installed from PyPI ({reason})")
        done.write_text(sys.version)
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep the tests that run in other processes out."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
