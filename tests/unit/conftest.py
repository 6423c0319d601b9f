"""Fixtures that several tests of one folder share."""

from pathlib import Path

import pytest

from tests.unit.configured import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration file and return its path."""

    def write_file(text: str) -> Path:
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write_file
