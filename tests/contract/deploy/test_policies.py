"""A policy checker for Kubernetes finds nothing in what is shipped that is not argued here, line by line."""

import json
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from tests.environments import environment
from tests.kubernetes import WAYS, manifests

ARGUED = {
    "CKV_K8S_11": "no limit of CPU: it would only make polls and scrapes late",
    "CKV_K8S_15": "a version is a version: IfNotPresent lets a pod start while the registry is away",
    "CKV_K8S_21": "the namespace is where it is applied to, so no manifest names one",
    "CKV_K8S_43": "a digest is known only after a release: image.digest in the chart, `digest:` in kustomize",
    "CKV_K8S_8": "a test is over when it has asked once",
    "CKV_K8S_9": "a test is over when it has asked once",
    "CKV2_K8S_6": "the switched-off policy is one of the sets of values; it is on unless somebody says so",
}
"""Why a check that is not passed is right all the same."""

ONLY_TESTS = {"CKV_K8S_8", "CKV_K8S_9"}


def checks(folder: Path) -> dict[str, Any]:
    """Return what the checker says of the manifests in a folder."""
    program = environment("checkov", "3.3.30") / "bin" / "checkov"
    done = subprocess.run(
        [
            program,
            "--directory",
            folder,
            "--framework",
            "kubernetes",
            "--output",
            "json",
            "--compact",
            "--quiet",
        ],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["summary"]["resource_count"] > 0, done.stderr
    found: dict[str, Any] = told["results"]
    return found


def test_what_is_not_passed_is_argued_and_nothing_else_is(tmp_path: Path) -> None:
    for way in WAYS:
        path = tmp_path / f"{way.replace(' ', '-')}.yaml"
        path.write_text(yaml.safe_dump_all(manifests(way)), encoding="utf-8")
    failed: dict[str, set[str]] = defaultdict(set)
    for check in checks(tmp_path)["failed_checks"]:
        failed[check["check_id"]].add(check["resource"].partition(".")[0])
    assert {check: kinds for check, kinds in failed.items() if check not in ARGUED} == {}
    assert ARGUED.keys() == failed.keys(), "what nobody asks needs no argument"
    assert [failed[check] for check in ONLY_TESTS] == [{"Pod"}, {"Pod"}]


def test_the_checker_finds_what_is_wrong(tmp_path: Path) -> None:
    every = manifests("kustomize minimal")
    (deployment,) = (each for each in every if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = (
        False
    )
    (tmp_path / "spoiled.yaml").write_text(yaml.safe_dump(deployment), encoding="utf-8")
    assert "CKV_K8S_22" in {check["check_id"] for check in checks(tmp_path)["failed_checks"]}
