"""The copy that stays beside a state whose schema is brought up to date, for whoever has to go back."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["copy_of", "keep_copy"]


def copy_of(path: Path, schema: str) -> Path:
    """Return where the copy of a state is as it was with `schema`."""
    return path.with_name(f"{path.name}.{schema}")


def keep_copy(path: Path, copy: Path) -> None:
    """Copy a state that nobody writes to, with what its log still holds, to `copy`.

    That is complete then, or as it was before: one from an earlier upgrade, or nothing.

    Raises:
        sqlite3.Error: It cannot be read or written.
        OSError: As above.
    """
    part = copy.with_name(f"{copy.name}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(part)) as new:
            old.backup(new)
        _sync(part)
        part.replace(copy)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Let what was written survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
