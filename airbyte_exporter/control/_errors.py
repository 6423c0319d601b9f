"""Why something is not done that Airbyte has not even been asked for, or refuses for a reason we know."""

from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.model import Job

__all__ = ["AlreadyRunningError", "ControlError"]


class ControlError(AirbyteExporterError):
    """What was asked for makes no sense as things are; nothing was changed, unless the message says so."""


class AlreadyRunningError(ControlError):
    """A job of the connection is at work; `job` is which, ``None`` where Airbyte does not say."""

    def __init__(self, message: str, job: Job | None) -> None:
        super().__init__(message)
        self.job = job
