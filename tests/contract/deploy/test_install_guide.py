"""What the installation guide shows works as it is shown."""

import re
import shlex
import subprocess
from pathlib import Path

from tests.requirements import ROOT, require_program

GUIDE = (ROOT / "docs" / "install.md").read_text("utf-8")


def test_the_scrape_configuration_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    config = tmp_path / "prometheus.yml"
    config.write_text(shown, encoding="utf-8")
    checked = subprocess.run(
        [require_program("promtool"), "check", "config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_the_container_is_started_with_the_paths_and_the_port_of_the_image() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    (shown,) = re.findall(r"    docker run (.*?)\n\n", GUIDE, re.DOTALL)
    words = shlex.split(shown.replace("\\\n", " "))
    (volume,) = re.findall(r"^VOLUME (.*)$", dockerfile, re.MULTILINE)
    (port,) = re.findall(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE)
    assert f"airbyte-exporter:{volume}" in words
    assert f"127.0.0.1:{port}:{port}" in words
    build = next(line.strip() for line in GUIDE.splitlines() if line.strip().startswith("docker build"))
    assert words[-1] in build.split()


def test_every_document_and_file_that_is_pointed_to_exists() -> None:
    generated = {"configuration.md", "metrics.md"}  # written by docs/build.py
    for name in ("install.md", "upgrading.md", "dashboards.md"):
        text = (ROOT / "docs" / name).read_text("utf-8")
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert link in generated or (ROOT / "docs" / link).is_file(), f"{name}: {link}"
        for path in re.findall(r"`(deploy/[\w./-]+)`", text):
            assert (ROOT / path).exists(), f"{name}: {path}"
