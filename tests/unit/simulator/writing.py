"""What tests write to the simulated APIs."""

from typing import Any

from airbyte_exporter.simulator import World
from tests.unit.simulator.asking import NOW, Config

__all__ = ["DATABASE", "WAREHOUSE", "catalogue", "create", "frozen", "new_connection", "new_source", "stream"]

Json = dict[str, Any]

DATABASE: Json = {
    "host": "db.example.com", "port": 5432, "database": "shop", "username": "reader", "password": "hunter2",
}  # fmt: skip
WAREHOUSE: Json = {**DATABASE, "database": "mart", "schema": "public"}


def frozen(*, speed: float = 60.0) -> World:
    """Return a company in which nothing starts by itself."""
    world = World(seed=3, connections=4, now=NOW, history_jobs=2, speed=speed)
    world.freeze()
    return world


def create(config: Config, kind: str, connector: str, configuration: Json, **body: object) -> Json:
    """Create a source or destination in the first workspace."""
    sent = {
        "workspaceId": next(iter(config.world.company.workspaces)),
        f"{kind}DefinitionId": config.definition(kind, connector),
        "name": f"New {connector}",
        "connectionConfiguration": configuration,
        **body,
    }
    written: Json = config.specified(f"{kind}s/create", **sent)
    return written


def new_source(config: Config, configuration: Json = DATABASE) -> str:
    """Create a PostgreSQL source and return its id."""
    return str(create(config, "source", "Postgres", configuration)["sourceId"])


def stream(name: str, mode: str = "full_refresh", write: str = "overwrite", **config: object) -> Json:
    """Return a stream of a syncCatalog."""
    modes = ["full_refresh", "incremental"]
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
    described = {"name": name, "namespace": "public", "jsonSchema": schema, "supportedSyncModes": modes}
    return {"stream": described, "config": {"syncMode": mode, "destinationSyncMode": write, **config}}


def catalogue(*streams: Json) -> Json:
    """Return a syncCatalog."""
    return {"streams": list(streams)}


def new_connection(config: Config, **body: object) -> Json:
    """Create a connection of two tables, by hand unless told otherwise, and return what is answered."""
    ends = {}
    if "sourceId" not in body:
        ends["sourceId"] = new_source(config)
    if "destinationId" not in body:
        ends["destinationId"] = create(config, "destination", "Postgres", WAREHOUSE)["destinationId"]
    sent = {
        "status": "active",
        "name": "Shop → mart",
        "syncCatalog": catalogue(stream("customers"), stream("orders", "incremental", "append_dedup")),
        **ends,
        **body,
    }
    written: Json = config.specified("connections/create", **sent)
    return written
