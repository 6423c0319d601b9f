"""The release workflow keeps step with what the project says of itself."""

import re
import tomllib
from typing import Any

import yaml

from tests.requirements import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOW: dict[str, Any] = yaml.safe_load(
    (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
)
STEPS = "\n".join(step["run"] for step in WORKFLOW["jobs"]["pythons"]["steps"])


def test_every_supported_python_is_tested() -> None:
    tested: list[str] = WORKFLOW["jobs"]["pythons"]["strategy"]["matrix"]["python"]
    stated = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert set(stated) <= set(tested)
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_uv_is_the_locked_one() -> None:
    locked = re.search(
        r"^uv==(\S+)", (ROOT / "requirements/dev.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert locked is not None
    assert f"uv=={locked[1]}\n" in STEPS


def test_the_workflow_may_do_nothing_but_read_a_public_repository() -> None:
    assert WORKFLOW["permissions"] == {}
    assert "uses" not in {key for step in WORKFLOW["jobs"]["pythons"]["steps"] for key in step}
