"""Asking the simulated APIs without a socket."""

import json
from datetime import UTC, datetime
from typing import Any

from airbyte_exporter.simulator import GENERATIONS, World
from airbyte_exporter.simulator._answers import Answer
from airbyte_exporter.simulator._config_api import ConfigApi
from airbyte_exporter.simulator._roles import ADMINISTRATOR, Caller
from tests.specifications import Json
from tests.unit.simulator.openapi import config_api

__all__ = ["ALL_TYPES", "NOW", "ORGANIZATION", "PUBLIC", "SPECIFIED", "STRANGER", "Config", "iso"]

NOW = 1_760_000_000.0
ORGANIZATION = "00000000-0000-0000-0000-000000000000"
STRANGER = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
"""The id of nothing that there is."""
SPECIFIED = sorted(name for name, generation in GENERATIONS.items() if generation.version)
"""The generations that Airbyte has published a specification of."""
PUBLIC = sorted(name for name in SPECIFIED if GENERATIONS[name].public_api)
"""Those of them that have the public API and issue tokens."""
ALL_TYPES = ["sync", "reset_connection", "refresh"]


class Config:
    """The Configuration API of a world, in one generation."""

    def __init__(
        self,
        world: World,
        generation: str = "2.0",
        *,
        limit_counts: str = "jobs",
        caller: Caller = ADMINISTRATOR,
    ) -> None:
        self.world = world
        self.generation = generation
        self.features = GENERATIONS[generation]
        self._api = ConfigApi(world, self.features, reader=caller, limit_counts=limit_counts)
        self._caller = caller

    @property
    def paths(self) -> set[str]:
        """All that can be read below ``/api/v1``, but for the tokens."""
        return {*self._api._reads, *self._api._gets}

    @property
    def write_paths(self) -> set[str]:
        """All below ``/api/v1`` that changes something or makes a connector work."""
        return {*self._api._writes}

    def ask(self, path: str, body: object = None, method: str = "POST") -> Answer:
        """Send a request and return the answer as it comes."""
        raw = b"" if body is None else json.dumps(body).encode()
        return self._api.answer(method, path, raw, url="http://airbyte.example", caller=self._caller)

    def read(self, path: str, **body: object) -> Json:
        """Send a request that works and return its JSON, as it arrives over the wire."""
        answer = self.ask(path, body)
        assert answer.status == 200, answer.body
        return json.loads(answer.payload())

    def specified(self, path: str, status: int = 200, /, **body: object) -> Json:
        """Send a request, judge its answer by the specification, and return its JSON."""
        specification = config_api(self.generation)
        assert specification.documents("POST", path), path
        answer = self.ask(path, body)
        assert answer.status == status, answer.body
        if status == 204:
            assert answer.payload() == b""
            return None
        told = json.loads(answer.payload())
        if status in {200, 404, 422}:
            assert specification.problems("POST", path, status, told) == [], path
        return told

    def definition(self, kind: str, name: str) -> str:
        """Return the id of a connector's definition."""
        listed = self.read(f"{kind}_definitions/list")[f"{kind}Definitions"]
        return next(str(one[f"{kind}DefinitionId"]) for one in listed if one["name"] == name)

    @property
    def types(self) -> list[str]:
        """The types that there are jobs of."""
        return sorted(self.features.job_types)

    def read_instance(self) -> Json:
        """Return what instance_configuration tells."""
        answer = self.ask("instance_configuration", method="GET")
        assert answer.status == 200
        return json.loads(answer.payload())

    def jobs(self, **body: object) -> list[dict[str, Any]]:
        """Return the rows of one page of jobs/list, of every type unless told otherwise."""
        rows: list[dict[str, Any]] = self.read("jobs/list", **({"configTypes": self.types} | body))["jobs"]
        return rows


def iso(seconds: float) -> str:
    """Write a time as a filter wants it, to the microsecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def every_row(config: Config, **body: object) -> list[dict[str, Any]]:
    """Read the newest jobs of every connection."""
    return [row for one in config.world.company.connections for row in config.jobs(configId=one, **body)]
