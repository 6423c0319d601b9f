"""The compose files are what compose takes, keep to themselves, and their parts fit together."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from airbyte_exporter import __version__
from tests.compose import AIRBYTE, COMPOSE, FOLDER, merged, mounts
from tests.environments import environment
from tests.requirements import ROOT
from tests.rules import VERSIONS, promtool

SERVICES = merged(own_airbyte=False)
PROMETHEUS = yaml.safe_load((FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))
OURS = f"airbyte-exporter:{__version__}"
WRITABLE = {
    "exporter": "/var/lib/airbyte-exporter",
    "prometheus": "/prometheus",
    "alertmanager": "/alertmanager",
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The specification's schema as docker-compose 1.29 has it; `name` came to it later."""
    home = environment("docker-compose", "1.29.2", alone=True)
    (path,) = home.glob("lib/*/site-packages/compose/config/compose_spec.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    found["properties"]["name"] = {"type": "string"}
    return found


@pytest.mark.parametrize("path", [COMPOSE, AIRBYTE], ids=lambda path: str(path.name))
def test_compose_knows_every_key(schema: dict[str, Any], path: Path) -> None:
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(written)] == []


def test_the_schema_finds_what_is_wrong(schema: dict[str, Any]) -> None:
    spoiled = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    spoiled["services"]["exporter"]["read_onyl"] = True
    with pytest.raises(jsonschema.ValidationError, match="read_onyl"):
        jsonschema.Draft7Validator(schema).validate(spoiled)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_and_is_for_this_machine_alone(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["image"] == OURS or re.fullmatch(
        r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", service["image"]
    )
    for origin in mounts(service).values():
        assert origin.exists(), origin
    assert not [
        volume for volume in service.get("volumes", []) if volume.startswith(".") and ":ro" not in volume
    ]


def test_the_image_is_built_once_and_never_pulled() -> None:
    """Two services that build one tag at the same time make an engine say that it exists already."""
    ours = {name: it for name, it in SERVICES.items() if it["image"] == OURS}
    assert [name for name, it in SERVICES.items() if "build" in it] == ["exporter"]
    assert {name: it["pull_policy"] for name, it in ours.items()} == {"airbyte": "never", "exporter": "build"}
    assert merged(own_airbyte=True)["exporter"]["build"] == SERVICES["exporter"]["build"]


def test_what_is_written_is_kept() -> None:
    for name, folder in WRITABLE.items():
        assert [it for it in SERVICES[name]["volumes"] if it.endswith(f":{folder}")], name


@pytest.mark.parametrize("version", VERSIONS)
def test_prometheus_takes_its_configuration(version: str, tmp_path: Path) -> None:
    """With the rules where the container has them."""
    for target, origin in mounts(SERVICES["prometheus"]).items():
        (tmp_path / Path(target).name).write_bytes(origin.read_bytes())
    said = promtool(version, "check", "config", tmp_path / "prometheus.yaml")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "1 rule files found" in said.stdout


def listens(address: str) -> bool:
    """Say whether an address is one of a service, with the port that it listens on."""
    host, _, port = address.partition(":")
    service = SERVICES.get(host, {})
    published = {it.rpartition(":")[2] for it in service.get("ports", [])}
    return port in published or f"0.0.0.0:{port}" in service.get("command", [])


def test_addresses_are_those_of_services() -> None:
    (scraped,) = PROMETHEUS["scrape_configs"]
    (alertmanagers,) = PROMETHEUS["alerting"]["alertmanagers"]
    (source,) = yaml.safe_load((FOLDER / "grafana-datasource.yaml").read_text("utf-8"))["datasources"]
    assert all(listens(it) for it in scraped["static_configs"][0]["targets"])
    assert all(listens(it) for it in alertmanagers["static_configs"][0]["targets"])
    assert listens(urlsplit(source["url"]).netloc)
    assert listens(urlsplit(SERVICES["exporter"]["environment"]["AIRBYTE_EXPORTER_AIRBYTE__URL"]).netloc)


def test_grafana_is_given_every_dashboard_and_the_true_interval() -> None:
    grafana = SERVICES["grafana"]
    given = mounts(grafana)
    provider = yaml.safe_load(given["/etc/grafana/provisioning/dashboards/airbyte.yaml"].read_text("utf-8"))
    folder = provider["providers"][0]["options"]["path"]
    assert given[folder] == ROOT / "deploy" / "grafana" / "dashboards"
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == folder
    assert (given[folder] / home.name).is_file()
    (source,) = yaml.safe_load((FOLDER / "grafana-datasource.yaml").read_text("utf-8"))["datasources"]
    assert source["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]


def test_an_airbyte_of_ones_own_takes_the_place_of_the_simulated_one() -> None:
    services = merged(own_airbyte=True)
    assert services["airbyte"]["profiles"], "not started unless asked for"
    exporter = services["exporter"]
    variables = exporter["environment"]
    assert variables["AIRBYTE_EXPORTER_AIRBYTE__URL"].startswith("${AIRBYTE_URL:?")
    files = {Path(value).name for name, value in variables.items() if name.endswith("_FILE")}
    declared = yaml.safe_load(AIRBYTE.read_text("utf-8"))["secrets"]
    assert files == set(exporter["secrets"]) == declared.keys()
    assert not [key for key in variables if re.search(r"(SECRET|PASSWORD|TOKEN)$", key)]
    ignored = subprocess.run(
        ["git", "check-ignore", *(str(FOLDER / it["file"]) for it in declared.values())],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert ignored.returncode == 0, "secrets are never committed by mistake"
