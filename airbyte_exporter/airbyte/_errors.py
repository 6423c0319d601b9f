"""What can go wrong between us and Airbyte: one closed family that knows what to do next."""
# ruff: noqa: N818  (the names say what happened to the call: ApiUnreachable, ApiStopped)

from typing import Final, Literal

from airbyte_exporter.errors import AirbyteExporterError

__all__ = [
    "SUPPORTED",
    "ApiConflict",
    "ApiError",
    "ApiForbidden",
    "ApiMalformed",
    "ApiNotFound",
    "ApiRejected",
    "ApiStopped",
    "ApiUnauthorized",
    "ApiUnreachable",
    "Reason",
]

SUPPORTED: Final = "this exporter reads Airbyte 0.50 to 2.x"
"""What to think of where Airbyte and we do not understand each other."""

Reason = Literal[
    "connect",
    "timeout",
    "tls",
    "dns",
    "server_error",
    "rate_limited",
    "unauthorized",
    "forbidden",
    "not_found",
    "rejected",
    "conflict",
    "malformed",
    "not_airbyte",
    "too_large",
    "stopped",
]
"""Why a call failed: a closed set, fit for a metric label."""


class ApiError(AirbyteExporterError):
    """A call to Airbyte failed.

    `method` is the API method (``jobs/list``), never with ids. `retryable` is whether the same request may
    work later; `retry_after` is how many seconds Airbyte asked to wait, where it did. `status` is the HTTP
    status that came, if one did. `maybe_done` is whether Airbyte may have changed what it was asked to all
    the same: the request was on its way when it failed, or Airbyte failed over it. Reading never sets it.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str,
        reason: Reason,
        retryable: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.method = method
        self.reason: Reason = reason
        self.retryable = retryable
        self.retry_after = retry_after
        self.status = status
        self.maybe_done = False


class ApiUnreachable(ApiError):
    """No usable answer came: no connection, no answer in time, or a server in trouble."""


class ApiUnauthorized(ApiError):
    """Airbyte does not accept our credentials, or wants some and we have none.

    `wants_password` is whether HTTP basic authentication was asked for, as proxies before Airbyte do.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str,
        reason: Reason,
        status: int | None = None,
        wants_password: bool = False,
    ) -> None:
        super().__init__(message, method=method, reason=reason, status=status)
        self.wants_password = wants_password


class ApiForbidden(ApiError):
    """Airbyte knows us and says no."""


class ApiNotFound(ApiError):
    """There is nothing at this address.

    `said_by_airbyte` is whether the answer is Airbyte's own about a thing that does not exist; else the
    path is wrong, or something in front of Airbyte has answered.
    """

    def __init__(self, message: str, *, method: str, said_by_airbyte: bool = False) -> None:
        super().__init__(message, method=method, reason="not_found", status=404)
        self.said_by_airbyte = said_by_airbyte


class ApiRejected(ApiError):
    """Airbyte refuses the request itself; the same one would be refused again."""


class ApiConflict(ApiError):
    """Airbyte does something else with it at the moment, such as a sync that runs already."""


class ApiMalformed(ApiError):
    """The answer is not what Airbyte's specification says, or is no answer of Airbyte at all."""


class ApiStopped(ApiError):
    """The exporter is stopping; the call was given up."""

    def __init__(self, method: str) -> None:
        super().__init__(f"{method}: given up, the exporter is stopping", method=method, reason="stopped")
