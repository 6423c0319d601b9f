"""Connections: made, changed, switched, and set to work."""

import re
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from airbyte_exporter.airbyte import ApiConflict, ApiError
from airbyte_exporter.airbyte.writing import (
    PATIENCE_SECONDS,
    ConnectionChange,
    NewConnection,
    WritingClient,
)
from airbyte_exporter.control._actors import Placed, Sources
from airbyte_exporter.control._errors import AlreadyRunningError, ControlError
from airbyte_exporter.control._naming import find_one, quoted
from airbyte_exporter.control._schedules import MANUAL
from airbyte_exporter.control._streams import ALL_STREAMS, choose, key_of, must_still_fit
from airbyte_exporter.model import (
    Catalog,
    Connection,
    ConnectionSetup,
    ConnectionStatus,
    DestinationSyncMode,
    Job,
    JobType,
    Namespace,
    Schedule,
    ScheduleType,
    Stream,
    Workspace,
)

__all__ = ["Connections"]

_FULL_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NEWEST_JOBS: Final = 5
_SINCE: Final = MappingProxyType(
    {
        DestinationSyncMode.OVERWRITE_DEDUP: (1, 0),
        DestinationSyncMode.UPDATE: (1, 8),
        DestinationSyncMode.SOFT_DELETE: (1, 8),
    }
)
_WITHOUT_REFRESHES = (
    "this Airbyte has no refreshes, which came with 0.58: after a reset the next sync reads everything anew "
    "too, but a reset first removes what was written"
)


class Connections:
    """The connections of an Airbyte."""

    def __init__(self, client: WritingClient, sources: Sources) -> None:
        self._client = client
        self._sources = sources

    def list(self) -> tuple[Connection, ...]:
        """List all that we may read."""
        return self._client.inventory().connections

    def find(self, name: str) -> Connection:
        """Return the one that `name` means: an id, the beginning of one, or an exact name.

        By its full id it is asked for alone, which is quick among thousands; otherwise all are listed.

        Raises:
            NotOneError: There is none, or several match.
        """
        if _FULL_ID.fullmatch(name) and self._client.capabilities().api != "public":
            found = self._client.connection(name.lower())
            if found is not None:
                return found
        return find_one("connection", self.list(), name)

    def setup(self, connection: Connection) -> ConnectionSetup:
        """Read everything of a connection that can be set."""
        return self._client.connection_setup(connection)

    def create(
        self,
        name: str,
        source: Placed,
        destination: Placed,
        streams: Sequence[str] = ALL_STREAMS,
        *,
        schedule: Schedule = MANUAL,
        catalog: Catalog | None = None,
        active: bool = True,
        namespace: Namespace = Namespace.DESTINATION,
        namespace_format: str | None = None,
        prefix: str = "",
        timeout: float = PATIENCE_SECONDS,
    ) -> Connection:
        """Connect a source with a destination.

        Args:
            name: What people will call it.
            source: Where from.
            destination: Where to, in the same workspace.
            streams: Which and how, each as in ``customers:incremental:updated_at:append``; by default all.
            schedule: When; see `every` and `cron`.
            catalog: What the source offers, if it was discovered already.
            active: Whether it syncs from now on.
            namespace: Where the streams go in the destination.
            namespace_format: What belongs to ``Namespace.CUSTOM``.
            prefix: What is put before each stream's name.
            timeout: How many seconds the source may take to tell its streams.

        Raises:
            ControlError: Something of this does not fit; nothing was created.
        """
        self.must_be_possible(name, source, destination, schedule=schedule)
        _must_fit(namespace, namespace_format, given=namespace_format)
        offered = self._sources.discover(source, timeout=timeout) if catalog is None else catalog
        chosen = choose(offered, streams)
        self._must_be_known(chosen)
        new = NewConnection(
            source_id=source.id,
            destination_id=destination.id,
            name=name,
            catalog=chosen,
            schedule=schedule,
            status=ConnectionStatus.ACTIVE if active else ConnectionStatus.INACTIVE,
            namespace=namespace,
            namespace_format=namespace_format,
            prefix=prefix,
        )
        return self._client.create_connection(new, source.workspace.id, source.actor, destination.actor)

    def must_be_possible(
        self, name: str, source: Placed, destination: Placed, *, schedule: Schedule = MANUAL
    ) -> None:
        """See to it that `create` can do this as far as that is known without asking the source anything.

        Raises:
            ControlError: The name is taken, the two are in different workspaces, or this Airbyte has no such
                schedules.
        """
        self._must_be_usable(schedule)
        self._must_be_new(name, _home_of(source, destination))

    def update(
        self,
        connection: Connection,
        *,
        name: str | None = None,
        streams: Sequence[str] | None = None,
        discover: bool = False,
        catalog: Catalog | None = None,
        namespace: Namespace | None = None,
        namespace_format: str | None = None,
        prefix: str | None = None,
        timeout: float = PATIENCE_SECONDS,
    ) -> Connection:
        """Change what is given; the rest stays as it is.

        Args:
            connection: Which one.
            name: What people will call it.
            streams: Which, and how, as for `create`; those that are not named are synced no more, and one of
                which only the name is given is synced as it was.
            discover: Whether the source is asked for its streams anew; otherwise they are those that the
                connection knows. Without `streams` the same are synced as before, by their new schemas: one
                that is gone, or has lost its cursor or key, is an error. What
                Airbyte has marked as a breaking change is accepted by that; a connection that it has disabled
                because of it stays so until it is enabled.
            catalog: What `streams_of` made of these two, if it was asked already.
            namespace: Where the streams go in the destination.
            namespace_format: What belongs to ``Namespace.CUSTOM``.
            prefix: What is put before each stream's name.
            timeout: How many seconds the source may take to tell its streams.

        Raises:
            ControlError: Something of this does not fit; nothing was changed.
        """
        wanted = (name, streams, namespace, namespace_format, prefix)
        if not discover and all(each is None for each in wanted):
            raise ControlError(f"nothing is given that connection {quoted(connection.name)} is to change")
        setup = self._client.connection_setup(connection)
        _must_fit(
            namespace or setup.namespace, namespace_format or setup.namespace_format, given=namespace_format
        )
        if catalog is None and (discover or streams is not None):
            catalog = self.streams_of(setup, streams, discover=discover, timeout=timeout)
        change = ConnectionChange(
            name=name,
            catalog=catalog,
            namespace=namespace,
            namespace_format=namespace_format,
            prefix=prefix,
            accepts_schema=discover,
        )
        return self._client.update_connection(setup, change)

    def streams_of(
        self,
        setup: ConnectionSetup,
        streams: Sequence[str] | None = None,
        *,
        discover: bool = False,
        timeout: float = PATIENCE_SECONDS,
    ) -> Catalog:
        """Return how a connection's streams would be synced; `streams` and `discover` are as for `update`.

        Raises:
            ControlError: Something does not fit, or one that is to stay as it is cannot any more.
        """
        offered = setup.catalog
        if discover:
            fresh = self._client.discover(setup.connection.source.id, patience=timeout)
            offered = _as_before(fresh, setup.catalog)
        catalog = _chosen(offered, streams, setup.catalog, known_only=not discover)
        if discover:
            must_still_fit(catalog, setup.catalog if streams is None else None)
        self._must_be_known(catalog)
        return catalog

    def schedule(self, connection: Connection, schedule: Schedule) -> Connection:
        """Have a connection sync by another schedule."""
        self._must_be_usable(schedule)
        return self._change(connection, ConnectionChange(schedule=schedule))

    def enable(self, connection: Connection) -> Connection:
        """Have a connection sync from now on.

        Raises:
            ControlError: Airbyte has locked it, or it was deleted.
        """
        if connection.status is ConnectionStatus.DEPRECATED:
            raise ControlError(f"connection {quoted(connection.name)} was deleted: it cannot be enabled")
        if connection.status is ConnectionStatus.LOCKED:
            raise ControlError(
                f"connection {quoted(connection.name)} is locked by Airbyte, as for a payment that is due: "
                "enabling it is not in our hands"
            )
        return self._change(connection, ConnectionChange(status=ConnectionStatus.ACTIVE))

    def disable(self, connection: Connection) -> Connection:
        """Have a connection sync no more; a sync that runs goes on to its end."""
        return self._change(connection, ConnectionChange(status=ConnectionStatus.INACTIVE))

    def delete(self, connection: Connection) -> None:
        """Delete a connection; what it has written stays in the destination."""
        self._client.delete_connection(connection.id)

    def _change(self, connection: Connection, change: ConnectionChange) -> Connection:
        return self._client.update_connection(self._client.connection_setup(connection), change)

    def _must_be_usable(self, schedule: Schedule) -> None:
        if schedule.type is ScheduleType.CRON and self._client.instance().api == "reference":
            raise ControlError("the short reference API of this Airbyte has no cron schedules: use --every")
        if schedule.type is ScheduleType.UNKNOWN:
            raise ControlError("what this schedule means is not known: give another one")

    def _must_be_new(self, name: str, home: Workspace) -> None:
        same = [each.id for each in self._client.connections(home.id) if each.name == name]
        if same:
            raise ControlError(
                f"workspace {quoted(home.name)} has a connection {quoted(name)} already ({same[0]}): choose "
                "another name, or update that one"
            )

    def _must_be_known(self, catalog: Catalog) -> None:
        """See to it that this Airbyte knows how the streams are to be written."""
        instance = self._client.instance()
        for each in catalog.selected:
            since = _SINCE.get(each.destination_sync_mode)
            if since is not None and not instance.is_at_least(*since):
                told = instance.version or "of unknown version"
                raise ControlError(
                    f"stream {quoted(each.stream.full_name)} cannot be written in mode "
                    f"{each.destination_sync_mode}: this Airbyte ({told}) is older than {since[0]}.{since[1]}"
                )

    # Jobs

    def sync(self, connection: Connection, *, join: bool = False) -> Job:
        """Begin a sync now; with `join`, return the sync or refresh that is at work already, if one is.

        Raises:
            AlreadyRunningError: A job of the connection is at work.
            ControlError: The connection is not active.
        """
        if connection.status is not ConnectionStatus.ACTIVE:
            raise ControlError(
                f"connection {quoted(connection.name)} is {connection.status}, and Airbyte syncs only active "
                f"ones; airbyte-exporter connections enable {connection.id}"
            )
        try:
            return self._start(JobType.SYNC, connection)
        except AlreadyRunningError as error:
            if join and error.job is not None and error.job.type.moves_data:
                return error.job
            raise

    def reset(self, connection: Connection) -> Job:
        """Remove what the connection has written and forget how far it has read: the next sync reads all.

        Raises:
            AlreadyRunningError: A job of the connection is at work.
        """
        return self._start(JobType.RESET, connection)

    def refresh(self, connection: Connection, streams: Sequence[str] = (), *, truncate: bool = False) -> Job:
        """Read everything anew, of all streams or of those named.

        What was written before is kept beside it; with `truncate` it is removed once the new is there.

        Raises:
            AlreadyRunningError: A job of the connection is at work.
            ControlError: This Airbyte has no refreshes, or the connection no such stream.
        """
        instance = self._client.instance()
        if not instance.is_at_least(0, 58):
            raise ControlError(_WITHOUT_REFRESHES)
        chosen: tuple[Stream, ...] = ()
        if streams:
            setup = self._client.connection_setup(connection)
            synced = replace(setup.catalog, streams=setup.catalog.selected)
            chosen = tuple(each.stream for each in choose(synced, streams).selected)
        return self._start(JobType.REFRESH, connection, chosen, truncate=truncate)

    def _start(
        self,
        kind: JobType,
        connection: Connection,
        streams: tuple[Stream, ...] = (),
        *,
        truncate: bool = False,
    ) -> Job:
        try:
            job = self._client.start(kind, connection.id, streams=streams, truncate=truncate)
        except ApiConflict as error:
            raise self._at_work(connection) from error
        job = job or self._live_job(connection, kind)
        if job is None:
            raise ControlError(
                f"Airbyte has accepted the {kind} of connection {quoted(connection.name)} and shows no job "
                f"of it yet: do not repeat it, see airbyte-exporter jobs list --connection {connection.id}"
            )
        return job

    def _at_work(self, connection: Connection) -> AlreadyRunningError:
        job = self._live_job(connection)
        if job is None:
            text = f"a job of connection {quoted(connection.name)} is at work already"
            return AlreadyRunningError(
                f"{text}; airbyte-exporter jobs list --connection {connection.id}", None
            )
        return AlreadyRunningError(
            f"job {job.id} of connection {quoted(connection.name)} is {job.status} already; watch it with "
            f"airbyte-exporter jobs wait {job.id}, or cancel it",
            job,
        )

    def _live_job(self, connection: Connection, kind: JobType | None = None) -> Job | None:
        """Return the job that is at work, one of `kind` if given, where that can be told."""
        try:
            jobs = self._client.newest_jobs(connection.id, _NEWEST_JOBS)
        except ApiError:
            return None
        live = (job for job in jobs if not job.status.is_final)
        return next((job for job in live if kind in {None, job.type}), None)


def _home_of(source: Placed, destination: Placed) -> Workspace:
    """Return the workspace that both are in."""
    if source.workspace.id != destination.workspace.id:
        raise ControlError(
            f"source {quoted(source.name)} is in workspace {quoted(source.workspace.name)}, destination "
            f"{quoted(destination.name)} in {quoted(destination.workspace.name)}: a connection is in one"
        )
    return source.workspace


def _must_fit(namespace: Namespace, namespace_format: str | None, *, given: str | None) -> None:
    """See to it that a format, of which `given` is what was just given, belongs to a custom namespace."""
    if namespace is Namespace.CUSTOM and not namespace_format:
        raise ControlError("a custom namespace needs its format, such as raw_${SOURCE_NAMESPACE}")
    if given and namespace is not Namespace.CUSTOM:
        raise ControlError(f"a namespace format belongs to a custom namespace, and this one is {namespace}")


def _chosen(offered: Catalog, streams: Sequence[str] | None, before: Catalog, *, known_only: bool) -> Catalog:
    """Return what is synced of `offered`: the same as `before`, or what `streams` says."""
    if streams is not None:
        as_before = {key_of(each.stream) for each in before.selected}
        return choose(offered, streams, as_before=as_before, known_only=known_only)
    if not offered.selected:
        raise ControlError("the source offers none of the streams any more that are synced")
    return offered


def _as_before(fresh: Catalog, known: Catalog) -> Catalog:
    """Return the `fresh` streams, each with what is `known` of how it is synced; new ones are not."""
    before = {key_of(each.stream): each for each in known.streams}
    return replace(
        fresh,
        streams=tuple(
            replace(before[key], stream=each.stream)
            if (key := key_of(each.stream)) in before
            else replace(each, selected=False)
            for each in fresh.streams
        ),
    )
