"""An Airbyte that takes changes, and the control of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airbyte_exporter.airbyte.writing import Request
from airbyte_exporter.control import Control, Placed
from airbyte_exporter.model import Connection, ConnectionStatus, Job, JobStatus, JobType, Workspace
from tests.unit.airbyte.fakes import NOW, Json, Reaction, WritingTalk, job_row, writing_talk
from tests.unit.airbyte.installations import W1, W2
from tests.unit.airbyte.test_write_requests import IS_AS_WAS
from tests.unit.airbyte.writable import CONNECTION, DESTINATION, SOURCE, Writable, stream_row

HOME, AWAY = Workspace(W1, "Data"), Workspace(W2, "Sandbox")
SHOP, LAKE = Placed(SOURCE, HOME), Placed(DESTINATION, HOME)
CONNECTED: Connection = IS_AS_WAS
CHANGES = {"create", "update", "delete", "sync", "reset", "refresh", "cancel"}


@dataclass
class Controlled:
    """The control of an Airbyte, and what it sends."""

    control: Control
    talk: WritingTalk

    def last(self, method: str) -> dict[str, Any]:
        """Return what `method` was sent last."""
        return self.talk.airbyte.bodies(method)[-1]

    @property
    def changes(self) -> list[str]:
        """The methods that change something, as they were called."""
        methods = [sent.path.removeprefix("/api/v1/") for sent in self.talk.airbyte.sent]
        return [method for method in methods if method.rpartition("/")[2] in CHANGES]

    @property
    def announced(self) -> list[Request]:
        return self.talk.announced


def controlled(
    version: str | None = "2.0.0", *, told: Mapping[str, Reaction] | None = None, **more: Json
) -> Controlled:
    """Control an Airbyte of `version`, or the short reference form, that is known already; see `Writable`."""
    airbyte = Writable(version, **more)
    talk = writing_talk(airbyte.react, capabilities=None)
    talk.client.capabilities()
    talk.airbyte.sent.clear()
    airbyte.told = dict(told or {})
    return Controlled(Control(talk.client), talk)


def connection(status: ConnectionStatus = ConnectionStatus.ACTIVE, name: str = "Shop to Lake") -> Connection:
    return Connection(CONNECTION, name, W1, status, SOURCE, DESTINATION, CONNECTED.schedule)


def job(status: JobStatus = JobStatus.RUNNING) -> Job:
    return Job(CONNECTION, 7, NOW, NOW, JobType.SYNC, status)


def live_row(job_id: int = 9, status: str = "running", **job: Json) -> dict[str, Any]:
    return job_row(job_id, connection=CONNECTION, status=status, **job)


def offered(*names: str) -> dict[str, Any]:
    """Return an answer of ``sources/discover_schema``."""
    return {"catalog": {"streams": [stream_row(name) for name in names]}, "catalogId": "fresh"}
