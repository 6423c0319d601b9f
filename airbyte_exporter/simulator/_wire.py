"""The Configuration API's objects as JSON. Properties without a value are left out, as Airbyte does."""

from typing import Any, Final

from ._catalogue import Connector
from ._company import Tag, Workspace
from ._generations import Generation
from ._jobs import Attempt, Failure, Job, Numbers, Stream
from ._planning import Actor, Connection
from ._schemas import catalogue_of, shown
from ._specs import masked
from .world import World

__all__ = ["ORGANIZATION_ID", "ConfigWire", "configuration", "settings_of"]

Json = dict[str, Any]

ORGANIZATION_ID: Final = "00000000-0000-0000-0000-000000000000"
_SETTINGS: Final[Json] = {
    "namespaceDefinition": "destination",
    "prefix": "",
    "notifySchemaChanges": True,
    "notifySchemaChangesByEmail": False,
    "nonBreakingChangesPreference": "propagate_columns",
    "backfillPreference": "disabled",
}
"""What the company's own connections have where nobody has changed it."""
_DATAPLANE_GROUP_ID: Final = "645a183f-b12b-4c6e-8ad3-99e165603450"


class ConfigWire:
    """Writes what the world holds as a server of one generation would."""

    def __init__(self, world: World, generation: Generation) -> None:
        self._world = world
        self._generation = generation

    # Inventory

    def workspace(self, workspace: Workspace) -> Json:
        """Write a WorkspaceRead."""
        if self._generation.details:
            newer: Json = {"dataplaneGroupId": _DATAPLANE_GROUP_ID, "tombstone": False}
        else:
            newer = {"defaultGeography": "auto"}
        return {
            "workspaceId": workspace.id,
            "customerId": self._world.company.user_id,
            "email": "data-team@example.com",
            "name": workspace.name,
            "slug": workspace.id.split("-", maxsplit=1)[0],
            "initialSetupComplete": True,
            "displaySetupWizard": False,
            "anonymousDataCollection": False,
            "news": False,
            "securityUpdates": True,
            "notifications": [],
            "notificationSettings": {"sendOnFailure": {"notificationType": ["customerio"]}},
            "organizationId": ORGANIZATION_ID,
            **newer,
        }

    def source(self, actor: Actor, used_by: list[Connection]) -> Json:
        """Write a SourceRead."""
        return {
            "sourceDefinitionId": actor.connector.definition_id,
            "sourceId": actor.id,
            "sourceName": actor.connector.name,
            **self._actor(actor, used_by),
        }

    def destination(self, actor: Actor, used_by: list[Connection]) -> Json:
        """Write a DestinationRead."""
        return {
            "destinationDefinitionId": actor.connector.definition_id,
            "destinationId": actor.id,
            "destinationName": actor.connector.name,
            **self._actor(actor, used_by),
        }

    def _actor(self, actor: Actor, used_by: list[Connection]) -> Json:
        common: Json = {
            "workspaceId": actor.workspace_id,
            "connectionConfiguration": configuration(actor),
            "name": actor.name,
        }
        if self._generation.details:
            active = any(connection.status == "active" for connection in used_by)
            common |= {
                "isVersionOverrideApplied": False,
                "isEntitled": True,
                "supportState": "supported",
                "status": "active" if active else "inactive",
                "createdAt": int(actor.created),
            }
        if self._generation.newest_details:
            syncs = [sync for connection in used_by if (sync := self.latest_sync(connection)) is not None]
            statuses = [sync.status(self._world.now) for sync in syncs]
            common["numConnections"] = len(used_by)
            common["connectionJobStatuses"] = {
                status: statuses.count(status) for status in sorted({*statuses})
            }
            if syncs:
                common["lastSync"] = int(max(sync.created for sync in syncs))
        return common

    def definition(self, connector: Connector) -> Json:
        """Write a SourceDefinitionRead or DestinationDefinitionRead."""
        written: Json = {
            f"{connector.kind}DefinitionId": connector.definition_id,
            "name": connector.name,
            "dockerRepository": connector.repository,
            "dockerImageTag": connector.version,
            "documentationUrl": f"https://docs.airbyte.com/integrations/{connector.kind}s/{connector.slug}",
            "protocolVersion": "0.2.0",
            "releaseStage": "generally_available",
        }
        if self._generation.details:
            custom = connector.source_type == "custom"
            level = "none" if custom else "certified"
            written |= {"custom": custom, "enterprise": False, "supportLevel": level}
        elif connector.kind == "destination":
            written |= {"supportsDbt": False, "normalizationConfig": {"supported": False}}
        if connector.kind == "source":
            written["sourceType"] = connector.source_type
        elif self._generation.newest_details:
            written["supportsDataActivation"] = False
        return written

    def tag(self, tag: Tag) -> Json:
        """Write a Tag."""
        return {"tagId": tag.id, "workspaceId": tag.workspace_id, "name": tag.name, "color": tag.color}

    def schedule(self, connection: Connection) -> Json:
        """Write scheduleType and scheduleData."""
        schedule = connection.schedule
        if schedule.type == "basic":
            timing = {"timeUnit": schedule.time_unit, "units": schedule.units}
            return {"scheduleType": "basic", "scheduleData": {"basicSchedule": timing}}
        if schedule.type == "cron":
            cron = {"cronExpression": schedule.cron_expression, "cronTimeZone": schedule.cron_time_zone}
            return {"scheduleType": "cron", "scheduleData": {"cron": cron}}
        return {"scheduleType": "manual"}

    def list_item(self, connection: Connection) -> Json:
        """Write a WebBackendConnectionListItem."""
        source, destination = connection.source, connection.destination
        item = {
            "connectionId": connection.id,
            "name": connection.name,
            **self.schedule(connection),
            "status": connection.status,
            "source": {
                "sourceId": source.id,
                "name": source.name,
                "sourceDefinitionId": source.connector.definition_id,
                "sourceName": source.connector.name,
            },
            "destination": {
                "destinationId": destination.id,
                "name": destination.name,
                "destinationDefinitionId": destination.connector.definition_id,
                "destinationName": destination.connector.name,
            },
            "isSyncing": False,
            "schemaChange": connection.schema_change,
            **self._tags(connection),
        }
        if self._generation.actor_versions:
            item["sourceActorDefinitionVersion"] = self._version(source)
            item["destinationActorDefinitionVersion"] = self._version(destination)
        if (latest := self.latest_sync(connection)) is not None:
            status = latest.status(self._world.now)
            item["latestSyncJobCreatedAt"] = int(latest.created)
            item["latestSyncJobStatus"] = status
            item["isSyncing"] = status == "running"
        return item

    def _tags(self, connection: Connection) -> Json:
        if not self._generation.tags:
            return {}
        return {"tags": [self.tag(tag) for tag in self._world.tags_of(connection)]}

    def _version(self, actor: Actor) -> Json:
        version = {
            "dockerRepository": actor.connector.repository,
            "dockerImageTag": actor.connector.version,
            "supportsRefreshes": actor.connector.kind == "destination",
            "isVersionOverrideApplied": False,
            "supportLevel": "certified",
            "supportState": "supported",
            "supportsFileTransfer": False,
        }
        if self._generation.newest_details:
            version["supportsDataActivation"] = False
        return version

    def connection(self, connection: Connection) -> Json:
        """Write a ConnectionRead, with its whole catalogue."""
        schedule = connection.schedule
        legacy = {"schedule": {"units": schedule.units, "timeUnit": schedule.time_unit}}
        if self._generation.details:
            newer: Json = {"created_at": int(connection.created)}
        else:
            newer = {"geography": "auto"}
        return {
            "connectionId": connection.id,
            "name": connection.name,
            **settings_of(connection, self._generation),
            "sourceId": connection.source.id,
            "destinationId": connection.destination.id,
            "operationIds": [],
            "syncCatalog": {"streams": [shown(one, self._generation) for one in catalogue_of(connection)]},
            **(legacy if schedule.type == "basic" else {}),
            **self.schedule(connection),
            "status": connection.status,
            "breakingChange": connection.schema_change == "breaking",
            **newer,
            **self._tags(connection),
        }

    def latest_sync(self, connection: Connection) -> Job | None:
        """Return the latest visible job of type sync; as jobs do not overlap it is also the last changed."""
        syncs = (j for j in reversed(connection.jobs) if j.config_type == "sync" and not (j.hidden or j.gone))
        return next(syncs, None)

    # Jobs

    def job(self, job: Job, *, stats: bool) -> Json:
        """Write a JobRead; the aggregated numbers are only filled by the listings and by get_without_logs."""
        now = self._world.now
        written: Json = {
            "id": job.id,
            "configType": job.config_type,
            "configId": job.connection_id,
            "enabledStreams": [_descriptor(stream) for stream in job.streams],
            "createdAt": int(job.created),
            "updatedAt": int(job.updated(now)),
            "status": job.status(now),
        }
        if job.config_type == "reset_connection":
            written["resetConfig"] = {"streamsToReset": [_descriptor(stream) for stream in job.streams]}
        if job.config_type == "refresh":
            written["refreshConfig"] = {"streamsToRefresh": [_descriptor(stream) for stream in job.streams]}
        if stats and self._generation.aggregated_stats:
            written["aggregatedStats"] = self._numbers(job.total(now))
            written["streamAggregatedStats"] = [
                {**_stream(stream), **self._numbers(numbers), "wasBackfilled": False, "wasResumed": False}
                for stream, numbers in zip(job.streams, job.aggregated(now), strict=False)
            ]
        return written

    def attempt(self, job: Job, number: int, *, source: str) -> Json:
        """Write an AttemptRead.

        `source` is where the numbers come from: ``database`` (the listings), ``light`` (the listing for
        workspaces, which does not read what an attempt wrote at its end) or ``output`` (a single job).
        """
        now, attempt = self._world.now, job.attempts[number]
        status = attempt.status(now)
        ended = status != "running"
        written: Json = {
            "id": number,
            "status": status,
            "createdAt": int(attempt.started),
            "updatedAt": int(attempt.ended if ended else attempt.started),
        }
        if ended:
            written["endedAt"] = int(attempt.ended)
        has_output = ended and job.has_stats and not attempt.crashed
        if has_output and source != "light":
            total = attempt.numbers(now)
            written["bytesSynced"], written["recordsSynced"] = total.bytes_committed, total.records_committed
        if has_output if source == "output" else job.has_stats:
            self._add_stats(written, job, attempt, source)
        if status == "failed" and attempt.failures:
            written["failureSummary"] = self._failures(job, attempt)
        return written

    def _add_stats(self, written: Json, job: Job, attempt: Attempt, source: str) -> None:
        now, database = self._world.now, source != "output"
        total = attempt.numbers(now)
        written["totalStats"] = self._attempt_numbers(total, database=database)
        if database and self._estimates(job):
            written["totalStats"]["estimatedRecords"] = attempt.total.records_emitted
            written["totalStats"]["estimatedBytes"] = attempt.total.bytes_emitted
        if not database:
            written["totalStats"]["stateMessagesEmitted"] = len(job.streams)
        written["streamStats"] = [
            {**_stream(stream), "stats": self._attempt_numbers(numbers, database=False)}
            for stream, numbers in zip(job.streams, job.stream_numbers(attempt, now), strict=True)
        ]

    def _estimates(self, job: Job) -> bool:
        return self._world.connection(job.connection_id).source.connector.source_type == "database"

    def _attempt_numbers(self, numbers: Numbers, *, database: bool) -> Json:
        written = {
            "recordsEmitted": numbers.records_emitted,
            "bytesEmitted": numbers.bytes_emitted,
            "recordsCommitted": numbers.records_committed,
        }
        if database and self._generation.newest_details:
            written["recordsRejected"] = numbers.records_rejected
        return written

    def _numbers(self, numbers: Numbers) -> Json:
        written = {
            "recordsEmitted": numbers.records_emitted,
            "bytesEmitted": numbers.bytes_emitted,
            "recordsCommitted": numbers.records_committed,
            "bytesCommitted": numbers.bytes_committed,
        }
        if self._generation.newest_details:
            written["recordsRejected"] = numbers.records_rejected
        return written

    def _failures(self, job: Job, attempt: Attempt) -> Json:
        written: Json = {"failures": [self._failure(failure, at) for at, failure in attempt.failures_at()]}
        if job.has_stats and attempt.partial_success is not None:
            written["partialSuccess"] = attempt.partial_success
        return written

    def _failure(self, failure: Failure, at: float) -> Json:
        written: Json = {
            "externalMessage": failure.message,
            "internalMessage": failure.internal,
            "stacktrace": f"{failure.internal}\n\tat io.airbyte.integrations.Reader.read(Reader.kt:112)\n",
            "timestamp": int(at * 1000),
        }
        if failure.origin is not None:
            written["failureOrigin"] = failure.origin
        if failure.type is not None:
            known = self._generation.failure_types
            written["failureType"] = (
                failure.type if known is None or failure.type in known else "system_error"
            )
        if self._generation.newest_details:
            written["fromTraceMessage"] = failure.origin in {"source", "destination"}
        return written


def configuration(actor: Actor) -> Json:
    """Write a connector's configuration, its secrets masked as Airbyte masks them."""
    return masked(actor.connector, actor.configuration)


def settings_of(connection: Connection, generation: Generation) -> Json:
    """Write the properties of a connection that are told as they were given."""
    settings = _SETTINGS | connection.settings
    return {
        name: value for name, value in settings.items() if generation.details or name != "backfillPreference"
    }


def _descriptor(stream: Stream) -> Json:
    return {"name": stream.name} | ({"namespace": stream.namespace} if stream.namespace else {})


def _stream(stream: Stream) -> Json:
    return {"streamName": stream.name} | ({"streamNamespace": stream.namespace} if stream.namespace else {})
