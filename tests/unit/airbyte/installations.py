"""Airbyte installations of several releases, as far as a client can tell them apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.unit.airbyte.fakes import NOW, Json, Reaction, Say, connection_row

NO_SUCH_PAGE = Say(404, {"message": "Not Found", "_embedded": {"errors": [{"message": "Page Not Found"}]}})
"""What Airbyte's server says of a path that it does not have."""

FORBIDDEN = Say(403, {"message": "Forbidden"})
NO_SUCH_THING = Say(404, {"message": "no", "exceptionClassName": "x"})

PYTHON_ERROR_PAGE = b"""<!DOCTYPE HTML>
<html lang="en"><head><title>Error response</title></head><body><h1>Error response</h1>
<p>Error code: 501</p><p>Message: Unsupported method ('GET').</p></body></html>"""
"""What `http.server` of Python says of a method that nobody wrote."""

HTML = {"Content-Type": "text/html;charset=utf-8"}

W1, W2, W3 = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "123")

SINCE = {
    "instance_configuration": (0, 50, 9),
    "deployment/metadata": (0, 50, 36),
    "workspaces/list_by_organization_id": (0, 50, 18),
    "workspaces/get": (0, 0, 0),
    "web_backend/connections/list": (0, 0, 0),
    "connections/list": (0, 0, 0),
    "connections/events/list": (0, 63, 6),
    "sources/list": (0, 0, 0),
    "destinations/list": (0, 0, 0),
    "source_definitions/list": (0, 0, 0),
    "destination_definitions/list": (0, 0, 0),
    "applications/token": (0, 50, 38),
    "jobs/list": (0, 0, 0),
    "jobs/list_for_workspaces": (0, 50, 6),
    "jobs/get_without_logs": (0, 44, 6),
    "jobs/get": (0, 0, 0),
}
"""The release that each method came with."""


@dataclass
class Installation:
    """A Config API as release `version` has it; a build of the newest code if that is no number.

    `readable` are the ids of the workspaces that we may read, all of them if ``None``; an instance `admin`
    may list all jobs. `unlisted` are the ids of workspaces that the listing of them leaves out.
    `jobs` are rows of ``jobs/list`` by the id of their connection.
    """

    version: str = "2.0.0"
    workspaces: tuple[str, ...] = (W1, W2)
    readable: tuple[str, ...] | None = None
    admin: bool = True
    unlisted: tuple[str, ...] = ()
    connections: Mapping[str, Iterable[str]] = field(default_factory=lambda: {W1: ["c1"], W2: ["c2"]})
    jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    missing: Say = field(default_factory=lambda: NO_SUCH_PAGE)

    @property
    def release(self) -> tuple[int, ...]:
        numbers = self.version.split(".")
        return tuple(map(int, numbers)) if numbers[0].isdigit() else (99, 0, 0)

    def react(self, method: str, body: dict[str, Any]) -> Reaction:
        if method == "workspaces/list":
            known = self.release < (1, 7)
        else:
            known = method in SINCE and self.release >= SINCE[method]
        if not known or method in self.without:
            return self.missing
        if method == "workspaces/get" and body["workspaceId"] not in self.workspaces:
            return NO_SUCH_THING
        if not self._may(method, body):
            return FORBIDDEN
        return self._answer(method, body)

    def _may(self, method: str, body: dict[str, Any]) -> bool:
        readable = self.workspaces if self.readable is None else self.readable
        if method in {"workspaces/get", "jobs/list_for_workspaces"} or method.endswith("s/list"):
            asked = body.get("workspaceIds", [body["workspaceId"]] if "workspaceId" in body else [])
            if not {*asked} <= {*readable}:
                return False
        return method != "jobs/list" or self.admin or "configId" in body

    def _answer(self, method: str, body: dict[str, Any]) -> Reaction:
        if method.startswith("workspaces/list"):
            listed = [id_ for id_ in self.workspaces if id_ not in self.unlisted]
            return Say(body={"workspaces": [{"workspaceId": id_, "name": id_[:1]} for id_ in listed]})
        if method == "jobs/list" and "configId" not in body and self.release < (0, 50, 46):
            return Say(422, {"message": "configId must not be null"})
        answers: dict[str, Json] = {
            "instance_configuration": self._instance(),
            "deployment/metadata": {"id": "dep-1", "mode": "OSS", "version": self.version},
            "workspaces/get": {"workspaceId": body.get("workspaceId"), "name": "W"},
            "applications/token": {"access_token": "t"},
            "jobs/list": {"jobs": self._page_of(self.jobs.get(body.get("configId", ""), []), body)},
            "jobs/list_for_workspaces": {"jobs": []},
            "connections/events/list": {"events": []},
            "source_definitions/list": {"sourceDefinitions": []},
            "destination_definitions/list": {"destinationDefinitions": []},
        }
        if method in {"jobs/get_without_logs", "jobs/get"}:
            return NO_SUCH_THING
        return Say(body=answers[method] if method in answers else self._listing(method, body))

    @staticmethod
    def _page_of(rows: list[dict[str, Any]], body: dict[str, Any]) -> list[dict[str, Any]]:
        paging = body.get("pagination", {"pageSize": 200, "rowOffset": 0})
        rows = [row for row in rows if row["job"]["configType"] in body["configTypes"]]
        return rows[paging["rowOffset"] :][: paging["pageSize"]]

    def _instance(self) -> dict[str, Any]:
        told: dict[str, Any] = {"edition": "community", "defaultOrganizationId": W3}
        if self.release >= (0, 58):
            told["version"] = self.version
        if self.release >= (0, 61):
            told["auth"] = {"mode": "simple"}
        return told

    def _listing(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        ids = [*self.connections.get(body["workspaceId"], [])]
        if self.release >= (1, 8):
            total, start = len(ids), ids.index(body["cursor"]) + 1 if "cursor" in body else 0
            size = body.get("pageSize", 20)
            paging = {"page_size": size, "num_connections": total}
            ids = ids[start : start + size]
        else:
            paging = {}
        rows: dict[str, Json] = {
            "web_backend/connections/list": {"connections": [connection_row(id_) for id_ in ids]},
            "connections/list": {"connections": [full_row(id_) for id_ in ids]},
            "sources/list": {"sources": [{"sourceId": id_} for id_ in ids]},
            "destinations/list": {"destinations": [{"destinationId": id_} for id_ in ids]},
        }
        return {**rows[method], **paging}


@dataclass
class Reference:
    """The short reference API: POST only, flat jobs, no paging. `missing` answers what it does not have."""

    workspaces: tuple[str, ...] = (W1,)
    connections: Mapping[str, Iterable[str]] = field(default_factory=lambda: {W1: ["c1"]})
    jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    missing: Say = field(default_factory=lambda: Say(404, {"error": "not found"}))
    get: Say | None = None

    def react(self, method: str, body: dict[str, Any]) -> Reaction:
        if method == "instance_configuration":
            return self.get or self.missing
        ids = [*self.connections.get(body.get("workspaceId", ""), [])]
        answers: dict[str, Json] = {
            "workspaces/list": {
                "workspaces": [{"workspaceId": id_, "name": "W", "slug": "w"} for id_ in self.workspaces]
            },
            "source_definitions/list": {
                "sourceDefinitions": [
                    {"sourceDefinitionId": "sd", "name": "Postgres", "dockerImageTag": "1.2.3"}
                ]
            },
            "destination_definitions/list": {
                "destinationDefinitions": [{"destinationDefinitionId": "dd", "name": "S3"}]
            },
            "sources/list": {"sources": [{"sourceId": "s1", "name": "Shop", "sourceDefinitionId": "sd"}]},
            "destinations/list": {
                "destinations": [{"destinationId": "d1", "name": "Lake", "destinationDefinitionId": "dd"}]
            },
            "connections/list": {"connections": [full_row(id_) for id_ in ids]},
            "jobs/list": {"jobs": self.jobs.get(body.get("configId", ""), [])},
            "jobs/get": {"job": flat_job(body.get("id", 1))},
        }
        return Say(body=answers[method]) if method in answers else self.missing


def full_row(connection: str = "c1", **more: Json) -> dict[str, Any]:
    """Return an item of ``connections/list`` as the short reference has it."""
    return {
        "connectionId": connection,
        "name": "Orders",
        "sourceId": "s1",
        "destinationId": "d1",
        "status": "active",
        "schedule": {"units": 24, "timeUnit": "hours"},
        **more,
    }


def flat_job(
    job_id: int = 1,
    *,
    created: int = NOW - 600,
    updated: int = NOW - 300,
    status: str = "succeeded",
    summary: Json = None,
) -> dict[str, Any]:
    """Return a job of the short reference API."""
    job = {"id": job_id, "configType": "sync", "status": status, "createdAt": created, "updatedAt": updated}
    return job if summary is None else {**job, "summary": summary}
