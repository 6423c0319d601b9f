"""The daemon with its settings, on a real socket, without an Airbyte."""

import base64
import ssl
import urllib.request
from pathlib import Path

import bcrypt

from airbyte_exporter.app import Daemon
from airbyte_exporter.settings import load_settings
from tests.certificates import Certificates


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
