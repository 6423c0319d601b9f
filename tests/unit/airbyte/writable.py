"""An Airbyte, of any release or the short reference form, that takes changes and answers as it does."""

from dataclasses import dataclass, field
from typing import Any

from airbyte_exporter.model import Actor
from tests.unit.airbyte.fakes import NOW, Json, Reaction, Say
from tests.unit.airbyte.installations import W1, Installation, Reference

SOURCE = Actor("50000000-0000-4000-8000-000000000001", "Shop", "Postgres")
DESTINATION = Actor("d0000000-0000-4000-8000-000000000001", "Lake", "S3")
DEFINITION = "de000000-0000-4000-8000-000000000001"
CONNECTION = "c0000000-0000-4000-8000-000000000001"
CATALOG_ID = "ca000000-0000-4000-8000-000000000001"
MAPPER = {
    "type": "hashing",
    "id": CATALOG_ID,
    "mapperConfiguration": {"targetField": "email", "method": "SHA-256", "fieldNameSuffix": "_hashed"},
}


def stream_row(name: str = "customers", namespace: str | None = "public", **config: Json) -> dict[str, Any]:
    """Return a stream of a catalog as Airbyte sends it."""
    return {
        "stream": {
            "name": name,
            "jsonSchema": {"type": "object", "properties": {"id": {}, "updated_at": {}, "email": {}}},
            "supportedSyncModes": ["full_refresh", "incremental"],
            "defaultCursorField": ["updated_at"],
            "sourceDefinedPrimaryKey": [["id"]],
            **({} if namespace is None else {"namespace": namespace}),
        },
        "config": {
            "syncMode": "incremental",
            "destinationSyncMode": "append_dedup",
            "cursorField": ["updated_at"],
            "primaryKey": [["id"]],
            "aliasName": name,
            "selected": True,
            **config,
        },
    }


def connection_read(**more: Json) -> dict[str, Any]:
    """Return an answer of ``connections/get`` as a real Airbyte sends it."""
    return {
        "connectionId": CONNECTION,
        "name": "Shop to Lake",
        "sourceId": SOURCE.id,
        "destinationId": DESTINATION.id,
        "status": "active",
        "scheduleType": "manual",
        "namespaceDefinition": "destination",
        "prefix": "raw_",
        "syncCatalog": {"streams": [stream_row(), stream_row("orders", selected=False)]},
        **more,
    }


def job_answer(job_id: int = 7, status: str = "running") -> dict[str, Any]:
    """Return an answer of ``connections/sync``, without its logs."""
    job = {"id": job_id, "configType": "sync", "createdAt": NOW, "updatedAt": NOW, "status": status}
    return {"job": {**job, "configId": CONNECTION}, "attempts": []}


@dataclass
class Writable:
    """Answers to writing methods by name; `told` are answers instead of the usual ones.

    The others are those of an `Installation`, or of a `Reference`.
    """

    version: str | None = "2.0.0"
    told: dict[str, Reaction] = field(default_factory=dict)
    connection: dict[str, Any] = field(default_factory=connection_read)
    jobs: list[dict[str, Any]] = field(default_factory=list)

    def react(self, method: str, body: dict[str, Any]) -> Reaction:
        if method in self.told:
            return self.told[method]
        actor = {"workspaceId": W1, "name": "Shop", "connectionConfiguration": {"host": "h", "pw": "*" * 10}}
        source = {**actor, "sourceId": SOURCE.id, "sourceDefinitionId": DEFINITION}
        destination = {**actor, "destinationId": DESTINATION.id, "destinationDefinitionId": DEFINITION}
        job = job_answer(body.get("id", 7))
        answers: dict[str, Json] = {
            "connections/get": self.connection,
            "connections/create": self.connection,
            "connections/update": {**self.connection, **body},
            "sources/discover_schema": {
                "catalog": {"streams": [stream_row(), stream_row("orders")]},
                "catalogId": CATALOG_ID,
                "jobInfo": {"succeeded": True},
            },
            **{f"connections/{what}": job for what in ("sync", "reset", "refresh")},
            **{f"sources/{what}": source for what in ("get", "create", "update")},
            **{f"destinations/{what}": destination for what in ("get", "create", "update")},
            **{f"{kind}/check_connection": {"status": "succeeded"} for kind in ("sources", "destinations")},
            "jobs/cancel": {**job, "job": {**job["job"], "status": "cancelled"}},
            "jobs/get_without_logs": job,
            "jobs/list": {"jobs": self.jobs},
        }
        if method in answers:
            return Say(body=answers[method])
        if method.endswith("/delete"):
            return Say(204, b"")
        if self.version is None:
            return Reference().react(method, body)
        return Installation(self.version).react(method, body)
