"""``docs/check.md`` shows what `check` prints."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from airbyte_exporter.simulator import SimulatorServer, World
from tests.requirements import ROOT

OF_AIRBYTE = ("address", "credentials", "permission", "workspaces", "connections", "jobs", "polling", "rules")


def of_airbyte(printed: str) -> list[str]:
    """Return the lines about Airbyte, each advice behind its step, without what differs from run to run."""
    joined = re.sub(r"\n {17}", " ", printed)
    steady = re.sub(r"http://\S+/api/v1|(?<=newest is sync ).+", "…", joined)
    return [line for line in steady.splitlines() if line[2:].startswith(OF_AIRBYTE)]


def test_the_page_shows_what_a_reader_of_the_simulated_airbyte_sees(tmp_path: Path) -> None:
    world = World(now=time.time())
    world.freeze()
    server = SimulatorServer(world, auth="client-credentials")
    server.start()
    try:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith("AIRBYTE_EXPORTER_")
        }
        settings = {
            "AIRBYTE__URL": server.url,
            "AIRBYTE__CLIENT_ID": server.credentials.reader_client_id,
            "AIRBYTE__CLIENT_SECRET": server.credentials.reader_client_secret,
            "WEB__LISTEN_ADDRESS": "127.0.0.1:0",
            "ALERTS__WEBHOOK_URL": "http://127.0.0.1:1/nobody-listens",
        }
        done = subprocess.run(
            [sys.executable, "-m", "airbyte_exporter", "check"],
            env=kept
            | {"XDG_STATE_HOME": str(tmp_path), "PYTHONUTF8": "1"}
            | {f"AIRBYTE_EXPORTER_{name}": value for name, value in settings.items()},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    finally:
        server.stop()
    written = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    (shown,) = re.findall(
        r"^```text\n\$ airbyte-exporter check\n(.*?)^```", written, re.DOTALL | re.MULTILINE
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert len(of_airbyte(shown)) == len(OF_AIRBYTE) + 1
    assert of_airbyte(done.stdout) == of_airbyte(shown)
    assert done.stdout.splitlines()[-2:] == shown.splitlines()[-2:]
