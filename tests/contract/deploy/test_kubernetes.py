"""The kustomize base fits together, runs the exporter without rights, and its configuration is accepted."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from airbyte_exporter import __version__
from tests.requirements import ROOT

BASE = ROOT / "deploy" / "k8s"
NAME = "airbyte-exporter"
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


def kustomization() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((BASE / "kustomization.yaml").read_text("utf-8"))
    return loaded


def manifests() -> dict[str, dict[str, Any]]:
    """The resources of the base by kind."""
    files = [BASE / name for name in kustomization()["resources"]]
    return {each["kind"]: each for path in files for each in yaml.safe_load_all(path.read_text("utf-8"))}


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifests()["Deployment"]["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    return dict(only)


def environment() -> dict[str, str]:
    return {each["name"]: each["value"] for each in container()["env"]}


def mounted() -> dict[str, dict[str, Any]]:
    """The volumes by where they are mounted."""
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in container()["volumeMounts"]}


def test_the_base_holds_every_file_beside_it() -> None:
    listed = {*kustomization()["resources"], *kustomization()["configMapGenerator"][0]["files"]}
    assert {path.name for path in BASE.iterdir()} == {*listed, "kustomization.yaml", "README.md"}
    assert set(manifests()) == {
        "ServiceAccount",
        "PersistentVolumeClaim",
        "Deployment",
        "Service",
        "ServiceMonitor",
    }


def test_it_goes_into_whatever_namespace_it_is_applied_to() -> None:
    assert "namespace" not in kustomization()
    assert not [kind for kind, each in manifests().items() if "namespace" in each["metadata"]]


def test_selectors_find_what_they_are_for() -> None:
    every = manifests()
    deployment, service, monitor = every["Deployment"], every["Service"], every["ServiceMonitor"]
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


def test_ports_are_the_ones_that_are_listened_on() -> None:
    (port,) = container()["ports"]
    (offered,) = manifests()["Service"]["spec"]["ports"]
    (scraped,) = manifests()["ServiceMonitor"]["spec"]["endpoints"]
    assert port == {"name": "http", "containerPort": 10980}
    assert (offered["targetPort"], scraped["port"], scraped["path"]) == ("http", offered["name"], "/metrics")


def test_a_start_that_cannot_reach_airbyte_is_alive_but_not_ready() -> None:
    probes = {
        kind: container()[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness", "startup")
    }
    assert probes == {"liveness": "/-/healthy", "readiness": "/-/ready", "startup": "/-/healthy"}


def test_two_pods_never_share_the_state() -> None:
    deployment = manifests()["Deployment"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    claim = mounted()["/var/lib/airbyte-exporter"]["persistentVolumeClaim"]["claimName"]
    assert claim == manifests()["PersistentVolumeClaim"]["metadata"]["name"]


def test_the_pod_has_no_rights_and_cannot_write_but_to_its_state() -> None:
    spec, security = pod(), container()["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert manifests()["ServiceAccount"]["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    writable = [mount["name"] for mount in container()["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["state"]


def test_it_agrees_with_the_image() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    (image,) = kustomization()["images"]
    assert (image["name"], image["newTag"]) == (container()["image"], __version__)
    (volume,) = re.findall(r"^VOLUME (.*)$", dockerfile, re.MULTILINE)
    assert volume in mounted()
    (user,) = re.findall(r"^USER (\d+):", dockerfile, re.MULTILINE)
    assert int(user) == pod()["securityContext"]["runAsUser"]


def test_credentials_come_from_the_secret_and_stand_in_no_manifest() -> None:
    secrets = {path: volume["secret"] for path, volume in mounted().items() if "secret" in volume}
    ((folder, secret),) = secrets.items()
    assert secret["secretName"] == NAME
    assert {Path(value).parent for value in environment().values()} == {Path(folder)}
    assert all(name.endswith("_FILE") for name in environment())
    readme = (BASE / "README.md").read_text("utf-8")
    for value in environment().values():
        assert f"--from-literal={Path(value).name}=" in readme


def test_the_configuration_is_accepted_with_what_kubernetes_puts_beside_it(tmp_path: Path) -> None:
    arguments = container()["args"]
    config = Path(arguments[arguments.index("--config") + 1])
    assert "configMap" in mounted()[str(config.parent)]
    variables = {}
    for name, value in environment().items():
        (tmp_path / Path(value).name).write_text("a-credential\n", encoding="utf-8")
        variables[name] = str(tmp_path / Path(value).name)
    checked = subprocess.run(
        [sys.executable, "-m", "airbyte_exporter", "config", "validate", str(BASE / config.name)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **INJECTED, **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "a-credential" not in checked.stdout + checked.stderr


def test_kustomize_builds_it() -> None:
    program = shutil.which("kustomize") or shutil.which("kubectl")
    if not program:
        pytest.skip("neither kustomize nor kubectl is installed")
    command = [program, "build"] if Path(program).name == "kustomize" else [program, "kustomize"]
    built = subprocess.run([*command, str(BASE)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    every = {each["kind"]: each for each in yaml.safe_load_all(built.stdout)}
    name = every["ConfigMap"]["metadata"]["name"]
    spec = every["Deployment"]["spec"]["template"]["spec"]
    assert name.startswith(f"{NAME}-")
    assert [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume] == [name]
    assert spec["containers"][0]["image"] == f"{NAME}:{__version__}"
