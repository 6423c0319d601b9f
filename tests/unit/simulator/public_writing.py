"""Writing to the simulated public API without a socket."""

import json
from typing import Any

from airbyte_exporter.simulator import GENERATIONS
from airbyte_exporter.simulator._public_api import PublicApi
from airbyte_exporter.simulator._roles import ADMINISTRATOR, Caller
from tests.specifications import Json
from tests.unit.simulator.asking import Config
from tests.unit.simulator.openapi import public_api
from tests.unit.simulator.writing import catalogue, frozen, new_connection, stream

__all__ = ["Writer"]


class Writer:
    """The public API over a company in which nothing starts by itself, with a connection that is new."""

    def __init__(self, generation: str) -> None:
        self.world = frozen()
        self.config = Config(self.world, generation)
        self.generation = generation
        self._api = PublicApi(self.world, GENERATIONS[generation])
        streams = catalogue(stream("customers"), stream("orders", "incremental", "append_dedup"))
        self.connection: str = new_connection(self.config, syncCatalog=streams)["connectionId"]

    def ask(
        self, method: str, path: str, body: object = None, *, caller: Caller = ADMINISTRATOR, **query: str
    ) -> tuple[int, Any]:
        """Send a request, judge its answer by the specification, and return status and JSON."""
        raw = b"" if body is None else json.dumps(body).encode()
        asked = {name: [value] for name, value in query.items()}
        answer = self._api.answer(method, path, asked, url="http://airbyte.example", caller=caller, raw=raw)
        if answer.status == 204:
            assert answer.payload() == b""
            return 204, None
        told = json.loads(answer.payload())
        if answer.status == 200:
            kind, slash, _ = path.partition("/")
            template = f"{kind}/{{{kind[:-1]}Id}}" if slash else kind
            assert public_api(self.generation).problems(method, template, 200, told) == []
        else:
            assert answer.content_type == "application/problem+json"
            assert told["status"] == answer.status
        return answer.status, told

    def works(self, method: str, path: str, body: object = None, **query: str) -> Json:
        """Send a request that works and return its JSON."""
        status, told = self.ask(method, path, body, caller=ADMINISTRATOR, **query)
        assert status == 200, told
        return told
