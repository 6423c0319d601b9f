"""The demo, as the README promises it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.harness import Scrape, eventually, free_port, get


def test_the_demo_shows_numbers_that_move_and_a_failure_that_is_told(tmp_path: Path) -> None:
    port = free_port()
    started = time.monotonic()
    demo = subprocess.Popen(
        [sys.executable, "-m", "airbyte_exporter", "demo", f"--listen-address=127.0.0.1:{port}", "--seed=3"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:

        def scrape() -> Scrape | None:
            status, text = get(f"http://127.0.0.1:{port}/metrics")
            found = Scrape(text)
            return found if status == 200 and len(found.all("airbyte_connection_info")) == 12 else None

        first = eventually(scrape, "a complete page")
        assert first is not None
        assert time.monotonic() - started < 30

        def records(page: Scrape) -> float:
            return sum(page.all("airbyte_connection_records_synced_total").values())

        def moved() -> bool:
            page = scrape()
            return page is not None and records(page) > records(first)

        eventually(moved, "numbers move", timeout=60)

        def notified() -> float:
            page = scrape()
            outcome = {"receiver": "webhook", "outcome": "delivered"}
            return 0 if page is None else page.value("airbyte_exporter_notifications_total", **outcome) or 0

        eventually(notified, "a failed sync posts a webhook", timeout=60)
    finally:
        demo.terminate()
        output, _ = demo.communicate(timeout=20)
    assert demo.returncode == 0, output
    assert f"127.0.0.1:{port}/metrics" in output
    assert re.search(r"\d\d:\d\d:\d\d +FIRING +SyncFailed", output), output
    assert "Traceback" not in output
    leftovers = [path for path in tmp_path.iterdir() if "airbyte" in path.name]
    assert leftovers == [], "its state is temporary"
