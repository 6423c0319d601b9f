"""Airbyte's answers about what can be set: catalogs, connections whole, checks, and jobs that were begun."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, WrapValidator, model_validator

from airbyte_exporter.airbyte._domain import full_connection_of, known, loose_job_of_info
from airbyte_exporter.airbyte._wire import (
    Id,
    MaybeFlag,
    MaybeText,
    Wire,
    WireFullConnection,
    WireLooseInfo,
    WireLooseJob,
    or_empty,
    or_none,
)
from airbyte_exporter.model import (
    Actor,
    Catalog,
    Check,
    ConnectionSetup,
    DestinationSyncMode,
    Job,
    Namespace,
    Stream,
    StreamSync,
    SyncMode,
)

__all__ = ["WireActorRead", "WireCheck", "WireConnectionRead", "WireDiscovery", "WireStarted", "sync_of"]

_Path = Annotated[tuple[str, ...], WrapValidator(or_empty)]
_Paths = Annotated[tuple[tuple[str, ...], ...], WrapValidator(or_empty)]
_Texts = Annotated[tuple[str, ...], WrapValidator(or_empty)]
_Object = Annotated[dict[str, Any] | None, WrapValidator(or_none)]


class WireTold(Wire):
    """An object that is sent back as it came, except for what changes; `told` is all of it."""

    told: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _keep(cls, value: object) -> object:
        return {**value, "told": value} if isinstance(value, dict) else value


class WireStream(WireTold):
    """A stream; its schema is called ``jsonSchema``, whatever the specifications require."""

    name: Annotated[str, Field(min_length=1)]
    namespace: MaybeText = None
    json_schema: _Object = None
    supported_sync_modes: _Texts = ()
    source_defined_cursor: MaybeFlag = None
    default_cursor_field: _Path = ()
    source_defined_primary_key: _Paths = ()

    @property
    def stream(self) -> Stream:
        """Return what it means. A stream that tells no modes can at least be read as a whole."""
        properties = (self.json_schema or {}).get("properties")
        known_modes = {str(mode) for mode in SyncMode}
        modes = tuple(SyncMode(mode) for mode in self.supported_sync_modes if mode in known_modes)
        return Stream(
            name=self.name,
            namespace=self.namespace,
            columns=tuple(map(str, properties)) if isinstance(properties, dict) else (),
            sync_modes=modes or (SyncMode.FULL_REFRESH,),
            source_defined_cursor=bool(self.source_defined_cursor),
            default_cursor=self.default_cursor_field,
            source_defined_key=self.source_defined_primary_key,
            told=self.told,
        )


class WireStreamSync(WireTold):
    sync_mode: MaybeText = None
    destination_sync_mode: MaybeText = None
    cursor_field: _Path = ()
    primary_key: _Paths = ()
    selected: MaybeFlag = None

    def of(self, stream: Stream) -> StreamSync:
        """Return what it means for `stream`, which is synced unless this says that it is not."""
        return StreamSync(
            stream=stream,
            selected=self.selected is not False,
            sync_mode=known(SyncMode, self.sync_mode, SyncMode.FULL_REFRESH),
            destination_sync_mode=known(
                DestinationSyncMode, self.destination_sync_mode, DestinationSyncMode.APPEND
            ),
            cursor=self.cursor_field,
            primary_key=self.primary_key,
            told=self.told,
        )


class WireStreamAndConfig(Wire):
    stream: WireStream
    config: Annotated[WireStreamSync | None, WrapValidator(or_none)] = None

    @property
    def sync(self) -> StreamSync:
        """What it means."""
        return (self.config or WireStreamSync()).of(self.stream.stream)


def sync_of(stream: Stream, told: Mapping[str, Any]) -> StreamSync:
    """Return what is `told` of how `stream` is synced."""
    return WireStreamSync.model_validate(dict(told)).of(stream)


class WireCatalog(Wire):
    streams: tuple[WireStreamAndConfig, ...]

    def catalog(self, id_: str | None = None) -> Catalog:
        """Return what it means."""
        return Catalog(tuple(each.sync for each in self.streams), id_)


class WireWhy(Wire):
    external_message: MaybeText = None
    internal_message: MaybeText = None


class WireSynchronousJob(Wire):
    """How a connector ran that Airbyte waited for."""

    succeeded: MaybeFlag = None
    failure_reason: Annotated[WireWhy | None, WrapValidator(or_none)] = None

    @property
    def message(self) -> str | None:
        """Why it failed, if that is told."""
        why = self.failure_reason or WireWhy()
        return why.external_message or why.internal_message


_MaybeJob = Annotated[WireSynchronousJob | None, WrapValidator(or_none)]


class WireCheck(Wire):
    """Answer of ``sources/check_connection`` and ``destinations/check_connection``."""

    status: MaybeText = None
    message: MaybeText = None
    job_info: _MaybeJob = None

    def check(self) -> Check:
        """Return what it means; without a status the connector could not even be asked."""
        job = self.job_info or WireSynchronousJob()
        return Check(self.status == "succeeded", self.message or job.message)


class WireDiscovery(Wire):
    """Answer of ``sources/discover_schema``; no catalog where the connector could not tell one."""

    catalog: WireCatalog | None = None
    catalog_id: MaybeText = None
    job_info: _MaybeJob = None


class WireActorRead(Wire):
    """A source or destination; `configuration` has Airbyte's blank in the place of each secret."""

    workspace_id: Id
    name: str
    configuration: dict[str, Any] = Field(default_factory=dict, alias="connectionConfiguration")


class WireConnectionRead(WireFullConnection):
    """Answer of ``connections/get``; a short reference form of it may leave the catalog out."""

    namespace_definition: MaybeText = None
    namespace_format: MaybeText = None
    prefix: MaybeText = None
    sync_catalog: WireCatalog | None = None

    def setup(self, workspace_id: str, source: Actor, destination: Actor) -> ConnectionSetup:
        """Return what it means, of a connection between these."""
        return ConnectionSetup(
            full_connection_of(self, workspace_id, source, destination),
            self.sync_catalog.catalog() if self.sync_catalog else Catalog(()),
            known(Namespace, self.namespace_definition, Namespace.DESTINATION),
            self.namespace_format,
            self.prefix or "",
        )


class WireStarted(Wire):
    """Answer of what begins or cancels a job: that or the bare job.

    ``connections/refresh`` had none before 1.6, but a `value`: whether it was begun.
    """

    job: WireLooseJob | None = None
    value: MaybeFlag = None

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, value: object) -> object:
        return {"job": value} if isinstance(value, dict) and "id" in value and "job" not in value else value

    def begun(self, connection_id: str) -> Job | None:
        """Return the job, which is one of this connection. Its logs and attempts are not read."""
        if self.job is None:
            return None
        return replace(loose_job_of_info(WireLooseInfo(job=self.job)), connection_id=connection_id)
