"""What this Airbyte is, and which of several ways to ask the same it knows and allows us.

Found out by asking, never set: by version where Airbyte tells one (its specifications), else by what answers.
A release that is known to have a method and answers that it has not is in trouble, and nothing is concluded
from that; nor from a refusal that does not come twice. Each probe is as small as it can be. Self-managed
releases differ so (tags of airbyte-platform):

- ``instance_configuration`` since 0.50.9, with a version since 0.58; the short reference API has none.
- ``workspaces/list`` until 1.6, ``workspaces/list_by_organization_id`` since 0.50.18.
- ``jobs/list`` without ``configId`` since 0.50.46, sorted as asked since 0.63, for instance administrators.
- ``jobs/list_for_workspaces`` for readers of every workspace that it names.
- ``web_backend/connections/list`` in all of them, but not in the short reference API.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import structlog

from airbyte_exporter.airbyte._caller import Caller, call_surely, is_not_there
from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._errors import ApiError, ApiForbidden, ApiMalformed, ApiNotFound, ApiRejected
from airbyte_exporter.airbyte._jobs import JOB_TYPES, JobQuery
from airbyte_exporter.airbyte._wire import (
    WireAnyConnections,
    WireDeployment,
    WireInstance,
    parse,
)
from airbyte_exporter.airbyte._workspaces import (
    list_workspaces,
    make_sure_they_are_gone,
    named,
    not_any_more,
    unwatched,
)
from airbyte_exporter.model import Instance, Workspace

__all__ = [
    "Capabilities",
    "Endpoints",
    "InstanceAnswer",
    "Loss",
    "Polling",
    "ask_instance",
    "detect",
]

log = structlog.get_logger(__name__)

DEFAULT_ORGANIZATION: Final = "00000000-0000-0000-0000-000000000000"
"""The one organization that a self-managed community Airbyte has."""

_SORTS_JOBS_FROM: Final = (0, 63)
_HAS_REFRESHES_FROM: Final = (0, 58)
_LISTS_VERSIONS_FROM: Final = (0, 64)
_PAGES_BY_CURSOR_FROM: Final = (1, 8)
_SYNCS_ONLY: Final = ("sync",)
_BEFORE_REFRESHES: Final = ("sync", "reset_connection")
_GONE: Final = frozenset({404, 405, 501})
_BAD_REQUEST: Final = frozenset({400, 422})


class Polling(StrEnum):
    """How jobs are read: what changed anywhere, what changed in some workspaces, or by connection."""

    CHANGES = "changes"
    WORKSPACES = "workspaces"
    CONNECTIONS = "connections"


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that we may not do, or this Airbyte cannot: the method, and what that means for people."""

    method: str
    means: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Which of several ways to ask the same this Airbyte knows.

    `organization_id` is whose workspaces are listed, ``None`` for ``workspaces/list``. `light_listing` is
    whether connections can be listed without their catalogs, and `versions_listed` whether that tells the
    versions of their connectors (since 0.63.6). `job_types` are those that it knows, `job_pages` is whether a
    connection's jobs come in pages.
    """

    organization_id: str | None = DEFAULT_ORGANIZATION
    light_listing: bool = True
    versions_listed: bool = True
    job_types: tuple[str, ...] = JOB_TYPES
    job_pages: bool = True


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What was found out about an Airbyte.

    `api` is ``config`` (the Configuration API), ``reference`` (its short form: flat jobs, one connection at a
    time) or ``public``. `version` and `edition` are Airbyte's own, ``None`` where it does not tell. `auth` is
    how we authenticate, `auth_mode` what Airbyte says of itself (``none``, ``simple``, ``oidc``).
    `workspaces` are those that we may read, `unreadable` those that are listed although we may not.
    """

    api: str
    version: str | None
    edition: str | None
    auth: str
    auth_mode: str | None
    deployment_id: str | None
    polling: Polling
    workspaces: tuple[Workspace, ...] = ()
    unreadable: tuple[Workspace, ...] = ()
    losses: tuple[Loss, ...] = ()
    endpoints: Endpoints = Endpoints()

    @property
    def instance(self) -> Instance:
        """What metrics and the state keep of it."""
        return Instance(self.version, self.edition, self.api, self.auth, self.deployment_id)


@dataclass(frozen=True, slots=True)
class InstanceAnswer:
    """What ``instance_configuration`` says; `is_told` is whether there was such an answer at all."""

    is_told: bool
    version: str | None = None
    edition: str | None = None
    auth_mode: str | None = None
    organization_id: str | None = None
    date: int | None = None


def ask_instance(call: Caller) -> InstanceAnswer:
    """Ask what kind of Airbyte this is, without credentials where it lets us.

    Raises:
        ApiError: It cannot be asked, or the answer is no Airbyte's.
    """
    method = "instance_configuration"
    try:
        answer = call.anonymously(method)
    except ApiError as exc:
        if exc.status not in _GONE:
            raise
        return InstanceAnswer(is_told=False)
    wire = parse(WireInstance, answer.body, method=method)
    if wire == WireInstance():
        return InstanceAnswer(is_told=False, date=answer.date)  # some servers answer anything with {}
    return InstanceAnswer(
        is_told=True,
        version=wire.version,
        edition=wire.edition.lower() if wire.edition else None,
        auth_mode=wire.auth.mode if wire.auth else None,
        organization_id=wire.default_organization_id,
        date=answer.date,
    )


def detect(
    call: Caller,
    config: AirbyteConfig,
    instance: InstanceAnswer,
    *,
    now: int,
    read_before: Collection[str] = (),
) -> Capabilities:
    """Find out what this Airbyte can do and what it allows us.

    Args:
        call: How to ask.
        config: What is configured.
        instance: What `ask_instance` returned.
        now: Our own time, epoch seconds; it only counts where Airbyte does not tell its own.
        read_before: The ids of workspaces that we could read until now.

    Raises:
        ApiForbidden: A workspace that we could read is forbidden or not listed by now: what is in it is not
            gone.
        ApiMalformed: It speaks another API than `config` insists on.
        ApiError: Airbyte cannot be read, or not enough of it.
    """
    call.forget()
    found = _with_workspaces(call, config, _by_version(call, config, instance))
    version = found.version
    if not config.workspace_ids:
        make_sure_they_are_gone(
            call, found.endpoints.organization_id, _missing(read_before, found.workspaces)
        )
    if _is_from(version, _SORTS_JOBS_FROM):
        found = _with_job_listing(
            call, config, found, now=instance.date if instance.date is not None else now
        )
    is_reference = not instance.is_told and version is None
    must_be_readable = {*read_before, *config.workspace_ids}
    insists = config.api == "config"
    found = _with_connection_listing(call, found, must_be_readable, unprobed=insists or not is_reference)
    call.doubted = False
    if is_reference and not found.endpoints.light_listing:
        if insists:
            raise _only_the_reference(config)
        endpoints = replace(found.endpoints, job_types=_SYNCS_ONLY, job_pages=False)
        found = replace(found, api="reference", endpoints=endpoints)
    if found.polling is Polling.CONNECTIONS:
        means = "jobs of all connections cannot be listed at once: each connection is asked for its own"
        found = replace(found, losses=(*found.losses, Loss("jobs/list", means)))
    return found


def _by_version(call: Caller, config: AirbyteConfig, instance: InstanceAnswer) -> Capabilities:
    """Return what follows from what this Airbyte tells of itself."""
    deployment_id, version = _deployment(call)
    version = instance.version or version
    return Capabilities(
        api="config",
        version=version,
        edition=instance.edition,
        auth=config.auth,
        auth_mode=instance.auth_mode,
        deployment_id=deployment_id,
        polling=Polling.CONNECTIONS,
        endpoints=Endpoints(
            organization_id=(instance.organization_id or DEFAULT_ORGANIZATION) if instance.is_told else None,
            versions_listed=_is_from(version, _LISTS_VERSIONS_FROM),
            job_types=JOB_TYPES if _is_from(version, _HAS_REFRESHES_FROM) else _BEFORE_REFRESHES,
        ),
    )


def _only_the_reference(config: AirbyteConfig) -> ApiMalformed:
    method = "web_backend/connections/list"
    return ApiMalformed(
        f"{method}: {config.host} speaks only the short reference form of Airbyte's Config API, and "
        "airbyte.api is config: set it to auto, or airbyte.url to Airbyte's own address",
        method=method,
        reason="not_airbyte",
    )


def _is_from(version: str | None, least: tuple[int, int]) -> bool:
    """Whether `version` is `least` or newer; one that is no number is a build of the newest code."""
    if version is None:
        return False
    numbers = re.match(r"v?(\d{1,6})\.(\d{1,6})", version)
    return numbers is None or (int(numbers[1]), int(numbers[2])) >= least


def _deployment(call: Caller) -> tuple[str | None, str | None]:
    """Return Airbyte's own id and its version, as far as it tells them to us."""
    method = "deployment/metadata"
    try:
        answer = call(method, {})
    except ApiError as exc:
        is_refused = isinstance(exc, ApiNotFound | ApiForbidden | ApiRejected) and exc.reason != "not_airbyte"
        if not is_refused and not is_not_there(exc):
            raise
        log.debug("Airbyte does not tell its deployment id", reason=exc.reason)
        return None, None
    wire = parse(WireDeployment, answer.body, method=method)
    return wire.id, wire.version


# Workspaces


def _with_workspaces(call: Caller, config: AirbyteConfig, found: Capabilities) -> Capabilities:
    endpoints = found.endpoints
    try:
        workspaces = list_workspaces(call, endpoints.organization_id, config.workspace_ids)
    except ApiError as exc:
        if endpoints.organization_id is None or not is_not_there(exc):
            raise
        endpoints = replace(endpoints, organization_id=None)
        workspaces = list_workspaces(call, endpoints.organization_id, config.workspace_ids)
    return replace(found, workspaces=workspaces, endpoints=endpoints)


def _missing(ids: Iterable[str], workspaces: Iterable[Workspace]) -> tuple[str, ...]:
    listed = {workspace.id for workspace in workspaces}
    return tuple(id_ for id_ in ids if id_ not in listed)


# Jobs


def _with_job_listing(call: Caller, config: AirbyteConfig, found: Capabilities, *, now: int) -> Capabilities:
    """Find out whether jobs can be listed all at once, or at least those of our workspaces.

    Raises:
        ApiError: Airbyte answers neither way; that it refuses the request as malformed is an answer.
    """
    probe = JobQuery(updated_since=now).as_json(1)
    if not config.workspace_ids:
        try:
            call_surely(call, "jobs/list", probe)
        except ApiForbidden as exc:
            if exc.reason != "forbidden":
                raise
            means = (
                "jobs of all connections are only for an instance administrator: "
                "they are read workspace by workspace"
            )
            found = replace(found, losses=(*found.losses, Loss("jobs/list", means)))
        except ApiRejected as exc:
            if exc.status not in _BAD_REQUEST or exc.reason != "rejected":
                raise
            log.debug("jobs cannot be listed at once", reason=exc.reason)
            return found
        else:
            return replace(found, polling=Polling.CHANGES)
    return replace(found, polling=Polling.WORKSPACES)


# Connections


def _with_connection_listing(
    call: Caller, found: Capabilities, must_be_readable: Collection[str], *, unprobed: bool
) -> Capabilities:
    """Find out how connections are listed, and in which of the workspaces we may do so.

    `unprobed` is whether to expect the light listing where nothing is asked. Those in `must_be_readable` come
    first: one of them that is forbidden is the end, whatever the others are.
    """
    if found.polling is Polling.CHANGES:
        number = 0  # an instance administrator may read everywhere
    elif found.version is None:
        number = 1  # roles are younger than versions: one workspace tells of the method
    else:
        number = len(found.workspaces)
    probed = sorted(found.workspaces, key=lambda each: each.id not in must_be_readable)[:number]
    refused: dict[str, ApiForbidden] = {}
    light = True if probed else unprobed
    for workspace in probed:
        try:
            light = _probe_connections(call, workspace, found.version)
        except ApiForbidden as exc:
            if exc.reason != "forbidden":
                raise
            if workspace.id in must_be_readable:
                raise not_any_more(named(workspace), exc) from exc
            refused[workspace.id] = exc
    if refused and len(refused) == len(probed):
        forbidden = refused[probed[-1].id]
        raise ApiForbidden(
            f"{forbidden.method}: Airbyte lets us read none of its {len(refused)} workspaces (403); "
            "use an application of a user who may read them",
            method=forbidden.method,
            reason="forbidden",
            status=forbidden.status,
        )
    unreadable = tuple(workspace for workspace in found.workspaces if workspace.id in refused)
    losses = tuple(
        Loss(
            "web_backend/connections/list" if light else "connections/list",
            unwatched(workspace),
        )
        for workspace in unreadable
    )
    return replace(
        found,
        workspaces=tuple(workspace for workspace in found.workspaces if workspace.id not in refused),
        unreadable=unreadable,
        losses=(*found.losses, *losses),
        endpoints=replace(found.endpoints, light_listing=light),
    )


def _probe_connections(call: Caller, workspace: Workspace, version: str | None) -> bool:
    """Return whether this Airbyte has the light listing, asking for as little of it as the version allows.

    Raises:
        ApiError: It has, and does not answer. Every release that tells a version has it.
    """
    probe: dict[str, Any] = {"workspaceId": workspace.id}
    if _is_from(version, _PAGES_BY_CURSOR_FROM):
        probe["pageSize"] = 1
    method = "web_backend/connections/list"
    try:
        answer = call_surely(call, method, probe)
    except ApiError as exc:
        if version is not None or not is_not_there(exc):
            raise
        return False
    if version is None:
        try:
            parse(WireAnyConnections, answer.body, method=method)
        except ApiMalformed:
            return False  # some servers answer anything with {}
    return True
