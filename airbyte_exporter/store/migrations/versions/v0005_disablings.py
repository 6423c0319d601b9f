"""How a connection ceased to be active, and whether all that Airbyte has of its successes is known.

That Airbyte was asked for a success did not say whether it had answered: of connections without one it is
asked once more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a success that is recorded is known."""
    for column in (
        sa.Column(
            "history_complete",
            sa.Boolean(create_constraint=False),
            nullable=False,
            server_default=sa.false(),
            comment="all that Airbyte has of its successes is known",
        ),
        sa.Column("disabled_at", sa.BigInteger, comment="when it was seen to be active no more"),
        sa.Column(
            "disabled_after",
            sa.BigInteger,
            comment="when it was last seen active; none once Airbyte was asked why",
        ),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("disabled_by_person", sa.Boolean(create_constraint=False)),
    ):
        op.add_column("connections", column)
    connections = sa.table(
        "connections",
        sa.column("id"),
        sa.column("success_settled", sa.Boolean),
        sa.column("history_complete", sa.Boolean),
    )
    jobs = sa.table(
        "jobs",
        sa.column("connection_id"),
        sa.column("final", sa.Boolean),
        sa.column("moves_data", sa.Boolean),
        sa.column("status"),
    )
    succeeded = sa.exists().where(
        jobs.c.connection_id == connections.c.id,
        jobs.c.final,
        jobs.c.moves_data,
        jobs.c.status == "succeeded",
    )
    op.execute(sa.update(connections).values(success_settled=succeeded, history_complete=succeeded))


def downgrade() -> None:
    """Refuse: the state only goes forward."""
    raise NotImplementedError("the state is never taken back to an older schema")
