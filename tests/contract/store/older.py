"""A state as an older version left it: what newer migrations do is undone."""

import sqlalchemy as sa

_INDEXES = {"0007": ("outbox_line", "outbox_failing")}
"""The indexes that each migration adds, where it adds nothing else."""

_ADDED: dict[str, tuple[dict[str, tuple[str, ...]], tuple[str, ...]]] = {
    "0006": (
        {"incidents": ("told_rule", "part_of", "affected"), "alert_states": ("streak",)},
        (),
    ),
    "0005": (
        {
            "connections": (
                "history_complete",
                "disabled_at",
                "disabled_after",
                "disabled_reason",
                "disabled_by_person",
            )
        },
        (),
    ),
    "0004": ({}, ("silences",)),
    "0003": (
        {
            "state": ("sources", "destinations"),
            "connections": (
                "schedule_since",
                "schedule_interval",
                "active_since",
                "due_sync_at",
                "due_confirmed",
                "next_run_at",
            ),
            "connection_volumes": ("attempts_succeeded", "attempts_failed"),
        },
        ("connection_failures", "job_durations"),
    ),
    "0002": ({"incidents": ("receivers",)}, ()),
}
"""The columns by table, and the tables, that each migration adds; the newest first."""


def take_back(db: sa.Connection, to: str) -> None:
    """Undo the migrations after `to`."""
    for revision, indexes in _INDEXES.items():
        for index in indexes if revision > to else ():
            db.execute(sa.text(f"DROP INDEX {index}"))
    for revision, (columns, tables) in _ADDED.items():
        if revision <= to:
            continue
        for table, names in columns.items():
            for name in names:
                db.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN {name}"))
        for table in tables:
            db.execute(sa.text(f"DROP TABLE {table}"))
    db.execute(sa.text("UPDATE alembic_version SET version_num = :to"), {"to": to})
