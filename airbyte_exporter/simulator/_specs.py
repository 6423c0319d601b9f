"""What the simulated connectors want to be told: the properties of configurations, and which are secret.

A specification is written as words: ``name`` with ``!`` where it is required, ``*`` where it is a secret, and
``:type`` where it is not a string.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ._catalogue import Connector

__all__ = ["MASK", "Property", "example_of", "masked", "properties_of", "unmasked", "violations"]

Json = dict[str, Any]

MASK: Final = "**********"
"""What stands for a secret in answers; sent back, it means the secret that is stored."""

_SQL: Final = "host! port!:integer database! username! password*"
_BUCKET: Final = "s3_bucket_name! s3_bucket_region! access_key_id!* secret_access_key!* s3_endpoint"
_SPECS: Final = {
    "source-postgres": f"{_SQL} schemas:array ssl_mode:object replication_method:object tunnel_method:object",
    "source-mysql": f"{_SQL} replication_method:object ssl_mode:object",
    "source-mssql": f"{_SQL} schemas:array replication_method:object",
    "source-oracle": "host! port!:integer username! password* schemas:array",
    "source-mongodb-v2": "database_config!:object",
    "source-stripe": "account_id! client_secret!* start_date",
    "source-salesforce": "client_id!* client_secret!* refresh_token!* is_sandbox:boolean",
    "source-hubspot": "credentials!:object start_date",
    "source-google-ads": "credentials!:object customer_id",
    "source-shopify": "shop! credentials:object start_date",
    "source-s3": "bucket! streams!:array aws_access_key_id* aws_secret_access_key* endpoint region_name",
    "source-zendesk-support": "subdomain! credentials:object start_date",
    "source-github": "credentials!:object repositories!:array",
    "source-google-sheets": "spreadsheet_id! credentials!:object",
    "source-declarative-manifest": "base_url! api_key* start_date",
    "source-file": "dataset_name! format! url! provider!:object",
    "source-faker": "count:integer seed:integer",
    "source-pokeapi": "pokemon_name!",
    "destination-postgres": f"{_SQL} schema! ssl_mode:object tunnel_method:object",
    "destination-mysql": _SQL,
    "destination-mssql": f"{_SQL} schema!",
    "destination-redshift": f"{_SQL} schema! uploading_method:object",
    "destination-snowflake": "host! role! warehouse! database! schema! username! credentials:object",
    "destination-bigquery": "project_id! dataset_location! dataset_id! credentials_json*",
    "destination-s3": f"{_BUCKET} format!:object s3_bucket_path s3_path_format",
    "destination-s3-data-lake": "s3_bucket_name! s3_bucket_region! warehouse_location! main_branch_name! "
    "catalog_type!:object access_key_id* secret_access_key* s3_endpoint",
    "destination-local-json": "destination_path!",
    "destination-csv": "destination_path!",
    "destination-duckdb": "destination_path! schema motherduck_api_key*",
    "destination-dev-null": "test_destination!:object",
}
_USUAL: Final = {
    "database": _SQL,
    "file": "host! username! password* folder_path",
    "api": "api_key!* start_date",
    "custom": "base_url! api_key*",
}
_EXAMPLES: Final[Mapping[str, object]] = {
    "port": 5432,
    "username": "airbyte_reader",
    "database": "production",
    "schema": "public",
    "base_url": "https://api.example.com/v1",
    "url": "https://files.example.com/export.csv",
    "s3_bucket_name": "data-lake",
    "s3_bucket_region": "eu-central-1",
    "format": {"format_type": "JSONL"},
    "credentials": {"auth_type": "Client", "access_token": "founding secret"},
    "database_config": {"cluster_type": "ATLAS_REPLICA_SET", "password": "founding secret"},
}
_SECRET_NAMES: Final = frozenset({
    "password", "secret_access_key", "access_key_id", "aws_access_key_id", "aws_secret_access_key", "api_key",
    "api_token", "token", "access_token", "refresh_token", "client_secret", "private_key", "credentials_json",
    "service_account_info", "personal_access_token", "tunnel_user_password", "ssh_key", "secret",
    "connection_string", "motherduck_api_key",
})  # fmt: skip
"""What is a secret at any depth, whichever connector it is of."""
_SECRET_GROUPS: Final = frozenset({"credentials"})
_NO_SECRETS: Final = frozenset({
    "auth_type", "auth_method", "auth_mode", "credentials_title", "option_title", "username", "client_id",
})  # fmt: skip
"""What a group of secrets tells beside them: which kind they are of, and whose."""
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_JSON_NAMES: Final = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
)


class Property(NamedTuple):
    """One property of a connector's configuration, by its JSON Schema."""

    name: str
    type: str
    required: bool
    secret: bool


@lru_cache(maxsize=1024)
def properties_of(connector: Connector) -> tuple[Property, ...]:
    """Return what the configuration of a source or destination of this connector can have."""
    usual = _USUAL.get(connector.source_type, _SQL)
    words = _SPECS.get(connector.repository.removeprefix("airbyte/"), usual)
    return tuple(_property(word) for word in words.split())


def _property(word: str) -> Property:
    named, _, kind = word.partition(":")
    return Property(named.rstrip("!*"), kind or "string", "!" in named, "*" in named)


def violations(connector: Connector, configuration: Json) -> list[str]:
    """Return how a configuration is not what the connector's JSON Schema wants; no value is told."""
    found = []
    for one in properties_of(connector):
        if one.name not in configuration:
            if one.required:
                found.append(f"$.{one.name}: is missing but it is required")
            continue
        value = configuration[one.name]
        if not isinstance(value, _TYPES[one.type]) or (isinstance(value, bool) and one.type != "boolean"):
            found.append(f"$.{one.name}: {_json_type(value)} found, {one.type} expected")
    return found


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _JSON_NAMES if isinstance(value, kind)), "object")


def example_of(connector: Connector, identity: str) -> Json:
    """Make up what a source or destination that was there from the beginning is configured with."""
    configuration: Json = {}
    for one in properties_of(connector):
        if not (one.required or one.secret):
            continue
        if one.secret:
            configuration[one.name] = f"secret-{identity[:8]}"
        elif one.name == "host":
            configuration[one.name] = f"{connector.slug}.internal.example.com"
        elif one.name in _EXAMPLES and isinstance(_EXAMPLES[one.name], _TYPES[one.type]):
            configuration[one.name] = _EXAMPLES[one.name]
        else:
            defaults: Json = {"string": one.name, "integer": 1, "boolean": False, "object": {}, "array": []}
            configuration[one.name] = defaults[one.type]
    return configuration


def masked(connector: Connector, configuration: Json) -> Json:
    """Return a configuration as answers show it."""
    marked = frozenset(one.name for one in properties_of(connector) if one.secret)
    return {name: _masked(name, value, marked) for name, value in configuration.items()}


def _masked(name: str, value: object, marked: frozenset[str], *, group: bool = False) -> object:
    if isinstance(value, dict):
        inside = group or name in _SECRET_GROUPS
        return {key: _masked(key, inner, marked, group=inside) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(name, inner, marked, group=group) for inner in value]
    return MASK if value is not None and _is_secret(name, marked, group=group) else value


def _is_secret(name: str, marked: frozenset[str], *, group: bool) -> bool:
    if name in marked or name in _SECRET_NAMES or name in _SECRET_GROUPS:
        return True
    return group and name not in _NO_SECRETS


def unmasked(sent: Json, stored: Json) -> Json:
    """Return a configuration that was sent, with the stored secrets where it has the mask."""
    return {name: _unmasked(value, stored.get(name)) for name, value in sent.items()}


def _unmasked(sent: object, stored: object) -> object:
    if isinstance(sent, dict):
        return unmasked(sent, stored if isinstance(stored, dict) else {})
    if isinstance(sent, list):
        known = stored if isinstance(stored, list) else []
        return [
            _unmasked(value, known[place] if place < len(known) else None) for place, value in enumerate(sent)
        ]
    return stored if sent == MASK and stored is not None else sent
