"""Certificates, made once and copied for each test."""

from pathlib import Path

import pytest

from tests.certificates import Certificates


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("pki"))
    made.make("server", "IP:127.0.0.1")
    made.make("renewed", "IP:127.0.0.1")
    made.make("client", "DNS:prometheus", "IP:2001:db8::1", "email:ops@example.com")
    made.make("stranger", "DNS:prometheus")
    return made


@pytest.fixture
def pki(made: Certificates, tmp_path: Path) -> Certificates:
    """Certificates in a folder that a test may change."""
    for file in made.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return Certificates(tmp_path)
