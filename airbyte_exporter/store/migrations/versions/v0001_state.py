"""The first tables: jobs and counters, what exists, alert states, the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create everything."""
    _create_state()
    _create_inventory()
    _create_jobs()
    _create_counters()
    _create_alerts()
    _create_outbox()


def downgrade() -> None:
    """Refuse: the state only goes forward."""
    raise NotImplementedError("the state is never taken back to an older schema")


def _create_state() -> None:
    table = op.create_table(
        "state",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False, comment="always 1"),
        sa.Column("url", sa.Text),
        sa.Column("deployment_id", sa.Text),
        sa.Column("epoch", sa.BigInteger),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("pruned_through", sa.BigInteger),
        sa.Column("progress", sa.JSON),
        sa.Column("instance", sa.JSON),
        sa.Column("inventory_read_at", sa.BigInteger),
    )
    op.bulk_insert(table, [{"id": 1, "sequence": 0}])


def _create_inventory() -> None:
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("deleted_at", sa.BigInteger),
    )
    connections = op.create_table(
        "connections",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("workspace_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("source_name", sa.Text, nullable=False),
        sa.Column("source_connector", sa.Text, nullable=False),
        sa.Column("source_connector_version", sa.Text),
        sa.Column("destination_id", sa.Text, nullable=False),
        sa.Column("destination_name", sa.Text, nullable=False),
        sa.Column("destination_connector", sa.Text, nullable=False),
        sa.Column("destination_connector_version", sa.Text),
        sa.Column("schedule_type", sa.Text, nullable=False),
        sa.Column("schedule_units", sa.BigInteger),
        sa.Column("schedule_time_unit", sa.Text),
        sa.Column("cron_expression", sa.Text),
        sa.Column("cron_time_zone", sa.Text),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger),
        sa.Column("schema_change", sa.Text),
        sa.Column("first_seen_at", sa.BigInteger, nullable=False),
        sa.Column("deleted_at", sa.BigInteger),
        sa.Column(
            "success_settled",
            sa.Boolean,
            nullable=False,
            comment="a succeeded sync is known, or Airbyte was asked for one",
        ),
    )
    op.create_index(
        "connections_without_success",
        connections.name,
        ["id"],
        sqlite_where=sa.text("success_settled = 0 AND deleted_at IS NULL"),
        postgresql_where=sa.text("NOT success_settled AND deleted_at IS NULL"),
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("row", KEY, primary_key=True, autoincrement=True),
        sa.Column("connection_id", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("moves_data", sa.Boolean, nullable=False, comment="sync or refresh"),
        sa.Column("final", sa.Boolean, nullable=False, comment="never changes again"),
        sa.Column("counted", sa.Boolean, nullable=False, comment="is in the counters"),
        sa.Column(
            "pending",
            sa.Boolean,
            nullable=False,
            comment="finished, and no alert decision has looked at it yet",
        ),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.JSON),
        sa.Column("records_synced", sa.BigInteger),
        sa.Column("bytes_synced", sa.BigInteger),
        sa.Column("records_emitted", sa.BigInteger),
        sa.Column("bytes_emitted", sa.BigInteger),
        sa.Column("records_rejected", sa.BigInteger),
        sa.Column("has_stats", sa.Boolean),
        sa.UniqueConstraint("connection_id", "created_at", "id", name="jobs_key"),
    )
    op.create_index("jobs_id", "jobs", ["id"])
    for name, columns, sqlite_where, postgresql_where in (
        ("jobs_live", ["connection_id"], "final = 0", "NOT final"),
        ("jobs_pending", ["connection_id"], "pending = 1", "pending"),
        (
            "jobs_finished_syncs",
            ["connection_id", "status", "created_at", "id"],
            "final = 1 AND moves_data = 1",
            "final AND moves_data",
        ),
        ("jobs_ended", ["updated_at", "connection_id"], "final = 1", "final"),
    ):
        op.create_index(
            name,
            "jobs",
            columns,
            sqlite_where=sa.text(sqlite_where),
            postgresql_where=sa.text(postgresql_where),
        )


def _create_counters() -> None:
    op.create_table(
        "connection_jobs",
        sa.Column("connection_id", sa.Text, primary_key=True),
        sa.Column("job_type", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "connection_volumes",
        sa.Column("connection_id", sa.Text, primary_key=True),
        sa.Column("records_synced", sa.BigInteger, nullable=False),
        sa.Column("bytes_synced", sa.BigInteger, nullable=False),
        sa.Column("records_emitted", sa.BigInteger, nullable=False),
        sa.Column("bytes_emitted", sa.BigInteger, nullable=False),
        sa.Column("records_rejected", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "completed_jobs",
        sa.Column("job_type", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, primary_key=True),
        sa.Column("source_connector", sa.Text, primary_key=True),
        sa.Column("destination_connector", sa.Text, primary_key=True),
        sa.Column("schedule_type", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )


def _create_alerts() -> None:
    op.create_table(
        "incidents",
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("rule_group", sa.Text, nullable=False),
        sa.Column("connection_id", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("adopted", sa.Boolean, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("reason", sa.Text),
        sa.Column("notified_at", sa.BigInteger),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("job", sa.JSON),
    )
    op.create_index(
        "incidents_firing",
        "incidents",
        ["connection_id"],
        sqlite_where=sa.text("status = 'firing'"),
        postgresql_where=sa.text("status = 'firing'"),
    )
    op.create_table(
        "alert_states",
        sa.Column("connection_id", sa.Text, primary_key=True),
        sa.Column("rule_group", sa.Text, primary_key=True),
        sa.Column("judged_id", sa.BigInteger),
        sa.Column("judged_created_at", sa.BigInteger),
        sa.Column("fingerprint", sa.Text, sa.ForeignKey("incidents.fingerprint")),
    )
    op.create_index("ix_alert_states_fingerprint", "alert_states", ["fingerprint"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("notification_id", sa.Text, nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("connection_id", sa.Text, nullable=False),
        sa.Column("rule_group", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column(
            "told_at", sa.BigInteger, nullable=False, comment="the notification's own time, in Airbyte's time"
        ),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("lease_until", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("done_at", sa.Double),
        sa.Column("outcome", sa.Text, comment="delivered, superseded or buried; none while open"),
        sa.Column("error", sa.Text),
        sa.UniqueConstraint("notification_id", "receiver", name="outbox_key"),
    )
    for name, columns, where in (
        ("outbox_open", ["receiver", "connection_id", "rule_group", "id"], "done_at IS NULL"),
        ("outbox_done", ["done_at"], "done_at IS NOT NULL"),
    ):
        op.create_index(name, "outbox", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
