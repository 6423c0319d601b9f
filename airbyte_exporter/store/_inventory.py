"""Recording what exists: workspaces, connections, the instance itself, and which Airbyte this is."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, Final

import sqlalchemy as sa

from airbyte_exporter.model import Connection, Instance, Inventory, JobStatus, Workspace
from airbyte_exporter.store import _disablings
from airbyte_exporter.store._codec import CONNECTION_COLUMNS, connection_from_row, connection_values
from airbyte_exporter.store._database import CHUNK, chunks, upsert
from airbyte_exporter.store._disablings import DISABLED_COLUMNS, NOT_DISABLED
from airbyte_exporter.store._errors import StateMismatch
from airbyte_exporter.store._schedules import RUNS_COLUMNS, seen_again
from airbyte_exporter.store._values import Identity
from airbyte_exporter.store.schema import connections, jobs, state, storable, workspaces

__all__ = [
    "actors",
    "bind",
    "ever_known",
    "identity",
    "instance",
    "known_connections",
    "listed_workspaces",
    "record",
    "successes_looked_up",
    "without_known_success",
]

Row = Mapping[str, Any] | sa.RowMapping

_CONTENT: Final = tuple(column.name for column in CONNECTION_COLUMNS)


def bind(db: sa.Connection, found: Identity, *, epoch: int, adopt: bool) -> int:
    """Tie the state to an Airbyte, the first time it is seen; return when counting began.

    Raises:
        StateMismatch: The state belongs to another one, and `adopt` is not set.
    """
    bound = identity(db)
    kept: int | None = db.execute(sa.select(state.c.epoch)).scalar_one()
    if bound is not None and kept is not None:
        if not bound.is_same_as(found) and not adopt:
            raise StateMismatch(
                f"the state belongs to the Airbyte at {bound}, not to the one at {found}: name another file "
                "in state.url, or take the state over with --adopt-state"
            )
        found = Identity(found.url, found.deployment_id or (bound.deployment_id if not adopt else None))
    if bound != found or kept is None:
        kept = epoch if kept is None else kept
        db.execute(
            sa.update(state).values(
                url=found.url,
                deployment_id=found.deployment_id,
                epoch=kept,
            )
        )
    return kept


def identity(db: sa.Connection) -> Identity | None:
    """Return the Airbyte that the state belongs to, ``None`` before it is known."""
    url, deployment_id = db.execute(sa.select(state.c.url, state.c.deployment_id)).one()
    return None if url is None else Identity(url, deployment_id)


def instance(db: sa.Connection) -> Instance | None:
    """Return the instance as the last inventory told of it."""
    written = db.execute(sa.select(state.c.instance)).scalar_one()
    return None if written is None else Instance(**written)


def record(db: sa.Connection, inventory: Inventory) -> set[str]:
    """Record a complete listing: what it does not hold is gone.

    Returns:
        The connections that are new, changed or gone, and those whose workspace got another name.
    """
    renamed = _record_workspaces(db, inventory)
    changed = _record_connections(db, inventory)
    for some in chunks(renamed):
        found = db.execute(
            sa.select(connections.c.id).where(
                connections.c.workspace_id.in_(some), connections.c.deleted_at.is_(None)
            )
        )
        changed.update(found.scalars())
    db.execute(
        sa.update(state).values(
            inventory_read_at=inventory.read_at,
            instance=asdict(inventory.instance),
            sources=_plain(inventory.sources),
            destinations=_plain(inventory.destinations),
        )
    )
    return changed


def _plain(numbers: Mapping[str, int] | None) -> dict[str, int] | None:
    return None if numbers is None else {storable(connector): it for connector, it in numbers.items()}


def actors(db: sa.Connection) -> tuple[dict[str, int] | None, dict[str, int] | None]:
    """Return how many sources and destinations there were of each connector in the last inventory."""
    sources, destinations = db.execute(sa.select(state.c.sources, state.c.destinations)).one()
    return sources, destinations


def _record_workspaces(db: sa.Connection, inventory: Inventory) -> set[str]:
    """Return the ids of the workspaces that have another name than before."""
    table = workspaces.c
    stored = {row.id: row for row in db.execute(sa.select(table.id, table.name, table.deleted_at))}
    listed = {storable(workspace.id): storable(workspace.name) for workspace in inventory.workspaces}
    changed = [
        {"id": id_, "name": name, "deleted_at": None}
        for id_, name in listed.items()
        if id_ not in stored or stored[id_].name != name or stored[id_].deleted_at is not None
    ]
    if changed:
        db.execute(upsert(workspaces, ("id",), replace=("name", "deleted_at")), changed)
    gone = (id_ for id_, row in stored.items() if id_ not in listed and row.deleted_at is None)
    for some in chunks(gone):
        db.execute(sa.update(workspaces).where(table.id.in_(some)).values(deleted_at=inventory.read_at))
    return {id_ for id_, row in stored.items() if id_ in listed and row.name != listed[id_]}


def _record_connections(db: sa.Connection, inventory: Inventory) -> set[str]:
    """Return the ids of the connections that are new, changed or gone."""
    more = (connections.c[name] for name in (*RUNS_COLUMNS, *DISABLED_COLUMNS, "deleted_at"))
    found = db.execute(sa.select(*CONNECTION_COLUMNS, *more)).mappings()
    stored: dict[str, Row] = {row["id"]: row for row in found}
    listed = {row["id"]: row for row in map(connection_values, inventory.connections)}
    new = [id_ for id_ in listed if id_ not in stored]
    back = [id_ for id_ in listed if id_ in stored and stored[id_]["deleted_at"] is not None]
    changed = [
        id_
        for id_, row in listed.items()
        if id_ in stored
        and (
            stored[id_]["schedule_since"] is None  # by a version that did not look at schedules
            or any(row[name] != stored[id_][name] for name in _CONTENT)
        )
    ]
    gone = [id_ for id_, row in stored.items() if id_ not in listed and row["deleted_at"] is None]
    written = {id_: listed[id_] for id_ in dict.fromkeys((*new, *back, *changed))}
    due = seen_again(db, written, stored, inventory.read_at)
    disabled = _disabled(db, written, stored, inventory)
    first = {"first_seen_at": inventory.read_at, "deleted_at": None, "success_settled": False}
    rows = [row | due[id_] | disabled[id_] | first for id_, row in written.items()]
    for start in range(0, len(rows), CHUNK):
        db.execute(
            upsert(
                connections, ("id",), replace=(*_CONTENT[1:], *RUNS_COLUMNS, *DISABLED_COLUMNS, "deleted_at")
            ),
            rows[start : start + CHUNK],
        )
    for some in chunks(gone):
        db.execute(
            sa.update(connections)
            .where(connections.c.id.in_(some))
            .values(deleted_at=inventory.read_at, **NOT_DISABLED)
        )
    _begin_watching(db, new)
    _settle_successes(db, (*new, *back))
    return {*new, *back, *changed, *gone}


def _disabled(
    db: sa.Connection, listed: Mapping[str, Row], stored: Mapping[str, Row], inventory: Inventory
) -> dict[str, dict[str, Any]]:
    """Return `DISABLED_COLUMNS` for connections of an inventory, by what was `stored` of them."""
    last = db.execute(sa.select(state.c.inventory_read_at)).scalar_one()
    return {
        id_: dict(
            _disablings.seen_again(
                row,
                None if id_ not in stored or stored[id_]["deleted_at"] is not None else stored[id_],
                inventory.instance,
                at=inventory.read_at,
                last_seen_at=inventory.read_at if last is None else min(last, inventory.read_at),
            )
        )
        for id_, row in listed.items()
    }


def _begin_watching(db: sa.Connection, new: list[str]) -> None:
    """Let alerts look at the jobs that were recorded before their connection was known."""
    for some in chunks(new):
        db.execute(
            sa.update(jobs)
            .where(jobs.c.connection_id.in_(some), jobs.c.final, jobs.c.moves_data)
            .values(pending=True)
        )


def _settle_successes(db: sa.Connection, ids: tuple[str, ...]) -> None:
    """Find out of which connections a success is recorded: retention removes those of one that was gone."""
    succeeded = sa.exists().where(
        jobs.c.connection_id == connections.c.id,
        jobs.c.final,
        jobs.c.moves_data,
        jobs.c.status == JobStatus.SUCCEEDED.value,
    )
    for some in chunks(ids):
        db.execute(
            sa.update(connections)
            .where(connections.c.id.in_(some))
            .values(success_settled=succeeded, history_complete=succeeded)
        )


def known_connections(db: sa.Connection) -> tuple[Connection, ...]:
    """Return every connection that exists or existed, by id."""
    found = db.execute(sa.select(*CONNECTION_COLUMNS).order_by(connections.c.id))
    return tuple(connection_from_row(row) for row in found)


def ever_known(db: sa.Connection, ids: Collection[str]) -> frozenset[str]:
    """Return those of `ids` that are connections which exist or existed."""
    found: set[str] = set()
    for some in chunks(ids):
        found.update(db.execute(sa.select(connections.c.id).where(connections.c.id.in_(some))).scalars())
    return frozenset(found)


def listed_workspaces(db: sa.Connection) -> tuple[Workspace, ...]:
    """Return the workspaces that exist, by name."""
    found = db.execute(
        sa.select(workspaces.c.id, workspaces.c.name)
        .where(workspaces.c.deleted_at.is_(None))
        .order_by(workspaces.c.name, workspaces.c.id)
    )
    return tuple(Workspace(*row) for row in found)


def without_known_success(db: sa.Connection, limit: int) -> tuple[str, ...]:
    """Return up to `limit` connections without a known success that Airbyte was not asked for yet."""
    return tuple(
        db.execute(
            sa.select(connections.c.id)
            .where(~connections.c.success_settled, connections.c.deleted_at.is_(None))
            .order_by(connections.c.id)
            .limit(limit)
        ).scalars()
    )


def successes_looked_up(db: sa.Connection, ids: Collection[str], *, answered: bool) -> frozenset[str]:
    """Remember that Airbyte was asked for the newest successes; return the connections that are known now."""
    table = connections.c
    changed: set[str] = set()
    for some in chunks(ids):
        if answered:
            unknown = sa.select(table.id).where(table.id.in_(some), ~table.history_complete)
            changed.update(db.execute(unknown).scalars())
        asked = sa.update(connections).where(table.id.in_(some))
        db.execute(asked.where(~table.success_settled).values(success_settled=True))
    for some in chunks(changed):
        db.execute(sa.update(connections).where(table.id.in_(some)).values(history_complete=True))
    return frozenset(changed)
