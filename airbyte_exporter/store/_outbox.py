"""The outbox: notifications on their way to receivers, claimed with a lease, kept until they arrived.

A claim that nobody acknowledges, because the process was killed, ends when the state is opened again, or else
with its lease, and is made again: delivery is at least once. Of what one group of rules has to say about one
connection, a receiver is sent one notification at a time, in order: a later incident waits for an earlier
one's end.
"""

from typing import Final

import sqlalchemy as sa

from airbyte_exporter.model import Delivery, Notification
from airbyte_exporter.store._values import Queue
from airbyte_exporter.store.schema import outbox

__all__ = ["BURIED", "acknowledge", "bury", "claim", "defer", "hasten", "queue", "release", "supersede"]

RESOLVED: Final = "alert.resolved"

DELIVERED: Final = "delivered"
SUPERSEDED: Final = "superseded"
BURIED: Final = "buried"

_OPEN: Final = outbox.c.done_at.is_(None)
_NOW: Final = sa.bindparam("now", type_=sa.Double)
_RECEIVER: Final = sa.bindparam("for_receiver", type_=sa.Text)
_FREE: Final = sa.func.coalesce(outbox.c.lease_until, 0) <= _NOW
_OTHER: Final = outbox.alias("other")


def _end_waits(of: sa.FromClause) -> sa.Exists:
    """Whether a later end of the same incident waits too."""
    end = outbox.alias("the_end")
    return sa.exists().where(
        *_same_line(end, of),
        end.c.fingerprint == of.c.fingerprint,
        end.c.type == RESOLVED,
        end.c.id > of.c.id,
    )


def _same_line(one: sa.FromClause, of: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    """Whether one waits for the same receiver, connection and group of rules."""
    return (
        one.c.receiver == of.c.receiver,
        one.c.connection_id == of.c.connection_id,
        one.c.rule_group == of.c.rule_group,
        one.c.done_at.is_(None),
    )


_SUPERSEDE: Final = (
    sa.update(outbox)
    .where(outbox.c.receiver == _RECEIVER, _OPEN, _FREE, _end_waits(outbox))
    .values(done_at=_NOW, outcome=SUPERSEDED, lease_until=None)
)
"""What was not delivered of incidents whose end waits, unless it is on its way right now."""

_SUPERSEDE_BEFORE: Final = (
    sa.update(outbox)
    .where(
        outbox.c.receiver == _RECEIVER,
        outbox.c.connection_id == sa.bindparam("of_connection", type_=sa.Text),
        outbox.c.rule_group == sa.bindparam("of_group", type_=sa.Text),
        outbox.c.id < sa.bindparam("before", type_=sa.BigInteger),
        _OPEN,
    )
    .values(done_at=_NOW, outcome=SUPERSEDED, lease_until=None)
)

_BLOCKED: Final = sa.exists().where(
    *_same_line(_OTHER, outbox),
    sa.or_(
        sa.func.coalesce(_OTHER.c.lease_until, 0) > _NOW,
        sa.and_(_OTHER.c.id < outbox.c.id, ~_end_waits(_OTHER)),
    ),
)
"""Another one of the same connection and group of rules is on its way, or comes first."""

_CLAIM: Final = (
    sa.update(outbox)
    .where(
        outbox.c.id.in_(
            sa.select(outbox.c.id)
            .where(outbox.c.receiver == _RECEIVER, _OPEN, outbox.c.due_at <= _NOW)
            .where(~_BLOCKED, ~_end_waits(outbox))
            .order_by(outbox.c.id)
            .limit(sa.bindparam("most", type_=sa.Integer))
        )
    )
    .values(lease_until=sa.bindparam("until", type_=sa.Double), attempts=outbox.c.attempts + 1)
    .returning(
        outbox.c.id,
        outbox.c.connection_id,
        outbox.c.rule_group,
        outbox.c.notification_id,
        outbox.c.fingerprint,
        outbox.c.type,
        outbox.c.told_at,
        outbox.c.body,
        outbox.c.attempts,
        outbox.c.created_at,
    )
)


def supersede(db: sa.Connection, now: float, *, receiver: str) -> None:
    """Give up what was not delivered to `receiver` of incidents whose end waits: the end tells both times."""
    db.execute(_SUPERSEDE, {"now": now, "for_receiver": receiver})


def claim(db: sa.Connection, now: float, *, receiver: str, lease: float, limit: int) -> tuple[Delivery, ...]:
    """Take up to `limit` notifications that are due for `receiver`, for `lease` seconds; oldest first.

    At most one of a connection and group of rules, and none while another one of these is on its way. Where
    an incident has ended, what was not delivered before its end is superseded by the end, which tells both
    times (contract, section 5).
    """
    given = {"now": now, "until": now + lease, "for_receiver": receiver, "most": limit}
    claimed = db.execute(_CLAIM, given).all()
    for row in claimed:
        line = {"of_connection": row.connection_id, "of_group": row.rule_group, "before": row.id}
        db.execute(_SUPERSEDE_BEFORE, {"now": now, "for_receiver": receiver, **line})
    return tuple(
        Delivery(
            id=row.id,
            receiver=receiver,
            notification=Notification(
                id=row.notification_id,
                fingerprint=row.fingerprint,
                type=row.type,
                created_at=row.told_at,
                body=row.body,
            ),
            attempt=row.attempts,
            # RETURNING gives whole numbers as integers in some versions of SQLite.
            created_at=float(row.created_at),
        )
        for row in sorted(claimed, key=lambda row: row.id)
    )


def acknowledge(db: sa.Connection, delivery: Delivery, now: float) -> None:
    """The receiver took it. True also where the lease ran out meanwhile."""
    db.execute(
        sa.update(outbox)
        .where(outbox.c.id == delivery.id, _OPEN)
        .values(done_at=now, outcome=DELIVERED, lease_until=None, error=None)
    )


def defer(db: sa.Connection, delivery: Delivery, due_at: float, error: str) -> None:
    """It did not arrive and is to be tried again at `due_at`, unless another claim was made meanwhile."""
    db.execute(
        sa.update(outbox)
        .where(outbox.c.id == delivery.id, outbox.c.attempts == delivery.attempt, _OPEN)
        .values(due_at=due_at, lease_until=None, error=error)
    )


def hasten(db: sa.Connection, now: float, *, receiver: str) -> None:
    """What was put off for `receiver` is due at `now`: it takes notifications again.

    They are claimed in the order in which they were written, as always.
    """
    db.execute(
        sa.update(outbox)
        .where(outbox.c.receiver == receiver, _OPEN, outbox.c.due_at > now)
        .values(due_at=now)
    )


def bury(db: sa.Connection, delivery: Delivery, now: float, error: str) -> None:
    """It will never arrive, unless another claim was made meanwhile."""
    db.execute(
        sa.update(outbox)
        .where(outbox.c.id == delivery.id, outbox.c.attempts == delivery.attempt, _OPEN)
        .values(done_at=now, outcome=BURIED, lease_until=None, error=error)
    )


def release(db: sa.Connection) -> None:
    """End every lease."""
    db.execute(sa.update(outbox).where(_OPEN, outbox.c.lease_until.is_not(None)).values(lease_until=None))


def queue(db: sa.Connection) -> Queue:
    """Return how many notifications wait, and since when the oldest does."""
    length, oldest = db.execute(
        sa.select(sa.func.count(), sa.func.min(outbox.c.created_at)).where(_OPEN)
    ).one()
    return Queue(length, oldest)
