"""When runs are due, what attempts came to, how long jobs took, and how many sources there are.

Counters that are new here begin at 0 with the migration. What schedules need begins with the next inventory.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and tables."""
    _extend("state", sa.Column("sources", sa.JSON, comment="how many of each connector"))
    _extend("state", sa.Column("destinations", sa.JSON, comment="how many of each connector"))
    for column in (
        sa.Column("schedule_since", sa.BigInteger, comment="when this schedule was first seen"),
        sa.Column("schedule_interval", sa.BigInteger, comment="seconds"),
        sa.Column("active_since", sa.BigInteger, comment="none while it is not active"),
        sa.Column("due_sync_at", sa.BigInteger, comment="creation of the newest sync that was due"),
        sa.Column(
            "due_confirmed",
            sa.Boolean(create_constraint=False),
            nullable=False,
            server_default=sa.false(),
            comment="due by the one before",
        ),
        sa.Column("next_run_at", sa.BigInteger),
    ):
        _extend("connections", column)
    for name in ("attempts_succeeded", "attempts_failed"):
        _extend("connection_volumes", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "connection_failures",
        sa.Column("connection_id", sa.Text, primary_key=True),
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "job_durations",
        sa.Column("job_type", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, primary_key=True),
        sa.Column(
            "bucket", sa.Integer, primary_key=True, autoincrement=False, comment="from 0, by upper bound"
        ),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
    )


def _extend(table: str, column: sa.Column[Any]) -> None:
    op.add_column(table, column)


def downgrade() -> None:
    """Refuse: the state only goes forward."""
    raise NotImplementedError("the state is never taken back to an older schema")
