"""Which workspaces there are and may be read; none is believed to be gone because it is not listed."""

from collections.abc import Iterable
from typing import Final

from airbyte_exporter.airbyte._caller import Caller, call_surely
from airbyte_exporter.airbyte._domain import workspace_of
from airbyte_exporter.airbyte._errors import ApiForbidden, ApiNotFound
from airbyte_exporter.airbyte._wire import WireWorkspace, WireWorkspaces, parse
from airbyte_exporter.model import Workspace

__all__ = ["list_workspaces", "make_sure_they_are_gone", "named", "not_any_more", "unwatched"]

_NAME_LENGTH: Final = 80


def list_workspaces(
    call: Caller, organization_id: str | None, only: tuple[str, ...]
) -> tuple[Workspace, ...]:
    """List the workspaces with the ids `only`, or else all of them.

    `organization_id` is whose they are, ``None`` to ask for the workspaces of an older Airbyte.

    Raises:
        ApiNotFound: One of them does not exist, or this Airbyte has no such listing.
        ApiError: They cannot be read.
    """
    if only and organization_id is not None:
        return tuple(_workspace(call, workspace_id) for workspace_id in only)
    if organization_id is None:
        method, body = "workspaces/list", {}
    else:
        method = "workspaces/list_by_organization_id"
        body = {"organizationId": organization_id}
    answer = call_surely(call, method, body, is_told=organization_id is not None)
    listed = parse(WireWorkspaces, answer.body, method=method).workspaces
    workspaces = {wire.workspace_id: workspace_of(wire) for wire in listed if not wire.tombstone}
    if not only:
        return tuple(workspaces.values())
    for workspace_id in only:
        if workspace_id not in workspaces:
            raise _no_workspace(workspace_id, method)
    return tuple(workspaces[workspace_id] for workspace_id in only)


def make_sure_they_are_gone(call: Caller, organization_id: str | None, workspace_ids: Iterable[str]) -> None:
    """Ask for each workspace that we could read and that is not listed any more.

    The listing by organization leaves out what a user is no member of (builds after 2.0.0), so a lost role
    looks there like a deleted workspace. ``workspaces/list`` is older than roles and lists everything.

    Raises:
        ApiForbidden: One exists, and only the right to read it is gone, or its place in the listing.
        ApiError: It could not be found out.
    """
    if organization_id is None:
        return
    for workspace_id in workspace_ids:
        _make_sure_it_is_gone(call, workspace_id)


def _make_sure_it_is_gone(call: Caller, workspace_id: str) -> None:
    method = "workspaces/get"
    try:
        answer = call_surely(call, method, {"workspaceId": workspace_id}, about_one=True)
    except ApiForbidden as exc:
        if exc.reason != "forbidden":
            raise
        raise not_any_more(workspace_id, exc) from exc
    except ApiNotFound as exc:
        if not exc.said_by_airbyte:
            raise
        return
    wire = parse(WireWorkspace, answer.body, method=method)
    if not wire.tombstone:
        raise ApiForbidden(
            f"{method}: Airbyte has workspace {named(workspace_of(wire))}, which is watched, and does not "
            "list it to us any more; is it in another organization now? Name the workspaces to watch in "
            "airbyte.workspace_ids",
            method=method,
            reason="forbidden",
        )


def _workspace(call: Caller, workspace_id: str) -> Workspace:
    method = "workspaces/get"
    try:
        answer = call_surely(call, method, {"workspaceId": workspace_id}, is_told=True)
    except ApiNotFound as exc:
        if not exc.said_by_airbyte:
            raise
    except ApiForbidden as exc:
        if exc.reason != "forbidden":
            raise
        raise ApiForbidden(
            f"{method}: Airbyte does not let us read workspace {workspace_id} of airbyte.workspace_ids "
            f"({exc.status}); give the application's user a role in it, or correct the id",
            method=method,
            reason="forbidden",
            status=exc.status,
        ) from exc
    else:
        return workspace_of(parse(WireWorkspace, answer.body, method=method))
    raise _no_workspace(workspace_id, method)


def _no_workspace(workspace_id: str, method: str) -> ApiNotFound:
    text = f"{method}: Airbyte has no workspace {workspace_id}; correct airbyte.workspace_ids"
    return ApiNotFound(text, method=method, said_by_airbyte=True)


def unwatched(workspace: Workspace) -> str:
    """Return what it means that we may not read `workspace`."""
    return f"nothing in workspace {named(workspace)} can be read: it is not watched"


def named(workspace: Workspace) -> str:
    """Return name and id in one line, whatever somebody has written into them."""
    name, id_ = (
        " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_NAME_LENGTH]
        for text in (workspace.name, workspace.id)
    )
    return f"{name} ({id_})"


def not_any_more(workspace: str, error: ApiForbidden) -> ApiForbidden:
    """Return what to say where a `workspace` that is watched is forbidden by now, as `error` tells."""
    return ApiForbidden(
        f"{error.method}: Airbyte does not let us read workspace {workspace}, which is watched "
        f"({error.status}); give the application's user a role in it, "
        "or name the others in airbyte.workspace_ids",
        method=error.method,
        reason="forbidden",
        status=error.status,
    )
