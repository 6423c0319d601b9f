"""The tables. What is written here and what the migrations build is the same; a test compares them.

Times are epoch seconds in Airbyte's time, except in the outbox and in silences, whose times are the
exporter's own.
Nothing here is peculiar to SQLite, except that its row ids have to be called INTEGER.
"""

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

__all__ = [
    "HEAD",
    "alert_states",
    "completed_jobs",
    "connection_failures",
    "connection_jobs",
    "connection_volumes",
    "connections",
    "incidents",
    "job_durations",
    "jobs",
    "metadata",
    "outbox",
    "silences",
    "state",
    "workspaces",
]

HEAD = "0007"
"""The newest migration. A state that has it is opened without loading Alembic."""

KNOWN = frozenset({"0001", "0002", "0003", "0004", "0005", "0006", HEAD})
"""Every migration that this version can start from."""

metadata = sa.MetaData()


class Text(TypeDecorator[str]):
    """Text as it came from Airbyte, without what no database stores: NUL and half surrogate pairs."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - the library's
        """Replace what cannot be stored by U+FFFD."""
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """Return `text` with U+FFFD in the place of NUL and of surrogates without their other half."""
    if text.isprintable():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


_Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_Json = sa.JSON(none_as_null=True)
_Flag = sa.Boolean(create_constraint=False)

state = sa.Table(
    "state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False, comment="always 1"),
    sa.Column("url", Text),
    sa.Column("deployment_id", Text),
    sa.Column("epoch", sa.BigInteger),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("pruned_through", sa.BigInteger),
    sa.Column("progress", _Json),
    sa.Column("instance", _Json),
    sa.Column("inventory_read_at", sa.BigInteger),
    sa.Column("sources", _Json, comment="how many of each connector"),
    sa.Column("destinations", _Json, comment="how many of each connector"),
)

workspaces = sa.Table(
    "workspaces",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("deleted_at", sa.BigInteger),
)

connections = sa.Table(
    "connections",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("workspace_id", Text, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("source_id", Text, nullable=False),
    sa.Column("source_name", Text, nullable=False),
    sa.Column("source_connector", Text, nullable=False),
    sa.Column("source_connector_version", Text),
    sa.Column("destination_id", Text, nullable=False),
    sa.Column("destination_name", Text, nullable=False),
    sa.Column("destination_connector", Text, nullable=False),
    sa.Column("destination_connector_version", Text),
    sa.Column("schedule_type", Text, nullable=False),
    sa.Column("schedule_units", sa.BigInteger),
    sa.Column("schedule_time_unit", Text),
    sa.Column("cron_expression", Text),
    sa.Column("cron_time_zone", Text),
    sa.Column("tags", _Json, nullable=False),
    sa.Column("created_at", sa.BigInteger),
    sa.Column("schema_change", Text),
    sa.Column("first_seen_at", sa.BigInteger, nullable=False),
    sa.Column("deleted_at", sa.BigInteger),
    sa.Column(
        "success_settled",
        _Flag,
        nullable=False,
        comment="a succeeded sync is known, or Airbyte was asked for one",
    ),
    sa.Column("schedule_since", sa.BigInteger, comment="when this schedule was first seen"),
    sa.Column("schedule_interval", sa.BigInteger, comment="seconds"),
    sa.Column("active_since", sa.BigInteger, comment="none while it is not active"),
    sa.Column("due_sync_at", sa.BigInteger, comment="creation of the newest sync that was due"),
    sa.Column(
        "due_confirmed", _Flag, nullable=False, server_default=sa.false(), comment="due by the one before"
    ),
    sa.Column("next_run_at", sa.BigInteger),
    sa.Column(
        "history_complete",
        _Flag,
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
    sa.Column("disabled_reason", Text),
    sa.Column("disabled_by_person", _Flag),
)
sa.Index(
    "connections_without_success",
    connections.c.id,
    sqlite_where=sa.text("success_settled = 0 AND deleted_at IS NULL"),
    postgresql_where=sa.text("NOT success_settled AND deleted_at IS NULL"),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("row", _Key, primary_key=True, autoincrement=True),
    sa.Column("connection_id", Text, nullable=False),
    sa.Column("id", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("type", Text, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("moves_data", _Flag, nullable=False, comment="sync or refresh"),
    sa.Column("final", _Flag, nullable=False, comment="never changes again"),
    sa.Column("counted", _Flag, nullable=False, comment="is in the counters"),
    sa.Column(
        "pending", _Flag, nullable=False, comment="finished, and no alert decision has looked at it yet"
    ),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("attempts", _Json),
    sa.Column("records_synced", sa.BigInteger),
    sa.Column("bytes_synced", sa.BigInteger),
    sa.Column("records_emitted", sa.BigInteger),
    sa.Column("bytes_emitted", sa.BigInteger),
    sa.Column("records_rejected", sa.BigInteger),
    sa.Column("has_stats", _Flag),
    sa.UniqueConstraint("connection_id", "created_at", "id", name="jobs_key"),
)
sa.Index("jobs_id", jobs.c.id)
sa.Index(
    "jobs_live",
    jobs.c.connection_id,
    sqlite_where=sa.text("final = 0"),
    postgresql_where=sa.text("NOT final"),
)
sa.Index(
    "jobs_pending",
    jobs.c.connection_id,
    sqlite_where=sa.text("pending = 1"),
    postgresql_where=sa.text("pending"),
)
sa.Index(
    "jobs_finished_syncs",
    jobs.c.connection_id,
    jobs.c.status,
    jobs.c.created_at,
    jobs.c.id,
    sqlite_where=sa.text("final = 1 AND moves_data = 1"),
    postgresql_where=sa.text("final AND moves_data"),
)
sa.Index(
    "jobs_ended",
    jobs.c.updated_at,
    jobs.c.connection_id,
    sqlite_where=sa.text("final = 1"),
    postgresql_where=sa.text("final"),
)

connection_jobs = sa.Table(
    "connection_jobs",
    metadata,
    sa.Column("connection_id", Text, primary_key=True),
    sa.Column("job_type", Text, primary_key=True),
    sa.Column("status", Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)

connection_volumes = sa.Table(
    "connection_volumes",
    metadata,
    sa.Column("connection_id", Text, primary_key=True),
    sa.Column("records_synced", sa.BigInteger, nullable=False),
    sa.Column("bytes_synced", sa.BigInteger, nullable=False),
    sa.Column("records_emitted", sa.BigInteger, nullable=False),
    sa.Column("bytes_emitted", sa.BigInteger, nullable=False),
    sa.Column("records_rejected", sa.BigInteger, nullable=False),
    sa.Column("attempts_succeeded", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("attempts_failed", sa.BigInteger, nullable=False, server_default="0"),
)

connection_failures = sa.Table(
    "connection_failures",
    metadata,
    sa.Column("connection_id", Text, primary_key=True),
    sa.Column("origin", Text, primary_key=True),
    sa.Column("type", Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)

job_durations = sa.Table(
    "job_durations",
    metadata,
    sa.Column("job_type", Text, primary_key=True),
    sa.Column("status", Text, primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False, comment="from 0, by upper bound"),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.BigInteger, nullable=False),
)

completed_jobs = sa.Table(
    "completed_jobs",
    metadata,
    sa.Column("job_type", Text, primary_key=True),
    sa.Column("status", Text, primary_key=True),
    sa.Column("source_connector", Text, primary_key=True),
    sa.Column("destination_connector", Text, primary_key=True),
    sa.Column("schedule_type", Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("fingerprint", Text, primary_key=True),
    sa.Column("rule_group", Text, nullable=False),
    sa.Column("connection_id", Text, nullable=False),
    sa.Column("rule", Text, nullable=False),
    sa.Column("severity", Text, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("starts_at", sa.BigInteger, nullable=False),
    sa.Column("adopted", _Flag, nullable=False),
    sa.Column("ends_at", sa.BigInteger),
    sa.Column("reason", Text),
    sa.Column("notified_at", sa.BigInteger),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("job", _Json),
    sa.Column("receivers", _Json, comment="names of those who were told"),
    sa.Column("told_rule", Text, comment="the rule that they were told of"),
    sa.Column("part_of", Text, comment="fingerprint of the one that stands for it"),
    sa.Column("affected", sa.Integer, nullable=False, server_default="1"),
)
sa.Index(
    "incidents_firing",
    incidents.c.connection_id,
    sqlite_where=sa.text("status = 'firing'"),
    postgresql_where=sa.text("status = 'firing'"),
)

alert_states = sa.Table(
    "alert_states",
    metadata,
    sa.Column("connection_id", Text, primary_key=True),
    sa.Column("rule_group", Text, primary_key=True),
    sa.Column("judged_id", sa.BigInteger),
    sa.Column("judged_created_at", sa.BigInteger),
    sa.Column("streak", sa.Integer, nullable=False, server_default="0"),
    sa.Column("fingerprint", Text, sa.ForeignKey("incidents.fingerprint"), index=True),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", _Key, primary_key=True, autoincrement=True),
    sa.Column("notification_id", Text, nullable=False),
    sa.Column("receiver", Text, nullable=False),
    sa.Column("connection_id", Text, nullable=False),
    sa.Column("rule_group", Text, nullable=False),
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("type", Text, nullable=False),
    sa.Column(
        "told_at", sa.BigInteger, nullable=False, comment="the notification's own time, in Airbyte's time"
    ),
    sa.Column("body", _Json, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("lease_until", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("done_at", sa.Double),
    sa.Column("outcome", Text, comment="delivered, superseded or buried; none while open"),
    sa.Column("error", Text),
    sa.UniqueConstraint("notification_id", "receiver", name="outbox_key"),
)
sa.Index(
    "outbox_open",
    outbox.c.receiver,
    outbox.c.connection_id,
    outbox.c.rule_group,
    outbox.c.id,
    sqlite_where=sa.text("done_at IS NULL"),
    postgresql_where=sa.text("done_at IS NULL"),
)
sa.Index(
    "outbox_line",
    outbox.c.receiver,
    outbox.c.id,
    outbox.c.created_at,
    outbox.c.done_at,
    sqlite_where=sa.text("done_at IS NULL"),
    postgresql_where=sa.text("done_at IS NULL"),
)
sa.Index(
    "outbox_failing",
    outbox.c.receiver,
    outbox.c.created_at,
    sqlite_where=sa.text("done_at IS NULL AND error IS NOT NULL"),
    postgresql_where=sa.text("done_at IS NULL AND error IS NOT NULL"),
)
sa.Index(
    "outbox_done",
    outbox.c.done_at,
    sqlite_where=sa.text("done_at IS NOT NULL"),
    postgresql_where=sa.text("done_at IS NOT NULL"),
)

silences = sa.Table(
    "silences",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("matchers", _Json, nullable=False),
    sa.Column("starts_at", sa.BigInteger, nullable=False),
    sa.Column("ends_at", sa.BigInteger, nullable=False),
    sa.Column("reason", Text, nullable=False),
    sa.Column("author", Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expired_at", sa.BigInteger, comment="when somebody ended it; none else"),
)
sa.Index("silences_ends", silences.c.ends_at)
