"""A program as a stranger runs it: no rights, no home, and one folder that can be written to."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.requirements import ROOT, unavailable

STRANGER = 12345
"""A user that no system has, and that has no entry in ``/etc/passwd``."""

_READ_ONLY = """
mount --make-rprivate / && mount --bind "$0" "$0" || exit 99
points=$(cut -d ' ' -f 2 /proc/self/mounts) || exit 99
for point in $points; do
  point=$(printf %b "$point")
  [ "$point" = "$0" ] || mount -o remount,bind,ro "$point" || exit 99
done
exec "$@"
"""


def as_stranger(argv: list[str]) -> list[str]:
    """Run a command as a user without any right; who is not root runs it as himself."""
    if os.geteuid() != 0:
        return argv
    user = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", "--no-new-privs"]
    # setpriv itself still has rights when it starts a program: what that one starts has none.
    return [*user, "--bounding-set=-all", "--inh-caps=-all", "/usr/bin/env", *argv]


def with_nothing_writable_but(folder: Path, argv: list[str]) -> list[str]:
    """Run a command where every file system is mounted read-only, except `folder`."""
    wrapped = ["unshare", "--mount", "/bin/sh", "-c", _READ_ONLY, str(folder)]
    require_mounts()
    return [*wrapped, *argv]


def require_mounts() -> None:
    """Skip the test where this user may not mount anything: not even CI always allows that."""
    probe = 'mount --make-rprivate / && mount -t tmpfs tmpfs "$0"'
    tried = subprocess.run(
        ["unshare", "--mount", "/bin/sh", "-c", probe, tempfile.gettempdir()],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip(f"file systems cannot be mounted here: {tried.stderr.strip()}")


@functools.cache
def python_for_all() -> str:
    """Return a Python that the stranger may run; the one of the tests may lie in a private home."""
    probe = "import sys, venv; sys.exit(sys.version_info < (3, 11))"
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"):
        if Path(candidate).exists() and not _code([candidate, "-c", probe]):
            return candidate
    return unavailable("no Python from 3.11 on that every user may run is installed")


def _code(argv: list[str]) -> int:
    return subprocess.run(as_stranger(argv), capture_output=True, check=False, cwd="/").returncode


@functools.cache
def installed_programs() -> Path:
    """Install the wheel once, with the locked versions, into an environment that holds nothing else.

    Returns the environment's folder of programs, where everybody may read and nobody but root may write.
    """
    folder = Path(tempfile.mkdtemp(prefix="airbyte-exporter-wheel-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    made, built = folder / "environment", folder / "dist"
    _do([python_for_all(), "-m", "venv", "--without-pip", str(made)])
    _do([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(built)])
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(made / "bin" / "python"), "install"]
    _do([*pip, "--require-hashes", "--requirement", "requirements/runtime.txt"], needs_index=True)
    _do([*pip, "--no-deps", "--no-index", str(wheel)])
    return made / "bin"


def folder_of_stranger(path: Path, mode: int = 0o700) -> Path:
    """Make a folder that belongs to the stranger, below folders that he may pass."""
    path.mkdir(mode=mode)
    if os.geteuid() == 0:
        os.chown(path, STRANGER, STRANGER)
    return path


def _do(argv: list[str], *, needs_index: bool = False) -> None:
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and needs_index and "Max retries" in done.stderr:
        unavailable("the package index cannot be reached")
    assert done.returncode == 0, done.stdout + done.stderr
