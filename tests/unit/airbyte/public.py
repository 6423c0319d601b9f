"""A small model of the public API's server (`airbyte-api.md` §4), which knows nothing of the client."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.airbyte.fakes import NOW, Json, Reaction, Say, Talk, talk

FINAL = {"succeeded", "failed", "cancelled"}
LIVE = {"pending", "queued", "running", "incomplete"}
W1, W2 = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "12")
C1, C2 = (f"{digit * 8}-3333-4333-8333-333333333333" for digit in "12")
PROBLEM = "https://reference.airbyte.com/reference/errors"
ANYBODY = {
    "health": Say(200, b"Successful operation", headers={"Content-Type": "text/plain"}),
    "applications/token": Say(200, {"access_token": "tok", "token_type": "Bearer", "expires_in": 900}),
}


def iso(seconds: float) -> str:
    """Write a time as Java's OffsetDateTime does: without seconds where they are 0."""
    instant = datetime.fromtimestamp(int(seconds), UTC)
    return instant.strftime("%Y-%m-%dT%H:%MZ" if instant.second == 0 else "%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: int) -> str:
    hours, minutes, rest = seconds // 3600, seconds % 3600 // 60, seconds % 60
    return "PT" + ("".join(f"{n}{u}" for n, u in ((hours, "H"), (minutes, "M"), (rest, "S")) if n) or "0S")


def problem(status: int, title: str, detail: str = "") -> Say:
    body = {"type": PROBLEM, "title": title, "status": status, "detail": detail, "data": {"message": detail}}
    return Say(status, body, headers={"Content-Type": "application/problem+json"})


@dataclass
class Row:
    """A row of the jobs table: microseconds inside, seconds outside."""

    id: int
    created: float
    updated: float
    status: str = "succeeded"
    connection: str = C1
    kind: str = "sync"
    numbers: tuple[int, int] | None = (10, 1000)
    moved: bool = False

    def json(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "jobId": self.id,
            "status": self.status,
            "jobType": self.kind,
            "startTime": iso(self.created),
            "connectionId": self.connection,
        }
        if self.status in FINAL:
            told["lastUpdatedAt"] = iso(self.updated)
        if self.status != "pending":
            told["duration"] = duration(int(self.updated) - int(self.created))
        if self.numbers is not None:
            told["rowsSynced"], told["bytesSynced"] = self.numbers
        return told


@dataclass
class PublicAirbyte:
    """What there is, and what happens while it is read.

    `before` is called before each answer, `elsewhere` answers what is not of the public API. `forbidden` are
    ids of workspaces that we may not read, `unlisted` of those that the listing of workspaces leaves out.
    """

    workspaces: dict[str, str] = field(default_factory=lambda: {W1: "One"})
    connections: list[Json] = field(default_factory=list)
    sources: list[Json] = field(default_factory=list)
    destinations: list[Json] = field(default_factory=list)
    jobs: list[Row] = field(default_factory=list)
    statuses: frozenset[str] = frozenset(FINAL | LIVE)
    forbidden: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)
    now: float = NOW
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    before: Callable[[], None] = lambda: None
    elsewhere: Callable[[str, dict[str, Any]], Reaction] = lambda _method, _body: Say(404)

    def react(self, path: str, body: dict[str, Any]) -> Reaction:
        parts = urlsplit(path)
        where = parts.path.removeprefix("public/v1/")
        if where == parts.path:
            return self.elsewhere(path, body)
        query = parse_qs(parts.query)
        self.before()
        reaction = self._answer(where, query)
        date = datetime.fromtimestamp(self.now, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return Say(reaction.status, reaction.body, {"Date": date, **reaction.headers})

    def _answer(self, where: str, query: dict[str, list[str]]) -> Say:
        kind, _, identity = where.partition("/")
        if where in ANYBODY:
            return ANYBODY[where]
        if self.forbidden & {*query.get("workspaceIds", []), identity}:
            return problem(403, "forbidden", "User does not have the required permissions")
        if kind == "connector_definitions":
            return Say(200, {"data": [{"id": "sd", "name": "Postgres", "version": "3.6.1"}]})
        if identity:
            return self._one(kind, identity)
        return self._jobs(query) if kind == "jobs" else self._listed(kind, query)

    def _listed(self, kind: str, query: dict[str, list[str]]) -> Say:
        rows = {
            "workspaces": [{"workspaceId": id_, "name": name} for id_, name in self.workspaces.items()],
            "connections": self.connections,
            "sources": self.sources,
            "destinations": self.destinations,
        }[kind]
        if wanted := query.get("workspaceIds"):
            rows = [row for row in rows if row["workspaceId"] in wanted]
        left_out = self.forbidden | (self.unlisted if kind == "workspaces" else set())
        rows = [row for row in rows if row["workspaceId"] not in left_out]
        return Say(200, self._page(rows, query))

    def _one(self, kind: str, identity: str) -> Say:
        if kind == "workspaces" and identity in self.workspaces:
            return Say(200, {"workspaceId": identity, "name": self.workspaces[identity]})
        job = next((row for row in self.jobs if kind == "jobs" and str(row.id) == identity), None)
        return problem(404, "resource-not-found", "no such thing") if job is None else Say(200, job.json())

    def _jobs(self, query: dict[str, list[str]]) -> Say:
        asked = {name: values[0] for name, values in query.items()}
        if asked.get("status", "failed") not in self.statuses:
            return problem(400, "bad-request", "unexpected status")
        sort, _, direction = asked.get("orderBy", "createdAt|ASC").partition("|")
        rows = [row for row in self.jobs if self._matches(row, asked)]
        self.chance.shuffle(rows)  # there is no tie-breaker
        rows.sort(
            key=lambda row: row.created if sort == "createdAt" else row.updated, reverse=direction == "DESC"
        )
        return Say(200, self._page([row.json() for row in rows], query))

    @staticmethod
    def _matches(row: Row, asked: dict[str, str]) -> bool:
        def at(name: str) -> float | None:
            return datetime.fromisoformat(asked[name]).timestamp() if name in asked else None

        bounds = [
            ("updatedAtStart", row.updated, 1), ("updatedAtEnd", row.updated, -1),
            ("createdAtStart", row.created, 1), ("createdAtEnd", row.created, -1),
        ]  # fmt: skip
        wanted = [("status", row.status), ("jobType", row.kind), ("connectionId", row.connection)]
        return all(asked.get(name, value) == value for name, value in wanted) and all(
            (bound := at(name)) is None or (time - bound) * sign >= 0 for name, time, sign in bounds
        )

    @staticmethod
    def _page(rows: list[Json], query: dict[str, list[str]]) -> dict[str, Any]:
        limit, offset = int(query.get("limit", ["20"])[0]), int(query.get("offset", ["0"])[0])
        assert 1 <= limit <= 100
        page = rows[offset : offset + limit]
        # The links drop every filter: whoever follows them reads something else.
        return {"previous": "", "next": "http://elsewhere.test/never" if page else "", "data": page}

    def move(self) -> None:
        """Let a live job end."""
        live = [row for row in self.jobs if row.status not in FINAL]
        if live:
            row = self.chance.choice(live)
            row.status, row.moved = "succeeded", True
            row.updated = self.now = self.now + 1.3


def connection(id_: str = C1, name: str = "Orders", workspace: str = W1, **more: Json) -> dict[str, Any]:
    """Return an item of ``GET /connections`` as Airbyte sends it."""
    return {
        "connectionId": id_,
        "name": name,
        "sourceId": "s1",
        "destinationId": "d1",
        "workspaceId": workspace,
        "status": "active",
        "schedule": {"scheduleType": "basic", "basicTiming": "Every 24 HOURS"},
        "configurations": {"streams": []},
        "createdAt": NOW - 9000,
        "tags": [],
        **more,
    }


def source(id_: str = "s1", name: str = "Shop", workspace: str = W1, **more: Json) -> dict[str, Any]:
    secret = {"password": "S3CR3T-marker"}
    return {
        "sourceId": id_, "name": name, "sourceType": "postgres", "definitionId": "sd",
        "workspaceId": workspace, "configuration": secret, "createdAt": NOW - 9000, **more,
    }  # fmt: skip


def destination(id_: str = "d1", name: str = "Lake", workspace: str = W1, **more: Json) -> dict[str, Any]:
    secret = {"password": "S3CR3T-marker"}
    return {
        "destinationId": id_, "name": name, "destinationType": "snowflake", "definitionId": "dd",
        "workspaceId": workspace, "configuration": secret, "createdAt": NOW - 9000, **more,
    }  # fmt: skip


def public_talk(airbyte: PublicAirbyte, **config: Json) -> Talk:
    """Return a client that is told to use the public API, and is yet to find out what it can do."""
    return talk(airbyte.react, capabilities=None, api="public", **config)
