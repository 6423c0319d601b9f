"""Certificates for tests, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.requirements import require_program

__all__ = ["Certificates"]


@dataclass(frozen=True, slots=True)
class Certificates:
    """Self-signed certificates with their keys in one folder, each its own authority."""

    folder: Path

    def cert(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def make(self, name: str, *names: str, key: tuple[str, ...] = (), passphrase: str | None = None) -> None:
        """Write a certificate for the alternative `names`, such as ``DNS:client``, over an older one."""
        kind = key or ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        protection = ("-nodes",) if passphrase is None else ("-passout", f"pass:{passphrase}")
        alternatives = ("-addext", f"subjectAltName={','.join(names)}") if names else ()
        command = [
            require_program("openssl"), "req", "-x509", "-newkey", *kind, *protection, "-days", "2",
            "-subj", f"/CN={name}", *alternatives, "-keyout", self.key(name), "-out", self.cert(name),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
