"""What can go wrong with the state."""

from typing import ClassVar

from airbyte_exporter.errors import AirbyteExporterError

__all__ = ["StateInUse", "StateMismatch", "StateTooNew", "StoreError"]


class StoreError(AirbyteExporterError):
    """The state cannot be read or written. Nothing of the verb that raised it was kept.

    `is_fatal` is whether trying again cannot help as long as nobody changes something.
    """

    is_fatal: ClassVar[bool] = False


class StateInUse(StoreError):  # noqa: N818 - it says what is, like the others of the family
    """Another process uses this state."""

    is_fatal = True


class StateMismatch(StoreError):  # noqa: N818 - as above
    """The state belongs to another Airbyte."""

    is_fatal = True


class StateTooNew(StoreError):  # noqa: N818 - as above
    """The state was written by a newer version, whose schema this one does not know."""

    is_fatal = True
