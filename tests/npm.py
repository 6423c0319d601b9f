"""Packages from npm, in a folder of their own each, which stays for the next run of the tests."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.requirements import unavailable

__all__ = ["TYPESCRIPT", "install", "tsc"]

TYPESCRIPT = {"typescript": "7.0.2"}


def install(folder: Path, packages: Mapping[str, str], what: str) -> Path:
    """Let npm put the pinned `packages` into `folder`, once; return it.

    Where that cannot be done, `what` is not to be had: the running test is skipped, and fails in CI.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        unavailable(f"npm is not installed: {what} are not to be had")
    manifest = json.dumps({"private": True, "dependencies": dict(packages)})
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = folder / "package.json"
        if installed.is_file() and installed.read_text() == manifest and (folder / "done").exists():
            return folder
        (folder / "done").unlink(missing_ok=True)
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        installed.write_text(manifest)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--legacy-peer-deps"]
        tried = subprocess.run(
            [npm, "install", *options], cwd=folder, capture_output=True, text=True, check=False
        )
        if tried.returncode:
            unavailable(f"npm could not get {what}: {tried.stderr.strip()[-200:]}")
        (folder / "done").touch()
    return folder


def tsc(home: Path, folder: Path, files: Mapping[str, str]) -> str:
    """Compile `files` in `folder` with the packages of `home`; return what the compiler has to say."""
    (folder / "node_modules").symlink_to(home / "node_modules")
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler"]
    said = subprocess.run(
        [home / "node_modules" / ".bin" / "tsc", *options, "--module", "esnext", "--ignoreConfig", *files],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert bool(said.returncode) == bool(said.stdout), said
    return said.stdout
