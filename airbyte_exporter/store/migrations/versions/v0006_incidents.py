"""Incidents of the whole instance, and how often syncs failed in a row when they were last looked at.

What goes on and was told before was told by the rule that it has now.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("incidents", sa.Column("told_rule", sa.Text, comment="the rule that they were told of"))
    op.add_column(
        "incidents", sa.Column("part_of", sa.Text, comment="fingerprint of the one that stands for it")
    )
    op.add_column("incidents", sa.Column("affected", sa.Integer, nullable=False, server_default="1"))
    op.add_column("alert_states", sa.Column("streak", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE incidents SET told_rule = rule WHERE notified_at IS NOT NULL")


def downgrade() -> None:
    """Refuse: the state only goes forward."""
    raise NotImplementedError("the state is never taken back to an older schema")
