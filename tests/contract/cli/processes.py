"""The command as a process of its own."""

import subprocess
import sys
from collections.abc import Callable

COMMAND = [sys.executable, "-m", "airbyte_exporter"]


Start = Callable[..., subprocess.Popen[str]]


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )
