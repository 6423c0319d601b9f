"""Prometheus takes the configuration that the documents show."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.requirements import ROOT, require_program


@pytest.mark.parametrize("document", ["README.md", "docs/install.md"])
def test_prometheus_takes_the_scrape_configuration(document: str, tmp_path: Path) -> None:
    promtool = require_program("promtool")
    written = (ROOT / document).read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", written, re.DOTALL)
    file = tmp_path / "prometheus.yml"
    file.write_text(shown)
    done = subprocess.run(
        [promtool, "check", "config", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
