"""What every receiver is, and how it says that a notification did not arrive."""

from typing import Protocol

from airbyte_exporter.errors import AirbyteExporterError
from airbyte_exporter.model import Delivery

__all__ = ["DeliveryError", "Receiver"]


class DeliveryError(AirbyteExporterError):
    """A receiver did not take a notification.

    Attributes:
        retryable: Whether the same notification can ever be taken.
        retry_after: Seconds that the receiver asks us to wait, ``None`` when it does not say.
    """

    def __init__(self, message: str, *, retryable: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after


class Receiver(Protocol):
    """Somebody who is told about incidents."""

    @property
    def name(self) -> str:
        """The name in the configuration, in the outbox and in metrics."""

    def send(self, delivery: Delivery, now: float) -> None:
        """Hand the notification over, at `now` in epoch seconds by our own clock.

        Returning means that the receiver took it. Sending the same one again is harmless: its id stays.

        Raises:
            DeliveryError: The receiver did not take it.
        """

    def close(self) -> None:
        """Give up a delivery that is under way, from any thread; nothing can be sent afterwards."""
