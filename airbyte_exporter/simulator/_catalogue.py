"""What the simulated company uses: connectors, their streams, names, and the ways in which syncs fail."""

from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from ._jobs import Failure

__all__ = [
    "AFTERMATH",
    "CANCELLED",
    "CONNECTION_NAMES",
    "DESTINATIONS",
    "PLATFORM_FAILURES",
    "SOURCES",
    "TAGS",
    "TIME_ZONES",
    "TRANSIENT",
    "WORKSPACE_NAMES",
    "Connector",
]


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector as its definition tells of it.

    `streams` are table or object names, `namespace` the schema that they live in. `names` are what people
    call their sources or destinations. `failures` are its own ways to fail.
    """

    kind: str
    name: str
    slug: str
    version: str
    names: tuple[str, ...]
    streams: tuple[str, ...] = ()
    namespace: str | None = None
    failures: tuple[Failure, ...] = ()
    source_type: str = "api"

    @property
    def repository(self) -> str:
        """The image's name."""
        return f"airbyte/{self.kind}-{self.slug}"

    @property
    def definition_id(self) -> str:
        """The definition's id: like Airbyte's own it is the same in every installation."""
        return str(uuid5(NAMESPACE_URL, f"https://hub.docker.com/r/{self.repository}"))


def _config(message: str, internal: str) -> Failure:
    return Failure("source", "config_error", message, internal)


def _system(message: str, internal: str) -> Failure:
    return Failure("source", "system_error", message, internal)


_DATABASE_FAILURES: Final = (
    _config(
        "State code: 08001; Message: The connection attempt failed.",
        "java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available",
    ),
    _config(
        'FATAL: password authentication failed for user "airbyte_reader"',
        "org.postgresql.util.PSQLException: FATAL: password authentication failed",
    ),
    _system(
        "Checking source connection failed - please review this connection's configuration.",
        "java.io.EOFException: Unable to read additional data from server sessionid",
    ),
)

SOURCES: Final = (
    Connector(
        "source", "Postgres", "postgres", "3.7.0",
        ("Postgres prod (eu-west-1)", "billing-db", "Postgres replica", "auth service db", "orders-db"),
        ("users", "orders", "order_items", "payments", "audit_log", "sessions", "products"), "public",
        _DATABASE_FAILURES, "database",
    ),
    Connector(
        "source", "MySQL", "mysql", "3.51.5",
        ("shop-mysql", "legacy CRM (MySQL)", "MySQL read replica"),
        ("customers", "invoices", "invoice_lines", "stock", "suppliers"), "shop",
        (
            _config(
                "Saved offset no longer present on the server. Please reset the connection, "
                "and then increase binlog retention.",
                "io.airbyte.cdk.ConfigErrorException: Saved offset no longer present on the server",
            ),
            _DATABASE_FAILURES[0],
        ), "database",
    ),
    Connector(
        "source", "Stripe", "stripe", "5.15.8", ("Stripe EU", "Stripe US", "Stripe (marketplace)"),
        ("charges", "customers", "invoices", "refunds", "subscriptions", "payouts"), None,
        (
            _config(
                "Authentication failed. Please check your API key: Invalid API Key provided: rk_live_****",
                "airbyte_cdk.utils.traced_exception.AirbyteTracedException: HTTP Status Code: 401",
            ),
        ),
    ),
    Connector(
        "source", "Salesforce", "salesforce", "2.7.14", ("Salesforce prod", "Salesforce (partner org)"),
        ("Account", "Contact", "Lead", "Opportunity", "OpportunityHistory", "Task"), None,
        (
            Failure(
                "source", "transient_error",
                "The request limit is reached: TotalRequests Limit exceeded. The sync will continue once the "
                "limit is lifted.",
                "REQUEST_LIMIT_EXCEEDED",
            ),
        ),
    ),
    Connector(
        "source", "HubSpot", "hubspot", "5.8.4", ("HubSpot marketing", "HubSpot"),
        ("companies", "contacts", "deals", "engagements", "email_events"), None,
        (
            _config(
                "The authentication to HubSpot has expired. Re-authenticate to restore access to HubSpot.",
                "invalid_grant: refresh token is invalid, expired or revoked",
            ),
        ),
    ),
    Connector(
        "source", "Google Ads", "google-ads", "3.9.1", ("Google Ads (agency)", "Google Ads DACH"),
        ("campaigns", "ad_groups", "ad_group_ads", "click_view", "keyword_view"), None,
        (
            _config(
                "Failed to access the customer '831-***-**90'. Ensure the customer is linked to your manager "
                "account or check your permissions to access this customer account.",
                "AuthorizationError.USER_PERMISSION_DENIED",
            ),
        ),
    ),
    Connector(
        "source", "Shopify", "shopify", "3.0.8", ("Shopify DE", "Shopify US", "Shopify outlet"),
        ("orders", "customers", "products", "inventory_levels", "abandoned_checkouts"), None,
        (_system("HTTP Status Code: 502. Error: Bad gateway.", "requests.exceptions.HTTPError: 502"),),
    ),
    Connector(
        "source", "S3", "s3", "4.14.3", ("S3 event exports", "partner drop (S3)"),
        ("events", "clickstream", "exports"), None,
        (
            _config(
                "Error parsing record. This could be due to a mismatch between the config's file type and "
                "the actual file type, or because the file or record is not parseable.",
                "filename=s3://partner-drop/2026/orders.csv lineno=18211 record={'id': '…'}",
            ),
        ), "file",
    ),
    Connector(
        "source", "MongoDb", "mongodb-v2", "2.0.4", ("mongo catalogue", "MongoDb Atlas"),
        ("items", "prices", "reviews"), "catalogue",
        (
            _config(
                "Saved offset is not valid. Please reset the connection, and then increase oplog retention "
                "or reduce sync frequency to prevent this from happening in the future.",
                "com.mongodb.MongoCommandException: ChangeStreamHistoryLost (286)",
            ),
        ), "database",
    ),
    Connector(
        "source", "Zendesk Support", "zendesk-support", "4.10.7", ("Zendesk", "Zendesk (B2B)"),
        ("tickets", "ticket_metrics", "users", "organizations", "satisfaction_ratings"), None,
        (_system("Rate limit exceeded after 5 retries.", "429 Client Error: Too Many Requests"),),
    ),
    Connector(
        "source", "GitHub", "github", "1.8.36", ("GitHub org", "GitHub (open source)"),
        ("commits", "issues", "pull_requests", "workflow_runs", "stargazers"), None,
        (
            _config(
                "All authenticators have been exhausted: bad credentials or missing permissions.",
                "HTTP Status Code: 401. Error: Bad credentials",
            ),
        ),
    ),
    Connector(
        "source", "Google Sheets", "google-sheets", "0.10.2", ("Budget 2026", "Forecast (sheet)"),
        ("Sheet1", "Targets"), None,
        (_config("The spreadsheet was not found: it may have been moved or unshared.", "NOT_FOUND"),), "file",
    ),
)  # fmt: skip

DESTINATIONS: Final = (
    Connector(
        "destination", "Snowflake", "snowflake", "4.0.31", ("Snowflake ANALYTICS", "Snowflake (finance)"),
        failures=(
            Failure(
                "destination", "config_error",
                "Your account is suspended due to lack of payment method.",
                "net.snowflake.client.jdbc.SnowflakeSQLException: 390913",
            ),
        ),
    ),
    Connector(
        "destination", "BigQuery", "bigquery", "3.0.11", ("BigQuery dwh-prod", "BigQuery sandbox"),
        failures=(
            Failure(
                "destination", "transient_error",
                "Exceeded rate limits: too many table update operations for this table.",
                "com.google.cloud.bigquery.BigQueryException: rateLimitExceeded",
            ),
        ),
    ),
    Connector(
        "destination", "Redshift", "redshift", "3.5.3", ("Redshift cluster-2",),
        failures=(
            Failure(
                "destination", "system_error",
                "Something went wrong in the connector. See the logs for more details.",
                "com.amazon.redshift.util.RedshiftException: ERROR: disk full",
            ),
        ),
    ),
    Connector(
        "destination", "Postgres", "postgres", "2.4.7", ("reporting-pg", "Postgres mart"),
        failures=(
            Failure(
                "destination", "system_error",
                "No space left on device.",
                "org.postgresql.util.PSQLException: ERROR: could not extend file",
            ),
        ),
    ),
    Connector(
        "destination", "S3 Data Lake", "s3-data-lake", "0.3.38", ("Lake (Iceberg)", "S3 Data Lake raw"),
        failures=(
            Failure(
                "destination", "destination_timeout",
                "Airbyte detected that the Destination didn't make progress in the last 24h, exceeding the "
                "configured 24h threshold. Airbyte will try reading again on the next sync.",
                "DestinationTimeoutMonitor$TimeoutException",
            ),
        ),
    ),
)  # fmt: skip

PLATFORM_FAILURES: Final = (
    Failure(
        "airbyte_platform", "transient_error",
        "Airbyte could not start the process within time limit. No data-plane available to process the job.",
        "Workload was not claimed within the time limit",
    ),
    Failure(
        "airbyte_platform", "transient_error",
        "Airbyte could not track the sync progress. Sync process exited without reporting status.",
        "Workload heartbeat timed out",
    ),
    Failure(
        "replication", "system_error",
        "Something went wrong during replication",
        "io.airbyte.workers.exception.WorkerException: Source process exited with non-zero exit code 137",
    ),
    Failure(
        "source", "heartbeat_timeout",
        "Airbyte detected that the Source didn't send any records in the last 1 hour 30 minutes, exceeding "
        "the configured 1 hour 30 minutes threshold. Airbyte will try reading again on the next sync.",
        "HeartbeatTimeoutChaperone$HeartbeatTimeoutException",
    ),
    Failure(None, None, "An unexpected error occurred.", "java.lang.RuntimeException"),
    Failure("unknown", "system_error", "Something went wrong.", "java.lang.IllegalStateException"),
    Failure("replication", None, "Something went wrong during replication", "java.lang.NullPointerException"),
    Failure(
        "persistence", "system_error",
        "Something went wrong while saving the sync's state",
        "org.jooq.exception.DataAccessException: SQL [insert into state ...]; Connection is closed",
    ),
    Failure(
        "airbyte_platform", "refresh_schema",
        "Failed to refresh the schema of the source",
        "io.temporal.failure.ActivityFailure: RefreshSchema timed out",
    ),
    Failure(
        "normalization", "system_error",
        "Normalization failed during the dbt run. This may indicate a problem with the data itself.",
        "Database Error in model orders: value too long for type character varying(256)",
    ),
    Failure(
        "dbt", "system_error",
        "dbt run failed: 2 of 14 models did not build.",
        "Compilation Error in model marts.revenue",
    ),
)  # fmt: skip

AFTERMATH: Final = (
    Failure(
        "replication", "system_error",
        "Something went wrong during replication",
        "io.airbyte.workers.internal.exception.SourceException: Source process exited with exit code 1",
    ),
    Failure(
        "destination", "system_error",
        "Something went wrong in the connector. See the logs for more details.",
        "java.io.IOException: Broken pipe",
    ),
)  # fmt: skip
"""What the end of one process makes the others say, after the failure that counts."""

TRANSIENT: Final = Failure(
    "source", "transient_error",
    "Failed to read from the source: connection reset by peer. Retrying.",
    "java.net.SocketException: Connection reset",
)  # fmt: skip

CANCELLED: Final = Failure(
    "airbyte_platform", "manual_cancellation",
    "Setting attempt to FAILED because the job was cancelled",
    "Setting attempt to FAILED because the job was cancelled",
)  # fmt: skip

WORKSPACE_NAMES: Final = ("Analytics", "Finance & Operations", "التجارة الإلكترونية", "Growth", "研究開発")

CONNECTION_NAMES: Final = (
    "Postgres prod → Snowflake",
    "Stripe → BigQuery (15 min)",
    "مزامنة المبيعات",
    "顧客データ → Redshift",
    'HubSpot "new" sync',
    "billing\\invoices",
    "Zendesk 🎫 → Lake",
    "S3 event exports → Snowflake",
    "Orders (near real time)",
    "GitHub → Postgres mart",
    "mongo catalogue → BigQuery",
    "Budget 2026 → reporting-pg",
)

TAGS: Final = (
    ("production", "FEDF6C"), ("critical", "FF8300"), ("finance", "86C9F4"), ("pii", "FBECB1"),
    ("毎日", "D9F8B8"),
)  # fmt: skip

TIME_ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo")
