"""What is wrong with a schedule, in words."""

from airbyte_exporter.errors import AirbyteExporterError

__all__ = ["InvalidSchedule", "shown"]

_LONGEST = 40


class InvalidSchedule(AirbyteExporterError, ValueError):  # noqa: N818 - what it is called in messages
    """A cron expression, or its time zone, is none by which Airbyte could run anything."""


def shown(text: str) -> str:
    """Quote `text` for a message: on one line, printable, and no more than its beginning."""
    quoted = ascii(text[: _LONGEST + 1])
    return quoted if len(quoted) <= _LONGEST else f"{quoted[: _LONGEST - 4]}...{quoted[0]}"
