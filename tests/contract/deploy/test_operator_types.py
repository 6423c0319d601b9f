"""What is for the Prometheus Operator is what its own types say, with no key that they do not have.

The operator's schema would let an unknown key through, and Kubernetes would then drop it.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest

from tests.kubernetes import WAYS, manifests, of_kind
from tests.npm import TYPESCRIPT, install, tsc
from tests.requirements import ROOT

PACKAGE = "@kubernetes-models/prometheus-operator"
HOME = ROOT / ".cache" / "prometheus-operator-types"
KINDS = ("ServiceMonitor", "PrometheusRule")

Compile = Callable[[Mapping[str, dict[str, Any]]], str]


def source(manifest: dict[str, Any]) -> str:
    """Write a manifest as TypeScript; the literal is what is compared, so an unknown key is an error."""
    kind = manifest["kind"]
    return (
        f"import type {{ I{kind} }} from '{PACKAGE}/monitoring.coreos.com/v1/{kind}';\n"
        f"export const it: I{kind} = {json.dumps(manifest)};\n"
    )


@pytest.fixture(scope="session")
def compile_(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    def compiled(named: Mapping[str, dict[str, Any]]) -> str:
        home = install(HOME, {PACKAGE: "6.0.0", **TYPESCRIPT}, "the operator's types")
        files = {f"{name}.ts": source(manifest) for name, manifest in named.items()}
        return tsc(home, tmp_path_factory.mktemp("operator"), files)

    return compiled


def test_manifests_have_the_operators_types(compile_: Compile) -> None:
    custom = {
        f"{way.replace(' ', '-')}-{each['kind']}": each
        for way in WAYS
        for each in manifests(way)
        if each["kind"] in KINDS
    }
    assert len(custom) == 2 * 3 + 1
    assert compile_(custom) == ""


@pytest.mark.parametrize(
    ("kind", "spoil", "complaint"),
    [
        ("ServiceMonitor", lambda it: it["spec"]["endpoints"][0].update(intervl="30s"), "intervl"),
        (
            "ServiceMonitor",
            lambda it: it["spec"]["endpoints"][0].update(interval=30),
            "'number' is not assignable",
        ),
        ("PrometheusRule", lambda it: it["spec"]["groups"][0]["rules"][0].update(exprr="up"), "exprr"),
    ],
)
def test_the_types_find_what_is_wrong(
    compile_: Compile, kind: str, spoil: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    spoiled = deepcopy(of_kind(kind, "kustomize operator"))
    spoil(spoiled)
    assert complaint in compile_({"spoiled": spoiled})
