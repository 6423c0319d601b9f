"""How connections ceased to be active: noticed by inventories, explained by what Airbyte tells afterwards."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from airbyte_exporter.model import ConnectionStatus, Disabling, Fact, Instance
from airbyte_exporter.store._values import Unexplained
from airbyte_exporter.store.schema import connections, storable

__all__ = ["DISABLED_COLUMNS", "NOT_DISABLED", "disabling_from_row", "explain", "seen_again", "unexplained"]

DISABLED_COLUMNS: Final = ("disabled_at", "disabled_after", "disabled_reason", "disabled_by_person")
NOT_DISABLED: Final[Mapping[str, Any]] = dict.fromkeys(DISABLED_COLUMNS)
_DISABLED: Final = frozenset({ConnectionStatus.INACTIVE.value, ConnectionStatus.LOCKED.value})

Row = Mapping[str, Any] | sa.RowMapping


def seen_again(
    row: Row, before: Row | None, instance: Instance, *, at: int, last_seen_at: int
) -> Mapping[str, Any]:
    """Return `DISABLED_COLUMNS` for a connection of an inventory.

    Nobody but Airbyte locks a connection. Where its API tells who disabled one, it has to be asked, which is
    what ``disabled_after`` stands for.

    Args:
        row: The connection as it is now.
        before: What was stored of it; ``None`` at first sight, and after it was deleted.
        instance: Which Airbyte it is.
        at: The Airbyte time of the inventory.
        last_seen_at: The Airbyte time of the inventory before.
    """
    if before is None or row["status"] not in _DISABLED:
        return NOT_DISABLED
    if before["status"] != ConnectionStatus.ACTIVE.value:
        return {name: before[name] for name in DISABLED_COLUMNS}
    is_locked = row["status"] == ConnectionStatus.LOCKED.value
    is_told = not is_locked and instance.tells(Fact.DISABLINGS)
    return {
        "disabled_at": at,
        "disabled_after": last_seen_at if is_told else None,
        "disabled_reason": None,
        "disabled_by_person": False if is_locked else None,
    }


def disabling_from_row(columns: Sequence[Any]) -> Disabling | None:
    """Return what `DISABLED_COLUMNS` hold, ``None`` as long as Airbyte is still to be asked."""
    at, after, reason, by = columns
    return None if at is None or after is not None else Disabling(at, reason, by)


def unexplained(db: sa.Connection, limit: int | None) -> tuple[Unexplained, ...]:
    """Return up to `limit` connections of which Airbyte is still to be asked why, the oldest first."""
    table = connections.c
    query = (
        sa.select(table.id, table.disabled_at, table.disabled_after)
        .where(table.disabled_after.is_not(None))
        .order_by(table.disabled_at, table.id)
        .limit(limit)
    )
    return tuple(Unexplained(*row) for row in db.execute(query))


def explain(db: sa.Connection, answers: Mapping[Unexplained, Disabling | None]) -> frozenset[str]:
    """Keep what Airbyte told, ``None`` for nothing; return the connections that are still as they were."""
    changed: set[str] = set()
    for asked, told in answers.items():
        it = told or Disabling(asked.at)
        table = connections.c
        kept = db.execute(
            sa.update(connections)
            .where(
                table.id == asked.connection_id,
                table.disabled_at == asked.at,
                table.disabled_after == asked.after,
            )
            .values(
                disabled_at=it.at,
                disabled_after=None,
                disabled_reason=None if it.reason is None else storable(it.reason),
                disabled_by_person=it.by_person,
            )
        )
        if kept.rowcount:
            changed.add(asked.connection_id)
    return frozenset(changed)
