"""What clients write over the public API: jobs, and a few properties of connections."""

from typing import Any, Final

from ._answers import Answer, Body, Problem, invalid
from ._cron import is_time_zone
from ._generations import Generation
from ._jobs import Job
from ._planning import Connection
from ._writes import Writes
from .world import World

__all__ = ["PublicWrites", "as_problem", "problem", "settings_written", "sync_mode_of"]

Json = dict[str, Any]

_JOBS: Final = {"sync": "sync", "reset": "reset_connection", "clear": "reset_connection"}
_TYPES: Final = frozenset({*_JOBS, "refresh"})
_SCHEDULES: Final = frozenset({"manual", "cron"})
_STATUSES: Final = frozenset({"active", "inactive", "deprecated"})
_NAMESPACES: Final = {"source": "source", "destination": "destination", "custom_format": "customformat"}
_CHANGES: Final = {
    "ignore": "ignore",
    "disable_connection": "disable",
    "propagate_columns": "propagate_columns",
    "propagate_fully": "propagate_fully",
}
_CRON_FIELDS: Final = 6
_CODES: Final = {
    400: "bad-request",
    404: "resource-not-found",
    409: "try-again-later-conflict",
    422: "unprocessable-entity",
}
_MODES: Final = {
    ("full_refresh", "overwrite"): "full_refresh_overwrite",
    ("full_refresh", "overwrite_dedup"): "full_refresh_overwrite_deduped",
    ("full_refresh", "update"): "full_refresh_update",
    ("full_refresh", "soft_delete"): "full_refresh_soft_delete",
    ("incremental", "append"): "incremental_append",
    ("incremental", "append_dedup"): "incremental_deduped_history",
    ("incremental", "update"): "incremental_update",
    ("incremental", "soft_delete"): "incremental_soft_delete",
}


def problem(status: int, kind: str, message: str) -> Problem:
    """Answer with an error as the public API tells it (RFC 7807)."""
    body = {
        "status": status,
        "type": f"https://reference.airbyte.com/reference/errors#{kind}",
        "title": kind,
        "detail": message,
        "data": {"message": message},
    }
    return Problem(Answer(status, body, content_type="application/problem+json"))


def sync_mode_of(config: Json) -> str:
    """Return the one word of the public API for how a stream is read and written."""
    return _MODES.get((config["syncMode"], config["destinationSyncMode"]), "full_refresh_append")


def settings_written(settings: Json) -> Json:
    """Write the properties of a connection that are told as they were given, in the public API's words."""
    namespaces = {stored: shown for shown, stored in _NAMESPACES.items()}
    changes = {stored: shown for shown, stored in _CHANGES.items()}
    written = {
        "namespaceDefinition": namespaces[settings["namespaceDefinition"]],
        "nonBreakingSchemaUpdatesBehavior": changes[settings["nonBreakingChangesPreference"]],
        "prefix": settings["prefix"],
    }
    if "namespaceFormat" in settings:
        written["namespaceFormat"] = settings["namespaceFormat"]
    return written


class PublicWrites:
    """Changes a world as requests to the public API say; the caller holds the world's lock.

    Every method raises the `Problem` that is the answer where something is not as it must be.
    """

    def __init__(self, world: World, generation: Generation) -> None:
        self._world = world
        self._writes = Writes(world, generation)

    def start(self, body: Body) -> Job:
        """Start a job of a connection; refreshes are not supported, as with real servers."""
        kind = body.required_choice("jobType", _TYPES)
        self._writes.connection(body)
        if kind == "refresh":
            raise invalid("Job type refresh is not supported.")
        return self._writes.start(body, _JOBS[kind])

    def cancel(self, job_id: int) -> Job:
        """Cancel a job; one that has ended stays as it is."""
        return self._writes.cancel(Body({"id": job_id}))

    def change(self, connection_id: str, body: Body) -> Connection:
        """Change what is there of a connection's properties."""
        if body.has("configurations"):
            raise invalid("configurations cannot be changed over the simulated public API")
        sent: Json = {
            "connectionId": connection_id,
            "name": body.text("name"),
            "status": body.choice("status", _STATUSES),
            "prefix": body.text("prefix"),
            "namespaceFormat": body.text("namespaceFormat"),
            "tags": body.fields.get("tags"),
        }
        if (namespace := body.choice("namespaceDefinition", frozenset(_NAMESPACES))) is not None:
            sent["namespaceDefinition"] = _NAMESPACES[namespace]
        name = "nonBreakingSchemaUpdatesBehavior"
        if (behaviour := body.choice(name, frozenset(_CHANGES))) is not None:
            sent["nonBreakingChangesPreference"] = _CHANGES[behaviour]
        if body.has("schedule"):
            sent |= _schedule(body.inner("schedule"))
        return self._writes.update_connection(Body(sent))


def _schedule(timing: Body) -> Json:
    kind = timing.required_choice("scheduleType", _SCHEDULES)
    if kind == "manual":
        return {"scheduleType": kind}
    # A zone may follow the expression, as answers have it; without one it is UTC.
    *fields, last = timing.required_text("cronExpression").split() or [""]
    zoned = len(fields) >= _CRON_FIELDS and is_time_zone(last)
    expression, zone = (" ".join(fields), last) if zoned else (" ".join([*fields, last]), "UTC")
    cron = {"cronExpression": expression, "cronTimeZone": zone}
    return {"scheduleType": kind, "scheduleData": {"cron": cron}}


def as_problem(refusal: Problem) -> Problem:
    """Return the answer of the Configuration API in the public API's words."""
    answer = refusal.answer
    if answer.content_type != "application/json":
        return refusal
    told = answer.body.get("message", "An unexpected problem has occurred.")
    return problem(answer.status, _CODES.get(answer.status, "unexpected-problem"), told)
