"""What compose would start works together: the very commands, variables and files, without an engine.

Grafana is not to be had; that its files fit is looked at in tests/contract/deploy/test_compose.py.
"""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.compose import PYTHON, merged, service_running
from tests.e2e.harness import eventually, free_port, get
from tests.e2e.prometheus import Prometheus
from tests.rules import VERSIONS, groups, program

PORTS = {"airbyte": 8001, "exporter": 10980, "prometheus": 9090, "alertmanager": 9093}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_demo_is_scraped_judged_and_told(version: str, tmp_path: Path) -> None:
    services = merged(own_airbyte=False)
    at = {name: f"127.0.0.1:{free_port()}" for name in PORTS}
    addresses = {f"{name}:{port}": at[name] for name, port in PORTS.items()}
    state = tmp_path / "state.db"
    variables = {
        "AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS": at["exporter"],
        "AIRBYTE_EXPORTER_STATE__URL": f"sqlite:///{state}",
    }
    with ExitStack() as stack:
        simulated = {"0.0.0.0:8001": at["airbyte"]}
        stack.enter_context(service_running(services["airbyte"], PYTHON, tmp_path, simulated))
        exporter = {**services["exporter"], "command": ["run"]}  # the image's own
        stack.enter_context(service_running(exporter, PYTHON, tmp_path, addresses, **variables))
        manager = [program("prometheus-alertmanager", version)]
        listen = [f"--web.listen-address={at['alertmanager']}", "--cluster.listen-address="]
        stack.enter_context(
            service_running(services["alertmanager"], [*manager, *listen], tmp_path, addresses)
        )
        server = [program("prometheus", version), f"--web.listen-address={at['prometheus']}"]
        stack.enter_context(service_running(services["prometheus"], server, tmp_path, addresses))

        prometheus = Prometheus(f"http://{at['prometheus']}")
        eventually(lambda: get(f"{prometheus.url}/-/ready")[0] == 200, "Prometheus is ready")
        eventually(lambda: prometheus.value("airbyte_up") == 1, "Airbyte is read", timeout=60)
        (labels,) = (labels for labels, _ in prometheus.query("up == 1"))
        assert (labels["job"], labels["instance"]) == ("airbyte-exporter", "airbyte")
        judged = prometheus._ask("rules")["groups"]
        assert {group["name"] for group in judged} == {group["name"] for group in groups()}
        eventually(
            lambda: prometheus._ask("alertmanagers")["activeAlertmanagers"], "Prometheus has its Alertmanager"
        )
        told, text = get(f"http://{at['alertmanager']}/api/v2/status")
        assert told == 200
        assert "AirbyteExporterDown" in json.loads(text)["config"]["original"]
