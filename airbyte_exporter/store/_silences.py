"""Silences: made and ended by people, beside the exporter that heeds them."""

import sqlalchemy as sa

from airbyte_exporter.model import Silence
from airbyte_exporter.store._errors import StoreError
from airbyte_exporter.store.schema import silences, storable

__all__ = ["add", "expire", "find"]


def add(db: sa.Connection, silence: Silence) -> None:
    """Keep a new one.

    Raises:
        StoreError: Another one has its id.
    """
    if db.execute(sa.select(silences.c.id).where(silences.c.id == silence.id)).first() is not None:
        raise StoreError(f"there is a silence {silence.id} already: nothing was changed, try again")
    db.execute(
        sa.insert(silences).values(
            id=silence.id,
            matchers={key: [storable(word) for word in words] for key, words in silence.matchers.items()},
            starts_at=silence.starts_at,
            ends_at=silence.ends_at,
            reason=silence.reason,
            author=silence.author,
            created_at=silence.created_at,
            expired_at=silence.expired_at,
        )
    )


def find(db: sa.Connection, active_at: float | None) -> tuple[Silence, ...]:
    """Return those that hold at `active_at`, or all that are kept; the newest first."""
    query = sa.select(silences)
    if active_at is not None:
        query = query.where(
            silences.c.ends_at > active_at,
            silences.c.starts_at <= active_at,
            sa.or_(silences.c.expired_at.is_(None), silences.c.expired_at > active_at),
        )
    found = db.execute(query.order_by(silences.c.created_at.desc(), silences.c.id))
    return tuple(_silence(row) for row in found.mappings())


def expire(db: sa.Connection, id_: str, now: float) -> bool:
    """End one that is not over at `now`; return whether there was such a one."""
    return bool(
        db.execute(
            sa.update(silences)
            .where(silences.c.id == id_, silences.c.ends_at > now, silences.c.expired_at.is_(None))
            .values(expired_at=int(now))
        ).rowcount
    )


def _silence(row: sa.RowMapping) -> Silence:
    table = silences.c
    return Silence(
        id=row[table.id],
        matchers={key: tuple(words) for key, words in row[table.matchers].items()},
        starts_at=row[table.starts_at],
        ends_at=row[table.ends_at],
        reason=row[table.reason],
        author=row[table.author],
        created_at=row[table.created_at],
        expired_at=row[table.expired_at],
    )
