"""What deploy/k8s/README.md tells people to add does what it says, and nothing more."""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes import kubectl, manifests
from tests.requirements import ROOT

README = (ROOT / "deploy" / "k8s" / "README.md").read_text(encoding="utf-8")
OPERATOR = Path("k8s") / "overlays" / "operator"


def with_added(deploy: Path, lines: str) -> list[dict[str, Any]]:
    """Return what the overlay for the operator makes in a copy of deploy/, with `lines` at its end."""
    shutil.copytree(ROOT / "deploy", deploy)
    overlay = deploy / OPERATOR / "kustomization.yaml"
    overlay.write_text(overlay.read_text(encoding="utf-8") + lines, encoding="utf-8")
    done = kubectl("kustomize", overlay.parent)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def test_labels_for_the_operator_are_on_its_resources_and_in_no_selector(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(labels:\n.*?)```", README, re.DOTALL)
    (labels,) = (it["pairs"] for it in yaml.safe_load(block)["labels"])
    made = with_added(tmp_path / "deploy", block)
    found = {each["kind"]: each["metadata"]["labels"] for each in made}
    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert labels.items() <= found[kind].items()
    for each in made:
        for label in labels:
            del each["metadata"]["labels"][label]
        if not each["metadata"]["labels"]:
            del each["metadata"]["labels"]
    assert made == manifests("kustomize operator")


def test_labels_in_a_selector_would_have_been_seen(tmp_path: Path) -> None:
    made = with_added(tmp_path / "deploy", "commonLabels:\n  release: kube-prometheus-stack\n")
    (deployment,) = (each for each in made if each["kind"] == "Deployment")
    assert "release" in deployment["spec"]["selector"]["matchLabels"]
