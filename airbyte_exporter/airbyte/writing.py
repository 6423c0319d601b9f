"""A client that may change an Airbyte: the only one, and `control` alone makes it.

A change that must not happen twice is asked for once: where the answer is lost, the error says that it is not
known whether Airbyte has done it, and where to look.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from airbyte_exporter.airbyte._bodies import ConnectionChange, NewConnection, creation, update
from airbyte_exporter.airbyte._domain import actor_of, full_connection_of
from airbyte_exporter.airbyte._errors import ApiError, ApiForbidden, ApiNotFound, ApiRejected, ApiUnreachable
from airbyte_exporter.airbyte._listings import Kind
from airbyte_exporter.airbyte._masking import BLANK, Configuration, masked, revealed, secrets_in
from airbyte_exporter.airbyte._methods import READING, WRITING, Methods
from airbyte_exporter.airbyte._setup_wire import (
    WireActorRead,
    WireCheck,
    WireConnectionRead,
    WireDiscovery,
    WireStarted,
)
from airbyte_exporter.airbyte._transport import Answer
from airbyte_exporter.airbyte._wire import WireDestination, WireFullConnection, WireSource, parse
from airbyte_exporter.airbyte.client import AirbyteClient
from airbyte_exporter.durations import format_duration
from airbyte_exporter.model import (
    Actor,
    Catalog,
    Check,
    Connection,
    ConnectionSetup,
    ConnectionStatus,
    Job,
    JobType,
    Stream,
)

__all__ = [
    "BLANK",
    "PATIENCE_SECONDS",
    "ActorSetup",
    "Configuration",
    "ConnectionChange",
    "NewConnection",
    "Request",
    "WritingClient",
]

PATIENCE_SECONDS: Final = 900.0
"""How long a connector may take to connect or to tell its schema: Airbyte has to start it first."""

W = TypeVar("W", bound=BaseModel)

_ACTORS: Final[Mapping[Kind, type[WireSource | WireDestination]]] = MappingProxyType(
    {"source": WireSource, "destination": WireDestination}
)
_CONFIGURATION: Final = "connectionConfiguration"
_GATEWAY_TROUBLE: Final = frozenset({502, 504})
_STARTS: Final[Mapping[JobType, str]] = MappingProxyType(
    {
        JobType.SYNC: "connections/sync",
        JobType.REFRESH: "connections/refresh",
        JobType.RESET: "connections/reset",
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """A change that Airbyte is about to be asked for; in `body` secrets are blanked out."""

    verb: str
    url: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ActorSetup:
    """A source or destination with its configuration, where Airbyte shows ``**********`` for each secret."""

    actor: Actor
    workspace_id: str
    configuration: Mapping[str, Any]


class WritingClient(AirbyteClient):
    """Read and change one Airbyte by its Config API, or by the short reference of it.

    Everything is named by ids. `announce` is told each change before it is asked for, and may prevent it by
    raising something. Every method may raise `ApiError`; one whose `maybe_done` is set may have had its
    effect.
    """

    _methods: Methods = MappingProxyType({**READING, **WRITING})
    announce: Callable[[Request], None] | None = None

    # Sources and destinations

    def actor_setup(self, kind: Kind, actor_id: str) -> ActorSetup:
        """Read a source or destination with its configuration."""
        method = f"{kind}s/get"
        answer = self._read(method, {f"{kind}Id": actor_id})
        wire = parse(WireActorRead, answer.body, method=method)
        actor = actor_of(parse(_ACTORS[kind], answer.body, method=method))
        return ActorSetup(actor, wire.workspace_id, wire.configuration)

    def create_actor(
        self, kind: Kind, workspace_id: str, definition_id: str, name: str, configuration: Configuration
    ) -> Actor:
        """Create a source or destination. Airbyte does not try whether it can connect: `check` does."""
        method = f"{kind}s/create"
        body = {
            "workspaceId": workspace_id,
            "name": name,
            f"{kind}DefinitionId": definition_id,
            _CONFIGURATION: configuration,
        }
        return self._actor(kind, self._change(method, body, once=True), method)

    def update_actor(self, kind: Kind, actor_id: str, name: str, configuration: Configuration) -> Actor:
        """Replace name and configuration; where a secret is blanked out, Airbyte keeps what it has."""
        method = f"{kind}s/update"
        body = {f"{kind}Id": actor_id, "name": name, _CONFIGURATION: configuration}
        return self._actor(kind, self._change(method, body), method)

    def delete_actor(self, kind: Kind, actor_id: str) -> None:
        """Delete a source or destination, and with it every connection that uses it."""
        self._change(f"{kind}s/delete", {f"{kind}Id": actor_id}, once=True)

    def check_actor(self, kind: Kind, actor_id: str, *, patience: float = PATIENCE_SECONDS) -> Check:
        """Make the connector connect, and wait up to `patience` seconds for what it says."""
        method = f"{kind}s/check_connection"
        answer = self._run_connector(method, {f"{kind}Id": actor_id}, patience)
        check = parse(WireCheck, answer.body, method=method).check()
        return Check(check.succeeded, self._cleaned(check.message))

    def discover(self, source_id: str, *, fresh: bool = True, patience: float = PATIENCE_SECONDS) -> Catalog:
        """Have a source tell its streams, and wait up to `patience` seconds for that.

        `fresh` is whether the source is really asked, and not what Airbyte remembers of the last time.

        Raises:
            ApiRejected: The connector could not tell; the message has its own reason.
        """
        method = "sources/discover_schema"
        body = {"sourceId": source_id} | ({} if self._is_short else {"disable_cache": fresh})
        wire = parse(WireDiscovery, self._run_connector(method, body, patience).body, method=method)
        job = wire.job_info
        if wire.catalog is None or (job is not None and job.succeeded is False):
            why = self._cleaned(job.message if job else None) or "the connector does not say why"
            raise ApiRejected(f"{method}: the schema cannot be read: {why}", method=method, reason="rejected")
        return wire.catalog.catalog(wire.catalog_id)

    # Connections

    def connection(self, connection_id: str) -> Connection | None:
        """Read one connection with its two ends: three requests, however many connections there are.

        ``None`` where Airbyte does not show it to us, where it is deleted, and where it is in none of the
        workspaces that are configured. The versions of its connectors are not told.
        """
        method = "connections/get"
        try:
            wire = parse(
                WireConnectionRead,
                self._read(method, {"connectionId": connection_id}).body,
                method=method,
            )
            source = self.actor_setup("source", wire.source_id)
            destination = self.actor_setup("destination", wire.destination_id)
        except (ApiNotFound, ApiForbidden):
            return None
        found = full_connection_of(wire, source.workspace_id, source.actor, destination.actor)
        only = self._config.workspace_ids
        is_there = found.status is not ConnectionStatus.DEPRECATED
        return found if is_there and (not only or found.workspace_id in only) else None

    def connection_setup(self, connection: Connection) -> ConnectionSetup:
        """Read everything of a connection that can be set."""
        method = "connections/get"
        body = self._read(method, {"connectionId": connection.id}).body
        wire = parse(WireConnectionRead, body, method=method)
        return wire.setup(connection.workspace_id, connection.source, connection.destination)

    def create_connection(
        self, new: NewConnection, workspace_id: str, source: Actor, destination: Actor
    ) -> Connection:
        """Create a connection between these two of a workspace."""
        method = "connections/create"
        answer = self._change(method, creation(new, short=self._is_short), once=True)
        wire = self._parsed(WireFullConnection, answer, method)
        return full_connection_of(wire, workspace_id, source, destination)

    def update_connection(self, setup: ConnectionSetup, change: ConnectionChange) -> Connection:
        """Change what `change` names of a connection that is as `setup` says."""
        method, was = "connections/update", setup.connection
        answer = self._change(method, update(setup, change, short=self._is_short))
        wire = self._parsed(WireFullConnection, answer, method)
        return full_connection_of(wire, was.workspace_id, was.source, was.destination)

    def delete_connection(self, connection_id: str) -> None:
        """Delete a connection; what it has written stays in the destination."""
        self._change("connections/delete", {"connectionId": connection_id}, once=True)

    # Jobs

    def start(
        self, kind: JobType, connection_id: str, *, streams: Sequence[Stream] = (), truncate: bool = False
    ) -> Job | None:
        """Begin a sync, a refresh or a reset; ``None`` where Airbyte does not say which job that is.

        `streams` narrows a refresh, and `truncate` has it remove what was written before once it is through.

        Raises:
            ApiConflict: A job of the connection is at work already.
            ApiRejected: Airbyte says that it has not begun it, as a refresh that a connector cannot do.
        """
        method, body = _STARTS[kind], {"connectionId": connection_id}
        if kind is JobType.REFRESH:
            more: dict[str, Any] = {"refreshMode": "Truncate" if truncate else "Merge"}
            if streams:
                more["streams"] = [_descriptor(stream) for stream in streams]
            body |= more
        wire = self._parsed(WireStarted, self._change(method, body, once=True), method)
        if wire.value is False:
            text = f"{method}: Airbyte has not begun it; is the destination's connector too old for that?"
            raise ApiRejected(text, method=method, reason="rejected")
        return wire.begun(connection_id)

    def cancel(self, job: Job) -> Job:
        """Cancel a job; return it as it is then: one that was over already stays as it was."""
        method = "jobs/cancel"
        answer = self._change(method, {"id": job.id}, once=True)
        return self._parsed(WireStarted, answer, method).begun(job.connection_id) or job

    # How it is asked

    @property
    def _is_short(self) -> bool:
        return self.capabilities().api == "reference"

    def _read(self, method: str, body: Mapping[str, Any]) -> Answer:
        self._must_be_config_api(method)
        with _changing_nothing():
            return self._call(method, body, about_one=True)

    def _run_connector(self, method: str, body: Mapping[str, Any], patience: float) -> Answer:
        """Call a method that Airbyte answers once a connector has run: it is not asked to run two of them."""
        self._must_be_config_api(method)
        with _changing_nothing():
            try:
                return self._call(method, body, about_one=True, once=True, patience=patience)
            except ApiUnreachable as error:
                if error.status in _GATEWAY_TROUBLE:
                    error.args = (f"{error}; or a proxy before it waits less long than connectors take",)
                if error.method != method or error.reason != "timeout" or not error.maybe_done:
                    raise
                text = (
                    f"{method}: no answer within {format_duration(patience)}: the connector has not started "
                    "yet, or is slow; try again with a longer time-out, or look into Airbyte's own log"
                )
                raise ApiUnreachable(text, method=method, reason="timeout") from error

    def _change(self, method: str, body: Mapping[str, Any], *, once: bool = False) -> Answer:
        self._must_be_config_api(method)
        configuration = body.get(_CONFIGURATION, {})
        if self.announce is not None:
            shown = {**body, _CONFIGURATION: masked(configuration)} if _CONFIGURATION in body else body
            verb, path = self._methods[method]
            self.announce(Request(verb, self._config.url.removesuffix("v1") + path, shown))
        self._transport.judge.keep_secrets(secrets_in(configuration))
        try:
            return self._call(method, revealed(body), about_one=True, once=once)
        except ApiError as error:
            _tell_doubt(error)
            raise

    @staticmethod
    def _parsed(wire: type[W], answer: Answer, method: str) -> W:
        """Read the answer to a change, which has happened whatever the answer is like."""
        try:
            return parse(wire, answer.body, method=method)
        except ApiError as error:
            error.maybe_done = True
            _tell_doubt(error)
            raise

    def _actor(self, kind: Kind, answer: Answer, method: str) -> Actor:
        return actor_of(self._parsed(_ACTORS[kind], answer, method))

    def _cleaned(self, message: str | None) -> str | None:
        return self._transport.judge.reason(message) or None if message else None

    def _must_be_config_api(self, method: str) -> None:
        if self.capabilities().api == "public":
            text = (
                f"{method}: changing things needs Airbyte's Config API, and {self._config.host} lets us use "
                "only its public API; to an instance administrator's application the other may be open"
            )
            raise ApiRejected(text, method=method, reason="rejected")


def _descriptor(stream: Stream) -> dict[str, str]:
    namespace = {} if stream.namespace is None else {"streamNamespace": stream.namespace}
    return {"streamName": stream.name, **namespace}


@contextmanager
def _changing_nothing() -> Iterator[None]:
    """Have no error say that something may have been changed."""
    try:
        yield
    except ApiError as error:
        error.maybe_done = False
        raise


def _tell_doubt(error: ApiError) -> None:
    """Add to the message of an error that Airbyte may have done what it was asked to."""
    if error.maybe_done:
        error.args = (f"{error}; Airbyte may have done it all the same: look before you try again",)
