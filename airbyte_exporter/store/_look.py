"""A look at the file before anything may be written to it: what schema it has, and whether it is whole."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import sqlalchemy as sa

from airbyte_exporter.store._copy import copy_of
from airbyte_exporter.store._errors import StateTooNew, StoreError
from airbyte_exporter.store._meaning import DAMAGE, DAMAGED, meaning
from airbyte_exporter.store.schema import HEAD, KNOWN

__all__ = ["look", "require_whole", "revision"]

T = TypeVar("T")


def look(path: Path, read: Callable[[sa.Connection], T], *, thorough: bool, is_used: bool) -> T:
    """Return what `read` finds; neither the file nor the log of a process that was killed is changed.

    But for a transaction of another program's that was cut off outside of WAL mode: SQLite rolls it back
    before it reads.

    Args:
        path: The file.
        read: Is called once or twice.
        thorough: Examine the file first.
        is_used: Another process is known to have it.

    Raises:
        StoreError: It cannot be read, is not whole, or `read` finds it to be something else.
    """
    require_whole(path)
    if not is_used and not _log(path).exists() and not _has_journal(path):
        # SQLite makes files beside one that it reads in WAL mode, unless told that nobody changes it.
        before = _stamp(path)
        try:
            found = _read(path, read, "mode=ro&immutable=1", thorough=thorough)
        except StoreError:
            if _is_untouched(path, before):
                raise
        else:
            if _is_untouched(path, before):
                return found
    # Somebody writes, or a log has to be read too, of a running or a killed process.
    return _read(path, read, "mode=rw" if _has_journal(path) else "mode=ro", thorough=thorough)


def _read(path: Path, read: Callable[[sa.Connection], T], how: str, *, thorough: bool) -> T:
    address = f"file:{quote(os.fsencode(path))}?{how}"
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=sa.NullPool
    )
    try:
        with engine.connect() as connection:
            if thorough:
                _examine(connection, path)
            return read(connection)
    except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise StoreError(f"the state {path} cannot be read: {meaning(error)}") from error
    except DAMAGE as error:
        raise StoreError(f"the state {path} cannot be read: {DAMAGED}") from error
    finally:
        engine.dispose()


def require_whole(path: Path) -> None:
    """Refuse a log without the state that it belongs to.

    SQLite takes an empty file for new and deletes the log, in which all may be that there still is.

    Raises:
        StoreError: There is one.
    """
    log = _log(path)
    if _size(log) and not _size(path):
        raise StoreError(
            f"the state {path} cannot be read: its log {log} is all that there is: "
            "put the state back beside it, or move the log away too and counting starts anew"
        )


def revision(connection: sa.Connection, path: Path) -> str | None:
    """Return the schema's revision, ``None`` for a new file.

    Raises:
        StateTooNew: It is one that this version does not know.
        StoreError: The file is a database of something else.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if "alembic_version" not in tables:
        if tables:
            raise StoreError(f"{path} is a database of something else: name another file in state.url")
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if found is None:
        return None
    if found not in KNOWN:
        copy = copy_of(path, HEAD)
        back = (
            f"put back {copy}, which it was before, without -wal and -shm"
            if copy.exists()
            else "name another file in state.url"
        )
        raise StateTooNew(
            f"the state {path} was written by a newer version (schema {found}, this one knows "
            f"{HEAD}): use that version again, or {back}"
        )
    return str(found)


def _examine(connection: sa.Connection, path: Path) -> None:
    """Look whether the file is whole: else it would come to light some day, after more was written to it.

    Raises:
        StoreError: It is not.
    """
    is_sound = connection.execute(sa.text("PRAGMA quick_check(1)")).scalar() == "ok"
    page_size: int = connection.execute(sa.text("PRAGMA page_size")).scalar_one()
    has_log = _size(_log(path)) > 0
    # SQLite takes half a page at the end for a whole one with zeros, which it is not, unless the log has it.
    is_torn = path.stat().st_size % page_size != 0 and not has_log
    if is_torn or not is_sound:
        raise StoreError(f"the state {path} cannot be read: {DAMAGED}")


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _has_journal(path: Path) -> bool:
    return _size(path.with_name(f"{path.name}-journal")) > 0


def _size(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _is_untouched(path: Path, before: tuple[int, int] | None) -> bool:
    return _stamp(path) == before and not _log(path).exists()
