"""The public API (``/api/public/v1``, Airbyte Cloud's ``https://api.airbyte.com/v1``) as a way of reading.

Its listings are of everything that we may see, so that one of jobs covers all workspaces, an administrator or
not. It has no version and no id of the installation. Airbyte serves it with five threads and can tell clients
that ask too much to stop (429, without a ``Retry-After``): so there are never more than two requests under
way, and after such an answer none for minutes.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import structlog

from airbyte_exporter.airbyte._caller import Caller, is_not_there
from airbyte_exporter.airbyte._capabilities import Capabilities, Endpoints, InstanceAnswer, Loss, Polling
from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._errors import (
    ApiError,
    ApiForbidden,
    ApiNotFound,
    ApiUnreachable,
    Reason,
)
from airbyte_exporter.airbyte._job_listings import WORKSPACES_AT_ONCE
from airbyte_exporter.airbyte._listings import Kind
from airbyte_exporter.airbyte._public_paging import (
    LIMIT,
    whole_listing,
)
from airbyte_exporter.airbyte._public_wire import (
    UNKNOWN_CONNECTOR,
    PublicConnection,
    PublicConnections,
    PublicDefinitions,
    PublicDestinations,
    PublicSources,
    PublicWorkspace,
    PublicWorkspaces,
)
from airbyte_exporter.airbyte._transport import Answer
from airbyte_exporter.airbyte._wire import parse
from airbyte_exporter.model import Actor, Connection, Definition, Workspace

__all__ = ["JOBS", "PublicCaller", "PublicListings", "ask_public", "chunks_of", "detect_public", "is_closed"]

CALLS_AT_ONCE: Final = 2
SHORTEST_REST: Final = 60.0
LONGEST_REST: Final = 300.0
LONGEST_ASKED_REST: Final = 3600.0
_CLOSED: Final[Mapping[Reason, str]] = {
    "forbidden": "it is forbidden to us",
    "not_airbyte": "something else answers in its place",
}
_PROBED: Final = frozenset({"jobs/list", "web_backend/connections/list"})
JOBS: Final = "public/jobs"
TELLS_LESS: Final = (
    "the public API tells neither attempts nor why they failed, no emitted records and bytes, no schema "
    "changes and no versions of connectors"
)

T = TypeVar("T")

log = structlog.get_logger(__name__)


class PublicCaller:
    """Calls methods of the public API: two at the same time, and none while Airbyte wants us to rest.

    `monotonic` is a clock for that, in seconds.
    """

    def __init__(self, call: Caller, monotonic: Callable[[], float]) -> None:
        self._call = call
        self._monotonic = monotonic
        self._places = threading.BoundedSemaphore(CALLS_AT_ONCE)
        self._lock = threading.Lock()
        self._refusals = 0
        self._rests_until = 0.0

    def __call__(
        self, method: str, query: Mapping[str, Any] | None = None, *, about_one: bool = False
    ) -> Answer:
        """Call `method` as `Caller` does.

        Raises:
            ApiError: It did not work, or it is not the time to ask.
        """
        return self._in_turn(method, lambda: self._call(method, query, about_one=about_one))

    def anonymously(self, method: str) -> Answer:
        """Call a method that Airbyte answers to anybody.

        Raises:
            ApiError: It did not work, or it is not the time to ask.
        """
        return self._in_turn(method, lambda: self._call.anonymously(method))

    def _in_turn(self, method: str, call: Callable[[], Answer]) -> Answer:
        with self._places:
            left = self._rests_until - self._monotonic()
            if left > 0:
                raise ApiUnreachable(
                    f"{method}: Airbyte wants fewer requests (429): it is asked again in {left:.0f} s; "
                    "raise poll.jobs_interval if that comes again",
                    method=method,
                    reason="rate_limited",
                    retryable=True,
                    retry_after=left,
                )
            try:
                answer = call()
            except ApiUnreachable as exc:
                if exc.reason == "rate_limited":
                    self._rest(exc.retry_after)
                raise
        self._refusals = 0
        return answer

    def _rest(self, asked: float | None) -> None:
        with self._lock:
            now = self._monotonic()
            if now < self._rests_until:
                return  # the other one was told as well
            own = min(LONGEST_REST, SHORTEST_REST * 2.0**self._refusals)
            self._refusals += 1
            self._rests_until = now + max(own, min(asked or 0.0, LONGEST_ASKED_REST))


# Finding out


def is_closed(error: ApiError) -> bool:
    """Whether `error` says that the Config API is not there, or that all of it is forbidden to us.

    Where its methods before these were answered, it is there.
    """
    if error.method in _PROBED and error.reason != "forbidden":
        return False
    return is_not_there(error) or error.reason in _CLOSED


def ask_public(call: PublicCaller) -> InstanceAnswer:
    """Ask whether the public API is there, and for Airbyte's time; it does not tell what Airbyte this is.

    Raises:
        ApiError: It is not, or it does not answer.
    """
    return InstanceAnswer(is_told=False, date=call.anonymously("public/health").date)


def detect_public(
    call: PublicCaller,
    config: AirbyteConfig,
    instance: InstanceAnswer,
    *,
    read_before: Iterable[str] = (),
    because: ApiError | None = None,
) -> Capabilities:
    """Find out what the public API lets us see.

    `instance` is what Airbyte tells of itself elsewhere, if anything; `read_before` are the ids of workspaces
    that we could read until now. `because` is why nothing better is used, where that is not what was wanted.

    Raises:
        ApiForbidden: We may see no workspace, or one of those that we could read is forbidden by now.
        ApiError: It cannot be read.
    """
    workspaces = PublicListings(call, config.workspace_ids).workspaces(read_before)
    if not workspaces:
        raise ApiForbidden(
            f"public/workspaces: Airbyte at {config.host} shows us none of its workspaces; "
            "use an application of a user who may read some",
            method="public/workspaces",
            reason="forbidden",
        )
    losses = [Loss(JOBS, TELLS_LESS)]
    if because is not None:
        otherwise = "it is not there" if is_not_there(because) else "it is in trouble"
        why = _CLOSED.get(because.reason, otherwise)
        means = f"the Config API, which tells more, cannot be used here: {why}"
        losses.append(Loss(because.method, means))
    return Capabilities(
        api="public",
        version=instance.version,
        edition=instance.edition,
        auth=config.auth,
        auth_mode=instance.auth_mode,
        deployment_id=None,
        polling=Polling.CHANGES,
        workspaces=workspaces,
        losses=tuple(losses),
        endpoints=Endpoints(organization_id=None, light_listing=False, versions_listed=False),
    )


# What exists


class PublicListings:
    """Reads what exists, in the workspaces with the ids `only`, or else everywhere that we may see."""

    def __init__(self, call: PublicCaller, only: tuple[str, ...]) -> None:
        self._call = call
        self._only = only
        self._before: dict[tuple[str, tuple[str, ...]], frozenset[str]] = {}

    def refresh(self) -> None:
        """Nothing is kept from one listing to the next but which ids there were."""

    def workspaces(self, before: Iterable[str] = ()) -> tuple[Workspace, ...]:
        """List the workspaces; one whose id is in `before` and that is missing is asked for by itself.

        Raises:
            ApiNotFound: One that is configured does not exist.
            ApiForbidden: One that we could read is not gone but forbidden, or not shown any more.
            ApiError: They cannot be read.
        """
        method = "public/workspaces"

        def rows(body: bytes) -> list[tuple[str, PublicWorkspace]]:
            return [(one.workspace_id, one) for one in parse(PublicWorkspaces, body, method=method).data]

        listed = self._listing(method, self._only, rows)
        for workspace_id in self._only:
            if workspace_id not in listed:
                text = f"{method}: Airbyte shows no workspace {workspace_id}; correct airbyte.workspace_ids"
                raise ApiNotFound(text, method=method, said_by_airbyte=True)
        for workspace_id in before:
            if workspace_id not in listed and (not self._only or workspace_id in self._only):
                self._ask_for(workspace_id)
        return tuple(wire.workspace for wire in listed.values())

    def _ask_for(self, workspace_id: str) -> None:
        """Find out whether a workspace is gone: only the right to read it may be."""
        method = "public/workspaces/get"
        try:
            self._call(method, {"workspaceId": workspace_id}, about_one=True)
        except ApiForbidden as exc:
            raise ApiForbidden(
                f"{method}: Airbyte does not let us read workspace {workspace_id} any more ({exc.status}), "
                "which is watched; give the application's user a role in it, or name the others in "
                "airbyte.workspace_ids",
                method=method,
                reason=exc.reason,
                status=exc.status,
            ) from exc
        except ApiNotFound as exc:
            if not exc.said_by_airbyte:
                raise
        else:
            raise ApiForbidden(
                f"{method}: Airbyte has workspace {workspace_id}, which is watched, and does not list it to "
                "us any more; name the workspaces to watch in airbyte.workspace_ids",
                method=method,
                reason="forbidden",
            )

    def connections(self, workspace_id: str | None = None) -> tuple[Connection, ...]:
        """List the connections of a workspace, or of all, with their sources and destinations."""
        method = "public/connections"

        def rows(body: bytes) -> list[tuple[str, PublicConnection]]:
            return [(one.connection_id, one) for one in parse(PublicConnections, body, method=method).data]

        listed = self._listing(method, self._among(workspace_id), rows)
        if not listed:
            return ()
        sources = {actor.id: actor for actor in self.sources(workspace_id)}
        destinations = {actor.id: actor for actor in self.destinations(workspace_id)}
        return tuple(
            wire.connection(
                sources.get(wire.source_id) or _nameless(wire.source_id),
                destinations.get(wire.destination_id) or _nameless(wire.destination_id),
            )
            for wire in listed.values()
        )

    def sources(self, workspace_id: str | None = None) -> tuple[Actor, ...]:
        """List the sources of a workspace, or of all; without their configuration."""
        method = "public/sources"

        def rows(body: bytes) -> list[tuple[str, Actor]]:
            return [(one.id, one.actor) for one in parse(PublicSources, body, method=method).data]

        return tuple(self._listing(method, self._among(workspace_id), rows).values())

    def destinations(self, workspace_id: str | None = None) -> tuple[Actor, ...]:
        """List the destinations of a workspace, or of all; without their configuration."""
        method = "public/destinations"

        def rows(body: bytes) -> list[tuple[str, Actor]]:
            return [(one.id, one.actor) for one in parse(PublicDestinations, body, method=method).data]

        return tuple(self._listing(method, self._among(workspace_id), rows).values())

    def definitions(self, kind: Kind) -> tuple[Definition, ...]:
        """List the connectors of that kind that this Airbyte offers; servers up to 2.0 do not tell them."""
        method = "public/connector_definitions"
        try:
            answer = self._call(method, {"type": kind}, about_one=True)
        except ApiNotFound as exc:
            text = f"{method}: this Airbyte does not tell by its public API which connectors it offers"
            raise ApiNotFound(text, method=method, said_by_airbyte=True) from exc
        return parse(PublicDefinitions, answer.body, method=method).of(kind)

    def _among(self, workspace_id: str | None) -> tuple[str, ...]:
        return self._only if workspace_id is None else (workspace_id,)

    def _listing(
        self, method: str, among: tuple[str, ...], rows: Callable[[bytes], list[tuple[str, T]]]
    ) -> dict[str, T]:
        found: dict[str, T] = {}
        for chunk in chunks_of(among):
            query = {"workspaceIds": list(chunk)} if chunk else {}

            def fetch(offset: int, query: Mapping[str, Any] = query) -> Sequence[tuple[str, T]]:
                return rows(self._call(method, {**query, "limit": LIMIT, "offset": offset}).body)

            listed = whole_listing(fetch, before=self._before.get((method, chunk)), method=method)
            self._before[method, chunk] = frozenset(listed)
            found.update(listed)
        return found


def chunks_of(ids: Sequence[str]) -> list[tuple[str, ...]]:
    """Split workspace ids into lists that fit an address; no ids are all that we may see."""
    return [tuple(ids[at : at + WORKSPACES_AT_ONCE]) for at in range(0, len(ids), WORKSPACES_AT_ONCE)] or [()]


def _nameless(actor_id: str) -> Actor:
    return Actor(actor_id, actor_id, UNKNOWN_CONNECTOR)
