"""An incident knows who was told of it, so that the same are told of its end."""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, filled from what the outbox still knows."""
    op.add_column("incidents", sa.Column("receivers", sa.JSON, comment="names of those who were told"))
    incidents = sa.table("incidents", sa.column("fingerprint"), sa.column("receivers", sa.JSON))
    outbox = sa.table("outbox", sa.column("fingerprint"), sa.column("receiver"))
    told: defaultdict[str, list[str]] = defaultdict(list)
    written = op.get_bind().execute(
        sa.select(outbox.c.fingerprint, outbox.c.receiver).distinct().order_by(outbox.c.receiver)
    )
    for row in written:
        told[row.fingerprint].append(row.receiver)
    for fingerprint, receivers in told.items():
        op.execute(
            sa.update(incidents).where(incidents.c.fingerprint == fingerprint).values(receivers=receivers)
        )


def downgrade() -> None:
    """Refuse: the state only goes forward."""
    raise NotImplementedError("the state is never taken back to an older schema")
