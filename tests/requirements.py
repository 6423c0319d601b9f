"""What a test needs of the machine: it skips with a reason where that is missing, and fails instead in CI."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPECS = ROOT.parent / "shared" / "airbyte-openapi"


def unavailable(what: str, *, is_excused: bool = False) -> NoReturn:
    """Skip the running test because of `what`, or fail it in CI, where nothing may be missing unexcused."""
    if os.environ.get("CI") and not is_excused:
        pytest.fail(f"{what}, and nothing may be skipped in CI", pytrace=False)
    pytest.skip(what)


def require_program(name: str) -> str:
    """Return the path of a program."""
    return shutil.which(name) or unavailable(f"{name} is not installed")


def require_path(path: Path, what: str) -> Path:
    """Return `path`, which is `what`."""
    return path if path.exists() else unavailable(f"{what} is not there")


def require_specs() -> Path:
    """Return the folder of Airbyte's API specifications by version.

    Their licence keeps them out of the repository: a CI that has none says so by `WITHOUT_AIRBYTE_OPENAPI`.
    """
    if SPECS.exists():
        return SPECS
    is_excused = bool(os.environ.get("WITHOUT_AIRBYTE_OPENAPI"))
    return unavailable("the folder of Airbyte's API specifications is not there", is_excused=is_excused)
