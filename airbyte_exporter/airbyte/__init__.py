"""Everything that knows Airbyte's wire, read side: Config API of Airbyte 1.6 to 2.x.

`AirbyteClient` speaks in domain types; it can only read. Every failure is an `ApiError`.
"""

from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._errors import (
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
from airbyte_exporter.airbyte._paging import JobsPage
from airbyte_exporter.airbyte.client import AirbyteClient

__all__ = [
    "AirbyteClient",
    "AirbyteConfig",
    "ApiError",
    "ApiForbidden",
    "ApiMalformed",
    "ApiNotFound",
    "ApiRejected",
    "ApiStopped",
    "ApiUnauthorized",
    "ApiUnreachable",
    "JobsPage",
    "Reason",
]
