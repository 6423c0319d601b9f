"""The chart is what people can install: values that are wrong are refused, what is packaged is whole."""

import shutil
import subprocess
import sys
import tarfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from airbyte_exporter import __version__
from tests.kubernetes import CHART, VALUES, every, helm, of_kind
from tests.requirements import ROOT
from tests.servers import serving

GENERATOR = CHART.parent / "build.py"


@pytest.mark.parametrize("values", VALUES)
def test_helm_finds_nothing_wrong(values: str) -> None:
    said = helm("lint", "--strict", CHART, "-f", VALUES[values])
    assert said.returncode == 0, said.stdout
    assert "[WARNING]" not in said.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("serviceMonitor.enabld=true", "additional properties 'enabld' not allowed"),
        ("replicas=2", "additional properties 'replicas' not allowed"),
        ("replicaCount=2", "additional properties 'replicaCount' not allowed"),
        ("service.port=http", "at '/service/port': got string, want integer"),
        ("web.scheme=https", "at '/web/scheme'"),
        ("image.digest=latest", "at '/image/digest'"),
        ("persistence.accessModes={ReadWriteMany}", "at '/persistence/accessModes/0'"),
        ("secretFiles[0].variable=TOKEN", "at '/secretFiles/0'"),
        ("serviceMonitor.interval=30", "at '/serviceMonitor/interval'"),
        (f"nameOverride={'a' * 59}", "at '/nameOverride': maxLength: got 59, want 58"),
        ("fullnameOverride=Airbyte", "at '/fullnameOverride'"),
        ("config.web.listen_address=:9000", "config.web.listen_address: :9000: probes and Service ask"),
        ("config.web.listen_address=127.0.0.1:10980", "0.0.0.0:10980 or [::]:10980"),
        ("config.web.listen_address=9000", "config.web.listen_address: 9000: probes and Service ask"),
        ("extraEnv[0].name=AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS", "say it in config.web.listen_address"),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong: str, said: str) -> None:
    done = helm("template", "airbyte-exporter", CHART, "--set", wrong)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_longest_names_are_short_enough() -> None:
    """Labels, and names that become labels or host names, have at most 63 characters."""
    long = helm(
        "template", "r" * 53, CHART, "-f", VALUES["everything"], "--set", f"nameOverride={'n' * 58}",
        "--set", f"fullnameOverride={'f' * 63}",
    )  # fmt: skip
    assert long.returncode == 0, long.stderr
    made = [each for each in yaml.safe_load_all(long.stdout) if each]
    labels = [each["metadata"]["labels"] for each in made]
    labels += [
        each["spec"]["template"]["metadata"]["labels"] for each in made if each["kind"] == "Deployment"
    ]
    assert len(made) > 8
    assert [value for each in labels for value in each.values() if len(value) > 63] == []
    assert [each["metadata"]["name"] for each in made if each["kind"] == "Service"] == ["f" * 63]


@pytest.mark.parametrize("emptied", ["config", "config.web", "config.airbyte"])
def test_a_section_without_a_value_is_none(emptied: str) -> None:
    """As it is where somebody comments out all that stands below a key."""
    done = helm("install", "a", CHART, "--dry-run=client", "--set", f"{emptied}=null")
    assert done.returncode == 0, done.stderr
    is_named = "an Airbyte that the environment names" not in done.stdout
    assert is_named == (emptied == "config.web")


def test_what_looks_like_no_text_is_text() -> None:
    """Names of letters and digits that YAML would take for a number, a truth value or nothing."""
    odd = [
        "credentials.existingSecret=123", "credentials.clientIdKey=1", "credentials.clientSecretKey=null",
        "fullnameOverride=yes", "nameOverride=0", "serviceAccount.name=7", "priorityClassName=true",
        "persistence.storageClass=off", "web.existingSecret=1e3",
        "secretFiles[0].variable=AIRBYTE_EXPORTER_A_FILE", "secretFiles[0].secret=0", "secretFiles[0].key=no",
    ]  # fmt: skip
    options = [word for it in odd for word in ("--set-string", it)]
    done = helm("template", "123", CHART, *options)
    assert done.returncode == 0, done.stderr
    for manifest in yaml.safe_load_all(done.stdout):
        if manifest is not None:
            kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_no_storage_class_can_be_asked_for() -> None:
    done = helm("template", "a", CHART, "--set", "persistence.storageClass=-")
    (claim,) = (
        each
        for each in yaml.safe_load_all(done.stdout)
        if each is not None and each["kind"] == "PersistentVolumeClaim"
    )
    assert claim["spec"]["storageClassName"] == ""


def test_a_release_that_begins_with_a_digit_needs_a_name() -> None:
    done = helm("template", "1prod", CHART)
    assert done.returncode == 1
    assert "1prod-airbyte-exporter can be no Service's name" in done.stderr
    assert "set fullnameOverride" in done.stderr
    named = helm("template", "1prod", CHART, "--set", "fullnameOverride=prod,nameOverride=AirbyteExporter")
    assert named.returncode == 0, named.stderr


def test_the_pod_may_listen_on_ipv6() -> None:
    done = helm("template", "a", CHART, "--set", "config.web.listen_address=[::]:10980")
    assert done.returncode == 0, done.stderr
    assert "listen_address: '[::]:10980'" in done.stdout


def test_the_version_is_the_projects() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_a_package_holds_the_rules_and_dashboards_themselves(tmp_path: Path) -> None:
    packaged = helm("package", CHART, "--destination", tmp_path)
    assert packaged.returncode == 0, packaged.stderr
    package = tmp_path / f"airbyte-exporter-{__version__}.tgz"
    with tarfile.open(package) as archive:
        assert all(member.isfile() for member in archive.getmembers()), "no links that lead nowhere"
    subprocess.run(["tar", "-xzf", package, "-C", tmp_path], check=True)
    files = tmp_path / "airbyte-exporter" / "files"
    deploy = ROOT / "deploy"
    assert (files / "airbyte-rules.yaml").read_bytes() == (
        deploy / "prometheus" / "airbyte-rules.yaml"
    ).read_bytes()
    for path in (deploy / "grafana" / "dashboards").iterdir():
        assert (files / "dashboards" / path.name).read_bytes() == path.read_bytes()
    from_package = helm("template", "a", tmp_path / "airbyte-exporter", "-f", VALUES["operator"])
    from_clone = helm("template", "a", CHART, "-f", VALUES["operator"])
    assert from_package.stdout == from_clone.stdout


def test_a_prometheus_template_in_an_annotation_stays_one() -> None:
    (rule,) = every("PrometheusRule", "helm operator")
    said = [
        it["annotations"]["summary"]
        for group in rule["spec"]["groups"]
        for it in group["rules"]
        if "alert" in it
    ]
    assert "Sync failed: {{ $labels.connection_name }}" in said


def test_what_is_said_after_an_install_names_what_is_there(tmp_path: Path) -> None:
    done = helm("install", "data", CHART, "--dry-run=client", "--namespace", "pipes", "-f", VALUES["tls"])
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:\n")[2]
    assert "rollout status deployment/data-airbyte-exporter" in notes
    assert "port-forward service/data-airbyte-exporter 10980:10980\n" in notes
    assert "https://localhost:10980/" in notes
    assert "create secret generic airbyte-exporter" in notes
    without = helm("install", "data", CHART, "--dry-run=client", "-f", VALUES["no-auth"]).stdout
    assert "create secret" not in without
    assert "every restart is a counter reset" in without


@pytest.mark.parametrize(("status", "body"), [(200, "ready"), (503, "the first poll has not ended")])
def test_its_test_says_whether_the_exporter_is_ready(status: int, body: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/-/ready"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_request(self, *_args: object) -> None:
            """Keep quiet."""

    (only,) = of_kind("Pod", "helm minimal")["spec"]["containers"]
    _, option, program, url = only["command"]
    assert url == "http://airbyte-exporter:10980/-/ready"
    with serving(Handler) as address:
        here = url.replace("http://airbyte-exporter:10980", address)
        done = subprocess.run(
            [sys.executable, option, program, here], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr.strip()) == ((0, "") if status == 200 else (1, body))


def test_the_readme_lists_the_values_there_are(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, str(GENERATOR), "--check"], check=False).returncode == 0
    shutil.copytree(CHART, tmp_path / CHART.name)
    copied = shutil.copy(GENERATOR, tmp_path)
    values = tmp_path / CHART.name / "values.yaml"
    values.write_text(values.read_text("utf-8").replace("port: 10980", "port: 10981"), encoding="utf-8")
    command = [sys.executable, copied]
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 1
    assert subprocess.run(command, check=False).returncode == 0
    assert subprocess.run([*command, "--check"], check=False).returncode == 0
    assert "| `service.port` | `10981` |" in (tmp_path / CHART.name / "README.md").read_text("utf-8")


def test_the_validation_of_manifests_finds_a_key_that_kubernetes_does_not_know() -> None:
    deployment = of_kind("Deployment", "helm minimal")
    deployment["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError, match="enableServiceLink"):
        kubernetes_validate.validate(deployment, "1.33", strict=True)
