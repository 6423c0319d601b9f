"""Calls with our credentials, and the memory of which methods have worked."""

from collections.abc import Mapping
from typing import Any, Final

from airbyte_exporter.airbyte._auth import Auth
from airbyte_exporter.airbyte._config import AirbyteConfig
from airbyte_exporter.airbyte._errors import ApiError, ApiForbidden, ApiNotFound, ApiUnauthorized
from airbyte_exporter.airbyte._transport import Answer, Transport

__all__ = ["Caller", "call_surely", "is_not_there"]

_METHOD_NOT_ALLOWED: Final = 405
_NOT_IMPLEMENTED: Final = 501


class Caller:
    """Call methods of one Airbyte with the credentials that are configured. Thread-safe.

    `date` is Airbyte's own time of the newest answer. `doubted` is set when a method that worked before is
    gone or forbidden by now: behind the same address there may be another version of Airbyte, or we may have
    lost a role.
    """

    def __init__(self, config: AirbyteConfig, transport: Transport, auth: Auth) -> None:
        self._is_basic = config.auth == "basic"
        self._has_credentials = config.auth != "none"
        self._transport = transport
        self._auth = auth
        self._worked: set[str] = set()
        self.doubted = False
        self.date: int | None = None

    def forget(self) -> None:
        """Begin anew: nothing has worked yet, nothing is doubted."""
        self._worked = set()
        self.doubted = False

    def __call__(
        self,
        method: str,
        body: Mapping[str, Any] | None = None,
        *,
        about_one: bool = False,
        once: bool = False,
        patience: float | None = None,
    ) -> Answer:
        """Call `method`.

        Args:
            method: One of the transport's methods.
            body: What to send.
            about_one: Whether this asks for one thing, which may be gone or forbidden by itself: that says
                nothing about the method.
            once: Whether Airbyte must not be asked twice, since it may have done it already.
            patience: How many seconds to wait for the answer; by default the configured time-out.

        Raises:
            ApiError: It did not work.
        """
        header, deadline = self._auth.header(self._transport.deadline(patience))

        def send() -> Answer:
            return self._transport.call(
                method, body, authorization=header, deadline=deadline, once=once, patience=patience
            )

        try:
            try:
                answer = send()
            except ApiUnauthorized:
                if not self._auth.discard(header):
                    raise
                header, deadline = self._auth.header(deadline)
                answer = send()
        except ApiError as exc:
            is_lost = isinstance(exc, ApiForbidden) or is_not_there(exc)
            if is_lost and not about_one and method in self._worked:
                self.doubted = True
            raise
        if not about_one:
            self._worked.add(method)
        self.date = answer.date
        return answer

    def anonymously(self, method: str) -> Answer:
        """Call a method that Airbyte answers to anybody; credentials are shown only where they are asked for.

        A proxy with basic authentication wants them for everything.

        Raises:
            ApiError: It did not work.
        """
        if self._is_basic:
            return self(method)
        try:
            answer = self._transport.call(method, authorization=None, deadline=self._transport.deadline())
        except (ApiUnauthorized, ApiForbidden):
            if not self._has_credentials:
                raise
            return self(method)  # something in front of Airbyte wants them even for this
        except ApiNotFound:
            self.doubted = self.doubted or method in self._worked
            raise
        self._worked.add(method)
        return answer


def is_not_there(error: ApiError) -> bool:
    """Whether `error` says that this Airbyte has no such method, and nothing about what was asked for."""
    if isinstance(error, ApiNotFound):
        return not error.said_by_airbyte
    return error.status in {_METHOD_NOT_ALLOWED, _NOT_IMPLEMENTED}


def call_surely(
    call: Caller, method: str, body: Mapping[str, Any], *, about_one: bool = False, is_told: bool = False
) -> Answer:
    """Call `method`, and once more where it is forbidden: an Airbyte that starts or fails may say so once.

    `is_told` is whether Airbyte has told what it is: then that `method` is not there is doubted as well.
    """
    try:
        return call(method, body, about_one=about_one)
    except ApiError as exc:
        is_forbidden = isinstance(exc, ApiForbidden) and exc.reason == "forbidden"
        if not is_forbidden and not (is_told and is_not_there(exc)):
            raise
    return call(method, body, about_one=about_one)
