"""The status page as a browser shows it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_exporter.web import WebConfig, WebServer
from tests.contract.web.pages import app_of
from tests.requirements import require_program
from tests.snapshots import rich_incidents, rich_snapshot

DARK = "--blink-settings=preferredColorScheme=0"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    app = app_of(rich_snapshot(), rich_incidents())
    server = WebServer(WebConfig(listen_address="127.0.0.1:0"), app)
    server.start()
    yield server.address
    server.stop()


def browse(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Open a page in a browser that has never been used; return what it printed."""
    quiet = ("background-networking", "component-update", "sync", "gpu", "quic")
    return subprocess.run(
        [
            require_program("chromium"),
            "--headless",
            "--no-sandbox",  # the tests may run as root, where its own sandbox cannot
            "--no-first-run",
            *(f"--disable-{feature}" for feature in quiet),
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1000,1200",
            "--enable-logging=stderr",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_the_page_stands_without_a_complaint_of_the_browser(address: str, tmp_path: Path) -> None:
    done = browse(tmp_path, "--dump-dom", address)
    assert done.stdout.count("<tr") == 1 + len(rich_snapshot().connections)
    assert "Postgres orders → Snowflake" in done.stdout
    assert "CONSOLE" not in done.stderr, "the content security policy refuses something of ours"


def test_it_has_a_light_and_a_dark_look(address: str, tmp_path: Path) -> None:
    """That the two differ says that the styles are applied at all."""
    light, dark = tmp_path / "light.png", tmp_path / "dark.png"
    browse(tmp_path, f"--screenshot={light}", address)
    browse(tmp_path, f"--screenshot={dark}", DARK, address)
    assert light.read_bytes()[:8] == dark.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert light.read_bytes() != dark.read_bytes()
