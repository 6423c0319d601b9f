"""An Airbyte in this process that keeps sources and destinations, below the client that may change them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from click.testing import CliRunner, Result

from airbyte_exporter.airbyte import AirbyteConfig
from airbyte_exporter.airbyte.writing import WritingClient
from airbyte_exporter.cli import command_line
from airbyte_exporter.cli._shared import Common
from tests.unit.airbyte.fakes import KNOWN, FakeAirbyte, FakeTime, Handler, Reaction, Say, connection_row

DATA = "11111111-1111-4111-8111-111111111111"
SHOP = "aaaa1111-0000-4000-8000-000000000001"
CRM = "aaaa2222-0000-4000-8000-000000000002"
LAKE = "bbbb1111-0000-4000-8000-000000000001"
NEW = "cccc1111-0000-4000-8000-000000000001"
POSTGRES = "dddd1111-0000-4000-8000-000000000001"
BLANK = "**********"

STREAMS = [
    {
        "stream": {
            "name": "orders",
            "namespace": "public",
            "jsonSchema": {"properties": {"id": {}, "updated_at": {}, "total": {}}},
            "supportedSyncModes": ["full_refresh", "incremental"],
            "defaultCursorField": ["updated_at"],
            "sourceDefinedPrimaryKey": [["id"], ["line", "no"]],
        },
        "config": {},
    },
    {
        "stream": {
            "name": "events",
            "supportedSyncModes": ["full_refresh", "incremental"],
            "sourceDefinedCursor": True,
        },
        "config": {},
    },
    {"stream": {"name": "a b\u202e", "jsonSchema": {}}, "config": {}},
]


def definition(kind: str, id_: str, name: str) -> dict[str, Any]:
    return {
        f"{kind}DefinitionId": id_,
        "name": name,
        "dockerRepository": f"airbyte/{kind}-{name.lower()}",
        "dockerImageTag": "3.6.2",
    }


@dataclass
class Kept:
    """What there is. `answers` are given instead of what a method would; `asked` is told of every request."""

    workspaces: dict[str, str] = field(default_factory=lambda: {DATA: "Data"})
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    destinations: dict[str, dict[str, Any]] = field(default_factory=dict)
    connections: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, Reaction] = field(default_factory=dict)
    check: dict[str, Any] = field(default_factory=lambda: {"status": "succeeded"})
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def have(self, kind: str, id_: str, name: str, **configuration: object) -> None:
        """Have a source or destination."""
        self.of(kind)[id_] = {
            f"{kind}Id": id_,
            "name": name,
            "workspaceId": DATA,
            f"{kind}DefinitionId": POSTGRES,
            f"{kind}Name": "Postgres",
            "connectionConfiguration": configuration,
        }

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return self.sources if kind == "source" else self.destinations

    def connect(self, *names: str, source: str = SHOP) -> None:
        """Have connections of a source."""
        actor = {"sourceId": source, "name": "Shop", "sourceName": "Postgres"}
        self.connections += [connection_row(f"c{name}", name, source=actor) for name in names]

    def written(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the requests that change something."""
        return [each for each in self.asked if each[0].endswith(("/create", "/update", "/delete"))]

    def react(self, method: str, body: dict[str, Any]) -> Reaction:
        self.asked.append((method, body))
        if method in self.answers:
            return self.answers[method]
        group, _, verb = method.partition("/")
        if group in {"sources", "destinations"}:
            return self._actor(group.removesuffix("s"), verb, body)
        if group.endswith("_definitions"):
            kind = group.removesuffix("_definitions")
            listed = [definition(kind, POSTGRES, "Postgres"), definition(kind, "x" * 36, "S3")]
            return Say(body={f"{kind}Definitions": listed})
        if method.startswith("workspaces/"):
            rows = [{"workspaceId": id_, "name": name} for id_, name in self.workspaces.items()]
            return Say(body={"workspaces": rows})
        assert method == "web_backend/connections/list"
        return Say(body={"connections": self.connections if body["workspaceId"] == DATA else []})

    def _actor(self, kind: str, verb: str, body: dict[str, Any]) -> Reaction:
        kept, id_ = self.of(kind), body.get(f"{kind}Id", NEW)
        if verb == "list":
            rows = [each for each in kept.values() if each["workspaceId"] == body["workspaceId"]]
            return Say(body={f"{kind}s": rows})
        if verb == "create":
            kept[NEW] = {**body, f"{kind}Id": NEW, f"{kind}Name": "Postgres"}
        elif verb == "update":
            kept[id_] |= body
        elif verb == "check_connection":
            return Say(body=self.check)
        elif verb == "discover_schema":
            return Say(body={"catalog": {"streams": STREAMS}, "jobInfo": {"succeeded": True}})
        elif verb == "delete":
            del kept[id_]
            return Say(204, b"")
        return Say(body=kept[id_])


@dataclass
class Meeting:
    """Runs command lines against an Airbyte that `react` answers for."""

    react: Handler
    clients: list[FakeAirbyte] = field(default_factory=list)
    configs: list[AirbyteConfig] = field(default_factory=list)

    def _connect(self, config: AirbyteConfig, *, clock: Callable[[], float]) -> WritingClient:
        time = FakeTime()
        airbyte = FakeAirbyte(self.react, time)
        self.clients.append(airbyte)
        self.configs.append(config)
        return WritingClient(
            config,
            clock=clock,
            stop=time,
            monotonic=time.monotonic,
            random=lambda: 1.0,
            adapter=airbyte,
            capabilities=KNOWN,
        )

    def __call__(self, *arguments: object, stdin: str | None = None) -> Result:
        common = Common(connect=self._connect, clock=lambda: 0.0)
        return CliRunner().invoke(command_line, [str(each) for each in arguments], obj=common, input=stdin)
