"""A look at the state from outside, beside whoever has it: nothing is created, migrated or written."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from airbyte_exporter.store import _inventory
from airbyte_exporter.store._config import StoreConfig
from airbyte_exporter.store._database import file_of, lock_of, owner
from airbyte_exporter.store._errors import StoreError
from airbyte_exporter.store._look import look, require_whole, revision
from airbyte_exporter.store._meaning import what_to_do
from airbyte_exporter.store._values import Identity
from airbyte_exporter.store.schema import HEAD

__all__ = ["StateLook", "inspect_store"]

_USE: Final = os.R_OK | os.W_OK
_USE_FOLDER: Final = os.W_OK | os.X_OK


@dataclass(frozen=True, slots=True)
class StateLook:
    """What a state is like.

    `is_new` is whether it is still to be created, `needs_migration` whether the next start brings its schema
    up to date; `used_by` says which process has it, ``None`` if none has. `identity` is the Airbyte that it
    belongs to, ``None`` before that is known.
    """

    path: Path
    is_new: bool = True
    needs_migration: bool = False
    used_by: str | None = None
    identity: Identity | None = None


def inspect_store(config: StoreConfig) -> StateLook:
    """Look at the state that `config` names as `open_store` would use it, and change nothing.

    Whether somebody has it is found out by sharing its lock for an instant. What is still to be created is
    judged by the permissions of the folder where that will happen.

    Raises:
        StateTooNew: A newer version wrote it.
        StoreError: It could not be created, read or written, or is something else.
    """
    path = file_of(config)
    with _told(path):
        try:
            is_file = not stat.S_ISDIR(path.stat().st_mode)
        except FileNotFoundError:
            require_whole(path)
            _check(_existing(path.parent), _USE_FOLDER)
            return StateLook(path)
        if not is_file:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        _check(path, _USE)
        _check(path.parent, _USE_FOLDER)
        used_by = _user(lock_of(path))

    def read(connection: sa.Connection) -> tuple[str | None, Identity | None]:
        schema = revision(connection, path)
        return schema, None if schema is None else _inventory.identity(connection)

    found, identity = look(path, read, thorough=True, is_used=used_by is not None)
    is_new = found is None
    return StateLook(path, is_new, not is_new and found != HEAD, used_by, identity)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"the state {path} cannot be opened: {what_to_do(error, path)}") from error


def _existing(folder: Path) -> Path:
    """Return `folder`, or what of its path there is."""
    while True:
        try:
            folder.stat()
        except FileNotFoundError:
            folder = folder.parent
        else:
            return folder


def _check(path: Path, mode: int) -> None:
    space = os.statvfs(path)
    if space.f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(path, mode, effective_ids=os.access in os.supports_effective_ids):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    if space.f_blocks and not space.f_bavail:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _user(lock_path: Path) -> str | None:
    """Return who has the lock, ``None`` if nobody."""
    try:
        descriptor = os.open(lock_path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return owner(lock)
    return None
