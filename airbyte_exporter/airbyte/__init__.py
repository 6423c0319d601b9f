"""Everything that knows Airbyte's wire, read side: the Config API, short or real, and the public API.

`AirbyteClient` speaks in domain types; it can only read. Every failure is an `ApiError`.
"""

from airbyte_exporter.airbyte._addresses import Greeting, find_airbyte, greet
from airbyte_exporter.airbyte._auth import expires_at
from airbyte_exporter.airbyte._capabilities import Capabilities, Endpoints, Loss, Polling
from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._errors import (
    ApiConflict,
    ApiError,
    ApiForbidden,
    ApiMalformed,
    ApiNotFound,
    ApiRejected,
    ApiStopped,
    ApiUnauthorized,
    ApiUnreachable,
    Reason,
)
from airbyte_exporter.airbyte._job_listings import Ask, ConnectionJobs
from airbyte_exporter.airbyte._paging import JobsPage
from airbyte_exporter.airbyte._waiting import JobGoneError, WaitTimeoutError, observations
from airbyte_exporter.airbyte.client import AirbyteClient
from airbyte_exporter.logs import leave_logging_alone

__all__ = [
    "AirbyteClient",
    "AirbyteConfig",
    "ApiConflict",
    "ApiError",
    "ApiForbidden",
    "ApiMalformed",
    "ApiNotFound",
    "ApiRejected",
    "ApiStopped",
    "ApiUnauthorized",
    "ApiUnreachable",
    "Ask",
    "Capabilities",
    "ConnectionJobs",
    "Endpoints",
    "Greeting",
    "JobGoneError",
    "JobsPage",
    "Loss",
    "Polling",
    "Reason",
    "WaitTimeoutError",
    "expires_at",
    "find_airbyte",
    "greet",
    "observations",
]

leave_logging_alone()
