"""The daemon with its settings, on a real socket, without an Airbyte."""

import base64
import json
import ssl
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import bcrypt

from airbyte_exporter.app import Daemon
from airbyte_exporter.model import Instance, Inventory
from airbyte_exporter.settings import load_settings
from airbyte_exporter.store import Progress, open_store
from tests.certificates import Certificates
from tests.e2e.harness import eventually


def test_options_of_the_page_and_of_the_web_reach_it(tmp_path: Path) -> None:
    Certificates(tmp_path).make("server", "IP:127.0.0.1")
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(
        "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
        f"basic_auth_users: {{prometheus: {hashed}}}\n"
    )
    (tmp_path / "config.yaml").write_text(
        "airbyte: {url: 'http://127.0.0.1:9'}\n"
        f"state: {{url: 'sqlite:///{tmp_path}/state.db'}}\n"
        "web: {listen_address: '127.0.0.1:0', config_file: web.yml}\n"
        "metrics: {exclude: ['python_*'], max_connections: 1, created: true}\n"
    )
    daemon = Daemon(load_settings(config_file=tmp_path / "config.yaml", environ={}))
    daemon.start()
    try:
        assert daemon.address.startswith("https://")
        request = urllib.request.Request(f"{daemon.address}/metrics")
        request.add_header("Authorization", f"Basic {base64.b64encode(b'prometheus:secret').decode()}")
        trusted = ssl.create_default_context(cafile=tmp_path / "server.crt")
        with urllib.request.urlopen(request, timeout=10, context=trusted) as answer:
            page = answer.read().decode()
    finally:
        daemon.stop()
    assert "airbyte_exporter_polls_total" in page
    assert "python_info" not in page


def test_an_airbyte_that_cannot_be_read_any_more_is_told_with_what_was_known(tmp_path: Path) -> None:
    settings = load_settings(
        config_file=None,
        environ={
            "AIRBYTE_EXPORTER_AIRBYTE__URL": "http://127.0.0.1:9",
            "AIRBYTE_EXPORTER_STATE__URL": f"sqlite:///{tmp_path}/state.db",
            "AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0",
        },
    )
    now = int(time.time())
    with closing(open_store(settings.state)) as store:
        store.bind(url=settings.airbyte.url, deployment_id=None, epoch=now - 60)
        store.record_inventory(Inventory(Instance(None, None, "config", "none"), (), (), now - 60))
        store.save_progress(Progress(jobs_as_of=now - 60))
    daemon = Daemon(settings)
    daemon.start()
    try:

        def failing() -> dict[str, object] | None:
            with urllib.request.urlopen(f"{daemon.address}/api/v1/status", timeout=10) as answer:
                found: dict[str, object] = json.load(answer)["airbyte"]
            return found if found["up"] is False else None

        found = eventually(failing, "the first poll has failed")
    finally:
        daemon.stop()
    assert found is not None
    assert "127.0.0.1:9" in str(found["error"])
