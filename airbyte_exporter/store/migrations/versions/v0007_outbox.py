"""What waits for a receiver, in order, and what was tried in vain are found without looking at all of it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the indexes."""
    op.create_index(
        "outbox_line",
        "outbox",
        ["receiver", "id", "created_at", "done_at"],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_index(
        "outbox_failing",
        "outbox",
        ["receiver", "created_at"],
        sqlite_where=sa.text("done_at IS NULL AND error IS NOT NULL"),
        postgresql_where=sa.text("done_at IS NULL AND error IS NOT NULL"),
    )


def downgrade() -> None:
    """Refuse: the state only goes forward."""
    raise NotImplementedError("the state is never taken back to an older schema")
