"""Standard error as systemd's journal; loads nothing that a command would have to wait for."""

import os
from typing import Final, TextIO

ERROR: Final = "<3>"
"""What begins a line that the journal is to keep as an error, and takes off it."""


def is_journal(stream: TextIO) -> bool:
    """Whether `stream` leads to systemd's journal, which then names it by device and inode in JOURNAL_STREAM.

    The variable alone says nothing: a child with another standard error inherits it.
    """
    named = os.environ.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{found.st_dev}:{found.st_ino}"
