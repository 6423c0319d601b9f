"""What errors of the file and of the database mean for people, and what helps."""

import errno
import os
from pathlib import Path
from typing import Final

import sqlalchemy as sa

__all__ = ["BUSY_SECONDS", "DAMAGE", "DAMAGED", "meaning", "what_to_do"]

BUSY_SECONDS: Final = 10
"""How long a transaction waits for another process to finish its own."""

DAMAGED: Final = (
    "it is damaged: move it away, with its -wal and -shm, then restore a copy, or counting starts anew"
)
DAMAGE: Final = (ValueError, LookupError, TypeError, AttributeError)
"""What comes of values that nobody can have written, where all that is done is to read them."""


def what_to_do(error: OSError, path: Path) -> str:
    """Say why the file `path` cannot be had, and what helps."""
    whose = ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            advice = "free some space, or set state.url"
        case errno.EISDIR:
            advice = "name a file in it in state.url"
        case errno.EEXIST | errno.ENOTDIR:
            advice = "a folder of its path is a file, set state.url"
        case errno.EROFS:
            advice = "mount its file system for writing, or set state.url"
        case _:
            advice = "let this user write to it and to its folder, or set state.url"
            whose = _whose(path)
    return f"{error.strerror}{whose}: {advice}"


def _whose(path: Path) -> str:
    """Say whose a file is, or what there is of its path, if it is somebody else's."""
    for place in (path, *path.parents):
        try:
            owner_id = place.stat().st_uid
        except OSError:
            continue
        me = os.geteuid()
        return "" if owner_id == me else f" ({place} is user {owner_id}'s, this is user {me})"
    return ""


_MEANINGS: Final = (
    ("disk is full", "the disk is full: free some space"),
    (
        "readonly",
        "it is not writable: let this user write to the file and its folder, on a volume that is writable",
    ),
    ("unable to open", "it cannot be opened: check the folder's permissions"),
    ("not a database", "it is not a SQLite database: name another file in state.url"),
    ("malformed", DAMAGED),
    ("could not decode", DAMAGED),
    ("no such", DAMAGED),
    ("locked", f"another process has been writing to it for more than {BUSY_SECONDS} s"),
    ("disk i/o error", "the disk does not work, or is full"),
)


def meaning(error: Exception) -> str:
    """Say in a few words what a database error means, without SQL and values."""
    origin = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
    said = str(origin).splitlines()[0] if str(origin) else type(origin).__name__
    return next((meaning for sign, meaning in _MEANINGS if sign in said.lower()), said)
