"""All connectors that the simulated Airbyte offers: those that the company uses, and many others.

The others are written as words: slug, version, kind (``api``, ``database``, ``file``, ``custom``), name, and
for sources their streams.
"""

from typing import Final

from ._catalogue import DESTINATIONS, SOURCES, Connector
from ._jobs import Failure

__all__ = [
    "ALL_DESTINATIONS",
    "ALL_SOURCES",
    "connector_called",
    "connector_named",
    "connector_with",
    "streams_offered",
]

_OTHER_SOURCES: Final = """
mssql 4.3.2 database Microsoft SQL Server (MSSQL): customers orders
oracle 0.6.0 database Oracle DB: CUSTOMERS ORDERS
clickhouse 0.2.6 database ClickHouse: events visits
cockroachdb 0.2.2 database Cockroachdb: accounts transfers
db2 0.2.2 database IBM Db2: CUSTOMERS ORDERS
snowflake 1.0.8 database Snowflake: CUSTOMERS ORDERS
redshift 0.5.5 database Redshift: customers orders
bigquery 0.4.4 database BigQuery: customers orders
dynamodb 0.3.10 database DynamoDB: customers orders
elasticsearch 0.1.5 database ElasticSearch: logs metrics
kafka 0.4.2 database Kafka: topics
file 0.5.38 file File (CSV, JSON, Excel, Feather, Parquet): dataset
sftp-bulk 1.8.5 file SFTP Bulk: files
gcs 0.8.28 file Google Cloud Storage (GCS): files
azure-blob-storage 0.8.9 file Azure Blob Storage: files
google-drive 0.4.11 file Google Drive: files
microsoft-onedrive 0.2.42 file Microsoft OneDrive: files
declarative-manifest 6.60.16 custom REST API: items events
faker 6.2.35 api Sample Data: users products purchases
pokeapi 0.3.27 api PokeAPI: pokemon
airtable 4.6.12 api Airtable: tables
amplitude 0.7.33 api Amplitude: events cohorts active_users
asana 1.5.3 api Asana: projects tasks users
bing-ads 2.23.9 api Bing Ads: campaigns ads accounts
braintree 0.3.37 api Braintree: customers transactions
chargebee 0.10.27 api Chargebee: customers invoices subscriptions
facebook-marketing 4.1.3 api Facebook Marketing: campaigns ads ad_sets ads_insights
freshdesk 3.2.8 api Freshdesk: tickets contacts agents
gitlab 4.4.22 api Gitlab: projects issues merge_requests
google-analytics-data-api 2.9.18 api Google Analytics 4 (GA4): daily_active_users pages
google-search-console 1.10.35 api Google Search Console: sites search_analytics_by_date
greenhouse 0.7.13 api Greenhouse: candidates jobs offers
harvest 1.2.20 api Harvest: clients projects time_entries
instagram 4.2.8 api Instagram: media stories users
intercom 0.13.16 api Intercom: contacts conversations companies
iterable 0.6.43 api Iterable: lists campaigns events
jira 4.3.6 api Jira: issues projects users sprints
klaviyo 2.17.7 api Klaviyo: profiles events campaigns
linkedin-ads 5.6.2 api LinkedIn Ads: accounts campaigns creatives
mailchimp 2.0.42 api Mailchimp: campaigns lists reports
marketo 1.5.1 api Marketo: leads activities programs
mixpanel 3.5.11 api Mixpanel: export cohorts funnels
monday 2.4.2 api Monday: boards items users
netsuite 0.1.17 api Netsuite: customer transaction
notion 4.0.4 api Notion: pages databases users
paypal-transaction 2.6.15 api Paypal Transaction: transactions balances
pipedrive 2.4.3 api Pipedrive: deals persons organizations
recharge 3.0.4 api Recharge: charges customers orders
sentry 0.9.5 api Sentry: issues events projects
slack 3.1.6 api Slack: channels channel_messages users
snapchat-marketing 1.5.13 api Snapchat Marketing: campaigns ads
square 1.7.15 api Square: customers orders payments
surveymonkey 0.3.35 api SurveyMonkey: surveys survey_responses
tiktok-marketing 4.8.3 api TikTok Marketing: campaigns ads ad_groups
trello 1.4.15 api Trello: boards cards lists
twilio 0.17.9 api Twilio: calls messages accounts
typeform 1.4.3 api Typeform: forms responses
woocommerce 0.5.21 api WooCommerce: customers orders products
xero 2.1.6 api Xero: invoices contacts payments
zendesk-chat 1.2.16 api Zendesk Chat: chats agents
zoom 1.2.27 api Zoom: users meetings
"""
_OTHER_DESTINATIONS: Final = """
s3 1.9.4 file S3
s3-glue 0.1.8 file S3 Glue
mysql 1.0.3 database MySQL
mssql 2.2.14 database MSSQL
oracle 1.0.0 database Oracle
clickhouse 2.1.5 database Clickhouse
databricks 3.3.7 database Databricks Lakehouse
duckdb 0.5.6 database DuckDB
elasticsearch 0.1.6 database ElasticSearch
gcs 0.4.8 file Google Cloud Storage (GCS)
azure-blob-storage 1.1.4 file Azure Blob Storage
google-sheets 0.3.6 file Google Sheets
kafka 0.1.10 database Kafka
mongodb 0.2.0 database MongoDB
motherduck 0.1.24 database MotherDuck
pinecone 0.1.46 api Pinecone
pubsub 0.2.0 api Google PubSub
qdrant 0.1.46 api Qdrant
rabbitmq 0.1.1 database RabbitMQ
redis 0.1.4 database Redis
snowflake-cortex 0.2.31 database Snowflake Cortex
teradata 1.0.0 database Teradata Vantage
typesense 0.1.35 api Typesense
weaviate 0.2.55 api Weaviate
csv 1.0.0 file Local CSV
local-json 0.2.11 file Local JSON
dev-null 0.8.9 api End-to-End Testing (/dev/null)
"""
_MORE_STREAMS: Final = {"source-postgres": ("customers",)}
"""Tables that a source has beside those that the company's connections were set up with."""


def _others(kind: str, table: str) -> tuple[Connector, ...]:
    found = []
    for line in table.strip().splitlines():
        slug, version, type_, rest = line.split(maxsplit=3)
        name, _, streams = rest.partition(": ")
        namespace = "public" if type_ == "database" and streams else None
        own = (slug, version, (name,), tuple(streams.split()), namespace, _failures(kind), type_)
        found.append(Connector(kind, name, *own))
    return tuple(found)


def _failures(kind: str) -> tuple[Failure, ...]:
    refused = "The credentials were refused. Please review the connector's configuration."
    unknown = "Something went wrong in the connector. See the logs for more details."
    return (
        Failure(kind, "config_error", refused, "HTTP Status Code: 401. Error: Unauthorized"),
        Failure(kind, "system_error", unknown, "java.lang.RuntimeException"),
    )


ALL_SOURCES: Final = (*SOURCES, *_others("source", _OTHER_SOURCES))
"""What a source can be made of; the company's own come first."""
ALL_DESTINATIONS: Final = (*DESTINATIONS, *_others("destination", _OTHER_DESTINATIONS))
"""What a destination can be made of; the company's own come first."""
_BY_SLUG: Final = {(one.kind, one.slug): one for one in (*ALL_SOURCES, *ALL_DESTINATIONS)}
_BY_ID: Final = {(one.kind, one.definition_id): one for one in (*ALL_SOURCES, *ALL_DESTINATIONS)}


def connector_with(kind: str, definition_id: str) -> Connector | None:
    """Return the connector of a definition, ``None`` where there is none."""
    return _BY_ID.get((kind, definition_id))


def connector_called(kind: str, slug: str) -> Connector | None:
    """Return the connector that the public API calls so, ``None`` where there is none."""
    return _BY_SLUG.get((kind, slug))


def connector_named(kind: str, name: str) -> Connector:
    """Return the connector with a name.

    Raises:
        ValueError: there is none.
    """
    catalogue = ALL_SOURCES if kind == "source" else ALL_DESTINATIONS
    for connector in catalogue:
        if connector.name == name:
            return connector
    raise ValueError(f"{name!r} is not one of {', '.join(connector.name for connector in catalogue)}")


def streams_offered(connector: Connector) -> tuple[str, ...]:
    """Return the streams of a source that is set up now."""
    return (*_MORE_STREAMS.get(connector.repository.removeprefix("airbyte/"), ()), *connector.streams)
