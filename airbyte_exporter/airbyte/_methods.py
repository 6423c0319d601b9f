"""The methods of Airbyte's APIs that are called, by the names used in errors and metrics."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["READING", "WRITING", "Methods"]

Methods = Mapping[str, tuple[str, str]]
"""HTTP verb and path by name. What a path names in braces is taken out of what is sent."""

READING: Final[Methods] = MappingProxyType(
    {
        "instance_configuration": ("GET", "v1/instance_configuration"),
        "deployment/metadata": ("POST", "v1/deployment/metadata"),
        "applications/token": ("POST", "v1/applications/token"),
        "public/applications/token": ("POST", "public/v1/applications/token"),
        "workspaces/list_by_organization_id": ("POST", "v1/workspaces/list_by_organization_id"),
        "workspaces/list": ("POST", "v1/workspaces/list"),
        "workspaces/get": ("POST", "v1/workspaces/get"),
        "web_backend/connections/list": ("POST", "v1/web_backend/connections/list"),
        "connections/list": ("POST", "v1/connections/list"),
        "connections/events/list": ("POST", "v1/connections/events/list"),
        "sources/list": ("POST", "v1/sources/list"),
        "destinations/list": ("POST", "v1/destinations/list"),
        "source_definitions/list": ("POST", "v1/source_definitions/list"),
        "destination_definitions/list": ("POST", "v1/destination_definitions/list"),
        "jobs/list": ("POST", "v1/jobs/list"),
        "jobs/list_for_workspaces": ("POST", "v1/jobs/list_for_workspaces"),
        "jobs/get": ("POST", "v1/jobs/get"),
        "jobs/get_without_logs": ("POST", "v1/jobs/get_without_logs"),
        "public/health": ("GET", "public/v1/health"),
        "public/workspaces": ("GET", "public/v1/workspaces"),
        "public/workspaces/get": ("GET", "public/v1/workspaces/{workspaceId}"),
        "public/connections": ("GET", "public/v1/connections"),
        "public/sources": ("GET", "public/v1/sources"),
        "public/destinations": ("GET", "public/v1/destinations"),
        "public/connector_definitions": ("GET", "public/v1/connector_definitions"),
        "public/jobs": ("GET", "public/v1/jobs"),
        "public/jobs/get": ("GET", "public/v1/jobs/{jobId}"),
    }
)
"""None of them changes anything: a client that has only these cannot, whatever it is told."""

WRITING: Final[Methods] = MappingProxyType(
    {
        "sources/get": ("POST", "v1/sources/get"),
        "sources/create": ("POST", "v1/sources/create"),
        "sources/update": ("POST", "v1/sources/update"),
        "sources/delete": ("POST", "v1/sources/delete"),
        "sources/check_connection": ("POST", "v1/sources/check_connection"),
        "sources/discover_schema": ("POST", "v1/sources/discover_schema"),
        "destinations/get": ("POST", "v1/destinations/get"),
        "destinations/create": ("POST", "v1/destinations/create"),
        "destinations/update": ("POST", "v1/destinations/update"),
        "destinations/delete": ("POST", "v1/destinations/delete"),
        "destinations/check_connection": ("POST", "v1/destinations/check_connection"),
        "connections/get": ("POST", "v1/connections/get"),
        "connections/create": ("POST", "v1/connections/create"),
        "connections/update": ("POST", "v1/connections/update"),
        "connections/delete": ("POST", "v1/connections/delete"),
        "connections/sync": ("POST", "v1/connections/sync"),
        "connections/reset": ("POST", "v1/connections/reset"),
        "connections/refresh": ("POST", "v1/connections/refresh"),
        "jobs/cancel": ("POST", "v1/jobs/cancel"),
    }
)
"""What changes something, makes a connector run, or is only read in order to be changed."""
