"""The file: where it is, who may use it, how transactions begin and end, and what its errors mean.

Everything peculiar to one database is here and in `upsert`; the verbs are portable SQL. A second database
gets its own connection set-up and its own way to refuse a second writer, nothing else.
"""

import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import sqlite

from airbyte_exporter.store._config import StoreConfig, sqlite_path
from airbyte_exporter.store._copy import copy_of, keep_copy
from airbyte_exporter.store._errors import StateInUse, StoreError
from airbyte_exporter.store._look import look, require_whole, revision
from airbyte_exporter.store._meaning import BUSY_SECONDS, DAMAGE, DAMAGED, meaning, what_to_do
from airbyte_exporter.store.schema import HEAD

__all__ = [
    "CHUNK",
    "LARGEST",
    "Database",
    "file_of",
    "lock_of",
    "owner",
    "upsert",
]

log = structlog.get_logger(__name__)

CHUNK: Final = 500
"""How many values one statement is given at most."""

LARGEST: Final = 2**63 - 1
"""The largest number that a column holds."""

LOOK_SECONDS: Final = 0.01
LOOKS: Final = 100
"""How often others that look at the lock are waited for, and for how long each time."""

_WRITE: Final = "airbyte_exporter_write"
_MIGRATIONS: Final = "airbyte_exporter.store:migrations"


class Database:
    """One open state file. Safe to use from several threads; one of them writes at a time."""

    def __init__(self, path: Path, engine: sa.Engine, stack: ExitStack) -> None:
        self.path = path
        self._engine = engine
        self._writer = engine.execution_options(**{_WRITE: True})
        self._write_lock = threading.Lock()
        self._stack = stack
        self._closed = False

    @classmethod
    def open(cls, config: StoreConfig, *, exclusive: bool, upkeep: bool = True) -> "Database":
        """Open the state that `config` names; create or migrate it where needed.

        What is damaged is left as it is, and what was migrated is kept as it was, in a copy beside it.

        Args:
            config: Where it is.
            exclusive: Refuse where another process has it, and let no other have it until closed. Whether it
                is sound is examined then: that takes a second for each few hundred MB or so.
            upkeep: Create or migrate it; else refuse where that would be needed.

        Raises:
            StateInUse: Another process has it.
            StateTooNew: A newer version wrote it.
            StoreError: It cannot be created, read or written, or is something else.
        """
        path = file_of(config)
        with ExitStack() as stack:
            if upkeep:
                require_whole(path)
                _create_file(path)
            if exclusive:
                _lock(path, stack)
            # Before SQLite may write: it would change the format of somebody else's database, and merge the
            # log of a damaged state or of a newer version's.
            look(
                path, lambda connection: revision(connection, path), thorough=exclusive, is_used=not exclusive
            )
            engine = _engine(path)
            stack.callback(engine.dispose)
            database = cls(path, engine, stack)
            database._migrate(locked=exclusive, allowed=upkeep)
            database._stack = stack.pop_all()
            return database

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection that sees one unchanging state of the data.

        Raises:
            StoreError: The database failed.
        """
        self._check_open()
        with self._translated("read", DAMAGE), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes are all kept at the end, or none of them.

        Raises:
            StoreError: The database failed; nothing was kept.
        """
        with self._write_lock:
            self._check_open()
            with (
                self._translated("written", (UnicodeDecodeError, json.JSONDecodeError)),
                self._writer.begin() as connection,
            ):
                yield connection

    def close(self) -> None:
        """Let go of the file. A second call does nothing."""
        with self._write_lock:
            self._closed = True
            self._stack.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"the state {self.path} is closed")

    @contextmanager
    def _translated(self, verb: str, damage: tuple[type[Exception], ...]) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OverflowError, OSError) as error:
            raise StoreError(f"the state {self.path} cannot be {verb}: {meaning(error)}") from error
        except damage as error:
            raise StoreError(f"the state {self.path} cannot be {verb}: {DAMAGED}") from error

    def _migrate(self, *, locked: bool, allowed: bool) -> None:
        with self.read() as connection:
            found = revision(connection, self.path)
        if found == HEAD:
            return
        if not allowed:
            raise StoreError(f"the state {self.path} has just been replaced: try again")
        with ExitStack() as stack:
            if not locked:
                _lock(self.path, stack)
            if found is not None:
                self._keep_copy(found)
            # Alembic takes a third of a second to load, which a start without a migration does not need.
            from alembic import command  # noqa: PLC0415 - see above
            from alembic.config import Config  # noqa: PLC0415 - see above

            alembic = Config()
            alembic.set_main_option("script_location", _MIGRATIONS)
            with self.write() as connection:
                alembic.attributes["connection"] = connection
                command.upgrade(alembic, HEAD)
        log.info("state created" if found is None else "state migrated", path=str(self.path), schema=HEAD)

    def _keep_copy(self, schema: str) -> None:
        """Copy the state before its schema changes: there is no other way back."""
        copy = copy_of(self.path, schema)
        try:
            keep_copy(self.path, copy)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, IsADirectoryError):
                why = "that is a folder: move it away"
            else:
                why = what_to_do(error, copy) if isinstance(error, OSError) else meaning(error)
            raise StoreError(
                f"the state {self.path} is not brought to schema {HEAD}, since it cannot be copied to {copy} "
                f"before: {why}"
            ) from error
        log.info("state copied before its schema changes", copy=str(copy), schema=schema)


def file_of(config: StoreConfig) -> Path:
    """Return the file that holds the state: whatever link leads to it, it is one state with one lock.

    Raises:
        StoreError: The default is meant, and there is no home directory that it could be in.
    """
    try:
        path = sqlite_path(config.url)
    except ValueError as error:
        raise StoreError(
            "the state has no place, since this user has no home directory: name a file in state.url"
        ) from error
    return Path(os.path.realpath(path))


def lock_of(path: Path) -> Path:
    """Return the file whose lock means that somebody has the state."""
    return path.with_name(f"{path.name}.lock")


def owner(lock: BinaryIO) -> str:
    """Return who has a lock, as far as it tells."""
    written = lock.read(32).decode("ascii", "replace").strip()
    return f"process {written}" if written.isdigit() else "another process"


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Split `values` into lists that one statement takes."""
    ordered = sorted(values)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def upsert(
    table: sa.Table, keys: Sequence[str], *, replace: Sequence[str] = (), add: Sequence[str] = ()
) -> sa.Insert:
    """Return an INSERT that changes the row instead where one with the same `keys` exists.

    Then the columns `replace` get the new values and `add` grow by them, which are not negative, up to
    `LARGEST`: SQLite would go on with a floating-point number. With neither nothing changes.
    """
    statement = sqlite.insert(table)
    new = statement.excluded
    changes: dict[str, sa.ColumnElement[Any]] = {name: new[name] for name in replace}
    changes |= {
        name: sa.case((table.c[name] > LARGEST - new[name], LARGEST), else_=table.c[name] + new[name])
        for name in add
    }
    if not changes:
        return statement.on_conflict_do_nothing(index_elements=list(keys))
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changes)


def _create_file(path: Path) -> None:
    """Create the file and its folder for their owner alone; what exists keeps its permissions."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"the state {path} cannot be opened: {what_to_do(error, path)}") from error


def _lock(path: Path, stack: ExitStack) -> None:
    """Hold a lock that the system takes away when the process ends, however it ends."""
    lock_path = lock_of(path)
    try:
        file: BinaryIO = stack.enter_context(
            os.fdopen(os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b", buffering=0)
        )
    except OSError as error:
        raise StoreError(f"the lock {lock_path} cannot be opened: {what_to_do(error, lock_path)}") from error
    try:
        is_ours = _take(file)
    except OSError as error:
        raise StoreError(
            f"the file system of {lock_path} cannot lock files: {error.strerror}: name a file on another one "
            "in state.url"
        ) from error
    if not is_ours:
        raise StateInUse(
            f"the state {path} is in use by {owner(file)}: stop that one, or name another file in state.url"
        )
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode("ascii"))
    except OSError as error:
        raise StoreError(f"the lock {lock_path} cannot be written: {what_to_do(error, lock_path)}") from error


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _take(lock: BinaryIO) -> bool:
    """Take a lock for oneself, unless another process has it so.

    Who only looks whether somebody has it shares it for an instant, and is waited for.
    """
    for _ in range(LOOKS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            fcntl.flock(lock, fcntl.LOCK_UN)
            _wait(LOOK_SECONDS)
        else:
            return True
    return False


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS},
        pool_size=4,
        max_overflow=16,
    )
    sa.event.listen(engine, "connect", _set_up)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    # Python's sqlite3 would begin transactions late and not around DDL; `_begin` does it instead.
    connection.isolation_level = None
    # Temporary files would go to /var/tmp, and often nothing but the state's own folder can be written to.
    for pragma in (
        "temp_store = MEMORY",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    # A transaction that reads before it writes must not find that another wrote in between.
    is_write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
