"""Every overlay and every set of the chart's values fits together and runs the exporter without rights."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import kubernetes_validate
import pytest
import yaml

from airbyte_exporter import __version__
from tests.kubernetes import (
    BASE,
    CHART,
    NAME,
    OVERLAYS,
    VALUES,
    WAYS,
    every,
    helm,
    kinds,
    manifests,
    of_kind,
    rendered,
)
from tests.requirements import ROOT
from tests.rules import groups

KUBERNETES = ("1.28", "1.33", "1.37")
STATE = "/var/lib/airbyte-exporter"
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
APPLIED_BYTES = 262_144
"""How long the annotation may be in which kubectl keeps what it has applied."""

# What Kubernetes puts into every pod of a namespace with a Service of our name, unless switched off.
INJECTED = {
    "AIRBYTE_EXPORTER_SERVICE_HOST": "10.96.0.7",
    "AIRBYTE_EXPORTER_SERVICE_PORT": "10980",
    "AIRBYTE_EXPORTER_SERVICE_PORT_HTTP": "10980",
    "AIRBYTE_EXPORTER_PORT": "tcp://10.96.0.7:10980",
    "AIRBYTE_EXPORTER_PORT_10980_TCP": "tcp://10.96.0.7:10980",
    "AIRBYTE_EXPORTER_PORT_10980_TCP_PROTO": "tcp",
    "AIRBYTE_EXPORTER_PORT_10980_TCP_PORT": "10980",
    "AIRBYTE_EXPORTER_PORT_10980_TCP_ADDR": "10.96.0.7",
}
OPERATORS = [way for way in WAYS if way.endswith((" operator", " everything"))]

pytestmark = pytest.mark.parametrize("way", WAYS)


def pod(way: str) -> dict[str, Any]:
    spec: dict[str, Any] = of_kind("Deployment", way)["spec"]["template"]["spec"]
    return spec


def container(way: str) -> dict[str, Any]:
    (only,) = pod(way)["containers"]
    return dict(only)


def environment(way: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(way).get("env") or []}


def mounted(way: str) -> dict[str, dict[str, Any]]:
    """The volumes by where they are mounted."""
    volumes = {volume["name"]: volume for volume in pod(way)["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in container(way)["volumeMounts"]}


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_key(way: str, version: str) -> None:
    checked = 0
    for manifest in manifests(way):
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)
            checked += 1
    assert checked >= 4


def test_it_has_what_it_is_for(way: str) -> None:
    found = kinds(way)
    assert (found.count("Deployment"), found.count("Service")) == (1, 1)
    assert "Secret" not in found, "secrets are the user's, and referred to"
    custom = CUSTOM & {*found}
    assert custom == (CUSTOM if way in OPERATORS else {"ServiceMonitor"} if way == "helm tls" else set())


def test_it_goes_into_whatever_namespace_it_is_applied_to(way: str) -> None:
    assert not [each["kind"] for each in manifests(way) if "namespace" in each["metadata"]]


def test_no_two_have_a_name_in_common(way: str) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests(way)]
    assert sorted(set(names)) == sorted(names)
    assert all(len(name) <= (253 if kind == "ConfigMap" else 63) for kind, name in names)


def test_selectors_find_what_they_are_for(way: str) -> None:
    deployment, service = of_kind("Deployment", way), of_kind("Service", way)
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    for policy in every("NetworkPolicy", way):
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels
    for monitor in every("ServiceMonitor", way):
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    for test in every("Pod", way):
        assert not service["spec"]["selector"].items() <= test["metadata"]["labels"].items()
        for policy in every("NetworkPolicy", way):
            (rule,) = policy["spec"]["ingress"]
            let_in = [it["podSelector"]["matchLabels"] for it in rule.get("from", []) if "podSelector" in it]
            assert "from" not in rule or let_in[0].items() <= test["metadata"]["labels"].items()


def test_ports_are_the_ones_that_are_listened_on(way: str) -> None:
    (port,) = container(way)["ports"]
    (offered,) = of_kind("Service", way)["spec"]["ports"]
    assert port == {"name": "http", "containerPort": 10980}
    assert offered["targetPort"] == "http"
    published = of_kind("Service", way)["spec"]["publishNotReadyAddresses"]
    assert published, "its own metrics say why it is not ready"
    for monitor in every("ServiceMonitor", way):
        (scraped,) = monitor["spec"]["endpoints"]
        assert (scraped["port"], scraped["path"]) == (offered["name"], "/metrics")
        (instance, dropped) = scraped["relabelings"]
        assert instance["targetLabel"] == "instance"
        assert dropped == {"action": "labeldrop", "regex": "pod|container|endpoint"}
    for policy in every("NetworkPolicy", way):
        ((allowed,),) = (each["ports"] for each in policy["spec"]["ingress"])
        assert allowed["port"] == "http"


def test_it_may_go_where_its_configuration_says(way: str) -> None:
    (config,) = (
        yaml.safe_load(each["data"]["config.yaml"])
        for each in every("ConfigMap", way)
        if "config.yaml" in each["data"]
    )
    address = urlsplit(config["airbyte"]["url"])
    port = address.port or {"http": 80, "https": 443}[address.scheme]
    for policy in every("NetworkPolicy", way):
        let_out = [
            it["port"] for rule in policy["spec"]["egress"] if "to" not in rule for it in rule["ports"]
        ]
        assert port in let_out


def test_its_memory_is_what_was_measured(way: str) -> None:
    """More than 1,000 connections take, and the limit that the documentation gives for 10,000."""
    measured = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    (at_1000,) = re.findall(r"^\| resident, at most \|.*\| (\d+) MiB \|  \|$", measured, re.MULTILINE)
    (limit,) = re.findall(r"(\d+) GiB for 10,000", measured)
    resources = container(way)["resources"]
    assert resources["limits"] == {"memory": f"{limit}Gi"}
    assert int(resources["requests"]["memory"].removesuffix("Mi")) >= int(at_1000)


def test_names_can_be_asked_for_everywhere(way: str) -> None:
    """A policy sees the port of the pod, which is 53, and 5353 on OpenShift."""
    for policy in every("NetworkPolicy", way):
        names = policy["spec"]["egress"][0]["ports"]
        assert sorted((it["port"], it["protocol"]) for it in names) == [
            (53, "TCP"), (53, "UDP"), (5353, "TCP"), (5353, "UDP"),
        ]  # fmt: skip


def test_a_start_that_cannot_reach_airbyte_is_alive_but_not_ready(way: str) -> None:
    probes = {
        kind: container(way)[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness", "startup")
    }
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "liveness": "/-/healthy",
        "readiness": "/-/ready",
        "startup": "/-/healthy",
    }
    schemes = {probe.get("scheme", "HTTP") for probe in probes.values()}
    scraped = {each["spec"]["endpoints"][0].get("scheme", "http") for each in every("ServiceMonitor", way)}
    assert schemes == {"HTTPS" if way == "helm tls" else "HTTP"}
    assert scraped <= {scheme.lower() for scheme in schemes}


def test_two_pods_never_share_the_state(way: str) -> None:
    deployment = of_kind("Deployment", way)["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    state, claims = (
        mounted(way)[STATE],
        [each["metadata"]["name"] for each in every("PersistentVolumeClaim", way)],
    )
    if "emptyDir" in state:
        assert claims == []
    else:
        name = state["persistentVolumeClaim"]["claimName"]
        assert claims == ([] if name == "airbyte-exporter-old" else [name])


def test_the_pods_have_no_rights_and_cannot_write_but_to_the_state(way: str) -> None:
    tests = [each["spec"] for each in every("Pod", way)]
    for spec in (pod(way), *tests):
        (only,) = spec["containers"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 65532
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= only["resources"].keys()
        assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    for account in every("ServiceAccount", way):
        assert account["automountServiceAccountToken"] is False
    mounts = container(way)["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts if not mount.get("readOnly")] == [STATE]


def test_it_agrees_with_the_image(way: str) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    image = container(way)["image"]
    if way == "helm everything":
        assert image.startswith("registry.example.com/mirror/airbyte-exporter@sha256:e3b0c442")
    else:
        assert image.endswith(f"{NAME}:{__version__}")
    (volume,) = re.findall(r"^VOLUME (.*)$", dockerfile, re.MULTILINE)
    assert volume == STATE
    (user,) = re.findall(r"^USER (\d+)", dockerfile, re.MULTILINE)
    assert int(user) == pod(way)["securityContext"]["runAsUser"]


def test_secrets_are_files_and_stand_in_no_manifest(way: str) -> None:
    secrets = {path: volume["secret"] for path, volume in mounted(way).items() if "secret" in volume}
    assert all(secret["defaultMode"] == 0o440 for secret in secrets.values())
    files = {name: Path(value) for name, value in environment(way).items() if name.endswith("_FILE")}
    for name, file in files.items():
        secret = secrets[str(file.parent)]
        paths = [item["path"] for item in secret.get("items", [])]
        assert not paths or file.name in paths, name
    assert not [name for name in environment(way) if re.search(r"SECRET$|PASSWORD$|TOKEN$|KEY$", name)]
    has_credentials = "AIRBYTE_EXPORTER_AIRBYTE__CLIENT_SECRET_FILE" in files
    assert has_credentials == (way != "helm no-auth")


def test_its_environment_and_configuration_are_accepted(way: str, tmp_path: Path) -> None:
    """With what Kubernetes would put beside it, were that not switched off; paths are those of the test."""

    def here(text: str) -> str:
        return text.replace("/etc/airbyte-exporter", str(tmp_path)).replace(STATE, str(tmp_path / "state"))

    arguments = container(way)["args"]
    path = Path(arguments[arguments.index("--config") + 1])
    name = mounted(way)[str(path.parent)]["configMap"]["name"]
    (config,) = (each["data"] for each in every("ConfigMap", way) if each["metadata"]["name"] == name)
    for file in (value for value in environment(way).values() if value.startswith("/etc/")):
        Path(here(file)).parent.mkdir(exist_ok=True)
        Path(here(file)).write_text("https://a-credential.example.com", encoding="utf-8")
    if "helm tls" in way:
        hashed = bcrypt.hashpw(b"scraped", bcrypt.gensalt(4)).decode()
        (tmp_path / "web" / "web.yml").write_text(f"basic_auth_users:\n  prometheus: {hashed}\n", "utf-8")
    (tmp_path / path.name).write_text(here(config[path.name]), encoding="utf-8")
    variables = {name: here(value) for name, value in environment(way).items()}
    if "ALERTS__RECEIVERS__ONCALL__SECRET_FILE" in str(variables):
        secret = Path(variables["AIRBYTE_EXPORTER_ALERTS__RECEIVERS__ONCALL__SECRET_FILE"])
        secret.write_text("whsec_" + "QUFB" * 8, encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "airbyte_exporter", "config", "validate", str(tmp_path / path.name)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **INJECTED, **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "a-credential" not in checked.stdout + checked.stderr


def test_rules_and_dashboards_are_the_files(way: str) -> None:
    rules = list(every("PrometheusRule", way))
    boards = {
        name: json.loads(text)
        for each in every("ConfigMap", way)
        for name, text in each["data"].items()
        if name.endswith(".json")
    }
    assert bool(rules) == bool(boards) == (way in OPERATORS)
    assert [each["spec"] for each in rules] == [{"groups": groups()}] * len(rules)
    files = (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")
    expected = {f"airbyte-{path.name}": json.loads(path.read_text("utf-8")) for path in files}
    assert boards == (expected if way in OPERATORS else {})
    for each in every("ConfigMap", way):
        if any(name.endswith(".json") for name in each["data"]):
            labels = each["metadata"]["labels"]
            assert labels.get("grafana_dashboard") == "1" or labels["grafana.example.com/dashboard"] == "yes"


def test_kubectl_can_keep_a_copy_of_what_it_applies(way: str) -> None:
    for each in manifests(way):
        assert len(json.dumps(each)) < APPLIED_BYTES, each["metadata"]["name"]


def test_a_changed_configuration_is_another_pod(way: str) -> None:
    template = of_kind("Deployment", way)["spec"]["template"]
    (config,) = (volume["configMap"]["name"] for volume in pod(way)["volumes"] if volume["name"] == "config")
    names = [each["metadata"]["name"] for each in every("ConfigMap", way)]
    assert config in names
    if way.startswith("kustomize"):
        assert re.fullmatch(rf"{NAME}-[a-z0-9]{{10}}", config), "a hash of the content"
    else:
        _, _, values = way.partition(" ")
        changed = helm(
            "template", NAME, CHART, "-f", VALUES[values], "--set", "config.log.level=debug"
        ).stdout
        (other,) = (
            each["spec"]["template"]
            for each in yaml.safe_load_all(changed)
            if each and each["kind"] == "Deployment"
        )
        assert other["metadata"]["annotations"] != template["metadata"]["annotations"]


def test_every_file_beside_it_is_used(way: str) -> None:
    """Nothing lies about that no manifest is made of."""
    tool, _, name = way.partition(" ")
    if tool == "kustomize":
        folders = [BASE, OVERLAYS[name]]
        for folder in folders:
            said = (folder / "kustomization.yaml").read_text("utf-8")
            others = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
            assert [other for other in others if other not in said] == []
    else:
        used = set(re.findall(r"^# Source: (.*)$", rendered(way), re.MULTILINE))
        templates = {path.relative_to(CHART.parent).as_posix() for path in CHART.rglob("templates/**/*.yaml")}
        assert used <= templates
        assert way != "helm operator" or used == templates
