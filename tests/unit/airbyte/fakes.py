"""A scripted Airbyte below `requests`, and time that passes only when somebody waits."""

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

from airbyte_exporter.airbyte import AirbyteClient, AirbyteConfig, Capabilities, Polling
from airbyte_exporter.airbyte.writing import Request, WritingClient

NOW = 1_770_000_000
DATE = "Mon, 02 Feb 2026 02:40:00 GMT"  # NOW, as HTTP writes it
Json: TypeAlias = Any
"""Whatever JSON can say."""

URL = "http://airbyte.test:8001"
WORKSPACE = "11111111-1111-4111-8111-111111111111"


class FakeTime(threading.Event):
    """A clock, and the stop event: waiting for it moves the clock on, and is remembered.

    `looked` is called by whoever has read the clock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.waits: list[float] = []
        self.looked: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        now = self.now
        self.looked()
        return now

    def wall(self) -> float:
        return NOW + self.now

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.now += timeout
        return self.is_set()


@dataclass
class Say:
    """An answer to give. `body` is sent as JSON unless it is bytes."""

    status: int = 200
    body: Json = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Reaction = Say | Exception
Handler = Callable[[str, dict[str, Any]], Reaction]


@dataclass
class Sent:
    """A request as it left us."""

    verb: str
    path: str
    body: dict[str, Any]
    authorization: str | None


class FakeAirbyte(BaseAdapter):
    """Answers with what `react` (method, body) says."""

    def __init__(self, react: Handler, time: FakeTime) -> None:
        super().__init__()
        self.react = react
        self.time = time
        self.sent: list[Sent] = []
        self.timeouts: list[tuple[float, float]] = []
        self.here = threading.local()
        """`here.authorization` is what the request of this thread carries."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: object = None,
        verify: object = True,
        cert: object = None,
        proxies: object = None,
    ) -> requests.Response:
        path = request.path_url
        body = json.loads(request.body) if request.body else {}
        self.here.authorization = request.headers.get("Authorization")
        self.sent.append(Sent(request.method or "", path, body, self.here.authorization))
        assert isinstance(timeout, tuple)
        self.timeouts.append(timeout)
        reaction = self.react(path.removeprefix("/api/v1/").removeprefix("/api/"), body)
        if isinstance(reaction, Exception):
            raise reaction
        self.time.now += reaction.seconds
        raw = urllib3.HTTPResponse(
            body=io.BytesIO(reaction.content),
            headers={"Content-Type": "application/json", "Date": DATE, **reaction.headers},
            status=reaction.status,
            preload_content=False,
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is open."""

    def bodies(self, method: str) -> list[dict[str, Any]]:
        return [sent.body for sent in self.sent if sent.path.endswith(f"/{method}")]


@dataclass
class Talk:
    """A client with its fake Airbyte and fake time."""

    client: AirbyteClient
    airbyte: FakeAirbyte
    time: FakeTime
    observed: list[tuple[str, str, float]]


KNOWN = Capabilities(
    api="config",
    version="2.0.0",
    edition="community",
    auth="none",
    auth_mode="none",
    deployment_id="dep-1",
    polling=Polling.CHANGES,
)
"""What a client knows that is not to find it out: an Airbyte 2.0 that lets us read all of it."""


def talk(
    react: Handler | list[Reaction],
    *,
    random: float = 1.0,
    capabilities: Capabilities | None = KNOWN,
    read_before: Iterable[str] = (),
    **config: object,
) -> Talk:
    """Return a client whose requests are answered by `react`: a function, or the answers in order.

    With `capabilities` of ``None`` it first finds out what it talks to.
    """
    time = FakeTime()
    airbyte = FakeAirbyte(_scripted(react) if isinstance(react, list) else react, time)
    observed: list[tuple[str, str, float]] = []
    client = AirbyteClient(
        AirbyteConfig.model_validate({"url": URL, **config}),
        clock=time.wall,
        stop=time,
        observe=lambda method, code, seconds: observed.append((method, code, seconds)),
        monotonic=time.monotonic,
        random=lambda: random,
        adapter=airbyte,
        capabilities=capabilities,
        read_before=read_before,
    )
    return Talk(client, airbyte, time, observed)


@dataclass
class WritingTalk:
    """A client that may write, with its fake Airbyte, fake time, and what it announced."""

    client: WritingClient
    airbyte: FakeAirbyte
    time: FakeTime
    announced: list[Request]


def writing_talk(
    react: Handler | list[Reaction], *, capabilities: Capabilities | None = KNOWN, **config: object
) -> WritingTalk:
    """Return a client that may write; see `talk`."""
    time = FakeTime()
    airbyte = FakeAirbyte(_scripted(react) if isinstance(react, list) else react, time)
    client = WritingClient(
        AirbyteConfig.model_validate({"url": URL, **config}),
        clock=time.wall,
        stop=time,
        monotonic=time.monotonic,
        random=lambda: 1.0,
        adapter=airbyte,
        capabilities=capabilities,
    )
    announced: list[Request] = []
    client.announce = announced.append
    return WritingTalk(client, airbyte, time, announced)


def _scripted(reactions: list[Reaction]) -> Handler:
    left: Iterator[Reaction] = iter(reactions)

    def react(method: str, body: dict[str, Any]) -> Reaction:
        reaction = next(left, None)
        assert reaction is not None, f"an unexpected request: {method} {body}"
        return reaction

    return react


def job_row(
    job_id: int = 1,
    *,
    created: int = NOW - 600,
    updated: int = NOW - 300,
    status: str | None = "succeeded",
    connection: str = "c1",
    attempts: list[dict[str, Any]] | None = None,
    **job: Json,
) -> dict[str, Any]:
    """Return a row of ``jobs/list`` as Airbyte sends it."""
    return {
        "job": {
            "id": job_id,
            "configType": "sync",
            "configId": connection,
            "createdAt": created,
            "updatedAt": updated,
            "status": status,
            **job,
        },
        "attempts": [attempt_row(0, status or "")] if attempts is None else attempts,
    }


def attempt_row(number: int = 0, status: str = "succeeded", **more: Json) -> dict[str, Any]:
    return {"id": number, "status": status, "createdAt": NOW - 590, "updatedAt": NOW - 300, **more}


def connection_row(connection: str = "c1", name: str = "Orders", **more: Json) -> dict[str, Any]:
    """Return an item of ``web_backend/connections/list`` as Airbyte sends it."""
    return {
        "connectionId": connection,
        "name": name,
        "status": "active",
        "source": {"sourceId": "s1", "name": "Shop", "sourceDefinitionId": "sd", "sourceName": "Postgres"},
        "destination": {
            "destinationId": "d1",
            "name": "Lake",
            "destinationDefinitionId": "dd",
            "destinationName": "Snowflake",
        },
        "scheduleType": "basic",
        "scheduleData": {"basicSchedule": {"units": 1, "timeUnit": "hours"}},
        "isSyncing": False,
        "schemaChange": "no_change",
        "sourceActorDefinitionVersion": {
            "dockerRepository": "airbyte/source-postgres",
            "dockerImageTag": "3.6.1",
        },
        "destinationActorDefinitionVersion": {"dockerRepository": "airbyte/snow", "dockerImageTag": "4.0.2"},
        "tags": [],
        **more,
    }
